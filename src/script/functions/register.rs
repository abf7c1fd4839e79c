//! redis.register_function, and the globals that a library finds while it is loaded.

use super::head::{NAME_RULE, is_name};
use super::registration::{Registration, Registrations};
use crate::script::lua::{Answer, Call, Kind, Raise, Value};
use crate::script::shebang::ScriptFlags;

/// What one registration takes beside its texts, and what a name of the kind that all have does.
const ENTRY_BYTES: usize = 128;

/// The upvalue of redis.register_function: the list of callbacks.
const CALLBACKS: i32 = 1;

/// Where a function's arguments lie once they are read: its callback is on top of the stack.
struct Arguments {
    name: Box<[u8]>,
    description: Option<Box<[u8]>>,
    flags: ScriptFlags,
}

/// Pushes redis.register_function, which keeps callbacks in the list on top, which goes.
pub fn install(call: &mut Call<'_>) {
    call.push_function(register_function, 1);
}

fn fail<T>(call: &mut Call<'_>, text: &str) -> Result<T, Raise> {
    call.push_error_table(format!("ERR {text}"));
    Err(call.raise())
}

fn register_function(call: &mut Call<'_>) -> Answer {
    if call.context().registrations.borrow().is_none() {
        return fail(call, "redis.register_function can only be called on FUNCTION LOAD command");
    }
    let arguments = match call.args() {
        1 => named_arguments(call)?,
        2 => positional_arguments(call)?,
        _ => return fail(call, "wrong number of arguments to redis.register_function"),
    };
    let Arguments { name, description, flags } = arguments;
    if !is_name(&name) {
        return fail(call, NAME_RULE);
    }
    let bytes = ENTRY_BYTES + 2 * name.len() + description.as_ref().map_or(0, |text| text.len());
    let context = call.context();
    let mut slot = context.registrations.borrow_mut();
    let registrations = slot.get_or_insert_with(Registrations::default);
    if registrations.by_name.contains_key(&name) {
        drop(slot);
        return fail(call, "Function already exists in the library");
    }
    // What is noted outside the interpreter counts as if it were inside.
    call.check_room(registrations.bytes + bytes)?;
    let callback = registrations.by_name.len() as i32 + 1;
    registrations.bytes += bytes;
    registrations.by_name.insert(name, Registration { flags, description, callback });
    call.raw_set_index(Call::upvalue(CALLBACKS), callback);
    Ok(0)
}

/// `redis.register_function(name, callback)`.
fn positional_arguments(call: &mut Call<'_>) -> Result<Arguments, Raise> {
    let Some(name) = text(call, 1) else {
        return fail(call, "first argument to redis.register_function must be a string");
    };
    if call.kind(2) != Kind::Function {
        return fail(call, "second argument to redis.register_function must be a function");
    }
    call.push_copy(2);
    Ok(Arguments { name, description: None, flags: ScriptFlags::default() })
}

/// `redis.register_function{function_name = name, callback = callback, flags = {...}, description = text}`.
fn named_arguments(call: &mut Call<'_>) -> Result<Arguments, Raise> {
    if call.kind(1) != Kind::Table {
        return fail(
            call,
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named \
             arguments).",
        );
    }
    let (mut name, mut description, mut flags) = (None, None, ScriptFlags::default());
    // The callback's place, below key and value.
    call.push_nil();
    let callback = call.top();
    call.push_nil();
    while call.next(1) {
        let Some(key) = text(call, -2) else {
            return fail(call, "named argument key given to redis.register_function is not a string");
        };
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => match text(call, -1) {
                Some(text) => name = Some(text),
                None => return fail(call, "function_name argument given to redis.register_function must be a string"),
            },
            b"description" => match text(call, -1) {
                Some(text) => description = Some(text),
                None => return fail(call, "description argument given to redis.register_function must be a string"),
            },
            b"callback" => {
                if call.kind(-1) != Kind::Function {
                    return fail(call, "callback argument given to redis.register_function must be a function");
                }
                call.push_copy(-1);
                call.insert(callback);
                call.remove(callback + 1);
            }
            b"flags" => {
                if call.kind(-1) != Kind::Table {
                    return fail(
                        call,
                        "flags argument to redis.register_function must be a table representing function flags",
                    );
                }
                flags = read_flags(call)?;
            }
            _ => return fail(call, "unknown argument given to redis.register_function"),
        }
        call.pop(1);
    }
    let Some(name) = name else { return fail(call, "redis.register_function must get a function name argument") };
    if call.kind(callback) != Kind::Function {
        return fail(call, "redis.register_function must get a callback argument");
    }
    Ok(Arguments { name, description, flags })
}

/// The flags that the list on top names.
fn read_flags(call: &mut Call<'_>) -> Result<ScriptFlags, Raise> {
    let mut flags = ScriptFlags::default();
    for index in 1.. {
        call.raw_get_index(-1, index);
        if call.kind(-1) == Kind::Nil {
            call.pop(1);
            break;
        }
        let is_known = text(call, -1).is_some_and(|name| flags.set(&name.to_ascii_lowercase()));
        if !is_known {
            return fail(call, "unknown flag given");
        }
        call.pop(1);
        if index % 1000 == 0 {
            call.poll()?;
        }
    }
    Ok(flags)
}

/// A string, or a number as text.
fn text(call: &Call<'_>, place: i32) -> Option<Box<[u8]>> {
    match call.value(place) {
        Value::Bytes(bytes) => Some(bytes.into()),
        Value::Number(number) => Some(crate::script::lua::number_text(number).into_bytes().into()),
        _ => None,
    }
}
