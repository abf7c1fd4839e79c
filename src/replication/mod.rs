//! Replication as state machines: what is sent to replicas and to a primary, what their answers mean, and what is due.
//! Owns:  the stream of changes, its backlog, histories and offsets, the handshake, the framing of a full sync.
//! Uses:  keyspace, resp, stdx.
//! Never: a socket, a file, a clock or chance; bytes and times are handed in and out.

mod backlog;
mod handshake;
mod history;
mod intake;
mod payload;
mod stream;

pub use backlog::Backlog;
pub use handshake::{Greeting, Handshake, HandshakeError, Start, Step};
pub use history::{History, ReplicationId};
pub use intake::{Commands, Intake, Unit};
pub use payload::{Framing, PayloadReader, Taken};
pub use stream::{StreamWriter, write_words};
