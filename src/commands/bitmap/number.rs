//! The numbers of BITFIELD: which a field can hold, and what becomes of the others.

use crate::stdx::number::parse_i64;
use crate::structures::bitmap::FIELD_BITS_MAX;

/// How a field is read: `u8`, `i64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldType {
    pub signed: bool,
    pub width: u32,
}

/// What becomes of a number that its field cannot hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overflow {
    #[default]
    Wrap,
    Saturate,
    Fail,
}

impl FieldType {
    /// Reads a type. Unsigned fields have one bit less at most, since replies cannot hold larger numbers.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (signed, width) = match text {
            [b'i', width @ ..] => (true, width),
            [b'u', width @ ..] => (false, width),
            _ => return None,
        };
        let width = u32::try_from(parse_i64(width)?).ok()?;
        let widest = if signed { FIELD_BITS_MAX } else { FIELD_BITS_MAX - 1 };
        (1..=widest).contains(&width).then_some(Self { signed, width })
    }

    /// The number whose lowest bits these are.
    pub fn number(self, bits: u64) -> i64 {
        let unused = u64::BITS - self.width;
        if self.signed { (bits << unused).cast_signed() >> unused } else { (bits << unused >> unused).cast_signed() }
    }

    /// What the field is to hold in the place of a new number; `None` where it is to stay as it is.
    fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        let (least, most) = match self.signed {
            true => (-1 << (self.width - 1), (1 << (self.width - 1)) - 1),
            false => (0, (1 << self.width) - 1),
        };
        if (least..=most).contains(&number) {
            return Some(number as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.number(number as u64)),
            Overflow::Saturate => Some(if number > most { most } else { least } as i64),
            Overflow::Fail => None,
        }
    }

    /// What SET makes of a number. For an unsigned field a negative one is as good as too large.
    pub fn set(self, number: i64, overflow: Overflow) -> Option<i64> {
        let number = if self.signed { i128::from(number) } else { i128::from(number.cast_unsigned()) };
        self.fit(number, overflow)
    }

    /// What INCRBY makes of the number in the field.
    pub fn increment(self, number: i64, by: i64, overflow: Overflow) -> Option<i64> {
        self.fit(i128::from(number) + i128::from(by), overflow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> FieldType {
        FieldType::parse(text.as_bytes()).expect("a type")
    }

    #[test]
    fn types_are_read_in_their_one_spelling() {
        assert_eq!(field("u63"), FieldType { signed: false, width: 63 });
        assert_eq!(field("i64"), FieldType { signed: true, width: 64 });
        for text in ["", "u", "i", "8", "u0", "i0", "u64", "i65", "u08", "u-1", "U8", "u8 ", "f32"] {
            assert_eq!(FieldType::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn bits_are_numbers_of_their_width() {
        assert_eq!(field("u8").number(0xff), 255);
        assert_eq!(field("i8").number(0xff), -1);
        assert_eq!(field("i1").number(1), -1);
        assert_eq!(field("u1").number(3), 1);
        assert_eq!(field("i64").number(u64::MAX), -1);
        assert_eq!(field("u63").number(u64::MAX), i64::MAX);
    }

    #[test]
    fn numbers_that_do_not_fit_wrap_saturate_or_fail() {
        use Overflow::{Fail, Saturate, Wrap};
        for (text, number, by, wrapped, saturated) in [
            ("u8", 100, 257, 101, 255),
            ("u8", 100, -101, 255, 0),
            ("i8", 100, 100, -56, 127),
            ("i8", -100, -100, 56, -128),
            ("i64", i64::MAX, 1, i64::MIN, i64::MAX),
            ("i64", i64::MIN, -1, i64::MAX, i64::MIN),
            ("u63", i64::MAX, 1, 0, i64::MAX),
            ("i1", 0, 1, -1, 0),
        ] {
            let field = field(text);
            assert_eq!(field.increment(number, by, Wrap), Some(wrapped), "{text} {number} {by}");
            assert_eq!(field.increment(number, by, Saturate), Some(saturated), "{text} {number} {by}");
            assert_eq!(field.increment(number, by, Fail), None, "{text} {number} {by}");
            assert_eq!(field.increment(number, 0, Fail), Some(number));
        }
        assert_eq!(field("u8").set(-1, Saturate), Some(255));
        assert_eq!(field("u8").set(-1, Wrap), Some(255));
        assert_eq!(field("i8").set(200, Wrap), Some(-56));
        assert_eq!(field("i8").set(-200, Saturate), Some(-128));
        assert_eq!(field("u63").set(i64::MIN, Fail), None);
    }
}
