//! A long run of writes, expiries and snapshots, in which children and servers are killed at random. Whatever a start
//! loads must be the state after a prefix of each writer's steps, and no shorter one than the last snapshot that was
//! acknowledged.
//!
//! `COPAL_SOAK_SECONDS` says how long it takes; `COPAL_SOAK_SEED` repeats the decisions of a run.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Client, Server, Value, against_redis, encode_command, is_alive, send_signal, wait_until};

const SECONDS_DEFAULT: u64 = 8;

const WRITERS: usize = 2;

/// Steps that are sent before their replies are read, and the rest after them.
const STEPS_A_BATCH: u64 = 10;
const REST: Duration = Duration::from_millis(15);

/// Keys, fields, members and elements that a writer goes round.
const KEYS: u64 = 499;
const FIELDS: u64 = 64;
const MEMBERS: u64 = 80;
const ELEMENTS: u64 = 50;
const LASTING: u64 = 101;

/// Of the keys that come and go, those of the last steps are there.
const COMING: u64 = 10;
const THERE: u64 = 5;

/// Expiries that no run lives to see: this and the step's number.
const FAR_MS: u64 = 4_000_000_000_000;

/// Commands of a step, MULTI and EXEC among them.
const COMMANDS_A_STEP: usize = 14;

/// The steps of one writer: each is one transaction, of which everything follows from its number.
fn step(writer: usize, number: u64, life_ms: u64) -> Vec<u8> {
    let key = |name: &str| format!("w{writer}:{name}");
    let at = |name: &str, index: u64| format!("w{writer}:{name}:{index}");
    let text = number.to_string();
    let text = text.as_str();
    let commands: [&[&str]; COMMANDS_A_STEP] = [
        &["MULTI"],
        &["INCR", "total"],
        &["SET", &key("number"), text],
        &["SET", &at("key", number % KEYS), text],
        &["SET", &at("lasting", number % LASTING), text, "PXAT", &(FAR_MS + number).to_string()],
        &["SET", &at("fleeting", number), text, "PX", &life_ms.to_string()],
        &["SET", &at("coming", number % COMING), text],
        &["DEL", &at("coming", (number + COMING - THERE) % COMING)],
        &["RPUSH", &key("list"), text],
        &["LTRIM", &key("list"), &format!("-{ELEMENTS}"), "-1"],
        &["HSET", &key("hash"), &(number % FIELDS).to_string(), text],
        &["ZADD", &key("zset"), text, &(number % MEMBERS).to_string()],
        &["SADD", &key("set"), &(number % FIELDS).to_string()],
        &["EXEC"],
    ];
    commands.iter().flat_map(|command| encode_command(command)).collect()
}

/// How far a writer is, as its thread and the test see it.
#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

struct Writer {
    progress: Arc<Progress>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Goes on behind the step `last`, until it is to stop or the server is gone.
    fn start(writer: usize, address: SocketAddr, last: u64, seed: u64) -> Self {
        let progress = Arc::new(Progress::default());
        progress.sent.store(last, Ordering::SeqCst);
        progress.acknowledged.store(last, Ordering::SeqCst);
        let shared = Arc::clone(&progress);
        let thread = std::thread::spawn(move || {
            let Ok(mut client) = Client::try_connect(address) else { return };
            let mut random = fastrand::Rng::with_seed(seed);
            let mut next = last + 1;
            while !shared.stop.load(Ordering::SeqCst) {
                let numbers = next..next + STEPS_A_BATCH;
                next = numbers.end;
                let bytes: Vec<u8> =
                    numbers.clone().flat_map(|number| step(writer, number, random.u64(1..1500))).collect();
                shared.sent.store(next - 1, Ordering::SeqCst);
                if client.try_send(&bytes).is_err() {
                    return;
                }
                for number in numbers {
                    for _ in 0..COMMANDS_A_STEP {
                        match client.try_read() {
                            Ok(reply) => assert!(!reply.is_error(), "{reply:?}"),
                            Err(_) => return,
                        }
                    }
                    shared.acknowledged.store(number, Ordering::SeqCst);
                }
                sleep(REST);
            }
        });
        Self { progress, thread }
    }

    fn acknowledged(&self) -> u64 {
        self.progress.acknowledged.load(Ordering::SeqCst)
    }

    /// Returns the last step that was sent, and the last that was answered.
    fn stop(self) -> (u64, u64) {
        self.progress.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("no step is refused");
        (self.progress.sent.load(Ordering::SeqCst), self.progress.acknowledged.load(Ordering::SeqCst))
    }
}

/// A step for each writer.
type Steps = [u64; WRITERS];

fn covers(more: &Steps, less: &Steps) -> bool {
    more.iter().zip(less).all(|(more, less)| more >= less)
}

/// The largest step up to `last` that is `remainder` modulo `round`, if there is one.
fn last_at(last: u64, round: u64, remainder: u64) -> Option<u64> {
    let behind = (last % round + round - remainder) % round;
    last.checked_sub(behind).filter(|step| *step > 0)
}

fn number(value: &Value) -> Option<u64> {
    (!value.is_null()).then(|| value.text().parse().expect("a number"))
}

/// Compares everything that a writer has written with what its first `last` steps make of it.
fn verify_writer(client: &mut Client, writer: usize, last: u64) {
    let round = |client: &mut Client, name: &str, round: u64| {
        let keys: Vec<String> = (0..round).map(|at| format!("w{writer}:{name}:{at}")).collect();
        let mut command = vec!["MGET"];
        command.extend(keys.iter().map(String::as_str));
        client.cmd(&command).items().iter().map(number).collect::<Vec<_>>()
    };
    let expected = |round: u64| (0..round).map(|at| last_at(last, round, at)).collect::<Vec<_>>();
    assert_eq!(round(client, "key", KEYS), expected(KEYS));
    assert_eq!(round(client, "lasting", LASTING), expected(LASTING));
    let there: Vec<_> = expected(COMING).into_iter().map(|step| step.filter(|step| step + THERE > last)).collect();
    assert_eq!(round(client, "coming", COMING), there);
    for at in 0..LASTING {
        let expiry = last_at(last, LASTING, at).map_or(-2, |step| i64::try_from(FAR_MS + step).expect("in range"));
        assert_eq!(client.cmd(&["PEXPIRETIME", &format!("w{writer}:lasting:{at}")]).integer(), expiry);
    }
    let list: Vec<u64> = (last.saturating_sub(ELEMENTS) + 1..=last).collect();
    let found: Vec<_> =
        client.cmd(&["LRANGE", &format!("w{writer}:list"), "0", "-1"]).items().iter().filter_map(number).collect();
    assert_eq!(found, list);
    let pairs = |reply: Value| -> BTreeMap<u64, u64> {
        let numbers: Vec<u64> = reply.items().iter().filter_map(number).collect();
        numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    };
    let of_round = |round: u64| -> BTreeMap<u64, u64> {
        (0..round).filter_map(|at| Some((at, last_at(last, round, at)?))).collect()
    };
    assert_eq!(pairs(client.cmd(&["HGETALL", &format!("w{writer}:hash")])), of_round(FIELDS));
    let zset = client.cmd(&["ZRANGE", &format!("w{writer}:zset"), "0", "-1", "WITHSCORES"]);
    assert_eq!(pairs(zset), of_round(MEMBERS));
    let members = i64::try_from(last.min(FIELDS)).expect("small");
    assert_eq!(client.cmd(&["SCARD", &format!("w{writer}:set")]).integer(), members);
    for key in client.cmd(&["KEYS", &format!("w{writer}:fleeting:*")]).texts() {
        let step: u64 = key.rsplit(':').next().and_then(|step| step.parse().ok()).expect("a step");
        assert!(step <= last, "{key} is of a step after {last}");
        assert_ne!(client.cmd(&["PTTL", &key]).integer(), -1, "{key} has lost its expiry");
    }
}

/// Finds the prefix that the server holds, and compares everything with it.
fn verify(client: &mut Client) -> Steps {
    let mut found = [0; WRITERS];
    for (writer, last) in found.iter_mut().enumerate() {
        *last = number(&client.cmd(&["GET", &format!("w{writer}:number")])).unwrap_or(0);
        verify_writer(client, writer, *last);
    }
    // One counter of all: the snapshot is of one moment for every writer.
    assert_eq!(number(&client.run("GET total")).unwrap_or(0), found.iter().sum::<u64>());
    found
}

/// What has happened.
#[derive(Default, Debug)]
struct Tally {
    snapshots: u64,
    cancelled: u64,
    children_killed: u64,
    servers_killed: u64,
    shutdowns: u64,
    dumps_damaged: u64,
    steps: u64,
}

struct Soak {
    server: Server,
    random: fastrand::Rng,
    writers: Vec<Writer>,
    /// What each acknowledged snapshot holds at least, the oldest first.
    floors: Vec<Steps>,
    tally: Tally,
}

impl Soak {
    fn new(seed: u64) -> Self {
        let server = Server::with_config("snapshot-keep 3\nsnapshot-fallback yes");
        // Something to write for a while, so that there is a while to be killed in.
        server.client().run("DEBUG POPULATE 20000 filler 100");
        let random = fastrand::Rng::with_seed(seed);
        Self { server, random, writers: Vec::new(), floors: Vec::new(), tally: Tally::default() }
    }

    fn start_writers(&mut self, from: &Steps) {
        let address = self.server.address();
        let writers = from.iter().enumerate();
        self.writers =
            writers.map(|(writer, last)| Writer::start(writer, address, *last, self.random.u64(..))).collect();
    }

    /// What has been acknowledged by now.
    fn acknowledged(&self) -> Steps {
        std::array::from_fn(|writer| self.writers[writer].acknowledged())
    }

    fn rest(&mut self, milliseconds: u64) {
        sleep(Duration::from_micros(self.random.u64(..milliseconds * 1000)));
    }

    /// One snapshot, which may be ended before its time.
    fn snapshot(&mut self) {
        let floor = self.acknowledged();
        let mut client = self.server.client();
        match self.random.u32(..10) {
            0 => assert_eq!(client.run("SAVE").text(), "OK"),
            1 => assert_eq!(client.run("DEBUG RELOAD").text(), "OK"),
            way => {
                self.server.start_background_save();
                let children = self.server.child_pids();
                match way {
                    2..=4 => {
                        self.rest(60);
                        let killed = children.into_iter().any(|child| send_signal(child, Signal::SIGKILL));
                        self.tally.children_killed += u64::from(killed);
                    }
                    5 => {
                        self.rest(40);
                        self.tally.cancelled += u64::from(!client.run("BGSAVE CANCEL").is_error());
                    }
                    _ => {}
                }
                self.server.wait_for_save_end();
            }
        }
        let latest = client.run("SNAPSHOT LATEST");
        if latest.field("outcome").text() == "saved" {
            self.floors.push(floor);
            self.tally.snapshots += 1;
        }
        assert!(self.server.unfinished_temp_files().is_empty(), "{:?}", self.server.temp_files());
    }

    /// Ends the server in one way or another. Returns what may have been confirmed to it.
    fn end_server(&mut self) -> Steps {
        let shutdown = self.random.u32(..6) == 0;
        let mut children = Vec::new();
        if !shutdown {
            if self.random.u32(..3) > 0 {
                self.server.start_background_save();
                children = self.server.child_pids();
                self.rest(60);
            }
            self.server.kill();
            self.tally.servers_killed += 1;
        }
        let ends: Vec<_> = self.writers.drain(..).map(Writer::stop).collect();
        let sent = std::array::from_fn(|writer| ends[writer].0);
        if shutdown {
            self.server.client().send(&encode_command(&["SHUTDOWN", "SAVE"]));
            assert!(self.server.wait_for_exit().success());
            // Every step was answered before, and is in the last snapshot.
            self.floors.push(sent);
            self.tally.shutdowns += 1;
        }
        for child in children {
            wait_until("the orphan has ended", 30, || !is_alive(child));
        }
        sent
    }

    /// Now and then damages the dump, where there is an older one. Returns what must be found at the least.
    fn damage_sometimes(&mut self) -> Steps {
        if self.floors.len() < 2 || self.random.u32(..5) > 0 {
            return self.floors.last().copied().unwrap_or_default();
        }
        let path = self.server.dump_path();
        let mut bytes = fs::read(&path).expect("the dump");
        let at = self.random.usize(..bytes.len());
        bytes[at] ^= 1 << self.random.u32(..8);
        // A bit of the version may make it one of another time, which is no damage: the header stays.
        if at < 9 {
            bytes.truncate(at + 9);
        }
        fs::remove_file(&path).expect("the dump goes");
        fs::write(&path, bytes).expect("the dump");
        self.tally.dumps_damaged += 1;
        self.floors[self.floors.len() - 2]
    }

    /// From the start of the writers to the next start of the server. Returns what that has loaded.
    fn round(&mut self, from: &Steps) -> Steps {
        self.start_writers(from);
        for _ in 0..self.random.u32(1..6) {
            self.rest(150);
            self.snapshot();
        }
        let sent = self.end_server();
        let floor = self.damage_sometimes();
        self.server.start_again();
        assert!(self.server.unfinished_temp_files().is_empty(), "{:?}", self.server.temp_files());
        let found = verify(&mut self.server.client());
        assert!(covers(&found, &floor), "{found:?} is loaded, {floor:?} was saved");
        assert!(covers(&sent, &found), "{found:?} is loaded, {sent:?} was sent");
        self.floors.retain(|floor| covers(&found, floor));
        self.tally.steps += found.iter().sum::<u64>() - from.iter().sum::<u64>().min(found.iter().sum());
        found
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn every_start_finds_a_prefix_of_the_history_and_no_less_than_was_saved() {
    if against_redis() {
        return;
    }
    let seconds = from_environment("COPAL_SOAK_SECONDS").unwrap_or(SECONDS_DEFAULT);
    let seed = from_environment("COPAL_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {seed}, {seconds} seconds");
    let mut soak = Soak::new(seed);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut steps = [0; WRITERS];
    let mut rounds = 0;
    while Instant::now() < deadline {
        steps = soak.round(&steps);
        rounds += 1;
    }
    eprintln!("{rounds} rounds: {:?}", soak.tally);
}
