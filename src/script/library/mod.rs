//! What scripts find among their globals besides `redis`.
//! Owns:  nothing.
//! Uses:  the interpreter's stack, stdx.
//! Never: a loop that is as long as a script wants it to be without asking whether it may go on.

mod base;
mod bit;
mod cjson;
mod cmsgpack;
mod coroutine;
mod document;
mod math;
mod string;
mod structure;
mod table;

use super::lua::{Call, Function};

/// Functions of one table of the globals.
type Table = &'static [(&'static str, Function)];

const TABLES: &[(&str, Table)] = &[
    ("_G", base::FUNCTIONS),
    ("bit", bit::FUNCTIONS),
    ("coroutine", coroutine::FUNCTIONS),
    ("math", math::FUNCTIONS),
    ("struct", structure::FUNCTIONS),
    ("table", table::FUNCTIONS),
];

/// Puts the libraries among the globals, over what Lua's own libraries have put there.
pub fn install(call: &mut Call<'_>) {
    for (name, functions) in TABLES {
        install_table(call, name, functions);
    }
    for (name, function) in base::DIRECT {
        call.push_direct(*function);
        call.raw_set_field(Call::GLOBALS, name);
    }
    base::install_pairs(call);
    cjson::install(call);
    cmsgpack::install(call);
    string::install(call);
}

/// Adds functions to the global table `name`, which is made if there is none.
pub fn install_table(call: &mut Call<'_>, name: &str, functions: Table) {
    let has_table = !call.raw_get_field(Call::GLOBALS, name).is_nothing();
    if !has_table {
        call.pop(1);
        call.push_table(0, functions.len());
    }
    for (name, function) in functions {
        call.push_function(*function, 0);
        call.raw_set_field(-2, name);
    }
    call.raw_set_field(Call::GLOBALS, name);
}
