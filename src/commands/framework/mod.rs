//! What every command group is made of: the row, the table of all rows, and what a handler may see, change and ask for.
//! Owns:  rows, contexts, effects, errors, sessions, users, and how arguments are read.
//! Uses:  keyspace, types, structures, rdb, config, observe, resp, stdx.
//! Never: a command group; the groups use it, and `GROUPS` brings them together.

mod access;
pub(super) mod arguments;
mod command;
mod context;
mod effect;
pub(super) mod element;
mod error;
pub(super) mod help;
mod key_args;
mod missing;
pub(super) mod multi_pop;
pub(super) mod random_count;
mod row;
pub(super) mod scan;
mod session;
mod spec;
mod table;
pub(super) mod waiting;

pub use access::{AccessRules, Denial, DenialContext, DenialReason, Denied, Reloaded, User, UserChange, Users};
pub(super) use access::{CATEGORIES, DEFAULT_USER, Selector, belongs_to, categories_of};
pub use command::{Command, Handler};
pub use context::{AdminCtx, ClientCtx, Observed, ReadCtx, WriteCtx};
pub(super) use context::{SIZE_SAMPLES, require_memory};
pub(super) use effect::Credentials;
pub use effect::{
    Answer, ChannelKind, ClientEffect, ClientFilter, ClientRequest, ClientType, ConfigPair, ConfigRequest,
    ConnectionEffect, Crash, DebugEffect, Effect, FailoverRequest, FunctionsRequest, InVain, MemoryRequest,
    MigratedKey, Migration, PauseMode, PubSubRequest, ReplicationRequest, RestorePolicy, RunRequest, ScriptName,
    ScriptsRequest, ShutdownRequest, SnapshotRequest, UnblockWith, UsersEffect, UsersRequest, Wait,
};
pub use error::CommandError;
pub(super) use error::CommandResult;
pub(super) use key_args::{KeysError, LegacyRange, keys_of};
pub use missing::missing_feature;
pub use row::CommandId;
pub(super) use row::Row;
pub use session::{Peer, ReplyMode, Session, Transaction};
pub(super) use spec::{Arity, Begin, Channels, Find, Group, KeyFlags, KeySpec};
pub use spec::{ElementHint, Flags};
pub use table::CommandTable;
