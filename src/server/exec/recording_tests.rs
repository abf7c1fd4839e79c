//! What is recorded of each command; and that repeating it gives the same data.

use crate::commands::Peer;
use crate::config::{AllowedFrom, Config};
use crate::keyspace::{ExpiryPolicy, Place, Record};
use crate::resp::{Args, ArgsBuf, Reply};
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::server::process::Launch;
use crate::types::{Digest, ValueRef};

/// A server with one client, which wants records.
struct Room {
    executor: Executor,
    client: ClientKey,
}

impl Room {
    fn new() -> Self {
        let mut config = Config::default();
        config.enable_debug_command = AllowedFrom::Everywhere;
        let mut executor = Executor::new(config, Launch::default());
        let (client, _) = executor.connect(Peer::Unix { path: "".into() }, -1);
        executor.keyspace.set_journal_wanted(true);
        Self { executor, client }
    }

    /// One with the data that these commands make. They run as if nothing ever expired, so that what they let expire in
    /// the past is there.
    fn with(commands: &[&str]) -> Self {
        let mut room = Self::new();
        room.executor.keyspace.set_expiry_policy(ExpiryPolicy::Ignore);
        for command in commands {
            let reply = room.run(&words(command));
            assert!(!reply.starts_with(b"-"), "{command}: {}", reply.escape_ascii());
        }
        room.executor.keyspace.set_expiry_policy(ExpiryPolicy::Delete);
        room.executor.keyspace.journal.take_groups();
        room
    }

    fn run(&mut self, args: &ArgsBuf) -> Vec<u8> {
        let command = self.executor.table.find(args.as_args()).map(|row| row.id);
        self.executor.execute(self.client, command, args.as_args());
        let reply: &mut Reply = &mut self.executor.clients.get_mut(self.client).reply;
        let bytes = reply.buffer_mut().clone();
        reply.discard_front(reply.len());
        bytes
    }

    /// The records of one command, which are one group if there are any.
    fn records_of(&mut self, args: &ArgsBuf) -> Vec<Record> {
        self.run(args);
        let mut groups = self.executor.keyspace.journal.take_groups();
        assert!(groups.len() <= 1, "one command is one group: {groups:?}");
        groups.pop().map(|group| group.records).unwrap_or_default()
    }

    /// Does what another server has recorded.
    fn repeat(&mut self, record: &Record) {
        self.executor.keyspace.set_expiry_policy(ExpiryPolicy::Ignore);
        let now_ms = self.executor.clock.latest().unix_ms;
        match record {
            Record::Removed { db, key } => self.executor.keyspace.remove_given_away(Place { db: *db, key }, false),
            Record::FieldsRemoved { db, key, fields } => {
                let mut args = ArgsBuf::new();
                args.extend([b"HDEL", &**key]);
                args.extend(fields);
                self.run_in(*db, &args);
            }
            Record::Flushed { db: None } => self.executor.keyspace.flush_all(false, now_ms),
            Record::Flushed { db: Some(db) } => self.executor.keyspace.flush(*db, false, now_ms),
            Record::Swapped { first, second } => self.executor.keyspace.swap(*first, *second, now_ms),
            Record::Command { db, args } => {
                let reply = self.run_in(*db, args);
                assert!(!reply.starts_with(b"-"), "{args:?}: {}", reply.escape_ascii());
            }
        }
    }

    fn run_in(&mut self, db: usize, args: &ArgsBuf) -> Vec<u8> {
        self.executor.clients.get_mut(self.client).session.db = db;
        self.run(args)
    }

    fn now_ms(&self) -> i64 {
        self.executor.clock.latest().unix_ms
    }

    /// Everything there is, with all expiries.
    fn data(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, db) in self.executor.keyspace.dbs() {
            for entry in db.iter() {
                let mut digest = Digest::default();
                entry.value().digest(&mut digest);
                let fields = match entry.value() {
                    ValueRef::Hash(hash) => {
                        let mut room = crate::stdx::number::IntText::new();
                        let expiry = |field: &[u8]| (field.escape_ascii().to_string(), hash.expiry(field, i64::MIN));
                        let mut fields: Vec<_> =
                            hash.iter(i64::MIN).map(|(field, _)| expiry(field.text(&mut room))).collect();
                        fields.sort();
                        fields
                    }
                    _ => Vec::new(),
                };
                let key = entry.key().escape_ascii();
                lines.push(format!("{index} {key} {} {:?} {fields:?}", digest.hex(), entry.expiry()));
            }
        }
        lines.sort();
        lines
    }
}

fn words(command: &str) -> ArgsBuf {
    command.split(' ').collect()
}

/// A record as a line; moments that are about now are written relative to it.
fn shown(record: &Record, now_ms: i64) -> String {
    let show = |arg: &[u8]| match std::str::from_utf8(arg).ok().and_then(|text| text.parse::<i64>().ok()) {
        Some(number) if number.abs_diff(now_ms) < 1_000_000_000 => format!("now{:+}", number - now_ms),
        _ => arg.escape_ascii().to_string(),
    };
    let join = |args: Args<'_>| args.iter().map(show).collect::<Vec<_>>().join(" ");
    let (db, text) = match record {
        Record::Removed { db, key } => (*db, format!("removed {}", key.escape_ascii())),
        Record::FieldsRemoved { db, key, fields } => {
            let fields: ArgsBuf = fields.iter().collect();
            (*db, format!("removed {} of {}", join(fields.as_args()), key.escape_ascii()))
        }
        Record::Flushed { db: None } => (0, "flushed all".to_owned()),
        Record::Flushed { db: Some(db) } => (*db, "flushed".to_owned()),
        Record::Swapped { first, second } => (0, format!("swapped {first} {second}")),
        Record::Command { db, args } => (*db, join(args.as_args())),
    };
    if db == 0 { text } else { format!("{db}: {text}") }
}

/// Runs a command where the data are that `given` makes, and looks at what is recorded; another server with the same data
/// that repeats it has the same afterwards.
fn check(given: &[&str], command: &str, expected: &[&str]) {
    check_args(given, &words(command), expected);
}

fn check_args(given: &[&str], args: &ArgsBuf, expected: &[&str]) {
    let mut one = Room::with(given);
    let mut other = Room::with(given);
    let now_ms = one.now_ms();
    let records = one.records_of(args);
    let lines: Vec<String> = records.iter().map(|record| shown(record, now_ms)).collect();
    assert_eq!(lines, expected, "{args:?}");
    records.iter().for_each(|record| other.repeat(record));
    assert_eq!(other.data(), one.data(), "{args:?} recorded as {lines:?}");
}

#[test]
fn strings_that_expire_are_recorded_with_the_moment() {
    check(&[], "SET a b EX 10", &["SET a b PXAT now+10000"]);
    check(&[], "SET a b PX 10 NX GET", &["SET a b PXAT now+10"]);
    check(&["SET a 1"], "SET a b XX EXAT 99999999999", &["SET a b PXAT 99999999999000"]);
    check(&["SET a 1 PXAT 99999999999999"], "SET a b KEEPTTL", &["SET a b KEEPTTL"]);
    check(&["SET a 1"], "SET a b NX", &[]);
    check(&["SET a 1 PXAT 1"], "SET a b NX", &["removed a", "SET a b NX"]);
    check(&["SET a 1 PXAT 1"], "SET a b XX", &["removed a"]);
    check(&["SET a 1 PXAT 1"], "SET a b KEEPTTL", &["removed a", "SET a b KEEPTTL"]);
    check(&[], "SET a b PXAT 1", &["SET a b PXAT 1"]);
    check(&["SADD a 1"], "SET a b GET", &[]);
    check(&["SET a 1 PXAT 1"], "SETEX a 7 b", &["removed a", "SET a b PXAT now+7000"]);
    check(&[], "PSETEX a 7 b", &["SET a b PXAT now+7"]);
}

#[test]
fn reads_that_change_a_string_are_recorded_as_what_they_did() {
    check(&["SET a 1"], "GETSET a b", &["SET a b"]);
    check(&["SET a 1 PXAT 1"], "GETSET a b", &["removed a", "SET a b"]);
    check(&["SET a 1"], "GETDEL a", &["DEL a"]);
    check(&["SET a 1 PXAT 1"], "GETDEL a", &["removed a"]);
    check(&["SET a 1"], "GETEX a", &[]);
    check(&["SET a 1"], "GETEX a PERSIST", &[]);
    check(&["SET a 1 PXAT 99999999999999"], "GETEX a PERSIST", &["PERSIST a"]);
    check(&["SET a 1"], "GETEX a EX 5", &["PEXPIREAT a now+5000"]);
    check(&["SET a 1"], "GETEX a PXAT 99999999999999", &["PEXPIREAT a 99999999999999"]);
    check(&["SET a 1"], "GETEX a EXAT 1", &["DEL a"]);
    check(&["SET a 1"], "GETEX a EX x", &[]);
    check(&["SET a 1 PXAT 1"], "GETEX a EX 5", &["removed a"]);
    check(&["SET a 1 PXAT 1"], "GET a", &["removed a"]);
}

#[test]
fn numbers_and_parts_of_strings_are_recorded_as_they_came_or_as_the_result() {
    check(&["SET a 1 PXAT 99999999999999"], "INCRBYFLOAT a 1.5", &["SET a 2.5 KEEPTTL"]);
    check(&["SET a 1 PXAT 1"], "INCRBYFLOAT a 3", &["removed a", "SET a 3 KEEPTTL"]);
    check(&["SET a x"], "INCRBYFLOAT a 3", &[]);
    check(&["SET a 1 PXAT 1"], "INCR a", &["removed a", "INCR a"]);
    check(&["SET a x"], "INCR a", &[]);
    check(&["SET a 1 PXAT 1"], "APPEND a b", &["removed a", "APPEND a b"]);
    check(&["SET a 1 PXAT 1"], "SETRANGE a 3 b", &["removed a", "SETRANGE a 3 b"]);
    check(&["SET a 1 PXAT 1"], "SETRANGE a 3 ", &["removed a"]);
    check(&["SET a 1 PXAT 1"], "SETBIT a 9 1", &["removed a", "SETBIT a 9 1"]);
    check(&["SETBIT a 9 1"], "SETBIT a 9 1", &[]);
    check(&["SET a 1"], "BITFIELD a GET u8 0", &[]);
    check(&["SET a 1 PXAT 1"], "BITFIELD a INCRBY u8 0 7", &["removed a", "BITFIELD a INCRBY u8 0 7"]);
    check(&[], "BITFIELD a OVERFLOW FAIL SET u8 8 300", &["BITFIELD a OVERFLOW FAIL SET u8 8 300"]);
    check(&["SET a 1", "SET b 2 PXAT 1"], "BITOP OR c a b", &["removed b", "BITOP OR c a b"]);
    check(&["SET c 1 PXAT 1"], "BITOP OR c a b", &["BITOP OR c a b"]);
    check(&["SET c 1"], "BITOP OR c a b", &["BITOP OR c a b"]);
    check(&["SET b 1 PXAT 1"], "MSET a 1 b 2", &["removed b", "MSET a 1 b 2"]);
    check(&["SET b 1 PXAT 1"], "MSETNX a 1 b 2", &["removed b", "MSETNX a 1 b 2"]);
    check(&["SET b 1 PXAT 1", "SET a 1"], "MSETNX b 1 a 2", &["removed b"]);
}

#[test]
fn sketches_are_recorded_as_they_came() {
    check(&["PFADD a x y"], "PFADD a x", &[]);
    check(&["PFADD a x y"], "PFADD a z", &["PFADD a z"]);
    check(&[], "PFADD a", &["PFADD a"]);
    check(&["PFADD a x y"], "PFCOUNT a", &["PFCOUNT a"]);
    check(&["PFADD a x y", "PFCOUNT a"], "PFCOUNT a", &[]);
    check(&["PFADD a x y", "PFADD b z", "PEXPIREAT b 1"], "PFCOUNT a b", &["removed b"]);
    check(&["PFADD a x y", "PFADD b z", "PEXPIREAT b 1"], "PFMERGE c a b", &["removed b", "PFMERGE c a b"]);
    check(&["PFADD a x"], "PFDEBUG TODENSE a", &["PFDEBUG TODENSE a"]);
    check(&["PFADD a x"], "PFDEBUG DECODE a", &[]);
}

#[test]
fn expiries_of_keys_are_recorded_as_moments_without_their_condition() {
    check(&["SET a 1"], "EXPIRE a 10", &["PEXPIREAT a now+10000"]);
    check(&["SET a 1"], "EXPIRE a 10 XX", &[]);
    check(&["SET a 1"], "PEXPIRE a 10 LT", &["PEXPIREAT a now+10"]);
    check(&["SET a 1"], "EXPIREAT a 99999999999 NX", &["PEXPIREAT a 99999999999000"]);
    check(&["SET a 1"], "PEXPIREAT a 99999999999999", &["PEXPIREAT a 99999999999999"]);
    check(&["SET a 1"], "EXPIRE a -1", &["DEL a"]);
    check(&["SET a 1"], "PEXPIREAT a 1", &["DEL a"]);
    check(&["SET a 1 PXAT 1"], "EXPIRE a 10", &["removed a"]);
    check(&["SET a 1 PXAT 1"], "PERSIST a", &["removed a"]);
    check(&["SET a 1 PXAT 99999999999999"], "PERSIST a", &["PERSIST a"]);
    check(&["SET a 1"], "PERSIST a", &[]);
}

#[test]
fn keys_past_their_expiry_are_recorded_as_removed_before_another_takes_their_name() {
    let both = ["SET a 1 PXAT 1", "SET b 2"];
    check(&both, "DEL a b c", &["removed a", "DEL a b c"]);
    check(&both, "DEL a c", &["removed a"]);
    check(&both, "UNLINK b a", &["removed a", "UNLINK b a"]);
    check(&both, "RENAME a b", &["removed a"]);
    check(&both, "RENAME b a", &["removed a", "RENAME b a"]);
    check(&both, "RENAMENX b a", &["removed a", "RENAMENX b a"]);
    check(&["SET a 1", "SET b 2"], "RENAMENX b a", &[]);
    check(&["SET b 2"], "RENAME b b", &[]);
    check(&both, "COPY a b", &["removed a"]);
    check(&both, "COPY b a", &["removed a", "COPY b a"]);
    check(&both, "COPY b a DB 3 REPLACE", &["COPY b a DB 3 REPLACE"]);
    check(&["SET b 1 PXAT 99999999999999"], "COPY b a", &["COPY b a"]);
    check(&["SELECT 4", "SET b 1 PXAT 1", "SELECT 0", "SET b 2"], "MOVE b 4", &["4: removed b", "MOVE b 4"]);
    check(&["SELECT 4", "SET b 1 PXAT 1", "SELECT 0", "SET b 2"], "COPY b b DB 4", &["4: removed b", "COPY b b DB 4"]);
    check(&["SET a 1 PXAT 1"], "MOVE a 4", &["removed a"]);
}

#[test]
fn a_command_over_many_keys_past_their_expiry_has_each_removal_recorded() {
    let given: Vec<String> = (0..100).map(|number| format!("SET k{number} 1 PXAT 1")).collect();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let keys: Vec<String> = (0..100).map(|number| format!("k{number}")).collect();
    let removed: Vec<String> = keys.iter().map(|key| format!("removed {key}")).collect();
    for command in ["BITOP OR target", "SUNIONSTORE target", "SDIFFSTORE target", "DEL", "UNLINK", "PFCOUNT", "PFMERGE"]
    {
        let changes = command == "PFMERGE";
        let line = match changes {
            true => format!("PFMERGE target {}", keys.join(" ")),
            false => format!("{command} {}", keys.join(" ")),
        };
        let mut expected: Vec<&str> = removed.iter().map(String::as_str).collect();
        expected.extend(changes.then_some(line.as_str()));
        check(&given, &line, &expected);
    }
}

#[test]
fn restored_values_are_recorded_with_the_moment_of_their_expiry() {
    let payload = b"\x00\x05hello\x0a\x00cr\xDFve4 \x0a";
    let shown = payload.escape_ascii().to_string();
    let restore = |before: &str, behind: &str| {
        let mut args = words(before);
        args.push(payload);
        args.extend(behind.split_terminator(' '));
        args
    };
    check_args(&[], &restore("RESTORE a 0", ""), &[&format!("RESTORE a 0 {shown}")]);
    check_args(
        &["SET a 1"],
        &restore("RESTORE a 500", "REPLACE IDLETIME 5"),
        &[&format!("RESTORE a now+500 {shown} REPLACE IDLETIME 5 ABSTTL")],
    );
    let absolute = restore("RESTORE a 99999999999999", "ABSTTL");
    check_args(&[], &absolute, &[&format!("RESTORE a 99999999999999 {shown} ABSTTL")]);
    check_args(&["SET a 1"], &restore("RESTORE a 1", "ABSTTL REPLACE"), &["DEL a"]);
    check_args(&[], &restore("RESTORE a 1", "ABSTTL"), &[]);
    check_args(&["SET a 1"], &restore("RESTORE a 0", ""), &[]);
    let removed = ["removed a", &*format!("RESTORE a 0 {shown}")];
    check_args(&["SET a 1 PXAT 1"], &restore("RESTORE a 0", ""), &removed);
}

#[test]
fn a_payload_that_was_taken_without_its_checksum_is_taken_again() {
    let mut one = Room::with(&["DEBUG SET-SKIP-CHECKSUM-VALIDATION 1"]);
    let mut args = words("RESTORE a 0");
    args.push(b"\x00\x05hello\x0a\x0012345678");
    let records = one.records_of(&args);
    assert_eq!(records.len(), 1);
    let mut other = Room::new();
    other.repeat(&records[0]);
    assert_eq!(other.data(), one.data());
}

#[test]
fn a_sorted_list_that_is_stored_is_recorded_as_its_elements() {
    let given = ["SADD s 3 1 2", "SET w_1 9 PXAT 1", "SET w_2 8", "SET w_3 7", "SET d old PXAT 99999999999999"];
    check(&given, "SORT s STORE d", &["DEL d", "RPUSH d 1 2 3"]);
    check(&given, "SORT s BY w_* STORE new", &["RPUSH new 1 3 2", "removed w_1"]);
    check(&given, "SORT s GET # GET w_* STORE new", &["RPUSH new 1  2 8 3 7", "removed w_1"]);
    check(&given, "SORT s BY w_* STORE w_1", &["removed w_1", "RPUSH w_1 1 3 2"]);
    check(&given, "SORT missing STORE d", &["DEL d"]);
    check(&given, "SORT missing STORE w_1", &["removed w_1"]);
    check(&given, "SORT missing STORE new", &[]);
    check(&given, "SORT s", &[]);
}

#[test]
fn fields_of_hashes_are_recorded_with_the_expiry_that_they_keep() {
    let given = ["HSET h a 1 b 2 c 3", "HPEXPIREAT h 9999999999999 FIELDS 1 a", "HPEXPIREAT h 5 FIELDS 1 b"];
    check(&["HSET h a 1"], "HINCRBYFLOAT h a 1.5", &["HSET h a 2.5"]);
    check(&given, "HINCRBYFLOAT h a 1.5", &["removed b of h", "HSET h a 2.5", "HPEXPIREAT h 9999999999999 FIELDS 1 a"]);
    check(&given, "HINCRBYFLOAT h b 1.5", &["removed b of h", "HSET h b 1.5"]);
    check(&given, "HINCRBY h a 1", &["removed b of h", "HINCRBY h a 1"]);
    check(&given, "HSETNX h b 1", &["removed b of h", "HSETNX h b 1"]);
    check(&given, "HSETNX h a 1", &["removed b of h"]);
    check(&given, "HSET h a 1 b 1", &["removed b of h", "HSET h a 1 b 1"]);
    check(&given, "HDEL h b", &["removed b of h"]);
    check(&given, "HDEL h a b c", &["removed b of h", "HDEL h a b c"]);
    check(&given, "HGETALL h", &["removed b of h"]);
    check(&given, "RENAME h g", &["RENAME h g"]);
    check(&given, "COPY h g", &["COPY h g"]);
    check(&["HSET h a 1", "HPEXPIREAT h 5 FIELDS 1 a"], "HGET h a", &["removed a of h"]);
}

#[test]
fn expiries_of_fields_are_recorded_as_moments_without_their_condition() {
    let given = ["HSET h a 1 b 2 c 3", "HPEXPIREAT h 9999999999999 FIELDS 1 a", "HPEXPIREAT h 5 FIELDS 1 b"];
    let removed = "removed b of h";
    check(&given, "HEXPIRE h 10 FIELDS 2 a c", &[removed, "HPEXPIREAT h now+10000 FIELDS 2 a c"]);
    check(&given, "HEXPIRE h 10 NX FIELDS 3 a b c", &[removed, "HPEXPIREAT h now+10000 FIELDS 1 c"]);
    check(&given, "HPEXPIRE h 10 XX FIELDS 1 c", &[removed]);
    check(&given, "HEXPIREAT h 9999999999 FIELDS 1 c", &[removed, "HPEXPIREAT h 9999999999000 FIELDS 1 c"]);
    check(&given, "HPEXPIREAT h 7 FIELDS 3 a b c", &[removed, "HDEL h a c"]);
    check(&given, "HPEXPIRE h 0 LT FIELDS 1 a", &[removed, "HDEL h a"]);
    check(&given, "HPERSIST h FIELDS 3 a b c", &[removed, "HPERSIST h FIELDS 3 a b c"]);
    check(&given, "HPERSIST h FIELDS 1 c", &[removed]);
}

#[test]
fn fields_beyond_those_that_one_command_deletes_stay_on_both_servers() {
    let fields: Vec<String> = (0..1500).map(|number| format!("f{number}")).collect();
    let set: String = fields.iter().map(|field| format!(" {field} 1")).collect();
    let given = [format!("HSET h{set} stays 1"), format!("HPEXPIREAT h 5 FIELDS 1500 {}", fields.join(" "))];
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    for command in
        ["HSET h f1400 2", "HSETNX h f1400 2", "HINCRBYFLOAT h f1400 2", "HEXPIRE h 10 FIELDS 1 stays", "COPY h g"]
    {
        let (mut one, mut other) = (Room::with(&given), Room::with(&given));
        let records = one.records_of(&words(command));
        records.iter().for_each(|record| other.repeat(record));
        assert_eq!(other.data(), one.data(), "{command}");
        assert!(one.data().iter().any(|line| line.contains("Some(5)")), "{command}");
    }
}

#[test]
fn sets_are_recorded_as_they_came_and_what_chance_took_as_its_removal() {
    check(&["SADD s a"], "SPOP s", &["SREM s a"]);
    check(&["SADD s a"], "SPOP s 5", &["SREM s a"]);
    check(&["SADD s a"], "SPOP s 0", &[]);
    check(&["SADD s a", "PEXPIREAT s 1"], "SPOP s", &["removed s"]);
    check(&["SADD s a", "PEXPIREAT s 1"], "SPOP s 1", &["removed s"]);
    check(&["SADD s a", "PEXPIREAT s 1"], "SADD s b", &["removed s", "SADD s b"]);
    check(&["SADD s a"], "SADD s a", &[]);
    check(&["SADD s a", "SADD t b", "PEXPIREAT t 1"], "SMOVE s t a", &["removed t", "SMOVE s t a"]);
    check(&["SADD s a", "SADD t a"], "SMOVE s t a", &["SMOVE s t a"]);
    check(&["SADD s a", "SADD t b"], "SMOVE s t b", &[]);
    check(&["SADD s a"], "SMOVE s s a", &[]);
    check(&["SADD s a", "SADD t b", "PEXPIREAT t 1"], "SUNIONSTORE d s t", &["removed t", "SUNIONSTORE d s t"]);
    check(&["SADD s a", "SADD d b", "PEXPIREAT d 1"], "SINTERSTORE d s t", &["SINTERSTORE d s t"]);
    check(&["SADD s a", "SADD d b", "PEXPIREAT d 1"], "SDIFFSTORE d s d", &["removed d", "SDIFFSTORE d s d"]);
    for count in ["", " 7"] {
        let given: Vec<String> = (0..300).map(|number| format!("SADD s member-{number}")).collect();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let (mut one, mut other) = (Room::with(&given), Room::with(&given));
        one.records_of(&words(&format!("SPOP s{count}"))).iter().for_each(|record| other.repeat(record));
        assert_eq!(other.data(), one.data());
        assert_ne!(one.data(), Room::with(&given).data());
    }
}

#[test]
fn whole_databases_are_recorded_even_if_they_are_empty() {
    check(&[], "FLUSHALL", &["flushed all"]);
    check(&["SET a 1", "SET b 1 PXAT 1"], "FLUSHALL ASYNC", &["flushed all"]);
    check(&[], "FLUSHDB", &["flushed"]);
    check(&["SELECT 3", "SET a 1", "SELECT 2"], "FLUSHDB", &["2: flushed"]);
    check(&["SET a 1"], "SWAPDB 0 3", &["swapped 0 3"]);
    check(&[], "SWAPDB 0 0", &["swapped 0 0"]);
    check(&[], "SWAPDB 0 99", &[]);
}

#[test]
fn a_transaction_is_one_group() {
    let mut one = Room::with(&["SET a 1 PXAT 1"]);
    let now_ms = one.now_ms();
    for command in ["MULTI", "SET b 1", "FLUSHALL", "PUBLISH c hello", "EXPIRE b 5", "SETEX b 5 x", "GET b", "FLUSHDB"]
    {
        assert!(one.records_of(&words(command)).is_empty(), "{command}");
    }
    let records = one.records_of(&words("EXEC"));
    let lines: Vec<String> = records.iter().map(|record| shown(record, now_ms)).collect();
    let (last, others) = lines.split_last().unwrap();
    assert_eq!(last, "flushed");
    assert_eq!(others[..3], ["SET b 1", "flushed all", "PUBLISH c hello"]);
    assert!(others[3].starts_with("SET b x PXAT now+"), "{others:?}");
}

#[test]
fn a_script_is_recorded_as_one_group_of_the_commands_that_it_has_called() {
    let script = |text: &str| -> ArgsBuf { ["EVAL", text, "2", "a", "b"].into_iter().collect() };
    let check = |text, expected: &[&str]| check_args(&["SET n 5"], &script(text), expected);
    check(
        "redis.call('SET', KEYS[1], 1) redis.call('INCR', 'n') return redis.call('GET', 'n')",
        &["SET a 1", "INCR n"],
    );
    check("redis.call('SET', 'a', 1) redis.call('SELECT', 2) redis.call('SET', 'b', 2)", &["SET a 1", "2: SET b 2"]);
    check("redis.call('SET', 'a', 1) redis.call('NONE')", &["SET a 1"]);
    check("return redis.call('GET', 'n')", &[]);
    check("redis.call('NONE')", &[]);
    let mut room = Room::with(&["SET n 5"]);
    let text = "redis.set_repl(redis.REPL_NONE) redis.call('INCR', 'n') redis.set_repl(redis.REPL_AOF) \
                redis.call('INCR', 'n') redis.set_repl(redis.REPL_REPLICA) redis.call('SET', 'a', 1) \
                redis.set_repl(redis.REPL_ALL) redis.call('SET', 'b', 2)";
    let records = room.records_of(&script(text));
    let now_ms = room.now_ms();
    let shown: Vec<_> = records.iter().map(|record| shown(record, now_ms)).collect();
    assert_eq!(shown, ["SET a 1", "SET b 2"]);
}

#[test]
fn messages_are_recorded() {
    check(&[], "PUBLISH channel hello", &["PUBLISH channel hello"]);
    check(&["SELECT 2"], "SPUBLISH channel hello", &["2: SPUBLISH channel hello"]);
}

#[test]
fn keys_that_debug_makes_are_recorded() {
    check(&["SET k:1 x PXAT 1"], "DEBUG POPULATE 2 k 10", &["removed k:1", "DEBUG POPULATE 2 k 10"]);
    check(&["SET key:0 x"], "DEBUG POPULATE 1", &[]);
    check(&["SET a 1 PXAT 1"], "DEBUG DIGEST-VALUE a", &["removed a"]);
    for command in ["DEBUG QUICKLIST-PACKED-THRESHOLD 0", "DEBUG SET-ACTIVE-EXPIRE 1", "DEBUG DICT-RESIZING 1"] {
        check(&["SET a 1"], command, &[]);
    }
}

#[test]
fn data_that_debug_has_loaded_are_recorded_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let given = [
        "SET a 1 PXAT 1",
        "SET b 2 PXAT 99999999999999",
        "SELECT 3",
        "HSET h a 1 b 2 c 3",
        "HPEXPIREAT h 9999999999999 FIELDS 1 a",
        "HPEXPIREAT h 5 FIELDS 1 b",
        "XADD x 5-1 f v",
        "XGROUP CREATE x g 0",
        "SELECT 0",
    ];
    let (mut one, mut other) = (Room::with(&given), Room::with(&given));
    one.executor.config.dbfilename = folder.path().join("dump.rdb").to_str().unwrap().into();
    for (command, stays) in [
        ("DEBUG RELOAD", "b"),
        ("SET new 1", "new"),
        ("DEBUG RELOAD NOSAVE MERGE NOFLUSH", "new"),
        ("DEBUG RELOAD NOSAVE", "b"),
    ] {
        let records = one.records_of(&words(command));
        assert!(!records.is_empty(), "{command}");
        records.iter().for_each(|record| other.repeat(record));
        assert_eq!(other.data(), one.data(), "{command}");
        assert!(one.data().iter().any(|line| line.starts_with(&format!("0 {stays} "))), "{command}");
    }
    assert!(!one.data().iter().any(|line| line.starts_with("0 a ")));
}
