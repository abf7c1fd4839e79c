//! What must hold of servers that replicate.

use super::cluster::Cluster;
use super::node::Node;
use crate::server::simulation::compare;

/// The two keys that are always written together.
pub const TOGETHER: [&str; 2] = ["together:1", "together:2"];

/// A key whose writer waits until all replicas have it.
pub fn marker(number: u64) -> String {
    format!("marker:{number}")
}

/// Servers with the same name of the history and as many bytes of its stream hold the same data.
pub fn check_equal_positions(cluster: &Cluster) -> Result<(), String> {
    let up: Vec<&Node> = cluster.nodes.iter().filter(|node| node.is_up).collect();
    for (at, first) in up.iter().enumerate() {
        for second in &up[at + 1..] {
            let [one, other] = [first, second].map(|node| node.executor().history());
            if (one.id(), one.offset()) == (other.id(), other.offset()) {
                check_equal(first, second)?;
            }
        }
    }
    Ok(())
}

/// Two servers hold the same data.
pub fn check_equal(first: &Node, second: &Node) -> Result<(), String> {
    let names = format!("nodes {} and {}", first.index, second.index);
    let [one, other] = [first, second].map(Node::executor);
    if let Some(difference) = compare::difference(&one.keyspace, &other.keyspace) {
        return Err(format!("{names} differ: {difference}"));
    }
    if one.library_texts() != other.library_texts() {
        return Err(format!("{names} have other libraries"));
    }
    Ok(())
}

/// Nobody holds one part of a transaction without the other.
pub fn check_transactions(cluster: &Cluster) -> Result<(), String> {
    for node in cluster.nodes.iter().filter(|node| node.is_up) {
        let [first, second] = TOGETHER.map(|key| node.value(key));
        if first != second {
            return Err(format!("node {} has half a transaction: {first:?} and {second:?}", node.index));
        }
    }
    Ok(())
}

impl Node {
    /// The string at a key of the first database.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        let entry = self.executor().keyspace.db(0).peek(key.as_bytes())?;
        match entry.value() {
            crate::types::ValueRef::String(string) => Some(string.with_bytes(<[u8]>::to_vec)),
            _ => None,
        }
    }
}
