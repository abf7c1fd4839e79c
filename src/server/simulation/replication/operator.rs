//! Who watches over the servers as Sentinel does: promotes the replica that is furthest ahead when the primary is gone, and makes
//! whoever comes back a replica.

use std::collections::BTreeSet;

use super::cluster::Cluster;
use super::laws::marker;
use super::writers::Marked;

/// What the operator knows.
pub struct Operator {
    pub(super) primary: usize,
    /// Writes that all replicas had, which are to be found on every primary from now on.
    kept: Vec<Marked>,
    /// When data were lost by a restart that nobody could help.
    lost_at: u64,
    /// The primary has crashed, and has not started again.
    is_primary_down: bool,
    /// Replicas that have been in sync with the primary since it became one, and have not crashed since.
    synced: BTreeSet<usize>,
    pub(super) failovers: u64,
}

impl Operator {
    pub fn new(primary: usize) -> Self {
        Self { primary, kept: Vec::new(), lost_at: 0, is_primary_down: false, synced: BTreeSet::new(), failovers: 0 }
    }

    /// A write was acknowledged by all replicas.
    pub fn keep(&mut self, marked: Marked) {
        if marked.written_at > self.lost_at {
            self.kept.push(marked);
        }
    }

    /// A server has crashed.
    pub fn note_crash(&mut self, node: usize) {
        self.is_primary_down |= node == self.primary;
        self.synced.remove(&node);
    }

    /// Looks who is in sync, and whether the primary was restarted from older data, and goes on with them.
    pub fn watch(&mut self, cluster: &Cluster) {
        for node in cluster.nodes.iter().filter(|node| node.is_up && node.is_streaming()) {
            if cluster.primary_of(node.index) == Some(self.primary) {
                self.synced.insert(node.index);
            }
        }
        if self.is_primary_down && cluster.is_up(self.primary) {
            self.is_primary_down = false;
            self.lost_at = cluster.now;
            self.drop_lost(cluster);
        }
    }

    fn drop_lost(&mut self, cluster: &Cluster) {
        let primary = &cluster.nodes[self.primary];
        self.kept.retain(|marked| primary.is_up && primary.value(&marker(marked.number)).is_some());
    }

    /// The replica that is promoted: of those that were in sync with the primary, the one that is furthest ahead.
    fn best_replica(&self, cluster: &Cluster) -> Option<usize> {
        let replicas = self.synced.iter().copied();
        let replicas = replicas.filter(|node| cluster.is_up(*node) && cluster.primary_of(*node) == Some(self.primary));
        replicas.max_by_key(|node| cluster.nodes[*node].executor().history().offset())
    }

    /// Promotes the best replica, if there is one.
    pub fn fail_over(&mut self, cluster: &mut Cluster) -> Result<(), String> {
        let Some(best) = self.best_replica(cluster) else { return Ok(()) };
        cluster.follow(best, None);
        if cluster.primary_of(best).is_some() {
            return Ok(());
        }
        self.primary = best;
        self.synced.clear();
        self.is_primary_down = false;
        self.failovers += 1;
        self.check_kept(cluster)?;
        self.drop_lost(cluster);
        Ok(())
    }

    /// What all replicas had is there on the primary, unless it was itself restarted from older data since.
    fn check_kept(&self, cluster: &Cluster) -> Result<(), String> {
        let node = &cluster.nodes[self.primary];
        let history = node.executor().history();
        for marked in &self.kept {
            let was_up = node.up_since <= marked.written_at;
            let before = history.before().is_some_and(|(id, end)| id == marked.id && marked.offset < end);
            let is_beyond = before || history.id() == marked.id && history.offset() >= marked.offset;
            if (was_up || is_beyond) && node.value(&marker(marked.number)).is_none() {
                return Err(format!("node {} was promoted and lacks {marked:?}, which all had", self.primary));
            }
        }
        Ok(())
    }

    /// All of it is there at the end.
    pub fn check_all_kept(&self, cluster: &Cluster) -> Result<(), String> {
        let node = &cluster.nodes[self.primary];
        for marked in &self.kept {
            if node.value(&marker(marked.number)).is_none() {
                return Err(format!("the primary {} lacks {marked:?}, which all had", self.primary));
            }
        }
        Ok(())
    }

    /// Makes everybody who is up follow the primary.
    pub fn gather(&self, cluster: &mut Cluster) {
        for node in 0..cluster.nodes.len() {
            self.repoint(cluster, node);
        }
    }

    /// Makes a server follow the primary, if it does not.
    pub fn repoint(&self, cluster: &mut Cluster, node: usize) {
        if !cluster.is_up(node) {
            return;
        }
        let wanted = (node != self.primary).then_some(self.primary);
        if cluster.primary_of(node) != wanted {
            cluster.follow(node, wanted);
        }
    }

    /// Lets a replica follow another one.
    pub fn chain(&self, cluster: &mut Cluster) {
        let mut replicas: Vec<usize> = (0..cluster.nodes.len()).filter(|node| *node != self.primary).collect();
        cluster.random.shuffle(&mut replicas);
        if let [first, second, ..] = replicas[..]
            && cluster.is_up(first)
            && cluster.is_up(second)
            && cluster.primary_of(second) == Some(self.primary)
            && cluster.primary_of(first) != Some(second)
        {
            cluster.follow(first, Some(second));
        }
    }
}
