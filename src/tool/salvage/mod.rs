//! `copal-rdb salvage`: every whole entry of a damaged dump, in a new dump, and a list of what was lost.
//! Owns:  the search for the next whole entry, and the list of what was lost.
//! Uses:  rdb, stdx.
//! Never: a change of the damaged file.

mod plan;
mod resync;
#[cfg(test)]
mod tests;
mod write;

use std::io::{self, Write};
use std::path::PathBuf;

use super::input::Input;
use super::output::Output;
use super::trouble::Trouble;
use super::words::counted;
use crate::stdx::text::quoted;
use plan::{Loss, Plan, Unknown};

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The damaged dump, which is only read: a file, compressed with gzip or not, or - for standard input
    bad: PathBuf,
    /// The dump to write; - is standard output, and the list goes to standard error then
    out: PathBuf,
    /// Overwrite OUT if it exists
    #[arg(long)]
    force: bool,
    /// Keep what is whole although this server does not load it: values and data of modules
    #[arg(long)]
    keep_unknown: bool,
}

const HELP: &str = "\
Entries are kept as the bytes that they are; each value is decoded to see that it is whole. Where a value is damaged inside
and its length is right, only its key is lost. Where a length is wrong or bytes are no record, the next place is looked for
from which several entries can be decoded, or the end of the file; what comes before it is lost. Of a file that was cut
off, everything before the cut is kept. A key that comes twice is kept once. Where the end of one entry overlaps with the
beginning of another and it is not known which of them is damaged, both are kept.

What was lost is listed with its place in the file and, where that is known, its key. A flipped byte inside a string cannot
be seen; the checksum says only that there is one somewhere, which is said then. After a place that was lost, keys may
have belonged to another database. In memory: some 40 bytes a key.

Values and data of modules are left out and listed, so that this server loads the new file; with --keep-unknown they are
kept, for a server that knows them.

The exit code is 0 if nothing was lost or left out, 1 if something was, 2 if there was trouble and nothing was written.";

/// Returns whether nothing was lost.
pub fn run(arguments: &Arguments) -> Result<bool, Trouble> {
    let input = Input::open_remains(&arguments.bad)?;
    let mut out = Output::create(&arguments.out, &[&input], arguments.force)?;
    let unknown = if arguments.keep_unknown { Unknown::Kept } else { Unknown::LeftOut };
    let plan = plan::make(input.bytes(), unknown);
    if plan.keys() == 0
        && let Some(fault) = &plan.header_fault
    {
        return Err(Trouble::NothingToSave { path: input.path().to_path_buf(), fault: fault.clone() });
    }
    write::write(input.bytes(), &plan, &mut out)?;
    // A dump and a list do not go to one place.
    let mut listing = if out.is_stdout() { Output::stderr() } else { Output::stdout() };
    out.finish()?;
    let listed = list(&mut listing, &plan);
    listing.written(listed)?;
    listing.finish()?;
    Ok(plan.losses.is_empty())
}

fn list(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    for Loss { bytes, what, key, after, is_unknown } in &plan.losses {
        let verb = if *is_unknown { "left out" } else { "lost" };
        write!(out, "{verb}: bytes {} to {}", bytes.start, bytes.end)?;
        if let Some(key) = key {
            out.write_all(b", key ")?;
            out.write_all(&quoted(key))?;
        }
        if let Some(after) = after {
            out.write_all(b", after key ")?;
            out.write_all(&quoted(after))?;
        }
        writeln!(out, ": {what}")?;
    }
    let (left_out, losses): (Vec<_>, Vec<_>) = plan.losses.iter().partition(|loss| loss.is_unknown);
    let lost: usize = losses.iter().map(|loss| loss.bytes.len()).sum();
    let databases = plan.databases.values().filter(|counts| counts.keys > 0).count();
    let keys = counted(plan.keys(), "key", "keys");
    write!(out, "{keys} in {} kept", counted(databases as u64, "database", "databases"))?;
    if !left_out.is_empty() {
        let things = counted(left_out.len() as u64, "thing", "things");
        write!(out, ", {things} left out that this server does not load")?;
    }
    if losses.is_empty() {
        writeln!(out, ", nothing lost")
    } else {
        let faults = counted(losses.len() as u64, "fault", "faults");
        writeln!(out, "; {faults}, {} lost", counted(lost as u64, "byte", "bytes"))
    }
}

/// What would be written, for the fuzz targets.
#[cfg(any(test, feature = "internals"))]
pub fn salvaged_bytes(file: &[u8]) -> Vec<u8> {
    let plan = plan::make(file, Unknown::LeftOut);
    let mut out = crate::rdb::Encoder::detached(write::options(&plan));
    let written = write::write_dump(file, &plan, &mut out);
    debug_assert!(written.is_ok(), "a vector takes everything");
    out.into_bytes()
}
