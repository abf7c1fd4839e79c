//! Clients that write: any commands, transactions of two keys, and single keys that all replicas have to have.

use super::cluster::{Cluster, FIRST_WRITER, MARKER, TRANSACTIONS};
use super::laws::{TOGETHER, marker};
use super::node::CLIENTS;
use crate::replication::ReplicationId;
use crate::resp::ArgsBuf;
use crate::server::simulation::generate::Generator;

/// Words of commands that take away keys of others.
const SWEEPING: [&[u8]; 4] = [b"FLUSHALL", b"FLUSHDB", b"SWAPDB", b"RESET"];

/// A write that its client waits for, or that all replicas have acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Marked {
    pub(super) number: u64,
    pub(super) written_at: u64,
    /// The history of the primary that has taken it, and how far that was then.
    pub(super) id: ReplicationId,
    pub(super) offset: u64,
}

/// All who write.
pub struct Writers {
    generator: Generator,
    /// Whether commands may also empty databases; then there are no single keys to look for.
    pub(super) sweeps: bool,
    markers: u64,
    /// Where the client waits, and for what.
    waiting: Option<(usize, Marked)>,
    pub(super) acknowledged: u64,
}

impl Writers {
    pub fn new(seed: u64) -> Self {
        let sweeps = seed.is_multiple_of(3);
        Self { generator: Generator::new(seed), sweeps, markers: 0, waiting: None, acknowledged: 0 }
    }

    /// Lets somebody write to a server.
    pub fn write(&mut self, cluster: &mut Cluster, node: usize) {
        match cluster.random.u8(..20) {
            0..3 => self.write_together(cluster, node),
            3 => self.write_much(cluster, node),
            _ => self.write_anything(cluster, node),
        }
    }

    fn write_together(&mut self, cluster: &mut Cluster, node: usize) {
        let value = cluster.random.u32(..);
        for line in [
            "MULTI".to_owned(),
            format!("SET {} {value}", TOGETHER[0]),
            format!("SET {} {value}", TOGETHER[1]),
            "EXEC".to_owned(),
        ] {
            cluster.run(node, TRANSACTIONS, &line);
        }
    }

    /// As much as soon fills a backlog.
    fn write_much(&mut self, cluster: &mut Cluster, node: usize) {
        let (offset, len) = (cluster.random.u8(..4), cluster.random.usize(..30_000));
        let value = "x".repeat(len);
        cluster.run(node, TRANSACTIONS, &format!("SET large:{offset} {value}"));
    }

    pub fn write_anything(&mut self, cluster: &mut Cluster, node: usize) {
        let client = cluster.random.usize(FIRST_WRITER..CLIENTS);
        let unix_ms = cluster.unix_ms();
        let machine = &cluster.nodes[node].machine;
        if machine.is_stalled(client) {
            return;
        }
        let args = self.generator.command_at_time(machine, client, unix_ms);
        // CONFIG RESETSTAT takes back what is counted of syncs, and DEBUG POPULATE writes on a replica too.
        let is_odd = [&b"CONFIG"[..], b"DEBUG"].iter().any(|name| args.as_args().arg(0).eq_ignore_ascii_case(name));
        // PFCOUNT keeps what it has counted in the value, on a replica of its own accord.
        let counts = args.as_args().iter().any(|word| word.eq_ignore_ascii_case(b"PFCOUNT"));
        let is_odd = is_odd || counts && cluster.primary_of(node).is_some();
        if !self.sweeps && is_sweeping(&args) || is_odd {
            return;
        }
        let answer = cluster.execute(node, client, &args);
        self.generator.take_command_answer(&args, &answer);
    }

    /// Writes a single key and waits until so many replicas have it, if the client is free.
    pub fn write_marker(&mut self, cluster: &mut Cluster, node: usize, replicas: usize) {
        if self.waiting.is_some() || self.sweeps {
            return;
        }
        self.markers += 1;
        let number = self.markers;
        if cluster.run(node, MARKER, &format!("SET {} {number}", marker(number))) != "+OK\r\n" {
            return;
        }
        let history = cluster.nodes[node].executor().history();
        let (id, offset) = (history.id(), history.offset());
        let marked = Marked { number, written_at: cluster.now, id, offset };
        let answer = cluster.run(node, MARKER, &format!("WAIT {replicas} 5000"));
        self.waiting = Some((node, marked));
        if !answer.is_empty() {
            self.waiting = None;
        }
    }

    /// What all replicas have acknowledged since the last call.
    pub fn take_acknowledged(&mut self, cluster: &mut Cluster, replicas: usize) -> Option<Marked> {
        let (node, marked) = self.waiting?;
        if !cluster.is_up(node) || cluster.now > marked.written_at + 6000 {
            self.waiting = None;
            return None;
        }
        let answer = cluster.nodes[node].machine.take_answer(MARKER);
        if answer.is_empty() {
            return None;
        }
        self.waiting = None;
        let has_all = answer == format!(":{replicas}\r\n").as_bytes();
        self.acknowledged += u64::from(has_all);
        has_all.then_some(marked)
    }
}

fn is_sweeping(args: &ArgsBuf) -> bool {
    args.as_args().iter().any(|word| SWEEPING.iter().any(|sweeping| word.eq_ignore_ascii_case(sweeping)))
}
