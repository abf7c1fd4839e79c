//! What LMPOP and ZMPOP have in common, and those of their kind that wait.

use super::arguments::count;
use super::context::WriteCtx;
use super::error::CommandError;
use crate::resp::Args;
use crate::stdx::number::format_i64;

/// The arguments `numkeys key [key ...] <side> [COUNT count]`, where `S` names the sides of the type.
pub struct MultiPop<'a, S> {
    pub keys: Args<'a>,
    pub side: S,
    pub count: usize,
}

impl<'a, S> MultiPop<'a, S> {
    pub fn parse(args: Args<'a>, side: fn(&[u8]) -> Result<S, CommandError>) -> Result<Self, CommandError> {
        let numkeys = count(args.arg(0), 1, CommandError::text("ERR numkeys should be greater than 0"))?;
        let side = side(args.get(numkeys.saturating_add(1)).ok_or(CommandError::Syntax)?)?;
        let (keys, rest) = (args.tail(1).head(numkeys), args.tail(numkeys + 2));
        // As in Redis the count is read before anything behind it is looked at.
        let count = match (rest.get(0), rest.get(1)) {
            (None, _) => 1,
            (Some(word), Some(number)) if word.eq_ignore_ascii_case(b"COUNT") => {
                count(number, 1, CommandError::text("ERR count should be greater than 0"))?
            }
            _ => return Err(CommandError::Syntax),
        };
        if rest.len() > 2 {
            return Err(CommandError::Syntax);
        }
        Ok(Self { keys, side, count })
    }
}

/// Has it recorded what was taken from one key: `command` is the one that takes elements from a single key.
pub fn record_taken(ctx: &mut WriteCtx<'_>, command: &str, key: &[u8], count: usize) {
    ctx.record_instead(|out| {
        out.extend([command.as_bytes(), key]);
        out.push(format_i64(count as i64));
    });
}
