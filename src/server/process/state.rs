//! The process: how it was started, what it listens on, and whether it is to end.

use std::rc::Rc;

use super::launch::Launch;
use super::oom_score::OomScore;
use crate::server::net::{Listeners, Wake};
use crate::stdx::clock::Now;

/// The state of the process as a whole.
pub struct Process {
    pub started: Now,
    pub run_id: String,
    pub replication_id: String,
    /// How the process was started.
    pub launch: Launch,
    pub listeners: Listeners,
    pub oom_score: OomScore,
    /// Set when the server is to end, with its exit code.
    pub exit: Option<i32>,
    /// Whether the cron rests (DEBUG PAUSE-CRON).
    pub cron_paused: bool,
    /// Raised when the cron has to look at its timers before its time.
    pub cron_wake: Rc<Wake>,
}

impl Process {
    pub fn new(launch: Launch, now: Now) -> Self {
        Self {
            started: now,
            run_id: run_id(),
            replication_id: run_id(),
            launch,
            listeners: Listeners::default(),
            oom_score: OomScore::default(),
            exit: None,
            cron_paused: false,
            cron_wake: Rc::default(),
        }
    }
}

/// Forty hexadecimal digits that name this run of the server, or its data.
fn run_id() -> String {
    let mut rng = fastrand::Rng::new();
    std::iter::repeat_with(|| char::from(b"0123456789abcdef"[rng.usize(..16)])).take(40).collect()
}
