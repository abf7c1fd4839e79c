//! What HSCAN, SSCAN and ZSCAN share: the cursor, the options and the walk.

pub(super) use super::keys::iterate::cursor;

use super::context::integer;
use super::error::CommandError;
use crate::resp::{Args, ArgsBuf, Reply};
use crate::stdx::glob::glob_match;

/// Elements that one call looks for unless COUNT says otherwise.
const COUNT_DEFAULT: usize = 10;

/// Steps that one call makes through a sparse table, for each element that it looks for.
const STEPS_PER_ELEMENT: usize = 10;

/// The options behind the cursor.
#[derive(Debug)]
pub struct ElementScan<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    /// Names only (NOVALUES).
    pub names_only: bool,
}

/// What a scan of a missing key answers.
pub fn reply_nothing(reply: &mut Reply) {
    reply.array(2);
    reply.bulk("0");
    reply.empty_array();
}

impl<'a> ElementScan<'a> {
    /// Reads what follows the cursor. `values` says whether elements have values, which NOVALUES leaves out.
    pub fn parse(args: Args<'a>, values: bool) -> Result<Self, CommandError> {
        let mut options = Self { pattern: None, count: COUNT_DEFAULT, names_only: false };
        let mut rest = args.iter();
        while let Some(option) = rest.next() {
            if values && option.eq_ignore_ascii_case(b"NOVALUES") {
                options.names_only = true;
                continue;
            }
            let value = rest.next().ok_or(CommandError::Syntax)?;
            if option.eq_ignore_ascii_case(b"COUNT") {
                let count = integer(value)?;
                options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(CommandError::Syntax)?;
            } else if option.eq_ignore_ascii_case(b"MATCH") {
                options.pattern = (value != b"*").then_some(value);
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

    #[test]
    fn options_without_a_value_or_of_no_known_name_are_syntax_errors() {
        for line in [&["MATCH"][..], &["COUNT", "0"], &["COUNT", "-1"], &["LIMIT", "3"], &["TYPE", "set"]] {
            let args: ArgsBuf = line.iter().collect();
            assert_eq!(ElementScan::parse(args.as_args(), true).unwrap_err(), CommandError::Syntax, "{line:?}");
        }
        let args: ArgsBuf = ["NOVALUES", "COUNT", "3"].into_iter().collect();
        assert!(ElementScan::parse(args.as_args(), true).unwrap().names_only);
        assert!(ElementScan::parse(args.as_args(), false).is_err());
    }
}
