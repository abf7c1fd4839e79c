//! Clients that wait for a key (BLPOP, XREAD and their like): who is served when one is ready, and how else waiting ends.
//!
//! A client that waits is in the line of each of its keys. When a command has changed such a key, the commands of
//! those in its line are run once more, in the order in which they began to wait, for as long as the key holds what they
//! wait for. Such a run may make further keys ready (BLMOVE); these are served behind the others. Who waits for entries
//! for a group of a stream is served whatever became of the key, for its command fails without the group.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::frame::{Frame, Nesting, Outcome};
use super::gate::Verdict;
use super::waits::{Blocked, places};
use crate::commands::{CommandError, InVain, UnblockWith, Wait};
use crate::keyspace::PlaceBuf;
use crate::server::clients::{ClientKey, Stall};
use crate::server::exec::gate;
use crate::server::executor::Executor;
use crate::server::net::Shared;
use crate::server::process::SHUTDOWN_FAILED;

/// Ends waits whose time is up, until the server ends.
pub async fn watch_deadlines(shared: Rc<Shared>) {
    let wake = Rc::clone(&shared.executor.borrow().exec.deadlines.wake);
    loop {
        let next = shared.executor.borrow_mut().end_elapsed_waits();
        let next = async {
            match next {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = next => {}
            () = wake.raised() => {}
        }
    }
}

impl Executor {
    /// Makes a client wait whose command has found nothing. One that has waited before keeps its place in line.
    pub(in crate::server) fn block(&mut self, frame: &Frame<'_>, wait: Wait) {
        let client = self.clients.get_mut(frame.client);
        if let Some(blocked) = self.exec.deadlines.served.take_if(|_| frame.nesting == Nesting::Served) {
            client.wait_for(Stall::Blocked(blocked));
            return;
        }
        let (id, db) = (client.session.id, client.session.db);
        let Wait { args, keys, awaited, deadline, in_vain } = wait;
        let ticket = self.keyspace.waiting.join(id, awaited, places(&args, &keys, db));
        if let Some(deadline) = deadline {
            self.exec.deadlines.add(deadline, id);
        }
        let blocked = Blocked { command: frame.command, args, keys, ticket, deadline, in_vain, busy: Duration::ZERO };
        client.wait_for(Stall::Blocked(Box::new(blocked)));
    }

    /// Serves those who wait for keys that have changed.
    #[cold]
    pub(super) fn serve_ready_keys(&mut self) {
        // During a pause the keys stay ready; and once the last snapshot is taken, no change is acknowledged any more.
        while !self.is_paused()
            && !self.process.is_ending()
            && let Some(place) = self.keyspace.waiting.take_ready()
        {
            // Each command that is run again is a unit of work of its own, as the one that has changed the key.
            self.keyspace.journal.close_group();
            self.serve_line(&place);
        }
    }

    fn serve_line(&mut self, place: &PlaceBuf) {
        let place = place.as_place();
        let mut behind = 0;
        loop {
            let held = self.keyspace.type_at(place, self.clock.latest().unix_ms);
            let Some((ticket, id)) = self.keyspace.waiting.next_waiter(place, held, behind) else { break };
            behind = ticket;
            if let Some(key) = self.clients.key_of(id) {
                self.retry(key);
                self.keyspace.journal.close_group();
            }
        }
    }

    /// Runs the command of a client that waits once more. If it still finds nothing, the client keeps its place in line.
    fn retry(&mut self, key: ClientKey) {
        let client = self.clients.get_mut(key);
        // Nothing is given to a client that is about to end.
        if client.closing().is_some() {
            return;
        }
        let Some(blocked) = client.take_blocked() else { return };
        if self.is_memory_limited() {
            self.make_room_for_command();
        }
        match gate::check(self, key, Some(blocked.command), &blocked.args.as_args()) {
            Ok(_) => self.run_again(key, blocked),
            Err(Verdict::Refuse(refusal)) => {
                self.leave_lines(key, &blocked);
                self.refuse(key, &refusal, blocked.args.as_args());
                self.check_output_limit(key);
            }
            Err(Verdict::Queue(_) | Verdict::Postpone | Verdict::HangUp) => {
                debug_assert!(false, "the command has passed the gate outside MULTI, and there is no pause");
                self.clients.get_mut(key).wait_for(Stall::Blocked(blocked));
            }
        }
    }

    fn run_again(&mut self, key: ClientKey, mut blocked: Box<Blocked>) {
        let start = self.clock.latest();
        let (command, busy_ns) = (blocked.command, blocked.busy.as_nanos() as u64);
        let args = std::mem::take(&mut blocked.args);
        self.exec.deadlines.served = Some(blocked);
        let frame = Frame { client: key, command, args: args.as_args(), now: start, nesting: Nesting::Served, busy_ns };
        let outcome = self.call(&frame);
        match self.exec.deadlines.served.take() {
            Some(mut blocked) => {
                blocked.args = args;
                self.leave_lines(key, &blocked);
                self.check_output_limit(key);
                self.note_latency("command-unblocking", self.clock.latest().since(start));
            }
            None => {
                debug_assert_eq!(outcome, Outcome::Waits);
                if let Some(blocked) = self.clients.get_mut(key).blocked_mut() {
                    blocked.args = args;
                }
            }
        }
        if self.keyspace.has_events() {
            self.publish_key_events();
        }
    }

    /// Ends a client's wait without an answer. Returns what it waited with, if it did.
    pub(in crate::server) fn end_wait(&mut self, key: ClientKey) -> Option<Box<Blocked>> {
        let blocked = self.clients.get_mut(key).take_blocked()?;
        self.leave_lines(key, &blocked);
        Some(blocked)
    }

    fn leave_lines(&mut self, key: ClientKey, blocked: &Blocked) {
        let client = self.clients.get(key);
        let (id, db) = (client.session.id, client.session.db);
        self.keyspace.waiting.leave(blocked.ticket, blocked.places(db));
        if let Some(deadline) = blocked.deadline {
            self.exec.deadlines.remove(deadline, id);
        }
        // Its task sends the answer and goes on with what has come in since.
        client.wake();
    }

    /// Answers a client that waits as if its time were up, or with an error. Returns whether it waited.
    pub(in crate::server) fn unblock(&mut self, key: ClientKey, with: UnblockWith) -> bool {
        let Some(blocked) = self.end_wait(key) else { return false };
        let replicas = match blocked.in_vain {
            InVain::Replicas { offset } => self.replicas_at(offset),
            InVain::NullArray | InVain::TwoZeros | InVain::Shutdown => 0,
        };
        let mark = self.clients.get(key).reply.len();
        match with {
            UnblockWith::Timeout => {
                let reply = &mut self.clients.get_mut(key).reply;
                match blocked.in_vain {
                    InVain::NullArray => reply.null_array(),
                    InVain::Replicas { .. } => reply.integer(replicas as i64),
                    InVain::Shutdown => reply.error(SHUTDOWN_FAILED),
                    InVain::TwoZeros => {
                        reply.array(2);
                        reply.integer(0);
                        reply.integer(0);
                    }
                }
            }
            UnblockWith::Error => {
                self.reply_error(key, &CommandError::text("UNBLOCKED client unblocked via CLIENT UNBLOCK"));
            }
        }
        self.conclude_wait(key, &blocked, mark);
        true
    }

    /// Answers a client that waits with this error.
    pub(in crate::server) fn end_wait_with(&mut self, key: ClientKey, error: &CommandError) {
        let Some(blocked) = self.end_wait(key) else { return };
        let mark = self.clients.get(key).reply.len();
        self.reply_error(key, error);
        self.conclude_wait(key, &blocked, mark);
    }

    /// Keeps the figures of a command that has waited and is answered now.
    fn conclude_wait(&mut self, key: ClientKey, blocked: &Blocked, mark: usize) {
        let Blocked { command, args, busy, .. } = blocked;
        let (now, busy_ns) = (self.clock.latest(), busy.as_nanos() as u64);
        let nesting = Nesting::Served;
        let frame = Frame { client: key, command: *command, args: args.as_args(), now, nesting, busy_ns };
        self.conclude(&frame, mark, busy_ns);
        self.check_output_limit(key);
    }

    /// Answers those whose time is up. Returns when the next one's is.
    pub(in crate::server) fn end_elapsed_waits(&mut self) -> Option<Instant> {
        let now = self.clock.advance().monotonic();
        while let Some(id) = self.exec.deadlines.take_elapsed(now) {
            if let Some(key) = self.clients.key_of(id) {
                self.unblock(key, UnblockWith::Timeout);
            }
        }
        self.exec.deadlines.by_time.first().map(|(deadline, _)| *deadline)
    }
}
