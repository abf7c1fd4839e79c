//! What scripts take, and the settings that bound it.

use super::{dialogue, eval};
use crate::support::{Server, ok};

#[test]
fn a_script_gets_no_more_memory_than_allowed_and_the_next_one_works() {
    let server = Server::with_config("lua-memory-limit 8mb");
    let mut client = server.client();
    let grow = "local t = {} for i = 1, 10000000 do t[i] = {i} end return #t";
    let reply = eval(&mut client, grow);
    assert!(reply.is_error() && reply.text().contains("not enough memory"), "{reply:?}");
    assert_eq!(eval(&mut client, "local t = {} for i = 1, 10000 do t[i] = i end return #t").integer(), 10_000);
    assert_eq!(client.run("CONFIG SET lua-memory-limit 64mb"), ok());
    let more = "local t = {} for i = 1, 300000 do t[i] = {i} end return #t";
    assert_eq!(eval(&mut client, more).integer(), 300_000);
    assert_eq!(client.run("CONFIG SET lua-memory-limit 4mb"), ok());
    assert!(eval(&mut client, more).is_error());
}

#[test]
fn what_scripts_take_is_shown() {
    let server = Server::start();
    let mut client = server.client();
    let figure = |name: &str| server.info_field("memory", name).parse::<u64>().expect("a number");
    assert_eq!(figure("number_of_cached_scripts"), 0);
    assert_eq!(eval(&mut client, "return 1").integer(), 1);
    client.run("SCRIPT LOAD 'return 2'");
    assert_eq!(figure("number_of_cached_scripts"), 2);
    assert!(figure("used_memory_vm_eval") > 10_000);
    assert_eq!(figure("used_memory_lua"), figure("used_memory_vm_eval"));
    assert!(figure("used_memory_scripts_eval") > 0);
    let stats = client.run("MEMORY STATS");
    assert_eq!(stats.field("lua.caches").integer() as u64, figure("used_memory_scripts_eval"));
    assert_eq!(client.run("SCRIPT FLUSH ASYNC"), ok());
    assert_eq!(figure("number_of_cached_scripts"), 0);
    assert_eq!(figure("used_memory_vm_eval"), 0);
}

#[test]
fn scripts_that_only_eval_has_brought_go_when_there_are_too_many() {
    let server = Server::start();
    let mut client = server.client();
    let kept = client.cmd(&["SCRIPT", "LOAD", "return 'kept'"]).text();
    for number in 0..600 {
        eval(&mut client, &format!("return {number}"));
    }
    assert_eq!(server.info_field("stats", "evicted_scripts"), "100");
    assert_eq!(server.info_field("memory", "number_of_cached_scripts"), "501");
    assert_eq!(client.cmd(&["EVALSHA", &kept, "0"]).text(), "kept");
    client.run("CONFIG RESETSTAT");
    assert_eq!(server.info_field("stats", "evicted_scripts"), "0");
}

#[test]
fn scripts_are_loaded_found_and_flushed() {
    dialogue(
        r#"
        > SCRIPT LOAD "return 1"
        "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
        > EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0
        :1
        > SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0000000000000000000000000000000000000000 a
        [:1, :0, :0]
        > MULTI
        +OK
        > SCRIPT FLUSH SYNC
        +QUEUED
        > SCRIPT LOAD "return 2"
        +QUEUED
        > EXEC
        [+OK, "7f923f79fe76194c868d7e1d0820de36700eb649"]
        > EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
        -NOSCRIPT No matching script. Please use EVAL.
        > SCRIPT FLUSH later
        -ERR SCRIPT FLUSH only support SYNC|ASYNC option
        > SCRIPT FLUSH SYNC ASYNC
        -ERR SCRIPT FLUSH only support SYNC|ASYNC option
        > SCRIPT DEBUG YES
        -ERR SCRIPT DEBUG is not supported: ...
        > SCRIPT LOAD "return return"
        -ERR Error compiling script (new function): user_script:1: ...
        > CONFIG GET lua-time-limit
        ["lua-time-limit", "5000"]
        "#,
    );
}
