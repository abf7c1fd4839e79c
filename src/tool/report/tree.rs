//! Counts by all prefixes of keys, as a tree that cannot outgrow its bound: what the flame graph shows.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use memchr::memmem::Finder;

use super::gather::Totals;

/// Prefixes that are held.
const NODES_MAX: usize = 50_000;

/// Parts of a key that are counted apart. What is deeper counts for these.
const DEPTH_MAX: usize = 12;

/// A longer part is cut here.
const PART_BYTES_MAX: usize = 64;

/// A prefix, and what it is continued by.
#[derive(Default)]
pub struct Node {
    pub totals: Totals,
    /// By the next part of the key, the separator behind it.
    children: BTreeMap<Box<[u8]>, Self>,
}

pub struct Tree {
    separator: Finder<'static>,
    pub root: Node,
    nodes: usize,
    nodes_max: usize,
}

impl Tree {
    pub fn new(separator: &[u8]) -> Self {
        Self { separator: Finder::new(separator).into_owned(), root: Node::default(), nodes: 0, nodes_max: NODES_MAX }
    }

    /// Counts an entry for every prefix of its key that ends with the separator.
    pub fn add(&mut self, key: &[u8], totals: &Totals) {
        let width = self.separator.needle().len();
        let mut node = &mut self.root;
        node.totals.add(totals);
        let mut from = 0;
        for at in self.separator.find_iter(key).take(DEPTH_MAX) {
            let part = key.get(from..at + width).unwrap_or_default();
            let part = part.get(..PART_BYTES_MAX).unwrap_or(part);
            from = at + width;
            if !node.children.contains_key(part) {
                node.children.insert(Box::from(part), Node::default());
                self.nodes += 1;
            }
            let Some(child) = node.children.get_mut(part) else { break };
            child.totals.add(totals);
            node = child;
        }
        if self.nodes > self.nodes_max {
            self.prune();
        }
    }

    /// Drops the smaller half; what is dropped still counts for the prefixes above it.
    fn prune(&mut self) {
        let mut amounts = Vec::with_capacity(self.nodes);
        self.root.amounts(&mut amounts);
        let middle = amounts.len() / 2;
        let (_, median, _) = amounts.select_nth_unstable(middle);
        let median = *median;
        self.root.drop_up_to(median);
        self.nodes = self.root.descendants();
    }
}

impl Node {
    /// How much of the graph a prefix takes.
    pub fn amount(&self) -> u64 {
        self.totals.memory
    }

    fn amounts(&self, into: &mut Vec<u64>) {
        for child in self.children.values() {
            into.push(child.amount());
            child.amounts(into);
        }
    }

    fn drop_up_to(&mut self, amount: u64) {
        self.children.retain(|_, child| child.amount() > amount);
        self.children.values_mut().for_each(|child| child.drop_up_to(amount));
    }

    fn descendants(&self) -> usize {
        self.children.values().map(|child| 1 + child.descendants()).sum()
    }

    /// The parts that follow, those with the most memory first.
    pub fn largest(&self) -> Vec<(&[u8], &Self)> {
        let mut all: Vec<_> = self.children.iter().map(|(part, child)| (part.as_ref(), child)).collect();
        all.sort_by_key(|(_, child)| Reverse(child.amount()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(memory: u64) -> Totals {
        Totals { keys: 1, memory, ..Totals::default() }
    }

    #[test]
    fn every_prefix_counts_what_is_below_it() {
        let mut tree = Tree::new(b":");
        for (key, memory) in [("user:1:name", 10), ("user:1:mail", 20), ("user:2", 30), ("plain", 5), ("shop::x", 1)] {
            tree.add(key.as_bytes(), &one(memory));
        }
        assert_eq!((tree.root.totals.keys, tree.root.amount()), (5, 66));
        let first: Vec<_> = tree.root.largest().iter().map(|(part, node)| (*part, node.amount())).collect();
        assert_eq!(first, [(&b"user:"[..], 60), (b"shop:", 1)]);
        let (_, user) = tree.root.largest()[0];
        let second: Vec<_> = user.largest().iter().map(|(part, node)| (*part, node.amount())).collect();
        assert_eq!(second, [(&b"1:"[..], 30)]);
        assert_eq!(tree.root.largest()[1].1.largest()[0].0, b":");
    }

    #[test]
    fn tree_keeps_the_large_prefixes_within_its_bound() {
        let mut tree = Tree::new(b":");
        tree.nodes_max = 1000;
        for number in 0..20_000 {
            tree.add(format!("session:{number}:x").as_bytes(), &one(1));
            tree.add(b"large:part:x", &one(3));
        }
        assert!(tree.nodes <= 1001 && tree.root.descendants() == tree.nodes);
        assert_eq!(tree.root.amount(), 80_000);
        let parts: Vec<_> = tree.root.largest().iter().map(|(part, node)| (*part, node.amount())).collect();
        assert_eq!(parts, [(&b"large:"[..], 60_000), (b"session:", 20_000)]);
        let deep = format!("{}x", "a:".repeat(1000));
        tree.add(deep.as_bytes(), &one(1_000_000));
        assert!(tree.root.descendants() < 1020);
    }
}
