//! What scripts may do, and how their commands are counted, logged and shown.

use super::{dialogue, eval};
use crate::support::{Server, int, ok, render};

#[test]
fn what_a_script_may_not_call_is_refused_with_its_place() {
    dialogue(
        r#"
        > EVAL "return redis.call('SUBSCRIBE', 'a')" 0
        -ERR This Redis command is not allowed from script script: ..., on @user_script:1.
        > EVAL "return redis.call('CLUSTER', 'RESET')" 0
        -ERR This Redis command is not allowed from script script: ..., on @user_script:1.
        > EVAL "return redis.call('EXEC')" 0
        -ERR This Redis command is not allowed from script script: ..., on @user_script:1.
        > EVAL "return redis.call('NONE')" 0
        -ERR Unknown Redis command called from script script: ..., on @user_script:1.
        > EVAL "return redis.call('GET')" 0
        -ERR Wrong number of args calling Redis command from script script: ..., on @user_script:1.
        > EVAL "return redis.pcall('GET')" 0
        -ERR Wrong number of args calling Redis command from script
        > EVALSHA 0000000000000000000000000000000000000000 0
        -NOSCRIPT No matching script. Please use EVAL.
        > EVALSHA short 0
        -NOSCRIPT No matching script. Please use EVAL.
        > EVAL "return 1" -1
        -ERR Number of keys can't be negative
        > EVAL "return 1" 1
        -ERR Number of keys can't be greater than number of args
        > EVAL_RO "return redis.call('SET', 'a', 1)" 0
        -ERR Write commands are not allowed from read-only scripts. script: ..., on @user_script:1.
        > EVAL_RO "return redis.call('PUBLISH', 'a', 1)" 0
        -ERR Write commands are not allowed from read-only scripts. script: ..., on @user_script:1.
        > EVAL_RO "return redis.call('GET', KEYS[1])" 1 a
        nil
        "#,
    );
}

#[test]
fn scripts_call_debug_only_where_that_is_asked_for() {
    let server = Server::with_config("enable-debug-command yes");
    server.client().transcript(
        r#"
        > EVAL "return redis.call('DEBUG', 'PROTOCOL', 'integer')" 0
        -ERR This Redis command is not allowed from script script: ..., on @user_script:1.
        > DEBUG SET-DISABLE-DENY-SCRIPTS 1
        +OK
        > EVAL "return redis.call('DEBUG', 'PROTOCOL', 'integer')" 0
        :12345
        > EVAL "return redis.call('SUBSCRIBE', 'a')" 0
        -ERR This Redis command is not allowed from script script: ..., on @user_script:1.
        > DEBUG SET-DISABLE-DENY-SCRIPTS 0
        +OK
        > EVAL "return redis.call('DEBUG', 'PROTOCOL', 'integer')" 0
        -ERR This Redis command is not allowed from script script: ..., on @user_script:1.
        "#,
    );
}

#[test]
fn a_set_has_an_order_for_scripts() {
    dialogue(
        r#"
        > SADD s c a d b
        :4
        > EVAL "return redis.call('SORT', 's', 'BY', 'nosort')" 0
        ["a", "b", "c", "d"]
        "#,
    );
}

#[test]
fn a_script_neither_waits_nor_changes_its_callers_database() {
    dialogue(
        r#"
        > EVAL "return redis.call('BLPOP', 'list', 0)" 0
        nil
        > EVAL "redis.call('SELECT', 5) redis.call('SET', 'a', 'five') return redis.call('GET', 'a')" 0
        "five"
        > GET a
        nil
        > EVAL "return redis.call('GET', 'a')" 0
        nil
        > SELECT 5
        +OK
        > EVAL "return redis.call('GET', 'a')" 0
        "five"
        "#,
    );
}

#[test]
fn keys_that_a_script_changes_are_changed_for_those_who_watch_them() {
    let server = Server::start();
    let (mut one, mut other) = (server.client(), server.client());
    assert_eq!(one.run("WATCH a"), ok());
    assert_eq!(eval(&mut other, "return redis.call('INCR', 'a')"), int(1));
    one.run("MULTI");
    one.run("PING");
    assert_eq!(render(&one.run("EXEC")), "nil-array");
}

#[test]
fn errors_are_counted_once_and_as_the_commands_that_failed() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET a text");
    client.run("CONFIG RESETSTAT");
    let stat = |section: &str, name: &str| server.info_field(section, name);
    assert!(eval(&mut client, "return redis.call('INCR', 'a')").is_error());
    assert_eq!(stat("errorstats", "errorstat_ERR"), "count=1");
    assert!(stat("commandstats", "cmdstat_incr").ends_with("rejected_calls=0,failed_calls=1"));
    assert!(stat("commandstats", "cmdstat_eval").ends_with("rejected_calls=0,failed_calls=1"));
    assert!(!eval(&mut client, "redis.pcall('INCR', 'a') return 1").is_error());
    assert_eq!(stat("errorstats", "errorstat_ERR"), "count=2");
    assert!(stat("commandstats", "cmdstat_eval").ends_with("rejected_calls=0,failed_calls=1"));
    assert!(eval(&mut client, "return redis.call('INCR')").is_error());
    assert!(stat("commandstats", "cmdstat_incr").ends_with("rejected_calls=1,failed_calls=2"));
    assert!(eval(&mut client, "return redis.error_reply('CODE of its own')").is_error());
    assert_eq!(stat("errorstats", "errorstat_CODE"), "count=1");
    assert_eq!(stat("stats", "total_error_replies"), "4");
    assert!(stat("commandstats", "cmdstat_eval").ends_with("rejected_calls=0,failed_calls=3"));
}

#[test]
fn monitors_are_shown_a_script_and_then_its_commands() {
    let server = Server::start();
    let mut monitor = server.client();
    assert_eq!(monitor.run("MONITOR"), ok());
    let mut client = server.client();
    eval(&mut client, "return redis.call('SET', 'a', '1')");
    let shown = [monitor.read().text(), monitor.read().text()];
    assert!(shown[0].contains(r#""EVAL" "return redis.call('SET', 'a', '1')" "0""#), "{shown:?}");
    assert!(shown[1].ends_with(r#"[0 lua] "SET" "a" "1""#), "{shown:?}");
    // Those that run nothing are shown, too, as in Redis.
    for command in ["EVALSHA none 0", "EVAL 'return 1' x", "FCALL none 0"] {
        assert!(client.run(command).is_error(), "{command}");
        let (name, shown) = (command.split(' ').next().unwrap_or_default(), monitor.read().text());
        assert!(shown.contains(&format!("\"{name}\"")), "{command}: {shown}");
    }
    eval(&mut client, "return 1");
    client.run("PING");
    let shown = [monitor.read().text(), monitor.read().text()];
    assert!(shown[0].contains("\"EVAL\"") && shown[1].contains("\"PING\""), "{shown:?}");
}

#[test]
fn the_slow_log_holds_a_script_and_its_commands() {
    let server = Server::with_config("slowlog-log-slower-than 0");
    let mut client = server.client();
    client.run("SLOWLOG RESET");
    eval(&mut client, "return redis.call('SET', 'a', '1')");
    let entries = client.run("SLOWLOG GET 2");
    let entries = entries.items();
    assert_eq!(entries[0].items()[3].texts()[0], "EVAL");
    assert_eq!(entries[1].items()[3].texts(), ["SET", "a", "1"]);
    assert_eq!(entries[1].items()[4].text(), "?:0");
}

#[test]
fn a_script_may_do_what_its_callers_user_may() {
    let server = Server::start();
    let mut client = server.client();
    client.run("ACL SETUSER bob on >1 +@scripting +set ~x*");
    assert_eq!(client.run("AUTH bob 1"), ok());
    client.transcript(
        r#"
        > EVAL "return redis.call('GET', 'x')" 0
        -ERR ACL failure in script: User bob has no permissions to run the 'get' command script: ..., on @user_script:1.
        > EVAL "return redis.call('SET', 'y', 1)" 0
        -ERR ACL failure in script: No permissions to access a key script: ..., on @user_script:1.
        > EVAL "return redis.call('SET', 'x', 1)" 0
        +OK
        > EVAL "return {redis.acl_check_cmd('SET', 'x', 1), redis.acl_check_cmd('SET', 'y', 1)}" 0
        [:1, nil]
        "#,
    );
    let log = server.client().run("ACL LOG");
    let newest = &log.items()[0];
    assert_eq!((newest.field("context").text().as_str(), newest.field("object").text().as_str()), ("lua", "y"));
    assert!(newest.field("client-info").text().contains("cmd=eval user=bob"), "{}", render(newest));
}

#[test]
fn memory_is_judged_once_when_a_script_begins() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET x 123");
    client.run("CONFIG SET maxmemory 1");
    client.transcript(
        r##"
        > EVAL "redis.call('SET', 'x', 1) return 1" 1 x
        -OOM command not allowed when used memory > 'maxmemory'. script: ..., on @user_script:1.
        > EVAL "return redis.call('GET', 'x')" 1 x
        "123"
        > EVAL "redis.call('DEL', 'y') redis.call('SET', 'x', 1) return redis.call('GET', 'x')" 1 x
        "1"
        > EVAL "#!lua flags=allow-oom\nredis.call('SET', 'x', 2) return 1" 1 x
        :1
        > EVAL "#!lua flags=no-writes\nreturn redis.call('GET', 'x')" 1 x
        "2"
        > EVAL "#!lua\nreturn 1" 1 x
        -OOM command not allowed when used memory > 'maxmemory'.
        "##,
    );
}

#[test]
fn a_pause_of_writes_holds_scripts_up_but_for_those_that_say_that_they_do_not_write() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    client.run("CLIENT PAUSE 60000 WRITE");
    client.transcript(
        r##"
        > EVAL_RO "return 1" 0
        :1
        > EVAL "#!lua flags=no-writes\nreturn 2" 0
        :2
        > SCRIPT LOAD "#!lua flags=no-writes\nreturn 3"
        "..."
        "##,
    );
    other.send(&crate::support::encode_command(&["EVAL", "return 4", "0"]));
    other.set_read_limit(std::time::Duration::from_millis(200)).expect("a time limit");
    assert!(other.try_read().is_err(), "a script may write");
    client.run("CLIENT UNPAUSE");
    other.set_read_limit(std::time::Duration::from_secs(30)).expect("a time limit");
    assert_eq!(other.read(), int(4));
}

#[test]
fn keys_of_scripts_are_found() {
    dialogue(
        r#"
        > COMMAND GETKEYS EVAL "return 1" 2 a b c
        ["a", "b"]
        > COMMAND GETKEYS EVALSHA_RO sha 1 a b c
        ["a"]
        > COMMAND GETKEYS EVAL "return 1" 0
        []
        "#,
    );
}
