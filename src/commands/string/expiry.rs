//! The expiry options that SET and GETEX share.

use crate::commands::framework::CommandError;
use crate::commands::framework::arguments::integer;
use crate::stdx::clock::Now;

/// What is to become of a key's expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpiryOption<'a> {
    /// No option was given: SET takes the expiry away, GETEX leaves it.
    Default,
    KeepTtl,
    Persist,
    Set(Unit, &'a [u8]),
}

/// How an expiry argument counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl Unit {
    /// The unit of an option's name.
    pub fn of_option(option: &[u8]) -> Option<Unit> {
        match option {
            _ if option.eq_ignore_ascii_case(b"EX") => Some(Unit::Seconds),
            _ if option.eq_ignore_ascii_case(b"PX") => Some(Unit::Milliseconds),
            _ if option.eq_ignore_ascii_case(b"EXAT") => Some(Unit::UnixSeconds),
            _ if option.eq_ignore_ascii_case(b"PXAT") => Some(Unit::UnixMilliseconds),
            _ => None,
        }
    }

    pub fn is_absolute(self) -> bool {
        matches!(self, Unit::UnixSeconds | Unit::UnixMilliseconds)
    }

    /// The moment that `arg` names, in milliseconds of the unix clock.
    pub fn moment(self, arg: &[u8], now: Now, command: &'static str) -> Result<i64, CommandError> {
        let number = integer(arg)?;
        let invalid = CommandError::InvalidExpire(command);
        if number <= 0 {
            return Err(invalid);
        }
        let milliseconds = match self {
            Unit::Seconds | Unit::UnixSeconds => number.checked_mul(1000),
            Unit::Milliseconds | Unit::UnixMilliseconds => Some(number),
        };
        let moment = match self {
            _ if self.is_absolute() => milliseconds,
            _ => milliseconds.and_then(|milliseconds| milliseconds.checked_add(now.unix_ms)),
        };
        moment.ok_or(invalid)
    }
}
