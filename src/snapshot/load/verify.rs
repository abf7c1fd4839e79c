//! The check of a whole file's header and checksum, in steps.

use bytes::Bytes;

use super::format_fault;
use crate::rdb::{self, Crc64, Records};
use crate::snapshot::error::LoadFault;

/// Bytes that one step covers.
const STEP_BYTES: usize = 8 << 20;

/// Bytes behind the checksum's opcode.
const CHECKSUM_BYTES: usize = 8;

/// Files of older versions have no checksum.
const VERSION_WITH_CHECKSUM: u32 = 5;

/// A file's checksum on the way to being computed, from its beginning on.
pub struct Verification {
    file: Bytes,
    position: usize,
    /// Bytes that the checksum covers; `None` when it is not where a complete file has it.
    covered: Option<usize>,
    crc: Crc64,
}

impl Verification {
    /// Checks the header. Without `checksum`, that is all.
    pub fn new(file: Bytes, checksum: bool) -> Result<Self, LoadFault> {
        let version = Records::new(&file).map_err(format_fault)?.version();
        let with_checksum = checksum && version >= VERSION_WITH_CHECKSUM;
        let covered = if with_checksum { file.len().checked_sub(CHECKSUM_BYTES) } else { Some(0) };
        Ok(Self { file, position: 0, covered, crc: Crc64::new() })
    }

    /// Goes on a little. Returns whether all is done.
    pub fn step(&mut self) -> Result<bool, LoadFault> {
        let covered = self.covered.unwrap_or(0);
        self.compute_to(covered.min(self.position + STEP_BYTES));
        if self.position < covered {
            return Ok(false);
        }
        let expects = covered > 0 || self.covered.is_none();
        if expects && !self.matches(covered) {
            // What exactly is wrong, or that other data follows the dump, takes another look.
            rdb::verify_checksum(&self.file).map_err(|error| match error {
                error @ rdb::Error::BadChecksum { .. } => LoadFault::Checksum(error),
                cause => format_fault(cause),
            })?;
        }
        Ok(true)
    }

    /// Whether the bytes matter at all.
    pub fn wants_checksums(&self) -> bool {
        self.covered.is_some_and(|covered| covered > 0)
    }

    /// Takes the checksum of a part of the file, none of which has been covered yet, from somebody who had its bytes at hand.
    pub fn take_part(&mut self, start: u64, end: u64, checksum: u64) {
        let (from, to) = (start as usize, end as usize);
        debug_assert!(self.position <= from, "parts come in order");
        if self.covered.is_some_and(|covered| to <= covered) {
            self.compute_to(from);
            self.crc.combine(checksum, end - start);
            self.position = to;
        }
    }

    fn compute_to(&mut self, end: usize) {
        self.crc.update(&self.file[self.position..end]);
        self.position = end;
    }

    fn matches(&self, covered: usize) -> bool {
        let ends = covered > 0 && self.file[covered - 1] == rdb::Opcode::Eof.as_u8();
        ends && self.file.get(covered..).and_then(|stored| stored.first_chunk()).is_some_and(|stored| {
            // Zero: the writer had checksums switched off.
            let stored = rdb::Decoder::new(stored as &[u8; CHECKSUM_BYTES]).milliseconds().unwrap_or(0) as u64;
            stored == 0 || stored == self.crc.value()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_computed_elsewhere_give_the_same_verdict() {
        let mut body = b"REDIS0010\xFA\x01a\x01b".to_vec();
        body.extend(std::iter::repeat_n(7, 1000));
        let mut crc = Crc64::new();
        crc.update(&body);
        for (checksum, damage, good) in [(true, 0, true), (true, 1, false), (false, 0, true)] {
            let options = rdb::Options { checksum, ..rdb::Options::default() };
            let mut file = [body.clone(), rdb::trailer(crc, options)].concat();
            *file.last_mut().expect("a byte") ^= damage;
            let mut verification = Verification::new(file.clone().into(), true).expect("a header");
            for (start, end) in [(20, 30), (30, 500), (700, 701)] {
                verification.take_part(start, end, Crc64::of(&file[start as usize..end as usize]));
            }
            assert_eq!(verification.step().is_ok(), good);
        }
    }
}
