//! The id of a stream's entry as it is in files: both halves with the most significant byte first, so that ids sort
//! as their bytes do.

pub const ENTRY_ID_BYTES: usize = 16;

pub fn entry_id_bytes(ms: u64, seq: u64) -> [u8; ENTRY_ID_BYTES] {
    (u128::from(ms) << 64 | u128::from(seq)).to_be_bytes()
}

/// Milliseconds and sequence number.
pub fn entry_id(bytes: [u8; ENTRY_ID_BYTES]) -> (u64, u64) {
    let id = u128::from_be_bytes(bytes);
    ((id >> 64) as u64, id as u64)
}
