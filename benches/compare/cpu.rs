//! Requests per second, and the server's processor time for each request.

use std::path::Path;
use std::process::Command;

use super::Contender;
use super::server::Server;
use super::table::{Table, median};
use super::workload::Workload;

/// What one redis-benchmark test sends, and how.
#[derive(Clone, Copy)]
pub struct Load {
    pub requests: u64,
    pub threads: u32,
}

/// Runs redis-benchmark's tests on each server in turn, round by round.
pub fn compare(
    contenders: &[Contender],
    folder: &Path,
    tests: &[String],
    pipelines: &[u32],
    load: Load,
    rounds: usize,
) {
    let servers: Vec<_> = contenders.iter().map(|contender| Server::start(contender, folder)).collect();
    let names: Vec<_> = servers.iter().map(|server| server.name.clone()).collect();
    let Load { requests, threads } = load;
    let title = format!("redis-benchmark, {requests} requests, threads {threads}, median of {rounds}");
    let table = Table::begin(&title, names);
    for &pipeline in pipelines {
        for test in tests.iter().map(|name| Workload::named(name)) {
            let mut rates = vec![Vec::new(); servers.len()];
            let mut costs = vec![Vec::new(); servers.len()];
            // The first round warms up and is not counted.
            for round in 0..=rounds {
                for turn in 0..servers.len() {
                    // Every other round goes backwards, so that no server always runs first.
                    let at = if round % 2 == 0 { turn } else { servers.len() - 1 - turn };
                    let (rate, cost) = measure(&servers[at], test, pipeline, load);
                    if round > 0 {
                        rates[at].push(rate);
                        costs[at].push(cost);
                    }
                }
            }
            let medians = |values: &[Vec<f64>]| values.iter().map(|values| median(values)).collect::<Vec<_>>();
            table.line(&format!("{} -P {pipeline}: 1000 req/s", test.name), &medians(&rates));
            table.line(&format!("{} -P {pipeline}: cpu us/req", test.name), &medians(&costs));
        }
    }
}

/// Thousands of requests per second, and microseconds of the server's processor time for each.
fn measure(server: &Server, test: &Workload, pipeline: u32, load: Load) -> (f64, f64) {
    // Without a pipeline a request costs many times as much.
    let requests = if pipeline == 1 { load.requests / 4 } else { load.requests };
    let load = Load { requests, ..load };
    let numbers = test.numbers(requests);
    server.ask("FLUSHALL");
    if let Some(fill) = test.fill() {
        benchmark(server, &fill, 64, load, numbers);
    }
    let before = server.processor_time();
    let rate = benchmark(server, &test.command(), pipeline, load, numbers);
    let spent = server.processor_time() - before;
    #[expect(clippy::cast_precision_loss, reason = "a count of requests is far below 2^53")]
    let cost = spent.as_secs_f64() * 1e6 / requests as f64;
    (rate / 1000.0, cost)
}

/// Sends one command many times; returns how often a second.
pub fn benchmark(server: &Server, command: &[String], pipeline: u32, load: Load, numbers: u64) -> f64 {
    let Load { requests, threads } = load;
    let output = Command::new("redis-benchmark")
        .args(["-p", &server.port().to_string(), "-n", &requests.to_string(), "-P", &pipeline.to_string()])
        .args(["-c", "50", "-r", &numbers.to_string(), "--csv"])
        .args(if threads > 1 { vec!["--threads".to_owned(), threads.to_string()] } else { Vec::new() })
        .args(command)
        .output()
        .expect("redis-benchmark is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    // The line of figures quotes the command first, which may have commas of its own, but no quotation marks.
    let line = text.lines().rfind(|line| line.starts_with('"') && !line.starts_with("\"test\""));
    let rate = line.and_then(|line| line.split("\",\"").nth(1)?.trim_matches('"').parse::<f64>().ok());
    rate.unwrap_or_else(|| panic!("redis-benchmark on {}: {text}", server.name))
}
