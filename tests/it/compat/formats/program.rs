//! A script of some steps, each of which calls a library and shows what comes of it.

use fastrand::Rng;

use super::values::{self, one_of};
use super::{json, layout, msgpack};

/// What a step shows: each result with its type, numbers with all their digits, tables in the order in which their pairs
/// come. That order is only in part the same in both servers: a table hashes some keys by their address, and PUC Lua does not
/// look at all bytes of a string that has 32 or more, but Redis's Lua does.
const START: &str = r"local out, depth_max = {}, 25
local function is_alike(key) local kind = type(key) return shows_order and kind ~= 'table' and (kind ~= 'string' or #key < 32) end
local function show(value, depth)
  local kind = type(value)
  if kind == 'number' then return string.format('%.17g', value) end
  if kind == 'string' then return '\'' .. value .. '\'' end
  if kind == 'function' or kind == 'thread' then return kind end
  if kind ~= 'table' then return tostring(value) end
  if depth > depth_max then return '...' end
  local parts, in_order = {}, true
  for key, item in next, value do
    parts[#parts + 1] = show(key, depth + 1) .. '=' .. show(item, depth + 1)
    in_order = in_order and is_alike(key)
  end
  if not in_order then table.sort(parts) end
  return '{' .. table.concat(parts, ' ') .. '}' .. (getmetatable(value) and '!' or '')
end
local function step(...)
  local parts = {}
  for at = 1, select('#', ...) do parts[at] = show(select(at, ...), 0) end
  out[#out + 1] = table.concat(parts, ' ')
end
local function is_ordered(value)
  if type(value) == 'table' then
    for key, item in next, value do
      if not is_alike(key) or not is_ordered(item) then return false end
    end
  end
  return true
end
local function ordered(...)
  for at = 1, select('#', ...) do
    if not is_ordered(select(at, ...)) then error('no order') end
  end
  return ...
end
local function deep(depth, value) for _ = 1, depth do value = {value} end return value end
local function deep_map(depth, value) for _ = 1, depth do value = {k = value} end return value end
local function circle() local value = {1} value[2] = value return value end
local function wide(len, value) local items = {} for at = 1, len do items[at] = value end return items end
local function loud() error('called') end
";

/// The settings of a library end with the script on our server, but not on the other.
const END: &str = "cjson.encode_sparse_array(false, 2, 10) cjson.encode_max_depth(1000) cjson.decode_max_depth(1000)
cjson.encode_number_precision(14) cjson.encode_keep_buffer(true)
cjson.encode_invalid_numbers(false) cjson.decode_invalid_numbers(true)
";

pub struct Program {
    own_library: bool,
    /// The last statement: what the script returns or raises, which the server converts.
    result: String,
    pub steps: Vec<String>,
    pub args: Vec<Vec<u8>>,
}

impl Program {
    pub fn draw(random: &mut Rng) -> Self {
        let result = match random.usize(..24) {
            0..=2 => {
                // How deep a reply may be is by two levels of 8,000 not the same, and the client reads one level within another.
                let mut reply = values::reply(random, 4).replace("circle()", "deep(60, 7)");
                for depth in values::DEEP {
                    reply = reply.replace(&format!("({depth}, "), "(60, ");
                }
                format!("return {{out, {reply}}}")
            }
            // A table without a text as `err` ends redis-server.
            3 => format!("error({{err = {}}})", values::text(random)),
            4 => format!("error({})", values::text(random)),
            _ => "return out".to_owned(),
        };
        let mut program = Self { own_library: random.bool(), result, steps: Vec::new(), args: Vec::new() };
        let topic = random.usize(..8);
        for _ in 0..random.usize(1..6) {
            let call = match topic {
                0..=2 => json::call(random, &mut program.args),
                3 | 4 => msgpack::call(random, &mut program.args),
                5 | 6 => layout::struct_call(random, &mut program.args),
                _ => layout::bit_call(random),
            };
            program.steps.push(format!("step({})", attempt(random, &call)));
        }
        program
    }

    pub fn script(&self) -> String {
        self.script_that_shows(true)
    }

    /// As [`Program::script`], with the pairs of tables in no order. `None` where no key can be hidden: one whose item is nil
    /// has its place in a table like others, and is not seen.
    pub fn script_without_order(&self) -> Option<String> {
        const NIL: u8 = 0xc0;
        self.args.iter().any(|arg| arg.contains(&NIL)).then(|| self.script_that_shows(false))
    }

    fn script_that_shows(&self, order: bool) -> String {
        let library = if self.own_library { "local json = cjson.new()" } else { "local json = cjson" };
        let steps = self.steps.join("\n");
        let result = &self.result;
        format!("local shows_order = {order}\n{START}{library}\n{steps}\n{END}{result}\n")
    }
}

/// A call of a library's function. Where a result goes through other calls first, these are `through`, from the outside in.
pub struct LibraryCall {
    pub through: &'static str,
    pub function: String,
    pub args: Vec<String>,
}

impl LibraryCall {
    pub fn new(function: impl Into<String>, args: Vec<String>) -> Self {
        Self { through: "", function: function.into(), args }
    }
}

/// The call where errors are caught. Their texts depend on what calls the function, and under which name: C, Lua, Lua by a
/// tail call, a method, a coroutine.
fn attempt(random: &mut Rng, call: &LibraryCall) -> String {
    let LibraryCall { through, function, args } = call;
    let args = args.join(", ");
    let closing = ")".repeat(through.matches('(').count());
    let inner = match random.usize(..12) {
        0 if args.is_empty() => format!("local f = {{m = {function}}} local a = {through}f:m(){closing} return a"),
        0 => format!("local f = {{m = {function}}} local a = {through}f.m({args}){closing} return a"),
        1 => format!("local f = {function} local a, b = {through}f({args}){closing} return a, b"),
        2 => format!("local f = {{m = {function}}} local a = {through}f:m({args}){closing} return a"),
        3 => format!("return coroutine.wrap(function() local a = {through}{function}({args}){closing} return a end)()"),
        4 | 5 => format!("return {through}{function}({args}){closing}"),
        6 | 7 if through.is_empty() && args.is_empty() => return format!("pcall({function})"),
        6 | 7 if through.is_empty() => return format!("pcall({function}, {args})"),
        _ => format!("local a, b, c, d, e = {through}{function}({args}){closing} return a, b, c, d, e"),
    };
    format!("pcall(function() {inner} end)")
}

/// Adds an argument of the script, and returns how the script names it.
pub fn argument(args: &mut Vec<Vec<u8>>, bytes: Vec<u8>) -> String {
    args.push(bytes);
    format!("ARGV[{}]", args.len())
}

/// Now and then one argument less, one more, or another one.
pub fn spoil(random: &mut Rng, mut args: Vec<String>) -> Vec<String> {
    match random.usize(..30) {
        0 => drop(args.pop()),
        1 => args.push(values::scalar(random)),
        2 if !args.is_empty() => {
            let at = random.usize(..args.len());
            args[at] = values::value(random, 1);
        }
        _ => {}
    }
    args
}

/// Some bytes of a document changed, left out or repeated.
pub fn mutate(random: &mut Rng, bytes: &mut Vec<u8>, likely: &[u8]) {
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(..bytes.len());
        let byte = if random.bool() { one_of(random, likely) } else { random.u8(..) };
        match random.usize(..5) {
            0 => bytes[at] = byte,
            1 => bytes.truncate(at),
            2 => bytes.insert(at, byte),
            3 => drop(bytes.remove(at)),
            _ => {
                let end = (at + random.usize(1..8)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
}
