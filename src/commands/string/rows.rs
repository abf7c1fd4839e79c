//! The rows of the string commands.

use super::{lcs, number, read, write};
use crate::commands::framework::{Arity, Command, Flags, Group, Handler, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command {
        name: "APPEND",
        summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
        since: "2.0.0",
        complexity: "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present value is of any size, since the dynamic string library used by Redis will double the free space available on every reallocation.",
        arity: Arity::exactly(3),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key value",
        run: Handler::Write(write::append),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "DECR",
        summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
        since: "1.0.0",
        arity: Arity::exactly(2),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key",
        run: Handler::Write(number::decr),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "DECRBY",
        summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
        since: "1.0.0",
        arity: Arity::exactly(3),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key decrement",
        run: Handler::Write(number::decrby),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "GET",
        summary: "Returns the string value of a key.",
        since: "1.0.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        run: Handler::Read(read::get),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "GETDEL",
        summary: "Returns the string value of a key after deleting the key.",
        since: "6.2.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        syntax: "key",
        run: Handler::Write(write::getdel),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "GETEX",
        summary: "Returns the string value of a key after setting its expiration time.",
        since: "6.2.0",
        arity: Arity::at_least(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))
            .noted("RW and UPDATE because it changes the TTL")],
        syntax: "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
        run: Handler::Write(write::getex),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "GETRANGE",
        summary: "Returns a substring of the string stored at a key.",
        since: "2.4.0",
        complexity: "O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings.",
        arity: Arity::exactly(4),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key start end",
        run: Handler::Read(read::getrange),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "GETSET",
        summary: "Returns the previous string value of a key after setting it to a new value.",
        since: "1.0.0",
        arity: Arity::exactly(3),
        flags: Flags::DENYOOM.or(Flags::FAST).or(Flags::TAKES_BUFFER),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key value",
        deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
        run: Handler::Write(write::getset),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "INCR",
        summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
        since: "1.0.0",
        arity: Arity::exactly(2),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key",
        run: Handler::Write(number::incr),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "INCRBY",
        summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
        since: "1.0.0",
        arity: Arity::exactly(3),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key increment",
        run: Handler::Write(number::incrby),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "INCRBYFLOAT",
        summary: "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
        since: "2.6.0",
        arity: Arity::exactly(3),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key increment",
        run: Handler::Write(number::incrbyfloat),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "LCS",
        summary: "Finds the longest common substring.",
        since: "7.0.0",
        complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        arity: Arity::at_least(3),
        keys: &[KeySpec::range(1, 1, 1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
        run: Handler::Read(lcs::lcs),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "MGET",
        summary: "Atomically returns the string values of one or more keys.",
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys to retrieve.",
        arity: Arity::at_least(2),
        flags: Flags::FAST,
        keys: &[KeySpec::rest(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard"],
        run: Handler::Read(read::mget),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "MSET",
        summary: "Atomically creates or modifies the string values of one or more keys.",
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM.or(Flags::TAKES_BUFFER),
        keys: &[KeySpec::range(1, -1, 2, KeyFlags::OW.or(KeyFlags::UPDATE))],
        syntax: "key value [key value ...]",
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        run: Handler::Write(write::mset),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "MSETNX",
        summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM.or(Flags::TAKES_BUFFER),
        keys: &[KeySpec::range(1, -1, 2, KeyFlags::OW.or(KeyFlags::INSERT))],
        syntax: "key value [key value ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_min"],
        run: Handler::Write(write::msetnx),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "PSETEX",
        summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
        since: "2.6.0",
        arity: Arity::exactly(4),
        flags: Flags::DENYOOM.or(Flags::TAKES_BUFFER),
        keys: &[KeySpec::first(KeyFlags::OW.or(KeyFlags::UPDATE))],
        syntax: "key milliseconds value",
        deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
        run: Handler::Write(write::psetex),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "SET",
        summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        since: "1.0.0",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM.or(Flags::TAKES_BUFFER),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE).or(KeyFlags::VARIABLE_FLAGS))
            .noted("RW and ACCESS due to the optional `GET` argument")],
        syntax: "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
        history: &[
            ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
            ("6.0.0", "Added the `KEEPTTL` option."),
            ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
            ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
        ],
        run: Handler::Write(write::set),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "SETEX",
        summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
        since: "2.0.0",
        arity: Arity::exactly(4),
        flags: Flags::DENYOOM.or(Flags::TAKES_BUFFER),
        keys: &[KeySpec::first(KeyFlags::OW.or(KeyFlags::UPDATE))],
        syntax: "key seconds value",
        deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
        run: Handler::Write(write::setex),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "SETNX",
        summary: "Set the string value of a key only when the key doesn't exist.",
        since: "1.0.0",
        arity: Arity::exactly(3),
        flags: Flags::DENYOOM.or(Flags::FAST).or(Flags::TAKES_BUFFER),
        keys: &[KeySpec::first(KeyFlags::OW.or(KeyFlags::INSERT))],
        syntax: "key value",
        deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
        run: Handler::Write(write::setnx),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "SETRANGE",
        summary: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
        since: "2.2.0",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.",
        arity: Arity::exactly(4),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key offset value",
        run: Handler::Write(write::setrange),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "STRLEN",
        summary: "Returns the length of a string value.",
        since: "2.2.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO)],
        syntax: "key",
        run: Handler::Read(read::strlen),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "SUBSTR",
        summary: "Returns a substring from a string value.",
        since: "1.0.0",
        complexity: "O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings.",
        arity: Arity::exactly(4),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key start end",
        deprecated: Some(("2.0.0", "`GETRANGE`")),
        run: Handler::Read(read::getrange),
        ..Command::in_group(Group::String)
    },
];
