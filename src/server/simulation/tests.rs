//! The law of records: whoever repeats them holds the same data.

use std::collections::BTreeMap;

use super::generate::NOT_RECORDED_YET;
use super::{Coverage, check_history, rows_without_effect};

/// Steps of one history: short enough to be cut down quickly, long enough for values to become large.
const HISTORY_STEPS: usize = 500;

const STEPS_DEFAULT: u64 = 20_000;
const SEED_DEFAULT: u64 = 11;

/// So many different failures are looked for before the first is reported; see COPAL_JOURNAL_FAILURES.
const FAILURES_DEFAULT: u64 = 3;

/// In so many steps every command gets round to changing something.
const COVERING_STEPS: u64 = 200_000;

/// Tests among which the steps are divided, so that they run side by side.
const SHARDS: u64 = 4;

/// Rows that change data and do not occur, and why.
const WITHOUT_EFFECT: &[(&str, &str)] = &[("migrate", "it needs another server")];

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn check_shard(shard: u64) {
    let steps = from_environment("COPAL_JOURNAL_COMMANDS").unwrap_or(STEPS_DEFAULT) / SHARDS;
    let seed = from_environment("COPAL_JOURNAL_SEED").unwrap_or(SEED_DEFAULT);
    let failures_max = from_environment("COPAL_JOURNAL_FAILURES").unwrap_or(FAILURES_DEFAULT) as usize;
    let mut coverage = Coverage::default();
    let mut failures = BTreeMap::new();
    let mut failed = 0;
    let mut history = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (shard << 40);
    while coverage.steps < steps && failures.len() < failures_max && failed < 3 * failures_max {
        if let Err(failure) = check_history(history, HISTORY_STEPS, &mut coverage) {
            failed += 1;
            // One history for each command that is the last one.
            failures.entry(failure.last_command()).or_insert(failure);
        }
        history += 1;
    }
    let shown: String = failures.values().map(|failure| format!("\n{failure}\n")).collect();
    assert!(failures.is_empty(), "COPAL_JOURNAL_SEED={seed}, shard {shard}: the servers differ\n{shown}");
    let missing: Vec<_> = rows_without_effect(&coverage)
        .into_iter()
        .filter(|name| !WITHOUT_EFFECT.iter().any(|(known, _)| known == name))
        .filter(|name| !NOT_RECORDED_YET.contains(&name.as_str()))
        .collect();
    // Fewer steps need not get round to every command.
    if steps >= COVERING_STEPS {
        assert!(missing.is_empty(), "these have changed nothing in {steps} steps: {missing:?}");
    }
}

#[test]
fn records_repeated_on_another_server_leave_the_same_data_in_shard_0() {
    check_shard(0);
}

#[test]
fn records_repeated_on_another_server_leave_the_same_data_in_shard_1() {
    check_shard(1);
}

#[test]
fn records_repeated_on_another_server_leave_the_same_data_in_shard_2() {
    check_shard(2);
}

#[test]
fn records_repeated_on_another_server_leave_the_same_data_in_shard_3() {
    check_shard(3);
}
