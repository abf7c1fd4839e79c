//! The command table: every row by number and by name.

use hashbrown::HashTable;

use super::GROUPS;
use super::error::CommandError;
use super::spec::{Command, Flags, Handler};
use crate::resp::Args;

/// A row's place in the table, by which statistics are kept.
pub type CommandId = usize;

/// One command or subcommand with what is derived from its constant row.
pub struct Row {
    pub id: CommandId,
    pub command: &'static Command,
    /// In lower case, with its parent's name: `client|list`.
    pub full_name: Box<str>,
    pub parent: Option<CommandId>,
    pub subcommands: Vec<CommandId>,
    /// The row's flags and those that follow from its handler.
    pub flags: Flags,
}

/// All commands, and the names under which clients reach them (`rename-command` changes those).
pub struct CommandTable {
    rows: Vec<Row>,
    by_name: HashTable<Named>,
    /// The length of the longest name: a longer word is unknown without a lookup.
    name_bytes_max: usize,
}

/// A name and what it stands for.
struct Named {
    name: Box<[u8]>,
    id: CommandId,
}

/// The same for a name in any case. Names are short, are chosen by no client, and every command looks one up: this costs
/// less than a hash that is made for more.
fn hash_of_name(name: &[u8]) -> u64 {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let in_lower_case = |byte: &u8| u64::from(byte | 0x20);
    name.iter().fold(0, |hash: u64, byte| (hash.rotate_left(5) ^ in_lower_case(byte)).wrapping_mul(SPREAD))
}

impl CommandTable {
    pub fn new() -> Self {
        let mut table = Self { rows: Vec::new(), by_name: HashTable::new(), name_bytes_max: 0 };
        for command in GROUPS.iter().copied().flatten() {
            let id = table.add(command, None);
            assert!(table.add_name(command.name.as_bytes(), id), "{} stands in the table twice", command.name);
        }
        table
    }

    fn add(&mut self, command: &'static Command, parent: Option<CommandId>) -> CommandId {
        let id = self.rows.len();
        let name = command.name.to_ascii_lowercase();
        let full_name = match parent {
            Some(parent) => format!("{}|{name}", self.rows[parent].full_name),
            None => name,
        };
        let implied = match command.run {
            Handler::Write(_) if !command.flags.has(Flags::READONLY) => Flags::WRITE,
            Handler::Read(_) if !command.keys.is_empty() => Flags::READONLY,
            _ => Flags::NONE,
        };
        self.rows.push(Row {
            id,
            command,
            full_name: full_name.into(),
            parent,
            subcommands: Vec::new(),
            flags: command.flags.or(implied),
        });
        for subcommand in command.subcommands {
            let child = self.add(subcommand, Some(id));
            self.rows[id].subcommands.push(child);
        }
        id
    }

    pub fn row(&self, id: CommandId) -> &Row {
        &self.rows[id]
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The commands that have a name of their own (no subcommands), those renamed away left out.
    pub fn commands(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.parent.is_none() && self.by_name.iter().any(|named| named.id == row.id))
    }

    /// Gives a command another name, or none if `new` is empty. Returns whether `old` was there and `new` was free.
    pub fn rename(&mut self, old: &[u8], new: &[u8]) -> bool {
        if self.by_name(old).is_none() {
            return false;
        }
        let is_old = |named: &Named| named.name.eq_ignore_ascii_case(old);
        let Ok(found) = self.by_name.find_entry(hash_of_name(old), is_old) else { return false };
        let id = found.remove().0.id;
        new.is_empty() || self.add_name(new, id)
    }

    /// Makes a name stand for a row. Returns whether it was free.
    fn add_name(&mut self, name: &[u8], id: CommandId) -> bool {
        let free = self.by_name(name).is_none();
        if free {
            self.name_bytes_max = self.name_bytes_max.max(name.len());
            let named = Named { name: name.into(), id };
            self.by_name.insert_unique(hash_of_name(name), named, |named| hash_of_name(&named.name));
        }
        free
    }

    /// The row of a command's name, without its subcommands.
    pub fn by_name(&self, name: &[u8]) -> Option<&Row> {
        if name.len() > self.name_bytes_max {
            return None;
        }
        let is_it = |named: &Named| named.name.eq_ignore_ascii_case(name);
        self.by_name.find(hash_of_name(name), is_it).map(|named| &self.rows[named.id])
    }

    /// As [`CommandTable::by_full_name`], by the names that commands have by nature, whatever they were renamed to.
    pub fn by_original_name(&self, name: &[u8]) -> Option<&Row> {
        self.rows.iter().find(|row| name.eq_ignore_ascii_case(row.full_name.as_bytes()))
    }

    /// The row of a name as COMMAND INFO takes it: `get`, `client|list`.
    pub fn by_full_name(&self, name: &[u8]) -> Option<&Row> {
        match memchr::memchr(b'|', name) {
            None => self.by_name(name),
            Some(bar) => self.subcommand(self.by_name(&name[..bar])?, &name[bar + 1..]),
        }
    }

    pub fn subcommand(&self, parent: &Row, name: &[u8]) -> Option<&Row> {
        let children = parent.subcommands.iter().map(|id| &self.rows[*id]);
        children.into_iter().find(|row| row.command.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The row that a command line runs, its subcommand resolved; arity is not looked at.
    pub fn resolve(&self, args: Args<'_>) -> Result<&Row, CommandError> {
        let row = self.by_name(args.arg(0)).ok_or_else(|| CommandError::unknown_command(args))?;
        if row.subcommands.is_empty() {
            return Ok(row);
        }
        if args.len() == 1 {
            return match row.command.run {
                Handler::Container => Err(CommandError::wrong_arity(&row.full_name)),
                _ => Ok(row),
            };
        }
        self.subcommand(row, args.arg(1)).ok_or_else(|| CommandError::unknown_subcommand(args, row.command.name))
    }
}

impl Default for CommandTable {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_named_in_capitals_and_documented() {
        for row in CommandTable::new().rows() {
            let command = row.command;
            assert!(command.name.bytes().all(|byte| !byte.is_ascii_lowercase()), "{}", command.name);
            assert!(!command.summary.is_empty() && !command.since.is_empty(), "{}", row.full_name);
        }
    }

    #[test]
    fn commands_refused_when_memory_is_short_are_writes() {
        for row in CommandTable::new().rows() {
            assert!(!row.flags.has(Flags::DENYOOM) || row.flags.has(Flags::WRITE), "{}", row.full_name);
        }
    }

    #[test]
    fn names_are_found_in_any_case() {
        let table = CommandTable::new();
        assert_eq!(&*table.by_name(b"gEt").expect("GET is there").full_name, "get");
        assert!(table.by_name(&[b'x'; 1000]).is_none());
    }
}
