//! `cjson.encode`.

use smallvec::SmallVec;

use super::settings::{Invalid, Settings};
use super::{DEPTH_WITHIN_STACK, NULL_ADDRESS};
use crate::script::library::document::{LONG_BYTES, Steps, keep_buffer, take_buffer};
use crate::script::lua::{Answer, Call, Kind, Raise, Value};
use crate::stdx::number::format_significant;

pub fn encode(call: &mut Call<'_>) -> Answer {
    if call.args() != 1 {
        return Err(call.bad_argument(1, "expected 1 argument"));
    }
    let settings = Settings::of(call);
    let out = take_buffer(call);
    let mut encoder = Encoder { settings, out, open: SmallVec::new(), steps: Steps::default() };
    let result = encoder.encode(call).and_then(|()| {
        call.check_room(encoder.out.len())?;
        call.push_bytes(&encoder.out);
        Ok(1)
    });
    keep_buffer(call, encoder.out);
    result
}

struct Encoder {
    settings: Settings,
    out: Vec<u8>,
    /// The tables that are being written, from the outermost in. Each is on the stack.
    open: SmallVec<[Open; 16]>,
    steps: Steps,
}

enum Open {
    /// A list of so many elements, of which so many are written.
    List { written: i32, len: i32 },
    /// The key that was written last is on the stack, above the table.
    Object { is_first: bool },
}

/// What became of the value on top.
#[derive(PartialEq, Eq)]
enum Written {
    Whole,
    /// It is a table, of which only the opening bracket is there.
    Opened,
}

impl Encoder {
    fn encode(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        let mut last = self.write_value(call)?;
        while let Some(open) = self.open.last_mut() {
            if last == Written::Whole {
                call.pop(1);
            }
            let goes_on = match open {
                Open::List { written, len } if written == len => {
                    self.out.push(b']');
                    false
                }
                Open::List { written, .. } => {
                    if *written > 0 {
                        self.out.push(b',');
                    }
                    *written += 1;
                    let index = *written;
                    call.raw_get_index(-1, index);
                    true
                }
                Open::Object { is_first } => {
                    let is_first = std::mem::take(is_first);
                    let goes_on = call.next(-2);
                    if goes_on {
                        if !is_first {
                            self.out.push(b',');
                        }
                        self.write_key(call)?;
                    } else {
                        self.out.push(b'}');
                    }
                    goes_on
                }
            };
            last = if goes_on {
                self.write_value(call)?
            } else {
                self.open.pop();
                Written::Whole
            };
        }
        Ok(())
    }

    fn write_value(&mut self, call: &mut Call<'_>) -> Result<Written, Raise> {
        self.steps.step(call, self.out.len())?;
        match call.value(-1) {
            Value::Bytes(bytes) if bytes.len() <= LONG_BYTES => {
                self.out.reserve(bytes.len() + 2);
                self.out.push(b'"');
                escape(bytes, &mut self.out);
                self.out.push(b'"');
            }
            Value::Bytes(_) => self.write_long_string(call, -1)?,
            Value::Number(number) => self.write_number(call, number)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::Other(Kind::Table) => return self.open_table(call),
            Value::Other(Kind::LightUserdata) if call.address(-1) == NULL_ADDRESS => {
                self.out.extend_from_slice(b"null");
            }
            Value::Other(kind) => return Err(refuse(call, kind, "type not supported")),
        }
        Ok(Written::Whole)
    }

    fn open_table(&mut self, call: &mut Call<'_>) -> Result<Written, Raise> {
        let depth = self.open.len() as i32 + 1;
        let fits = depth <= self.settings.encode_max_depth() && (depth <= DEPTH_WITHIN_STACK || call.try_reserve(3));
        if !fits {
            return Err(call.error(format!("Cannot serialise, excessive nesting ({depth})")));
        }
        match self.list_len(call)? {
            Some(len) => {
                self.out.push(b'[');
                self.open.push(Open::List { written: 0, len });
            }
            None => {
                self.out.push(b'{');
                call.push_nil();
                self.open.push(Open::Object { is_first: true });
            }
        }
        Ok(Written::Opened)
    }

    /// The length of the table on top if it is a list: if all its keys are whole numbers from 1, and it has few holes.
    fn list_len(&mut self, call: &mut Call<'_>) -> Result<Option<i32>, Raise> {
        let (mut max, mut items) = (0i32, 0i32);
        call.push_nil();
        while call.next(-2) {
            call.pop(1);
            match call.value(-1) {
                Value::Number(key) if key >= 1.0 && key.floor() == key => {
                    if key > max.into() {
                        max = c_int(key);
                    }
                    items = items.wrapping_add(1);
                }
                _ => {
                    call.pop(1);
                    return Ok(None);
                }
            }
            self.steps.step(call, self.out.len())?;
        }
        let ratio = self.settings.sparse_ratio();
        if ratio > 0 && max > items.wrapping_mul(ratio) && max > self.settings.sparse_safe() {
            if !self.settings.sparse_convert() {
                return Err(refuse(call, Kind::Table, "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok((max > 0).then_some(max))
    }

    /// Writes the key below the top, and the colon.
    fn write_key(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        match call.value(-2) {
            Value::Bytes(bytes) if bytes.len() <= LONG_BYTES => {
                self.out.reserve(bytes.len() + 3);
                self.out.push(b'"');
                escape(bytes, &mut self.out);
                self.out.push(b'"');
            }
            Value::Bytes(_) => self.write_long_string(call, -2)?,
            Value::Number(number) => {
                self.out.push(b'"');
                self.write_number(call, number)?;
                self.out.push(b'"');
            }
            _ => {
                let kind = call.kind(-2);
                return Err(refuse(call, kind, "table key must be a number or string"));
            }
        }
        self.out.push(b':');
        Ok(())
    }

    fn write_number(&mut self, call: &mut Call<'_>, number: f64) -> Result<(), Raise> {
        if !number.is_finite() {
            match self.settings.encode_invalid() {
                Invalid::Refused => return Err(refuse(call, Kind::Number, "must not be NaN or Inf")),
                Invalid::Null => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
                Invalid::Written => {}
            }
        }
        self.out.extend_from_slice(&format_significant(number, self.settings.number_precision()));
        Ok(())
    }

    /// Writes a string piece by piece, so that it can be interrupted and memory is not taken at once.
    fn write_long_string(&mut self, call: &mut Call<'_>, place: i32) -> Result<(), Raise> {
        self.out.push(b'"');
        let len = call.len(place);
        for start in (0..len).step_by(LONG_BYTES) {
            call.poll()?;
            call.check_room(2 * self.out.len() + LONG_BYTES)?;
            let bytes = call.bytes(place).unwrap_or_default();
            escape(&bytes[start..len.min(start + LONG_BYTES)], &mut self.out);
        }
        self.out.push(b'"');
        Ok(())
    }
}

fn refuse(call: &mut Call<'_>, kind: Kind, why: &str) -> Raise {
    call.error(format!("Cannot serialise {}: {why}", kind.name()))
}

/// A number as C on x86-64 makes it an `int`: the least where it does not fit.
fn c_int(number: f64) -> i32 {
    if number < 2_147_483_648.0 { number as i32 } else { i32::MIN }
}

/// For each byte: 0 if it is written as it is, `u` if as its code, else the letter behind the backslash.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte] = b'u';
        byte += 1;
    }
    escapes[0x7f] = b'u';
    escapes[0x08] = b'b';
    escapes[b'\t' as usize] = b't';
    escapes[b'\n' as usize] = b'n';
    escapes[0x0c] = b'f';
    escapes[b'\r' as usize] = b'r';
    escapes[b'"' as usize] = b'"';
    escapes[b'/' as usize] = b'/';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut plain = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(*byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[plain..index]);
        plain = index + 1;
        if escape == b'u' {
            let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        } else {
            out.extend_from_slice(&[b'\\', escape]);
        }
    }
    out.extend_from_slice(&bytes[plain..]);
}

#[cfg(test)]
mod tests {
    use crate::script::testing::{Interpreter, attempt, run};

    #[test]
    fn values_are_written_as_redis_writes_them() {
        for (call, json) in [
            ("cjson.encode({})", "{}"),
            ("cjson.encode({1, 2, 3})", "[1,2,3]"),
            ("cjson.encode({1, nil, 3})", "[1,null,3]"),
            ("cjson.encode({{{}}, {a = {}}})", r#"[[{}],{"a":{}}]"#),
            ("cjson.encode({[1] = 1, [2.5] = 2})", r#"{"1":1,"2.5":2}"#),
            ("cjson.encode({[0] = 1})", r#"{"0":1}"#),
            ("cjson.encode({[-1] = 1})", r#"{"-1":1}"#),
            ("cjson.encode({[1e10] = 1})", r#"{"10000000000":1}"#),
            ("cjson.encode({[10] = 1})", "[null,null,null,null,null,null,null,null,null,1]"),
            ("cjson.encode('a/b\"c\\\\d')", r#""a\/b\"c\\d""#),
            ("cjson.encode('\\8\\9\\10\\12\\13\\0\\31\\127\\128')", "\"\\b\\t\\n\\f\\r\\u0000\\u001f\\u007f\u{80}\""),
            ("cjson.encode(0.1)", "0.1"),
            ("cjson.encode(1/3)", "0.33333333333333"),
            ("cjson.encode(-0)", "-0"),
            ("cjson.encode(1e14)", "1e+14"),
            ("cjson.encode(123456789012345)", "1.2345678901234e+14"),
            ("cjson.encode(99999999999999)", "99999999999999"),
            ("cjson.encode(1e-5)", "1e-05"),
            ("cjson.encode(true)", "true"),
            ("cjson.encode(nil)", "null"),
            ("cjson.encode({cjson.null, false})", "[null,false]"),
            ("cjson.encode('')", "\"\""),
        ] {
            if call.contains("128") {
                // The last byte is no text, so it is looked at apart.
                let reply = Interpreter::new().run_bytes(format!("return {call}").as_bytes(), &[]);
                assert_eq!(reply, b"\"\\b\\t\\n\\f\\r\\u0000\\u001f\\u007f\x80\"");
            } else {
                assert_eq!(attempt(call), json, "{call}");
            }
        }
    }

    #[test]
    fn what_json_does_not_have_is_refused() {
        for (call, text) in [
            ("cjson.encode()", "bad argument #1 to 'encode' (expected 1 argument)"),
            ("cjson.encode(1, 2)", "bad argument #1 to 'encode' (expected 1 argument)"),
            ("cjson.encode(tostring)", "Cannot serialise function: type not supported"),
            ("cjson.encode({a = tostring})", "Cannot serialise function: type not supported"),
            ("cjson.encode({[true] = 1})", "Cannot serialise boolean: table key must be a number or string"),
            ("cjson.encode(0/0)", "Cannot serialise number: must not be NaN or Inf"),
            ("cjson.encode({1/0})", "Cannot serialise number: must not be NaN or Inf"),
            ("cjson.encode({[1/0] = 1})", "Cannot serialise number: must not be NaN or Inf"),
            ("cjson.encode({[11] = 1})", "Cannot serialise table: excessively sparse array"),
            ("cjson.encode({1, 2, 3, [1000] = 1})", "Cannot serialise table: excessively sparse array"),
        ] {
            assert_eq!(attempt(call), text, "{call}");
        }
        let endless = "local t = {} t.t = t local ok, text = pcall(cjson.encode, t) return text";
        assert_eq!(run(endless), "Cannot serialise, excessive nesting (1001)");
        let deep =
            "cjson.encode_max_depth(1000000) local t = {} t[1] = t local ok, text = pcall(cjson.encode, t) return text";
        assert_eq!(run(deep), "Cannot serialise, excessive nesting (7998)");
    }

    #[test]
    fn settings_change_what_is_written() {
        for (script, json) in [
            ("cjson.encode_sparse_array(true) return cjson.encode({[1000] = 1})", r#"{"1000":1}"#),
            ("cjson.encode_sparse_array(false, 0) return #cjson.encode({[1000] = 1})", ":4998"),
            ("cjson.encode_sparse_array(false, 2, 1) return pcall(cjson.encode, {[3] = 1}) and 1 or 0", ":0"),
            (
                "cjson.encode_number_precision(3) return cjson.encode({1/3, 1000, 999, 12345})",
                "[0.333,1e+03,999,1.23e+04]",
            ),
            ("cjson.encode_invalid_numbers(true) return cjson.encode({1/0, -1/0, 0/0})", "[inf,-inf,nan]"),
            ("cjson.encode_invalid_numbers('null') return cjson.encode({1/0, 0/0})", "[null,null]"),
        ] {
            assert_eq!(run(script), json, "{script}");
        }
    }

    #[test]
    fn memory_and_time_are_bounded() {
        let mut interpreter = Interpreter::with_limit(8 << 20);
        let reply = interpreter.run("cjson.encode_sparse_array(false, 0) return cjson.encode({[2^31 - 1] = 1})");
        assert!(reply.contains("not enough memory"), "{reply}");
        let reply = interpreter.run_bytes(b"return cjson.encode({ARGV[1], ARGV[1], ARGV[1]})", &[&[0; 1_000_000]]);
        assert!(String::from_utf8_lossy(&reply).contains("not enough memory"));
        assert_eq!(interpreter.run_bytes(b"return #cjson.encode({ARGV[1]})", &[&[b'x'; 1_000_000]]), b":1000004");
        interpreter.server.polls_left = 3;
        let reply = interpreter.run("cjson.encode_sparse_array(false, 0) return cjson.encode({[2^20] = 1})");
        assert!(reply.starts_with('-') && interpreter.server.polls_left == 0, "{reply}");
    }
}
