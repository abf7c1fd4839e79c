//! Set commands: members, random picks, and the algebra of several sets.

mod algebra;
mod read;
mod rows;
mod write;

pub(super) use rows::COMMANDS;

use crate::keyspace::{Entry, WrongType};
use crate::types::ValueRef;
use crate::types::set::SetView;

/// A set's view, or an error if the key holds another type.
#[inline]
fn as_set(entry: &Entry) -> Result<SetView<'_>, WrongType> {
    match entry.value() {
        ValueRef::Set(view) => Ok(view),
        _ => Err(WrongType),
    }
}
