use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::rdb::{Decoder, Encoder, Options, Tag};
use crate::structures::{share_blocks, unshare_blocks};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn limits() -> Limits {
    Limits { stream_node_max_bytes: 200, stream_node_max_entries: 7, ..Limits::default() }
}

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn add(stream: &mut StreamValue, id: StreamId, pairs: &[(&str, &str)]) {
    let fields = pairs.iter().map(|(field, value)| (field.as_bytes(), value.as_bytes()));
    assert_eq!(stream.append(id, fields, &limits()), Ok(()));
}

/// Entries 1-0, 2-0 ... of one field.
fn stream_of(count: u64) -> StreamValue {
    let mut stream = StreamValue::new();
    for ms in 1..=count {
        add(&mut stream, id(ms, 0), &[("field", &format!("value {ms}"))]);
    }
    stream
}

fn ids(stream: &StreamValue) -> Vec<u64> {
    stream.range(..).map(|entry| entry.id.ms).collect()
}

fn pairs_of(entry: &StreamEntry<'_>) -> Pairs {
    entry.fields().map(|(field, value)| (field.to_vec(), value.to_vec())).collect()
}

fn saved(stream: &StreamValue, version: u32) -> Vec<u8> {
    let mut out = Encoder::detached(Options { version, ..Options::default() });
    View::save(stream, &mut out).expect("memory takes everything");
    out.into_bytes()
}

fn loaded(tag: Tag, bytes: &[u8]) -> rdb::Result<StreamValue> {
    let limits = limits();
    let mut input = Decoder::new(bytes);
    let stream =
        StreamValue::load(tag, &mut input, &LoadOptions { sanitize: false, ..LoadOptions::checking_all(&limits) })?;
    assert_eq!(input.remaining(), 0);
    Ok(stream)
}

fn assert_law(stream: &StreamValue) {
    for version in [10, 11, 12] {
        let bytes = saved(stream, version);
        let tag = View::tag(stream, version);
        assert!(tag.version() <= version);
        assert_eq!(loaded(tag, &bytes).as_ref(), Ok(stream));
        for cut in 0..bytes.len() {
            assert!(loaded(tag, &bytes[..cut]).is_err(), "cut to {cut} of {} bytes", bytes.len());
        }
    }
}

/// With two groups, one of which has two consumers.
fn stream_with_groups() -> StreamValue {
    let mut stream = stream_of(30);
    assert!(stream.create_group(b"empty", StreamId::MIN, None));
    assert!(stream.create_group(b"readers", id(9, 0), Some(9)));
    assert!(!stream.create_group(b"readers", id(1, 0), Some(1)));
    let group = stream.group_mut(b"readers").expect("just made");
    let bob = group.create_consumer(b"bob", 1_000).expect("a new name");
    let alice = group.create_consumer(b"alice", 2_000).expect("a new name");
    group.consumer_mut(bob).active_unix_ms = Some(1_000);
    group.consumer_mut(alice).active_unix_ms = Some(2_000);
    for ms in 1..=9 {
        group.assign(id(ms, 0), if ms % 3 == 0 { bob } else { alice }, 5_000 + ms as i64, ms);
    }
    stream
}

fn assert_consistent(group: &Group) {
    let mut owned = 0;
    for (consumer_id, consumer) in group.consumers() {
        owned += consumer.pending_len();
        assert!(
            consumer.pending().all(|id| group.pending_of(id).is_some_and(|pending| pending.consumer == consumer_id))
        );
        assert_eq!(group.consumer_id(consumer.name()), Some(consumer_id));
    }
    assert_eq!(owned, group.pending_len());
}

#[test]
fn ids_have_neighbours_but_for_the_first_and_the_last() {
    assert_eq!(id(1, 5).next(), Some(id(1, 6)));
    assert_eq!(id(1, u64::MAX).next(), Some(id(2, 0)));
    assert_eq!(StreamId::MAX.next(), None);
    assert_eq!(id(1, 5).previous(), Some(id(1, 4)));
    assert_eq!(id(1, 0).previous(), Some(id(0, u64::MAX)));
    assert_eq!(StreamId::MIN.previous(), None);
    assert_eq!(id(12, 3).to_string(), "12-3");
    for (one, other) in [(id(5, 9), id(7, 2)), (StreamId::MIN, StreamId::MAX)] {
        let (ms, seq) = other.distance_from(one);
        assert_eq!(one.at_distance(ms, seq), other);
    }
}

#[test]
fn a_block_ends_where_the_limits_say() {
    let stream = stream_of(20);
    assert_eq!((stream.len(), stream.block_count()), (20, 3));
    let mut large = StreamValue::new();
    for ms in 1..=4 {
        add(&mut large, id(ms, 0), &[("field", &"x".repeat(90))]);
    }
    assert_eq!(large.block_count(), 4);
    let mut unlimited = StreamValue::new();
    let limits = Limits { stream_node_max_bytes: 0, stream_node_max_entries: 0, ..Limits::default() };
    for ms in 1..=1000 {
        assert_eq!(unlimited.append(id(ms, 0), [(&b"f"[..], &b"v"[..])].into_iter(), &limits), Ok(()));
    }
    assert_eq!(unlimited.block_count(), 1);
}

#[test]
fn an_entry_goes_behind_all_others_or_nowhere() {
    let mut stream = stream_of(3);
    for small in [id(3, 0), id(2, 7), StreamId::MIN] {
        let fields = [(&b"f"[..], &b"v"[..])].into_iter();
        assert_eq!(stream.append(small, fields, &limits()), Err(AppendError::IdTooSmall));
    }
    assert_eq!((stream.len(), stream.last_id(), stream.entries_added()), (3, id(3, 0), 3));
}

#[test]
fn a_range_is_the_same_from_both_ends() {
    let stream = stream_of(30);
    let of = |range: Range<'_>| range.map(|entry| entry.id.ms).collect::<Vec<_>>();
    assert_eq!(of(stream.range(id(5, 0)..=id(8, 0))), [5, 6, 7, 8]);
    assert_eq!(of(stream.range(id(5, 1)..id(8, 0))), [6, 7]);
    assert_eq!(of(stream.range((std::ops::Bound::Excluded(id(28, 0)), std::ops::Bound::Unbounded))), [29, 30]);
    assert!(of(stream.range(id(8, 0)..=id(5, 0))).is_empty());
    assert!(of(stream.range(..StreamId::MIN)).is_empty());
    assert_eq!(stream.range(..).rev().map(|entry| entry.id.ms).take(3).collect::<Vec<_>>(), [30, 29, 28]);
    let mut both = stream.range(id(3, 0)..=id(20, 0));
    let mut met = Vec::new();
    while let Some(entry) = both.next() {
        met.push(entry.id.ms);
        met.extend(both.next_back().map(|entry| entry.id.ms));
    }
    met.sort_unstable();
    assert_eq!(met, (3..=20).collect::<Vec<_>>());
    assert!(stream.contains(id(4, 0)) && !stream.contains(id(4, 1)));
}

#[test]
fn deleting_marks_an_entry_and_drops_a_block_that_is_left_empty() {
    let mut stream = stream_of(20);
    assert!(stream.delete(id(1, 0)) && !stream.delete(id(1, 0)) && !stream.delete(id(99, 0)));
    assert_eq!((stream.len(), stream.first_id(), stream.max_deleted_id()), (19, id(2, 0), id(1, 0)));
    for ms in 2..=7 {
        assert!(stream.delete(id(ms, 0)));
    }
    assert_eq!((stream.block_count(), stream.first_id()), (2, id(8, 0)));
    assert!(stream.delete(id(20, 0)));
    assert_eq!((stream.last_id(), stream.last_entry_id()), (id(20, 0), Some(id(19, 0))));
    assert_law(&stream);
    for ms in 8..=19 {
        assert!(stream.delete(id(ms, 0)));
    }
    assert_eq!((stream.len(), stream.block_count(), stream.first_id()), (0, 0, StreamId::MIN));
    assert!(!DataType::is_empty(&stream));
    assert_law(&stream);
}

#[test]
fn an_entry_may_follow_a_deleted_one_with_a_greater_id() {
    let mut stream = stream_of(5);
    add(&mut stream, id(90, 0), &[("field", "gone")]);
    assert!(stream.delete(id(90, 0)));
    stream.set_last_id(id(5, 0));
    add(&mut stream, id(6, 0), &[("field", "here")]);
    assert_eq!(stream.block_count(), 1);
    assert_eq!(ids(&stream), [1, 2, 3, 4, 5, 6]);
    assert_eq!(stream.range(id(6, 0)..).count(), 1);
    assert_law(&stream);
}

#[test]
fn trimming_takes_the_first_entries() {
    let mut stream = stream_of(30);
    assert_eq!(stream.trim_by_len(25, true, None), 0);
    assert_eq!(stream.trim_by_len(20, true, None), 7);
    assert_eq!(stream.trim_by_len(5, true, Some(10)), 7);
    assert_eq!(stream.trim_by_len(11, false, None), 5);
    assert_eq!((stream.len(), stream.first_id(), stream.max_deleted_id()), (11, id(20, 0), StreamId::MIN));
    assert_eq!(stream.trim_by_id(id(20, 0), false, None), 0);
    assert_eq!(stream.trim_by_id(id(21, 5), false, None), 2);
    assert_eq!(stream.trim_by_id(id(24, 0), true, None), 0);
    assert_eq!(ids(&stream), (22..=30).collect::<Vec<_>>());
    assert_law(&stream);
    assert_eq!(stream.trim_by_id(StreamId::MAX, false, None), 9);
    assert_eq!((stream.len(), stream.block_count()), (0, 0));
}

#[test]
fn a_block_whose_last_entry_is_deleted_is_left_by_a_trim_up_to_it() {
    let mut stream = stream_of(7);
    assert!(stream.delete(id(7, 0)));
    assert_eq!(stream.trim_by_id(id(7, 0), true, None), 0);
    assert_eq!(stream.trim_by_id(id(7, 0), false, None), 6);
    assert_eq!((stream.len(), stream.block_count()), (0, 0));
}

#[test]
fn groups_keep_what_is_pending_in_step() {
    let mut stream = stream_with_groups();
    let (log, group) = stream.log_and_group_mut(b"readers").expect("it is there");
    assert_eq!(log.len(), 30);
    assert_consistent(group);
    let names: Vec<_> = group.consumers().map(|(_, consumer)| consumer.name().to_vec()).collect();
    assert_eq!(names, [b"alice".to_vec(), b"bob".to_vec()]);
    assert!(group.acknowledge(id(3, 0)) && !group.acknowledge(id(3, 0)));
    let alice = group.consumer_id(b"alice").expect("she is there");
    group.assign(id(6, 0), alice, 7_000, 2);
    assert_consistent(group);
    assert!(group.set_delivery(id(6, 0), 8_000, 3) && !group.set_delivery(id(3, 0), 8_000, 3));
    let six = Pending { consumer: alice, delivered_unix_ms: 8_000, deliveries: 3 };
    assert_eq!(group.pending_of(id(6, 0)), Some(&six));
    assert_eq!(group.delete_consumer(b"bob"), Some(1));
    assert_eq!((group.delete_consumer(b"bob"), group.pending_len()), (None, 7));
    assert_eq!(group.consumer(alice).pending_in(id(5, 0)..).count(), 4);
    assert_consistent(group);
    assert!(group.create_consumer(b"alice", 0).is_none());
    assert!(stream.destroy_group(b"readers") && !stream.destroy_group(b"readers"));
}

#[test]
fn groups_come_back_from_a_dump() {
    let stream = stream_with_groups();
    assert_law(&stream);
    // Version 9 knows neither the first nor the deleted nor how many there were.
    let old = loaded(View::tag(&stream, 9), &saved(&stream, 9)).expect("whole");
    assert_eq!(old.group(b"readers").map(Group::entries_read), Some(None));
    assert_eq!(old.group(b"empty").map(Group::entries_read), Some(Some(0)));
    assert_eq!(ids(&old), ids(&stream));
    let mut idle = stream;
    let group = idle.group_mut(b"empty").expect("it is there");
    let never = group.create_consumer(b"never", 3_000).expect("a new name");
    assert_eq!(group.consumer(never).active_unix_ms, None);
    assert_eq!(loaded(Tag::StreamListpacks3, &saved(&idle, 11)), Ok(idle));
}

/// What follows the groups in the forms of Redis 8.6 and 8.8.
fn idempotency(out: &mut Encoder<'_>) -> io::Result<()> {
    out.length(60)?;
    out.length(1000)?;
    out.length(1)?;
    out.string(b"producer")?;
    out.length(1)?;
    out.string(b"name")?;
    for number in [5, 0, 1, 2] {
        out.length(number)?;
    }
    Ok(())
}

#[test]
fn streams_of_later_redis_are_read_without_what_is_not_known_here() {
    let stream = stream_with_groups();
    let mut out = Encoder::detached(Options { version: 12, ..Options::default() });
    View::save(&stream, &mut out).and_then(|()| idempotency(&mut out)).expect("memory takes everything");
    let bytes = out.into_bytes();
    assert_eq!(loaded(Tag::StreamListpacks4, &bytes), Ok(stream));
    for cut in 0..bytes.len() {
        assert!(loaded(Tag::StreamListpacks4, &bytes[..cut]).is_err(), "cut to {cut}");
    }
    let one_group = |unowned: u64| {
        let mut stream = StreamValue::new();
        add(&mut stream, id(1, 0), &[("field", "value")]);
        assert!(stream.create_group(b"group", id(1, 0), Some(1)));
        let mut out = Encoder::detached(Options { version: 12, ..Options::default() });
        View::save(&stream, &mut out)
            .and_then(|()| out.length(unowned))
            .and_then(|()| (0..unowned).try_for_each(|_| out.raw(&rdb::entry_id_bytes(1, 0))))
            .and_then(|()| idempotency(&mut out))
            .expect("memory takes everything");
        (loaded(Tag::StreamListpacks5, &out.into_bytes()), stream)
    };
    let (whole, expected) = one_group(0);
    assert_eq!(whole, Ok(expected));
    let error = one_group(1).0.expect_err("nothing can hold it").to_string();
    assert!(error.contains("pending entries that no consumer has, of Redis 8.8"), "{error}");
}

#[test]
fn a_stream_with_a_wrong_length_is_loaded_with_the_counted_one() {
    let texts = ["1", "0", "1", "field", "0", "2", "0", "0", "value", "4"];
    for stated in [0, 1, 2, u64::MAX] {
        let limits = limits();
        let wrong = Cell::new(false);
        let options = LoadOptions { wrong_length: Some(&wrong), ..LoadOptions::checking_all(&limits) };
        let bytes = payload(id(5, 0), &texts, stated, id(5, 0));
        let stream = StreamValue::load(Tag::StreamListpacks, &mut Decoder::new(&bytes), &options).expect("it loads");
        assert_eq!((stream.len(), wrong.get()), (1, stated != 1), "{stated}");
    }
}

#[test]
fn the_lag_of_a_group_is_told_where_it_is_known() {
    let mut stream = StreamValue::new();
    assert!(stream.create_group(b"g", StreamId::MIN, None));
    let lag = |stream: &StreamValue| stream.lag(stream.group(b"g").expect("it is there"));
    assert_eq!(lag(&stream), Some(0));
    for ms in 1..=5 {
        add(&mut stream, id(ms, 0), &[("f", "v")]);
    }
    assert_eq!(lag(&stream), Some(5));
    let read = |stream: &mut StreamValue, ms| {
        let (log, group) = stream.log_and_group_mut(b"g").expect("it is there");
        group.advance(log, id(ms, 0))
    };
    assert!(read(&mut stream, 1));
    assert_eq!(lag(&stream), Some(4));
    assert!(read(&mut stream, 2) && !read(&mut stream, 2));
    assert_eq!(stream.group(b"g").and_then(Group::entries_read), Some(2));
    assert!(stream.delete(id(4, 0)));
    assert_eq!(lag(&stream), None);
    assert!(read(&mut stream, 3));
    assert_eq!((lag(&stream), stream.group(b"g").and_then(Group::entries_read)), (None, None));
    assert!(read(&mut stream, 5));
    assert_eq!((lag(&stream), stream.group(b"g").and_then(Group::entries_read)), (Some(0), Some(5)));
    assert_eq!(stream.entries_up_to(id(9, 0)), None);
    stream.trim_by_len(0, false, None);
    assert_eq!(stream.entries_up_to(id(1, 0)), Some(5));
}

/// A stream of one block, whose listpack holds these texts.
fn payload(base: StreamId, texts: &[&str], len: u64, last: StreamId) -> Vec<u8> {
    let listpack: crate::structures::listpack::Listpack = texts.iter().map(|text| text.as_bytes()).collect();
    let mut out = Encoder::detached(Options::default());
    let mut write = || {
        out.length(1)?;
        out.string(&rdb::entry_id_bytes(base.ms, base.seq))?;
        out.string(listpack.as_bytes())?;
        for number in [len, last.ms, last.seq, 0] {
            out.length(number)?;
        }
        io::Result::Ok(())
    };
    write().expect("memory takes everything");
    out.into_bytes()
}

#[test]
fn a_block_that_is_wrong_is_refused() {
    let sound = ["1", "0", "1", "field", "0", "2", "0", "0", "value", "4"];
    let load = |texts: &[&str]| loaded(Tag::StreamListpacks, &payload(id(5, 0), texts, 1, id(5, 0)));
    assert_eq!(load(&sound).map(|stream| ids(&stream)), Ok(vec![5]));
    for (index, wrong) in [
        (0, "2"),
        (0, "x"),
        (0, "-1"),
        (1, "1"),
        (1, "x"),
        (2, "2"),
        (2, "-1"),
        (2, "x"),
        (2, "9223372036854775807"),
        (4, "1"),
        (4, "x"),
        (5, "0"),
        (5, "1"),
        (5, "3"),
        (5, "x"),
        (6, "x"),
        (6, "-1"),
        (7, "x"),
        (9, "3"),
        (9, "x"),
    ] {
        let mut texts = sound;
        texts[index] = wrong;
        assert!(load(&texts).is_err(), "{index} {wrong}");
    }
    for cut in 0..sound.len() {
        assert!(load(&sound[..cut]).is_err(), "{cut}");
    }
    assert!(load(&[&sound[..], &["7"]].concat()).is_err());
    let two = ["2", "0", "1", "f", "0", "2", "0", "1", "v", "4", "2", "0", "1", "v", "4"];
    assert!(loaded(Tag::StreamListpacks, &payload(id(5, 0), &two, 2, id(6, 0))).is_err(), "ids that do not ascend");
}

#[test]
fn counters_that_contradict_the_entries_are_refused() {
    let sound = ["1", "0", "1", "field", "0", "2", "0", "0", "value", "4"];
    assert!(loaded(Tag::StreamListpacks, &payload(id(5, 0), &sound, 1, id(4, 0))).is_err());
    // Redis leaves such a block behind where a trim by id went up to a deleted entry.
    let deleted = ["0", "1", "1", "field", "0", "3", "0", "0", "value", "4"];
    let stream = loaded(Tag::StreamListpacks, &payload(id(5, 0), &deleted, 0, id(5, 0))).expect("whole");
    assert_eq!((stream.len(), stream.block_count(), stream.last_id()), (0, 0, id(5, 0)));
}

/// What a test does to a stream.
#[derive(Clone, Debug)]
enum Step {
    Append { ms: u64, seq: u64, pairs: Pairs },
    Delete(usize),
    TrimLen(usize),
    TrimId(usize),
    Fork,
    ChildEnds,
}

fn any_step() -> impl Strategy<Value = Step> {
    let text =
        || prop_oneof!["[ab]{0,3}".prop_map(String::into_bytes), any::<i64>().prop_map(|n| n.to_string().into())];
    let pairs = prop_oneof![
        3 => text().prop_map(|value| vec![(b"f".to_vec(), value)]),
        2 => (text(), text()).prop_map(|(one, two)| vec![(b"f".to_vec(), one), (b"g".to_vec(), two)]),
        1 => prop::collection::vec((text(), text()), 1..4),
    ];
    prop_oneof![
        8 => (prop_oneof![Just(0), 1..3u64, any::<u32>().prop_map(u64::from)], any::<u64>(), pairs)
            .prop_map(|(ms, seq, pairs)| Step::Append { ms, seq, pairs }),
        2 => any::<usize>().prop_map(Step::Delete),
        1 => (0..40usize).prop_map(Step::TrimLen),
        1 => any::<usize>().prop_map(Step::TrimId),
        1 => Just(Step::Fork),
        1 => Just(Step::ChildEnds),
    ]
}

proptest! {
    #[test]
    fn any_series_of_changes_matches_a_model(steps in prop::collection::vec(any_step(), 1..120)) {
        let (mut stream, mut model) = (StreamValue::new(), Vec::<(StreamId, Pairs)>::new());
        for step in steps {
            match step {
                Step::Append { ms, seq, pairs } => {
                    let last = stream.last_id();
                    let seq = if ms == 0 { last.seq.saturating_add(1 + seq % 9) } else { seq };
                    let id = id(last.ms + ms, seq);
                    let fields = pairs.iter().map(|(field, value)| (&field[..], &value[..]));
                    let taken = stream.append(id, fields, &limits()).is_ok();
                    prop_assert_eq!(taken, id > last);
                    if taken {
                        model.push((id, pairs));
                    }
                }
                Step::Delete(index) if !model.is_empty() => {
                    let (id, _) = model.remove(index % model.len());
                    prop_assert!(stream.delete(id));
                }
                Step::TrimLen(len) => {
                    let surplus = model.len().saturating_sub(len);
                    prop_assert_eq!(stream.trim_by_len(len, false, None), surplus);
                    model.drain(..surplus);
                }
                Step::TrimId(index) if !model.is_empty() => {
                    let index = index % model.len();
                    prop_assert_eq!(stream.trim_by_id(model[index].0, false, None), index);
                    model.drain(..index);
                }
                Step::Fork => share_blocks(),
                Step::ChildEnds => unshare_blocks(),
                Step::Delete(_) | Step::TrimId(_) => {}
            }
        }
        let there: Vec<_> = stream.range(..).map(|entry| (entry.id, pairs_of(&entry))).collect();
        prop_assert_eq!(&there, &model);
        let mut back: Vec<_> = stream.range(..).rev().map(|entry| (entry.id, pairs_of(&entry))).collect();
        back.reverse();
        prop_assert_eq!(&back, &model);
        prop_assert_eq!(stream.len(), model.len());
        prop_assert_eq!(stream.first_id(), model.first().map_or(StreamId::MIN, |(id, _)| *id));
        for pair in model.windows(2) {
            prop_assert_eq!(stream.range(pair[0].0..pair[1].0).count(), 1);
            prop_assert_eq!(stream.range(pair[0].0..=pair[1].0).rev().count(), 2);
        }
        for version in 9..=12 {
            let again = loaded(View::tag(&stream, version), &saved(&stream, version));
            let again = again.expect("a stream that was saved is whole");
            prop_assert_eq!(ids(&again), ids(&stream));
            prop_assert!(version < 10 || again == stream);
        }
    }

    #[test]
    fn no_mutation_of_a_payload_panics(at: prop::sample::Index, byte: u8, version in 9u32..12, cut: bool) {
        let mut bytes = saved(&stream_with_groups(), version);
        let at = at.index(bytes.len());
        if cut {
            bytes.remove(at);
        } else {
            bytes[at] = byte;
        }
        let limits = limits();
        let options = LoadOptions::checking_all(&limits);
        let tag = persist::tag(version);
        if let Ok(mut stream) = StreamValue::load(tag, &mut Decoder::new(&bytes), &options) {
            let there: Vec<_> = stream.range(..).map(|entry| entry.id).collect();
            assert_eq!(there.len(), stream.len());
            assert!(there.is_sorted());
            assert!(there.iter().rev().copied().eq(stream.range(..).rev().map(|entry| entry.id)));
            stream.groups().for_each(|(_, group)| assert_consistent(group));
            for id in there {
                assert!(stream.delete(id));
            }
            assert_eq!(stream.block_count(), 0);
        }
    }
}
