//! The functions that are globals themselves, where they are not Lua's own.

use std::ffi::CString;

use super::Table;
use crate::script::api;
use crate::script::lua::{Answer, Call, Direct, Kind, Raise, Value};

pub const FUNCTIONS: Table = &[
    ("__redis__err__handler", api::on_error),
    ("collectgarbage", collectgarbage),
    ("getmetatable", getmetatable),
    ("load", load),
    ("loadstring", loadstring),
    ("rawget", rawget),
    ("rawset", rawset),
    ("setmetatable", setmetatable),
    ("unpack", unpack),
];

pub const DIRECT: &[(&str, Direct)] = &[("next", Direct::NEXT), ("pcall", Direct::PCALL), ("xpcall", Direct::XPCALL)];

/// Puts `pairs` among the globals, which has a `next` of its own.
pub fn install_pairs(call: &mut Call<'_>) {
    call.push_direct(Direct::NEXT);
    call.push_function(pairs, 1);
    call.raw_set_field(Call::GLOBALS, "pairs");
}

fn pairs(call: &mut Call<'_>) -> Answer {
    call.check_table(1)?;
    call.push_copy(Call::upvalue(1));
    call.push_copy(1);
    call.push_nil();
    Ok(3)
}

fn rawget(call: &mut Call<'_>) -> Answer {
    call.check_table(1)?;
    call.check_any(2)?;
    let table = if call.push_behind(1) { call.top() } else { 1 };
    call.push_copy(2);
    call.raw_get(table);
    Ok(1)
}

fn rawset(call: &mut Call<'_>) -> Answer {
    call.check_table(1)?;
    call.check_any(2)?;
    call.check_any(3)?;
    call.check_writable(1)?;
    match call.value(2) {
        // As Lua says it, without the line.
        Value::Nil => return Err(plain_error(call, "table index is nil")),
        Value::Number(number) if number.is_nan() => return Err(plain_error(call, "table index is NaN")),
        _ => {}
    }
    call.push_copy(2);
    call.push_copy(3);
    call.raw_set(1)?;
    call.push_copy(1);
    Ok(1)
}

fn plain_error(call: &mut Call<'_>, text: &str) -> Raise {
    call.push_bytes(text);
    call.raise()
}

fn getmetatable(call: &mut Call<'_>) -> Answer {
    call.check_any(1)?;
    call.push_shown_metatable(1);
    Ok(1)
}

fn setmetatable(call: &mut Call<'_>) -> Answer {
    call.check_table(1)?;
    if !matches!(call.kind(2), Kind::Nil | Kind::Table) {
        return Err(call.bad_argument(2, "nil or table expected"));
    }
    if call.push_metatable(1) {
        call.check_writable(1)?;
        if call.raw_get_field(-1, "__metatable") != Kind::Nil {
            return Err(call.error("cannot change a protected metatable"));
        }
    }
    call.push_copy(2);
    call.set_metatable(1);
    call.push_copy(1);
    Ok(1)
}

fn unpack(call: &mut Call<'_>) -> Answer {
    call.check_table(1)?;
    let first = call.integer_or(2, 1)? as i32;
    let last = match call.kind(3).is_nothing() {
        true => call.len(1) as i32,
        false => call.check_integer(3)? as i32,
    };
    if first > last {
        return Ok(0);
    }
    // CVE-2025-46817: how many they are does not fit an i32.
    let count = (i64::from(last) - i64::from(first) + 1) as usize;
    if !call.try_reserve(count) {
        return Err(call.error("too many results to unpack"));
    }
    for index in first..=last {
        call.raw_get_index(1, index);
    }
    // What follows takes as long again: the results are copied.
    call.work(count)?;
    Ok(count)
}

/// What scripts set of the collector is left as it is: it has a limit to keep.
fn collectgarbage(call: &mut Call<'_>) -> Answer {
    let option =
        if call.kind(1).is_nothing() { std::borrow::Cow::Borrowed(&b"collect"[..]) } else { call.check_bytes(1)? };
    let amount = call.integer_or(2, 0)? as i32;
    match &*option {
        b"collect" => {
            call.collect(true);
            call.poll()?;
            call.push_number(0.0);
        }
        b"count" => {
            let bytes = call.context().memory.used();
            call.push_number(bytes as f64 / 1024.0);
        }
        b"step" => {
            let came_round = call.collect_step(amount);
            call.push_boolean(came_round);
        }
        b"stop" | b"restart" => call.push_number(0.0),
        b"setpause" | b"setstepmul" => call.push_number(200.0),
        other => {
            let text = format!("invalid option '{}'", String::from_utf8_lossy(other));
            return Err(call.bad_argument(1, text));
        }
    }
    Ok(1)
}

fn loadstring(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    let name = match call.kind(2).is_nothing() {
        true => text.to_vec(),
        false => call.check_bytes(2)?.to_vec(),
    };
    compile(call, &text, name)
}

/// The pieces of the text are collected before any of it is compiled: between two of them runs code of the script's.
fn load(call: &mut Call<'_>) -> Answer {
    if call.kind(1) != Kind::Function {
        return Err(call.wrong_type(1, "function"));
    }
    let name = match call.kind(2).is_nothing() {
        true => b"=(load)".to_vec(),
        false => call.check_bytes(2)?.to_vec(),
    };
    let mut text = Vec::new();
    loop {
        call.push_copy(1);
        if let Err(raise) = call.call(0, 1) {
            // The error is a result, but not one that ends the script.
            return if call.context().is_killed() { Err(raise) } else { Ok(nil_and_error(call)) };
        }
        match call.value(-1) {
            Value::Nil => break,
            Value::Bytes([]) => break,
            Value::Bytes(piece) => {
                let piece = piece.to_vec();
                call.check_room(text.len() + piece.len())?;
                text.extend_from_slice(&piece);
            }
            Value::Number(number) => text.extend_from_slice(crate::script::lua::number_text(number).as_bytes()),
            _ => {
                call.push_bytes("reader function must return a string");
                return Ok(nil_and_error(call));
            }
        }
        call.pop(1);
        call.poll()?;
    }
    compile(call, &text, name)
}

fn compile(call: &mut Call<'_>, text: &[u8], mut name: Vec<u8>) -> Answer {
    call.check_room(name.len())?;
    // As for any text of C's, its end is the first zero.
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    let name = CString::new(name).unwrap_or_default();
    match call.load(text, &name) {
        Ok(()) => Ok(1),
        Err(_) => Ok(nil_and_error(call)),
    }
}

/// The results of a function that fails with the error on top.
fn nil_and_error(call: &mut Call<'_>) -> usize {
    call.push_nil();
    call.insert(-2);
    2
}
