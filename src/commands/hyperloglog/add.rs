//! PFADD.

use super::change_sketch;
use crate::commands::context::WriteCtx;
use crate::commands::error::{CommandError, CommandResult};
use crate::keyspace::EventClass;
use crate::resp::Args;
use crate::structures::hyperloglog::{DenseSketch, empty};
use crate::types::string::StringValue;

pub fn pfadd(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, elements) = (args.arg(1), args.tail(2));
    // The registers of a dense sketch rise where they are, and no page is touched on which none does.
    let raised = match ctx.raw_string_mut(key).and_then(DenseSketch::new) {
        Some(mut sketch) => elements.iter().filter(|element| sketch.add(element)).count(),
        None => add_to_string(ctx, key, elements)?,
    };
    if raised > 0 {
        ctx.changed_times(key, EventClass::STRING, "pfadd", raised);
    }
    ctx.reply.integer(i64::from(raised > 0));
    Ok(())
}

/// Adds elements to a sketch of any encoding, or to a new one. Returns how many changed a register; a new sketch counts as
/// one.
fn add_to_string(ctx: &mut WriteCtx<'_>, key: &[u8], elements: Args<'_>) -> Result<usize, CommandError> {
    let config = ctx.config;
    let mut created = 0;
    let fresh = |room| {
        created = 1;
        StringValue::Raw(empty(room))
    };
    let edited = ctx.edit_or_insert(key, fresh, |string: &mut StringValue| {
        change_sketch(string, config, |sketch| elements.iter().filter(|element| sketch.add(element)).count())
    })?;
    Ok(edited.result? + created)
}
