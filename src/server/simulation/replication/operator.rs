//! Who watches over the servers as Sentinel does: promotes the replica that is furthest ahead when the primary is gone, and makes
//! whoever comes back a replica.

use super::cluster::Cluster;
use super::laws::marker;
use super::writers::Marked;

/// What the operator knows.
pub struct Operator {
    pub primary: usize,
    /// Writes that all replicas had, which are to be found on every primary from now on.
    kept: Vec<Marked>,
    /// When data were lost by a restart that nobody could help.
    lost_at: u64,
    /// The primary has crashed, and has not started again.
    is_primary_down: bool,
    pub failovers: u64,
}

impl Operator {
    pub fn new(primary: usize) -> Self {
        Self { primary, kept: Vec::new(), lost_at: 0, is_primary_down: false, failovers: 0 }
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
    }

    /// Looks whether the primary was restarted from older data, and goes on with them.
    pub fn note_starts(&mut self, cluster: &Cluster) {
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

    /// The replicas of the primary that may be promoted: those that are up.
    fn best_replica(&self, cluster: &Cluster) -> Option<usize> {
        let others = (0..cluster.nodes.len()).filter(|node| *node != self.primary && cluster.is_up(*node));
        let replicas = others.filter(|node| cluster.primary_of(*node).is_some());
        replicas.max_by_key(|node| {
            let executor = cluster.nodes[*node].executor();
            // One without data of the history in question was never in sync.
            (executor.history().offset() > 0, executor.history().offset())
        })
    }

    /// Promotes the best replica, if there is one.
    pub fn fail_over(&mut self, cluster: &mut Cluster) -> Result<(), String> {
        let Some(best) = self.best_replica(cluster) else { return Ok(()) };
        cluster.follow(best, None);
        self.primary = best;
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
