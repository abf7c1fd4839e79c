//! The bytes of the RDB format: tags, lengths, strings, checksums, and the order of records in a file.
//! Owns:  the encoder, the decoder, LZF, CRC-64, the DUMP envelope.
//! Uses:  stdx.
//! Never: knows a data type's structure beyond what skipping it needs, or does I/O other than through a `Sink`.

mod crc;
mod decoder;
pub mod dump;
mod encoder;
mod entry_id;
mod error;
mod format;
pub mod lzf;
mod module;
mod records;
pub mod skip;
mod tag;
#[cfg(test)]
mod tests;

pub use crc::Crc64;
pub use decoder::{Decoder, Text};
pub use encoder::{Encoder, Options, Sink, trailer};
pub use entry_id::{ENTRY_ID_BYTES, entry_id, entry_id_bytes};
pub use error::{Error, Result};
pub use format::{Dialect, Format};
pub use module::ModuleId;
pub use records::{Bookmark, Record, Records, verify_checksum};
#[cfg(test)]
pub use records::{Checksum, Verified};
pub use tag::{Opcode, Tag};

/// The oldest file version that can be read.
pub const VERSION_MIN: u32 = 1;

/// The newest file version that is written. Some later ones can be read, see [`Format`].
pub const VERSION_MAX: u32 = 12;

/// What is written unless somebody pins another version: the lowest that holds every type of Redis 7.0.
pub const VERSION_DEFAULT: u32 = 10;

/// The first version that has function libraries.
pub const LIBRARY_VERSION: u32 = 10;

/// Files carry a checksum after the end opcode from this version on.
const VERSION_WITH_CHECKSUM: u32 = 5;

/// `REDIS` and four decimal digits, or `VALKEY` and three.
const HEADER_BYTES: usize = 9;

const CHECKSUM_BYTES: usize = 8;

/// The first byte of an encoded length: its two high bits, or the whole byte, say how the length is written.
mod length {
    pub(super) const KIND_MASK: u8 = 0b1100_0000;
    pub(super) const VALUE_MASK: u8 = 0b0011_1111;
    pub(super) const SIX_BITS: u8 = 0b0000_0000;
    pub(super) const FOURTEEN_BITS: u8 = 0b0100_0000;
    pub(super) const ENCODED_STRING: u8 = 0b1100_0000;
    pub(super) const THIRTY_TWO_BITS: u8 = 0x80;
    pub(super) const SIXTY_FOUR_BITS: u8 = 0x81;
}

/// The first byte of a string that is not stored as length and bytes.
mod string {
    pub(super) const INT8: u8 = 0xC0;
    pub(super) const INT16: u8 = 0xC1;
    pub(super) const INT32: u8 = 0xC2;
    pub(super) const LZF: u8 = 0xC3;
}

/// The length byte of a double in its ASCII form, where no text follows.
mod double {
    pub(super) const NAN: u8 = 253;
    pub(super) const POSITIVE_INFINITY: u8 = 254;
    pub(super) const NEGATIVE_INFINITY: u8 = 255;
}
