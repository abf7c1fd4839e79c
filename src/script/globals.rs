//! What scripts find as their globals: those that Redis has, and nothing that they could change.
//!
//! No script can leave something behind for the next one: the tables of the libraries, the globals and the metatables are
//! read-only, and of what no table is, only the generator of math.random keeps its state, as in Redis.

#[cfg(any(test, feature = "internals"))]
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::lua::{Answer, Call, Kind, LIBRARIES, Value};

/// The globals of Redis, in the order in which it makes them: that is the order in which `pairs` shows them. There were
/// more in the meantime, which count where it makes room.
const NAMES: &[&str] = &[
    "_G",
    "assert",
    "collectgarbage",
    "error",
    "gcinfo",
    "getmetatable",
    "load",
    "loadstring",
    "next",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setmetatable",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
    "_VERSION",
    "ipairs",
    "pairs",
    "coroutine",
    "table",
    "string",
    "math",
    "debug",
    "cjson",
    "struct",
    "cmsgpack",
    "bit",
    "redis",
    "__redis__err__handler",
];

/// The one that is gone when all are there.
const REMOVED: &str = "debug";

/// Makes the globals read-only, and those of all scripts. Pushes the table that has them.
pub fn install(call: &mut Call<'_>) {
    call.push_table(0, 2);
    let globals = call.top();
    for name in NAMES {
        if *name == REMOVED {
            call.push_boolean(true);
            call.raw_set_field(globals, name);
            continue;
        }
        if *name == "__redis__err__handler" {
            call.push_nil();
            call.raw_set_field(globals, REMOVED);
        }
        if call.raw_get_field(Call::GLOBALS, name) == Kind::Table && *name != "_G" {
            if *name == "string" {
                make_string_metatable(call);
            } else {
                call.make_read_only(None);
            }
        }
        call.raw_set_field(globals, name);
    }
    call.push_table(0, 1);
    call.push_function(not_found, 0);
    call.raw_set_field(-2, "__index");
    call.push_copy(-1);
    call.set_metatable(globals);
    call.make_read_only(None);
    call.push_copy(globals);
    call.make_read_only(Some(-2));
    call.remove(-2);
    call.push_copy(-1);
    call.raw_set_field(globals, "_G");
    call.set_globals();
}

/// Pushes globals for scripts that only read fields of the libraries: the tables that the read-only ones have behind them, which
/// are found sooner. No such script ever holds one.
pub fn install_direct(call: &mut Call<'_>, globals: i32) {
    call.push_table(0, 2 * NAMES.len());
    let direct = call.top();
    // What comes first is found first.
    for name in ["redis"].iter().chain(NAMES) {
        call.raw_get_field(globals, name);
        if LIBRARIES.contains(&name.as_bytes()) && call.push_behind(-1) {
            call.remove(-2);
        }
        call.raw_set_field(direct, name);
    }
    if call.push_metatable(globals) {
        call.set_metatable(direct);
    }
}

/// Makes the table `string`, which is on top, read-only, and strings find their methods in it.
fn make_string_metatable(call: &mut Call<'_>) {
    call.push_copy(-1);
    call.make_read_only(None);
    // Behind what scripts see as the metatable is what they see as the library.
    call.push_table(0, 1);
    call.push_copy(-2);
    call.raw_set_field(-2, "__index");
    call.make_read_only(None);
    call.push_table(0, 3);
    call.push_copy(-4);
    call.raw_set_field(-2, "__index");
    call.set_string_metatable();
    call.remove(-2);
}

/// Makes the table at `place` one of globals: a name that is not there is an error.
pub fn refuse_unknown(call: &mut Call<'_>, place: i32) {
    let place = call.absolute(place);
    call.push_table(0, 1);
    call.push_function(not_found, 0);
    call.raw_set_field(-2, "__index");
    call.set_metatable(place);
}

/// Makes the table on top read-only, and a name that it does not have an error.
pub fn seal(call: &mut Call<'_>) {
    let place = call.top();
    call.push_table(0, 1);
    call.push_function(nonexistent, 0);
    call.raw_set_field(-2, "__index");
    call.set_metatable(place);
    call.make_read_only(None);
}

/// A global that is not there. It gets the table, and the name.
fn not_found(call: &mut Call<'_>) -> Answer {
    if call.bytes(2) == Some(b"server") {
        call.push_bytes("redis");
        call.raw_get(1);
        return Ok(1);
    }
    nonexistent(call)
}

fn nonexistent(call: &mut Call<'_>) -> Answer {
    let name = match call.value(2) {
        Value::Bytes(name) => String::from_utf8_lossy(name).into_owned(),
        Value::Number(number) => super::lua::number_text(number),
        _ => return Err(call.error("Second argument to luaProtectedTableError must be a string or number")),
    };
    Err(call.error(format!("Script attempted to access nonexistent global variable '{name}'")))
}

/// Looks at all that one script could leave for the next one: the globals, the tables of the libraries, and all
/// metatables. `globals` are the places of the globals as they are. With `in_words`, it can be read, too.
#[cfg(any(test, feature = "internals"))]
pub fn shared_state(call: &mut Call<'_>, globals: &[i32], in_words: bool) -> SharedState {
    let mut walk = Walk { hasher: DefaultHasher::new(), words: in_words.then(String::new), seen: Vec::new() };
    for place in globals.iter().copied().chain([Call::GLOBALS]) {
        call.push_copy(place);
        walk.add(call);
    }
    // The kinds of values that could have a metatable for all of them.
    call.push_bytes("");
    walk.add_metatable(call);
    call.push_number(0.0);
    walk.add_metatable(call);
    call.push_boolean(true);
    walk.add_metatable(call);
    call.push_nil();
    walk.add_metatable(call);
    call.push_address(0);
    walk.add_metatable(call);
    call.push_function(not_found, 0);
    walk.add_metatable(call);
    SharedState { digest: walk.hasher.finish(), words: walk.words }
}

/// What all scripts share.
#[cfg(any(test, feature = "internals"))]
pub struct SharedState {
    /// Differs wherever a value, or the address of a table or a function, does.
    pub digest: u64,
    pub words: Option<String>,
}

#[cfg(any(test, feature = "internals"))]
struct Walk {
    hasher: DefaultHasher,
    words: Option<String>,
    /// The addresses of the tables that were met.
    seen: Vec<usize>,
}

#[cfg(any(test, feature = "internals"))]
impl Walk {
    /// Adds the value on top, which goes, with all that is reached from it.
    fn add(&mut self, call: &mut Call<'_>) {
        self.note(call);
        if call.kind(-1) == Kind::Table && !self.seen.contains(&call.address(-1)) && call.try_reserve(8) {
            self.seen.push(call.address(-1));
            call.push_nil();
            while call.next(-2) {
                // The arguments are each script's own.
                if matches!(call.bytes(-2), Some(b"KEYS" | b"ARGV")) {
                    call.pop(1);
                    continue;
                }
                call.push_copy(-2);
                self.add(call);
                self.add(call);
            }
            call.push_copy(-1);
            self.add_metatable(call);
        }
        call.pop(1);
    }

    /// Adds the metatable of the value on top, which goes.
    fn add_metatable(&mut self, call: &mut Call<'_>) {
        if call.push_metatable(-1) {
            self.add(call);
        } else {
            call.push_nil();
            self.note(call);
            call.pop(1);
        }
        call.pop(1);
    }

    /// Adds the value on top itself.
    fn note(&mut self, call: &Call<'_>) {
        let value = call.value(-1);
        std::mem::discriminant(&value).hash(&mut self.hasher);
        let address = if matches!(value, Value::Other(_)) { call.address(-1) } else { 0 };
        match value {
            Value::Nil => {}
            Value::Boolean(value) => value.hash(&mut self.hasher),
            Value::Number(number) => number.to_bits().hash(&mut self.hasher),
            Value::Bytes(bytes) => bytes.hash(&mut self.hasher),
            Value::Other(_) => address.hash(&mut self.hasher),
        }
        if let Some(words) = &mut self.words {
            words.push_str(&match value {
                Value::Other(kind) => format!("{} {address:x}\n", kind.name()),
                value => format!("{value:?}\n"),
            });
        }
    }
}
