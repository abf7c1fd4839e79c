//! What is wrong with a configuration: every fault at once, each with its place.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::file::{INCLUDE_DEPTH_MAX, Line};
use super::table::{KEYS, find};
use super::value::ValueError;
use crate::stdx::edit_distance;
use crate::stdx::text::reason;
use crate::stdx::version;

/// Where a line of configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File(PathBuf),
    StandardInput,
    CommandLine,
}

/// A line, or the option of that number on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub origin: Origin,
    pub number: usize,
}

/// Why a line is refused.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error("Unbalanced quotes in configuration line")]
    UnbalancedQuotes,
    #[error("Bad directive or wrong number of arguments{}", suggestion(.0))]
    Unknown(Option<&'static str>),
    #[error("Bad directive or wrong number of arguments")]
    IncludeArguments,
    #[error("{directive}: not available: {reason}")]
    NotAvailable { directive: &'static str, reason: &'static str },
    #[error("Files include each other more than {INCLUDE_DEPTH_MAX} deep")]
    TooDeep,
    #[error(transparent)]
    Value(#[from] ValueError),
}

fn suggestion(name: &Option<&'static str>) -> String {
    name.map_or_else(String::new, |name| format!("\nDid you mean '{name}'?"))
}

#[derive(Debug)]
pub enum Fault {
    Line { place: Place, included_from: Vec<Place>, text: Vec<u8>, error: LineError },
    Unreadable { origin: Origin, included_from: Vec<Place>, error: io::Error },
}

/// Why the server cannot start with its configuration.
#[derive(Debug)]
pub struct ConfigError {
    /// At least one, in the order of reading.
    pub faults: Vec<Fault>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file that is no configuration at all has a fault in each of its lines.
        const SHOWN_MAX: usize = 50;
        let mut heading = "";
        for (index, fault) in self.faults.iter().take(SHOWN_MAX).enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            if fault.heading() != heading {
                heading = fault.heading();
                writeln!(out, "\n*** {heading} (Redis {}) ***", version::REDIS)?;
            } else {
                writeln!(out)?;
            }
            write!(out, "{fault}")?;
        }
        match self.faults.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            1 => write!(out, "\n\n1 more line is wrong."),
            more => write!(out, "\n\n{more} more lines are wrong."),
        }
    }
}

impl Fault {
    fn heading(&self) -> &'static str {
        match self {
            Self::Line { place: Place { origin: Origin::CommandLine, .. }, .. } => "FATAL COMMAND LINE ERROR",
            _ => "FATAL CONFIG FILE ERROR",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { place, included_from, text, error } => {
                match place.origin {
                    Origin::CommandLine => writeln!(out, "Reading the argument '{}'", option_of(text))?,
                    _ => writeln!(out, "Reading {place}")?,
                }
                write_includes(out, included_from)?;
                writeln!(out, ">>> '{}'", String::from_utf8_lossy(text))?;
                write!(out, "{error}")
            }
            Self::Unreadable { origin, included_from, error } => {
                write_includes(out, included_from)?;
                match origin {
                    Origin::File(path) => write!(out, "Can't open config file '{}': {}", path.display(), reason(error)),
                    _ => write!(out, "Can't read the configuration from standard input: {}", reason(error)),
                }
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(path) => {
                write!(out, "the configuration file {}, at line {}", path.display(), self.number)
            }
            Origin::StandardInput => write!(out, "the configuration from standard input, at line {}", self.number),
            Origin::CommandLine => write!(out, "the command line, at option {}", self.number),
        }
    }
}

/// The innermost include first.
fn write_includes(out: &mut fmt::Formatter<'_>, included_from: &[Place]) -> fmt::Result {
    included_from.iter().rev().try_for_each(|place| writeln!(out, "Included from {place}"))
}

/// The option that the line of an argument was made of.
fn option_of(line: &[u8]) -> String {
    let name = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    match name {
        [b'"', ..] => String::from_utf8_lossy(name.trim_ascii()).trim_matches('"').to_owned(),
        name => format!("--{}", String::from_utf8_lossy(name)),
    }
}

/// A line as an error may show it: without passwords.
pub fn without_passwords(line: &Line<'_>) -> Vec<u8> {
    match line.words.as_deref() {
        Some([directive, name, _, ..]) if directive == b"user" => [b"user ", &**name, b" (redacted)"].concat(),
        Some([directive, _, ..]) if find(directive).is_some_and(|key| key.sensitive) => {
            [&**directive, b" (redacted)"].concat()
        }
        _ => line.text.to_vec(),
    }
}

/// The known name that somebody may have meant who wrote this one.
pub fn similar_name(name: &[u8]) -> Option<&'static str> {
    const NAME_LEN_MAX: usize = 64;
    // Other programs have `name = value` and `name: value`.
    let name = name.split(|byte| matches!(byte, b'=' | b':')).next().unwrap_or_default();
    if name.len() > NAME_LEN_MAX {
        return None;
    }
    let name: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }).collect();
    // One error in a short word, and up to three in a long one.
    let errors_max = (name.len() / 4).clamp(1, 3);
    let names = KEYS.iter().filter(|key| !key.hidden).flat_map(super::key::Key::names).chain(["include"]);
    let near = names.map(|known| (edit_distance(&name, known.as_bytes()), known));
    near.filter(|(distance, _)| *distance <= errors_max).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}
