//! Which keys a subcommand looks at.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use super::moment::{Moment, parse_moment};
use super::walk::Item;
use crate::stdx::glob::glob_match;
use crate::types::Type;

/// Options that choose keys. A key is chosen if it fits all of them.
#[derive(clap::Args)]
#[command(next_help_heading = "Which keys")]
pub struct Filter {
    /// Only keys that fit this glob pattern, such as 'user:*' or 'h[ae]llo?'; any of them if it is given several times
    #[arg(long = "match", value_name = "PATTERN")]
    patterns: Vec<OsString>,
    /// Only keys of these types, separated by commas
    #[arg(long = "type", value_enum, value_name = "TYPE", value_delimiter = ',')]
    types: Vec<KeyType>,
    /// Only keys of these databases, separated by commas
    #[arg(long = "db", value_name = "N", value_delimiter = ',')]
    databases: Vec<u64>,
    /// Only keys that have an expiry
    #[arg(long)]
    expiring: bool,
    /// Only keys that have no expiry
    #[arg(long, conflicts_with_all = ["expiring", "expires_before", "expires_after"])]
    no_expiry: bool,
    /// Only keys that expire before WHEN: now, 7d (from now: s, m, h, d), 2026-12-31, 2026-12-31T18:00:00Z, or unix time
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    expires_before: Option<Moment>,
    /// Only keys that expire at WHEN or later
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    expires_after: Option<Moment>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum KeyType {
    String,
    List,
    Set,
    Zset,
    Hash,
    Stream,
    Module,
}

impl KeyType {
    fn is(self, data_type: Option<Type>) -> bool {
        match self {
            Self::String => data_type == Some(Type::String),
            Self::List => data_type == Some(Type::List),
            Self::Set => data_type == Some(Type::Set),
            Self::Zset => data_type == Some(Type::Zset),
            Self::Hash => data_type == Some(Type::Hash),
            Self::Stream => data_type == Some(Type::Stream),
            Self::Module => data_type.is_none(),
        }
    }
}

impl Filter {
    /// Whether some keys may be left out.
    pub fn is_active(&self) -> bool {
        !self.patterns.is_empty()
            || !self.types.is_empty()
            || !self.databases.is_empty()
            || self.expiring
            || self.no_expiry
            || self.expires_before.is_some()
            || self.expires_after.is_some()
    }

    pub fn chooses(&self, item: &Item<'_>) -> bool {
        let any = |is_empty: bool, fits: bool| is_empty || fits;
        let matches = |pattern: &OsString| glob_match(pattern.as_bytes(), &item.key, false);
        any(self.databases.is_empty(), self.databases.contains(&item.db))
            && any(self.types.is_empty(), self.types.iter().any(|one| one.is(item.data_type())))
            && self.chooses_expiry(item.expiry_ms)
            && any(self.patterns.is_empty(), self.patterns.iter().any(matches))
    }

    fn chooses_expiry(&self, expiry_ms: Option<i64>) -> bool {
        let Some(at_ms) = expiry_ms else {
            return !self.expiring && self.expires_before.is_none() && self.expires_after.is_none();
        };
        !self.no_expiry
            && self.expires_before.is_none_or(|Moment(bound_ms)| at_ms < bound_ms)
            && self.expires_after.is_none_or(|Moment(bound_ms)| at_ms >= bound_ms)
    }
}
