use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::inner::INNER_MAX;
use super::leaf::LEAF_MAX;
use super::tree::{Node, NodeCounts, Probe};
use super::*;
use crate::stdx::alone::is_alone;
use crate::structures::Part;
use crate::structures::{share_blocks, unshare_blocks};

impl Member for &'static str {
    fn member(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Members that live as long as the tests; their byte order is not their numbers' order.
static MEMBERS: LazyLock<Vec<String>> = LazyLock::new(|| (0..200_000).map(|n| format!("{n}")).collect());

fn member(n: usize) -> &'static str {
    &MEMBERS[n]
}

type Model = Vec<(f64, &'static str)>;

fn place(model: &Model, score: f64, member: &str) -> Result<usize, usize> {
    model.binary_search_by(|&(s, m)| s.total_cmp(&score).then(m.cmp(member)))
}

/// Checks what the nodes rely on, and returns how many there are.
fn check(tree: &OrderTree<&'static str>) {
    fn walk(node: &Node<&'static str>, depth: usize, depths: &mut Vec<usize>, size: &mut NodeCounts) -> usize {
        assert!(node.fill() > 0);
        match node {
            Node::Leaf(leaf) => {
                assert!(leaf.len() <= LEAF_MAX);
                depths.push(depth);
                size.leaves += 1;
                leaf.len()
            }
            Node::Inner(inner) => {
                size.inners += 1;
                assert!(inner.len() <= INNER_MAX);
                let mut total = 0;
                for index in 0..inner.len() {
                    let child = inner.child(index);
                    assert_eq!(inner.count_before(index), total);
                    total += walk(child, depth + 1, depths, size);
                }
                assert_eq!(inner.count_before(inner.len()), total);
                for index in 0..inner.len() {
                    let lowest = inner.child(index).lowest();
                    let probe = Probe { score: lowest.score, member: lowest.handle.as_bytes() };
                    assert_eq!(inner.child_for(probe), index, "the lowest pair leads to its child");
                }
                total
            }
        }
    }
    let (mut depths, mut size) = (Vec::new(), NodeCounts::default());
    let total = tree.root.as_ref().map_or(0, |root| walk(root, 0, &mut depths, &mut size));
    assert_eq!(total, tree.len());
    assert_eq!(size, tree.size);
    assert!(depths.iter().all(|&depth| depth == depths[0]), "all leaves lie equally deep");
    assert!(tree.iter().is_sorted_by(|a, b| a.0 < b.0 || a.0 == b.0 && a.1 < b.1));
}

fn assert_same(tree: &OrderTree<&'static str>, model: &Model) {
    check(tree);
    assert_eq!(tree.len(), model.len());
    assert!(tree.iter().eq(model.iter().copied()));
    assert!(tree.iter().rev().eq(model.iter().rev().copied()));
}

#[test]
fn pairs_come_back_in_order_however_they_came_in() {
    let n = 20_000;
    let mut shuffled: Vec<usize> = (0..n).collect();
    fastrand::Rng::with_seed(5).shuffle(&mut shuffled);
    for order in [(0..n).collect::<Vec<_>>(), (0..n).rev().collect(), shuffled] {
        let mut tree = OrderTree::new();
        for &i in &order {
            tree.insert(i as f64, member(i));
        }
        check(&tree);
        assert!(tree.iter().map(|(score, _)| score).eq((0..n).map(|i| i as f64)));
        for i in (0..n).step_by(7) {
            assert_eq!(tree.rank(i as f64, member(i).as_bytes()), Some(i));
            assert_eq!(tree.at(i), Some((i as f64, member(i))));
        }
        for &i in &order {
            assert_eq!(tree.remove(i as f64, member(i).as_bytes()), Some(member(i)));
        }
        assert!(tree.is_empty());
        assert_eq!(tree.heap_bytes(), 0);
    }
}

#[test]
fn pairs_that_come_in_order_fill_their_leaves() {
    let n = 63 * 100;
    let mut up = OrderTree::new();
    let mut down = OrderTree::new();
    for i in 0..n {
        up.insert(i as f64, member(i));
        down.insert(-(i as f64), member(i));
    }
    assert_eq!(up.size.leaves, 100);
    assert_eq!(down.size.leaves, 100);
    check(&up);
    check(&down);
}

#[test]
fn equal_scores_are_ordered_by_member_bytes() {
    let mut tree = OrderTree::new();
    for i in 0..1_000 {
        tree.insert(1.5, member(i));
    }
    let mut members: Vec<_> = (0..1_000).map(member).collect();
    members.sort_unstable();
    assert!(tree.iter().map(|(_, member)| member).eq(members.iter().copied()));
    let range = tree.lex_range(Bound::Included(b"20"), Bound::Excluded(b"21"));
    let expected = members.iter().filter(|member| (b"20".as_slice()..b"21").contains(&member.as_bytes())).count();
    assert_eq!(range.len(), expected);
    assert_eq!(tree.at(range.start), Some((1.5, "20")));
    assert_eq!(tree.lex_range(Bound::Excluded(b"20"), Bound::Unbounded).start, range.start + 1);
    assert_eq!(tree.lex_range(Bound::Included(b"5"), Bound::Included(b"3")).len(), 0);
}

#[test]
fn minus_zero_and_infinities_are_ordinary_scores() {
    let mut tree = OrderTree::new();
    tree.insert(f64::INFINITY, "inf");
    tree.insert(f64::NEG_INFINITY, "-inf");
    tree.insert(0.0, "zero");
    tree.insert(-0.0, "minus zero");
    let members: Vec<_> = tree.iter().map(|(_, member)| member).collect();
    assert_eq!(members, ["-inf", "minus zero", "zero", "inf"]);
    assert_eq!(tree.rank(-0.0, b"zero"), Some(2));
    assert_eq!(tree.score_range(Bound::Included(0.0), Bound::Excluded(f64::INFINITY)), 1..3);
}

#[test]
fn score_that_stays_between_its_neighbours_is_written_in_place() {
    let pairs: Model = (0..1_000).map(|i| (i as f64 * 10.0, member(i))).collect();
    let mut tree = OrderTree::from_sorted(&pairs);
    assert!(tree.update_score(5_000.0, b"500", 5_001.0, "500"));
    assert!(tree.update_score(5_001.0, b"500", 0.5, "500"));
    assert_eq!(tree.rank(0.5, b"500"), Some(1));
    assert!(!tree.update_score(5_001.0, b"500", 3.0, "500"));
    assert!(!tree.update_score(5_000.0, b"other", 3.0, "other"));
    check(&tree);
}

#[test]
fn handle_can_be_replaced_everywhere_it_stands() {
    let pairs: Model = (0..10_000).map(|i| (i as f64, member(i))).collect();
    let mut tree = OrderTree::from_sorted(&pairs);
    for i in 0..10_000 {
        let copy: &'static str = format!("{i}").leak();
        assert!(tree.replace_handle(i as f64, copy.as_bytes(), copy));
        assert!(std::ptr::eq(tree.at(i).unwrap().1, copy));
    }
    // No node may still hold one of the old handles.
    fn walk(node: &Node<&'static str>) {
        if let Node::Inner(inner) = node {
            for index in 0..inner.len() {
                let lowest = inner.child(index).lowest();
                assert!(inner.last_child_while(|pair| pair.score <= lowest.score) == Some(index));
                walk(inner.child(index));
            }
            assert!(!MEMBERS.iter().take(10_000).any(|old| std::ptr::eq(old.as_str(), inner.lowest().handle)));
        }
    }
    walk(tree.root.as_ref().unwrap());
    assert!(!tree.replace_handle(3.5, b"3", member(3)));
}

#[test]
fn ranges_are_removed_whole_and_handed_over_in_order() {
    let pairs: Model = (0..50_000).map(|i| (i as f64, member(i))).collect();
    for range in [0..50_000, 0..1, 49_999..50_000, 100..49_900, 12_345..12_400, 40_000..60_000, 7..7] {
        let mut tree = OrderTree::from_sorted(&pairs);
        let mut removed = Vec::new();
        tree.remove_range(range.clone(), |score, member| removed.push((score, member)));
        let mut model = pairs.clone();
        let expected: Vec<_> = model.drain(range.start..range.end.min(50_000)).collect();
        assert_eq!(removed, expected);
        assert_same(&tree, &model);
    }
}

#[test]
fn trees_built_at_once_are_sound_at_every_size() {
    for n in (0..300).chain([3_000, 3_135, 3_136, 3_137, 200_000]) {
        let mut pairs: Model = (0..n).map(|i| ((i / 3) as f64, member(i))).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        let mut tree = OrderTree::from_sorted(&pairs);
        assert_same(&tree, &pairs);
        if n > 0 {
            assert_eq!(tree.remove(pairs[0].0, pairs[0].1.as_bytes()), Some(pairs[0].1));
            tree.insert(-1.0, pairs[0].1);
            check(&tree);
        }
    }
}

#[test]
fn random_pairs_reach_every_pair() {
    let mut rng = fastrand::Rng::with_seed(11);
    let pairs: Model = (0..100).map(|i| (i as f64, member(i))).collect();
    let tree = OrderTree::from_sorted(&pairs);
    let seen: BTreeSet<_> = (0..3_000).map(|_| tree.random(&mut rng).unwrap().1).collect();
    assert_eq!(seen.len(), 100);
    assert_eq!(OrderTree::<&'static str>::new().random(&mut rng), None);
}

#[test]
fn range_can_be_entered_anywhere_and_left_anywhere() {
    let pairs: Model = (0..1_000).map(|i| (i as f64, member(i))).collect();
    let tree = OrderTree::from_sorted(&pairs);
    let mut range = tree.range(100..900);
    assert_eq!(range.len(), 800);
    assert_eq!(range.next(), Some(pairs[100]));
    assert_eq!(range.next_back(), Some(pairs[899]));
    assert_eq!(range.nth(98), Some(pairs[199]));
    assert_eq!(range.nth_back(98), Some(pairs[800]));
    assert_eq!(range.len(), 600);
    assert!(range.eq(pairs[200..800].iter().copied()));
    assert_eq!(tree.range(990..2_000).len(), 10);
    assert_eq!(tree.range(2_000..3_000).next(), None);
    assert_eq!(tree.range(5..900).nth(10_000), None);
}

/// Whether no child sees the nodes from the root to the pair.
fn is_private(tree: &OrderTree<&'static str>, score: f64, member: &str) -> bool {
    let Some(mut node) = tree.root.as_ref() else { return true };
    loop {
        match node {
            Node::Leaf(leaf) => return !leaf.is_shared(),
            Node::Inner(inner) if inner.is_shared() => return false,
            Node::Inner(inner) => node = inner.child(inner.child_for(Probe { score, member: member.as_bytes() })),
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "blocks are the global allocator's there, and none is shared")]
fn nodes_that_a_child_sees_are_left_on_the_way_to_a_change_and_no_others() {
    if !is_alone(module_path!(), "nodes_that_a_child_sees_are_left_on_the_way_to_a_change_and_no_others") {
        return;
    }
    let pairs: Model = (0..10_000).map(|i| (i as f64 * 10.0, member(i))).collect();
    let mut tree = OrderTree::from_sorted(&pairs);
    share_blocks();
    assert!(tree.update_score(5_000.0, b"500", 5_001.0, "500"));
    assert!(is_private(&tree, 5_001.0, "500") && !is_private(&tree, 50.0, "5"));
    tree.insert(51.0, member(20_000));
    assert!(is_private(&tree, 51.0, member(20_000)) && !is_private(&tree, 90_000.0, "9000"));
    assert_eq!(tree.remove(90_000.0, b"9000"), Some("9000"));
    assert!(is_private(&tree, 90_010.0, "9001") && !is_private(&tree, 70_000.0, "7000"));
    tree.remove_range(7_000..7_001, |_, _| {});
    assert!(is_private(&tree, 70_010.0, "7001"));
    check(&tree);
    unshare_blocks();
}

thread_local! {
    static ALIVE: RefCell<Vec<bool>> = RefCell::new(vec![false; 200_000]);
}

/// A handle of a member, which is no good any more as soon as its pair has been taken out or got another one.
#[derive(Clone, Copy)]
struct Mortal {
    member: u32,
    number: u32,
}

fn is_alive(n: u32) -> bool {
    ALIVE.with_borrow(|alive| alive[n as usize])
}

fn set_alive(n: u32, yes: bool) {
    ALIVE.with_borrow_mut(|alive| alive[n as usize] = yes);
}

impl Member for Mortal {
    fn member(&self) -> &[u8] {
        assert!(is_alive(self.number), "the member of a removed handle is gone");
        MEMBERS[self.member as usize].as_bytes()
    }
}

#[test]
fn removed_handles_are_never_followed() {
    let mut rng = fastrand::Rng::with_seed(9);
    let mut tree: OrderTree<Mortal> = OrderTree::new();
    let mut pairs: Vec<(f64, Mortal)> = Vec::new();
    // Numbers of handles of members that have moved.
    let mut next = 60_000;
    for round in 0..60_000u32 {
        if round % 5_000 == 0 {
            share_blocks();
        }
        if round % 5_000 == 2_500 {
            unshare_blocks();
        }
        // The tree grows in the first third and shrinks in the rest.
        let insert_percent = if round < 20_000 { 70 } else { 30 };
        match rng.u32(..100) {
            percent if percent < insert_percent || pairs.is_empty() => {
                let score = f64::from(rng.u32(..40));
                set_alive(round, true);
                let handle = Mortal { member: round, number: round };
                tree.insert(score, handle);
                pairs.push((score, handle));
            }
            99 => {
                let start = rng.usize(..tree.len());
                tree.remove_range(start..start + 20, |_, handle| set_alive(handle.number, false));
                pairs.retain(|&(_, handle)| is_alive(handle.number));
            }
            90..92 => {
                let mut kept = Part::of(0);
                let behind = tree.evacuate_leaf(rng.usize(..tree.len()), &mut kept, |handle, _| {
                    let pair = pairs.iter_mut().find(|(_, other)| other.number == handle.number).expect("it is there");
                    set_alive(next, true);
                    set_alive(handle.number, false);
                    handle.number = next;
                    pair.1 = *handle;
                    next += 1;
                });
                assert!(behind <= tree.len());
            }
            92..99 => {
                let (score, handle) = &mut pairs[rng.usize(..tree.len())];
                let new = f64::from(rng.u32(..40)) + 0.5;
                let moved = Mortal { number: round, ..*handle };
                set_alive(round, true);
                assert!(tree.update_score(*score, member(handle.member as usize).as_bytes(), new, moved));
                set_alive(handle.number, false);
                (*score, *handle) = (new, moved);
            }
            _ => {
                let (score, handle) = pairs.swap_remove(rng.usize(..pairs.len()));
                assert!(tree.remove(score, member(handle.member as usize).as_bytes()).is_some());
                set_alive(handle.number, false);
            }
        }
        assert_eq!(tree.len(), pairs.len());
        assert!(round != 20_000 || tree.size.inners > 1);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(f64, usize),
    Remove(usize),
    Update(usize, f64),
    RemoveRange(usize, usize),
    Fork,
    ChildEnds,
    Evacuate,
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![(-20i32..20).prop_map(f64::from), -1e6..1e6, Just(f64::INFINITY), Just(f64::NEG_INFINITY)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (score(), 0usize..100_000).prop_map(|(score, n)| Step::Insert(score, n)),
        3 => any::<usize>().prop_map(Step::Remove),
        3 => (any::<usize>(), score()).prop_map(|(at, score)| Step::Update(at, score)),
        1 => (any::<usize>(), 0usize..40).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        1 => Just(Step::Fork),
        1 => Just(Step::ChildEnds),
        1 => Just(Step::Evacuate),
    ]
}

fn apply(step: Step, tree: &mut OrderTree<&'static str>, model: &mut Model) {
    match step {
        Step::Insert(score, n) => {
            if let Err(index) = place(model, score, member(n)) {
                assert_eq!(tree.rank(score, member(n).as_bytes()), None);
                model.insert(index, (score, member(n)));
                tree.insert(score, member(n));
                assert_eq!(tree.rank(score, member(n).as_bytes()), Some(index));
            }
        }
        Step::Fork => share_blocks(),
        Step::ChildEnds => unshare_blocks(),
        Step::Evacuate => {
            let (mut rank, mut changed, mut part) = (0, Vec::new(), Part::moving_all(0));
            while rank < tree.len() {
                rank = tree.evacuate_leaf(rank, &mut part, |handle, _| changed.push(*handle));
            }
            assert!(model.iter().map(|(_, member)| *member).eq(changed));
            assert_eq!(part.moved as usize, tree.size.leaves + tree.size.inners, "each node has moved once");
        }
        _ if model.is_empty() => {}
        Step::Remove(at) => {
            let (score, member) = model.remove(at % model.len());
            assert_eq!(tree.remove(score, member.as_bytes()), Some(member));
            assert_eq!(tree.remove(score, member.as_bytes()), None);
        }
        Step::Update(at, new) => {
            let (old, member) = model[at % model.len()];
            if place(model, new, member).is_err() {
                model.remove(at % model.len());
                let index = place(model, new, member).unwrap_err();
                model.insert(index, (new, member));
                assert!(tree.update_score(old, member.as_bytes(), new, member));
                assert_eq!(tree.rank(new, member.as_bytes()), Some(index));
            }
        }
        Step::RemoveRange(at, count) => {
            let start = at % model.len();
            let end = (start + count).min(model.len());
            let mut removed = Vec::new();
            tree.remove_range(start..end, |score, member| removed.push((score, member)));
            assert_eq!(removed, model.drain(start..end).collect::<Vec<_>>());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 40 }))]

    #[test]
    fn tree_behaves_like_a_sorted_vector(
        start in 0usize..20_000,
        steps in proptest::collection::vec(step(), 1..400),
        bounds in proptest::collection::vec((score(), any::<bool>(), any::<bool>()), 8),
    ) {
        let mut model: Model = (0..start).map(|n| ((n % 50) as f64, member(100_000 + n))).collect();
        model.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        let mut tree = OrderTree::from_sorted(&model);
        for step in steps {
            apply(step, &mut tree, &mut model);
        }
        assert_same(&tree, &model);
        for pair in bounds.windows(2) {
            let bound = |(score, included, unbounded): (f64, bool, bool)| match (included, unbounded) {
                (_, true) => Bound::Unbounded,
                (true, _) => Bound::Included(score),
                (false, _) => Bound::Excluded(score),
            };
            let (min, max) = (bound(pair[0]), bound(pair[1]));
            let inside = |score: f64| {
                (match min {
                    Bound::Unbounded => true,
                    Bound::Included(min) => score >= min,
                    Bound::Excluded(min) => score > min,
                }) && (match max {
                    Bound::Unbounded => true,
                    Bound::Included(max) => score <= max,
                    Bound::Excluded(max) => score < max,
                })
            };
            let ranks = tree.score_range(min, max);
            let expected: Vec<_> = model.iter().copied().filter(|&(score, _)| inside(score)).collect();
            prop_assert!(tree.range(ranks.clone()).eq(expected.iter().copied()));
            prop_assert!(tree.range(ranks).rev().eq(expected.iter().rev().copied()));
        }
    }

    #[test]
    fn churn_keeps_leaves_reasonably_full(seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut tree = OrderTree::new();
        let mut model: Model = Vec::new();
        for n in 0..6_000 {
            let score = f64::from(rng.i32(-1_000..1_000));
            tree.insert(score, member(n));
            model.push((score, member(n)));
        }
        rng.shuffle(&mut model);
        for (score, member) in model.drain(500..) {
            tree.remove(score, member.as_bytes());
        }
        model.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        assert_same(&tree, &model);
        prop_assert!(tree.size.leaves <= 500 / 16, "{:?}", tree.size);
    }
}
