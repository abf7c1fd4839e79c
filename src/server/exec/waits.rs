//! Commands that wait, and when their time is up.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::commands::{CommandId, InVain};
use crate::keyspace::{ClientId, Place, Ticket};
use crate::resp::ArgsBuf;
use crate::server::net::Wake;

/// A command that waits.
#[derive(Debug)]
pub struct Blocked {
    pub(super) command: CommandId,
    pub(super) args: ArgsBuf,
    /// Which of the arguments are the keys waited for.
    pub(super) keys: Range<usize>,
    pub(super) ticket: Ticket,
    pub(super) deadline: Option<Instant>,
    pub(super) in_vain: InVain,
    /// How long the runs so far took, the time between them not counted.
    pub(super) busy: Duration,
}

impl Blocked {
    pub(super) fn places(&self, db: usize) -> impl Iterator<Item = Place<'_>> {
        places(&self.args, &self.keys, db)
    }

    /// Whether it waits for replicas, and not for a key.
    pub fn waits_for_replicas(&self) -> bool {
        matches!(self.in_vain, InVain::Replicas { .. })
    }

    /// How many bytes the command's arguments have.
    pub fn args_bytes(&self) -> usize {
        self.args.as_args().bytes_len()
    }

    pub fn memory_usage(&self) -> usize {
        size_of::<Self>() + self.args.memory_usage()
    }

    pub(super) fn add_busy(&mut self, nanoseconds: u64) {
        self.busy += Duration::from_nanos(nanoseconds);
    }
}

pub(super) fn places<'a>(args: &'a ArgsBuf, keys: &Range<usize>, db: usize) -> impl Iterator<Item = Place<'a>> {
    args.as_args().head(keys.end).tail(keys.start).iter().map(move |key| Place { db, key })
}

/// When clients that wait are answered that nothing came.
#[derive(Debug, Default)]
pub struct Deadlines {
    pub(super) by_time: BTreeSet<(Instant, ClientId)>,
    /// The one whose command is being run again; its arguments are with that.
    pub(super) served: Option<Box<Blocked>>,
    /// Raised when the first one is earlier than it was.
    pub(super) wake: Rc<Wake>,
}

impl Deadlines {
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    pub(super) fn add(&mut self, deadline: Instant, client: ClientId) {
        if self.by_time.first().is_none_or(|(first, _)| deadline < *first) {
            self.wake.raise();
        }
        self.by_time.insert((deadline, client));
    }

    pub(super) fn remove(&mut self, deadline: Instant, client: ClientId) {
        self.by_time.remove(&(deadline, client));
    }

    /// Takes out a client whose time is up.
    pub(super) fn take_elapsed(&mut self, now: Instant) -> Option<ClientId> {
        let (_, client) = self.by_time.first().filter(|(first, _)| *first <= now)?;
        let client = *client;
        self.by_time.pop_first();
        Some(client)
    }
}
