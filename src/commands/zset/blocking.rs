//! Taking members out of sorted sets, or waiting for the first of them: BZPOPMIN, BZPOPMAX, BZMPOP.

use super::Layout;
use super::pop::{Side, pop_into_reply, pop_many};
use crate::commands::framework::waiting::{pop_many_or_wait, pop_or_wait};
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::resp::Args;
use crate::types::Type;
use crate::types::zset::ZsetValue;

pub fn bzpopmin(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_or_wait(ctx, args, Type::Zset, |ctx, key| pop_with_key(ctx, key, Side::Min))
}

pub fn bzpopmax(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_or_wait(ctx, args, Type::Zset, |ctx, key| pop_with_key(ctx, key, Side::Max))
}

fn pop_with_key(ctx: &mut WriteCtx<'_>, key: &[u8], side: Side) -> Result<bool, CommandError> {
    if ctx.view::<ZsetValue>(key)?.is_none() {
        return Ok(false);
    }
    ctx.reply.array(3);
    ctx.reply.bulk(key);
    pop_into_reply(ctx, key, side, 1, Layout::Flat)?;
    ctx.record_instead(|out| out.extend([side.pop_command().as_bytes(), key]));
    Ok(true)
}

pub fn bzmpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_many_or_wait(ctx, args, Type::Zset, Side::from_word, pop_many)
}
