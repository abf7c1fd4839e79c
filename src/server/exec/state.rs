//! What is kept from one command to the next, and within one.

use super::batch::AheadDecoders;
use super::pause_state::Pause;
use super::waits::Deadlines;
use crate::commands::Effect;
use crate::config::Config;
use crate::resp::Limits;
use crate::types;

/// The state of running commands.
pub struct Execution {
    /// What the running command has asked for so far.
    pub effects: Vec<Effect>,
    /// An error was written that no command's figures hold yet.
    pub uncounted_error: bool,
    /// What a frame may have.
    pub limits: Limits,
    /// Up to which size collections keep their compact encodings.
    pub encodings: types::Limits,
    /// Lent out while a client's commands run.
    pub ahead: Option<Box<AheadDecoders>>,
    /// CLIENT PAUSE, while it is on.
    pub pause: Option<Pause>,
    pub deadlines: Deadlines,
}

impl Execution {
    pub fn new(config: &Config) -> Self {
        Self {
            effects: Vec::new(),
            uncounted_error: false,
            limits: Limits { bulk_bytes_max: config.string_bytes_max() as usize, ..Limits::default() },
            encodings: types::Limits::from(config),
            ahead: Some(Box::default()),
            pause: None,
            deadlines: Deadlines::default(),
        }
    }
}
