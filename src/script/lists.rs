//! The globals `KEYS` and `ARGV`, which each script has of its own.

use super::lua::{Abilities, Call};
use super::mentions::Mentions;
use super::places::{ARGV, DIRECT_GLOBALS, GLOBALS, KEPT_ARGV, KEPT_KEYS, KEYS};
use crate::resp::Args;

/// A longer list is not kept for the next script.
const KEPT_LEN_MAX: usize = 64;

/// What a script can do with one of its lists.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Use {
    /// It cannot find it.
    #[default]
    None,
    /// It takes elements and the length, and nothing else has the list for a moment.
    Read,
    Any,
}

/// What a script can do with both lists.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Uses {
    pub keys: Use,
    pub args: Use,
}

impl Uses {
    pub fn new(mentions: Mentions, abilities: Abilities) -> Self {
        let of = |is_mentioned, only_reads| match (is_mentioned, only_reads) {
            (false, _) => Use::None,
            // What it compiles while it runs is not known.
            (true, true) if !mentions.anything => Use::Read,
            _ => Use::Any,
        };
        Self { keys: of(mentions.keys, abilities.only_reads_keys), args: of(mentions.args, abilities.only_reads_args) }
    }
}

/// What is kept of both lists from one script to the next.
pub struct Lists {
    keys: List,
    args: List,
}

/// One of the two. A script that only reads it finds the same table as the one before, with other elements: no script has
/// ever held it.
struct List {
    /// The places of the global's name and of the table that is kept.
    name: i32,
    kept: i32,
    /// How many elements that table has.
    len: usize,
    /// It is what the global is.
    is_global: bool,
}

impl Lists {
    /// Pushes the tables that are kept.
    pub fn install(call: &mut Call<'_>) -> Self {
        call.push_table(0, 0);
        debug_assert_eq!(call.top(), KEPT_KEYS);
        call.push_table(0, 0);
        debug_assert_eq!(call.top(), KEPT_ARGV);
        let list = |name, kept| List { name, kept, len: 0, is_global: false };
        Self { keys: list(KEYS, KEPT_KEYS), args: list(ARGV, KEPT_ARGV) }
    }

    /// Makes these what a script finds.
    #[inline]
    pub fn set(&mut self, call: &mut Call<'_>, uses: Uses, keys: Args<'_>, args: Args<'_>) {
        self.keys.set(call, uses.keys, keys);
        self.args.set(call, uses.args, args);
    }
}

impl List {
    /// A list that the script cannot find is made empty, so that nothing is kept of what another one had.
    #[inline]
    fn set(&mut self, call: &mut Call<'_>, to_be: Use, args: Args<'_>) {
        match to_be {
            Use::Read if args.len() <= KEPT_LEN_MAX => self.set_kept(call, args),
            Use::Read | Use::Any => self.set_new(call, args),
            Use::None => self.set_kept(call, Args::empty()),
        }
    }

    #[inline]
    fn set_kept(&mut self, call: &mut Call<'_>, args: Args<'_>) {
        self.fill(call, args);
        if !self.is_global {
            self.is_global = true;
            call.push_copy(self.kept);
            self.make_global(call);
        }
    }

    fn set_new(&mut self, call: &mut Call<'_>, args: Args<'_>) {
        self.fill(call, Args::empty());
        self.is_global = false;
        push_args(call, args);
        self.make_global(call);
    }

    /// Makes the table on top, which goes, the global of this name, wherever a script looks for it.
    fn make_global(&self, call: &mut Call<'_>) {
        for globals in [GLOBALS, DIRECT_GLOBALS] {
            call.push_copy(self.name);
            call.push_copy(-2);
            call.raw_set_by_text(globals);
        }
        call.pop(1);
    }

    #[inline]
    fn fill(&mut self, call: &mut Call<'_>, args: Args<'_>) {
        for (index, arg) in args.iter().enumerate() {
            call.push_bytes(arg);
            call.raw_set_index(self.kept, index as i32 + 1);
        }
        for index in args.len()..self.len {
            call.push_nil();
            call.raw_set_index(self.kept, index as i32 + 1);
        }
        self.len = args.len();
    }
}

pub fn push_args(call: &mut Call<'_>, args: Args<'_>) {
    call.push_table(args.len(), 0);
    for (index, arg) in args.iter().enumerate() {
        call.push_bytes(arg);
        call.raw_set_index(-2, index as i32 + 1);
    }
}

#[cfg(test)]
mod tests {
    use crate::script::testing::Interpreter;

    /// Only reads its arguments.
    const READS: &str =
        "return #ARGV .. ':' .. tostring(ARGV[1]) .. ':' .. tostring(ARGV[3]) .. ':' .. tostring(ARGV[64])";

    /// What [`READS`] answers.
    fn shown(args: &[&[u8]]) -> String {
        let shown = |at: usize| args.get(at - 1).map_or("nil".into(), |arg| String::from_utf8_lossy(arg));
        format!("{}:{}:{}:{}", args.len(), shown(1), shown(3), shown(64))
    }

    #[test]
    fn each_script_finds_its_own_arguments_whatever_others_had_and_did() {
        let mut interpreter = Interpreter::new();
        let texts: Vec<String> = (0..80).map(|number| format!("text {number}")).collect();
        let between = [
            "return 1",
            READS,
            "for i = 1, 90 do ARGV[i] = 'changed' end ARGV.x = 1",
            "setmetatable(ARGV, {__index = function() return 'found' end, __newindex = function() end})",
            "local args = ARGV coroutine.wrap(function() args[3] = {} end)()",
            "_G.ARGV[1] = 'changed' loadstring('ARGV[2] = 1')()",
            "table.insert(ARGV, 'more') table.sort(ARGV) ARGV[1] = nil",
            "local t = {ARGV} t[1][1] = 'changed' error(t)",
        ];
        for before in between {
            for (first, second) in [(0, 3), (3, 0), (1, 1), (64, 65), (65, 64), (80, 2), (2, 80), (5, 64), (64, 5)] {
                let args = |from: usize, len: usize| -> Vec<&[u8]> {
                    texts.iter().cycle().skip(from).take(len).map(String::as_bytes).collect()
                };
                let run = |interpreter: &mut Interpreter, args: &[&[u8]]| {
                    let answer = interpreter.run_bytes(READS.as_bytes(), args);
                    assert_eq!(String::from_utf8_lossy(&answer), shown(args), "after {before}");
                };
                run(&mut interpreter, &args(0, first));
                interpreter.run_bytes(before.as_bytes(), &args(7, second));
                run(&mut interpreter, &args(11, second));
                run(&mut interpreter, &args(17, first));
            }
        }
    }

    #[test]
    fn what_a_script_had_is_garbage_when_the_next_one_has_begun() {
        let mut interpreter = Interpreter::new();
        let long = vec![b'x'; 8 << 20];
        for script in [READS, "return #ARGV[1]", "local t = ARGV return #t[1]"] {
            interpreter.run_bytes(script.as_bytes(), &[&long]);
            interpreter.run_bytes(b"collectgarbage() return 1", &[]);
            let bytes = interpreter.memory_usage();
            assert!(bytes < 4 << 20, "{bytes} after {script}");
        }
    }
}
