//! The expiry options that SET and GETEX share.

use crate::commands::framework::CommandError;
use crate::commands::framework::arguments::{TimeUnit, integer};
use crate::resp::Args;

/// What is to become of a key's expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExpiryOption<'a> {
    /// No option was given: SET takes the expiry away, GETEX leaves it.
    Default,
    KeepTtl,
    Persist,
    Set(TimeUnit, &'a [u8]),
}

impl<'a> ExpiryOption<'a> {
    /// Reads one option, the one at `index - 1`; `word` is the one that takes no time, which has this `meaning`. The same
    /// unit may be given again (its last argument counts), two different ones may not.
    pub fn read(
        &mut self,
        args: Args<'a>,
        index: &mut usize,
        (word, meaning): (&[u8], Self),
    ) -> Result<(), CommandError> {
        let option = args.arg(*index - 1);
        if option.eq_ignore_ascii_case(word) && (*self == Self::Default || *self == meaning) {
            *self = meaning;
            return Ok(());
        }
        let unit = TimeUnit::of_option(option).ok_or(CommandError::Syntax)?;
        match self {
            Self::Set(known, _) if *known != unit => return Err(CommandError::Syntax),
            Self::KeepTtl | Self::Persist => return Err(CommandError::Syntax),
            _ => {}
        }
        let argument = args.get(*index).ok_or(CommandError::Syntax)?;
        *index += 1;
        *self = Self::Set(unit, argument);
        Ok(())
    }
}

/// The moment that a positive number names, in milliseconds of the unix clock.
pub fn moment(unit: TimeUnit, arg: &[u8], now_ms: i64, command: &'static str) -> Result<i64, CommandError> {
    match integer(arg)? {
        ..=0 => Err(CommandError::InvalidExpire(command)),
        number => unit.moment(number, now_ms, command),
    }
}
