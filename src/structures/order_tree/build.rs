//! Building a tree at once from pairs in order.

use super::inner::{INNER_MAX, Inner};
use super::leaf::{LEAF_MAX, Leaf};
use super::tree::{Member, Node, NodeCounts, OrderTree};
use crate::structures::pool_box::PoolBox;

impl<H: Member> OrderTree<H> {
    /// Builds a tree from pairs in strictly ascending order. Its nodes are nearly full.
    pub fn from_sorted(pairs: &[(f64, H)]) -> Self {
        debug_assert!(
            pairs.is_sorted_by(|a, b| a.0 < b.0 || a.0 == b.0 && a.1.member() < b.1.member()),
            "pairs ascend"
        );
        assert!(pairs.len() < u32::MAX as usize, "an order tree holds less than 2^32 pairs");
        let mut size = NodeCounts::default();
        let mut level = Vec::new();
        let mut rest = pairs;
        for part in even_parts(pairs.len(), LEAF_MAX - LEAF_MAX / 8) {
            let (leaf, behind) = rest.split_at(part);
            level.push(Node::Leaf(PoolBox::new(Leaf::of_all(leaf))));
            rest = behind;
        }
        size.leaves = level.len();
        while level.len() > 1 {
            let parts = even_parts(level.len(), INNER_MAX - INNER_MAX / 8);
            let mut children = level.into_iter();
            level = parts
                .map(|part| Node::Inner(PoolBox::new(Inner::of(children.by_ref().take(part).collect()))))
                .collect();
            size.inners += level.len();
        }
        Self { root: level.pop(), len: pairs.len(), size }
    }
}

/// The sizes of the fewest parts of at most `most` that make up `total`, differing by one at most.
fn even_parts(total: usize, most: usize) -> impl Iterator<Item = usize> {
    let parts = total.div_ceil(most);
    (0..parts).map(move |part| (total + part) / parts)
}
