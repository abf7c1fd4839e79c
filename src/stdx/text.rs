//! Lines of arguments as people type them, and bytes as logs show them.

use memchr::memchr;

/// Whether two texts are the same; quicker than `==` for the short ones that names and keys are, since nothing is called.
#[inline]
pub fn are_equal(left: &[u8], right: &[u8]) -> bool {
    match left.len() {
        len if len != right.len() => false,
        // Both ends, which overlap.
        8..=16 => left.first_chunk::<8>() == right.first_chunk() && left.last_chunk::<8>() == right.last_chunk(),
        4..8 => left.first_chunk::<4>() == right.first_chunk() && left.last_chunk::<4>() == right.last_chunk(),
        _ => left == right,
    }
}

/// Copies a text to a place of its length; quicker than `copy_from_slice` for short ones, as [`are_equal`] is.
///
/// # Panics
///
/// When the lengths are not the same.
#[inline(always)]
pub fn copy(text: &[u8], place: &mut [u8]) {
    let is_copied = text.len() == place.len()
        && match text.len() {
            16..=32 => copy_ends::<16>(text, place),
            8..16 => copy_ends::<8>(text, place),
            4..8 => copy_ends::<4>(text, place),
            _ => None,
        }
        .is_some();
    if !is_copied {
        place.copy_from_slice(text);
    }
}

/// Copies the first and the last `N` bytes, which overlap.
#[inline(always)]
fn copy_ends<const N: usize>(text: &[u8], place: &mut [u8]) -> Option<()> {
    *place.first_chunk_mut()? = *text.first_chunk::<N>()?;
    *place.last_chunk_mut()? = *text.last_chunk::<N>()?;
    Some(())
}

/// A number of things: `1 key`, `2 keys`.
pub fn counted(count: impl TryInto<u64>, thing: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// The system's text of an error, without the number that the standard library adds.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) if error.raw_os_error().is_some() => text[..end].to_owned(),
        _ => text,
    }
}

/// The bytes in double quotes, with everything that is not printable ASCII escaped. [`split_args`] reads it back.
pub fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    push_quoted(&mut out, bytes);
    out
}

/// Appends what [`quoted`] returns.
pub fn push_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x07 => out.extend(b"\\a"),
            0x08 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend([b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
    out.push(b'"');
}

/// Splits a line into arguments at white space. An argument may be in double quotes, with the escapes that [`quoted`]
/// writes, or in single quotes, where only `\'` is an escape. A zero byte ends the line. `None` where a quote is not
/// closed, or is closed in the middle of an argument.
pub fn split_args(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut args = Vec::new();
    let mut rest = memchr(0, line).map_or(line, |end| &line[..end]);
    while let Some((arg, tail)) = split_first_arg(rest)? {
        args.push(arg);
        rest = tail;
    }
    Some(args)
}

/// The first argument of a line and what follows it. `None` on unbalanced quotes, `Some(None)` at the line's end.
fn split_first_arg(line: &[u8]) -> Option<Option<(Vec<u8>, &[u8])>> {
    let mut rest = line;
    while let [byte, tail @ ..] = rest
        && is_space(*byte)
    {
        rest = tail;
    }
    if rest.is_empty() {
        return Some(None);
    }
    let mut arg = Vec::new();
    loop {
        match rest {
            [] => return Some(Some((arg, rest))),
            [b' ' | b'\n' | b'\r' | b'\t', tail @ ..] => return Some(Some((arg, tail))),
            [quote @ (b'"' | b'\''), tail @ ..] => {
                let after =
                    if *quote == b'"' { unquote_double(tail, &mut arg)? } else { unquote_single(tail, &mut arg)? };
                return match after.first() {
                    Some(&byte) if !is_space(byte) => None,
                    _ => Some(Some((arg, after))),
                };
            }
            [byte, tail @ ..] => {
                arg.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Takes in the inside of double quotes and returns what follows the closing one.
fn unquote_double<'a>(text: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                arg.push(hex_value(*high) << 4 | hex_value(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] => {
                arg.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 0x07,
                    b'b' => 0x08,
                    other => *other,
                });
                rest = tail;
            }
            [byte, tail @ ..] => {
                arg.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Takes in the inside of single quotes and returns what follows the closing one.
fn unquote_single<'a>(text: &'a [u8], arg: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        match rest {
            [] => return None,
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', b'\'', tail @ ..] => {
                arg.push(b'\'');
                rest = tail;
            }
            [byte, tail @ ..] => {
                arg.push(*byte);
                rest = tail;
            }
        }
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// What C's `isspace` accepts.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

/// A number of bytes as `INFO` shows it to people: `512B`, `1.50K`, `2.00G`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [(u32, char); 5] = [(10, 'K'), (20, 'M'), (30, 'G'), (40, 'T'), (50, 'P')];
    for (shift, unit) in UNITS.into_iter().rev() {
        if bytes >= 1 << shift && bytes < 1 << 60 {
            return format!("{:.2}{unit}", bytes as f64 / (1u64 << shift) as f64);
        }
    }
    format!("{bytes}B")
}

/// The bytes that a line `name:   12 kB` states, as the files of /proc about memory have them.
pub fn kilobyte_field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Reads an amount of memory: digits and a unit of any case, `b`, `k`, `kb`, `m`, `mb`, `g` or `gb`, where the units
/// with a `b` are powers of 1024 and those without of 1000.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1_000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if number.is_empty() {
        return None;
    }
    let number = std::str::from_utf8(number).ok()?.parse::<u64>().ok()?;
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_copied_whatever_their_length() {
        for len in 0..100 {
            let text: Vec<u8> = (1..=len).collect();
            let mut place = vec![0; text.len()];
            copy(&text, &mut place);
            assert_eq!(place, text);
        }
    }

    #[test]
    #[should_panic(expected = "length")]
    fn a_text_is_not_copied_to_a_place_of_another_length() {
        copy(b"12345678", &mut [0; 9]);
    }

    #[test]
    fn texts_are_equal_when_all_their_bytes_are() {
        for len in 0..40 {
            let text: Vec<u8> = (0..len).collect();
            assert!(are_equal(&text, &text.clone()));
            assert!(!are_equal(&text, &[&text[..], b"x"].concat()));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert!(!are_equal(&text, &other), "{len} bytes, another one at {at}");
            }
        }
    }

    #[test]
    fn errors_of_the_system_are_said_without_their_number() {
        assert_eq!(reason(&std::io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(reason(&std::io::Error::other("odd (os error 2)")), "odd (os error 2)");
    }

    fn split(line: &str) -> Option<Vec<String>> {
        let args = split_args(line.as_bytes())?;
        Some(args.into_iter().map(|arg| String::from_utf8(arg).expect("the tests quote only text")).collect())
    }

    #[test]
    fn a_line_splits_at_white_space_and_quotes() {
        for (line, args) in [
            ("", &[][..]),
            (" \t\r\n ", &[]),
            ("a b  c\t", &["a", "b", "c"]),
            ("set \"a b\" 'c d'", &["set", "a b", "c d"]),
            (r#""\x41\n\r\t\a\b\\\"\q""#, &["A\n\r\t\u{7}\u{8}\\\"q"]),
            (r#""\xzz\x4""#, &["xzzx4"]),
            (r"'it\'s' '\n'", &["it's", "\\n"]),
            ("''", &[""]),
            ("\"\"", &[""]),
            ("foo\"bar\"", &["foobar"]),
            ("foo'bar' x", &["foobar", "x"]),
            ("a b\0c \"", &["a", "b"]),
            ("a\u{b}b\u{b} c", &["a\u{b}b\u{b}", "c"]),
        ] {
            assert_eq!(split(line).expect("the quotes are balanced"), args, "{line:?}");
        }
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in ["\"", "'", "\"a", "'a", "\"a\"b", "'a'b", "\"a\\", "\"a\\\"", "x \"a\"\"b\"", "'a\\'"] {
            assert_eq!(split(line), None, "{line:?}");
        }
    }

    #[test]
    fn quoting_escapes_what_is_not_printable() {
        assert_eq!(quoted(b"plain text"), b"\"plain text\"");
        assert_eq!(quoted(b"\"\\\n\r\t\x07\x08\0\x7f\xff"), b"\"\\\"\\\\\\n\\r\\t\\a\\b\\x00\\x7f\\xff\"");
    }

    #[test]
    fn amounts_of_memory_are_shown_to_people() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1536, "1.50K"),
            (1_048_575, "1024.00K"),
            (1 << 20, "1.00M"),
            (3 << 29, "1.50G"),
            (1 << 40, "1.00T"),
            (1 << 50, "1.00P"),
            (1 << 60, "1152921504606846976B"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    fn amounts_of_memory_are_read_with_their_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("100", Some(100)),
            ("1b", Some(1)),
            ("1k", Some(1000)),
            ("1kb", Some(1024)),
            ("2M", Some(2_000_000)),
            ("2Mb", Some(2 << 20)),
            ("1g", Some(1_000_000_000)),
            ("1gB", Some(1 << 30)),
            ("", None),
            ("gb", None),
            ("-1", None),
            ("1 gb", None),
            ("1.5gb", None),
            ("1tb", None),
            ("99999999999999999999", None),
            ("18446744073709551615gb", None),
        ] {
            assert_eq!(parse_memory(text.as_bytes()), bytes, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_splits_back_to_the_same(args: Vec<Vec<u8>>) {
            let line = args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(&b' ');
            prop_assert_eq!(split_args(&line), Some(args));
        }

        #[test]
        fn random_lines_never_panic(line in "[ \"'\\\\xa0\n]{0,20}") {
            split_args(line.as_bytes());
        }
    }

    #[test]
    fn kilobytes_of_proc_files_are_found_by_their_whole_name() {
        let text = "MemTotal:       24 kB\nMemAvailable:    7 kB\nHugePages_Free:        3\n";
        assert_eq!(kilobyte_field(text, "MemAvailable"), Some(7 << 10));
        assert_eq!(kilobyte_field(text, "Mem"), None);
        assert_eq!(kilobyte_field(text, "HugePages_Free"), None);
        assert_eq!(kilobyte_field("A: 18446744073709551615 kB", "A"), None);
    }
}
