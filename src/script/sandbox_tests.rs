//! What makes Lua's own interpreter crash, hang, or keep something for the next script: each attack once. Most fail on the
//! interpreter as it comes.

use super::testing::{Interpreter, NoServer, run};
use super::{Engine, Progress};
use crate::resp::{ArgsBuf, Protocol, Reply};

/// Runs a script that never ends by itself, and ends it at a look of the server's.
fn kill(script: &str) {
    let mut interpreter = Interpreter::new();
    interpreter.server.polls_left = 40;
    let reply = interpreter.run(script);
    assert!(reply.contains("Script killed by user with SCRIPT KILL"), "{script}: {reply}");
    assert!(interpreter.server.polls_left == 0);
    works_on(&mut interpreter);
}

/// The next script finds all as it was.
fn works_on(interpreter: &mut Interpreter) {
    interpreter.server.polls_left = u32::MAX;
    let script = "local t = {} for i = 1, 100 do t[i] = ('%d'):format(i):rep(2) end return table.concat(t):sub(1, 6)";
    assert_eq!(interpreter.run(script), "112233");
}

/// Runs a script that must end with this error, after which the next one runs.
fn fails(script: &str, error: &str) {
    let mut interpreter = Interpreter::new();
    let reply = interpreter.run(script);
    assert!(reply.starts_with('-') && reply.contains(error), "{script}: {reply}");
    works_on(&mut interpreter);
}

#[test]
fn no_protected_call_keeps_a_killed_script_alive() {
    kill("while true do end");
    kill("while true do pcall(function() while true do end end) end");
    kill("local function f() while true do pcall(f) end end f()");
    kill("local function f() while true do end end while true do xpcall(f, f) end");
    kill("local function f(...) return f(1, ...) end f()");
    kill("load(function() while true do end end)");
    kill("load(function() return 'x = 1 ' end)");
}

#[test]
fn no_coroutine_keeps_a_killed_script_alive() {
    kill("while true do coroutine.wrap(function() while true do end end)() end");
    kill("while true do coroutine.resume(coroutine.create(function() while true do end end)) end");
    kill(
        "local all = {}
         for i = 1, 500 do all[i] = coroutine.create(function() while true do coroutine.yield() end end) end
         while true do for i = 1, #all do coroutine.resume(all[i]) end end",
    );
}

#[test]
fn no_metamethod_or_comparator_keeps_a_killed_script_alive() {
    kill(
        "local t = setmetatable({}, {__index = function() while true do end end}) while true do pcall(function() return t.x end) end",
    );
    kill("local m = {__lt = function() while true do end end} local t = {} for i = 1, 5 do t[i] = setmetatable({}, m) end
          while true do pcall(table.sort, t) end");
    kill("local t = {3, 2, 1} while true do pcall(table.sort, t, function() while true do end end) end");
    kill("while true do pcall(tostring, setmetatable({}, {__tostring = function() while true do end end})) end");
    kill("while true do pcall(table.foreach, {1}, function() while true do end end) end");
    kill("while true do pcall(string.gsub, 'x', 'x', function() while true do end end) end");
}

#[test]
fn no_library_call_takes_as_long_as_a_script_says() {
    kill("table.insert({}, -2^31, 1)");
    kill("local t = {} for i = 1, 50000 do t[i] = i end while true do table.remove(t, 1) t[#t + 1] = 1 end");
    kill("local t = {} for i = 1, 50000 do t[i] = i end while true do table.sort(t) table.sort(t, rawequal) end");
    kill("local t = {} for i = 1, 50000 do t[i] = i end while true do table.concat(t) end");
    kill("local t = {} for i = 1, 50000 do t[i] = i end while true do table.maxn(t) end");
    kill("local t = {} for i = 1, 50000 do t[i] = i end while true do table.foreach(t, rawequal) end");
    kill("while true do unpack({}, 1, 7000) end");
    kill("while true do collectgarbage() end");
    kill("local s = 'return {' .. ('{},'):rep(100000) .. '}' while true do loadstring(s) end");
    kill("local s = ('x'):rep(1000000) while true do local t = s .. 'y' end");
    kill("('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(40))");
}

/// CVE-2025-46819.
#[test]
fn a_huge_text_is_not_compiled() {
    let mut engine = Engine::new(64 << 20).expect("an interpreter");
    // Nothing looks at it, so that it takes no memory.
    let text = vec![0; (1 << 30) + 1];
    assert_eq!(engine.compile(&text).expect_err("no script").0, b"chunk is too large");
}

/// CVE-2025-46817.
#[test]
fn unpack_returns_no_more_than_the_stack_holds() {
    fails("return {unpack({}, 1, 2^31 - 1)}", "too many results to unpack");
    fails("return {unpack({}, -2^31, 2^31 - 1)}", "too many results to unpack");
    fails("return {unpack({}, 0, 1e9)}", "too many results to unpack");
    assert_eq!(run("return select('#', unpack({}, 1, 7900))"), ":7900");
    assert_eq!(run("return select('#', unpack({}, 2^31 - 1, 2^31 - 1))"), ":1");
}

/// CVE-2025-46818.
#[test]
fn no_metatable_is_reached_that_other_scripts_use() {
    fails("getmetatable('').__index = 1", "user_script:1: Attempt to modify a readonly table");
    fails(
        "getmetatable('').__add = print",
        "user_script:1: Script attempted to access nonexistent global variable 'print'",
    );
    fails("getmetatable('').__add = next", "user_script:1: Attempt to modify a readonly table");
    fails("rawset(getmetatable(''), '__add', next)", "Attempt to modify a readonly table");
    fails("getmetatable(_G).__index = next", "user_script:1: Attempt to modify a readonly table");
    fails("setmetatable(getmetatable(_G), {})", "Attempt to modify a readonly table");
    fails("return 1 + {}", "attempt to perform arithmetic on a table value");
    assert_eq!(run("return tostring(getmetatable('').__index == string)"), "true");
    assert_eq!(run("return tostring(getmetatable(math)) .. tostring(getmetatable(getmetatable(_G)))"), "nilnil");
}

#[test]
fn what_all_scripts_share_cannot_be_changed() {
    for table in ["_G", "math", "string", "table", "coroutine", "redis", "bit"] {
        let writes = [
            "T.x = 1",
            "T.floor = nil T.call = nil T.insert = nil T.sub = nil T.wrap = nil T.band = nil T.math = nil",
            "rawset(T, 'x', 1)",
            "setmetatable(T, {})",
            "setmetatable(T, nil)",
            "table.insert(T, 1)",
            "table.insert(T, 1, 1)",
        ];
        for write in writes {
            fails(
                &write.replace('T', table).replace(&format!("{table}able"), "table"),
                "Attempt to modify a readonly table",
            );
        }
    }
    fails("x = 1", "user_script:1: Attempt to modify a readonly table");
    fails("KEYS = {}", "user_script:1: Attempt to modify a readonly table");
    fails("error(redis)", "err_handler_def:10: Attempt to modify a readonly table");
    fails("for name in pairs(_G) do _G[name] = nil end", "Attempt to modify a readonly table");
    assert_eq!(run("KEYS[1] = 'a' ARGV.x = 'b' return KEYS[1] .. ARGV.x"), "ab");
}

/// A script that only reads fields of the libraries finds the tables themselves, which it must not get hold of.
#[test]
fn a_script_that_may_change_a_library_never_has_the_library_itself() {
    let gets = [
        "local t = L t.x = 1",
        "local t = x or L t.x = 1",
        "local t = (L.x or L) t.x = 1",
        "(L or x).x = 1",
        "({L})[1].x = 1",
        "local function f(t) t.x = 1 end f(L)",
        "local function f() return L end f().x = 1",
        "local f = function(...) (...).x = 1 end f(L)",
        "coroutine.wrap(function(t) t.x = 1 end)(L)",
        "for _, t in pairs({L}) do t.x = 1 end",
        "for i = 1, 2 do L.x = i end",
        "L[L] = 1",
        "L.x = L",
        "rawset(L, 'x', 1)",
        "setmetatable(L, {})",
        "setmetatable({}, {__index = function() L.x = 1 end}).y()",
        "_G['L'].x = 1",
        "loadstring('L.x = 1')()",
        "L.x, L.y = 1, 2",
    ];
    for library in ["bit", "cjson", "cmsgpack", "coroutine", "math", "redis", "server", "string", "struct", "table"] {
        let mut interpreter = Interpreter::new();
        for get in gets {
            let script = format!("local x = nil {}", get.replace('L', library));
            let reply = interpreter.run(&script);
            let is_refused = reply.contains("Attempt to modify a readonly table") && reply.starts_with('-');
            assert!(is_refused || get.contains("_G") && library == "server", "{script}: {reply}");
        }
        let show = |of: &str| {
            format!("local names = {{}} for name in pairs({of}) do names[#names + 1] = name end return #names")
        };
        assert_eq!(interpreter.run(&show(library)), run(&show(library)));
        assert_eq!(interpreter.run(&format!("return tostring({library}.x)")), "nil");
    }
    // What is read is the same whichever way it is found.
    assert_eq!(run("local call = redis.call local t = redis return tostring(call == t.call)"), "true");
    assert_eq!(
        run("return math.floor(2.5) .. string.rep('x', 2) .. tostring(server.REDIS_VERSION == redis.REDIS_VERSION)"),
        "2xxtrue"
    );
    fails("return redis.call.x", "attempt to index field 'call' (a function value)");
    fails("return cjson.nothing()", "attempt to call field 'nothing' (a nil value)");
}

#[test]
fn the_globals_are_those_of_redis() {
    fails("return x", "user_script:1: Script attempted to access nonexistent global variable 'x'");
    fails("return _G[{}]", "Second argument to luaProtectedTableError must be a string or number");
    for name in [
        "print", "os", "io", "debug", "package", "require", "module", "dofile", "loadfile", "newproxy", "getfenv",
        "setfenv",
    ] {
        fails(&format!("return {name}"), &format!("nonexistent global variable '{name}'"));
        assert_eq!(run(&format!("return tostring(rawget(_G, '{name}'))")), "nil");
    }
    assert_eq!(run("return tostring(server == redis) .. tostring(_G._G == _G)"), "truetrue");
    assert_eq!(run("local n = 0 for k, v in pairs(math) do n = n + 1 end return n .. next(math)"), "31log");
    assert_eq!(
        run("local t = {} for k in pairs(table) do t[#t + 1] = k end return table.concat(t, ' ')"),
        "setn insert getn foreachi maxn foreach concat sort remove"
    );
    assert_eq!(
        run("local t = {} for k in pairs(coroutine) do t[#t + 1] = k end return table.concat(t, ' ')"),
        "resume yield status wrap create running"
    );
}

#[test]
fn bytecode_is_not_run() {
    let error = "[string \"\u{1b}Lua\"]:1: unexpected symbol near 'char(27)'";
    assert_eq!(run("local f, e = loadstring('\\27Lua') return e"), error);
    let script =
        "local n = 0 local f, e = load(function() n = n + 1 if n < 3 then return '\\27Lua' end end, '=x') return e";
    assert_eq!(run(script), "x:1: unexpected symbol near 'char(27)'");
}

#[test]
fn random_numbers_are_those_of_redis_and_stay_from_script_to_script() {
    let mut interpreter = Interpreter::new();
    assert_eq!(interpreter.run("return math.random(1000000)"), ":396465");
    assert_eq!(interpreter.run("return math.random(1000000)"), ":840486");
    let script = "math.randomseed(0) return math.random(1000000) .. ' ' .. math.random(1000000)";
    assert_eq!(interpreter.run(script), "170829 749902");
    assert_eq!(interpreter.run("return math.random(1000000)"), ":96372");
    assert_eq!(
        run("math.randomseed(2^33 + 5) return math.random(3, 9) .. ' ' .. math.random()"),
        run("math.randomseed(5) return math.random(3, 9) .. ' ' .. math.random()")
    );
    fails("return math.random(0)", "bad argument #1 to 'random' (interval is empty)");
}

#[test]
fn what_is_nested_too_deep_is_an_error() {
    fails("local function f() return f() + 1 end f()", "user_script:1: stack overflow");
    fails("local function f() table.sort({1, 2, 3}, function() f() end) end f()", "C stack overflow");
    fails("local function f() table.foreach({1}, f) end f()", "C stack overflow");
    fails("local function f() ('x'):gsub('x', f) end f()", "C stack overflow");
    fails(
        "local function f() coroutine.wrap(function() table.sort({1, 2, 3}, function() f() end) end)() end f()",
        "C stack overflow",
    );
    fails("local function f() coroutine.wrap(f)() end f()", "C stack overflow");
    fails("local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.x", "C stack overflow");
    fails("local t = {} setmetatable(t, {__index = t}) return t.x", "loop in gettable");
    fails(
        "local f, e = loadstring(('('):rep(300) .. '1' .. (')'):rep(300)) error(e)",
        "chunk has too many syntax levels",
    );
    assert_eq!(run("local n = 0 local function f() n = n + 1 return pcall(f) end f() return n"), ":199");
    assert_eq!(run("local function f(e) return xpcall(f, f) end f() return 1"), ":1");
    assert_eq!(run("return select(2, xpcall(error, function() error('again') end))"), "error in error handling");
    assert!(run("local t = {} for i = 1, 20000 do t = {t} end return t").contains("reached lua stack limit"));
}

#[test]
fn memory_is_bounded_and_the_next_script_runs() {
    let no_memory = "not enough memory";
    fails("local s = 'x' while true do s = s .. s end", no_memory);
    fails("local t = {} while true do t[#t + 1] = {} end", no_memory);
    fails("local t = {} while true do t[#t + 1] = #t .. ' of many' end", no_memory);
    fails("local t = {} while true do t[#t + 1] = coroutine.create(function() end) end", no_memory);
    fails("local t = {} for i = 1, 1e9 do t[i] = i end", no_memory);
    fails("return ('x'):rep(1e9)", no_memory);
    fails("local t = {} for i = 1, 100 do t[i] = ('x'):rep(1e6) end return table.concat(t)", no_memory);
    // It can be caught, as any error.
    assert_eq!(run("return select(2, pcall(function() local s = 'x' while true do s = s .. s end end))"), no_memory);
    assert_eq!(
        run("for i = 1, 20 do pcall(function() local s = 'x' while true do s = s .. s end end) end return 1"),
        ":1"
    );
}

#[test]
fn garbage_does_not_take_the_room_of_what_is_needed() {
    let mut interpreter = Interpreter::with_limit(16 << 20);
    // Of 10 MiB that are needed, and 100 that are not.
    let script = "local kept = {} for i = 1, 100 do kept[i] = ('x'):rep(100000) .. i end
                  for i = 1, 20000 do local gone = {('y'):rep(5000) .. i} end return #kept";
    assert_eq!(interpreter.run(script), ":100");
    assert_eq!(interpreter.run(script), ":100");
    // What a killed script has left behind is not the next one's.
    interpreter.server.polls_left = 3000;
    interpreter.run("local t = {} for i = 1, 190000 do t[i] = {} end while true do end");
    interpreter.server.polls_left = u32::MAX;
    for _ in 0..3 {
        assert_eq!(interpreter.run("local t = {} for i = 1, 120000 do t[i] = {} end return #t"), ":120000");
    }
}

/// CVE-2025-49844: the parser has objects that the collector does not see. Where each allocation may be refused, each
/// state of the parser is met, and the collector runs at once after it.
#[test]
fn the_parser_survives_a_lack_of_memory_at_each_allocation() {
    let text =
        b"local a, b = {x = 1, 'y'}, 'z' function a.f(...) local c = ... return function() return c, a.b.d, b end end
                 for i, v in ipairs(a) do if v == b then a[i] = [==[long]==] .. 1.5 end end return a";
    let mut engine = Engine::new(64 << 20).expect("an interpreter");
    let mut refused = 0;
    for more in (0..20000).step_by(16) {
        engine.set_memory_limit(engine.memory_usage() + more);
        match engine.compile(text) {
            Ok(script) => engine.remove(script),
            Err(error) => {
                assert_eq!(error.0, b"not enough memory");
                refused += 1;
            }
        }
    }
    assert!(refused > 50, "{refused}");
    engine.set_memory_limit(64 << 20);
    assert!(engine.compile(text).is_ok());
}

/// As above, within a script, which has garbage, and catches the error.
#[test]
fn a_script_survives_a_lack_of_memory_anywhere() {
    let text = b"local function try(f, ...) local ok, e = pcall(f, ...) return e end
                 local made = try(function() local t = {} for i = 1, 30 do t[i] = {i .. 'x', ('%d'):format(i)} end return t end)
                 try(loadstring, 'return {' .. ('1,'):rep(20) .. '}')
                 try(coroutine.wrap(function(a) local b = coroutine.yield(a .. 'y') error({err = b .. 'z'}) end), 'q')
                 xpcall(function() return table.concat({1, 2, 'x'}, ', ') .. tostring(made) end, function(e) return {e .. ''} end)
                 local t = {5, 3, 1} table.sort(t, function(a, b) return a < b end)
                 return {t, ('x,y'):gsub(',', {[','] = ';'}), unpack(t)}";
    let mut engine = Engine::new(64 << 20).expect("an interpreter");
    let script = engine.compile(text).expect("a script");
    let (mut failed, none) = (0, ArgsBuf::new());
    for more in (0..40000).step_by(24) {
        engine.set_memory_limit(engine.memory_usage() + more);
        let mut server = NoServer { polls_left: u32::MAX, followed: Vec::new() };
        assert_eq!(engine.start(script, none.as_args(), none.as_args(), &mut server), Progress::Ended);
        let mut reply = Reply::new(Protocol::Resp2);
        let outcome = engine.finish(&"sha", Protocol::Resp2, &mut reply, &mut |_, _| {});
        failed += u32::from(outcome != super::Outcome::Replied);
    }
    assert!(failed > 10, "{failed}");
}

#[test]
fn each_script_finds_its_own_arguments_and_nothing_of_those_before() {
    let mut interpreter = Interpreter::new();
    let mut answer = |script: &str, args: &[&[u8]]| {
        String::from_utf8(interpreter.run_bytes(script.as_bytes(), args)).expect("a text")
    };
    let any = "local list = _G['AR' .. 'GV'] return #list .. tostring(list[1]) .. tostring(list.mark)";
    assert_eq!(answer(any, &[b"a"]), "1anil");
    assert_eq!(answer("ARGV.mark = 'x' ARGV[1] = 'y' return ARGV.mark", &[b"a"]), "x");
    assert_eq!(answer("return 1", &[b"b", b"c"]), ":1", "which cannot look at its arguments");
    assert_eq!(answer(any, &[]), "0nilnil");
    assert_eq!(answer("return ARGV[2]", &[b"b", b"c"]), "c");
    assert_eq!(answer("return #KEYS", &[b"b"]), ":0");
    assert_eq!(answer(any, &[b"d"]), "1dnil");
    assert_eq!(answer("return loadstring('return ARGV[1]')()", &[b"e"]), "e");
    assert!(answer("return getfenv(0).ARGV[1]", &[b"f"]).contains("nonexistent global variable 'getfenv'"));
}

/// The reply of a table that holds itself twice has no end, and one of a table that holds another many times can be larger
/// than any memory.
#[test]
fn a_reply_without_an_end_is_ended_with_its_script() {
    kill("local t = {} t[1] = t t[2] = t return t");
    kill("local t = {} for i = 1, 20 do t[i] = t end return {t}");
    kill("local t = {} t.map = {t, t} return t");
    kill("local t = {} t.set = {[t] = true, [{t, t}] = true} return t");
    kill("local t = {'x'} for i = 1, 60 do t = {t, t} end return t");
    // What has an end is written as a whole, however long it takes.
    let mut interpreter = Interpreter::new();
    let long = interpreter.run_bytes(b"local t = {} for i = 1, 100000 do t[i] = {'some text', {i}} end return t", &[]);
    assert!(long.starts_with(b"*100000\r\n*2\r\n$9\r\nsome text\r\n*1\r\n:1\r\n"));
    assert!(long.ends_with(b"*1\r\n:100000"));
    let text =
        interpreter.run_bytes(b"local s = ('x'):rep(10000) local t = {} for i = 1, 2000 do t[i] = s end return t", &[]);
    assert_eq!(text.len(), 20_000_000 + 2000 * 10 + 5);
    assert!(interpreter.run("local t = {} t[1] = t return t").matches("*1\r\n").count() > 5000);
    works_on(&mut interpreter);
}
