//! What writing a data set to a dump and reading it back costs, and what the disk alone would take.

use std::time::Instant;

use super::server::Server;
use super::table::{Measures, Table};

const MEGABYTE: f64 = 1_000_000.0;

/// Serialiser threads that are tried. A server that has no such setting is measured all the same, so that every line
/// has its ratio.
const THREADS: [u32; 2] = [1, 2];

/// Measures saving and loading.
pub fn compare(table: &Table, servers: &mut [Server], rounds: usize) {
    Measures::of_rounds(rounds, servers.len(), |at| measure(&mut servers[at])).print(table);
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
