//! Data of every type, shape and encoding, over several databases.

use crate::support::Client;

/// Fills an empty server.
pub fn fill(client: &mut Client) {
    let mut random = 7u32;
    for at in 0..2000usize {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = match at % 7 {
            0 => at.to_string(),
            1 => (i64::from(random) * 2_000_000_000 - 4_000_000_000_000_000_000).to_string(),
            2 => "again and ".repeat(at % 50),
            3 => format!("{random:x}").repeat(at % 9),
            4 => String::new(),
            5 => "x".repeat(at % 300),
            _ => format!("-{at}"),
        };
        client.cmd(&["SET", &format!("key:{at}"), &value]);
        if at % 5 == 0 {
            client.cmd(&["PEXPIREAT", &format!("key:{at}"), &(4_000_000_000_000 + at).to_string()]);
        }
    }
    for length in [16_383, 16_384, 70_000, 1_000_000] {
        let value: Vec<u8> =
            (0..length).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 21).to_le_bytes()[0]).collect();
        client.cmd(&[b"SET".as_slice(), format!("large:{length}").as_bytes(), &value]);
    }
    client.cmd(&[b"SET".as_slice(), b"\x00\xff\r\n", b"\x80\x81"]);
    fill_collections(client);
    fill_streams(client);
    for database in [1, 7, 15] {
        client.cmd(&["SELECT", &database.to_string()]);
        client.cmd(&["SET", &format!("in:{database}"), "v", "EX", "100000"]);
        client.cmd(&["SET", "plain", "v"]);
    }
    client.run("SELECT 0");
}

/// Collections of every encoding that Redis 7.0 knows, at their thresholds and beyond them.
fn fill_collections(client: &mut Client) {
    let mut push = |command: &str, key: &str, items: Vec<String>| {
        let mut words = vec![command.to_owned(), key.to_owned()];
        words.extend(items);
        let answer = client.cmd(&words);
        assert!(!answer.is_error(), "{command} {key}: {answer:?}");
    };
    for (count, name) in [(1usize, "one"), (128, "full"), (129, "over"), (5000, "many")] {
        push("RPUSH", &format!("list:{name}"), (0..count).map(|at| format!("item {at}")).collect());
        push(
            "RPUSH",
            &format!("list:numbers:{name}"),
            (0..count).map(|at| (at.cast_signed() * 977 - 3000).to_string()).collect(),
        );
        push("SADD", &format!("set:{name}"), (0..count).map(|at| format!("member {at}")).collect());
        push("HSET", &format!("hash:{name}"), (0..2 * count).map(|at| format!("f{at}")).collect());
        push("ZADD", &format!("zset:{name}"), scored(count));
    }
    for (shift, name) in [(0, "16"), (20, "32"), (40, "64")] {
        let wide = (0..400i64).map(|at| ((at - 200) << shift).to_string());
        push("SADD", &format!("set:ints:{name}"), wide.collect());
    }
    push("SADD", "set:ints:over", (0..600).map(|at| at.to_string()).collect());
    push("RPUSH", "list:long", (0..300).map(|at| format!("{at} ").repeat(1 + at * 7 % 900)).collect());
    push("RPUSH", "list:large", vec!["x".repeat(20_000), "y".into(), "z".repeat(9_000)]);
    push("SADD", "set:long", vec!["a".repeat(65), "b".into()]);
    push("HSET", "hash:long", vec!["f".into(), "v".repeat(65)]);
    push("ZADD", "zset:long", vec!["1".into(), "m".repeat(65), "-inf".into(), "low".into()]);
    push("RPUSH", "list:odd", vec![String::new(), "-0".into(), "9223372036854775808".into(), "\u{0}\r\n".into()]);
    client.run("PEXPIREAT set:many 4000000000000");
}

/// Streams of every shape: one entry, full blocks, changing fields, deleted and trimmed entries, groups.
fn fill_streams(client: &mut Client) {
    let mut random = 11u32;
    for (count, name) in [(1u64, "one"), (100, "full"), (101, "over"), (3000, "many")] {
        for at in 1..=count {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let id = format!("{}-{}", 1_600_000_000_000 + at / 3 * 977, at);
            let mut words = vec!["XADD".to_owned(), format!("stream:{name}"), id];
            for field in 0..=(random >> 20) % 3 {
                words.extend([
                    format!("field {field}"),
                    [random.to_string(), format!("{random:x} ").repeat(3)][at as usize % 2].clone(),
                ]);
            }
            assert!(!client.cmd(&words).is_error(), "{words:?}");
        }
    }
    for line in [
        "XADD stream:edges 0-1 f v",
        "XADD stream:edges 5-18446744073709551615 f v g 9223372036854775807",
        "XADD stream:edges 18446744073709551615-7 -1 -9223372036854775808",
        "XADD stream:empty 1-1 f v",
        "XDEL stream:empty 1-1",
        "XGROUP CREATE stream:groups:none group $ MKSTREAM",
        "XDEL stream:many 1600000000000-1 1600000000977-5 1600000976023-2999",
        "XTRIM stream:over MAXLEN = 77",
        "XGROUP CREATE stream:many readers 0",
        "XGROUP CREATE stream:many late 1600000500000-0 ENTRIESREAD 7",
        "XREADGROUP GROUP readers alice COUNT 150 STREAMS stream:many >",
        "XREADGROUP GROUP readers bob COUNT 30 STREAMS stream:many >",
        "XREADGROUP GROUP late alice COUNT 3 STREAMS stream:many >",
        "XGROUP CREATECONSUMER stream:many late idle",
        "XCLAIM stream:many readers carol 0 1600000000977-3 1600000000977-4 TIME 1600000009999 RETRYCOUNT 9",
        "XACK stream:many readers 1600000001954-6 1600000001954-7",
        "XDEL stream:many 1600000002931-9",
        "XSETID stream:one 1700000000000-3 ENTRIESADDED 40 MAXDELETEDID 5-5",
        "PEXPIREAT stream:full 4000000000000",
    ] {
        let answer = client.run(line);
        assert!(!answer.is_error(), "{line}: {answer:?}");
    }
}

/// Scores of every kind: whole, fractions, very large and small, equal ones, and the infinities.
fn scored(count: usize) -> Vec<String> {
    let score = |at: usize| match at % 7 {
        0 => at.to_string(),
        1 => format!("{at}.5"),
        2 => format!("-{at}e15"),
        3 => "0.1".into(),
        4 => format!("{at}e-10"),
        5 => "inf".into(),
        _ => "-inf".into(),
    };
    (0..count).flat_map(|at| [score(at), format!("member {at}")]).collect()
}
