//! PFMERGE.

use super::{change_sketch, sketch_of};
use crate::commands::framework::{CommandResult, WriteCtx};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::structures::hyperloglog::{Encoding, Registers, empty};
use crate::types::string::StringValue;

pub fn pfmerge(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let config = ctx.config;
    let mut registers = Registers::new();
    let mut any_dense = false;
    // The destination is merged too, and so known to be a sketch where it exists.
    for key in args.tail(1).iter() {
        if let Some(string) = ctx.read_string(key)? {
            let sketch = sketch_of(string)?;
            any_dense |= sketch.encoding() == Encoding::Dense;
            registers.merge(sketch)?;
        }
    }
    let fresh = |room| StringValue::Raw(empty(room));
    let edited = ctx.edit_or_insert(key, fresh, |string: &mut StringValue| {
        change_sketch(string, config, |sketch| {
            if any_dense {
                sketch.make_dense();
            }
            sketch.merge(&registers);
            sketch.invalidate_cache();
        })
    })?;
    edited.result?;
    // It is reported as if the elements had been added one by one.
    ctx.commit(key, Change::new(EventClass::STRING, "pfadd"));
    ctx.reply.ok();
    Ok(())
}
