//! BITFIELD and BITFIELD_RO: several operations on small numbers within one string.

use super::number::{FieldType, Overflow};
use super::offset::{BAD_OFFSET, bit_offset};
use super::write::with_bytes;
use crate::commands::framework::arguments::integer;
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, WriteCtx};
use crate::keyspace::{Change, EventClass};
use crate::resp::{Args, Reply};
use crate::structures::bitmap::{read_field, write_field};
use crate::types::string::{StringValue, StringView};

/// One operation on one field.
#[derive(Clone, Copy)]
struct Operation {
    field: FieldType,
    offset: u64,
    action: Action,
    overflow: Overflow,
}

#[derive(Clone, Copy)]
enum Action {
    Read,
    Set(i64),
    Increment(i64),
}

impl Operation {
    fn writes(&self) -> bool {
        !matches!(self.action, Action::Read)
    }

    /// How many bytes a string has that holds the field.
    fn bytes_needed(&self) -> u64 {
        (self.offset + u64::from(self.field.width)).div_ceil(8)
    }

    fn read(&self, bytes: &[u8]) -> i64 {
        self.field.number(read_field(bytes, self.offset, self.field.width))
    }

    /// Performs the operation. Returns its answer, and whether it changed the field; a field that keeps its number is
    /// not written.
    fn perform(&self, bytes: &mut [u8]) -> (Option<i64>, bool) {
        let old = self.read(bytes);
        let (new, answers_old) = match self.action {
            Action::Read => return (Some(old), false),
            Action::Set(number) => (self.field.set(number, self.overflow), true),
            Action::Increment(by) => (self.field.increment(old, by, self.overflow), false),
        };
        let Some(new) = new else { return (None, false) };
        if new != old {
            write_field(bytes, self.offset, self.field.width, new.cast_unsigned());
        }
        (Some(if answers_old { old } else { new }), new != old)
    }
}

/// Reads the operations behind the key. An overflow rule holds for those behind it.
fn parse(args: Args<'_>, bytes_max: u64) -> Result<Vec<Operation>, CommandError> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::default();
    let mut rest = args.tail(2);
    while !rest.is_empty() {
        let (name, words) = (rest.arg(0), rest.len() - 1);
        let is = |word: &str, needs: usize| words >= needs && name.eq_ignore_ascii_case(word.as_bytes());
        if is("OVERFLOW", 1) {
            overflow = parse_overflow(rest.arg(1))?;
            rest = rest.tail(2);
            continue;
        }
        let reads = is("GET", 2);
        let increments = is("INCRBY", 3);
        if !(reads || increments || is("SET", 3)) {
            return Err(CommandError::Syntax);
        }
        let field = FieldType::parse(rest.arg(1)).ok_or(CommandError::text(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ))?;
        let offset = bit_offset(rest.arg(2), Some(field.width), bytes_max)?;
        let action = match () {
            () if reads => Action::Read,
            () if increments => Action::Increment(integer(rest.arg(3))?),
            () => Action::Set(integer(rest.arg(3))?),
        };
        let operation = Operation { field, offset, action, overflow };
        // A field that begins within the longest string may end behind it.
        if operation.writes() && operation.bytes_needed() > bytes_max {
            return Err(BAD_OFFSET);
        }
        operations.push(operation);
        rest = rest.tail(if reads { 3 } else { 4 });
    }
    Ok(operations)
}

fn parse_overflow(word: &[u8]) -> Result<Overflow, CommandError> {
    match word {
        _ if word.eq_ignore_ascii_case(b"WRAP") => Ok(Overflow::Wrap),
        _ if word.eq_ignore_ascii_case(b"SAT") => Ok(Overflow::Saturate),
        _ if word.eq_ignore_ascii_case(b"FAIL") => Ok(Overflow::Fail),
        _ => Err(CommandError::text("ERR Invalid OVERFLOW type specified")),
    }
}

pub fn bitfield(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let operations = parse(args, ctx.string_bytes_max())?;
    let Some(len) = operations.iter().filter(|operation| operation.writes()).map(Operation::bytes_needed).max() else {
        let answers = read_all(ctx.read_view::<StringValue>(key)?, &operations);
        reply_all(ctx.reply, answers.into_iter().map(Some));
        return Ok(());
    };
    let perform_all =
        |bytes: &mut [u8]| operations.iter().map(|operation| operation.perform(bytes)).collect::<Vec<_>>();
    let (answers, grown) = with_bytes(ctx, key, len as usize, perform_all)?;
    // Where the string has grown, every operation that did not fail counts as a change, and the growth as one at least.
    let counts = |(operation, (answer, changed)): (&Operation, &(Option<i64>, bool))| {
        *changed || (grown && operation.writes() && answer.is_some())
    };
    let changes = operations.iter().zip(&answers).filter(|pair| counts(*pair)).count().max(usize::from(grown));
    if changes > 0 {
        ctx.commit(key, Change::new(EventClass::STRING, "setbit").times(changes));
    }
    reply_all(ctx.reply, answers.into_iter().map(|(answer, _)| answer));
    Ok(())
}

pub fn bitfield_ro(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let operations = parse(args, ctx.config.string_bytes_max())?;
    if operations.iter().any(Operation::writes) {
        return Err(CommandError::text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    let answers = read_all(ctx.view::<StringValue>(args.arg(1))?, &operations);
    reply_all(ctx.reply, answers.into_iter().map(Some));
    Ok(())
}

fn read_all(string: Option<StringView<'_>>, operations: &[Operation]) -> Vec<i64> {
    let read = |bytes: &[u8]| operations.iter().map(|operation| operation.read(bytes)).collect();
    string.map_or_else(|| read(&[]), |view| view.with_bytes(read))
}

fn reply_all(reply: &mut Reply, answers: impl ExactSizeIterator<Item = Option<i64>>) {
    reply.array(answers.len());
    for answer in answers {
        match answer {
            Some(number) => reply.integer(number),
            None => reply.null(),
        }
    }
}
