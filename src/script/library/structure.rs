//! The global `struct`: numbers and strings laid out in bytes as C does (<https://www.inf.puc-rio.br/~roberto/struct/>).

use std::borrow::Cow;

use crate::script::lua::{Answer, Call, Function, Kind, Raise, whole};

// In this order the names come when a script goes through the table.
pub const FUNCTIONS: &[(&str, Function)] = &[("pack", pack), ("unpack", unpack), ("size", size)];

/// An integer has so many bytes at most.
const INTEGER_BYTES_MAX: usize = 32;

const ALIGN_DEFAULT: usize = 8;

/// After so many options the server is asked whether to go on.
const OPTIONS_PER_POLL: u32 = 4096;

/// A format that is read from left to right.
struct Format<'a> {
    rest: &'a [u8],
    is_big_endian: bool,
    align: usize,
    read: u32,
}

impl<'a> Format<'a> {
    /// As C does, it ends at the first zero.
    fn new(text: &'a [u8]) -> Self {
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        Self { rest: &text[..end], is_big_endian: false, align: 1, read: 0 }
    }

    /// The next option and the bytes that it takes.
    fn next(&mut self, call: &mut Call<'_>) -> Result<Option<(u8, usize)>, Raise> {
        let Some((&option, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        self.read += 1;
        if self.read.is_multiple_of(OPTIONS_PER_POLL) {
            call.poll()?;
        }
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'f' => 4,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'c' => self.number(call, 1)?,
            b'i' | b'I' => match self.number(call, 4)? {
                size @ 0..=INTEGER_BYTES_MAX => size,
                size => {
                    let text = format!("integral size {size} is larger than limit of {INTEGER_BYTES_MAX}");
                    return Err(call.error(text));
                }
            },
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    /// The digits in front as a number, or the default if there are none.
    fn number(&mut self, call: &mut Call<'_>, default: usize) -> Result<usize, Raise> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let (digits, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let add = |number: i32, digit: &u8| number.checked_mul(10)?.checked_add(i32::from(digit - b'0'));
        match digits.iter().try_fold(0, add) {
            Some(number) => Ok(number as usize),
            None => Err(call.error("integral size overflow")),
        }
    }

    /// The bytes to be left out at `position`, so that what follows is aligned.
    fn gap(&self, option: u8, size: usize, position: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        // A size that is no power of two gives odd gaps, and always the same.
        let size = size.min(self.align);
        size.wrapping_sub(position & (size - 1)) & (size - 1)
    }

    /// Takes an option that is no value but says how those to come are laid out.
    fn control(&mut self, call: &mut Call<'_>, option: u8) -> Result<(), Raise> {
        match option {
            b' ' => {}
            b'>' => self.is_big_endian = true,
            b'<' => self.is_big_endian = false,
            b'!' => match self.number(call, ALIGN_DEFAULT)? {
                align if align.is_power_of_two() => self.align = align,
                align => return Err(call.error(format!("alignment {align} is not a power of 2"))),
            },
            _ => return Err(call.bad_argument(1, [b"invalid format option '", &[option][..], b"'"].concat())),
        }
        Ok(())
    }

    /// Puts the bytes of a value, that of lowest value first, in the order that is asked for, or back.
    fn order(&self, bytes: &mut [u8]) {
        if self.is_big_endian {
            bytes.reverse();
        }
    }
}

fn pack(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    let mut format = Format::new(&text);
    let mut out = Vec::new();
    let mut arg = 2;
    while let Some((option, size)) = format.next(call)? {
        let gap = format.gap(option, size, out.len());
        out.resize(out.len() + gap, 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let mut bytes = [0; INTEGER_BYTES_MAX];
                bytes[..8].copy_from_slice(&integer_bits(number(call, arg)?).to_le_bytes());
                format.order(&mut bytes[..size]);
                out.extend_from_slice(&bytes[..size]);
                arg += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let mut bytes = (number(call, arg)? as f32).to_le_bytes();
                format.order(&mut bytes);
                out.extend_from_slice(&bytes);
                arg += 1;
            }
            b'd' => {
                let mut bytes = number(call, arg)?.to_le_bytes();
                format.order(&mut bytes);
                out.extend_from_slice(&bytes);
                arg += 1;
            }
            b'c' | b's' => {
                let bytes = string(call, arg)?;
                arg += 1;
                let size = if size == 0 { bytes.len() } else { size };
                let Some(bytes) = bytes.get(..size) else {
                    // The number is that of the next argument, as in Redis.
                    return Err(call.bad_argument(arg, "string too short"));
                };
                call.check_room(2 * (out.len() + size))?;
                out.extend_from_slice(bytes);
                if option == b's' {
                    out.push(0);
                }
            }
            _ => format.control(call, option)?,
        }
    }
    call.check_room(out.len())?;
    call.push_bytes(&out);
    Ok(1)
}

/// An argument that is a number. One that is missing is nil in the texts of errors.
fn number(call: &mut Call<'_>, arg: i32) -> Result<f64, Raise> {
    match call.kind(arg) {
        Kind::None => Err(call.bad_argument(arg, "number expected, got nil")),
        _ => call.check_number(arg),
    }
}

/// As [`number`], for a string.
fn string<'c>(call: &mut Call<'c>, arg: i32) -> Result<Cow<'c, [u8]>, Raise> {
    match call.kind(arg) {
        Kind::None => Err(call.bad_argument(arg, "string expected, got nil")),
        _ => call.check_bytes(arg),
    }
}

/// The low 64 bits of a number's whole part, as C on x86-64 takes them: what is out of range gives one set bit or none.
fn integer_bits(number: f64) -> u64 {
    if number < 0.0 { whole(number) as u64 } else { unsigned(number) }
}

/// A number as C on x86-64 makes it an unsigned integer.
fn unsigned(number: f64) -> u64 {
    const TOP_BIT: f64 = 9_223_372_036_854_775_808.0;
    if number >= TOP_BIT { whole(number - TOP_BIT) as u64 ^ 1 << 63 } else { whole(number) as u64 }
}

fn unpack(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    let data = call.check_bytes(2)?;
    // A negative one is beyond every end, until a gap leads it around to the start.
    let start = call.integer_or(3, 1)? as usize;
    if start == 0 {
        return Err(call.bad_argument(3, "offset must be 1 or greater"));
    }
    let mut format = Format::new(&text);
    let mut position = start - 1;
    let mut results = 0;
    while let Some((option, mut size)) = format.next(call)? {
        position = position.wrapping_add(format.gap(option, size, position));
        let Some(mut bytes) = data.get(position..).and_then(|rest| rest.get(..size)) else {
            return Err(call.bad_argument(2, "data string too short"));
        };
        if !call.try_reserve(2) {
            return Err(call.error("stack overflow (too many results)"));
        }
        results += 1;
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = integer(bytes, format.is_big_endian, option.is_ascii_lowercase());
                call.push_number(number);
            }
            b'f' => {
                let mut value = [0; 4];
                value.copy_from_slice(bytes);
                format.order(&mut value);
                call.push_number(f32::from_le_bytes(value).into());
            }
            b'd' => {
                let mut value = [0; 8];
                value.copy_from_slice(bytes);
                format.order(&mut value);
                call.push_number(f64::from_le_bytes(value));
            }
            b'c' => {
                if size == 0 {
                    // The number that was read before is the length.
                    results -= 1;
                    let len = if results > 0 { call.number(-1) } else { None };
                    let Some(len) = len else { return Err(call.error("format 'c0' needs a previous size")) };
                    call.pop(1);
                    size = unsigned(len) as usize;
                    match data[position..].get(..size) {
                        Some(rest) => bytes = rest,
                        None => return Err(call.bad_argument(2, "data string too short")),
                    }
                }
                call.check_room(size)?;
                call.push_bytes(bytes);
            }
            b's' => {
                let rest = &data[position..];
                let Some(end) = memchr::memchr(0, rest) else { return Err(call.error("unfinished string in data")) };
                size = end + 1;
                call.check_room(size)?;
                call.push_bytes(&rest[..end]);
            }
            _ => {
                results -= 1;
                if option != b'x' {
                    format.control(call, option)?;
                }
            }
        }
        position += size;
    }
    call.push_number(position.wrapping_add(1) as i64 as f64);
    Ok(results + 1)
}

/// The number in some bytes, of which the low 64 bits count.
fn integer(bytes: &[u8], is_big_endian: bool, is_signed: bool) -> f64 {
    let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let value = if is_big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) };
    if !is_signed {
        return value as f64;
    }
    // The sign is at the bit that C on x86-64 finds: with more than eight bytes it counts around.
    let high = u64::MAX.wrapping_shl((bytes.len() as u32 * 8).wrapping_sub(1));
    let value = if value & high != 0 { value | high } else { value };
    value as i64 as f64
}

fn size(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    let mut format = Format::new(&text);
    let mut position = 0usize;
    while let Some((option, size)) = format.next(call)? {
        position += format.gap(option, size, position);
        match option {
            b's' => return Err(call.bad_argument(1, "option 's' has no fixed size")),
            b'c' if size == 0 => return Err(call.bad_argument(1, "option 'c0' has no fixed size")),
            // A letter that is no option is left out, as in Redis.
            _ if option.is_ascii_alphanumeric() => {}
            _ => format.control(call, option)?,
        }
        position += size;
    }
    call.push_number(position as f64);
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::script::testing::{Interpreter, attempt};

    /// The bytes of what `struct.pack` returns, in hexadecimal.
    fn packed(args: &str) -> String {
        let bytes = Interpreter::new().run_bytes(format!("return struct.pack({args})").as_bytes(), &[]);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn values_are_packed_as_c_lays_them_out() {
        for (args, bytes) in [
            ("'b', -1", "ff"),
            ("'B', 258", "02"),
            ("'h', 1", "0100"),
            ("'>h', 1", "0001"),
            ("'>H<H', 258, 258", "01020201"),
            ("'i', -2", "feffffff"),
            ("'>I3', 66051", "010203"),
            ("'l', 2^53", "0000000000002000"),
            ("'L', 2^63", "0000000000000080"),
            ("'L', 2^64", "0000000000000000"),
            ("'L', -1", "ffffffffffffffff"),
            ("'T', 0/0", "0000000000000080"),
            ("'>i16', -1", "0000000000000000ffffffffffffffff"),
            ("'i0', 5", ""),
            ("'f', 1.5", "0000c03f"),
            ("'>d', -2", "c000000000000000"),
            ("'bxb', 1, 2", "010002"),
            ("'s', 'abc'", "61626300"),
            ("'c2', 'abc'", "6162"),
            ("'c0', 'abc'", "616263"),
            ("'c', 'abc'", "61"),
            ("'!4bi', 1, 2", "0100000002000000"),
            ("'!bd', 1, 0", "01000000000000000000000000000000"),
            ("'!4b i3', 1, 2", "010000020000"),
            ("'!8 b i6 b', 1, 2, 3", "01000000000002000000000003"),
            ("'i', '12'", "0c000000"),
            ("'s', 12", "313200"),
        ] {
            assert_eq!(packed(args), bytes, "{args}");
        }
    }

    #[test]
    fn values_are_unpacked_as_they_were_packed() {
        for (call, result) in [
            ("table.concat({struct.unpack('>hHb', '\\255\\254\\255\\254\\128')}, ' ')", "-2 65534 -128 6"),
            ("table.concat({struct.unpack('<i3 I3', '\\1\\2\\255\\1\\2\\255')}, ' ')", "-65023 16712193 7"),
            ("table.concat({struct.unpack('bc0s', '\\3abcdef\\0x')}, ' ')", "abc def 9"),
            ("table.concat({struct.unpack('s', 'ab\\0cd\\0', 4)}, ' ')", "cd 7"),
            ("table.concat({struct.unpack('c2xc', 'abcde')}, ' ')", "ab d 5"),
            ("table.concat({struct.unpack('i9', '\\200\\0\\0\\0\\0\\0\\0\\0\\0')}, ' ')", "-56 10"),
            ("table.concat({struct.unpack('f>d', struct.pack('f>d', 0.5, -1e300))}, ' ')", "0.5 -1e+300 13"),
            ("table.concat({struct.unpack('L', struct.pack('L', -1))}, ' ')", "1.844674407371e+19 9"),
            ("table.concat({struct.unpack('', 'abc', 5)}, ' ')", "5"),
            ("struct.size('!4bi')", "8"),
            ("struct.size('bhilTfd c10 x')", "46"),
            ("struct.size('zZ5')", "0"),
        ] {
            assert_eq!(attempt(call), result, "{call}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_redis_says_it() {
        for (call, text) in [
            ("struct.pack()", "bad argument #1 to 'pack' (string expected, got no value)"),
            ("struct.pack('i')", "bad argument #2 to 'pack' (number expected, got nil)"),
            ("struct.pack('ii', 1)", "bad argument #3 to 'pack' (number expected, got nil)"),
            ("struct.pack('s')", "bad argument #2 to 'pack' (string expected, got nil)"),
            ("struct.pack('i', {})", "bad argument #2 to 'pack' (number expected, got table)"),
            ("struct.pack('c5', 'abc')", "bad argument #3 to 'pack' (string too short)"),
            ("struct.pack('z', 1)", "bad argument #1 to 'pack' (invalid format option 'z')"),
            ("struct.pack('i33', 1)", "integral size 33 is larger than limit of 32"),
            ("struct.pack('i2147483648', 1)", "integral size overflow"),
            ("struct.pack('c99999999999', 'x')", "integral size overflow"),
            ("struct.pack('!3', 1)", "alignment 3 is not a power of 2"),
            ("struct.pack('!0', 1)", "alignment 0 is not a power of 2"),
            ("struct.unpack('i', 'abc')", "bad argument #2 to 'unpack' (data string too short)"),
            ("struct.unpack(' ', 'abc', 5)", "bad argument #2 to 'unpack' (data string too short)"),
            ("struct.unpack('b', 'abc', 0)", "bad argument #3 to 'unpack' (offset must be 1 or greater)"),
            ("struct.unpack('b', 'abc', -1)", "bad argument #2 to 'unpack' (data string too short)"),
            ("struct.unpack('s', 'abc')", "unfinished string in data"),
            ("struct.unpack('c0', 'abc')", "format 'c0' needs a previous size"),
            ("struct.unpack('xc0', 'abc')", "format 'c0' needs a previous size"),
            ("struct.unpack('bc0', '\\3ab')", "bad argument #2 to 'unpack' (data string too short)"),
            ("struct.unpack('bc0', '\\255ab')", "bad argument #2 to 'unpack' (data string too short)"),
            ("struct.size('s')", "bad argument #1 to 'size' (option 's' has no fixed size)"),
            ("struct.size('c0')", "bad argument #1 to 'size' (option 'c0' has no fixed size)"),
            ("struct.size('?')", "bad argument #1 to 'size' (invalid format option '?')"),
            ("struct.size('i33')", "integral size 33 is larger than limit of 32"),
        ] {
            assert_eq!(attempt(call), text, "{call}");
        }
    }

    #[test]
    fn a_long_format_is_left_when_the_script_is_killed() {
        let mut interpreter = Interpreter::new();
        interpreter.server.polls_left = 2;
        let reply = interpreter.run_bytes(b"return struct.size(ARGV[1])", &[&[b' '; 1 << 20]]);
        assert!(reply.starts_with(b"-"), "{}", String::from_utf8_lossy(&reply));
        assert_eq!(interpreter.server.polls_left, 0);
    }

    #[test]
    fn more_results_than_the_stack_holds_are_refused() {
        let script = b"local ok, text = pcall(struct.unpack, ARGV[1], ARGV[1]) return text";
        let reply = Interpreter::new().run_bytes(script, &[&[b'b'; 8000]]);
        assert_eq!(String::from_utf8_lossy(&reply), "stack overflow (too many results)");
    }

    #[test]
    fn packing_does_not_take_more_memory_than_there_is() {
        let mut interpreter = Interpreter::with_limit(4 << 20);
        let text = &[b'x'; 1_000_000][..];
        let reply = interpreter.run_bytes(b"return #struct.pack('sss', ARGV[1], ARGV[1], ARGV[1])", &[text]);
        assert!(String::from_utf8_lossy(&reply).contains("not enough memory"));
        assert_eq!(interpreter.run_bytes(b"return #struct.pack('s', ARGV[1])", &[text]), b":1000001");
    }
}
