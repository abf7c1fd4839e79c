//! Dialogues with a server, written as one would read them:
//!
//! ```text
//! > SET key "two words"
//! +OK
//! > GET key
//! "two words"
//! > MGET key missing
//! ["two words", nil]
//! ```
//!
//! A reply is one line in the form of [`render`]. `...` in it means any text. A command after `7.2>` is skipped,
//! with its reply, when the tests run against an older Redis.

use super::client::{Client, Value};
use super::server::against_redis;

/// Sends each command of the dialogue and compares its reply.
#[track_caller]
pub fn run(client: &mut Client, text: &str) {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).peekable();
    while let Some(line) = lines.next() {
        let (newer, command) = match (line.strip_prefix("> "), line.strip_prefix("7.2> ")) {
            (Some(command), _) => (false, command),
            (_, Some(command)) => (true, command),
            _ => panic!("a transcript line without a command before it: {line}"),
        };
        let expected = lines.next_if(|line| !line.starts_with("> ") && !line.starts_with("7.2> "));
        if newer && against_redis() {
            continue;
        }
        let reply = client.run(command);
        if let Some(expected) = expected {
            let shown = render(&reply);
            assert!(matches(expected, &shown), "\n command: {command}\nexpected: {expected}\n replied: {shown}\n");
        }
    }
}

/// Whether `shown` is `expected`, in which each `...` means any text.
fn matches(expected: &str, shown: &str) -> bool {
    let mut parts = expected.split("...");
    let Some(mut rest) = parts.next().and_then(|first| shown.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            let Some(at) = rest.find(before) else { return false };
            rest = &rest[at + before.len()..];
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

/// One line for one reply: RESP's sigils for simple values, quotes for strings, brackets for what holds others.
pub fn render(value: &Value) -> String {
    let list = |items: &[Value]| items.iter().map(render).collect::<Vec<_>>().join(", ");
    match value {
        Value::Simple(text) => format!("+{text}"),
        Value::Error(text) => format!("-{text}"),
        Value::Integer(number) => format!(":{number}"),
        Value::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Value::Verbatim(bytes) => format!("=\"{}\"", bytes.escape_ascii()),
        Value::NullBulk => "nil".to_owned(),
        Value::NullArray => "nil-array".to_owned(),
        Value::Null => "_".to_owned(),
        Value::Array(items) => format!("[{}]", list(items)),
        Value::Set(items) => format!("~[{}]", list(items)),
        Value::Push(items) => format!(">[{}]", list(items)),
        Value::Map(pairs) => {
            let shown: Vec<_> =
                pairs.iter().map(|(key, value)| format!("{}: {}", render(key), render(value))).collect();
            format!("{{{}}}", shown.join(", "))
        }
        Value::Double(text) => format!(",{text}"),
        Value::Boolean(true) => "#t".to_owned(),
        Value::Boolean(false) => "#f".to_owned(),
        Value::BigNumber(text) => format!("({text}"),
    }
}

/// Splits a line into arguments: `"..."` takes the escapes \n \r \t \\ \" and \xHH, `'...'` takes none.
#[track_caller]
pub fn words(line: &str) -> Vec<Vec<u8>> {
    let bytes = line.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b' ' => at += 1,
            quote @ (b'"' | b'\'') => {
                let mut word = Vec::new();
                at += 1;
                while *bytes.get(at).unwrap_or_else(|| panic!("quote without end: {line}")) != quote {
                    let (byte, taken) = if quote == b'"' { unescape(&bytes[at..]) } else { (bytes[at], 1) };
                    word.push(byte);
                    at += taken;
                }
                at += 1;
                words.push(word);
            }
            _ => {
                let end = bytes[at..].iter().position(|&byte| byte == b' ').map_or(bytes.len(), |found| at + found);
                words.push(bytes[at..end].to_vec());
                at = end;
            }
        }
    }
    words
}

fn unescape(bytes: &[u8]) -> (u8, usize) {
    match bytes {
        [b'\\', b'x', high, low, ..] => {
            let digits = [*high, *low];
            let digits = std::str::from_utf8(&digits).expect("two hex digits");
            (u8::from_str_radix(digits, 16).expect("two hex digits"), 4)
        }
        [b'\\', b'n', ..] => (b'\n', 2),
        [b'\\', b'r', ..] => (b'\r', 2),
        [b'\\', b't', ..] => (b'\t', 2),
        [b'\\', other, ..] => (*other, 2),
        [byte, ..] => (*byte, 1),
        [] => unreachable!("the caller looks at one byte at least"),
    }
}

#[test]
fn dots_in_an_expected_reply_stand_for_any_text() {
    assert!(matches("-ERR ...", "-ERR whatever"));
    assert!(matches("a...b...c", "a1b2b3c"));
    assert!(matches("same", "same"));
    assert!(!matches("same", "same?"));
    assert!(!matches("a...b", "a..."));
}

#[test]
fn words_are_split_and_unquoted_as_redis_cli_does() {
    let expected: Vec<Vec<u8>> = vec![b"SET".to_vec(), b"a b".to_vec(), vec![0, b'\n', b'"'], b"\\x".to_vec(), vec![]];
    assert_eq!(words(r#"SET "a b" "\x00\n\"" '\x' """#), expected);
}
