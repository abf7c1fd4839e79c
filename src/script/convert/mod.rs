//! Replies of commands to Lua's values, and what a script returns to a reply
//! (<https://redis.io/docs/latest/develop/programmability/lua-api/#data-type-conversion>).
//! Owns:  nothing.
//! Uses:  the interpreter's stack, resp, stdx.
//! Never: a tree of values in between.

mod to_lua;
mod to_reply;

pub use to_lua::{push_long_reply, push_reply};
pub use to_reply::{Counted, Written, write_long_value, write_value};

/// A text as C reads it, which is how Redis takes statuses and errors from scripts: it ends at the first zero.
pub fn up_to_zero(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(0, text).unwrap_or(text.len())]
}
