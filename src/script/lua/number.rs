//! Numbers as texts and as whole numbers, as Lua and C make them.

use std::ffi::CStr;

/// Longer than any number that `%.14g` or `%.17g` writes.
const TEXT_BYTES: usize = 32;

/// From here on `%.14g` writes whole numbers with an exponent.
const EXPONENT_FROM: f64 = 1e14;

/// The text of a number, as Lua writes it: `%.14g`.
#[derive(Clone, Copy, Debug)]
pub struct NumberText {
    bytes: [u8; TEXT_BYTES],
    len: usize,
}

impl NumberText {
    pub fn new(number: f64) -> Self {
        let mut text = Self { bytes: [0; TEXT_BYTES], len: 0 };
        let integer = number as i64;
        if number.abs() < EXPONENT_FROM && integer as f64 == number && (integer != 0 || number.is_sign_positive()) {
            let mut digits = itoa::Buffer::new();
            let digits = digits.format(integer).as_bytes();
            text.bytes[..digits.len()].copy_from_slice(digits);
            text.len = digits.len();
        } else {
            text.len = print(&mut text.bytes, c"%.14g", number);
        }
        text
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A number cut to a whole one, as `lua_tointeger` on x86-64 does: what does not fit is the least integer.
pub fn whole(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) { number as i64 } else { i64::MIN }
}

/// A number as Lua writes it: `%.14g`.
pub fn number_text(number: f64) -> String {
    String::from_utf8_lossy(NumberText::new(number).as_bytes()).into_owned()
}

/// A number by one of C's formats with one `%g`-like directive.
pub fn format_number(format: &CStr, number: f64) -> String {
    let mut text = [0; LONGEST];
    let len = print(&mut text, format, number);
    String::from_utf8_lossy(&text[..len]).into_owned()
}

/// As [`format_number`], appended to `to`.
pub fn append_number(to: &mut Vec<u8>, format: &CStr, number: f64) {
    let mut text = [0; LONGEST];
    let len = print(&mut text, format, number);
    to.extend_from_slice(&text[..len]);
}

/// More than `%99.99f` needs for any number.
const LONGEST: usize = 512;

/// Writes a number into `text` and returns the length of what is there.
#[expect(unsafe_code, reason = "C's own formatting is what the texts are compared with")]
fn print(text: &mut [u8], format: &CStr, number: f64) -> usize {
    if !is_one_float(format.to_bytes()) {
        debug_assert!(false, "{format:?} is not the format of one number");
        return 0;
    }
    // SAFETY: the buffer has that length, and the format takes one double, as was just looked at.
    let len = unsafe { libc::snprintf(text.as_mut_ptr().cast(), text.len(), format.as_ptr(), number) };
    usize::try_from(len).unwrap_or(0).min(text.len() - 1)
}

/// Whether a format is one directive for a `double`, with at most two digits of width and of precision.
fn is_one_float(format: &[u8]) -> bool {
    let [b'%', directive @ .., b'e' | b'E' | b'f' | b'g' | b'G'] = format else { return false };
    let flags = directive.iter().take_while(|byte| b"-+ #0".contains(byte)).count();
    let digits = &directive[flags..];
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (width, precision) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    [width, precision].iter().all(|digits| digits.len() <= 2 && digits.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_fourteen_digits() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-12.0, "-12"),
            (99_999_999_999_999.0, "99999999999999"),
            (-99_999_999_999_999.0, "-99999999999999"),
            (1e14, "1e+14"),
            (123_456_789_012_345.0, "1.2345678901234e+14"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e-5, "1e-05"),
            (1e300, "1e+300"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number_text(number), text);
            assert_eq!(format_number(c"%.14g", number), text);
        }
        assert_eq!(format_number(c"%.17g", 0.1), "0.10000000000000001");
        assert_eq!(format_number(c"%99.99f", -1e308).len(), 410);
    }

    #[test]
    fn only_one_float_with_short_digits_is_a_format() {
        for format in ["%g", "%.14g", "%-+ #0.0e", "%99.99f", "%5G", "%00005E"] {
            assert!(is_one_float(format.as_bytes()), "{format}");
        }
        for format in ["", "g", "%s", "%d", "%g%g", "%100g", "%.100g", "%.1.1g", "%*g", "%lg", "%.g%"] {
            assert!(!is_one_float(format.as_bytes()), "{format}");
        }
    }
}
