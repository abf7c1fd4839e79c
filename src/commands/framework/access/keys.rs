//! Patterns of keys that may be read, written or both.

use crate::commands::framework::spec::KeyFlags;
use crate::stdx::glob::glob_match;

/// What may be done with a key. Asking whether it is there needs neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Permission {
    read: bool,
    write: bool,
}

impl Permission {
    /// What a command needs that does this with a key.
    pub fn needed_for(flags: KeyFlags) -> Self {
        Self {
            read: flags.has(KeyFlags::ACCESS),
            write: flags.has(KeyFlags::INSERT.or(KeyFlags::DELETE).or(KeyFlags::UPDATE)),
        }
    }

    fn covers(self, needed: Self) -> bool {
        (self.read || !needed.read) && (self.write || !needed.write)
    }
}

/// `~pattern`, `%R~pattern`, `%W~pattern`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPattern {
    permission: Permission,
    pattern: Box<[u8]>,
}

impl KeyPattern {
    /// Reads a rule that begins with `~` or `%`.
    pub fn parse(rule: &[u8]) -> Option<Self> {
        let (permission, pattern) = match rule {
            [b'~', pattern @ ..] => (Permission { read: true, write: true }, pattern),
            [b'%', rest @ ..] => {
                // Redis takes letters without a pattern behind them for an empty pattern, which fits the empty key.
                let end = memchr::memchr(b'~', rest).unwrap_or(rest.len());
                let mut permission = Permission::default();
                for letter in &rest[..end] {
                    let flag = match letter.to_ascii_uppercase() {
                        b'R' => &mut permission.read,
                        b'W' => &mut permission.write,
                        _ => return None,
                    };
                    if std::mem::replace(flag, true) {
                        return None;
                    }
                }
                (permission, rest.get(end + 1..).unwrap_or_default())
            }
            _ => return None,
        };
        let usable = permission != Permission::default() && !super::rules::has_space(pattern);
        usable.then(|| Self { permission, pattern: pattern.into() })
    }

    pub fn has_pattern_of(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }

    /// Allows what `other` allows too.
    pub fn widen(&mut self, other: &Self) {
        self.permission.read |= other.permission.read;
        self.permission.write |= other.permission.write;
    }

    pub fn allows(&self, key: &[u8], needed: Permission) -> bool {
        self.permission.covers(needed) && glob_match(&self.pattern, key, false)
    }

    pub fn reads_everything(&self) -> bool {
        self.permission.read && *self.pattern == *b"*"
    }

    pub fn describe(&self) -> Vec<u8> {
        let sign: &[u8] = match self.permission {
            Permission { read: true, write: false } => b"%R~",
            Permission { read: false, write: true } => b"%W~",
            _ => b"~",
        };
        [sign, &self.pattern].concat()
    }
}
