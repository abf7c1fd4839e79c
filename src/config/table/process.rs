//! The process, its connections and who may do what.

use super::super::key::{Apply, Key, Value};
use super::super::kinds::{
    AllowedFrom, ClientBufferLimit, ClientClass, LogLevel, OomScoreAdj, OomScores, RenamedCommand, ShutdownOnSignal,
    Supervised,
};
use super::super::model::Config;
use super::super::title_template;
use super::super::value::{ValueError, parse_choice, parse_integer, show_bytes};
use super::{
    I32_MAX, I64_MAX, MIB, any_text, bytes, choice, flag, growing_list, integer, list, parse_addresses, show_addresses,
    text,
};
use crate::stdx::number::parse_i64;
use crate::stdx::text::parse_memory;

pub const NETWORK: &[Key] = &[
    list("bind", "* -::*", 0, read_bind, write_bind).applies(Apply::Listeners).example("127.0.0.1 -::1").doc(
        "The addresses to listen on; * is every IPv4 and ::* every IPv6 address of the machine. An address with \
             a - before it may be missing. Without this line Copal listens on every address, and without a \
             configuration file on 127.0.0.1 and ::1 only.",
    ),
    integer("port", "6379", (0, 65_535), |c| c.port.into(), |c, v| c.port = v as u16)
        .applies(Apply::Listeners)
        .doc("The TCP port; 0 for none."),
    integer("tcp-backlog", "511", (0, I32_MAX), |c| c.tcp_backlog.into(), |c, v| c.tcp_backlog = v as u32)
        .at_startup()
        .doc("How many connections may wait to be accepted. The kernel caps it at /proc/sys/net/core/somaxconn."),
    text("unixsocket", "", any_text, |c| &c.unixsocket, |c, v| c.unixsocket = v)
        .at_startup()
        .doc("The path of a Unix socket to listen on too; empty for none."),
    Key::new(
        "unixsocketperm",
        "0",
        Value::Octal { max: 0o777, read: |c| c.unixsocketperm, write: |c, v| c.unixsocketperm = v },
    )
    .at_startup()
    .doc("The permissions of the Unix socket in octal, such as 700; 0 leaves them to the umask."),
    flag("protected-mode", "yes", |c| c.protected_mode, |c, v| c.protected_mode = v).doc(
        "Serve only local connections as long as the default user needs no password. Leave it on unless other \
         means keep strangers away.",
    ),
    integer("timeout", "0", (0, I32_MAX), |c| c.timeout_seconds.into(), |c, v| c.timeout_seconds = v as u32)
        .doc("Close a connection that was idle for so many seconds; 0 for never."),
    integer(
        "tcp-keepalive",
        "300",
        (0, I32_MAX),
        |c| c.tcp_keepalive_seconds.into(),
        |c, v| c.tcp_keepalive_seconds = v as u32,
    )
    .doc(
        "Probe an idle connection every so many seconds to find dead peers; 0 for never. Holds for connections \
          that are accepted after a change.",
    ),
];

pub const PROCESS: &[Key] = &[
    flag("daemonize", "no", |c| c.daemonize, |c, v| c.daemonize = v)
        .at_startup()
        .doc("Go to the background after start. A process supervisor wants no here."),
    choice("supervised", "no", Supervised::NAMES, |c| c.supervised as usize, |c, i| c.supervised = Supervised::ALL[i])
        .at_startup()
        .doc(
            "Tell a supervisor when the server is ready: systemd, or auto for systemd where NOTIFY_SOCKET is set. \
         Upstart is not supported.",
        ),
    text("pidfile", "", any_text, |c| &c.pidfile, |c, v| c.pidfile = v)
        .at_startup()
        .doc("Write the process id to this file at start and remove it at the end; empty for no file."),
    choice("loglevel", "notice", LogLevel::NAMES, |c| c.loglevel as usize, |c, i| c.loglevel = LogLevel::ALL[i])
        .applies(Apply::Logging)
        .doc("How much to log: debug, verbose, notice, warning or nothing."),
    text("logfile", "", any_text, |c| &c.logfile, |c, v| c.logfile = v)
        .at_startup()
        .doc("The file to log to; empty for standard output."),
    flag("always-show-logo", "no", |c| c.always_show_logo, |c, v| c.always_show_logo = v)
        .at_startup()
        .doc("Show the banner at start even when the log is not a terminal."),
    flag("set-proc-title", "yes", |c| c.set_proc_title, |c, v| c.set_proc_title = v)
        .at_startup()
        .doc("Show addresses in the process title, as ps and top print it."),
    text(
        "proc-title-template",
        "{title} {listen-addr} {server-mode}",
        title_template::check,
        |c| &c.proc_title_template,
        |c, v| c.proc_title_template = v,
    )
    .applies(Apply::ProcessTitle)
    .doc(
        "The process title. Known names in braces: title, listen-addr, server-mode, port, tls-port, unixsocket and \
         config-file.",
    ),
    text("locale-collate", "", check_collation, |c| &c.locale_collate, |c, v| c.locale_collate = v).doc(
        "The locale whose order of text SORT ALPHA follows. Copal compares bytes whatever the environment says, and takes \
         only the locales with that order: \"\", C, POSIX and C.UTF-8.",
    ),
    integer("databases", "16", (1, I32_MAX), |c| c.databases.into(), |c, v| c.databases = v as u32)
        .at_startup()
        .doc("The number of databases, which SELECT chooses from."),
    integer("hz", "10", (0, I32_MAX), |c| c.hz.into(), |c, v| c.hz = v.clamp(1, 500) as u32)
        .applies(Apply::Hz)
        .doc("How often a second background work such as expiring keys is done, from 1 to 500."),
    flag("dynamic-hz", "yes", |c| c.dynamic_hz, |c, v| c.dynamic_hz = v)
        .applies(Apply::Hz)
        .doc("Raise hz while many clients are connected."),
    flag("activerehashing", "yes", |c| c.activerehashing, |c, v| c.activerehashing = v)
        .applies(Apply::Hz)
        .doc("Spend a millisecond of each 100 on moving keys into tables that have grown."),
    integer(
        "shutdown-timeout",
        "10",
        (0, I32_MAX),
        |c| c.shutdown_timeout_seconds.into(),
        |c, v| c.shutdown_timeout_seconds = v as u32,
    )
    .doc("How many seconds a shutdown waits at most for what must be finished before it."),
    list(
        "shutdown-on-sigint",
        "default",
        0,
        |c| shutdown_words(c.shutdown_on_sigint),
        |c, args| {
            c.shutdown_on_sigint = shutdown_from(args)?;
            Ok(())
        },
    )
    .doc(SHUTDOWN_DOC),
    list(
        "shutdown-on-sigterm",
        "default",
        0,
        |c| shutdown_words(c.shutdown_on_sigterm),
        |c, args| {
            c.shutdown_on_sigterm = shutdown_from(args)?;
            Ok(())
        },
    )
    .doc(SHUTDOWN_DOC),
    choice(
        "oom-score-adj",
        "no",
        OomScoreAdj::NAMES,
        |c| c.oom_score_adj as usize,
        |c, i| c.oom_score_adj = OomScoreAdj::ALL[i],
    )
    .applies(Apply::OomScore)
    .doc(
        "Tell the kernel whom to kill first when memory runs out, so that a snapshot child goes before the server: yes \
         or relative adds oom-score-adj-values to the score that the process was started with, absolute sets it to them.",
    ),
    list("oom-score-adj-values", "0 200 800", 0, read_oom_scores, write_oom_scores).applies(Apply::OomScore).doc(
        "The scores of the server, of a server that is a replica, and of a snapshot child, each from -2000 to 2000. What \
         is less than at the start needs a privilege.",
    ),
    flag("crash-log-enabled", "yes", |c| c.crash_log_enabled, |c, v| c.crash_log_enabled = v)
        .applies(Apply::CrashHandling)
        .doc("Log a report when the process crashes."),
    flag("hide-user-data-from-log", "no", |c| c.hide_user_data_from_log, |c, v| c.hide_user_data_from_log = v)
        .applies(Apply::CrashHandling)
        .doc(
            "Keep what clients send out of the log: names and users of clients, keys in messages about a dump file, and \
             what a crash report would show of memory.",
        ),
    flag("use-exit-on-panic", "no", |c| c.use_exit_on_panic, |c, v| c.use_exit_on_panic = v)
        .applies(Apply::CrashHandling)
        .hidden()
        .doc("End with exit status 1 instead of a core dump after an internal error. Meant for tests."),
];

pub const SECURITY: &[Key] = &[
    Key::new("requirepass", "", Value::Secret { read: |c| &c.requirepass, write: |c, v| c.requirepass = v })
        .applies(Apply::Password)
        .sensitive()
        .doc(
            "The password of the default user, which clients send with AUTH; empty for none. A server tries many \
             passwords a second for an attacker: take a long one. What a user line or the aclfile says of the default \
             user takes precedence over it.",
        ),
    Key::new("user", "", Value::Lines { read: |c| c.users.clone(), write: write_user }).in_file_only().doc(
        "A user and its rules, as ACL SETUSER takes them; one line for each user. CONFIG REWRITE writes all users there \
         are, with the hashes of their passwords. Not together with aclfile. Example: user worker on >password ~jobs:* \
         +@read +@write",
    ),
    text("aclfile", "", any_text, |c| &c.aclfile, |c, v| c.aclfile = v).at_startup().doc(
        "A file of nothing but user lines, which ACL LOAD reads and ACL SAVE writes; relative to dir. It has to be there \
         at start. Empty for none.",
    ),
    integer(
        "acllog-max-len",
        "128",
        (0, i64::MAX),
        |c| i64::try_from(c.acllog_max_len).unwrap_or(i64::MAX),
        |c, v| c.acllog_max_len = v as u64,
    )
    .doc("How many denials ACL LOG keeps; 0 for none."),
    choice(
        "acl-pubsub-default",
        "resetchannels",
        &["allchannels", "resetchannels"],
        |c| usize::from(!c.acl_pubsub_default_all),
        |c, i| c.acl_pubsub_default_all = i == 0,
    )
    .doc("Whether users that are made from now on may use all channels (allchannels) or none (resetchannels)."),
    choice(
        "enable-protected-configs",
        "no",
        AllowedFrom::NAMES,
        |c| c.enable_protected_configs as usize,
        |c, i| c.enable_protected_configs = AllowedFrom::ALL[i],
    )
    .at_startup()
    .doc("Whether CONFIG SET may change dir and dbfilename: no, yes, or local for local connections only."),
    choice(
        "enable-debug-command",
        "no",
        AllowedFrom::NAMES,
        |c| c.enable_debug_command as usize,
        |c, i| c.enable_debug_command = AllowedFrom::ALL[i],
    )
    .at_startup()
    .doc("Whether DEBUG may be called: no, yes, or local for local connections only."),
    choice(
        "enable-module-command",
        "no",
        AllowedFrom::NAMES,
        |c| c.enable_module_command as usize,
        |c, i| c.enable_module_command = AllowedFrom::ALL[i],
    )
    .at_startup()
    .doc(
        "Whether MODULE may be called: no, yes, or local for local connections only. Copal cannot load modules in \
         any case.",
    ),
    growing_list("rename-command", "", 2, read_renamed, write_renamed).in_file_only().doc(
        "Give a command another name, or none with \"\". The line may be repeated. Example: rename-command FLUSHALL \
         \"\"",
    ),
];

pub const CLIENTS: &[Key] = &[
    integer("maxclients", "10000", (1, u32::MAX as i64), |c| c.maxclients.into(), |c, v| c.maxclients = v as u32)
        .applies(Apply::MaxClients)
        .doc("How many clients may be connected at once. The limit on open files must leave room for them."),
    Key::new(
        "maxmemory-clients",
        "0",
        Value::MemoryShare { read: |c| c.maxmemory_clients, write: |c, v| c.maxmemory_clients = v },
    )
    .applies(Apply::ClientLimits)
    .doc(
        "Close the clients that take the most memory when all take more than this together, as an amount or as a \
         percentage of maxmemory such as 5%; 0 for no limit. Less than 128 kb counts as 128 kb. CLIENT NO-EVICT takes a \
         connection out: it counts, but is not closed. However much such connections take, 128 kb are left for the others.",
    ),
    Key::new(
        "client-output-buffer-limit",
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        Value::List {
            per_line: 4,
            adds_up: false,
            vanishes: false,
            read: read_buffer_limits,
            spell: spell_buffer_limits,
            write: write_buffer_limits,
        },
    )
    .applies(Apply::ClientLimits)
    .doc(
        "Close a client of a class (normal, replica, pubsub) when its unread replies exceed a hard limit, or a soft \
         limit for so many seconds: <class> <hard> <soft> <seconds>. 0 is no limit. One line for each class.",
    ),
    bytes(
        "client-query-buffer-limit",
        "1gb",
        (MIB, I64_MAX),
        |c| c.client_query_buffer_limit_bytes,
        |c, v| c.client_query_buffer_limit_bytes = v,
    )
    .applies(Apply::ClientLimits)
    .doc("Close a client that sent more than this without finishing a command."),
    bytes(
        "proto-max-bulk-len",
        "512mb",
        (MIB, I64_MAX),
        |c| c.proto_max_bulk_len_bytes,
        |c, v| c.proto_max_bulk_len_bytes = v,
    )
    .applies(Apply::ClientLimits)
    .doc("The length of the longest string that a client may send or build. More than 4095mb counts as 4095mb."),
];

const SHUTDOWN_DOC: &str = "What the signal does: default saves if there are save rules. Words to combine: save or nosave, now (wait for \
                            nothing), force (end even if saving fails).";

fn read_bind(config: &Config) -> Vec<Vec<u8>> {
    show_addresses(&config.bind)
}

fn write_bind(config: &mut Config, args: &[Vec<u8>]) -> Result<(), ValueError> {
    config.bind = parse_addresses(args)?;
    Ok(())
}

const SHUTDOWN_WORDS: &[&str] = &["default", "save", "nosave", "now", "force"];

fn read_oom_scores(config: &Config) -> Vec<Vec<u8>> {
    let OomScores { primary, replica, child } = config.oom_score_adj_values;
    [primary, replica, child].map(|score| score.to_string().into_bytes()).into()
}

fn write_oom_scores(config: &mut Config, args: &[Vec<u8>]) -> Result<(), ValueError> {
    let score = |arg: &[u8]| parse_integer(arg, -2000, 2000).map(|score| score as i32);
    let [primary, replica, child] = args else { return Err(ValueError::WrongNumberOfArguments) };
    config.oom_score_adj_values =
        OomScores { primary: score(primary)?, replica: score(replica)?, child: score(child)? };
    Ok(())
}

fn shutdown_words(flags: ShutdownOnSignal) -> Vec<Vec<u8>> {
    let set = [false, flags.save, flags.nosave, flags.now, flags.force];
    let mut words: Vec<Vec<u8>> =
        SHUTDOWN_WORDS.iter().zip(set).filter(|(_, set)| *set).map(|(word, _)| (*word).into()).collect();
    if words.is_empty() {
        words.push(b"default".to_vec());
    }
    words
}

fn shutdown_from(args: &[Vec<u8>]) -> Result<ShutdownOnSignal, ValueError> {
    if args.is_empty() {
        return Err(ValueError::NotOneOf { names: SHUTDOWN_WORDS });
    }
    let mut flags = ShutdownOnSignal::default();
    for arg in args {
        match parse_choice(arg, SHUTDOWN_WORDS)? {
            1 => flags.save = true,
            2 => flags.nosave = true,
            3 => flags.now = true,
            4 => flags.force = true,
            _ => {}
        }
    }
    if flags.save && flags.nosave { Err(ValueError::SaveAndNoSave) } else { Ok(flags) }
}

fn write_user(config: &mut Config, args: &[Vec<u8>]) -> Result<(), ValueError> {
    let Some((name, _)) = args.split_first() else { return Err(ValueError::WrongNumberOfArguments) };
    if config.users.iter().any(|known| known.first() == Some(name)) {
        return Err(ValueError::DuplicateUser);
    }
    config.users.push(args.to_vec());
    Ok(())
}

fn read_renamed(config: &Config) -> Vec<Vec<u8>> {
    config.renamed_commands.iter().flat_map(|renamed| [renamed.from.clone(), renamed.to.clone()]).collect()
}

fn write_renamed(config: &mut Config, args: &[Vec<u8>]) -> Result<(), ValueError> {
    let (pairs, rest) = args.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(ValueError::WrongNumberOfArguments);
    }
    config.renamed_commands =
        pairs.iter().map(|[from, to]| RenamedCommand { from: from.clone(), to: to.clone() }).collect();
    Ok(())
}

fn read_buffer_limits(config: &Config) -> Vec<Vec<u8>> {
    buffer_limits(config, ClientClass::name, |bytes| bytes.to_string())
}

fn spell_buffer_limits(config: &Config) -> Vec<Vec<u8>> {
    let name = |class: ClientClass| if class == ClientClass::Replica { "replica" } else { class.name() };
    buffer_limits(config, name, show_bytes)
}

fn buffer_limits(
    config: &Config,
    name: impl Fn(ClientClass) -> &'static str,
    show: impl Fn(u64) -> String,
) -> Vec<Vec<u8>> {
    let words = |class: ClientClass| {
        let limit = config.output_limit(class);
        let seconds = limit.soft_seconds.to_string();
        [name(class).to_owned(), show(limit.hard_bytes), show(limit.soft_bytes), seconds].map(String::into_bytes)
    };
    ClientClass::ALL.into_iter().flat_map(words).collect()
}

/// Changes the classes that are named and leaves the others.
fn write_buffer_limits(config: &mut Config, args: &[Vec<u8>]) -> Result<(), ValueError> {
    let (groups, rest) = args.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(ValueError::BufferLimitArguments);
    }
    let mut limits = config.client_output_buffer_limits;
    for [class, hard, soft, seconds] in groups {
        let class = ClientClass::from_name(class).ok_or(ValueError::BufferLimitClass)?;
        let seconds = parse_i64(seconds).and_then(|seconds| u64::try_from(seconds).ok());
        let (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds)) =
            (parse_memory(hard), parse_memory(soft), seconds)
        else {
            return Err(ValueError::BufferLimitNumber);
        };
        limits[class as usize] = ClientBufferLimit { hard_bytes, soft_bytes, soft_seconds };
    }
    config.client_output_buffer_limits = limits;
    Ok(())
}

fn check_collation(locale: &str) -> Result<(), ValueError> {
    if matches!(locale, "" | "C" | "POSIX" | "C.UTF-8" | "C.utf8") {
        return Ok(());
    }
    let reason = "SORT ALPHA compares bytes in Copal, as in the locales C and POSIX";
    Err(ValueError::NotAvailable { name: "locale-collate", value: locale.to_owned(), reason })
}
