//! Connections come and go, and what is read and written for them is counted and limited.

use std::rc::Rc;
use std::time::Duration;

use super::client::{Client, ClientKey, Close, UNCOUNTED_OUTPUT_BYTES};
use crate::commands::{Peer, Transaction};
use crate::resp::{Decoder, Overfull};
use crate::server::executor::Executor;
use crate::server::net::Wake;
use crate::stdx::clock::Now;

/// The most counted bytes that wait for a client which has not authenticated.
const UNAUTHENTICATED_OUTPUT_BYTES_MAX: u64 = 1024;

/// With fewer bytes that are not taken in, no limit is looked at: the least that can be set is 1 MiB.
const UNCHECKED_INPUT_BYTES: usize = 1 << 20;

/// The most bytes that wait of a client which has not authenticated.
const UNAUTHENTICATED_INPUT_BYTES_MAX: u64 = 1 << 20;

impl Executor {
    /// Takes a new connection in.
    pub fn connect(&mut self, peer: Peer, fd: i32) -> (ClientKey, Rc<Wake>) {
        let now = self.clock.advance();
        let key = self.clients.add(peer, fd, Rc::clone(self.users.default_user()), now.steady_ms());
        self.stats.counters.total_connections_received += 1;
        (key, Rc::clone(&self.clients.get(key).wake))
    }

    /// Makes a client without a connection. It is in no list of clients and evicted by no limit; whoever has made it runs
    /// commands on it with [`Executor::call`], takes the replies, and disconnects it.
    pub fn connect_internal(&mut self) -> ClientKey {
        let now_ms = self.clock.latest().steady_ms();
        self.clients.add(Peer::Internal, -1, Rc::clone(self.users.default_user()), now_ms)
    }

    /// Lets go of a connection that has ended, and of everything held for it.
    pub fn disconnect(&mut self, key: ClientKey) {
        self.end_wait(key);
        self.unwatch(key);
        self.unsubscribe_all(key);
        self.stop_monitoring(key);
        self.forget_replica(key);
        self.clients.remove(key);
    }

    /// Counts bytes that a client has sent, and closes it when with them more are not taken in than
    /// `client-query-buffer-limit` allows. What is queued for EXEC counts too.
    #[inline]
    pub fn count_read(&mut self, key: ClientKey, bytes: usize, not_taken_in: usize) {
        self.stats.counters.total_net_input_bytes += bytes as u64;
        self.stats.counters.total_reads_processed += 1;
        let now = self.clock.latest();
        let client = self.clients.get_mut(key);
        client.input_bytes_total += bytes as u64;
        client.session.last_used_ms = now.steady_ms();
        if let Some(replica) = client.replica.as_deref_mut() {
            replica.note_sign_of_life(now);
        }
        let queued = client.session.transaction.as_ref().map_or(0, Transaction::args_bytes);
        if not_taken_in + queued > UNCHECKED_INPUT_BYTES {
            self.check_query_buffer(key, (not_taken_in + queued) as u64);
        }
    }

    #[cold]
    fn check_query_buffer(&mut self, key: ClientKey, bytes: u64) {
        let client = self.clients.get_mut(key);
        if bytes > self.config.client_query_buffer_limit_bytes
            || (bytes > UNAUTHENTICATED_INPUT_BYTES_MAX && client.session.must_authenticate())
        {
            self.stats.counters.client_query_buffer_limit_disconnections += 1;
            tracing::warn!("Closing client that reached max query buffer length: id={}", client.session.id);
            client.close(Close::Now);
        }
    }

    /// Counts bytes that were sent to a client, whatever they are.
    #[inline]
    pub fn count_output(&mut self, key: ClientKey, bytes: usize) -> &mut Client {
        self.stats.counters.total_net_output_bytes += bytes as u64;
        self.stats.counters.total_writes_processed += 1;
        let client = self.clients.get_mut(key);
        client.output_bytes_total += bytes as u64;
        client
    }

    pub fn count_written(&mut self, key: ClientKey, bytes: usize) {
        let client = self.count_output(key, bytes);
        client.reply_bytes_peak = client.reply_bytes_peak.max(client.reply.len());
        client.reply.discard_front(bytes);
    }

    /// Closes a client whose command there is no memory to receive.
    #[cold]
    pub fn close_for_memory(&mut self, key: ClientKey) {
        let client = self.clients.get_mut(key);
        tracing::warn!("Closing client that sends more than there is memory for: id={}", client.session.id);
        client.close(Close::Now);
    }

    /// Web pages can make a browser send commands to servers within its reach; a header of theirs gives that away. One
    /// line a minute is enough for the log.
    pub(in crate::server) fn log_attack(&mut self, key: ClientKey) {
        const LOG_EVERY: Duration = Duration::from_secs(60);
        let now = self.clock.latest();
        let is_due = |then: Now| now.since(then) > LOG_EVERY;
        if self.clients.attack_logged.is_none_or(is_due) {
            self.clients.attack_logged = Some(now);
            tracing::warn!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to the \
                 server. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise \
                 it. Connection from {} aborted.",
                self.clients.get(key).session.peer.remote()
            );
        }
    }

    /// Notes how much of a connection's input waits.
    pub fn note_query_buffer(&mut self, key: ClientKey, decoder: &Decoder, bytes: usize, capacity: usize) {
        let client = self.clients.get_mut(key);
        client.partial_bytes = decoder.taken_in().min(bytes);
        client.query_bytes = bytes - client.partial_bytes;
        client.query_capacity = capacity;
        client.partial_args_bytes = decoder.args_bytes_taken_in();
        client.decoder_bytes = decoder.memory_usage();
    }

    /// Closes a client whose unsent output exceeds `client-output-buffer-limit`.
    #[inline(always)]
    pub(in crate::server) fn check_output_limit(&mut self, key: ClientKey) {
        let client = self.clients.get(key);
        if client.reply.len() > UNCOUNTED_OUTPUT_BYTES || client.output_watch.is_over_soft() {
            self.check_counted_output(key);
        }
    }

    fn check_counted_output(&mut self, key: ClientKey) {
        let client = self.clients.get_mut(key);
        let mut limit = self.config.output_limit(client.class());
        if client.session.must_authenticate() {
            // Whoever is not known yet gets no more than the answers to AUTH and HELLO.
            limit.hard_bytes = UNAUTHENTICATED_OUTPUT_BYTES_MAX;
        }
        let limit_exceeded = limit.hard_bytes | limit.soft_bytes != 0
            && client.exceeds_output_limit(limit, self.clock.latest().monotonic())
            && client.close.is_none();
        let overfull = client.reply.overfull();
        if (limit_exceeded || overfull.is_some()) && client.close != Some(Close::Now) {
            self.stats.counters.client_output_buffer_limit_disconnections += 1;
            let (id, addr) = (client.session.id, client.session.peer.remote());
            // Where there is no limit, it was the free memory that the reply would have been larger than.
            if overfull == Some(Overfull::Memory) || limit.hard_bytes | limit.soft_bytes == 0 {
                tracing::warn!("Client id={id} addr={addr} closed: there is not enough memory for its replies.");
            } else {
                tracing::warn!("Client id={id} addr={addr} closed for overcoming of output buffer limits.");
            }
            client.close(Close::Now);
        }
    }

    /// Closes clients whose unsent output has been over the soft limit for too long, which needs no further write.
    pub(in crate::server) fn enforce_output_limits(&mut self) {
        let waiting: Vec<ClientKey> =
            self.clients.iter().filter(|(_, client)| !client.reply.is_empty()).map(|(key, _)| key).collect();
        for key in waiting {
            self.check_output_limit(key);
        }
    }
}
