//! What a data set costs: memory, the fork, the dump and the time to write and to load it.

use std::time::Instant;

use super::Contender;
use super::data;
use super::server::Server;
use super::table::{Table, median};

const MEGABYTE: f64 = 1_000_000.0;

/// Fills each server with the same data and measures; `rounds` of saving and loading, none for memory alone.
pub fn compare(contenders: &[Contender], name: &str, keys: u64, rounds: usize) {
    let mut servers: Vec<_> = contenders.iter().map(Server::start).collect();
    let with_collections =
        ["HSET", "RPUSH", "SADD", "ZADD"].iter().all(|command| servers.iter().all(|server| knows(server, command)));
    let names = servers.iter().map(|server| server.name.clone()).collect();
    let note = if name == "mix" && !with_collections { ", strings only" } else { "" };
    let table = Table::begin(&format!("data set {name}: {keys} keys{note}"), names);
    let mut seconds = Vec::new();
    for server in &servers {
        let start = Instant::now();
        data::fill(server, name, keys, with_collections);
        seconds.push(start.elapsed().as_secs_f64());
        assert_eq!(server.ask("DBSIZE"), format!(":{keys}"), "{} holds every key", server.name);
    }
    let of_each = |measure: &dyn Fn(&Server) -> f64| servers.iter().map(measure).collect::<Vec<_>>();
    table.line("fill s", &seconds);
    table.line("used_memory MB", &of_each(&|server| server.info("used_memory") / MEGABYTE));
    table.line("rss MB", &of_each(&|server| server.info("used_memory_rss") / MEGABYTE));
    if rounds > 0 {
        snapshots(&table, &mut servers, rounds);
    }
}

fn knows(server: &Server, command: &str) -> bool {
    // The array of one answer is followed by a null where the command is unknown.
    let mut connection = server.connect();
    connection.send(format!("COMMAND INFO {command}\r\nQUIT\r\n").as_bytes()).expect("the server reads");
    let text = connection.rest().expect("the server answers and closes");
    text.to_ascii_lowercase().contains(&command.to_ascii_lowercase())
}

fn snapshots(table: &Table, servers: &mut [Server], rounds: usize) {
    let mut measures = [
        ("fork ms", Vec::new()),
        ("BGSAVE s", Vec::new()),
        ("SAVE s", Vec::new()),
        ("dump MB", Vec::new()),
        ("load s", Vec::new()),
    ];
    for (_, values) in &mut measures {
        values.resize(servers.len(), Vec::new());
    }
    for round in 0..rounds {
        for turn in 0..servers.len() {
            let at = if round % 2 == 0 { turn } else { servers.len() - 1 - turn };
            let server = &mut servers[at];
            let background = server.background_save();
            let fork = server.info("latest_fork_usec") / 1000.0;
            let start = Instant::now();
            server.ask("SAVE");
            let save = start.elapsed();
            #[expect(clippy::cast_precision_loss, reason = "a file's size is far below 2^53")]
            let size = server.dump_size() as f64 / MEGABYTE;
            let load = server.restart();
            let values = [fork, background.as_secs_f64(), save.as_secs_f64(), size, load.as_secs_f64()];
            for ((_, of_servers), value) in measures.iter_mut().zip(values) {
                of_servers[at].push(value);
            }
        }
    }
    for (measure, of_servers) in &measures {
        table.line(measure, &of_servers.iter().map(|values| median(values)).collect::<Vec<_>>());
    }
}
