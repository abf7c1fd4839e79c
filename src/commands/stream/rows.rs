//! The rows of the stream commands.

use super::{add, claim, groups, info, pending, range, read};
use crate::commands::framework::{Arity, Begin, Command, Find, Flags, Group, Handler, KeyFlags, KeySpec};

/// The first half of what follows `STREAMS`.
const fn behind_streams(from: i32, flags: KeyFlags) -> KeySpec {
    KeySpec {
        flags,
        notes: "",
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range { last: -1, step: 1, limit: 2 },
    }
}

pub const COMMANDS: &[Command] = &[
    Command {
        name: "XACK",
        summary: "Returns the number of messages that were successfully acknowledged by the consumer group member of a stream.",
        since: "5.0.0",
        complexity: "O(1) for each message ID processed.",
        arity: Arity::at_least(4),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key group id [id ...]",
        run: Handler::Write(pending::xack),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XADD",
        summary: "Appends a new message to a stream. Creates the key if it doesn't exist.",
        since: "5.0.0",
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
        arity: Arity::at_least(5),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))
            .noted("UPDATE instead of INSERT because of the optional trimming feature")],
        syntax: "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
        tips: &["nondeterministic_output"],
        history: &[
            ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
            ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ],
        run: Handler::Write(add::xadd),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XAUTOCLAIM",
        summary: "Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to as consumer group member.",
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        arity: Arity::at_least(6),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::DELETE))],
        syntax: "key group consumer min-idle-time start [COUNT count] [JUSTID]",
        tips: &["nondeterministic_output"],
        history: &[(
            "7.0.0",
            "Added an element to the reply array, containing deleted entries the command cleared from the PEL.",
        )],
        run: Handler::Write(claim::xautoclaim),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XCLAIM",
        summary: "Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered a consumer group member.",
        since: "5.0.0",
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
        arity: Arity::at_least(6),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
        tips: &["nondeterministic_output"],
        run: Handler::Write(claim::xclaim),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XDEL",
        summary: "Returns the number of messages after removing them from a stream.",
        since: "5.0.0",
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
        arity: Arity::at_least(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::DELETE))],
        syntax: "key id [id ...]",
        run: Handler::Write(add::xdel),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XGROUP",
        summary: "A container for consumer groups commands.",
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        arity: Arity::at_least(2),
        subcommands: XGROUP,
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XINFO",
        summary: "A container for stream introspection commands.",
        since: "5.0.0",
        complexity: "Depends on subcommand.",
        arity: Arity::at_least(2),
        subcommands: XINFO,
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XLEN",
        summary: "Return the number of messages in a stream.",
        since: "5.0.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO)],
        syntax: "key",
        run: Handler::Read(range::xlen),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XPENDING",
        summary: "Returns the information and entries from a stream consumer group's pending entries list.",
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.",
        arity: Arity::at_least(3),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key group [[IDLE min-idle-time] start end count [consumer]]",
        tips: &["nondeterministic_output"],
        history: &[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")],
        run: Handler::Read(pending::xpending),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XRANGE",
        summary: "Returns the messages from a stream within a range of IDs.",
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).",
        arity: Arity::at_least(4),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key start end [COUNT count]",
        history: &[("6.2.0", "Added exclusive ranges.")],
        run: Handler::Read(range::xrange),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XREAD",
        summary: "Returns messages from multiple streams with IDs greater than the ones requested. Blocks until a message is available otherwise.",
        since: "5.0.0",
        complexity: "For each stream mentioned: O(N) with N being the number of elements being returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to serve the M clients blocked on the stream getting new data.",
        arity: Arity::at_least(4),
        flags: Flags::BLOCKING.or(Flags::MOVABLE_KEYS),
        keys: &[behind_streams(1, KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
        run: Handler::Read(read::xread),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XREADGROUP",
        summary: "Returns new or historical messages from a stream for a consumer in a group. Blocks until a message is available otherwise.",
        since: "5.0.0",
        complexity: "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.",
        arity: Arity::at_least(7),
        flags: Flags::BLOCKING.or(Flags::MOVABLE_KEYS),
        keys: &[behind_streams(4, KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]",
        run: Handler::Write(read::xreadgroup),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XREVRANGE",
        summary: "Returns the messages from a stream within a range of IDs in reverse order.",
        since: "5.0.0",
        complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).",
        arity: Arity::at_least(4),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key end start [COUNT count]",
        history: &[("6.2.0", "Added exclusive ranges.")],
        run: Handler::Read(range::xrevrange),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XSETID",
        summary: "An internal command for replicating stream values.",
        since: "5.0.0",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
        history: &[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")],
        run: Handler::Write(add::xsetid),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "XTRIM",
        summary: "Deletes messages from the beginning of a stream.",
        since: "5.0.0",
        complexity: "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation.",
        arity: Arity::at_least(4),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::DELETE))],
        syntax: "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]",
        tips: &["nondeterministic_output"],
        history: &[("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option.")],
        run: Handler::Write(add::xtrim),
        ..Command::in_group(Group::Stream)
    },
];

const XGROUP: &[Command] = &[
    Command {
        name: "CREATE",
        summary: "Creates a consumer group.",
        since: "5.0.0",
        arity: Arity::at_least(5),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::at(2, KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
        history: &[("7.0.0", "Added the `entries_read` named argument.")],
        run: Handler::Write(groups::create),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "CREATECONSUMER",
        summary: "Creates a consumer in a consumer group.",
        since: "6.2.0",
        arity: Arity::exactly(5),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::at(2, KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key group consumer",
        run: Handler::Write(groups::create_consumer),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "DELCONSUMER",
        summary: "Deletes a consumer from a consumer group.",
        since: "5.0.0",
        arity: Arity::exactly(5),
        keys: &[KeySpec::at(2, KeyFlags::RW.or(KeyFlags::DELETE))],
        syntax: "key group consumer",
        run: Handler::Write(groups::delete_consumer),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "DESTROY",
        summary: "Destroys a consumer group.",
        since: "5.0.0",
        complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
        arity: Arity::exactly(4),
        keys: &[KeySpec::at(2, KeyFlags::RW.or(KeyFlags::DELETE))],
        syntax: "key group",
        run: Handler::Write(groups::destroy),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Client(groups::help),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "SETID",
        summary: "Sets the last-delivered ID of a consumer group.",
        since: "5.0.0",
        arity: Arity::at_least(5),
        keys: &[KeySpec::at(2, KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key group <id | $> [ENTRIESREAD entries-read]",
        history: &[("7.0.0", "Added the optional `entries_read` argument.")],
        run: Handler::Write(groups::set_id),
        ..Command::in_group(Group::Stream)
    },
];

const XINFO: &[Command] = &[
    Command {
        name: "CONSUMERS",
        summary: "Returns a list of the consumers in a consumer group.",
        since: "5.0.0",
        arity: Arity::exactly(4),
        keys: &[KeySpec::at(2, KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key group",
        tips: &["nondeterministic_output"],
        history: &[("7.2.0", "Added the `inactive` field, and changed the meaning of `idle`.")],
        run: Handler::Read(info::consumers),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "GROUPS",
        summary: "Returns a list of the consumer groups of a stream.",
        since: "5.0.0",
        arity: Arity::exactly(3),
        keys: &[KeySpec::at(2, KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        history: &[("7.0.0", "Added the `entries-read` and `lag` fields.")],
        run: Handler::Read(info::groups),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Client(info::help),
        ..Command::in_group(Group::Stream)
    },
    Command {
        name: "STREAM",
        summary: "Returns information about a stream.",
        since: "5.0.0",
        arity: Arity::at_least(3),
        keys: &[KeySpec::at(2, KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key [FULL [COUNT count]]",
        history: &[
            ("6.0.0", "Added the `FULL` modifier."),
            (
                "7.0.0",
                "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` fields.",
            ),
            ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
        ],
        run: Handler::Read(info::stream),
        ..Command::in_group(Group::Stream)
    },
];
