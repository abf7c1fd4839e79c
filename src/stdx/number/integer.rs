//! 64-bit integers as decimal text.

use super::StackText;

/// The text of one 64-bit integer; the longest, `-9223372036854775808`, has 20 bytes.
pub type IntText = StackText<20>;

/// Reads an integer that is written in the one canonical way: no space, no plus, no leading zero, no `-0`, no overflow.
/// So the text can always be had back from the number, which is what makes it safe to store a string as an integer.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let magnitude = parse_digits(digits)?;
    if negative {
        // `-0` is refused; 2^63 itself is the magnitude of the smallest integer.
        if magnitude == 0 || magnitude > 1 << 63 {
            return None;
        }
        Some((magnitude as i64).wrapping_neg())
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Reads an unsigned integer in the same canonical form.
#[inline]
#[allow(dead_code, reason = "only tests ask for it")]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    parse_digits(text)
}

/// Reads an unsigned integer as strtoull of the C library does: space and a sign may come before the digits, leading zeros
/// are nothing special, and a minus counts from 2^64 down. Nothing may follow the digits.
pub fn parse_u64_like_strtoull(text: &[u8]) -> Option<u64> {
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let text = &text[text.iter().take_while(is_space).count()..];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let leading_zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    let magnitude = match &digits[leading_zeros..] {
        [] if leading_zeros > 0 => 0,
        significant => parse_digits(significant)?,
    };
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

pub fn format_i64(value: i64) -> IntText {
    let mut text = IntText::new();
    text.push(itoa::Buffer::new().format(value).as_bytes());
    text
}

pub fn format_u64(value: u64) -> IntText {
    let mut text = IntText::new();
    text.push(itoa::Buffer::new().format(value).as_bytes());
    text
}

/// Numbers from here on have more digits than [`short_digits`] counts.
pub const SHORT_NUMBER_END: u32 = 100_000_000;

/// The digits of a number from 1 to below [`SHORT_NUMBER_END`], at the front of eight bytes, and how many they are. The bytes behind
/// them are without meaning.
///
/// All are found side by side in the lanes of one word, and no step depends on how many they are: a number's length cannot
/// be foretold.
#[inline]
pub fn short_digits(number: u32) -> ([u8; 8], usize) {
    debug_assert!(number > 0 && number < SHORT_NUMBER_END);
    // The first digit goes to the lowest lane. Instead of being divided, a lane is multiplied by a fraction that is exact
    // for all that it can hold: 10,486 / 2^20 is a hundredth up to four digits, 103 / 2^10 a tenth up to two. What is left of
    // a lane goes to the one above, and the quotient takes its place: (lane - 100 * quotient) << 16 | quotient.
    let number = u64::from(number);
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = (fours << 16) - hundreds * ((100 << 16) - 1);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = (twos << 8) - tens * ((10 << 8) - 1);
    let leading_zeros = ones.trailing_zeros() / 8;
    let text = (ones | ZEROS) >> (leading_zeros * 8);
    (text.to_le_bytes(), 8 - leading_zeros as usize)
}

#[inline]
fn parse_digits(digits: &[u8]) -> Option<u64> {
    // Twenty digits are the most that 64 bits hold; up to nineteen cannot overflow.
    match digits {
        [] => return None,
        // Mostly it is one.
        [digit] => return digit.is_ascii_digit().then(|| u64::from(digit - b'0')),
        [b'0', ..] => return None,
        digits if digits.len() > 20 => return None,
        _ => {}
    }
    let (head, tail) = digits.split_at(digits.len().min(19));
    let mut value = match head.first_chunk() {
        Some(&front) => long_digits(front, head)?,
        None => digits_by_one(head)?,
    };
    for &byte in tail {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

#[inline]
fn digits_by_one(digits: &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// Reads 8 to 19 digits, the first eight of which are the `front`: eight at a time, before which there are what is left over.
#[inline]
fn long_digits(front: [u8; 8], digits: &[u8]) -> Option<u64> {
    // Most texts that are no numbers begin with something else.
    if !front[0].is_ascii_digit() {
        return None;
    }
    let count = digits.len() % 8;
    let mut value = 0;
    if count > 0 {
        // They go to the upper lanes, and zeros to the lower ones.
        let zeros = u64::MAX >> (8 * count);
        value = eight_digits(u64::from_le_bytes(front) << (64 - 8 * count) | ZEROS & zeros)?;
    }
    for eight in digits[count..].as_chunks().0 {
        value = value * 100_000_000 + eight_digits(u64::from_le_bytes(*eight))?;
    }
    Some(value)
}

/// The digit zero in each lane.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Eight digits, the first in the lowest lane, as [`short_digits`] writes them.
#[inline]
fn eight_digits(text: u64) -> Option<u64> {
    let ones = text ^ ZEROS;
    // What is more than nine in a lane sets its highest bit, or had it set.
    if (ones.wrapping_add(0x7676_7676_7676_7676) | ones) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let twos = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_form_of_an_integer_is_read() {
        for text in [
            "",
            "-",
            "+",
            "+1",
            " 1",
            "1 ",
            "01",
            "-01",
            "00",
            "-0",
            "1a",
            "a",
            "1.0",
            "--1",
            "1\0",
            "0x1",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "100000000000000000000",
            "12345678a",
            "a12345678",
            "1234567/89",
            "12345:6789012345",
            "1234567890\u{ff}12",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        for (text, value) in [
            ("0", 0),
            ("-1", -1),
            ("10", 10),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-9223372036854775807", i64::MIN + 1),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text:?}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"-1"), None);
    }

    #[test]
    fn integers_are_read_as_strtoull_reads_them() {
        for (text, value) in [
            ("5", Some(5)),
            ("+5", Some(5)),
            (" \t\r\n5", Some(5)),
            ("0005", Some(5)),
            ("000", Some(0)),
            ("-1", Some(u64::MAX)),
            ("-0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("-18446744073709551615", Some(1)),
            ("18446744073709551616", None),
            ("", None),
            (" ", None),
            ("-", None),
            ("+-5", None),
            ("+ 5", None),
            ("5 ", None),
            ("0x5", None),
        ] {
            assert_eq!(parse_u64_like_strtoull(text.as_bytes()), value, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn texts_of_any_length_are_read_as_the_standard_library_reads_them(text in "[1-9][0-9]{0,19}[/:a]?[0-9]?") {
            prop_assert_eq!(parse_u64(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn integers_survive_their_text(value: i64, unsigned: u64) {
            prop_assert_eq!(parse_i64(&format_i64(value)), Some(value));
            prop_assert_eq!(parse_u64(&format_u64(unsigned)), Some(unsigned));
            prop_assert_eq!(format_i64(value).to_string(), value.to_string());
        }

        #[test]
        fn text_that_reads_as_an_integer_is_its_canonical_text(text in "[-+ 0-9]{0,22}") {
            if let Some(value) = parse_i64(text.as_bytes()) {
                prop_assert_eq!(value.to_string(), text);
            } else if let Ok(value) = text.parse::<i64>() {
                prop_assert_ne!(value.to_string(), text);
            }
        }
    }

    #[test]
    fn short_numbers_are_told_in_full_up_to_their_end() {
        let check = |number: u32| {
            let (digits, len) = short_digits(number);
            assert_eq!(&digits[..len], number.to_string().as_bytes());
        };
        (1..20_000).for_each(check);
        for power in (0..8).map(|exponent| 10u32.pow(exponent)) {
            [power, power + 1, 9 * power, 10 * power - 1].into_iter().for_each(check);
        }
        // Every value of the upper four digits, with several of the lower.
        for upper in 1..10_000 {
            [0, 1, 99, 100, 9999].into_iter().for_each(|lower| check(upper * 10_000 + lower));
        }
    }
}
