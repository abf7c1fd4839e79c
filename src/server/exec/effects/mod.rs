//! Where commands meet the rest of the server: every effect and who performs it.

mod clients;
mod config;
mod debug;
mod memory;
mod observe;

pub use config::current_dir;

use std::rc::Rc;

use super::frame::Frame;
use crate::commands::{ConnectionEffect, Effect};
use crate::resp::Protocol;
use crate::server::clients::ClientKey;
use crate::server::clients::Close;
use crate::server::executor::Executor;

impl Executor {
    /// Performs what the last handler asked for, in order.
    #[inline(never)]
    pub(in crate::server) fn perform_effects(&mut self, frame: &Frame<'_>) {
        let key = frame.client;
        // An effect may run further commands (EXEC), which bring effects of their own.
        for effect in std::mem::take(&mut self.exec.effects) {
            match effect {
                Effect::Connection(effect) => self.perform_connection(key, effect),
                Effect::PubSub(effect) => self.perform_pubsub(frame, effect),
                Effect::Config(effect) => self.perform_config(key, effect),
                Effect::Observe(effect) => self.perform_observe(key, effect),
                Effect::Client(effect) => self.perform_client(frame, effect),
                Effect::Users(effect) => self.perform_users(key, effect),
                Effect::Snapshot(effect) => self.perform_snapshot(frame, effect),
                Effect::Debug(effect) => self.perform_debug(effect),
                Effect::Memory(effect) => self.perform_memory(key, effect),
                Effect::Wait(wait) => self.block(frame, *wait),
                Effect::Migrate(migration) => self.migrate(frame, *migration),
                Effect::Exec => self.exec(frame),
                Effect::Unwatch => self.unwatch(key),
            }
        }
    }

    fn perform_connection(&mut self, key: ClientKey, effect: ConnectionEffect) {
        match effect {
            ConnectionEffect::CloseAfterReply => self.clients.get_mut(key).close(Close::AfterReply),
            ConnectionEffect::SetReplyMode(mode) => self.clients.get_mut(key).session.reply_mode = mode,
            ConnectionEffect::Reset => self.reset_connection(key),
        }
    }

    /// RESET: the connection is as if it had just been made.
    fn reset_connection(&mut self, key: ClientKey) {
        self.unwatch(key);
        self.unsubscribe_all(key);
        self.stop_monitoring(key);
        let client = self.clients.get_mut(key);
        let session = &mut client.session;
        session.transaction = None;
        session.db = 0;
        session.no_touch = false;
        session.no_evict = false;
        session.reply_mode = Default::default();
        session.name = Box::default();
        session.log_out(Rc::clone(self.users.default_user()));
        client.reply.set_protocol(Protocol::Resp2);
        client.reply.simple("RESET");
    }
}
