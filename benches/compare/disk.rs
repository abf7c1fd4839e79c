//! SAVE to a disk beside writing and syncing the same bytes without making them, as `dd conv=fsync` does.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::Contender;
use super::data;
use super::server::Server;
use super::table::{Table, median};

const MEGABYTE: f64 = 1_000_000.0;

/// Serialiser threads that are tried; 0 is for the server to choose.
const THREADS: [u32; 3] = [0, 1, 2];

/// What one server and the disk took, in seconds, one value a round.
#[derive(Default)]
struct Times {
    of_save: [Vec<f64>; THREADS.len()],
    of_dd: Vec<f64>,
}

/// Fills each server with the data set, then has it save, and dd copy its dump, by turns.
pub fn compare(contenders: &[Contender], folder: &Path, name: &str, keys: u64, rounds: usize) {
    let servers: Vec<_> = contenders.iter().map(|contender| Server::start(contender, folder)).collect();
    let names = servers.iter().map(|server| server.name.clone()).collect();
    let held = data::keys_of(name, keys);
    let table = Table::begin(&format!("{name} to the disk: {held} keys, median of {rounds}"), names);
    for server in &servers {
        data::fill(server, name, keys, true);
        assert_eq!(server.ask("DBSIZE"), format!(":{held}"), "{} holds every key", server.name);
        // What dd copies, and the first touch of everything.
        server.ask("SAVE");
    }
    let mut times: Vec<_> = servers.iter().map(|_| Times::default()).collect();
    for round in 0..rounds {
        for (server, times) in servers.iter().zip(&mut times) {
            measure(server, folder, round, times);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a file's size is far below 2^53")]
    let megabytes: Vec<_> = servers.iter().map(|server| server.dump_size() as f64 / MEGABYTE).collect();
    let dd: Vec<_> = times.iter().map(|times| median(&times.of_dd)).collect();
    let rates = |seconds: &[f64]| megabytes.iter().zip(seconds).map(|(size, time)| size / time).collect::<Vec<_>>();
    table.line("dump MB", &megabytes);
    table.line("dd conv=fsync s", &dd);
    table.line("dd conv=fsync MB/s", &rates(&dd));
    for (at, threads) in THREADS.iter().enumerate() {
        let label = if *threads == 0 { "auto".to_owned() } else { format!("{threads} thread(s)") };
        let save: Vec<_> = times.iter().map(|times| median(&times.of_save[at])).collect();
        table.line(&format!("SAVE s, {label}"), &save);
        table.line(&format!("SAVE MB/s, {label}"), &rates(&save));
        let ratios: Vec<_> = save.iter().zip(&dd).map(|(save, dd)| save / dd).collect();
        table.line(&format!("SAVE / dd, {label}"), &ratios);
    }
}

/// One round; every other one goes backwards, so that what a step leaves behind does not always meet the same one.
fn measure(server: &Server, folder: &Path, round: usize, times: &mut Times) {
    for turn in 0..=THREADS.len() {
        let at = if round.is_multiple_of(2) { turn } else { THREADS.len() - turn };
        settle(folder);
        if let Some(threads) = THREADS.get(at) {
            server.set("snapshot-threads", &threads.to_string());
            let start = Instant::now();
            server.ask("SAVE");
            times.of_save[at].push(start.elapsed().as_secs_f64());
        } else {
            times.of_dd.push(server.copy_of_dump().as_secs_f64());
        }
    }
}

/// Waits until the disk has nothing left to do for the step before, such as freeing the file that was replaced.
fn settle(folder: &Path) {
    let done = Command::new("sync").arg("-f").arg(folder).status();
    assert!(done.expect("sync is installed").success());
}
