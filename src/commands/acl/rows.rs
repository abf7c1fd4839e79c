//! The rows of ACL.

use super::{
    categories, create_or_change, describe, dry_run, generate_password, help, list, load, log, names, remove, save,
    who_am_i,
};
use crate::commands::framework::{Arity, Command, Flags, Group, Handler};

const ASKING: Flags = Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE);
const RULING: Flags = ASKING.or(Flags::ADMIN);

const BY_USERS: &str = "O(N). Where N is the number of configured users.";

pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "ACL",
    summary: "A container for Access List Control commands.",
    since: "6.0.0",
    complexity: "Depends on subcommand.",
    arity: Arity::at_least(2),
    subcommands: SUBCOMMANDS,
    ..Command::in_group(Group::Server)
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "CAT",
        summary: "Lists the ACL categories, or the commands inside a category.",
        since: "6.0.0",
        complexity: "O(1) since the categories and commands are a fixed set.",
        arity: Arity::at_least(2),
        flags: ASKING,
        syntax: "[category]",
        run: Handler::Read(categories),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "DELUSER",
        summary: "Deletes ACL users, and terminates their connections.",
        since: "6.0.0",
        complexity: "O(1) amortized time considering the typical user.",
        arity: Arity::at_least(3),
        flags: RULING,
        syntax: "username [username ...]",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        run: Handler::Admin(remove),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "DRYRUN",
        summary: "Simulates the execution of a command by a user, without executing the command.",
        since: "7.0.0",
        complexity: "O(1).",
        arity: Arity::at_least(4),
        flags: RULING,
        syntax: "username command [arg [arg ...]]",
        run: Handler::Admin(dry_run),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "GENPASS",
        summary: "Generates a pseudorandom, secure password that can be used to identify ACL users.",
        since: "6.0.0",
        arity: Arity::at_least(2),
        flags: ASKING,
        syntax: "[bits]",
        run: Handler::Read(generate_password),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "GETUSER",
        summary: "Lists the ACL rules of a user.",
        since: "6.0.0",
        complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
        arity: Arity::exactly(3),
        flags: RULING,
        syntax: "username",
        history: &[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            (
                "7.0.0",
                "Added selectors and changed the format of key and channel patterns from a list to their rule \
                 representation.",
            ),
        ],
        run: Handler::Admin(describe),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "6.0.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Read(help),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "LIST",
        summary: "Dumps the effective rules in ACL file format.",
        since: "6.0.0",
        complexity: BY_USERS,
        arity: Arity::exactly(2),
        flags: RULING,
        run: Handler::Admin(list),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "LOAD",
        summary: "Reloads the rules from the configured ACL file.",
        since: "6.0.0",
        complexity: BY_USERS,
        arity: Arity::exactly(2),
        flags: RULING,
        run: Handler::Admin(load),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "LOG",
        summary: "Lists recent security events generated due to ACL rules.",
        since: "6.0.0",
        complexity: "O(N) with N being the number of entries shown.",
        arity: Arity::at_least(2),
        flags: RULING,
        syntax: "[count | RESET]",
        history: &[("7.2.0", "Added entry ID, timestamp created, and timestamp last updated.")],
        run: Handler::Admin(log),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "SAVE",
        summary: "Saves the effective ACL rules in the configured ACL file.",
        since: "6.0.0",
        complexity: BY_USERS,
        arity: Arity::exactly(2),
        flags: RULING,
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        run: Handler::Admin(save),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "SETUSER",
        summary: "Creates and modifies an ACL user and its rules.",
        since: "6.0.0",
        complexity: "O(N). Where N is the number of rules provided.",
        arity: Arity::at_least(3),
        flags: RULING,
        syntax: "username [rule [rule ...]]",
        history: &[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            ("7.0.0", "Added selectors and key based permissions."),
        ],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        run: Handler::Admin(create_or_change),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "USERS",
        summary: "Lists all ACL users.",
        since: "6.0.0",
        complexity: BY_USERS,
        arity: Arity::exactly(2),
        flags: RULING,
        run: Handler::Admin(names),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "WHOAMI",
        summary: "Returns the authenticated username of the current connection.",
        since: "6.0.0",
        arity: Arity::exactly(2),
        flags: ASKING,
        run: Handler::Read(who_am_i),
        ..Command::in_group(Group::Server)
    },
];
