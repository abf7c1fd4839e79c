//! The stream commands, with those that wait for an entry.
//! Owns:  the rows and handlers of XACK to XTRIM.
//! Uses:  keyspace, types, resp, stdx.
//! Never: how a stream is laid out.

mod add;
mod claim;
mod groups;
mod handover;
mod ids;
mod info;
mod pending;
mod range;
mod read;
mod rows;
mod trim;

pub use rows::COMMANDS;

use super::framework::{CommandError, ReadCtx, WriteCtx};
use crate::keyspace::{Change, Entry, EventClass, WrongType};
use crate::types::ValueRef;
use crate::types::stream::StreamValue;

/// A stream, or an error if the key holds another type.
fn as_stream(entry: &Entry) -> Result<&StreamValue, WrongType> {
    match entry.value() {
        ValueRef::Stream(stream) => Ok(stream),
        _ => Err(WrongType),
    }
}

/// The stream at `key`, to be read.
fn find<'a>(ctx: &ReadCtx<'a>, key: &[u8]) -> Result<Option<&'a StreamValue>, WrongType> {
    ctx.find(key).map(as_stream).transpose()
}

/// The stream at `key`, to be looked at before it is changed.
fn find_mut<'a>(ctx: &'a mut WriteCtx<'_>, key: &[u8]) -> Result<Option<&'a StreamValue>, WrongType> {
    ctx.find(key).map(as_stream).transpose()
}

/// The stream at `key`, which is to be changed but counts as read: keys that are there or missing make a hit or a miss.
fn find_mut_as_read<'a>(ctx: &'a mut WriteCtx<'_>, key: &[u8]) -> Result<Option<&'a StreamValue>, WrongType> {
    ctx.read(key).map(as_stream).transpose()
}

/// Changes the stream at `key`, which the caller has found.
fn edit<R>(
    ctx: &mut WriteCtx<'_>,
    key: &[u8],
    change: impl FnOnce(&mut StreamValue) -> R,
) -> Result<Option<R>, WrongType> {
    Ok(ctx.edit(key, change)?.map(|edited| edited.result))
}

/// Reports changes of a group of the stream at `key`, or of figures about the stream. Whoever watches the key is
/// notified of nothing, as in Redis: no entry has come or gone.
fn note(ctx: &mut WriteCtx<'_>, key: &[u8], event: &'static str) {
    ctx.commit(key, Change::new(EventClass::STREAM, event).unwatched());
}

/// Says that there is neither such a key nor such a group of it; `suffix` ends the text.
fn no_key_or_group(key: &[u8], group: &[u8], suffix: &str) -> CommandError {
    let text = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", suffix.as_bytes()];
    CommandError::Bytes(text.concat())
}

/// Says that a stream has no such group.
fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    CommandError::Bytes([b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"].concat())
}
