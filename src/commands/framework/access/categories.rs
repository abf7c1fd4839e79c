//! The ACL categories of a command, derived from its row.

use crate::commands::framework::row::Row;
use crate::commands::framework::spec::{Flags, Group};

/// All categories, in the order in which Redis lists them.
pub const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// Whether a command belongs to one of [`CATEGORIES`].
pub fn belongs_to(row: &Row, category: &str) -> bool {
    let flags = row.flags;
    by_kind(row, category)
        || match category {
            "write" => flags.has(Flags::WRITE),
            "read" => flags.has(Flags::READONLY) && row.group != Group::Scripting,
            "admin" => flags.has(Flags::ADMIN),
            "dangerous" => flags.has(Flags::ADMIN.or(Flags::DANGEROUS)),
            "keyspace" => flags.has(Flags::KEYSPACE),
            "pubsub" => flags.has(Flags::PUBSUB),
            "fast" => flags.has(Flags::FAST),
            "slow" => !flags.has(Flags::FAST),
            "blocking" => flags.has(Flags::BLOCKING),
            _ => false,
        }
}

/// The categories of a command in order.
pub fn of(row: &Row) -> impl Iterator<Item = &'static str> {
    CATEGORIES.into_iter().filter(move |category| belongs_to(row, category))
}

/// What a command is about: as a rule its group. A container is about nothing, since it cannot be run.
fn by_kind(row: &Row, category: &str) -> bool {
    if row.full_name.split('|').next() == Some("command") {
        return category == "connection";
    }
    match (&*row.full_name, row.group) {
        ("sort" | "sort_ro", Group::Generic) => matches!(category, "set" | "sortedset" | "list" | "dangerous"),
        ("wait" | "waitaof", Group::Generic) | ("readonly" | "readwrite" | "asking", Group::Cluster) => {
            category == "connection"
        }
        ("lastsave" | "role", Group::Server) => matches!(category, "admin" | "dangerous"),
        ("pubsub|help", Group::PubSub) => false,
        _ if row.is_container => false,
        (_, group) => group.category() == Some(category),
    }
}
