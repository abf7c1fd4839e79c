//! The laws of replication hold whatever happens.

use super::{Figures, check_history};

/// Steps before the quiet of one history.
const HISTORY_STEPS: usize = 500;

const HISTORIES_DEFAULT: u64 = 300;
const SEED_DEFAULT: u64 = 13;

/// Tests among which the histories are divided, so that they run side by side.
const SHARDS: u64 = 2;

/// So many failures are shown.
const FAILURES_MAX: usize = 3;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn check_shard(shard: u64) {
    let histories = from_environment("COPAL_REPLICATION_HISTORIES").unwrap_or(HISTORIES_DEFAULT) / SHARDS;
    let seed = from_environment("COPAL_REPLICATION_SEED").unwrap_or(SEED_DEFAULT);
    let first = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (shard << 40);
    // The number of a single history, as a failure shows it.
    let only = from_environment("COPAL_REPLICATION_HISTORY");
    let numbers = only.map_or(first..first + histories, |only| only..only + 1);
    let mut figures = Figures::default();
    let mut failures = Vec::new();
    for number in numbers {
        if let Err(failure) = check_history(number, HISTORY_STEPS, &mut figures) {
            failures.push(failure.to_string());
        }
        if failures.len() == FAILURES_MAX {
            break;
        }
    }
    println!("{figures:?}");
    assert!(failures.is_empty(), "COPAL_REPLICATION_SEED={seed}, shard {shard}:\n{}", failures.join("\n\n"));
    assert!(figures.full_syncs > 0 && figures.partial_syncs > 0, "{figures:?}");
}

#[test]
fn replicas_hold_what_their_primary_holds_whatever_happens_in_shard_0() {
    check_shard(0);
}

#[test]
fn replicas_hold_what_their_primary_holds_whatever_happens_in_shard_1() {
    check_shard(1);
}
