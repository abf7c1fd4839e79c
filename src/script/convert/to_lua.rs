//! A command's reply, in RESP2 or RESP3, to Lua's values.

use crate::script::lua::{Call, Raise};
use crate::stdx::number::{parse_f64, parse_i64};

/// Replies are nested this deep at most. Those of our own commands are far from it.
const DEPTH_MAX: usize = 128;

/// What a value with others within takes of the stack, the five places for one of these included.
const PLACES: usize = 8;

/// Numbers of so many digits fit into 64 bits whatever they are.
const SHORT_DIGITS_MAX: usize = 16;

/// Pushes the value of a whole reply. An error becomes a table with its text in `err`, marked as counted already.
#[inline]
pub fn push_reply(call: &mut Call<'_>, reply: &[u8]) -> Result<(), Raise> {
    if let Some(text) = short_string(reply) {
        call.push_bytes(text);
        return Ok(());
    }
    let mut reader = Reader { rest: reply, is_looked_at: false };
    reader.push(call, DEPTH_MAX)
}

/// What a whole reply consists of that is a string of less than a thousand bytes. Its header ends where the first line does,
/// and what follows it is nothing but the string and a line's end.
#[inline]
fn short_string(reply: &[u8]) -> Option<&[u8]> {
    let header = match *reply {
        [b'$', b'-', ..] => return None,
        [b'$', _, b'\r', ..] => 4,
        [b'$', _, _, b'\r', ..] => 5,
        [b'$', _, _, _, b'\r', ..] => 6,
        _ => return None,
    };
    reply.get(header..reply.len() - 2)
}

/// As [`push_reply`], and lets the server look at the script meanwhile.
pub fn push_long_reply(call: &mut Call<'_>, reply: &[u8]) -> Result<(), Raise> {
    let mut reader = Reader { rest: reply, is_looked_at: true };
    reader.push(call, DEPTH_MAX)
}

/// The work that one element counts as where the server looks at the script.
const WORK_PER_ELEMENT: usize = 64;

struct Reader<'a> {
    rest: &'a [u8],
    is_looked_at: bool,
}

impl<'a> Reader<'a> {
    /// The line at the front, without its end.
    fn line(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b'\r', self.rest).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }

    /// The line at the front as a number.
    #[inline]
    fn integer(&mut self) -> i64 {
        // Nearly all have few digits and no sign.
        let (mut number, mut end) = (0, 0);
        for byte in self.rest.iter().take(SHORT_DIGITS_MAX) {
            let digit = byte.wrapping_sub(b'0');
            if digit >= 10 {
                break;
            }
            number = number * 10 + i64::from(digit);
            end += 1;
        }
        if end == 0 || self.rest.get(end) != Some(&b'\r') {
            return parse_i64(self.line()).unwrap_or(0);
        }
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        number
    }

    /// A length; `None` is that of a null.
    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.integer()).ok()
    }

    /// So many bytes, and the line's end behind them.
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let bytes = &self.rest[..len.min(self.rest.len())];
        self.rest = self.rest.get(len + 2..).unwrap_or_default();
        bytes
    }

    /// Pushes the value at the front. There are at least five places on the stack.
    fn push(&mut self, call: &mut Call<'_>, depth: usize) -> Result<(), Raise> {
        let Some((&kind, rest)) = self.rest.split_first() else { return Err(call.error("empty reply")) };
        self.rest = rest;
        match kind {
            b'$' => match self.length() {
                Some(len) => call.push_bytes(self.bytes(len)),
                None => call.push_boolean(false),
            },
            b':' => call.push_number(self.integer() as f64),
            b'+' => push_field(call, "ok", |call| call.push_bytes(self.line())),
            b'-' => push_error(call, self.line()),
            b'_' => {
                self.line();
                call.push_nil();
            }
            b'#' => call.push_boolean(self.line() == b"t"),
            b',' => {
                let number = parse_f64(self.line()).unwrap_or(f64::NAN);
                push_field(call, "double", |call| call.push_number(number));
            }
            b'(' => push_field(call, "big_number", |call| call.push_bytes(self.line())),
            b'=' => {
                let len = self.length().unwrap_or(0);
                let text = self.bytes(len);
                let (format, text) = text.split_at(text.len().min(3));
                push_field(call, "verbatim_string", |call| {
                    call.push_table(0, 2);
                    call.push_bytes(text.get(1..).unwrap_or_default());
                    call.raw_set_field(-2, "string");
                    call.push_bytes(format);
                    call.raw_set_field(-2, "format");
                });
            }
            _ if depth == 0 => return Err(call.error("too deeply nested reply")),
            b'*' | b'>' => match self.length() {
                Some(len) => self.push_list(call, len, depth)?,
                None => call.push_boolean(false),
            },
            b'%' => self.push_collection(call, "map", depth)?,
            b'~' => self.push_collection(call, "set", depth)?,
            b'|' => {
                // Attributes are not shown to scripts.
                for _ in 0..self.integer() * 2 {
                    self.push(call, depth - 1)?;
                    call.pop(1);
                }
                self.push(call, depth - 1)?;
            }
            _ => return Err(call.error("unknown kind of reply")),
        }
        Ok(())
    }

    fn push_list(&mut self, call: &mut Call<'_>, len: usize, depth: usize) -> Result<(), Raise> {
        call.reserve(PLACES)?;
        call.push_table(len, 0);
        for index in 1..=len {
            self.count_element(call)?;
            self.push(call, depth - 1)?;
            call.raw_set_index(-2, index as i32);
        }
        Ok(())
    }

    #[inline]
    fn count_element(&self, call: &mut Call<'_>) -> Result<(), Raise> {
        if self.is_looked_at { call.work(WORK_PER_ELEMENT) } else { Ok(()) }
    }

    /// A table with the elements as keys in its one field: with their values in a map, `true` in a set.
    fn push_collection(&mut self, call: &mut Call<'_>, name: &str, depth: usize) -> Result<(), Raise> {
        call.reserve(PLACES)?;
        let len = self.length().unwrap_or(0);
        call.push_table(0, 1);
        call.push_table(0, len);
        for _ in 0..len {
            self.count_element(call)?;
            self.push(call, depth - 1)?;
            match name {
                "map" => self.push(call, depth - 1)?,
                _ => call.push_boolean(true),
            }
            call.raw_set(-3)?;
        }
        call.raw_set_field(-2, name);
        Ok(())
    }
}

fn push_field(call: &mut Call<'_>, name: &str, push: impl FnOnce(&mut Call<'_>)) {
    call.push_table(0, 1);
    push(call);
    call.raw_set_field(-2, name);
}

fn push_error(call: &mut Call<'_>, text: &[u8]) {
    call.push_table(0, 2);
    // As Redis makes it: an error without a code is one of code ERR.
    if text.contains(&b' ') {
        call.push_bytes(text);
    } else {
        call.push_bytes([b"ERR ", text].concat());
    }
    call.raw_set_field(-2, "err");
    call.push_boolean(true);
    call.raw_set_field(-2, "ignore_error_stats_update");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::lua::{Lua, Value};

    fn pushed(reply: &[u8], check: impl FnOnce(Value<'_>)) {
        let mut lua = Lua::new(1 << 20).expect("an interpreter");
        let mut call = lua.enter();
        assert!(push_reply(&mut call, reply).is_ok());
        assert_eq!(call.top(), 1);
        check(call.value(-1));
    }

    #[test]
    fn a_string_has_all_its_bytes_whatever_its_length() {
        for len in (0..20).chain([98, 99, 100, 101, 998, 999, 1000, 1001, 20_000]) {
            let mut text: Vec<u8> = b"\r\n$-1".iter().copied().cycle().take(len).collect();
            let reply = [format!("${len}\r\n").as_bytes(), &text, b"\r\n"].concat();
            pushed(&reply, |value| assert!(matches!(value, Value::Bytes(bytes) if bytes == text), "{len}"));
            text.fill(0);
            let reply = [format!("${len}\r\n").as_bytes(), &text, b"\r\n"].concat();
            pushed(&reply, |value| assert!(matches!(value, Value::Bytes(bytes) if bytes == text), "{len}"));
        }
    }

    #[test]
    fn no_string_is_false_and_what_is_cut_off_is_no_harm() {
        pushed(b"$-1\r\n", |value| assert!(matches!(value, Value::Boolean(false))));
        for reply in [&b"$"[..], b"$1", b"$1\r", b"$1\r\n", b"$12\r", b"$123\r", b"$\r\n", b"$-"] {
            pushed(reply, |value| assert!(matches!(value, Value::Bytes(b"") | Value::Boolean(false)), "{reply:?}"));
        }
    }
}
