//! The latencies of commands, as a histogram and as percentiles.

use super::Scrape;
use super::text::{Text, push_number};
use crate::observe::{CommandFigures, CommandLatency, doubling_end_ns};

/// The first bound of the histogram, 1.024 microseconds: what is faster is no matter of worry. Bounds double from there on,
/// and are the same for every command at any time.
const FIRST_DOUBLING: usize = 3;

pub fn durations(scrape: &Scrape<'_>, text: &mut Text) {
    for (command, latency) in tracked(scrape) {
        let mut seen = 0;
        let mut bound = String::new();
        for (doubling, count) in latency.counts.iter().enumerate() {
            seen += count;
            if doubling >= FIRST_DOUBLING {
                bound.clear();
                push_number(&mut bound, doubling_end_ns(doubling) as f64 / 1e9);
                text.sample("_bucket", &[&command.name, &bound], seen as f64);
            }
        }
        text.sample("_bucket", &[&command.name, "+Inf"], seen as f64);
        text.sample("_sum", &[&command.name], command.total_ns as f64 / 1e9);
        text.sample("_count", &[&command.name], seen as f64);
    }
}

pub fn percentiles(scrape: &Scrape<'_>, text: &mut Text) {
    for (command, latency) in tracked(scrape) {
        let mut share = String::new();
        for (percent, nanoseconds) in &latency.percentiles {
            share.clear();
            push_number(&mut share, (percent * 1e6).round() / 1e8);
            text.labelled(&[&command.name, &share], *nanoseconds as f64 / 1000.0);
        }
        text.sample("_sum", &[&command.name], command.total_ns as f64 / 1000.0);
        text.sample("_count", &[&command.name], latency.counts.iter().sum::<u64>() as f64);
    }
}

fn tracked<'a>(scrape: &'a Scrape<'_>) -> impl Iterator<Item = (&'a CommandFigures, &'a CommandLatency)> {
    scrape.figures.commands.iter().filter_map(|command| Some((command, command.latency.as_ref()?)))
}
