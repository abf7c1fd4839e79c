//! What the commands that wait for a key have in common.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::context::WriteCtx;
use super::effect::{Answer, Effect, InVain, Wait};
use super::error::{CommandError, CommandResult};
use super::multi_pop::MultiPop;
use crate::keyspace::Awaited;
use crate::resp::Args;
use crate::stdx::clock::Now;
use crate::stdx::number::{parse_f64, parse_i64};
use crate::types::Type;

const NEGATIVE: CommandError = CommandError::text("ERR timeout is negative");
const OUT_OF_RANGE: CommandError = CommandError::text("ERR timeout is out of range");

/// Reads a timeout in seconds; 0 means that there is none. It is rounded up to milliseconds.
pub fn deadline(arg: &[u8], now: Now) -> Result<Option<Instant>, CommandError> {
    let seconds = parse_f64(arg).ok_or(CommandError::text("ERR timeout is not a float or out of range"))?;
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
    let milliseconds = parse_i64(arg).ok_or(CommandError::text("ERR timeout is not an integer or out of range"))?;
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

/// Lets the client wait until one of the arguments `keys` names a key of type `wanted`. Returns whether it does: where a
/// command may not wait, it answers at once that there is nothing.
pub fn wait(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    keys: Range<usize>,
    wanted: Type,
    deadline: Option<Instant>,
) -> bool {
    if ctx.may_wait {
        ctx.effects.push(Effect::Answer(Answer::Wait(Box::new(Wait {
            args: args.to_buf(),
            keys,
            awaited: Awaited::Type(wanted),
            deadline,
            in_vain: InVain::NullArray,
        }))));
    }
    ctx.may_wait
}

/// `command key [key ...] timeout`: takes from the first key that has something, or waits. `pop` writes the reply where
/// its key exists, and returns whether it does.
pub fn pop_or_wait(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    wanted: Type,
    pop: impl Fn(&mut WriteCtx<'_>, &[u8]) -> Result<bool, CommandError>,
) -> CommandResult {
    let last = args.len() - 1;
    let deadline = deadline(args.arg(last), ctx.now)?;
    for key in args.head(last).tail(1) {
        if pop(ctx, key)? {
            return Ok(());
        }
    }
    if !wait(ctx, args, 1..last, wanted, deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}

/// `command timeout numkeys key [key ...] <side> [COUNT count]`: takes from the first key that has something, or waits.
pub fn pop_many_or_wait<S>(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    wanted: Type,
    side: fn(&[u8]) -> Result<S, CommandError>,
    pop_many: impl Fn(&mut WriteCtx<'_>, &MultiPop<'_, S>) -> Result<bool, CommandError>,
) -> CommandResult {
    const KEYS_FROM: usize = 3;
    let options = MultiPop::parse(args.tail(KEYS_FROM - 1), side)?;
    let deadline = deadline(args.arg(1), ctx.now)?;
    let keys = KEYS_FROM..KEYS_FROM + options.keys.len();
    if !pop_many(ctx, &options)? && !wait(ctx, args, keys, wanted, deadline) {
        ctx.reply.null_array();
    }
    Ok(())
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
}
