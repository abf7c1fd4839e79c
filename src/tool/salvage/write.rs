//! The new dump: what is kept, byte for byte, under a header and counts that are true.

use std::collections::BTreeSet;
use std::io;

use super::plan::{Kept, Plan};
use crate::rdb::{Encoder, Options, VERSION_DEFAULT};
use crate::tool::output::Output;
use crate::tool::trouble::Trouble;

/// Counts of keys may be in files from this version on.
const SIZES_VERSION: u32 = 7;

pub fn write(file: &[u8], plan: &Plan, out: &mut Output) -> Result<(), Trouble> {
    let name = out.name().to_owned();
    let mut encoder = Encoder::new(out, options(plan));
    write_dump(file, plan, &mut encoder).map_err(|cause| Trouble::write(&name, cause))
}

pub fn options(plan: &Plan) -> Options {
    let version = plan.version.unwrap_or(VERSION_DEFAULT).max(plan.version_needed);
    Options { version, ..Options::default() }
}

pub fn write_dump(file: &[u8], plan: &Plan, out: &mut Encoder<'_>) -> io::Result<()> {
    out.header()?;
    let mut current = None;
    let mut sized = BTreeSet::new();
    for Kept { db, bytes } in &plan.kept {
        if let Some(db) = db
            && current != Some(*db)
        {
            out.select_db(*db)?;
            current = Some(*db);
            if let Some(counts) = plan.databases.get(db)
                && out.options().version >= SIZES_VERSION
                && sized.insert(*db)
            {
                out.resize_db(counts.keys, counts.expires)?;
            }
        }
        out.raw(file.get(bytes.clone()).unwrap_or_default())?;
    }
    out.eof()
}
