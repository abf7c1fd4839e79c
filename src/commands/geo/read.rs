//! Where members are: GEODIST, GEOHASH, GEOPOS.

use super::{Unit, point_of_member, write_length, write_point};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx};
use crate::resp::Args;
use crate::types::zset::ZsetValue;

pub fn geodist(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 5 {
        return Err(CommandError::Syntax);
    }
    let unit = args.get(4).map_or(Ok(Unit::Metre), Unit::parse)?;
    let zset = ctx.view::<ZsetValue>(args.arg(1))?;
    let point = |index: usize| zset.and_then(|zset| point_of_member(zset, args.arg(index)));
    match (point(2), point(3)) {
        (Some(one), Some(other)) => write_length(ctx.reply, one.distance(other) / unit.metres()),
        _ => ctx.reply.null(),
    }
    Ok(())
}

pub fn geohash(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let zset = ctx.view::<ZsetValue>(args.arg(1))?;
    ctx.reply.array(args.len() - 2);
    for member in args.tail(2) {
        let point = zset.and_then(|zset| point_of_member(zset, member));
        ctx.reply.bulk_or_null(point.map(|point| point.geohash()));
    }
    Ok(())
}

pub fn geopos(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let zset = ctx.view::<ZsetValue>(args.arg(1))?;
    ctx.reply.array(args.len() - 2);
    for member in args.tail(2) {
        match zset.and_then(|zset| point_of_member(zset, member)) {
            Some(point) => write_point(ctx.reply, point),
            None => ctx.reply.null_array(),
        }
    }
    Ok(())
}
