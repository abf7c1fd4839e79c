//! Users and what they may do.
//! Owns:  users, their passwords and permissions, the language of rules, the categories of commands, the log of denials.
//! Uses:  config, resp, stdx.
//! Never: a connection or a file; the server gives connections their users, and reads and writes the file.

mod categories;
mod keys;
mod log;
mod rules;
mod selector;
#[cfg(test)]
mod tests;
mod user;
mod users;

pub use categories::{CATEGORIES, belongs_to, of as categories_of};
pub use log::{Denial, DenialContext, DenialReason};
pub use rules::RuleBook as AccessRules;
pub use selector::{Denied, Selector};
pub use user::{DEFAULT as DEFAULT_USER, User};
pub use users::{Change as UserChange, Reloaded, Users};
