//! The laws of replication hold whatever happens.

use super::cluster::{Cluster, MARKER, OPERATOR};
use super::laws::check_equal;
use super::{Figures, check_history};
use crate::config::Config;

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

#[test]
fn a_history_is_the_same_each_time() {
    let figures = [(); 2].map(|()| {
        let mut figures = Figures::default();
        check_history(40, 200, &mut figures).unwrap_or_else(|failure| panic!("{failure}"));
        figures
    });
    assert_eq!(figures[0], figures[1]);
}

/// Servers of which all but the first follow another one, as the list says.
fn cluster(followed: &[usize], set: impl FnOnce(&mut Config)) -> Cluster {
    let mut config = Config::default();
    config.repl_diskless_sync_delay_seconds = 0;
    config.repl_ping_replica_period_seconds = 3600;
    set(&mut config);
    // With this seed the clock of node 1 is an hour behind, and that of node 2 an hour ahead.
    let mut cluster = Cluster::with_config(4, followed.len() + 1, &config);
    for (at, primary) in followed.iter().enumerate() {
        cluster.follow(at + 1, Some(*primary));
        settle(&mut cluster, &[at + 1]);
    }
    cluster
}

/// Waits until these servers hold what the first one holds.
fn settle(cluster: &mut Cluster, nodes: &[usize]) {
    let position = |cluster: &Cluster, node: usize| {
        let history = cluster.nodes[node].executor().history();
        (history.id(), history.offset())
    };
    let end = cluster.now + 60_000;
    let is_settled = |cluster: &Cluster, node: usize| {
        let node = &cluster.nodes[node];
        node.is_up && node.is_streaming() && position(cluster, node.index) == position(cluster, 0)
    };
    while !nodes.iter().all(|node| is_settled(cluster, *node)) {
        assert!(cluster.now < end, "the servers have not settled:\n{}", cluster.trace());
        cluster.pass(20);
    }
    for node in nodes {
        check_equal(&cluster.nodes[0], &cluster.nodes[*node]).unwrap_or_else(|difference| panic!("{difference}"));
    }
}

fn full_syncs(cluster: &Cluster) -> u64 {
    cluster.nodes.iter().filter(|node| node.is_up).map(|node| node.executor().counted_syncs().0).sum()
}

#[test]
fn the_selected_database_outlives_a_change_of_the_primary() {
    let mut cluster = cluster(&[0, 0], |_| {});
    cluster.run(0, MARKER, "SELECT 2");
    cluster.run(0, MARKER, "SET a 1");
    settle(&mut cluster, &[1, 2]);
    cluster.follow(2, Some(1));
    cluster.run(0, MARKER, "SET b 1");
    settle(&mut cluster, &[1, 2]);
    assert_eq!(full_syncs(&cluster), 2);
}

#[test]
fn a_full_sync_from_a_replica_says_which_database_its_stream_has_selected() {
    let mut cluster = cluster(&[0, 1], |_| {});
    cluster.run(0, MARKER, "SELECT 2");
    cluster.run(0, MARKER, "SET a 1");
    settle(&mut cluster, &[1, 2]);
    // The last of the chain begins anew, without data.
    cluster.crash(2, 100, None);
    cluster.pass(200);
    settle(&mut cluster, &[1, 2]);
    cluster.run(0, MARKER, "SET b 1");
    settle(&mut cluster, &[1, 2]);
}

#[test]
fn a_replica_that_loads_data_does_not_count_for_wait() {
    let mut cluster = Cluster::with_config(4, 2, &{
        let mut config = Config::default();
        config.repl_diskless_sync = false;
        config
    });
    cluster.run(0, MARKER, "SET a 1");
    cluster.follow(1, Some(0));
    let mut answer = cluster.run(0, MARKER, "WAIT 1 0");
    while answer.is_empty() {
        cluster.pass(20);
        answer = String::from_utf8(cluster.nodes[0].machine.take_answer(MARKER)).expect("a number");
    }
    assert_eq!((answer.as_str(), cluster.nodes[1].value("a")), (":1\r\n", Some(b"1".to_vec())));
}

#[test]
fn what_a_primary_loads_at_its_start_is_no_part_of_the_stream() {
    let mut cluster = cluster(&[0], |_| {});
    cluster.run(0, MARKER, "SET a 1");
    cluster.run(0, MARKER, "SET short 1 PX 3000");
    settle(&mut cluster, &[1]);
    cluster.take_snapshot(0);
    let offset = cluster.nodes[0].executor().history().offset();
    let snapshot = cluster.nodes[0].snapshots.last().cloned();
    cluster.crash(0, 100, snapshot);
    cluster.pass(120);
    assert_eq!(cluster.nodes[0].executor().history().offset(), offset);
    settle(&mut cluster, &[1]);
    assert_eq!(full_syncs(&cluster), 0, "the replica goes on where it was");
}

#[test]
fn a_key_that_lapsed_while_its_primary_was_down_goes_on_replicas_too() {
    let mut cluster = cluster(&[0], |_| {});
    cluster.run(0, MARKER, "SET short 1 PX 3000");
    settle(&mut cluster, &[1]);
    cluster.take_snapshot(0);
    let snapshot = cluster.nodes[0].snapshots.last().cloned();
    cluster.crash(0, 10_000, snapshot);
    cluster.pass(12_000);
    settle(&mut cluster, &[1]);
    assert_eq!([0, 1].map(|node| cluster.nodes[node].value("short")), [None, None]);
}

#[test]
fn a_dump_of_a_replica_holds_what_only_its_own_clock_takes_for_past() {
    let mut cluster = cluster(&[0, 0], |_| {});
    cluster.run(0, MARKER, "SET a 1 PX 1000000");
    settle(&mut cluster, &[1, 2]);
    cluster.take_snapshot(2);
    let snapshot = cluster.nodes[2].snapshots.last().cloned();
    cluster.crash(2, 100, snapshot);
    cluster.pass(200);
    settle(&mut cluster, &[1, 2]);
    assert_eq!(cluster.nodes[2].value("a"), Some(b"1".to_vec()));
}

#[test]
fn fields_with_an_expiry_reach_a_replica_by_a_full_sync() {
    let mut cluster = Cluster::with_config(4, 2, &Config::default());
    cluster.run(0, OPERATOR, "HSET h f 1 g 2");
    cluster.run(0, OPERATOR, "HEXPIRE h 1000 FIELDS 1 f");
    cluster.follow(1, Some(0));
    settle(&mut cluster, &[1]);
}
