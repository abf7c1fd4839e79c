//! How arguments are read.

use super::error::CommandError;
use crate::config::Config;
use crate::stdx::number::{parse_i64, parse_u64_like_strtoull};

/// Reads an argument as an integer.
pub fn integer(arg: &[u8]) -> Result<i64, CommandError> {
    parse_i64(arg).ok_or(CommandError::NotInteger)
}

/// Reads an argument as an integer from `min` on; any other text and any other number is refused by one error.
pub fn integer_from(arg: &[u8], min: i64, error: CommandError) -> Result<i64, CommandError> {
    parse_i64(arg).filter(|&value| value >= min).ok_or(error)
}

/// Reads an argument as the index of a database.
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
