//! What a compiled chunk can do, as its instructions show it. They are only read: none is ever loaded.
#![expect(unsafe_code, reason = "Lua's interface")]

use std::ffi::c_void;

use libc::c_int;
use mlua_sys::lua51 as ffi;

use super::call::Call;
use super::value::Kind;

/// What a chunk can do by itself, apart from what it calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abilities {
    pub sets_globals: bool,
    /// It runs many instructions, or how many is not known.
    pub runs_long: bool,
    /// The global `KEYS` is read element by element, or its length is taken, and nothing else becomes of it.
    pub only_reads_keys: bool,
    /// The same of the global `ARGV`.
    pub only_reads_args: bool,
    /// Of the globals that are tables of functions, such as `redis`, only fields are read.
    pub only_reads_libraries: bool,
}

impl Abilities {
    const ANY: Self = Self {
        sets_globals: true,
        runs_long: true,
        only_reads_keys: false,
        only_reads_args: false,
        only_reads_libraries: false,
    };
}

/// Bytecode begins so: Lua 5.1 on a machine of 64 bits whose numbers begin with the low byte.
const HEAD: &[u8] = b"\x1bLua\x51\0\x01\x04\x08\x04\x08\0";

/// Larger bytecode is not looked at.
const BYTES_MAX: usize = 1 << 20;

/// A chunk runs this many instructions at most, if it is to count as short: a quarter of what is run before the first look.
const INSTRUCTIONS_MAX: u32 = 2500;

/// The globals that are tables of functions.
pub const LIBRARIES: &[&[u8]] =
    &[b"bit", b"cjson", b"cmsgpack", b"coroutine", b"math", b"redis", b"server", b"string", b"struct", b"table"];

/// Functions within functions are looked at to this depth.
const DEPTH_MAX: u32 = 200;

const LOADK: u32 = 1;
const LOADBOOL: u32 = 2;
const GETGLOBAL: u32 = 5;
const GETTABLE: u32 = 6;
const SETGLOBAL: u32 = 7;
const LEN: u32 = 20;
const JMP: u32 = 22;
const FORLOOP: u32 = 31;
const FORPREP: u32 = 32;
const CLOSURE: u32 = 36;

impl Call<'_> {
    /// What the chunk on top can do, which was just compiled.
    pub fn abilities(&self) -> Abilities {
        debug_assert_eq!(self.kind(-1), Kind::Function);
        let mut bytes = Vec::new();
        // SAFETY: a function is on top, which stays there. The writer raises no error, nor does what calls it.
        let status = unsafe { ffi::lua_dump_(self.state(), write, std::ptr::from_mut(&mut bytes).cast()) };
        if status == ffi::LUA_OK { read(&bytes).unwrap_or(Abilities::ANY) } else { Abilities::ANY }
    }

    /// Makes the table on top, which goes, the globals of the function at `place`.
    pub fn set_environment(&mut self, place: i32) {
        debug_assert_eq!(self.kind(-1), Kind::Table);
        // SAFETY: a table is on top.
        unsafe {
            ffi::lua_setfenv(self.state(), place);
        }
    }
}

/// # Safety
/// Lua calls it, as a writer, with the bytes that are put together.
unsafe extern "C-unwind" fn write(
    _state: *mut ffi::lua_State,
    piece: *const c_void,
    len: usize,
    bytes: *mut c_void,
) -> c_int {
    // SAFETY: by the contract. An empty piece may be null.
    unsafe {
        let bytes = &mut *bytes.cast::<Vec<u8>>();
        if bytes.len() + len > BYTES_MAX {
            return 1;
        }
        if len > 0 {
            bytes.extend_from_slice(std::slice::from_raw_parts(piece.cast(), len));
        }
        0
    }
}

fn read(bytes: &[u8]) -> Option<Abilities> {
    let mut reader = Reader {
        rest: bytes.strip_prefix(HEAD)?,
        sets_globals: false,
        goes_back: false,
        instructions: 0,
        passes_keys_on: false,
        passes_args_on: false,
        passes_libraries_on: false,
    };
    reader.function(DEPTH_MAX)?;
    let runs_long = reader.goes_back || reader.instructions > INSTRUCTIONS_MAX;
    reader.rest.is_empty().then_some(Abilities {
        sets_globals: reader.sets_globals,
        runs_long,
        only_reads_keys: !reader.passes_keys_on,
        only_reads_args: !reader.passes_args_on,
        only_reads_libraries: !reader.passes_libraries_on,
    })
}

struct Reader<'a> {
    rest: &'a [u8],
    sets_globals: bool,
    /// There is a loop of who knows how many turns, or a function that may be called many times.
    goes_back: bool,
    /// How many are run at most if nothing goes back.
    instructions: u32,
    passes_keys_on: bool,
    passes_args_on: bool,
    passes_libraries_on: bool,
}

impl<'a> Reader<'a> {
    fn take<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    /// A string, with the zero that ends it.
    fn string(&mut self) -> Option<&'a [u8]> {
        let len = self.take().map(u64::from_le_bytes)?;
        self.bytes(usize::try_from(len).ok()?)
    }

    fn function(&mut self, depth: u32) -> Option<()> {
        self.string()?;
        // Its first and last line, and four bytes of counts.
        self.bytes(12)?;
        let instructions = self.number()?;
        let code = self.bytes(instructions as usize * 4)?;
        let constants = self.number()?;
        let mut numbers = Vec::new();
        for constant in 0..constants {
            let [kind] = self.take()?;
            let mut number = None;
            match kind {
                0 => {}
                1 => drop(self.bytes(1)?),
                3 => number = Some(f64::from_le_bytes(self.take()?)),
                4 => {
                    let name = self.string()?;
                    self.note_name(name, code, constant);
                }
                _ => return None,
            }
            numbers.push(number);
        }
        self.note_code(code, &numbers);
        for _ in 0..self.number()? {
            self.function(depth.checked_sub(1)?)?;
        }
        let lines = self.number()?;
        self.bytes(lines as usize * 4)?;
        for _ in 0..self.number()? {
            self.string()?;
            self.bytes(8)?;
        }
        for _ in 0..self.number()? {
            self.string()?;
        }
        Some(())
    }
}

impl Reader<'_> {
    /// Notes what becomes of the global of this name, which is a constant of the code.
    fn note_name(&mut self, name: &[u8], code: &[u8], constant: u32) {
        let Some((&0, name)) = name.split_last() else { return };
        match name {
            b"KEYS" => self.passes_keys_on |= passes_on(code, constant, &[GETTABLE, LEN]),
            b"ARGV" => self.passes_args_on |= passes_on(code, constant, &[GETTABLE, LEN]),
            _ if LIBRARIES.contains(&name) => self.passes_libraries_on |= passes_on(code, constant, &[GETTABLE]),
            _ => {}
        }
    }

    /// Notes what the code changes, and counts what it runs.
    fn note_code(&mut self, code: &[u8], numbers: &[Option<f64>]) {
        let code: Vec<Instruction> = words(code).collect();
        let jumped_to = jumped_to(&code);
        // The loops that the instruction is in: where each ends, and how often what is in it is run.
        let mut loops: Vec<(usize, u32)> = Vec::new();
        for (at, instruction) in code.iter().enumerate() {
            let times = loops.last().map_or(1, |(_, times)| *times);
            self.instructions = self.instructions.saturating_add(times);
            match instruction.operation() {
                SETGLOBAL => self.sets_globals = true,
                JMP => self.goes_back |= instruction.jump() < 0,
                FORPREP => match turns(&code, at, &jumped_to, numbers) {
                    Some((turns, end)) => loops.push((end, times.saturating_mul(turns + 1))),
                    None => self.goes_back = true,
                },
                // The end of the innermost loop; of one that was not understood it is noted already.
                FORLOOP => drop(loops.pop_if(|(end, _)| *end == at)),
                CLOSURE => self.goes_back = true,
                _ => {}
            }
        }
    }
}

/// One instruction of Lua 5.1.
#[derive(Clone, Copy)]
struct Instruction(u32);

impl Instruction {
    fn operation(self) -> u32 {
        self.0 & 0x3F
    }

    fn a(self) -> u32 {
        self.0 >> 6 & 0xFF
    }

    fn b(self) -> u32 {
        self.0 >> 23
    }

    fn c(self) -> u32 {
        self.0 >> 14 & 0x1FF
    }

    /// The number of a constant.
    fn bx(self) -> u32 {
        self.0 >> 14
    }

    /// How far it jumps from the one behind it.
    fn jump(self) -> i64 {
        i64::from(self.bx()) - 0x1_FFFF
    }
}

fn words(code: &[u8]) -> impl Iterator<Item = Instruction> {
    code.as_chunks().0.iter().map(|bytes| Instruction(u32::from_le_bytes(*bytes)))
}

/// Whether anything becomes of the global whose name is this constant but that one of `reads` (an element of it is taken, or its
/// length) follows at once, and puts what it has read in the place of the global itself: after that nothing has it.
fn passes_on(code: &[u8], name: u32, reads: &[u32]) -> bool {
    let gets = |word: Instruction| word.operation() == GETGLOBAL && word.bx() == name;
    let next = words(code).skip(1).chain([Instruction(0)]);
    words(code).zip(next).any(|(word, next)| {
        let is_read = reads.contains(&next.operation()) && next.a() == word.a() && next.b() == word.a();
        gets(word) && !is_read
    })
}

/// For each instruction whether another one jumps to it.
fn jumped_to(code: &[Instruction]) -> Vec<bool> {
    let mut jumped_to = vec![false; code.len()];
    for (from, instruction) in code.iter().enumerate() {
        let to = match instruction.operation() {
            JMP | FORLOOP | FORPREP => target(from, *instruction),
            LOADBOOL if instruction.c() != 0 => Some(from + 2),
            _ => None,
        };
        if let Some(is_jumped_to) = to.and_then(|to| jumped_to.get_mut(to)) {
            *is_jumped_to = true;
        }
    }
    jumped_to
}

/// The turns that a numeric loop takes whose bounds are whole constants, and where it ends. It begins at `at`. Its variables are
/// out of reach for the script, which gets a copy.
fn turns(code: &[Instruction], at: usize, jumped_to: &[bool], numbers: &[Option<f64>]) -> Option<(u32, usize)> {
    let prepare = *code.get(at)?;
    let end = target(at, prepare)?;
    let is_loop = end > at && code.get(end).is_some_and(|last| last.operation() == FORLOOP && last.a() == prepare.a());
    // What is right before it sets its variables, unless something jumps there.
    let bounds_at = at.checked_sub(3)?;
    if !is_loop || jumped_to[bounds_at + 1..=at].contains(&true) {
        return None;
    }
    let bound = |number: usize| {
        let load = code[bounds_at + number];
        if load.operation() != LOADK || load.a() != prepare.a() + number as u32 {
            return None;
        }
        let value = (*numbers.get(load.bx() as usize)?)?;
        (value.fract() == 0.0 && value.abs() <= f64::from(INSTRUCTIONS_MAX)).then_some(value as i64)
    };
    let (first, last, step) = (bound(0)?, bound(1)?, bound(2)?);
    let way = if step < 0 { first - last } else { last - first };
    // By no step it never ends.
    let steps = way.checked_div(step.abs())?;
    let turns = if way < 0 { 0 } else { steps + 1 };
    Some((u32::try_from(turns).ok()?, end))
}

/// Where an instruction at `from` jumps to.
fn target(from: usize, instruction: Instruction) -> Option<usize> {
    usize::try_from(from as i64 + 1 + instruction.jump()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Lua;
    use super::*;

    fn of(text: &str) -> (bool, bool) {
        let mut lua = Lua::new(1 << 20).expect("an interpreter");
        let mut call = lua.enter();
        call.load(text.as_bytes(), c"@test").expect("a chunk");
        let Abilities { sets_globals, runs_long, .. } = call.abilities();
        (sets_globals, runs_long)
    }

    fn only_reads(text: &str) -> (bool, bool) {
        let mut lua = Lua::new(1 << 20).expect("an interpreter");
        let mut call = lua.enter();
        call.load(text.as_bytes(), c"@test").expect("a chunk");
        let Abilities { only_reads_keys, only_reads_args, .. } = call.abilities();
        (only_reads_keys, only_reads_args)
    }

    #[test]
    fn what_changes_globals_is_seen_wherever_it_is() {
        for text in [
            "x = 1",
            "local t = {} t.y, x = 1, 2",
            "local function f() return function() x = nil end end",
            "function f() end",
        ] {
            assert!(of(text).0, "{text}");
        }
        for text in
            ["return x", "local x = 1 x = 2 return function() x = 3 end", "local t = {} t.x = 1 t[1] = x", "x.y = 1"]
        {
            assert!(!of(text).0, "{text}");
        }
    }

    #[test]
    fn what_only_goes_forward_is_short() {
        let long = "local a = 1 ".repeat(150) + &"a = a + b ".repeat(1250);
        for text in [
            "while true do end",
            "repeat until a",
            "for i = 1, x do end",
            "for i = x, 2 do end",
            "for i = 1, 2, x do end",
            "for i = '1', 2 do end",
            "for i = 1, 2, 0 do end",
            "for i = 2, 1, 0 do end",
            "for i = 1, 2, 0.5 do end",
            "for i = 1e300, 2e300 do end",
            "for i = 1, 1/0 do end",
            "for i = 1, 0/0 do end",
            "for i = 1, 3000 do end",
            "for i = -2000, 2000 do end",
            "for i = 1, 50 do for j = 1, 50 do end end",
            "for i = (x and 1 or 2), 3 do end",
            "for i = (x or 2), 3 do end",
            "for i = 1, (x or 3) do end",
            "for i = 1, 3, (x or 1) do end",
            "for i = 1, 2 do while x do end end",
            "for i = 1, 2 do for k in pairs(t) do end end",
            "for i = 1, 2 do for j = i, 3 do end end",
            "for k in pairs(t) do end",
            "local function f() end",
            "f(function() end)",
            &long,
        ] {
            assert!(of(text).1, "{text}");
        }
        for text in [
            "return 1",
            "return redis.call('GET', KEYS[1])",
            "if a then b() else c() end return a and b or c",
            "local t = {1, 2, 3, x = 1.5, [true] = false, y = nil} return t",
            "return [[long]] .. 'a' .. ...",
            "for i = 1, 2 do end",
            "for i = 3, 1, -1 do end for i = 1, -1000 do end",
            "for i = 1, 1000 do end",
            "for i = 1, 10 do for j = -5, 5, 2 do f(i, j) if x then break end end end",
            "local x = a or b for i = 1, 2 do if i == x then f(i) end end local y = x == 1 for i = 1, 2 do end",
        ] {
            assert!(!of(text).1, "{text}");
        }
    }

    #[test]
    fn a_list_is_only_read_where_nothing_but_an_element_or_its_length_is_taken() {
        for text in [
            "return 'KEYS' .. x.ARGV",
            "return redis.call('GET', KEYS[1])",
            "local a, b = KEYS[1], #ARGV return KEYS[a] .. ARGV[b]",
            "for i = 1, #KEYS do f(KEYS[i], tonumber(ARGV[i])) end",
            "local function f() return KEYS[2] end return {f, KEYS['x'], ARGV.y}",
            "if KEYS[1] == ARGV[1] and not ARGV[2] then return KEYS[1]:sub(1) end",
            "local KEYS, ARGV = {}, {} KEYS[1] = 1 return KEYS, ARGV",
        ] {
            assert_eq!(only_reads(text), (true, true), "{text}");
        }
        for text in [
            "return KEYS",
            "local k = KEYS return k[1]",
            "KEYS[1] = 1",
            "KEYS[KEYS] = KEYS[1]",
            "return f(KEYS)",
            "return unpack(KEYS)",
            "return {KEYS}",
            "x[KEYS] = 1",
            "x = KEYS",
            "return KEYS == x",
            "return KEYS()",
            "return KEYS:x()",
            "return -KEYS",
            "return not KEYS",
            "return KEYS .. 'x'",
            "return KEYS or x",
            "if KEYS then return 1 end",
            "for i in pairs(KEYS) do end",
            "return KEYS[KEYS]",
            // It is only read here, too, but not at once.
            "return KEYS[x + 1]",
            "local x = KEYS, 1",
            "local y local x = KEYS[1] y = KEYS",
            "return function() return function() return KEYS end end",
        ] {
            assert_eq!(only_reads(text), (false, true), "{text}");
            assert_eq!(only_reads(&text.replace("KEYS", "ARGV")), (true, false), "{text}");
        }
        let many: String = (0..300).map(|number| format!("f('{number}') ")).collect();
        assert_eq!(only_reads(&format!("{many} return KEYS")), (false, true));
        assert_eq!(only_reads(&format!("{many} return #KEYS")), (true, true));
    }

    #[test]
    fn a_library_is_only_read_where_nothing_but_a_field_is_taken() {
        let only_reads_libraries = |text: &str| {
            let mut lua = Lua::new(1 << 20).expect("an interpreter");
            let mut call = lua.enter();
            call.load(text.as_bytes(), c"@test").expect("a chunk");
            call.abilities().only_reads_libraries
        };
        for text in [
            "return 1",
            "return redis.call('GET', KEYS[1])",
            "local call, x = redis.call, 'x' return call(x, redis[x]) .. string.rep('redis', 2)",
            "local function f() return cjson.decode(server.REDIS_VERSION) end for i = 1, 2 do f(table.concat) end",
            "local redis = {} redis.x = 1 return redis",
            "return (x or table).concat",
            "return ('x'):rep(2) .. tostring(_G) .. tostring(x.redis)",
        ] {
            assert!(only_reads_libraries(text), "{text}");
        }
        for text in [
            "return redis",
            "local r = redis return r.call",
            "redis.x = 1",
            "redis[redis] = redis.x",
            "return redis:call()",
            "return #redis",
            "return f(math)",
            "return {string}",
            "x = bit",
            "return redis[x + 1]",
            "local function f() return server end",
            "for k in pairs(cjson) do end",
        ] {
            assert!(!only_reads_libraries(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_may_do_anything() {
        assert_eq!(read(b""), None);
        assert_eq!(read(HEAD), None);
        let huge = format!("return '{}'", "x".repeat(BYTES_MAX));
        let mut lua = Lua::new(64 << 20).expect("an interpreter");
        let mut call = lua.enter();
        call.load(huge.as_bytes(), c"@test").expect("a chunk");
        assert_eq!(call.abilities(), Abilities::ANY);
    }
}
