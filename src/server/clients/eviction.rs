//! Clients that go because all of them hold more memory than `maxmemory-clients` allows.

use super::client::ClientKey;
use super::memory::EVICTABLE_BYTES_MIN;
use crate::observe::client_line_for_log;
use crate::server::executor::Executor;

impl Executor {
    /// Counts what a client holds after a round of its task, and evicts clients if all hold too much.
    #[inline]
    pub fn settle_memory(&mut self, key: ClientKey) {
        if self.clients.memory.is_limited() {
            self.clients.recount(key);
            self.evict_clients();
        }
    }

    /// Takes over `maxmemory-clients`, of which `maxmemory` may be a part. Whoever has to go for it does so once the
    /// client that has set it has its answer.
    pub(in crate::server) fn follow_client_memory_limit(&mut self) {
        let limit = self.config.maxmemory_clients.bytes_of(self.config.maxmemory_bytes);
        self.clients.set_memory_limit(if limit == 0 { 0 } else { limit.max(EVICTABLE_BYTES_MIN) });
    }

    #[inline]
    fn evict_clients(&mut self) {
        if self.clients.memory.is_over_limit() {
            self.evict_largest_clients();
        } else {
            self.clients.memory.shortage_logged = false;
        }
    }

    #[cold]
    fn evict_largest_clients(&mut self) {
        for key in self.clients.largest_beyond_limit() {
            tracing::info!("Evicting client: {}", client_line_for_log(self.describe_client(key, key, 0).trim_end()));
            self.drop_client(key);
            self.stats.counters.evicted_clients += 1;
        }
        let is_short = self.clients.memory.is_over_limit();
        if is_short && !self.clients.memory.shortage_logged {
            tracing::warn!("Over client maxmemory because of clients that may not be evicted (CLIENT NO-EVICT)");
        }
        self.clients.memory.shortage_logged = is_short;
    }
}
