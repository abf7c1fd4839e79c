//! The count of SRANDMEMBER, HRANDFIELD and ZRANDMEMBER.

use super::context::integer;
use super::error::CommandError;
use crate::resp::Reply;

/// Picks made at once where picks may repeat, so that what is picked need not be held in memory all together.
pub const PICKS_AT_ONCE: usize = 1000;

/// A reply of repeated picks does not grow beyond this: a count may ask for more than any memory holds.
const REPLY_BYTES_MAX: usize = 1 << 30;

/// How many elements are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RandomCount {
    Distinct(usize),
    /// A negative count: each pick is independent of the others.
    Repeating(usize),
}

impl RandomCount {
    pub fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        match integer(arg)? {
            i64::MIN => Err(CommandError::text(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            )),
            count if count < 0 => Ok(Self::Repeating(count.unsigned_abs() as usize)),
            count => Ok(Self::Distinct(count as usize)),
        }
    }

    pub fn is_zero(self) -> bool {
        matches!(self, Self::Distinct(0) | Self::Repeating(0))
    }
}

/// Refuses to go on with a reply that has grown out of bounds since it was `start` bytes long.
pub fn check_reply(reply: &Reply, start: usize) -> Result<(), CommandError> {
    if reply.len() - start > REPLY_BYTES_MAX { Err(CommandError::OutOfRange) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_of_a_count_says_whether_picks_may_repeat() {
        assert_eq!(RandomCount::parse(b"3"), Ok(RandomCount::Distinct(3)));
        assert_eq!(RandomCount::parse(b"-3"), Ok(RandomCount::Repeating(3)));
        assert_eq!(RandomCount::parse(b"-9223372036854775807"), Ok(RandomCount::Repeating(i64::MAX as usize)));
        assert!(RandomCount::parse(b"-9223372036854775808").is_err());
        assert!(RandomCount::parse(b"0").is_ok_and(RandomCount::is_zero));
    }
}
