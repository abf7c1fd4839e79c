//! Servers that replicate over a network that a seed decides, and what must hold of them.
//! Owns:  the network, crashes and restarts, an operator who fails over, writers, and the laws.
//! Uses:  the simulation around it, the executor, commands, config, replication, resp, snapshot, types, stdx.
//! Never: a socket, a file, or the real time.

mod cluster;
mod history;
mod laws;
mod network;
mod node;
mod operator;
#[cfg(test)]
mod tests;
mod writers;

#[allow(unused_imports, reason = "what is returned has a name for whoever looks at it")]
pub use history::{Failure, Figures, check_history};
