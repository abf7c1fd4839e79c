//! All users: how they are made, changed and removed, from commands and from files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use super::log::DenialLog;
use super::rules::{RuleBook, RuleError, has_space, merge_selectors};
use super::user::{DEFAULT, User};

/// The users by name, and what they were denied. Connections hold on to their user as it was when they last looked;
/// whoever changes one gives them the new one.
#[derive(Debug)]
pub struct Users {
    by_name: BTreeMap<Box<[u8]>, Rc<User>>,
    pub log: DenialLog,
}

/// A user that was changed.
#[derive(Debug)]
pub struct Change {
    pub old: Rc<User>,
    pub new: Rc<User>,
}

/// What reading a file of users changed.
#[derive(Debug)]
pub struct Reloaded {
    pub default: Change,
    /// All users there were before, but for the default one.
    pub removed: Vec<Rc<User>>,
}

impl Users {
    pub fn new(book: &RuleBook<'_>) -> Self {
        let default = Rc::new(User::default_user(book));
        Self { by_name: BTreeMap::from([(DEFAULT.into(), default)]), log: DenialLog::default() }
    }

    pub fn find(&self, name: &[u8]) -> Option<&Rc<User>> {
        self.by_name.get(name)
    }

    pub fn default_user(&self) -> &Rc<User> {
        self.by_name.get(DEFAULT).expect("the default user cannot be removed")
    }

    /// The users in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rc<User>> {
        self.by_name.values()
    }

    /// Changes a user by rules, or makes one; all rules hold, or none does. Returns what connections have to follow. The
    /// error is that of ACL SETUSER behind its `ERR `.
    pub fn set<'a>(
        &mut self,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
        book: &RuleBook<'_>,
    ) -> Result<Option<Change>, Vec<u8>> {
        if has_space(name) {
            return Err(b"Usernames can't contain spaces or null characters".to_vec());
        }
        let rules = merge_selectors(rules)
            .map_err(|start| [b"Unmatched parenthesis in acl selector starting at '", start, b"'."].concat())?;
        let mut user = self.find(name).map_or_else(|| User::new(name, book), |user| (**user).clone());
        for rule in &rules {
            user.apply(rule, book).map_err(|error| {
                let mut text = [b"Error in ACL SETUSER modifier '", &**rule, b"': "].concat();
                text.extend_from_slice(error.to_string().as_bytes());
                text
            })?;
        }
        Ok(self.replace(user))
    }

    /// Puts a user in the place of the one that has its name, if there is one.
    fn replace(&mut self, user: User) -> Option<Change> {
        let new = Rc::new(user);
        let old = self.by_name.insert(new.name().into(), Rc::clone(&new))?;
        Some(Change { old, new })
    }

    /// Removes a user. The default one stays, whatever the caller wants.
    pub fn remove(&mut self, name: &[u8]) -> Option<Rc<User>> {
        if name == DEFAULT { None } else { self.by_name.remove(name) }
    }

    /// Gives the default user one password, or none if it is empty (`requirepass`).
    pub fn set_default_password(&mut self, password: &[u8], book: &RuleBook<'_>) -> Option<Change> {
        let rule = if password.is_empty() { b"nopass".to_vec() } else { [b">", password].concat() };
        let mut user = (**self.default_user()).clone();
        for rule in [b"resetpass", &*rule] {
            user.apply(rule, book).expect("these rules are valid");
        }
        self.replace(user)
    }

    /// Takes over the `user` lines of redis.conf, each a name and its rules. On an error, whose text is for the log, the
    /// server does not start.
    pub fn configure(&mut self, lines: &[Vec<Vec<u8>>], book: &RuleBook<'_>) -> Result<(), String> {
        for line in lines {
            let Some((name, rules)) = line.split_first() else { continue };
            let shown = String::from_utf8_lossy(name);
            if has_space(name) {
                return Err("Spaces not allowed in ACL usernames".to_owned());
            }
            let rules = merge_selectors(rules.iter().map(Vec::as_slice)).map_err(|start| {
                let start = String::from_utf8_lossy(start);
                format!("Unmatched parenthesis in acl selector starting at '{start}' of the user named '{shown}'")
            })?;
            // A line says all there is to say of its user, also of the default one.
            let mut user = User::new(name, book);
            for rule in &rules {
                user.apply(rule, book).map_err(|error| {
                    let rule = printable(rule);
                    format!("Error loading ACL rule '{rule}' for the user named '{shown}': {error}")
                })?;
            }
            self.replace(user);
        }
        Ok(())
    }

    /// Takes over a file of users, in which every line is one: all of it, or nothing where a line is wrong. The error
    /// reports every such line.
    pub fn load(&mut self, path: &str, text: &[u8], book: &RuleBook<'_>) -> Result<Reloaded, Vec<u8>> {
        let mut fresh: BTreeMap<Box<[u8]>, Rc<User>> = BTreeMap::new();
        let mut errors = Vec::new();
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let words = words_of(line);
            if words.is_empty() {
                continue;
            }
            let place = format!("{path}:{}", number + 1);
            match parse_line(&words, &fresh, number + 1, &place, book) {
                Ok(user) => drop(fresh.insert(user.name().into(), Rc::new(user))),
                Err(mut error) => errors.append(&mut error),
            }
        }
        if !errors.is_empty() {
            errors.extend_from_slice(
                b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
            );
            return Err(errors);
        }
        let new = Rc::clone(fresh.entry(DEFAULT.into()).or_insert_with(|| Rc::new(User::default_user(book))));
        let mut removed = std::mem::replace(&mut self.by_name, fresh);
        let old = removed.remove(DEFAULT).expect("the default user cannot be removed");
        Ok(Reloaded { default: Change { old, new }, removed: removed.into_values().collect() })
    }

    /// The text that [`Users::load`] reads.
    pub fn file_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for user in self.iter() {
            text.extend_from_slice(&user.line());
            text.push(b'\n');
        }
        text
    }

    /// For each user the words behind `user` in redis.conf.
    pub fn config_lines(&self) -> Vec<Vec<Vec<u8>>> {
        let words = |user: &Rc<User>| {
            let rules = user.describe();
            let rules = rules.split(|byte| *byte == b' ').filter(|rule| !rule.is_empty());
            std::iter::once(user.name()).chain(rules).map(<[u8]>::to_vec).collect()
        };
        self.iter().map(words).collect()
    }
}

/// The words of a line. As in Redis, whose files have no quotes, two spaces behind `user` have an empty name between them.
fn words_of(line: &[u8]) -> Vec<&[u8]> {
    let words = line.trim_ascii().split(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    words.enumerate().filter(|(place, word)| *place == 1 || !word.is_empty()).map(|(_, word)| word).collect()
}

/// Reads one line of a file of users. An error may report several rules.
fn parse_line(
    words: &[&[u8]],
    known: &BTreeMap<Box<[u8]>, Rc<User>>,
    number: usize,
    place: &str,
    book: &RuleBook<'_>,
) -> Result<User, Vec<u8>> {
    let [b"user", name, rules @ ..] = words else {
        return Err(format!("{place} should start with user keyword followed by the username. ").into_bytes());
    };
    let shown = String::from_utf8_lossy(name);
    if has_space(name) {
        return Err(format!("'{place}: username '{shown}' contains invalid characters. ").into_bytes());
    }
    if known.contains_key(*name) {
        return Err(format!("WARNING: Duplicate user '{shown}' found on line {number}. ").into_bytes());
    }
    let rules = merge_selectors(rules.iter().copied())
        .map_err(|_| format!("{place}: Unmatched parenthesis in selector definition. ").into_bytes())?;
    let mut user = User::new(name, book);
    let mut errors = String::new();
    let mut has_other = false;
    for rule in &rules {
        match user.apply(rule, book) {
            Ok(()) => {}
            // A rule about a command holds nothing secret.
            Err(error @ RuleError::Unknown) => {
                let rule = String::from_utf8_lossy(rule);
                let _ = write!(errors, "{place}: Error in applying operation '{rule}': {error}. ");
            }
            // The first of the others is reported, since those behind it may follow from it.
            Err(error) if !has_other => {
                has_other = true;
                let _ = write!(errors, "{place}: {error}. ");
            }
            Err(_) => {}
        }
    }
    if errors.is_empty() { Ok(user) } else { Err(errors.into_bytes()) }
}

/// A rule as the log may show it: a password's hash or, by mistake, a password is left out.
fn printable(rule: &[u8]) -> String {
    match rule {
        [sign @ (b'>' | b'<' | b'#' | b'!'), ..] => format!("{}(redacted)", char::from(*sign)),
        rule => String::from_utf8_lossy(rule).into_owned(),
    }
}
