//! Reading lists: LLEN, LINDEX, LRANGE, LPOS.

use crate::commands::framework::arguments::{count, index_range, integer, unlimited_if_zero};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, element};
use crate::resp::{Args, Reply};
use crate::types::list::{Direction, ListValue, ListView};

pub fn llen(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let len = ctx.view::<ListValue>(args.arg(1))?.map_or(0, ListView::len);
    ctx.reply.integer(len as i64);
    Ok(())
}

pub fn lindex(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let Some(list) = ctx.view::<ListValue>(args.arg(1))? else {
        ctx.reply.null();
        return Ok(());
    };
    let index = list.index_of(integer(args.arg(2))?);
    let reply = &mut *ctx.reply;
    let written = index.and_then(|index| list.get(index, |found| element::bulk(reply, found)));
    if written.is_none() {
        ctx.reply.null();
    }
    Ok(())
}

pub fn lrange(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let (start, stop) = (integer(args.arg(2))?, integer(args.arg(3))?);
    let Some(list) = ctx.view::<ListValue>(args.arg(1))? else {
        ctx.reply.empty_array();
        return Ok(());
    };
    let range = index_range(start, stop, list.len());
    ctx.reply.array(range.len());
    list.visit(range.start, range.len(), Direction::Forward, |next| element::bulk(ctx.reply, next));
    Ok(())
}

/// The options of LPOS.
struct Search {
    /// How many matches to pass over.
    skip: usize,
    direction: Direction,
    /// The most matches to answer, where COUNT was given; 0 for all.
    count: Option<usize>,
    /// The most elements to look at.
    elements_max: usize,
}

pub fn lpos(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let search = Search::parse(args.tail(3))?;
    let Some(list) = ctx.view::<ListValue>(args.arg(1))? else {
        match search.count {
            Some(_) => ctx.reply.empty_array(),
            None => ctx.reply.null(),
        }
        return Ok(());
    };
    search.run(list, args.arg(2), ctx.reply);
    Ok(())
}

impl Search {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut search = Self { skip: 0, direction: Direction::Forward, count: None, elements_max: usize::MAX };
        let mut rest = args.iter();
        while let Some(option) = rest.next() {
            let value = rest.next().ok_or(CommandError::Syntax)?;
            if option.eq_ignore_ascii_case(b"RANK") {
                search.set_rank(integer(value)?)?;
            } else if option.eq_ignore_ascii_case(b"COUNT") {
                search.count = Some(count(value, 0, CommandError::text("ERR COUNT can't be negative"))?);
            } else if option.eq_ignore_ascii_case(b"MAXLEN") {
                let most = count(value, 0, CommandError::text("ERR MAXLEN can't be negative"))?;
                search.elements_max = unlimited_if_zero(most);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(search)
    }

    fn set_rank(&mut self, rank: i64) -> CommandResult {
        if rank == i64::MIN {
            return Err(CommandError::NotNegatable);
        }
        if rank == 0 {
            return Err(CommandError::text(
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative \
                 to start from the end of the list",
            ));
        }
        self.direction = if rank < 0 { Direction::Backward } else { Direction::Forward };
        self.skip = usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
        Ok(())
    }

    fn run(&self, list: ListView<'_>, wanted: &[u8], reply: &mut Reply) {
        let header = self.count.map(|_| reply.deferred());
        let most = self.count.map_or(1, unlimited_if_zero);
        let (len, mut left_to_skip, mut found) = (list.len(), self.skip, 0);
        let mut iter = list.iter(self.direction);
        let mut distance = 0;
        while distance < self.elements_max
            && found < most
            && let Some(next) = iter.advance()
        {
            if next.is(wanted) {
                if left_to_skip > 0 {
                    left_to_skip -= 1;
                } else {
                    found += 1;
                    let index = if self.direction == Direction::Forward { distance } else { len - 1 - distance };
                    reply.integer(index as i64);
                }
            }
            distance += 1;
        }
        match header {
            Some(header) => reply.set_deferred_array_len(header, found),
            None if found == 0 => reply.null(),
            None => {}
        }
    }
}
