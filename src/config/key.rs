//! One setting: its row in the table, and how its value is read and written.

use super::kinds::MemoryShare;
use super::model::Config;
use super::value::{
    ValueError, only, parse_bytes, parse_choice, parse_flag, parse_integer, parse_memory_share, parse_octal,
    parse_text, show_bytes, show_flag, show_memory_share, split_at_spaces,
};

/// What the server has to do after a setting changed while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply {
    /// Nothing: the value is read from `Config` each time it is needed.
    Nothing,
    /// Listen on other addresses or ports.
    Listeners,
    /// Filter the log by another level.
    Logging,
    /// Work in another directory.
    Directory,
    /// Plan the next snapshot anew.
    SaveRules,
    /// Hold another limit for the memory of scripts.
    ScriptMemory,
    /// Make room for more connections, or refuse if the system has none.
    MaxClients,
    /// Hold other limits for the buffers of connected clients.
    ClientLimits,
    /// Give the keyspace its new memory limit and eviction policy, and evict.
    Memory,
    /// Give the data types their new thresholds between encodings.
    Encodings,
    /// Run the timers at another pace.
    Hz,
    /// Ask the default user for another password.
    Password,
    /// Cut the slow log to its new length.
    SlowLog,
    /// Start or stop latency histograms.
    LatencyTracking,
    /// Publish other classes of keyspace events.
    Notifications,
    /// Start or stop the allocator's background thread.
    AllocatorThread,
    /// Refuse to move keys where they cannot be moved.
    Defragmentation,
    /// Move the heap into huge pages or stop doing so.
    HugePages,
    /// Heal split huge pages at another rate.
    HugePageHealing,
    /// Tell the kernel how readily to kill the server.
    OomScore,
    /// Handle crashes in another way.
    CrashHandling,
    /// Show another process title.
    ProcessTitle,
}

/// When a setting can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// By CONFIG SET.
    Runtime,
    /// Only at start: CONFIG SET refuses it.
    Startup,
    /// A directive of redis.conf that CONFIG does not know.
    FileOnly,
}

/// A feature of Redis that Copal does not have, and whose settings it knows nevertheless.
#[derive(Debug)]
pub struct Feature {
    pub title: &'static str,
    /// The end of the sentence that refuses to switch it on.
    pub reason: &'static str,
}

/// The form of a value that has no field in `Config`.
#[derive(Clone, Copy)]
pub enum Form {
    Flag,
    Integer(i64, i64),
    Bytes(u64, u64),
    Choice(&'static [&'static str]),
    Text,
    /// Any bytes.
    Secret,
    /// Any words, as many as there are.
    Words,
}

/// The type of a setting and the way to its field.
#[derive(Clone, Copy)]
pub enum Value {
    Flag {
        read: fn(&Config) -> bool,
        write: fn(&mut Config, bool),
    },
    Integer {
        min: i64,
        max: i64,
        read: fn(&Config) -> i64,
        write: fn(&mut Config, i64),
    },
    Octal {
        max: u32,
        read: fn(&Config) -> u32,
        write: fn(&mut Config, u32),
    },
    Bytes {
        min: u64,
        max: u64,
        read: fn(&Config) -> u64,
        write: fn(&mut Config, u64),
    },
    /// An amount of memory, or a percentage of another one, such as `maxmemory`.
    MemoryShare {
        read: fn(&Config) -> MemoryShare,
        write: fn(&mut Config, MemoryShare),
    },
    /// `write` is given an index into `names`, and `read` answers one.
    Choice {
        names: &'static [&'static str],
        read: fn(&Config) -> usize,
        write: fn(&mut Config, usize),
    },
    Text {
        check: fn(&str) -> Result<(), ValueError>,
        read: fn(&Config) -> &str,
        write: fn(&mut Config, String),
    },
    /// One argument with a form of its own.
    Scalar {
        read: fn(&Config) -> String,
        write: fn(&mut Config, &[Vec<u8>]) -> Result<(), ValueError>,
    },
    /// A password: any bytes.
    Secret {
        read: fn(&Config) -> &[u8],
        write: fn(&mut Config, Vec<u8>),
    },
    /// Several arguments, of which `per_line` make a line of redis.conf (0: all of them).
    List {
        per_line: usize,
        /// Whether a further line in redis.conf adds to the lines before it.
        adds_up: bool,
        /// Whether it has no line in redis.conf where it is empty, rather than one with nothing in it.
        vanishes: bool,
        read: fn(&Config) -> Vec<Vec<u8>>,
        /// The same for redis.conf, where people read it.
        spell: fn(&Config) -> Vec<Vec<u8>>,
        write: fn(&mut Config, &[Vec<u8>]) -> Result<(), ValueError>,
    },
    /// Lines of redis.conf each of which is a thing of its own, with as many words as it takes.
    Lines {
        read: fn(&Config) -> Vec<Vec<Vec<u8>>>,
        /// Adds one.
        write: fn(&mut Config, &[Vec<u8>]) -> Result<(), ValueError>,
    },
    /// The switch of an absent feature: only the value that says what Copal does is accepted.
    Fixed {
        form: Form,
        feature: &'static Feature,
    },
    /// A setting of an absent feature that cannot be switched on: any valid value is kept and shown.
    Dormant {
        form: Form,
        feature: &'static Feature,
    },
    /// A setting that changes no answer and no data, and that Copal does not follow: any valid value is read, with a
    /// warning at the start, and the default is what Copal does and CONFIG shows.
    Unheeded {
        form: Form,
        feature: &'static Feature,
    },
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Key {
    /// A name that ends with a star is that of all settings that begin so.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// Names by which other servers know it. They are understood wherever a name is given, and never listed.
    pub foreign_names: &'static [&'static str],
    /// The default as redis.conf would spell it.
    pub default: &'static str,
    pub mutability: Mutability,
    pub apply: Apply,
    /// Whether CONFIG SET needs `enable-protected-configs`.
    pub protected: bool,
    /// Whether CONFIG GET shows it only when it is asked for by its full name.
    pub hidden: bool,
    /// Whether the value must not appear in logs.
    pub sensitive: bool,
    /// Whether CONFIG SET refuses it while a dump file is loaded.
    pub refused_while_loading: bool,
    /// What redis.conf.example sets instead of the default, if anything.
    pub example: Option<&'static str>,
    pub doc: &'static str,
    pub value: Value,
}

impl Key {
    pub const fn new(name: &'static str, default: &'static str, value: Value) -> Self {
        Self {
            name,
            aliases: &[],
            foreign_names: &[],
            default,
            mutability: Mutability::Runtime,
            apply: Apply::Nothing,
            protected: false,
            hidden: false,
            sensitive: false,
            refused_while_loading: false,
            example: None,
            doc: "",
            value,
        }
    }

    pub const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub const fn also_foreign(mut self, names: &'static [&'static str]) -> Self {
        self.foreign_names = names;
        self
    }

    pub const fn at_startup(mut self) -> Self {
        self.mutability = Mutability::Startup;
        self
    }

    pub const fn in_file_only(mut self) -> Self {
        self.mutability = Mutability::FileOnly;
        self
    }

    pub const fn applies(mut self, apply: Apply) -> Self {
        self.apply = apply;
        self
    }

    pub const fn protected(mut self) -> Self {
        self.protected = true;
        self
    }

    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    pub const fn refused_while_loading(mut self) -> Self {
        self.refused_while_loading = true;
        self
    }

    pub const fn example(mut self, value: &'static str) -> Self {
        self.example = Some(value);
        self
    }

    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// Whether `name` is this key's name or one of its aliases, in any case of letters.
    pub fn answers_to(&self, name: &[u8]) -> bool {
        self.names().chain(self.foreign_names.iter().copied()).any(|known| match known.strip_suffix('*') {
            Some(start) => name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes())),
            None => name.eq_ignore_ascii_case(known.as_bytes()),
        })
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    pub fn takes_several(&self) -> bool {
        matches!(self.value, Value::List { .. })
    }

    /// The default as arguments.
    pub fn default_args(&self) -> Vec<Vec<u8>> {
        if self.takes_several() { split_at_spaces(self.default.as_bytes()) } else { vec![self.default.into()] }
    }

    /// The value as CONFIG GET shows it.
    pub fn read(&self, config: &Config) -> Vec<u8> {
        match self.value {
            Value::Flag { read, .. } => show_flag(read(config)).into(),
            Value::Integer { read, .. } => read(config).to_string().into(),
            Value::Octal { read, .. } => format!("{:o}", read(config)).into(),
            Value::Bytes { read, .. } => read(config).to_string().into(),
            Value::MemoryShare { read, .. } => show_memory_share(read(config), |bytes| bytes.to_string()).into(),
            Value::Choice { names, read, .. } => names[read(config)].into(),
            Value::Text { read, .. } => read(config).into(),
            Value::Scalar { read, .. } => read(config).into(),
            Value::Secret { read, .. } => read(config).to_vec(),
            Value::List { read, .. } => read(config).join(&b' '),
            Value::Lines { read, .. } => read(config).concat().join(&b' '),
            Value::Fixed { form, .. } | Value::Unheeded { form, .. } => self.canonical_default(form),
            Value::Dormant { form, .. } => match config.dormant.get(self.name) {
                Some(value) => value.clone(),
                None => self.canonical_default(form),
            },
        }
    }

    /// The arguments of each line that redis.conf needs to set the value.
    pub fn lines(&self, config: &Config) -> Vec<Vec<Vec<u8>>> {
        match self.value {
            Value::Bytes { read, .. } => vec![vec![show_bytes(read(config)).into()]],
            Value::MemoryShare { read, .. } => vec![vec![show_memory_share(read(config), show_bytes).into()]],
            Value::List { per_line, spell, vanishes, .. } => {
                let args = spell(config);
                if args.is_empty() && vanishes {
                    return Vec::new();
                }
                if args.is_empty() {
                    return vec![vec![Vec::new()]];
                }
                let per_line = if per_line == 0 { args.len() } else { per_line };
                args.chunks(per_line).map(<[Vec<u8>]>::to_vec).collect()
            }
            Value::Lines { read, .. } => read(config),
            _ if self.takes_several() => vec![split_at_spaces(&self.read(config))],
            _ => vec![vec![self.read(config)]],
        }
    }

    /// Sets the value, or leaves it as it is and says why.
    pub fn write(&self, config: &mut Config, args: &[Vec<u8>]) -> Result<(), ValueError> {
        match self.value {
            Value::Flag { write, .. } => write(config, parse_flag(only(args)?)?),
            Value::Integer { min, max, write, .. } => write(config, parse_integer(only(args)?, min, max)?),
            Value::Octal { max, write, .. } => write(config, parse_octal(only(args)?, max)?),
            Value::Bytes { min, max, write, .. } => write(config, parse_bytes(only(args)?, min, max)?),
            Value::MemoryShare { write, .. } => write(config, parse_memory_share(only(args)?)?),
            Value::Choice { names, write, .. } => write(config, parse_choice(only(args)?, names)?),
            Value::Text { check, write, .. } => {
                let text = parse_text(only(args)?)?;
                check(text)?;
                write(config, text.to_owned());
            }
            Value::Secret { write, .. } => write(config, only(args)?.to_vec()),
            Value::Scalar { write, .. } | Value::List { write, .. } => write(config, args)?,
            // The default is that there is none.
            Value::Lines { .. } if args == [b""] => {}
            Value::Lines { write, .. } => write(config, args)?,
            Value::Fixed { form, feature } => {
                if form.canonical(args)? != self.canonical_default(form) {
                    let value = String::from_utf8_lossy(&args.join(&b' ')).into_owned();
                    return Err(ValueError::NotAvailable { name: self.name, value, reason: feature.reason });
                }
            }
            Value::Dormant { form, .. } | Value::Unheeded { form, .. } => {
                let value = form.canonical(args)?;
                if value == self.canonical_default(form) {
                    config.dormant.remove(self.name);
                } else {
                    config.dormant.insert(self.name, value);
                }
            }
        }
        Ok(())
    }

    /// Refuses a value that was written and has no effect, for whoever can be answered at once.
    pub fn refuse_in_vain(&self, config: &Config, value: &[u8]) -> Result<(), ValueError> {
        match self.value {
            Value::Unheeded { feature, .. } if config.dormant.contains_key(self.name) => {
                let value = String::from_utf8_lossy(value).into_owned();
                Err(ValueError::NotAvailable { name: self.name, value, reason: feature.reason })
            }
            _ => Ok(()),
        }
    }

    fn canonical_default(&self, form: Form) -> Vec<u8> {
        form.canonical(&self.default_args()).expect("a unit test writes every default")
    }
}

impl Form {
    /// The value as CONFIG GET shows it.
    fn canonical(self, args: &[Vec<u8>]) -> Result<Vec<u8>, ValueError> {
        Ok(match self {
            Self::Flag => show_flag(parse_flag(only(args)?)?).into(),
            Self::Integer(min, max) => parse_integer(only(args)?, min, max)?.to_string().into(),
            Self::Bytes(min, max) => parse_bytes(only(args)?, min, max)?.to_string().into(),
            Self::Choice(names) => names[parse_choice(only(args)?, names)?].into(),
            Self::Text => parse_text(only(args)?)?.into(),
            Self::Secret => only(args)?.to_vec(),
            Self::Words if args.is_empty() => return Err(ValueError::WrongNumberOfArguments),
            Self::Words => args.join(&b' '),
        })
    }
}
