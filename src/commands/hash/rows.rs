//! The rows of the hash commands.

use super::{number, random, read, write};
use crate::commands::spec::{Arity, Command, Flags, Group, Handler, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command {
        name: "HDEL",
        summary: "Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.",
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields to be removed.",
        arity: Arity::at_least(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::DELETE))],
        syntax: "key field [field ...]",
        history: &[("2.4.0", "Accepts multiple `field` arguments.")],
        run: Handler::Write(write::hdel),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HEXISTS",
        summary: "Determines whether a field exists in a hash.",
        since: "2.0.0",
        arity: Arity::exactly(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO)],
        syntax: "key field",
        run: Handler::Read(read::hexists),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HGET",
        summary: "Returns the value of a field in a hash.",
        since: "2.0.0",
        arity: Arity::exactly(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key field",
        run: Handler::Read(read::hget),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HGETALL",
        summary: "Returns all fields and values in a hash.",
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        arity: Arity::exactly(2),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        tips: &["nondeterministic_output_order"],
        run: Handler::Read(read::hgetall),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HINCRBY",
        summary: "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field doesn't exist.",
        since: "2.0.0",
        arity: Arity::exactly(4),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key field increment",
        run: Handler::Write(number::hincrby),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HINCRBYFLOAT",
        summary: "Increments the floating point value of a field by a number. Uses 0 as initial value if the field doesn't exist.",
        since: "2.6.0",
        arity: Arity::exactly(4),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key field increment",
        run: Handler::Write(number::hincrbyfloat),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HKEYS",
        summary: "Returns all fields in a hash.",
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        arity: Arity::exactly(2),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        tips: &["nondeterministic_output_order"],
        run: Handler::Read(read::hkeys),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HLEN",
        summary: "Returns the number of fields in a hash.",
        since: "2.0.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO)],
        syntax: "key",
        run: Handler::Read(read::hlen),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HMGET",
        summary: "Returns the values of all fields in a hash.",
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields being requested.",
        arity: Arity::at_least(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key field [field ...]",
        run: Handler::Read(read::hmget),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HMSET",
        summary: "Sets the values of multiple fields.",
        since: "2.0.0",
        complexity: "O(N) where N is the number of fields being set.",
        arity: Arity::at_least(4),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key field value [field value ...]",
        deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
        run: Handler::Write(write::hmset),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HRANDFIELD",
        summary: "Returns one or more random fields from a hash.",
        since: "6.2.0",
        complexity: "O(N) where N is the number of fields returned",
        arity: Arity::at_least(2),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key [count [WITHVALUES]]",
        tips: &["nondeterministic_output"],
        run: Handler::Read(random::hrandfield),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HSCAN",
        summary: "Iterates over fields and values of a hash.",
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        arity: Arity::at_least(3),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
        history: &[("7.4.0", "Added the `NOVALUES` flag.")],
        tips: &["nondeterministic_output"],
        run: Handler::Read(read::hscan),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HSET",
        summary: "Creates or modifies the value of a field in a hash.",
        since: "2.0.0",
        complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
        arity: Arity::at_least(4),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key field value [field value ...]",
        history: &[("4.0.0", "Accepts multiple `field` and `value` arguments.")],
        run: Handler::Write(write::hset),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HSETNX",
        summary: "Sets the value of a field in a hash only when the field doesn't exist.",
        since: "2.0.0",
        arity: Arity::exactly(4),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key field value",
        run: Handler::Write(write::hsetnx),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HSTRLEN",
        summary: "Returns the length of the value of a field.",
        since: "3.2.0",
        arity: Arity::exactly(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO)],
        syntax: "key field",
        run: Handler::Read(read::hstrlen),
        ..Command::in_group(Group::Hash)
    },
    Command {
        name: "HVALS",
        summary: "Returns all values in a hash.",
        since: "2.0.0",
        complexity: "O(N) where N is the size of the hash.",
        arity: Arity::exactly(2),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        tips: &["nondeterministic_output_order"],
        run: Handler::Read(read::hvals),
        ..Command::in_group(Group::Hash)
    },
];
