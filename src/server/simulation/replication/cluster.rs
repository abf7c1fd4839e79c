//! Servers with a network and a time of their own.

use super::network::Network;
use super::node::{Node, Snapshot};
use crate::config::{AllowedFrom, Config};
use crate::resp::ArgsBuf;
use crate::server::simulation::pair::START_MS;

/// What is shown of a history at most.
const TRACE_LINES: usize = 120;

/// Which client of a server is whose.
pub const OPERATOR: usize = 0;
pub const MARKER: usize = 1;
pub const TRANSACTIONS: usize = 2;
pub const FIRST_WRITER: usize = 3;

/// Some servers. `127.0.0.1:N` is the one with the index N.
pub struct Cluster {
    pub(super) nodes: Vec<Node>,
    pub(super) network: Network,
    /// Milliseconds since the beginning.
    pub(super) now: u64,
    pub(super) random: fastrand::Rng,
    trace: Vec<String>,
}

/// What the seed decides of the configuration.
pub fn config_of(random: &mut fastrand::Rng) -> Config {
    let mut config = Config::default();
    config.enable_debug_command = AllowedFrom::Everywhere;
    config.repl_backlog_size_bytes = [16 << 10, 64 << 10, 1 << 20][random.usize(..3)];
    config.repl_diskless_sync = random.u8(..3) > 0;
    config.repl_diskless_sync_delay_seconds = [0, 0, 1, 5][random.usize(..4)];
    config.repl_timeout_seconds = [5, 10, 60][random.usize(..3)];
    config.repl_ping_replica_period_seconds = [1, 2, 10][random.usize(..3)].min(config.repl_timeout_seconds / 2);
    config.repl_backlog_ttl_seconds = [0, 3, 3600][random.usize(..3)];
    config.replica_rewind_guard = random.bool();
    config.replica_serve_stale_data = random.bool();
    config
}

impl Cluster {
    /// Servers that know nothing of each other.
    pub fn new(seed: u64, nodes: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let config = config_of(&mut random);
        Self::with_config(seed, nodes, &config)
    }

    pub fn with_config(seed: u64, nodes: usize, config: &Config) -> Self {
        fastrand::seed(seed);
        let nodes = (0..nodes).map(|index| Node::new(index, seed, config.clone())).collect();
        let network = Network::new(seed ^ 0x5EED);
        let random = fastrand::Rng::with_seed(!seed);
        let mut cluster = Self { nodes, network, now: 0, random, trace: Vec::new() };
        cluster.follow_time();
        cluster
    }

    pub fn unix_ms(&self) -> i64 {
        START_MS + self.now as i64
    }

    fn follow_time(&mut self) {
        let (unix_ms, now) = (self.unix_ms(), self.now);
        self.nodes.iter_mut().filter(|node| node.is_up).for_each(|node| node.set_time(unix_ms, now));
    }

    /// Lets so many milliseconds pass, and everybody do what is to be done.
    pub fn step(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        let (now, unix_ms) = (self.now, self.unix_ms());
        for index in 0..self.nodes.len() {
            if !self.nodes[index].is_up && now >= self.nodes[index].starts_at {
                self.nodes[index].start(unix_ms, now);
                self.note(|| format!("node {index} starts again"));
            }
        }
        self.follow_time();
        let first = self.random.usize(..self.nodes.len());
        for offset in 0..self.nodes.len() {
            let index = (first + offset) % self.nodes.len();
            if !self.nodes[index].is_up {
                continue;
            }
            self.make_connection(index);
            self.nodes[index].step(&mut self.network, now);
        }
        let nodes = &self.nodes;
        self.network.drop_unused(|number| nodes.iter().any(|node| node.uses(number)));
    }

    /// Lets time pass in small steps.
    pub fn pass(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        while self.now < end {
            self.step(20.min(end - self.now));
        }
    }

    fn make_connection(&mut self, index: usize) {
        let Some(to) = self.nodes[index].dials(self.now) else { return };
        if self.network.is_parted(index, to) {
            return;
        }
        if to == index || !self.nodes[to].is_up {
            self.nodes[index].take_connection(None, self.now);
            return;
        }
        let number = self.network.connect(index, to);
        self.nodes[to].take_caller(number);
        self.nodes[index].take_connection(Some(number), self.now);
    }

    /// Runs a command of a client and returns the answer.
    pub fn execute(&mut self, node: usize, client: usize, args: &ArgsBuf) -> Vec<u8> {
        fastrand::seed(self.random.u64(..));
        self.nodes[node].machine.execute(client, args)
    }

    /// As [`Cluster::execute`], for a line.
    pub fn run(&mut self, node: usize, client: usize, line: &str) -> String {
        let args: ArgsBuf = line.split(' ').collect();
        String::from_utf8_lossy(&self.execute(node, client, &args)).into_owned()
    }

    /// Makes a server a replica of another one, or a primary, and notes it in its configuration.
    pub fn follow(&mut self, node: usize, primary: Option<usize>) {
        let line = match primary {
            Some(primary) => format!("REPLICAOF 127.0.0.1 {primary}"),
            None => "REPLICAOF NO ONE".to_owned(),
        };
        self.note(|| format!("node {node}: {line}"));
        // A pause of clients holds up the operator too.
        let answer = self.run(node, OPERATOR, &line);
        assert!(answer.is_empty() || answer.starts_with("+OK"), "{line}: {answer}");
    }

    /// The primary that a server follows.
    pub fn primary_of(&self, node: usize) -> Option<usize> {
        self.nodes[node].executor().primary_to_follow().map(|(_, address)| usize::from(address.port))
    }

    /// Lets a server go down and start again after so many milliseconds.
    pub fn crash(&mut self, node: usize, down_ms: u64, starts_with: Option<Snapshot>) {
        self.note(|| {
            let with = starts_with.as_ref().map(|snapshot| snapshot.taken_at);
            format!("node {node} crashes for {down_ms} ms, and starts with the snapshot of {with:?}")
        });
        let (now, network) = (self.now, &mut self.network);
        self.nodes[node].crash(network, now, now + down_ms, starts_with);
    }

    pub fn take_snapshot(&mut self, node: usize) {
        self.note(|| format!("node {node} takes a snapshot"));
        let now = self.now;
        self.nodes[node].take_snapshot(now);
    }

    /// Breaks a connection that is whole.
    pub fn break_connection(&mut self) {
        let whole = self.network.whole();
        if let Some(&number) = self.random.choice(&whole) {
            self.note(|| format!("connection {number} breaks"));
            self.network.break_off(number, self.now);
        }
    }

    pub fn is_up(&self, node: usize) -> bool {
        self.nodes[node].is_up
    }

    /// Keeps a line for whoever looks into a failure.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace.len() >= TRACE_LINES {
            self.trace.remove(0);
        }
        let states: Vec<String> = self.nodes.iter().map(Node::described).collect();
        self.trace.push(format!("{:>7} ms  {}  [{}]", self.now, line(), states.join(" | ")));
    }

    pub fn trace(&self) -> String {
        self.trace.join("\n")
    }
}
