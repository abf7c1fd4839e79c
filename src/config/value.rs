//! The texts of values: how they are read, shown, and refused.

use super::kinds::MemoryShare;
use crate::stdx::number::{parse_f64, parse_i64};
use crate::stdx::text::parse_memory;

/// Why a value is refused. The texts are those of Redis where Redis has one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ValueError {
    #[error("argument must be 'yes' or 'no'")]
    NotYesOrNo,
    #[error("argument couldn't be parsed into an integer")]
    NotAnInteger,
    #[error("argument couldn't be parsed as an octal number")]
    NotOctal,
    #[error("argument must be a memory value")]
    NotMemory,
    #[error("argument must be a memory or percent value")]
    NotMemoryOrPercent,
    #[error("argument must be between {min} and {max} inclusive")]
    OutOfRange { min: i128, max: i128 },
    #[error("argument must be between 0 and {max:o} inclusive")]
    OctalOutOfRange { max: u32 },
    #[error("percentage argument must be less or equal to {max}")]
    PercentageTooLarge { max: u8 },
    #[error("argument(s) must be one of the following: {}", names.join(", "))]
    NotOneOf { names: &'static [&'static str] },
    #[error("argument must be text in UTF-8 without a zero byte")]
    NotText,
    #[error("wrong number of arguments")]
    WrongNumberOfArguments,
    #[error("Invalid save parameters")]
    InvalidSave,
    #[error("dbfilename can't be a path, just a filename")]
    FileNameIsPath,
    #[error("template format is invalid or contains unknown variables")]
    InvalidTitleTemplate,
    #[error("Too many bind addresses specified.")]
    TooManyAddresses,
    #[error("Wrong number of arguments in buffer limit configuration.")]
    BufferLimitArguments,
    #[error("Invalid client class specified in buffer limit configuration.")]
    BufferLimitClass,
    #[error("Error in hard, soft or soft_seconds setting in buffer limit configuration.")]
    BufferLimitNumber,
    #[error("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")]
    InvalidEventClass,
    #[error("Invalid latency-tracking-info-percentiles parameters")]
    InvalidPercentiles,
    #[error("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")]
    PercentileOutOfRange,
    #[error("shutdown options SAVE and NOSAVE can't be used simultaneously")]
    SaveAndNoSave,
    #[error("Duplicate user found. A user can only be defined once in config files")]
    DuplicateUser,
    #[error("Invalid master port")]
    InvalidPrimaryPort,
    #[error("{name}: '{value}' is not available: {reason}")]
    NotAvailable { name: &'static str, value: String, reason: &'static str },
}

/// The one argument of a setting that takes one.
pub fn only(args: &[Vec<u8>]) -> Result<&[u8], ValueError> {
    match args {
        [arg] => Ok(arg),
        _ => Err(ValueError::WrongNumberOfArguments),
    }
}

pub fn parse_flag(arg: &[u8]) -> Result<bool, ValueError> {
    if arg.eq_ignore_ascii_case(b"yes") {
        Ok(true)
    } else if arg.eq_ignore_ascii_case(b"no") {
        Ok(false)
    } else {
        Err(ValueError::NotYesOrNo)
    }
}

pub fn show_flag(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

pub fn parse_integer(arg: &[u8], min: i64, max: i64) -> Result<i64, ValueError> {
    let value = parse_i64(arg).ok_or(ValueError::NotAnInteger)?;
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(ValueError::OutOfRange { min: min.into(), max: max.into() })
    }
}

pub fn parse_octal(arg: &[u8], max: u32) -> Result<u32, ValueError> {
    let text = std::str::from_utf8(arg).map_err(|_| ValueError::NotOctal)?;
    let value = u32::from_str_radix(text, 8).map_err(|_| ValueError::NotOctal)?;
    if value <= max { Ok(value) } else { Err(ValueError::OctalOutOfRange { max }) }
}

pub fn parse_bytes(arg: &[u8], min: u64, max: u64) -> Result<u64, ValueError> {
    let bytes = parse_memory(arg).ok_or(ValueError::NotMemory)?;
    if (min..=max).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(ValueError::OutOfRange { min: min.into(), max: max.into() })
    }
}

/// Reads an amount of memory, or a share of it such as `5%`.
pub fn parse_memory_share(arg: &[u8]) -> Result<MemoryShare, ValueError> {
    const PERCENT_MAX: u8 = 100;
    if let Some(bytes) = parse_memory(arg) {
        return Ok(MemoryShare::Bytes(bytes));
    }
    let percent = arg.strip_suffix(b"%").and_then(parse_i64).filter(|percent| *percent >= 0);
    match percent.map(u8::try_from).ok_or(ValueError::NotMemoryOrPercent)? {
        Ok(0) => Ok(MemoryShare::Bytes(0)),
        Ok(percent @ ..=PERCENT_MAX) => Ok(MemoryShare::Percent(percent)),
        _ => Err(ValueError::PercentageTooLarge { max: PERCENT_MAX }),
    }
}

/// The share as CONFIG GET shows it, or with an amount in the largest unit that it is a multiple of.
pub fn show_memory_share(share: MemoryShare, show_amount: fn(u64) -> String) -> String {
    match share {
        MemoryShare::Bytes(bytes) => show_amount(bytes),
        MemoryShare::Percent(percent) => format!("{percent}%"),
    }
}

pub fn parse_choice(arg: &[u8], names: &'static [&'static str]) -> Result<usize, ValueError> {
    names.iter().position(|name| arg.eq_ignore_ascii_case(name.as_bytes())).ok_or(ValueError::NotOneOf { names })
}

pub fn parse_text(arg: &[u8]) -> Result<&str, ValueError> {
    std::str::from_utf8(arg).ok().filter(|text| !text.contains('\0')).ok_or(ValueError::NotText)
}

pub fn parse_percentile(arg: &[u8]) -> Result<f64, ValueError> {
    let percentile = parse_f64(arg).ok_or(ValueError::InvalidPercentiles)?;
    if (0.0..=100.0).contains(&percentile) { Ok(percentile) } else { Err(ValueError::PercentileOutOfRange) }
}

/// An amount of memory as redis.conf writes it: in the largest unit that holds it whole.
pub fn show_bytes(bytes: u64) -> String {
    for (shift, unit) in [(30, "gb"), (20, "mb"), (10, "kb")] {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Splits the value that CONFIG SET gives for a setting of several arguments: at each single space.
pub fn split_at_spaces(value: &[u8]) -> Vec<Vec<u8>> {
    if value.is_empty() { Vec::new() } else { value.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect() }
}
