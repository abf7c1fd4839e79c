//! Calls of struct and bit, and formats for the first.

use fastrand::Rng;

use super::program::{LibraryCall, argument, spoil};
use super::values::{self, one_of};

pub fn struct_call(random: &mut Rng, args: &mut Vec<Vec<u8>>) -> LibraryCall {
    let options = format(random);
    let text = quoted(&options);
    match random.usize(..5) {
        0 | 1 => {
            let mut call_args = vec![text];
            for option in &options {
                match option.as_bytes()[0] {
                    b's' | b'c' => call_args.push(values::text(random)),
                    b'a'..=b'z' | b'A'..=b'Z' if option != "x" => call_args.push(number(random)),
                    _ => {}
                }
            }
            let through = one_of(random, &["", "", "#"]);
            LibraryCall { through, function: "struct.pack".to_owned(), args: spoil(random, call_args) }
        }
        2 | 3 => {
            let data = data(random, &options);
            let len = data.len();
            let mut call_args = vec![text, argument(args, data)];
            if random.usize(..3) == 0 {
                call_args.push(offset(random, len));
            }
            let through = one_of(random, &["", "", "", "cmsgpack.pack("]);
            LibraryCall { through, function: "struct.unpack".to_owned(), args: spoil(random, call_args) }
        }
        _ => LibraryCall::new("struct.size", spoil(random, vec![text])),
    }
}

fn quoted(options: &[String]) -> String {
    format!("'{}'", options.concat().replace('\0', "\\0"))
}

/// The options of a format.
fn format(random: &mut Rng) -> Vec<String> {
    if random.usize(..60) == 0 {
        return vec![one_of(random, &["b", "i", "s", "x", "i0", "c1"]).to_owned(); one_of(random, &[20, 100, 200])];
    }
    const SIZES: &[&str] = &[
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        "7",
        "8",
        "9",
        "15",
        "16",
        "17",
        "31",
        "32",
        "33",
        "00004",
        "255",
        "2147483647",
        "2147483648",
        "4294967295",
        "99999999999999999999",
    ];
    const ALIGNMENTS: &[&str] =
        &["!", "!1", "!2", "!4", "!8", "!16", "!3", "!0", "!64", "!1073741824", "!2147483648", "!x"];
    const BAD: &[&str] =
        &["z", "\0", "?", "%", "é", "q", "5", "-", "c0c0", "s0", "ii", "@", "=", "\\n", "\\'", "C", "S"];
    let mut options = Vec::new();
    for _ in 0..random.usize(..7) {
        let option = match random.usize(..40) {
            0..=21 => one_of(random, &["b", "B", "h", "H", "l", "L", "T", "i", "I", "f", "d"]).to_owned(),
            22..=25 => format!("{}{}", one_of(random, &["i", "I"]), random.u32(1..10)),
            26 => format!("{}{}", one_of(random, &["i", "I", "c"]), one_of(random, SIZES)),
            27 | 28 => one_of(random, &["s", "c", "c0", "Bc0"]).to_owned(),
            29 | 30 => format!("c{}", random.u32(..6)),
            31..=33 => one_of(random, &[">", "<", " "]).to_owned(),
            34 | 35 => "x".to_owned(),
            36..=38 => {
                // The first four are right on each machine.
                let choices = if random.usize(..4) > 0 { &ALIGNMENTS[..5] } else { ALIGNMENTS };
                one_of(random, choices).to_owned()
            }
            _ => one_of(random, BAD).to_owned(),
        };
        options.push(option);
    }
    options
}

fn number(random: &mut Rng) -> String {
    match random.usize(..12) {
        0 => values::scalar(random),
        1 => values::numeral(random),
        _ => values::number(random),
    }
}

/// Bytes to be unpacked, about as many as the options ask for, with small numbers where one is a length.
fn data(random: &mut Rng, options: &[String]) -> Vec<u8> {
    let mut data = Vec::new();
    for option in options {
        let count = match option.as_bytes() {
            b"b" | b"B" | b"x" | b"c" => 1,
            b"h" | b"H" => 2,
            b"i" | b"I" | b"f" => 4,
            b"l" | b"L" | b"T" | b"d" => 8,
            [b'i' | b'I' | b'c', digits @ ..] => {
                std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0).min(300)
            }
            _ => random.usize(..5),
        };
        let style = random.usize(..4);
        data.extend((0..count).map(|at| match style {
            0 if at == 0 => random.u8(..6),
            0 => 0,
            1 => one_of(random, &[0, 1, 0x7f, 0x80, 0xff]),
            _ => random.u8(..),
        }));
        if option == "s" && random.usize(..6) > 0 {
            data.push(0);
        }
    }
    match random.usize(..5) {
        0 => data.truncate(random.usize(..=data.len())),
        1 | 2 => data.extend((0..random.usize(..24)).map(|_| random.u8(..4))),
        _ => {}
    }
    data
}

fn offset(random: &mut Rng, len: usize) -> String {
    const ODD: &[&str] =
        &["0", "-1", "0.9", "1.9", "'2'", "'x'", "nil", "true", "{}", "2^31", "2^32 + 1", "2^53", "-2^31", "1e300"];
    match random.usize(..6) {
        0 => one_of(random, ODD).to_owned(),
        1 => (len + random.usize(..3)).to_string(),
        _ => random.usize(1..5).to_string(),
    }
}

pub fn bit_call(random: &mut Rng) -> LibraryCall {
    let function = one_of(
        random,
        &[
            "tobit", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap", "tohex",
            "tohex",
        ],
    );
    let count = match function {
        "tobit" | "bnot" | "bswap" => 1,
        "band" | "bor" | "bxor" => random.usize(1..5),
        "tohex" => random.usize(1..3),
        _ => 2,
    };
    let args =
        (0..count).map(|at| if at == 1 && random.bool() { random.i32(-40..40).to_string() } else { number(random) });
    let args = args.collect();
    LibraryCall::new(format!("bit.{function}"), spoil(random, args))
}
