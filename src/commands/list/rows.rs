//! The rows of the list commands.

use super::{insert, pop, read, remove};
use crate::commands::spec::{Arity, Command, Flags, Group, Handler, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command {
        name: "LINDEX",
        summary: "Returns an element from a list by its index.",
        since: "1.0.0",
        complexity: "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).",
        arity: Arity::exactly(3),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key index",
        run: Handler::Read(read::lindex),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LINSERT",
        summary: "Inserts an element before or after another element in a list.",
        since: "2.2.0",
        complexity: "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N).",
        arity: Arity::exactly(5),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key <BEFORE | AFTER> pivot element",
        run: Handler::Write(insert::linsert),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LLEN",
        summary: "Returns the length of a list.",
        since: "1.0.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO)],
        syntax: "key",
        run: Handler::Read(read::llen),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LMOVE",
        summary: "Returns an element after popping it from one list and pushing it to another. Deletes the list if the last element was moved.",
        since: "6.2.0",
        arity: Arity::exactly(5),
        flags: Flags::DENYOOM,
        keys: &[
            KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE)),
            KeySpec::at(2, KeyFlags::RW.or(KeyFlags::INSERT)),
        ],
        syntax: "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
        run: Handler::Write(pop::lmove),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LMPOP",
        summary: "Returns multiple elements from a list after removing them. Deletes the list if the last element was popped.",
        since: "7.0.0",
        complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        arity: Arity::at_least(4),
        flags: Flags::MOVABLE_KEYS,
        keys: &[KeySpec::counted(1, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        syntax: "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        run: Handler::Write(pop::lmpop),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LPOP",
        summary: "Returns the first elements in a list after removing it. Deletes the list if the last element was popped.",
        since: "1.0.0",
        complexity: "O(N) where N is the number of elements returned",
        arity: Arity::at_least(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        syntax: "key [count]",
        history: &[("6.2.0", "Added the `count` argument.")],
        run: Handler::Write(pop::lpop),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LPOS",
        summary: "Returns the index of matching elements in a list.",
        since: "6.0.6",
        complexity: "O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.",
        arity: Arity::at_least(3),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
        run: Handler::Read(read::lpos),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LPUSH",
        summary: "Prepends one or more elements to a list. Creates the key if it doesn't exist.",
        since: "1.0.0",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key element [element ...]",
        history: &[("2.4.0", "Accepts multiple `element` arguments.")],
        run: Handler::Write(insert::lpush),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LPUSHX",
        summary: "Prepends one or more elements to a list only when the list exists.",
        since: "2.2.0",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key element [element ...]",
        history: &[("4.0.0", "Accepts multiple `element` arguments.")],
        run: Handler::Write(insert::lpushx),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LRANGE",
        summary: "Returns a range of elements from a list.",
        since: "1.0.0",
        complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
        arity: Arity::exactly(4),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key start stop",
        run: Handler::Read(read::lrange),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LREM",
        summary: "Removes elements from a list. Deletes the list if the last element was removed.",
        since: "1.0.0",
        complexity: "O(N+M) where N is the length of the list and M is the number of elements removed.",
        arity: Arity::exactly(4),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::DELETE))],
        syntax: "key count element",
        run: Handler::Write(remove::lrem),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LSET",
        summary: "Sets the value of an element in a list by its index.",
        since: "1.0.0",
        complexity: "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).",
        arity: Arity::exactly(4),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key index element",
        run: Handler::Write(insert::lset),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "LTRIM",
        summary: "Removes elements from both ends a list. Deletes the list if all elements were trimmed.",
        since: "1.0.0",
        complexity: "O(N) where N is the number of elements to be removed by the operation.",
        arity: Arity::exactly(4),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::DELETE))],
        syntax: "key start stop",
        run: Handler::Write(remove::ltrim),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "RPOP",
        summary: "Returns and removes the last elements of a list. Deletes the list if the last element was popped.",
        since: "1.0.0",
        complexity: "O(N) where N is the number of elements returned",
        arity: Arity::at_least(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE))],
        syntax: "key [count]",
        history: &[("6.2.0", "Added the `count` argument.")],
        run: Handler::Write(pop::rpop),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "RPOPLPUSH",
        summary: "Returns the last element of a list after removing and pushing it to another list. Deletes the list if the last element was popped.",
        since: "1.2.0",
        arity: Arity::exactly(3),
        flags: Flags::DENYOOM,
        keys: &[
            KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE)),
            KeySpec::at(2, KeyFlags::RW.or(KeyFlags::INSERT)),
        ],
        syntax: "source destination",
        deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
        run: Handler::Write(pop::rpoplpush),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "RPUSH",
        summary: "Appends one or more elements to a list. Creates the key if it doesn't exist.",
        since: "1.0.0",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key element [element ...]",
        history: &[("2.4.0", "Accepts multiple `element` arguments.")],
        run: Handler::Write(insert::rpush),
        ..Command::in_group(Group::List)
    },
    Command {
        name: "RPUSHX",
        summary: "Appends an element to a list only when the list exists.",
        since: "2.2.0",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM.or(Flags::FAST),
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::INSERT))],
        syntax: "key element [element ...]",
        history: &[("4.0.0", "Accepts multiple `element` arguments.")],
        run: Handler::Write(insert::rpushx),
        ..Command::in_group(Group::List)
    },
];
