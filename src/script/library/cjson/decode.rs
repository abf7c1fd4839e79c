//! `cjson.decode`.

use smallvec::SmallVec;

use super::settings::Settings;
use super::{DEPTH_WITHIN_STACK, NULL_ADDRESS};
use crate::script::library::document::{LONG_BYTES, Steps, keep_buffer, take_buffer};
use crate::script::lua::{Answer, Call, Raise};
use crate::stdx::number::parse_f64_prefix;

pub fn decode(call: &mut Call<'_>) -> Answer {
    if call.args() != 1 {
        return Err(call.bad_argument(1, "expected 1 argument"));
    }
    let settings = Settings::of(call);
    let text = call.check_bytes(1)?;
    if matches!(*text, [0, _, ..] | [_, 0, ..]) {
        return Err(call.error("JSON parser does not support UTF-16 or UTF-32"));
    }
    let buffer = take_buffer(call);
    let reader =
        Reader { text: &text, at: 0, token_at: 0, unescaped: buffer, decode_invalid: settings.decode_invalid() };
    let mut decoder =
        Decoder { reader, max_depth: settings.decode_max_depth(), open: SmallVec::new(), steps: Steps::default() };
    let result = decoder.decode(call);
    keep_buffer(call, decoder.reader.unescaped);
    result.map(|()| 1)
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Token<'a> {
    ObjectBegin,
    ObjectEnd,
    ListBegin,
    ListEnd,
    /// A string without an escape.
    Plain(&'a [u8]),
    /// A string that is in the reader's buffer.
    Unescaped,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token<'_> {
    /// As errors name it.
    fn name(self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ListBegin => "T_ARR_BEGIN",
            Self::ListEnd => "T_ARR_END",
            Self::Plain(_) | Self::Unescaped => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Error(what) => what,
        }
    }
}

struct Decoder<'a> {
    reader: Reader<'a>,
    max_depth: i32,
    /// What is being read, from the outermost in. Its table is on the stack, and of an object the key above.
    open: SmallVec<[Open; 16]>,
    steps: Steps,
}

enum Open {
    /// So many elements are there.
    List(i32),
    Object,
}

impl<'a> Decoder<'a> {
    fn decode(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        let mut token = self.reader.next();
        loop {
            token = match self.begin_value(call, token)? {
                Some(first) => first,
                None => match self.end_value(call)? {
                    Some(next) => next,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Pushes a value. If it is one with others within, returns the first token of these.
    fn begin_value(&mut self, call: &mut Call<'_>, token: Token<'a>) -> Result<Option<Token<'a>>, Raise> {
        self.steps.step(call, self.reader.unescaped.len())?;
        match token {
            Token::Plain(_) | Token::Unescaped => self.push_string(call, token)?,
            Token::Number(number) => call.push_number(number),
            Token::Boolean(value) => call.push_boolean(value),
            Token::Null => call.push_address(NULL_ADDRESS),
            Token::ObjectBegin => {
                self.descend(call, 3)?;
                call.push_table(0, 0);
                match self.reader.next() {
                    Token::ObjectEnd => {}
                    first => {
                        self.open.push(Open::Object);
                        return self.read_key(call, first).map(Some);
                    }
                }
            }
            Token::ListBegin => {
                self.descend(call, 2)?;
                call.push_table(0, 0);
                match self.reader.next() {
                    Token::ListEnd => {}
                    first => {
                        self.open.push(Open::List(0));
                        return Ok(Some(first));
                    }
                }
            }
            _ => return Err(self.unexpected(call, "value", token)),
        }
        Ok(None)
    }

    /// Puts the whole value on top into what it is in. Returns the first token of the next, if there is any.
    fn end_value(&mut self, call: &mut Call<'_>) -> Result<Option<Token<'a>>, Raise> {
        loop {
            match self.open.last_mut() {
                None => {
                    return match self.reader.next() {
                        Token::End => Ok(None),
                        token => Err(self.unexpected(call, "the end", token)),
                    };
                }
                Some(Open::List(len)) => {
                    *len += 1;
                    let index = *len;
                    call.raw_set_index(-2, index);
                    match self.reader.next() {
                        Token::ListEnd => {}
                        Token::Comma => return Ok(Some(self.reader.next())),
                        token => return Err(self.unexpected(call, "comma or array end", token)),
                    }
                }
                Some(Open::Object) => {
                    call.raw_set_by_text(-3);
                    match self.reader.next() {
                        Token::ObjectEnd => {}
                        Token::Comma => {
                            let key = self.reader.next();
                            return self.read_key(call, key).map(Some);
                        }
                        token => return Err(self.unexpected(call, "comma or object end", token)),
                    }
                }
            }
            self.open.pop();
        }
    }

    /// Pushes the key that `token` is, and returns the first token of its value.
    fn read_key(&mut self, call: &mut Call<'_>, token: Token<'a>) -> Result<Token<'a>, Raise> {
        if !matches!(token, Token::Plain(_) | Token::Unescaped) {
            return Err(self.unexpected(call, "object key string", token));
        }
        self.push_string(call, token)?;
        match self.reader.next() {
            Token::Colon => Ok(self.reader.next()),
            token => Err(self.unexpected(call, "colon", token)),
        }
    }

    fn push_string(&mut self, call: &mut Call<'_>, token: Token<'a>) -> Result<(), Raise> {
        let bytes = match token {
            Token::Plain(bytes) => bytes,
            _ => &*self.reader.unescaped,
        };
        if bytes.len() > LONG_BYTES {
            call.poll()?;
            call.check_room(bytes.len())?;
        }
        call.push_bytes(bytes);
        Ok(())
    }

    /// Makes room for a table and what is put into it.
    fn descend(&mut self, call: &mut Call<'_>, places: usize) -> Result<(), Raise> {
        let depth = self.open.len() as i32 + 1;
        if depth <= self.max_depth && (depth <= DEPTH_WITHIN_STACK || call.try_reserve(places)) {
            return Ok(());
        }
        let at = self.reader.at as i32;
        Err(call.error(format!("Found too many nested data structures ({depth}) at character {at}")))
    }

    fn unexpected(&self, call: &mut Call<'_>, expected: &str, token: Token<'_>) -> Raise {
        let (found, at) = (token.name(), (self.reader.token_at + 1) as i32);
        call.error(format!("Expected {expected} but found {found} at character {at}"))
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the last token began, or is wrong.
    token_at: usize,
    /// The last string that had an escape.
    unescaped: Vec<u8>,
    decode_invalid: bool,
}

impl<'a> Reader<'a> {
    /// The byte at a place. The end reads as a zero, and a zero is an end.
    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn error(&mut self, what: &'static str) -> Token<'a> {
        self.token_at = self.at;
        Token::Error(what)
    }

    #[inline]
    fn next(&mut self) -> Token<'a> {
        let mut byte = self.byte(self.at);
        while matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
            byte = self.byte(self.at);
        }
        self.token_at = self.at;
        let token = match byte {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ListBegin,
            b']' => Token::ListEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            0 => return Token::End,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => return self.number(),
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => return self.word(),
            _ => return self.error("invalid token"),
        };
        self.at += 1;
        token
    }

    fn word(&mut self) -> Token<'a> {
        let rest = &self.text[self.at..];
        for (word, token) in
            [(&b"true"[..], Token::Boolean(true)), (b"false", Token::Boolean(false)), (b"null", Token::Null)]
        {
            if rest.starts_with(word) {
                self.at += word.len();
                return token;
            }
        }
        if self.decode_invalid && is_invalid_number(rest) {
            return self.any_number();
        }
        self.error("invalid token")
    }

    #[inline]
    fn number(&mut self) -> Token<'a> {
        // Most are whole, and of few digits.
        const DIGITS_MAX: usize = 15;
        let rest = &self.text[self.at..];
        let sign = usize::from(rest[0] == b'-');
        let mut len = sign;
        let mut value = 0u64;
        while let Some(digit) = rest.get(len).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
            if len == sign + DIGITS_MAX {
                break;
            }
            value = value * 10 + u64::from(digit);
            len += 1;
        }
        let ends = !matches!(rest.get(len), Some(b'.' | b'e' | b'E' | b'x' | b'X' | b'0'..=b'9'));
        if ends && len > sign && (rest[sign] != b'0' || len == sign + 1) {
            self.at += len;
            let value = value as f64;
            return Token::Number(if sign == 1 { -value } else { value });
        }
        if !self.decode_invalid && is_invalid_number(rest) {
            return self.error("invalid number");
        }
        self.any_number()
    }

    fn any_number(&mut self) -> Token<'a> {
        match parse_f64_prefix(&self.text[self.at..]) {
            Some((number, len)) => {
                self.at += len;
                Token::Number(number)
            }
            None => self.error("invalid number"),
        }
    }

    fn string(&mut self) -> Token<'a> {
        self.at += 1;
        let rest = &self.text[self.at..];
        let len = plain_len(rest);
        match rest.get(len) {
            Some(b'"') => {
                self.at += len + 1;
                Token::Plain(&rest[..len])
            }
            Some(b'\\') => self.escaped_string(),
            _ => {
                self.at += len;
                self.error("unexpected end of string")
            }
        }
    }

    fn escaped_string(&mut self) -> Token<'a> {
        self.unescaped.clear();
        loop {
            let rest = &self.text[self.at..];
            let len = plain_len(rest);
            self.unescaped.extend_from_slice(&rest[..len]);
            self.at += len;
            match rest.get(len) {
                Some(b'"') => {
                    self.at += 1;
                    return Token::Unescaped;
                }
                Some(b'\\') => {}
                _ => return self.error("unexpected end of string"),
            }
            let byte = match self.byte(self.at + 1) {
                byte @ (b'"' | b'\\' | b'/') => byte,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'f' => 12,
                b'r' => b'\r',
                b'u' => match self.unicode_escape() {
                    Some((character, len)) => {
                        push_utf8(character, &mut self.unescaped);
                        self.at += len;
                        continue;
                    }
                    None => return self.error("invalid unicode escape code"),
                },
                _ => return self.error("invalid escape code"),
            };
            self.unescaped.push(byte);
            self.at += 2;
        }
    }

    /// The character that the escape here is, or two of them as surrogates, and their length.
    fn unicode_escape(&self) -> Option<(u32, usize)> {
        let unit = self.unit(self.at + 2)?;
        match unit {
            0xd800..=0xdbff => {
                if (self.byte(self.at + 6), self.byte(self.at + 7)) != (b'\\', b'u') {
                    return None;
                }
                let low = self.unit(self.at + 8).filter(|low| (0xdc00..=0xdfff).contains(low))?;
                Some((0x10000 + ((unit & 0x3ff) << 10 | low & 0x3ff), 12))
            }
            0xdc00..=0xdfff => None,
            _ => Some((unit, 6)),
        }
    }

    /// Four hexadecimal digits.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
    }
}

/// How many bytes there are before a quote, a backslash or a zero.
#[inline]
fn plain_len(text: &[u8]) -> usize {
    // Most strings are so short that a search by words does not pay.
    const SHORT: usize = 16;
    let is_plain = |byte: &u8| !matches!(*byte, b'"' | b'\\' | 0);
    match text.iter().take(SHORT).position(|byte| !is_plain(byte)) {
        Some(len) => len,
        None => {
            let start = text.len().min(SHORT);
            start + memchr::memchr3(b'"', b'\\', 0, &text[start..]).unwrap_or(text.len() - start)
        }
    }
}

/// Whether a number is of a kind that JSON does not have, though C does.
fn is_invalid_number(text: &[u8]) -> bool {
    let magnitude = match text {
        [b'+', ..] => return true,
        [b'-', rest @ ..] => rest,
        rest => rest,
    };
    match magnitude {
        [b'0', next, ..] => matches!(next, b'x' | b'X' | b'0'..=b'9'),
        _ => {
            let starts = |word: &[u8]| magnitude.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(word));
            starts(b"inf") || starts(b"nan")
        }
    }
}

/// Surrogates never get here, but all else that 16 bits can be does.
fn push_utf8(character: u32, out: &mut Vec<u8>) {
    let character = char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use crate::script::testing::{Interpreter, attempt, run};

    #[test]
    fn documents_are_read_as_redis_reads_them() {
        for (call, result) in [
            (
                "cjson.encode(cjson.decode(' { \"a\" : [ 1 , -2.5e3 , true , false , null , \"x\" ] } '))",
                r#"{"a":[1,-2500,true,false,null,"x"]}"#,
            ),
            ("cjson.encode(cjson.decode('[[],{},[[]]]'))", "[{},{},[{}]]"),
            ("cjson.decode('[null]')[1] == cjson.null", "true"),
            ("cjson.decode('{\"a\":1,\"a\":2}').a", "2"),
            ("cjson.decode('1')", "1"),
            ("cjson.decode(1)", "1"),
            ("cjson.decode('-0') == 0", "true"),
            ("1 / cjson.decode('-0')", "-inf"),
            ("cjson.decode('0x10')", "16"),
            ("cjson.decode('+5')", "5"),
            ("cjson.decode('007')", "7"),
            ("cjson.decode('inf')", "inf"),
            ("cjson.decode('-Infinity')", "-inf"),
            ("cjson.decode('nan') ~= cjson.decode('NaN(1)')", "true"),
            ("cjson.decode('1e400')", "inf"),
            ("cjson.decode('1.')", "1"),
            ("cjson.decode('12345678901234567890')", "1.2345678901235e+19"),
            ("cjson.decode('9007199254740993') == 2^53", "true"),
            ("cjson.decode([[\"\\\"\\\\\\/\\b\\t\\n\\f\\r\"]]) == '\"\\\\/\\8\\t\\n\\12\\r'", "true"),
            ("cjson.decode([[\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"]])", "A\u{e9}\u{20ac}\u{1f600}"),
            ("#cjson.decode([[\"\\u0000\"]])", "1"),
            ("#cjson.decode('[1,2,3]')", "3"),
            ("cjson.decode('[1]\\0rubbish')[1]", "1"),
        ] {
            assert_eq!(attempt(call), result, "{call}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_place() {
        for (call, text) in [
            ("cjson.decode()", "bad argument #1 to 'decode' (expected 1 argument)"),
            ("cjson.decode('1', 2)", "bad argument #1 to 'decode' (expected 1 argument)"),
            ("cjson.decode({})", "bad argument #1 to 'decode' (string expected, got table)"),
            ("cjson.decode('')", "Expected value but found T_END at character 1"),
            ("cjson.decode('  ')", "Expected value but found T_END at character 3"),
            ("cjson.decode('x')", "Expected value but found invalid token at character 1"),
            ("cjson.decode('tru')", "Expected value but found invalid token at character 1"),
            ("cjson.decode('[1')", "Expected comma or array end but found T_END at character 3"),
            ("cjson.decode('[1 2]')", "Expected comma or array end but found T_NUMBER at character 4"),
            ("cjson.decode('[1,]')", "Expected value but found T_ARR_END at character 4"),
            ("cjson.decode('[,')", "Expected value but found T_COMMA at character 2"),
            ("cjson.decode('{1:2}')", "Expected object key string but found T_NUMBER at character 2"),
            ("cjson.decode('{\"a\" 1}')", "Expected colon but found T_NUMBER at character 6"),
            ("cjson.decode('{\"a\":}')", "Expected value but found T_OBJ_END at character 6"),
            ("cjson.decode('{\"a\":1,}')", "Expected object key string but found T_OBJ_END at character 8"),
            ("cjson.decode('{\"a\":1;')", "Expected comma or object end but found invalid token at character 7"),
            ("cjson.decode('{\"a\":1:')", "Expected comma or object end but found T_COLON at character 7"),
            ("cjson.decode('1 true')", "Expected the end but found T_BOOLEAN at character 3"),
            ("cjson.decode('1 null')", "Expected the end but found T_NULL at character 3"),
            ("cjson.decode('1 {')", "Expected the end but found T_OBJ_BEGIN at character 3"),
            ("cjson.decode('1 [')", "Expected the end but found T_ARR_BEGIN at character 3"),
            ("cjson.decode('1 \"a\"')", "Expected the end but found T_STRING at character 3"),
            ("cjson.decode('\"abc')", "Expected value but found unexpected end of string at character 5"),
            ("cjson.decode('\"a\\\\xb\"')", "Expected value but found invalid escape code at character 3"),
            ("cjson.decode('\"\\\\')", "Expected value but found invalid escape code at character 2"),
            ("cjson.decode('\"\\\\u12g4\"')", "Expected value but found invalid unicode escape code at character 2"),
            ("cjson.decode('\"\\\\udc00\"')", "Expected value but found invalid unicode escape code at character 2"),
            ("cjson.decode('\"\\\\ud800x\"')", "Expected value but found invalid unicode escape code at character 2"),
            (
                "cjson.decode('\"\\\\ud800\\\\u0041\"')",
                "Expected value but found invalid unicode escape code at character 2",
            ),
            ("cjson.decode('-')", "Expected value but found invalid number at character 1"),
            ("cjson.decode('-x')", "Expected value but found invalid number at character 1"),
            ("cjson.decode('0x')", "Expected the end but found invalid token at character 2"),
            ("cjson.decode('1.2.3')", "Expected the end but found invalid token at character 4"),
            ("cjson.decode('.5')", "Expected value but found invalid token at character 1"),
            ("cjson.decode('\\0 1')", "JSON parser does not support UTF-16 or UTF-32"),
            ("cjson.decode('1\\0')", "JSON parser does not support UTF-16 or UTF-32"),
        ] {
            assert_eq!(attempt(call), text, "{call}");
        }
    }

    #[test]
    fn settings_change_what_is_read() {
        for (script, text) in [
            ("cjson.decode_invalid_numbers(false)", ("0x10", "Expected value but found invalid number at character 1")),
            ("cjson.decode_invalid_numbers(false)", ("-inf", "Expected value but found invalid number at character 1")),
            ("cjson.decode_invalid_numbers(false)", ("nan", "Expected value but found invalid token at character 1")),
            ("cjson.decode_invalid_numbers(false)", ("01", "Expected value but found invalid number at character 1")),
            ("cjson.decode_max_depth(2)", ("[[[]]]", "Found too many nested data structures (3) at character 3")),
        ] {
            let (document, error) = text;
            let script = format!("{script} local ok, text = pcall(cjson.decode, '{document}') return text");
            assert_eq!(run(&script), error, "{script}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let script = b"local ok, value = pcall(cjson.decode, ARGV[1]) return ok and 'ok' or value";
        let deep = |levels: usize| [b"[".repeat(levels), b"]".repeat(levels)].concat();
        let mut interpreter = Interpreter::new();
        assert_eq!(interpreter.run_bytes(script, &[&deep(1000)]), b"ok");
        let text = interpreter.run_bytes(script, &[&deep(1001)]);
        assert_eq!(String::from_utf8_lossy(&text), "Found too many nested data structures (1001) at character 1001");
        let more = [b"cjson.decode_max_depth(1000000) ", &script[..]].concat();
        let text = interpreter.run_bytes(&more, &[&deep(100_000)]);
        assert_eq!(String::from_utf8_lossy(&text), "Found too many nested data structures (7999) at character 7999");
    }

    #[test]
    fn memory_and_time_are_bounded() {
        let mut interpreter = Interpreter::with_limit(8 << 20);
        let document = [b"[".to_vec(), b"[],".repeat(300_000), b"1]".to_vec()].concat();
        let reply = interpreter.run_bytes(b"return #cjson.decode(ARGV[1])", &[&document]);
        assert!(String::from_utf8_lossy(&reply).contains("not enough memory"), "{}", String::from_utf8_lossy(&reply));
        interpreter.server.polls_left = 3;
        let document = [b"[".to_vec(), b"1,".repeat(100_000), b"1]".to_vec()].concat();
        let reply = interpreter.run_bytes(b"return #cjson.decode(ARGV[1])", &[&document]);
        assert!(reply.starts_with(b"-") && interpreter.server.polls_left == 0);
    }
}
