//! Arguments that name a bit, or the bits from one to another.

use crate::commands::framework::CommandError;
use crate::commands::framework::arguments::{byte_range, integer, is_reversed_from_back};
use crate::resp::Args;
use crate::stdx::number::parse_i64;

/// Reads the offset of a bit that a string of at most so many bytes may have. Where there are fields of `width` bits, `#3` names the first bit of
/// the fourth.
pub fn bit_offset(arg: &[u8], width: Option<u32>, bytes_max: u64) -> Result<u64, CommandError> {
    let (text, factor) = match (arg, width) {
        ([b'#', index @ ..], Some(width)) => (index, i64::from(width)),
        _ => (arg, 1),
    };
    let offset = parse_i64(text).and_then(|number| number.checked_mul(factor));
    let offset = offset.and_then(|offset| u64::try_from(offset).ok());
    offset.filter(|offset| offset / 8 < bytes_max).ok_or(BAD_OFFSET)
}

pub const BAD_OFFSET: CommandError = CommandError::text("ERR bit offset is not an integer or out of range");

/// What `start`, `end` and the unit of BITCOUNT and BITPOS say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BitRange {
    start: i64,
    end: Option<i64>,
    in_bits: bool,
}

impl BitRange {
    /// Everything.
    pub const WHOLE: BitRange = BitRange { start: 0, end: None, in_bits: false };

    /// Reads `start [end [BYTE | BIT]]`, from argument `at` on. A wrong unit is reported before a wrong end, or after it.
    pub fn parse(args: Args<'_>, at: usize, unit_first: bool) -> Result<Self, CommandError> {
        let start = integer(args.arg(at))?;
        let unit = args.get(at + 2).map(|unit| match unit {
            _ if unit.eq_ignore_ascii_case(b"BIT") => Ok(true),
            _ if unit.eq_ignore_ascii_case(b"BYTE") => Ok(false),
            _ => Err(CommandError::Syntax),
        });
        if unit_first && let Some(Err(error)) = unit {
            return Err(error);
        }
        let end = args.get(at + 1).map(integer).transpose()?;
        Ok(Self { start, end, in_bits: unit.unwrap_or(Ok(false))? })
    }

    pub fn has_end(self) -> bool {
        self.end.is_some()
    }

    /// The first and the last bit of the range in a string of so many bytes; `None` where there is none.
    pub fn bits(self, bytes: usize) -> Option<(u64, u64)> {
        let unit = if self.in_bits { 1 } else { 8 };
        let len = bytes as i64 * (8 / unit);
        let (first, last) = byte_range(self.start, self.end.unwrap_or(-1), len)?;
        Some(((first * unit) as u64, (last * unit + unit - 1) as u64))
    }

    pub fn is_reversed_from_back(self) -> bool {
        self.end.is_some_and(|end| is_reversed_from_back(self.start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::BitRange;

    fn bits(start: i64, end: Option<i64>, in_bits: bool, bytes: usize) -> Option<(u64, u64)> {
        BitRange { start, end, in_bits }.bits(bytes)
    }

    #[test]
    fn ranges_are_cut_to_the_string() {
        assert_eq!(bits(0, None, false, 3), Some((0, 23)));
        assert_eq!(bits(1, Some(1), false, 3), Some((8, 15)));
        assert_eq!(bits(1, Some(1), true, 3), Some((1, 1)));
        assert_eq!(bits(-1, Some(-1), true, 3), Some((23, 23)));
        assert_eq!(bits(i64::MIN, Some(i64::MAX), false, 3), Some((0, 23)));
        assert_eq!(bits(i64::MIN, Some(i64::MAX), true, 3), Some((0, 23)));
        assert_eq!(bits(-100, Some(-90), false, 3), Some((0, 7)));
        for (start, end) in [(3, 9), (2, 1), (i64::MAX, -1)] {
            assert_eq!(bits(start, Some(end), false, 3), None, "{start} {end}");
        }
        assert_eq!(bits(0, None, false, 0), None);
        assert_eq!(bits(0, Some(-1), true, 0), None);
    }
}
