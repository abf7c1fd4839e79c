//! The migration that is under way, and the links that are kept.

use std::time::{Duration, Instant};

use hashbrown::HashMap;
use tokio::sync::mpsc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::link::Link;
use super::transfer::Outcome;
use crate::commands::CommandId;
use crate::keyspace::ClientId;
use crate::resp::ArgsBuf;

/// Links that are kept for the next migration.
const LINKS_MAX: usize = 64;

/// A link that was not used for so long is closed.
const LINK_IDLE_MAX: Duration = Duration::from_secs(10);

/// Host and port as the client wrote them.
pub(super) type Target = (Box<[u8]>, Box<[u8]>);

/// The migration under way, and links from earlier ones.
pub struct Migrations {
    pub(super) running: Option<Running>,
    pub(super) links: HashMap<Target, KeptLink>,
    pub(super) outcomes: UnboundedSender<Outcome>,
    /// Until the task that reads them takes it.
    pub(super) incoming: Option<UnboundedReceiver<Outcome>>,
}

pub(super) struct KeptLink {
    pub(super) link: Link,
    last_used: Instant,
}

pub(super) struct Running {
    pub(super) client: ClientId,
    pub(super) command: CommandId,
    pub(super) args: ArgsBuf,
    pub(super) start: Instant,
    pub(super) source: Source,
}

/// Where the keys come from, and what becomes of them.
pub(super) struct Source {
    pub(super) db: usize,
    pub(super) keeps_keys: bool,
    pub(super) target: Target,
}

impl Migrations {
    pub fn new() -> Self {
        let (outcomes, incoming) = mpsc::unbounded_channel();
        Self { running: None, links: HashMap::new(), outcomes, incoming: Some(incoming) }
    }

    #[inline]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub fn links_len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn keep(&mut self, target: Target, link: Link, now: Instant) {
        if self.links.len() >= LINKS_MAX
            && let Some(oldest) =
                self.links.iter().min_by_key(|(_, kept)| kept.last_used).map(|(target, _)| target.clone())
        {
            self.links.remove(&oldest);
        }
        self.links.insert(target, KeptLink { link, last_used: now });
    }

    pub fn close_idle_links(&mut self, now: Instant) {
        if !self.links.is_empty() {
            self.links.retain(|_, kept| now.saturating_duration_since(kept.last_used) <= LINK_IDLE_MAX);
        }
    }
}
