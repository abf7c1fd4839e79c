//! What SCAN, HSCAN, SSCAN and ZSCAN share: the options, the walk and the reply.

use super::arguments::{at_least, integer};
use super::error::CommandError;
use crate::resp::{Args, ArgsBuf, Reply};
use crate::stdx::glob::glob_match;

/// Elements that one call looks for unless COUNT says otherwise.
const COUNT_DEFAULT: usize = 10;

/// Steps that one call makes through a sparse table, for each element that it looks for.
const STEPS_PER_ELEMENT: usize = 10;

/// The option that one of these commands has and the others do not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnOption {
    None,
    /// `TYPE type`.
    Type,
    NoValues,
}

/// The options behind the cursor.
#[derive(Debug)]
pub struct Scan<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    /// Keys of this type only.
    pub type_name: Option<&'a [u8]>,
    /// Names only (NOVALUES).
    pub names_only: bool,
}

/// What a scan of a missing key answers.
pub fn reply_nothing(reply: &mut Reply) {
    reply.array(2);
    reply.bulk("0");
    reply.empty_array();
}

impl<'a> Scan<'a> {
    /// Reads what follows the cursor.
    pub fn parse(args: Args<'a>, own: OwnOption) -> Result<Self, CommandError> {
        let mut options = Self { pattern: None, count: COUNT_DEFAULT, type_name: None, names_only: false };
        let mut rest = args.iter();
        while let Some(option) = rest.next() {
            let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
            if own == OwnOption::NoValues && is("NOVALUES") {
                options.names_only = true;
                continue;
            }
            let value = rest.next().ok_or(CommandError::Syntax)?;
            if is("COUNT") {
                options.count = at_least(integer(value)?, 1, CommandError::Syntax)?;
            } else if is("MATCH") {
                options.pattern = (value != b"*").then_some(value);
            } else if own == OwnOption::Type && is("TYPE") {
                options.type_name = Some(value);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Whether an element of this name is asked for.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob_match(pattern, name, false))
    }

    /// Calls `step` with the cursor until enough elements were visited or the walk ends, and answers with what the
    /// steps have put into the buffer. `step` returns the next cursor and the number of elements visited.
    pub fn run(&self, mut cursor: u64, reply: &mut Reply, mut step: impl FnMut(u64, &mut ArgsBuf) -> (u64, usize)) {
        let mut found = ArgsBuf::new();
        let mut visited = 0;
        let mut steps_left = self.count.saturating_mul(STEPS_PER_ELEMENT);
        loop {
            let (next, seen) = step(cursor, &mut found);
            cursor = next;
            visited += seen;
            if cursor == 0 || steps_left == 0 || visited >= self.count {
                break;
            }
            steps_left -= 1;
        }
        reply.array(2);
        reply.bulk(itoa::Buffer::new().format(cursor));
        reply.array(found.as_args().len());
        for text in found.as_args() {
            reply.bulk(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str], own: OwnOption) -> Result<(usize, bool, bool), CommandError> {
        let args: ArgsBuf = line.iter().collect();
        Scan::parse(args.as_args(), own).map(|scan| (scan.count, scan.names_only, scan.type_name.is_some()))
    }

    #[test]
    fn options_without_a_value_or_of_no_known_name_are_syntax_errors() {
        for line in [&["MATCH"][..], &["COUNT", "0"], &["COUNT", "-1"], &["LIMIT", "3"], &["TYPE"]] {
            for own in [OwnOption::None, OwnOption::Type, OwnOption::NoValues] {
                assert_eq!(parsed(line, own), Err(CommandError::Syntax), "{line:?}");
            }
        }
        assert_eq!(parsed(&["COUNT", "many"], OwnOption::None), Err(CommandError::NotInteger));
    }

    #[test]
    fn each_command_takes_its_own_option_only() {
        assert_eq!(parsed(&["NOVALUES", "COUNT", "3"], OwnOption::NoValues), Ok((3, true, false)));
        assert_eq!(parsed(&["TYPE", "set"], OwnOption::Type), Ok((10, false, true)));
        for (line, own) in [(&["NOVALUES"][..], OwnOption::Type), (&["TYPE", "set", "COUNT", "x"], OwnOption::None)] {
            assert_eq!(parsed(line, own), Err(CommandError::Syntax), "{line:?}");
        }
    }
}
