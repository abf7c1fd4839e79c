//! MIGRATE: keys are handed to another server by a thread that waits for it, while this one goes on serving.
//! Owns:  the migration under way, the thread that carries it out, and links that are kept.
//! Uses:  commands, keyspace, resp.
//! Never: how a value is encoded, or a deletion of a key that the other server has not confirmed.
//!
//! Until the other server has answered, the keys must stay what they were when they were encoded. So all commands that
//! write wait meanwhile, nothing expires and nothing is evicted, as under CLIENT PAUSE WRITE; reads go on. One migration
//! runs at a time, since the next one writes too. Within a transaction nothing may come between its commands: there the
//! server waits itself, as Redis always does.

mod link;
mod state;
mod transfer;

use std::rc::Rc;

use self::state::{Running, Source};
use self::transfer::Outcome;
use crate::commands::{CommandError, Migration};
use crate::keyspace::Place;
use crate::server::clients::{ClientKey, Stall};
use crate::server::exec::{Frame, Nesting};
use crate::server::executor::Executor;
use crate::server::net::Shared;

pub(in crate::server) use state::Migrations;

/// Ends migrations whose threads are done, until the server ends.
pub async fn watch_outcomes(shared: Rc<Shared>) {
    let incoming = shared.executor.borrow_mut().migrations.incoming.take();
    let Some(mut incoming) = incoming else { return };
    while let Some(outcome) = incoming.recv().await {
        shared.executor.borrow_mut().end_migration(outcome);
    }
}

impl Executor {
    /// Begins a migration; within a transaction, carries it out.
    pub(in crate::server) fn migrate(&mut self, frame: &Frame<'_>, mut migration: Migration) {
        let Frame { client: key, command, .. } = *frame;
        let session = &self.clients.get(key).session;
        let (client, db) = (session.id, session.db);
        let target = (migration.host.clone(), migration.port.clone());
        let cached = self.migrations.links.remove(&target).map(|kept| kept.link);
        let source = Source { db, keeps_keys: migration.keeps_source, target };
        if !frame.may_wait() {
            let outcome = transfer::run(migration, cached);
            self.clock.advance();
            let result = self.settle(source, outcome);
            self.answer_migration(key, result);
            return;
        }
        let args = std::mem::take(&mut migration.args);
        let start = self.clock.latest().monotonic();
        self.migrations.running = Some(Running { client, command, args, start, source });
        self.follow_pause();
        self.clients.get_mut(key).wait_for(Stall::Migrating);
        let outcomes = self.migrations.outcomes.clone();
        let transfer = move || {
            // Nobody listens any more only when the server ends.
            let _ = outcomes.send(transfer::run(migration, cached));
        };
        if let Err(error) = std::thread::Builder::new().name("migrate".to_owned()).spawn(transfer) {
            tracing::warn!("Cannot start a thread for MIGRATE: {error}");
            let failed = CommandError::text("IOERR error or timeout connecting to the client");
            let outcome = Outcome { acknowledged: Vec::new(), result: Err(failed), link: None };
            let _ = self.migrations.outcomes.send(outcome);
        }
    }

    /// Deletes what the other server has taken over, and keeps the link.
    fn settle(&mut self, source: Source, outcome: Outcome) -> Result<(), CommandError> {
        let Source { db, keeps_keys, target } = source;
        if let Some(link) = outcome.link {
            self.migrations.keep(target, link, self.clock.latest().monotonic());
        }
        // Once the last snapshot is taken, nothing may be deleted any more that is in it: here and there is better than
        // nowhere.
        if !keeps_keys && !self.process.is_ending() {
            let lazily = self.keyspace.lazy_free.policy.server_del;
            for key in &outcome.acknowledged {
                self.keyspace.remove_given_away(Place { db, key }, lazily);
            }
        }
        outcome.result
    }

    fn answer_migration(&mut self, key: ClientKey, result: Result<(), CommandError>) {
        match result {
            Ok(()) => self.clients.get_mut(key).reply.ok(),
            Err(error) => self.reply_error(key, &error),
        }
    }

    /// Ends the migration that was under way: its client is answered if it is still there, and the writers go on.
    fn end_migration(&mut self, outcome: Outcome) {
        let Some(Running { client, command, args, start, source }) = self.migrations.running.take() else { return };
        let now = self.clock.advance();
        let result = self.settle(source, outcome);
        if let Some(key) = self.clients.key_of(client)
            && !self.process.is_ending()
        {
            let waiting = self.clients.get_mut(key);
            waiting.resume();
            let mark = waiting.reply.len();
            self.answer_migration(key, result);
            let elapsed = now.monotonic().saturating_duration_since(start);
            let frame = Frame::new(key, command, args.as_args(), now, Nesting::Served);
            self.conclude(&frame, mark, elapsed.as_nanos() as u64);
            self.check_output_limit(key);
        }
        self.follow_pause();
        self.resume_paused_clients();
        self.after_command();
    }
}
