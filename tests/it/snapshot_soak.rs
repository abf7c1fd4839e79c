//! Snapshots one after another under a writer that touches every type and encoding. Each dump is loaded by a second server
//! and compared with the digest that the data had at its fork, and now and then with a dump that was made at that moment
//! without a fork, which also compares expiries and the groups of streams. A replica, which no child shares pages with, must
//! have what the primary has.
//!
//! `COPAL_SOAK_SECONDS` says how long it takes; `COPAL_SOAK_SEED` repeats the decisions of a run.

mod writer;

use std::fs;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{
    Client, Server, Setup, Value, against_redis, encode_command, free_port, ok, send_signal, wait_until,
};
use writer::{Command, Writer};

const SECONDS_DEFAULT: u64 = 6;

/// Databases of each server: more than can each have pages of their own.
const DATABASES: usize = 80;

/// A server is followed by the next one after so many snapshots.
const SNAPSHOTS_MAX: u64 = 25;

/// How much larger the data may be than that of a short run.
const SIZE_MAX: usize = 4;

/// Commands that are sent before their replies are read.
const BATCH_LEN: u64 = 150;

/// What decides how a child finds the entries, and whether it gives back what it has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// Each database has pages of its own: the child walks through them and gives them back.
    Pages,
    /// Two of the databases have none of their own: the child walks through their tables, and gives back no page that
    /// they have entries in.
    SharedPages,
    /// Blocks come from the allocator, since address space is limited. Nothing is redirected or given back.
    Allocator,
}

const SHAPES: [Shape; 3] = [Shape::Pages, Shape::SharedPages, Shape::Allocator];

impl Shape {
    /// The databases that are written to.
    fn databases(self) -> [usize; 3] {
        match self {
            Self::Pages | Self::Allocator => [0, 1, 9],
            Self::SharedPages => [0, 77, 78],
        }
    }

    fn start(self) -> Server {
        let setup = Setup::new().config(&format!(
            "databases {DATABASES}\nrepl-diskless-sync-delay 0\nclient-output-buffer-limit replica 0 0 0\n\
             repl-backlog-size 64mb\nactive-defrag-ignore-bytes 1\nactive-defrag-threshold-lower 1\n\
             active-defrag-cycle-min 25"
        ));
        let limited = ["sh", "-c", "ulimit -v 16000000; exec \"$@\"", "sh"];
        let server = if self == Self::Allocator { setup.launched_by(&limited) } else { setup }.start();
        if self == Self::SharedPages {
            // The first ones get pages of their own, until there are no more owners.
            let mut client = server.client();
            for db in 0..DATABASES {
                assert_eq!(client.run(&format!("SELECT {db}")), ok());
                assert_eq!(client.run("SET first v"), ok());
            }
        }
        server
    }
}

/// What was done.
#[derive(Default, Debug)]
struct Tally {
    servers: u64,
    dumps: u64,
    /// Dumps that were also compared with one that was made at the same moment.
    in_full: u64,
    syncs: u64,
    commands: u64,
    commands_beside_children: u64,
    errors: u64,
    redirected_bytes: u64,
}

struct Soak {
    shape: Shape,
    primary: Server,
    client: Client,
    replica: Server,
    random: fastrand::Rng,
    writer: Writer,
}

impl Soak {
    fn new(shape: Shape, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let primary = shape.start();
        let replica = Server::with_config(&format!("databases {DATABASES}\nreplicaof 127.0.0.1 {}", primary.port()));
        let client = primary.client();
        let writer = Writer::new(random.u64(..), shape.databases());
        let soak = Self { shape, primary, client, replica, random, writer };
        soak.wait_for_replica();
        soak
    }

    fn wait_for_replica(&self) {
        wait_until("the replica is there", 60, || {
            self.replica.info_field("replication", "master_link_status") == "up"
                && self.primary.info("replication").values().any(|value| value.contains("state=online"))
        });
    }

    /// Sends commands, of which those may fail that meet a value of another kind, or none.
    fn send(&mut self, commands: &[Command], tally: &mut Tally) {
        self.client.send(&commands.iter().flat_map(|command| encode_command(command)).collect::<Vec<_>>());
        for command in commands {
            let reply = self.client.read();
            tally.commands += 1;
            let replies = if let Value::Array(replies) = &reply { replies.as_slice() } else { &[] };
            for error in replies.iter().chain([&reply]).filter(|reply| reply.is_error()) {
                assert!(writer::may_fail_with(&error.text()), "{command:?}: {error:?}");
                tally.errors += 1;
            }
        }
    }

    fn write(&mut self, tally: &mut Tally) {
        let mut commands = Vec::new();
        for _ in 0..self.random.u64(1..=BATCH_LEN) {
            self.writer.change(&mut commands);
        }
        self.send(&commands, tally);
    }

    fn choose_settings(&mut self) {
        let is_movable = self.shape != Shape::Allocator;
        let settings: [(&str, &[&str]); 19] = [
            ("snapshot-nice", &["0", "0", "10"]),
            ("snapshot-threads", &["0", "1", "2", "4"]),
            ("rdb-key-save-delay", &["0", "0", "1", "30"]),
            ("snapshot-rate-limit", &["0", "0", "5", "20"]),
            ("activedefrag", if is_movable { &["yes", "no"] } else { &["no"] }),
            ("rdbcompression", &["yes", "no"]),
            ("huge-page-healing-rate", &["0", "1000"]),
            ("lazyfree-lazy-user-flush", &["yes", "no"]),
            ("lazyfree-lazy-user-del", &["yes", "no"]),
            ("lazyfree-lazy-expire", &["yes", "no"]),
            ("maxmemory-policy", &["noeviction", "allkeys-lru", "allkeys-lfu"]),
            ("repl-diskless-sync", &["yes", "no"]),
            ("list-max-listpack-size", &["-2", "-1", "5", "128"]),
            ("list-compress-depth", &["0", "0", "1"]),
            ("set-max-intset-entries", &["512", "20"]),
            ("set-max-listpack-entries", &["128", "20"]),
            ("hash-max-listpack-entries", &["512", "20"]),
            ("zset-max-listpack-entries", &["128", "20"]),
            ("stream-node-max-entries", &["100", "3"]),
        ];
        for (name, values) in settings {
            let value = self.random.choice(values).expect("each has some");
            assert_eq!(self.client.run(&format!("CONFIG SET {name} {value}")), ok());
        }
    }

    /// Nothing changes by itself from here on. Returns the digest, which the replica's is equal to.
    fn digest_of_rest(&mut self) -> String {
        assert_eq!(self.client.run("DEBUG SET-ACTIVE-EXPIRE 0"), ok());
        assert_eq!(self.client.run("WAIT 1 0").integer(), 1);
        let digest = self.client.run("DEBUG DIGEST").text();
        assert_eq!(self.replica.digest(), digest, "the replica, and the primary");
        digest
    }

    /// Writes until the child has ended, which is stopped for a while now and then.
    fn write_beside_child(&mut self, tally: &mut Tally) {
        let before = tally.commands;
        while let [child, ..] = self.primary.child_pids()[..] {
            match self.random.u32(..60) {
                0 => drop(send_signal(child, Signal::SIGSTOP)),
                1..20 => drop(send_signal(child, Signal::SIGCONT)),
                _ => {}
            }
            self.write(tally);
        }
        tally.commands_beside_children += tally.commands - before;
    }

    /// One snapshot, compared with what it was taken of.
    fn snapshot(&mut self, comparer: &mut Server, tally: &mut Tally) {
        let digest = self.digest_of_rest();
        let reference = self.primary.data_dir().join("reference");
        let in_full = self.random.bool();
        if in_full {
            assert_eq!(self.client.run("SAVE"), ok());
            fs::rename(self.primary.dump_path(), &reference).expect("a dump");
        }
        assert_eq!(self.client.run("BGSAVE").text(), "Background saving started");
        assert_eq!(self.client.run("DEBUG SET-ACTIVE-EXPIRE 1"), ok());
        self.write_beside_child(tally);
        self.primary.wait_for_save_end();
        let latest = self.client.run("SNAPSHOT LATEST");
        assert_eq!(latest.field("outcome").text(), "saved", "log:\n{}", self.primary.log());
        tally.redirected_bytes += u64::try_from(latest.field("redirected_bytes").integer()).expect("a number of bytes");

        fs::copy(self.primary.dump_path(), comparer.dump_path()).expect("a dump");
        if in_full {
            let mut diff = Process::new(env!("CARGO_BIN_EXE_copal-rdb"));
            let output = diff.arg("diff").args([&reference, &comparer.dump_path()]).output().expect("copal-rdb runs");
            assert!(output.status.success(), "{:?}: {}", self.shape, String::from_utf8_lossy(&output.stdout));
            tally.in_full += 1;
        }
        comparer.start_again();
        assert_eq!(comparer.digest(), digest, "{:?}: the dump, and what it was taken of", self.shape);
        comparer.kill();
        tally.dumps += 1;
    }

    /// The replica gets all data anew, from a child beside which they change.
    fn full_sync(&mut self, tally: &mut Tally) {
        self.replica.kill();
        fs::remove_file(self.replica.dump_path()).ok();
        self.replica.start_again();
        let link = |replica: &Server| replica.info_field("replication", "master_link_status");
        while link(&self.replica) != "up" {
            self.write(tally);
        }
        self.write_beside_child(tally);
        self.wait_for_replica();
        self.digest_of_rest();
        assert_eq!(self.client.run("DEBUG SET-ACTIVE-EXPIRE 1"), ok());
        tally.syncs += 1;
    }

    fn round(&mut self, comparer: &mut Server, tally: &mut Tally) {
        self.choose_settings();
        for _ in 0..self.random.u32(..8) {
            self.write(tally);
        }
        // For the server to give memory back, to move entries, and to let keys expire.
        std::thread::sleep(Duration::from_millis(self.random.u64(..200)));
        if self.random.u32(..8) == 0 {
            self.full_sync(tally);
        }
        self.snapshot(comparer, tally);
    }
}

#[test]
fn each_dump_is_of_its_fork_while_a_writer_touches_every_type() {
    if against_redis() {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seconds = number("COPAL_SOAK_SECONDS").unwrap_or(SECONDS_DEFAULT);
    let seed = number("COPAL_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {seed}, {seconds} seconds");
    // What is past its expiry stays, as it does on a replica: the digest at the fork has it too.
    let config = format!("databases {DATABASES}\nreplicaof 127.0.0.1 {}", free_port());
    let mut comparer = Server::with_config(&config);
    comparer.kill();
    let mut tally = Tally::default();
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut random = fastrand::Rng::with_seed(seed);
    let share = Duration::from_secs(seconds) / SHAPES.len() as u32;
    let is_long = seconds > SECONDS_DEFAULT;
    while Instant::now() < deadline {
        for shape in SHAPES {
            let end = Instant::now() + share;
            let mut soak = Soak::new(shape, random.u64(..));
            let mut commands = Vec::new();
            soak.writer.fill(&mut commands, if is_long { random.usize(1..=SIZE_MAX) } else { 1 });
            commands.chunks(500).for_each(|part| soak.send(part, &mut tally));
            for _ in 0..SNAPSHOTS_MAX {
                soak.round(&mut comparer, &mut tally);
                if Instant::now() >= end.min(deadline) {
                    break;
                }
            }
            tally.servers += 1;
        }
    }
    eprintln!("{tally:?}");
}
