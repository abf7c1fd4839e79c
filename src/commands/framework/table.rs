//! The command table: every row by number and by name.

use std::cell::Cell;

use hashbrown::hash_table::OccupiedEntry;
use hashbrown::{HashMap, HashTable};

use super::command::{Command, Handler};
use super::error::CommandError;
use super::key_args::keys_named;
use super::missing::missing_feature;
use super::row::{CommandId, Row, place_of_first_key};
use super::spec::Flags;
use crate::resp::Args;
use crate::structures::FoldedName;

/// Where no name was looked up yet.
const NO_NAME: (FoldedName, CommandId) = (FoldedName::NONE, CommandId::FIRST);

/// All commands, and the names under which clients reach them (`rename-command` changes those).
pub struct CommandTable {
    rows: Vec<Row>,
    /// The constant row of each.
    commands: Vec<&'static Command>,
    /// Every command looks its name up: those that are as short as names are by nature are compared as words.
    by_short_name: HashTable<(FoldedName, CommandId)>,
    /// The name looked up last: commands mostly come several of a kind.
    recent: Cell<(FoldedName, CommandId)>,
    /// In small letters.
    by_long_name: HashMap<Box<[u8]>, CommandId>,
}

impl CommandTable {
    pub fn of(groups: &[&'static [Command]]) -> Self {
        let mut table = Self {
            rows: Vec::new(),
            commands: Vec::new(),
            by_short_name: HashTable::new(),
            recent: Cell::new(NO_NAME),
            by_long_name: HashMap::new(),
        };
        for command in groups.iter().copied().flatten() {
            let id = table.add(command, None);
            assert!(table.add_name(command.name.as_bytes(), id), "{} is in the table twice", command.name);
        }
        table
    }

    fn add(&mut self, command: &'static Command, parent: Option<CommandId>) -> CommandId {
        let id = CommandId::new(self.rows.len());
        let name = command.name.to_ascii_lowercase();
        let full_name = match parent {
            Some(parent) => format!("{}|{name}", self.row(parent).full_name),
            None => name,
        };
        let implied = match command.run {
            Handler::Write(_) if !command.flags.has(Flags::READONLY) => Flags::WRITE,
            Handler::Read(_) if !command.keys.is_empty() => Flags::READONLY,
            _ => Flags::NONE,
        };
        self.commands.push(command);
        self.rows.push(Row {
            id,
            full_name: full_name.into(),
            parent,
            subcommands: Vec::new(),
            group: command.group,
            arity: command.arity,
            flags: command.flags.or(implied),
            keys: command.keys,
            channels: command.channels,
            element: command.element,
            is_container: matches!(command.run, Handler::Container),
            first_key: place_of_first_key(command.keys),
        });
        for subcommand in command.subcommands {
            let child = self.add(subcommand, Some(id));
            self.rows[id.index()].subcommands.push(child);
        }
        id
    }

    #[inline]
    pub fn row(&self, id: CommandId) -> &Row {
        &self.rows[id.index()]
    }

    /// The constant row, with what documents the command.
    #[inline]
    pub fn command(&self, id: CommandId) -> &'static Command {
        self.commands[id.index()]
    }

    #[inline]
    pub fn handler(&self, id: CommandId) -> Handler {
        self.command(id).run
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The commands that have a name of their own (no subcommands), those renamed away left out.
    pub fn commands(&self) -> impl Iterator<Item = &Row> {
        let named = || self.by_short_name.iter().map(|(_, id)| id).chain(self.by_long_name.values());
        self.rows.iter().filter(move |row| row.parent.is_none() && named().any(|id| *id == row.id))
    }

    /// Gives a command another name, or none if `new` is empty. Returns whether `old` was there and `new` was free.
    pub fn rename(&mut self, old: &[u8], new: &[u8]) -> bool {
        let Some(id) = self.by_name(old).map(|row| row.id) else { return false };
        self.recent.set(NO_NAME);
        match FoldedName::new(old) {
            Some(name) => {
                let found = self.by_short_name.find_entry(name.hash(), |named| named.0 == name);
                drop(found.map(OccupiedEntry::remove));
            }
            None => drop(self.by_long_name.remove(&*old.to_ascii_lowercase())),
        }
        new.is_empty() || self.add_name(new, id)
    }

    /// Makes a name refer to a row. Returns whether it was free.
    fn add_name(&mut self, name: &[u8], id: CommandId) -> bool {
        let free = self.by_name(name).is_none();
        if free {
            match FoldedName::new(name) {
                Some(name) => {
                    self.by_short_name.insert_unique(name.hash(), (name, id), |named| named.0.hash());
                }
                None => drop(self.by_long_name.insert(name.to_ascii_lowercase().into(), id)),
            }
        }
        free
    }

    /// The keys among the arguments of a command line, as far as they are known.
    pub fn keys_named<'a>(&self, args: Args<'a>) -> Vec<&'a [u8]> {
        let Ok(row) = self.resolve(args) else { return Vec::new() };
        keys_named(row, args).iter().map(|key| args.arg(key.index)).collect()
    }

    /// The row of a command's name, without its subcommands.
    #[inline(always)]
    pub fn by_name(&self, name: &[u8]) -> Option<&Row> {
        let id = match FoldedName::new(name) {
            Some(name) if self.recent.get().0 == name => self.recent.get().1,
            Some(name) => self.by_short_name(name)?,
            None => self.by_long_name(name)?,
        };
        Some(self.row(id))
    }

    #[inline(never)]
    fn by_short_name(&self, name: FoldedName) -> Option<CommandId> {
        let named = self.by_short_name.find(name.hash(), |named| named.0 == name)?;
        self.recent.set(*named);
        Some(named.1)
    }

    #[cold]
    fn by_long_name(&self, name: &[u8]) -> Option<CommandId> {
        // Whatever a client sends is not copied to be found unknown.
        let longest = self.by_long_name.keys().map(|name| name.len()).max()?;
        if name.len() > longest { None } else { self.by_long_name.get(&*name.to_ascii_lowercase()).copied() }
    }

    /// The row of a name as COMMAND INFO takes it: `get`, `client|list`.
    pub fn by_full_name(&self, name: &[u8]) -> Option<&Row> {
        match memchr::memchr(b'|', name) {
            None => self.by_name(name),
            Some(bar) => self.subcommand(self.by_name(&name[..bar])?, &name[bar + 1..]),
        }
    }

    pub fn subcommand(&self, parent: &Row, name: &[u8]) -> Option<&Row> {
        let children = parent.subcommands.iter().map(|id| self.row(*id));
        children.into_iter().find(|row| self.command(row.id).name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// The row that a command line runs, its subcommand resolved; arity is not looked at.
    #[inline(always)]
    pub fn find(&self, args: Args<'_>) -> Option<&Row> {
        let row = self.by_name(args.arg(0))?;
        if row.subcommands.is_empty() { Some(row) } else { self.find_subcommand(row, args) }
    }

    fn find_subcommand<'a>(&'a self, row: &'a Row, args: Args<'_>) -> Option<&'a Row> {
        match args.get(1) {
            Some(name) => self.subcommand(row, name),
            None => Some(row).filter(|row| !row.is_container),
        }
    }

    /// What a client is answered to a command line for which [`CommandTable::find`] has no row.
    pub fn why_missing(&self, args: Args<'_>) -> CommandError {
        match self.by_name(args.arg(0)) {
            None => CommandError::unknown_command(args),
            Some(row) if args.len() == 1 => CommandError::wrong_arity(&row.full_name),
            Some(row)
                if missing_feature(&[row.full_name.as_bytes(), b"|", args.arg(1)].concat()) == Some("a cluster is") =>
            {
                CommandError::text("ERR This instance has cluster support disabled")
            }
            Some(row) => CommandError::unknown_subcommand(args, self.command(row.id).name),
        }
    }

    pub fn resolve(&self, args: Args<'_>) -> Result<&Row, CommandError> {
        self.find(args).ok_or_else(|| self.why_missing(args))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::GROUPS;

    #[test]
    fn every_row_is_named_in_capitals_and_documented() {
        let table = CommandTable::of(GROUPS);
        for row in table.rows() {
            let command = table.command(row.id);
            assert!(command.name.bytes().all(|byte| !byte.is_ascii_lowercase()), "{}", command.name);
            assert!(!command.summary.is_empty() && !command.since.is_empty(), "{}", row.full_name);
        }
    }

    #[test]
    fn commands_refused_when_memory_is_short_are_writes() {
        for row in CommandTable::of(GROUPS).rows() {
            assert!(!row.flags.has(Flags::DENYOOM) || row.flags.has(Flags::WRITE), "{}", row.full_name);
        }
    }

    #[test]
    fn commands_that_may_change_keys_wait_while_writes_are_paused() {
        let table = CommandTable::of(GROUPS);
        for row in table.rows() {
            let writes = matches!(table.handler(row.id), Handler::Write(_));
            assert!(!writes || row.flags.has(Flags::WRITE.or(Flags::MAY_REPLICATE)), "{}", row.full_name);
        }
    }

    #[test]
    fn names_are_found_in_any_case() {
        let table = CommandTable::of(GROUPS);
        assert_eq!(&*table.by_name(b"gEt").expect("GET is there").full_name, "get");
        assert!(table.by_name(&[b'x'; 1000]).is_none());
    }

    #[test]
    fn names_of_any_length_are_given_and_taken_away() {
        let mut table = CommandTable::of(GROUPS);
        let long = [b'X'; 40];
        assert!(table.rename(b"get", &long));
        assert!(table.by_name(b"get").is_none() && table.by_name(&[b'y'; 40]).is_none());
        assert_eq!(&*table.by_name(&[b'x'; 40]).expect("renamed").full_name, "get");
        assert!(table.commands().any(|row| &*row.full_name == "get"));
        assert!(!table.rename(b"set", &long), "the name is taken");
        assert!(table.rename(&long, b"fetch") && table.rename(b"FETCH", b""));
        assert!(table.by_name(&long).is_none() && table.by_name(b"fetch").is_none());
        assert!(!table.commands().any(|row| &*row.full_name == "get"));
    }
}
