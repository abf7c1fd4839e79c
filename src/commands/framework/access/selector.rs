//! One set of permissions: commands, keys and channels that may be used together.

use super::categories::{CATEGORIES, belongs_to};
use super::keys::{KeyPattern, Permission};
use super::rules::{RuleBook, RuleError};
use crate::commands::framework::key_args::{KeyArg, keys_named};
use crate::commands::framework::missing::is_missing_for_rules;
use crate::commands::framework::row::{CommandId, Row, by_original_name};
use crate::commands::framework::spec::{Channels, Flags};
use crate::resp::Args;
use crate::stdx::glob::glob_match;

/// Why a command is denied; the number is that of the argument. Of several reasons the greatest is reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Denied {
    Command,
    Key(usize),
    Channel(usize),
}

/// What a user may do: all of it at once, or nothing of what other selectors allow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector {
    commands: CommandSet,
    /// The rules about commands since the last `+@all` or `-@all`, without those that later ones make void.
    rules: Vec<CommandRule>,
    /// Commands that are allowed with this first argument only.
    first_args: Vec<(CommandId, Box<[u8]>)>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Box<[u8]>>,
}

/// `+get`, `-@dangerous`, `+select|0`: the name in lower case, as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
struct CommandRule {
    allow: bool,
    name: Box<[u8]>,
}

/// One bit for each row of the command table.
#[derive(Clone, PartialEq, Eq, Debug)]
struct CommandSet {
    bits: Box<[u64]>,
    /// Set by `+@all`, until anything is taken away: no bit need be looked at.
    all: bool,
    /// Whether the rules began with `+@all`, which would allow commands yet to come as well.
    starts_full: bool,
}

impl CommandSet {
    fn empty(rows: &[Row]) -> Self {
        Self { bits: vec![0; rows.len().div_ceil(64)].into(), all: false, starts_full: false }
    }

    fn fill(&mut self, full: bool) {
        self.bits.fill(if full { u64::MAX } else { 0 });
        self.all = full;
        self.starts_full = full;
    }

    fn set(&mut self, id: CommandId, allow: bool) {
        if let Some(word) = self.bits.get_mut(id.index() / 64) {
            let bit = 1 << (id.index() % 64);
            *word = if allow { *word | bit } else { *word & !bit };
        }
        self.all &= allow;
    }

    fn has(&self, id: CommandId) -> bool {
        self.all || self.bits.get(id.index() / 64).is_some_and(|word| word & (1 << (id.index() % 64)) != 0)
    }
}

impl Selector {
    /// Allows nothing, but for all channels where the settings say so.
    pub fn new(book: &RuleBook<'_>) -> Self {
        Self {
            commands: CommandSet::empty(book.rows),
            rules: Vec::new(),
            first_args: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels: book.all_channels,
            channels: Vec::new(),
        }
    }

    pub fn allows_everything(&self) -> bool {
        self.commands.all && self.all_keys && self.all_channels
    }

    pub fn allows_all_channels(&self) -> bool {
        self.all_channels
    }

    pub fn channels(&self) -> &[Box<[u8]>] {
        &self.channels
    }

    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        // A pattern is compared by its letters: what it may match is not known.
        let fits = |known: &[u8]| if is_pattern { known == channel } else { glob_match(known, channel, false) };
        self.all_channels || self.channels.iter().any(|known| fits(known))
    }

    /// Whether every key there is may be read.
    pub fn reads_all_keys(&self) -> bool {
        self.all_keys || self.keys.iter().any(KeyPattern::reads_everything)
    }

    /// Checks a command line. `keys` is filled once and serves the user's other selectors too.
    pub fn check(&self, row: &Row, args: Args<'_>, keys: &mut Option<Vec<KeyArg>>) -> Result<(), Denied> {
        if !self.allows_command(row, args) {
            return Err(Denied::Command);
        }
        if !self.all_keys && !row.keys.is_empty() {
            let keys = keys.get_or_insert_with(|| keys_named(row, args));
            let denied = keys.iter().find(|key| {
                let needed = Permission::needed_for(key.flags);
                !self.keys.iter().any(|pattern| pattern.allows(args.arg(key.index), needed))
            });
            if let Some(key) = denied {
                return Err(Denied::Key(key.index));
            }
        }
        if !self.all_channels {
            let (range, is_pattern) = match row.channels {
                Channels::None => return Ok(()),
                Channels::First => (1..args.len().min(2), false),
                Channels::All => (1..args.len(), false),
                Channels::AllPatterns => (1..args.len(), true),
            };
            for index in range {
                if !self.allows_channel(args.arg(index), is_pattern) {
                    return Err(Denied::Channel(index));
                }
            }
        }
        Ok(())
    }

    fn allows_command(&self, row: &Row, args: Args<'_>) -> bool {
        if self.commands.has(row.id) || row.flags.has(Flags::NO_AUTH) {
            return true;
        }
        let Some(first) = args.get(1) else { return false };
        self.first_args.iter().any(|(id, word)| *id == row.id && first.eq_ignore_ascii_case(word))
    }

    /// Follows one rule.
    pub fn apply(&mut self, rule: &[u8], book: &RuleBook<'_>) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        if is("allkeys") || is("~*") {
            self.all_keys = true;
            self.keys.clear();
        } else if is("resetkeys") {
            self.all_keys = false;
            self.keys.clear();
        } else if is("allchannels") || is("&*") {
            self.all_channels = true;
            self.channels.clear();
        } else if is("resetchannels") {
            self.all_channels = false;
            self.channels.clear();
        } else if is("allcommands") || is("+@all") {
            self.fill(true);
        } else if is("nocommands") || is("-@all") {
            self.fill(false);
        } else {
            return match rule {
                [b'~' | b'%', ..] => self.add_key(rule),
                [b'&', channel @ ..] => self.add_channel(channel),
                [b'+', b'@', category @ ..] => self.set_category(category, true, book),
                [b'-', b'@', category @ ..] => self.set_category(category, false, book),
                [b'+', name @ ..] => self.allow_command(name, book),
                [b'-', name @ ..] => self.set_command(name, false, book),
                _ => Err(RuleError::Syntax),
            };
        }
        Ok(())
    }

    fn fill(&mut self, full: bool) {
        self.commands.fill(full);
        self.rules.clear();
        self.first_args.clear();
    }

    fn add_key(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AllKeysAlready);
        }
        let pattern = KeyPattern::parse(rule).ok_or(RuleError::Syntax)?;
        match self.keys.iter_mut().find(|known| known.has_pattern_of(&pattern)) {
            Some(known) => known.widen(&pattern),
            None => self.keys.push(pattern),
        }
        Ok(())
    }

    fn add_channel(&mut self, channel: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AllChannelsAlready);
        }
        if super::rules::has_space(channel) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *channel) {
            self.channels.push(channel.into());
        }
        Ok(())
    }

    /// `+name`, `+name|subcommand`, or `+name|word` for a command without subcommands.
    fn allow_command(&mut self, name: &[u8], book: &RuleBook<'_>) -> Result<(), RuleError> {
        let Some(bar) = memchr::memrchr(b'|', name) else { return self.set_command(name, true, book) };
        if is_missing_for_rules(name) && !super::rules::has_space(name) {
            return self.set_command(name, true, book);
        }
        let (parent, word) = (&name[..bar], &name[bar + 1..]);
        let row = by_original_name(book.rows, parent).ok_or(RuleError::Unknown)?;
        if row.parent.is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        // A word with a space in it could not be read back from a file.
        if word.is_empty() || super::rules::has_space(word) {
            return Err(RuleError::Syntax);
        }
        if !row.subcommands.is_empty() {
            return self.set_command(name, true, book);
        }
        if !self.first_args.iter().any(|(id, known)| *id == row.id && known.eq_ignore_ascii_case(word)) {
            self.first_args.push((row.id, word.into()));
        }
        self.note_rule(name, true);
        Ok(())
    }

    fn set_command(&mut self, name: &[u8], allow: bool, book: &RuleBook<'_>) -> Result<(), RuleError> {
        let Some(row) = by_original_name(book.rows, name) else {
            // Users of Redis are made with rules about commands that are not here: nothing is allowed or forbidden.
            if !is_missing_for_rules(name) || super::rules::has_space(name) || name.ends_with(b"|") {
                return Err(RuleError::Unknown);
            }
            self.note_rule(name, allow);
            return Ok(());
        };
        self.set_row(row, allow);
        self.note_rule(row.full_name.as_bytes(), allow);
        Ok(())
    }

    fn set_category(&mut self, category: &[u8], allow: bool, book: &RuleBook<'_>) -> Result<(), RuleError> {
        let category = CATEGORIES.into_iter().find(|known| category.eq_ignore_ascii_case(known.as_bytes()));
        let category = category.ok_or(RuleError::Unknown)?;
        for row in book.rows.iter().filter(|row| belongs_to(row, category)) {
            self.set_row(row, allow);
        }
        self.note_rule(&[b"@", category.as_bytes()].concat(), allow);
        Ok(())
    }

    /// Allows or forbids a command with all its subcommands.
    fn set_row(&mut self, row: &Row, allow: bool) {
        self.commands.set(row.id, allow);
        self.first_args.retain(|(id, _)| *id != row.id);
        for child in &row.subcommands {
            self.commands.set(*child, allow);
        }
    }

    /// Keeps a rule to be shown later, in place of those that it makes void: its own like, and those of the command's
    /// subcommands.
    fn note_rule(&mut self, name: &[u8], allow: bool) {
        let name = name.to_ascii_lowercase();
        self.rules.retain(|old| match old.name.strip_prefix(&*name) {
            Some(rest) => !(rest.is_empty() || rest.starts_with(b"|")),
            None => true,
        });
        self.rules.push(CommandRule { allow, name: name.into() });
    }

    /// `~* &* +@all`: the rules that make such a selector.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts = self.key_rules();
        if self.all_channels {
            parts.push(b"&*".to_vec());
        } else {
            parts.push(b"resetchannels".to_vec());
            parts.extend(self.channel_rules());
        }
        parts.push(self.command_rules());
        parts.join(&b' ')
    }

    pub fn command_rules(&self) -> Vec<u8> {
        let mut text = if self.commands.starts_full { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for CommandRule { allow, name } in &self.rules {
            text.extend_from_slice(if *allow { b" +" } else { b" -" });
            text.extend_from_slice(name);
        }
        text
    }

    pub fn key_rules(&self) -> Vec<Vec<u8>> {
        if self.all_keys { vec![b"~*".to_vec()] } else { self.keys.iter().map(KeyPattern::describe).collect() }
    }

    pub fn channel_rules(&self) -> Vec<Vec<u8>> {
        if self.all_channels {
            return vec![b"&*".to_vec()];
        }
        self.channels.iter().map(|channel| [b"&", &**channel].concat()).collect()
    }
}
