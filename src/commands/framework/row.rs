//! What the server works with for each command: the facts of its row without its handler, so that permissions, keys and
//! statistics need to know nothing of contexts.

use super::spec::{Arity, Begin, Channels, ElementHint, Find, Flags, Group, KeySpec};
use crate::resp::Args;

/// A row's place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandId(u16);

impl CommandId {
    pub(super) const FIRST: Self = Self(0);

    pub(super) fn new(index: usize) -> Self {
        Self(u16::try_from(index).expect("the table has fewer rows than that"))
    }

    /// By which statistics are kept.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// One command or subcommand as it is in the table.
pub struct Row {
    pub id: CommandId,
    /// In lower case, with its parent's name: `client|list`.
    pub full_name: Box<str>,
    pub parent: Option<CommandId>,
    pub subcommands: Vec<CommandId>,
    pub group: Group,
    pub arity: Arity,
    /// The row's flags and those that follow from its handler.
    pub flags: Flags,
    pub keys: &'static [KeySpec],
    pub channels: Channels,
    pub element: ElementHint,
    /// Has subcommands and is no command by itself.
    pub is_container: bool,
    /// Which argument is the first key, where that does not depend on the others; 0 if none is.
    pub(super) first_key: usize,
}

impl Row {
    /// The first key of a command line, where its place does not depend on the other arguments.
    #[inline]
    pub fn first_key<'a>(&self, args: Args<'a>) -> Option<&'a [u8]> {
        if self.first_key == 0 { None } else { args.get(self.first_key) }
    }
}

/// The argument that is the first key for rows with these keys, whatever the other arguments are; 0 if none is.
pub(super) fn place_of_first_key(keys: &[KeySpec]) -> usize {
    match keys.first() {
        Some(KeySpec { begin: Begin::Index(index), find: Find::Range { .. }, .. }) => *index,
        _ => 0,
    }
}

/// The row of a name that a command has by nature (`get`, `client|list`), whatever it was renamed to.
pub fn by_original_name<'a>(rows: &'a [Row], name: &[u8]) -> Option<&'a Row> {
    rows.iter().find(|row| name.eq_ignore_ascii_case(row.full_name.as_bytes()))
}
