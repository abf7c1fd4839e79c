use proptest::prelude::*;

use super::*;

/// What `write` writes in each of the two protocols.
fn both(write: impl Fn(&mut Reply)) -> (String, String) {
    let in_protocol = |protocol| {
        let mut reply = Reply::new(protocol);
        write(&mut reply);
        String::from_utf8(reply.take()).expect("the tests write only text")
    };
    (in_protocol(Protocol::Resp2), in_protocol(Protocol::Resp3))
}

#[track_caller]
fn check(write: impl Fn(&mut Reply), resp2: &str, resp3: &str) {
    assert_eq!(both(write), (resp2.to_owned(), resp3.to_owned()));
}

#[track_caller]
fn check_alike(write: impl Fn(&mut Reply), text: &str) {
    check(write, text, text);
}

#[test]
fn replies_that_both_protocols_share() {
    check_alike(Reply::ok, "+OK\r\n");
    check_alike(|reply| reply.simple("QUEUED"), "+QUEUED\r\n");
    check_alike(|reply| reply.error("ERR no such key"), "-ERR no such key\r\n");
    check_alike(|reply| reply.integer(0), ":0\r\n");
    check_alike(|reply| reply.integer(-1), ":-1\r\n");
    check_alike(|reply| reply.integer(42), ":42\r\n");
    check_alike(|reply| reply.integer(i64::MIN), ":-9223372036854775808\r\n");
    check_alike(|reply| reply.integer(i64::MAX), ":9223372036854775807\r\n");
    check_alike(|reply| reply.bulk("hello"), "$5\r\nhello\r\n");
    check_alike(|reply| reply.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n");
    check_alike(|reply| reply.bulk("x".repeat(100)), &format!("$100\r\n{}\r\n", "x".repeat(100)));
    check_alike(|reply| reply.bulk_i64(-12), "$3\r\n-12\r\n");
    check_alike(|reply| reply.bulk_or_null(Some("x")), "$1\r\nx\r\n");
    check_alike(Reply::empty_bulk, "$0\r\n\r\n");
    check_alike(|reply| reply.array(0), "*0\r\n");
    check_alike(|reply| reply.array(9), "*9\r\n");
    check_alike(|reply| reply.array(10), "*10\r\n");
    check_alike(|reply| reply.array(99), "*99\r\n");
    check_alike(|reply| reply.array(123_456), "*123456\r\n");
    check_alike(Reply::empty_array, "*0\r\n");
}

#[test]
fn replies_that_only_resp3_has_a_type_for() {
    check(Reply::null, "$-1\r\n", "_\r\n");
    check(|reply| reply.bulk_or_null(None::<&[u8]>), "$-1\r\n", "_\r\n");
    check(Reply::null_array, "*-1\r\n", "_\r\n");
    check(|reply| reply.map(7), "*14\r\n", "%7\r\n");
    check(Reply::empty_map, "*0\r\n", "%0\r\n");
    check(|reply| reply.set(3), "*3\r\n", "~3\r\n");
    check(Reply::empty_set, "*0\r\n", "~0\r\n");
    check(|reply| reply.push(3), "*3\r\n", ">3\r\n");
    check(|reply| reply.double(3.0), "$1\r\n3\r\n", ",3\r\n");
    check(|reply| reply.double(0.1), "$3\r\n0.1\r\n", ",0.1\r\n");
    check(|reply| reply.double(1e20), "$5\r\n1e+20\r\n", ",1e+20\r\n");
    check(|reply| reply.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
    check(|reply| reply.double_text(b"10.6"), "$4\r\n10.6\r\n", ",10.6\r\n");
    check(|reply| reply.boolean(true), ":1\r\n", "#t\r\n");
    check(|reply| reply.boolean(false), ":0\r\n", "#f\r\n");
    check(|reply| reply.big_number(b"123"), "$3\r\n123\r\n", "(123\r\n");
    check(|reply| reply.verbatim(b"txt", b"some text"), "$9\r\nsome text\r\n", "=13\r\ntxt:some text\r\n");
    let mut reply = Reply::new(Protocol::Resp3);
    reply.attribute(1);
    assert_eq!(reply.front(), b"|1\r\n");
}

#[test]
fn an_error_never_breaks_its_line() {
    check_alike(|reply| reply.error("ERR bad 'a\r\nb'\r\n"), "-ERR bad 'a  b'\r\n");
    let mut reply = Reply::default();
    reply.error(b"ERR \xff");
    assert_eq!(reply.front(), b"-ERR \xff\r\n");
}

#[test]
fn a_deferred_header_is_set_in_place_whatever_its_width() {
    for len in [0, 1, 9, 10, 99, 100, 54_321] {
        let write = |reply: &mut Reply| {
            reply.bulk("before");
            let outer = reply.deferred();
            let inner = reply.deferred();
            reply.integer(1);
            reply.set_deferred_map_len(inner, len);
            reply.bulk("after");
            reply.set_deferred_set_len(outer, len);
        };
        let body = "$5\r\nafter\r\n";
        let resp2 = format!("$6\r\nbefore\r\n*{len}\r\n*{}\r\n:1\r\n{body}", len * 2);
        let resp3 = format!("$6\r\nbefore\r\n~{len}\r\n%{len}\r\n:1\r\n{body}");
        check(write, &resp2, &resp3);
    }
    check(
        |reply| {
            let deferred = reply.deferred();
            reply.set_deferred_push_len(deferred, 2);
            let deferred = reply.deferred();
            reply.set_deferred_array_len(deferred, 12);
        },
        "*2\r\n*12\r\n",
        ">2\r\n*12\r\n",
    );
}

#[test]
fn a_reply_can_be_taken_back() {
    let mut reply = Reply::default();
    reply.ok();
    let before = reply.len();
    reply.array(3);
    reply.bulk("half of a reply");
    reply.truncate(before);
    reply.error("ERR after all");
    assert_eq!(reply.front(), b"+OK\r\n-ERR after all\r\n");
    reply.discard_front(5);
    assert_eq!(reply.take(), b"-ERR after all\r\n");
    assert!(reply.is_empty());
}

#[test]
fn what_was_set_aside_goes_first_and_is_freed_once_it_is_sent() {
    let block = vec![b'x'; BLOCK_BYTES_MIN];
    let mut reply = Reply::default();
    reply.ok();
    reply.set_aside();
    assert_eq!(reply.front(), b"+OK\r\n", "a short reply stays where it is");
    reply.raw(&block);
    reply.discard_front(2);
    reply.set_aside();
    reply.raw(b"+AGAIN\r\n");
    let mark = reply.len();
    assert_eq!(mark, 3 + block.len() + 8);
    reply.bulk("taken back");
    reply.truncate(mark);
    assert_eq!((&reply.front()[..3], reply.front().len()), (&b"K\r\n"[..], 3 + block.len()));
    let capacity = reply.capacity();
    reply.discard_front(reply.front().len());
    assert!(reply.capacity() <= capacity - block.len());
    assert_eq!(reply.front(), b"+AGAIN\r\n");
    reply.raw(&block);
    reply.set_aside();
    reply.ok();
    reply.discard_front(3);
    let taken = reply.take();
    assert_eq!((&taken[..5], &taken[taken.len() - 5..]), (&b"AIN\r\n"[..], &b"+OK\r\n"[..]));
    assert!(reply.is_empty() && reply.front().is_empty());
}

#[test]
fn a_long_backlog_is_in_large_blocks() {
    let piece = vec![b'x'; BLOCK_BYTES_MIN];
    let mut reply = Reply::default();
    for _ in 0..200 {
        reply.raw(&piece);
        reply.set_aside();
    }
    let before_it_is_long = LARGE_BLOCK_BYTES / BLOCK_BYTES_MIN;
    assert!(reply.blocks.iter().skip(before_it_is_long).all(|block| block.len() >= LARGE_BLOCK_BYTES));
    assert_eq!(reply.len(), 200 * piece.len());
    assert_eq!(reply.take().len(), 200 * piece.len());
}

proptest! {
    #[test]
    fn what_a_client_would_send_as_a_reply_decodes_as_a_command(
        args in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..200),
    ) {
        use crate::resp::{Decoder, Limits, Step};

        let mut reply = Reply::default();
        reply.array(args.len());
        for arg in &args {
            reply.bulk(arg);
        }
        let mut decoder = Decoder::new();
        let step = decoder.decode(reply.front(), &Limits::default());
        prop_assert_eq!(step, Ok(Step::Frame { consumed: reply.len() }));
        let decoded: Vec<Vec<u8>> = decoder.args(reply.front()).iter().map(<[u8]>::to_vec).collect();
        prop_assert_eq!(decoded, args);
    }

    #[test]
    fn integers_are_written_in_full(value: i64, number: usize) {
        let mut reply = Reply::default();
        reply.integer(value);
        reply.array(number);
        prop_assert_eq!(reply.take(), format!(":{value}\r\n*{number}\r\n").into_bytes());
    }
}

/// Writes one of everything, so that each way to append is tried where there is no room.
fn write_everything(reply: &mut Reply) {
    let outer = reply.deferred();
    reply.simple("simple");
    reply.ok();
    reply.error("ERR error");
    reply.integer(12_345);
    reply.integer(i64::MIN);
    reply.bulk("bulk");
    reply.bulk(vec![b'x'; 5000]);
    reply.null();
    reply.null_array();
    reply.map(1_000_000_000);
    reply.double(1.5);
    reply.boolean(true);
    reply.big_number(b"123456789012345678901234567890");
    reply.verbatim(b"txt", b"text");
    reply.raw(b"+raw\r\n");
    let inner = reply.deferred();
    reply.set_deferred_map_len(inner, 7);
    reply.set_deferred_array_len(outer, 1_234_567);
}

#[test]
fn a_reply_that_may_grow_no_further_takes_no_more_memory() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        for limit in [0, 1, 100, 5000, 100_000] {
            let mut reply = Reply::new(protocol);
            reply.set_unsent_max(limit);
            let mut written = Reply::new(protocol);
            for _ in 0..200 {
                write_everything(&mut reply);
                write_everything(&mut written);
                assert!(reply.capacity() <= limit.max(64) + OVERFULL_BYTES + OVERFULL_ROOM);
                let unsent = reply.front();
                assert!(reply.is_overfull() || (unsent.len() <= limit.max(64) && unsent == written.front()));
            }
            assert_eq!(reply.overfull(), Some(Overfull::Limit));
            assert!(reply.len() >= OVERFULL_BYTES, "whoever counts unsent bytes notices");
        }
    }
}

#[test]
fn an_overfull_reply_stays_so_whatever_is_taken_back() {
    let mut reply = Reply::default();
    reply.raw(b"+before\r\n");
    let mark = reply.len();
    reply.set_unsent_max(1000);
    reply.bulk(vec![0; 1001]);
    reply.truncate(mark);
    reply.set_unsent_max(usize::MAX);
    reply.error("ERR failed");
    assert!(reply.is_overfull() && reply.len() >= OVERFULL_BYTES);
    reply.bulk(vec![0; 10 << 20]);
    assert!(reply.capacity() < 1 << 20);
    assert!(reply.split_off(1 << 20).is_empty());
}

#[test]
fn bytes_that_are_sent_do_not_count_for_what_may_wait() {
    let mut reply = Reply::default();
    reply.set_unsent_max(10_000);
    for _ in 0..1000 {
        reply.bulk(vec![b'x'; 900]);
        reply.discard_front(reply.len() - 10);
    }
    assert!(!reply.is_overfull());
}
