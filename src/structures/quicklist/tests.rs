use std::collections::VecDeque;

use proptest::prelude::*;

use super::node::Node;
use super::*;
use crate::structures::listpack::{Entry, Listpack, validate};
use crate::structures::{evacuate_all, share_blocks, unshare_blocks};

/// Writes runs as (length, byte): shorter for the runs that these tests use, longer for anything else.
struct RunLength;

impl NodeCodec for RunLength {
    fn compress(raw: &[u8]) -> Option<Vec<u8>> {
        let runs = raw.chunk_by(|a, b| a == b).flat_map(|run| run.chunks(255));
        let out: Vec<u8> = runs.flat_map(|run| [run.len() as u8, run[0]]).collect();
        (out.len() < raw.len()).then_some(out)
    }

    fn decompress(compressed: &[u8], raw_len: usize) -> Option<Vec<u8>> {
        let raw: Vec<u8> =
            compressed.as_chunks::<2>().0.iter().flat_map(|&[len, byte]| vec![byte; len.into()]).collect();
        (raw.len() == raw_len).then_some(raw)
    }
}

type List = Quicklist<RunLength>;
type Model = VecDeque<Vec<u8>>;

const ROOMY: Limits = Limits { fill: -2, compress_depth: 0, packed_threshold: 1 << 30 };

fn limits(fill: i32, compress_depth: usize, packed_threshold: usize) -> Limits {
    Limits { fill, compress_depth, packed_threshold }
}

fn numbers(n: usize, limits: Limits) -> List {
    let mut list = List::new(limits);
    list.extend((0..n).map(|i| i as i64));
    list
}

fn contents(list: &List, direction: Direction) -> Vec<Vec<u8>> {
    let mut iter = list.iter(direction);
    let mut all = Vec::new();
    while let Some(entry) = iter.advance() {
        all.push(entry.to_vec());
    }
    all
}

fn check(list: &List) {
    let (nodes, limits) = (list.nodes.len(), list.limits);
    assert_eq!(list.counts.len(), nodes);
    assert_eq!(list.counts.iter().map(|&count| count as usize).sum::<usize>(), list.len());
    for (index, node) in list.nodes.iter().enumerate() {
        let mut raw = node.clone();
        raw.decompress::<RunLength>();
        assert_eq!(raw.raw_len(), node.raw_len());
        match &raw {
            Node::Packed(listpack) => {
                validate(listpack.as_bytes(), true, |_| true).unwrap();
                assert_eq!(listpack.len(), list.counts[index] as usize);
                assert!(!listpack.is_empty());
                assert!(
                    listpack.len() == 1 || list.room.allows(listpack.size(), listpack.len()),
                    "node {index} is too large"
                );
            }
            Node::Plain(bytes) => {
                assert_eq!(list.counts[index], 1);
                assert!(bytes.len() >= limits.packed_threshold);
            }
            Node::Compressed { .. } => unreachable!(),
        }
        let inner =
            limits.compress_depth > 0 && index >= limits.compress_depth && index + limits.compress_depth < nodes;
        if inner {
            raw.compress::<RunLength>();
        }
        let compressed = |node: &Node| matches!(node, Node::Compressed { .. });
        assert_eq!(compressed(node), compressed(&raw), "compression of node {index} of {nodes}");
    }
}

fn assert_same(list: &List, model: &Model) {
    check(list);
    assert_eq!(list.len(), model.len());
    assert_eq!(*model, contents(list, Direction::Forward));
    assert!(contents(list, Direction::Backward).iter().eq(model.iter().rev()));
    let start = model.len() / 3;
    for (direction, expected) in [
        (Direction::Forward, model.iter().skip(start).take(50).cloned().collect::<Vec<_>>()),
        (Direction::Backward, model.iter().take(start + 1).rev().take(50).cloned().collect()),
    ] {
        let mut visited = Vec::new();
        list.visit(start, 50, direction, |entry| visited.push(entry.to_vec()));
        assert_eq!(visited, expected);
    }
}

#[test]
fn nodes_are_those_of_redis() {
    // The three nodes of a list of e0 to e7 in Redis 7.0.15 with `list-max-listpack-size 3`, taken from a DUMP.
    let golden: [&[u8]; 3] = [
        b"\x13\0\0\0\x03\0\x82e0\x03\x82e1\x03\x82e2\x03\xff",
        b"\x13\0\0\0\x03\0\x82e3\x03\x82e4\x03\x82e5\x03\xff",
        b"\x0f\0\0\0\x02\0\x82e6\x03\x82e7\x03\xff",
    ];
    let mut list = List::new(limits(3, 0, 1 << 30));
    for n in 0..8 {
        list.push_back(&format!("e{n}").into_bytes());
    }
    let nodes: Vec<&[u8]> = list
        .nodes()
        .map(|node| match node {
            NodeView::Packed(listpack) => listpack.as_bytes(),
            _ => panic!("a packed node"),
        })
        .collect();
    assert_eq!(nodes, golden);

    let mut loaded = List::new(limits(3, 0, 1 << 30));
    for bytes in golden {
        loaded.push_node(validate(bytes, true, |_| true).unwrap().to_owned());
    }
    assert_eq!(contents(&loaded, Direction::Forward), contents(&list, Direction::Forward));
    assert_eq!(loaded.len(), 8);
}

#[test]
fn fill_limits_nodes_by_bytes_or_by_elements() {
    for (fill, max) in [(-1, 4096), (-2, 8192), (-3, 16384), (-4, 32768), (-5, 65536), (-9, 65536)] {
        let mut list = List::new(limits(fill, 0, 1 << 30));
        list.extend(std::iter::repeat_n(b"0123456789abcdef", 20_000));
        let largest = list.nodes.iter().map(Node::raw_len).max().unwrap();
        assert!((max - 40..=max).contains(&largest), "fill {fill}: {largest}");
    }
    assert_eq!(numbers(1_000, limits(100, 0, 1 << 30)).node_count(), 10);
    assert_eq!(numbers(10, limits(0, 0, 1 << 30)).node_count(), 10);
    // A count does not let a node grow past 8 KiB.
    let mut list = List::new(limits(1_000, 0, 1 << 30));
    list.extend(std::iter::repeat_n(&[7u8; 1_000], 100));
    assert!(list.nodes.iter().all(|node| node.raw_len() <= 8192));
}

#[test]
fn large_elements_have_plain_nodes() {
    let large = vec![b'x'; 100];
    let mut list = List::new(limits(-2, 0, 100));
    list.extend([b"a".as_slice(), b"b", b"c"]);
    list.insert(1, &large);
    list.push_back(&large);
    list.push_front(&large);
    check(&list);
    assert_eq!(list.nodes().filter(|node| matches!(node, NodeView::Plain(_))).count(), 3);
    assert_eq!(list.pop_front().map(Item::into_vec), Some(large.clone()));
    assert_eq!(list.pop_back().map(Item::into_vec), Some(large.clone()));
    assert!(list.replace(1, b"small again"));
    check(&list);
    assert_eq!(list.nodes().filter(|node| matches!(node, NodeView::Plain(_))).count(), 0);
    assert!(list.replace(0, &large));
    assert_eq!(list.find(&large), Some(0));
    assert_eq!(list.remove_matching(&large, 5, Direction::Backward), 1);
    assert_eq!(contents(&list, Direction::Forward), [b"small again".to_vec(), b"b".to_vec(), b"c".to_vec()]);
}

#[test]
fn inner_nodes_are_compressed_and_the_ends_are_not() {
    let mut list = List::new(limits(2, 2, 200));
    for n in 0..40u8 {
        list.push_back(&vec![n; 60 + usize::from(n % 3) * 100]);
    }
    check(&list);
    let compressed = list.nodes().filter(|node| matches!(node, NodeView::Compressed { .. })).count();
    assert_eq!(compressed, list.node_count() - 4);
    for index in 0..list.len() {
        assert_eq!(list.get(index).unwrap().into_vec()[0], index as u8);
    }
    for step in 0..20 {
        list.rotate_back_to_front();
        check(&list);
        assert_eq!(list.front().unwrap().into_vec()[0], 39 - step);
    }
    while list.len() > 20 {
        list.pop_front();
        check(&list);
        list.pop_back();
        check(&list);
    }
    assert_eq!(list.remove_range(5, 10), 10);
    check(&list);
}

fn node_bytes(list: &List) -> Vec<Vec<u8>> {
    let bytes = list.nodes().map(|node| match node {
        NodeView::Packed(listpack) => listpack.as_bytes().to_vec(),
        NodeView::Plain(bytes) | NodeView::Compressed { bytes, .. } => bytes.to_vec(),
    });
    bytes.collect()
}

#[test]
fn short_way_to_push_fills_nodes_as_the_long_one_does() {
    let texts = ["", "7", "-1", "4096", "1234567890123456789012", "short", "0123456789abcdef"];
    for (fill, depth, threshold) in
        [(-1, 0, 1 << 30), (-2, 1, 1 << 30), (3, 1, 1 << 30), (400, 0, 1 << 30), (-1, 2, 64)]
    {
        for end in [Direction::Forward, Direction::Backward] {
            let limits = limits(fill, depth, threshold);
            let (mut quick, mut long) = (List::new(limits), List::new(limits));
            for n in 0..6_000_usize {
                let mut value = texts[n % texts.len()].as_bytes().to_vec();
                if n % 5 == 0 {
                    value = vec![b'a' + (n % 3) as u8; [61, 62, 63, 64, 65, 125, 126, 127, 128][n / 5 % 9]];
                }
                long.push_anywhere(end, Entry::Bytes(&value));
                match end {
                    Direction::Forward => quick.push_front(&value),
                    Direction::Backward => quick.push_back(&value),
                }
            }
            assert_eq!(quick.counts[..], long.counts[..]);
            assert_eq!(node_bytes(&quick), node_bytes(&long));
            check(&quick);
            let heap: usize = quick.nodes.iter().map(Node::heap_bytes).sum();
            let content: usize = quick.nodes.iter().map(Node::raw_len).sum();
            assert!(depth > 0 || heap <= content * 5 / 4 + 8_192, "{heap} bytes for {content}");
        }
    }
}

#[test]
fn nodes_are_full_to_the_same_byte_at_both_ends() {
    // A node of 4096 bytes, of which 7 are its own and 18 each element's: a further element is thought to need 24.
    for end in [Direction::Forward, Direction::Backward] {
        let mut list = List::new(limits(-1, 0, 1 << 30));
        while list.node_count() < 3 {
            match end {
                Direction::Forward => list.push_front(b"sixteen-bytes-ab"),
                Direction::Backward => list.push_back(b"sixteen-bytes-ab"),
            }
        }
        let mut counts = [226, 226, 1];
        if end == Direction::Forward {
            counts.reverse();
        }
        assert_eq!(list.counts[..], counts);
        check(&list);
    }
}

#[test]
fn pushing_and_popping_by_turns_keeps_the_memory_of_the_end_node() {
    for end in [Direction::Forward, Direction::Backward] {
        let mut list = List::new(limits(-1, 0, 1 << 30));
        let push = |list: &mut List| match end {
            Direction::Forward => list.push_front(b"sixteen-bytes-ab"),
            Direction::Backward => list.push_back(b"sixteen-bytes-ab"),
        };
        while list.len() < 1_000 {
            push(&mut list);
            if list.node_count() < 2 {
                continue;
            }
            push(&mut list);
            let node = if end == Direction::Forward { 0 } else { list.node_count() - 1 };
            let (count, memory) = (list.counts[node], list.nodes[node].heap_bytes());
            match end {
                Direction::Forward => list.pop_front(),
                Direction::Backward => list.pop_back(),
            };
            assert!(count == 1 || list.nodes[node].heap_bytes() == memory, "{count} elements in {memory} bytes");
        }
    }
}

#[test]
fn node_holds_more_elements_than_its_header_can_tell() {
    let mut list = List::new(limits(100_000, 0, 1 << 30));
    list.push_node((0..65_533).map(|n| Entry::Int(n % 100)).collect());
    list.room.bytes = 1 << 20;
    for n in 0..5 {
        list.push_front(-n);
        list.push_back(n);
    }
    assert_eq!((list.len(), list.node_count(), list.get(4)), (65_543, 1, Some(Item::Int(0))));
    for n in (0..5).rev() {
        assert_eq!(list.pop_front(), Some(Item::Int(-n)));
        assert_eq!(list.pop_back(), Some(Item::Int(n)));
    }
    assert_eq!((list.len(), list.get(65_532)), (65_533, Some(Item::Int(32))));
}

#[test]
fn ends_that_stand_compressed_are_pushed_to_and_popped_from() {
    let mut list = List::new(limits(2, 1, 1 << 30));
    for n in 0..12u8 {
        list.push_back(&vec![n; 60]);
    }
    // Without compression nothing is unpacked that comes to an end.
    list.set_limits(limits(2, 0, 1 << 30));
    for n in 0..3 {
        assert_eq!(list.pop_front().map(Item::into_vec), Some(vec![n; 60]));
        assert_eq!(list.pop_back().map(Item::into_vec), Some(vec![11 - n; 60]));
    }
    list.push_front(b"front");
    list.push_back(b"back");
    let expected: Vec<Vec<u8>> =
        [b"front".to_vec()].into_iter().chain((3..9).map(|n| vec![n; 60])).chain([b"back".to_vec()]).collect();
    assert_eq!(contents(&list, Direction::Forward), expected);
    assert_eq!(list.len(), 8);
}

#[test]
fn every_index_is_found_from_the_nearer_end() {
    let list = numbers(100_000, limits(7, 0, 1 << 30));
    for index in (0..100_000).step_by(37).chain([0, 1, 49_999, 50_000, 99_999]) {
        assert_eq!(list.get(index), Some(Item::Int(index as i64)));
        assert_eq!(list.iter_from(index, Direction::Backward).advance().unwrap().as_int(), Some(index as i64));
    }
    assert_eq!(list.get(100_000), None);
    assert!(list.iter_from(100_000, Direction::Forward).advance().is_none());
    let mut wrapped = numbers(1_000, limits(3, 0, 1 << 30));
    for n in 1..=1_000 {
        wrapped.push_front(-n);
    }
    for index in 0..2_000 {
        assert_eq!(wrapped.get(index), Some(Item::Int(index as i64 - 1_000)));
    }
}

#[test]
fn walk_goes_both_ways_from_any_index() {
    let list = numbers(50, limits(4, 1, 1 << 30));
    for start in 0..50usize {
        let mut forward = list.iter_from(start, Direction::Forward);
        for expected in start..50 {
            assert_eq!(forward.advance().unwrap().as_int(), Some(expected as i64));
        }
        assert!(forward.advance().is_none());
        assert!(forward.advance().is_none());
        let mut backward = list.iter_from(start, Direction::Backward);
        for expected in (0..=start).rev() {
            assert_eq!(backward.advance().unwrap().as_int(), Some(expected as i64));
        }
        assert!(backward.advance().is_none());
    }
    assert!(List::new(ROOMY).iter(Direction::Backward).advance().is_none());
}

#[test]
fn single_listpack_goes_in_and_comes_out() {
    let listpack: Listpack = [b"a".as_slice(), b"b"].into_iter().collect();
    let list = List::from_listpack(ROOMY, listpack.clone());
    assert_eq!(list.len(), 2);
    assert_eq!(list.only_listpack(), Some(&*listpack));
    assert_eq!(numbers(10, limits(2, 0, 1 << 30)).only_listpack(), None);
    assert!(List::from_listpack(ROOMY, Listpack::new()).is_empty());
}

#[test]
fn full_node_takes_replacements_of_the_same_size_in_place() {
    let mut list = List::new(ROOMY);
    list.extend(std::iter::repeat_n(b"0123456789abcdef", 2_000));
    let nodes = list.node_count();
    for index in 0..2_000 {
        assert!(list.replace(index, b"fedcba9876543210"));
    }
    assert_eq!(list.node_count(), nodes);
    assert!(list.replace(50, &[b'x'; 3_000]));
    assert!(list.replace(51, &[b'y'; 9_000]));
    check(&list);
    assert_eq!(list.get(51).map(Item::into_vec), Some(vec![b'y'; 9_000]));
    assert_eq!(list.len(), 2_000);
}

#[test]
fn matching_elements_are_removed_from_the_side_that_is_asked_for() {
    let build = || {
        let mut list = List::new(limits(3, 1, 1 << 30));
        list.extend((0..40i64).map(|n| n % 4));
        list
    };
    for (most, direction) in [(3, Direction::Forward), (3, Direction::Backward), (100, Direction::Forward)] {
        let mut list = build();
        let mut model: Model = contents(&list, Direction::Forward).into();
        let mut removed = 0;
        for _ in 0..most {
            let found = match direction {
                Direction::Forward => model.iter().position(|value| value == b"2"),
                Direction::Backward => model.iter().rposition(|value| value == b"2"),
            };
            if let Some(index) = found {
                model.remove(index);
                removed += 1;
            }
        }
        assert_eq!(list.remove_matching(b"2", most, direction), removed);
        assert_same(&list, &model);
    }
}

#[derive(Clone, Debug)]
enum Step {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    PopBack,
    PopFront,
    Insert(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    RemoveRange(usize, usize),
    RemoveMatching(usize, usize, bool),
    Rotate(bool),
    Fork,
    ChildEnds,
    Evacuate(usize),
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0i64..30).prop_map(|value| value.to_string().into_bytes()),
        2 => (0usize..120, b'a'..b'd').prop_map(|(len, byte)| vec![byte; len]),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (1_000usize..5_000, b'a'..b'd').prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => value().prop_map(Step::PushBack),
        4 => value().prop_map(Step::PushFront),
        1 => Just(Step::PopBack),
        1 => Just(Step::PopFront),
        5 => (any::<usize>(), value()).prop_map(|(at, value)| Step::Insert(at, value)),
        4 => (any::<usize>(), value()).prop_map(|(at, value)| Step::Replace(at, value)),
        1 => (any::<usize>(), 0usize..10).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        1 => (any::<usize>(), 1usize..4, any::<bool>()).prop_map(|(at, most, back)| Step::RemoveMatching(at, most, back)),
        1 => any::<bool>().prop_map(Step::Rotate),
        1 => Just(Step::Fork),
        1 => Just(Step::ChildEnds),
        1 => (1usize..30).prop_map(Step::Evacuate),
    ]
}

fn apply(step: Step, list: &mut List, model: &mut Model) {
    match step {
        Step::PushBack(value) => {
            list.push_back(&value);
            model.push_back(value);
        }
        Step::PushFront(value) => {
            list.push_front(&value);
            model.push_front(value);
        }
        Step::PopBack => assert_eq!(list.pop_back().map(Item::into_vec), model.pop_back()),
        Step::PopFront => assert_eq!(list.pop_front().map(Item::into_vec), model.pop_front()),
        Step::Insert(at, value) => {
            let at = at % (model.len() + 1);
            assert!(list.insert(at, &value));
            model.insert(at, value);
            assert!(!list.insert(model.len() + 1, b"beyond"));
        }
        Step::Rotate(back) => {
            if back {
                list.rotate_back_to_front();
            } else {
                list.rotate_front_to_back();
            }
            match model.len() {
                0 => {}
                _ if back => model.rotate_right(1),
                _ => model.rotate_left(1),
            }
        }
        Step::Fork => share_blocks(),
        Step::ChildEnds => unshare_blocks(),
        Step::Evacuate(looks) => {
            let packed = list.nodes.iter().filter(|node| matches!(node, Node::Packed(_))).count();
            let rows = if list.nodes.heap_bytes() > 0 { 2 } else { 0 };
            assert_eq!(evacuate_all(list, looks).0, (packed + rows) as u64);
        }
        _ if model.is_empty() => {}
        Step::Replace(at, value) => {
            let at = at % model.len();
            assert!(list.replace(at, &value));
            model[at] = value;
        }
        Step::RemoveRange(at, count) => {
            let at = at % model.len();
            let end = (at + count).min(model.len());
            assert_eq!(list.remove_range(at, count), end - at);
            model.drain(at..end);
        }
        Step::RemoveMatching(at, most, back) => {
            let value = model[at % model.len()].clone();
            let mut expected = 0;
            while expected < most {
                let found = if back {
                    model.iter().rposition(|other| *other == value)
                } else {
                    model.iter().position(|other| *other == value)
                };
                let Some(index) = found else { break };
                model.remove(index);
                expected += 1;
            }
            let direction = if back { Direction::Backward } else { Direction::Forward };
            assert_eq!(list.remove_matching(&value, most, direction), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 150 }))]

    #[test]
    fn quicklist_behaves_like_a_deque(
        fill in prop_oneof![Just(-1), Just(-2), 0i32..6],
        depth in 0usize..3,
        threshold in prop_oneof![Just(1usize), Just(50), Just(1 << 30)],
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let mut list = List::new(limits(fill, depth, threshold));
        let mut model = Model::new();
        for step in steps {
            apply(step, &mut list, &mut model);
            check(&list);
        }
        assert_same(&list, &model);
        for (index, value) in model.iter().enumerate() {
            prop_assert_eq!(&list.get(index).unwrap().into_vec(), value);
        }
        if let Some(value) = model.get(model.len() / 2) {
            prop_assert_eq!(list.find(value), model.iter().position(|other| other == value));
        }
        prop_assert_eq!(list.front().map(Item::into_vec), model.front().cloned());
        prop_assert_eq!(list.back().map(Item::into_vec), model.back().cloned());
        prop_assert!(model.is_empty() || list.heap_bytes(usize::MAX) > 0);
    }
}
