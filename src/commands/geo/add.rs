//! GEOADD.

use smallvec::SmallVec;

use super::point;
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::commands::zset::{AddOptions, add_scored};
use crate::resp::Args;

/// Longitude, latitude and member.
const ARGS_OF_MEMBER: usize = 3;

pub fn geoadd(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (options, members) = parse_options(args.tail(2))?;
    let member_at = |index: usize| members.tail(index * ARGS_OF_MEMBER);
    let scored = (0..members.len() / ARGS_OF_MEMBER).map(member_at).map(|member| {
        let point = point(member.arg(0), member.arg(1))?;
        Ok((point.number() as f64, member.arg(2)))
    });
    let scored: SmallVec<[(f64, &[u8]); 4]> = scored.collect::<Result<_, CommandError>>()?;
    add_scored(ctx, args.arg(1), options, &scored)
}

/// The options, and what follows them.
fn parse_options(args: Args<'_>) -> Result<(AddOptions, Args<'_>), CommandError> {
    let mut options = AddOptions::default();
    let mut count = 0;
    for arg in args {
        if arg.eq_ignore_ascii_case(b"CH") {
            options.count_changed = true;
        } else if !options.condition.read_existence(arg) {
            break;
        }
        count += 1;
    }
    let members = args.tail(count);
    if members.is_empty()
        || !members.len().is_multiple_of(ARGS_OF_MEMBER)
        || (options.condition.only_new && options.condition.only_existing)
    {
        return Err(CommandError::Syntax);
    }
    Ok((options, members))
}
