//! One server among others: its connections, its link to a primary, its snapshots, crashes and restarts.

use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;

use super::network::{Network, Read, Side};
use crate::commands::{Peer, RestorePolicy};
use crate::config::Config;
use crate::replication::{Link, Start};
use crate::resp::Decoder;
use crate::server::clients::{ClientKey, Close};
use crate::server::executor::Executor;
use crate::server::replication::{KindOfData, LinkTask};
use crate::server::simulation::{DATABASES, Machine, ROUND};
use crate::snapshot::{LoadSettings, Loaded, Loader, Observer, Progress, SaveError, Saved, Trigger, write_dataset};
use crate::stdx::HashSeed;

/// How long a link that was lost rests before it is tried again, as a real one.
const RETRY_MS: u64 = 1000;

/// Clients of each server beside replicas.
pub const CLIENTS: usize = 6;

/// A dump with what the server's configuration said then.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) data: Vec<u8>,
    pub(super) taken_at: u64,
}

/// A server.
pub struct Node {
    pub(super) index: usize,
    pub(super) machine: Machine,
    pub(super) config: Config,
    seed: HashSeed,
    /// How far its wall clock is ahead.
    skew_ms: i64,
    pub(super) is_up: bool,
    pub(super) up_since: u64,
    /// When it starts again, while it is down.
    pub(super) starts_at: u64,
    /// What it starts with.
    pub(super) starts_with: Option<Snapshot>,
    pub(super) snapshots: Vec<Snapshot>,
    served: Vec<Served>,
    pub(super) dial: Option<Dial>,
    child: Option<Child>,
    next_round: u64,
    pub(super) random: fastrand::Rng,
    /// Whether the snapshot child fails now and then.
    pub(super) has_failing_children: bool,
}

/// A connection that somebody else has made.
struct Served {
    number: u64,
    key: ClientKey,
    decoder: Decoder,
    input: Vec<u8>,
}

/// The link to a primary.
pub struct Dial {
    upstream: u64,
    state: DialState,
}

enum DialState {
    Rests { until: u64 },
    Connects { to: usize, at: u64, ends: u64 },
    Open { number: u64, link: Box<Link>, store: Vec<u8>, unsent: Vec<u8> },
    Loads { number: u64, link: Box<Link>, data: Vec<u8>, start: Start, until: u64 },
}

/// What a server has here in place of the snapshot child.
struct Child {
    sync: u64,
    by_pipe: bool,
    data: Vec<u8>,
    fetched: usize,
    /// The dump is written, or the child ends behind its data.
    ends_at: u64,
    has_ended: bool,
    fails: bool,
}

impl Node {
    pub fn new(index: usize, seed: u64, config: Config) -> Self {
        let random = fastrand::Rng::with_seed(seed ^ (index as u64 + 1).wrapping_mul(0x9E37_79B9));
        let hash_seed = HashSeed { k0: seed, k1: index as u64 };
        let mut node = Self {
            index,
            machine: Machine::with_config(hash_seed, CLIENTS, config.clone()),
            config,
            seed: hash_seed,
            skew_ms: [0, -3_600_000, 3_600_000, 500][((seed as usize) + index) % 4],
            is_up: true,
            up_since: 0,
            starts_at: 0,
            starts_with: None,
            snapshots: Vec::new(),
            served: Vec::new(),
            dial: None,
            child: None,
            next_round: 0,
            random,
            has_failing_children: false,
        };
        node.machine.executor.simulate_full_syncs(make_data);
        node
    }

    pub fn executor(&self) -> &Executor {
        &self.machine.executor
    }

    pub fn set_time(&mut self, unix_ms: i64, now: u64) {
        self.machine.set_time(unix_ms + self.skew_ms, Duration::from_millis(now));
    }

    /// Lets a server go down at once. Nothing of it is left but its snapshots.
    pub fn crash(&mut self, network: &mut Network, now: u64, starts_at: u64, starts_with: Option<Snapshot>) {
        network.break_all_of(self.index, now);
        self.config.replicaof = self.machine.executor.config.replicaof.clone();
        self.is_up = false;
        self.starts_at = starts_at;
        self.starts_with = starts_with;
        self.served.clear();
        self.dial = None;
        self.child = None;
    }

    /// Starts again, with a snapshot or with nothing.
    pub fn start(&mut self, unix_ms: i64, now: u64) {
        self.machine = Machine::with_config(self.seed, CLIENTS, self.config.clone());
        self.machine.executor.simulate_full_syncs(make_data);
        self.is_up = true;
        self.up_since = now;
        self.set_time(unix_ms, now);
        let snapshot = self.starts_with.take();
        self.snapshots.retain(|kept| snapshot.as_ref().is_some_and(|snapshot| kept.taken_at <= snapshot.taken_at));
        let seed = self.seed;
        self.machine.with_seed(|machine| {
            let executor = &mut machine.executor;
            if let Some(primary) = executor.config.replicaof.clone() {
                executor.become_replica(primary);
            }
            if let Some(snapshot) = snapshot {
                // As a server does with a dump that notes a history, which those of a primary without replicas do not.
                let loaded = load(executor, seed, snapshot.data, true).expect("a snapshot is whole");
                take_libraries(executor, &loaded);
                executor.take_data(loaded.dbs);
                executor.resume_history(&loaded.origin);
            }
            executor.after_command();
        });
    }

    /// Takes a snapshot, to start with it later.
    pub fn take_snapshot(&mut self, now: u64) {
        let data = self.machine.with_seed(|machine| make_dump(&mut machine.executor, None));
        // Data that no version can hold are not saved, as by a real server.
        if let Ok(data) = data {
            self.snapshots.push(Snapshot { data, taken_at: now });
        }
    }

    /// Takes a connection in.
    fn accept(&mut self, number: u64) {
        let peer = Peer::Unix { path: format!("node-connection-{number}").into() };
        let (key, _) = self.machine.executor.connect(peer, -1);
        self.served.push(Served { number, key, decoder: Decoder::new(), input: Vec::new() });
    }

    pub fn uses(&self, number: u64) -> bool {
        let dialed = match self.dial.as_ref().map(|dial| &dial.state) {
            Some(DialState::Open { number, .. } | DialState::Loads { number, .. }) => Some(*number),
            _ => None,
        };
        dialed == Some(number) || self.served.iter().any(|served| served.number == number)
    }

    /// Whether the link to the primary is one through which the stream comes.
    pub fn is_streaming(&self) -> bool {
        matches!(&self.dial, Some(Dial { state: DialState::Open { .. }, .. })) && !self.executor().lacks_primary()
    }

    /// All that a server does in one step of time.
    pub fn step(&mut self, network: &mut Network, now: u64) {
        fastrand::seed(self.random.u64(..));
        HashSeed::choose_for_thread(Some(self.seed));
        self.serve(network, now);
        self.feed(now);
        self.follow(network, now);
        if now >= self.next_round {
            self.next_round = now + 100;
            HashSeed::choose_for_thread(None);
            self.machine.round();
            HashSeed::choose_for_thread(Some(self.seed));
            self.machine.executor.replication_cron();
        }
        self.flush(network, now);
        HashSeed::choose_for_thread(None);
    }

    /// Reads what others have sent, and runs it.
    fn serve(&mut self, network: &mut Network, now: u64) {
        let executor = &mut self.machine.executor;
        self.served.retain_mut(|served| {
            loop {
                match network.read(served.number, Side::Listener, now) {
                    Read::Nothing => break,
                    Read::Bytes(bytes) => {
                        executor.count_read(served.key, bytes.len(), 0);
                        served.input.extend(bytes);
                    }
                    Read::End => {
                        network.close(served.number, now);
                        executor.disconnect(served.key);
                        return false;
                    }
                }
            }
            while !served.input.is_empty() {
                let done = executor.process(served.key, &mut served.decoder, &served.input).consumed;
                served.input.drain(..done);
                if done == 0 {
                    break;
                }
            }
            true
        });
    }

    /// Sends what there is for others.
    fn flush(&mut self, network: &mut Network, now: u64) {
        let executor = &mut self.machine.executor;
        self.served.retain_mut(|served| {
            let is_open = flush_client(executor, served, network, now);
            if !is_open {
                network.close(served.number, now);
                executor.disconnect(served.key);
            }
            is_open
        });
    }

    /// Does what the snapshot child and the task do that fetches its data.
    fn feed(&mut self, now: u64) {
        let executor = &mut self.machine.executor;
        if self.child.is_none()
            && let Some((sync, by_pipe, data)) = executor.take_simulated_data()
        {
            let (ends_at, fails) =
                (now + self.random.u64(..800), self.has_failing_children && self.random.u8(..20) == 0);
            self.child = Some(Child { sync, by_pipe, data, fetched: 0, ends_at, has_ended: false, fails });
        }
        let Some(child) = &mut self.child else { return };
        if executor.room_for_data(child.sync).is_none() {
            self.child = None;
            return;
        }
        let may_fetch = child.by_pipe || child.has_ended && !child.fails;
        let end = if child.fails { child.data.len() / 2 } else { child.data.len() };
        if may_fetch && child.fetched < end {
            let to = end.min(child.fetched + self.random.usize(1..=20_000));
            executor.take_sync_data(child.sync, &child.data[child.fetched..to]);
            child.fetched = to;
            if to == end {
                executor.take_sync_data(child.sync, &[]);
            }
        }
        let is_done = !child.by_pipe || child.fetched == end;
        if is_done && now >= child.ends_at && !child.has_ended {
            child.has_ended = true;
            executor.note_end_of_child(child.by_pipe, !child.fails);
        }
    }

    /// Keeps the link to the primary.
    fn follow(&mut self, network: &mut Network, now: u64) {
        let target = self.machine.executor.primary_to_follow();
        let Some((upstream, address)) = target else {
            self.hang_up(network, now);
            return;
        };
        if self.dial.as_ref().is_none_or(|dial| dial.upstream != upstream) {
            self.hang_up(network, now);
            self.dial = Some(Dial { upstream, state: DialState::Rests { until: now } });
        }
        let mut dial = self.dial.take().expect("it was there or was made");
        let to = usize::from(address.port);
        dial.state = self.step_dial(dial.state, upstream, to, network, now);
        self.dial = Some(dial);
    }

    fn hang_up(&mut self, network: &mut Network, now: u64) {
        match self.dial.take().map(|dial| dial.state) {
            Some(DialState::Open { number, .. } | DialState::Loads { number, .. }) => network.close(number, now),
            Some(DialState::Rests { .. } | DialState::Connects { .. }) | None => {}
        }
    }

    fn rest(&mut self, upstream: u64, now: u64) -> DialState {
        self.machine.executor.note_no_link(upstream, false);
        DialState::Rests { until: now + RETRY_MS }
    }

    fn step_dial(&mut self, state: DialState, upstream: u64, to: usize, network: &mut Network, now: u64) -> DialState {
        match state {
            DialState::Rests { until } if now < until => state,
            DialState::Rests { .. } => {
                let executor = &mut self.machine.executor;
                executor.note_no_link(upstream, true);
                let ends = now + executor.patience_with_primary().as_millis() as u64;
                DialState::Connects { to, at: now + self.random.u64(..50), ends }
            }
            DialState::Connects { ends, .. } if now >= ends => self.rest(upstream, now),
            DialState::Connects { at, .. } if now < at || network.is_parted(self.index, to) => state,
            // Whether the other one is up is looked at by the cluster, which makes the connection.
            DialState::Connects { .. } => state,
            DialState::Open { number, link, store, unsent } => {
                self.step_link(upstream, number, link, store, unsent, network, now)
            }
            DialState::Loads { number, mut link, data, start, until } => {
                if now < until {
                    // Signs of life go out meanwhile, and are no loss if they do not.
                    if let Ok(LinkTask::Send(bytes)) = self.machine.executor.step_link(upstream, &mut link) {
                        network.send(number, Side::Dialer, &bytes, now);
                    }
                    return DialState::Loads { number, link, data, start, until };
                }
                let executor = &mut self.machine.executor;
                let Ok(loaded) = load(executor, self.seed, data, true) else {
                    network.close(number, now);
                    return self.rest(upstream, now);
                };
                take_libraries(executor, &loaded);
                executor.take_full_sync(upstream, start, loaded);
                link.begin_stream(executor.clock.latest());
                DialState::Open { number, link, store: Vec::new(), unsent: Vec::new() }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of an open link, taken out of it")]
    fn step_link(
        &mut self,
        upstream: u64,
        number: u64,
        mut link: Box<Link>,
        mut store: Vec<u8>,
        mut unsent: Vec<u8>,
        network: &mut Network,
        now: u64,
    ) -> DialState {
        let executor = &mut self.machine.executor;
        loop {
            if !unsent.is_empty() {
                let Some(taken) = network.send(number, Side::Dialer, &unsent, now) else { break };
                unsent.drain(..taken);
                if !unsent.is_empty() {
                    return DialState::Open { number, link, store, unsent };
                }
            }
            match executor.step_link(upstream, &mut link) {
                Err(_) => break,
                Ok(LinkTask::Send(bytes)) => unsent = bytes,
                Ok(LinkTask::Open { .. }) => store = Vec::new(),
                Ok(LinkTask::Store) => store.extend_from_slice(link.data()),
                Ok(LinkTask::Load { start, len }) => {
                    store.truncate(len as usize);
                    let until = now + self.random.u64(..1500);
                    return DialState::Loads { number, link, data: store, start, until };
                }
                Ok(LinkTask::Yield) => {}
                Ok(LinkTask::Rest) => {
                    link.note_life(executor.clock.latest());
                    return DialState::Open { number, link, store, unsent };
                }
                Ok(LinkTask::Wait) => match network.read(number, Side::Dialer, now) {
                    Read::Nothing => return DialState::Open { number, link, store, unsent },
                    Read::End => break,
                    Read::Bytes(bytes) => {
                        link.buffer().extend_from_slice(&bytes);
                        executor.note_heard(upstream, &mut link, bytes.len());
                    }
                },
            }
        }
        network.close(number, now);
        self.rest(upstream, now)
    }

    /// Where a connection is being made to that may come about now.
    pub fn dials(&self, now: u64) -> Option<usize> {
        match self.dial.as_ref()?.state {
            DialState::Connects { to, at, .. } if now >= at => Some(to),
            _ => None,
        }
    }

    /// The connection that was being made is there, or is refused.
    pub fn take_connection(&mut self, number: Option<u64>, now: u64) {
        let Some(upstream) = self.dial.as_ref().map(|dial| dial.upstream) else { return };
        let state = match number {
            None => self.rest(upstream, now),
            Some(number) => {
                let link = Box::new(self.machine.executor.begin_link(upstream));
                DialState::Open { number, link, store: Vec::new(), unsent: Vec::new() }
            }
        };
        self.dial = Some(Dial { upstream, state });
    }

    /// Takes in a connection that another server has made.
    pub fn take_caller(&mut self, number: u64) {
        self.accept(number);
    }
}

/// Sends a client what there is for it, as the task of a connection does. Returns whether the connection stays.
fn flush_client(executor: &mut Executor, served: &Served, network: &mut Network, now: u64) -> bool {
    loop {
        let client = executor.clients.get_mut(served.key);
        if client.closing() == Some(Close::Now) {
            return false;
        }
        let is_replica = client.is_replica();
        let front = client.reply.front();
        if is_replica && !front.is_empty() {
            return false;
        }
        if front.is_empty() {
            break;
        }
        match network.send(served.number, Side::Listener, front, now) {
            None => return false,
            Some(0) => return true,
            Some(sent) => executor.count_written(served.key, sent),
        }
    }
    while executor.clients.get(served.key).replica.is_some() {
        let piece = executor.piece_for_replica(served.key);
        if piece.is_empty() {
            break;
        }
        match network.send(served.number, Side::Listener, piece, now) {
            None => return false,
            Some(0) => return true,
            Some(sent) => executor.count_sent_to_replica(served.key, sent),
        }
    }
    executor.clients.get(served.key).closing().is_none()
}

fn make_data(executor: &mut Executor, kind: KindOfData) -> Result<Vec<u8>, SaveError> {
    make_dump(executor, Some(kind))
}

/// What a dump of a server's data holds, for replicas or for the server itself.
fn make_dump(executor: &mut Executor, kind: Option<KindOfData>) -> Result<Vec<u8>, SaveError> {
    struct Silent;
    impl Observer for Silent {
        fn progress(&mut self, _so_far: &Saved) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }
    let task = match kind {
        Some(kind) => executor.task_for_replicas(kind),
        None => executor.snapshot_task(Trigger::Command),
    };
    let mut options = task.options;
    options.threads = 1;
    // Which the seed does not decide.
    options.used_memory_bytes = 0;
    let mut file = Vec::new();
    write_dataset(&mut executor.keyspace, &options, &mut file, &mut Silent).map_err(SaveError::Send)?;
    Ok(file)
}

fn load(executor: &Executor, seed: HashSeed, data: Vec<u8>, keeps_expired: bool) -> Result<Loaded, String> {
    let settings = LoadSettings { keeps_expired, ..LoadSettings::new(&executor.config, executor.clock.latest()) };
    let shown = |fault: crate::snapshot::LoadFault| fault.to_string();
    let mut loader = Loader::new(Bytes::from(data), DATABASES, seed, settings).map_err(shown)?;
    let far = std::time::Instant::now() + ROUND;
    loop {
        match loader.step(&executor.keyspace.access, far, u64::MAX).map_err(shown)? {
            Progress::Ended => return Ok(loader.finish()),
            Progress::Waiting => loader.wait(),
            Progress::Working => {}
        }
    }
}

fn take_libraries(executor: &mut Executor, loaded: &Loaded) {
    let libraries = executor.load_libraries(&loaded.libraries).expect("libraries that were loaded once");
    executor.take_libraries(libraries, RestorePolicy::Flush).expect("libraries replace those that are there");
}

impl Node {
    /// How the server is, for a trace.
    pub fn described(&self) -> String {
        if !self.is_up {
            return format!("{} down", self.index);
        }
        let history = self.executor().history();
        let id = &history.id().to_string()[..4];
        let role = match self.executor().primary_to_follow() {
            None => "primary".to_owned(),
            Some((_, address)) => {
                let link = if self.executor().lacks_primary() { "down" } else { "up" };
                format!("of {} {link}", address.port)
            }
        };
        let notes = self.executor().notes_of_replication();
        let db = notes.first().map_or("none", |(_, db)| db);
        format!("{} {role} {id}:{} db {db}", self.index, history.offset())
    }
}
