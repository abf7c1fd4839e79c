//! Following `oom-score-adj`.

use crate::server::executor::Executor;

impl Executor {
    /// Follows `oom-score-adj` and its values, at start and when they change.
    pub(in crate::server) fn follow_oom_score(&mut self) -> Result<(), String> {
        self.process.oom_score.follow(&self.config).map_err(|error| {
            tracing::warn!("Unable to write oom_score_adj: {error}");
            "Failed to apply new oom_score_adj configuration, check server logs.".to_owned()
        })
    }
}
