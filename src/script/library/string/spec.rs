//! One directive of a format: what C's `printf` makes of its flags, width and precision.

use std::ffi::CStr;

use crate::script::lua::append_number;

const FLAGS: &[u8] = b"-+ #0";

/// So many flags a directive may have, repeated ones included.
const FLAGS_MAX: usize = 5;

/// What no directive writes more than.
pub const LONGEST: usize = 512;

/// What is between `%` and the letter.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Spec<'a> {
    text: &'a [u8],
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    pub precision: Option<usize>,
}

impl<'a> Spec<'a> {
    /// Reads what is in front of the letter, at the beginning of `format`. Returns it with its length, or what is wrong.
    pub fn read(format: &'a [u8]) -> Result<Self, &'static str> {
        let at = |place: usize| format.get(place).copied().unwrap_or(0);
        let mut spec = Self::default();
        let mut place = 0;
        while FLAGS.contains(&at(place)) {
            match at(place) {
                b'-' => spec.left = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'#' => spec.alternate = true,
                _ => spec.zero = true,
            }
            place += 1;
        }
        if place > FLAGS_MAX {
            return Err("invalid format (repeated flags)");
        }
        let two_digits = |place: &mut usize| {
            let mut number = 0;
            for _ in 0..2 {
                if at(*place).is_ascii_digit() {
                    number = 10 * number + usize::from(at(*place) - b'0');
                    *place += 1;
                }
            }
            number
        };
        spec.width = two_digits(&mut place);
        if at(place) == b'.' {
            place += 1;
            spec.precision = Some(two_digits(&mut place));
        }
        if at(place).is_ascii_digit() {
            return Err("invalid format (width or precision too long)");
        }
        spec.text = &format[..place];
        Ok(spec)
    }

    /// How many bytes it has in the format.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// `%d`.
    pub fn append_signed(&self, to: &mut Vec<u8>, number: i64) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number.unsigned_abs()).as_bytes();
        let sign: &[u8] = match number {
            ..0 => b"-",
            _ if self.plus => b"+",
            _ if self.space => b" ",
            _ => b"",
        };
        self.append_digits(to, sign, self.shown(number == 0, digits));
    }

    /// `%o`, `%u`, `%x` or `%X`.
    pub fn append_unsigned(&self, to: &mut Vec<u8>, letter: u8, number: u64) {
        let (base, letters): (u64, &[u8; 16]) = match letter {
            b'o' => (8, b"0123456789abcdef"),
            b'u' => (10, b"0123456789abcdef"),
            b'x' => (16, b"0123456789abcdef"),
            _ => (16, b"0123456789ABCDEF"),
        };
        // 64 bits are 22 digits of base 8, and one more shows that it is.
        let mut text = [0; 23];
        let mut start = text.len();
        let mut rest = number;
        loop {
            start -= 1;
            text[start] = letters[(rest % base) as usize];
            rest /= base;
            if rest == 0 {
                break;
            }
        }
        if self.alternate && base == 8 {
            let digits = text.len() - start;
            if number == 0 {
                return self.append_digits(to, b"", b"0");
            }
            if self.precision.is_none_or(|precision| precision <= digits) {
                start -= 1;
                text[start] = b'0';
            }
        }
        let prefix: &[u8] = match letter {
            b'x' if self.alternate && number != 0 => b"0x",
            b'X' if self.alternate && number != 0 => b"0X",
            _ => b"",
        };
        self.append_digits(to, prefix, self.shown(number == 0, &text[start..]));
    }

    /// With a precision of none, a zero has no digits.
    fn shown<'d>(&self, is_zero: bool, digits: &'d [u8]) -> &'d [u8] {
        if is_zero && self.precision == Some(0) { b"" } else { digits }
    }

    /// Appends digits behind a prefix, with as many zeros between as are wanted.
    fn append_digits(&self, to: &mut Vec<u8>, prefix: &[u8], digits: &[u8]) {
        let mut zeros = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let len = prefix.len() + zeros + digits.len();
        let mut padding = self.width.saturating_sub(len);
        if self.zero && !self.left && self.precision.is_none() {
            zeros += padding;
            padding = 0;
        }
        let (before, after) = if self.left { (0, padding) } else { (padding, 0) };
        pad(to, b' ', before);
        to.extend_from_slice(prefix);
        pad(to, b'0', zeros);
        to.extend_from_slice(digits);
        pad(to, b' ', after);
    }

    /// `%c` and `%s`. A text that has a zero ends there.
    pub fn append_text(&self, to: &mut Vec<u8>, text: &[u8]) {
        let text = &text[..text.len().min(self.precision.unwrap_or(usize::MAX))];
        let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
        let padding = self.width.saturating_sub(text.len());
        let (before, after) = if self.left { (0, padding) } else { (padding, 0) };
        pad(to, b' ', before);
        to.extend_from_slice(text);
        pad(to, b' ', after);
    }

    /// `%c`. What is behind a zero is lost with it.
    pub fn append_character(&self, to: &mut Vec<u8>, byte: u8) {
        let padding = self.width.saturating_sub(1);
        let (before, after) = if self.left { (0, padding) } else { (padding, 0) };
        pad(to, b' ', before);
        if byte != 0 {
            to.push(byte);
            pad(to, b' ', after);
        }
    }

    /// `%e`, `%E`, `%f`, `%g` or `%G`.
    pub fn append_float(&self, to: &mut Vec<u8>, letter: u8, number: f64) {
        let mut format = [0; 16];
        format[0] = b'%';
        format[1..=self.text.len()].copy_from_slice(self.text);
        format[self.text.len() + 1] = letter;
        if let Ok(format) = CStr::from_bytes_until_nul(&format) {
            append_number(to, format, number);
        }
    }
}

fn pad(to: &mut Vec<u8>, byte: u8, count: usize) {
    to.resize(to.len() + count, byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_width_and_precision_are_bounded() {
        let spec = Spec::read(b"-+ #012.34d").expect("a directive");
        assert_eq!((spec.len(), spec.width, spec.precision), (10, 12, Some(34)));
        assert!(spec.left && spec.plus && spec.space && spec.alternate && spec.zero);
        assert_eq!(Spec::read(b".d").expect("a directive").precision, Some(0));
        assert!(Spec::read(b"").expect("nothing").is_empty());
        assert_eq!(Spec::read(b"000000d"), Err("invalid format (repeated flags)"));
        assert!(Spec::read(b"00000d").is_ok());
        assert_eq!(Spec::read(b"123d"), Err("invalid format (width or precision too long)"));
        assert_eq!(Spec::read(b"1.123d"), Err("invalid format (width or precision too long)"));
    }
}
