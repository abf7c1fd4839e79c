//! Hash commands: fields, counters in fields, and the expiry of fields.
//! Owns:  the rows and handlers of HDEL to HVALS.
//! Uses:  keyspace, types, resp, stdx.
//! Never: when a field past its expiry is deleted; the keyspace does that.

mod expiry;
mod number;
mod random;
mod read;
mod rows;
mod set_expiring;
mod write;

pub(super) use rows::COMMANDS;

use super::framework::ReadCtx;
use crate::keyspace::WrongType;
use crate::types::hash::{HashValue, HashView};

/// Looks a hash up for reading.
#[inline]
fn hash<'a>(ctx: &ReadCtx<'a>, key: &[u8]) -> Result<Option<HashView<'a>>, WrongType> {
    let hash = ctx.view::<HashValue>(key)?;
    if hash.is_some_and(|hash| hash.has_due(ctx.now.unix_ms)) {
        ctx.keyspace.db(ctx.session.db).note_lapsed_fields(key);
    }
    Ok(hash)
}
