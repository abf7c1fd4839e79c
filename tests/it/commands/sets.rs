//! Set commands.

use super::{are_refused_for_the_type, dialogue, dialogue_resp3, scanned};
use crate::support::{Server, against_redis, bulk, int};

#[test]
fn members_are_added_once_looked_up_and_removed() {
    dialogue(
        r#"
        > SADD set a b a
        :2
        > SADD set b c
        :1
        > SCARD set
        :3
        > SISMEMBER set a
        :1
        > SISMEMBER set z
        :0
        > SISMEMBER missing z
        :0
        > SMISMEMBER set a z c
        [:1, :0, :1]
        > SMISMEMBER missing a b
        [:0, :0]
        > SREM set a z
        :1
        > SREM set b c
        :2
        > SCARD set
        :0
        > SREM set a
        :0
        > SMEMBERS set
        []
        > SADD numbers 3 1 2 -5
        :4
        > SMEMBERS numbers
        ["-5", "1", "2", "3"]
        > SISMEMBER numbers 01
        :0
        > SADD set
        -ERR wrong number of arguments for 'sadd' command
        "#,
    );
}

#[test]
fn other_types_are_refused_by_every_set_command() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET string value");
    client.run("SADD set a");
    are_refused_for_the_type(
        &mut client,
        &[
            "SADD string a",
            "SREM string a",
            "SCARD string",
            "SISMEMBER string a",
            "SMISMEMBER string a",
            "SMEMBERS string",
            "SPOP string",
            "SPOP string 1",
            "SRANDMEMBER string",
            "SRANDMEMBER string 2",
            "SMOVE string set a",
            "SMOVE set string a",
            "SINTER set string",
            "SINTER missing string",
            "SUNION set string",
            "SDIFF set string",
            "SINTERCARD 2 set string",
            "SINTERSTORE to set string",
            "SUNIONSTORE to set string",
            "SDIFFSTORE to set string",
            "SSCAN string 0",
        ],
    );
    assert_eq!(client.run("SCARD set"), int(1));
}

#[test]
fn a_member_moves_from_one_set_to_another() {
    dialogue(
        r#"
        > SADD one a b
        :2
        > SMOVE one two a
        :1
        > SMOVE one two z
        :0
        > SMOVE one one b
        :1
        > SMOVE missing two b
        :0
        > SMOVE one two b
        :1
        > SCARD one
        :0
        > SMISMEMBER two a b
        [:1, :1]
        "#,
    );
}

#[test]
fn sets_are_intersected_joined_and_subtracted() {
    dialogue(
        r#"
        > SADD one 1 2 3 4
        :4
        > SADD two 3 4 5
        :3
        > SADD three 4 three
        :2
        > SINTER one two
        ["3", "4"]
        > SINTER one two three
        ["4"]
        > SINTER one missing
        []
        > SUNION one two missing
        ["1", "2", "3", "4", "5"]
        > SDIFF one two
        ["1", "2"]
        > SDIFF one two three missing
        ["1", "2"]
        > SDIFF missing one
        []
        > SDIFF one one
        []
        > SINTERSTORE to one two
        :2
        > SMEMBERS to
        ["3", "4"]
        > SUNIONSTORE to one two
        :5
        > SDIFFSTORE one one two
        :2
        > SMEMBERS one
        ["1", "2"]
        > SET to string
        +OK
        > SINTERSTORE to one missing
        :0
        > GET to
        nil
        > SDIFFSTORE to missing one
        :0
        "#,
    );
}

#[test]
fn the_size_of_an_intersection_is_counted_up_to_a_limit() {
    dialogue(
        r#"
        > SADD one a b c d
        :4
        > SADD two b c d e
        :4
        > SINTERCARD 2 one two
        :3
        > SINTERCARD 2 one two LIMIT 2
        :2
        > SINTERCARD 2 one two limit 0
        :3
        > SINTERCARD 2 one missing
        :0
        > SINTERCARD 0 one
        -ERR numkeys should be greater than 0
        > SINTERCARD x one
        -ERR numkeys should be greater than 0
        > SINTERCARD 3 one two
        -ERR Number of keys can't be greater than number of args
        > SINTERCARD 1 one two
        -ERR syntax error
        > SINTERCARD 1 one LIMIT
        -ERR syntax error
        > SINTERCARD 1 one LIMIT -1
        -ERR LIMIT can't be negative
        > SINTERCARD 1 one LIMIT x
        -ERR LIMIT can't be negative
        "#,
    );
}

#[test]
fn random_members_come_once_or_again_and_popped_ones_are_gone() {
    let server = Server::start();
    let mut client = server.client();
    for members in
        ["1 2 3 4 5", "a b c d e", "1 2 3 4 this-member-is-longer-than-any-listpack-takes-with-its-64-bytes-or-so"]
    {
        client.run("DEL set");
        assert_eq!(client.run(&format!("SADD set {members}")), int(5));
        let all: Vec<&str> = members.split(' ').collect();
        for (count, answered) in [(0, 0), (1, 1), (3, 3), (5, 5), (9, 5), (-1, 1), (-20, 20)] {
            let mut texts = client.run(&format!("SRANDMEMBER set {count}")).texts();
            assert_eq!(texts.len(), answered, "{count}");
            assert!(texts.iter().all(|text| all.contains(&text.as_str())));
            texts.sort_unstable();
            texts.dedup();
            assert!(count < 0 || texts.len() == answered, "{count}");
        }
        assert!(all.contains(&client.run("SRANDMEMBER set").text().as_str()));
        let first = client.run("SPOP set").text();
        assert!(all.contains(&first.as_str()));
        let mut rest = client.run("SPOP set 2").texts();
        assert_eq!(rest.len(), 2);
        assert_eq!(client.run("SCARD set"), int(2));
        rest.extend(client.run("SPOP set 9").texts());
        rest.push(first);
        rest.sort_unstable();
        let mut all = all;
        all.sort_unstable();
        assert_eq!(rest, all);
        assert!(client.run("EXISTS set").is_error() || client.run("SCARD set") == int(0));
    }
    client.transcript(
        r#"
        > SPOP missing
        nil
        > SPOP missing 3
        []
        > SPOP missing -1
        -ERR value is out of range, must be positive
        > SPOP missing x
        -ERR value is out of range, must be positive
        > SPOP missing 1 2
        -ERR syntax error
        > SRANDMEMBER missing
        nil
        > SRANDMEMBER missing 2
        []
        > SRANDMEMBER missing -9223372036854775808
        -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > SRANDMEMBER missing 1 2
        -ERR syntax error
        "#,
    );
}

#[test]
fn a_scan_of_a_large_set_finds_every_member_while_it_grows_and_shrinks() {
    let server = Server::start();
    let mut client = server.client();
    for number in 0..1000 {
        client.run(&format!("SADD set member:{number}"));
    }
    let found = scanned(&mut client, "SSCAN set", |client, round| {
        client.run(&format!("SADD set extra:{round}"));
        if round > 0 {
            client.run(&format!("SREM set extra:{}", round - 1));
        }
    });
    assert!((0..1000).all(|number| found.contains(&format!("member:{number}"))));
    client.transcript(
        r#"
        > SADD few one two
        :2
        > SSCAN few 0 MATCH t*
        ["0", ["two"]]
        > SSCAN missing 0 COUNT
        ["0", []]
        > SSCAN few 0 COUNT 0
        -ERR syntax error
        > SSCAN few 0 COUNT x
        -ERR value is not an integer or out of range
        > SSCAN few 0 TYPE set
        -ERR syntax error
        > SSCAN few x
        -ERR invalid cursor
        "#,
    );
}

#[test]
fn sets_are_sets_in_resp3() {
    dialogue_resp3(
        r#"
        > SADD set 1 2
        :2
        > SMEMBERS set
        ~["1", "2"]
        > SINTER set set
        ~["1", "2"]
        > SUNION set missing
        ~["1", "2"]
        > SDIFF set missing
        ~["1", "2"]
        > SMEMBERS missing
        ~[]
        > SRANDMEMBER set 2
        ["1", "2"]
        > SPOP set 5
        ~["1", "2"]
        > SPOP set
        _
        > SPOP set 5
        ~[]
        "#,
    );
}

#[test]
fn encodings_follow_the_thresholds_and_members_survive_the_change() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("set-max-intset-entries 4\nset-max-listpack-entries 6\nset-max-listpack-value 8");
    let mut client = server.client();
    for (key, members, encoding) in [
        ("few-integers", "1 2 3 4", "intset"),
        ("many-integers", "1 2 3 4 5 6 7", "hashtable"),
        ("few-texts", "1 2 a", "listpack"),
        ("many-texts", "a b c d e f g", "hashtable"),
        ("long-text", "a 123456789", "hashtable"),
    ] {
        client.run(&format!("SADD {key} {members}"));
        assert_eq!(client.run(&format!("SCARD {key}")), int(members.split(' ').count() as i64));
        for member in members.split(' ') {
            assert_eq!(client.run(&format!("SISMEMBER {key} {member}")), int(1), "{key} {member}");
        }
        let answered = client.run(&format!("OBJECT ENCODING {key}"));
        assert!(answered == bulk(encoding), "{key}: {answered:?}");
    }
}

#[test]
fn changes_publish_their_events() {
    let server = Server::with_config("notify-keyspace-events KEA");
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    let mut client = server.client();
    for line in [
        "SADD one a b c",
        "SADD one a",
        "SREM one a",
        "SMOVE one two b",
        "SPOP one",
        "SUNIONSTORE to two",
        "SINTERSTORE to two missing",
    ] {
        client.run(line);
    }
    let expected = ["sadd one", "srem one", "srem one", "sadd two", "spop one", "del one", "sunionstore to", "del to"];
    for event in expected {
        let message = listener.read().texts();
        let name = message[2].rsplit(':').next().expect("a channel").to_owned();
        assert_eq!(format!("{name} {}", message[3]), event);
    }
}

#[test]
fn a_result_of_nothing_deletes_a_destination_past_its_expiry_as_any_other() {
    let server = Server::with_config("notify-keyspace-events Exg\nenable-debug-command yes");
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    let mut client = server.client();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    for store in [
        "SINTERSTORE to missing",
        "ZUNIONSTORE to 1 missing",
        "ZRANGESTORE to missing 0 -1",
        "SORT missing STORE to",
        "GEOSEARCHSTORE to missing FROMLONLAT 1 1 BYRADIUS 1 m",
        "BITOP AND to missing",
    ] {
        client.run("SET to value PX 1");
        std::thread::sleep(std::time::Duration::from_millis(5));
        assert!(client.run(store) == int(0), "{store}");
        for event in ["expire", "del"] {
            let message = listener.read().texts();
            assert_eq!(message[2], format!("__keyevent@0__:{event}"), "{store}");
        }
    }
}
