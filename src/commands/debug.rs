//! DEBUG: looking inside, and provoking what is rare (<https://redis.io/docs/latest/commands/debug/>).

use std::fmt::Write as _;
use std::time::Duration;

use super::framework::arguments::{count, integer};
use super::framework::{
    AdminCtx, Answer, Arity, Command, CommandError, CommandResult, ConfigRequest, Crash, DebugEffect, Effect, Flags,
    Group, Handler, SnapshotRequest, help,
};
use crate::keyspace::{Change, Entry, Keyspace, Touch};
use crate::rdb::{self, Encoder};
use crate::resp::{Args, Protocol, Reply};
use crate::stdx::glob::glob_match;
use crate::stdx::number::parse_f64;
use crate::stdx::text::parse_memory;
use crate::structures::TableStats;
use crate::structures::quicklist::{NodeCodec, NodeView, Quicklist};
use crate::types::hash::HashView;
use crate::types::list::{ListView, set_packed_threshold};
use crate::types::set::SetView;
use crate::types::string::StringValue;
use crate::types::zset::ZsetView;
use crate::types::{Digest, Type, ValueRef};

/// A little less than the 4 GiB whose length a node can hold.
const PACKED_THRESHOLD_MAX: u64 = (1 << 32) - (1 << 20);

/// Digits of the largest number in a key of DEBUG POPULATE.
const KEY_DIGITS_MAX: usize = 20;

/// DEBUG POPULATE makes room in the table for no more keys ahead than this.
const POPULATE_RESERVED_MAX: usize = 1 << 24;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "DEBUG",
    summary: "A container for debugging commands.",
    complexity: "Depends on subcommand.",
    arity: Arity::at_least(2),
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE).or(Flags::PROTECTED),
    syntax: "subcommand [argument [argument ...]]",
    run: Handler::Admin(debug),
    ..Command::in_group(Group::Server)
}];

fn debug(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let subcommand = args.arg(1).to_ascii_uppercase();
    match (subcommand.as_slice(), args.len()) {
        (b"HELP", 2) => help::reply(ctx.reply, "DEBUG", HELP),
        (b"ASSERT", 2) => ctx.push(Effect::Debug(DebugEffect::Crash(Crash::Assertion))),
        (b"PANIC", 2) => ctx.push(Effect::Debug(DebugEffect::Crash(Crash::Panic))),
        (b"REPLYBUFFER", 4) if args.arg(2).eq_ignore_ascii_case(b"RESIZING") => {
            ctx.push(Effect::Debug(DebugEffect::LendOutput(is_on(args.arg(3)))));
            ctx.reply.ok();
        }
        (b"REPLYBUFFER", 4) if args.arg(2).eq_ignore_ascii_case(b"PEAK-RESET-TIME") => {
            let word = args.arg(3);
            if !word.eq_ignore_ascii_case(b"NEVER") && !word.eq_ignore_ascii_case(b"RESET") {
                integer(word)?;
            }
            ctx.reply.ok();
        }
        (b"SEGFAULT", 2) => ctx.push(Effect::Debug(DebugEffect::Crash(Crash::Segfault))),
        (b"CHANGE-REPL-ID", 2) => {
            ctx.push(Effect::Debug(DebugEffect::ChangeReplicationId));
            ctx.reply.ok();
        }
        (b"CONFIG-REWRITE-FORCE-ALL", 2) => {
            ctx.push(Answer::Config(ConfigRequest::Rewrite { everything: true }).into());
        }
        (b"DICT-RESIZING", 3) => {
            ctx.keyspace.set_resizing(is_on(args.arg(2)));
            ctx.reply.ok();
        }
        (b"DIGEST", 2) => ctx.reply.simple(&dataset_digest(ctx.keyspace).hex()),
        (b"DIGEST-VALUE", _) => digest_values(ctx, args.tail(2)),
        (b"ERROR", 3) => ctx.reply.error(args.arg(2)),
        (b"HTSTATS", 3) => return table_stats(ctx, args.arg(2)),
        (b"HTSTATS-KEY", 3) => return value_table_stats(ctx, args.arg(2)),
        (b"LOG", 3) => {
            ctx.push(Effect::Debug(DebugEffect::Log(String::from_utf8_lossy(args.arg(2)).into())));
            ctx.reply.ok();
        }
        (b"OBJECT", 3) => return describe(ctx, args.arg(2)),
        (b"PAUSE-CRON", 3) => {
            ctx.push(Effect::Debug(DebugEffect::PauseCron(is_on(args.arg(2)))));
            ctx.reply.ok();
        }
        (b"POPULATE", 3..=5) => return populate(ctx, args.tail(2)),
        (b"PROTOCOL", 3) => return protocol(ctx.reply, args.arg(2)),
        (b"QUICKLIST-PACKED-THRESHOLD", 3) => return packed_threshold(ctx, args.arg(2)),
        (b"RELOAD", _) => return reload(ctx, args.tail(2)),
        (b"SET-ACTIVE-EXPIRE", 3) => {
            ctx.push(Effect::Debug(DebugEffect::SetActiveExpire(is_on(args.arg(2)))));
            ctx.reply.ok();
        }
        (b"REPLICATE", 3..) => {
            ctx.push(Effect::Debug(DebugEffect::Replicate(args.tail(2).to_buf())));
            ctx.reply.ok();
        }
        // Tests of scripts ask for replies of every kind.
        (b"SET-DISABLE-DENY-SCRIPTS", 3) => {
            ctx.push(Effect::Debug(DebugEffect::AllowInScripts(is_on(args.arg(2)))));
            ctx.reply.ok();
        }
        (b"SET-SKIP-CHECKSUM-VALIDATION", 3) => {
            ctx.keyspace.skips_checksums = is_on(args.arg(2));
            ctx.reply.ok();
        }
        (b"SLEEP", 3) => {
            ctx.push(Effect::Debug(DebugEffect::Sleep(seconds(args.arg(2)))));
            ctx.reply.ok();
        }
        (b"STRINGMATCH-LEN", 4) => ctx.reply.integer(i64::from(glob_match(args.arg(2), args.arg(3), false))),
        _ => return Err(help::unknown_or_wrong_arity(args, "DEBUG")),
    }
    Ok(())
}

const HELP: &[(&str, &str)] = &[
    ("ASSERT", "Crash by assertion failed."),
    (
        "CHANGE-REPL-ID",
        "Change the replication IDs of the instance.\nDangerous: should be used only for testing the replication subsystem.",
    ),
    (
        "CONFIG-REWRITE-FORCE-ALL",
        "Like CONFIG REWRITE but writes all configuration options, including\nkeywords not listed in original configuration file or default values.",
    ),
    ("DICT-RESIZING <0|1>", "Enable or disable the main dict and expire dict resizing."),
    ("DIGEST", "Output a hex signature representing the current DB content."),
    ("DIGEST-VALUE <key> [<key> ...]", "Output a hex signature of the values of all the specified keys."),
    (
        "ERROR <string>",
        "Return a Redis protocol error with <string> as message. Useful for clients\nunit tests to simulate Redis errors.",
    ),
    ("HTSTATS <dbid>", "Return hash table statistics of the specified Redis database."),
    ("HTSTATS-KEY <key>", "Like HTSTATS but for the hash table stored at <key>'s value."),
    ("LOG <message>", "Write <message> to the server log."),
    ("OBJECT <key>", "Show low level info about `key` and associated value."),
    ("PANIC", "Crash the server simulating a panic."),
    ("PAUSE-CRON <0|1>", "Stop periodic cron job processing."),
    (
        "POPULATE <count> [<prefix>] [<size>]",
        "Create <count> string keys named key:<num>. If <prefix> is specified then\nit is used instead of the 'key' prefix.",
    ),
    (
        "PROTOCOL <type>",
        "Reply with a test value of the specified type. <type> can be: string,\ninteger, double, bignum, null, array, set, map, attrib, push, verbatim,\ntrue, false.",
    ),
    (
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "Sets the threshold for elements to be inserted as plain vs packed nodes\nDefault value is 1GB, allows values up to 4GB. Setting to 0 restores to default.",
    ),
    (
        "RELOAD [option ...]",
        "Save the RDB on disk and reload it back to memory. Valid <option> values:\n* MERGE: conflicting keys will be \
         loaded from RDB.\n* NOFLUSH: the existing database will not be removed before load, but\n  conflicting keys \
         will be an error.\n* NOSAVE: the database will be loaded from an existing RDB file.",
    ),
    ("REPLICATE <string>", "Replicates the provided string to replicas. Can cause data divergence."),
    (
        "REPLYBUFFER PEAK-RESET-TIME <NEVER|RESET|time>",
        "Changes nothing: a reply buffer goes back as soon as it is empty, whatever its\npeak was.",
    ),
    (
        "REPLYBUFFER RESIZING <0|1>",
        "Setting it to 0 lets clients keep their reply buffers when these are empty.\nSetting it to 1 takes them again.",
    ),
    ("SEGFAULT", "Crash the server with sigsegv."),
    (
        "SET-ACTIVE-EXPIRE <0|1>",
        "Setting it to 0 disables expiring keys in background when they are not\naccessed (otherwise the Redis behavior). Setting it to 1 reenables back the\ndefault.",
    ),
    ("SET-DISABLE-DENY-SCRIPTS <0|1>", "Setting it to 1 lets scripts call DEBUG."),
    ("SET-SKIP-CHECKSUM-VALIDATION <0|1>", "Enables or disables checksum checks for RDB files and RESTORE's payload."),
    ("SLEEP <seconds>", "Stop the server for <seconds>. Decimals allowed."),
    ("STRINGMATCH-LEN <pattern> <string>", "Return whether <string> matches the glob <pattern>."),
];

/// What is no number is 0, as for `atoi`.
fn is_on(arg: &[u8]) -> bool {
    integer(arg).is_ok_and(|number| number != 0)
}

/// What is no number is 0, as for `strtod`.
fn seconds(arg: &[u8]) -> Duration {
    Duration::try_from_secs_f64(parse_f64(arg).unwrap_or(0.0)).unwrap_or(Duration::ZERO)
}

/// The number that stands for a type in digests.
fn type_number(data_type: Type) -> u32 {
    match data_type {
        Type::String => 0,
        Type::List => 1,
        Type::Set => 2,
        Type::Zset => 3,
        Type::Hash => 4,
        Type::Stream => 6,
    }
}

/// Mixes type, value, and whether there is an expiry.
fn mix_entry(digest: &mut Digest, entry: &Entry) {
    digest.mix_number(type_number(entry.data_type()));
    entry.value().digest(digest);
    if entry.expiry().is_some() {
        digest.xor(b"!!expire!!");
    }
}

fn dataset_digest(keyspace: &Keyspace) -> Digest {
    let mut total = Digest::default();
    for (index, db) in keyspace.dbs().filter(|(_, db)| !db.is_empty()) {
        total.mix_number(index as u32);
        for entry in db.iter() {
            let mut digest = Digest::default();
            digest.mix(entry.key());
            mix_entry(&mut digest, entry);
            total.xor_digest(&digest);
        }
    }
    total
}

fn digest_values(ctx: &mut AdminCtx<'_>, keys: Args<'_>) {
    ctx.reply.array(keys.len());
    for key in keys {
        let mut digest = Digest::default();
        if let Some(entry) = ctx.keyspace.find(ctx.session.db, key, ctx.now.unix_ms, Touch::No) {
            mix_entry(&mut digest, entry);
        }
        ctx.reply.simple(&digest.hex());
    }
}

fn describe(ctx: &mut AdminCtx<'_>, key: &[u8]) -> CommandResult {
    let entry = ctx.keyspace.db(ctx.session.db).peek(key).ok_or(CommandError::NoSuchKey)?;
    let value = entry.value();
    let version = rdb::VERSION_MAX;
    let mut encoder =
        Encoder::detached(rdb::Options { compression: ctx.config.rdbcompression, checksum: false, version });
    let serialized = value.save(&mut encoder).map_or(0, |()| encoder.written());
    let nodes = match value {
        ValueRef::List(ListView::Quicklist(list)) => describe_nodes(list),
        _ => String::new(),
    };
    ctx.reply.simple(&format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{serialized} lru:{} lru_seconds_idle:{}{nodes}",
        entry.key().as_ptr(),
        value.encoding().name(),
        entry.clock(),
        ctx.keyspace.access.idle_seconds(entry.clock()),
    ));
    Ok(())
}

/// How a large list is cut into nodes, and how many bytes these have before compression.
fn describe_nodes<C: NodeCodec>(list: &Quicklist<C>) -> String {
    let limits = list.limits();
    let bytes: usize = list
        .nodes()
        .map(|node| match node {
            NodeView::Packed(listpack) => listpack.as_bytes().len(),
            NodeView::Plain(element) => element.len(),
            NodeView::Compressed { raw_len, .. } => raw_len,
        })
        .sum();
    format!(
        " ql_nodes:{nodes} ql_avg_node:{average:.2} ql_listpack_max:{fill} ql_compressed:{compressed} ql_uncompressed_size:{bytes}",
        nodes = list.node_count(),
        average = list.len() as f64 / list.node_count() as f64,
        fill = limits.fill,
        compressed = i32::from(limits.compress_depth > 0),
    )
}

fn populate(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let positive = |arg| count(arg, 0, CommandError::NotPositive);
    let count = positive(args.arg(0))?;
    let prefix = args.get(1).unwrap_or(b"key");
    let size = args.get(2).map_or(Ok(0), positive)?;
    let db = ctx.session.db;
    // The key is the prefix with a number behind it.
    let key_bytes_max = prefix.len() + ":".len() + KEY_DIGITS_MAX;
    if size.max(key_bytes_max) as u64 > ctx.config.string_bytes_max() {
        return Err(CommandError::StringTooLong);
    }
    ctx.keyspace.db_mut(db).reserve(count.min(POPULATE_RESERVED_MAX));
    let mut created = false;
    let mut visited = 0;
    while visited < count {
        match create(ctx, prefix, visited, size) {
            Ok(is_new) => created |= is_new,
            Err(_) => break,
        }
        visited += 1;
    }
    if created {
        let (visited, size) = (visited.to_string(), size.to_string());
        ctx.keyspace.journal.instead(db, |out| {
            out.extend([&b"DEBUG"[..], b"POPULATE", visited.as_bytes(), prefix, size.as_bytes()]);
        });
    }
    if visited < count {
        return Err(CommandError::NoMemory);
    }
    ctx.reply.ok();
    Ok(())
}

/// Creates one key of DEBUG POPULATE, which counts as no change. Returns whether there was none of that name.
fn create(ctx: &mut AdminCtx<'_>, prefix: &[u8], number: usize, size: usize) -> Result<bool, CommandError> {
    let db = ctx.session.db;
    let mut key = prefix.to_vec();
    key.push(b':');
    key.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    if ctx.keyspace.find_for_write(db, &key, ctx.now.unix_ms).is_some() {
        return Ok(false);
    }
    let mut value = format!("value:{number}").into_bytes();
    if size > 0 {
        value.try_reserve_exact(size.saturating_sub(value.len())).map_err(|_| CommandError::NoMemory)?;
        value.resize(size, 0);
    }
    ctx.keyspace.insert(db, &key, StringValue::from_vec(value).into(), None);
    ctx.keyspace.commit(db, &key, Change::SILENT.times(0));
    Ok(true)
}

fn packed_threshold(ctx: &mut AdminCtx<'_>, size: &[u8]) -> CommandResult {
    let size = parse_memory(size).ok_or(CommandError::text("ERR argument must be a memory value"))?;
    if size > PACKED_THRESHOLD_MAX {
        return Err(CommandError::text("ERR argument must be a memory value bigger than 1 and smaller than 4gb"));
    }
    set_packed_threshold(size as usize);
    ctx.reply.ok();
    Ok(())
}

fn reload(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let (mut merge, mut flush, mut save) = (false, true, true);
    for option in args {
        match option.to_ascii_uppercase().as_slice() {
            b"MERGE" => merge = true,
            b"NOFLUSH" => flush = false,
            b"NOSAVE" => save = false,
            _ => {
                return Err(CommandError::text(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    ctx.push(Answer::Snapshot(SnapshotRequest::Reload { merge, flush, save }).into());
    Ok(())
}

fn table_stats(ctx: &mut AdminCtx<'_>, index: &[u8]) -> CommandResult {
    let index = usize::try_from(integer(index)?).ok().filter(|index| *index < ctx.keyspace.databases());
    let Some(index) = index else { return Err(CommandError::text("ERR Out of range database")) };
    let db = ctx.keyspace.db(index);
    let mut text = String::from("[Dictionary HT]\n");
    push_stats(&mut text, &db.keys_stats());
    text.push_str("[Expires HT]\n");
    push_stats(&mut text, &db.expires_stats());
    ctx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn value_table_stats(ctx: &mut AdminCtx<'_>, key: &[u8]) -> CommandResult {
    let entry = ctx.keyspace.find(ctx.session.db, key, ctx.now.unix_ms, Touch::Quiet);
    let stats = match entry.ok_or(CommandError::NoSuchKey)?.value() {
        ValueRef::Set(SetView::Hashtable(members)) => members.stats(),
        ValueRef::Hash(HashView::Hashtable(fields)) => fields.table().stats(),
        ValueRef::Zset(ZsetView::Tree(members)) => members.table_stats(),
        _ => {
            return Err(CommandError::text(
                "ERR The value stored at the specified key is not represented using an hash table",
            ));
        }
    };
    let mut text = String::new();
    push_stats(&mut text, &stats);
    ctx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn push_stats(text: &mut String, stats: &TableStats) {
    // Redis has a second table while it rehashes. Writing to a string does not fail.
    let _ = writeln!(text, "Hash table 0 stats (main hash table):");
    if stats.elements == 0 {
        text.push_str("No stats available for empty dictionaries\n");
        return;
    }
    let used = stats.buckets - stats.vacant_buckets;
    let average = stats.elements as f64 / used as f64;
    let _ = write!(
        text,
        " table size: {}\n number of elements: {}\n different slots: {used}\n max chain length: {}\n \
         avg chain length (counted): {average:.2}\n avg chain length (computed): {average:.2}\n \
         Chain length distribution:\n",
        stats.buckets, stats.elements, stats.longest
    );
    for (length, &chains) in stats.chains_by_elements.iter().enumerate().filter(|(_, chains)| **chains > 0) {
        let percent = chains as f64 * 100.0 / stats.buckets as f64;
        let _ = writeln!(text, "   {length}: {chains} ({percent:.2}%)");
    }
}

fn protocol(reply: &mut Reply, kind: &[u8]) -> CommandResult {
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk("Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"bignum" => reply.big_number(b"1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if reply.protocol() == Protocol::Resp3 {
                reply.attribute(1);
                reply.bulk("key-popularity");
                reply.array(2);
                reply.bulk("key:123");
                reply.integer(90);
            }
            reply.bulk("Some real reply following the attribute");
        }
        b"push" if reply.protocol() == Protocol::Resp2 => {
            return Err(CommandError::text("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            reply.push(2);
            reply.bulk("server-cpu-usage");
            reply.integer(42);
            reply.bulk("Some real reply following the push reply");
        }
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(CommandError::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::HashSeed;

    fn digest_of(keys: &[(usize, &str, &str, Option<i64>)]) -> String {
        let mut keyspace = Keyspace::new(16, HashSeed { k0: 3, k1: 4 });
        for (db, key, value, expiry) in keys {
            keyspace.set_string(*db, key.as_bytes(), value.as_bytes(), *expiry);
        }
        dataset_digest(&keyspace).hex()
    }

    #[test]
    fn empty_data_set_has_the_zero_digest() {
        assert_eq!(digest_of(&[]), "0".repeat(40));
    }

    #[test]
    fn digest_is_free_of_order_and_tells_databases_and_expiries_apart() {
        let one = digest_of(&[(0, "a", "1", None), (0, "b", "x", None)]);
        assert_eq!(one, digest_of(&[(0, "b", "x", None), (0, "a", "1", None)]));
        assert_ne!(one, digest_of(&[(1, "a", "1", None), (1, "b", "x", None)]));
        assert_ne!(one, digest_of(&[(0, "a", "1", Some(i64::MAX)), (0, "b", "x", None)]));
        assert_ne!(one, digest_of(&[(0, "a", "x", None), (0, "b", "1", None)]));
    }
}
