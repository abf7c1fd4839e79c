//! Telling the kernel whom to kill first when memory runs out (`oom-score-adj`).

use std::{fs, io};

use crate::config::{Config, OomScoreAdj};

/// What the kernel takes.
const SCORE_MAX: i32 = 1000;

/// The score of this process before it was changed; `None` as long as it is not.
#[derive(Debug, Default)]
pub struct OomScore {
    original: Option<i32>,
}

impl OomScore {
    /// Makes the score what the settings say, or again what it was.
    pub(in crate::server) fn follow(&mut self, config: &Config, is_replica: bool) -> io::Result<()> {
        const OWN: &str = "/proc/self/oom_score_adj";
        if config.oom_score_adj == OomScoreAdj::No {
            return self.original.take().map_or(Ok(()), |original| write(OWN, original));
        }
        let original = match self.original {
            Some(original) => original,
            None => read(OWN)?,
        };
        let values = &config.oom_score_adj_values;
        let value = if is_replica { values.replica } else { values.primary };
        write(OWN, score(config.oom_score_adj, value, original))?;
        self.original = Some(original);
        Ok(())
    }

    /// Gives a child that has just been forked its own score.
    pub fn give_to_child(&self, config: &Config, pid: u32) {
        if let Some(original) = self.original {
            let score = score(config.oom_score_adj, config.oom_score_adj_values.child, original);
            if let Err(error) = write(&format!("/proc/{pid}/oom_score_adj"), score) {
                tracing::warn!("Unable to write oom_score_adj of the snapshot child: {error}");
            }
        }
    }
}

fn score(mode: OomScoreAdj, value: i32, original: i32) -> i32 {
    let score = if mode == OomScoreAdj::Absolute { value } else { original + value };
    score.clamp(-SCORE_MAX, SCORE_MAX)
}

pub(super) fn read(path: &str) -> io::Result<i32> {
    fs::read_to_string(path)?.trim().parse().map_err(io::Error::other)
}

pub(super) fn write(path: &str, score: i32) -> io::Result<()> {
    fs::write(path, score.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_added_or_taken_as_they_are_within_what_the_kernel_takes() {
        assert_eq!(score(OomScoreAdj::Yes, 200, 300), 500);
        assert_eq!(score(OomScoreAdj::Relative, -200, 100), -100);
        assert_eq!(score(OomScoreAdj::Absolute, 200, 300), 200);
        assert_eq!(score(OomScoreAdj::Relative, 2000, 300), 1000);
        assert_eq!(score(OomScoreAdj::Absolute, -2000, 0), -1000);
    }
}
