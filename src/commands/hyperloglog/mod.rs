//! HyperLogLog commands: how many different elements there were, from sketches that are kept in strings.
//! Owns:  the rows and handlers of PFADD to PFSELFTEST.
//! Uses:  keyspace, types, structures, config, resp.
//! Never: how a sketch counts, which the structure `hyperloglog` knows.

mod add;
mod count;
mod debug;
mod merge;
mod rows;

pub(super) use rows::COMMANDS;

use super::framework::{CommandError, WriteCtx};
use crate::config::Config;
use crate::structures::hyperloglog::{Sketch, SketchError, SketchView};
use crate::types::string::{StringValue, StringView};

impl From<SketchError> for CommandError {
    fn from(error: SketchError) -> Self {
        match error {
            SketchError::NotASketch => CommandError::text("WRONGTYPE Key is not a valid HyperLogLog string value."),
            SketchError::Corrupted => CommandError::text("INVALIDOBJ Corrupted HLL object detected"),
        }
    }
}

/// The sketch that a string is.
fn sketch_of(string: StringView<'_>) -> Result<SketchView<'_>, SketchError> {
    match string {
        StringView::Int(_) => Err(SketchError::NotASketch),
        StringView::Embstr(bytes) | StringView::Raw(bytes) => SketchView::new(bytes),
    }
}

/// Changes the sketch that a string is. One that is not sound is left as it is.
fn change_sketch<R>(
    string: &mut StringValue,
    sparse_bytes_max: usize,
    change: impl FnOnce(&mut Sketch<'_>) -> R,
) -> Result<R, SketchError> {
    let bytes = match string {
        StringValue::Int(_) => return Err(SketchError::NotASketch),
        StringValue::Embstr(bytes) | StringValue::Raw(bytes) => bytes,
    };
    let result = change(&mut Sketch::new(bytes, sparse_bytes_max)?);
    if matches!(string, StringValue::Embstr(_)) {
        string.make_raw();
    }
    Ok(result)
}

/// Up to which size a sketch stays sparse.
fn sparse_bytes_max(config: &Config) -> usize {
    usize::try_from(config.hll_sparse_max_bytes).unwrap_or(usize::MAX)
}

/// What `hll-sparse-max-bytes` is by default, here and elsewhere.
const SPARSE_BYTES_DEFAULT: usize = 3000;

/// The same for a change. Where a record is repeated, a sketch becomes dense when [`record_dense`] says so. Redis records no
/// such thing: of its records a sketch becomes dense as it has there, if both have the same limit.
fn sparse_bytes_max_of_change(ctx: &WriteCtx<'_>) -> usize {
    let own = sparse_bytes_max(ctx.config);
    if ctx.repeats_record() { own.max(SPARSE_BYTES_DEFAULT) } else { own }
}

/// Has it recorded that a sketch became dense, since another server may have another limit.
fn record_dense(ctx: &mut WriteCtx<'_>, key: &[u8]) {
    ctx.record_also(|out| out.extend([b"PFDEBUG", b"TODENSE", key]));
}
