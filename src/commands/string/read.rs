//! Reading strings: GET, MGET, GETRANGE, STRLEN.

use crate::commands::framework::arguments::integer;
use crate::commands::framework::{CommandResult, ReadCtx};
use crate::keyspace::Entry;
use crate::resp::{Args, Reply};
use crate::types::string::{StringValue, StringView};

pub fn get(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    match ctx.view::<StringValue>(args.arg(1))? {
        None => ctx.reply.null(),
        Some(view) => bulk(ctx.reply, view),
    }
    Ok(())
}

/// Writes a string as a bulk reply.
#[inline]
pub fn bulk(reply: &mut Reply, view: StringView<'_>) {
    match view {
        StringView::Int(number) => reply.bulk_i64(number),
        StringView::Embstr(bytes) | StringView::Raw(bytes) => reply.bulk(bytes),
    }
}

pub fn mget(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let keys = args.tail(1);
    let db = ctx.keyspace.db(ctx.session.db);
    // Buckets of several keys are fetched side by side instead of one after the other.
    for key in keys.iter().take(16) {
        db.prefetch(key);
    }
    ctx.reply.array(keys.len());
    for key in keys.iter() {
        match ctx.find(key).map(Entry::view::<StringValue>) {
            Some(Ok(view)) => bulk(ctx.reply, view),
            Some(Err(_)) | None => ctx.reply.null(),
        }
        if ctx.reply.is_overfull() {
            break;
        }
    }
    Ok(())
}

pub fn strlen(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let len = ctx.view::<StringValue>(args.arg(1))?.map_or(0, StringView::len);
    ctx.reply.integer(len as i64);
    Ok(())
}

pub fn getrange(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let (start, end) = (integer(args.arg(2))?, integer(args.arg(3))?);
    let Some(view) = ctx.view::<StringValue>(args.arg(1))? else {
        ctx.reply.empty_bulk();
        return Ok(());
    };
    view.with_bytes(|bytes| match clamp_range(start, end, bytes.len()) {
        Some(range) => ctx.reply.bulk(&bytes[range]),
        None => ctx.reply.empty_bulk(),
    });
    Ok(())
}

/// The part of `len` bytes from `start` to `end`, both included and counted from the end if negative.
fn clamp_range(start: i64, end: i64, len: usize) -> Option<std::ops::RangeInclusive<usize>> {
    if len == 0 || (start < 0 && end < 0 && start > end) {
        return None;
    }
    let len = len as i64;
    let from_front = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let (start, end) = (from_front(start), from_front(end).min(len - 1));
    (start <= end).then_some(start as usize..=end as usize)
}

#[cfg(test)]
mod tests {
    use super::clamp_range;

    #[test]
    fn ranges_are_cut_to_the_string() {
        assert_eq!(clamp_range(0, -1, 5), Some(0..=4));
        assert_eq!(clamp_range(-3, 100, 5), Some(2..=4));
        assert_eq!(clamp_range(i64::MIN, i64::MAX, 5), Some(0..=4));
        assert_eq!(clamp_range(-100, -90, 5), Some(0..=0));
        for (start, end) in [(5, 9), (3, 2), (-1, -5), (-5, -6)] {
            assert_eq!(clamp_range(start, end, 5), None, "{start} {end}");
        }
    }
}
