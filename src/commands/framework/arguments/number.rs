//! Integers, floats, counts, databases and cursors.

use crate::commands::framework::error::CommandError;
use crate::config::Config;
use crate::stdx::number::{parse_f64, parse_i64, parse_u64_like_strtoull};

/// Reads an integer.
pub fn integer(arg: &[u8]) -> Result<i64, CommandError> {
    integer_or(arg, CommandError::NotInteger)
}

/// Reads an integer, where other text is refused by an error of the command's own.
pub fn integer_or(arg: &[u8], refused: CommandError) -> Result<i64, CommandError> {
    parse_i64(arg).ok_or(refused)
}

/// Reads a number of things, `min` or more. Any other text and any other number is refused by the same error.
pub fn count(arg: &[u8], min: usize, refused: CommandError) -> Result<usize, CommandError> {
    let number = parse_i64(arg).and_then(|number| usize::try_from(number).ok());
    number.filter(|&number| number >= min).ok_or(refused)
}

/// A number that was read, as a number of things, `min` or more: `at_least(integer(arg)?, 1, too_small)`.
pub fn at_least(number: i64, min: usize, too_small: CommandError) -> Result<usize, CommandError> {
    usize::try_from(number).ok().filter(|&number| number >= min).ok_or(too_small)
}

/// A bound of which 0 means that there is none.
pub fn unlimited_if_zero(bound: usize) -> usize {
    if bound == 0 { usize::MAX } else { bound }
}

/// Reads a float.
pub fn float(arg: &[u8]) -> Result<f64, CommandError> {
    float_or(arg, CommandError::NotFloat)
}

/// Reads a float, where other text is refused by an error of the command's own.
pub fn float_or(arg: &[u8], refused: CommandError) -> Result<f64, CommandError> {
    parse_f64(arg).ok_or(refused)
}

/// Reads the index of a database.
pub fn database(arg: &[u8], config: &Config) -> Result<usize, CommandError> {
    let index = i32::try_from(integer(arg)?)
        .map_err(|_| CommandError::text("ERR value is out of range, value must between -2147483648 and 2147483647"))?;
    let index = u32::try_from(index).map_err(|_| CommandError::DbOutOfRange)?;
    if index < config.databases { Ok(index as usize) } else { Err(CommandError::DbOutOfRange) }
}

/// Reads the cursor of SCAN and its like.
pub fn cursor(arg: &[u8]) -> Result<u64, CommandError> {
    // Redis reads it by strtoul, for which an empty text is 0, but refuses space before it.
    match arg {
        b"" => Ok(0),
        [first, ..] if first.is_ascii_whitespace() || *first == b'\x0b' => Err(CommandError::InvalidCursor),
        _ => parse_u64_like_strtoull(arg).ok_or(CommandError::InvalidCursor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_begin_at_their_least_number() {
        let refused = CommandError::NotPositive;
        assert_eq!(count(b"3", 1, refused.clone()), Ok(3));
        assert_eq!(count(b"9223372036854775807", 0, refused.clone()), Ok(i64::MAX as usize));
        for text in ["0", "-1", "x", "", "9223372036854775808", "1.0"] {
            assert_eq!(count(text.as_bytes(), 1, refused.clone()), Err(CommandError::NotPositive), "{text}");
        }
        assert_eq!(at_least(0, 0, refused.clone()), Ok(0));
        assert_eq!(at_least(-1, 0, refused), Err(CommandError::NotPositive));
        assert_eq!([unlimited_if_zero(0), unlimited_if_zero(2)], [usize::MAX, 2]);
    }

    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        for (text, value) in [("", 0), ("0", 0), ("17", 17), ("18446744073709551615", u64::MAX), ("007", 7), ("+5", 5)]
        {
            assert_eq!(cursor(text.as_bytes()), Ok(value), "{text}");
        }
        assert_eq!((cursor(b"-0"), cursor(b"-1")), (Ok(0), Ok(u64::MAX)));
        for text in ["x", " 1", "1 ", "18446744073709551616", "0x1", "1.0", "+", "-", "+-1", "--1"] {
            assert_eq!(cursor(text.as_bytes()), Err(CommandError::InvalidCursor), "{text}");
        }
    }
}
