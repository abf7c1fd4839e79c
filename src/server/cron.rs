//! What happens by itself: rounds, `hz` times a second, and between them short steps of work that is put off.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::keyspace::ExpireCycle;
use crate::server::clients::Close;
use crate::server::executor::Executor;
use crate::server::net::{Shared, Timer};
use crate::structures::give_pages_back_later;

/// A step of tables that catch up with what they put off. Commands wait for it.
const TABLES_STEP: Duration = Duration::from_micros(100);

/// Percent of the time that steps take where no setting says how much.
const STEPS_PERCENT: u32 = 2;

/// Percent of the time that the expire cycle may take, at effort 1.
const EXPIRE_PERCENT: u32 = 25;

/// Of the time for the expiry of keys, one part in this many is left for that of fields.
const FIELDS_SHARE_MIN: u32 = 8;

/// Runs the rounds, and the steps between them, until the server ends.
pub async fn run(shared: Rc<Shared>, timer: Timer) {
    let mut next_round = Instant::now();
    loop {
        let (period, wake) = {
            let mut executor = shared.executor.borrow_mut();
            let runs = !executor.process.is_cron_paused();
            if next_round <= Instant::now() {
                if runs {
                    executor.timed_cron();
                }
                next_round = Instant::now() + executor.time_to_next_round();
            }
            let next_step = if runs { executor.step() } else { None };
            if executor.process.is_ending() {
                shared.end();
            }
            let period = next_round.saturating_duration_since(Instant::now());
            (next_step.map_or(period, |next| period.min(next)), executor.process.cron_wake())
        };
        tokio::select! {
            slept = timer.sleep(period) => {
                if let Err(error) = slept {
                    // Never seen; the rounds go on all the same.
                    tracing::warn!("The timer of the server's rounds failed: {error}");
                    tokio::time::sleep(period).await;
                }
            }
            () = wake.raised() => next_round = Instant::now(),
        }
    }
}

impl Executor {
    pub(in crate::server) fn cron_period(&self) -> Duration {
        Duration::from_millis(1000 / u64::from(self.config.hz.clamp(1, 500)))
    }

    /// A period, or less where a pause ends before.
    fn time_to_next_round(&self) -> Duration {
        let period = self.cron_period();
        match self.exec.pause_left(self.clock.latest()) {
            None => period,
            Some(left) => period.min(left.max(Duration::from_millis(1))),
        }
    }

    fn timed_cron(&mut self) {
        let start = self.clock.advance();
        self.cron();
        let elapsed = self.clock.advance().since(start);
        self.stats.note_cron(elapsed);
    }

    fn cron(&mut self) {
        let now = self.clock.advance();
        if self.scripts.is_busy() {
            self.cron_beside_script();
            return;
        }
        self.end_elapsed_pause();
        self.keyspace.access.set_time(now.steady_ms());
        if self.keyspace.may_expire() && !self.snapshots.is_loading() {
            let effort = self.config.active_expire_effort as usize;
            let percent = EXPIRE_PERCENT + 2 * (effort as u32 - 1);
            let budget = self.cron_period() * percent / 100;
            let cycle = ExpireCycle { now_ms: now.unix_ms, budget, effort };
            self.keyspace.expire_cycle(&cycle);
            // Fields get what keys have left of the time, but never nothing.
            let left = budget.saturating_sub(self.clock.advance().since(now)).max(budget / FIELDS_SHARE_MIN);
            self.keyspace.expire_fields_cycle(&ExpireCycle { budget: left, ..cycle });
            let elapsed = self.clock.advance().since(now);
            self.stats.counters.expire_cycle_us += elapsed.as_micros() as u64;
            self.note_latency("expire-cycle", elapsed);
            self.after_command();
        }
        self.expire_own_keys();
        self.memory_cron();
        give_pages_back_later();
        self.read_meters();
        self.snapshot_cron();
        self.replication_cron();
        self.shutdown_cron();
        self.close_idle_clients();
        self.migrations.close_idle_links(now.monotonic());
        self.enforce_output_limits();
    }

    /// A step of what is put off, so short that clients hardly notice. Returns after which time the next one is due, if there is
    /// more to do than what the next round brings.
    fn step(&mut self) -> Option<Duration> {
        if self.scripts.is_busy() {
            return None;
        }
        let begun = Instant::now();
        let is_behind = self.config.activerehashing && self.keyspace.resize_for(TABLES_STEP);
        let by_steps = is_behind.then_some(STEPS_PERCENT);
        let percent = by_steps.max(self.compact(STEPS_PERCENT))?;
        Some(begun.elapsed() * (100 - percent.min(99)) / percent)
    }

    /// The part of a round that changes no data and begins no snapshot: a script is in the middle of what it does.
    fn cron_beside_script(&mut self) {
        self.note_memory();
        self.read_meters();
        self.enforce_snapshot_limits();
        self.replication_cron_beside_script();
        self.shutdown_cron();
        self.close_idle_clients();
        self.enforce_output_limits();
    }

    /// Closes clients that have said nothing for `timeout` seconds.
    fn close_idle_clients(&mut self) {
        let timeout_ms = i64::from(self.config.timeout_seconds) * 1000;
        if timeout_ms == 0 {
            return;
        }
        let now_ms = self.clock.latest().steady_ms();
        for (_, client) in self.clients.iter_mut() {
            let idle = now_ms - client.session.last_used_ms > timeout_ms;
            if idle && client.session.subscriptions == 0 && client.stall().is_none() && !client.is_replica() {
                tracing::debug!("Closing idle client");
                client.close(Close::Now);
            }
        }
    }
}
