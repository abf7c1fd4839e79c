//! JSON as it is written: no value is held, commas and indentation follow from the calls.

use std::io::{self, Write};

use super::plain_text::is_deceptive;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes one JSON text, or several one after another.
///
/// Bytes that are UTF-8 become a string; others become `{"base64": "..."}`, so that nothing is lost or guessed at.
pub struct Json<W: Write> {
    out: W,
    /// For each open object or array, whether it has something in it already.
    open: Vec<bool>,
    /// The next value follows its key.
    after_key: bool,
    indent: bool,
}

impl<W: Write> Json<W> {
    /// On one line.
    pub fn compact(out: W) -> Self {
        Self { out, open: Vec::new(), after_key: false, indent: false }
    }

    /// For people to read.
    pub fn indented(out: W) -> Self {
        Self { out, open: Vec::new(), after_key: false, indent: true }
    }

    pub fn begin_object(&mut self) -> io::Result<()> {
        self.begin(b"{")
    }

    pub fn end_object(&mut self) -> io::Result<()> {
        self.end(b"}")
    }

    pub fn begin_array(&mut self) -> io::Result<()> {
        self.begin(b"[")
    }

    pub fn end_array(&mut self) -> io::Result<()> {
        self.end(b"]")
    }

    /// The name of the value that follows.
    pub fn key(&mut self, name: &str) -> io::Result<()> {
        self.before_value()?;
        self.quoted(name)?;
        self.out.write_all(if self.indent { b": " } else { b":" })?;
        self.after_key = true;
        Ok(())
    }

    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.before_value()?;
        self.quoted(text)
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text(text),
            Err(_) => self.base64(bytes),
        }
    }

    pub fn base64(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.before_value()?;
        self.out.write_all(if self.indent { b"{\"base64\": \"" } else { b"{\"base64\":\"" })?;
        for group in bytes.chunks(3) {
            let [a, b, c] = [0, 1, 2].map(|at| group.get(at).copied().unwrap_or(0));
            let indexes = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
            let mut encoded = indexes.map(|index| BASE64[usize::from(index)]);
            encoded[group.len() + 1..].fill(b'=');
            self.out.write_all(&encoded)?;
        }
        self.out.write_all(b"\"}")
    }

    pub fn integer(&mut self, number: impl Into<i128>) -> io::Result<()> {
        self.before_value()?;
        write!(self.out, "{}", number.into())
    }

    /// JSON knows no infinity: it becomes the string that Redis would answer.
    pub fn double(&mut self, number: f64) -> io::Result<()> {
        let text = crate::stdx::number::format_f64(number);
        if number.is_finite() {
            self.before_value()?;
            self.out.write_all(text.as_bytes())
        } else {
            self.bytes(text.as_bytes())
        }
    }

    pub fn boolean(&mut self, value: bool) -> io::Result<()> {
        self.before_value()?;
        self.out.write_all(if value { b"true" } else { b"false" })
    }

    pub fn null(&mut self) -> io::Result<()> {
        self.before_value()?;
        self.out.write_all(b"null")
    }

    pub fn optional(&mut self, number: Option<i64>) -> io::Result<()> {
        match number {
            Some(number) => self.integer(number),
            None => self.null(),
        }
    }

    /// Ends a line between or after texts.
    pub fn newline(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    fn begin(&mut self, bracket: &[u8]) -> io::Result<()> {
        self.before_value()?;
        self.open.push(false);
        self.out.write_all(bracket)
    }

    fn end(&mut self, bracket: &[u8]) -> io::Result<()> {
        let filled = self.open.pop().unwrap_or(false);
        if filled && self.indent {
            self.line()?;
        }
        self.out.write_all(bracket)
    }

    fn before_value(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.after_key) {
            return Ok(());
        }
        let Some(filled) = self.open.last_mut() else { return Ok(()) };
        if std::mem::replace(filled, true) {
            self.out.write_all(b",")?;
        }
        if self.indent { self.line() } else { Ok(()) }
    }

    fn line(&mut self) -> io::Result<()> {
        write!(self.out, "\n{:width$}", "", width = self.open.len() * 2)
    }

    /// A character below 2^16 by its number.
    fn escaped(&mut self, character: u32) -> io::Result<()> {
        let digit = |shift: u32| b"0123456789abcdef"[(character >> shift & 15) as usize];
        self.out.write_all(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)])
    }

    fn quoted(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(b"\"")?;
        let mut plain_from = 0;
        for (at, character) in text.char_indices() {
            let escape = match character {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                // Lines may go to a terminal, or into a script, where some of these end a line.
                _ if is_deceptive(character) => "",
                _ => continue,
            };
            self.out.write_all(&text.as_bytes()[plain_from..at])?;
            if escape.is_empty() {
                self.escaped(u32::from(character))?;
            } else {
                self.out.write_all(escape.as_bytes())?;
            }
            plain_from = at + character.len_utf8();
        }
        self.out.write_all(&text.as_bytes()[plain_from..])?;
        self.out.write_all(b"\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Json<&mut Vec<u8>>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut Json::compact(&mut out)).expect("a vector takes everything");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn commas_and_indentation_follow_from_the_calls() {
        let mut out = Vec::new();
        let mut json = Json::indented(&mut out);
        let result: io::Result<()> = (|| {
            json.begin_object()?;
            json.key("a")?;
            json.begin_array()?;
            json.integer(1)?;
            json.null()?;
            json.end_array()?;
            json.key("b")?;
            json.begin_object()?;
            json.end_object()?;
            json.end_object()
        })();
        result.expect("written");
        assert_eq!(out, b"{\n  \"a\": [\n    1,\n    null\n  ],\n  \"b\": {}\n}");
    }

    #[test]
    fn every_byte_string_has_its_own_form() {
        for (bytes, expected) in [
            (&b"plain"[..], "\"plain\""),
            (b"a\"\\\n\x01\x7f", "\"a\\\"\\\\\\n\\u0001\\u007f\""),
            ("\u{fc}\u{2028}".as_bytes(), "\"\u{fc}\\u2028\""),
            (b"\xff", "{\"base64\":\"/w==\"}"),
            (b"\xff\xfe", "{\"base64\":\"//4=\"}"),
            (b"\xff\xfe\xfd", "{\"base64\":\"//79\"}"),
            (b"", "\"\""),
        ] {
            assert_eq!(written(|json| json.bytes(bytes)), expected);
        }
        assert_eq!(written(|json| json.double(0.1)), "0.1");
        assert_eq!(written(|json| json.double(f64::NEG_INFINITY)), "\"-inf\"");
        assert_eq!(written(|json| json.integer(u64::MAX)), u64::MAX.to_string());
    }
}
