use super::{BLOCK, LITERALS_MAX};
use crate::stdx::size::ELEMENT_BYTES_MAX;

/// No instruction yields more than this many bytes for each of its own: 264 for three.
const EXPANSION_MAX: u64 = 88;

/// Compressed strings that claim more than this are refused, whatever follows them.
const DECOMPRESSED_BYTES_MAX: u64 = ELEMENT_BYTES_MAX as u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("it ends inside an instruction")]
    Truncated,
    #[error("it refers to before its beginning")]
    ReferenceBeforeStart,
    #[error("it holds {actual} bytes or more, but claims {claimed}")]
    TooLong { claimed: u64, actual: u64 },
    #[error("it holds {actual} bytes, but claims {claimed}")]
    TooShort { claimed: u64, actual: u64 },
    #[error("its claimed length of {claimed} bytes is impossible")]
    ImpossibleLength { claimed: u64 },
    #[error("no memory for its {claimed} bytes")]
    OutOfMemory { claimed: u64 },
}

/// Replaces what is in `out` by the original, which must have exactly `expected_len` bytes.
///
/// Nothing is allocated for a length that so many compressed bytes cannot yield.
pub fn decompress(input: &[u8], expected_len: u64, out: &mut Vec<u8>) -> Result<(), Error> {
    let claimed = expected_len;
    out.clear();
    if claimed > DECOMPRESSED_BYTES_MAX || claimed > (input.len() as u64).saturating_mul(EXPANSION_MAX) {
        return Err(Error::ImpossibleLength { claimed });
    }
    let Ok(length) = usize::try_from(claimed) else {
        return Err(Error::ImpossibleLength { claimed });
    };
    out.try_reserve(length + BLOCK).map_err(|_| Error::OutOfMemory { claimed })?;
    out.resize(length + BLOCK, 0);
    let result = decompress_into(input, length, out);
    out.truncate(if result.is_ok() { length } else { 0 });
    result
}

/// `out` is longer than the original by one block.
fn decompress_into(input: &[u8], length: usize, out: &mut [u8]) -> Result<(), Error> {
    let too_long = |actual: usize| Error::TooLong { claimed: length as u64, actual: actual as u64 };
    let mut written = 0;
    let mut rest = input;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        let control = usize::from(control);
        if control < LITERALS_MAX {
            let run = control + 1;
            if written + run > length {
                return Err(too_long(written + run));
            }
            if let Some(block) = rest.first_chunk::<BLOCK>() {
                out[written..written + BLOCK].copy_from_slice(block);
            } else {
                let literals = rest.get(..run).ok_or(Error::Truncated)?;
                out[written..written + run].copy_from_slice(literals);
            }
            rest = &rest[run..];
            written += run;
        } else {
            let mut run = (control >> 5) + 2;
            if control >> 5 == 7 {
                let (&more, after) = rest.split_first().ok_or(Error::Truncated)?;
                run += usize::from(more);
                rest = after;
            }
            let (&low, after) = rest.split_first().ok_or(Error::Truncated)?;
            rest = after;
            let distance = ((control & 31) << 8 | usize::from(low)) + 1;
            if distance > written {
                return Err(Error::ReferenceBeforeStart);
            }
            if written + run > length {
                return Err(too_long(written + run));
            }
            copy_reference(out, written, distance, run);
            written += run;
        }
    }
    if written < length {
        return Err(Error::TooShort { claimed: length as u64, actual: written as u64 });
    }
    Ok(())
}

/// Repeats what is `distance` bytes back, which may be less than the length of the run.
#[inline]
fn copy_reference(out: &mut [u8], written: usize, distance: usize, run: usize) {
    const STEP: usize = BLOCK / 2;
    let end = written + run;
    if distance >= STEP {
        let mut at = written;
        while at < end {
            let block: [u8; STEP] = *out[at - distance..].first_chunk().expect("a block is there");
            out[at..at + STEP].copy_from_slice(&block);
            at += STEP;
        }
    } else if distance == 1 {
        let byte = out[written - 1];
        out[written..end].fill(byte);
    } else {
        for at in written..end {
            out[at] = out[at - distance];
        }
    }
}
