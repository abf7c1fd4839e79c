//! Values as bytes: DUMP and RESTORE.

use crate::commands::framework::arguments::{TimeUnit, at_least, integer};
use crate::commands::framework::{
    Arity, Command, CommandError, CommandResult, Flags, Group, Handler, KeyFlags, KeySpec, ReadCtx, SIZE_SAMPLES,
    WriteCtx, require_memory,
};
use crate::config::{Config, SanitizePayload};
use crate::keyspace::{AccessPolicy, Change, Entry, EventClass};
use crate::rdb::{self, Decoder, Encoder};
use crate::resp::{Args, ArgsBuf};
use crate::stdx::number::format_i64;
use crate::types::{LoadOptions, Value, ValueRef};

const BUSY_KEY: CommandError = CommandError::text("BUSYKEY Target key name already exists.");

pub(in crate::commands) const COMMANDS: &[Command] = &[
    Command {
        name: "DUMP",
        summary: "Returns a serialized representation of the value stored at a key.",
        since: "2.6.0",
        complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
        arity: Arity::exactly(2),
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        tips: &["nondeterministic_output"],
        run: Handler::Read(dump),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "RESTORE",
        summary: "Creates a key from the serialized representation of a value.",
        since: "2.6.0",
        complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
        arity: Arity::at_least(4),
        flags: Flags::DENYOOM.or(Flags::DANGEROUS),
        keys: &[KeySpec::first(KeyFlags::OW.or(KeyFlags::UPDATE))],
        syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
        history: &[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ],
        run: Handler::Write(restore),
        ..Command::in_group(Group::Generic)
    },
];

fn dump(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let Some(entry) = ctx.find(args.arg(1)) else {
        ctx.reply.null();
        return Ok(());
    };
    // The payload, and as much again for compressing it or for a buffer that grows.
    require_memory(2 * entry.value().memory_usage(SIZE_SAMPLES))?;
    let version = payload_version(entry.value(), ctx.config);
    let payload = payload(entry.value(), version, ctx.config.rdbcompression)
        .map_err(|error| CommandError::owned(format!("ERR the value cannot be dumped: {error}")))?;
    ctx.reply.bulk(payload);
    Ok(())
}

/// The lowest version that holds a value, or the one that `rdb-version` pins.
pub(super) fn payload_version(value: ValueRef<'_>, config: &Config) -> u32 {
    match config.rdb_version {
        0 => value.tag(rdb::VERSION_DEFAULT).version().max(rdb::VERSION_DEFAULT),
        pinned => u32::from(pinned),
    }
}

/// A value as DUMP gives it out.
fn payload(value: ValueRef<'_>, version: u32, compression: bool) -> std::io::Result<Vec<u8>> {
    let mut encoder = Encoder::detached(rdb::Options { compression, checksum: false, version });
    encoder.tag(value.tag(version))?;
    value.save(&mut encoder)?;
    let mut payload = encoder.into_bytes();
    rdb::dump::seal(&mut payload, version);
    Ok(payload)
}

/// Writes the command that makes an entry where there is none of its key.
pub fn write_restore(out: &mut ArgsBuf, entry: &Entry) {
    let version = entry.value().tag(rdb::VERSION_DEFAULT).version().max(rdb::VERSION_DEFAULT);
    let payload = payload(entry.value(), version, false).expect("memory takes every value");
    out.extend([b"RESTORE", entry.key()]);
    out.push(format_i64(entry.expiry().unwrap_or(0)));
    out.push(payload);
    if entry.expiry().is_some() {
        out.push("ABSTTL");
    }
}

/// What RESTORE is given besides key, time to live and payload.
#[derive(Default)]
struct RestoreOptions {
    replace: bool,
    absolute_ttl: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl RestoreOptions {
    fn parse(args: Args<'_>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut rest = args.iter();
        while let Some(option) = rest.next() {
            if option.eq_ignore_ascii_case(b"REPLACE") {
                options.replace = true;
            } else if option.eq_ignore_ascii_case(b"ABSTTL") {
                options.absolute_ttl = true;
            } else if option.eq_ignore_ascii_case(b"IDLETIME") && options.frequency.is_none() {
                let seconds = integer(rest.next().ok_or(CommandError::Syntax)?)?;
                let negative = CommandError::text("ERR Invalid IDLETIME value, must be >= 0");
                options.idle_seconds = Some(at_least(seconds, 0, negative)? as u64);
            } else if option.eq_ignore_ascii_case(b"FREQ") && options.idle_seconds.is_none() {
                let frequency = integer(rest.next().ok_or(CommandError::Syntax)?)?;
                let frequency = u8::try_from(frequency)
                    .map_err(|_| CommandError::text("ERR Invalid FREQ value, must be >= 0 and <= 255"))?;
                options.frequency = Some(frequency);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

fn restore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let options = RestoreOptions::parse(args.tail(4))?;
    let replaces = ctx.find(key).is_some();
    if replaces && !options.replace {
        return Err(BUSY_KEY);
    }
    let ttl = integer(args.arg(2))?;
    if ttl < 0 {
        return Err(CommandError::text("ERR Invalid TTL value, must be >= 0"));
    }
    let value = open_payload(ctx, args.arg(3))?;
    let unit = if options.absolute_ttl { TimeUnit::UnixMilliseconds } else { TimeUnit::Milliseconds };
    let expiry = if ttl == 0 { None } else { Some(unit.moment(ttl, ctx.now_ms(), "restore")?) };
    if expiry.is_some_and(|at_ms| ctx.has_passed(at_ms)) {
        let lazily = ctx.keyspace.lazy_free.policy.server_del;
        if replaces {
            ctx.delete_instead(key, lazily);
        }
    } else {
        if let Some(at_ms) = expiry.filter(|_| !options.absolute_ttl) {
            ctx.record_instead(|out| {
                out.extend(args.head(2));
                out.push(format_i64(at_ms));
                out.extend(args.tail(3));
                out.push("ABSTTL");
            });
        }
        if replaces {
            ctx.notify(key, EventClass::NEW, "new");
        }
        ctx.insert(key, value, expiry);
        set_clock(ctx, key, &options);
        ctx.commit(key, Change::new(EventClass::GENERIC, "restore"));
    }
    ctx.reply.ok();
    Ok(())
}

fn open_payload(ctx: &WriteCtx<'_>, payload: &[u8]) -> Result<Value, CommandError> {
    // The server that has recorded a payload may have taken it without looking at the checksum.
    let unchecked = ctx.keyspace.skips_checksums || ctx.repeats_record();
    let opened = if unchecked { rdb::dump::open_unchecked(payload) } else { rdb::dump::open(payload) };
    let (body, format) = opened.map_err(|cause| CommandError::BadEnvelope { cause })?;
    // Whoever may send a payload may send a forged one, so that a setting decides only what is counted.
    let options = LoadOptions::checking_all(ctx.limits);
    let counted = match ctx.config.sanitize_dump_payload {
        SanitizePayload::No => false,
        SanitizePayload::Yes => true,
        SanitizePayload::Clients => !ctx.session.user().skips_sanitizing(),
    };
    let mut input = Decoder::new(body);
    let tag = input.tag(format.dialect).map_err(|cause| CommandError::BadPayload { kind: None, cause })?;
    let refused = |cause| CommandError::BadPayload { kind: Some(tag), cause };
    // What is compressed claims how long it is, so a short payload may ask for much.
    require_memory(rdb::skip::bytes_to_build(tag, &input))?;
    let value = Value::load(tag, &mut input, &options).map_err(refused)?;
    if input.remaining() > 0 {
        return Err(refused(input.invalid("bytes behind the value")));
    }
    if counted && !matches!(value, Value::String(_)) {
        let checked = &ctx.keyspace.stats.payloads_checked;
        checked.set(checked.get() + 1);
    }
    Ok(value)
}

/// The access clock holds either idleness or frequency; the option that the policy does not go by is ignored.
fn set_clock(ctx: &WriteCtx<'_>, key: &[u8], options: &RestoreOptions) {
    let access = &ctx.keyspace.access;
    let clock = match (access.policy(), options.frequency, options.idle_seconds) {
        (AccessPolicy::Lfu { .. }, Some(frequency), _) => access.clock_of_frequency(frequency),
        (AccessPolicy::Lru, _, Some(idle_seconds)) => access.clock_of_idle(idle_seconds),
        _ => return,
    };
    if let Some(entry) = ctx.keyspace.db(ctx.session.db).peek(key) {
        entry.set_clock(clock);
    }
}
