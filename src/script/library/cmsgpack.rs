//! The global `cmsgpack`: Lua's values to MessagePack and back (<https://msgpack.org>), of which binary and extended values
//! are not known.

use smallvec::SmallVec;

use super::document::{LONG_BYTES, Steps, keep_buffer, take_buffer};
use crate::script::lua::{Answer, Call, Function, Kind, Raise, Value, whole};

// In this order the names come when a script goes through the table.
const FUNCTIONS: &[(&str, Function)] =
    &[("pack", pack), ("unpack", unpack), ("unpack_one", unpack_one), ("unpack_limit", unpack_limit)];

const TEXTS: &[(&str, &str)] = &[
    ("_NAME", "cmsgpack"),
    ("_VERSION", "lua-cmsgpack 0.4.0"),
    ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
    ("_DESCRIPTION", "MessagePack C implementation for Lua"),
];

/// Tables within so many others are packed as nil.
const NESTING_MAX: usize = 16;

/// Puts the library among the globals.
pub fn install(call: &mut Call<'_>) {
    // Redis does not make room for the names beforehand, which shows in their order.
    call.push_table(0, 0);
    for (name, function) in FUNCTIONS {
        call.push_function(*function, 0);
        call.raw_set_field(-2, name);
    }
    for (name, text) in TEXTS {
        call.push_bytes(text);
        call.raw_set_field(-2, name);
    }
    call.raw_set_field(Call::GLOBALS, "cmsgpack");
}

fn pack(call: &mut Call<'_>) -> Answer {
    let args = call.args();
    if args == 0 {
        return Err(call.bad_argument(0, "MessagePack pack needs input."));
    }
    if !call.try_reserve(args) {
        return Err(call.bad_argument(0, "Too many arguments for MessagePack pack."));
    }
    let mut packer = Packer { out: take_buffer(call), open: SmallVec::new(), steps: Steps::default() };
    let mut result = Ok(1);
    for arg in 1..=args as i32 {
        call.push_copy(arg);
        result = packer.pack(call).map(|()| 1);
        if result.is_err() {
            break;
        }
    }
    result = result.and_then(|results| {
        call.check_room(packer.out.len())?;
        call.push_bytes(&packer.out);
        Ok(results)
    });
    keep_buffer(call, packer.out);
    result
}

struct Packer {
    out: Vec<u8>,
    /// The tables that are being packed, from the outermost in. Each is on the stack.
    open: SmallVec<[Open; NESTING_MAX]>,
    steps: Steps,
}

enum Open {
    List {
        packed: i32,
        len: i32,
    },
    /// The key that was packed last is above the table. Its value comes next if `has_value`, else the next key.
    Map {
        has_value: bool,
    },
}

impl Packer {
    /// Packs the value on top, and takes it away.
    fn pack(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        let mut is_opened = self.pack_value(call)?;
        loop {
            if !is_opened {
                call.pop(1);
            }
            let Some(open) = self.open.last_mut() else { return Ok(()) };
            let goes_on = match open {
                Open::List { packed, len } if packed == len => false,
                Open::List { packed, .. } => {
                    *packed += 1;
                    let index = *packed;
                    call.raw_get_index(-1, index);
                    true
                }
                Open::Map { has_value: true } => {
                    // The value was below its key, and is on top now.
                    *open = Open::Map { has_value: false };
                    true
                }
                Open::Map { has_value } => {
                    *has_value = call.next(-2);
                    if *has_value {
                        call.push_copy(-2);
                    }
                    *has_value
                }
            };
            is_opened = if goes_on {
                self.pack_value(call)?
            } else {
                self.open.pop();
                false
            };
        }
    }

    /// Packs the value on top. Returns whether it is a table, of which only the head is there.
    fn pack_value(&mut self, call: &mut Call<'_>) -> Result<bool, Raise> {
        self.steps.step(call, self.out.len())?;
        match call.value(-1) {
            Value::Bytes(bytes) => {
                let len = bytes.len();
                if len > LONG_BYTES {
                    call.poll()?;
                    call.check_room(2 * (self.out.len() + len))?;
                }
                self.head(len, (0xa0, 31), &[(0xd9, 1), (0xda, 2), (0xdb, 4)]);
                self.out.extend_from_slice(call.bytes(-1).unwrap_or_default());
            }
            Value::Boolean(value) => self.out.push(if value { 0xc3 } else { 0xc2 }),
            Value::Number(number) => self.pack_number(number),
            Value::Other(Kind::Table) if self.open.len() < NESTING_MAX => {
                self.open_table(call)?;
                return Ok(true);
            }
            Value::Nil | Value::Other(_) => self.out.push(0xc0),
        }
        Ok(false)
    }

    /// A number in the byte of a kind, if it is small enough for that, or behind a byte of the first of the other kinds,
    /// each with a size, that has room for it.
    fn head(&mut self, number: usize, (small, small_max): (u8, usize), others: &[(u8, usize)]) {
        if number <= small_max {
            self.out.push(small | number as u8);
            return;
        }
        let bytes = number.to_be_bytes();
        let fits = |(_, size): &&(u8, usize)| number >> (8 * size) == 0;
        if let Some((kind, size)) = others.iter().find(fits).or(others.last()) {
            self.out.push(*kind);
            self.out.extend_from_slice(&bytes[bytes.len() - size..]);
        }
    }

    fn pack_number(&mut self, number: f64) {
        let integer = whole(number);
        if integer as f64 == number {
            self.pack_integer(integer);
        } else if f64::from(number as f32) == number {
            self.out.push(0xca);
            self.out.extend_from_slice(&(number as f32).to_be_bytes());
        } else {
            self.out.push(0xcb);
            self.out.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn pack_integer(&mut self, number: i64) {
        let bytes = number.to_be_bytes();
        let (kind, size) = match number {
            -32..=127 => (None, 1),
            128..=0xff => (Some(0xcc), 1),
            0x100..=0xffff => (Some(0xcd), 2),
            0x1_0000..=0xffff_ffff => (Some(0xce), 4),
            0x1_0000_0000.. => (Some(0xcf), 8),
            -0x80..-32 => (Some(0xd0), 1),
            -0x8000..-0x80 => (Some(0xd1), 2),
            -0x8000_0000..-0x8000 => (Some(0xd2), 4),
            _ => (Some(0xd3), 8),
        };
        self.out.extend(kind);
        self.out.extend_from_slice(&bytes[8 - size..]);
    }

    /// Packs the head of the table on top.
    fn open_table(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        call.reserve(4)?;
        if self.is_list(call)? {
            let len = call.len(-1);
            self.head(len, (0x90, 15), &[(0xdc, 2), (0xdd, 4)]);
            self.open.push(Open::List { packed: 0, len: len as i32 });
            return Ok(());
        }
        let mut len = 0;
        call.push_nil();
        while call.next(-2) {
            call.pop(1);
            len += 1;
            self.steps.step(call, self.out.len())?;
        }
        self.head(len, (0x80, 15), &[(0xde, 2), (0xdf, 4)]);
        call.push_nil();
        self.open.push(Open::Map { has_value: false });
        Ok(())
    }

    /// Whether the keys of the table on top are the numbers from 1 to some other, without a hole.
    fn is_list(&mut self, call: &mut Call<'_>) -> Result<bool, Raise> {
        let (mut count, mut max) = (0, 0.0);
        call.push_nil();
        while call.next(-2) {
            call.pop(1);
            match call.value(-1) {
                Value::Number(key) if key >= 1.0 && key <= f64::from(i32::MAX) && key.floor() == key => {
                    max = key.max(max);
                    count += 1;
                }
                _ => {
                    call.pop(1);
                    return Ok(false);
                }
            }
            self.steps.step(call, self.out.len())?;
        }
        Ok(max == f64::from(count))
    }
}

fn unpack(call: &mut Call<'_>) -> Answer {
    unpack_from(call, 0, 0)
}

fn unpack_one(call: &mut Call<'_>) -> Answer {
    let offset = call.integer_or(2, 0)?;
    call.keep_args(1);
    unpack_from(call, 1, offset)
}

fn unpack_limit(call: &mut Call<'_>) -> Answer {
    let limit = call.check_integer(2)?;
    let offset = call.integer_or(3, 0)?;
    call.keep_args(1);
    unpack_from(call, limit, offset)
}

/// Unpacks `limit` values from `offset` on, and returns where the next is before them: -1 for nowhere. If both are zero,
/// it unpacks all, and returns only them. Other arguments than the document are no longer on the stack, as in Redis: how deep
/// a document may be depends on the places that are left.
fn unpack_from(call: &mut Call<'_>, limit: i64, offset: i64) -> Answer {
    let bytes = call.check_bytes(1)?;
    if offset < 0 || limit < 0 {
        // The length is named as the limit, as in Redis.
        let (offset, len) = (offset as i32, bytes.len() as i32);
        return Err(call.error(format!("Invalid request to unpack with offset of {offset} and limit of {len}.")));
    }
    let Some(rest) = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)) else {
        let (offset, len) = (offset as i32, bytes.len() as i32);
        return Err(call.error(format!("Start offset {offset} greater than input length {len}.")));
    };
    let all = limit == 0 && offset == 0;
    let limit = if all { i32::MAX.into() } else { limit };
    let mut unpacker = Unpacker { rest, open: SmallVec::new(), steps: Steps::default() };
    let mut count = 0;
    while !unpacker.rest.is_empty() && count < limit {
        unpacker.unpack(call)?;
        count += 1;
    }
    if all {
        return Ok(count as usize);
    }
    if !call.try_reserve(1) {
        return Err(fail(call, "stack overflow (in function mp_unpack_full)"));
    }
    let next = if unpacker.rest.is_empty() { -1 } else { (bytes.len() - unpacker.rest.len()) as i64 };
    call.push_number(next as f64);
    call.insert(-1 - count as i32);
    Ok(count as usize + 1)
}

struct Unpacker<'a> {
    rest: &'a [u8],
    /// What is being unpacked, from the outermost in. Its table is on the stack, and above it the key of what comes next.
    open: SmallVec<[Within; 16]>,
    steps: Steps,
}

enum Within {
    List { index: u32, left: u32 },
    Map { left: u32, is_key: bool },
}

impl<'a> Unpacker<'a> {
    /// Pushes one whole value.
    fn unpack(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        loop {
            self.begin_value(call)?;
            // What has no values left is whole, and so may be what it is in.
            loop {
                match self.open.last_mut() {
                    None => return Ok(()),
                    Some(Within::List { left: 0, .. } | Within::Map { left: 0, is_key: true }) => {}
                    Some(Within::List { index, .. }) => {
                        *index += 1;
                        call.push_number((*index).into());
                        break;
                    }
                    Some(Within::Map { .. }) => break,
                }
                self.open.pop();
                self.put(call)?;
            }
        }
    }

    /// Puts the whole value on top into what it is in.
    fn put(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        match self.open.last_mut() {
            None => Ok(()),
            Some(Within::List { left, .. }) => {
                *left -= 1;
                call.raw_set(-3)
            }
            Some(Within::Map { is_key: is_key @ true, .. }) => {
                *is_key = false;
                Ok(())
            }
            Some(Within::Map { left, is_key }) => {
                *is_key = true;
                *left -= 1;
                let text = match call.value(-2) {
                    Value::Nil => "table index is nil",
                    Value::Number(key) if key.is_nan() => "table index is NaN",
                    _ => return call.raw_set(-3),
                };
                // Lua itself says so, without a place.
                call.set_top(0);
                call.push_bytes(text);
                Err(call.raise())
            }
        }
    }

    /// Pushes a value, and puts it where it belongs if it is whole.
    fn begin_value(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        let Some(&kind) = self.rest.first() else { return Err(missing(call)) };
        if !call.try_reserve(1) {
            let text = "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";
            return Err(fail(call, text));
        }
        self.steps.step(call, 0)?;
        match kind {
            0x00..=0x7f | 0xe0..=0xff => {
                self.rest = &self.rest[1..];
                call.push_number((kind as i8).into());
            }
            0xa0..=0xbf => self.push_string(call, 1, usize::from(kind & 0x1f))?,
            0xd9..=0xdb => {
                let size = 1 << (kind - 0xd9);
                let len = self.number(call, size)?;
                self.push_string(call, 1 + size, len as usize)?;
            }
            0x90..=0x9f => {
                self.rest = &self.rest[1..];
                return self.open_list(call, u32::from(kind & 15));
            }
            0x80..=0x8f => {
                self.rest = &self.rest[1..];
                return self.open_map(call, u32::from(kind & 15));
            }
            0xdc..=0xdf => {
                let size = if matches!(kind, 0xdc | 0xde) { 2 } else { 4 };
                let len = self.number(call, size)? as u32;
                self.rest = &self.rest[1 + size..];
                return if kind < 0xde { self.open_list(call, len) } else { self.open_map(call, len) };
            }
            _ => self.push_simple(call, kind)?,
        }
        self.put(call)
    }

    /// Pushes a value that is all in its kind, or a number behind it.
    fn push_simple(&mut self, call: &mut Call<'_>, kind: u8) -> Result<(), Raise> {
        let size = match kind {
            0xc0 | 0xc2 | 0xc3 => 0,
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 => 2,
            0xca | 0xce | 0xd2 => 4,
            0xcb | 0xcf | 0xd3 => 8,
            _ => return Err(fail(call, "Bad data format in input.")),
        };
        let number = self.number(call, size)?;
        self.rest = &self.rest[1 + size..];
        match kind {
            0xc0 => call.push_nil(),
            0xc2 => call.push_boolean(false),
            0xc3 => call.push_boolean(true),
            0xca => call.push_number(f32::from_bits(number as u32).into()),
            0xcb => call.push_number(f64::from_bits(number)),
            0xd0 => call.push_number((number as i8).into()),
            0xd1 => call.push_number((number as i16).into()),
            0xd2 => call.push_number((number as i32).into()),
            // The largest are negative, as in Redis.
            _ => call.push_number(number as i64 as f64),
        }
        Ok(())
    }

    /// The number of `size` bytes behind the kind.
    fn number(&self, call: &mut Call<'_>, size: usize) -> Result<u64, Raise> {
        match self.rest.get(1..=size) {
            Some(bytes) => Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
            None => Err(missing(call)),
        }
    }

    fn push_string(&mut self, call: &mut Call<'_>, head: usize, len: usize) -> Result<(), Raise> {
        let Some(bytes) = self.rest[head..].get(..len) else { return Err(missing(call)) };
        if len > LONG_BYTES {
            call.poll()?;
            call.check_room(len)?;
        }
        call.push_bytes(bytes);
        self.rest = &self.rest[head + len..];
        Ok(())
    }

    fn open_list(&mut self, call: &mut Call<'_>, len: u32) -> Result<(), Raise> {
        call.push_table(0, 0);
        if !call.try_reserve(1) {
            return Err(fail(call, "stack overflow (in function mp_decode_to_lua_array)"));
        }
        self.open.push(Within::List { index: 0, left: len });
        Ok(())
    }

    fn open_map(&mut self, call: &mut Call<'_>, len: u32) -> Result<(), Raise> {
        call.push_table(0, 0);
        self.open.push(Within::Map { left: len, is_key: true });
        Ok(())
    }
}

fn missing(call: &mut Call<'_>) -> Raise {
    fail(call, "Missing bytes in input.")
}

/// An error where the stack may be full: what is there above the arguments goes.
fn fail(call: &mut Call<'_>, text: &str) -> Raise {
    call.set_top(0);
    call.error(text)
}

#[cfg(test)]
mod tests {
    use crate::script::testing::{Interpreter, attempt, run};

    /// What `cmsgpack.pack` returns, in hexadecimal.
    fn packed(args: &str) -> String {
        let bytes = Interpreter::new().run_bytes(format!("return cmsgpack.pack({args})").as_bytes(), &[]);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What unpacking these bytes gives, as JSON, or the error.
    fn unpacked(hex: &str) -> String {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("digits")).collect();
        let script =
            b"local ok, text = pcall(function() return cjson.encode({cmsgpack.unpack(ARGV[1])}) end) return text";
        let reply = Interpreter::new().run_bytes(script, &[&bytes]);
        String::from_utf8_lossy(&reply).replace("user_script:1: ", "")
    }

    #[test]
    fn its_names_come_in_the_order_of_redis() {
        let names = "local names = {} for name in pairs(cmsgpack) do names[#names + 1] = name end return table.concat(names, ' ')";
        assert_eq!(run(names), "_DESCRIPTION pack _NAME unpack _COPYRIGHT _VERSION unpack_one unpack_limit");
    }

    #[test]
    fn values_are_packed_as_redis_packs_them() {
        for (args, hex) in [
            ("0, 127, 128, 255, 256", "007fcc80ccffcd0100"),
            ("65535, 65536, 4294967295, 4294967296", "cdffffce00010000ceffffffffcf0000000100000000"),
            ("-1, -32, -33, -128, -129", "ffe0d0dfd080d1ff7f"),
            ("-32768, -32769, -2147483649", "d18000d2ffff7fffd3ffffffff7fffffff"),
            ("2^63, -2^63, 2^53", "ca5f000000d38000000000000000cf0020000000000000"),
            ("1.5, 0.1, 1/0, -1/0, -0", "ca3fc00000cb3fb999999999999aca7f800000caff80000000"),
            ("0/0", "cbfff8000000000000"),
            ("nil, true, false, tostring, cjson.null", "c0c3c2c0c0"),
            ("'', 'abc'", "a0a3616263"),
            ("{}, {1, 2}, {1, nil, 3}", "909201028201010303"),
            ("{a = 1}, {[2] = 1}, {[1.5] = true}, {[0] = 1}", "81a1610181020181ca3fc00000c3810001"),
            ("{{{}}}, {[{}] = {}}", "919190819090"),
        ] {
            assert_eq!(packed(args), hex, "{args}");
        }
        let lengths = "local r = {} for _, n in ipairs({31, 32, 255, 256, 65535, 65536}) do \
                       r[#r + 1] = #cmsgpack.pack(string.rep('x', n)) - n end return table.concat(r, ' ')";
        assert_eq!(run(lengths), "1 2 2 3 3 5");
        let endless = "local t = {} t[1] = t return cmsgpack.pack(t) == string.rep('\\145', 16) .. '\\192'";
        assert_eq!(run(endless), ":1");
    }

    #[test]
    fn values_are_unpacked_as_redis_unpacks_them() {
        for (hex, json) in [
            ("", "{}"),
            ("00ff7fe0", "[0,-1,127,-32]"),
            ("ccffd0ffcdffffd1ffff", "[255,-1,65535,-1]"),
            ("ceffffffffd2ffffffff", "[4294967295,-1]"),
            ("cfffffffffffffffffd38000000000000000", "[-1,-9.2233720368548e+18]"),
            ("ca3fc00000cb3fb999999999999a", "[1.5,0.1]"),
            ("c2c3", "[false,true]"),
            ("a3616263d90161da000161db0000000161", r#"["abc","a","a","a"]"#),
            ("9201029093c0c0c0", r#"[[1,2],{},{}]"#),
            ("dc000101dd0000000102", "[[1],[2]]"),
            ("81a16101de0001a16101df00000001a16101", r#"[{"a":1},{"a":1},{"a":1}]"#),
            ("9191919190", "[[[[[{}]]]]]"),
            ("c1", "Bad data format in input."),
            ("c400", "Bad data format in input."),
            ("d40000", "Bad data format in input."),
            ("91", "Missing bytes in input."),
            ("9201", "Missing bytes in input."),
            ("81a161", "Missing bytes in input."),
            ("cc", "Missing bytes in input."),
            ("cb00000000000000", "Missing bytes in input."),
            ("a3", "Missing bytes in input."),
            ("dbffffffff", "Missing bytes in input."),
            ("ddffffffff", "Missing bytes in input."),
            ("81c001", "table index is nil"),
            ("81cbfff800000000000001", "table index is NaN"),
        ] {
            assert_eq!(unpacked(hex), json, "{hex}");
        }
    }

    #[test]
    fn a_part_is_unpacked_with_the_place_of_the_next() {
        for (call, result) in [
            ("table.concat({cmsgpack.unpack_one('\\1\\2\\3')}, ' ')", "1 1"),
            ("table.concat({cmsgpack.unpack_one('\\1\\2\\3', 2)}, ' ')", "-1 3"),
            ("table.concat({cmsgpack.unpack_one('\\1\\2\\3', 3)}, ' ')", "-1"),
            ("table.concat({cmsgpack.unpack_limit('\\1\\2\\3', 2)}, ' ')", "2 1 2"),
            ("table.concat({cmsgpack.unpack_limit('\\1\\2\\3', 2, 1)}, ' ')", "-1 2 3"),
            ("table.concat({cmsgpack.unpack_limit('\\1\\2\\3', 0)}, ' ')", "1 2 3"),
            ("table.concat({cmsgpack.unpack_limit('\\1\\2\\3', 0, 1)}, ' ')", "1"),
            ("cmsgpack.unpack_one('\\1', 2)", "Start offset 2 greater than input length 1."),
            ("cmsgpack.unpack_one('\\1', -1)", "Invalid request to unpack with offset of -1 and limit of 1."),
            ("cmsgpack.unpack_limit('\\1', -5)", "Invalid request to unpack with offset of 0 and limit of 1."),
            ("cmsgpack.unpack_limit('\\1')", "bad argument #2 to 'unpack_limit' (number expected, got no value)"),
            ("cmsgpack.unpack()", "bad argument #1 to 'unpack' (string expected, got no value)"),
            ("cmsgpack.unpack_one({})", "bad argument #1 to 'unpack_one' (string expected, got table)"),
            ("cmsgpack.pack()", "bad argument #0 to 'pack' (MessagePack pack needs input.)"),
        ] {
            assert_eq!(attempt(call), result, "{call}");
        }
    }

    #[test]
    fn arguments_behind_the_document_do_not_count_for_how_deep_it_may_be() {
        let nested =
            |call: &str| attempt(&format!("cmsgpack.{}", call.replace("DOCUMENT", "string.rep('\\145', 6000)")));
        for call in [
            "unpack(DOCUMENT)",
            "unpack_one(DOCUMENT, 0)",
            "unpack_one(DOCUMENT, 0, 1)",
            "unpack_limit(DOCUMENT, 1)",
            "unpack_limit(DOCUMENT, 1, 0, 4, 5)",
        ] {
            assert_eq!(nested(call), "stack overflow (in function mp_decode_to_lua_array)", "{call}");
        }
        // Redis has `unpack` keep them.
        assert!(nested("unpack(DOCUMENT, 0)").starts_with("stack overflow (too many return values at once"));
    }

    #[test]
    fn nesting_memory_and_time_are_bounded() {
        let script = b"local ok, text = pcall(cmsgpack.unpack, ARGV[1]) return text";
        let mut interpreter = Interpreter::with_limit(8 << 20);
        let text = interpreter.run_bytes(script, &[&b"\x91".repeat(100_000)]);
        assert!(text.starts_with(b"stack overflow"), "{}", String::from_utf8_lossy(&text));
        let text = interpreter.run_bytes(script, &[&b"\x01".repeat(100_000)]);
        assert!(
            text.starts_with(b"stack overflow (too many return values at once"),
            "{}",
            String::from_utf8_lossy(&text)
        );
        let many = [b"\xdd\x00\x10\x00\x00".to_vec(), b"\x90".repeat(1 << 20)].concat();
        let reply = interpreter.run_bytes(b"return #cmsgpack.unpack(ARGV[1])", &[&many]);
        assert!(String::from_utf8_lossy(&reply).contains("not enough memory"));
        assert_eq!(interpreter.run("return #cmsgpack.pack({1, 2})"), ":3");
        interpreter.server.polls_left = 3;
        let many = [b"\xdd\x00\x10\x00\x00".to_vec(), b"\x01".repeat(1 << 20)].concat();
        let reply = interpreter.run_bytes(b"return #cmsgpack.unpack(ARGV[1])", &[&many]);
        assert!(reply.starts_with(b"-") && interpreter.server.polls_left == 0);
    }
}
