//! Calls of cjson, and documents for it.

use fastrand::Rng;

use super::program::{LibraryCall, argument, mutate, spoil};
use super::values::{self, one_of};

const LIKELY: &[u8] = b"[]{},:\"\\0e-+. \tnutf\0x/";

pub fn call(random: &mut Rng, args: &mut Vec<Vec<u8>>) -> LibraryCall {
    match random.usize(..8) {
        0..=2 => encode(random),
        3..=5 => {
            let mut text = document(random);
            if random.bool() {
                mutate(random, &mut text, LIKELY);
            }
            let text = vec![argument(args, text)];
            let through =
                one_of(random, &["", "", "json.encode(ordered(", "json.encode(json.decode(json.encode(ordered("]);
            LibraryCall { through, function: "json.decode".to_owned(), args: spoil(random, text) }
        }
        _ => setting(random),
    }
}

fn encode(random: &mut Rng) -> LibraryCall {
    if random.usize(..20) == 0 {
        // Holes are no more than what the settings of a new library allow.
        let place = one_of(
            random,
            &["2^31 - 1", "2^31", "2^31 + 5", "2^32", "2^32 + 2", "2^53", "2^63", "2^64", "-2^31", "1e300"],
        );
        let table = format!("{{{}, [{place}] = {}}}", values::scalar(random), values::scalar(random));
        return LibraryCall::new("cjson.new().encode", vec![table]);
    }
    let value = vec![values::value(random, 4)];
    let through = one_of(random, &["", "", "json.decode("]);
    LibraryCall { through, function: "json.encode".to_owned(), args: spoil(random, value) }
}

/// A function that changes how a library encodes and decodes.
fn setting(random: &mut Rng) -> LibraryCall {
    const CHOICES: &[&str] =
        &["true", "false", "'on'", "'off'", "'null'", "nil", "'ON'", "''", "'on\\0x'", "0", "1", "{}", "cjson.null"];
    // A ratio that allows any number of holes would have all of them written: places in lists are small.
    const NUMBERS: &[&str] = &["0", "1", "2", "3", "5", "10", "14", "15", "16", "17", "100", "10000", "nil"];
    const ODD: &[&str] = &[
        "-1", "1.9", "0.5", "-0.5", "'3'", "' 4 '", "'x'", "true", "{}", "2^31", "2^31 - 1", "2^32 + 7", "-2^31",
        "1e300",
    ];
    let number = |random: &mut Rng| if random.usize(..3) > 0 { one_of(random, NUMBERS) } else { one_of(random, ODD) };
    let function = one_of(
        random,
        &[
            "encode_sparse_array",
            "encode_sparse_array",
            "encode_max_depth",
            "decode_max_depth",
            "encode_number_precision",
            "encode_number_precision",
            "encode_keep_buffer",
            "encode_invalid_numbers",
            "encode_invalid_numbers",
            "decode_invalid_numbers",
            "new",
        ],
    );
    let mut args: Vec<&str> = Vec::new();
    match function {
        "new" => {}
        "encode_sparse_array" => {
            args.push(one_of(random, CHOICES));
            args.push(number(random));
            args.push(number(random));
            args.truncate(random.usize(..4));
        }
        "encode_max_depth" | "decode_max_depth" | "encode_number_precision" => args.push(number(random)),
        _ => args.push(one_of(random, CHOICES)),
    }
    // What a product with INT_MAX is, is not defined in C.
    if function == "encode_sparse_array" {
        args.iter_mut().filter(|arg| **arg == "2^31 - 1").for_each(|arg| *arg = "1000");
    }
    if random.usize(..8) == 0 {
        args.clear();
    }
    let args = args.into_iter().map(str::to_owned).collect();
    LibraryCall::new(format!("json.{function}"), if random.usize(..10) == 0 { spoil(random, args) } else { args })
}

fn document(random: &mut Rng) -> Vec<u8> {
    match random.usize(..30) {
        0 => {
            let depth = one_of(random, &[3, 14, 100, 999, 1000, 1001, 1500, 6000]);
            let (open, close) = one_of(random, &[("[", "]"), ("{\"a\":", "}"), ("[1,", "]"), ("[", "")]);
            [open.repeat(depth).into_bytes(), item(random, 0), close.repeat(depth).into_bytes()].concat()
        }
        1 => one_of(random, &[&b""[..], b" ", b"\0", b"\0[", b"[\0", b"[]\0]", b"\xef\xbb\xbf[]", b"1 2", b"[1]]"])
            .to_vec(),
        _ => item(random, 4),
    }
}

fn item(random: &mut Rng, depth: usize) -> Vec<u8> {
    let mut text = blank(random).to_vec();
    match random.usize(..if depth == 0 { 6 } else { 10 }) {
        0 => text.extend_from_slice(one_of(random, &[&b"true"[..], b"false", b"null", b"nul", b"True", b"truefalse"])),
        1 | 2 => string(random, &mut text),
        3..=5 => text.extend_from_slice(number(random).as_bytes()),
        6 | 7 => {
            let items: Vec<_> = (0..random.usize(..8)).map(|_| item(random, depth - 1)).collect();
            text.push(b'[');
            text.extend(items.join(&b','));
            text.push(b']');
        }
        _ => {
            let mut pairs = Vec::new();
            for _ in 0..random.usize(..10) {
                let mut pair = blank(random).to_vec();
                match random.usize(..3) {
                    0 => string(random, &mut pair),
                    _ => pair.extend(format!("\"k{}\"", random.u32(..30)).bytes()),
                }
                pair.extend_from_slice(blank(random));
                pair.push(b':');
                pair.extend(item(random, depth - 1));
                pairs.push(pair);
            }
            text.push(b'{');
            text.extend(pairs.join(&b','));
            text.push(b'}');
        }
    }
    text.extend_from_slice(blank(random));
    text
}

fn blank(random: &mut Rng) -> &'static [u8] {
    // The last two are blanks for C, but not for JSON.
    const BLANKS: &[&[u8]] = &[b"", b"", b"", b"", b"", b" ", b"\n\t", b"\r", b"\x0b", b"\x0c"];
    let count = if random.usize(..20) == 0 { 10 } else { 8 };
    one_of(random, &BLANKS[..count])
}

fn number(random: &mut Rng) -> String {
    const ODD: &[&str] = &[
        "-0",
        "-",
        "--1",
        "+1",
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "1.e3",
        "1e",
        "1e+",
        "1E5",
        "1e-",
        "0x1f",
        "0X1F",
        "-0x10",
        "0x",
        "0x1p3",
        "0x.8p1",
        "1e400",
        "-1e400",
        "1e-400",
        "nan",
        "NaN",
        "-nan",
        "nan(7)",
        "inf",
        "Infinity",
        "-Infinity",
        "-INF",
        "+inf",
        "i",
        "n",
        "infx",
        "12345678901234567890",
        "0.30000000000000004",
        "1e23",
        "8.5e22",
        "2.2250738585072011e-308",
        "9007199254740993",
        "100000000000000000000000000000000000000000000",
        "1.7976931348623159e308",
        "4.9e-324",
        "2e-324",
        "1d5",
        "1_0",
        "1'0",
        "0b1",
    ];
    match random.usize(..6) {
        0 => random.i64(..).to_string(),
        1 => format!("{}.{}", random.i32(-1000..1000), random.u64(..)),
        2 => format!("{}e{}", random.i32(-1000..1000), random.i32(-330..330)),
        3 => one_of(random, ODD).to_owned(),
        _ => random.i32(-10..1000).to_string(),
    }
}

fn string(random: &mut Rng, text: &mut Vec<u8>) {
    const PARTS: &[&[u8]] = &[
        b"\\n",
        b"\\t",
        b"\\\"",
        b"\\\\",
        b"\\/",
        b"/",
        b"\\b",
        b"\\f",
        b"\\r",
        b"\\u0000",
        b"\\u00e9",
        b"\\u20AC",
        b"\\uFFFF",
        b"\\ud83d\\ude00",
        b"\\uDBFF\\uDFFF",
        b"\\ud800",
        b"\\udc00",
        b"\\ud800\\u0041",
        b"\\ud800x",
        b"\\ud83d\\n",
        b"\\u12",
        b"\\u12g4",
        b"\\u",
        b"\\x41",
        b"\\",
        b"\\a",
        b"\\'",
        b"\n",
        b"\x01",
        b"\0",
        b"\x7f",
        b"\xc3\xa9",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xf0\x9f\x98\x80",
        b"\xc0\x80",
        b"'",
    ];
    text.push(b'"');
    for _ in 0..random.usize(..6) {
        match random.usize(..3) {
            0 => {
                // Most are such as a document may have.
                let parts = if random.usize(..8) == 0 { PARTS } else { &PARTS[..15] };
                text.extend_from_slice(one_of(random, parts));
            }
            1 => text.extend(std::iter::repeat_n(b'x', one_of(random, &[1, 7, 15, 16, 17, 40]))),
            _ => text.push(random.alphanumeric() as u8),
        }
    }
    if random.usize(..40) != 0 {
        text.push(b'"');
    }
}
