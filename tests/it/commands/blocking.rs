//! Commands that wait for a key: who is served, by what, and how else a wait ends.

use std::time::Duration;

use super::dialogue;
use crate::support::{
    Client, Server, Value, against_redis, bulk, encode_command, err, int, nil, ok, simple, wait_until,
};

/// A server under test, and one client that never waits.
pub struct Scene {
    pub server: Server,
    pub main: Client,
}

impl Scene {
    pub fn new() -> Self {
        let server = Server::start();
        let main = server.client();
        Self { server, main }
    }

    #[track_caller]
    pub fn run(&mut self, line: &str) -> Value {
        self.main.run(line)
    }

    /// A further client, whose command waits by the time this returns.
    #[track_caller]
    pub fn blocked(&mut self, line: &str) -> Client {
        let client = self.server.client();
        self.block(client, line)
    }

    #[track_caller]
    pub fn block(&mut self, mut client: Client, line: &str) -> Client {
        let before = self.blocked_clients();
        client.send(&encode_command(&words(line)));
        self.wait_for_blocked(before + 1);
        client
    }

    #[track_caller]
    fn blocked_clients(&mut self) -> usize {
        self.info("clients", "blocked_clients").parse().expect("a number")
    }

    #[track_caller]
    fn wait_for_blocked(&mut self, count: usize) {
        wait_until("so many clients wait", 30, || self.blocked_clients() == count);
    }

    #[track_caller]
    pub fn info(&mut self, section: &str, field: &str) -> String {
        let text = self.run(&format!("INFO {section}")).text();
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")).map(str::to_owned));
        value.unwrap_or_else(|| panic!("INFO {section} has no {field}"))
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn bulks(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(bulk).collect())
}

/// Asserts that so many clients wait now.
#[track_caller]
pub fn assert_waits(scene: &mut Scene, waiting: usize) {
    assert_eq!(scene.blocked_clients(), waiting, "clients that wait");
}

#[test]
fn what_is_there_is_taken_without_waiting() {
    dialogue(
        r#"
        > RPUSH list a b c d e f
        :6
        > BLPOP missing list 0
        ["list", "a"]
        > BRPOP list missing 0
        ["list", "f"]
        > BLMPOP 0 2 missing list LEFT COUNT 2
        ["list", ["b", "c"]]
        > BLMPOP 0 1 list RIGHT
        ["list", ["e"]]
        > BLMOVE list other LEFT RIGHT 0
        "d"
        > EXISTS list
        :0
        > BRPOPLPUSH other list 0
        "d"
        > ZADD zset 1 a 2 b 3 c 4 d 5 e
        :5
        > BZPOPMIN missing zset 0
        ["zset", "a", "1"]
        > BZPOPMAX zset 0
        ["zset", "e", "5"]
        > BZMPOP 0 2 missing zset MAX COUNT 2
        ["zset", [["d", "4"], ["c", "3"]]]
        > BZMPOP 0 1 zset MIN
        ["zset", [["b", "2"]]]
        > EXISTS zset
        :0
        "#,
    );
}

#[test]
fn arguments_are_looked_at_before_keys() {
    dialogue(
        r#"
        > BLPOP key -1
        -ERR timeout is negative
        > BLPOP key -0.01
        -ERR timeout is negative
        > BRPOP key one
        -ERR timeout is not a float or out of range
        > BZPOPMIN key nan
        -ERR timeout is not a float or out of range
        > BZPOPMAX key 1e300
        -ERR timeout is out of range
        > BLMOVE key other LEFT RIGHT 9223372036854775.807
        -ERR timeout is out of range
        > BLMOVE key other LEFT MIDDLE x
        -ERR syntax error
        > BRPOPLPUSH key other inf
        -ERR timeout is out of range
        > BLMPOP x 0 key LEFT
        -ERR numkeys should be greater than 0
        > BLMPOP x 1 key MIN
        -ERR syntax error
        > BLMPOP x 1 key LEFT COUNT 0
        -ERR count should be greater than 0
        > BLMPOP x 1 key LEFT
        -ERR timeout is not a float or out of range
        > BZMPOP -1 1 key MIN COUNT 1
        -ERR timeout is negative
        > BZMPOP 1 2 key MIN
        -ERR syntax error
        > SET key value
        +OK
        > BLPOP missing key 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BLMPOP 0 1 key LEFT
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BRPOPLPUSH key missing 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BZPOPMIN key 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BZMPOP 0 1 key MIN
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn waits_end_after_fractions_of_a_second() {
    let commands = [
        "BLPOP a b 0.01",
        "BRPOP a b 0.01",
        "BLMPOP 0.01 2 a b LEFT COUNT 3",
        "BLMOVE a b LEFT RIGHT 0.01",
        "BRPOPLPUSH a b 0.01",
        "BZPOPMIN a b 0.0001",
        "BZPOPMAX a b 0.0001",
        "BZMPOP 0.0001 2 a b MIN COUNT 3",
    ];
    let server = Server::start();
    let (mut resp2, mut resp3) = (server.client(), server.client_resp3());
    for command in commands {
        assert_eq!(resp2.run(command), Value::NullArray, "{command}");
        assert_eq!(resp3.run(command), Value::Null, "{command}");
    }
    assert_eq!(server.info_field("clients", "blocked_clients"), "0");
}

#[test]
fn shorter_waits_end_before_longer_ones_that_began_earlier() {
    let mut scene = Scene::new();
    let mut longest = scene.blocked("BLPOP list 0");
    let mut long = scene.blocked("BLPOP list 1");
    assert_eq!(scene.server.client().run("BLPOP list 0.01"), Value::NullArray);
    assert_waits(&mut scene, 2);
    assert_eq!(scene.info("clients", "clients_in_timeout_table"), "1");
    assert_eq!(long.read(), Value::NullArray);
    assert_eq!(scene.info("clients", "clients_in_timeout_table"), "0");
    scene.run("LPUSH list a");
    assert_eq!(longest.read(), bulks(&["list", "a"]));
}

#[test]
fn a_transaction_never_waits() {
    let server = Server::start();
    let mut client = server.client();
    let replies = client.pipeline(&[
        "MULTI",
        "BLPOP a 0",
        "BRPOP a 0",
        "BLMPOP 0 1 a LEFT",
        "BLMOVE a b LEFT LEFT 0",
        "BRPOPLPUSH a b 0",
        "BZPOPMIN a 0",
        "BZPOPMAX a 0",
        "BZMPOP 0 1 a MIN",
        "RPUSH a x",
        "BLPOP a 0",
        "EXEC",
    ]);
    let nothing = Value::NullArray;
    let expected = [
        nothing.clone(),
        nothing.clone(),
        nothing.clone(),
        nil(),
        nil(),
        nothing.clone(),
        nothing.clone(),
        nothing,
        int(1),
        bulks(&["a", "x"]),
    ];
    assert_eq!(replies.last(), Some(&Value::Array(expected.to_vec())));
}

#[test]
fn clients_are_served_in_the_order_they_came() {
    let mut scene = Scene::new();
    let mut clients: Vec<_> = (0..5).map(|_| scene.blocked("BLPOP list 0")).collect();
    assert_eq!(scene.run("RPUSH list a b c"), int(3));
    for (client, element) in clients.iter_mut().zip(["a", "b", "c"]) {
        assert_eq!(client.read(), bulks(&["list", element]));
    }
    assert_waits(&mut scene, 2);
    let mut late = scene.blocked("BRPOP list 0");
    assert_eq!(scene.run("RPUSH list d e f g"), int(4));
    assert_eq!(clients[3].read(), bulks(&["list", "d"]));
    assert_eq!(clients[4].read(), bulks(&["list", "e"]));
    assert_eq!(late.read(), bulks(&["list", "g"]));
    assert_eq!(scene.run("LRANGE list 0 -1"), bulks(&["f"]));
}

#[test]
fn each_form_of_reply_is_that_of_its_command() {
    let mut scene = Scene::new();
    let mut list = scene.blocked("BLMPOP 0 2 none list RIGHT COUNT 2");
    scene.run("RPUSH list a b c");
    assert_eq!(list.read(), Value::Array(vec![bulk("list"), bulks(&["c", "b"])]));
    let resp3 = scene.server.client_resp3();
    let (mut lowest, mut highest) = (scene.block(resp3, "BZPOPMIN none zset 0"), scene.blocked("BZPOPMAX zset 0"));
    scene.run("ZADD zset 1.5 low 2.5 high");
    let score = Value::Double("1.5".to_owned());
    assert_eq!(lowest.read(), Value::Array(vec![bulk("zset"), bulk("low"), score]));
    assert_eq!(highest.read(), bulks(&["zset", "high", "2.5"]));
    let mut several = scene.blocked("BZMPOP 0 1 zset MAX COUNT 10");
    scene.run("ZADD zset 1 a 2 b");
    let pairs = Value::Array(vec![bulks(&["b", "2"]), bulks(&["a", "1"])]);
    assert_eq!(several.read(), Value::Array(vec![bulk("zset"), pairs]));
    let mut moved = scene.blocked("BLMOVE from to RIGHT LEFT 0");
    scene.run("RPUSH from x y");
    assert_eq!(moved.read(), bulk("y"));
    let mut moved = scene.blocked("BRPOPLPUSH empty to 0");
    scene.run("RPUSH empty z");
    assert_eq!(moved.read(), bulk("z"));
    assert_eq!(scene.run("LRANGE to 0 -1"), bulks(&["z", "y"]));
}

#[test]
fn a_clients_own_order_of_keys_decides_when_several_are_ready() {
    if against_redis() {
        return;
    }
    let mut scene = Scene::new();
    let mut client = scene.blocked("BLPOP first second first 0");
    scene.main.pipeline(&["MULTI", "RPUSH second 2", "RPUSH first 1", "EXEC"]);
    assert_eq!(client.read(), bulks(&["first", "1"]));
    assert_eq!(scene.run("LRANGE second 0 -1"), bulks(&["2"]));
    assert_eq!(scene.info("clients", "total_blocking_keys"), "0");
}

#[test]
fn within_a_transaction_nobody_is_served_before_its_end() {
    let mut scene = Scene::new();
    let mut client = scene.blocked("BLPOP list 0");
    let replies = scene.main.pipeline(&["MULTI", "RPUSH list a b", "LPUSH list c", "LPOP list", "EXEC"]);
    assert_eq!(replies[4], Value::Array(vec![int(2), int(3), bulk("c")]));
    assert_eq!(client.read(), bulks(&["list", "a"]));
    let mut client = scene.blocked("BLPOP other 0");
    scene.main.pipeline(&["MULTI", "RPUSH other a", "DEL other", "EXEC"]);
    scene.main.pipeline(&["MULTI", "RPUSH other a", "DEL other", "SET other text", "EXEC"]);
    assert_waits(&mut scene, 1);
    scene.main.pipeline(&["MULTI", "DEL other", "RPUSH other b", "EXEC"]);
    assert_eq!(client.read(), bulks(&["other", "b"]));
}

#[test]
fn whatever_brings_a_list_serves_who_waits_for_it() {
    let mut scene = Scene::new();
    scene.main.pipeline(&["RPUSH source a", "RPUSH numbers 2 1", "SELECT 1", "RPUSH list a", "SELECT 0"]);
    let payload = scene.run("DUMP source").bytes();
    let ways: [(&str, &[&str]); 9] = [
        ("LPUSH", &["LPUSH list a"]),
        ("COPY", &["COPY source list"]),
        ("RENAME", &["COPY source other", "RENAME other list"]),
        ("RENAMENX", &["COPY source other", "RENAMENX other list"]),
        ("LMOVE", &["COPY source other", "LMOVE other list LEFT LEFT"]),
        ("RPOPLPUSH", &["COPY source other", "RPOPLPUSH other list"]),
        ("SORT", &["SORT source BY nosort STORE list"]),
        ("SWAPDB", &["SWAPDB 0 1", "SWAPDB 0 1"]),
        ("MOVE", &["SELECT 1", "RPUSH list a", "MOVE list 0", "SELECT 0"]),
    ];
    for (way, commands) in ways {
        let mut client = scene.blocked("BLPOP list 0");
        let replies = scene.main.pipeline(commands);
        assert!(!replies.iter().any(Value::is_error), "{way}: {replies:?}");
        assert_eq!(client.read(), bulks(&["list", "a"]), "{way}");
    }
    let mut client = scene.blocked("BLPOP list 0");
    assert_eq!(scene.main.cmd(&[&b"RESTORE"[..], b"list", b"0", &payload]), ok());
    assert_eq!(client.read(), bulks(&["list", "a"]));
}

#[test]
fn whatever_brings_a_sorted_set_serves_who_waits_for_it() {
    let mut scene = Scene::new();
    scene.main.pipeline(&["ZADD source 1 a", "SADD plain a"]);
    for command in [
        "ZADD zset 1 a",
        "ZINCRBY zset 1 a",
        "ZUNIONSTORE zset 1 source",
        "ZINTERSTORE zset 2 source plain WEIGHTS 1 0",
        "ZDIFFSTORE zset 1 source",
        "ZRANGESTORE zset source 0 -1",
        "COPY source zset",
    ] {
        let mut client = scene.blocked("BZPOPMIN zset 0");
        assert!(!scene.run(command).is_error(), "{command}");
        assert_eq!(client.read(), bulks(&["zset", "a", "1"]), "{command}");
    }
}

#[test]
fn data_that_is_loaded_serves_who_waits_for_it() {
    if against_redis() {
        return;
    }
    let mut scene = Scene::new();
    scene.main.pipeline(&["RPUSH list a", "SAVE", "DEL list"]);
    let mut client = scene.blocked("BLPOP list 0");
    assert_eq!(scene.run("DEBUG RELOAD NOSAVE"), ok());
    assert_eq!(client.read(), bulks(&["list", "a"]));
}

#[test]
fn a_served_move_serves_the_next_in_the_chain() {
    let mut scene = Scene::new();
    let mut last = scene.blocked("BLPOP d 0");
    let mut moves: Vec<_> = ["BLMOVE c d LEFT RIGHT 0", "BRPOPLPUSH b c 0", "BLMOVE a b RIGHT LEFT 0"]
        .into_iter()
        .map(|line| scene.blocked(line))
        .collect();
    assert_eq!(scene.run("RPUSH a x"), int(1));
    assert_eq!(last.read(), bulks(&["d", "x"]));
    for client in &mut moves {
        assert_eq!(client.read(), bulk("x"));
    }
    assert_eq!(scene.run("DBSIZE"), int(0));
    let (mut there, mut back) = (scene.blocked("BLMOVE a b LEFT LEFT 0"), scene.blocked("BLMOVE b a LEFT LEFT 0"));
    scene.run("RPUSH a x");
    assert_eq!((there.read(), back.read()), (bulk("x"), bulk("x")));
    assert_eq!(scene.run("LRANGE a 0 -1"), bulks(&["x"]));
    let mut itself = scene.blocked("BLMOVE self self LEFT RIGHT 0");
    scene.run("RPUSH self 1 2 3");
    assert_eq!(itself.read(), bulk("1"));
    assert_eq!(scene.run("LRANGE self 0 -1"), bulks(&["2", "3", "1"]));
}

#[test]
fn a_key_of_another_type_serves_nobody() {
    let mut scene = Scene::new();
    let (mut list, mut zset) = (scene.blocked("BLPOP key 0"), scene.blocked("BZPOPMAX key 0"));
    for line in ["SET key text", "DEL key", "SADD key a", "DEL key", "HSET key a b", "DEL key"] {
        scene.run(line);
    }
    assert_waits(&mut scene, 2);
    scene.run("ZADD key 1 a");
    assert_eq!(zset.read(), bulks(&["key", "a", "1"]));
    assert_waits(&mut scene, 1);
    scene.run("RPUSH key b");
    assert_eq!(list.read(), bulks(&["key", "b"]));
}

#[test]
fn a_move_that_fails_leaves_the_element_where_it_is() {
    let mut scene = Scene::new();
    scene.run("SET target text");
    let (mut first, mut second) = (scene.blocked("BLMOVE list target LEFT LEFT 0"), scene.blocked("BLPOP list 0"));
    scene.run("RPUSH list a");
    let wrong_type = err("WRONGTYPE Operation against a key holding the wrong kind of value");
    assert_eq!(first.read(), wrong_type);
    assert_eq!(second.read(), bulks(&["list", "a"]));
    let stats = scene.info("commandstats", "cmdstat_blmove");
    assert!(stats.starts_with("calls=1,") && stats.ends_with("failed_calls=1"), "{stats}");
}

#[test]
fn a_key_that_expires_before_it_is_served_leaves_the_deadline_as_it_was() {
    let mut scene = Scene::new();
    scene.run("DEBUG SET-ACTIVE-EXPIRE 0");
    let (mut first, mut second) = (scene.blocked("BLPOP list 0.3"), scene.blocked("BLPOP list 0"));
    let replies = scene.main.pipeline(&["MULTI", "RPUSH list a", "PEXPIRE list 1", "DEBUG SLEEP 0.1", "EXEC"]);
    assert!(!replies[4].is_error(), "{replies:?}");
    assert_waits(&mut scene, 2);
    assert_eq!(first.read(), Value::NullArray);
    scene.run("RPUSH list b");
    assert_eq!(second.read(), bulks(&["list", "b"]));
}

#[test]
fn a_database_of_its_own_is_waited_in() {
    let mut scene = Scene::new();
    let mut client = scene.server.client();
    client.run("SELECT 3");
    let mut client = scene.block(client, "BLPOP list 0");
    scene.run("RPUSH list here");
    assert_waits(&mut scene, 1);
    scene.main.pipeline(&["SELECT 3", "RPUSH list there", "SELECT 0"]);
    assert_eq!(client.read(), bulks(&["list", "there"]));
    let mut client = scene.block(client, "BLPOP other 0");
    scene.main.pipeline(&["RPUSH other a", "SWAPDB 0 3"]);
    assert_eq!(client.read(), bulks(&["other", "a"]));
}

#[test]
fn deleting_keys_and_databases_serves_nobody() {
    let mut scene = Scene::new();
    let mut client = scene.blocked("BLPOP list 0");
    for line in ["DEL list", "FLUSHDB", "FLUSHALL", "SWAPDB 0 1", "UNLINK list"] {
        scene.run(line);
    }
    assert_waits(&mut scene, 1);
    scene.run("RPUSH list a");
    assert_eq!(client.read(), bulks(&["list", "a"]));
}

#[test]
fn client_unblock_ends_a_wait_by_nothing_or_by_an_error() {
    let mut scene = Scene::new();
    let mut client = scene.server.client();
    let id = client.run("CLIENT ID").integer();
    assert_eq!(scene.run(&format!("CLIENT UNBLOCK {id}")), int(0), "it does not wait yet");
    for (reason, reply) in [
        ("", Value::NullArray),
        (" TIMEOUT", Value::NullArray),
        (" ERROR", err("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
    ] {
        client = scene.block(client, "BRPOP list 0");
        assert_eq!(scene.run(&format!("CLIENT UNBLOCK {id}{reason}")), int(1));
        assert_eq!(client.read(), reply);
        assert_eq!(scene.run(&format!("CLIENT UNBLOCK {id}{reason}")), int(0));
    }
    scene.run("RPUSH list a");
    assert_eq!(scene.run("LLEN list"), int(1), "nobody stands in line any more");
    assert_eq!(scene.info("errorstats", "errorstat_UNBLOCKED"), "count=1");
    let stats = scene.info("commandstats", "cmdstat_brpop");
    assert!(stats.ends_with("failed_calls=1") || against_redis(), "{stats}");
}

#[test]
fn who_waits_for_replicas_is_told_that_none_came() {
    let mut scene = Scene::new();
    let mut client = scene.server.client();
    client.transcript(
        r#"
        > SET key value
        +OK
        > WAIT 0 0
        :0
        > WAIT -1 0
        :0
        > WAIT 1 10
        :0
        > WAIT one 0
        -ERR value is not an integer or out of range
        > WAIT 0 one
        -ERR timeout is not an integer or out of range
        > WAIT 0 -1
        -ERR timeout is negative
        > MULTI
        +OK
        > WAIT 1 0
        +QUEUED
        > EXEC
        [:0]
        "#,
    );
    let id = client.run("CLIENT ID").integer();
    for (reason, reply) in [("", int(0)), (" ERROR", err("UNBLOCKED client unblocked via CLIENT UNBLOCK"))] {
        client = scene.block(client, "WAIT 1 0");
        // What others do is of no use to it.
        scene.run("RPUSH list a");
        assert_waits(&mut scene, 1);
        assert_eq!(scene.run(&format!("CLIENT UNBLOCK {id}{reason}")), int(1));
        assert_eq!(client.read(), reply);
    }
    assert_eq!(client.run("PING"), simple("PONG"));
}

#[test]
fn who_waits_for_append_only_files_is_told_that_there_are_none() {
    if against_redis() {
        // Redis 7.0 does not have the command.
        return;
    }
    let mut scene = Scene::new();
    let mut client = scene.server.client();
    client.transcript(
        r#"
        > WAITAOF 0 0 0
        [:0, :0]
        > SET key value
        +OK
        > WAITAOF 0 0 0
        [:0, :0]
        > WAITAOF 0 1 10
        [:0, :0]
        > WAITAOF 1 0 0
        -ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.
        > WAITAOF 2 0 0
        -ERR value is out of range, value must between 0 and 1
        > WAITAOF -1 0 0
        -ERR value is out of range, value must between 0 and 1
        > WAITAOF one 0 0
        -ERR value is not an integer or out of range
        > WAITAOF 1 -1 x
        -ERR value is out of range, must be positive
        > WAITAOF 0 x 0
        -ERR value is out of range, must be positive
        > WAITAOF 1 1 -5
        -ERR timeout is negative
        > WAITAOF 0 0 one
        -ERR timeout is not an integer or out of range
        > WAITAOF 0 0
        -ERR wrong number of arguments for 'waitaof' command
        > MULTI
        +OK
        > WAITAOF 0 1 0
        +QUEUED
        > EXEC
        [[:0, :0]]
        "#,
    );
    let id = client.run("CLIENT ID").integer();
    client = scene.block(client, "WAITAOF 0 1 0");
    assert_eq!(scene.run(&format!("CLIENT UNBLOCK {id}")), int(1));
    assert_eq!(client.read().items(), [int(0), int(0)]);
}

#[test]
fn client_unblock_does_not_end_a_pause() {
    if against_redis() {
        return;
    }
    let mut scene = Scene::new();
    let mut client = scene.server.client();
    let id = client.run("CLIENT ID").integer();
    scene.run("CLIENT PAUSE 60000 WRITE");
    let mut client = scene.block(client, "SET key value");
    assert_eq!(scene.run(&format!("CLIENT UNBLOCK {id} ERROR")), int(0));
    scene.run("CLIENT UNPAUSE");
    assert_eq!(client.read(), ok());
}

#[test]
fn nothing_is_given_to_a_client_that_has_gone() {
    let mut scene = Scene::new();
    let mut killed = scene.server.client();
    let id = killed.run("CLIENT ID").integer();
    let mut killed = scene.block(killed, "BLPOP list 0");
    let left = scene.blocked("BLPOP list 5");
    let mut with_more = scene.blocked("BLPOP list 0");
    with_more.send(&encode_command(&["PING"]).repeat(20_000));
    let mut patient = scene.blocked("BLPOP list 0");
    assert_eq!(scene.run(&format!("CLIENT KILL ID {id}")), int(1));
    assert!(killed.is_closed_within(Duration::from_secs(10)));
    drop(left);
    drop(with_more);
    scene.wait_for_blocked(1);
    scene.run("RPUSH list a");
    assert_eq!(patient.read(), bulks(&["list", "a"]));
    for field in ["blocked_clients", "clients_in_timeout_table"] {
        assert_eq!(scene.info("clients", field), "0", "{field}");
    }
    if !against_redis() {
        assert_eq!(scene.info("clients", "total_blocking_keys"), "0");
    }
}

#[test]
fn what_is_sent_behind_a_waiting_command_runs_after_it() {
    let mut scene = Scene::new();
    let mut client = scene.server.client();
    let lines = ["SET before 1", "BLPOP list 0", "GET before", "BLPOP list 0", "RPUSH list again", "BRPOP list 0"];
    let bytes: Vec<u8> = lines.iter().flat_map(|line| encode_command(&words(line))).collect();
    client.send(&bytes);
    assert_eq!(client.read(), ok());
    scene.wait_for_blocked(1);
    // Half of one more command comes while the others wait.
    client.send(b"*1\r\n$4\r\nPI");
    scene.run("SET before 2");
    scene.run("RPUSH list a b c");
    assert_eq!(client.read(), bulks(&["list", "a"]));
    assert_eq!(client.read(), bulk("2"));
    assert_eq!(client.read(), bulks(&["list", "b"]));
    assert_eq!(client.read(), int(2));
    assert_eq!(client.read(), bulks(&["list", "again"]));
    client.send(b"NG\r\n");
    assert_eq!(client.read().text(), "PONG");
}

#[test]
fn a_long_pipeline_waits_behind_a_waiting_command() {
    let mut scene = Scene::new();
    let mut client = scene.blocked("BLPOP list 0");
    let writer = client.send_in_background(encode_command(&["INCR", "counter"]).repeat(50_000));
    assert_eq!(scene.run("EXISTS counter"), int(0));
    scene.run("RPUSH list go");
    assert_eq!(client.read(), bulks(&["list", "go"]));
    for number in 1..=50_000 {
        assert_eq!(client.read(), int(number));
    }
    writer.join().expect("the writer ends").expect("everything was sent");
}

#[test]
fn who_waits_is_shown() {
    let mut scene = Scene::new();
    let mut client = scene.server.client();
    client.run("CLIENT SETNAME waiter");
    let line_of = |scene: &mut Scene| {
        let list = scene.run("CLIENT LIST").text();
        list.lines().find(|line| line.contains("name=waiter")).expect("the client is listed").to_owned()
    };
    let mut client = scene.block(client, "BLPOP first second first 30");
    let line = line_of(&mut scene);
    assert!(line.contains(" flags=b ") && line.contains(" cmd=blpop "), "{line}");
    let mut expected = vec![("blocked_clients", "1"), ("clients_in_timeout_table", "1")];
    if !against_redis() {
        expected.extend([("total_blocking_keys", "2"), ("total_blocking_keys_on_nokey", "0")]);
    }
    for (field, value) in expected {
        assert_eq!(scene.info("clients", field), value, "{field}");
    }
    scene.run("RPUSH second a");
    assert_eq!(client.read(), bulks(&["second", "a"]));
    assert!(line_of(&mut scene).contains(" flags=N "));
}

#[test]
fn a_wait_counts_as_one_call_and_is_told_to_monitors_once() {
    if against_redis() {
        return;
    }
    let mut scene = Scene::new();
    let mut monitor = scene.server.client();
    monitor.run("MONITOR");
    scene.main.pipeline(&["CONFIG SET slowlog-log-slower-than 0", "SLOWLOG RESET", "CONFIG RESETSTAT"]);
    let mut client = scene.blocked("BLPOP list 0");
    let commandstats = scene.run("INFO commandstats").text();
    assert!(!commandstats.contains("cmdstat_blpop"), "{commandstats}");
    scene.run("RPUSH list a");
    assert_eq!(client.read(), bulks(&["list", "a"]));
    let stats = scene.info("commandstats", "cmdstat_blpop");
    assert!(stats.starts_with("calls=1,") && stats.ends_with(",rejected_calls=0,failed_calls=0"), "{stats}");
    let slow = scene.run("SLOWLOG GET -1");
    let is_blpop = |entry: &&Value| entry.items()[3].items()[0] == bulk("BLPOP");
    assert_eq!(slow.items().iter().filter(is_blpop).count(), 1);
    scene.run("ECHO end");
    let mut shown = Vec::new();
    while !shown.last().is_some_and(|line: &String| line.ends_with(r#""ECHO" "end""#)) {
        shown.push(monitor.read().text());
    }
    let place = |text: &str| shown.iter().position(|line| line.contains(text)).expect("it is shown");
    assert_eq!(shown.iter().filter(|line| line.contains("BLPOP")).count(), 1, "{shown:?}");
    assert!(place(r#""BLPOP" "list" "0""#) < place(r#""RPUSH" "list" "a""#));
}

#[test]
fn a_served_pop_is_a_change_and_an_event_like_any_other() {
    let mut scene = Scene::new();
    let mut listener = scene.server.client();
    scene.run("CONFIG SET notify-keyspace-events KA");
    listener.run("PSUBSCRIBE *");
    let mut client = scene.blocked("BLMOVE list other LEFT RIGHT 0");
    let dirty = |scene: &mut Scene| -> u64 {
        scene.info("persistence", "rdb_changes_since_last_save").parse().expect("a number")
    };
    let before = dirty(&mut scene);
    scene.run("RPUSH list a");
    assert_eq!(client.read(), bulk("a"));
    let events: Vec<_> = (0..4).map(|_| listener.read().texts()[2..].join(" ")).collect();
    let expected = ["list rpush", "other rpush", "list lpop", "list del"];
    assert_eq!(events, expected.map(|event| format!("__keyspace@0__:{event}")));
    // Redis 7.0 did not count what a served client takes.
    assert_eq!(dirty(&mut scene), before + if against_redis() { 1 } else { 2 });
}

#[test]
fn who_watches_a_key_learns_of_a_served_pop() {
    let mut scene = Scene::new();
    let mut client = scene.blocked("BLMOVE list other LEFT RIGHT 0");
    let mut watcher = scene.server.client();
    watcher.pipeline(&["WATCH other", "MULTI", "PING"]);
    scene.run("RPUSH list a");
    assert_eq!(client.read(), bulk("a"));
    assert_eq!(watcher.run("EXEC"), Value::NullArray);
}

#[test]
fn a_pause_holds_back_who_is_to_be_served() {
    if against_redis() {
        return;
    }
    let mut scene = Scene::new();
    let (mut first, mut second) = (scene.blocked("BLPOP list 0"), scene.blocked("BLPOP list 0.05"));
    scene.main.pipeline(&["MULTI", "RPUSH list a", "CLIENT PAUSE 60000 WRITE", "EXEC"]);
    assert_eq!(second.read(), Value::NullArray, "a pause does not stop the clock");
    assert_eq!(scene.run("LLEN list"), int(1));
    scene.run("CLIENT UNPAUSE");
    assert_eq!(first.read(), bulks(&["list", "a"]));
    // A pause that ends by itself serves as well.
    let mut client = scene.blocked("BLPOP list 0");
    scene.main.pipeline(&["MULTI", "RPUSH list b", "CLIENT PAUSE 50 WRITE", "EXEC"]);
    assert_eq!(client.read(), bulks(&["list", "b"]));
}

#[test]
fn skipped_replies_are_those_of_commands_that_waited() {
    let mut scene = Scene::new();
    let mut client = scene.server.client();
    client.send(&encode_command(&["CLIENT", "REPLY", "SKIP"]));
    let mut client = scene.block(client, "BLPOP list 0");
    scene.run("RPUSH list a");
    scene.wait_for_blocked(0);
    assert_eq!(client.run("PING").text(), "PONG");
    assert_eq!(scene.run("EXISTS list"), int(0));
}

#[test]
fn a_client_that_waits_still_hears_its_subscriptions() {
    let mut scene = Scene::new();
    let mut client = scene.server.client_resp3();
    client.run("SUBSCRIBE news");
    let mut client = scene.block(client, "BLPOP list 0");
    assert_eq!(scene.run("PUBLISH news hello"), int(1));
    assert_eq!(client.read().texts(), ["message", "news", "hello"]);
    scene.run("RPUSH list a");
    assert_eq!(client.read(), bulks(&["list", "a"]));
}

#[test]
fn a_move_that_is_served_needs_memory() {
    if against_redis() {
        return;
    }
    let mut scene = Scene::new();
    let (mut moving, mut popping) = (scene.blocked("BLMOVE list other LEFT LEFT 0"), scene.blocked("BLPOP list 0"));
    scene.main.pipeline(&["MULTI", "RPUSH list a", "CONFIG SET maxmemory 1", "EXEC"]);
    assert_eq!(moving.read(), err("OOM command not allowed when used memory > 'maxmemory'."));
    assert_eq!(popping.read(), bulks(&["list", "a"]));
}

#[test]
fn the_servers_end_ends_every_wait() {
    let mut scene = Scene::new();
    let mut client = scene.blocked("BLPOP list 0");
    scene.main.send(&encode_command(&["SHUTDOWN", "NOSAVE"]));
    assert!(client.is_closed_within(Duration::from_secs(10)));
    assert!(scene.server.wait_for_exit().success());
}

#[test]
fn thousands_of_clients_wait_side_by_side() {
    const CLIENTS: usize = 2_000;
    let mut scene = Scene::new();
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| {
            let mut client = scene.server.client();
            client.send(&encode_command(&["BLPOP", &format!("own{number}"), "shared", "600"]));
            client
        })
        .collect();
    scene.wait_for_blocked(CLIENTS);
    if !against_redis() {
        assert_eq!(scene.info("clients", "total_blocking_keys"), (CLIENTS + 1).to_string());
    }
    let elements: Vec<String> = (0..CLIENTS / 2).map(|number| number.to_string()).collect();
    let mut push = vec!["RPUSH", "shared"];
    push.extend(elements.iter().map(String::as_str));
    assert_eq!(scene.main.cmd(&push), int(CLIENTS as i64 / 2));
    scene.wait_for_blocked(CLIENTS / 2);
    assert_eq!(scene.run("EXISTS shared"), int(0));
    // Connections are set up side by side, so which ones came first is only known of the server.
    let mut rest: Vec<String> = (0..CLIENTS).map(|number| format!("own{number}")).collect();
    let list = scene.run("CLIENT LIST").text();
    assert_eq!(list.lines().filter(|line| line.contains(" flags=b ")).count(), CLIENTS / 2);
    for key in &rest {
        scene.main.send(&encode_command(&["RPUSH", key, "mine"]));
    }
    for _ in 0..CLIENTS {
        scene.main.read();
    }
    let mut shared = Vec::new();
    for (number, client) in clients.iter_mut().enumerate() {
        let reply = client.read().texts();
        if reply[0] == "shared" {
            shared.push(reply[1].parse::<usize>().expect("a number"));
        } else {
            assert_eq!(reply, [format!("own{number}").as_str(), "mine"]);
            rest[number].clear();
        }
    }
    shared.sort_unstable();
    assert!(shared.into_iter().eq(0..CLIENTS / 2), "each element went to one client");
    let left = rest.iter().filter(|key| !key.is_empty()).count() as i64;
    assert_eq!(scene.run("DBSIZE"), int(left), "whoever had gone left its key alone");
    assert_eq!(scene.info("clients", "clients_in_timeout_table"), "0");
}
