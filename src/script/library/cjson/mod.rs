//! The global `cjson`: Lua's values to JSON and back (<https://www.kyne.com.au/~mark/software/lua-cjson-manual.html>).
//! Owns:  nothing.
//! Uses:  the interpreter's stack, stdx.
//! Never: a tree of values besides Lua's own, a Rust call per level of nesting.

mod decode;
mod encode;
mod settings;

use crate::script::lua::{Answer, Call, Function};

// In this order the names come when a script goes through the table.
const FUNCTIONS: &[(&str, Function)] = &[
    ("encode", encode::encode),
    ("decode", decode::decode),
    ("encode_sparse_array", settings::encode_sparse_array),
    ("encode_max_depth", settings::encode_max_depth),
    ("decode_max_depth", settings::decode_max_depth),
    ("encode_number_precision", settings::encode_number_precision),
    ("encode_keep_buffer", settings::encode_keep_buffer),
    ("encode_invalid_numbers", settings::encode_invalid_numbers),
    ("decode_invalid_numbers", settings::decode_invalid_numbers),
    ("new", new),
];

/// Represents JSON's null, since a table cannot hold nil.
const NULL_ADDRESS: usize = 0;

/// So many tables within tables need no more places of the stack than every function has.
const DEPTH_WITHIN_STACK: i32 = 8;

/// Puts the library among the globals.
pub fn install(call: &mut Call<'_>) {
    push_library(call, false);
    call.raw_set_field(Call::GLOBALS, "cjson");
}

/// `cjson.new`: a library with settings of its own.
fn new(call: &mut Call<'_>) -> Answer {
    push_library(call, true);
    Ok(1)
}

fn push_library(call: &mut Call<'_>, is_scripts_own: bool) {
    // Redis does not make room for the names beforehand, which shows in their order.
    call.push_table(0, 0);
    call.push_table(0, 0);
    for (name, function) in FUNCTIONS {
        call.push_copy(-1);
        call.push_boolean(is_scripts_own);
        call.push_function(*function, settings::UPVALUES);
        call.raw_set_field(-3, name);
    }
    call.pop(1);
    call.push_address(NULL_ADDRESS);
    call.raw_set_field(-2, "null");
    for (name, text) in [("_NAME", "cjson"), ("_VERSION", "2.1.0")] {
        call.push_bytes(text);
        call.raw_set_field(-2, name);
    }
}

#[cfg(test)]
mod tests {
    use crate::script::testing::{Interpreter, attempt, run};

    #[test]
    fn its_names_come_in_the_order_of_redis() {
        let names =
            "local names = {} for name in pairs(cjson) do names[#names + 1] = name end return table.concat(names, ' ')";
        assert_eq!(
            run(names),
            "_NAME encode decode_max_depth _VERSION decode_invalid_numbers encode_keep_buffer null encode_number_precision \
             new encode_max_depth encode_invalid_numbers decode encode_sparse_array"
        );
        assert_eq!(attempt("cjson._NAME .. cjson._VERSION .. tostring(cjson.null)"), "cjson2.1.0userdata: (nil)");
    }

    #[test]
    fn a_new_library_has_settings_of_its_own() {
        let script = "local mine = cjson.new() \
                      mine.encode_number_precision(3) \
                      local other = mine.new() \
                      return mine.encode(1/3) .. ' ' .. cjson.encode(1/3) .. ' ' .. other.encode(1/3)";
        assert_eq!(run(script), "0.333 0.33333333333333 0.33333333333333");
    }

    #[test]
    fn settings_end_with_the_script() {
        let mut interpreter = Interpreter::new();
        let script = "cjson.encode_number_precision(3) return cjson.encode(1/3)";
        assert_eq!(interpreter.run(script), "0.333");
        assert_eq!(
            interpreter.run("return cjson.encode(1/3) .. cjson.encode_number_precision()"),
            "0.3333333333333314"
        );
        assert_eq!(interpreter.run("cjson.encode_max_depth(1) return cjson.encode({1/3})"), "[0.33333333333333]");
        assert_eq!(interpreter.run("return cjson.encode({{1}})"), "[[1]]");
    }
}
