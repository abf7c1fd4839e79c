//! PFMERGE.

use super::{change_sketch, record_dense, sketch_of, sparse_bytes_max_of_change};
use crate::commands::framework::{CommandResult, WriteCtx};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::structures::hyperloglog::{Encoding, Registers, empty};
use crate::types::Room;
use crate::types::string::StringValue;

pub fn pfmerge(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let sparse_bytes_max = sparse_bytes_max_of_change(ctx);
    let mut registers = Registers::new();
    let mut any_dense = false;
    // The destination is merged too, and so known to be a sketch where it exists.
    for key in args.tail(1).iter() {
        if let Some(string) = ctx.read_view::<StringValue>(key)? {
            let sketch = sketch_of(string)?;
            any_dense |= sketch.encoding() == Encoding::Dense;
            registers.merge(sketch)?;
        }
    }
    let fresh = |room: &mut Room| StringValue::Raw(empty(room.take_bytes()));
    let edited = ctx.edit_or_insert(key, fresh, |string: &mut StringValue| {
        change_sketch(string, sparse_bytes_max, |sketch| {
            if any_dense {
                sketch.make_dense();
            }
            sketch.merge(&registers);
            sketch.invalidate_cache();
            sketch.is_dense()
        })
    })?;
    if edited.result? && !any_dense {
        record_dense(ctx, key);
    }
    // It is reported as if the elements had been added one by one.
    ctx.commit(key, Change::new(EventClass::STRING, "pfadd"));
    ctx.reply.ok();
    Ok(())
}
