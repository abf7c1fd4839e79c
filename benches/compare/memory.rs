//! What a data set costs in memory.

use std::path::Path;
use std::time::Instant;

use super::Contender;
use super::server::Server;
use super::table::Table;
use super::{data, snapshot};

const MEGABYTE: f64 = 1_000_000.0;

/// Fills each server with the same data and measures; `rounds` of saving and loading, none for memory alone.
pub fn compare(contenders: &[Contender], folder: &Path, name: &str, keys: u64, rounds: usize) {
    let mut servers: Vec<_> = contenders.iter().map(|contender| Server::start(contender, folder)).collect();
    let with_collections =
        ["HSET", "RPUSH", "SADD", "ZADD"].iter().all(|command| servers.iter().all(|server| knows(server, command)));
    let names = servers.iter().map(|server| server.name.clone()).collect();
    let note = if name == "mix" && !with_collections { ", strings only" } else { "" };
    let held = data::keys_of(name, keys);
    let table = Table::begin(&format!("data set {name}: {held} keys{note}"), names);
    let mut seconds = Vec::new();
    for server in &servers {
        let start = Instant::now();
        data::fill(server, name, keys, with_collections);
        seconds.push(start.elapsed().as_secs_f64());
        assert_eq!(server.ask("DBSIZE"), format!(":{held}"), "{} holds every key", server.name);
    }
    let of_each = |measure: &dyn Fn(&Server) -> f64| servers.iter().map(measure).collect::<Vec<_>>();
    table.line("fill s", &seconds);
    table.line("used_memory MB", &of_each(&|server| server.info("used_memory") / MEGABYTE));
    table.line("rss MB", &of_each(&|server| server.info("used_memory_rss") / MEGABYTE));
    if rounds > 0 {
        snapshot::compare(&table, &mut servers, rounds);
    }
}

fn knows(server: &Server, command: &str) -> bool {
    // The array of one answer is followed by a null where the command is unknown.
    let mut connection = server.connect();
    connection.send(format!("COMMAND INFO {command}\r\nQUIT\r\n").as_bytes()).expect("the server reads");
    let text = connection.rest().expect("the server answers and closes");
    text.to_ascii_lowercase().contains(&command.to_ascii_lowercase())
}
