//! How a stream is to be cut: the options that XADD and XTRIM share.

use super::ids;
use crate::commands::framework::CommandError;
use crate::commands::framework::arguments::{at_least, integer};
use crate::resp::{Args, ArgsBuf};
use crate::types::Limits;
use crate::types::stream::{StreamId, StreamValue};

/// Nodes that an approximate trim removes at most, unless the client names a limit.
const NODES_MAX: usize = 100;

/// What stands for that many entries where the size of a node is not limited by their number.
const ENTRIES_DEFAULT: usize = 10_000;

/// And at most so many.
const ENTRIES_MAX: usize = 1_000_000;

/// Which entries are to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trim {
    strategy: Strategy,
    /// Only whole nodes are removed, and no more than `limit` entries.
    approximate: bool,
    /// How many entries are removed at most.
    limit: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Strategy {
    /// Leave so many.
    Length(usize),
    /// Leave those from here on.
    FirstId(StreamId),
}

/// The options of a trim while they are read.
#[derive(Default)]
pub struct TrimOptions {
    strategy: Option<Strategy>,
    approximate: bool,
    limit: Option<usize>,
    /// Whether the primary has decided how much goes, and a LIMIT has no meaning any more.
    is_record: bool,
}

impl TrimOptions {
    /// Options of a client's command, or of a record. Redis makes an approximate trim exact in its record, and leaves the
    /// LIMIT there, which it accepts from its primary alone.
    pub fn new(is_record: bool) -> Self {
        Self { is_record, ..Self::default() }
    }

    /// Reads one option at the beginning of `args`. Returns how many arguments it has; 0 if it is no option of a trim.
    pub fn read(&mut self, args: Args<'_>) -> Result<usize, CommandError> {
        let option = args.arg(0);
        let length = option.eq_ignore_ascii_case(b"MAXLEN");
        if args.len() < 2 {
            return Ok(0);
        }
        if length || option.eq_ignore_ascii_case(b"MINID") {
            return self.read_strategy(args, length);
        }
        if !option.eq_ignore_ascii_case(b"LIMIT") {
            return Ok(0);
        }
        let negative = CommandError::text("ERR The LIMIT argument must be >= 0.");
        self.limit = Some(at_least(integer(args.arg(1))?, 0, negative)?);
        Ok(2)
    }

    fn read_strategy(&mut self, args: Args<'_>, length: bool) -> Result<usize, CommandError> {
        if self.strategy.is_some() {
            return Err(CommandError::text(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let signed = args.len() >= 3 && matches!(args.arg(1), b"~" | b"=");
        self.approximate = signed && args.arg(1) == b"~";
        let threshold = args.arg(1 + usize::from(signed));
        self.strategy = Some(if length {
            let negative = CommandError::text("ERR The MAXLEN argument must be >= 0.");
            Strategy::Length(at_least(integer(threshold)?, 0, negative)?)
        } else {
            Strategy::FirstId(ids::strict(threshold)?)
        });
        Ok(2 + usize::from(signed))
    }

    /// The options as a whole; without any of them there is nothing to trim.
    pub fn finish(mut self, limits: &Limits) -> Result<Option<Trim>, CommandError> {
        if self.is_record {
            self.limit = self.approximate.then_some(0);
        }
        if self.strategy.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return Err(CommandError::text(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.limit.is_some() && !self.approximate {
            return Err(CommandError::text("ERR syntax error, LIMIT cannot be used without the special ~ option"));
        }
        let Some(strategy) = self.strategy else { return Ok(None) };
        let limit = self.limit.or_else(|| self.approximate.then(|| default_limit(limits.stream_node_max_entries)));
        // 0 means that there is none.
        Ok(Some(Trim { strategy, approximate: self.approximate, limit: limit.filter(|&limit| limit > 0) }))
    }

    /// As [`TrimOptions::finish`], for a command that does nothing else.
    pub fn finish_required(self, limits: &Limits) -> Result<Trim, CommandError> {
        const MISSING: CommandError =
            CommandError::text("ERR syntax error, XTRIM must be called with a trimming strategy");
        if self.strategy.is_none() && self.limit.is_none_or(|limit| limit == 0) {
            return Err(MISSING);
        }
        self.finish(limits)?.ok_or(MISSING)
    }
}

fn default_limit(node_max_entries: usize) -> usize {
    match node_max_entries.saturating_mul(NODES_MAX) {
        0 => ENTRIES_DEFAULT,
        entries => entries.min(ENTRIES_MAX),
    }
}

/// What a trim has done.
#[derive(Clone, Copy, Debug)]
pub struct Trimmed {
    /// How many entries were removed.
    pub removed: usize,
    /// What an exact trim would have been given for that.
    exact: Strategy,
}

impl Trim {
    /// Whether it depends on the sizes of nodes how much is removed.
    pub fn is_approximate(self) -> bool {
        self.approximate
    }

    /// Removes the entries.
    pub fn apply(self, stream: &mut StreamValue) -> Trimmed {
        match self.strategy {
            Strategy::Length(length) => {
                let removed = stream.trim_by_len(length, self.approximate, self.limit);
                Trimmed { removed, exact: Strategy::Length(stream.len()) }
            }
            Strategy::FirstId(first) => {
                let removed = stream.trim_by_id(first, self.approximate, self.limit);
                let first = if stream.len() > 0 { stream.first_id() } else { StreamId::MAX };
                Trimmed { removed, exact: Strategy::FirstId(first) }
            }
        }
    }
}

impl Trimmed {
    /// Writes the option that removes the same entries wherever the data is the same, whatever the sizes of nodes are.
    pub fn write_exact(self, out: &mut ArgsBuf) {
        match self.exact {
            Strategy::Length(length) => {
                out.extend(["MAXLEN", "="]);
                out.push(length.to_string());
            }
            Strategy::FirstId(first) => {
                out.extend(["MINID", "="]);
                out.push(first.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ArgsBuf;

    fn read(line: &str) -> Result<Option<Trim>, String> {
        read_as(line, false)
    }

    fn read_as(line: &str, is_record: bool) -> Result<Option<Trim>, String> {
        let args: ArgsBuf = line.split_ascii_whitespace().collect();
        let mut args = args.as_args();
        let mut options = TrimOptions::new(is_record);
        let refused = |error: CommandError| error.to_string();
        while !args.is_empty() {
            match options.read(args).map_err(refused)? {
                0 => return Err("no option".to_owned()),
                read => args = args.tail(read),
            }
        }
        options.finish(&Limits::default()).map_err(refused)
    }

    #[test]
    fn options_tell_what_stays() {
        let first = StreamId { ms: 5, seq: 7 };
        for (line, strategy, approximate, limit) in [
            ("MAXLEN 10", Strategy::Length(10), false, None),
            ("maxlen = 0", Strategy::Length(0), false, None),
            ("MAXLEN ~ 10", Strategy::Length(10), true, Some(10_000)),
            ("MINID ~ 5-7 LIMIT 20", Strategy::FirstId(first), true, Some(20)),
            ("LIMIT 0 MINID ~ 5-7", Strategy::FirstId(first), true, None),
        ] {
            assert_eq!(read(line), Ok(Some(Trim { strategy, approximate, limit })), "{line}");
        }
        assert_eq!(read(""), Ok(None));
    }

    #[test]
    fn a_record_has_no_limit_whatever_it_says() {
        let first = StreamId { ms: 5, seq: 7 };
        for (line, strategy, approximate) in [
            ("MAXLEN = 10 LIMIT 3", Strategy::Length(10), false),
            ("MINID = 5-7 LIMIT 20", Strategy::FirstId(first), false),
            ("MAXLEN ~ 10 LIMIT 3", Strategy::Length(10), true),
            ("MAXLEN ~ 10", Strategy::Length(10), true),
        ] {
            assert_eq!(read_as(line, true), Ok(Some(Trim { strategy, approximate, limit: None })), "{line}");
        }
    }

    #[test]
    fn options_that_contradict_one_another_are_refused() {
        for (line, error) in [
            ("MAXLEN 1 MINID 1", "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"),
            ("MAXLEN -1", "ERR The MAXLEN argument must be >= 0."),
            ("MAXLEN ~", "ERR value is not an integer or out of range"),
            ("MINID -", "ERR Invalid stream ID specified as stream command argument"),
            ("MAXLEN ~ 1 LIMIT -1", "ERR The LIMIT argument must be >= 0."),
            ("MAXLEN 1 LIMIT 1", "ERR syntax error, LIMIT cannot be used without the special ~ option"),
            ("LIMIT 0", "ERR syntax error, LIMIT cannot be used without the special ~ option"),
            ("LIMIT 1", "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
            ("MAXLEN", "no option"),
        ] {
            assert_eq!(read(line), Err(error.to_owned()), "{line}");
        }
    }

    #[test]
    fn the_work_of_an_approximate_trim_is_bounded() {
        assert_eq!([0, 1, 100, 1 << 40, usize::MAX].map(default_limit), [10_000, 100, 10_000, 1_000_000, 1_000_000]);
    }
}
