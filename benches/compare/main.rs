//! Copal and a real redis-server side by side, in one interleaved run, so that only ratios need to be believed.
//!
//! ```text
//! cargo bench --bench compare -- --quick
//! cargo bench --bench compare -- --keys 5000000 --rounds 5 --only memory,snapshot
//! cargo bench --bench compare -- --only disk --folder /var/tmp
//! cargo bench --bench compare -- --only picture --rounds 3 --plot docs/images/snapshot.svg
//! cargo bench --bench compare -- --servers copal=target/release/copal-server,redis=/usr/bin/redis-server
//! ```
//!
//! The first server named is the one whose ratios to each of the others are printed. Needs redis-benchmark.
#![expect(clippy::print_stdout, reason = "the tables are the product")]

mod cpu;
mod data;
mod disk;
mod growth;
mod items;
mod memory;
mod paced;
mod pauses;
mod plot;
mod replication;
mod saving_child;
mod server;
mod snapshot;
mod table;
mod workload;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use growth::Growth;
use pauses::Pauses;
use replication::Replication;

#[derive(Clone)]
pub struct Contender {
    pub name: String,
    pub binary: PathBuf,
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, binary) = text.split_once('=').ok_or_else(|| format!("not NAME=PATH: {text}"))?;
        Ok(Self { name: name.to_owned(), binary: binary.into() })
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    Cpu,
    Memory,
    /// What an item costs beyond its own bytes, at twelve counts in one doubling.
    BytesAnItem,
    Snapshot,
    /// SAVE into `--folder`, which is to be on a disk, beside what the disk takes for the bytes alone.
    Disk,
    /// The pause of fork, of several snapshots in a row under writes.
    Fork,
    /// What a paced client sees during BGSAVE.
    Latency,
    /// The memory that writes during BGSAVE copy.
    Copies,
    /// Memory and latency while a slow disk takes a snapshot and clients write, and the forks of ten of them.
    Growth,
    /// The same of one snapshot, drawn into `--plot`.
    Picture,
    /// Full sync, writes with one replica, and memory while writes wait for a full sync.
    Replication,
}

#[derive(Parser)]
#[command(about = "Copal and redis-server side by side")]
struct Options {
    /// NAME=PATH of each server, the one of interest first.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<Contender>,
    /// Keys of the data set `str`; `mix` takes two fifths of it, and the 40 collections of `big` four fifths of it as
    /// their members.
    #[arg(long, default_value_t = 5_000_000)]
    keys: u64,
    /// Requests of one redis-benchmark test.
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// The median of this many rounds is printed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Tests, by the names in `workload.rs`.
    #[arg(long, value_delimiter = ',', default_values_t = ["set".to_owned(), "get".to_owned(), "incr".to_owned()])]
    tests: Vec<String>,
    /// Pipeline depths of redis-benchmark.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16])]
    pipelines: Vec<u32>,
    /// Threads of redis-benchmark. With one the servers wait for it part of the time, the quicker one longer.
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Data sets.
    #[arg(long, value_delimiter = ',', default_values = ["str", "mix", "big", "json"])]
    data: Vec<String>,
    /// Where the servers keep their dumps. On a file system in memory only the processor counts.
    #[arg(long, default_value_os_t = server::folder_in_memory())]
    folder: PathBuf,
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
    /// Megabytes of values for `fork`, `latency`, `copies` and `replication`; each server holds them alone, one after the other.
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
    /// Length of each of those values.
    #[arg(long, default_value_t = 1000)]
    value_bytes: usize,
    /// Snapshots in a row for `fork`.
    #[arg(long, default_value_t = 4)]
    snapshots: usize,
    /// Seconds between two of them.
    #[arg(long, default_value_t = 10.0)]
    interval: f64,
    /// Overwrites a second for `fork` and `latency`.
    #[arg(long, default_value_t = 8000)]
    rate: u32,
    /// Writes a second during a full sync for `replication`.
    #[arg(long, default_value_t = 50_000)]
    sync_rate: u32,
    /// Megabytes a second to which the servers' saving is held for `growth`, or to less if one of them saves no faster.
    #[arg(long, default_value_t = 200)]
    disk_rate: u32,
    /// Seconds that each save takes for `growth` where the server can; 0 for as long as the slowest server takes on that
    /// disk.
    #[arg(long, default_value_t = 0.0)]
    save_seconds: f64,
    /// Overwrites a second for `growth`; `max` is as many as the server takes.
    #[arg(long, value_delimiter = ',', default_values_t = ["8000".to_owned(), "50000".to_owned(), "max".to_owned()])]
    growth_rates: Vec<String>,
    /// Overwrites a second for `picture`.
    #[arg(long, default_value = "50000")]
    picture_rate: String,
    /// Where `picture` draws.
    #[arg(long, default_value = "docs/images/snapshot.svg")]
    plot: PathBuf,
    /// NAME=VALUE of settings for the first server, as CONFIG SET takes them.
    #[arg(long, value_delimiter = ',')]
    set: Vec<String>,
    /// A tenth of everything, one round.
    #[arg(long)]
    quick: bool,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let mut options = Options::parse();
    if options.quick {
        options.keys /= 10;
        options.requests /= 10;
        options.megabytes /= 10;
        options.interval /= 10.0;
        options.rounds = 1;
    }
    if options.servers.is_empty() {
        let own = Contender { name: "copal".to_owned(), binary: env!("CARGO_BIN_EXE_copal-server").into() };
        let redis = Contender { name: "redis".to_owned(), binary: "redis-server".into() };
        options.servers = vec![own, redis];
    }
    let wanted = |part: Part| options.only.is_empty() || options.only.contains(&part);
    if wanted(Part::Cpu) {
        let depths = &options.pipelines;
        let load = cpu::Load { requests: options.requests, threads: options.threads };
        cpu::compare(&options.servers, &options.folder, &options.tests, depths, load, options.rounds);
    }
    if wanted(Part::Memory) || wanted(Part::Snapshot) {
        for data in &options.data {
            let rounds = if wanted(Part::Snapshot) { options.rounds } else { 0 };
            memory::compare(&options.servers, &options.folder, data, options.keys, rounds);
        }
    }
    if wanted(Part::BytesAnItem) {
        items::compare(&options.servers, &options.folder);
    }
    // Only where it is asked for: the default folder is no disk.
    if options.only.contains(&Part::Disk) {
        for data in &options.data {
            disk::compare(&options.servers, &options.folder, data, options.keys, options.rounds);
        }
    }
    let held = options.megabytes * 1_000_000 / options.value_bytes.max(1) as u64;
    if wanted(Part::Replication) {
        let load = cpu::Load { requests: options.requests, threads: options.threads };
        let replication = Replication {
            keys: options.keys,
            held,
            value_bytes: options.value_bytes,
            load,
            rounds: options.rounds,
            rate: options.sync_rate,
        };
        replication.compare(&options.servers, &options.tests);
    }
    let growth = || Growth {
        keys: options.keys,
        folder: options.folder.clone(),
        bytes_per_second: u64::from(options.disk_rate) * 1_000_000,
        save_seconds: options.save_seconds,
        rounds: options.rounds,
        settings: options.set.clone(),
    };
    // Only where they are asked for: they take minutes.
    if options.only.contains(&Part::Growth) {
        growth().compare(&options.servers, &options.growth_rates);
    }
    if options.only.contains(&Part::Picture) {
        growth().draw(&options.servers, &options.picture_rate, &options.plot);
    }
    let pauses = Pauses {
        keys: held,
        value_bytes: options.value_bytes,
        snapshots: options.snapshots,
        interval: Duration::from_secs_f64(options.interval),
        rate: options.rate,
        rounds: options.rounds,
        settings: options.set.clone(),
    };
    if wanted(Part::Fork) {
        pauses.forks(&options.servers);
    }
    if wanted(Part::Latency) {
        pauses.latencies(&options.servers);
    }
    if wanted(Part::Copies) {
        pauses.copies(&options.servers);
    }
}
