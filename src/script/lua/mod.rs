//! PUC Lua 5.1 behind functions that a caller cannot use wrongly: all of Lua's C interface is used here and in
//! `fiber.rs` only.
//! Owns:  the interpreter's memory, the way into a function written in Rust and out of it, the interpreter itself.
//! Uses:  resp.
//! Never: an error that leaves by `longjmp` a Rust function that has something to drop.
//!
//! Lua reports errors by `longjmp`, which must not leave a Rust frame that owns anything. Three rules keep it so:
//!
//! 1. A function that scripts call is a [`Function`], which returns its errors as values. Only `enter`, which owns
//!    nothing, hands them to Lua, when the function's locals are gone.
//! 2. Within such a function memory is never refused (`Memory`): what it takes beyond the limit is reported when it
//!    returns. What could take much asks `Call::check_room` first.
//! 3. Of Lua's interface, [`Call`] offers only what can fail for want of memory, and what runs a script's code
//!    ([`Call::call`]) in protected mode.

mod allocator;
mod bytecode;
mod call;
mod context;
mod coroutine;
mod direct;
mod error;
mod memory;
mod number;
#[cfg(test)]
mod plain_tests;
mod read_only;
mod spare;
mod state;
mod value;

pub use bytecode::{Abilities, LIBRARIES};
pub use call::{Answer, Call, Frequent, Function, KILLED, Raise};
pub use context::STACK_BYTES;
pub use coroutine::Left;
pub use direct::Direct;
pub use number::{NumberText, append_number, format_number, number_text, whole};
pub use state::{Lua, RawState, Status, Task};
pub use value::{Kind, Value};
