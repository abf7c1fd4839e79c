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
}

impl Abilities {
    const ANY: Self = Self { sets_globals: true, runs_long: true, only_reads_keys: false, only_reads_args: false };
}

/// Bytecode begins so: Lua 5.1 on a machine of 64 bits whose numbers begin with the low byte.
const HEAD: &[u8] = b"\x1bLua\x51\0\x01\x04\x08\x04\x08\0";

/// Larger bytecode is not looked at.
const BYTES_MAX: usize = 1 << 20;

/// A chunk that only goes forward runs this many instructions at most, if it is to count as short.
const INSTRUCTIONS_MAX: u32 = 1000;

/// Functions within functions are looked at to this depth.
const DEPTH_MAX: u32 = 200;

const GETGLOBAL: u32 = 5;
const GETTABLE: u32 = 6;
const SETGLOBAL: u32 = 7;
const LEN: u32 = 20;
const JMP: u32 = 22;
const FORLOOP: u32 = 31;
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
    };
    reader.function(DEPTH_MAX)?;
    let runs_long = reader.goes_back || reader.instructions > INSTRUCTIONS_MAX;
    reader.rest.is_empty().then_some(Abilities {
        sets_globals: reader.sets_globals,
        runs_long,
        only_reads_keys: !reader.passes_keys_on,
        only_reads_args: !reader.passes_args_on,
    })
}

struct Reader<'a> {
    rest: &'a [u8],
    sets_globals: bool,
    /// There is a loop, or a function that may be called many times.
    goes_back: bool,
    instructions: u32,
    passes_keys_on: bool,
    passes_args_on: bool,
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
        self.instructions = self.instructions.saturating_add(instructions);
        for instruction in words(code) {
            match instruction & 0x3F {
                SETGLOBAL => self.sets_globals = true,
                // How far it jumps is what it holds less this.
                JMP => self.goes_back |= instruction >> 14 < 0x1_FFFF,
                FORLOOP | CLOSURE => self.goes_back = true,
                _ => {}
            }
        }
        for constant in 0..self.number()? {
            let [kind] = self.take()?;
            match kind {
                0 => {}
                1 => drop(self.bytes(1)?),
                3 => drop(self.bytes(8)?),
                4 => match self.string()? {
                    b"KEYS\0" => self.passes_keys_on |= passes_on(code, constant),
                    b"ARGV\0" => self.passes_args_on |= passes_on(code, constant),
                    _ => {}
                },
                _ => return None,
            }
        }
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

fn words(code: &[u8]) -> impl Iterator<Item = u32> {
    code.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Whether anything becomes of the global whose name is this constant but that an element of it, or its length, is taken at
/// once, in the place of the global itself: after that instruction nothing has it.
fn passes_on(code: &[u8], name: u32) -> bool {
    let (operation, a, b) = (|word: u32| word & 0x3F, |word: u32| word >> 6 & 0xFF, |word: u32| word >> 23);
    let gets = |word: u32| operation(word) == GETGLOBAL && word >> 14 == name;
    let next = words(code).skip(1).chain([0]);
    words(code).zip(next).any(|(word, next)| {
        let is_read = matches!(operation(next), GETTABLE | LEN) && a(next) == a(word) && b(next) == a(word);
        gets(word) && !is_read
    })
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
        let long = "local a = 1 ".repeat(150) + &"a = a + b ".repeat(1000);
        for text in [
            "while true do end",
            "repeat until a",
            "for i = 1, 2 do end",
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
