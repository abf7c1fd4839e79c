//! What scripts get from the library: results and errors as redis-server 7.0.15 has them, and an end when they are killed.

use crate::script::testing::Interpreter;

const KILLED: &str = "-ERR Script killed by user with SCRIPT KILL... script: sha, on @user_script:1.";

const NO_MEMORY: &str = "-ERR not enough memory script: sha, on @user_script:1.";

/// Evaluates each expression, and compares its values, or its error without the place, with what is expected.
fn expect(rows: &[(&str, &str)]) {
    let mut interpreter = Interpreter::new();
    for (expression, expected) in rows {
        let script = format!(
            "local function pack(...) return {{n = select('#', ...), ...}} end
             local r = pack(pcall(function() local r = pack({expression}) return unpack(r, 1, r.n) end))
             for i = 2, r.n do r[i] = string.gsub(tostring(r[i]), '%z', '\\\\0') end
             return (r[1] and '' or 'error: ') .. table.concat(r, ', ', 2, r.n)"
        );
        let got = interpreter.run(&script).replace("user_script:2: ", "");
        assert_eq!(got, *expected, "{expression}");
    }
}

#[test]
fn strings_are_cut_joined_and_looked_at() {
    expect(&[
        (r#"("x"):rep("3")"#, "xxx"),
        ("string.len(12)", "2"),
        (r#"string.rep("x", -1)"#, ""),
        ("string.char(4294967296+65)", "A"),
        (r#"string.byte("abc", 0, 10)"#, "97, 98, 99"),
        (r#"("hello"):sub(2.9, "4")"#, "ell"),
        (r#"("hello"):sub(-3, -2)"#, "ll"),
        (r#"("hello"):sub(0)"#, "hello"),
        (r#"("hello"):sub(10)"#, ""),
        ("string.reverse(123)", "321"),
        (r#"("x"):len(1)"#, "1"),
        (r#"#("x"):rep(2^32+1)"#, "1"),
        (r#"string.byte("")"#, ""),
        (r#"string.byte("a", 2)"#, ""),
        (r#"string.byte("abc", -2, -1)"#, "98, 99"),
        ("string.char()", ""),
        ("string.char(104, 105)", "hi"),
        (r#"("abc"):upper() .. ("ABC"):lower() .. ("abc"):reverse()"#, "ABCabccba"),
        (r#"string.len("a\0b")"#, "3"),
        (r#"("a\0b"):upper():byte(1, -1)"#, "65, 0, 66"),
        (r#"#string.rep("ab\0", 100)"#, "300"),
        (r#"string.rep("ab", 3)"#, "ababab"),
        (r#"string.rep("", 1e9)"#, ""),
    ]);
}

#[test]
fn patterns_and_texts_are_found() {
    expect(&[
        (r#"("x"):find(")")"#, "nil"),
        (r#"#{("x"):find(("()"):rep(32))}"#, "34"),
        (r#"("THE (quick) fox"):find("%f[%a]%a+%f[%A]", 6)"#, "6, 10"),
        (r#"("a\0b"):find("\0")"#, "2, 2"),
        (r#"("a\0b"):find("b\0x", 1)"#, "nil"),
        (r#"("a\0b"):find("%z")"#, "2, 2"),
        (r#"("axb"):find("x\0(")"#, "nil"),
        (r#"string.find("abc", "b", -10)"#, "2, 2"),
        (r#"string.find("abc", "b", 10)"#, "nil"),
        (r#"string.find("abc", "", 10)"#, "4, 3"),
        (r#"string.find("abc", "", 4)"#, "4, 3"),
        (r#"string.find("a.b", ".", 1, true)"#, "2, 2"),
        (r#"string.find("abc", "b", 1, 2, 3)"#, "2, 2"),
        (r#"string.match("key=value", "(%w+)=(%w+)")"#, "key, value"),
        (r#"string.match("2024-01-02", "(%d+)-(%d+)-(%d+)")"#, "2024, 01, 02"),
        (r#"string.match("hello", "^h")"#, "h"),
        (r#"string.match("  x  ", "^%s*(.-)%s*$")"#, "x"),
        (r#"string.match("abc", "()b()")"#, "2, 3"),
        (r#"string.match("aaa", "a-$")"#, "aaa"),
        (r#"string.match("[[x]]", "%b[]")"#, "[[x]]"),
        (r#"string.match("abab", "(ab)%1")"#, "ab"),
        (r#"string.match("ab", "()%1")"#, "nil"),
        ("string.gfind == string.gmatch", "true"),
        (r#"string.match("x=1, y=2", "y=(%d)")"#, "2"),
        (r#"string.find("a+b", "+", 1, true)"#, "2, 2"),
        (r#"string.find("", "")"#, "1, 0"),
        (r#"string.find("abc", "[a-]")"#, "1, 1"),
        (r#"string.find("a-c", "[a%-]", 2)"#, "2, 2"),
        (r#"string.find("a]c", "[]]")"#, "2, 2"),
        (r#"string.find("a^c", "[x^]")"#, "2, 2"),
        (r#"string.match("x^y", "^x^y")"#, "x^y"),
        (r#"string.match("a$b", "a$b")"#, "a$b"),
        (r#"string.match("2+2", "%d%+%d")"#, "2+2"),
        (r#"string.match("\255\254", "%W+") == "\255\254""#, "true"),
        (r#"string.match("aXb", "%u")"#, "X"),
        (r#"string.match("a.b", "%.")"#, "."),
        ("string.match(123, 2)", "2"),
        ("string.find(123, 3)", "3, 3"),
    ]);
}

#[test]
fn matches_are_replaced() {
    expect(&[
        (r#"("x"):gsub("x", "%")"#, r"\0, 1"),
        (r#"("x"):gsub("x", "%2")"#, "error: invalid capture index"),
        (r#"("abc"):gsub("(b)", "<%0%1>")"#, "a<bb>c, 1"),
        (r#"("abc"):gsub("()", "%1")"#, "1a2b3c4, 4"),
        (r#"("abc"):gsub("b", true)"#, "error: bad argument #2 to 'gsub' (string/function/table expected)"),
        (r#"("abc"):gsub("b")"#, "error: bad argument #2 to 'gsub' (string/function/table expected)"),
        (r#"("abc"):gsub("b", {b={}})"#, "error: invalid replacement value (a table)"),
        (r#"("abc"):gsub("b", function() return {} end)"#, "error: invalid replacement value (a table)"),
        (r#"("abc"):gsub("b", {b=false})"#, "abc, 1"),
        (r#"("abc"):gsub("%w*", "x")"#, "xx, 2"),
        (r#"("hello world"):gsub("o", "0", 1)"#, "hell0 world, 1"),
        (r#"("hello"):gsub("", "-")"#, "-h-e-l-l-o-, 6"),
        (r#"("a\0b"):gsub("[%z]", "0")"#, "a0b, 1"),
        (r#"string.gsub("abc", "", "", {})"#, "error: bad argument #4 to 'gsub' (number expected, got table)"),
        (r#"string.gsub({}, "", "")"#, "error: bad argument #1 to 'gsub' (string expected, got table)"),
        (r#"string.gsub("x", {}, "")"#, "error: bad argument #2 to 'gsub' (string expected, got table)"),
        (r#"("a,b,,c"):gsub(",", {[","]=";"})"#, "a;b;;c, 3"),
        (r#"("abc"):gsub("%w", "%%%0")"#, "%a%b%c, 3"),
        (r#"("abc"):gsub("b", 5)"#, "a5c, 1"),
        (r#"("hello world"):gsub("(%w+) (%w+)", "%2 %1")"#, "world hello, 1"),
        (r#"("abc"):gsub("(a)(b)", {a=1})"#, "1c, 1"),
        (r#"("abc"):gsub("%w", function(c) if c=="b" then return "X" end end)"#, "aXc, 3"),
        (r#"("abc"):gsub("b", "x", 0)"#, "abc, 0"),
        (r#"("abc"):gsub("b", "x", -1)"#, "abc, 0"),
        (r#"("abc"):gsub("^a", "x")"#, "xbc, 1"),
        (r#"("aaa"):gsub("^a", "x")"#, "xaa, 1"),
        (r#"("abc"):gsub("(b", "x")"#, "axc, 1"),
        (r#"("abc"):gsub("b", setmetatable({}, {__index=function(t,k) return k..k end}))"#, "abbc, 1"),
        (r#"("abc"):gsub("b", setmetatable({}, {__index="text"}))"#, "abc, 1"),
        (r#"("abc"):gsub("b", setmetatable({}, {__index=5}))"#, "error: attempt to index a number value"),
    ]);
}

#[test]
fn values_are_formatted() {
    expect(&[
        (r#"("%d"):format("3")"#, "3"),
        (r#"("%d"):format(3.9)"#, "3"),
        (r#"("%d"):format("x")"#, "error: bad argument #1 to 'format' (number expected, got string)"),
        (r#"("%d"):format()"#, "error: bad argument #1 to 'format' (no value)"),
        (r#"("%y"):format(1)"#, "error: invalid option '%y' to 'format'"),
        (r#"("%"):format(1)"#, "error: invalid option '%' to 'format'"),
        (r#"("%000000d"):format(1)"#, "error: invalid format (repeated flags)"),
        (r#"("%100d"):format(1)"#, "error: invalid format (width or precision too long)"),
        (r#"("%.100d"):format(1)"#, "error: invalid format (width or precision too long)"),
        (
            r#"("%5.1f|%-8d|%+d|% d|%05d|%#x|%#o"):format(3.14159, 42, 42, 42, 42, 255, 8)"#,
            "  3.1|42      |+42| 42|00042|0xff|010",
        ),
        (r#"("%s %s"):format(1, nil)"#, "error: bad argument #2 to 'format' (string expected, got nil)"),
        (r#"("%s"):format(true)"#, "error: bad argument #1 to 'format' (string expected, got boolean)"),
        (r#"("%s"):format(1e15)"#, "1e+15"),
        (r#"("%s|"):format("a\0b")"#, "a|"),
        (r#"("%s|"):format("a\0b" .. ("x"):rep(100)):len()"#, "104"),
        (r#"("%5s|%-5s|%.2s|%05s"):format("abc", "abc", "abc", "abc")"#, "  abc|abc  |ab|  abc"),
        (r#"("%c%c"):format(65, 0)"#, "A"),
        (r#"("%5c|%-5c|"):format(0, 0)"#, "    ||"),
        (r#"("%c"):format(4294967296+65)"#, ""),
        (r#"("%x"):format(-1)"#, "ffffffffffffffff"),
        (r#"("%u"):format(1.8446744073709552e19)"#, "0"),
        (r#"("%u"):format(-1e30)"#, "9223372036854775808"),
        (r#"("%d"):format(1e20)"#, "-9223372036854775808"),
        (r#"("%d"):format(0/0)"#, "-9223372036854775808"),
        (r#"("%g %g %g"):format(1/0, -1/0, 1e300)"#, "inf -inf 1e+300"),
        (r#"("%e %E %G"):format(12345.678, 12345.678, 1e-10)"#, "1.234568e+04 1.234568E+04 1E-10"),
        (r#"("%i"):format(-7)"#, "-7"),
        (r#"("%%"):format()"#, "%"),
        (r#"("%5%"):format(1)"#, "error: invalid option '%%' to 'format'"),
        ("string.format()", "error: bad argument #1 to 'format' (string expected, got no value)"),
        (r#"("%%"):format(1)"#, "%"),
        (r#"("x"):format(1)"#, "x"),
        (r#"("%.3s|%.0s|%.s|"):format("abcdef", "abc", "abc")"#, "abc|||"),
        (r#"("%10.2s|"):format("abc")"#, "        ab|"),
        (r#"("%.20g"):format(0.1)"#, "0.10000000000000000555"),
        (
            r#"("%.99f"):format(1/3)"#,
            "0.333333333333333314829616256247390992939472198486328125000000000000000000000000000000000000000000000",
        ),
        (r#"("%5.0f|%-5.1e|"):format(2.5, 3)"#, "    2|3.0e+00|"),
        (r#"("%X %o %u"):format(3735928559, 8, 3)"#, "DEADBEEF 10 3"),
        (
            r#"("%+5d|% 5d|%-+5d|%05d|%.3d|%5.3d|%+.0d|"):format(7, 7, 7, -7, 7, 7, 0)"#,
            "   +7|    7|+7   |-0007|007|  007|+|",
        ),
        (r#"("%#5x|%#05x|%#.5X|%#o|%#.0o|"):format(255, 255, 255, 0, 0)"#, " 0xff|0x0ff|0X000FF|0|0|"),
        (r#"("%q"):format(5)"#, r#""5""#),
    ]);
}

#[test]
fn errors_have_the_words_of_lua() {
    expect(&[
        ("string.rep()", "error: bad argument #1 to 'rep' (string expected, got no value)"),
        (r#"("x"):rep()"#, "error: bad argument #1 to 'rep' (number expected, got no value)"),
        (r#"("x"):rep({})"#, "error: bad argument #1 to 'rep' (number expected, got table)"),
        (r#"("x").rep(nil, 3)"#, "error: bad argument #1 to 'rep' (string expected, got nil)"),
        ("string.char(256)", "error: bad argument #1 to 'char' (invalid value)"),
        ("string.char(-1)", "error: bad argument #1 to 'char' (invalid value)"),
        (r#"string.byte(("x"):rep(9000), 1, -1)"#, "error: stack overflow (string slice too long)"),
        (r#"("x"):find("(")"#, "error: unfinished capture"),
        (r#"("x"):find("(x")"#, "error: unfinished capture"),
        (r#"("x"):find("%")"#, "error: malformed pattern (ends with '%')"),
        (r#"("x"):find("[x")"#, "error: malformed pattern (missing ']')"),
        (r#"("x"):find("[]")"#, "error: malformed pattern (missing ']')"),
        (r#"("x"):find("[^]")"#, "error: malformed pattern (missing ']')"),
        (r#"("x"):find("[%")"#, "error: malformed pattern (missing ']')"),
        (r#"("x"):find("%1")"#, "error: invalid capture index"),
        (r#"("x"):find("(x%1")"#, "error: invalid capture index"),
        (r#"("x"):find("%f")"#, "error: missing '[' after '%f' in pattern"),
        (r#"("x"):find("%b")"#, "error: unbalanced pattern"),
        (r#"("x"):find("%bx")"#, "error: unbalanced pattern"),
        (r#"("x"):find(("()"):rep(33))"#, "error: too many captures"),
        (r#"string.gmatch("x")"#, "error: bad argument #2 to 'gmatch' (string expected, got no value)"),
        ("string.gmatch()", "error: bad argument #1 to 'gmatch' (string expected, got no value)"),
        ("string.sub()", "error: bad argument #1 to 'sub' (string expected, got no value)"),
        (r#"("x"):sub()"#, "error: bad argument #1 to 'sub' (number expected, got no value)"),
        (r#"("x"):sub({})"#, "error: bad argument #1 to 'sub' (number expected, got table)"),
        (r#"("x"):bad()"#, "error: attempt to call method 'bad' (a nil value)"),
        (r#"string.find("abc", "b", "x")"#, "error: bad argument #3 to 'find' (number expected, got string)"),
        (r#"("x"):match(")")"#, "error: invalid pattern capture"),
        (r#"("x"):match("(x))")"#, "error: invalid pattern capture"),
        ("string.lower()", "error: bad argument #1 to 'lower' (string expected, got no value)"),
        ("(5):rep(2)", "error: attempt to index a number value"),
        (r#"string.rep("x", "y")"#, "error: bad argument #2 to 'rep' (number expected, got string)"),
        (r#"("x"):match()"#, "error: bad argument #1 to 'match' (string expected, got no value)"),
    ]);
}

#[test]
fn strings_have_methods_and_only_the_functions_of_redis_without_dump() {
    let mut interpreter = Interpreter::new();
    let names =
        "local names = {} for name in pairs(string) do names[#names + 1] = name end return table.concat(names, ' ')";
    assert_eq!(
        interpreter.run(names),
        "sub upper len gfind rep find match char gmatch reverse byte format gsub lower",
        "in the order in which redis-server's pairs has them"
    );
    assert_eq!(interpreter.run("return ('x'):rep(3) .. ('%d'):format(4)"), "xxx4");
}

#[test]
fn gmatch_finds_one_match_after_the_other() {
    let mut interpreter = Interpreter::new();
    let mut all = |text: &str, pattern: &str| {
        interpreter.run(&format!(
            "local all = {{}} for a, b in string.gmatch('{text}', '{pattern}') do
               all[#all + 1] = tostring(a) .. '/' .. tostring(b) end return table.concat(all, ' ')"
        ))
    };
    assert_eq!(all("k=v, x = y", "(%w+)%s*=%s*(%w+)"), "k/v x/y");
    assert_eq!(all("abc", ""), "/nil /nil /nil /nil");
    assert_eq!(all("a1b22", "%d*"), "/nil 1/nil /nil 22/nil /nil");
    assert_eq!(all("one two", "()%a+()"), "1/4 5/8");
    assert_eq!(all("^a^b", "^%a"), "^a/nil ^b/nil", "there is no anchor here");
    let two = "local f, g = ('abc'):gmatch('.'), ('xyz'):gmatch('.') return f() .. g() .. f() .. g() .. f() .. tostring((f()))";
    assert_eq!(interpreter.run(two), "axbycnil");
    assert!(interpreter.run("local f = (12):gmatch('.') return f()").contains("index a number value"));
    assert_eq!(interpreter.run("local f = string.gmatch(121, 2) return f()"), "2");
}

#[test]
fn callbacks_may_use_the_library_themselves_and_fail() {
    let mut interpreter = Interpreter::new();
    let nested = "return (('a,b;c,d'):gsub('[^;]+', function(part)
        return '<' .. part:gsub('%a', function(c) return ('%s%s'):format(c, c:upper()) end) .. '>' end))";
    assert_eq!(interpreter.run(nested), "<aA,bB>;<cC,dD>");
    let fails = "return select(2, pcall(string.gsub, 'abc', 'b', function() error('no', 0) end))";
    assert_eq!(interpreter.run(fails), "no");
    let fails = "return select(2, pcall(string.gsub, 'abc', 'b', function() error({err = 'no'}) end))";
    assert_eq!(interpreter.run(fails), "no");
    let deep = "local function f(n) return (('x'):gsub('x', function() return n == 0 and 'y' or f(n - 1) end)) end
        return f(20) .. tostring((pcall(f, 1000)))";
    assert_eq!(interpreter.run(deep), "yfalse");
    assert_eq!(interpreter.run("return ('still'):rep(2)"), "stillstill");
}

#[test]
fn deep_patterns_need_no_stack() {
    let mut interpreter = Interpreter::new();
    assert_eq!(interpreter.run("return #(('a'):rep(200000):match(('a?'):rep(200000)))"), ":200000");
    assert_eq!(interpreter.run("return #(('a'):rep(200000):match(('a*'):rep(200000)))"), ":200000");
    assert_eq!(interpreter.run("return #(('a'):rep(100000):match(('a-'):rep(100000) .. '$'))"), ":100000");
    assert_eq!(interpreter.run("return #(('a'):rep(8000000):match(('a?'):rep(8000000)))"), NO_MEMORY);
    assert_eq!(interpreter.run("return ('x'):rep(3)"), "xxx", "the next script has memory");
}

#[test]
fn endless_work_ends_soon_after_the_script_is_killed() {
    for script in [
        "return ('a'):rep(50000):find(('a-'):rep(50) .. '[b]')",
        "return ('a'):rep(50000):match(('.-'):rep(30) .. '[b]')",
        "return ('a'):rep(100000):find(('a*'):rep(100) .. '[b]')",
        "return ('a'):rep(100000):find(('a?'):rep(100) .. ('a'):rep(90000) .. '[b]')",
        "return ('a'):rep(10000000):find('a*a*b')",
        "return ('a'):rep(10000000):find('.-.-[b]')",
        "return ('('):rep(20000000):find('%b()')",
        "return ('x'):rep(9000000):find('(.*).*%1[y]')",
        "return ('x'):rep(10000000):find('[' .. ('ab'):rep(1000000) .. ']-y')",
        "return ('a'):rep(10000000):find('%f[b]a*%f[b].-%f[b]')",
        "return ('x'):rep(1000):gsub('', function() return (('a'):rep(100000):find('a-a-[b]')) end)",
        "for _ in ('a'):rep(100000):gmatch('a-a-[b]') do end",
        "while true do ('a'):rep(1000):gsub('a', '%0%0%0') end",
        "while true do ('a'):rep(5000000):upper() end",
        "while true do ('ab'):rep(5000000) end",
        "local a, b = ('a'):rep(9000000), ('a'):rep(4000000) .. 'b' while true do a:find(b, 1, true) end",
        "local a = ('\\n'):rep(5000000) while true do ('%q%q'):format(a, a) end",
        "pcall(string.find, ('a'):rep(50000), ('a-'):rep(50) .. '[b]') return 'swallowed'",
        "string.gsub('x', 'x', function() pcall(string.find, ('a'):rep(50000), ('a-'):rep(50) .. '[b]') end) return 'swallowed'",
    ] {
        let mut interpreter = Interpreter::new();
        interpreter.server.polls_left = 60;
        assert_eq!(interpreter.run(script), KILLED, "{script}");
        assert_eq!(interpreter.server.polls_left, 0, "{script}");
        interpreter.server.polls_left = u32::MAX;
        assert_eq!(interpreter.run("return ('x'):rep(3)"), "xxx", "the next script works after {script}");
    }
}

#[test]
fn scripts_are_looked_at_every_few_thousand_steps() {
    for (script, steps) in [
        // A match is tried at each of n places, for each of n ends, each with n ends of its own.
        ("return ('a'):rep(200):find('.-.-[b]')", 200 * 200 * 200 / 6),
        ("return ('a'):rep(1500):find('a-[b]')", 1500 * 1500 / 2),
        ("return ('a'):rep(1500):find('a*[b]')", 1500 * 1500 / 2),
        // Here a step is a few bytes.
        ("return ('('):rep(3000):find('%b()')", 3000 * 3000 / 2 / 8),
        ("return ('a'):rep(3000):gsub('a-b', 'c')", 3000 * 3000 / 2 / 8),
    ] {
        let mut interpreter = Interpreter::new();
        assert!(!interpreter.run(script).starts_with('-'), "{script}");
        let polls = u32::MAX - interpreter.server.polls_left;
        assert!(polls >= steps / 5000, "{script}: {polls} looks in {steps} steps");
    }
}

#[test]
fn large_copies_are_looked_at_every_megabyte() {
    for script in [
        "return #('x'):rep(20000000)",
        "return #('xyz'):rep(20000000 / 3)",
        "return #('x'):rep(3000000):rep(7)",
        "local s = ('x'):rep(10000000) return #s:upper() + #s:reverse()",
        "local s = ('x'):rep(10000000) return #('%s'):format(s) + #('%q'):format(s)",
        "local s = ('x'):rep(10000000) return #s:gsub('x', 'y', 1) + #('a'):gsub('a', s)",
    ] {
        let mut interpreter = Interpreter::new();
        assert!(interpreter.run(script).starts_with(':'), "{script}");
        let polls = u32::MAX - interpreter.server.polls_left;
        assert!(polls >= 15, "{script}: {polls}");
    }
}

#[test]
fn what_needs_more_than_the_memory_is_refused_before_it_is_taken() {
    for script in [
        "return ('x'):rep(1e9)",
        "return ('x'):rep(2147483647)",
        "return ('xx'):rep(1000000):rep(2147483647)",
        "local s = ('x'):rep(25000000) return s:upper() .. s",
        "return ('x'):rep(1000000):gsub('x', ('y'):rep(1000))",
        "return ('x'):rep(1000000):gsub('x', '%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0%0')",
        "return ('x'):rep(1000000):gsub('x', function() return ('y'):rep(1000) end)",
        "local s = ('x'):rep(9000000) return ('%s%s%s%s%s%s%s%s'):format(s, s, s, s, s, s, s, s)",
        "local s = ('\\n'):rep(20000000) return ('%q'):format(s)",
    ] {
        let mut interpreter = Interpreter::new();
        assert_eq!(interpreter.run(script), NO_MEMORY, "{script}");
        assert_eq!(interpreter.run("return ('x'):rep(3)"), "xxx", "the next script works");
    }
}
