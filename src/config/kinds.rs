//! The types of the fields of `Config` that are more than a number or a text.
//!
//! An enum's `NAMES` are its spellings in redis.conf, in the order of its variants in `ALL`.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
    Nothing,
}

impl LogLevel {
    pub const NAMES: &'static [&'static str] = &["debug", "verbose", "notice", "warning", "nothing"];
    pub const ALL: [Self; 5] = [Self::Debug, Self::Verbose, Self::Notice, Self::Warning, Self::Nothing];
}

/// Who starts and watches the process, and so how it says that it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervised {
    Systemd,
    /// Systemd where `NOTIFY_SOCKET` is set, else nobody.
    Auto,
    No,
}

impl Supervised {
    pub const NAMES: &'static [&'static str] = &["systemd", "auto", "no"];
    pub const ALL: [Self; 3] = [Self::Systemd, Self::Auto, Self::No];
}

/// Whether the kernel is informed how readily to kill the server and its snapshot child when memory runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomScoreAdj {
    No,
    /// Another spelling of `Relative`.
    Yes,
    /// The values are added to what the process was started with.
    Relative,
    Absolute,
}

impl OomScoreAdj {
    pub const NAMES: &'static [&'static str] = &["no", "yes", "relative", "absolute"];
    pub const ALL: [Self; 4] = [Self::No, Self::Yes, Self::Relative, Self::Absolute];
}

/// The values of `oom-score-adj-values`, for each kind of process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OomScores {
    pub primary: i32,
    pub replica: i32,
    pub child: i32,
}

/// An amount of memory, or so many percent of another one, such as `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryShare {
    Bytes(u64),
    Percent(u8),
}

impl MemoryShare {
    /// How much it is, where the whole is so much; zero, as `maxmemory` is without a limit, is nothing to take a share of.
    pub fn bytes_of(self, whole_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => (u128::from(whole_bytes) * u128::from(percent) / 100) as u64,
        }
    }
}

/// From which connections a dangerous action is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedFrom {
    Nowhere,
    Everywhere,
    /// Loopback and Unix socket connections.
    Local,
}

impl AllowedFrom {
    pub const NAMES: &'static [&'static str] = &["no", "yes", "local"];
    pub const ALL: [Self; 3] = [Self::Nowhere, Self::Everywhere, Self::Local];

    pub fn allows(self, local_connection: bool) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Everywhere => true,
            Self::Local => local_connection,
        }
    }
}

/// How deeply payloads from outside are checked before they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanitizePayload {
    No,
    Yes,
    /// Payloads of RESTORE are checked, those of a dump file are not.
    Clients,
}

impl SanitizePayload {
    pub const NAMES: &'static [&'static str] = &["no", "yes", "clients"];
    pub const ALL: [Self; 3] = [Self::No, Self::Yes, Self::Clients];
}

/// What is done with functions, and with types that this server does not have, in a dump that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownTypes {
    Refuse,
    /// They are left out, and the dump is kept as it is.
    Skip,
}

impl UnknownTypes {
    pub const NAMES: &'static [&'static str] = &["refuse", "skip"];
    pub const ALL: [Self; 2] = [Self::Refuse, Self::Skip];
}

/// How the process that saves is placed in the queue for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotIoPriority {
    /// As everybody.
    Normal,
    /// Behind everybody else, with a small share.
    Low,
    /// Only while nobody else wants the disk.
    Idle,
}

impl SnapshotIoPriority {
    pub const NAMES: &'static [&'static str] = &["normal", "low", "idle"];
    pub const ALL: [Self; 3] = [Self::Normal, Self::Low, Self::Idle];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionPolicy {
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
    AllKeysLru,
    AllKeysLfu,
    AllKeysRandom,
    NoEviction,
}

impl EvictionPolicy {
    pub const NAMES: &'static [&'static str] = &[
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    ];
    pub const ALL: [Self; 8] = [
        Self::VolatileLru,
        Self::VolatileLfu,
        Self::VolatileRandom,
        Self::VolatileTtl,
        Self::AllKeysLru,
        Self::AllKeysLfu,
        Self::AllKeysRandom,
        Self::NoEviction,
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Whether access clocks count how often a key is used instead of how lately.
    pub fn counts_frequency(self) -> bool {
        matches!(self, Self::VolatileLfu | Self::AllKeysLfu)
    }

    /// Whether keys go by how lately they were used.
    pub fn counts_idleness(self) -> bool {
        matches!(self, Self::VolatileLru | Self::AllKeysLru)
    }

    /// Whether only keys that have an expiry may be evicted.
    pub fn spares_persistent_keys(self) -> bool {
        matches!(self, Self::VolatileLru | Self::VolatileLfu | Self::VolatileRandom | Self::VolatileTtl)
    }
}

/// Whether the heap lives in huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugePages {
    /// Yes where the kernel copies 4 KiB, not 2 MiB, when a page is written after a fork.
    Auto,
    Yes,
    No,
}

impl HugePages {
    pub const NAMES: &'static [&'static str] = &["auto", "yes", "no"];
    pub const ALL: [Self; 3] = [Self::Auto, Self::Yes, Self::No];
}

/// Save after `seconds` if at least `changes` keys changed since the last snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveRule {
    pub seconds: u64,
    pub changes: u64,
}

/// The classes of connections that have an output buffer limit of their own, in the order of
/// `Config::client_output_buffer_limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClass {
    Normal,
    Replica,
    PubSub,
}

impl ClientClass {
    pub const ALL: [Self; 3] = [Self::Normal, Self::Replica, Self::PubSub];

    /// The name under which CONFIG GET and CLIENT LIST know the class.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Replica => "slave",
            Self::PubSub => "pubsub",
        }
    }

    pub fn from_name(name: &[u8]) -> Option<Self> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("normal") {
            Some(Self::Normal)
        } else if is("slave") || is("replica") {
            Some(Self::Replica)
        } else if is("pubsub") {
            Some(Self::PubSub)
        } else {
            None
        }
    }
}

/// A client is closed when its replies exceed `hard_bytes`, or `soft_bytes` for `soft_seconds`; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientBufferLimit {
    pub hard_bytes: u64,
    pub soft_bytes: u64,
    pub soft_seconds: u64,
}

/// What a signal to end does beyond the default, which is to save if there are save rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOnSignal {
    pub save: bool,
    pub nosave: bool,
    /// Does not wait for replicas.
    pub now: bool,
    /// Ends even when saving fails.
    pub force: bool,
}

/// A command that answers to another name, or to none where `to` is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenamedCommand {
    pub from: Vec<u8>,
    pub to: Vec<u8>,
}

/// Where a primary is reached, or a replica that is to become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryAddress {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for PrimaryAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

/// Where a replica keeps the data of a full sync until they are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisklessLoad {
    /// In a file.
    Disabled,
    /// In memory.
    OnEmptyDb,
    /// In memory.
    SwapDb,
}

impl DisklessLoad {
    pub const NAMES: &'static [&'static str] = &["disabled", "on-empty-db", "swapdb"];
    pub const ALL: [Self; 3] = [Self::Disabled, Self::OnEmptyDb, Self::SwapDb];
}

/// What a replica does when a command of its primary fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropagationErrors {
    Ignore,
    Panic,
    PanicOnReplicas,
}

impl PropagationErrors {
    pub const NAMES: &'static [&'static str] = &["ignore", "panic", "panic-on-replicas"];
    pub const ALL: [Self; 3] = [Self::Ignore, Self::Panic, Self::PanicOnReplicas];
}
