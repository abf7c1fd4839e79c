//! The process: how it was started, what it listens on, and whether it is to end.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::launch::Launch;
use super::oom_score::OomScore;
use crate::commands::ShutdownRequest;
use crate::config::Config;
use crate::keyspace::ClientId;
use crate::server::net::{Listeners, Wake};
use crate::stdx::clock::Now;
use crate::stdx::random_name;

pub const SHUTDOWN_FAILED: &str = "ERR Errors trying to SHUTDOWN. Check logs.";

/// The end of the server, while replicas are waited for.
pub(super) struct Ending {
    pub(super) request: ShutdownRequest,
    pub(super) deadline: Instant,
    /// What of the stream replicas are to have.
    pub(super) end: u64,
    /// Those that have sent SHUTDOWN.
    pub(super) clients: Vec<ClientId>,
}

/// The state of the process as a whole.
pub struct Process {
    pub(super) started: Now,
    pub(super) run_id: String,
    /// How the process was started.
    pub(super) launch: Launch,
    pub listeners: Listeners,
    pub(super) oom_score: OomScore,
    /// Set when the server is to end, with its exit code.
    pub(super) exit: Option<i32>,
    /// A signal asked for the end, which comes with the next round of the cron.
    pub(super) shutdown_wanted: bool,
    /// The end of the server waits for replicas.
    pub(super) ending: Option<Ending>,
    pub(super) shutdown_by_sigint: bool,
    /// Whether the cron rests (DEBUG PAUSE-CRON).
    pub(super) cron_paused: bool,
    /// Raised when the cron has to look at its timers before its time.
    pub(super) cron_wake: Rc<Wake>,
}

impl Process {
    pub fn new(launch: Launch, now: Now) -> Self {
        Self {
            started: now,
            run_id: String::from_utf8_lossy(&random_name()).into_owned(),
            launch,
            listeners: Listeners::default(),
            oom_score: OomScore::default(),
            exit: None,
            shutdown_wanted: false,
            ending: None,
            shutdown_by_sigint: false,
            cron_paused: false,
            cron_wake: Rc::default(),
        }
    }

    /// Whether the server is about to end: no change may be acknowledged any more.
    #[inline]
    pub fn is_ending(&self) -> bool {
        self.exit.is_some()
    }

    /// How long the server waits at most before it ends, where it waits for replicas.
    pub fn time_to_end(&self, now: Now) -> Option<Duration> {
        self.ending.as_ref().map(|ending| ending.deadline.saturating_duration_since(now.monotonic()))
    }

    pub fn uptime(&self, now: Now) -> Duration {
        now.since(self.started)
    }

    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Names this run of the server.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    pub fn pause_cron(&mut self, paused: bool) {
        self.cron_paused = paused;
    }

    pub fn is_cron_paused(&self) -> bool {
        self.cron_paused
    }

    /// Makes the cron look at its timers before its time.
    pub fn wake_cron(&self) {
        self.cron_wake.raise();
    }

    pub fn cron_wake(&self) -> Rc<Wake> {
        Rc::clone(&self.cron_wake)
    }

    /// Follows `oom-score-adj` and its values.
    pub fn follow_oom_score(&mut self, config: &Config, is_replica: bool) -> io::Result<()> {
        self.oom_score.follow(config, is_replica)
    }

    /// Makes the kernel end a child rather than the server.
    pub fn give_oom_score_to(&self, child: u32, config: &Config) {
        self.oom_score.give_to_child(config, child);
    }
}
