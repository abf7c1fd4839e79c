//! How a message reaches those who are subscribed.

use super::client::ClientKey;
use super::subscriptions::{Name, Subscriptions};
use crate::commands::{ChannelKind, CommandError, PubSubRequest, ReplyMode};
use crate::keyspace::{EventClass, KeyEvent};
use crate::resp::Reply;
use crate::server::exec::Frame;
use crate::server::executor::Executor;
use crate::stdx::glob::glob_match;

impl Executor {
    pub(in crate::server) fn answer_pubsub(&mut self, frame: &Frame<'_>, effect: PubSubRequest) {
        let key = frame.client;
        match effect {
            // Those who subscribed within transactions before shard channels came may go on doing so.
            PubSubRequest::Subscribe(ChannelKind::Shard, _) if !frame.may_wait() => {
                self.reply_error(key, &CommandError::text("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
            }
            PubSubRequest::Subscribe(kind, names) => self.subscribe(key, kind, names),
            PubSubRequest::Unsubscribe(kind, names) => self.unsubscribe(key, kind, names),
            PubSubRequest::Publish { kind, channel, message } => {
                let receivers = self.publish(kind, &channel, &message);
                let word = if kind == ChannelKind::Shard { "SPUBLISH" } else { "PUBLISH" };
                let db = self.clients.get(key).session.db;
                self.keyspace.journal.command(db, |out| out.extend([word.as_bytes(), &channel, &message]));
                self.clients.get_mut(key).reply.integer(receivers as i64);
            }
            PubSubRequest::Channels { kind, pattern } => {
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
            PubSubRequest::SubscriberCounts { kind, channels } => {
                let reply = &mut self.clients.get_mut(key).reply;
                reply.array(channels.len() * 2);
                for channel in channels {
                    let count = self.pubsub.of(kind).get(&channel).map_or(0, Vec::len);
                    reply.bulk(&channel);
                    reply.integer(count as i64);
                }
            }
            PubSubRequest::PatternCount => {
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
    pub(in crate::server) fn publish_key_events(&mut self) {
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
    pub(in crate::server) fn unsubscribe_all(&mut self, key: ClientKey) {
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
