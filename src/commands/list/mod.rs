//! The list commands, with those that wait for an element.
//! Owns:  the rows and handlers of BLMOVE to RPUSHX.
//! Uses:  keyspace, types, resp.
//! Never: how a list is laid out.

mod blocking;
mod insert;
mod pop;
mod read;
mod remove;
mod rows;

pub use rows::COMMANDS;

use super::framework::{CommandError, WriteCtx};
use crate::keyspace::{Change, EventClass, WrongType};
use crate::types::list::{End, ListValue};

/// Whether there is a list at `key`, to be changed.
fn exists(ctx: &mut WriteCtx<'_>, key: &[u8]) -> Result<bool, WrongType> {
    Ok(ctx.view::<ListValue>(key)?.is_some())
}

/// Reports a change of so many elements, and that nothing is left if that is so.
#[inline]
fn report(ctx: &mut WriteCtx<'_>, key: &[u8], event: &'static str, changes: usize, emptied: bool) {
    ctx.commit(key, Change::new(EventClass::LIST, event).times(changes));
    if emptied {
        ctx.notify(key, EventClass::GENERIC, "del");
    }
}

/// Reads LEFT or RIGHT.
fn end(arg: &[u8]) -> Result<End, CommandError> {
    if arg.eq_ignore_ascii_case(b"LEFT") {
        Ok(End::Left)
    } else if arg.eq_ignore_ascii_case(b"RIGHT") {
        Ok(End::Right)
    } else {
        Err(CommandError::Syntax)
    }
}
