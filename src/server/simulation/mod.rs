//! Two servers in one process without sockets: what happens to one of them is recorded and repeated on the other.
//! Owns:  clocks and chance that a seed decides, histories of commands, and what makes two servers equal.
//! Uses:  the executor, commands, keyspace, replication, snapshot, types, config, resp, stdx.
//! Never: a socket, a file, or the real time.

#[cfg(test)]
mod collections;
mod compare;
mod generate;
mod history;
mod pair;
pub mod replication;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::commands::Peer;
use crate::config::{Config, EvictionPolicy};
use crate::keyspace::{Db, Eviction, ExpireCycle, ExpiryPolicy, Group};
use crate::resp::ArgsBuf;
use crate::server::clients::{ClientKey, Close, Stall};
use crate::server::exec::{Flow, RepeatError};
use crate::server::executor::Executor;
use crate::server::process::Launch;
use crate::snapshot::{LoadSettings, Loader, Observer, Progress, SaveOptions, Saved, write_dataset};
use crate::stdx::HashSeed;
use crate::stdx::clock::Now;

#[allow(unused_imports, reason = "what is returned has a name for whoever looks at it")]
pub use history::Failure;
pub use history::{check_history, rows_without_effect};
pub use pair::Coverage;

/// As much time as a round of the cron may take: more than it needs, since real time must not decide anything.
const ROUND: Duration = Duration::from_secs(3600);

/// Databases of every server.
pub(in crate::server) const DATABASES: usize = 3;

/// One server without sockets.
pub struct Machine {
    pub(super) executor: Executor,
    seed: HashSeed,
    clients: Vec<SimulatedClient>,
    /// Repeats records.
    repeater: ClientKey,
    origin: Instant,
}

struct SimulatedClient {
    key: ClientKey,
    /// A command that a pause holds up.
    postponed: Option<ArgsBuf>,
}

impl Machine {
    /// A server with so many clients, of the usual configuration.
    pub fn new(seed: HashSeed, clients: usize) -> Self {
        Self::with_config(seed, clients, Config::default())
    }

    pub(in crate::server) fn with_config(seed: HashSeed, clients: usize, mut config: Config) -> Self {
        HashSeed::choose_for_thread(Some(seed));
        config.databases = DATABASES as u32;
        let mut executor = Executor::new(config, Launch::default());
        let repeater = executor.connect_internal();
        let clients = (0..clients).map(|_| SimulatedClient::new(&mut executor)).collect();
        HashSeed::choose_for_thread(None);
        Self { executor, seed, clients, repeater, origin: Instant::now() }
    }

    /// Answers keys and fields past their expiry as missing and keeps them, as a replica does.
    pub fn hide_expired(&mut self) {
        self.executor.keyspace.set_expiry_policy(ExpiryPolicy::Hide);
    }

    /// Sets both clocks: the one that people set, and the one that never goes back.
    pub fn set_time(&mut self, unix_ms: i64, passed: Duration) {
        self.executor.clock.set(Now::simulated(unix_ms, self.origin, passed));
    }

    /// Runs a command given as a line, and returns its answer.
    pub fn run(&mut self, line: &str) -> Vec<u8> {
        let args: ArgsBuf = line.split(' ').collect();
        self.execute(0, &args)
    }

    /// Runs a command of a client and returns what the client is sent. One that is held up does nothing.
    pub(in crate::server) fn execute(&mut self, client: usize, args: &ArgsBuf) -> Vec<u8> {
        self.with_seed(|machine| {
            let key = machine.clients[client].key;
            if !machine.executor.is_stalled(key) {
                if let Some(postponed) = machine.clients[client].postponed.take() {
                    machine.try_to_execute(client, postponed);
                }
                if !machine.executor.is_stalled(key) {
                    machine.try_to_execute(client, args.clone());
                }
            }
            let answer = machine.executor.clients.get_mut(key).reply.take();
            machine.replace_closed();
            answer
        })
    }

    fn try_to_execute(&mut self, client: usize, args: ArgsBuf) {
        let key = self.clients[client].key;
        let command = self.executor.table.find(args.as_args()).map(|row| row.id);
        if self.executor.execute(key, command, args.as_args()) == Flow::Postponed {
            self.clients[client].postponed = Some(args);
        }
    }

    /// What a client was answered behind its last command.
    pub(in crate::server) fn take_answer(&mut self, client: usize) -> Vec<u8> {
        self.executor.clients.get_mut(self.clients[client].key).reply.take()
    }

    /// Whether a client waits for a key, or for the end of a pause.
    pub(in crate::server) fn is_stalled(&self, client: usize) -> bool {
        self.executor.is_stalled(self.clients[client].key)
    }

    pub(in crate::server) fn is_in_transaction(&self, client: usize) -> bool {
        self.executor.clients.get(self.clients[client].key).session.transaction.is_some()
    }

    /// The database that a client has selected.
    pub(super) fn selected_db(&self, client: usize) -> &Db {
        let session = &self.executor.clients.get(self.clients[client].key).session;
        self.executor.keyspace.db(session.db)
    }

    /// What a server does by itself from time to time.
    pub(in crate::server) fn round(&mut self) {
        self.with_seed(|machine| {
            let executor = &mut machine.executor;
            let now = executor.clock.latest();
            executor.end_elapsed_waits();
            executor.end_elapsed_pause();
            executor.keyspace.access.set_time(now.steady_ms());
            if executor.keyspace.may_expire() {
                let cycle = ExpireCycle { now_ms: now.unix_ms, budget: ROUND, effort: 1 };
                executor.keyspace.expire_cycle(&cycle);
                executor.keyspace.expire_fields_cycle(&cycle);
                executor.after_command();
            }
        });
    }

    /// Evicts one key, as if memory were short.
    pub(in crate::server) fn evict(&mut self, eviction: &Eviction) {
        self.with_seed(|machine| {
            if !machine.executor.is_paused() {
                machine.executor.keyspace.evict_one(eviction);
                machine.executor.after_command();
            }
        });
    }

    /// Lets the next command find that memory is short: whatever this policy lets go is evicted before it runs.
    pub(in crate::server) fn begin_shortage(&mut self, policy: EvictionPolicy) {
        let config = &mut self.executor.config;
        config.maxmemory_bytes = 1;
        config.maxmemory_policy = policy;
        // Without a limit, or real time would decide how many keys go.
        config.maxmemory_eviction_tenacity = 100;
    }

    pub(in crate::server) fn end_shortage(&mut self) {
        self.executor.config.maxmemory_bytes = 0;
    }

    /// Saves and loads all data, as DEBUG RELOAD does.
    pub(in crate::server) fn reload(&mut self) {
        self.with_seed(|machine| {
            let now = machine.executor.clock.latest();
            let dbs = machine.dumped(now);
            machine.executor.take_data(dbs);
            machine.executor.after_command();
        });
    }

    /// Ends a client's connection, whatever it is doing, and makes another one.
    pub(in crate::server) fn reconnect(&mut self, client: usize) {
        self.with_seed(|machine| {
            machine.executor.disconnect(machine.clients[client].key);
            machine.clients[client] = SimulatedClient::new(&mut machine.executor);
        });
    }

    /// Repeats what another server has recorded.
    pub fn repeat(&mut self, group: &Group) -> Result<(), RepeatError> {
        self.with_seed(|machine| machine.executor.repeat(machine.repeater, group))
    }

    /// What a dump of the server's data loads to at this time.
    pub(in crate::server) fn dumped(&mut self, now: Now) -> Vec<Db> {
        struct Silent;
        impl Observer for Silent {
            fn progress(&mut self, _so_far: &Saved) -> ControlFlow<()> {
                ControlFlow::Continue(())
            }
        }
        let Executor { keyspace, config, .. } = &mut self.executor;
        let mut config = config.clone();
        config.snapshot_threads = 1;
        let options = SaveOptions::new(&config, 0, false, now);
        let options = if keyspace.has_expiring_fields() { options.holding_expiring_fields(&config) } else { options };
        let mut file = Vec::new();
        write_dataset(keyspace, &options, &mut file, &mut Silent).expect("memory takes a dump");
        let settings = LoadSettings::new(&config, now);
        let mut loader = Loader::new(Bytes::from(file), DATABASES, self.seed, settings).expect("a dump has a header");
        let far = Instant::now() + ROUND;
        loop {
            match loader.step(&keyspace.access, far, u64::MAX).expect("a dump is loaded") {
                Progress::Ended => return loader.finish().dbs,
                Progress::Waiting => loader.wait(),
                Progress::Working => {}
            }
        }
    }

    pub(in crate::server) fn record(&mut self) {
        self.executor.keyspace.set_journal_wanted(true);
    }

    pub(in crate::server) fn take_groups(&mut self) -> Vec<Group> {
        self.executor.keyspace.journal.take_groups()
    }

    /// Whoever was closed by a command connects again.
    fn replace_closed(&mut self) {
        for index in 0..self.clients.len() {
            if self.executor.clients.get(self.clients[index].key).closing().is_some() {
                self.executor.disconnect(self.clients[index].key);
                self.clients[index] = SimulatedClient::new(&mut self.executor);
            }
        }
    }

    fn with_seed<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        HashSeed::choose_for_thread(Some(self.seed));
        let result = run(self);
        HashSeed::choose_for_thread(None);
        result
    }
}

impl SimulatedClient {
    fn new(executor: &mut Executor) -> Self {
        Self { key: connect(executor), postponed: None }
    }
}

fn connect(executor: &mut Executor) -> ClientKey {
    let (key, _) = executor.connect(Peer::Unix { path: "".into() }, -1);
    executor.clients.get_mut(key).begin_round(0, usize::MAX);
    key
}

impl Executor {
    fn is_stalled(&self, key: ClientKey) -> bool {
        let client = self.clients.get(key);
        debug_assert!(!matches!(client.stall(), Some(Stall::Migrating)), "no other server is there");
        client.stall().is_some() || matches!(client.closing(), Some(Close::Now))
    }
}
