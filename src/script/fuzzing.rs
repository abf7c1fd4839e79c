//! Scripts for the fuzz target `scripts`: whatever a script does, within its memory and some looks of the server's it ends
//! without a crash, the server never waits long for a look, and the next script finds all as it was.

use std::cell::RefCell;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::{Engine, Host, Outcome, Permission, Progress, Replicate, ScriptId, Verdict};
use crate::resp::{Args, ArgsBuf, Protocol, Reply};

/// How far a script may go.
#[derive(Clone, Copy)]
struct Bounds {
    memory: usize,
    /// It is killed at this look, which comes after some thousands of instructions for each at most.
    looks: u32,
}

/// One script of some goes as far as this: through the whole of what a server allows.
const FULL: Bounds = Bounds { memory: 64 << 20, looks: 150 };

/// The others end soon: a loop that has come round some thousand times seldom finds anything new, and takes the time of
/// hundreds of scripts.
const SMALL: Bounds = Bounds { memory: 4 << 20, looks: 8 };

/// So many scripts are bounded by [`SMALL`] for each that is by [`FULL`].
const SMALL_PER_FULL: usize = 31;

/// A script must not keep the server waiting longer than this for a look, in processor time: a process that is stopped, or
/// has to wait for a core, is not slow. Builds that look at each step of the program are.
const WAIT_MAX: Duration =
    if cfg!(any(debug_assertions, not(test))) { Duration::from_secs(5) } else { Duration::from_millis(300) };

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
    looked_at: Duration,
}

impl Server {
    fn new(looks: u32) -> Self {
        Self { looks_left: looks, looked_at: processor_time() }
    }

    /// The script has ended, or is looked at.
    fn check_wait(&mut self) {
        let now = processor_time();
        let waited = now.saturating_sub(self.looked_at);
        assert!(waited < WAIT_MAX, "the server has waited {waited:?} for a look");
        self.looked_at = now;
    }
}

/// What this thread has taken.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

impl Host for Server {
    fn call(&mut self, args: Args<'_>, _follows_closely: bool) -> &[u8] {
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
        self.check_wait();
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

    fn note_error(&mut self, _text: &[u8], _is_counted: bool) {}

    fn log(&mut self, _level: u8, _text: &[u8]) {}
}

struct Interpreter {
    engine: Engine,
    scripts: u32,
    probe: ScriptId,
    /// What all scripts share, and what the probe answers.
    shared: u64,
    shared_words: String,
    probed: Vec<u8>,
}

impl Interpreter {
    fn new() -> Self {
        let mut engine = Engine::new(FULL.memory).expect("an interpreter");
        let probe = engine.compile(PROBE.as_bytes()).expect("a script");
        let probed = run(&mut engine, probe, FULL);
        let shared = engine.shared_state(true);
        let shared_words = shared.words.unwrap_or_default();
        Self { engine, scripts: 0, probe, shared: shared.digest, shared_words, probed }
    }

    fn run(&mut self, text: &[u8], bounds: Bounds) {
        self.engine.set_memory_limit(bounds.memory);
        if let Ok(script) = self.engine.compile(text) {
            run(&mut self.engine, script, bounds);
            self.engine.remove(script);
        }
        assert!(self.engine.memory_usage() <= bounds.memory + (8 << 20));
    }

    fn check(&mut self) {
        if self.engine.shared_state(false).digest != self.shared {
            let now = self.engine.shared_state(true).words;
            panic!("a script has changed what all share from\n{}\nto\n{}", self.shared_words, now.unwrap_or_default());
        }
        let probed = run(&mut self.engine, self.probe, FULL);
        assert!(probed == self.probed, "the next script finds: {}", String::from_utf8_lossy(&probed));
    }
}

/// Runs a script, and returns its reply or its error.
fn run(engine: &mut Engine, script: ScriptId, bounds: Bounds) -> Vec<u8> {
    let mut arguments = ArgsBuf::new();
    [&b"key"[..], b"", b"12"].into_iter().for_each(|argument| arguments.push(argument));
    let mut server = Server::new(bounds.looks);
    let mut progress = engine.start(script, arguments.as_args().head(1), arguments.as_args(), &mut server);
    let mut reply = Reply::new(Protocol::Resp3);
    let outcome = loop {
        while progress == Progress::Paused {
            progress = engine.resume(&mut server);
        }
        server.check_wait();
        match engine.finish(&"sha", Protocol::Resp3, &mut reply, &mut |_, _| {}) {
            Outcome::Long => {
                progress = engine.write_reply(Protocol::Resp3, Protocol::Resp3, bounds.memory, &mut server);
            }
            outcome => break outcome,
        }
    };
    server.check_wait();
    if server.looks_left == 0 {
        assert!(matches!(outcome, Outcome::Failed { .. }), "a killed script has returned");
    }
    match outcome {
        Outcome::Replied | Outcome::Long => reply.front().to_vec(),
        Outcome::Failed { text, .. } => text,
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
    // The same script always goes as far.
    let sum = bytes.iter().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let bounds = if sum % (SMALL_PER_FULL + 1) == 0 { FULL } else { SMALL };
    INTERPRETER.with_borrow_mut(|slot| {
        let interpreter = slot.get_or_insert_with(Interpreter::new);
        interpreter.run(&text, bounds);
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
