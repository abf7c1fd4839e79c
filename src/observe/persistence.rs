//! The figures of INFO persistence, and of snapshots in INFO stats, as one plain struct.

/// What INFO reports of snapshots and of loading; each field has the name that INFO gives it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersistenceInfo {
    /// The data of a full sync are taken in while clients are answered from the old ones.
    pub async_loading: bool,
    pub current_cow_peak: u64,
    pub current_cow_size: u64,
    /// Seconds since `current_cow_size` was counted.
    pub current_cow_size_age: u64,
    /// Old versions of values and keys that the running child keeps to itself (Copal's own field).
    pub current_redirected_bytes: u64,
    /// What the running snapshot takes of memory beside the data (Copal's own field).
    pub current_extra_bytes: u64,
    /// At so much it is given up; 0 for never (Copal's own field).
    pub current_extra_limit_bytes: u64,
    /// Percent of the keys that the running child has saved.
    pub current_fork_perc: f64,
    pub current_save_keys_processed: u64,
    pub current_save_keys_total: u64,
    pub rdb_changes_since_last_save: u64,
    pub rdb_bgsave_in_progress: bool,
    /// A signal has stopped the child.
    pub rdb_bgsave_stopped: bool,
    /// The child makes no progress (Copal's own field).
    pub rdb_bgsave_stalled: bool,
    pub rdb_last_save_time: i64,
    pub rdb_last_bgsave_ok: bool,
    /// Why the last save failed, empty if it did not (Copal's own field).
    pub rdb_last_bgsave_error: String,
    /// -1 as long as there was none.
    pub rdb_last_bgsave_time_sec: i64,
    /// -1 if none is running.
    pub rdb_current_bgsave_time_sec: i64,
    pub rdb_saves: u64,
    pub rdb_last_cow_size: u64,
    /// Old versions of values and keys that the last child kept to itself (Copal's own field).
    pub rdb_last_redirected_bytes: u64,
    /// The most that the last snapshot in the background took of memory beside the data (Copal's own field).
    pub rdb_last_extra_peak_bytes: u64,
    pub rdb_last_load_keys_expired: u64,
    pub rdb_last_load_keys_loaded: u64,
    /// Values, libraries and data of modules that this server has no place for (Copal's own field).
    pub rdb_last_load_left_out: u64,
    /// While a dump is being loaded.
    pub loading: Option<LoadingInfo>,
    /// INFO stats.
    pub total_forks: u64,
    pub latest_fork_usec: u64,
    /// The longest since the start or CONFIG RESETSTAT (Copal's own field).
    pub worst_fork_usec: u64,
}

impl PersistenceInfo {
    /// `rdb_last_bgsave_status`.
    pub fn rdb_last_bgsave_status(&self) -> &'static str {
        if self.rdb_last_bgsave_ok { "ok" } else { "err" }
    }
}

/// The fields that INFO persistence has only while a dump is being loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadingInfo {
    /// Seconds since 1970.
    pub loading_start_time: i64,
    pub loading_total_bytes: u64,
    /// `used_memory` of the server that wrote the dump, as the dump has it.
    pub loading_rdb_used_mem: u64,
    pub loading_loaded_bytes: u64,
    pub loading_loaded_perc: f64,
    /// 1 as long as nothing has been loaded.
    pub loading_eta_seconds: i64,
}

impl LoadingInfo {
    /// The figures after `elapsed_seconds` of loading.
    pub fn new(start_unix: i64, elapsed_seconds: i64, loaded: u64, total: u64, used_memory: u64) -> Self {
        let eta = match loaded {
            0 => 1,
            loaded => (elapsed_seconds as f64 * (total.saturating_sub(loaded)) as f64 / loaded as f64) as i64,
        };
        Self {
            loading_start_time: start_unix,
            loading_total_bytes: total,
            loading_rdb_used_mem: used_memory,
            loading_loaded_bytes: loaded,
            loading_loaded_perc: if total == 0 { 0.0 } else { loaded as f64 * 100.0 / total as f64 },
            loading_eta_seconds: eta,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loading_figures_follow_from_bytes_and_time() {
        let info = LoadingInfo::new(1000, 3, 250, 1000, 5);
        assert_eq!((info.loading_loaded_perc, info.loading_eta_seconds), (25.0, 9));
        let info = LoadingInfo::new(1000, 0, 0, 0, 0);
        assert_eq!((info.loading_loaded_perc, info.loading_eta_seconds), (0.0, 1));
    }
}
