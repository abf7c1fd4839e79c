//! A snapshot that is to be taken.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::child::SaveOptions;
use super::file::Place;
use super::process_title::ProcessTitle;
use crate::config::SaveRule;

/// One snapshot to be taken.
#[derive(Clone, Debug)]
pub struct Task {
    pub place: Place,
    pub options: SaveOptions,
    pub trigger: Trigger,
    /// What process lists show of the child.
    pub title: Option<ProcessTitle>,
    /// Where the data go that are for replicas, and not into a file.
    pub pipe: Option<Rc<OwnedFd>>,
}

/// What asked for a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    Rule(SaveRule),
    Command,
    /// BGSAVE SCHEDULE, when its time had come.
    Scheduled,
    Shutdown,
    Flush,
    Reload,
    /// A full sync of replicas.
    Replication,
}

impl Trigger {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule(_) => "rule",
            Self::Command => "command",
            Self::Scheduled => "schedule",
            Self::Shutdown => "shutdown",
            Self::Flush => "flush",
            Self::Reload => "reload",
            Self::Replication => "replication",
        }
    }
}
