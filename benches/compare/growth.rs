//! What a snapshot takes while clients write and the disk is slow: the memory of both processes together, the waiting of
//! a paced client, and the next fork. Each server holds its data alone.
//!
//! All save for about as long: compression is switched off, so that the slower ones are not slowed by it, and the disk is
//! held to what the slowest of them has been seen to fill, or to what takes a given time.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Contender;
use super::data::{self, Random};
use super::paced::{Flood, Latencies, Writer};
use super::plot::{self, Taken};
use super::saving_child::{Sampler, SlowDisk};
use super::server::Server;
use super::table::{Measures, Table, median};

const MEGABYTE: f64 = 1_000_000.0;

const VALUE_BYTES: usize = 100;

/// What a key takes in a dump: its type, two lengths, the key and the value.
const RECORD_BYTES: f64 = 120.0;

/// Overwrites a second of the client whose waiting is measured.
const PROBE_RATE: u32 = 1000;

/// After filling, and before and after each snapshot.
const SETTLING: Duration = Duration::from_secs(2);

/// Snapshots in a row, and overwrites a second meanwhile.
const ROW: usize = 10;
const ROW_RATE: u32 = 8000;

/// Overwrites a second beside the probe's.
#[derive(Clone, Copy, PartialEq)]
enum Load {
    Paced(u32),
    Unlimited,
}

impl Load {
    fn named(rate: &str) -> Self {
        if rate == "max" {
            return Self::Unlimited;
        }
        Self::Paced(rate.parse().unwrap_or_else(|_| panic!("neither a rate nor max: {rate}")))
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paced(rate) => write!(f, "{rate} overwrites a second"),
            Self::Unlimited => write!(f, "overwrites as fast as it takes them"),
        }
    }
}

/// Clients at work.
enum Writers {
    Paced(Writer),
    Flood(Flood),
}

pub struct Growth {
    pub keys: u64,
    pub folder: PathBuf,
    /// To which saving is held at most.
    pub bytes_per_second: u64,
    /// How long a save takes; 0 for as long as the slowest server's.
    pub save_seconds: f64,
    pub rounds: usize,
    /// NAME=VALUE, for the first contender.
    pub settings: Vec<String>,
}

/// When it was measured, in seconds since the snapshot began, and megabytes beyond what there were before it.
type Samples = Vec<(f64, f64)>;

impl Growth {
    pub fn compare(mut self, contenders: &[Contender], rates: &[String]) {
        self.bytes_per_second = self.disk_of_all(contenders);
        for rate in rates {
            let load = Load::named(rate);
            self.report(&format!("one snapshot under {load}"), contenders, |server| self.one(server, load).0);
        }
        let title = format!("{ROW} snapshots in a row under {ROW_RATE} overwrites a second");
        self.report(&title, contenders, |server| self.row(server));
    }

    /// One snapshot of each server, drawn. The curve is that of the round whose peak is in the middle.
    pub fn draw(mut self, contenders: &[Contender], rate: &str, path: &Path) {
        self.bytes_per_second = self.disk_of_all(contenders);
        let (load, all) = (Load::named(rate), RefCell::new(Vec::new()));
        self.report(&format!("one snapshot under {load}"), contenders, |server| {
            let (lines, taken) = self.one(server, load);
            all.borrow_mut().push(taken);
            lines
        });
        let mut all = all.into_inner();
        all.sort_by(|one, other| one.peak().1.total_cmp(&other.peak().1));
        let servers = contenders.iter().map(|contender| {
            let rounds: Vec<&Taken> = all.iter().filter(|taken| taken.name == contender.name).collect();
            let forks = [0, 1].map(|at| median(&rounds.iter().map(|taken| taken.forks[at]).collect::<Vec<_>>()));
            Taken { forks, ..rounds[rounds.len() / 2].clone() }
        });
        let speed = self.bytes_per_second / 1_000_000;
        let millions = self.keys as f64 / 1e6;
        let note = format!("{millions} million keys of {VALUE_BYTES} bytes, {load}, saved at {speed} MB/s");
        plot::write(path, "What one snapshot costs while clients write", &note, &servers.collect::<Vec<_>>());
    }

    /// What the disk is held to: as much as the slowest server saves, unless a time is given.
    fn disk_of_all(&self, contenders: &[Contender]) -> u64 {
        if self.save_seconds > 0.0 {
            return (self.keys as f64 * RECORD_BYTES / self.save_seconds) as u64;
        }
        contenders.iter().map(|contender| self.speed(contender)).min().expect("servers")
    }

    /// How many bytes a second a server saves to this disk beside paced writers.
    fn speed(&self, contender: &Contender) -> u64 {
        let server = self.start(contender, false);
        let _disk = SlowDisk::start(&server, self.bytes_per_second);
        let load = self.load(&server, Load::Paced(ROW_RATE));
        let seconds = server.background_save().as_secs_f64();
        load.stop();
        #[expect(clippy::cast_precision_loss, reason = "a file's size is far below 2^53")]
        let speed = server.dump_size() as f64 / seconds;
        speed as u64
    }

    fn start(&self, contender: &Contender, is_first: bool) -> Server {
        let server = Server::start(contender, &self.folder);
        for setting in self.settings.iter().filter(|_| is_first) {
            server.ask(&format!("CONFIG SET {}", setting.replacen('=', " ", 1)));
        }
        server.set("rdbcompression", "no");
        data::fill_plain(&server, self.keys, VALUE_BYTES);
        sleep(SETTLING);
        server
    }

    fn report(&self, what: &str, contenders: &[Contender], measure: impl Fn(&Server) -> Vec<(String, f64)>) {
        let names = contenders.iter().map(|contender| contender.name.clone()).collect();
        let rate = self.bytes_per_second / 1_000_000;
        let title = format!("growth: {what}: {} keys of {VALUE_BYTES} bytes, saved at {rate} MB/s", self.keys);
        let table = Table::begin(&title, names);
        let measures =
            Measures::of_rounds(self.rounds, contenders.len(), |at| measure(&self.start(&contenders[at], at == 0)));
        measures.print(&table);
    }

    fn load(&self, server: &Server, load: Load) -> Writers {
        match load {
            Load::Unlimited => Writers::Flood(Flood::start(server, self.keys, VALUE_BYTES)),
            Load::Paced(rate) => {
                Writers::Paced(Writer::start(server, rate.saturating_sub(PROBE_RATE).max(1), self.keys, VALUE_BYTES))
            }
        }
    }

    fn probe(&self, server: &Server) -> Writer {
        Writer::drawing(Random::other(), server, PROBE_RATE, self.keys, VALUE_BYTES)
    }

    /// One snapshot, what follows it, and the next fork.
    fn one(&self, server: &Server, load: Load) -> (Vec<(String, f64)>, Taken) {
        let disk = SlowDisk::start(server, self.bytes_per_second);
        let (probe, load) = (self.probe(server), self.load(server, load));
        let sampler = Sampler::start(server);
        let warm = Instant::now();
        sleep(SETTLING);
        let start = Instant::now();
        server.background_save();
        let end = Instant::now();
        let fork = server.info("latest_fork_usec") / 1000.0;
        sleep(SETTLING);
        let last = Instant::now();
        let samples = sampler.stop();
        server.ask("BGSAVE");
        let next_fork = server.info("latest_fork_usec") / 1000.0;
        server.wait_for_save_end(Instant::now());
        drop(disk);
        let (overwrites, took) = (load.stop(), warm.elapsed());
        let latencies = probe.stop();

        let before = samples.iter().rfind(|(at, _)| *at < start).expect("memory is measured before").1;
        let points: Samples = samples
            .iter()
            .map(|(at, bytes)| (seconds_between(start, *at), (*bytes as f64 - before as f64) / MEGABYTE))
            .collect();
        let seconds = seconds_between(start, end);
        let within = points.iter().filter(|(at, _)| (0.0..seconds).contains(at));
        let peak = within.map(|(_, extra)| *extra).fold(0.0, f64::max);
        let after = points.last().expect("memory is measured after").1;
        let mut lines = vec![
            ("fork ms".to_owned(), fork),
            ("save s".to_owned(), seconds),
            ("overwrites/s, thousands".to_owned(), overwrites as f64 / took.as_secs_f64() / 1000.0),
            ("memory before MB".to_owned(), before as f64 / MEGABYTE),
            ("extra memory, peak MB".to_owned(), peak),
            ("extra memory, 2 s after MB".to_owned(), after),
            ("rdb_last_cow_size MB".to_owned(), server.info("rdb_last_cow_size") / MEGABYTE),
            ("next fork ms".to_owned(), next_fork),
        ];
        let middle = end + SETTLING / 2;
        let phases = [
            ("before", warm, start),
            ("during", start, end),
            ("1st s after", end, middle),
            ("2nd s after", middle, last),
        ];
        for (phase, from, to) in phases {
            lines.extend(percentiles(&latencies, phase, from, to));
        }
        (lines, Taken { name: server.name.clone(), forks: [fork, next_fork], points, end: seconds })
    }

    /// Snapshots that follow each other at once.
    fn row(&self, server: &Server) -> Vec<(String, f64)> {
        let disk = SlowDisk::start(server, self.bytes_per_second);
        let (probe, load) = (self.probe(server), self.load(server, Load::Paced(ROW_RATE)));
        sleep(SETTLING);
        let start = Instant::now();
        let mut forks = Vec::new();
        for _ in 0..ROW {
            server.background_save();
            forks.push(server.info("latest_fork_usec") / 1000.0);
        }
        let end = Instant::now();
        drop(disk);
        load.stop();
        let latencies = probe.stop();
        let (first, last) = (forks[0], forks[ROW - 1]);
        let worst = forks.iter().copied().fold(0.0, f64::max);
        let mut lines = vec![
            ("fork 1 ms".to_owned(), first),
            (format!("fork {ROW} ms"), last),
            (format!("fork {ROW} / fork 1"), last / first),
            ("longest fork ms".to_owned(), worst),
            ("all s".to_owned(), (end - start).as_secs_f64()),
        ];
        lines.extend(percentiles(&latencies, "during", start, end));
        lines
    }
}

impl Writers {
    /// Returns how many overwrites were answered.
    fn stop(self) -> u64 {
        match self {
            Self::Paced(writer) => writer.stop().count(),
            Self::Flood(flood) => flood.stop(),
        }
    }
}

/// Negative where `to` was before.
fn seconds_between(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() - from.saturating_duration_since(to).as_secs_f64()
}

fn percentiles(latencies: &Latencies, phase: &str, from: Instant, to: Instant) -> Vec<(String, f64)> {
    let names = ["p50", "p99", "p99.9", "max"];
    names.iter().zip(latencies.between(from, to)).map(|(name, value)| (format!("{phase} {name} ms"), value)).collect()
}
