//! What a snapshot in the background costs those who are served meanwhile: the pause of fork, their waiting, and the
//! memory that is copied. Each server holds its data alone, since there may be several gigabytes of it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Contender;
use super::data::{self, Random};
use super::paced::Writer;
use super::server::{Server, folder_in_memory};
use super::table::{Measures, Table};

/// Random overwrites during BGSAVE for [`Pauses::copies`].
const OVERWRITES: u64 = 40_000;

const MEGABYTE: f64 = 1_000_000.0;

/// After filling, rehashing and giving memory back go on for a while.
const SETTLING: Duration = Duration::from_secs(2);

pub struct Pauses {
    pub keys: u64,
    pub value_bytes: usize,
    pub snapshots: usize,
    pub interval: Duration,
    pub rate: u32,
    pub rounds: usize,
    /// NAME=VALUE, for the first contender.
    pub settings: Vec<String>,
}

impl Pauses {
    /// Snapshots in a row, while a paced client overwrites at random.
    pub fn forks(&self, contenders: &[Contender]) {
        self.report("fork ms", contenders, |server| {
            let writer = Writer::start(server, self.rate, self.keys, self.value_bytes);
            let mut forks = Vec::new();
            for number in 1..=self.snapshots {
                if number > 1 {
                    sleep(self.interval);
                }
                server.background_save();
                forks.push((format!("fork {number} ms"), server.info("latest_fork_usec") / 1000.0));
            }
            let end = Instant::now();
            let all = writer.stop().between(end - Duration::from_secs(3600), end);
            forks.push(("max latency ms".to_owned(), all[3]));
            forks
        });
    }

    /// Waiting of a paced client before, during and after a snapshot.
    pub fn latencies(&self, contenders: &[Contender]) {
        self.report("latency ms", contenders, |server| {
            let writer = Writer::start(server, self.rate, self.keys, self.value_bytes);
            let warm = Instant::now();
            sleep(SETTLING);
            let start = Instant::now();
            server.background_save();
            let end = Instant::now();
            sleep(SETTLING.max(self.interval));
            let last = Instant::now();
            let latencies = writer.stop();
            let mut lines = Vec::new();
            for (phase, from, to) in [("before", warm, start), ("BGSAVE", start, end), ("after", end, last)] {
                let names = ["p50", "p99", "p99.9", "max"];
                let values = latencies.between(from, to);
                lines.extend(names.iter().zip(values).map(|(name, value)| (format!("{phase} {name} ms"), value)));
            }
            lines.push(("BGSAVE s".to_owned(), (end - start).as_secs_f64()));
            lines
        });
    }

    /// Overwrites with values of the same length while a child lives.
    pub fn copies(&self, contenders: &[Contender]) {
        self.report("copied", contenders, |server| {
            server.ask("BGSAVE");
            let mut random = Random::new();
            let mut out = Vec::new();
            for _ in 0..OVERWRITES {
                data::plain(&mut out, random.below(self.keys), self.value_bytes);
            }
            let mut connection = server.connect();
            let replies = connection.expect_replies(OVERWRITES);
            connection.send(&out).expect("the server reads");
            replies.join().expect("every reply is as expected");
            let in_time = server.info("rdb_bgsave_in_progress") > 0.0;
            server.wait_for_save_end(Instant::now());
            assert!(in_time, "{}: the data is too small, its save had ended before the overwrites", server.name);
            vec![("copied MB".to_owned(), server.info("rdb_last_cow_size") / MEGABYTE)]
        });
    }

    fn report(&self, what: &str, contenders: &[Contender], measure: impl Fn(&Server) -> Vec<(String, f64)>) {
        let names = contenders.iter().map(|contender| contender.name.clone()).collect();
        let title = format!("{what}: {} keys with values of {} bytes", self.keys, self.value_bytes);
        let table = Table::begin(&title, names);
        let measures = Measures::of_rounds(self.rounds, contenders.len(), |at| {
            let server = self.start(&contenders[at], at == 0);
            measure(&server)
        });
        measures.print(&table);
    }

    fn start(&self, contender: &Contender, is_first: bool) -> Server {
        let server = Server::start(contender, &folder_in_memory());
        for setting in self.settings.iter().filter(|_| is_first) {
            server.ask(&format!("CONFIG SET {}", setting.replacen('=', " ", 1)));
        }
        data::fill_plain(&server, self.keys, self.value_bytes);
        sleep(SETTLING);
        server
    }
}
