//! Adding entries to a stream and removing them: XADD, XDEL, XTRIM; and XSETID.

use super::ids::{self, NewId};
use super::trim::{Trim, TrimOptions, Trimmed};
use super::{edit, note};
use crate::commands::framework::arguments::{at_least, integer};
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::types::Limits;
use crate::types::stream::{AppendError, StreamId, StreamValue};

const TOO_LARGE: CommandError = CommandError::text("ERR Elements are too large to be stored");

/// What XADD is given in front of the fields.
struct AddOptions {
    /// Do not create the key.
    existing_only: bool,
    trim: Option<Trim>,
    id: NewId,
    /// Which argument is the first field.
    fields_from: usize,
}

impl AddOptions {
    fn parse(args: Args<'_>, limits: &Limits, is_record: bool) -> Result<Self, CommandError> {
        let mut existing_only = false;
        let mut trim = TrimOptions::new(is_record);
        let mut index = 2;
        let mut id = None;
        while let Some(arg) = args.get(index) {
            let read = if arg == b"*" { 0 } else { trim.read(args.tail(index))? };
            index += read;
            if read > 0 {
                continue;
            }
            index += 1;
            if !arg.eq_ignore_ascii_case(b"NOMKSTREAM") {
                id = Some(NewId::parse(arg)?);
                break;
            }
            existing_only = true;
        }
        let trim = trim.finish(limits)?;
        let fields = args.len() - index;
        match id {
            Some(id) if fields > 0 && fields.is_multiple_of(2) => {
                Ok(Self { existing_only, trim, id, fields_from: index })
            }
            _ => Err(CommandError::wrong_arity("xadd")),
        }
    }

    /// Whether the same words would come to something else at another time, or with nodes of other sizes.
    fn depends_on_moment(&self) -> bool {
        !matches!(self.id, NewId::Given(_)) || self.trim.is_some_and(Trim::is_approximate)
    }
}

pub fn xadd(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let limits = ctx.limits;
    let options = AddOptions::parse(args, limits, ctx.repeats_record())?;
    if options.id == NewId::Given(StreamId::MIN) {
        return Err(CommandError::text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let (key, fields) = (args.arg(1), args.tail(options.fields_from));
    let last_of_key = ctx.view::<StreamValue>(key)?.map(|stream| stream.last_id());
    if last_of_key.is_none() && options.existing_only {
        ctx.reply.null();
        return Ok(());
    }
    let last = last_of_key.unwrap_or(StreamId::MIN);
    if last == StreamId::MAX {
        return Err(CommandError::text("ERR The stream has exhausted the last possible ID, unable to add more items"));
    }
    let id = options.id.after(last, ctx.now_ms().unsigned_abs()).ok_or(CommandError::text(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
    ))?;
    let pairs = (0..fields.len()).step_by(2).map(|index| (fields.arg(index), fields.arg(index + 1)));
    // No stream is made for an entry that it cannot take.
    if last_of_key.is_none() && !StreamValue::takes(pairs.clone()) {
        return Err(TOO_LARGE);
    }
    let edited = ctx.edit_or_insert(
        key,
        |_| StreamValue::new(),
        |stream| stream.append(id, pairs, limits).map(|()| options.trim.map(|trim| trim.apply(stream))),
    )?;
    let trimmed = edited.result.map_err(|_: AppendError| TOO_LARGE)?;
    ids::write(ctx.reply, id);
    ctx.commit(key, Change::new(EventClass::STREAM, "xadd"));
    if trimmed.is_some_and(|trimmed| trimmed.removed > 0) {
        ctx.notify(key, EventClass::STREAM, "xtrim");
    }
    if options.depends_on_moment() {
        record_added(ctx, (key, id), fields, trimmed);
    }
    Ok(())
}

/// Has an entry recorded under the identifier that it got, with the trim as it came out.
fn record_added(ctx: &mut WriteCtx<'_>, (key, id): (&[u8], StreamId), fields: Args<'_>, trimmed: Option<Trimmed>) {
    ctx.record_instead(|out| {
        out.extend([b"XADD", key]);
        if let Some(trimmed) = trimmed {
            trimmed.write_exact(out);
        }
        out.push(id.to_string());
        out.extend(fields);
    });
}

pub fn xtrim(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let mut options = TrimOptions::new(ctx.repeats_record());
    let mut index = 2;
    while index < args.len() {
        match options.read(args.tail(index))? {
            0 => return Err(CommandError::Syntax),
            read => index += read,
        }
    }
    let trim = options.finish_required(ctx.limits)?;
    let key = args.arg(1);
    let trimmed = edit(ctx, key, |stream| trim.apply(stream))?;
    if let Some(trimmed) = trimmed.filter(|trimmed| trim.is_approximate() && trimmed.removed > 0) {
        ctx.record_instead(|out| {
            out.extend([b"XTRIM", key]);
            trimmed.write_exact(out);
        });
    }
    report_removed(ctx, key, "xtrim", trimmed.map_or(0, |trimmed| trimmed.removed));
    Ok(())
}

pub fn xdel(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    // A missing key is answered before a bad identifier.
    if ctx.view::<StreamValue>(args.arg(1))?.is_none() {
        ctx.reply.integer(0);
        return Ok(());
    }
    let ids: Vec<_> = args.tail(2).iter().map(ids::strict).collect::<Result<_, _>>()?;
    let key = args.arg(1);
    let removed = edit(ctx, key, |stream| ids.iter().filter(|id| stream.delete(**id)).count())?;
    report_removed(ctx, key, "xdel", removed.unwrap_or(0));
    Ok(())
}

/// Reports how many entries were removed, and answers that.
fn report_removed(ctx: &mut WriteCtx<'_>, key: &[u8], event: &'static str, removed: usize) {
    if removed > 0 {
        ctx.commit(key, Change::new(EventClass::STREAM, event).times(removed));
    }
    ctx.reply.integer(removed as i64);
}

pub fn xsetid(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let last = ids::strict(args.arg(2))?;
    let (mut added, mut max_deleted) = (None, None);
    let mut options = args.tail(3).iter();
    while let Some(option) = options.next() {
        let Some(value) = options.next() else { return Err(CommandError::Syntax) };
        if option.eq_ignore_ascii_case(b"ENTRIESADDED") {
            let negative = CommandError::text("ERR entries_added must be positive");
            added = Some(at_least(integer(value)?, 0, negative)? as u64);
        } else if option.eq_ignore_ascii_case(b"MAXDELETEDID") {
            let id = ids::strict(value)?;
            if last < id {
                return Err(CommandError::text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted = Some(id).filter(|id| *id != StreamId::MIN);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let stream = ctx.view::<StreamValue>(key)?.ok_or(CommandError::NoSuchKey)?;
    if last < stream.max_deleted_id() {
        return Err(CommandError::text("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"));
    }
    if stream.last_entry_id().is_some_and(|top| last < top) {
        return Err(CommandError::text("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if added.is_some_and(|added| added < stream.len() as u64) {
        return Err(CommandError::text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    edit(ctx, key, |stream| {
        stream.set_last_id(last);
        if let Some(added) = added {
            stream.set_entries_added(added);
        }
        if let Some(id) = max_deleted {
            stream.set_max_deleted_id(id);
        }
    })?;
    note(ctx, key, "xsetid");
    ctx.reply.ok();
    Ok(())
}
