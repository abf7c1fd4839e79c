//! `copal-rdb convert`: a dump as a dump of another version, as commands, or as lines of JSON.
//! Owns:  the forms of output, and which types each of them can hold.
//! Uses:  rdb, stdx, types.
//! Never: a change of the file that is read.

mod jsonl;
mod rdb_version;
mod resp;

use std::path::{Path, PathBuf};

use super::cli::note;
use super::filter::Filter;
use super::input::Input;
use super::output::Output;
use super::trouble::Trouble;
use super::walk::Found;
use super::words::counted;

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("form").required(true))]
#[command(after_help = HELP)]
pub struct Arguments {
    /// A sound dump, compressed with gzip or not; - is standard input
    file: PathBuf,
    /// Where to write; `-` is standard output
    out: PathBuf,
    /// A dump of this version: 6 (Redis 2.6), 7 (3.2), 8 (4.0), 9 (5.0 to 6.2), 10 (7.0), 11 (7.2), 12 (7.4)
    #[arg(long, value_name = "N", group = "form", value_parser = clap::value_parser!(u32).range(6..=12))]
    rdb_version: Option<u32>,
    /// Commands in the protocol, for `redis-cli --pipe`
    #[arg(long, group = "form")]
    resp: bool,
    /// One JSON object a key and line
    #[arg(long, group = "form")]
    jsonl: bool,
    /// With --resp: remove each key before it is written, so that nothing is added to what a server has there
    #[arg(long, requires = "resp")]
    replace: bool,
    /// Overwrite OUT if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    filter: Filter,
}

const HELP: &str = "\
--rdb-version keeps each value as it is stored if the version knows that form, and otherwise stores it in one that the
version knows. What has no such form is left out and listed on standard error, and the exit code is 1: keys with fields that
expire below 12, streams below 9, functions below 10, values and data of modules where they are newer. A stream that is
stored in another form loses the times at which consumers got something below 11, and below 10 what it counts beside its
entries.

--resp sends SELECT, then SET, RPUSH, SADD, ZADD or HSET in pieces of at most 512 elements or about 1 MiB, HPEXPIREAT for
fields and PEXPIREAT for keys that expire; for streams XADD, XSETID, XGROUP and XCLAIM, which cannot set when consumers
were seen, nor that a deleted entry is pending; RESTORE for values of modules, FUNCTION LOAD for functions.

--jsonl writes {\"db\":0,\"key\":...,\"type\":\"...\",\"expires_at_ms\":null or a number,\"value\":...}. Text that is UTF-8 is a
JSON string, any other {\"base64\":\"...\"}. The value of a string is text; of a list or a set an array of texts; of a sorted
set an array of [member, score], where infinite scores are \"inf\" and \"-inf\"; of a hash an array of [field, value] or
[field, value, expires_at_ms]; of a stream an object with \"entries\", an array of [id, [field, value], ...], \"last_id\",
\"max_deleted_id\", \"entries_added\" and \"groups\", whose \"pending\" is an array of [id, consumer, delivered_at_ms, times].
Values of modules have \"restore\", the payload of RESTORE, instead of \"value\".

With an option that chooses keys, only these are written, without functions and data of modules.

Examples:
  copal-rdb convert dump.rdb - --resp | redis-cli --pipe
  zcat backup.rdb.gz | copal-rdb convert - old.rdb --rdb-version 9
  copal-rdb convert dump.rdb - --jsonl --match 'user:*' --type hash | jq .";

/// Returns whether a dump of the version that was asked for holds everything.
pub fn run(arguments: &Arguments) -> Result<bool, Trouble> {
    let input = Input::open(&arguments.file)?;
    let mut out = Output::create(&arguments.out, &[&input], arguments.force)?;
    if !arguments.jsonl && out.is_terminal() {
        return Err(Trouble::refused(
            Path::new(out.name()),
            "it is a terminal; send what is no text into a file or a pipe",
        ));
    }
    let mut whole = true;
    if let Some(version) = arguments.rdb_version {
        whole = rdb_version::convert(&input, &arguments.filter, &mut out, version)?;
    } else if arguments.resp {
        resp::convert(&input, &arguments.filter, &mut out, arguments.replace)?;
    } else {
        jsonl::convert(&input, &arguments.filter, &mut out)?;
    }
    out.finish()?;
    Ok(whole)
}

/// Counts what a form has no place for, to be listed at the end.
#[derive(Default)]
struct LeftOut {
    libraries: u64,
    module_data: u64,
    candidates: u64,
    metadata: u64,
    empty: u64,
}

impl LeftOut {
    fn count(&mut self, found: &Found<'_>) {
        match found {
            Found::Library(_) => self.libraries += 1,
            Found::ModuleAux { .. } => self.module_data += 1,
            Found::LibraryOfCandidate => self.candidates += 1,
            _ => {}
        }
    }

    fn list(&self) {
        const CANDIDATE: &str = " of a release candidate of Redis 7.0, which no release loads";
        for (count, one, many, which) in [
            (self.libraries, "function library", "function libraries", ""),
            (self.module_data, "part of a module", "parts of modules", ""),
            (self.candidates, "function", "functions", CANDIDATE),
            (self.metadata, "key's metadata of modules", "keys' metadata of modules", ""),
            (self.empty, "collection", "collections", " without elements"),
        ] {
            if count > 0 {
                note(&format!("left out: {}{which}", counted(count, one, many)));
            }
        }
    }
}
