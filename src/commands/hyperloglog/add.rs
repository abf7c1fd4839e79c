//! PFADD.

use super::{change_sketch, record_dense, sketch_of, sparse_bytes_max_of_change};
use crate::commands::framework::{CommandResult, WriteCtx};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::structures::hyperloglog::empty;
use crate::types::Room;
use crate::types::string::StringValue;

pub fn pfadd(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, elements) = (args.arg(1), args.tail(2));
    let sparse_bytes_max = sparse_bytes_max_of_change(ctx);
    let mut created = 0;
    let fresh = |room: &mut Room| {
        created = 1;
        StringValue::Raw(empty(room.take_bytes()))
    };
    // Where nothing is added, nothing is changed of a sketch whose runs may be wrong.
    if elements.is_empty()
        && let Some(string) = ctx.view::<StringValue>(key)?
    {
        sketch_of(string)?;
        ctx.reply.integer(0);
        return Ok(());
    }
    let edited = ctx.edit_or_insert(key, fresh, |string: &mut StringValue| {
        change_sketch(string, sparse_bytes_max, |sketch| {
            let was_dense = sketch.is_dense();
            let raised = elements.iter().filter(|element| sketch.add(element)).count();
            (raised, sketch.is_dense() && !was_dense)
        })
    })?;
    // A new sketch counts as a change of its own.
    let (raised, became_dense) = edited.result?;
    let changes = raised + created;
    if became_dense {
        record_dense(ctx, key);
    }
    if changes > 0 {
        ctx.commit(key, Change::new(EventClass::STRING, "pfadd").times(changes));
    }
    ctx.reply.integer(i64::from(changes > 0));
    Ok(())
}
