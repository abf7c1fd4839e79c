//! One user: whether and with which passwords one may log in, and what the user may do.

use sha2::{Digest as _, Sha256};

use super::rules::{RuleBook, RuleError};
use super::selector::{Denied, Selector};
use crate::commands::framework::row::Row;
use crate::resp::Args;
use crate::stdx::text::split_args;

/// The user of connections that did not say otherwise.
pub const DEFAULT: &[u8] = b"default";

/// A password as it is kept: its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PasswordHash([u8; 32]);

/// A user as it is at one moment: a change makes another value, which takes its place everywhere.
#[derive(Clone)]
pub struct User {
    name: Box<[u8]>,
    is_on: bool,
    /// Any password will do.
    is_nopass: bool,
    skips_sanitizing: bool,
    passwords: Vec<PasswordHash>,
    /// What the user may do without any parenthesis.
    root: Selector,
    selectors: Vec<Selector>,
}

impl PasswordHash {
    const DIGITS: &'static [u8; 16] = b"0123456789abcdef";

    fn of(password: &[u8]) -> Self {
        Self(Sha256::digest(password).into())
    }

    /// Reads 64 hexadecimal digits in lower case.
    fn parse(text: &[u8]) -> Result<Self, RuleError> {
        let digit = |byte: u8| Self::DIGITS.iter().position(|digit| *digit == byte).map(|value| value as u8);
        let mut hash = [0; 32];
        let (pairs, rest) = text.as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return Err(RuleError::BadHash);
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return Err(RuleError::BadHash) };
            *byte = high << 4 | low;
        }
        Ok(Self(hash))
    }

    fn text(&self) -> Vec<u8> {
        let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| Self::DIGITS[usize::from(digit)]);
        self.0.iter().flat_map(digits).collect()
    }

    /// Compares without showing by its duration where the first difference is.
    fn equals_in_constant_time(&self, other: &Self) -> bool {
        let differing = self.0.iter().zip(&other.0).fold(0, |differing, (left, right)| differing | (left ^ right));
        std::hint::black_box(differing) == 0
    }
}

impl User {
    /// A user that may do nothing and cannot log in.
    pub fn new(name: &[u8], book: &RuleBook<'_>) -> Self {
        Self {
            name: name.into(),
            is_on: false,
            is_nopass: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            root: Selector::new(book),
            selectors: Vec::new(),
        }
    }

    /// The default user as long as nobody has said anything about it: it may do everything, without a password.
    pub fn default_user(book: &RuleBook<'_>) -> Self {
        let mut user = Self::new(DEFAULT, book);
        for rule in ["+@all", "~*", "&*", "on", "nopass"] {
            user.apply(rule.as_bytes(), book).expect("these rules are valid");
        }
        user
    }

    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn is_on(&self) -> bool {
        self.is_on
    }

    pub fn is_nopass(&self) -> bool {
        self.is_nopass
    }

    /// Whether a connection is this user without having logged in, if it is the default user.
    pub fn is_open(&self) -> bool {
        self.is_on && self.is_nopass
    }

    /// Whether RESTORE trusts the user's payloads.
    pub fn skips_sanitizing(&self) -> bool {
        self.skips_sanitizing
    }

    pub fn is_unrestricted(&self) -> bool {
        self.all_selectors().any(Selector::allows_everything)
    }

    /// Whether one may log in with this password.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let given = PasswordHash::of(password);
        let known = self.passwords.iter().fold(false, |known, hash| known | hash.equals_in_constant_time(&given));
        self.is_on && (self.is_nopass || known)
    }

    /// Checks a command line against what the user may do: one of the selectors has to allow all of it.
    pub fn check(&self, row: &Row, args: Args<'_>) -> Result<(), Denied> {
        let mut keys = None;
        let mut reason = Denied::Command;
        for selector in self.all_selectors() {
            match selector.check(row, args, &mut keys) {
                Ok(()) => return Ok(()),
                Err(denied) => reason = reason.max(denied),
            }
        }
        Err(reason)
    }

    /// Whether the user may run a command line and also read whatever key its data name.
    pub fn may_read_any_key(&self, row: &Row, args: Args<'_>) -> bool {
        let mut keys = None;
        self.all_selectors().any(|selector| selector.reads_all_keys() && selector.check(row, args, &mut keys).is_ok())
    }

    pub fn allows_all_channels(&self) -> bool {
        self.all_selectors().any(Selector::allows_all_channels)
    }

    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_selectors().any(|selector| selector.allows_channel(channel, is_pattern))
    }

    /// Whether every pattern of channels of `other` is one of this user's.
    pub fn has_channels_of(&self, other: &Self) -> bool {
        let is_known = |channel| self.all_selectors().any(|selector| selector.channels().contains(channel));
        self.allows_all_channels()
            || (!other.allows_all_channels()
                && other.all_selectors().all(|selector| selector.channels().iter().all(is_known)))
    }

    pub fn root(&self) -> &Selector {
        &self.root
    }

    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// Follows one rule; on an error the user may be half changed and has to be thrown away.
    pub fn apply(&mut self, rule: &[u8], book: &RuleBook<'_>) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        if is("on") {
            self.is_on = true;
        } else if is("off") {
            self.is_on = false;
        } else if is("skip-sanitize-payload") {
            self.skips_sanitizing = true;
        } else if is("sanitize-payload") {
            self.skips_sanitizing = false;
        } else if is("nopass") {
            self.is_nopass = true;
            self.passwords.clear();
        } else if is("resetpass") {
            self.is_nopass = false;
            self.passwords.clear();
        } else if is("clearselectors") {
            self.selectors.clear();
        } else if is("reset") {
            *self = Self::new(&self.name, book);
        } else {
            match rule {
                [] => {}
                [b'>', password @ ..] => self.add_password(PasswordHash::of(password)),
                [b'#', hash @ ..] => self.add_password(PasswordHash::parse(hash)?),
                [b'<', password @ ..] => self.remove_password(PasswordHash::of(password))?,
                [b'!', hash @ ..] => self.remove_password(PasswordHash::parse(hash)?)?,
                [b'(', rules @ .., b')'] => self.add_selector(rules, book)?,
                rule => self.root.apply(rule, book)?,
            }
        }
        Ok(())
    }

    fn add_password(&mut self, hash: PasswordHash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.is_nopass = false;
    }

    fn remove_password(&mut self, hash: PasswordHash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    fn add_selector(&mut self, rules: &[u8], book: &RuleBook<'_>) -> Result<(), RuleError> {
        let mut selector = Selector::new(book);
        for rule in split_args(rules).ok_or(RuleError::Syntax)? {
            // Written to a file, such a rule would end the selector, and those behind it would be the user's own.
            if rule.ends_with(b")") {
                return Err(RuleError::Syntax);
            }
            selector.apply(&rule, book)?;
        }
        self.selectors.push(selector);
        Ok(())
    }

    /// The words that stand for whether and how one may log in: `on`, `nopass`, `sanitize-payload`.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        let sanitizing = if self.skips_sanitizing { "skip-sanitize-payload" } else { "sanitize-payload" };
        let state = if self.is_on { "on" } else { "off" };
        [Some(state), self.is_nopass.then_some("nopass"), Some(sanitizing)].into_iter().flatten()
    }

    /// The hashes of the passwords in hexadecimal digits.
    pub fn password_hashes(&self) -> impl ExactSizeIterator<Item = Vec<u8>> {
        self.passwords.iter().map(PasswordHash::text)
    }

    /// The rules that make such a user of a new one.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = self.flags().map(|flag| flag.as_bytes().to_vec()).collect();
        parts.extend(self.password_hashes().map(|hash| [b"#", &*hash].concat()));
        parts.push(self.root.describe());
        parts.extend(self.selectors.iter().map(|selector| [b"(", &*selector.describe(), b")"].concat()));
        parts.join(&b' ')
    }

    /// `user`, the name and the rules, as files and ACL LIST have them.
    pub fn line(&self) -> Vec<u8> {
        [b"user ", self.name(), b" ", &self.describe()].concat()
    }
}

/// Passwords stay out of every text for debugging.
impl std::fmt::Debug for User {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("User").field("name", &String::from_utf8_lossy(&self.name)).finish_non_exhaustive()
    }
}
