//! Calls of cmsgpack, and documents for it.

use fastrand::Rng;

use super::program::{LibraryCall, argument, mutate, spoil};
use super::values::{self, one_of};

/// A byte for each kind of value there is.
const KINDS: &[u8] = &[
    0x00, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0, 0xa1, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
    0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff,
];

pub fn call(random: &mut Rng, args: &mut Vec<Vec<u8>>) -> LibraryCall {
    if random.usize(..3) == 0 {
        let count = one_of(random, &[1, 1, 1, 2, 3]);
        let mut values: Vec<_> = (0..count).map(|_| values::value(random, 4)).collect();
        if random.usize(..60) == 0 {
            let wide = format!("wide({}, {})", one_of(random, &[50, 3000, 5000, 7900]), values::scalar(random));
            values.push(format!("unpack({wide})"));
        }
        let through = one_of(random, &["", "", "cmsgpack.unpack("]);
        return LibraryCall { through, function: "cmsgpack.pack".to_owned(), args: spoil(random, values) };
    }
    let mut bytes = document(random);
    if random.usize(..5) < 2 {
        mutate(random, &mut bytes, KINDS);
    }
    let len = bytes.len();
    let mut values = vec![argument(args, bytes)];
    let function = one_of(random, &["unpack", "unpack", "unpack_one", "unpack_limit"]);
    match function {
        "unpack_one" if random.usize(..5) > 0 => values.push(offset(random, len)),
        "unpack_limit" => {
            values.push(offset(random, 3));
            if random.usize(..5) > 0 {
                values.push(offset(random, len));
            }
        }
        _ => {}
    }
    let through = one_of(random, &["", "", "", "cmsgpack.pack(ordered("]);
    LibraryCall { through, function: format!("cmsgpack.{function}"), args: spoil(random, values) }
}

fn offset(random: &mut Rng, len: usize) -> String {
    const ODD: &[&str] = &[
        "-1", "-2", "0.9", "1.5", "'1'", "'x'", "nil", "true", "{}", "2^31", "2^31 - 1", "-2^31", "2^32", "2^53",
        "-1e15",
    ];
    match random.usize(..8) {
        0 => one_of(random, ODD).to_owned(),
        1 => (len + random.usize(..2)).to_string(),
        2 | 3 => "0".to_owned(),
        _ => random.usize(..=len).to_string(),
    }
}

fn document(random: &mut Rng) -> Vec<u8> {
    match random.usize(..30) {
        0 => {
            let byte = one_of(random, &[0x91, 0x81, 0x92, 0xc0, 0x01, 0xa0, 0x90]);
            vec![byte; one_of(random, &[10, 15, 16, 17, 100, 1000, 3000, 6000])]
        }
        1 => (0..random.usize(..24)).map(|_| random.u8(..)).collect(),
        _ => (0..one_of(random, &[1, 1, 1, 2, 3, 5])).flat_map(|_| item(random, 4)).collect(),
    }
}

fn item(random: &mut Rng, depth: usize) -> Vec<u8> {
    match random.usize(..if depth == 0 { 10 } else { 16 }) {
        0 => vec![random.u8(..0x80)],
        1 => vec![random.u8(0xe0..)],
        2 => vec![one_of(random, &[0xc0, 0xc2, 0xc3])],
        3 => vec![one_of(random, KINDS)],
        4 | 5 => number(random),
        6 => {
            let len = random_len(random);
            sized(random, &[0xc4, 0xc5, 0xc6], len)
        }
        7..=9 => {
            let len = random_len(random);
            if len < 32 && random.bool() {
                let mut bytes = vec![0xa0 | len as u8];
                bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(len));
                bytes
            } else {
                sized(random, &[0xd9, 0xda, 0xdb], len)
            }
        }
        kind => collection(random, depth, kind % 2 == 0),
    }
}

fn random_len(random: &mut Rng) -> usize {
    match random.usize(..10) {
        0 => one_of(random, &[31, 32, 255, 256]),
        _ => random.usize(..9),
    }
}

/// The length in one, two or four bytes behind the byte that says so.
fn head(random: &mut Rng, kinds: &[u8], len: usize) -> Vec<u8> {
    let kind = one_of(random, kinds);
    let bytes = (len as u32).to_be_bytes();
    let width = match kind {
        0xc4 | 0xd9 => 1,
        0xc5 | 0xda | 0xdc | 0xde => 2,
        _ => 4,
    };
    [&[kind], &bytes[4 - width..]].concat()
}

fn sized(random: &mut Rng, kinds: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = head(random, kinds, len);
    bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(len));
    bytes
}

fn number(random: &mut Rng) -> Vec<u8> {
    const EDGES: &[u64] = &[
        0,
        1,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        i64::MAX as u64,
        1 << 63,
        u64::MAX,
        1 << 53,
        (1 << 53) + 1,
        0x7ff0_0000_0000_0000,
        0x7ff8_0000_0000_0000,
        0xfff8_0000_0000_0001,
        0x7ff0_0000_0000_0001,
        0x7f80_0000,
        0x7fc0_0000,
        0xffc0_0000,
        0x3ff0_0000_0000_0000,
        0x3f80_0000,
        0x0000_0001,
    ];
    let kind = one_of(random, &[0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3]);
    let width = match kind {
        0xcc | 0xd0 => 1,
        0xcd | 0xd1 => 2,
        0xca | 0xce | 0xd2 => 4,
        _ => 8,
    };
    let value = if random.bool() { one_of(random, EDGES) } else { random.u64(..) };
    [&[kind], &value.to_be_bytes()[8 - width..]].concat()
}

fn collection(random: &mut Rng, depth: usize, is_map: bool) -> Vec<u8> {
    let count = random.usize(..7);
    // Now and then it has fewer elements than it says.
    let claimed = if random.usize(..25) == 0 { count + one_of(random, &[1, 2, 9, 60_000, 1_000_000]) } else { count };
    let mut bytes = match (is_map, random.usize(..3)) {
        (false, 0..=1) if claimed < 16 => vec![0x90 | claimed as u8],
        (true, 0..=1) if claimed < 16 => vec![0x80 | claimed as u8],
        (false, _) => head(random, if claimed > 0xffff { &[0xdd] } else { &[0xdc, 0xdd] }, claimed),
        (true, _) => head(random, if claimed > 0xffff { &[0xdf] } else { &[0xde, 0xdf] }, claimed),
    };
    for _ in 0..count {
        if is_map {
            let is_short = random.bool();
            bytes.extend(if is_short { vec![0xa1, b'a' + random.u8(..8)] } else { item(random, depth - 1) });
        }
        bytes.extend(item(random, depth - 1));
    }
    bytes
}
