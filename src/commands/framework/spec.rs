//! The vocabulary of a row: arity, flags, groups, and where the keys and channels of a command are.

/// Which argument names the element of the first key's value that a command looks up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElementHint {
    /// The one behind the key: a field, a member.
    Second,
    /// The last one, with its score before it.
    LastScored,
}

/// How many arguments a command takes, its name counted (and a subcommand's name too).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arity(i32);

impl Arity {
    pub const fn exactly(args: i32) -> Self {
        Self(args)
    }

    pub const fn at_least(args: i32) -> Self {
        Self(-args)
    }

    /// As COMMAND INFO shows it: negative for "at least".
    pub const fn number(self) -> i32 {
        self.0
    }

    pub const fn accepts(self, args: usize) -> bool {
        let wanted = self.0.unsigned_abs() as usize;
        if self.0 < 0 { args >= wanted } else { args == wanted }
    }
}

macro_rules! bit_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$flag_doc:meta])* $flag:ident = $bit:expr, $text:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name(u32);

        impl $name {
            #[allow(dead_code, reason = "not every set is ever empty")]
            pub const NONE: $name = $name(0);
            $($(#[$flag_doc])* pub const $flag: $name = $name(1 << $bit);)*

            pub const fn or(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            #[allow(dead_code, reason = "not every set ever gets smaller")]
            pub const fn without(self, other: $name) -> $name {
                $name(self.0 & !other.0)
            }

            #[inline]
            pub const fn has(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }

            /// The names of the flags that are set, as COMMAND shows them; some it does not show.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                [$(($name::$flag, $text)),*]
                    .into_iter()
                    .filter(move |(flag, name)| self.has(*flag) && !name.is_empty())
                    .map(|(_, name)| name)
            }
        }
    };
}

bit_set! {
    /// What the gate must know of a command. WRITE and READONLY follow from the handler and need not be named where
    /// the handler is `Write` or `Read` with keys; name them where it is not. READONLY named beside a `Write` handler is
    /// for a command that counts as a read and yet keeps a figure in the value (PFCOUNT).
    Flags {
        WRITE = 0, "write";
        READONLY = 1, "readonly";
        /// Refused when memory is short.
        DENYOOM = 2, "denyoom";
        MODULE = 3, "module";
        ADMIN = 4, "admin";
        PUBSUB = 5, "pubsub";
        NOSCRIPT = 6, "noscript";
        BLOCKING = 7, "blocking";
        /// Answered while a dump is being loaded.
        LOADING = 8, "loading";
        STALE = 9, "stale";
        SKIP_MONITOR = 10, "skip_monitor";
        SKIP_SLOWLOG = 11, "skip_slowlog";
        ASKING = 12, "asking";
        FAST = 13, "fast";
        /// Answered before AUTH.
        NO_AUTH = 14, "no_auth";
        /// Writes in another sense than to the keyspace (PUBLISH): held back by CLIENT PAUSE WRITE.
        MAY_REPLICATE = 15, "";
        /// May be called without any of its keys.
        NO_MANDATORY_KEYS = 23, "no_mandatory_keys";
        NO_ASYNC_LOADING = 16, "no_async_loading";
        /// Refused inside MULTI.
        NO_MULTI = 17, "no_multi";
        MOVABLE_KEYS = 18, "movablekeys";
        ALLOW_BUSY = 19, "allow_busy";
        /// Needs `enable-debug-command`.
        PROTECTED = 20, "";
        /// Belongs to the ACL category `dangerous` besides what the flags imply.
        DANGEROUS = 21, "";
        /// Belongs to the ACL category `keyspace`.
        KEYSPACE = 22, "";
        /// Open to a RESP2 connection that is subscribed to something.
        SUBSCRIBED = 24, "";
        /// Runs inside a transaction instead of being queued.
        UNQUEUED = 25, "";
        /// Runs the queue of a transaction: what holds for one of the queued commands holds for it.
        RUNS_QUEUE = 26, "";
        /// Needs `enable-module-command`.
        PROTECTED_MODULE = 27, "";
        /// Sets strings to its arguments, of which a long one can take over the buffer in which it came.
        TAKES_BUFFER = 29, "";
        /// Is refused like a write by a primary that has older data than its replicas, so that health checks notice.
        REPORTS_REWIND = 28, "";
        /// Runs a script: what the script's first line says of it counts in place of some of the flags here.
        RUNS_SCRIPT = 30, "";
        /// With the flag before: what it runs is a function, by its name.
        RUNS_FUNCTION = 31, "";
    }
}

/// The group under which the command reference lists a command; also its ACL category.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(dead_code, reason = "the commands to come use every form of the reference")]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Sentinel,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::PubSub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::HyperLogLog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Sentinel => "sentinel",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
        }
    }

    /// The ACL category of the group's commands, without its `@`.
    pub const fn category(self) -> Option<&'static str> {
        match self {
            Group::Generic => Some("keyspace"),
            Group::SortedSet => Some("sortedset"),
            Group::Transactions => Some("transaction"),
            Group::Server | Group::Cluster | Group::Sentinel => None,
            group => Some(group.name()),
        }
    }
}

bit_set! {
    /// What a command does with the keys of one specification.
    KeyFlags {
        /// Reads the value and does not change it.
        RO = 0, "RO";
        /// Changes the value or its metadata.
        RW = 1, "RW";
        /// Overwrites the value whatever it was.
        OW = 2, "OW";
        /// Deletes the key.
        RM = 3, "RM";
        /// Returns, copies or uses the user's data.
        ACCESS = 4, "access";
        /// Updates data in the value.
        UPDATE = 5, "update";
        /// Adds data to the value.
        INSERT = 6, "insert";
        /// Deletes data from the value.
        DELETE = 7, "delete";
        NOT_KEY = 8, "not_key";
        INCOMPLETE = 9, "incomplete";
        VARIABLE_FLAGS = 10, "variable_flags";
    }
}

/// Which arguments of a command are channels, as far as one needs a permission for them: leaving one needs none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channels {
    None,
    First,
    All,
    /// All arguments are patterns of channels.
    AllPatterns,
}

/// Where keys are among the arguments (<https://redis.io/docs/latest/develop/reference/key-specs/>).
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    pub flags: KeyFlags,
    /// What the flags leave unsaid.
    pub notes: &'static str,
    pub begin: Begin,
    pub find: Find,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(dead_code, reason = "the commands to come use every form of the reference")]
pub enum Begin {
    Index(usize),
    /// Behind a keyword, searched from an index (from the end if negative).
    Keyword(&'static str, i32),
    Unknown,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(dead_code, reason = "the commands to come use every form of the reference")]
pub enum Find {
    /// `last`: relative to the first key if not negative, else counted from the last argument. `limit`: with `last`
    /// -1, only this fraction of the rest holds keys (2: the first half); 0 means no limit.
    Range {
        last: i32,
        step: i32,
        limit: i32,
    },
    /// The number of keys is `number` arguments after the beginning, the first key `first` after it.
    KeyNum {
        number: usize,
        first: usize,
        step: usize,
    },
    Unknown,
}

impl KeySpec {
    /// One key at an argument index; the command's name is argument 0.
    pub const fn at(index: usize, flags: KeyFlags) -> KeySpec {
        KeySpec { flags, notes: "", begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 } }
    }

    pub const fn noted(self, notes: &'static str) -> KeySpec {
        KeySpec { notes, ..self }
    }

    /// The key is the first argument.
    pub const fn first(flags: KeyFlags) -> KeySpec {
        KeySpec::at(1, flags)
    }

    /// All arguments from `index` on are keys.
    pub const fn rest(index: usize, flags: KeyFlags) -> KeySpec {
        KeySpec::range(index, -1, 1, flags)
    }

    pub const fn range(index: usize, last: i32, step: i32, flags: KeyFlags) -> KeySpec {
        KeySpec { flags, notes: "", begin: Begin::Index(index), find: Find::Range { last, step, limit: 0 } }
    }

    /// `numkeys key [key ...]`, the number standing at `index`.
    pub const fn counted(index: usize, flags: KeyFlags) -> KeySpec {
        KeySpec { flags, notes: "", begin: Begin::Index(index), find: Find::KeyNum { number: 0, first: 1, step: 1 } }
    }
}
