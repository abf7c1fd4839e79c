//! When keys expire: EXPIRE and TTL with their families, PERSIST.

use crate::commands::framework::arguments::{Condition, TimeUnit, integer};
use crate::commands::framework::{
    Arity, Command, CommandError, CommandResult, Flags, Group, Handler, KeyFlags, KeySpec, ReadCtx, WriteCtx,
};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;

pub(in crate::commands) const COMMANDS: &[Command] = &[
    Command {
        name: "EXPIRE",
        summary: "Sets the expiration time of a key in seconds.",
        arity: Arity::at_least(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key seconds [NX | XX | GT | LT]",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        run: Handler::Write(expire),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "EXPIREAT",
        summary: "Sets the expiration time of a key to a Unix timestamp.",
        since: "1.2.0",
        arity: Arity::at_least(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key unix-time-seconds [NX | XX | GT | LT]",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        run: Handler::Write(expireat),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "EXPIRETIME",
        summary: "Returns the expiration time of a key as a Unix timestamp.",
        since: "7.0.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        run: Handler::Read(expiretime),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "PERSIST",
        summary: "Removes the expiration time of a key.",
        since: "2.2.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key",
        run: Handler::Write(persist),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "PEXPIRE",
        summary: "Sets the expiration time of a key in milliseconds.",
        since: "2.6.0",
        arity: Arity::at_least(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key milliseconds [NX | XX | GT | LT]",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        run: Handler::Write(pexpire),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "PEXPIREAT",
        summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.",
        since: "2.6.0",
        arity: Arity::at_least(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::UPDATE))],
        syntax: "key unix-time-milliseconds [NX | XX | GT | LT]",
        history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")],
        run: Handler::Write(pexpireat),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "PEXPIRETIME",
        summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.",
        since: "7.0.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        run: Handler::Read(pexpiretime),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "PTTL",
        summary: "Returns the expiration time in milliseconds of a key.",
        since: "2.6.0",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        history: &[("2.8.0", "Added the -2 reply.")],
        tips: &["nondeterministic_output"],
        run: Handler::Read(pttl),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "TTL",
        summary: "Returns the expiration time in seconds of a key.",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        history: &[("2.8.0", "Added the -2 reply.")],
        tips: &["nondeterministic_output"],
        run: Handler::Read(ttl),
        ..Command::in_group(Group::Generic)
    },
];

fn expire(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, TimeUnit::Seconds, "expire")
}

fn pexpire(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, TimeUnit::Milliseconds, "pexpire")
}

fn expireat(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, TimeUnit::UnixSeconds, "expireat")
}

fn pexpireat(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, TimeUnit::UnixMilliseconds, "pexpireat")
}

/// Sets the expiry to the moment that the second argument names; `command` is named when it is out of range.
fn set_expiry(ctx: &mut WriteCtx<'_>, args: Args<'_>, unit: TimeUnit, command: &'static str) -> CommandResult {
    let key = args.arg(1);
    // Mostly there is none, and nothing to read.
    let condition = if args.len() > 3 { condition(args.tail(3))? } else { Condition::default() };
    let at_ms = unit.moment(integer(args.arg(2))?, ctx.now_ms(), command)?;
    let (passed, mut applies) = (ctx.has_passed(at_ms), false);
    let changed = ctx.keyspace.change_expiry(ctx.session.db, key, ctx.now.unix_ms, |current| {
        applies = condition.allows_expiry(current, at_ms);
        (applies && !passed).then_some(Some(at_ms))
    });
    ctx.reply.integer(i64::from(applies));
    if passed && applies {
        let lazily = ctx.keyspace.lazy_free.policy.expire;
        ctx.delete_instead(key, lazily);
    } else if changed {
        ctx.record_expiry(key, at_ms);
        ctx.commit(key, Change::new(EventClass::GENERIC, "expire"));
    }
    Ok(())
}

/// Reads NX, XX, GT and LT, of which XX goes together with GT or LT.
fn condition(args: Args<'_>) -> Result<Condition, CommandError> {
    let mut condition = Condition::default();
    for option in args {
        if !condition.read(option) {
            return Err(CommandError::Bytes([b"ERR Unsupported option ", option].concat()));
        }
    }
    let Condition { only_new, only_existing, only_greater, only_less } = condition;
    if only_new && (only_existing || only_greater || only_less) {
        return Err(CommandError::text("ERR NX and XX, GT or LT options at the same time are not compatible"));
    }
    if only_greater && only_less {
        return Err(CommandError::text("ERR GT and LT options at the same time are not compatible"));
    }
    Ok(condition)
}

fn persist(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let expires = ctx.keyspace.change_expiry(ctx.session.db, key, ctx.now.unix_ms, |current| current.map(|_| None));
    if expires {
        ctx.commit(key, Change::new(EventClass::GENERIC, "persist"));
    }
    ctx.reply.integer(i64::from(expires));
    Ok(())
}

fn ttl(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    answer_expiry(ctx, args.arg(1), |at_ms| seconds(at_ms - now_ms))
}

fn pttl(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    answer_expiry(ctx, args.arg(1), |at_ms| at_ms - now_ms)
}

fn expiretime(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    answer_expiry(ctx, args.arg(1), seconds)
}

fn pexpiretime(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    answer_expiry(ctx, args.arg(1), |at_ms| at_ms)
}

/// Answers -2 for a missing key, -1 for one that does not expire.
fn answer_expiry(ctx: &mut ReadCtx<'_>, key: &[u8], tell: impl FnOnce(i64) -> i64) -> CommandResult {
    let answer = match ctx.find_untouched(key).map(crate::keyspace::Entry::expiry) {
        None => -2,
        Some(None) => -1,
        Some(Some(at_ms)) => tell(at_ms),
    };
    ctx.reply.integer(answer);
    Ok(())
}

/// Rounded to the nearest.
fn seconds(milliseconds: i64) -> i64 {
    milliseconds / 1000 + i64::from(milliseconds % 1000 >= 500)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ArgsBuf;

    #[test]
    fn conditions_that_exclude_each_other_are_refused() {
        for options in [&["NX", "XX"][..], &["NX", "GT"], &["LT", "NX"], &["GT", "LT"], &["AB"]] {
            let args: ArgsBuf = options.iter().collect();
            assert!(condition(args.as_args()).is_err(), "{options:?}");
        }
    }

    #[test]
    fn seconds_are_rounded_to_the_nearest() {
        assert_eq!([0, 499, 500, 1499, 1500, i64::MAX].map(seconds), [0, 0, 1, 1, 2, i64::MAX / 1000 + 1]);
    }
}
