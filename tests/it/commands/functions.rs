//! FUNCTION, FCALL and FCALL_RO.

use std::time::Duration;

use super::{dialogue, dialogue_resp3};
use crate::support::{Client, Server, Setup, against_redis, bulk, err, int, ok, wait_until};

/// A library of one function that returns 1.
const ONE: &str = "#!lua name=one\nredis.register_function('one', function() return 1 end)";

fn load(client: &mut Client, code: &str) {
    let reply = client.cmd(&["FUNCTION", "LOAD", "REPLACE", code]);
    assert!(!reply.is_error(), "{reply:?}");
}

#[test]
fn a_first_line_that_is_none_is_refused_with_its_reason() {
    dialogue(
        r##"
        > FUNCTION LOAD "return 1"
        -ERR Missing library metadata
        > FUNCTION LOAD "#!lua name=a"
        -ERR Invalid library metadata
        > FUNCTION LOAD "#!lua\n"
        -ERR Library name was not given
        > FUNCTION LOAD "#!lua name=a name=b\n"
        -ERR Invalid metadata value, name argument was given multiple times
        > FUNCTION LOAD "#!lua name=a x=y\n"
        -ERR Invalid metadata value given: x=y
        > FUNCTION LOAD "#!lua name=a-b\n"
        -ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long
        > FUNCTION LOAD "#!lux name=a\n"
        -ERR Engine 'lux' not found
        > FUNCTION LOAD "#!lua name=a\n"
        -ERR No functions registered
        > FUNCTION LOAD "#!lua name=a\nreturn {"
        -ERR Error compiling function: user_function:2: unexpected symbol near '<eof>'
        > FUNCTION LOAD QUICKLY x
        -ERR Unknown option given: QUICKLY
        > FUNCTION LOAD
        -ERR wrong number of arguments for 'function|load' command
        "##,
    );
}

#[test]
fn what_a_library_registers_wrongly_is_refused_and_nothing_of_it_is_known() {
    let wrong = "Error registering functions: ERR ";
    let name_rule = "Library names can only contain letters, numbers, or underscores(_) and must be at least one \
                     character long";
    let server = Server::start();
    let mut client = server.client();
    let f = "function() return 1 end";
    for (code, why) in [
        (
            format!("redis.register_function('f', {f}) redis.register_function('f', {f})"),
            "Function already exists in the library",
        ),
        ("redis.register_function()".to_owned(), "wrong number of arguments to redis.register_function"),
        (format!("redis.register_function('f', {f}, 1)"), "wrong number of arguments to redis.register_function"),
        (format!("redis.register_function({{}}, {f})"), "first argument to redis.register_function must be a string"),
        ("redis.register_function('f', 1)".to_owned(), "second argument to redis.register_function must be a function"),
        (
            "redis.register_function('f')".to_owned(),
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named \
             arguments).",
        ),
        (format!("redis.register_function('a-b', {f})"), name_rule),
        (format!("redis.register_function('', {f})"), name_rule),
        (
            "redis.register_function{function_name = {}}".to_owned(),
            "function_name argument given to redis.register_function must be a string",
        ),
        (
            "redis.register_function{description = {}}".to_owned(),
            "description argument given to redis.register_function must be a string",
        ),
        (
            "redis.register_function{callback = 1}".to_owned(),
            "callback argument given to redis.register_function must be a function",
        ),
        (
            "redis.register_function{flags = 1}".to_owned(),
            "flags argument to redis.register_function must be a table representing function flags",
        ),
        ("redis.register_function{flags = {'quick'}}".to_owned(), "unknown flag given"),
        ("redis.register_function{speed = 1}".to_owned(), "unknown argument given to redis.register_function"),
        (
            "redis.register_function{[{}] = 1}".to_owned(),
            "named argument key given to redis.register_function is not a string",
        ),
        (
            format!("redis.register_function{{callback = {f}}}"),
            "redis.register_function must get a function name argument",
        ),
        (
            "redis.register_function{function_name = 'f'}".to_owned(),
            "redis.register_function must get a callback argument",
        ),
        (
            format!("redis.register_function('f', {f}) local x = a"),
            "user_function:2: Script attempted to access nonexistent global variable 'a'",
        ),
        ("x = 1".to_owned(), "user_function:2: Attempt to modify a readonly table"),
        ("redis.x = 1".to_owned(), "user_function:2: Attempt to modify a readonly table"),
        (
            "redis.call('PING')".to_owned(),
            "user_function:2: Script attempted to access nonexistent global variable 'call'",
        ),
        (
            "redis.setresp(3)".to_owned(),
            "user_function:2: Script attempted to access nonexistent global variable 'setresp'",
        ),
        (
            "local t = math.random()".to_owned(),
            "user_function:2: Script attempted to access nonexistent global variable 'math'",
        ),
        ("redis.log(1)".to_owned(), "redis.log() requires two arguments or more."),
        ("local x x.y = 1".to_owned(), "user_function:2: attempt to index local 'x' (a nil value)"),
    ] {
        let reply = client.cmd(&["FUNCTION", "LOAD", &format!("#!lua name=lib\n{code}")]);
        assert_eq!(reply, err(&format!("ERR {wrong}{why}")), "{code}");
    }
    client.transcript("> FUNCTION LIST\n[]");
    client.transcript("> FCALL f 0\n-ERR Function not found");
}

#[test]
fn a_library_that_never_ends_loading_is_ended() {
    let server = Server::start();
    let mut client = server.client();
    let reply = client.cmd(&["FUNCTION", "LOAD", "#!lua name=lib\nwhile true do end"]);
    assert_eq!(reply, err("ERR Error registering functions: ERR FUNCTION LOAD timeout"));
    load(&mut client, ONE);
    assert_eq!(client.run("FCALL one 0"), int(1));
}

#[test]
fn functions_get_keys_and_arguments_and_keep_locals_but_no_globals() {
    let server = Server::start();
    let mut client = server.client();
    load(
        &mut client,
        "#!lua name=lib\nlocal register, count = redis.register_function, 0\n\
         register('args', function(keys, args) return {#keys, #args, keys[1], args[1]} end)\n\
         register('count', function() count = count + 1 return count end)\n\
         register('keys', function() return KEYS end)\n\
         register('set', function() x = 1 end)\n\
         register('late', function() return register('f', function() end) end)\n\
         register('absent', function() return redis.register_function end)\n\
         register('error', function() error({err = 'MY error'}) end)\n\
         register('raise', function() local t = {} t.a.b = 1 end)\n\
         register('call', function(keys) return redis.call('INCR', keys[1]) end)\n\
         register('unknown', function() return redis.call('NOSUCH') end)",
    );
    client.transcript(
        r#"
        > FCALL args 1 a b c
        [:1, :2, "a", "b"]
        > FCALL count 0
        :1
        > FCALL COUNT 0
        :2
        > FCALL keys 0
        -ERR user_function:5: Script attempted to access nonexistent global variable 'KEYS' script: keys, on @user_function:5.
        > FCALL set 0
        -ERR user_function:6: Attempt to modify a readonly table script: set, on @user_function:6.
        > FCALL late 0
        -ERR redis.register_function can only be called on FUNCTION LOAD command script: late, on @user_function:7.
        > FCALL absent 0
        nil
        > FCALL error 0
        -MY error script: error, on @user_function:9.
        > FCALL raise 0
        -ERR user_function:10: attempt to index field 'a' (a nil value) script: raise, on @user_function:10.
        > FCALL call 1 n
        :1
        > FCALL unknown 0
        -ERR Unknown Redis command called from script script: unknown, on @user_function:12.
        > EVAL "return redis.call('FCALL', 'count', 0)" 0
        -ERR This Redis command is not allowed from script ...
        > FCALL nosuch x
        -ERR Function not found
        > FCALL count x
        -ERR Bad number of keys provided
        > FCALL count 1
        -ERR Number of keys can't be greater than number of args
        > FCALL count -1
        -ERR Number of keys can't be negative
        > FCALL count
        -ERR wrong number of arguments for 'fcall' command
        "#,
    );
}

#[test]
fn libraries_replace_each_other_as_a_whole_or_not_at_all() {
    let server = Server::start();
    let mut client = server.client();
    load(&mut client, "#!lua name=a\nredis.register_function('f', function() return 1 end)");
    load(&mut client, "#!lua name=b\nredis.register_function('g', function() return 2 end)");
    client.transcript(
        r##"
        > FUNCTION LOAD "#!lua name=a\nredis.register_function('f', function() return 3 end)"
        -ERR Library 'a' already exists
        > FUNCTION LOAD "#!lua name=c\nredis.register_function('g', function() return 3 end)"
        -ERR Function g already exists
        > FUNCTION LOAD REPLACE "#!lua name=a\nredis.register_function('g', function() return 3 end)"
        -ERR Function g already exists
        > FUNCTION LOAD REPLACE "#!lua name=a\nerror('x')"
        -ERR Error registering functions: ...
        > FCALL f 0
        :1
        > FUNCTION LOAD REPLACE "#!lua name=a\nredis.register_function('h', function() return 3 end)"
        "a"
        > FCALL f 0
        -ERR Function not found
        > FCALL h 0
        :3
        > FUNCTION DELETE nosuch
        -ERR Library not found
        > FUNCTION DELETE a
        +OK
        > FCALL h 0
        -ERR Function not found
        > FCALL g 0
        :2
        > FUNCTION FLUSH QUICKLY
        -ERR FUNCTION FLUSH only supports SYNC|ASYNC option
        > FUNCTION FLUSH SYNC ASYNC
        -ERR unknown subcommand or wrong number of arguments for 'FLUSH'. Try FUNCTION HELP.
        > SCRIPT FLUSH
        +OK
        > FLUSHALL
        +OK
        > FCALL g 0
        :2
        > FUNCTION FLUSH ASYNC
        +OK
        > FCALL g 0
        -ERR Function not found
        "##,
    );
}

#[test]
fn libraries_and_figures_are_listed() {
    const CODE: &str = "#!lua name=lib\nredis.register_function{function_name = 'f', description = 'text', flags = \
                        {'NO-WRITES', 'allow-oom'}, callback = function() return 1 end}";
    let server = Server::start();
    load(&mut server.client(), CODE);
    load(&mut server.client(), ONE);
    server.client().transcript(
        r#"
        > FUNCTION LIST LIBRARYNAME L*
        [["library_name", "lib", "engine", "LUA", "functions", [["name", "f", "description", "text", "flags", [+no-writes, +allow-oom]]]]]
        > FUNCTION LIST LIBRARYNAME nosuch WITHCODE
        []
        > FUNCTION LIST LIBRARYNAME
        -ERR library name argument was not given
        > FUNCTION LIST WITHCODE WITHCODE
        -ERR Unknown argument WITHCODE
        > FUNCTION STATS
        ["running_script", nil, "engines", ["LUA", ["libraries_count", :2, "functions_count", :2]]]
        > FUNCTION KILL
        -NOTBUSY No scripts in execution right now.
        > FUNCTION NOSUCH
        -ERR unknown subcommand 'NOSUCH'. Try FUNCTION HELP.
        "#,
    );
    let listed = server.client_resp3().run("FUNCTION LIST LIBRARYNAME one WITHCODE");
    let library = &listed.items()[0];
    assert_eq!(library.field("library_code").text(), ONE);
    let function = &library.field("functions").items()[0];
    assert_eq!(function.field("name").text(), "one");
    assert!(function.field("description").is_null());
    let help = server.client().run("FUNCTION HELP").texts();
    assert!(help.len() > 20 && help[0].starts_with("FUNCTION <subcommand>"), "{help:?}");
    dialogue_resp3(
        "> FUNCTION STATS\n{\"running_script\": _, \"engines\": {\"LUA\": {\"libraries_count\": :0, \"functions_count\": :0}}}",
    );
}

#[test]
fn flags_say_what_a_function_may_do() {
    let server = Server::start();
    let mut client = server.client();
    load(
        &mut client,
        "#!lua name=lib\nlocal function set() return redis.call('SET', 'k', 'v') end\n\
         redis.register_function('plain', set)\n\
         redis.register_function{function_name = 'reads', callback = set, flags = {'no-writes'}}\n\
         redis.register_function{function_name = 'gets', callback = function() return redis.call('GET', 'k') end, flags = \
         {'no-writes'}}\n\
         redis.register_function{function_name = 'grows', callback = set, flags = {'allow-oom'}}",
    );
    client.transcript(
        r#"
        > FCALL plain 0
        +OK
        > FCALL reads 0
        -ERR Write commands are not allowed from read-only scripts. script: reads, on @user_function:2.
        > FCALL gets 0
        "v"
        > FCALL_RO gets 0
        "v"
        > FCALL_RO plain 0
        -ERR Can not execute a script with write flag using *_ro command.
        > CONFIG SET maxmemory 1
        +OK
        > FCALL plain 0
        -OOM ...
        > FCALL gets 0
        "v"
        > FCALL grows 0
        +OK
        > FUNCTION LOAD REPLACE x
        -OOM command not allowed when used memory > 'maxmemory'.
        > CONFIG SET maxmemory 0
        +OK
        "#,
    );
}

#[test]
fn a_busy_function_is_ended_by_function_kill_alone() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("busy-reply-threshold 10");
    let mut caller = server.client();
    load(
        &mut caller,
        "#!lua name=lib\nredis.register_function('loop', function() while true do pcall(function() end) end end)",
    );
    caller.send(b"FCALL loop 1 k\r\n");
    let mut other = server.client();
    let busy = err("BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.");
    wait_until("the function is busy", 20, || other.run("GET k") == busy);
    assert_eq!(other.run("SCRIPT KILL"), busy);
    let stats = server.client_resp3().run("FUNCTION STATS");
    let running = stats.field("running_script");
    assert_eq!(running.field("name").text(), "loop");
    assert_eq!(running.field("command").texts(), ["FCALL", "loop", "1", "k"]);
    assert!(running.field("duration_ms").integer() >= 10);
    assert_eq!(other.run("FUNCTION KILL"), ok());
    caller.set_read_limit(Duration::from_secs(20)).expect("a limit");
    let reply = caller.read();
    assert!(reply.is_error(), "{reply:?}");
    assert_eq!(other.run("PING"), crate::support::simple("PONG"));
}

#[test]
fn functions_survive_restarts_reloads_and_dumps() {
    let mut server = Setup::new().config("save 3600 1\nenable-debug-command yes").start();
    let mut client = server.client();
    load(&mut client, ONE);
    assert_eq!(client.run("DEBUG RELOAD"), ok());
    assert_eq!(client.run("FCALL one 0"), int(1));
    if !against_redis() {
        // A library counts as a change, and so the rules save it.
        assert_eq!(client.run("SAVE"), ok());
        server.kill();
        server.start_again();
        client = server.client();
        assert_eq!(client.run("FCALL one 0"), int(1));
    }
    server.background_save();
    load(&mut client, "#!lua name=two\nredis.register_function('two', function() return 2 end)");
    let payload = client.run("FUNCTION DUMP").bytes();
    assert_eq!(client.cmd(&[b"FUNCTION".as_slice(), b"RESTORE", &payload]), err("ERR Library one already exists"));
    assert_eq!(client.cmd(&[b"FUNCTION".as_slice(), b"RESTORE", &payload, b"REPLACE"]), ok());
    assert_eq!(client.run("FUNCTION DELETE one"), ok());
    load(&mut client, "#!lua name=three\nredis.register_function('three', function() return 3 end)");
    assert_eq!(client.cmd(&[b"FUNCTION".as_slice(), b"RESTORE", &payload, b"FLUSH"]), ok());
    assert_eq!(client.run("FCALL three 0"), err("ERR Function not found"));
    assert_eq!((client.run("FCALL one 0"), client.run("FCALL two 0")), (int(1), int(2)));
    assert_eq!(client.run("FUNCTION FLUSH"), ok());
    // A function of another library keeps the payload out.
    load(&mut client, "#!lua name=other\nredis.register_function('two', function() return 4 end)");
    let refused = client.cmd(&[b"FUNCTION".as_slice(), b"RESTORE", &payload, b"REPLACE"]);
    assert_eq!(refused, err("ERR Function two already exists"));
    assert_eq!(client.run("FCALL one 0"), err("ERR Function not found"));
    let mut damaged = payload.clone();
    damaged[3] ^= 1;
    for bad in [&damaged[..], b"", &payload[..9]] {
        let reply = client.cmd(&[b"FUNCTION".as_slice(), b"RESTORE", bad]);
        assert_eq!(reply, err("ERR DUMP payload version or checksum are wrong"));
    }
    client.transcript(
        "> FUNCTION RESTORE x QUICKLY\n\
         -ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.\n\
         > FUNCTION RESTORE x FLUSH y\n\
         -ERR unknown subcommand or wrong number of arguments for 'RESTORE'. Try FUNCTION HELP.\n\
         > SET key value\n\
         +OK",
    );
    let value = client.run("DUMP key").bytes();
    assert_eq!(client.cmd(&[b"FUNCTION".as_slice(), b"RESTORE", &value]), err("ERR given type is not a function"));
    assert_eq!(client.run("GET key"), bulk("value"));
}

#[test]
fn a_dump_with_a_library_that_does_not_load_is_refused() {
    if against_redis() {
        return;
    }
    let file =
        crate::support::RdbFile::new(10).raw(b"\xf5").text(b"#!lua name=mine\nnosuch()").string(b"a", b"1").finish();
    let refused = Setup::new().file("dump.rdb", file).start_refused();
    let why = "function library at offset 9 cannot be loaded: Error registering functions";
    assert!(refused.log.contains(why), "{}", refused.log);
}

#[test]
#[cfg(feature = "peers")]
fn payloads_and_dumps_go_both_ways_between_copal_and_its_peers() {
    use crate::support::{newer_server, redis_server};
    if against_redis() {
        return;
    }
    let peers = [Some(redis_server("")), newer_server("redis-server", ""), newer_server("valkey-server", "")];
    for peer in peers.into_iter().flatten() {
        let ours = Server::start();
        let (mut here, mut there) = (ours.client(), peer.client());
        load(&mut here, ONE);
        load(
            &mut there,
            "#!lua name=two\nredis.register_function{function_name='two', callback=function() return 2 end, flags={'no-writes'}}",
        );
        let (mine, theirs) = (here.run("FUNCTION DUMP").bytes(), there.run("FUNCTION DUMP").bytes());
        assert_eq!(here.cmd(&[b"FUNCTION".as_slice(), b"RESTORE", &theirs]), ok());
        assert_eq!(there.cmd(&[b"FUNCTION".as_slice(), b"RESTORE", &mine]), ok());
        for client in [&mut here, &mut there] {
            assert_eq!((client.run("FCALL one 0"), client.run("FCALL_RO two 0")), (int(1), int(2)));
        }
        assert_eq!((here.run("SAVE"), there.run("SAVE")), (ok(), ok()));
        let read = |server: &Server| std::fs::read(server.dump_path()).expect("the dump");
        let (our_dump, their_dump) = (read(&ours), read(&peer));
        let again = Setup::new().file("dump.rdb", their_dump).start();
        assert_eq!(again.client().run("FCALL two 0"), int(2));
        let mut peer = peer;
        peer.kill();
        std::fs::write(peer.dump_path(), our_dump).expect("the dump can be put there");
        peer.start_again();
        assert_eq!(peer.client().run("FCALL one 0"), int(1));
    }
}
