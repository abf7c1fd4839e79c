//! The active expire cycle: deleting keys past their expiry that nobody asks for.
//!
//! As Redis does: of each database with keys that expire, look at some, delete those that are due, and go on with the
//! database while more than a tenth of them were; stop when the time is up
//! (<https://redis.io/docs/latest/commands/expire/>, "How Redis expires keys").

use std::time::{Duration, Instant};

use super::Keyspace;

/// Keys looked at in one round of one database, at effort 1.
const KEYS_A_ROUND: usize = 20;

/// A database is left alone once at most this share of the keys looked at was due, in percent, at effort 1.
const ACCEPTABLE_STALE_PERCENT: usize = 10;

/// How hard to try, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct ExpireCycle {
    pub now_ms: i64,
    pub budget: Duration,
    /// `active-expire-effort`, 1 to 10.
    pub effort: usize,
}

/// What becomes of keys and fields whose expiry has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ExpiryPolicy {
    /// They are deleted, at the latest by the cycle.
    #[default]
    Delete,
    /// They are answered as missing and stay, until something takes their place: data must not change by itself.
    Hide,
    /// They are as all others: whoever repeats what another server has recorded finds a record when they go.
    Ignore,
}

/// How far the cycle is in one database.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpireState {
    /// The bucket where the next round goes on.
    bucket: usize,
    pub average_ttl_ms: i64,
}

#[derive(Default)]
struct Round {
    sampled: usize,
    due: Vec<Box<[u8]>>,
    ttl_sum_ms: i64,
    ttl_samples: i64,
}

impl Keyspace {
    /// Chooses what becomes of what is past its expiry.
    #[inline]
    pub fn set_expiry_policy(&mut self, policy: ExpiryPolicy) {
        if self.expiry_policy != policy {
            self.expiry_policy = policy;
            for db in &mut self.dbs {
                db.set_expiry_policy(policy);
            }
        }
    }

    #[inline]
    pub fn expiry_policy(&self) -> ExpiryPolicy {
        self.expiry_policy
    }

    /// Lets the cycle run or rest (DEBUG SET-ACTIVE-EXPIRE).
    pub fn set_active_expiry(&mut self, active: bool) {
        self.expires_actively = active;
    }

    pub fn expires_actively(&self) -> bool {
        self.expires_actively
    }

    /// Whether the cycle may delete anything now.
    pub fn may_expire(&self) -> bool {
        self.expires_actively && self.expiry_policy == ExpiryPolicy::Delete
    }

    /// Deletes keys past their expiry until few are left or the budget is spent. Returns whether time ran out.
    pub fn expire_cycle(&mut self, cycle: &ExpireCycle) -> bool {
        let start = Instant::now();
        let effort = cycle.effort.clamp(1, 10) - 1;
        let keys_a_round = KEYS_A_ROUND + KEYS_A_ROUND / 4 * effort;
        let acceptable = ACCEPTABLE_STALE_PERCENT - effort;
        let (mut sampled, mut stale) = (0, 0);
        let mut timed_out = false;
        'dbs: for db in 0..self.dbs.len() {
            while self.dbs[db].expires_len() > 0 {
                let round = self.sample_expires(db, keys_a_round, cycle.now_ms);
                sampled += round.sampled;
                stale += round.due.len();
                let goes_on = round.sampled > 0 && round.due.len() * 100 / round.sampled > acceptable;
                for key in round.due {
                    self.expire_now(db, &key);
                }
                if start.elapsed() >= cycle.budget {
                    timed_out = true;
                    self.stats.expired_time_cap_reached += 1;
                    break 'dbs;
                }
                if !goes_on {
                    break;
                }
            }
        }
        let percent = if sampled == 0 { 0.0 } else { stale as f64 * 100.0 / sampled as f64 };
        self.stats.expired_stale_percent = percent * 0.05 + self.stats.expired_stale_percent * 0.95;
        timed_out
    }

    /// Deletes all keys past their expiry, as after a load. Returns how many they were.
    pub fn expire_all_due(&mut self, now_ms: i64) -> u64 {
        let before = self.stats.expired;
        for db in 0..self.dbs.len() {
            let due = self.dbs[db].expiring().filter(|entry| entry.expiry().is_some_and(|at_ms| at_ms <= now_ms));
            let due: Vec<Box<[u8]>> = due.map(|entry| entry.key().into()).collect();
            due.iter().for_each(|key| self.expire_now(db, key));
        }
        self.stats.expired - before
    }

    fn sample_expires(&mut self, db: usize, keys: usize, now_ms: i64) -> Round {
        let mut round = Round::default();
        let db = &mut self.dbs[db];
        let bucket = db.visit_expiring(db.expire_state.bucket, keys, |entry| {
            let Some(at_ms) = entry.expiry() else { return };
            round.sampled += 1;
            if at_ms <= now_ms {
                round.due.push(entry.key().into());
            } else {
                round.ttl_sum_ms = round.ttl_sum_ms.saturating_add(at_ms - now_ms);
                round.ttl_samples += 1;
            }
        });
        db.expire_state.bucket = bucket;
        if round.ttl_samples > 0 {
            let average = round.ttl_sum_ms / round.ttl_samples;
            let state = &mut db.expire_state;
            // A running average that gives a new sample 2 % of the weight.
            state.average_ttl_ms = match state.average_ttl_ms {
                0 => average,
                old => old / 50 * 49 + average / 50,
            };
        }
        round
    }
}
