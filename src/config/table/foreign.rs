//! Settings that Redis had once, or has since 7.2, and those of Valkey.
//!
//! CONFIG does not know them, as it does not in Redis 7.2. What would change answers or data is a `fixed` row.

use super::super::key::{Feature, Form, Key};
use super::absent::{CLUSTER, DEFRAGMENTATION, SCRIPTS, THREADS, TLS};
use super::{I64_MAX, fixed, unheeded};

const RETIRED: &Feature = &Feature {
    title: "Retired settings of Redis",
    reason: "Redis 7.2 does not have what these were for, and neither has Copal",
};
const COMMAND_LOG: &Feature = &Feature {
    title: "Log of large requests and replies",
    reason: "Copal keeps slow commands only; commandlog-execution-slower-than and commandlog-slow-execution-max-len are \
             understood as the settings of the slow log",
};
const REPLICATION: &Feature = &Feature {
    title: "Ways of replication",
    reason: "Copal sends and takes a full sync over the one connection that the stream uses too, as Redis 7.2 does",
};
const LOG_FORM: &Feature =
    &Feature { title: "Form of the log", reason: "Copal's log has the form that Redis's has had by default" };
const CONNECTIONS: &Feature = &Feature {
    title: "Transport",
    reason: "Copal supports plain TCP and Unix sockets only, and sets no pace of accepting",
};
const OTHER_KEYSPACE: &Feature = &Feature {
    title: "Inner workings of other servers",
    reason: "Copal has hash tables and expiry of its own, for which these mean nothing",
};
const VALKEY: &Feature = &Feature {
    title: "Features of Valkey",
    reason: "Copal answers as Redis 7.2 does, and reads dump files of versions that it knows",
};
const SOCKET_GROUP: &Feature = &Feature {
    title: "Group of the Unix socket",
    reason: "Copal leaves the group of the socket to the process; give the group to the folder of the socket",
};
const MODULES: &Feature = &Feature { title: "Modules of Redis 8", reason: "Copal has no modules" };
const KEYDB: &Feature = &Feature { title: "Threads of KeyDB", reason: "Copal serves connections on one thread" };
const KEYDB_REPLICATION: &Feature = &Feature {
    title: "Replication of KeyDB",
    reason: "Copal's replicas have one primary, and send it nothing of what their own clients write",
};

const COUNT: Form = Form::Integer(0, i64::MAX);
const SIGNED: Form = Form::Integer(i64::MIN, i64::MAX);
const PORT: Form = Form::Integer(0, 65_535);
const BYTES: Form = Form::Bytes(0, I64_MAX);

/// A setting that redis.conf may hold, and that CONFIG does not know.
const fn read_only_in_files(name: &'static str, default: &'static str, form: Form, feature: &'static Feature) -> Key {
    unheeded(name, default, form, feature).in_file_only()
}

const fn retired(name: &'static str) -> Key {
    read_only_in_files(name, "", Form::Words, RETIRED)
}

const fn of_module(name: &'static str) -> Key {
    read_only_in_files(name, "", Form::Words, MODULES)
}

const fn refused(name: &'static str, only: &'static str, form: Form, feature: &'static Feature) -> Key {
    fixed(name, only, form, feature).in_file_only()
}

pub const KEYS: &[Key] = &[
    retired("glueoutputbuf"),
    retired("shareobjects"),
    retired("shareobjectspoolsize"),
    retired("vm-enabled"),
    retired("vm-swap-file"),
    retired("vm-max-memory"),
    retired("vm-page-size"),
    retired("vm-pages"),
    retired("vm-max-threads"),
    retired("really-use-vm"),
    retired("hash-max-zipmap-entries"),
    retired("hash-max-zipmap-value"),
    retired("list-max-ziplist-entries"),
    retired("list-max-ziplist-value"),
    retired("lua-replicate-commands"),
    refused("gopher-enabled", "no", Form::Flag, RETIRED),
    read_only_in_files("commandlog-request-larger-than", "-1", SIGNED, COMMAND_LOG),
    read_only_in_files("commandlog-large-request-max-len", "0", COUNT, COMMAND_LOG),
    read_only_in_files("commandlog-reply-larger-than", "-1", SIGNED, COMMAND_LOG),
    read_only_in_files("commandlog-large-reply-max-len", "0", COUNT, COMMAND_LOG),
    read_only_in_files("log-format", "legacy", Form::Choice(&["legacy", "logfmt"]), LOG_FORM),
    read_only_in_files(
        "log-timestamp-format",
        "legacy",
        Form::Choice(&["legacy", "iso8601", "milliseconds"]),
        LOG_FORM,
    ),
    read_only_in_files("events-per-io-thread", "2", COUNT, THREADS),
    read_only_in_files("io-threads-always-active", "no", Form::Flag, THREADS),
    read_only_in_files("prefetch-batch-max-size", "16", COUNT, THREADS),
    read_only_in_files("min-io-threads-avoid-copy-reply", "7", COUNT, THREADS),
    read_only_in_files("min-string-size-avoid-copy-reply", "16384", COUNT, THREADS),
    read_only_in_files("min-string-size-avoid-copy-reply-threaded", "65536", COUNT, THREADS),
    read_only_in_files("server-threads", "1", COUNT, KEYDB),
    read_only_in_files("server-thread-affinity", "false", Form::Text, KEYDB),
    read_only_in_files("min-clients-per-thread", "20", COUNT, KEYDB),
    read_only_in_files("active-defrag-cycle-us", "500", COUNT, DEFRAGMENTATION),
    read_only_in_files("dual-channel-replication-enabled", "no", Form::Flag, REPLICATION),
    read_only_in_files("repl-rdb-channel", "no", Form::Flag, REPLICATION),
    read_only_in_files("repl-mptcp", "no", Form::Flag, REPLICATION),
    read_only_in_files("replica-full-sync-buffer-limit", "0", BYTES, REPLICATION),
    read_only_in_files("delay-rdb-client-free-seconds", "5", COUNT, REPLICATION),
    read_only_in_files("cluster-announce-client-ipv4", "", Form::Text, CLUSTER),
    read_only_in_files("cluster-announce-client-ipv6", "", Form::Text, CLUSTER),
    read_only_in_files("cluster-announce-client-port", "0", PORT, CLUSTER),
    read_only_in_files("cluster-announce-client-tls-port", "0", PORT, CLUSTER),
    read_only_in_files("cluster-blacklist-ttl", "60", COUNT, CLUSTER),
    read_only_in_files("cluster-compatibility-sample-ratio", "0", Form::Integer(0, 100), CLUSTER),
    read_only_in_files("cluster-config-save-behavior", "sync", Form::Text, CLUSTER),
    read_only_in_files("cluster-databases", "1", COUNT, CLUSTER),
    read_only_in_files("cluster-manual-failover-timeout", "5000", COUNT, CLUSTER),
    read_only_in_files("cluster-message-gossip-perc", "10", COUNT, CLUSTER),
    read_only_in_files("cluster-ping-interval", "1000", COUNT, CLUSTER),
    read_only_in_files("cluster-slot-migration-log-max-len", "1000", COUNT, CLUSTER),
    read_only_in_files("cluster-slot-stats-enabled", "no", Form::Words, CLUSTER),
    read_only_in_files("slot-migration-max-failover-repl-bytes", "0", Form::Words, CLUSTER),
    read_only_in_files("tls-auth-clients-user", "off", Form::Text, TLS),
    read_only_in_files("tls-auto-reload-interval", "0", COUNT, TLS),
    read_only_in_files("max-new-tls-connections-per-cycle", "1", COUNT, TLS),
    read_only_in_files("max-new-connections-per-cycle", "10", COUNT, CONNECTIONS),
    read_only_in_files("mptcp", "no", Form::Flag, CONNECTIONS),
    read_only_in_files("rdma-bind", "", Form::Words, CONNECTIONS),
    read_only_in_files("rdma-completion-vector", "-1", SIGNED, CONNECTIONS),
    read_only_in_files("rdma-rx-size", "1048576", BYTES, CONNECTIONS),
    refused("rdma-port", "0", PORT, CONNECTIONS),
    refused("unixsocketgroup", "", Form::Text, SOCKET_GROUP),
    read_only_in_files("hash-seed", "", Form::Text, OTHER_KEYSPACE),
    read_only_in_files("hashtable-can-abort-shrink", "yes", Form::Flag, OTHER_KEYSPACE),
    read_only_in_files("key-memory-histograms", "no", Form::Flag, OTHER_KEYSPACE),
    read_only_in_files("lazyexpire-nested-arbitrary-keys", "yes", Form::Flag, OTHER_KEYSPACE),
    read_only_in_files("lookahead", "16", COUNT, OTHER_KEYSPACE),
    read_only_in_files("debug-context", "", Form::Text, OTHER_KEYSPACE),
    read_only_in_files("enable-debug-assert", "no", Form::Flag, OTHER_KEYSPACE),
    read_only_in_files("lua-enable-insecure-api", "no", Form::Flag, SCRIPTS),
    read_only_in_files("availability-zone", "", Form::Text, VALKEY),
    read_only_in_files("extended-redis-compatibility", "yes", Form::Flag, VALKEY),
    read_only_in_files("rdb-version-check", "strict", Form::Choice(&["strict", "relaxed"]), VALKEY),
    refused("import-mode", "no", Form::Flag, VALKEY),
    refused("active-replica", "no", Form::Flag, KEYDB_REPLICATION),
    refused("multi-master", "no", Form::Flag, KEYDB_REPLICATION),
    of_module("search-*"),
    of_module("ts-*"),
    of_module("bf-*"),
    of_module("cf-*"),
    of_module("vset-*"),
];
