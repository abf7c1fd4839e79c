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

use super::framework::{CommandError, WriteCtx};
use crate::keyspace::{Change, EventClass, WrongType};
use crate::types::stream::StreamValue;

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
