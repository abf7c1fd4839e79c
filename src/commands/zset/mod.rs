//! The sorted set commands, with those that wait for a member.
//! Owns:  the rows and handlers of BZMPOP to ZUNIONSTORE.
//! Uses:  keyspace, types, resp, stdx.
//! Never: how a sorted set is laid out.

mod add;
mod blocking;
mod bounds;
mod combine;
mod pop;
mod range;
mod read;
mod remove;
mod rows;
mod sample;

pub use rows::COMMANDS;

pub(super) use add::{Options as AddOptions, add_scored};

use super::framework::{WriteCtx, element};
use crate::keyspace::{Change, EventClass};
use crate::resp::{Protocol, Reply};
use crate::types::zset::{Member, ZsetValue};

/// Reports a change of so many members, and that nothing is left if that is so.
fn report(ctx: &mut WriteCtx<'_>, key: &[u8], event: &'static str, changes: usize, emptied: bool) {
    ctx.commit(key, Change::new(EventClass::ZSET, event).times(changes));
    if emptied {
        ctx.notify(key, EventClass::GENERIC, "del");
    }
}

/// Sets `key` to the sorted set of these pairs, or deletes it if there are none, and answers how many there are.
fn store(ctx: &mut WriteCtx<'_>, key: &[u8], pairs: &[(Vec<u8>, f64)], event: &'static str) {
    let value = (!pairs.is_empty()).then(|| ZsetValue::from_pairs(pairs, ctx.limits).into());
    ctx.store(key, value, EventClass::ZSET, event, 1);
    ctx.reply.integer(pairs.len() as i64);
}

/// How members and scores are laid out in a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    Members,
    /// Member and score by turns.
    Flat,
    /// An array of two for each member.
    Nested,
}

impl Layout {
    /// What WITHSCORES stands for.
    fn with_scores(wanted: bool, reply: &Reply) -> Self {
        match (wanted, reply.protocol()) {
            (false, _) => Self::Members,
            (true, Protocol::Resp2) => Self::Flat,
            (true, Protocol::Resp3) => Self::Nested,
        }
    }

    fn header(self, reply: &mut Reply, members: usize) {
        reply.array(if self == Self::Flat { members * 2 } else { members });
    }

    fn pair(self, reply: &mut Reply, member: Member<'_>, score: f64) {
        if self == Self::Nested {
            reply.array(2);
        }
        element::bulk(reply, member);
        if self != Self::Members {
            reply.double(score);
        }
    }
}
