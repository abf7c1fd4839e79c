use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::*;
use crate::stdx::alone::is_alone;
use crate::structures::{evacuate_all, share_blocks, unshare_blocks};

const SEED: HashSeed = HashSeed { k0: 1, k1: 2 };

fn pairs(set: &ScoredSet) -> Vec<(Vec<u8>, f64)> {
    set.iter().map(|(member, score)| (member.to_vec(), score)).collect()
}

fn in_order(model: &BTreeMap<Vec<u8>, f64>) -> Vec<(Vec<u8>, f64)> {
    let mut sorted: Vec<_> = model.iter().map(|(member, &score)| (member.clone(), score)).collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    sorted
}

#[test]
fn builder_takes_any_order_and_refuses_a_member_that_comes_twice() {
    for scores in [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [2.0, 1.0, 3.0]] {
        let mut builder = ScoredSetBuilder::with_capacity(SEED, 3);
        for (index, score) in scores.into_iter().enumerate() {
            assert!(builder.push(format!("m{index}").as_bytes(), score));
        }
        assert!(!builder.push(b"m0", 9.0));
        let set = builder.finish();
        assert_eq!(set.iter().map(|(_, score)| score).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        assert_eq!(set.clone(), set);
    }
}

#[test]
fn scan_and_random_reach_members_of_the_set() {
    let mut set = ScoredSet::new(SEED);
    for n in 0..100 {
        set.upsert(format!("m{n}").as_bytes(), |_| Some(f64::from(n)));
    }
    let mut seen = BTreeMap::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, |member, score| {
            seen.insert(member.to_vec(), score);
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(in_order(&seen), pairs(&set));
    let (member, score) = set.random(&mut fastrand::Rng::with_seed(1)).expect("the set is not empty");
    assert_eq!(set.score(member), Some(score));
    assert!(set.heap_bytes(5) > 100 * 12);
}

#[test]
fn infinities_and_both_zeros_have_their_places() {
    let mut set = ScoredSet::new(SEED);
    for (member, score) in [("a", f64::INFINITY), ("b", 0.0), ("c", f64::NEG_INFINITY), ("d", -0.0)] {
        set.upsert(member.as_bytes(), |_| Some(score));
    }
    assert_eq!(set.iter().map(|(member, _)| member[0]).collect::<Vec<_>>(), *b"cbda");
    assert_eq!(set.score_range(Bound::Included(0.0), Bound::Included(-0.0)), 1..3);
    assert_eq!(set.remove(b"b"), Some(0.0));
    assert_eq!(set.rank(b"d"), Some((1, -0.0)));
}

#[test]
#[cfg_attr(miri, ignore = "blocks are the global allocator's there, and none is shared")]
fn a_member_that_a_child_sees_gets_its_new_score_in_another_block() {
    if !is_alone(module_path!(), "a_member_that_a_child_sees_gets_its_new_score_in_another_block") {
        return;
    }
    let mut set = ScoredSet::new(SEED);
    for n in 0..1_000 {
        set.upsert(format!("m{n}").as_bytes(), |_| Some(f64::from(n)));
    }
    share_blocks();
    for (member, score) in [("m500", 500.5), ("m0", -1.0), ("m999", 1.5)] {
        let is_shared = |set: &ScoredSet| set.members.find(member.as_bytes()).is_some_and(ScoredMember::is_shared);
        assert!(is_shared(&set));
        set.upsert(member.as_bytes(), |old| old);
        assert!(is_shared(&set), "nothing has changed");
        set.upsert(member.as_bytes(), |_| Some(score));
        assert!(!is_shared(&set));
        let (rank, found) = set.rank(member.as_bytes()).expect("the member is there");
        assert_eq!(found, score);
        assert_eq!(set.range(rank..rank + 1).next(), Some((member.as_bytes(), score)));
    }
    unshare_blocks();
}

proptest! {
    #[test]
    fn any_series_of_changes_keeps_table_and_order_alike(
        steps in proptest::collection::vec((0u8..8, 0u16..200, -5i8..5), 1..400),
    ) {
        let mut set = ScoredSet::new(SEED);
        let mut model = BTreeMap::new();
        for (kind, member, score) in steps {
            let member = format!("{member}").into_bytes();
            let score = f64::from(score);
            match kind {
                0..=2 => {
                    let upserted = set.upsert(&member, |_| Some(score));
                    prop_assert_eq!(upserted.old, model.insert(member, score));
                }
                3 => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                4 => share_blocks(),
                5 => unshare_blocks(),
                6 => {
                    let (moved, parts) = evacuate_all(&mut set, usize::from(score > 0.0) * 1_000);
                    prop_assert!(moved as usize > set.len() || set.is_empty(), "members and nodes");
                    prop_assert!(score > 0.0 || parts >= set.len() / 63);
                }
                _ => {
                    let ranks = set.score_range(Bound::Included(score), Bound::Excluded(score + 2.0));
                    let expected = in_order(&model)[ranks.clone()].to_vec();
                    prop_assert_eq!(set.remove_range(ranks), expected.len());
                    for (member, _) in expected {
                        model.remove(&member);
                    }
                }
            }
            prop_assert_eq!(set.len(), model.len());
        }
        let expected = in_order(&model);
        prop_assert_eq!(&pairs(&set), &expected);
        for (rank, (member, score)) in expected.iter().enumerate() {
            prop_assert_eq!(set.rank(member), Some((rank, *score)));
        }
    }
}
