//! Where commands meet the rest of the server: every effect, and the room that performs it.
//! Owns:  which room performs which effect, CONFIG, and what DEBUG does to the server.
//! Uses:  commands, config, resp, snapshot, stdx.
//! Never: the state of another room; each has operations for it.

mod config;
mod debug;

pub use config::current_dir;

use std::rc::Rc;

use super::frame::Frame;
use crate::commands::{Answer, ConnectionEffect, Effect};
use crate::resp::Protocol;
use crate::server::clients::{ClientKey, Close};
use crate::server::executor::Executor;

impl Executor {
    /// Performs what the last handler asked for, in order.
    #[inline(never)]
    pub(in crate::server) fn perform_effects(&mut self, frame: &Frame<'_>) {
        // An effect may run further commands (EXEC, EVAL), which bring effects of their own.
        if self.exec.effects.len() == 1
            && let Some(effect) = self.exec.effects.pop()
        {
            return self.perform(frame, effect);
        }
        let mut effects = std::mem::take(&mut self.exec.effects);
        for effect in effects.drain(..) {
            self.perform(frame, effect);
        }
        debug_assert!(self.exec.effects.is_empty(), "whatever commands an effect has run, theirs are performed");
        // The next command's have the same memory.
        self.exec.effects = effects;
    }

    #[inline]
    fn perform(&mut self, frame: &Frame<'_>, effect: Effect) {
        let key = frame.client;
        match effect {
            Effect::Answer(answer) => self.answer(frame, answer),
            Effect::Connection(effect) => self.perform_connection(key, effect),
            Effect::Client(effect) => self.perform_client(effect),
            Effect::Users(effect) => self.perform_users(key, effect),
            Effect::Debug(effect) => self.perform_debug(effect),
            Effect::ResetStatistics => self.reset_statistics(),
            Effect::AfterFlushAll => self.after_flush_all(),
            Effect::Unwatch => self.unwatch(key),
        }
    }

    /// Writes the reply that a command has left to the server.
    fn answer(&mut self, frame: &Frame<'_>, answer: Answer) {
        let key = frame.client;
        match answer {
            Answer::Reset => self.reset_connection(key),
            Answer::PubSub(request) => self.answer_pubsub(frame, request),
            Answer::Config(request) => self.answer_config(key, request),
            Answer::Info(sections) => self.answer_info(key, &sections),
            Answer::Client(request) => self.answer_client(frame, request),
            Answer::Users(request) => self.answer_users(key, request),
            Answer::Snapshot(request) => self.answer_snapshot(frame, request),
            Answer::Memory(request) => self.answer_memory(key, request),
            Answer::Wait(wait) => self.block(frame, *wait),
            Answer::Migrate(migration) => self.migrate(frame, *migration),
            Answer::Exec => self.exec(frame),
            Answer::RunScript(request) => self.run_script(frame, request),
            Answer::Scripts(request) => self.answer_scripts(key, request),
            Answer::CallFunction { read_only } => self.call_function(frame, read_only),
            Answer::Functions(request) => self.answer_functions(frame, request),
            Answer::Replication(request) => self.answer_replication(frame, request),
        }
    }

    fn perform_connection(&mut self, key: ClientKey, effect: ConnectionEffect) {
        match effect {
            ConnectionEffect::CloseAfterReply => self.clients.get_mut(key).close(Close::AfterReply),
            ConnectionEffect::SetReplyMode(mode) => self.clients.get_mut(key).session.reply_mode = mode,
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
