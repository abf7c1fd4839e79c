//! Who is subscribed to what, and how a message reaches them.

use hashbrown::{HashMap, HashSet};

use super::client::{ClientKey, Clients};
use super::executor::Executor;
use super::frame::Frame;
use crate::commands::{ChannelKind, CommandError, PubSubEffect, ReplyMode};
use crate::keyspace::{ClientId, EventClass, KeyEvent};
use crate::resp::Reply;
use crate::stdx::glob::glob_match;

type Name = Box<[u8]>;

/// What one client is subscribed to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: HashSet<Name>,
    patterns: HashSet<Name>,
    shard: HashSet<Name>,
    bytes: usize,
}

impl Subscriptions {
    pub fn of(&self, kind: ChannelKind) -> &HashSet<Name> {
        match kind {
            ChannelKind::Channel => &self.channels,
            ChannelKind::Pattern => &self.patterns,
            ChannelKind::Shard => &self.shard,
        }
    }

    fn of_mut(&mut self, kind: ChannelKind) -> &mut HashSet<Name> {
        match kind {
            ChannelKind::Channel => &mut self.channels,
            ChannelKind::Pattern => &mut self.patterns,
            ChannelKind::Shard => &mut self.shard,
        }
    }

    fn len(&self) -> usize {
        self.channels.len() + self.patterns.len() + self.shard.len()
    }

    /// Returns whether the name is new.
    fn insert(&mut self, kind: ChannelKind, name: &Name) -> bool {
        let is_new = self.of_mut(kind).insert(name.clone());
        self.bytes += if is_new { memory_of(name) } else { 0 };
        is_new
    }

    /// Returns whether the name was there.
    fn remove(&mut self, kind: ChannelKind, name: &Name) -> bool {
        let was_there = self.of_mut(kind).remove(name);
        self.bytes -= if was_there { memory_of(name) } else { 0 };
        was_there
    }

    /// Bytes of memory that the names take, the tables' own room estimated.
    pub fn memory_usage(&self) -> usize {
        self.bytes
    }

    /// The count that a confirmation of `kind` tells.
    fn counted_with(&self, kind: ChannelKind) -> usize {
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
    channels: HashMap<Name, Vec<ClientId>>,
    patterns: HashMap<Name, Vec<ClientId>>,
    shard: HashMap<Name, Vec<ClientId>>,
}

impl PubSub {
    pub fn of(&self, kind: ChannelKind) -> &HashMap<Name, Vec<ClientId>> {
        match kind {
            ChannelKind::Channel => &self.channels,
            ChannelKind::Pattern => &self.patterns,
            ChannelKind::Shard => &self.shard,
        }
    }

    fn of_mut(&mut self, kind: ChannelKind) -> &mut HashMap<Name, Vec<ClientId>> {
        match kind {
            ChannelKind::Channel => &mut self.channels,
            ChannelKind::Pattern => &mut self.patterns,
            ChannelKind::Shard => &mut self.shard,
        }
    }

    fn remove(&mut self, kind: ChannelKind, name: &[u8], client: ClientId) {
        let subscribers = self.of_mut(kind);
        if let Some(clients) = subscribers.get_mut(name) {
            clients.retain(|id| *id != client);
            if clients.is_empty() {
                subscribers.remove(name);
            }
        }
    }

    /// Sends a message to everyone subscribed. Returns their places, one for each time that they get it.
    fn publish(&self, clients: &mut Clients, kind: ChannelKind, channel: &[u8], message: &[u8]) -> Vec<ClientKey> {
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

fn push(reply: &mut Reply, parts: &[&[u8]]) {
    reply.push(parts.len());
    for part in parts {
        reply.bulk(part);
    }
}

impl Executor {
    pub(super) fn perform_pubsub(&mut self, frame: &Frame<'_>, effect: PubSubEffect) {
        let key = frame.client;
        match effect {
            // Those who subscribed within transactions before shard channels came may go on doing so.
            PubSubEffect::Subscribe(ChannelKind::Shard, _) if !frame.may_wait() => {
                self.reply_error(key, &CommandError::text("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
            }
            PubSubEffect::Subscribe(kind, names) => self.subscribe(key, kind, names),
            PubSubEffect::Unsubscribe(kind, names) => self.unsubscribe(key, kind, names),
            PubSubEffect::Publish { kind, channel, message } => {
                let receivers = self.publish(kind, &channel, &message);
                let word = if kind == ChannelKind::Shard { "SPUBLISH" } else { "PUBLISH" };
                let db = self.clients.get(key).session.db;
                self.keyspace.journal.command(db, |out| out.extend([word.as_bytes(), &channel, &message]));
                self.clients.get_mut(key).reply.integer(receivers as i64);
            }
            PubSubEffect::Channels { kind, pattern } => {
                let reply = &mut self.clients.get_mut(key).reply;
                let names = self.pubsub.of(kind).keys();
                let names: Vec<_> = names
                    .filter(|name| pattern.as_ref().is_none_or(|pattern| glob_match(pattern, name, false)))
                    .collect();
                reply.array(names.len());
                for name in names {
                    reply.bulk(name);
                }
            }
            PubSubEffect::SubscriberCounts { kind, channels } => {
                let reply = &mut self.clients.get_mut(key).reply;
                reply.array(channels.len() * 2);
                for channel in channels {
                    let count = self.pubsub.of(kind).get(&channel).map_or(0, Vec::len);
                    reply.bulk(&channel);
                    reply.integer(count as i64);
                }
            }
            PubSubEffect::PatternCount => {
                let count = self.pubsub.patterns.len();
                self.clients.get_mut(key).reply.integer(count as i64);
            }
        }
    }

    /// Sends a message to everyone subscribed to `channel`. Returns how many that were.
    pub(super) fn publish(&mut self, kind: ChannelKind, channel: &[u8], message: &[u8]) -> usize {
        let receivers = self.pubsub.publish(&mut self.clients, kind, channel, message);
        for receiver in &receivers {
            self.check_output_limit(*receiver);
        }
        receivers.len()
    }

    /// Publishes the keyspace events of what was just executed.
    pub(super) fn publish_key_events(&mut self) {
        let wanted = self.keyspace.event_classes();
        for KeyEvent { name, db, key, .. } in self.keyspace.take_events() {
            if wanted.contains(EventClass::KEYSPACE) {
                let channel = [format!("__keyspace@{db}__:").as_bytes(), &*key].concat();
                self.publish(ChannelKind::Channel, &channel, name.as_bytes());
            }
            if wanted.contains(EventClass::KEYEVENT) {
                let channel = format!("__keyevent@{db}__:{name}");
                self.publish(ChannelKind::Channel, channel.as_bytes(), &key);
            }
        }
    }

    fn subscribe(&mut self, key: ClientKey, kind: ChannelKind, names: Vec<Name>) {
        let word = match kind {
            ChannelKind::Channel => "subscribe",
            ChannelKind::Pattern => "psubscribe",
            ChannelKind::Shard => "ssubscribe",
        };
        for name in names {
            let client = self.clients.get_mut(key);
            if client.channels.insert(kind, &name) {
                self.pubsub.of_mut(kind).entry(name.clone()).or_default().push(client.session.id);
            }
            client.session.subscriptions = client.channels.len();
            self.confirm(key, kind, word, Some(&name));
        }
    }

    fn unsubscribe(&mut self, key: ClientKey, kind: ChannelKind, names: Vec<Name>) {
        let word = match kind {
            ChannelKind::Channel => "unsubscribe",
            ChannelKind::Pattern => "punsubscribe",
            ChannelKind::Shard => "sunsubscribe",
        };
        let client = self.clients.get_mut(key);
        let names: Vec<Name> =
            if names.is_empty() { client.channels.of(kind).iter().cloned().collect() } else { names };
        if names.is_empty() {
            self.confirm(key, kind, word, None);
        }
        for name in names {
            let client = self.clients.get_mut(key);
            if client.channels.remove(kind, &name) {
                self.pubsub.remove(kind, &name, client.session.id);
            }
            client.session.subscriptions = client.channels.len();
            self.confirm(key, kind, word, Some(&name));
        }
    }

    /// Confirms a subscription or its end. That is a push, which CLIENT REPLY OFF does not hold back.
    fn confirm(&mut self, key: ClientKey, kind: ChannelKind, word: &str, name: Option<&[u8]>) {
        let client = self.clients.get_mut(key);
        let count = client.channels.counted_with(kind);
        if client.session.reply_mode == ReplyMode::On {
            confirm(&mut client.reply, word, name, count);
        } else {
            self.clients.hold(key, |reply| confirm(reply, word, name, count));
        }
    }

    /// Takes the client off every channel without a word (RESET, the end of a connection).
    pub(super) fn unsubscribe_all(&mut self, key: ClientKey) {
        let client = self.clients.get_mut(key);
        let Subscriptions { channels, patterns, shard, .. } = std::mem::take(&mut client.channels);
        client.session.subscriptions = 0;
        let id = client.session.id;
        for (kind, names) in
            [(ChannelKind::Channel, channels), (ChannelKind::Pattern, patterns), (ChannelKind::Shard, shard)]
        {
            for name in names {
                self.pubsub.remove(kind, &name, id);
            }
        }
    }
}

fn confirm(reply: &mut Reply, word: &str, name: Option<&[u8]>, count: usize) {
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.integer(count as i64);
}
