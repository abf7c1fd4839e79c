//! MIGRATE (<https://redis.io/docs/latest/commands/migrate/>): what is to be handed to another server. The server does it.

use std::io;
use std::time::Duration;

use super::serialize::payload_version;
use crate::commands::framework::arguments::integer;
use crate::commands::framework::{
    Answer, Arity, Begin, Command, CommandError, CommandResult, Credentials, Effect, Find, Flags, Group, Handler,
    KeyFlags, KeySpec, MigratedKey, Migration, SIZE_SAMPLES, WriteCtx, require_memory,
};
use crate::config::Config;
use crate::keyspace::Entry;
use crate::rdb::{self, Encoder, Sink};
use crate::resp::Args;

/// Where the options begin.
const OPTIONS: usize = 6;

/// How long each step may take if the client does not say.
const TIMEOUT_MS_DEFAULT: i64 = 1000;

/// More is taken as this, some 24 days, which every clock of the system can count.
const TIMEOUT_MS_MAX: i64 = i32::MAX as i64;

/// A value is encoded in pieces of about this size, which are freed one by one once they are sent.
const PIECE_BYTES: usize = 256 << 10;

const MOVED: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);

pub(in crate::commands) const COMMANDS: &[Command] = &[Command {
    name: "MIGRATE",
    summary: "Atomically transfers a key from one Redis instance to another.",
    since: "2.6.0",
    complexity: "This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target instance. See the pages of these commands for time complexity. Also an O(N) data transfer between the two instances is performed.",
    arity: Arity::at_least(6),
    flags: Flags::DANGEROUS,
    keys: &[
        KeySpec::at(3, MOVED),
        KeySpec {
            flags: MOVED.or(KeyFlags::INCOMPLETE),
            notes: "",
            begin: Begin::Keyword("KEYS", -2),
            find: Find::Range { last: -1, step: 1, limit: 0 },
        },
    ],
    syntax: "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password] [KEYS key [key ...]]",
    history: &[
        ("3.0.0", "Added the `COPY` and `REPLACE` options."),
        ("3.0.6", "Added the `KEYS` option."),
        ("4.0.7", "Added the `AUTH` option."),
        ("6.0.0", "Added the `AUTH2` option."),
    ],
    tips: &["nondeterministic_output"],
    run: Handler::Write(migrate),
    ..Command::in_group(Group::Generic)
}];

#[derive(Default)]
struct Options<'a> {
    copy: bool,
    replace: bool,
    credentials: Option<Credentials>,
    /// The keys behind KEYS.
    keys: Option<Args<'a>>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Self::default();
        let mut index = OPTIONS;
        while let Some(option) = args.get(index) {
            let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
            let value = |behind: usize| args.get(index + behind).map(Box::from).ok_or(CommandError::Syntax);
            if is("COPY") {
                options.copy = true;
            } else if is("REPLACE") {
                options.replace = true;
            } else if is("AUTH") {
                options.credentials = Some(Credentials { user: None, password: value(1)? });
                index += 1;
            } else if is("AUTH2") {
                options.credentials = Some(Credentials { user: Some(value(1)?), password: value(2)? });
                index += 2;
            } else if is("KEYS") {
                if !args.arg(3).is_empty() {
                    return Err(CommandError::text(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                options.keys = Some(args.tail(index + 1));
                break;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        Ok(options)
    }
}

fn migrate(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let Options { copy, replace, credentials, keys } = Options::parse(args)?;
    let timeout_ms = match integer(args.arg(5))? {
        ..=0 => TIMEOUT_MS_DEFAULT,
        timeout_ms => timeout_ms.min(TIMEOUT_MS_MAX),
    };
    let target_db = integer(args.arg(4))?;
    let mut items = Vec::new();
    for key in keys.unwrap_or(args.head(4).tail(3)).iter() {
        items.extend(pack(ctx, key)?);
    }
    if items.is_empty() {
        ctx.reply.simple("NOKEY");
        return Ok(());
    }
    ctx.effects.push(Effect::Answer(Answer::Migrate(Box::new(Migration {
        args: args.to_buf(),
        host: args.arg(1).into(),
        port: args.arg(2).into(),
        target_db,
        timeout: Duration::from_millis(timeout_ms as u64),
        keeps_source: copy,
        replaces_target: replace,
        credentials,
        keys: items,
        packed_at: ctx.now.monotonic(),
    }))));
    Ok(())
}

fn pack(ctx: &WriteCtx<'_>, key: &[u8]) -> Result<Option<MigratedKey>, CommandError> {
    let now_ms = ctx.now_ms();
    let touch = ctx.session.touch();
    let Some(entry) = ctx.keyspace.find(ctx.db(), key, now_ms, touch) else { return Ok(None) };
    require_memory(entry.value().memory_usage(SIZE_SAMPLES))?;
    let payload = encode(entry, ctx.config)
        .map_err(|error| CommandError::owned(format!("ERR the value cannot be dumped: {error}")))?;
    let time_to_live = entry.expiry().map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms).max(1) as u64));
    Ok(Some(MigratedKey { key: key.into(), payload, time_to_live }))
}

/// The pieces of a payload as DUMP gives it out whole.
fn encode(entry: &Entry, config: &Config) -> io::Result<Vec<Vec<u8>>> {
    let value = entry.value();
    let version = payload_version(value, config);
    let options = rdb::Options { compression: config.rdbcompression, checksum: false, version };
    let mut pieces = Pieces::default();
    let mut encoder = Encoder::with_buffer(&mut pieces, options, PIECE_BYTES);
    encoder.tag(value.tag(version))?;
    value.save(&mut encoder)?;
    encoder.flush()?;
    drop(encoder);
    rdb::dump::seal_pieces(&mut pieces.0, version);
    Ok(pieces.0)
}

/// Keeps the buffers that an encoder has filled, so that a large value is in memory once beside itself.
#[derive(Default)]
struct Pieces(Vec<Vec<u8>>);

impl Sink for Pieces {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.push(bytes.to_vec());
        Ok(())
    }

    fn write_buffer(&mut self, buffer: &mut Vec<u8>, used: usize) -> io::Result<()> {
        if used < buffer.len() / 2 {
            // The last one, or the only one of a small value.
            self.0.push(buffer[..used].to_vec());
        } else {
            let next = vec![0; buffer.len()];
            let mut full = std::mem::replace(buffer, next);
            full.truncate(used);
            self.0.push(full);
        }
        Ok(())
    }
}
