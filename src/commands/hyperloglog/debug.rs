//! PFDEBUG and PFSELFTEST: what tests look at.

use super::{change_sketch, sketch_of, sparse_bytes_max};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, WriteCtx};
use crate::keyspace::Change;
use crate::resp::Args;
use crate::structures::hyperloglog::{Encoding, Opcode, Registers, SketchView, self_test};
use crate::types::string::StringValue;

pub fn pfdebug(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (subcommand, key) = (args.arg(1), args.arg(2));
    let string = ctx.view::<StringValue>(key)?.ok_or(CommandError::text("ERR The specified key does not exist"))?;
    let sketch = sketch_of(string)?;
    match subcommand {
        _ if subcommand.eq_ignore_ascii_case(b"GETREG") => getreg(ctx, key),
        _ if subcommand.eq_ignore_ascii_case(b"DECODE") => {
            let text = decode(sketch)?;
            ctx.reply.bulk(text);
            Ok(())
        }
        _ if subcommand.eq_ignore_ascii_case(b"ENCODING") => {
            let name = sketch.encoding().name();
            ctx.reply.simple(name);
            Ok(())
        }
        _ if subcommand.eq_ignore_ascii_case(b"TODENSE") => {
            let converted = make_dense(ctx, key)?;
            ctx.reply.integer(i64::from(converted));
            Ok(())
        }
        _ => Err(CommandError::Bytes([b"ERR Unknown PFDEBUG subcommand '", subcommand, b"'"].concat())),
    }
}

fn make_dense(ctx: &mut WriteCtx<'_>, key: &[u8]) -> Result<bool, CommandError> {
    let sparse_bytes_max = sparse_bytes_max(ctx.config);
    let edited = ctx
        .edit(key, |string: &mut StringValue| change_sketch(string, sparse_bytes_max, |sketch| sketch.make_dense()))?;
    let converted = edited.map_or(Ok(false), |edited| edited.result)?;
    if converted {
        ctx.commit(key, Change::SILENT);
    }
    Ok(converted)
}

/// Tells all registers. The sketch is dense afterwards.
fn getreg(ctx: &mut WriteCtx<'_>, key: &[u8]) -> CommandResult {
    make_dense(ctx, key)?;
    let mut registers = Registers::new();
    if let Some(string) = ctx.view::<StringValue>(key)? {
        registers.merge(sketch_of(string)?)?;
    }
    ctx.reply.array(registers.values().len());
    for value in registers.values() {
        ctx.reply.integer(i64::from(*value));
    }
    Ok(())
}

/// The runs of a sparse sketch: `Z:16294 v:1,2 z:3`.
fn decode(sketch: SketchView<'_>) -> Result<String, CommandError> {
    if sketch.encoding() != Encoding::Sparse {
        return Err(CommandError::text("ERR HLL encoding is not sparse"));
    }
    sketch.check()?;
    let runs = sketch.opcodes().map(|opcode| match opcode {
        Opcode::ShortZeros { registers } => format!("z:{registers}"),
        Opcode::LongZeros { registers } => format!("Z:{registers}"),
        Opcode::Values { value, registers } => format!("v:{value},{registers}"),
    });
    Ok(runs.collect::<Vec<_>>().join(" "))
}

pub fn pfselftest(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    self_test(sparse_bytes_max(ctx.config))
        .map_err(|failure| CommandError::owned(format!("ERR TESTFAILED {failure}")))?;
    ctx.reply.ok();
    Ok(())
}
