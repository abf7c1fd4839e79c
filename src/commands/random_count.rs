//! The count of SRANDMEMBER, HRANDFIELD and ZRANDMEMBER.

use super::context::{ReadCtx, integer};
use super::error::CommandError;
use crate::config::ClientClass;

/// Picks made at once where picks may repeat, so that what is picked need not be held in memory all together.
pub const PICKS_AT_ONCE: usize = 1000;

/// A reply of repeated picks does not grow beyond this: a count may ask for more than any memory holds.
const REPLY_BYTES_MAX: usize = 1 << 30;

/// What a pick takes in a reply at least, which is what an empty element takes: `$0`, and two ends of lines.
const PICK_BYTES_MIN: usize = 6;

/// How far a reply is built beyond the limit of its client, which then is over it however the server counts.
const REPLY_BYTES_BEYOND_LIMIT: u64 = 64 * 1024;

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
            i64::MIN => Err(CommandError::NotNegatable),
            count if count < 0 => Ok(Self::Repeating(count.unsigned_abs() as usize)),
            count => Ok(Self::Distinct(count as usize)),
        }
    }

    pub fn is_zero(self) -> bool {
        matches!(self, Self::Distinct(0) | Self::Repeating(0))
    }
}

/// Whether to go on with a reply of repeated picks that was `start` bytes long, to be asked every [`PICKS_AT_ONCE`] while
/// so many picks are `left`. One that grows out of bounds is refused as soon as that is certain. One that costs the client
/// its connection, because of `client-output-buffer-limit`, needs no more: what follows would never be sent.
pub fn goes_on(ctx: &ReadCtx<'_>, start: usize, left: usize) -> Result<bool, CommandError> {
    let unsent = ctx.reply.len();
    let class = if ctx.session.subscriptions > 0 { ClientClass::PubSub } else { ClientClass::Normal };
    let limit = ctx.config.output_limit(class).hard_bytes;
    // Who is to lose the connection is not answered by an error.
    let to_come = if limit == 0 { left.saturating_mul(PICK_BYTES_MIN) } else { 0 };
    if (unsent - start).saturating_add(to_come) > REPLY_BYTES_MAX {
        return Err(CommandError::OutOfRange);
    }
    Ok(limit == 0 || unsent as u64 <= limit.saturating_add(REPLY_BYTES_BEYOND_LIMIT))
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
