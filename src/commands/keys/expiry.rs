//! When keys expire: EXPIRE and TTL with their families, PERSIST.

use crate::commands::framework::arguments::integer;
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
}

fn expire(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now_ms();
    set_expiry(ctx, args, now_ms, Unit::Seconds, "expire")
}

fn pexpire(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now_ms();
    set_expiry(ctx, args, now_ms, Unit::Milliseconds, "pexpire")
}

fn expireat(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, 0, Unit::Seconds, "expireat")
}

fn pexpireat(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, 0, Unit::Milliseconds, "pexpireat")
}

/// The time in the second argument counts from `base_ms`; `command` is named when it is out of range.
fn set_expiry(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    base_ms: i64,
    unit: Unit,
    command: &'static str,
) -> CommandResult {
    let key = args.arg(1);
    let condition = Condition::parse(args.tail(3))?;
    let time = integer(args.arg(2))?;
    let time_ms = if unit == Unit::Seconds { time.checked_mul(1000) } else { Some(time) };
    let at_ms = time_ms.and_then(|time_ms| time_ms.checked_add(base_ms)).ok_or(CommandError::InvalidExpire(command))?;
    let current = ctx.find(key).map(crate::keyspace::Entry::expiry);
    let applies = current.is_some_and(|expiry| condition.allows(expiry, at_ms));
    ctx.reply.integer(i64::from(applies));
    if !applies {
        return Ok(());
    }
    if ctx.has_passed(at_ms) {
        let lazily = ctx.keyspace.lazy_free.policy.expire;
        ctx.delete_instead(key, lazily);
    } else {
        ctx.keyspace.set_expiry(ctx.session.db, key, Some(at_ms));
        ctx.record_expiry(key, at_ms);
        ctx.commit(key, Change::new(EventClass::GENERIC, "expire"));
    }
    Ok(())
}

/// When a new expiry is to take the place of the current one.
#[derive(Clone, Copy, Default)]
struct Condition {
    only_without: bool,
    only_with: bool,
    only_later: bool,
    only_sooner: bool,
}

impl Condition {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut condition = Self::default();
        for option in args {
            let flag = match option.to_ascii_uppercase().as_slice() {
                b"NX" => &mut condition.only_without,
                b"XX" => &mut condition.only_with,
                b"GT" => &mut condition.only_later,
                b"LT" => &mut condition.only_sooner,
                _ => return Err(CommandError::Bytes([b"ERR Unsupported option ", option].concat())),
            };
            *flag = true;
        }
        if condition.only_without && (condition.only_with || condition.only_later || condition.only_sooner) {
            return Err(CommandError::text("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if condition.only_later && condition.only_sooner {
            return Err(CommandError::text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// A key without an expiry counts as one that expires later than any time.
    fn allows(self, current: Option<i64>, new_ms: i64) -> bool {
        !(self.only_without && current.is_some()
            || self.only_with && current.is_none()
            || self.only_later && current.is_none_or(|at_ms| new_ms <= at_ms)
            || self.only_sooner && current.is_some_and(|at_ms| new_ms >= at_ms))
    }
}

fn persist(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let expires = ctx.find(key).is_some_and(|entry| entry.expiry().is_some());
    if expires {
        ctx.keyspace.set_expiry(ctx.session.db, key, None);
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

    fn condition(options: &[&str]) -> Result<Condition, CommandError> {
        Condition::parse(options.iter().collect::<ArgsBuf>().as_args())
    }

    #[test]
    fn conditions_compare_with_the_current_expiry() {
        for (options, current, new, allowed) in [
            (&[][..], None, 5, true),
            (&["nx"], None, 5, true),
            (&["NX"], Some(9), 5, false),
            (&["XX"], None, 5, false),
            (&["XX"], Some(9), 5, true),
            (&["GT"], None, 5, false),
            (&["GT"], Some(5), 5, false),
            (&["GT"], Some(4), 5, true),
            (&["LT"], None, 5, true),
            (&["LT"], Some(5), 5, false),
            (&["LT"], Some(6), 5, true),
            (&["LT", "XX"], None, 5, false),
        ] {
            assert_eq!(condition(options).unwrap().allows(current, new), allowed, "{options:?} {current:?} {new}");
        }
    }

    #[test]
    fn conditions_that_exclude_each_other_are_refused() {
        for options in [&["NX", "XX"][..], &["NX", "GT"], &["LT", "NX"], &["GT", "LT"], &["AB"]] {
            assert!(condition(options).is_err(), "{options:?}");
        }
    }

    #[test]
    fn seconds_are_rounded_to_the_nearest() {
        assert_eq!([0, 499, 500, 1499, 1500, i64::MAX].map(seconds), [0, 0, 1, 1, 2, i64::MAX / 1000 + 1]);
    }
}
