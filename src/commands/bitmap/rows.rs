//! The rows of the bitmap commands.

use super::{combine, field, read, write};
use crate::commands::framework::{Arity, Command, Flags, Group, Handler, KeyFlags, KeySpec};

pub const COMMANDS: &[Command] = &[
    Command {
        name: "BITCOUNT",
        summary: "Counts the number of set bits (population counting) in a string.",
        since: "2.6.0",
        complexity: "O(N)",
        arity: Arity::at_least(2),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key [start end [BYTE | BIT]]",
        history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
        run: Handler::Read(read::bitcount),
        ..Command::in_group(Group::Bitmap)
    },
    Command {
        name: "BITFIELD",
        summary: "Performs arbitrary bitfield integer operations on strings.",
        since: "3.2.0",
        complexity: "O(1) for each subcommand specified",
        arity: Arity::at_least(2),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE).or(KeyFlags::ACCESS).or(KeyFlags::VARIABLE_FLAGS))
            .noted("This command allows both access and modification of the key")],
        syntax: "key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY encoding offset increment>> [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY encoding offset increment>> ...]]",
        run: Handler::Write(field::bitfield),
        ..Command::in_group(Group::Bitmap)
    },
    Command {
        name: "BITFIELD_RO",
        summary: "Performs arbitrary read-only bitfield integer operations on strings.",
        since: "6.0.0",
        complexity: "O(1) for each subcommand specified",
        arity: Arity::at_least(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key [GET encoding offset [GET encoding offset ...]]",
        run: Handler::Read(field::bitfield_ro),
        ..Command::in_group(Group::Bitmap)
    },
    Command {
        name: "BITOP",
        summary: "Performs bitwise operations on multiple strings, and stores the result.",
        since: "2.6.0",
        complexity: "O(N)",
        arity: Arity::at_least(4),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::at(2, KeyFlags::OW.or(KeyFlags::UPDATE)), KeySpec::rest(3, KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "<AND | OR | XOR | NOT> destkey key [key ...]",
        run: Handler::Write(combine::bitop),
        ..Command::in_group(Group::Bitmap)
    },
    Command {
        name: "BITPOS",
        summary: "Finds the first set (1) or clear (0) bit in a string.",
        since: "2.8.7",
        complexity: "O(N)",
        arity: Arity::at_least(3),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key bit [start [end [BYTE | BIT]]]",
        history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
        run: Handler::Read(read::bitpos),
        ..Command::in_group(Group::Bitmap)
    },
    Command {
        name: "GETBIT",
        summary: "Returns a bit value by offset.",
        since: "2.2.0",
        complexity: "O(1)",
        arity: Arity::exactly(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key offset",
        run: Handler::Read(read::getbit),
        ..Command::in_group(Group::Bitmap)
    },
    Command {
        name: "SETBIT",
        summary: "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
        since: "2.2.0",
        complexity: "O(1)",
        arity: Arity::exactly(4),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key offset value",
        run: Handler::Write(write::setbit),
        ..Command::in_group(Group::Bitmap)
    },
];
