//! Moments at which something expires, and timeouts.

use std::time::{Duration, Instant};

use super::number::{float_or, integer_or};
use crate::commands::framework::error::CommandError;
use crate::stdx::clock::Now;

/// How a number names a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeUnit {
    /// From now on, as the next.
    Seconds,
    Milliseconds,
    /// Of the unix clock, as the next.
    UnixSeconds,
    UnixMilliseconds,
}

impl TimeUnit {
    /// The unit of an option: EX, PX, EXAT, PXAT.
    pub fn of_option(option: &[u8]) -> Option<Self> {
        match option {
            _ if option.eq_ignore_ascii_case(b"EX") => Some(Self::Seconds),
            _ if option.eq_ignore_ascii_case(b"PX") => Some(Self::Milliseconds),
            _ if option.eq_ignore_ascii_case(b"EXAT") => Some(Self::UnixSeconds),
            _ if option.eq_ignore_ascii_case(b"PXAT") => Some(Self::UnixMilliseconds),
            _ => None,
        }
    }

    #[inline]
    pub fn is_absolute(self) -> bool {
        matches!(self, Self::UnixSeconds | Self::UnixMilliseconds)
    }

    /// The moment that a number names, in milliseconds of the unix clock. One that is out of range is refused in the name
    /// of `command`.
    #[inline]
    pub fn moment(self, number: i64, now_ms: i64, command: &'static str) -> Result<i64, CommandError> {
        let milliseconds = match self {
            Self::Seconds | Self::UnixSeconds => number.checked_mul(1000),
            Self::Milliseconds | Self::UnixMilliseconds => Some(number),
        };
        let base_ms = if self.is_absolute() { 0 } else { now_ms };
        milliseconds.and_then(|ms| ms.checked_add(base_ms)).ok_or(CommandError::InvalidExpire(command))
    }
}

const NEGATIVE: CommandError = CommandError::text("ERR timeout is negative");
const OUT_OF_RANGE: CommandError = CommandError::text("ERR timeout is out of range");

/// Reads a timeout in seconds; 0 means that there is none. It is rounded up to milliseconds.
pub fn deadline(arg: &[u8], now: Now) -> Result<Option<Instant>, CommandError> {
    let seconds = float_or(arg, CommandError::text("ERR timeout is not a float or out of range"))?;
    let milliseconds = (seconds * 1000.0).ceil();
    if milliseconds < 0.0 {
        return Err(NEGATIVE);
    }
    // The moment itself, in milliseconds since 1970, has to be a number of 63 bits.
    if milliseconds >= (i64::MAX - now.unix_ms) as f64 {
        return Err(OUT_OF_RANGE);
    }
    after(milliseconds as u64, now)
}

/// Reads a timeout in whole milliseconds; 0 means that there is none.
pub fn deadline_in_ms(arg: &[u8], now: Now) -> Result<Option<Instant>, CommandError> {
    let milliseconds = integer_or(arg, CommandError::text("ERR timeout is not an integer or out of range"))?;
    if milliseconds > i64::MAX - now.unix_ms {
        return Err(OUT_OF_RANGE);
    }
    after(u64::try_from(milliseconds).map_err(|_| NEGATIVE)?, now)
}

fn after(milliseconds: u64, now: Now) -> Result<Option<Instant>, CommandError> {
    match milliseconds {
        0 => Ok(None),
        milliseconds => now.monotonic().checked_add(Duration::from_millis(milliseconds)).map(Some).ok_or(OUT_OF_RANGE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(text: &str) -> Result<Option<u128>, String> {
        let now = Now::read();
        let after = |at: Instant| at.duration_since(now.monotonic()).as_millis();
        deadline(text.as_bytes(), now).map(|at| at.map(after)).map_err(|error| error.to_string())
    }

    #[test]
    fn timeouts_are_seconds_rounded_up_to_milliseconds() {
        for (text, expected) in [
            ("0", None),
            ("-0.0", None),
            ("-0.0001", None),
            ("1", Some(1_000)),
            ("0.1", Some(100)),
            ("0.0001", Some(1)),
            ("1.0005", Some(1_001)),
            ("1e3", Some(1_000_000)),
            ("0x10", Some(16_000)),
        ] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn timeouts_in_milliseconds_are_whole_numbers() {
        let now = Now::read();
        let after = |at: Instant| at.duration_since(now.monotonic()).as_millis();
        for (text, expected) in [
            ("0", Ok(None)),
            ("1", Ok(Some(1))),
            ("1000000", Ok(Some(1_000_000))),
            ("-1", Err("ERR timeout is negative")),
            ("0.5", Err("ERR timeout is not an integer or out of range")),
            ("9223372036854775808", Err("ERR timeout is not an integer or out of range")),
            ("9223372036854775807", Err("ERR timeout is out of range")),
        ] {
            let read = deadline_in_ms(text.as_bytes(), now).map(|at| at.map(after)).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn timeouts_beyond_any_clock_are_refused() {
        for text in ["9223372036854775.807", "1e300", "inf", "0x7FFFFFFFFFFFFFF"] {
            assert_eq!(milliseconds(text), Err("ERR timeout is out of range".to_owned()), "{text}");
        }
        for text in ["-1", "-0.001", "-inf"] {
            assert_eq!(milliseconds(text), Err("ERR timeout is negative".to_owned()), "{text}");
        }
        for text in ["", "one", "nan", "1s"] {
            assert_eq!(milliseconds(text), Err("ERR timeout is not a float or out of range".to_owned()), "{text}");
        }
    }

    #[test]
    fn moments_count_from_now_or_by_the_unix_clock() {
        let moment = |unit: TimeUnit, number| unit.moment(number, 500, "set").ok();
        assert_eq!(moment(TimeUnit::Seconds, 2), Some(2_500));
        assert_eq!(moment(TimeUnit::Milliseconds, -2), Some(498));
        assert_eq!(moment(TimeUnit::UnixSeconds, 2), Some(2_000));
        assert_eq!(moment(TimeUnit::UnixMilliseconds, i64::MAX), Some(i64::MAX));
        let invalid = CommandError::InvalidExpire("set");
        for (unit, number) in [(TimeUnit::Milliseconds, i64::MAX), (TimeUnit::UnixSeconds, i64::MAX / 999)] {
            assert_eq!(unit.moment(number, 500, "set"), Err(invalid.clone()), "{unit:?}");
        }
    }
}
