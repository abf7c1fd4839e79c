//! The count of SRANDMEMBER, HRANDFIELD and ZRANDMEMBER.

use super::arguments::integer;
use super::context::ReadCtx;
use super::error::CommandError;
use super::session::ReplyMode;
use crate::config::ClientClass;
use crate::resp::Reply;

/// Picks made at once where picks may repeat, so that what is picked need not be held in memory all together.
pub const PICKS_AT_ONCE: usize = 1000;

/// The most picks of one command where picks may repeat: what is answered within a second or so, for everybody waits.
const PICKS_MAX: usize = 1 << 20;

/// A reply of repeated picks does not grow beyond this, for the same reason.
const REPLY_BYTES_MAX: usize = 256 << 20;

/// What a pick takes in a reply at least, which is what an empty element takes: `$0`, and two ends of lines.
const PICK_BYTES_MIN: usize = 6;

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

/// Looks at a reply of `count` repeated picks before the first of them. One that `client-output-buffer-limit` does not let
/// through is given up at once, which costs the client its connection: nothing of it could be sent. Returns whether there
/// is anything to do.
pub fn begin(ctx: &mut ReadCtx<'_>, count: usize) -> Result<bool, CommandError> {
    let class = if ctx.session.subscriptions > 0 { ClientClass::PubSub } else { ClientClass::Normal };
    if ctx.config.output_limit(class).hard_bytes > 0 && ctx.session.reply_mode == ReplyMode::On {
        ctx.reply.expect_more(count.saturating_mul(PICK_BYTES_MIN));
    }
    if ctx.reply.is_overfull() {
        return Ok(false);
    }
    if count > PICKS_MAX { Err(CommandError::OutOfRange) } else { Ok(true) }
}

/// Whether to go on with a reply of repeated picks that was `start` bytes long, to be asked every [`PICKS_AT_ONCE`].
pub fn goes_on(reply: &Reply, start: usize) -> Result<bool, CommandError> {
    if reply.is_overfull() {
        return Ok(false);
    }
    if reply.len() - start > REPLY_BYTES_MAX { Err(CommandError::OutOfRange) } else { Ok(true) }
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
