//! Values of Lua as expressions.

use fastrand::Rng;

pub fn one_of<T: Copy>(random: &mut Rng, items: &[T]) -> T {
    items[random.usize(..items.len())]
}

/// Numbers where something changes: a sign, a number of bits or digits, what is whole or finite.
const EDGES: &[&str] = &[
    "0",
    "-0",
    "1/0",
    "-1/0",
    "0/0",
    "-(0/0)",
    "0.5",
    "-0.5",
    "1.5",
    "2.5",
    "0.1",
    "1/3",
    "-1e-7",
    "1e14",
    "1e15",
    "1e16",
    "123456789012345",
    "0.00001",
    "1e-5",
    "5e-324",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "3.4028235e38",
    "2^24",
    "2^24 + 1",
    "2^31",
    "2^31 - 1",
    "-2^31",
    "-2^31 - 1",
    "2^32",
    "2^32 - 1",
    "2^32 + 0.5",
    "2^51",
    "2^52",
    "2^53",
    "2^53 + 2",
    "-2^53",
    "2^63",
    "-2^63",
    "2^63 - 1024",
    "-2^63 - 2048",
    "2^64",
    "-2^64",
    "2^70",
    "1e100",
    "127",
    "128",
    "-32",
    "-33",
    "-128",
    "-129",
    "255",
    "256",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "65535",
    "65536",
];

/// Tables within tables, around what cjson allows and far above.
pub const DEEP: &[usize] = &[998, 999, 1000, 1001, 6000];

pub fn number(random: &mut Rng) -> String {
    match random.usize(..8) {
        0 | 1 => random.i32(-20..200).to_string(),
        2 => format!("{}.{}", random.i32(-1000..1000), random.u32(..1_000_000)),
        3 => format!("{}e{}", random.i32(-100_000..100_000), random.i32(-40..40)),
        4 => format!("{}2^{}", one_of(random, &["", "-"]), random.u32(..70)),
        5 => random.i64(..).to_string(),
        _ => one_of(random, EDGES).to_owned(),
    }
}

/// Strings that are numbers for Lua, or nearly so.
const NUMERALS: &[&str] = &[
    "''",
    "' '",
    "'0'",
    "' 12 '",
    "'12x'",
    "'0x10'",
    "'0x'",
    "'-0x1p4'",
    "'1e3'",
    "'1e'",
    "'.5'",
    "'5.'",
    "'inf'",
    "'-nan'",
    "'nan(1)'",
    "'infinity'",
    "'+7'",
    "'- 7'",
    "'1\\0'",
    "'\\t3\\n'",
    "'1e400'",
    "'99999999999999999999'",
    "'1_000'",
];

pub fn numeral(random: &mut Rng) -> String {
    one_of(random, NUMERALS).to_owned()
}

/// A string as a literal of Lua.
pub fn text(random: &mut Rng) -> String {
    let len = match random.usize(..12) {
        0 => 0,
        1 => one_of(random, &[31, 32, 33, 255, 256, 257]),
        _ => random.usize(1..14),
    };
    text_of(random, len)
}

/// A text of so many parts, of up to four bytes each.
fn text_of(random: &mut Rng, len: usize) -> String {
    let mut text = String::from("'");
    for _ in 0..len {
        match random.usize(..8) {
            0 => text.push_str(&format!("\\{:03}", random.u8(..))),
            1 => text.push_str(one_of(
                random,
                &["\\n", "\\t", "\\\"", "/", "\\\\", "\\0", "\\127", "\\b", "\\f", "\\r", "\\031"],
            )),
            2 => text.push_str(one_of(random, &["é", "€", "😀", "\\237\\160\\128", "\\192\\128", "\\195"])),
            _ => text.push(random.alphanumeric()),
        }
    }
    text.push('\'');
    text
}

pub fn scalar(random: &mut Rng) -> String {
    match random.usize(..10) {
        0 => one_of(random, &["true", "false", "nil", "cjson.null"]).to_owned(),
        1 if random.usize(..4) == 0 => {
            one_of(random, &["tostring", "loud", "coroutine.create(loud)", "cjson.encode"]).to_owned()
        }
        1 | 2 => numeral(random),
        3..=5 => text(random),
        _ => number(random),
    }
}

/// A value with up to so many tables within each other.
pub fn value(random: &mut Rng, depth: usize) -> String {
    if depth == 0 || random.usize(..3) == 0 {
        return scalar(random);
    }
    match random.usize(..24) {
        0 => {
            let depth = match random.usize(..3) {
                0 => one_of(random, DEEP),
                _ => one_of(random, &[1, 2, 14, 15, 16, 17, 40, 120]),
            };
            let function = one_of(random, &["deep", "deep_map"]);
            format!("{function}({depth}, {})", scalar(random))
        }
        1 => format!("wide({}, {})", one_of(random, &[15, 16, 17, 31, 300]), scalar(random)),
        2 => "circle()".to_owned(),
        3 => "{}".to_owned(),
        4 => {
            let metatable = one_of(
                random,
                &[
                    "{}",
                    "{__index = loud, __newindex = loud, __len = loud, __call = loud, __tostring = loud, __pairs = loud}",
                    "{__index = {1, 2, 3, x = 4}}",
                    "{__metatable = 'kept', __mode = 'k'}",
                    "{__tostring = function() return 'x' end, __eq = loud, __lt = loud, __unm = loud, __concat = loud}",
                ],
            );
            format!("setmetatable({}, {metatable})", table(random, depth - 1))
        }
        5 => format!("{{{}}}", (0..random.usize(1..20)).map(|_| scalar(random)).collect::<Vec<_>>().join(", ")),
        _ => table(random, depth - 1),
    }
}

/// A value that a script returns, with the tables that have a meaning there.
pub fn reply(random: &mut Rng, depth: usize) -> String {
    if depth == 0 {
        return scalar(random);
    }
    let inner = |random: &mut Rng| reply(random, depth - 1);
    // Now and then it is none of what it should be.
    let wrong = random.usize(..12) == 0;
    match random.usize(..16) {
        0 | 1 => format!("{{ok = {}}}", if wrong { inner(random) } else { text(random) }),
        2 | 3 => format!("{{err = {}}}", if wrong { inner(random) } else { text(random) }),
        // Since 7.2 a float has no more digits than it needs. These have few.
        4 | 5 => {
            let float = one_of(random, &["0.5", "-2.25", "7", "-0", "1e5", "1/0", "-1/0", "'7'", "'x'", "nil"]);
            format!("{{double = {float}}}")
        }
        6 => format!("{{big_number = {}}}", if wrong { inner(random) } else { text(random) }),
        7 | 8 => format!("{{map = {}}}", if wrong { inner(random) } else { table(random, depth - 1) }),
        9 => {
            let members: Vec<_> =
                (0..random.usize(..5)).map(|_| format!("[{}] = {}", key(random), inner(random))).collect();
            format!("{{set = {{{}}}}}", members.join(", "))
        }
        10 => {
            let format = one_of(random, &["'txt'", "'mkd'", "'longer'", "'x'", "''", "7", "nil", "{}"]);
            let string = if wrong { inner(random) } else { text(random) };
            format!("{{verbatim_string = {{format = {format}, string = {string}}}}}")
        }
        11 => value(random, depth),
        12 => scalar(random),
        _ => {
            let items: Vec<_> = (0..random.usize(..6)).map(|_| inner(random)).collect();
            format!("{{{}}}", items.join(", "))
        }
    }
}

fn table(random: &mut Rng, depth: usize) -> String {
    let kinds = random.usize(..4);
    let mut items = Vec::new();
    for _ in 0..random.usize(..9) {
        let item = value(random, depth);
        items.push(match if kinds < 3 { kinds } else { random.usize(..3) } {
            0 => item,
            1 => format!("[{}] = {item}", place(random)),
            _ => format!("[{}] = {item}", key(random)),
        });
    }
    format!("{{{}}}", items.join(", "))
}

/// Where in a list an element may be, with holes before it.
fn place(random: &mut Rng) -> String {
    match random.usize(..12) {
        0 => one_of(random, &["0", "-1", "1.5", "0.5", "true", "'1'", "'2'", "1/0", "-1/0", "cjson.null"]).to_owned(),
        1 => random.u32(10..300).to_string(),
        _ => random.u32(1..14).to_string(),
    }
}

fn key(random: &mut Rng) -> String {
    match random.usize(..6) {
        0 => {
            let len = random.usize(..8);
            text_of(random, len)
        }
        1 => one_of(random, &["'null'", "'__index'", "''", "2^53", "-2^31", "1e15", "0.1", "1e-7", "true", "false"])
            .to_owned(),
        2 => numeral(random),
        _ => format!("'k{}'", random.u32(..40)),
    }
}
