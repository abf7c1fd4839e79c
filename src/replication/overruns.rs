//! Replicas that could not keep up with the stream during a full sync, and would begin anew for ever.

use std::time::{Duration, Instant};

/// More replicas are not kept in mind.
const REPLICAS_MAX: usize = 64;

/// What happened longer ago has nothing to do with what happens now.
const MEMORY: Duration = Duration::from_secs(60 * 60);

/// The second full sync in a row that fails so delays the next one by this, and each further one twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(10);

const DELAY_MAX: Duration = Duration::from_secs(160);

/// Those that were dropped during a full sync because too much of the stream waited for them.
#[derive(Debug, Default)]
pub struct Overruns(Vec<Overrun>);

#[derive(Debug)]
struct Overrun {
    replica: String,
    in_a_row: u32,
    last: Instant,
}

impl Overruns {
    /// Notes that a replica was dropped. Returns how often that has happened in a row.
    pub fn note(&mut self, replica: &str, now: Instant) -> u32 {
        self.0.retain(|known| now.saturating_duration_since(known.last) < MEMORY);
        if let Some(known) = self.0.iter_mut().find(|known| known.replica == replica) {
            known.in_a_row += 1;
            known.last = now;
            return known.in_a_row;
        }
        if self.0.len() == REPLICAS_MAX {
            self.0.remove(0);
        }
        self.0.push(Overrun { replica: replica.to_owned(), in_a_row: 1, last: now });
        1
    }

    /// Notes that a replica has come through.
    pub fn settle(&mut self, replica: &str) {
        self.0.retain(|known| known.replica != replica);
    }

    /// How long the next full sync of a replica has to wait.
    pub fn delay(&self, replica: &str, now: Instant) -> Option<Duration> {
        let known = self.0.iter().find(|known| known.replica == replica && known.in_a_row > 1)?;
        let delay = FIRST_DELAY.saturating_mul(1 << (known.in_a_row - 2).min(8)).min(DELAY_MAX);
        delay.checked_sub(now.saturating_duration_since(known.last)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_second_in_a_row_delays_the_next_and_each_further_one_more() {
        let (now, mut overruns) = (Instant::now(), Overruns::default());
        assert_eq!((overruns.note("a", now), overruns.delay("a", now)), (1, None));
        assert_eq!((overruns.note("a", now), overruns.delay("a", now)), (2, Some(FIRST_DELAY)));
        assert_eq!(overruns.delay("b", now), None);
        let later = now + 4 * SECOND;
        assert_eq!(overruns.delay("a", later), Some(FIRST_DELAY - Duration::from_secs(4)));
        assert_eq!(overruns.delay("a", now + 10 * SECOND), None);
        assert_eq!((overruns.note("a", now), overruns.delay("a", now)), (3, Some(2 * FIRST_DELAY)));
        for _ in 0..50 {
            overruns.note("a", now);
        }
        assert_eq!(overruns.delay("a", now), Some(DELAY_MAX));
        overruns.settle("a");
        assert_eq!((overruns.note("a", now), overruns.delay("a", now)), (1, None));
    }

    #[test]
    fn what_was_long_ago_or_of_too_many_replicas_is_dropped() {
        let (now, mut overruns) = (Instant::now(), Overruns::default());
        overruns.note("a", now);
        assert_eq!(overruns.note("a", now + 3600 * SECOND), 1);
        for number in 0..200 {
            overruns.note(&number.to_string(), now);
        }
        assert_eq!(overruns.0.len(), REPLICAS_MAX);
    }
}
