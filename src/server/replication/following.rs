//! What the server does with what comes over the link to its primary, without the socket of the link.

use std::time::Duration;

use super::primary::Link as LinkState;
use crate::config::PrimaryAddress;
use crate::replication::{Due, Event, HandshakeError, Link, LinkError, Start};
use crate::resp::ProtocolError;
use crate::server::executor::Executor;

/// What whoever has the socket of a link does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::server) enum LinkTask {
    /// Wait until something comes, or something is due by time.
    Wait,
    Send(Vec<u8>),
    /// Make room for the data, of so many bytes if that is known.
    Open {
        total: Option<u64>,
    },
    /// Keep [`Link::data`].
    Store,
    /// Load the first so many bytes of the data, and take them over.
    Load {
        start: Start,
        len: u64,
    },
    /// Let others have their turn.
    Yield,
    /// Wait for a while: a script has the data to itself, or they are not to change for now.
    Rest,
}

/// Why the server gives up a link.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(in crate::server) enum EndOfLink {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("another primary was set")]
    Superseded,
}

impl From<ProtocolError> for EndOfLink {
    fn from(error: ProtocolError) -> Self {
        Self::Link(LinkError::Stream(error))
    }
}

impl Executor {
    /// The number and the address of the primary that the server follows, if it does.
    pub(in crate::server) fn primary_to_follow(&self) -> Option<(u64, PrimaryAddress)> {
        self.replication.upstream.as_ref().map(|upstream| (upstream.number, upstream.address.clone()))
    }

    /// A connection to the primary that has just been made.
    pub(in crate::server) fn begin_link(&mut self, number: u64) -> Link {
        self.note_link(number, LinkState::Handshake);
        let patience = self.patience_with_primary();
        Link::new(self.greeting(), patience, self.clock.advance())
    }

    /// The connection to the primary is being made, or has ended.
    pub(in crate::server) fn note_no_link(&mut self, number: u64, connects: bool) {
        self.note_link(number, if connects { LinkState::Connecting } else { LinkState::Connect });
    }

    /// So long a primary may be silent.
    pub(in crate::server) fn patience_with_primary(&self) -> Duration {
        Duration::from_secs(self.config.repl_timeout_seconds.into())
    }

    /// Takes in what has come over a link, up to something that only the holder of its socket can do.
    pub(in crate::server) fn step_link(&mut self, number: u64, link: &mut Link) -> Result<LinkTask, EndOfLink> {
        loop {
            let client = self.upstream(number).ok_or(EndOfLink::Superseded)?.client;
            let next = link.next();
            if let Err(LinkError::Handshake(HandshakeError::Failover(_))) = next {
                self.abort_failover("Failover target rejected psync request");
            }
            let Some(event) = next? else { return self.due_of_link(link) };
            match event {
                Event::Send(bytes) => return Ok(LinkTask::Send(bytes)),
                Event::Continued(start) => self.continue_from_primary(number, start),
                Event::FullSync(start) => {
                    if let Start::Full { id, offset } = start {
                        tracing::info!("Full resync from master: {id}:{offset}");
                    }
                    self.note_link(number, LinkState::Sync);
                }
                Event::DataBegin { total } => {
                    self.note_progress(number, total, 0);
                    return Ok(LinkTask::Open { total });
                }
                Event::Data { taken } => {
                    let total = self.upstream(number).and_then(|upstream| upstream.progress.total_bytes);
                    self.note_progress(number, total, taken);
                    return Ok(LinkTask::Store);
                }
                Event::DataEnd { start, len } => {
                    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
                    return Ok(LinkTask::Load { start, len });
                }
                Event::Stream if self.scripts.is_busy() || self.is_paused() => {
                    link.note_applied(true);
                    self.note_unapplied(number, link);
                    return Ok(self.acknowledge_if_due(link).unwrap_or(LinkTask::Rest));
                }
                Event::Stream => {
                    let applied = self.apply(client, link.intake())?;
                    link.note_applied(applied.has_more);
                    self.note_unapplied(number, link);
                    if applied.asks_for_ack {
                        return Ok(LinkTask::Send(self.acknowledgement(link)));
                    }
                    if applied.has_more {
                        return Ok(self.acknowledge_if_due(link).unwrap_or(LinkTask::Yield));
                    }
                }
            }
        }
    }

    fn due_of_link(&mut self, link: &mut Link) -> Result<LinkTask, EndOfLink> {
        let now = self.clock.advance();
        match link.due(now) {
            Due::Nothing => Ok(LinkTask::Wait),
            Due::Acknowledgement => Ok(LinkTask::Send(self.acknowledgement(link))),
            Due::SignOfLife => Ok(LinkTask::Send(link.sign_of_life(now).to_vec())),
            Due::End => Err(LinkError::Timeout.into()),
        }
    }

    fn acknowledge_if_due(&mut self, link: &mut Link) -> Option<LinkTask> {
        let is_due = link.due(self.clock.latest()) == Due::Acknowledgement;
        is_due.then(|| LinkTask::Send(self.acknowledgement(link)))
    }

    fn acknowledgement(&mut self, link: &mut Link) -> Vec<u8> {
        let now = self.clock.latest();
        link.acknowledgement(self.replication.history.offset(), now)
    }

    /// Counts what has come over a link.
    pub(in crate::server) fn note_heard(&mut self, number: u64, link: &mut Link, bytes: usize) {
        self.stats.counters.total_net_repl_input_bytes += bytes as u64;
        let now = self.clock.advance();
        link.note_life(now);
        if let Some(upstream) = self.upstream(number) {
            upstream.heard_at = now;
        }
    }

    fn note_unapplied(&mut self, number: u64, link: &mut Link) {
        let bytes = link.intake().len() as u64;
        if let Some(upstream) = self.upstream(number) {
            upstream.unapplied_bytes = bytes;
        }
    }

    fn note_progress(&mut self, number: u64, total: Option<u64>, taken: u64) {
        let now = self.clock.latest();
        if let Some(upstream) = self.upstream(number) {
            upstream.progress.total_bytes = total;
            upstream.progress.read_bytes = taken;
            upstream.progress.last_read = Some(now);
        }
    }
}
