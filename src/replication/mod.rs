//! Replication as state machines: what is sent to replicas and to a primary, what their answers mean, and what is due.
//! Owns:  the stream of changes, its backlog, histories and offsets, the handshake, the framing of a full sync, a replica's link.
//! Uses:  keyspace, resp, stdx.
//! Never: a socket, a file, a clock or chance; bytes and times are handed in and out.

mod backlog;
mod handshake;
mod history;
mod intake;
mod link;
mod overruns;
mod payload;
mod stream;

pub use backlog::Backlog;
pub use handshake::{Greeting, HandshakeError, Start};
pub use history::{History, ReplicationId};
pub use intake::{Commands, Intake};
pub use link::{Due, Event, Link, LinkError};
pub use overruns::Overruns;
pub use payload::Framing;
pub use stream::{StreamWriter, write_words};
