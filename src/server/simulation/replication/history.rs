//! Histories of a cluster by chance, and what must hold after them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cluster::Cluster;
use super::laws::{check_equal, check_equal_positions, check_transactions};
use super::operator::Operator;
use super::writers::Writers;

const NODES: usize = 3;

/// Everything has to have settled after so many milliseconds of quiet: every timeout is shorter.
const SETTLED_AFTER_MS: u64 = 240_000;

/// So often a replica may need all data after the quiet has begun: for what has happened before it, and once more where the
/// snapshot or a connection failed at the beginning.
const FULL_SYNCS_MAX: u64 = 4;

/// What has happened in histories.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Figures {
    pub(super) histories: u64,
    pub(super) failovers: u64,
    pub(super) crashes: u64,
    pub(super) full_syncs: u64,
    pub(super) partial_syncs: u64,
    pub(super) acknowledged: u64,
}

/// A history after which something does not hold.
pub struct Failure {
    seed: u64,
    what: String,
    trace: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "history {}: {}\n{}", self.seed, self.what, self.trace)
    }
}

/// So many steps are between two looks at all data.
fn check_every() -> usize {
    std::env::var("COPAL_REPLICATION_CHECK_EVERY").ok().and_then(|text| text.parse().ok()).unwrap_or(16)
}

struct History {
    cluster: Cluster,
    operator: Operator,
    writers: Writers,
    figures: Figures,
    /// Full and partial syncs of servers that have crashed since.
    syncs_before: (u64, u64),
}

/// Runs the history of a seed, of so many steps. A seed always gives the same.
pub fn check_history(seed: u64, steps: usize, figures: &mut Figures) -> Result<(), Box<Failure>> {
    let mut history = History {
        cluster: Cluster::new(seed, NODES),
        operator: Operator::new(0),
        writers: Writers::new(seed),
        figures: Figures::default(),
        syncs_before: (0, 0),
    };
    let run = AssertUnwindSafe(|| history.run(steps));
    let result = catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("?")))
    });
    let (full, partial) = history.syncs();
    figures.histories += 1;
    figures.failovers += history.operator.failovers;
    figures.crashes += history.figures.crashes;
    figures.full_syncs += full;
    figures.partial_syncs += partial;
    figures.acknowledged += history.writers.acknowledged;
    result.map_err(|what| {
        history.cluster.note(|| "the end".to_owned());
        Box::new(Failure { seed, what, trace: history.cluster.trace() })
    })
}

impl History {
    fn run(&mut self, steps: usize) -> Result<(), String> {
        self.cluster.nodes.iter_mut().for_each(|node| node.has_failing_children = true);
        self.operator.gather(&mut self.cluster);
        for step in 0..steps {
            let milliseconds = if self.cluster.random.u8(..30) == 0 { 1500 } else { self.cluster.random.u64(1..60) };
            self.cluster.step(milliseconds);
            self.operator.watch(&self.cluster);
            self.write();
            self.happen()?;
            if step % check_every() == 0 {
                check_equal_positions(&self.cluster)?;
                check_transactions(&self.cluster)?;
            }
        }
        self.settle()?;
        self.stay_settled()?;
        self.go_on_after_cuts()
    }

    fn write(&mut self) {
        let Self { cluster, operator, writers, .. } = self;
        let node = if cluster.random.u8(..10) == 0 { cluster.random.usize(..NODES) } else { operator.primary };
        for _ in 0..cluster.random.u8(..6) {
            if cluster.is_up(node) {
                writers.write(cluster, node);
            }
        }
        if cluster.is_up(node) && cluster.random.u8(..4) == 0 {
            writers.write_marker(cluster, node, NODES - 1);
        }
        if let Some(marked) = writers.take_acknowledged(cluster, NODES - 1) {
            operator.keep(marked);
        }
    }

    /// Lets something happen that nobody wants, or that the operator does about it.
    fn happen(&mut self) -> Result<(), String> {
        let Self { cluster, operator, .. } = self;
        let node = cluster.random.usize(..NODES);
        match cluster.random.u16(..1000) {
            0..15 => cluster.break_connection(),
            15..20 => {
                let other = (node + cluster.random.usize(1..NODES)) % NODES;
                cluster.note(|| format!("nodes {node} and {other} are parted"));
                cluster.network.part(node, other);
            }
            20..40 => cluster.network.heal(),
            40..55 if cluster.is_up(node) => cluster.take_snapshot(node),
            55..62 if cluster.is_up(node) => self.crash(node),
            62..67 => operator.fail_over(cluster)?,
            67..107 if !cluster.is_up(operator.primary) => operator.fail_over(cluster)?,
            107..140 => operator.repoint(cluster, node),
            140..144 => operator.chain(cluster),
            _ => {}
        }
        Ok(())
    }

    fn crash(&mut self, node: usize) {
        let Self { cluster, operator, syncs_before, figures, .. } = self;
        figures.crashes += 1;
        let (full, partial) = cluster.nodes[node].executor().counted_syncs();
        *syncs_before = (syncs_before.0 + full, syncs_before.1 + partial);
        if cluster.random.u8(..3) == 0 {
            // As at an orderly end: nothing is missing.
            cluster.take_snapshot(node);
        }
        let snapshots = &cluster.nodes[node].snapshots;
        let with = match cluster.random.u8(..4) {
            0 => None,
            1 => cluster.random.choice(snapshots).cloned(),
            _ => snapshots.last().cloned(),
        };
        let down_ms = cluster.random.u64(100..15_000);
        cluster.crash(node, down_ms, with);
        operator.note_crash(node);
    }

    fn syncs(&self) -> (u64, u64) {
        let counted = self.cluster.nodes.iter().filter(|node| node.is_up).map(|node| node.executor().counted_syncs());
        counted.fold(self.syncs_before, |sum, (full, partial)| (sum.0 + full, sum.1 + partial))
    }

    fn check(&mut self) -> Result<(), String> {
        self.operator.watch(&self.cluster);
        check_equal_positions(&self.cluster)?;
        check_transactions(&self.cluster)
    }

    /// Whether every replica has all that the primary has.
    fn is_settled(&self) -> bool {
        let primary = self.cluster.nodes[self.operator.primary].executor().history();
        self.cluster.nodes.iter().all(|node| {
            let history = node.executor().history();
            let is_in_sync = node.index == self.operator.primary || node.is_streaming();
            is_in_sync && (history.id(), history.offset()) == (primary.id(), primary.offset())
        })
    }

    fn wait_until_settled(&mut self) -> Result<(), String> {
        let end = self.cluster.now + SETTLED_AFTER_MS;
        while !self.is_settled() {
            if self.cluster.now > end {
                return Err("the servers have not settled".to_owned());
            }
            let milliseconds = self.cluster.random.u64(1..100);
            self.cluster.step(milliseconds);
        }
        self.check()
    }

    /// Ends all that goes wrong, and waits until all servers hold the same.
    fn settle(&mut self) -> Result<(), String> {
        self.cluster.note(|| "quiet".to_owned());
        self.cluster.network.heal();
        self.cluster.nodes.iter_mut().for_each(|node| node.has_failing_children = false);
        while (0..NODES).any(|node| !self.cluster.is_up(node)) {
            self.cluster.step(100);
        }
        self.operator.watch(&self.cluster);
        // What a client has paused goes on, and ends of connections are seen.
        self.cluster.pass(5000);
        self.operator.gather(&mut self.cluster);
        self.cluster.pass(1000);
        let (before, _) = self.syncs();
        self.wait_until_settled()?;
        let (after, _) = self.syncs();
        if after - before > FULL_SYNCS_MAX {
            return Err(format!("{} full syncs since the quiet began", after - before));
        }
        let [first, others @ ..] = &self.cluster.nodes[..] else { return Ok(()) };
        others.iter().try_for_each(|other| check_equal(first, other))?;
        self.operator.check_all_kept(&self.cluster)
    }

    /// Nothing begins anew by itself.
    fn stay_settled(&mut self) -> Result<(), String> {
        let before = self.syncs();
        for _ in 0..300 {
            self.cluster.step(100);
        }
        self.wait_until_settled()?;
        let after = self.syncs();
        if before != after {
            return Err(format!("syncs by themselves: {before:?} before, {after:?} after"));
        }
        Ok(())
    }

    /// After cuts replicas go on where they were, and hold the same in the end.
    fn go_on_after_cuts(&mut self) -> Result<(), String> {
        let before = self.syncs();
        for _ in 0..3 {
            for _ in 0..5 {
                self.writers.write_anything(&mut self.cluster, self.operator.primary);
            }
            self.cluster.step(30);
            self.cluster.break_connection();
        }
        self.wait_until_settled()?;
        let after = self.syncs();
        if before.0 != after.0 {
            return Err(format!("full syncs after cuts: {before:?} before, {after:?} after"));
        }
        Ok(())
    }
}
