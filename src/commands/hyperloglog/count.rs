//! PFCOUNT.

use super::sketch_of;
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::keyspace::Change;
use crate::resp::Args;
use crate::structures::hyperloglog::{Registers, cache_cardinality};
use crate::types::string::StringValue;

pub fn pfcount(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let keys = args.tail(1);
    let cardinality = match keys.len() {
        1 => of_one(ctx, keys.arg(0))?,
        _ => of_union(ctx, keys)?,
    };
    ctx.reply.integer(cardinality.cast_signed());
    Ok(())
}

/// Tells the estimate that is cached with the sketch, or makes one and caches it.
fn of_one(ctx: &mut WriteCtx<'_>, key: &[u8]) -> Result<u64, CommandError> {
    let Some(string) = ctx.read_view::<StringValue>(key)? else { return Ok(0) };
    let sketch = sketch_of(string)?;
    if let Some(cardinality) = sketch.cached_cardinality() {
        return Ok(cardinality);
    }
    let cardinality = sketch.cardinality()?;
    if let Some(bytes) = ctx.raw_string_mut(key) {
        cache_cardinality(bytes, cardinality);
    } else {
        ctx.edit::<StringValue, _>(key, |string| cache_cardinality(string.make_raw(), cardinality))?;
    }
    ctx.commit(key, Change::SILENT);
    Ok(cardinality)
}

fn of_union(ctx: &mut WriteCtx<'_>, keys: Args<'_>) -> Result<u64, CommandError> {
    let mut registers = Registers::new();
    for key in keys.iter() {
        if let Some(string) = ctx.read_view::<StringValue>(key)? {
            registers.merge(sketch_of(string)?)?;
        }
    }
    Ok(registers.cardinality())
}
