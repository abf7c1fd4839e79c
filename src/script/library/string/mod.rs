//! The global `string`, and the methods of strings: Lua 5.1's library, written so that no pattern and no size makes a
//! script that cannot be stopped.
//! Owns:  nothing.
//! Uses:  the interpreter's stack.
//! Never: recursion or a loop without asking whether the script may go on; a buffer without asking for its room.

mod basic;
mod class;
mod find;
mod format;
mod gsub;
mod matcher;
mod output;
mod spec;
#[cfg(test)]
mod stock;
#[cfg(test)]
mod tests;

use super::install_table;
use crate::script::lua::{Call, Function};

/// In the order in which Lua adds them, since that decides in which order `pairs` finds them.
const FUNCTIONS: &[(&str, Function)] = &[
    ("byte", basic::byte),
    ("char", basic::char),
    (ABSENT, basic::len),
    ("find", find::find),
    ("format", format::format),
    ("gfind", find::gmatch),
    ("gmatch", find::gmatch),
    ("gsub", gsub::gsub),
    ("len", basic::len),
    ("lower", basic::lower),
    ("match", find::find_match),
    ("rep", basic::rep),
    ("reverse", basic::reverse),
    ("sub", basic::sub),
    ("upper", basic::upper),
];

/// Bytecode is of no use where none can be loaded. The place that Lua has for it stays, for the order of `pairs`.
const ABSENT: &str = "dump";

/// Puts `string` among the globals, and gives strings their methods.
pub fn install(call: &mut Call<'_>) {
    install_table(call, "string", FUNCTIONS);
    call.raw_get_field(Call::GLOBALS, "string");
    call.push_nil();
    call.raw_set_field(-2, ABSENT);
    call.raw_get_field(-1, "gmatch");
    call.raw_set_field(-2, "gfind");
    call.push_bytes("");
    call.push_table(0, 1);
    call.push_copy(-3);
    call.raw_set_field(-2, "__index");
    call.set_metatable(-2);
    call.pop(2);
}
