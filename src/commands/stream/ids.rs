//! Identifiers of entries as commands take and answer them.

use crate::commands::framework::CommandError;
use crate::resp::Reply;
use crate::stdx::number::{parse_i64, parse_u64_like_strtoull};
use crate::types::stream::StreamId;

/// The longest text that can be an identifier; leading zeros are allowed.
const TEXT_BYTES_MAX: usize = 127;

/// The longest text of an identifier that is answered: two numbers of 20 digits and a dash.
const ANSWER_BYTES_MAX: usize = 41;

const INVALID: CommandError = CommandError::text("ERR Invalid stream ID specified as stream command argument");

/// The identifier of an entry to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewId {
    /// `*`: the time, or the one behind the last identifier.
    Auto,
    /// `ms-*`: the next one of this millisecond.
    AutoSequence(u64),
    Given(StreamId),
}

impl NewId {
    pub fn parse(arg: &[u8]) -> Result<Self, CommandError> {
        if arg == b"*" {
            return Ok(Self::Auto);
        }
        if let Some(ms) = arg.strip_suffix(b"-*")
            && arg.len() <= TEXT_BYTES_MAX
        {
            return number(ms).map(Self::AutoSequence).ok_or(INVALID);
        }
        strict(arg).map(Self::Given)
    }

    /// The identifier itself, which is greater than `last`; `None` if it cannot be.
    pub fn after(self, last: StreamId, now_ms: u64) -> Option<StreamId> {
        let id = match self {
            Self::Auto if now_ms > last.ms => StreamId { ms: now_ms, seq: 0 },
            Self::Auto => last.next()?,
            Self::AutoSequence(ms) if ms == last.ms => StreamId { ms, seq: last.seq.checked_add(1)? },
            Self::AutoSequence(ms) => StreamId { ms, seq: 0 },
            Self::Given(id) => id,
        };
        (id > last).then_some(id)
    }
}

/// Reads `ms-seq`, or `ms` alone for the first identifier of that millisecond.
pub fn strict(arg: &[u8]) -> Result<StreamId, CommandError> {
    parse(arg, 0).ok_or(INVALID)
}

/// As [`strict`], or `-` or `+` for the smallest or the greatest one.
pub fn any(arg: &[u8]) -> Result<StreamId, CommandError> {
    with_signs(arg, 0)
}

/// Reads the first identifier of a range: that of `any`, or behind `(` the one after it.
pub fn range_start(arg: &[u8]) -> Result<StreamId, CommandError> {
    match exclusive(arg) {
        None => with_signs(arg, 0),
        Some(arg) => {
            let id = parse(arg, 0).ok_or(INVALID)?;
            id.next().ok_or(CommandError::text("ERR invalid start ID for the interval"))
        }
    }
}

/// Reads the last identifier of a range, where a millisecond alone stands for its last one.
pub fn range_end(arg: &[u8]) -> Result<StreamId, CommandError> {
    match exclusive(arg) {
        None => with_signs(arg, u64::MAX),
        Some(arg) => {
            let id = parse(arg, u64::MAX).ok_or(INVALID)?;
            id.previous().ok_or(CommandError::text("ERR invalid end ID for the interval"))
        }
    }
}

/// Writes an identifier as a bulk reply.
pub fn write(reply: &mut Reply, id: StreamId) {
    let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (ms, seq) = (ms.format(id.ms).as_bytes(), seq.format(id.seq).as_bytes());
    let mut text = [b'-'; ANSWER_BYTES_MAX];
    let len = ms.len() + 1 + seq.len();
    text[..ms.len()].copy_from_slice(ms);
    text[ms.len() + 1..len].copy_from_slice(seq);
    reply.bulk(&text[..len]);
}

/// What follows the `(` of a bound that is not part of its range.
fn exclusive(arg: &[u8]) -> Option<&[u8]> {
    arg.strip_prefix(b"(").filter(|rest| !rest.is_empty())
}

fn with_signs(arg: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match arg {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => parse(arg, missing_seq).ok_or(INVALID),
    }
}

fn parse(arg: &[u8], missing_seq: u64) -> Option<StreamId> {
    if arg.len() > TEXT_BYTES_MAX {
        return None;
    }
    match memchr::memchr(b'-', arg) {
        None => Some(StreamId { ms: number(arg)?, seq: missing_seq }),
        Some(dash) => Some(StreamId { ms: number(&arg[..dash])?, seq: number(&arg[dash + 1..])? }),
    }
}

/// Reads one half of an identifier. Redis tries it as a plain number first, of which it refuses a negative one, and reads
/// whatever else it is by strtoull.
fn number(text: &[u8]) -> Option<u64> {
    match parse_i64(text) {
        Some(plain) => u64::try_from(plain).ok(),
        None => parse_u64_like_strtoull(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    #[test]
    fn identifiers_are_one_or_two_numbers() {
        for (text, expected) in [
            ("0", Some(id(0, 0))),
            ("5", Some(id(5, 0))),
            ("5-7", Some(id(5, 7))),
            ("007-08", Some(id(7, 8))),
            ("18446744073709551615-18446744073709551615", Some(StreamId::MAX)),
            ("18446744073709551616-0", None),
            ("", None),
            ("-", None),
            ("+", None),
            ("-1", None),
            ("1-", None),
            ("1-2-3", None),
            ("1-x", None),
            ("1 ", None),
            ("*", None),
            ("1-*", None),
            ("+5", Some(id(5, 0))),
            (" 5", Some(id(5, 0))),
            ("\t\n\x0b\x0c\r 5-+6", Some(id(5, 6))),
            ("5- 6", Some(id(5, 6))),
            ("5--6", None),
            ("5--06", Some(id(5, 6u64.wrapping_neg()))),
            ("5-+-6", None),
            ("5- ", None),
            ("+ 5", None),
            ("++5", None),
            (" ", None),
            ("0x5", None),
        ] {
            assert_eq!(strict(text.as_bytes()).ok(), expected, "{text}");
        }
        let long = format!("{}1", "0".repeat(127));
        assert_eq!(strict(long.as_bytes()), Err(INVALID));
        assert_eq!(strict(&long.as_bytes()[1..]), Ok(id(1, 0)));
    }

    #[test]
    fn bounds_of_ranges_have_signs_and_may_be_exclusive() {
        assert_eq!(any(b"+"), Ok(StreamId::MAX));
        assert_eq!((range_start(b"-"), range_end(b"+")), (Ok(StreamId::MIN), Ok(StreamId::MAX)));
        assert_eq!((range_start(b"5"), range_end(b"5")), (Ok(id(5, 0)), Ok(id(5, u64::MAX))));
        assert_eq!((range_start(b"(5"), range_end(b"(5")), (Ok(id(5, 1)), Ok(id(5, u64::MAX - 1))));
        assert_eq!(range_start(b"(5-18446744073709551615"), Ok(id(6, 0)));
        assert_eq!(range_end(b"(5-0"), Ok(id(4, u64::MAX)));
        assert!(range_start(b"(-").is_err() && range_end(b"(+").is_err() && range_start(b"(").is_err());
        let refused = |result: Result<StreamId, CommandError>| result.map_err(|error| error.to_string());
        let last = b"(18446744073709551615-18446744073709551615";
        assert_eq!(refused(range_start(last)), Err("ERR invalid start ID for the interval".to_owned()));
        assert_eq!(refused(range_end(b"(0-0")), Err("ERR invalid end ID for the interval".to_owned()));
    }

    #[test]
    fn new_identifiers_grow() {
        let after = |text: &str, last, now_ms| NewId::parse(text.as_bytes()).expect("it is one").after(last, now_ms);
        assert_eq!(after("*", id(0, 0), 1_000), Some(id(1_000, 0)));
        // A clock that went back.
        assert_eq!(after("*", id(2_000, 3), 1_000), Some(id(2_000, 4)));
        assert_eq!(after("*", id(2_000, u64::MAX), 1_000), Some(id(2_001, 0)));
        assert_eq!(after("*", StreamId::MAX, 1_000), None);
        assert_eq!(after("0-*", id(0, 0), 1_000), Some(id(0, 1)));
        assert_eq!(after("5-*", id(5, 7), 1_000), Some(id(5, 8)));
        assert_eq!(after("5-*", id(5, u64::MAX), 1_000), None);
        assert_eq!(after("6-*", id(5, 7), 1_000), Some(id(6, 0)));
        assert_eq!(after("4-*", id(5, 7), 1_000), None);
        assert_eq!(after("5-7", id(5, 7), 1_000), None);
        assert_eq!(after("5-8", id(5, 7), 1_000), Some(id(5, 8)));
        assert!(NewId::parse(b"-*").is_err() && NewId::parse(b"5-**").is_err());
    }

    #[test]
    fn answers_are_in_full() {
        let mut reply = Reply::default();
        write(&mut reply, id(0, 1));
        write(&mut reply, StreamId::MAX);
        assert_eq!(reply.take(), b"$3\r\n0-1\r\n$41\r\n18446744073709551615-18446744073709551615\r\n");
    }
}
