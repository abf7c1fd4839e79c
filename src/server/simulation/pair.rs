//! A server that records what happens to it, and one that repeats it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Machine, compare};
use crate::commands::{Flags, Handler};
use crate::config::{AllowedFrom, Config, EvictionPolicy};
use crate::keyspace::{Eviction, Group, Record};
use crate::resp::ArgsBuf;
use crate::stdx::HashSeed;
use crate::stdx::clock::Now;

/// Clients of each server.
pub const CLIENTS: usize = 3;

/// When a history begins.
pub const START_MS: i64 = 1_700_000_000_000;

/// The longest string of a server with small limits: less than what many a bit's offset makes.
const SMALL_STRING_BYTES_MAX: u64 = 1 << 20;

/// Steps after which all data is compared, and not only what a command or a record names.
const STEPS_TO_COMPARISON: usize = 64;

/// One thing that happens to the first server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    Command {
        client: usize,
        args: ArgsBuf,
    },
    /// The wall clock is set by so much, while so much time passes.
    Time {
        wall_ms: i64,
        passed_ms: u64,
    },
    /// What the server does by itself from time to time.
    Round,
    Evict(EvictionPolicy),
    /// The next command finds that memory is short.
    Shortage(EvictionPolicy),
    /// All data is saved and loaded.
    Reload,
    /// A connection breaks.
    Reconnect {
        client: usize,
    },
}

/// A step with the seed of whatever is left to chance in it, so that it comes to the same whatever was before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    pub(super) step: Step,
    pub(super) chance: u64,
}

/// How often commands have changed something, by the full name of their row.
#[derive(Default, Debug)]
pub struct Coverage {
    pub(super) effects: BTreeMap<Box<str>, u64>,
    pub(super) steps: u64,
    pub(super) groups: u64,
}

/// Both servers.
pub struct Pair {
    pub(super) first: Machine,
    second: Machine,
    unix_ms: i64,
    passed: Duration,
    /// How far the second server's wall clock is ahead.
    skew_ms: i64,
    steps: usize,
}

impl Pair {
    /// Two servers without data, which have other hashes and other limits for the encodings of values.
    pub fn new(seed: u64) -> Self {
        fastrand::seed(seed);
        let seeds = [HashSeed { k0: seed, k1: 1 }, HashSeed { k0: seed, k1: 2 }];
        let [small, large] = [config_of_small_values(), config()];
        let (first, second) = if seed.is_multiple_of(2) { (small, large) } else { (large, small) };
        let mut pair = Self {
            first: Machine::with_config(seeds[0], CLIENTS, first),
            second: Machine::with_config(seeds[1], CLIENTS, second),
            unix_ms: START_MS,
            passed: Duration::ZERO,
            skew_ms: [0, -3_600_000, 3_600_000][(seed % 3) as usize],
            steps: 0,
        };
        pair.follow_time();
        pair.first.record();
        pair.second.hide_expired();
        pair
    }

    pub fn unix_ms(&self) -> i64 {
        self.unix_ms
    }

    fn follow_time(&mut self) {
        self.first.set_time(self.unix_ms, self.passed);
        self.second.set_time(self.unix_ms + self.skew_ms, self.passed);
    }

    /// Lets something happen to the first server, and repeats its records on the second. Returns what the client was
    /// answered, or how the servers differ.
    pub fn act(&mut self, act: &Act, coverage: &mut Coverage) -> Result<Vec<u8>, String> {
        fastrand::seed(act.chance);
        let mut answer = Vec::new();
        match &act.step {
            Step::Command { client, args } => answer = self.execute(*client, args, coverage),
            Step::Time { wall_ms, passed_ms } => {
                self.unix_ms += wall_ms;
                self.passed += Duration::from_millis(*passed_ms);
                self.follow_time();
            }
            Step::Round => self.first.round(),
            Step::Shortage(policy) => self.first.begin_shortage(*policy),
            Step::Reload => self.first.reload(),
            Step::Evict(policy) => self.first.evict(&Eviction { policy: *policy, samples: 5 }),
            Step::Reconnect { client } => self.first.reconnect(*client),
        }
        let groups = self.first.take_groups();
        fastrand::seed(!act.chance);
        for group in &groups {
            self.second.repeat(group).map_err(|error| format!("a record failed: {error}"))?;
        }
        self.steps += 1;
        coverage.steps += 1;
        coverage.groups += groups.len() as u64;
        self.compare(&act.step, &groups)?;
        Ok(answer)
    }

    fn execute(&mut self, client: usize, args: &ArgsBuf, coverage: &mut Coverage) -> Vec<u8> {
        let before = self.first.executor.keyspace.changes();
        let in_transaction = self.first.is_in_transaction(client);
        let answer = self.first.execute(client, args);
        self.first.end_shortage();
        let row = self.first.executor.table.find(args.as_args());
        if let Some(row) = row {
            if self.first.executor.keyspace.changes() != before && !in_transaction {
                *coverage.effects.entry(row.full_name.clone()).or_default() += 1;
            }
            // A server that hides what is past its expiry is changed by nobody who reads.
            if self.first.executor.table.handler(row.id).is_read()
                && row.flags.has(Flags::READONLY)
                && self.steps.is_multiple_of(4)
            {
                self.second.execute(client, args);
            }
        }
        answer
    }

    fn compare(&self, step: &Step, groups: &[Group]) -> Result<(), String> {
        let (first, second) = (&self.first.executor.keyspace, &self.second.executor.keyspace);
        let found = if self.steps.is_multiple_of(STEPS_TO_COMPARISON) {
            compare::difference(first, second)
        } else {
            let records = groups.iter().flat_map(|group| &group.records);
            let named = records.flat_map(|record| -> Box<dyn Iterator<Item = &[u8]>> {
                match record {
                    Record::Command { args, .. } => Box::new(args.as_args().iter()),
                    Record::Removed { key, .. } | Record::FieldsRemoved { key, .. } => {
                        Box::new(std::iter::once(&**key))
                    }
                    Record::Flushed { .. } | Record::Swapped { .. } => Box::new(std::iter::empty()),
                }
            });
            let sent = match step {
                Step::Command { args, .. } => Some(args.as_args().iter()),
                _ => None,
            };
            compare::difference_at_keys(first, second, named.chain(sent.into_iter().flatten()).filter(is_key))
        };
        let found = found.or_else(|| self.difference_of_libraries());
        found.map_or(Ok(()), |difference| Err(shown(&difference, groups)))
    }

    fn difference_of_libraries(&self) -> Option<String> {
        let [first, second] = [&self.first, &self.second].map(|machine| machine.executor.library_texts());
        let shown = |texts: &[Arc<[u8]>]| {
            let texts = texts.iter().map(|text| format!("\n    {}", text.escape_ascii()));
            texts.collect::<String>()
        };
        (first != second).then(|| format!("libraries\n   first:{}\n  second:{}", shown(&first), shown(&second)))
    }

    /// Compares everything, and what a dump of either server holds.
    pub fn finish(&mut self) -> Result<(), String> {
        let (first, second) = (&self.first.executor.keyspace, &self.second.executor.keyspace);
        let found = compare::difference(first, second).or_else(|| self.difference_of_libraries());
        found.map_or(Ok(()), |difference| Err(shown(&difference, &[])))?;
        for machine in [&mut self.first, &mut self.second] {
            // As of that time nothing is past its expiry.
            let dumped = machine.dumped(Now::at_unix_ms(0));
            for (db, dumped) in dumped.iter().enumerate() {
                let held = machine.executor.keyspace.db(db);
                if let Some(difference) = compare::difference_of_dbs(db, held, dumped) {
                    return Err(format!("a dump holds something else: {difference}"));
                }
            }
        }
        Ok(())
    }

    /// The rows that may change data and have not.
    pub fn rows_without_effect(&self, coverage: &Coverage) -> Vec<&str> {
        let table = &self.first.executor.table;
        let may_write = |id| matches!(table.handler(id), Handler::Write(_));
        let writes = table.rows().iter();
        let writes = writes.filter(|row| (row.flags.has(Flags::WRITE) || may_write(row.id)) && !row.is_container);
        writes.map(|row| &*row.full_name).filter(|name| !coverage.effects.contains_key(*name)).collect()
    }
}

/// Every key that commands by chance are about has a letter and a digit.
fn is_key(arg: &&[u8]) -> bool {
    matches!(arg, [b'a'..=b'z', b'0'..=b'9'])
}

fn shown(difference: &str, groups: &[Group]) -> String {
    let records = groups.iter().flat_map(|group| &group.records).map(|record| match record {
        Record::Command { db, args } => format!("\n  recorded: [{db}] {}", line(args)),
        other => format!("\n  recorded: {other:?}"),
    });
    format!("{difference}{}", records.collect::<String>())
}

/// A command as redis-cli takes it.
pub fn line(args: &ArgsBuf) -> String {
    let is_plain =
        |arg: &[u8]| !arg.is_empty() && arg.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte));
    let words = args.as_args().iter().map(|arg| match is_plain(arg) {
        true => String::from_utf8_lossy(arg).into_owned(),
        false => format!("\"{}\"", arg.escape_ascii()),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn config() -> Config {
    let mut config = Config::default();
    config.enable_debug_command = AllowedFrom::Everywhere;
    config
}

/// Small limits, so that values often go from one encoding to the next.
fn config_of_small_values() -> Config {
    let mut config = config();
    config.list_max_listpack_size = 2;
    config.set_max_intset_entries = 2;
    config.set_max_listpack_entries = 3;
    config.hash_max_listpack_entries = 2;
    config.zset_max_listpack_entries = 3;
    config.stream_node_max_entries = 3;
    config.hll_sparse_max_bytes = 24;
    config.proto_max_bulk_len_bytes = SMALL_STRING_BYTES_MAX;
    config
}
