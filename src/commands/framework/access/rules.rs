//! The language of rules: what surrounds them, and why one is refused.

use std::borrow::Cow;

use crate::commands::framework::row::Row;
use crate::config::Config;

/// What rules are read by.
#[derive(Clone, Copy)]
pub struct RuleBook<'a> {
    /// The rows of the table.
    pub rows: &'a [Row],
    /// Whether a new selector allows all channels (`acl-pubsub-default`).
    pub all_channels: bool,
}

impl<'a> RuleBook<'a> {
    pub fn new(rows: &'a [Row], config: &Config) -> Self {
        Self { rows, all_channels: config.acl_pubsub_default_all }
    }
}

/// Why a rule is refused; the texts are those of Redis.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RuleError {
    #[error("Syntax error")]
    Syntax,
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    AllKeysAlready,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
         Try 'resetchannels' to start with an empty list of channels"
    )]
    AllChannelsAlready,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")]
    BadHash,
}

/// What would break a name or a pattern apart when it is read back.
pub fn has_space(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}

/// Puts selectors together that came in several words, `(~key +get )` as well as `( ~key` `+get)`. On an error, the
/// word whose parenthesis nothing closes.
pub fn merge_selectors<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Cow<'a, [u8]>>, &'a [u8]> {
    let mut rules: Vec<Cow<'a, [u8]>> = Vec::new();
    let mut open: Option<(&'a [u8], Vec<u8>)> = None;
    for word in words {
        let closes = word.ends_with(b")");
        // Within a selector a further parenthesis opens nothing: it is a rule, and a wrong one.
        if let Some((_, selector)) = &mut open {
            selector.push(b' ');
            selector.extend_from_slice(word);
            if closes && let Some((_, selector)) = open.take() {
                rules.push(selector.into());
            }
        } else if word.starts_with(b"(") && !closes {
            open = Some((word, word.to_vec()));
        } else {
            rules.push(word.into());
        }
    }
    match open {
        None => Ok(rules),
        Some((start, _)) => Err(start),
    }
}
