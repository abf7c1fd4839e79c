//! Snapshots while every type is written to: what the child writes, and what is copied of memory meanwhile.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{Client, Server, Setup, against_redis, encode_command, ok, send_signal, wait_until};

/// Sends commands without waiting for their replies one by one; none may fail.
fn run_all(client: &mut Client, commands: &[Vec<String>]) {
    for part in commands.chunks(500) {
        client.send(&part.iter().flat_map(|command| encode_command(command)).collect::<Vec<_>>());
        for command in part {
            let reply = client.read();
            assert!(!reply.is_error(), "{command:?}: {reply:?}");
        }
    }
}

fn command(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// A command of a key with many arguments.
fn with_all(name: &str, key: &str, arguments: impl Iterator<Item = String>) -> Vec<String> {
    [name.to_owned(), key.to_owned()].into_iter().chain(arguments).collect()
}

/// Sizes of collections from which each gets its encodings, inside its key's block and behind it.
const SIZES: [usize; 4] = [3, 40, 120, 5_000];

/// Keys of every type and encoding, some with an expiry.
fn fill(client: &mut Client) {
    let mut commands = vec![
        command(&["SET", "string:int", "12345"]),
        command(&["SET", "string:embstr", "short"]),
        command(&["SET", "string:raw", &"raw".repeat(50)]),
        command(&["SET", "string:boxed", &"boxed".repeat(1_000)]),
        command(&["SET", "string:long", &"long".repeat(10_000)]),
        command(&["SETBIT", "string:bits", "80000", "1"]),
        command(&["PFADD", "string:sketch", "a", "b", "c"]),
        command(&["SET", "string:expiring", "v", "EX", "5000"]),
    ];
    for size in SIZES {
        let element = |n: usize| format!("element {n:06} of {size}");
        commands.extend([
            with_all("RPUSH", &format!("list:{size}"), (0..size).map(element)),
            with_all("SADD", &format!("set:{size}"), (0..size).map(element)),
            with_all("SADD", &format!("integers:{size}"), (0..size).map(|n| (n * n * 1_000).to_string())),
            with_all(
                "ZADD",
                &format!("zset:{size}"),
                (0..size).flat_map(|n| [(n * 7 % 1_000).to_string(), element(n)]),
            ),
            with_all("HSET", &format!("hash:{size}"), (0..size).flat_map(|n| [format!("field {n}"), element(n)])),
            command(&["HPEXPIRE", &format!("hash:{size}"), "5000000", "FIELDS", "1", "field 1"]),
            command(&["PEXPIRE", &format!("list:{size}"), "5000000"]),
        ]);
        for n in 0..size.min(1_000) {
            commands.push(command(&["XADD", &format!("stream:{size}"), &format!("1-{}", n + 1), "field", &element(n)]));
        }
        commands.push(command(&["XGROUP", "CREATE", &format!("stream:{size}"), "group", "0"]));
        commands.push(command(&[
            "XREADGROUP",
            "GROUP",
            "group",
            "one",
            "COUNT",
            "10",
            "STREAMS",
            &format!("stream:{size}"),
            ">",
        ]));
    }
    // For the child to have something to be slow at.
    commands.extend((0..1_000).map(|n| command(&["SET", &format!("filler:{n}"), "v"])));
    run_all(client, &commands);
}

/// Changes of every key of every type, in several places.
fn change_all(client: &mut Client, round: usize) {
    let text = round.to_string();
    let mut commands = vec![
        command(&["INCR", "string:int"]),
        command(&["APPEND", "string:embstr", &text]),
        command(&["SETRANGE", "string:raw", &text, "changed"]),
        command(&["SETRANGE", "string:boxed", &text, "changed"]),
        command(&["SETRANGE", "string:long", &(round * 900).to_string(), "changed"]),
        command(&["SETBIT", "string:bits", &(round * 999).to_string(), "1"]),
        command(&["PFADD", "string:sketch", &text]),
        command(&["SET", "string:expiring", &text, "EX", &(6_000 + round).to_string()]),
    ];
    for size in SIZES {
        let at = round * 37 % size;
        let element = |n: usize| format!("element {n:06} of {size}");
        let key = |name: &str| format!("{name}:{size}");
        let at_text = at.to_string();
        commands.extend([
            command(&["RPUSH", &key("list"), &text]),
            command(&["LPUSH", &key("list"), &element(at)]),
            command(&["LSET", &key("list"), &at_text, &text]),
            command(&["LINSERT", &key("list"), "BEFORE", &text, "inserted"]),
            command(&["LREM", &key("list"), "1", &element(at + 1)]),
            command(&["LPOP", &key("list")]),
            command(&["RPOP", &key("list")]),
            command(&["PEXPIRE", &key("list"), &(4_000_000 + round).to_string()]),
            command(&["SADD", &key("set"), &text]),
            command(&["SREM", &key("set"), &element(at)]),
            command(&["SADD", &key("integers"), &(round * 7).to_string()]),
            command(&["SREM", &key("integers"), &(at * at * 1_000).to_string()]),
            command(&["ZINCRBY", &key("zset"), "1.5", &element(at)]),
            command(&["ZADD", &key("zset"), &text, &element(at + 1), "-1", &element(at + 2), "5", &text]),
            command(&["ZREM", &key("zset"), &element(round * 11 % size)]),
            command(&["ZREMRANGEBYRANK", &key("zset"), "1", "1"]),
            command(&["HSET", &key("hash"), &format!("field {at}"), &text, &text, "new"]),
            command(&["HDEL", &key("hash"), &format!("field {}", round * 11 % size)]),
            command(&["HINCRBY", &key("hash"), "count", "3"]),
            command(&["XADD", &key("stream"), &format!("{}-1", round + 2), "field", &text]),
            command(&["XDEL", &key("stream"), &format!("1-{}", at + 1)]),
            command(&["XTRIM", &key("stream"), "MAXLEN", &(size.min(1_000) + 3).to_string()]),
            command(&["XREADGROUP", "GROUP", "group", "two", "COUNT", "2", "STREAMS", &key("stream"), ">"]),
        ]);
    }
    if round == 20 {
        for name in ["list", "set", "integers", "zset", "hash", "stream"] {
            commands.push(command(&["RENAME", &format!("{name}:120"), &format!("{name}:renamed")]));
            commands.push(command(&["COPY", &format!("{name}:5000"), &format!("{name}:120")]));
            commands.push(command(&["DEL", &format!("{name}:3")]));
        }
        commands.push(command(&["XGROUP", "CREATE", "stream:3", "group", "0", "MKSTREAM"]));
    }
    run_all(client, &commands);
}

#[test]
fn the_dump_is_of_the_fork_while_every_key_of_every_type_is_changed() {
    let depths = if against_redis() { [0, 0] } else { [0, 1] };
    for depth in depths {
        let server = Server::with_config(&format!("list-compress-depth {depth}\nrdb-key-save-delay 2000"));
        let mut client = server.client();
        fill(&mut client);
        change_all(&mut client, 1);
        let before = server.digest();
        server.start_background_save();
        server.wait_for_child();
        for round in 2..10_000 {
            if round > 25 && server.child_pids().is_empty() {
                break;
            }
            change_all(&mut client, round);
        }
        server.wait_for_save_end();
        client.run("CONFIG SET rdb-key-save-delay 0");
        let dump = fs::read(server.dump_path()).expect("the dump");
        assert_eq!(Setup::new().file("dump.rdb", dump).start().digest(), before);

        // And what the writers have made is whole, in the memory that it was moved to.
        let after = server.digest();
        assert_ne!(after, before);
        server.background_save();
        let dump = fs::read(server.dump_path()).expect("the dump");
        assert_eq!(Setup::new().file("dump.rdb", dump).start().digest(), after);
    }
}

/// What one snapshot had copied, and what was redirected, while `change` was made.
fn taken_during(server: &Server, change: &[Vec<String>]) -> (u64, u64) {
    let mut client = server.client();
    // Pages of the heap that are empty, at the fork or because all in them was moved, are used again and stay with the child,
    // where they count as copied.
    assert_eq!(client.run("MEMORY PURGE"), ok());
    server.start_background_save();
    let child = server.wait_for_child();
    wait_until("the child is at work", 30, || server.info_number("persistence", "current_save_keys_processed") > 0);
    send_signal(child, Signal::SIGSTOP);
    run_all(&mut client, change);
    assert_eq!(server.child_pids(), [child], "the child lives all along");
    send_signal(child, Signal::SIGCONT);
    server.wait_for_save_end();
    let latest = client.run("SNAPSHOT LATEST");
    let figure = |name: &str| u64::try_from(latest.field(name).integer()).expect("a number of bytes");
    (figure("copied_bytes"), figure("redirected_bytes"))
}

/// Fills a server, and asks that of what `change` writes to, at most `copied_max` bytes are copied and at least
/// `redirected_min` redirected.
fn assert_redirects(name: &str, data: &[Vec<String>], change: &[Vec<String>], copied_max: u64, redirected_min: u64) {
    let server = Server::with_config("rdb-key-save-delay 500");
    let mut client = server.client();
    run_all(&mut client, &(0..1_000).map(|n| command(&["SET", &format!("filler:{n}"), "v"])).collect::<Vec<_>>());
    run_all(&mut client, data);
    // What the child has for itself, and an empty page that the heap had in hand, count as copied too.
    let own = [(); 2].map(|()| taken_during(&server, &[]).0).into_iter().max().unwrap_or_default();
    let (copied, redirected) = taken_during(&server, change);
    let copied = copied.saturating_sub(own);
    eprintln!("{name}: {copied} bytes copied, {redirected} redirected");
    assert!(copied <= copied_max, "{name}: {copied} bytes copied");
    assert!(redirected >= redirected_min, "{name}: {redirected} bytes redirected");
}

#[test]
fn small_writes_to_large_collections_are_redirected_and_copy_little() {
    if against_redis() {
        return;
    }
    const MIB: u64 = 1 << 20;
    let element = |n: usize| format!("element {n:020}");

    // Some 1,000 places all over 20 MiB: pages of members and of leaves would be 7 MiB.
    let data: Vec<_> = (0..250)
        .map(|part| {
            let members = (0..1_000).map(|n| part * 1_000 + n);
            with_all("ZADD", "zset", members.flat_map(|n| [n.to_string(), element(n * 7_919 % 250_000)]))
        })
        .collect();
    let change: Vec<_> = (0..1_000).map(|n| command(&["ZINCRBY", "zset", "0.5", &element(n * 241)])).collect();
    assert_redirects("a sorted set", &data, &change, 5 * MIB, MIB / 2);

    // Two nodes of each of 400 lists: they would be 10 MiB of pages.
    let key = |n: usize| format!("list:{n}");
    let data: Vec<_> = (0..400).map(|list| with_all("RPUSH", &key(list), (0..1_000).map(element))).collect();
    let change: Vec<_> = (0..400)
        .flat_map(|list| [command(&["RPUSH", &key(list), "v"]), command(&["LSET", &key(list), "500", &element(7)])])
        .collect();
    assert_redirects("lists", &data, &change, 3 * MIB, 4 * MIB);

    // The only block of every fourth of 2,000 streams: they would be 6 MiB of pages.
    let key = |n: usize| format!("stream:{n}");
    let add = |stream: usize, n: usize| command(&["XADD", &key(stream), &format!("1-{n}"), "field", &element(n)]);
    let data: Vec<_> = (0..2_000).flat_map(|stream| (1..100).map(move |n| add(stream, n))).collect();
    let change: Vec<_> = (0..2_000).step_by(4).map(|stream| add(stream, 200)).collect();
    assert_redirects("streams", &data, &change, 3 * MIB, 2 * MIB);

    // Every fourth of 4,000 hashes in one listpack each, behind their keys' blocks: they would be 6 MiB of pages.
    let key = |n: usize| format!("hash:{n}");
    let fields = |hash: usize| (0..60).flat_map(move |n| [format!("field {n}"), element(hash + n)]);
    let data: Vec<_> = (0..4_000).map(|hash| with_all("HSET", &key(hash), fields(hash))).collect();
    let change: Vec<_> =
        (0..4_000).step_by(4).map(|hash| command(&["HSET", &key(hash), "field 30", &element(hash)])).collect();
    assert_redirects("hashes in listpacks", &data, &change, 3 * MIB, 2 * MIB);
}
