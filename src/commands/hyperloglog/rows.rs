//! The rows of the HyperLogLog commands.

use super::{add, count, debug, merge};
use crate::commands::framework::{Arity, Command, Flags, Group, Handler, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command {
        name: "PFADD",
        summary: "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
        since: "2.8.9",
        complexity: "O(1) to add every element.",
        arity: Arity::at_least(2),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key [element [element ...]]",
        run: Handler::Write(add::pfadd),
        ..Command::in_group(Group::HyperLogLog)
    },
    Command {
        name: "PFCOUNT",
        summary: "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).",
        since: "2.8.9",
        complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
        arity: Arity::at_least(2),
        flags: Flags::READONLY.or(Flags::MAY_REPLICATE),
        keys: &[KeySpec::rest(1, KeyFlags::RW.or(KeyFlags::ACCESS))
            .noted("RW because it may change the internal representation of the key, and propagate to replicas")],
        syntax: "key [key ...]",
        run: Handler::Write(count::pfcount),
        ..Command::in_group(Group::HyperLogLog)
    },
    Command {
        name: "PFDEBUG",
        summary: "Internal commands for debugging HyperLogLog values.",
        since: "2.8.9",
        complexity: "N/A",
        arity: Arity::exactly(3),
        flags: Flags::DENYOOM.or(Flags::ADMIN),
        keys: &[KeySpec::at(2, KeyFlags::RW.or(KeyFlags::ACCESS))],
        syntax: "subcommand key",
        run: Handler::Write(debug::pfdebug),
        ..Command::in_group(Group::HyperLogLog)
    },
    Command {
        name: "PFMERGE",
        summary: "Merges one or more HyperLogLog values into a single key.",
        since: "2.8.9",
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        arity: Arity::at_least(2),
        flags: Flags::DENYOOM,
        keys: &[
            KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::INSERT)),
            KeySpec::rest(2, KeyFlags::RO.or(KeyFlags::ACCESS)),
        ],
        syntax: "destkey [sourcekey [sourcekey ...]]",
        run: Handler::Write(merge::pfmerge),
        ..Command::in_group(Group::HyperLogLog)
    },
    Command {
        name: "PFSELFTEST",
        summary: "An internal command for testing HyperLogLog values.",
        since: "2.8.9",
        complexity: "N/A",
        arity: Arity::exactly(1),
        flags: Flags::ADMIN,
        run: Handler::Read(debug::pfselftest),
        ..Command::in_group(Group::HyperLogLog)
    },
];
