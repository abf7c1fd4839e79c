//! What scripts may take of the server.

use super::super::key::{Apply, Key};
use super::{I64_MAX, bytes, integer};

pub const KEYS: &[Key] = &[
    integer(
        "busy-reply-threshold",
        "5000",
        (0, i64::MAX),
        |c| c.busy_reply_threshold_ms as i64,
        |c, v| c.busy_reply_threshold_ms = v as u64,
    )
    .also(&["lua-time-limit"])
    .doc(
        "For how many milliseconds a script has the server to itself. After that others are answered that the server is \
         busy, and SCRIPT KILL ends a script that has written nothing. 0 never interrupts a script.",
    ),
    bytes("lua-memory-limit", "256mb", (0, I64_MAX), |c| c.lua_memory_limit_bytes, |c, v| c.lua_memory_limit_bytes = v)
        .applies(Apply::ScriptMemory)
        .doc(
            "How much memory an interpreter may take, with all scripts that it has compiled and what the running one \
             holds; scripts and functions have one each. A script that wants more ends with an error, and the next one \
             finds room again. 0 for no limit.",
        ),
];
