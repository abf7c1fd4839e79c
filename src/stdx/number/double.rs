//! Doubles as text.

use std::fmt::Write as _;

use super::binary::Binary;
use super::{FloatText, format_i64};

/// Reads a double as `strtod` does, but only when it takes the whole text: decimal or hexadecimal, with or without an
/// exponent, or an infinity. NaN is refused, and so is a number that overflows, or that is not zero but rounds to it.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, magnitude) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if let Some(integer) = parse_exact_integer(magnitude) {
        let value = integer as f64;
        return Some(if negative { -value } else { value });
    }
    let value = match magnitude {
        [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits)?,
        [b'0'..=b'9' | b'.', ..] => {
            let value: f64 = fast_float2::parse(magnitude).ok()?;
            if value.is_infinite() || (value == 0.0 && has_nonzero_digit(magnitude)) {
                return None;
            }
            value
        }
        word if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") => f64::INFINITY,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// Most scores are integers of few digits, each of which is a double exactly.
#[inline]
fn parse_exact_integer(text: &[u8]) -> Option<u64> {
    const DIGITS_MAX: usize = 15;
    if text.is_empty() || text.len() > DIGITS_MAX {
        return None;
    }
    text.iter().try_fold(0, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + u64::from(digit))
    })
}

/// The text of a double in a reply: an integer where it is one, else the shortest digits that read back to the same
/// double, in positional notation where that stays short and else as `1.5e+20`.
pub fn format_f64(value: f64) -> FloatText {
    if let Some(special) = format_special(value) {
        return special;
    }
    if let Some(integer) = as_exact_i64(value) {
        let mut text = FloatText::new();
        text.push(itoa::Buffer::new().format(integer).as_bytes());
        return text;
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value).as_bytes();
    if is_laid_out(shortest) {
        let mut text = FloatText::new();
        text.push(shortest);
        return text;
    }
    lay_out(&Decimal::of(shortest))
}

/// The text of a double as C's `%.17g` prints it: 17 significant digits, trailing zeros trimmed.
pub fn format_f64_17g(value: f64) -> FloatText {
    if let Some(special) = format_special(value) {
        return special;
    }
    let mut scientific = FloatText::new();
    write!(scientific, "{value:.16e}").expect("17 digits, a sign and an exponent fit");
    Decimal::of(&scientific).general(17)
}

/// Zero keeps its sign, as `%g` prints it.
pub(super) fn format_special(value: f64) -> Option<FloatText> {
    let word: &[u8] = if value.is_nan() {
        b"nan"
    } else if value == f64::INFINITY {
        b"inf"
    } else if value == f64::NEG_INFINITY {
        b"-inf"
    } else if value == 0.0 {
        if value.is_sign_negative() { b"-0" } else { b"0" }
    } else {
        return None;
    };
    let mut text = FloatText::new();
    text.push(word);
    Some(text)
}

/// The integer that a double is, if it is one and less than about half of the range of an `i64` away from zero: beyond
/// that a double's digits as an integer would claim a precision that it does not have.
fn as_exact_i64(value: f64) -> Option<i64> {
    const BOUND: f64 = (i64::MAX / 2) as f64;
    let integer = value as i64;
    (value.abs() <= BOUND && integer as f64 == value).then_some(integer)
}

/// Whether the shortest digits of a number that is no integer happen to come in the layout of a reply already, as those
/// of most do: in positional notation, and with few decimals or near one.
fn is_laid_out(shortest: &[u8]) -> bool {
    let Some(point) = shortest.iter().position(|&byte| byte == b'.') else {
        return false;
    };
    let decimals = &shortest[point + 1..];
    if decimals == b"0" || decimals.contains(&b'e') {
        return false;
    }
    let before_point = shortest[..point].strip_prefix(b"-").unwrap_or(&shortest[..point]);
    decimals.len() < 7 || (before_point.len() <= 4 && before_point != b"0")
}

/// Positional notation is for integers with few zeros to append, and for fractions with few decimals or near one.
fn lay_out(decimal: &Decimal) -> FloatText {
    let count = decimal.digits.len() as i32;
    // How many places the digits, read as an integer, have to be moved to the left to give the value.
    let scale = decimal.exponent + 1 - count;
    let magnitude = decimal.exponent.abs();
    let positional = if scale >= 0 { magnitude < count + 7 } else { scale > -7 || magnitude < 4 };
    let mut text = FloatText::new();
    if decimal.negative {
        text.push(b"-");
    }
    if positional {
        decimal.push_positional(&mut text);
    } else {
        decimal.push_scientific(&mut text, 1);
    }
    text
}

/// Digits without leading or trailing zeros, and the power of ten of the first of them.
pub(super) struct Decimal {
    negative: bool,
    digits: FloatText,
    exponent: i32,
}

impl Decimal {
    /// Takes apart a finite number other than zero, in either notation.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut digits = [0u8; 24];
        let mut count = 0;
        let mut negative = false;
        let mut before_point = None;
        let mut leading_zeros = 0;
        let mut exponent = 0;
        for (index, &byte) in text.iter().enumerate() {
            match byte {
                b'-' => negative = true,
                b'.' => before_point = Some(count + leading_zeros),
                b'e' => {
                    exponent = parse_exponent(&text[index + 1..]);
                    break;
                }
                b'0' if count == 0 => leading_zeros += 1,
                digit => {
                    digits[count] = digit;
                    count += 1;
                }
            }
        }
        let before_point = before_point.unwrap_or(count + leading_zeros);
        let exponent = exponent + before_point as i32 - leading_zeros as i32 - 1;
        while count > 1 && digits[count - 1] == b'0' {
            count -= 1;
        }
        let mut kept = FloatText::new();
        kept.push(&digits[..count]);
        Self { negative, digits: kept, exponent }
    }

    /// Rounds to so many digits. Returns false, and changes nothing, if it is exactly half way between two such numbers.
    pub(super) fn round(&mut self, digits: usize) -> bool {
        let Some((kept, cut)) = self.digits.split_at_checked(digits) else { return true };
        if cut == b"5" {
            return false;
        }
        let is_up = cut.first().is_some_and(|first| *first >= b'5');
        let mut rounded = FloatText::new();
        match kept.iter().rposition(|digit| if is_up { *digit != b'9' } else { *digit != b'0' }) {
            Some(last) => {
                rounded.push(&kept[..last]);
                rounded.push(&[kept[last] + u8::from(is_up)]);
            }
            None => {
                rounded.push(b"1");
                self.exponent += 1;
            }
        }
        self.digits = rounded;
        true
    }

    /// As C's `%g` prints it with so many digits, which it has at most.
    pub(super) fn general(&self, digits: i32) -> FloatText {
        let mut text = FloatText::new();
        if self.negative {
            text.push(b"-");
        }
        if (-4..digits).contains(&self.exponent) {
            self.push_positional(&mut text);
        } else {
            self.push_scientific(&mut text, 2);
        }
        text
    }

    fn push_positional(&self, text: &mut FloatText) {
        let count = self.digits.len();
        let Ok(exponent) = usize::try_from(self.exponent) else {
            text.push(b"0.");
            text.push_zeros(self.exponent.unsigned_abs() as usize - 1);
            text.push(&self.digits);
            return;
        };
        if exponent + 1 >= count {
            text.push(&self.digits);
            text.push_zeros(exponent + 1 - count);
        } else {
            text.push(&self.digits[..=exponent]);
            text.push(b".");
            text.push(&self.digits[exponent + 1..]);
        }
    }

    fn push_scientific(&self, text: &mut FloatText, exponent_digits_min: usize) {
        text.push(&self.digits[..1]);
        if self.digits.len() > 1 {
            text.push(b".");
            text.push(&self.digits[1..]);
        }
        text.push(if self.exponent < 0 { b"e-" } else { b"e+" });
        let exponent = format_i64(i64::from(self.exponent.abs()));
        text.push_zeros(exponent_digits_min.saturating_sub(exponent.len()));
        text.push(&exponent);
    }
}

fn parse_exponent(text: &[u8]) -> i32 {
    let mut exponent = 0;
    for &byte in text {
        if byte.is_ascii_digit() {
            exponent = exponent * 10 + i32::from(byte - b'0');
        }
    }
    if text.first() == Some(&b'-') { -exponent } else { exponent }
}

fn has_nonzero_digit(decimal: &[u8]) -> bool {
    let significand = decimal.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    significand.iter().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Reads what follows `0x`.
fn parse_hexadecimal(text: &[u8]) -> Option<f64> {
    let number = Binary::parse_hexadecimal(text)?;
    if number.mantissa == 0 {
        return Some(0.0);
    }
    let value = number.to_f64();
    (value.is_finite() && value != 0.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shortest(value: f64) -> String {
        format_f64(value).to_string()
    }

    #[test]
    fn doubles_are_laid_out_as_redis_lays_them_out() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-3.0, "-3"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e17, "100000000000000000"),
            (1e18, "1000000000000000000"),
            (1e19, "1e+19"),
            (1e20, "1e+20"),
            (1.5e20, "1.5e+20"),
            (1.2345678912345e20, "123456789123450000000"),
            (1.2345678912345e21, "1.2345678912345e+21"),
            (-1.5e300, "-1.5e+300"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (0.001234567891, "0.001234567891"),
            (1234.5678901234, "1234.5678901234"),
            (123456.789012345, "1.23456789012345e+5"),
            (1e-100, "1e-100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(shortest(value), text);
        }
    }

    #[test]
    fn text_that_is_no_double_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "+",
            "-",
            ".",
            "-.",
            "e5",
            "1e",
            "1e+",
            "1.2.3",
            "nan",
            "-nan",
            "NAN(1)",
            "infx",
            "infinit",
            "++1",
            "+-1",
            "-+inf",
            "1_0",
            "1,5",
            "1\0",
            "0x",
            "0x.",
            "0xg",
            "0x1p",
            "0x1p+",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p1024",
            "0x1p-1080",
            "1d",
            "1f",
        ] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn every_notation_of_a_double_is_read() {
        for (text, value) in [
            ("0", 0.0),
            ("00012", 12.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+5", 5.0),
            ("-5e3", -5000.0),
            ("1E+2", 100.0),
            ("0e999999999999", 0.0),
            ("5e-324", 5e-324),
            ("inf", f64::INFINITY),
            ("+Inf", f64::INFINITY),
            ("-INFINITY", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("-0X1.8p1", -3.0),
            ("0x.8", 0.5),
            ("0x1.fffffffffffff7p0", 1.999_999_999_999_999_8),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1p-1074", 5e-324),
            ("0x0.8p-1074", 0.0),
            ("0x0.c00p-1074", 5e-324),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x0p99999999999", 0.0),
            ("0x123456789abcdef01p0", 20_988_295_479_420_645_000.0),
        ] {
            if text == "0x0.8p-1074" {
                assert_eq!(parse_f64(text.as_bytes()), None, "a tie to even that gives zero is an underflow");
            } else {
                assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn digits_in_their_layout_already_are_not_laid_out_otherwise(digits in -10_000_000_000i64..10_000_000_000, power in 0..13) {
            let value = digits as f64 / 10f64.powi(power);
            let shortest = value.to_string();
            if is_laid_out(shortest.as_bytes()) {
                prop_assert_eq!(lay_out(&Decimal::of(shortest.as_bytes())).to_string(), shortest);
            }
        }

        #[test]
        fn doubles_survive_their_text(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(parse_f64(&format_f64(value)), Some(value));
            prop_assert_eq!(parse_f64(&format_f64_17g(value)), Some(value));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.eExXpPinfaINF]{0,24}") {
            if let (Some(ours), Ok(std)) = (parse_f64(text.as_bytes()), text.parse::<f64>()) {
                prop_assert_eq!(ours.to_bits(), std.to_bits());
            }
        }
    }
}
