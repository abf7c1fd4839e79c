//! What this server is to its primary and to its replicas.

use super::super::key::{Key, Value};
use super::super::kinds::{DisklessLoad, PrimaryAddress, PropagationErrors};
use super::super::model::Config;
use super::super::value::{ValueError, parse_integer};
use super::{I32_MAX, I64_MAX, any_text, bytes, choice, flag, integer, text};

pub const KEYS: &[Key] = &[
    Key::new("replicaof", "", Value::List { per_line: 0, adds_up: false, vanishes: true, read: read_primary, spell: read_primary, write: write_primary }).also(&["slaveof"]).at_startup().doc("The primary to be a replica of, as in: replicaof 10.0.0.1 6379. REPLICAOF changes it while the server runs."),
    Key::new("masterauth", "", Value::Secret { read: |c| &c.masterauth, write: |c, v| c.masterauth = v }).also_foreign(&["primaryauth"]).sensitive().doc("The password that the primary asks for."),
    Key::new("masteruser", "", Value::Secret { read: |c| &c.masteruser, write: |c, v| c.masteruser = v }).also_foreign(&["primaryuser"]).sensitive().doc("The user to be at the primary, with the password of masterauth; empty for the default user."),
    flag("replica-serve-stale-data", "yes", |c| c.replica_serve_stale_data, |c, v| c.replica_serve_stale_data = v).also(&["slave-serve-stale-data"]).doc("Whether a replica without its primary answers from the data that it has, or refuses with MASTERDOWN all but a few commands."),
    flag("replica-read-only", "yes", |c| c.replica_read_only, |c, v| c.replica_read_only = v).also(&["slave-read-only"]).doc("Whether a replica refuses the writes of its clients. Those of a writable replica are its own: they go to nobody, and a full sync overwrites them."),
    flag("replica-lazy-flush", "no", |c| c.replica_lazy_flush, |c, v| c.replica_lazy_flush = v).also(&["slave-lazy-flush"]).doc("Accepted for the sake of files for Redis: the old data are always freed on another thread after a full sync."),
    flag("replica-ignore-maxmemory", "yes", |c| c.replica_ignore_maxmemory, |c, v| c.replica_ignore_maxmemory = v).also(&["slave-ignore-maxmemory"]).doc("A replica leaves eviction to its primary, whose deletions reach it."),
    integer("replica-priority", "100", (0, I32_MAX), |c| c.replica_priority.into(), |c, v| c.replica_priority = v as u32).also(&["slave-priority"]).doc("Sentinel promotes the replica with the lowest number, and never one with 0."),
    flag("replica-announced", "yes", |c| c.replica_announced, |c, v| c.replica_announced = v).doc("Whether Sentinel shows this replica to clients."),
    text("replica-announce-ip", "", any_text, |c| &c.replica_announce_ip, |c, v| c.replica_announce_ip = v).also(&["slave-announce-ip"]).doc("The address at which others reach this replica, where that is not the one that its primary sees. Empty: that one."),
    integer("replica-announce-port", "0", (0, 65_535), |c| c.replica_announce_port.into(), |c, v| c.replica_announce_port = v as u16).also(&["slave-announce-port"]).doc("As replica-announce-ip, for the port. 0: the port that it listens on."),
    text("bind-source-addr", "", any_text, |c| &c.bind_source_addr, |c, v| c.bind_source_addr = v).doc("The address from which a replica connects to its primary. Empty, or if it cannot be used: the system chooses."),
    flag("repl-diskless-sync", "yes", |c| c.repl_diskless_sync, |c, v| c.repl_diskless_sync = v).doc("Whether replicas get the data for a full sync straight from the snapshot child, without a file. Otherwise they get the dump that it has written."),
    integer("repl-diskless-sync-delay", "5", (0, I32_MAX), |c| c.repl_diskless_sync_delay_seconds.into(), |c, v| c.repl_diskless_sync_delay_seconds = v as u32).doc("How many seconds to wait for further replicas that one child can serve too."),
    integer("repl-diskless-sync-max-replicas", "0", (0, I32_MAX), |c| c.repl_diskless_sync_max_replicas.into(), |c, v| c.repl_diskless_sync_max_replicas = v as u32).doc("Wait no longer when so many replicas are there; 0 for no such number."),
    choice("repl-diskless-load", "disabled", DisklessLoad::NAMES, |c| c.repl_diskless_load as usize, |c, i| c.repl_diskless_load = DisklessLoad::ALL[i]).doc("Where a replica keeps what arrives in a full sync until it is whole: in a file (disabled), or in memory (swapdb, on-empty-db). The old data are dropped only once the new ones are loaded."),
    flag("rdb-del-sync-files", "no", |c| c.rdb_del_sync_files, |c, v| c.rdb_del_sync_files = v).doc("Remove the dump that a full sync has written, once replicas read it, where the server keeps no snapshots of its own (save \"\")."),
    flag("repl-disable-tcp-nodelay", "no", |c| c.repl_disable_tcp_nodelay, |c, v| c.repl_disable_tcp_nodelay = v).doc("Send to replicas in fewer and larger packets, up to 40 ms later."),
    integer("repl-ping-replica-period", "10", (1, I32_MAX), |c| c.repl_ping_replica_period_seconds.into(), |c, v| c.repl_ping_replica_period_seconds = v as u32).also(&["repl-ping-slave-period"]).doc("How many seconds apart a primary sends PING to its replicas."),
    integer("repl-timeout", "60", (1, I32_MAX), |c| c.repl_timeout_seconds.into(), |c, v| c.repl_timeout_seconds = v as u32).doc("After how many seconds of silence a primary or a replica gives the other one up. Must be larger than repl-ping-replica-period."),
    bytes("repl-backlog-size", "1mb", (1, I64_MAX), |c| c.repl_backlog_size_bytes, |c, v| c.repl_backlog_size_bytes = v).doc("How much of the stream is kept for replicas that come back after a cut. At least 16kb are."),
    integer("repl-backlog-ttl", "3600", (0, i64::MAX), |c| c.repl_backlog_ttl_seconds as i64, |c, v| c.repl_backlog_ttl_seconds = v as u64).doc("How many seconds after the last replica has gone the stream is kept; 0 for ever."),
    integer("min-replicas-to-write", "0", (0, I32_MAX), |c| c.min_replicas_to_write.into(), |c, v| c.min_replicas_to_write = v as u32).also(&["min-slaves-to-write"]).doc("Refuse writes with NOREPLICAS while fewer replicas are there; 0 for never."),
    integer("min-replicas-max-lag", "10", (0, I32_MAX), |c| c.min_replicas_max_lag_seconds.into(), |c, v| c.min_replicas_max_lag_seconds = v as u32).also(&["min-slaves-max-lag"]).doc("A replica that was silent for longer than so many seconds does not count for min-replicas-to-write."),
    choice("replication-rdb-version", "0", RDB_VERSIONS, |c| RDB_VERSIONS.iter().position(|version| **version == *c.replication_rdb_version.to_string()).unwrap_or(0), |c, i| c.replication_rdb_version = RDB_VERSIONS[i].parse().unwrap_or(0)).doc("The version of RDB that replicas are sent in a full sync. 0: the highest that each replica says it can read, and 10 where it says nothing, which every server since Redis 7.0 reads."),
    flag("replica-rewind-guard", "yes", |c| c.replica_rewind_guard, |c, v| c.replica_rewind_guard = v).doc(
        "Whether a primary that was restarted from a dump older than the data of its replicas refuses writes and PING, and \
         does not overwrite them, so that Sentinel can promote a replica. no: the older data win, as in Redis.",
    ),
    integer(
        "replica-rewind-guard-seconds",
        "60",
        (0, I32_MAX),
        |c| c.replica_rewind_guard_seconds.into(),
        |c, v| c.replica_rewind_guard_seconds = v as u32,
    )
    .doc("For how many seconds after the start replica-rewind-guard holds."),
    choice("propagation-error-behavior", "ignore", PropagationErrors::NAMES, |c| c.propagation_error_behavior as usize, |c, i| c.propagation_error_behavior = PropagationErrors::ALL[i]).doc("What a replica does when a command of its primary fails: log it and go on (ignore), or end (panic, panic-on-replicas)."),
];

const RDB_VERSIONS: &[&str] = &["0", "9", "10", "11", "12"];

fn read_primary(config: &Config) -> Vec<Vec<u8>> {
    match &config.replicaof {
        Some(PrimaryAddress { host, port }) => vec![host.clone().into_bytes(), port.to_string().into_bytes()],
        None => Vec::new(),
    }
}

fn write_primary(config: &mut Config, args: &[Vec<u8>]) -> Result<(), ValueError> {
    config.replicaof = match args {
        [] => None,
        [none] if none.is_empty() => None,
        [host, port] if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") => None,
        [host, port] => {
            let port = parse_integer(port, 0, 65_535).map_err(|_| ValueError::InvalidPrimaryPort)? as u16;
            let host = String::from_utf8(host.clone()).map_err(|_| ValueError::NotText)?;
            Some(PrimaryAddress { host, port })
        }
        _ => return Err(ValueError::WrongNumberOfArguments),
    };
    Ok(())
}
