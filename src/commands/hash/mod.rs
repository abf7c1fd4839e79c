//! Hash commands: fields, counters in fields, and the expiry of fields.

mod expiry;
mod number;
mod random;
mod read;
mod rows;
mod write;

pub(super) use rows::COMMANDS;

use super::framework::ReadCtx;
use crate::keyspace::{Entry, WrongType};
use crate::types::ValueRef;
use crate::types::hash::HashView;

/// A hash's view, or an error if the key holds another type.
#[inline]
fn as_hash(entry: &Entry) -> Result<HashView<'_>, WrongType> {
    match entry.value() {
        ValueRef::Hash(view) => Ok(view),
        _ => Err(WrongType),
    }
}

/// Looks a hash up for reading.
#[inline]
fn hash<'a>(ctx: &ReadCtx<'a>, key: &[u8]) -> Result<Option<HashView<'a>>, WrongType> {
    let hash = ctx.find(key).map(as_hash).transpose()?;
    if hash.is_some_and(|hash| hash.has_due(ctx.now.unix_ms)) {
        ctx.keyspace.db(ctx.session.db).note_lapsed_fields(key);
    }
    Ok(hash)
}
