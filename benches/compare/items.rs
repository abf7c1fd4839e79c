//! What an item costs beyond its own bytes, at counts all over a doubling: tables that grow by doubling are good at some.

use std::path::Path;
use std::time::Duration;

use super::Contender;
use super::data;
use super::server::Server;
use super::table::Table;

/// The smallest count.
const ITEMS_MIN: u64 = 150_000;

/// Counts in one doubling.
const COUNTS: i32 = 12;

/// Incremental work that goes on when the server is idle has ended by then.
const SETTLING: Duration = Duration::from_millis(1500);

/// Fills each server with items of each kind, count by count.
pub fn compare(contenders: &[Contender], folder: &Path) {
    for kind in data::Items::ALL {
        let servers: Vec<_> = contenders.iter().map(|contender| Server::start(contender, folder)).collect();
        let names = servers.iter().map(|server| server.name.clone()).collect();
        let table = Table::begin(&format!("bytes an item beyond its {}, {}", kind.raw_bytes(), kind.name()), names);
        let empty: Vec<_> = servers.iter().map(used).collect();
        let mut of_counts = vec![Vec::new(); servers.len()];
        let mut filled = 0;
        for step in 0..COUNTS {
            let count = (ITEMS_MIN as f64 * 2f64.powf(f64::from(step) / f64::from(COUNTS))) as u64;
            for server in &servers {
                data::fill_items(server, kind, filled..count);
            }
            filled = count;
            std::thread::sleep(SETTLING);
            for (at, server) in servers.iter().enumerate() {
                let bytes = used(server) - empty[at];
                of_counts[at].push(bytes / count as f64 - kind.raw_bytes() as f64);
            }
            let latest: Vec<_> = of_counts.iter().map(|bytes| *bytes.last().expect("one was pushed")).collect();
            table.line(&count.to_string(), &latest);
        }
        let mean = |bytes: &Vec<f64>| bytes.iter().sum::<f64>() / bytes.len() as f64;
        let worst = |bytes: &Vec<f64>| bytes.iter().copied().fold(0.0, f64::max);
        table.line("mean", &of_counts.iter().map(mean).collect::<Vec<_>>());
        table.line("worst / mean", &of_counts.iter().map(|bytes| worst(bytes) / mean(bytes)).collect::<Vec<_>>());
    }
}

fn used(server: &Server) -> f64 {
    server.info("used_memory")
}
