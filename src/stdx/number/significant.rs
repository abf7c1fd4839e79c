//! Doubles with a number of significant digits, as C's `%g` prints them, and back as `strtod` reads them.

use super::binary::{Binary, parse_power};
use super::double::{Decimal, format_special};
use super::{FloatText, format_i64};

/// More are not all those that a double is known to by its shortest text.
const DIGITS_MAX: usize = 15;

/// The text of a double as C prints it with `%.14g`, or with another number of digits from 1 to 15.
pub fn format_significant(value: f64, digits: usize) -> FloatText {
    const POWERS_OF_TEN: [f64; DIGITS_MAX + 1] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    debug_assert!((1..=DIGITS_MAX).contains(&digits));
    let integer = value as i64;
    if integer as f64 == value && integer != 0 && value.abs() < POWERS_OF_TEN[digits] {
        let mut text = FloatText::new();
        text.push(&format_i64(integer));
        return text;
    }
    if let Some(special) = format_special(value) {
        return special;
    }
    let exact = || Decimal::of(format!("{value:.*e}", digits - 1).as_bytes());
    if value.is_subnormal() {
        // It has fewer digits than are asked for.
        return exact().general(digits as i32);
    }
    let mut decimal = Decimal::of(zmij::Buffer::new().format_finite(value).as_bytes());
    if !decimal.round(digits) {
        // The shortest text is half way between two that are short enough: the double itself decides.
        decimal = exact();
    }
    decimal.general(digits as i32)
}

/// Reads the number at the front of a text as `strtod` does, but no blanks before it: decimal or hexadecimal, an infinity or
/// NaN. Returns how long it is, too.
pub fn parse_f64_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let magnitude = &text[sign..];
    let (value, len) = match magnitude {
        [b'0', b'x' | b'X', digits @ ..] => match hexadecimal(digits) {
            Some((value, len)) => (value, 2 + len),
            None => (0.0, 1),
        },
        [b'0'..=b'9' | b'.', ..] => decimal(magnitude)?,
        _ => word(magnitude)?,
    };
    Some((if text[0] == b'-' { -value } else { value }, sign + len))
}

fn count_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = count_digits(text);
    let mut len = whole;
    if text.get(len) == Some(&b'.') {
        let fraction = count_digits(&text[len + 1..]);
        if whole + fraction == 0 {
            return None;
        }
        len += 1 + fraction;
    }
    len += exponent_len(&text[len..], b'e');
    Some((fast_float2::parse(&text[..len]).ok()?, len))
}

/// The length of an exponent that is introduced by a letter: none without a digit.
fn exponent_len(text: &[u8], letter: u8) -> usize {
    if !text.first().is_some_and(|first| first.eq_ignore_ascii_case(&letter)) {
        return 0;
    }
    let sign = usize::from(matches!(text.get(1), Some(b'-' | b'+')));
    match count_digits(&text[1 + sign..]) {
        0 => 0,
        digits => 1 + sign + digits,
    }
}

/// Reads what follows `0x`.
fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let count = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let mut len = count(text);
    if text.get(len) == Some(&b'.') {
        let fraction = count(&text[len + 1..]);
        if len + fraction == 0 {
            return None;
        }
        len += 1 + fraction;
    }
    if len == 0 {
        return None;
    }
    let mut number = Binary::parse_hexadecimal(&text[..len])?;
    let exponent = exponent_len(&text[len..], b'p');
    if exponent > 0 {
        number.exponent += parse_power(&text[len + 1..len + exponent])?;
    }
    Some((number.to_f64(), len + exponent))
}

fn word(text: &[u8]) -> Option<(f64, usize)> {
    let starts_with = |word: &[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if starts_with(b"infinity") {
        Some((f64::INFINITY, 8))
    } else if starts_with(b"inf") {
        Some((f64::INFINITY, 3))
    } else if starts_with(b"nan") {
        Some((f64::NAN, 3 + payload_len(&text[3..])))
    } else {
        None
    }
}

/// The length of what may follow `nan` in parentheses.
fn payload_len(text: &[u8]) -> usize {
    let Some(rest) = text.strip_prefix(b"(") else { return 0 };
    let count = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if rest.get(count) == Some(&b')') { count + 2 } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_are_rounded_to_their_digits_as_in_c() {
        for (value, digits, text) in [
            (0.0, 14, "0"),
            (-0.0, 14, "-0"),
            (1.0, 14, "1"),
            (-12.0, 14, "-12"),
            (99_999_999_999_999.0, 14, "99999999999999"),
            (1e14, 14, "1e+14"),
            (123_456_789_012_345.0, 14, "1.2345678901234e+14"),
            (0.1 + 0.2, 14, "0.3"),
            (1.0 / 3.0, 14, "0.33333333333333"),
            (2.0 / 3.0, 14, "0.66666666666667"),
            (2.0 / 3.0, 1, "0.7"),
            (9.99, 2, "10"),
            (99.95, 3, "100"),
            (999.5, 3, "1e+03"),
            (0.5, 1, "0.5"),
            (2.5, 1, "2"),
            (3.5, 1, "4"),
            (0.25, 1, "0.2"),
            (0.35, 1, "0.3"),
            (1.5e-5, 14, "1.5e-05"),
            (0.0001, 14, "0.0001"),
            (0.00001, 14, "1e-05"),
            (1e100, 14, "1e+100"),
            (5e-324, 14, "4.9406564584125e-324"),
            (f64::MAX, 14, "1.7976931348623e+308"),
            (1e15, 15, "1e+15"),
            (100.0, 2, "1e+02"),
            (f64::INFINITY, 14, "inf"),
            (f64::NEG_INFINITY, 14, "-inf"),
        ] {
            assert_eq!(format_significant(value, digits).to_string(), text);
        }
    }

    #[test]
    fn the_number_at_the_front_of_a_text_is_read() {
        for (text, value, len) in [
            ("1", 1.0, 1),
            ("-5,", -5.0, 2),
            ("+5", 5.0, 2),
            ("007", 7.0, 3),
            ("1.5e3]", 1500.0, 5),
            ("1.e2", 100.0, 4),
            ("1e", 1.0, 1),
            ("1e+", 1.0, 1),
            ("1E-2x", 0.01, 4),
            ("1.2.3", 1.2, 3),
            ("0x10", 16.0, 4),
            ("0x1p4", 16.0, 5),
            ("0x1p", 1.0, 3),
            ("0x.8", 0.5, 4),
            ("0x", 0.0, 1),
            ("0x.", 0.0, 1),
            ("0xg", 0.0, 1),
            ("0x1p99999", f64::INFINITY, 9),
            ("0x1p-99999", 0.0, 10),
            ("1e400", f64::INFINITY, 5),
            ("1e-400", 0.0, 6),
            ("-inf]", f64::NEG_INFINITY, 4),
            ("Infinity", f64::INFINITY, 8),
            ("infinit", f64::INFINITY, 3),
        ] {
            assert_eq!(parse_f64_prefix(text.as_bytes()), Some((value, len)), "{text}");
        }
        for (text, len) in [("nan", 3), ("-NaN,", 4), ("nan(a_1)2", 8), ("nan(a-1)", 3)] {
            let (value, length) = parse_f64_prefix(text.as_bytes()).expect("a number");
            assert!(value.is_nan() && length == len, "{text}");
        }
        for text in ["", "-", "+", ".", "-.", "e5", "x", "-x", "na", "- 1"] {
            assert_eq!(parse_f64_prefix(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn digits_are_rounded_as_those_of_the_whole_double(bits: u64, digits in 1usize..=15) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite() && value != 0.0);
            let value = if bits.is_multiple_of(8) { f64::from_bits(bits >> 12) } else { value };
            prop_assume!(value != 0.0);
            let exact = Decimal::of(format!("{value:.*e}", digits - 1).as_bytes()).general(digits as i32);
            prop_assert_eq!(format_significant(value, digits).to_string(), exact.to_string());
        }

        #[test]
        fn short_decimals_are_rounded_as_those_of_the_whole_double(
            number in -100_000_000i64..100_000_000,
            power in 0..12,
            digits in 1usize..=15,
        ) {
            let value = number as f64 / 10f64.powi(power);
            prop_assume!(value != 0.0);
            let exact = Decimal::of(format!("{value:.*e}", digits - 1).as_bytes()).general(digits as i32);
            prop_assert_eq!(format_significant(value, digits).to_string(), exact.to_string());
        }
    }
}
