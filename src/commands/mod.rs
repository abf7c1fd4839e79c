//! The commands: one row each beside its handler, one file per group.
//! Owns:  the command table, what a handler may see and change, and what it may ask of the server.
//! Uses:  keyspace, types, structures, rdb, config, resp, stdx.
//! Never: a socket, a file, or another client; for those a handler returns an `Effect`.

mod absent;
mod acl;
mod bitmap;
mod client;
mod command;
mod config;
mod connection;
mod context;
mod databases;
mod debug;
mod effect;
mod element;
mod element_scan;
mod error;
mod geo;
mod hash;
mod help;
mod hyperloglog;
mod info;
mod key_args;
mod keys;
mod latency;
mod list;
mod lolwut;
mod memory;
mod monitor;
mod multi_pop;
mod pubsub;
mod random_count;
mod scripting;
mod session;
mod set;
mod slowlog;
mod snapshot;
mod sort;
mod spec;
mod stream;
mod string;
mod table;
mod transactions;
mod waiting;
mod zset;

pub use absent::missing_feature;
pub use acl::{AccessRules, Denial, DenialReason, Denied, Reloaded, User, UserChange, Users};
#[cfg(any(test, feature = "internals"))]
pub use command::{Argument, Kind, parse_syntax};
pub use context::{AdminCtx, ClientCtx, ReadCtx, WriteCtx};
pub use effect::{
    Answer, ChannelKind, ClientEffect, ClientFilter, ClientRequest, ClientType, ConfigPair, ConfigRequest,
    ConnectionEffect, Crash, DebugEffect, Effect, InVain, MemoryRequest, MigratedKey, Migration, ObserveRequest,
    PauseMode, PubSubRequest, RunRequest, ScriptName, ScriptsRequest, ShutdownRequest, SnapshotRequest, UnblockWith,
    UsersEffect, UsersRequest, Wait,
};
pub use error::CommandError;
pub use keys::serialize::write_restore;
pub use session::{Peer, ReplyMode, Session, Transaction};
pub use slowlog::{SECRET, is_secret};
pub use spec::{Command, ElementHint, Flags, Handler};
pub use table::{CommandId, CommandTable};

/// Every command, group by group, in the order of the command reference.
const GROUPS: &[&[Command]] = &[
    absent::COMMANDS,
    acl::COMMANDS,
    bitmap::COMMANDS,
    client::COMMANDS,
    command::COMMANDS,
    config::COMMANDS,
    connection::COMMANDS,
    databases::COMMANDS,
    debug::COMMANDS,
    geo::COMMANDS,
    hash::COMMANDS,
    hyperloglog::COMMANDS,
    info::COMMANDS,
    keys::existence::COMMANDS,
    keys::expiry::COMMANDS,
    keys::iterate::COMMANDS,
    keys::migrate::COMMANDS,
    keys::object::COMMANDS,
    keys::relocate::COMMANDS,
    keys::serialize::COMMANDS,
    latency::COMMANDS,
    list::COMMANDS,
    memory::COMMANDS,
    monitor::COMMANDS,
    pubsub::COMMANDS,
    scripting::COMMANDS,
    set::COMMANDS,
    slowlog::COMMANDS,
    snapshot::COMMANDS,
    sort::COMMANDS,
    stream::COMMANDS,
    string::COMMANDS,
    transactions::COMMANDS,
    zset::COMMANDS,
];
