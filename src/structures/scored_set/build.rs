//! Building a set at once from its pairs, which is many times cheaper than inserting them one by one.

use super::ScoredSet;
use super::member::{MemberRef, ScoredMember};
use crate::stdx::HashSeed;
use crate::structures::dict::{Dict, Slot};
use crate::structures::order_tree::{Member as _, OrderTree};

/// Gathers the pairs of a set, in any order.
pub struct ScoredSetBuilder {
    members: Dict<ScoredMember>,
    pairs: Vec<(f64, MemberRef)>,
}

impl ScoredSetBuilder {
    pub fn with_capacity(seed: HashSeed, members: usize) -> Self {
        let mut builder = Self { members: Dict::new(seed), pairs: Vec::with_capacity(members) };
        builder.members.reserve(members);
        builder
    }

    /// Adds a pair; false, and nothing else, when the member is there already.
    #[expect(unsafe_code, reason = "the pairs name blocks that the table owns")]
    pub fn push(&mut self, member: &[u8], score: f64) -> bool {
        debug_assert!(!score.is_nan(), "a score is a number");
        let hash = self.members.hash(member);
        let Slot::Vacant(slot) = self.members.entry_hashed(hash, member) else { return false };
        let block = slot.insert(ScoredMember::new(member, score));
        // SAFETY: no block goes as long as there is a builder, nor while it becomes a set.
        self.pairs.push((score, unsafe { block.reference() }));
        true
    }

    /// Puts the pairs in order, if they are not yet in it or in the opposite one.
    pub fn finish(self) -> ScoredSet {
        let Self { members, mut pairs } = self;
        if pairs.len() > 1 && !pairs.is_sorted_by(ascends) {
            if pairs.is_sorted_by(|a, b| ascends(b, a)) {
                pairs.reverse();
            } else {
                pairs.sort_unstable_by(|a, b| {
                    let by_score = a.0.partial_cmp(&b.0).expect("a score is a number");
                    by_score.then_with(|| a.1.member().cmp(b.1.member()))
                });
            }
        }
        ScoredSet { members, order: OrderTree::from_sorted(&pairs) }
    }
}

fn ascends(a: &(f64, MemberRef), b: &(f64, MemberRef)) -> bool {
    a.0 < b.0 || (a.0 == b.0 && a.1.member() < b.1.member())
}
