//! Settings of features that Copal does not have.
//!
//! A `fixed` row takes only the value that says what Copal does. A `dormant` row takes any valid value, which is safe
//! because the feature that would read it cannot be switched on. An `unheeded` row takes any valid value in a file and
//! warns of it, since it would change only how the work is done: no answer and no data.

use super::super::key::{Feature, Form, Key};
use super::{I32_MAX, I64_MAX, dormant, fixed, unheeded};

const APPEND_ONLY: &Feature = &Feature { title: "Append-only file", reason: "Copal keeps RDB snapshots only" };
const REPLICAS_DISK: &Feature = &Feature {
    title: "Errors of a replica's disk",
    reason: "a replica goes on with its primary's stream in Copal whatever its own disk does, and does not end for it",
};
pub const CLUSTER: &Feature = &Feature { title: "Cluster", reason: "Copal runs as a single server" };
pub const TLS: &Feature = &Feature { title: "TLS", reason: "Copal supports plain TCP and Unix sockets only" };
pub const SCRIPTS: &Feature = &Feature {
    title: "Old and unsafe functions of scripts",
    reason: "scripts find neither the functions that Redis 7 has taken away nor unsafe ones in Copal",
};
pub const THREADS: &Feature = &Feature { title: "I/O threads", reason: "Copal serves connections on one thread" };
pub const DEFRAGMENTATION: &Feature = &Feature {
    title: "Limits of defragmentation",
    reason: "Copal moves what collections consist of in parts, however large they are",
};
const HUGE_PAGES: &Feature = &Feature {
    title: "Switch against huge pages",
    reason: "huge-pages decides that in Copal, and since Linux 5.8 huge pages no longer make snapshots dear",
};
const SYSLOG: &Feature = &Feature { title: "Syslog", reason: "Copal logs to a file or to standard output" };
const SYSTEM: &Feature = &Feature {
    title: "Settings of the operating system",
    reason: "Copal leaves these to the system or its supervisor",
};
const DEBUGGING: &Feature =
    &Feature { title: "Debugging aids", reason: "Copal has no memory test and no software watchdog" };
const TRACKING: &Feature = &Feature { title: "Client side caching", reason: "Copal does not track keys for clients" };

const NUMBER: Form = Form::Integer(0, I32_MAX);
const PORT: Form = Form::Integer(0, 65_535);
const LONG: Form = Form::Integer(0, i64::MAX);
const BYTES: Form = Form::Bytes(0, I64_MAX);

pub const KEYS: &[Key] = &[
    fixed("appendonly", "no", Form::Flag, APPEND_ONLY),
    dormant("appendfsync", "everysec", Form::Choice(&["everysec", "always", "no"]), APPEND_ONLY),
    dormant("appendfilename", "appendonly.aof", Form::Text, APPEND_ONLY).at_startup(),
    dormant("appenddirname", "appendonlydir", Form::Text, APPEND_ONLY).at_startup(),
    dormant("no-appendfsync-on-rewrite", "no", Form::Flag, APPEND_ONLY),
    dormant("auto-aof-rewrite-percentage", "100", NUMBER, APPEND_ONLY),
    dormant("auto-aof-rewrite-min-size", "64mb", BYTES, APPEND_ONLY),
    dormant("aof-load-truncated", "yes", Form::Flag, APPEND_ONLY),
    dormant("aof-use-rdb-preamble", "yes", Form::Flag, APPEND_ONLY),
    dormant("aof-timestamp-enabled", "no", Form::Flag, APPEND_ONLY),
    dormant("aof-rewrite-incremental-fsync", "yes", Form::Flag, APPEND_ONLY),
    dormant("aof-disable-auto-gc", "no", Form::Flag, APPEND_ONLY),
    unheeded("replica-ignore-disk-write-errors", "no", Form::Flag, REPLICAS_DISK),
    fixed("cluster-enabled", "no", Form::Flag, CLUSTER).at_startup(),
    dormant("cluster-config-file", "nodes.conf", Form::Text, CLUSTER).at_startup(),
    dormant("cluster-node-timeout", "15000", LONG, CLUSTER),
    dormant("cluster-port", "0", PORT, CLUSTER).at_startup(),
    dormant("cluster-replica-validity-factor", "10", NUMBER, CLUSTER).also(&["cluster-slave-validity-factor"]),
    dormant("cluster-replica-no-failover", "no", Form::Flag, CLUSTER).also(&["cluster-slave-no-failover"]),
    dormant("cluster-migration-barrier", "1", NUMBER, CLUSTER),
    dormant("cluster-allow-replica-migration", "yes", Form::Flag, CLUSTER),
    dormant("cluster-require-full-coverage", "yes", Form::Flag, CLUSTER),
    dormant("cluster-allow-reads-when-down", "no", Form::Flag, CLUSTER),
    dormant("cluster-allow-pubsubshard-when-down", "yes", Form::Flag, CLUSTER),
    dormant("cluster-link-sendbuf-limit", "0", BYTES, CLUSTER),
    dormant("cluster-announce-ip", "", Form::Text, CLUSTER),
    dormant("cluster-announce-port", "0", PORT, CLUSTER),
    dormant("cluster-announce-bus-port", "0", PORT, CLUSTER),
    dormant("cluster-announce-tls-port", "0", PORT, CLUSTER),
    dormant("cluster-announce-hostname", "", Form::Text, CLUSTER),
    dormant("cluster-announce-human-nodename", "", Form::Text, CLUSTER),
    dormant("cluster-preferred-endpoint-type", "ip", Form::Choice(&["ip", "hostname", "unknown-endpoint"]), CLUSTER),
    fixed("tls-port", "0", PORT, TLS),
    fixed("tls-replication", "no", Form::Flag, TLS),
    fixed("tls-cluster", "no", Form::Flag, TLS),
    dormant("tls-cert-file", "", Form::Text, TLS),
    dormant("tls-key-file", "", Form::Text, TLS),
    dormant("tls-key-file-pass", "", Form::Secret, TLS).sensitive(),
    dormant("tls-client-cert-file", "", Form::Text, TLS),
    dormant("tls-client-key-file", "", Form::Text, TLS),
    dormant("tls-client-key-file-pass", "", Form::Secret, TLS).sensitive(),
    dormant("tls-dh-params-file", "", Form::Text, TLS),
    dormant("tls-ca-cert-file", "", Form::Text, TLS),
    dormant("tls-ca-cert-dir", "", Form::Text, TLS),
    dormant("tls-auth-clients", "yes", Form::Choice(&["no", "yes", "optional"]), TLS),
    dormant("tls-protocols", "", Form::Text, TLS),
    dormant("tls-ciphers", "", Form::Text, TLS),
    dormant("tls-ciphersuites", "", Form::Text, TLS),
    dormant("tls-prefer-server-ciphers", "no", Form::Flag, TLS),
    dormant("tls-session-caching", "yes", Form::Flag, TLS),
    dormant("tls-session-cache-size", "20480", NUMBER, TLS),
    dormant("tls-session-cache-timeout", "300", NUMBER, TLS),
    unheeded("lua-enable-deprecated-api", "no", Form::Flag, SCRIPTS).at_startup().hidden(),
    unheeded("io-threads", "1", Form::Integer(1, 128), THREADS).at_startup(),
    unheeded("io-threads-do-reads", "no", Form::Flag, THREADS).at_startup(),
    dormant("active-defrag-max-scan-fields", "1000", Form::Integer(1, i64::MAX), DEFRAGMENTATION),
    dormant("disable-thp", "no", Form::Flag, HUGE_PAGES).at_startup(),
    unheeded("syslog-enabled", "no", Form::Flag, SYSLOG).at_startup(),
    dormant("syslog-ident", "redis", Form::Text, SYSLOG).at_startup(),
    dormant(
        "syslog-facility",
        "local0",
        Form::Choice(&["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]),
        SYSLOG,
    )
    .at_startup(),
    unheeded("server-cpulist", "", Form::Text, SYSTEM).also(&["server_cpulist"]),
    unheeded("bio-cpulist", "", Form::Text, SYSTEM).also(&["bio_cpulist"]),
    unheeded("aof-rewrite-cpulist", "", Form::Text, SYSTEM).also(&["aof_rewrite_cpulist"]),
    unheeded("bgsave-cpulist", "", Form::Text, SYSTEM).also(&["bgsave_cpulist"]),
    unheeded("socket-mark-id", "0", Form::Integer(0, u32::MAX as i64), SYSTEM).at_startup(),
    dormant("ignore-warnings", "", Form::Text, SYSTEM),
    // Each of these orders text by its bytes.
    unheeded("crash-memcheck-enabled", "no", Form::Flag, DEBUGGING),
    unheeded("watchdog-period", "0", NUMBER, DEBUGGING).hidden(),
    dormant("tracking-table-max-keys", "1000000", LONG, TRACKING),
];
