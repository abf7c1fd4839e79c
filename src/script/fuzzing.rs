//! Scripts for the fuzz target `scripts`: whatever a script does, within 64 MiB and some hundred looks of the server's it
//! ends without a crash, and the next one finds all as it was.

use std::cell::RefCell;

use super::{Engine, Host, Outcome, Permission, Progress, Replicate, Verdict};
use crate::resp::{Args, ArgsBuf, Protocol, Reply};

const MEMORY_LIMIT: usize = 64 << 20;

/// A script is killed at this look, which comes after some millions of instructions at most.
const LOOKS: u32 = 150;

/// An interpreter runs so many scripts, so that what adds up is found, and that what is found can be traced.
const SCRIPTS_PER_INTERPRETER: u32 = 2000;

/// What each script could break for the next one. Its answer is always the same.
const PROBE: &str = "local text = {}
for name, library in pairs(_G) do
  if name ~= 'KEYS' and name ~= 'ARGV' then text[#text + 1] = name .. type(library) end
end
for _, library in ipairs({math, table, coroutine, string, redis, bit}) do
  for name, value in pairs(library) do text[#text + 1] = name .. type(value) end
end
local made = coroutine.wrap(function(a) return pcall(error, a:rep(2)) end)
local sorted = {3, 1, 2} table.sort(sorted)
text[#text + 1] = tostring(made('x')) .. ('%5.1f'):format(math.floor(2.5)) .. table.concat(sorted, ',')
text[#text + 1] = tostring(pcall(function() return 1 + nil end)) .. tostring(pcall(function() return ('x').y.z end))
return table.concat(text, ' ')";

/// The server: commands answer with data of each kind.
struct Server {
    looks_left: u32,
}

impl Host for Server {
    fn call(&mut self, args: Args<'_>) -> &[u8] {
        const REPLIES: &[&[u8]] = &[
            b"+OK\r\n",
            b":7\r\n",
            b"$3\r\nabc\r\n",
            b"$-1\r\n",
            b"*2\r\n:1\r\n*1\r\n$0\r\n\r\n",
            b"-ERR refused\r\n",
            b"-WRONG\r\n",
            b"%1\r\n+a\r\n,1.5\r\n",
            b"~1\r\n#t\r\n",
            b"_\r\n",
        ];
        REPLIES[(args.len() + args.arg(0).len()) % REPLIES.len()]
    }

    fn poll(&mut self) -> Verdict {
        self.looks_left = self.looks_left.saturating_sub(1);
        match self.looks_left {
            0 => Verdict::Kill,
            left if left % 16 == 5 => Verdict::Pause,
            _ => Verdict::GoOn,
        }
    }

    fn set_protocol(&mut self, _protocol: Protocol) {}

    fn set_replication(&mut self, _to: Replicate) {}

    fn check_permission(&mut self, args: Args<'_>) -> Permission {
        if args.len() > 2 { Permission::Denied } else { Permission::Granted }
    }

    fn log(&mut self, _level: u8, _text: &[u8]) {}
}

struct Interpreter {
    engine: Engine,
    scripts: u32,
    /// What all scripts share, and what the probe answers.
    shared: String,
    probed: Vec<u8>,
}

impl Interpreter {
    fn new() -> Self {
        let engine = Engine::new(MEMORY_LIMIT).expect("an interpreter");
        let mut interpreter = Self { engine, scripts: 0, shared: String::new(), probed: Vec::new() };
        interpreter.probed = interpreter.run(PROBE.as_bytes());
        interpreter.shared = interpreter.engine.shared_state();
        interpreter
    }

    fn run(&mut self, text: &[u8]) -> Vec<u8> {
        let script = match self.engine.compile(text) {
            Ok(script) => script,
            Err(error) => return error.0,
        };
        let mut arguments = ArgsBuf::new();
        [&b"key"[..], b"", b"12"].into_iter().for_each(|argument| arguments.push(argument));
        let mut server = Server { looks_left: LOOKS };
        let mut progress = self.engine.start(script, arguments.as_args().head(1), arguments.as_args(), &mut server);
        while progress == Progress::Paused {
            progress = self.engine.resume(&mut server);
        }
        let mut reply = Reply::new(Protocol::Resp3);
        let outcome = self.engine.finish(&"sha", Protocol::Resp3, &mut reply, &mut |_, _| {});
        self.engine.remove(script);
        if server.looks_left == 0 {
            assert!(matches!(outcome, Outcome::Failed { .. }), "a killed script has returned");
        }
        match outcome {
            Outcome::Replied => reply.front().to_vec(),
            Outcome::Failed { text, .. } => text,
        }
    }

    fn check(&mut self) {
        assert_eq!(self.engine.shared_state(), self.shared, "a script has changed what all share");
        let probed = self.run(PROBE.as_bytes());
        assert!(probed == self.probed, "the next script finds: {}", String::from_utf8_lossy(&probed));
        assert!(self.engine.memory_usage() <= MEMORY_LIMIT + (8 << 20));
    }
}

thread_local! {
    static INTERPRETER: RefCell<Option<Interpreter>> = const { RefCell::new(None) };
}

/// Runs the bytes as a script, or where they begin with a zero the script that they choose.
pub fn scripts(bytes: &[u8]) {
    let text = match bytes.split_first() {
        Some((0, choices)) => Writer { choices, depth: 0, text: String::new() }.write(),
        _ => bytes.to_vec(),
    };
    INTERPRETER.with_borrow_mut(|slot| {
        let interpreter = slot.get_or_insert_with(Interpreter::new);
        interpreter.run(&text);
        interpreter.check();
        interpreter.scripts += 1;
        if interpreter.scripts >= SCRIPTS_PER_INTERPRETER {
            *slot = None;
        }
    });
}

/// Writes a script: each choice takes a byte, and without one all is as short as can be.
struct Writer<'a> {
    choices: &'a [u8],
    depth: u32,
    text: String,
}

const NAMES: &[&str] = &["a", "b", "c", "t", "f", "n", "s", "co"];

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "7",
    "10",
    "100",
    "1000",
    "8000",
    "65536",
    "1e6",
    "2^31",
    "-2^31",
    "2^31-1",
    "2^53",
    "2^63",
    "1e308",
    "0.5",
    "-0.1",
    "0/0",
    "1/0",
    "-1/0",
    "0x7fffffff",
];

const STRINGS: &[&str] = &[
    "''",
    "'x'",
    "'abc'",
    "'%d'",
    "'%s%5.3f'",
    "'.-(a)%1'",
    "'[^%w]*'",
    "'%b()'",
    "'\\0\\255'",
    "'__index'",
    "'return 1'",
    "'x ='",
    "'=' ",
    "[==[ ]] ]==]",
    "('x'):rep(5000)",
    "('ab'):rep(1e5)",
    "'collect'",
    "'err'",
    "'\\27Lua'",
    "'%f[%a]'",
];

const FUNCTIONS: &[&str] = &[
    "assert",
    "collectgarbage",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "load",
    "loadstring",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setmetatable",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
    "__redis__err__handler",
    "coroutine.create",
    "coroutine.resume",
    "coroutine.running",
    "coroutine.status",
    "coroutine.wrap",
    "coroutine.yield",
    "table.concat",
    "table.foreach",
    "table.foreachi",
    "table.getn",
    "table.insert",
    "table.maxn",
    "table.remove",
    "table.setn",
    "table.sort",
    "math.random",
    "math.randomseed",
    "math.floor",
    "math.fmod",
    "math.frexp",
    "math.ldexp",
    "math.max",
    "math.modf",
    "string.byte",
    "string.char",
    "string.find",
    "string.format",
    "string.gmatch",
    "string.gsub",
    "string.len",
    "string.lower",
    "string.match",
    "string.rep",
    "string.reverse",
    "string.sub",
    "string.upper",
    "redis.call",
    "redis.pcall",
    "redis.error_reply",
    "redis.status_reply",
    "redis.sha1hex",
    "redis.setresp",
    "redis.log",
    "redis.acl_check_cmd",
    "bit.band",
    "bit.lshift",
    "bit.tohex",
    "cjson.encode",
    "cjson.decode",
    "cmsgpack.pack",
    "cmsgpack.unpack",
    "struct.pack",
    "struct.unpack",
    "f",
    "a",
];

const TABLES: &[&str] = &[
    "_G",
    "math",
    "string",
    "table",
    "coroutine",
    "redis",
    "bit",
    "KEYS",
    "ARGV",
    "getmetatable(_G)",
    "getmetatable('')",
    "server",
];

const OPERATORS: &[&str] = &["+", "-", "*", "/", "%", "^", "..", "==", "~=", "<", "<=", ">", ">=", " and ", " or "];

const EVENTS: &[&str] = &[
    "__index",
    "__newindex",
    "__call",
    "__add",
    "__concat",
    "__eq",
    "__lt",
    "__le",
    "__len",
    "__unm",
    "__tostring",
    "__metatable",
    "__mode",
    "__gc",
];

const DEPTH_MAX: u32 = 6;

impl Writer<'_> {
    fn write(mut self) -> Vec<u8> {
        self.text.push_str(
            "local a, b, c, t, f, n, s, co = 1, 'x', nil, {1, 2, 3, x = 1}, function(...) return ... end, 0, 'abc'\n",
        );
        while !self.choices.is_empty() && self.text.len() < 10_000 {
            self.statement();
        }
        self.text.push_str("return t");
        self.text.into_bytes()
    }

    fn choose(&mut self, among: usize) -> usize {
        let Some((byte, rest)) = self.choices.split_first() else { return 0 };
        self.choices = rest;
        usize::from(*byte) % among
    }

    fn one_of(&mut self, words: &[&str]) {
        let word = words[self.choose(words.len())];
        self.text.push_str(word);
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn block(&mut self) {
        self.depth += 1;
        for _ in 0..=self.choose(3) {
            self.statement();
        }
        self.depth -= 1;
    }

    /// Writes the parts between what the separators of `pattern` stand for: `N` a name, `E` an expression, `B` a block,
    /// `A` arguments, `F` a function of a library, `T` a table that all scripts share, `M` a metamethod's name.
    fn fill(&mut self, pattern: &str) {
        for letter in pattern.chars() {
            match letter {
                'N' => self.one_of(NAMES),
                'E' => self.expression(),
                'B' => self.block(),
                'A' => self.arguments(),
                'F' => self.one_of(FUNCTIONS),
                'T' => self.one_of(TABLES),
                'M' => self.one_of(EVENTS),
                letter => self.text.push(letter),
            }
        }
    }

    fn statement(&mut self) {
        const STATEMENTS: &[&str] = &[
            "N = E\n",
            "F(A)\n",
            "N = F(A)\n",
            "pcall(F, A)\n",
            "pcall(function() B end)\n",
            "xpcall(function() B end, function(e) B return e end)\n",
            "t[E] = E\n",
            "pcall(function() T[E] = E end)\n",
            "pcall(rawset, T, E, E)\n",
            "pcall(setmetatable, T, E)\n",
            "setmetatable(t, {M = E, M = function(a, b, c) B return E end})\n",
            "if E then B else B end\n",
            "while E do B end\n",
            "for n = 1, E do B end\n",
            "for a, b in pairs(t) do B end\n",
            "for a, b in E do B end\n",
            "repeat B until E\n",
            "f = function(...) B return E end\n",
            "co = coroutine.wrap(function(...) B coroutine.yield(A) B return E end)\n",
            "co = coroutine.create(function(...) B coroutine.yield(A) B end)\n",
            "pcall(co, A)\n",
            "pcall(coroutine.resume, co, A)\n",
            "table.sort(t, function(a, b) B return E end)\n",
            "s = string.gsub(E, E, function(...) B return E end)\n",
            "local e = loadstring(E) if e then pcall(e) end\n",
            "pcall(loadstring([===[B]===]) or f)\n",
            "local N = E\n",
            "for a in string.gmatch(E, E) do B end\n",
        ];
        let pattern = if self.depth < DEPTH_MAX { STATEMENTS[self.choose(STATEMENTS.len())] } else { "N = E\n" };
        self.fill(pattern);
    }

    fn arguments(&mut self) {
        for number in 0..=self.choose(4) {
            if number > 0 {
                self.add(", ");
            }
            self.expression();
        }
    }

    fn expression(&mut self) {
        self.depth += 1;
        let kinds = if self.depth > DEPTH_MAX { 6 } else { 16 };
        match self.choose(kinds) {
            0 | 1 => self.one_of(NAMES),
            2 => self.one_of(NUMBERS),
            3 => self.one_of(STRINGS),
            4 => self.one_of(&["nil", "true", "false", "{}", "t", "f"]),
            5 => self.fill("T"),
            6 => self.fill("F"),
            7 => self.fill("F(A)"),
            8 => {
                self.add("(");
                self.expression();
                self.one_of(OPERATORS);
                self.expression();
                self.add(")");
            }
            9 => self.fill("{E, E, x = E, [E or 1] = E}"),
            10 => self.fill("function(a, b, ...) B return E end"),
            11 => self.fill("t[E]"),
            12 => self.fill("#t"),
            13 => self.fill("(E)(A)"),
            14 => self.fill("(s):rep(E)"),
            _ => self.fill("select(2, pcall(F, A))"),
        }
        self.depth -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corpus with seeded changes, and scripts that seeded bytes choose.
    #[test]
    fn no_script_crashes_hangs_or_leaves_something_behind() {
        // As large a stack as a server's.
        let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(run_all).expect("a thread");
        assert!(thread.join().is_ok());
    }

    fn run_all() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/scripts");
        let corpus: Vec<Vec<u8>> = std::fs::read_dir(folder)
            .expect("the corpus")
            .flatten()
            .map(|file| std::fs::read(file.path()).expect("a file of the corpus"))
            .collect();
        assert!(corpus.len() >= 10);
        corpus.iter().for_each(|text| scripts(text));
        let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let rounds = number("COPAL_FUZZ_SCRIPTS").unwrap_or(300);
        let mut random = fastrand::Rng::with_seed(number("COPAL_FUZZ_SEED").unwrap_or(12));
        for _ in 0..rounds {
            let mut bytes = vec![0];
            let choices = random.usize(..120);
            bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(choices));
            scripts(&bytes);
            let mut text = random.choice(&corpus).expect("a text").clone();
            for _ in 0..random.usize(..4) {
                let other = random.choice(&corpus).expect("a text");
                let from = random.usize(..other.len());
                let piece = &other[from..(from + random.usize(..40)).min(other.len())];
                let at = random.usize(..=text.len());
                let end = (at + random.usize(..20)).min(text.len());
                text.splice(at..end, piece.iter().copied());
            }
            scripts(&text);
        }
    }
}
