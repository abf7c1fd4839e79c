//! The commands: one row each beside its handler, one file per group.
//! Owns:  the command table, what a handler may see and change, and what it may ask of the server.
//! Uses:  keyspace, types, structures, rdb, config, observe, resp, stdx.
//! Never: a socket, a file, or another client; for those a handler returns an `Effect`.

mod absent;
mod acl;
mod bitmap;
mod client;
mod command;
mod config;
mod connection;
mod databases;
mod debug;
mod framework;
mod geo;
mod hash;
mod hyperloglog;
mod info;
mod keys;
mod latency;
mod list;
mod lolwut;
mod memory;
mod monitor;
mod pubsub;
mod replication;
mod scripting;
mod set;
mod slowlog;
mod snapshot;
mod sort;
mod stream;
mod string;
mod transactions;
mod zset;

#[cfg(any(test, feature = "internals"))]
pub use command::{Argument, Kind, parse_syntax};
pub use framework::{
    AccessRules, AdminCtx, Answer, ChannelKind, ClientCtx, ClientEffect, ClientFilter, ClientRequest, ClientType,
    Command, CommandError, CommandId, CommandTable, ConfigPair, ConfigRequest, ConnectionEffect, Crash, DebugEffect,
    Denial, DenialContext, DenialReason, Denied, Effect, ElementHint, FailoverRequest, Flags, FunctionsRequest,
    Handler, InVain, MemoryRequest, MigratedKey, Migration, Observed, PauseMode, Peer, PubSubRequest, ReadCtx,
    Reloaded, ReplicationRequest, ReplyMode, RestorePolicy, RunRequest, ScriptName, ScriptsRequest, Session,
    ShutdownRequest, SnapshotRequest, Transaction, UnblockWith, User, UserChange, Users, UsersEffect, UsersRequest,
    Wait, WriteCtx, missing_feature,
};
pub use keys::serialize::write_restore;
pub use scripting::function_keys;
pub use slowlog::{SECRET, is_secret};

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
    replication::COMMANDS,
    scripting::COMMANDS,
    scripting::functions::COMMANDS,
    set::COMMANDS,
    slowlog::COMMANDS,
    snapshot::COMMANDS,
    sort::COMMANDS,
    stream::COMMANDS,
    string::COMMANDS,
    transactions::COMMANDS,
    zset::COMMANDS,
];

impl CommandTable {
    /// The table of all commands.
    pub fn new() -> Self {
        Self::of(GROUPS)
    }
}

impl Default for CommandTable {
    fn default() -> Self {
        Self::new()
    }
}
