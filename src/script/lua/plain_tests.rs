//! The attacks of `sandbox_tests.rs` on Lua as it comes, to show that they are attacks: each in a process of its own, which
//! crashes, never ends, or leaves something for the next script.
//!
//! | hole | the test of ours that it is closed |
//! |---|---|
//! | CVE-2025-46817, `unpack` overflows | `unpack_returns_no_more_than_the_stack_holds` |
//! | CVE-2025-49844, the parser's chunk name is not anchored | `the_parser_survives_a_lack_of_memory_at_each_allocation`, `a_script_survives_a_lack_of_memory_anywhere` |
//! | CVE-2025-46819, long brackets are counted in an `int` | a text of 1 GiB is refused (`a_huge_text_is_not_compiled`) |
//! | CVE-2025-46818, metatables of basic types | `no_metatable_is_reached_that_other_scripts_use` |
//! | CVE-2024-31449, the bit library | `library/bit.rs`, compared with redis-server's by `tests/it/compat` |
//! | CVE-2024-46981, finalisers of user data | `the_globals_are_those_of_redis`: there is no `newproxy` |
//! | CVE-2025-67733, line breaks and zeros in errors | `resp::reply` and `tests/it/scripting/replies.rs` |
//! | CVE-2026-23631, the engine is freed while a script runs | `tests/it/scripting/busy.rs` |
//! | bytecode | `bytecode_is_not_run` |
//! | patterns without an end, or as deep as they are long | `no_library_call_takes_as_long_as_a_script_says`, `library/string` |
//! | a handler of xpcall's that loops, a protected call that takes the hook's error | `no_protected_call_keeps_a_killed_script_alive` |
//! | `table.insert(t, -2^31, 1)`, sorts, `table.concat` | `no_library_call_takes_as_long_as_a_script_says` |
//! | writable globals and libraries | `what_all_scripts_share_cannot_be_changed`, `the_globals_are_those_of_redis` |
//! | memory without a limit | `memory_is_bounded_and_the_next_script_runs` |
//! | the stack of C | `what_is_nested_too_deep_is_an_error` |
//! | a reply without an end | `a_reply_without_an_end_is_ended_with_its_script` (the server's own, not Lua's) |
#![expect(unsafe_code, reason = "Lua's interface")]

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use mlua_sys::lua51 as ffi;
use nix::sys::resource::{Resource, setrlimit};

/// What an attack does to Lua as it comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Effect {
    /// The process dies of a signal.
    Crashes,
    /// It does not end, though a hook raises an error at every instruction from the first hundred thousand on.
    Hangs,
    /// The last script returns this.
    Returns(&'static str),
}

use Effect::{Crashes, Hangs, Returns};

/// Scripts that one interpreter runs, and what comes of them.
const ATTACKS: &[(&str, &[&str], Effect)] = &[
    ("unpack overflows", &["return {unpack({}, 0, 2^31 - 1)}"], Crashes),
    (
        "a metatable of all strings",
        &["getmetatable('').__index = function() return 'mine' end", "return ('x').whatever"],
        Returns("mine"),
    ),
    ("a function of a library", &["string.len = function() return 'mine' end", "return ('x'):len()"], Returns("mine")),
    ("a global", &["rawset(_G, 'KEYS', 'mine')", "return KEYS"], Returns("mine")),
    ("a metatable of all globals", &["setmetatable(_G, {__index = function() return 'mine' end})", "return x"], Returns("mine")),
    (
        "a finaliser",
        &["getmetatable(newproxy(true)).__gc = function() found = 'mine' end", "collectgarbage() return found"],
        Returns("mine"),
    ),
    ("bytecode", &["return loadstring(string.dump(function() return 'mine' end))()"], Returns("mine")),
    (
        "bytecode that takes a table for a number",
        &[
            "local f = string.dump(function(x) for i = x, x, 0 do return i end end):gsub('\\96%z%z\\128', '\\22\\0\\0\\128')
             return type(loadstring(f)({}))",
        ],
        Returns("number"),
    ),
    ("another's environment", &["getfenv(0).found = 'mine'", "return found"], Returns("mine")),
    ("a pattern that takes for ever", &["return ('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(40))"], Hangs),
    ("a pattern that is deep", &["return ('x'):rep(1e6):find(('x?'):rep(1e6))"], Crashes),
    ("a protected call", &["while true do pcall(function() while true do end end) end"], Hangs),
    ("a handler of errors", &["while true do xpcall(error, function() while true do end end) end"], Hangs),
    ("coroutines", &["while true do coroutine.resume(coroutine.create(function() while true do end end)) end"], Hangs),
    ("an element far away", &["table.insert({}, -2^31, 1)"], Hangs),
    ("memory", &["local s = 'x' for i = 1, 27 do s = s .. s end return tostring(#s)"], Returns("134217728")),
];

const CHOSEN: &str = "COPAL_ATTACK";

/// After so much time a script counts as one that never ends.
const HANG_SECONDS: u64 = 1;

/// Longer than any script takes that ends, on a machine that is busy with other things.
const CPU_SECONDS: u64 = 60;

#[test]
fn what_the_sandbox_withstands_is_an_attack_on_lua_as_it_comes() {
    if let Some(number) = std::env::var(CHOSEN).ok().and_then(|number| number.parse::<usize>().ok()) {
        let (_, scripts, effect) = &ATTACKS[number];
        attack(scripts, if matches!(effect, Hangs) { HANG_SECONDS } else { CPU_SECONDS });
    }
    let name = "script::lua::plain_tests::what_the_sandbox_withstands_is_an_attack_on_lua_as_it_comes";
    for (number, (what, _, effect)) in ATTACKS.iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        let child = child.args(["--exact", name, "--nocapture"]).env(CHOSEN, number.to_string());
        let output = child.output().expect("a process");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let signal = output.status.signal();
        let found = match *effect {
            Crashes => matches!(signal, Some(libc::SIGSEGV | libc::SIGBUS | libc::SIGABRT | libc::SIGILL)),
            Hangs => matches!(signal, Some(libc::SIGXCPU | libc::SIGKILL)),
            Returns(text) => printed.contains(&format!("the last script returns: {text}")),
        };
        assert!(found, "{what}: {effect:?} was expected, {:?} came: {printed}", output.status);
    }
}

/// Runs the scripts in a plain interpreter for so long at most, and ends the process.
fn attack(scripts: &[&str], cpu_seconds: u64) -> ! {
    setrlimit(Resource::RLIMIT_CPU, cpu_seconds, cpu_seconds + 1).expect("a limit");
    setrlimit(Resource::RLIMIT_CORE, 0, 0).expect("a limit");
    let mut last = String::new();
    // SAFETY: the interpreter is used by this thread alone, as Lua's manual says; that the scripts break it is the point.
    unsafe {
        let state = ffi::luaL_newstate();
        assert!(!state.is_null());
        ffi::luaL_openlibs(state);
        ffi::lua_sethook(state, Some(refuse), ffi::LUA_MASKCOUNT, 100_000);
        for script in scripts {
            ffi::lua_settop(state, 0);
            let status =
                match ffi::luaL_loadbuffer(state, script.as_ptr().cast(), script.len(), c"@user_script".as_ptr()) {
                    ffi::LUA_OK => ffi::lua_pcall(state, 0, 1, 0),
                    status => status,
                };
            let mut len = 0;
            let text = ffi::lua_tolstring(state, -1, &mut len);
            last = match (status, text.is_null()) {
                (ffi::LUA_OK, false) => {
                    String::from_utf8_lossy(std::slice::from_raw_parts(text.cast(), len)).into_owned()
                }
                (ffi::LUA_OK, true) => "nothing".to_owned(),
                _ => "error".to_owned(),
            };
        }
    }
    println!("the last script returns: {last}");
    std::process::exit(0);
}

/// A hook that ends scripts by an error, and nothing more.
unsafe extern "C-unwind" fn refuse(state: *mut ffi::lua_State, _about: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls it, and nothing is owned here.
    unsafe {
        ffi::lua_pushlstring_(state, "killed".as_ptr().cast(), 6);
        ffi::lua_error(state);
    }
}
