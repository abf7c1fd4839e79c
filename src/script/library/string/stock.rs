//! The library beside Lua's own: equal results and equal errors, for arguments that are made at random.

use fastrand::Rng;

use crate::script::library;
use crate::script::lua::{Call, Lua, Value};

/// Calls a function of both libraries by its name, and returns what each has returned, or its error.
const COMPARE: &str = r#"
    local stock, ours = stock, string
    local function pack(...) return {n = select('#', ...), ...} end
    local function collect(f)
        local all = {n = 0}
        while all.n < 60 do
            local found = pack(f())
            for i = 1, found.n do all[all.n + i] = found[i] end
            all.n = all.n + found.n
            if found[1] == nil then break end
        end
        return all
    end
    local callers = {}
    for name in pairs(ours) do
        callers[name] = loadstring('local pack = ... return function(lib, ...) return pack(lib.' .. name .. '(...)) end')(pack)
    end
    callers.gmatch = function(lib, ...) local f = lib.gmatch(...) return collect(f) end
    local function try(name, lib, ...)
        local ok, result = pcall(callers[name], lib, ...)
        if not ok then result = {n = 1, result, failed = true} end
        return result
    end
    local function same(a, b) return a == b or a ~= a and b ~= b end
    return function(name, ...)
        local a, b = try(name, stock, ...), try(name, ours, ...)
        local equal = a.n == b.n and a.failed == b.failed
        for i = 1, a.n do equal = equal and same(a[i], b[i]) end
        if equal then return nil end
        local texts = {}
        for i, r in ipairs{a, b} do
            texts[i] = (r.failed and 'error: ' or '') .. r.n
            for j = 1, r.n do texts[i] = texts[i] .. '|' .. tostring(r[j]) end
        end
        return 'stock: ' .. texts[1] .. '\nours:  ' .. texts[2]
    end
"#;

/// An argument, as it is made at random.
#[derive(Clone, Debug)]
enum Arg {
    Nil,
    True,
    Number(f64),
    Bytes(Vec<u8>),
    /// A table of replacements, with a metatable or without.
    Table,
    Proxy,
    /// A function that returns a text, a number, nothing, or what is no replacement.
    Function,
}

struct Pair {
    lua: Lua,
    random: Rng,
    cases: usize,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut lua = Lua::new(256 << 20).expect("memory");
        lua.open_stock_libraries();
        lua.open_stock_string();
        let mut call = lua.enter();
        call.raw_get_field(Call::GLOBALS, "string");
        call.raw_set_field(Call::GLOBALS, "stock");
        call.push_nil();
        call.raw_set_field(Call::GLOBALS, "string");
        library::install(&mut call);
        run(&mut call, COMPARE);
        run(
            &mut call,
            "return {a = 'x', b = 2, ab = true, aa = false, [1] = 'one', [2] = '%1'},
                    setmetatable({a = 'raw'}, {__index = function(t, k) if k == 'b' then error('no b') end return k end}),
                    function(a, b)
                        local n = type(a) == 'string' and #a + #a:gsub('a', '') or a
                        if n == 6 then return {} elseif n == 5 then return n elseif n == 3 then return end
                        return a .. '%' .. tostring(b)
                    end",
        );
        lua.keep();
        let cases = std::env::var("COPAL_STRING_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12_000);
        Self { lua, random: Rng::with_seed(seed), cases }
    }

    /// Calls both, and fails where they differ.
    fn compare(&mut self, name: &str, args: &[Arg]) {
        let mut call = self.lua.enter();
        call.push_copy(1);
        call.push_bytes(name);
        for arg in args {
            match arg {
                Arg::Nil => call.push_nil(),
                Arg::True => call.push_boolean(true),
                Arg::Number(number) => call.push_number(*number),
                Arg::Bytes(bytes) => call.push_bytes(bytes),
                Arg::Table => call.push_copy(2),
                Arg::Proxy => call.push_copy(3),
                Arg::Function => call.push_copy(4),
            }
        }
        call.call(1 + args.len(), 1).map_err(|_| error_text(&call)).expect("the comparison itself works");
        let difference = match call.value(-1) {
            Value::Bytes(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        call.set_top(0);
        assert_eq!(difference, None, "{name} with {}", shown(args));
    }
}

fn run(call: &mut Call<'_>, script: &str) {
    assert!(call.load(script.as_bytes(), c"@stock").is_ok(), "{}", error_text(call));
    assert!(call.call_for_all(0).is_ok(), "{}", error_text(call));
}

fn error_text(call: &Call<'_>) -> String {
    String::from_utf8_lossy(call.bytes(-1).unwrap_or_default()).into_owned()
}

fn shown(args: &[Arg]) -> String {
    let show = |arg: &Arg| match arg {
        Arg::Bytes(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        arg => format!("{arg:?}"),
    };
    args.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// Arguments at random.
impl Pair {
    fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.random.usize(..values.len())].clone()
    }

    fn text(&mut self, longest: usize) -> Vec<u8> {
        let len = self.random.usize(..=longest);
        (0..len).map(|_| self.one_of(b"aaaabbbc01 _-.()[]%^$\n\0\xe4AZ")).collect()
    }

    fn pattern(&mut self) -> Vec<u8> {
        let mut pattern = Vec::new();
        if self.random.u8(..6) == 0 {
            pattern.push(b'^');
        }
        let mut repeated = 0;
        for _ in 0..self.random.usize(..=9) {
            match self.random.u8(..20) {
                0..=4 => pattern.push(self.one_of(b"aabbc01 -]\n\xe4AZ")),
                5..=6 => pattern.push(b'.'),
                7..=9 => {
                    pattern.push(b'%');
                    pattern.push(self.one_of(b"acdlpsuwxzACDLPSUWXZ.%()[]$ybfg^"));
                }
                10 => {
                    pattern.extend(b"%b");
                    pattern.extend(self.text(2));
                }
                11 => {
                    pattern.extend(b"%f");
                    self.set(&mut pattern);
                }
                12 => {
                    pattern.push(b'%');
                    pattern.push(self.one_of(b"0112349"));
                }
                13..=15 => self.set(&mut pattern),
                16 => pattern.extend(b"()"),
                17..=18 => {
                    pattern.push(b'(');
                    pattern.push(self.one_of(b".ab%"));
                    if self.random.bool() {
                        pattern.push(self.one_of(b"*+-?"));
                        repeated += 1;
                    }
                    pattern.push(b')');
                }
                _ => pattern.push(self.one_of(b"()[]%$^*+-?\0")),
            }
            if repeated < 4 && self.random.u8(..3) == 0 {
                pattern.push(self.one_of(b"*+-?"));
                repeated += 1;
            }
        }
        if self.random.u8(..8) == 0 {
            pattern.push(b'$');
        }
        pattern
    }

    fn set(&mut self, pattern: &mut Vec<u8>) {
        pattern.push(b'[');
        if self.random.u8(..3) == 0 {
            pattern.push(b'^');
        }
        for _ in 0..self.random.usize(..=5) {
            match self.random.u8(..5) {
                0 => pattern.extend(self.one_of(&[b"a-c", b"0-9", b"--a", b"c-a", b"%-z", b"a-%", b"]-a"])),
                1 => {
                    pattern.push(b'%');
                    pattern.push(self.one_of(b"adswpz]^-A"));
                }
                _ => pattern.push(self.one_of(b"abc0 -^].$%\xe4")),
            }
        }
        if self.random.u8(..20) != 0 {
            pattern.push(b']');
        }
    }

    fn number(&mut self) -> f64 {
        let whole = [0.0, 1.0, 2.0, 3.0, 5.0, 9.0, 10.0, 65.0, 99.0, 255.0, 256.0, 1e3, 123_456.0];
        let odd = [
            0.1,
            0.5,
            1.5,
            2.5,
            0.1 + 0.2,
            1.0 / 3.0,
            1e14,
            1e15,
            1e20,
            1e100,
            1e300,
            5e-324,
            2_147_483_647.0,
            2_147_483_648.0,
            2_147_483_649.0,
            4_294_967_296.0,
            4_294_967_361.0,
            9.223_372_036_854_776e18,
            1.844_674_407_370_955_2e19,
            9_007_199_254_740_993.0,
            f64::INFINITY,
            f64::NAN,
        ];
        let number = match self.random.u8(..4) {
            0 => self.one_of(&odd),
            1 => f64::from_bits(self.random.u64(..)),
            2 => self.random.f64() * 1000.0,
            _ => self.one_of(&whole),
        };
        if self.random.bool() { -number } else { number }
    }

    /// A place in a string.
    fn place(&mut self) -> Arg {
        match self.random.u8(..8) {
            0 => Arg::Nil,
            1 => Arg::Number(self.number()),
            2 => Arg::Bytes(self.random.i8(-9..9).to_string().into_bytes()),
            _ => Arg::Number(self.random.i8(-9..9).into()),
        }
    }

    fn any(&mut self) -> Arg {
        match self.random.u8(..12) {
            0 => Arg::Nil,
            1 => Arg::True,
            2 => Arg::Table,
            3 => Arg::Function,
            4..=6 => Arg::Number(self.number()),
            7 => Arg::Bytes(self.number().to_string().into_bytes()),
            8 => Arg::Bytes(b"0x1F".to_vec()),
            9 => Arg::Bytes(self.text(300)),
            _ => Arg::Bytes(self.text(20)),
        }
    }

    fn replacement(&mut self) -> Arg {
        match self.random.u8(..8) {
            0 => Arg::Table,
            1 => Arg::Proxy,
            2 => Arg::Function,
            3 => self.any(),
            4 => Arg::Bytes(self.text(5)),
            _ => {
                let parts = (0..self.random.usize(..4))
                    .map(|_| self.one_of(&["%1", "%0", "%2", "%%", "%3", "x", "%a", "-", "%"]));
                Arg::Bytes(parts.collect::<Vec<_>>().concat().into_bytes())
            }
        }
    }

    fn directive(&mut self, format: &mut Vec<u8>) {
        format.push(b'%');
        for _ in 0..self.random.usize(..=2) {
            format.push(self.one_of(b"-+ #0"));
        }
        if self.random.u8(..30) == 0 {
            format.extend(b"-+ #0");
        }
        if self.random.bool() {
            format.extend(self.random.u8(..110).to_string().bytes());
        }
        if self.random.u8(..3) == 0 {
            format.push(b'.');
            if self.random.u8(..4) != 0 {
                format.extend(self.random.u8(..110).to_string().bytes());
            }
        }
        format.push(self.one_of(b"ccddiiouxXxeEfgGgqsssss%ypnL\0*"));
    }
}

#[test]
fn patterns_match_as_those_of_stock_lua() {
    let mut pair = Pair::new(1);
    for _ in 0..pair.cases {
        let (text, pattern) = (pair.text(20), pair.pattern());
        let [text, pattern] = [text, pattern].map(Arg::Bytes);
        let from = pair.place();
        match pair.random.u8(..4) {
            0 => pair.compare("find", &[text, pattern, from]),
            1 => pair.compare("match", &[text, pattern, from]),
            2 => pair.compare("gmatch", &[text, pattern]),
            _ => {
                let replacement = pair.replacement();
                let most = pair.place();
                pair.compare("gsub", &[text, pattern, replacement, most]);
            }
        }
    }
}

#[test]
fn formats_write_as_those_of_stock_lua() {
    let mut pair = Pair::new(2);
    for _ in 0..pair.cases {
        let mut format = pair.text(3);
        format.retain(|byte| *byte != b'%');
        let mut args = Vec::new();
        for _ in 0..pair.random.usize(1..=3) {
            pair.directive(&mut format);
            let arg = if pair.random.u8(..3) == 0 { pair.any() } else { Arg::Number(pair.number()) };
            args.push(arg);
            format.extend(pair.text(2));
        }
        args.truncate(pair.random.usize(args.len() - 1..=args.len() + 3));
        args.insert(0, Arg::Bytes(format));
        pair.compare("format", &args);
    }
}

#[test]
fn what_needs_no_pattern_is_as_in_stock_lua() {
    let mut pair = Pair::new(3);
    for _ in 0..pair.cases {
        let name = pair.one_of(&["byte", "char", "len", "lower", "rep", "reverse", "sub", "upper", "find", "gfind"]);
        let mut args = vec![if pair.random.u8(..6) == 0 { pair.any() } else { Arg::Bytes(pair.text(30)) }];
        match name {
            "rep" => args.push(Arg::Number(pair.random.i8(-3..9).into())),
            "char" => args = (0..pair.random.usize(..4)).map(|_| Arg::Number(pair.number())).collect(),
            "find" => args.extend([Arg::Bytes(pair.text(2)), pair.place(), Arg::True]),
            "gfind" => args = Vec::new(),
            _ => args.extend([pair.place(), pair.place()]),
        }
        args.truncate(pair.random.usize(args.len().saturating_sub(1)..=args.len() + 1));
        if name != "rep" && pair.random.u8(..30) == 0 {
            args.push(pair.any());
        }
        pair.compare(name, &args);
    }
}
