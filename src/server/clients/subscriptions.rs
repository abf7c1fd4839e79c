//! Who is subscribed to what.

use hashbrown::{HashMap, HashSet};

use super::client::{ClientKey, Clients};
use crate::commands::ChannelKind;
use crate::keyspace::ClientId;
use crate::resp::Reply;
use crate::stdx::glob::glob_match;

pub(super) type Name = Box<[u8]>;

/// What one client is subscribed to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    pub(super) channels: HashSet<Name>,
    pub(super) patterns: HashSet<Name>,
    pub(super) shard: HashSet<Name>,
    pub(super) bytes: usize,
}

impl Subscriptions {
    pub fn of(&self, kind: ChannelKind) -> &HashSet<Name> {
        match kind {
            ChannelKind::Channel => &self.channels,
            ChannelKind::Pattern => &self.patterns,
            ChannelKind::Shard => &self.shard,
        }
    }

    pub(super) fn of_mut(&mut self, kind: ChannelKind) -> &mut HashSet<Name> {
        match kind {
            ChannelKind::Channel => &mut self.channels,
            ChannelKind::Pattern => &mut self.patterns,
            ChannelKind::Shard => &mut self.shard,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard.len()
    }

    /// Returns whether the name is new.
    pub(super) fn insert(&mut self, kind: ChannelKind, name: &Name) -> bool {
        let is_new = self.of_mut(kind).insert(name.clone());
        self.bytes += if is_new { memory_of(name) } else { 0 };
        is_new
    }

    /// Returns whether the name was there.
    pub(super) fn remove(&mut self, kind: ChannelKind, name: &Name) -> bool {
        let was_there = self.of_mut(kind).remove(name);
        self.bytes -= if was_there { memory_of(name) } else { 0 };
        was_there
    }

    /// Bytes of memory that the names take, the tables' own room estimated.
    pub fn memory_usage(&self) -> usize {
        self.bytes
    }

    /// The count that a confirmation of `kind` shows.
    pub(super) fn counted_with(&self, kind: ChannelKind) -> usize {
        match kind {
            ChannelKind::Channel | ChannelKind::Pattern => self.channels.len() + self.patterns.len(),
            ChannelKind::Shard => self.shard.len(),
        }
    }
}

fn memory_of(name: &Name) -> usize {
    name.len() + 2 * size_of::<Name>()
}

/// The subscribers of every channel and pattern.
#[derive(Debug, Default)]
pub struct PubSub {
    pub(super) channels: HashMap<Name, Vec<ClientId>>,
    pub(super) patterns: HashMap<Name, Vec<ClientId>>,
    pub(super) shard: HashMap<Name, Vec<ClientId>>,
}

impl PubSub {
    pub fn of(&self, kind: ChannelKind) -> &HashMap<Name, Vec<ClientId>> {
        match kind {
            ChannelKind::Channel => &self.channels,
            ChannelKind::Pattern => &self.patterns,
            ChannelKind::Shard => &self.shard,
        }
    }

    pub(super) fn of_mut(&mut self, kind: ChannelKind) -> &mut HashMap<Name, Vec<ClientId>> {
        match kind {
            ChannelKind::Channel => &mut self.channels,
            ChannelKind::Pattern => &mut self.patterns,
            ChannelKind::Shard => &mut self.shard,
        }
    }

    pub(super) fn remove(&mut self, kind: ChannelKind, name: &[u8], client: ClientId) {
        let subscribers = self.of_mut(kind);
        if let Some(clients) = subscribers.get_mut(name) {
            clients.retain(|id| *id != client);
            if clients.is_empty() {
                subscribers.remove(name);
            }
        }
    }

    /// Sends a message to everyone subscribed. Returns their places, one for each time that they get it.
    pub(super) fn publish(
        &self,
        clients: &mut Clients,
        kind: ChannelKind,
        channel: &[u8],
        message: &[u8],
    ) -> Vec<ClientKey> {
        let mut receivers = Vec::new();
        let word = if kind == ChannelKind::Shard { "smessage" } else { "message" };
        for id in self.of(kind).get(channel).into_iter().flatten() {
            receivers.extend(clients.push(*id, |reply| push(reply, &[word.as_bytes(), channel, message])));
        }
        if kind == ChannelKind::Channel {
            for (pattern, ids) in &self.patterns {
                if glob_match(pattern, channel, false) {
                    for id in ids {
                        let parts: [&[u8]; 4] = [b"pmessage", pattern, channel, message];
                        receivers.extend(clients.push(*id, |reply| push(reply, &parts)));
                    }
                }
            }
        }
        receivers
    }
}

pub(super) fn push(reply: &mut Reply, parts: &[&[u8]]) {
    reply.push(parts.len());
    for part in parts {
        reply.bulk(part);
    }
}
