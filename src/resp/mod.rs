//! The Redis protocol: bytes to frames of arguments, and replies to bytes, in RESP2 and RESP3.
//! Owns:  the state of a half-received frame, the output buffer of a reply.
//! Uses:  stdx.
//! Never: a socket, a command's name, an allocation as large as a client merely claims.

mod args;
mod decode;
mod error;
mod reply;

pub use args::{Args, ArgsBuf};
pub use decode::{Decoder, Limits, Step};
pub use error::ProtocolError;
pub use reply::{Deferred, Overfull, Protocol, Reply};
