//! The server's time: one reading of the clock a command.
//!
//! Ten times a second the kernel's clocks are read. In between the processor's time-stamp counter carries the last reading
//! on, where the kernel trusts that counter itself; it is three times as quick to read. Its rate is measured from one reading
//! of the clocks to the next, and it is used only while two measurements in a row agree: after a move to another machine, or
//! a rest in which the counter stood still, the clocks are read for every command until they do again.

use std::time::{Duration, Instant};

use crate::stdx::clock::Now;
use crate::stdx::ticks;

/// How long a reading of the clocks is carried on.
const CARRIED_ON_FOR: Duration = Duration::from_millis(100);
const CARRIED_ON_NS: u64 = CARRIED_ON_FOR.as_nanos() as u64;

/// Rates are nanoseconds for two to this power ticks.
const RATE_BITS: u32 = 32;

/// Two measurements of the rate agree when they differ by less than one part in this many.
const AGREEMENT: u64 = 4096;

/// The counter is taken to be slower than measured by one part in this many, so that the next reading of the clocks does not
/// set the time back.
const CAUTION: u64 = 2048;

/// A reading of the clocks that takes more than one part in this many of the time since the one before was interrupted, and
/// says too little about the rate.
const READING_SHARE: u64 = 4096;

/// Where the kernel says what it takes its time from.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Whether the processor's counter can be read, and the kernel trusts it.
pub fn ticks_are_steady() -> bool {
    ticks::are_steady(&std::fs::read_to_string(CLOCK_SOURCE).unwrap_or_default())
}

/// A moment, for measuring how long something takes: the nanoseconds of the clock that never goes back, since the server has
/// read it first. It is quicker to come by than a [`Now`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment(u64);

impl Moment {
    #[inline]
    pub fn nanoseconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanoseconds_since(earlier))
    }
}

/// The last reading of the clocks, and how it is carried on.
#[derive(Debug)]
pub struct ServerClock {
    base: Now,
    base_moment: Moment,
    /// The latest reading, as so much after that of the clocks.
    since_base_ns: u64,
    counter: Option<Counter>,
    /// The time is what [`ServerClock::set`] has made it.
    #[cfg(any(test, feature = "internals"))]
    frozen: bool,
}

/// The time-stamp counter beside the clocks.
#[derive(Clone, Copy, Debug)]
struct Counter {
    /// What it showed when the clocks were read last.
    base: u64,
    /// Up to this count the reading is carried on; zero while the rate is not known.
    end: u64,
    /// Nanoseconds for 2 to the power of [`RATE_BITS`] ticks; zero while it is not known.
    rate: u64,
    /// The rate as it was last measured; zero if it could not be.
    measured: u64,
}

impl ServerClock {
    pub fn new() -> Self {
        let counter = if ticks_are_steady() { ticks::read() } else { None };
        let now = Now::read();
        let counter = counter.map(|base| Counter { base, end: 0, rate: 0, measured: 0 });
        Self {
            base: now,
            base_moment: Moment(0),
            since_base_ns: 0,
            counter,
            #[cfg(any(test, feature = "internals"))]
            frozen: false,
        }
    }

    /// Sets the time, which goes on only by further calls.
    #[cfg(any(test, feature = "internals"))]
    pub fn set(&mut self, now: Now) {
        let base_moment = self.moment_of(now);
        *self = Self { base: now, base_moment, since_base_ns: 0, counter: None, frozen: true };
    }

    /// The time as of the last [`ServerClock::advance`].
    #[inline]
    pub fn latest(&self) -> Now {
        #[cfg(any(test, feature = "internals"))]
        if self.frozen {
            return self.base;
        }
        self.base.later(self.since_base_ns)
    }

    /// Reads the time.
    #[inline]
    pub fn advance(&mut self) -> Now {
        self.advance_moment();
        self.latest()
    }

    /// The moment of the last reading.
    #[inline]
    pub fn latest_moment(&self) -> Moment {
        Moment(self.base_moment.0 + self.since_base_ns)
    }

    /// Reads the time, of which only the moment is wanted.
    #[inline]
    pub fn advance_moment(&mut self) -> Moment {
        match self.counter.and_then(|counter| counter.elapsed_ns()) {
            Some(nanoseconds) => self.since_base_ns = nanoseconds,
            None => self.ask_clocks(),
        }
        self.latest_moment()
    }

    /// The moment of a reading of the clocks that is not before the last one.
    fn moment_of(&self, now: Now) -> Moment {
        Moment(self.base_moment.0 + now.nanoseconds_since(self.base))
    }

    /// What the time comes from, as INFO shows it.
    pub fn source(&self) -> String {
        match self.counter {
            Some(Counter { rate: 1.., measured, .. }) => {
                format!("X86 TSC @ {} ticks/us", (1000 << RATE_BITS) / measured)
            }
            _ => "POSIX clock_gettime".to_owned(),
        }
    }

    #[cold]
    fn ask_clocks(&mut self) {
        #[cfg(any(test, feature = "internals"))]
        if self.frozen {
            return;
        }
        let elapsed = Instant::now().saturating_duration_since(self.base.monotonic());
        if elapsed <= CARRIED_ON_FOR {
            self.since_base_ns = elapsed.as_nanos() as u64;
            return;
        }
        let before = ticks::read();
        let now = Now::read();
        let after = ticks::read();
        if let (Some(counter), Some(before), Some(after)) = (&mut self.counter, before, after) {
            counter.calibrate(before..after, now.since(self.base));
        }
        self.base_moment = self.moment_of(now);
        self.base = now;
        self.since_base_ns = 0;
    }
}

impl Counter {
    /// How long ago the clocks were read, if that is known.
    #[inline]
    fn elapsed_ns(self) -> Option<u64> {
        let count = ticks::read()?;
        // A count from before the reading is none of this counter.
        (self.base..self.end).contains(&count).then(|| ((count - self.base) * self.rate) >> RATE_BITS)
    }

    /// Takes in that the clocks were read again, so long after the last time, between these two counts.
    fn calibrate(&mut self, reading: std::ops::Range<u64>, elapsed: Duration) {
        let count = reading.start.midpoint(reading.end);
        let ticks = count.checked_sub(self.base).filter(|&ticks| ticks > 0);
        let quick = ticks.is_some_and(|ticks| reading.end.wrapping_sub(reading.start) < ticks / READING_SHARE);
        let rate = match ticks {
            Some(ticks) if quick => (elapsed.as_nanos() << RATE_BITS) / u128::from(ticks),
            _ => 0,
        };
        // A rate of more than a nanosecond a tick would be that of a clock too slow to be of use.
        let measured = u64::try_from(rate).ok().filter(|&rate| rate > 0 && rate <= 1 << RATE_BITS).unwrap_or(0);
        let agrees = measured > 0 && measured.abs_diff(self.measured) < measured / AGREEMENT;
        let rate = if agrees { measured - measured / CAUTION } else { 0 };
        let lasts = (CARRIED_ON_NS << RATE_BITS).checked_div(rate).unwrap_or(0);
        *self = Self { base: count, end: count.saturating_add(lasts), rate, measured };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks of a counter of 2.5 GHz.
    fn ticks_of(elapsed: Duration) -> u64 {
        (elapsed.as_nanos() * 5 / 2) as u64
    }

    fn calibrated(counter: &mut Counter, elapsed: Duration, ticks: u64) {
        let count = counter.base + ticks;
        counter.calibrate(count..count + 2, elapsed);
    }

    #[test]
    fn time_never_goes_back_and_keeps_up_with_the_clocks() {
        let mut clock = ServerClock::new();
        let (mut before, mut moment_before) = (clock.latest(), clock.latest_moment());
        let (start, start_moment) = (before, moment_before);
        let end = Instant::now() + Duration::from_millis(350);
        while Instant::now() < end {
            let now = clock.advance();
            let moment = clock.latest_moment();
            assert!(now.monotonic() >= before.monotonic() && moment.0 >= moment_before.0);
            assert_eq!(moment.since(start_moment), now.since(start));
            let real = Now::read();
            let ahead = now.monotonic().saturating_duration_since(real.monotonic());
            assert!(ahead < Duration::from_millis(5), "{ahead:?} ahead");
            (before, moment_before) = (now, moment);
        }
        let behind = Instant::now().saturating_duration_since(clock.advance().monotonic());
        assert!(behind < Duration::from_millis(50), "{behind:?} behind");
    }

    #[test]
    fn the_counter_is_used_once_two_measurements_agree() {
        let mut counter = Counter { base: 1000, end: 0, rate: 0, measured: 0 };
        let period = Duration::from_millis(100);
        calibrated(&mut counter, period, ticks_of(period));
        assert_eq!(counter.end, counter.base, "one measurement does not suffice");
        calibrated(&mut counter, period, ticks_of(period));
        let lasts = Duration::from_nanos(((counter.end - counter.base) * counter.rate) >> RATE_BITS);
        assert!(lasts.abs_diff(CARRIED_ON_FOR) < Duration::from_micros(1), "{lasts:?}");
        assert!(counter.measured.abs_diff((1 << RATE_BITS) * 2 / 5) < 100, "0.4 ns a tick");
        assert!(counter.rate < counter.measured);
    }

    #[test]
    fn another_rate_or_a_counter_set_back_ends_its_use() {
        let period = Duration::from_millis(100);
        for ticks in [ticks_of(period) / 2, ticks_of(period) * 2, 0] {
            let mut counter = Counter { base: 1000, end: 0, rate: 0, measured: 0 };
            calibrated(&mut counter, period, ticks_of(period));
            calibrated(&mut counter, period, ticks_of(period));
            assert!(counter.end > counter.base);
            calibrated(&mut counter, period, ticks);
            assert_eq!(counter.end, counter.base, "{ticks} ticks");
        }
        let mut counter = Counter { base: 1 << 40, end: 0, rate: 0, measured: 0 };
        counter.calibrate(5..6, period);
        assert_eq!((counter.base, counter.end, counter.measured), (5, 5, 0));
    }

    #[test]
    fn an_interrupted_reading_tells_no_rate() {
        let period = Duration::from_millis(100);
        let mut counter = Counter { base: 1000, end: 0, rate: 0, measured: 0 };
        calibrated(&mut counter, period, ticks_of(period));
        let count = counter.base + ticks_of(period);
        counter.calibrate(count..count + ticks_of(Duration::from_millis(1)), period);
        assert_eq!((counter.end, counter.measured), (counter.base, 0));
    }
}
