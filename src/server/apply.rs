//! Settings of which the keyspace keeps a copy of its own.

use crate::commands::missing_feature;
use crate::config::RenamedCommand;
use crate::keyspace::{AccessPolicy, LazyFreePolicy};
use crate::server::executor::Executor;

impl Executor {
    /// Gives commands the names that `rename-command` wants; an empty one makes a command unreachable.
    pub(in crate::server) fn rename_commands(&mut self) -> Result<(), String> {
        for RenamedCommand { from, to } in &self.config.renamed_commands {
            let shown = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
            if self.table.by_name(from).is_none() {
                // A configuration that hides a command of Redis which is not there has what it wants.
                if missing_feature(from).is_some() {
                    continue;
                }
                return Err(format!("rename-command: no such command '{}'", shown(from)));
            }
            if !to.is_empty() && self.table.by_name(to).is_some() {
                return Err(format!("rename-command: the command '{}' exists already", shown(to)));
            }
            self.table.rename(from, to);
        }
        Ok(())
    }

    /// Gives the keyspace its settings: at start, and after every CONFIG SET.
    pub fn apply_keyspace_config(&mut self) {
        let (config, keyspace) = (&self.config, &mut self.keyspace);
        keyspace.set_event_classes(config.notify_keyspace_events);
        keyspace.lazy_free.policy = LazyFreePolicy {
            expire: config.lazyfree_lazy_expire,
            eviction: config.lazyfree_lazy_eviction,
            server_del: config.lazyfree_lazy_server_del,
            user_del: config.lazyfree_lazy_user_del,
            user_flush: config.lazyfree_lazy_user_flush,
        };
        let policy = if config.maxmemory_policy.counts_frequency() {
            AccessPolicy::Lfu { log_factor: config.lfu_log_factor, decay_minutes: config.lfu_decay_time_minutes }
        } else {
            AccessPolicy::Lru
        };
        keyspace.access.set_policy(policy);
        keyspace.access.set_time(self.clock.latest().steady_ms());
        keyspace.eviction_pool.clear();
    }

    /// Follows `oom-score-adj` and its values, at start and when they change.
    pub(in crate::server) fn follow_oom_score(&mut self) -> Result<(), String> {
        self.process.follow_oom_score(&self.config, self.replication.is_replica()).map_err(|error| {
            tracing::warn!("Unable to write oom_score_adj: {error}");
            "Failed to apply new oom_score_adj configuration, check server logs.".to_owned()
        })
    }
}
