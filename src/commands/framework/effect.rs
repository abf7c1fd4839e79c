//! What a command asks of the server beyond the keyspace. The enums are closed: `grep Effect::` lists every way.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::access::{User, UserChange};
use super::session::ReplyMode;
use crate::config::PrimaryAddress;
use crate::keyspace::Awaited;
use crate::resp::ArgsBuf;

/// One request to the server, performed right after the handler returns, in order. The handler answers the client itself,
/// but for the last request, which may ask the server to do that.
#[derive(Debug)]
pub enum Effect {
    /// Write the reply, of which the handler writes nothing.
    Answer(Answer),
    Connection(ConnectionEffect),
    Client(ClientEffect),
    Users(UsersEffect),
    Debug(DebugEffect),
    /// CONFIG RESETSTAT.
    ResetStatistics,
    /// FLUSHALL has emptied every database: a running child is of no use any more, and where there are save rules the
    /// emptiness is saved at once.
    AfterFlushAll,
    /// Watch no keys any more (UNWATCH, DISCARD).
    Unwatch,
}

/// A request whose reply the server writes.
#[derive(Debug)]
pub enum Answer {
    /// Give up subscriptions, watches, a transaction and every mode (RESET).
    Reset,
    PubSub(PubSubRequest),
    Config(ConfigRequest),
    /// INFO with the names of sections.
    Info(Vec<Box<[u8]>>),
    Client(ClientRequest),
    Users(UsersRequest),
    Snapshot(SnapshotRequest),
    Memory(MemoryRequest),
    /// Let the client wait, and run the command again when one of its keys may have become what it needs.
    Wait(Box<Wait>),
    /// Hand values to another server (MIGRATE).
    Migrate(Box<Migration>),
    /// Run the queued commands (EXEC).
    Exec,
    /// Run a script (EVAL and its like), whose arguments are those of the command.
    RunScript(RunRequest),
    Scripts(ScriptsRequest),
    /// Call a function (FCALL and FCALL_RO), with the arguments of the command.
    CallFunction {
        read_only: bool,
    },
    Functions(FunctionsRequest),
    Replication(ReplicationRequest),
}

/// Requests of replicas and primaries, and about them.
#[derive(Debug)]
pub enum ReplicationRequest {
    /// Become a replica of another server, or a primary (REPLICAOF).
    Follow(Option<PrimaryAddress>),
    /// Send the stream from the byte numbered `next` on, or all data first.
    Psync {
        id: Box<[u8]>,
        next: Option<i64>,
        takes_over: bool,
    },
    /// Send all data, and then the stream.
    Sync,
    /// REPLCONF, whose options are the arguments of the command.
    Configure,
    Role,
    /// Wait until so many replicas have what the client has written (WAIT).
    Wait {
        replicas: i64,
        deadline: Option<Instant>,
    },
    Failover(FailoverRequest),
}

/// What FAILOVER asks for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FailoverRequest {
    pub aborts: bool,
    pub to: Option<PrimaryAddress>,
    pub forces: bool,
    pub timeout_ms: Option<u64>,
}

/// What of EVAL or EVALSHA is to be run. The text or SHA is the command's first argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunRequest {
    pub name: ScriptName,
    /// How many keys there are, from the third argument on.
    pub keys: usize,
    /// Whether the script must not write.
    pub read_only: bool,
}

/// By what a script is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScriptName {
    Text,
    Sha,
}

/// Requests about the scripts that are known (SCRIPT).
#[derive(Debug)]
pub enum ScriptsRequest {
    Exists(Vec<Box<[u8]>>),
    /// `lazily`: what is large is freed on another thread.
    Flush {
        lazily: bool,
    },
    Kill,
    Load(Box<[u8]>),
}

/// Requests about functions and their libraries (FUNCTION). Texts and names are arguments of the command.
#[derive(Debug)]
pub enum FunctionsRequest {
    /// The last argument is the code.
    Load {
        replace: bool,
    },
    Delete,
    /// Lazily: what is large is freed by another thread.
    Flush {
        lazily: bool,
    },
    List {
        pattern: Option<Box<[u8]>>,
        with_code: bool,
    },
    Dump,
    Restore(RestorePolicy),
    Stats,
    Kill,
}

/// What FUNCTION RESTORE does with libraries that are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestorePolicy {
    /// All go.
    Flush,
    /// None goes: a name that is there already is an error.
    Append,
    /// Those of the same name go.
    Replace,
}

impl From<Answer> for Effect {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// What a command waits for.
#[derive(Debug)]
pub struct Wait {
    /// The command as it is to be run again.
    pub args: ArgsBuf,
    /// Which of the arguments are the keys waited for, in the client's database.
    pub keys: Range<usize>,
    /// What has to become of one of them.
    pub awaited: Awaited,
    /// When the client is answered that nothing came; `None`: never.
    pub deadline: Option<Instant>,
    pub in_vain: InVain,
}

/// What a client is answered whose time is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InVain {
    NullArray,
    /// How many replicas have the stream up to this byte.
    Replicas {
        offset: u64,
    },
    /// So many append-only files have it: here and on replicas.
    TwoZeros,
    /// The server does not end.
    Shutdown,
}

/// Values to hand to another server.
#[derive(Debug)]
pub struct Migration {
    /// The command as the client sent it.
    pub args: ArgsBuf,
    pub host: Box<[u8]>,
    pub port: Box<[u8]>,
    pub target_db: i64,
    /// How long the other server may let any step wait.
    pub timeout: Duration,
    /// COPY: the keys stay here too.
    pub keeps_source: bool,
    /// REPLACE: keys of the same name over there are overwritten.
    pub replaces_target: bool,
    pub credentials: Option<Credentials>,
    /// In the client's database.
    pub keys: Vec<MigratedKey>,
    /// When the values were encoded, and their times to live read.
    pub packed_at: Instant,
}

/// One key of a migration.
#[derive(Debug)]
pub struct MigratedKey {
    pub key: Box<[u8]>,
    /// What RESTORE is given, in pieces.
    pub payload: Vec<Vec<u8>>,
    pub time_to_live: Option<Duration>,
}

/// Who a server is to another one.
pub struct Credentials {
    /// The default user if none is named.
    pub user: Option<Box<[u8]>>,
    pub password: Box<[u8]>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password is shown nowhere.
        out.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Requests about the connection itself.
#[derive(Debug)]
pub enum ConnectionEffect {
    /// Close once the replies so far are written (QUIT).
    CloseAfterReply,
    SetReplyMode(ReplyMode),
}

/// Which of the three spaces of channels is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelKind {
    Channel,
    Pattern,
    Shard,
}

/// Requests about subscriptions and messages.
#[derive(Debug)]
pub enum PubSubRequest {
    Subscribe(ChannelKind, Vec<Box<[u8]>>),
    /// From the channels named, or from all if none is.
    Unsubscribe(ChannelKind, Vec<Box<[u8]>>),
    Publish {
        kind: ChannelKind,
        channel: Box<[u8]>,
        message: Box<[u8]>,
    },
    /// PUBSUB CHANNELS and SHARDCHANNELS.
    Channels {
        kind: ChannelKind,
        pattern: Option<Box<[u8]>>,
    },
    /// PUBSUB NUMSUB and SHARDNUMSUB.
    SubscriberCounts {
        kind: ChannelKind,
        channels: Vec<Box<[u8]>>,
    },
    PatternCount,
}

/// A setting's name and its new value, as CONFIG SET gives them.
pub type ConfigPair = (Box<[u8]>, Box<[u8]>);

/// Requests about the settings.
#[derive(Debug)]
pub enum ConfigRequest {
    /// CONFIG SET of names and values: all or none.
    Set(Vec<ConfigPair>),
    /// CONFIG REWRITE; with `everything` the defaults are spelt out too.
    Rewrite { everything: bool },
}

/// Requests about clients as a whole.
#[derive(Debug)]
pub enum ClientEffect {
    Pause { until: Instant, mode: PauseMode },
    Unpause,
}

/// Requests about clients that the server answers.
#[derive(Debug)]
pub enum ClientRequest {
    /// Describe the client itself (CLIENT INFO). `args_bytes`: those of the command itself.
    Info { args_bytes: usize },
    /// CLIENT LIST.
    List { filter: ClientFilter, args_bytes: usize },
    /// CLIENT LIST ID.
    ListIds { ids: Vec<i64>, args_bytes: usize },
    /// CLIENT KILL; in the old form, by address, with an error if there is none.
    Kill { filter: ClientFilter, by_address: bool },
    /// End the wait of a client that a blocking command holds up.
    Unblock { id: i64, with: UnblockWith },
    /// From now on the client is sent every command.
    Monitor,
}

/// What follows from a change of the users.
#[derive(Debug)]
pub enum UsersEffect {
    /// The user's connections go on with its new form; those that listen to channels it has lost are ended.
    Changed(UserChange),
    /// The connections of these users are ended.
    Removed(Vec<Rc<User>>),
}

/// Requests about the file of users.
#[derive(Debug)]
pub enum UsersRequest {
    /// ACL LOAD.
    Load,
    /// ACL SAVE.
    Save,
}

/// Which clients are meant; what is `None` is not looked at.
#[derive(Debug, Default)]
pub struct ClientFilter {
    pub id: Option<u64>,
    pub kind: Option<ClientType>,
    pub address: Option<Box<[u8]>>,
    pub local_address: Option<Box<[u8]>>,
    pub user: Option<Box<[u8]>>,
    /// All but the one that asks.
    pub skip_self: bool,
}

/// What a connection is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientType {
    Normal,
    /// The connection to this server's primary.
    Primary,
    Replica,
    PubSub,
}

impl ClientType {
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(Self::Normal),
            b"master" => Some(Self::Primary),
            b"slave" | b"replica" => Some(Self::Replica),
            b"pubsub" => Some(Self::PubSub),
            _ => None,
        }
    }
}

/// Which commands CLIENT PAUSE holds back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PauseMode {
    /// Those that may change data or reach other servers.
    Writes,
    All,
}

/// What CLIENT UNBLOCK answers the blocked client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnblockWith {
    /// As if its time had run out.
    Timeout,
    Error,
}

/// Requests about snapshots, and about the end of the server that may take one.
#[derive(Debug)]
pub enum SnapshotRequest {
    /// SAVE.
    Save,
    /// BGSAVE.
    BackgroundSave { schedule: bool },
    /// BGSAVE CANCEL: ends the child that is saving, or drops the snapshot that was scheduled.
    CancelBackgroundSave,
    /// LASTSAVE.
    LastSave,
    /// SNAPSHOT HISTORY.
    History { count: usize },
    /// SNAPSHOT LATEST.
    Latest,
    /// SHUTDOWN, answered if the server goes on.
    Shutdown(ShutdownRequest),
    /// SHUTDOWN ABORT.
    AbortShutdown,
    /// DEBUG RELOAD: saves and empties every database unless asked not to, and loads the file, whose
    /// keys replace those of the same name when `merge` is set and are an error otherwise.
    Reload { merge: bool, flush: bool, save: bool },
}

/// How the server is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownRequest {
    /// Save or not, whatever the save rules are; `None` saves if there are any.
    pub save: Option<bool>,
    /// Does not wait for replicas.
    pub now: bool,
    /// Ends even when saving fails.
    pub force: bool,
}

/// What DEBUG does beyond the keyspace.
#[derive(Debug)]
pub enum DebugEffect {
    /// Whether keys past their expiry are deleted without being asked for.
    SetActiveExpire(bool),
    /// Whether scripts may call DEBUG.
    AllowInScripts(bool),
    /// Whether the timer's rounds are left out.
    PauseCron(bool),
    /// Stop the whole server for so long.
    Sleep(Duration),
    /// Send replicas this command, whatever it is.
    Replicate(ArgsBuf),
    /// Go on with the same data under another replication id.
    ChangeReplicationId,
    /// Whether clients without anything to be sent give their output buffers back.
    LendOutput(bool),
    Log(Box<str>),
    Crash(Crash),
}

/// How the process is to end at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    Panic,
    Assertion,
    Segfault,
}

/// Requests of MEMORY.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryRequest {
    Stats,
    Doctor,
    MallocStats,
    Purge,
}
