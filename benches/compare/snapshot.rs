//! What writing a data set to a dump and reading it back costs, and what the disk alone would take.

use std::time::Instant;

use super::server::Server;
use super::table::{Table, median};

const MEGABYTE: f64 = 1_000_000.0;

/// Serialiser threads that are tried. A server that has no such setting is measured all the same, so that every line
/// has its ratio.
const THREADS: [u32; 2] = [1, 2];

/// The values of each round, for each server.
struct Measure {
    name: String,
    of_servers: Vec<Vec<f64>>,
}

/// Measures saving and loading, round by round, every other one backwards.
pub fn compare(table: &Table, servers: &mut [Server], rounds: usize) {
    let mut measures: Vec<Measure> = Vec::new();
    for round in 0..rounds {
        for turn in 0..servers.len() {
            let at = if round % 2 == 0 { turn } else { servers.len() - 1 - turn };
            let values = measure(&mut servers[at]);
            if measures.is_empty() {
                let empty = |(name, _): &(String, f64)| Measure {
                    name: name.clone(),
                    of_servers: vec![Vec::new(); servers.len()],
                };
                measures = values.iter().map(empty).collect();
            }
            for (measure, (_, value)) in measures.iter_mut().zip(values) {
                measure.of_servers[at].push(value);
            }
        }
    }
    for Measure { name, of_servers } in &measures {
        table.line(name, &of_servers.iter().map(|values| median(values)).collect::<Vec<_>>());
    }
}

fn measure(server: &mut Server) -> Vec<(String, f64)> {
    let mut values = Vec::new();
    for threads in THREADS {
        server.set("snapshot-threads", &threads.to_string());
        let start = Instant::now();
        server.ask("SAVE");
        values.push((format!("SAVE s, {threads} thread(s)"), start.elapsed().as_secs_f64()));
    }
    for threads in THREADS {
        server.set("snapshot-threads", &threads.to_string());
        let background = server.background_save();
        values.push((format!("BGSAVE s, {threads} thread(s)"), background.as_secs_f64()));
        values.push((format!("fork ms, {threads} thread(s)"), server.info("latest_fork_usec") / 1000.0));
        values.push((format!("copied MB, {threads} thread(s)"), server.info("rdb_last_cow_size") / MEGABYTE));
    }
    #[expect(clippy::cast_precision_loss, reason = "a file's size is far below 2^53")]
    let size = server.dump_size() as f64 / MEGABYTE;
    values.push(("dump MB".to_owned(), size));
    values.push(("dd conv=fsync s".to_owned(), server.copy_of_dump().as_secs_f64()));
    values.push(("load s".to_owned(), server.restart().as_secs_f64()));
    values
}
