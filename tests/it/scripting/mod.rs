//! Scripts by what a client sees of them.

mod busy;
mod replies;
mod rules;
mod usage;

use crate::support::{Server, Value};

/// Runs a dialogue against a fresh server.
#[track_caller]
fn dialogue(text: &str) {
    Server::start().client().transcript(text);
}

/// Runs a script without keys.
#[track_caller]
fn eval(client: &mut crate::support::Client, script: &str) -> Value {
    client.cmd(&["EVAL", script, "0"])
}
