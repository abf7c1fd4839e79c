//! String encodings: their limits, and integers in as few bytes as they need.

/// A string of at most this many bytes that was set whole answers `embstr` (Redis: OBJ_ENCODING_EMBSTR_SIZE_LIMIT).
pub const EMBSTR_BYTES_MAX: usize = 44;

/// A string of at most this many bytes lives inside its key's block.
pub const INLINE_BYTES_MAX: usize = 4096;

/// Longer texts cannot be integers of 64 bits.
const INTEGER_TEXT_BYTES_MAX: usize = 20;

/// A little-endian integer cut to 1, 2, 4 or 8 bytes, sign kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntBytes {
    bytes: [u8; 8],
    len: u8,
}

impl IntBytes {
    pub fn new(number: i64) -> Self {
        let len = if i8::try_from(number).is_ok() {
            1
        } else if i16::try_from(number).is_ok() {
            2
        } else if i32::try_from(number).is_ok() {
            4
        } else {
            8
        };
        Self { bytes: number.to_le_bytes(), len }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub fn value(&self) -> i64 {
        Self::read(self.bytes())
    }

    /// Reads what [`IntBytes::bytes`] gave out.
    pub fn read(bytes: &[u8]) -> i64 {
        match *bytes {
            [a] => i64::from(i8::from_le_bytes([a])),
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => unreachable!("an integer has 1, 2, 4 or 8 bytes, not {}", bytes.len()),
        }
    }
}

/// The integer whose decimal text is exactly `bytes`, if there is one.
#[inline]
pub fn canonical_integer(bytes: &[u8]) -> Option<i64> {
    let first = *bytes.first()?;
    if bytes.len() > INTEGER_TEXT_BYTES_MAX || !(first.is_ascii_digit() || first == b'-') {
        return None;
    }
    crate::stdx::number::parse_i64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_their_value_in_the_fewest_bytes() {
        for (number, len) in [
            (0, 1),
            (-128, 1),
            (128, 2),
            (-32768, 2),
            (32768, 4),
            (i64::from(i32::MIN), 4),
            (i64::MAX, 8),
            (i64::MIN, 8),
        ] {
            let packed = IntBytes::new(number);
            assert_eq!(packed.bytes().len(), len, "{number}");
            assert_eq!(packed.value(), number);
        }
    }

    #[test]
    fn only_canonical_texts_are_integers() {
        assert_eq!(canonical_integer(b"-9223372036854775808"), Some(i64::MIN));
        for text in ["", "-", "+1", "01", " 1", "1 ", "-0", "9223372036854775808", "1.0"] {
            assert_eq!(canonical_integer(text.as_bytes()), None, "{text:?}");
        }
    }
}
