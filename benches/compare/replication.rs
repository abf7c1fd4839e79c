//! What one replica costs: the time of a full sync, the processor time of a write on both sides, and the memory that
//! the primary needs while writes wait for a full sync to end. Primary and replica are servers of the same kind.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Contender;
use super::cpu::{Load, benchmark};
use super::data;
use super::paced::Writer;
use super::server::{Server, folder_in_memory};
use super::table::{Measures, Table};
use super::workload::Workload;

const MEGABYTE: f64 = 1_000_000.0;

/// Nothing measured here takes longer.
const LIMIT: Duration = Duration::from_secs(600);

/// How often INFO is asked while something is awaited.
const TICK: Duration = Duration::from_millis(5);

/// Commands in a row that redis-benchmark sends.
const PIPELINE: u32 = 16;

pub struct Replication {
    /// Keys of the data set `str`.
    pub keys: u64,
    /// Keys that are held where writes go on during a full sync, and the length of their values.
    pub held: u64,
    pub value_bytes: usize,
    pub load: Load,
    pub rounds: usize,
    /// Writes a second during a full sync.
    pub rate: u32,
}

impl Replication {
    pub fn compare(&self, contenders: &[Contender], tests: &[String]) {
        let names = contenders.iter().map(|contender| contender.name.clone()).collect();
        let title =
            format!("replication: full sync of {} keys, then writes with one replica, -P {PIPELINE}", self.keys);
        let table = Table::begin(&title, names);
        let measures = Measures::of_rounds(self.rounds, contenders.len(), |at| self.pair(&contenders[at], tests));
        measures.print(&table);

        let names = contenders.iter().map(|contender| contender.name.clone()).collect();
        let title = format!("replication: full sync of {} keys under {} writes a second", self.held, self.rate);
        let table = Table::begin(&title, names);
        let measures = Measures::of_rounds(self.rounds, contenders.len(), |at| self.growth(&contenders[at]));
        measures.print(&table);
    }

    fn pair(&self, contender: &Contender, tests: &[String]) -> Vec<(String, f64)> {
        let (primary, replica) = (start(contender), start(contender));
        data::fill(&primary, "str", self.keys, true);
        let before = [primary.processor_time(), replica.processor_time()];
        let mut lines = vec![("full sync s".to_owned(), synchronize(&primary, &replica).as_secs_f64())];
        let after = [primary.processor_time(), replica.processor_time()];
        assert_eq!(replica.ask("DBSIZE"), primary.ask("DBSIZE"), "{}: the replica has every key", replica.name);
        lines.push(("primary's cpu s, no child".to_owned(), (after[0] - before[0]).as_secs_f64()));
        lines.push(("replica's cpu s".to_owned(), (after[1] - before[1]).as_secs_f64()));
        for test in tests.iter().map(|name| Workload::named(name)) {
            let requests = self.load.requests;
            let before = [primary.processor_time(), replica.processor_time()];
            benchmark(&primary, &test.command(), PIPELINE, self.load, test.numbers(requests));
            caught_up(&primary, &replica);
            let after = [primary.processor_time(), replica.processor_time()];
            for (side, role) in ["primary", "replica"].iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^53")]
                let cost = (after[side] - before[side]).as_secs_f64() * 1e6 / requests as f64;
                lines.push((format!("{}: {role}'s cpu us/write", test.name), cost));
            }
        }
        lines
    }

    fn growth(&self, contender: &Contender) -> Vec<(String, f64)> {
        let (primary, replica) = (start(contender), start(contender));
        data::fill_plain(&primary, self.held, self.value_bytes);
        let writer = Writer::start(&primary, self.rate, self.held, self.value_bytes);
        // What the connection and the tables need at this rate is no matter of the full sync.
        sleep(Duration::from_secs(1));
        let (used, resident) = (primary.info("used_memory"), primary.info("used_memory_rss"));
        let start = Instant::now();
        replica.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        let (mut most_used, mut most_resident) = (used, resident);
        while !is_synchronized(&replica) {
            assert!(start.elapsed() < LIMIT, "{}: the full sync does not end", replica.name);
            most_used = most_used.max(primary.info("used_memory"));
            most_resident = most_resident.max(primary.info("used_memory_rss"));
            sleep(TICK);
        }
        let end = Instant::now();
        let waited = writer.stop().between(start, end);
        vec![
            ("full sync s".to_owned(), (end - start).as_secs_f64()),
            ("used_memory grew MB".to_owned(), (most_used - used) / MEGABYTE),
            ("rss grew MB".to_owned(), (most_resident - resident) / MEGABYTE),
            ("pages copied MB".to_owned(), primary.info("rdb_last_cow_size") / MEGABYTE),
            ("write p50 ms".to_owned(), waited[0]),
            ("write p99.9 ms".to_owned(), waited[2]),
            ("write max ms".to_owned(), waited[3]),
        ]
    }
}

fn start(contender: &Contender) -> Server {
    let server = Server::start(contender, &folder_in_memory());
    server.set("repl-diskless-sync", "yes");
    server.set("repl-diskless-sync-delay", "0");
    // A replica that is dropped for being behind would begin anew, and nothing could be compared.
    server.set("client-output-buffer-limit", "\"replica 0 0 0\"");
    server
}

/// Returns how long the replica took to have the primary's data.
fn synchronize(primary: &Server, replica: &Server) -> Duration {
    let start = Instant::now();
    replica.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    while !is_synchronized(replica) {
        assert!(start.elapsed() < LIMIT, "{}: the full sync does not end", replica.name);
        sleep(TICK);
    }
    start.elapsed()
}

fn is_synchronized(replica: &Server) -> bool {
    replica.info_text("master_link_status") == "up"
}

/// Waits until the replica has applied all that the primary has written.
fn caught_up(primary: &Server, replica: &Server) {
    let start = Instant::now();
    let written = primary.info("master_repl_offset");
    while replica.info("slave_repl_offset") < written {
        assert!(start.elapsed() < LIMIT, "{}: the replica does not follow", replica.name);
        sleep(TICK);
    }
}
