//! The 80-bit floating-point numbers of x86, in which Redis adds for `INCRBYFLOAT` and `HINCRBYFLOAT`.

use std::ops::Add;

use super::big::Big;
use super::binary::{Binary, parse_power};

/// A floating-point number with a mantissa of 64 bits, so that decimal fractions of up to about 17 digits add up as
/// people expect: 0.1 and 0.2 make 0.3.
#[derive(Clone, Copy, Debug)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug)]
enum Magnitude {
    /// `mantissa * 2^exponent`. The mantissa's top bit is set unless the exponent is the smallest one.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
    NotANumber,
}

const PRECISION: u32 = 64;
/// The exponent of the last bit of the smallest numbers.
const EXPONENT_MIN: i32 = -16_445;
/// The exponent of the last bit of the greatest numbers.
const EXPONENT_MAX: i32 = 16_384 - PRECISION as i32;

/// Numbers whose first digit is at or above this power of ten overflow, whatever their digits are.
const DECIMAL_EXPONENT_MAX: i64 = 4_940;
/// Numbers whose first digit is below this power of ten round to zero, whatever their digits are.
const DECIMAL_EXPONENT_MIN: i64 = -4_960;

impl LongDouble {
    /// Longer text is not taken for a number.
    pub const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

    /// Reads a number as `strtold` does, but only when it takes the whole text. NaN is refused, and so is a number that
    /// overflows, or that is not zero but rounds to it.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > Self::TEXT_BYTES_MAX {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let magnitude = match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => Magnitude::parsed(Binary::parse_hexadecimal(digits)?)?,
            [b'0'..=b'9' | b'.', ..] => Magnitude::parsed(parse_decimal(unsigned)?)?,
            word if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") => Magnitude::Infinite,
            _ => return None,
        };
        Some(Self { negative, magnitude })
    }

    pub fn is_nan(&self) -> bool {
        matches!(self.magnitude, Magnitude::NotANumber)
    }

    pub fn is_infinite(&self) -> bool {
        matches!(self.magnitude, Magnitude::Infinite)
    }

    /// The number without an exponent and with at most 17 decimals, without trailing zeros: what is stored and
    /// replied. It may have up to some five thousand bytes.
    pub fn to_human_text(self) -> String {
        let (mantissa, exponent) = match self.magnitude {
            Magnitude::NotANumber => return "nan".to_owned(),
            Magnitude::Infinite => return if self.negative { "-inf" } else { "inf" }.to_owned(),
            Magnitude::Finite { mantissa, exponent } => (mantissa, exponent),
        };
        let mut text = String::new();
        if exponent >= 0 {
            text.push_str(&integer_text(mantissa, exponent as u32));
        } else {
            push_fixed_point(&mut text, scale_to_decimals(mantissa, exponent.unsigned_abs()));
        }
        if self.negative && text != "0" {
            text.insert(0, '-');
        }
        text
    }

    /// The sum of two finite numbers.
    fn add_finite(left: (bool, u64, i32), right: (bool, u64, i32)) -> Self {
        let (high, low) = if left.2 >= right.2 { (left, right) } else { (right, left) };
        // The higher number fills bits 63 to 126, so that a carry has room. The lower one is moved down to it, and
        // loses bits only once it is so far down that no more than one leading bit can cancel.
        let high_bits = u128::from(high.1) << 63;
        let low_bits = u128::from(low.1) << 63;
        let distance = (high.2 - low.2).unsigned_abs();
        let moved = low_bits.checked_shr(distance).unwrap_or(0);
        let inexact = low_bits != 0 && distance > 63 && (distance > 127 || moved << distance != low_bits);
        let (negative, mantissa) = if high.0 == low.0 {
            (high.0, high_bits + moved)
        } else if moved > high_bits {
            (low.0, moved - high_bits)
        } else {
            // What is cut off makes the subtrahend greater, so one more is taken away and a part of it given back.
            (high.0, high_bits - moved - u128::from(inexact))
        };
        let negative = if mantissa == 0 { left.0 && right.0 } else { negative };
        let sum = Binary { mantissa, exponent: i64::from(high.2) - 63, inexact };
        Self { negative, magnitude: Magnitude::rounded(sum) }
    }
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> Self {
        Self { negative: value < 0, magnitude: Magnitude::exact(value.unsigned_abs(), 0) }
    }
}

impl From<f64> for LongDouble {
    /// Every double is one of these numbers.
    fn from(value: f64) -> Self {
        const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
        let bits = value.to_bits();
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        let magnitude = match bits >> FRACTION_BITS & 0x7ff {
            _ if value.is_nan() => Magnitude::NotANumber,
            _ if value.is_infinite() => Magnitude::Infinite,
            0 => Magnitude::exact(fraction, -1074),
            exponent => Magnitude::exact(fraction | 1 << FRACTION_BITS, exponent as i64 - 1075),
        };
        Self { negative: value.is_sign_negative(), magnitude }
    }
}

impl Add for LongDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        use Magnitude::{Finite, Infinite, NotANumber};
        match (self.magnitude, other.magnitude) {
            (Finite { mantissa, exponent }, Finite { mantissa: other_mantissa, exponent: other_exponent }) => {
                let right = (other.negative, other_mantissa, other_exponent);
                Self::add_finite((self.negative, mantissa, exponent), right)
            }
            (NotANumber, _) | (_, NotANumber) => Self { negative: false, magnitude: NotANumber },
            (Infinite, Infinite) if self.negative != other.negative => Self { negative: false, magnitude: NotANumber },
            (Infinite, _) => self,
            (_, Infinite) => other,
        }
    }
}

impl Magnitude {
    fn exact(mantissa: u64, exponent: i64) -> Self {
        Self::rounded(Binary { mantissa: u128::from(mantissa), exponent, inexact: false })
    }

    fn rounded(number: Binary) -> Self {
        let (mantissa, exponent) = number.round(PRECISION, i64::from(EXPONENT_MIN));
        if mantissa == 0 {
            return Self::Finite { mantissa: 0, exponent: EXPONENT_MIN };
        }
        let shift = i64::from(mantissa.leading_zeros()).min(exponent - i64::from(EXPONENT_MIN));
        let exponent = exponent - shift;
        match i32::try_from(exponent) {
            Ok(exponent) if exponent <= EXPONENT_MAX => Self::Finite { mantissa: mantissa << shift, exponent },
            _ => Self::Infinite,
        }
    }

    /// As `rounded`, but refuses what overflows, and what is not zero but becomes it.
    fn parsed(number: Binary) -> Option<Self> {
        let magnitude = Self::rounded(number);
        match magnitude {
            Self::Finite { mantissa: 0, .. } if number.mantissa != 0 => None,
            Self::Infinite => None,
            magnitude => Some(magnitude),
        }
    }
}

/// Reads an unsigned decimal number. One beyond all range is `None` like one that is ill-formed.
fn parse_decimal(text: &[u8]) -> Option<Binary> {
    let mut digits = Vec::with_capacity(text.len());
    let (mut any_digit, mut after_point, mut exponent) = (false, false, 0i64);
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        match byte {
            b'0'..=b'9' => {
                any_digit = true;
                exponent -= i64::from(after_point);
                if *byte != b'0' || !digits.is_empty() {
                    digits.push(*byte);
                }
            }
            b'.' if !after_point => after_point = true,
            _ => break,
        }
        rest = tail;
    }
    if !any_digit {
        return None;
    }
    match rest {
        [] => {}
        [b'e' | b'E', power @ ..] => exponent += parse_power(power)?,
        _ => return None,
    }
    while digits.last() == Some(&b'0') {
        digits.pop();
        exponent += 1;
    }
    let first_digit = exponent + digits.len() as i64;
    if digits.is_empty() {
        return Some(Binary { mantissa: 0, exponent: 0, inexact: false });
    }
    if !(DECIMAL_EXPONENT_MIN..=DECIMAL_EXPONENT_MAX).contains(&first_digit) {
        return None;
    }
    Some(decimal_to_binary(&digits, exponent))
}

/// `digits * 10^exponent`, with enough bits to be rounded once.
fn decimal_to_binary(digits: &[u8], exponent: i64) -> Binary {
    const POWERS_MAX: i64 = 18;
    if digits.len() <= 19 && (-POWERS_MAX..=POWERS_MAX).contains(&exponent) {
        let value = digits.iter().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        let power = 10u64.pow(exponent.unsigned_abs() as u32);
        if exponent >= 0 {
            return Binary { mantissa: u128::from(value) * u128::from(power), exponent: 0, inexact: false };
        }
        // 10^18 has 60 bits, so the quotient has at least 67.
        let shift = value.leading_zeros() + 64;
        let numerator = u128::from(value) << shift;
        return Binary {
            mantissa: numerator / u128::from(power),
            exponent: -i64::from(shift),
            inexact: numerator % u128::from(power) != 0,
        };
    }
    let mut numerator = Big::from_digits(digits);
    if exponent >= 0 {
        numerator.multiply_by_power_of_ten(exponent as usize);
        let (mantissa, below, inexact) = numerator.top_bits();
        Binary { mantissa, exponent: below as i64, inexact }
    } else {
        let mut denominator = Big::from_u64(1);
        denominator.multiply_by_power_of_ten(exponent.unsigned_abs() as usize);
        let (mantissa, exponent, inexact) = Big::divide(numerator, denominator);
        Binary { mantissa, exponent, inexact }
    }
}

const DECIMALS: usize = 17;
const DECIMALS_POWER: u64 = 10u64.pow(DECIMALS as u32);

/// `mantissa / 2^shift` in units of the last decimal, rounded to the nearest, and to even between two.
fn scale_to_decimals(mantissa: u64, shift: u32) -> u128 {
    // The product has at most 121 bits: 64 of the mantissa and 57 of the power.
    let product = u128::from(mantissa) * u128::from(DECIMALS_POWER);
    if shift >= 128 {
        return 0;
    }
    let whole = product >> shift;
    let cut = product & ((1 << shift) - 1);
    let half = 1u128 << (shift - 1);
    whole + u128::from(cut > half || (cut == half && whole & 1 == 1))
}

fn push_fixed_point(text: &mut String, scaled: u128) {
    let power = u128::from(DECIMALS_POWER);
    text.push_str(&(scaled / power).to_string());
    let decimals = (scaled % power) as u64;
    if decimals != 0 {
        let decimals = format!("{decimals:0DECIMALS$}");
        text.push('.');
        text.push_str(decimals.trim_end_matches('0'));
    }
}

fn integer_text(mantissa: u64, exponent: u32) -> String {
    if exponent <= 64 {
        return (u128::from(mantissa) << exponent).to_string();
    }
    let mut big = Big::from_u64(mantissa);
    big.shift_left(exponent as usize);
    big.into_decimal()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn sum(left: &str, right: &str) -> String {
        let parse = |text: &str| LongDouble::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text:?} is a number"));
        (parse(left) + parse(right)).to_human_text()
    }

    #[test]
    fn decimal_fractions_add_up_as_people_expect() {
        for (left, right, expected) in [
            ("0.1", "0.2", "0.3"),
            ("3.0e3", "200", "3200"),
            ("5.0e3", "2.0e2", "5200"),
            ("10.50", "0.1", "10.6"),
            ("10.6", "-5", "5.6"),
            ("1", "1.5", "2.5"),
            ("1", "-1", "0"),
            ("-0", "-0", "0"),
            ("-1e-30", "0", "0"),
            ("1.23", "-2.46", "-1.23"),
            ("17179869184", "1.5", "17179869185.5"),
            ("1e19", "1", "10000000000000000001"),
            ("1e20", "1", "100000000000000000000"),
            ("18446744073709551615", "0", "18446744073709551615"),
            ("18446744073709551617", "0", "18446744073709551616"),
            ("0.00000000000000001", "0", "0.00000000000000001"),
            ("0.000000000000000005", "0", "0"),
            ("0.000000000000000006", "0", "0.00000000000000001"),
            ("-282.151482", "0", "-282.15148200000000001"),
            ("3.14159265358979323846", "0", "3.14159265358979324"),
            ("0x1p-1", "0X.8", "1"),
            ("inf", "1", "inf"),
            ("-infinity", "1", "-inf"),
            ("+inf", "-inf", "nan"),
        ] {
            assert_eq!(sum(left, right), expected, "{left} + {right}");
        }
    }

    #[test]
    fn doubles_keep_all_their_decimals_up_to_the_seventeenth() {
        let text = |value: f64| LongDouble::from(value).to_human_text();
        assert_eq!(text(0.1), "0.10000000000000001");
        assert_eq!(text(-122.406_904_757_022_86), "-122.40690475702285767");
        assert_eq!((text(12.0), text(-0.0), text(0.5)), ("12".to_owned(), "0".to_owned(), "0.5".to_owned()));
        assert_eq!((text(1e300).len(), text(5e-324)), (301, "0".to_owned()));
        assert_eq!((text(f64::NEG_INFINITY), text(f64::NAN)), ("-inf".to_owned(), "nan".to_owned()));
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        let long = "1".repeat(5120);
        for text in [
            "",
            " 1",
            "1 ",
            "+",
            "-",
            ".",
            "e1",
            "1e",
            "1e+",
            "1.2.3",
            "nan",
            "-nan",
            "1a",
            "0x",
            "0xg",
            "0x1p",
            "++1",
            "1e5000",
            "-1e99999999999999999999",
            "1e-5000",
            "1e-99999999999999999999",
            "0x1p16384",
            "0x1p-16446",
            "1\0",
            long.as_str(),
        ] {
            assert!(LongDouble::parse(text.as_bytes()).is_none(), "{text:?}");
        }
    }

    #[test]
    fn numbers_at_the_ends_of_the_range_are_read() {
        for text in ["1.18e4932", "3.7e-4951", "1e4932", "0x1p-16445", "0x1.fffffffffffffffep16383", "0e99999999999"] {
            assert!(LongDouble::parse(text.as_bytes()).is_some(), "{text:?}");
        }
        let greatest = LongDouble::parse(b"0x1.fffffffffffffffep16383").unwrap();
        assert!((greatest + greatest).is_infinite());
        assert_eq!(greatest.to_human_text().len(), 4933);
        assert!(greatest.to_human_text().starts_with("118973149535723176502126385303"));
        let longest = "1".repeat(LongDouble::TEXT_BYTES_MAX - 1000) + "." + &"1".repeat(999);
        assert!(LongDouble::parse(longest.as_bytes()).is_some());
    }

    #[test]
    fn every_integer_is_exact() {
        for value in [0, 1, -1, i64::MAX, i64::MIN, i64::MAX - 1, 1 << 53, (1 << 53) + 1] {
            assert_eq!(LongDouble::from(value).to_human_text(), value.to_string());
        }
    }

    proptest! {
        #[test]
        fn short_decimals_add_exactly(left in -9_000_000i64..9_000_000, right in -9_000_000i64..9_000_000) {
            let text = |value: i64| {
                let sign = if value < 0 { "-" } else { "" };
                format!("{sign}{}.{:06}", value.abs() / 1_000_000, value.abs() % 1_000_000)
            };
            let expected = text(left + right);
            prop_assert_eq!(sum(&text(left), &text(right)), expected.trim_end_matches('0').trim_end_matches('.'));
        }

        #[test]
        fn the_short_way_of_reading_agrees_with_the_long_one(value: u64, exponent in -18i64..18) {
            // The same number, but of more digits than the short way takes.
            let digits = value.to_string();
            let long_digits = format!("{digits}{}", "0".repeat(20));
            let short = Magnitude::rounded(decimal_to_binary(digits.as_bytes(), exponent));
            let long = Magnitude::rounded(decimal_to_binary(long_digits.as_bytes(), exponent - 20));
            if value != 0 {
                prop_assert_eq!(format!("{short:?}"), format!("{long:?}"));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.eExXpPinfaINF]{0,24}") {
            if let Some(number) = LongDouble::parse(text.as_bytes()) {
                prop_assert!(!number.to_human_text().is_empty());
            }
        }
    }
}
