//! The rows of CLIENT.

use crate::commands::framework::{Arity, Command, Flags, Group, Handler};

/// What a connection asks about itself.
const OWN: Flags = Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE);

/// What concerns other connections.
const OTHERS: Flags = OWN.or(Flags::ADMIN);

pub const COMMANDS: &[Command] = &[Command {
    name: "CLIENT",
    summary: "A container for client connection commands.",
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    arity: Arity::at_least(2),
    subcommands: SUBCOMMANDS,
    ..Command::in_group(Group::Connection)
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "CACHING",
        summary: "Instructs the server whether to track the keys in the next request.",
        since: "6.0.0",
        arity: Arity::exactly(3),
        flags: OWN,
        syntax: "<YES | NO>",
        run: Handler::Client(super::caching),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "GETNAME",
        summary: "Returns the name of the connection.",
        since: "2.6.9",
        arity: Arity::exactly(2),
        flags: OWN,
        run: Handler::Client(super::name),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "GETREDIR",
        summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
        since: "6.0.0",
        arity: Arity::exactly(2),
        flags: OWN,
        run: Handler::Client(super::redirection),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Client(super::help),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "ID",
        summary: "Returns the unique client ID of the connection.",
        since: "5.0.0",
        arity: Arity::exactly(2),
        flags: OWN,
        run: Handler::Client(super::id),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "INFO",
        summary: "Returns information about the connection.",
        since: "6.2.0",
        arity: Arity::exactly(2),
        flags: OWN,
        tips: &["nondeterministic_output"],
        run: Handler::Client(super::info),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "KILL",
        summary: "Terminates open connections.",
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        arity: Arity::at_least(3),
        flags: OTHERS,
        syntax: "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>]> [<[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>]> ...]>",
        history: &[
            ("2.8.12", "Added new filter format."),
            ("2.8.12", "`ID` option."),
            ("3.2.0", "Added `master` type in for `TYPE` option."),
            ("5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."),
            ("6.2.0", "`LADDR` option."),
        ],
        run: Handler::Client(super::kill),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "LIST",
        summary: "Lists open connections.",
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        arity: Arity::at_least(2),
        flags: OTHERS,
        syntax: "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
        history: &[
            ("2.8.12", "Added unique client `id` field."),
            ("5.0.0", "Added optional `TYPE` filter."),
            ("6.0.0", "Added `user` field."),
            ("6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."),
            ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
            ("7.0.3", "Added `ssub` field."),
        ],
        tips: &["nondeterministic_output"],
        run: Handler::Client(super::list),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "NO-EVICT",
        summary: "Sets the client eviction mode of the connection.",
        since: "7.0.0",
        arity: Arity::exactly(3),
        flags: OTHERS,
        syntax: "<ON | OFF>",
        run: Handler::Client(super::no_evict),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "NO-TOUCH",
        summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
        since: "7.2.0",
        arity: Arity::exactly(3),
        flags: OWN,
        syntax: "<ON | OFF>",
        run: Handler::Client(super::no_touch),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "PAUSE",
        summary: "Suspends commands processing.",
        since: "3.0.0",
        arity: Arity::at_least(3),
        flags: OTHERS,
        syntax: "timeout [WRITE | ALL]",
        history: &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
        run: Handler::Client(super::pause),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "REPLY",
        summary: "Instructs the server whether to reply to commands.",
        since: "3.2.0",
        arity: Arity::exactly(3),
        flags: OWN,
        syntax: "<ON | OFF | SKIP>",
        run: Handler::Client(super::reply),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "SETINFO",
        summary: "Sets information specific to the client or connection.",
        since: "7.2.0",
        arity: Arity::exactly(4),
        flags: OWN,
        syntax: "<LIB-NAME libname | LIB-VER libver>",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        run: Handler::Client(super::set_info),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "SETNAME",
        summary: "Sets the connection name.",
        since: "2.6.9",
        arity: Arity::exactly(3),
        flags: OWN,
        syntax: "connection-name",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        run: Handler::Client(super::set_name),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "TRACKING",
        summary: "Controls server-assisted client-side caching for the connection.",
        since: "6.0.0",
        complexity: "O(1). Some options may introduce additional complexity.",
        arity: Arity::at_least(3),
        flags: OWN,
        syntax: "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
        run: Handler::Client(super::tracking),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "TRACKINGINFO",
        summary: "Returns information about server-assisted client-side caching for the connection.",
        since: "6.2.0",
        arity: Arity::exactly(2),
        flags: OWN,
        run: Handler::Client(super::tracking_info),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "UNBLOCK",
        summary: "Unblocks a client blocked by a blocking command from a different connection.",
        since: "5.0.0",
        complexity: "O(log N) where N is the number of client connections",
        arity: Arity::at_least(3),
        flags: OTHERS,
        syntax: "client-id [TIMEOUT | ERROR]",
        run: Handler::Client(super::unblock),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "UNPAUSE",
        summary: "Resumes processing commands from paused clients.",
        since: "6.2.0",
        complexity: "O(N) Where N is the number of paused clients",
        arity: Arity::exactly(2),
        flags: OTHERS,
        run: Handler::Client(super::unpause),
        ..Command::in_group(Group::Connection)
    },
];
