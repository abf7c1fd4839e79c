//! LCS: the longest common subsequence of two strings, by the usual table of subsequence lengths.

use std::borrow::Cow;

use crate::commands::framework::arguments::integer;
use crate::commands::framework::{CommandError, CommandResult, ReadCtx};
use crate::keyspace::Entry;
use crate::resp::{Args, Reply};
use crate::structures::try_zeros;
use crate::types::string::StringValue;

#[derive(Default)]
struct Options {
    idx: bool,
    len: bool,
    with_match_len: bool,
    min_match_len: usize,
}

/// A run that both strings share, with its first and last offset in each.
struct Match {
    in_a: (usize, usize),
    in_b: (usize, usize),
}

impl Match {
    fn len(&self) -> usize {
        self.in_a.1 - self.in_a.0 + 1
    }
}

pub fn lcs(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let a = string_or_empty(ctx, args.arg(1))?;
    let b = string_or_empty(ctx, args.arg(2))?;
    let options = parse(args)?;
    let table = Table::new(&a, &b, ctx.config.string_bytes_max())?;
    if options.idx {
        reply_matches(ctx.reply, &table, &options);
    } else if options.len {
        ctx.reply.integer(i64::from(table.len(a.len(), b.len())));
    } else {
        let (common, _) = table.trace();
        ctx.reply.bulk(&common);
    }
    Ok(())
}

fn string_or_empty<'a>(ctx: &ReadCtx<'a>, key: &[u8]) -> Result<Cow<'a, [u8]>, CommandError> {
    match ctx.find(key).map(Entry::view::<StringValue>) {
        None => Ok(Cow::Borrowed(&[])),
        Some(Ok(view)) => Ok(view.bytes()),
        Some(Err(_)) => Err(CommandError::text("ERR The specified keys must contain string values")),
    }
}

fn parse(args: Args<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut index = 3;
    while let Some(option) = args.get(index) {
        index += 1;
        if option.eq_ignore_ascii_case(b"IDX") {
            options.idx = true;
        } else if option.eq_ignore_ascii_case(b"LEN") {
            options.len = true;
        } else if option.eq_ignore_ascii_case(b"WITHMATCHLEN") {
            options.with_match_len = true;
        } else if option.eq_ignore_ascii_case(b"MINMATCHLEN") {
            let number = integer(args.get(index).ok_or(CommandError::Syntax)?)?;
            options.min_match_len = usize::try_from(number).unwrap_or(0);
            index += 1;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if options.idx && options.len {
        return Err(CommandError::text("ERR If you want both the length and indexes, please just use IDX."));
    }
    Ok(options)
}

fn reply_matches(reply: &mut Reply, table: &Table<'_>, options: &Options) {
    let (_, matches) = table.trace();
    let wanted: Vec<_> = matches.iter().filter(|found| found.len() >= options.min_match_len).collect();
    reply.map(2);
    reply.bulk("matches");
    reply.array(wanted.len());
    for found in wanted {
        reply.array(2 + usize::from(options.with_match_len));
        for (first, last) in [found.in_a, found.in_b] {
            reply.array(2);
            reply.integer(first as i64);
            reply.integer(last as i64);
        }
        if options.with_match_len {
            reply.integer(found.len() as i64);
        }
    }
    reply.bulk("len");
    reply.integer(i64::from(table.len(table.a.len(), table.b.len())));
}

/// For every pair of prefixes, the length of their longest common subsequence.
struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    lengths: Vec<u32>,
}

impl<'a> Table<'a> {
    fn new(a: &'a [u8], b: &'a [u8], bytes_max: u64) -> Result<Self, CommandError> {
        if a.len() >= u32::MAX as usize - 1 || b.len() >= u32::MAX as usize - 1 {
            return Err(CommandError::text("ERR String too long for LCS"));
        }
        let cells = (a.len() as u64 + 1) * (b.len() as u64 + 1);
        if cells.checked_mul(4).is_none_or(|bytes| bytes > bytes_max) {
            return Err(CommandError::text(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        let lengths = usize::try_from(cells).ok().and_then(try_zeros).ok_or(CommandError::NoMemory)?;
        let mut table = Self { a, b, lengths };
        let width = b.len() + 1;
        for (i, left) in a.iter().enumerate() {
            for (j, right) in b.iter().enumerate() {
                let cell = (i + 1) * width + j + 1;
                table.lengths[cell] = if left == right {
                    table.lengths[cell - width - 1] + 1
                } else {
                    table.lengths[cell - width].max(table.lengths[cell - 1])
                };
            }
        }
        Ok(table)
    }

    fn len(&self, i: usize, j: usize) -> u32 {
        self.lengths[i * (self.b.len() + 1) + j]
    }

    /// The subsequence itself, and its runs from the last to the first.
    fn trace(&self) -> (Vec<u8>, Vec<Match>) {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        let mut common = Vec::with_capacity(self.len(i, j) as usize);
        let mut matches = Vec::new();
        let mut run: Option<Match> = None;
        while i > 0 && j > 0 {
            if self.a[i - 1] == self.b[j - 1] {
                common.push(self.a[i - 1]);
                (i, j) = (i - 1, j - 1);
                match &mut run {
                    Some(run) if run.in_a.0 == i + 1 && run.in_b.0 == j + 1 => (run.in_a.0, run.in_b.0) = (i, j),
                    _ => matches.extend(run.replace(Match { in_a: (i, i), in_b: (j, j) })),
                }
            } else {
                if self.len(i - 1, j) > self.len(i, j - 1) {
                    i -= 1;
                } else {
                    j -= 1;
                }
                matches.extend(run.take());
            }
        }
        matches.extend(run);
        common.reverse();
        (common, matches)
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn common_subsequence_of_the_reference_example() {
        let table = Table::new(b"ohmytext", b"mynewtext", 1 << 20).expect("small enough");
        let (common, matches) = table.trace();
        assert_eq!(common, b"mytext");
        let ranges: Vec<_> = matches.iter().map(|found| (found.in_a, found.in_b)).collect();
        assert_eq!(ranges, [((4, 7), (5, 8)), ((2, 3), (0, 1))]);
    }

    #[test]
    fn table_larger_than_allowed_is_refused() {
        assert!(Table::new(&[0; 100], &[0; 100], 1000).is_err());
    }
}
