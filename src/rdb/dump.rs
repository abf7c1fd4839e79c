//! The envelope of a DUMP payload: type byte and value, then the RDB version in two bytes, then a CRC-64 in eight.

use super::{CHECKSUM_BYTES, Crc64, Error, Result, VERSION_MAX, VERSION_MIN};

const VERSION_BYTES: usize = 2;

/// Appends version and checksum to a type byte and a value.
pub fn seal(payload: &mut Vec<u8>, version: u32) {
    debug_assert!((VERSION_MIN..=VERSION_MAX).contains(&version));
    payload.extend_from_slice(&(version as u16).to_le_bytes());
    let crc = Crc64::of(payload);
    payload.extend_from_slice(&crc.to_le_bytes());
}

/// As [`seal`], of a type byte and a value that lie in several pieces.
pub fn seal_pieces(pieces: &mut Vec<Vec<u8>>, version: u32) {
    debug_assert!((VERSION_MIN..=VERSION_MAX).contains(&version));
    let mut trailer = (version as u16).to_le_bytes().to_vec();
    let mut crc = Crc64::new();
    pieces.iter().chain([&trailer]).for_each(|piece| crc.update(piece));
    trailer.extend_from_slice(&crc.value().to_le_bytes());
    pieces.push(trailer);
}

/// Checks version and checksum, and returns the type byte and the value, and the version.
pub fn open(payload: &[u8]) -> Result<(&[u8], u32)> {
    let (body, version) = open_unchecked(payload)?;
    if let Some((sealed, stored)) = payload.split_last_chunk::<CHECKSUM_BYTES>() {
        let (stored, computed) = (u64::from_le_bytes(*stored), Crc64::of(sealed));
        if stored != computed {
            return Err(Error::BadChecksum { offset: sealed.len() as u64, stored, computed });
        }
    }
    Ok((body, version))
}

/// As [`open`], whatever the checksum.
pub fn open_unchecked(payload: &[u8]) -> Result<(&[u8], u32)> {
    let too_short = Error::UnexpectedEnd {
        offset: 0,
        needed: (VERSION_BYTES + CHECKSUM_BYTES) as u64,
        remaining: payload.len() as u64,
    };
    let Some((sealed, _checksum)) = payload.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(too_short);
    };
    let Some((body, version)) = sealed.split_last_chunk::<VERSION_BYTES>() else {
        return Err(too_short);
    };
    let version = u32::from(u16::from_le_bytes(*version));
    if !(VERSION_MIN..=VERSION_MAX).contains(&version) {
        return Err(Error::UnsupportedVersion { offset: body.len() as u64, version });
    }
    Ok((body, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What redis-server 7.0.15 answers to `SET k hello` and `DUMP k`.
    const DUMP_OF_HELLO: &[u8] = b"\x00\x05hello\x0a\x00cr\xDFve4 \x0a";

    #[test]
    fn sealed_payload_opens_again_and_no_other_does() {
        let mut payload = b"\x00\x05hello".to_vec();
        seal(&mut payload, 10);
        assert_eq!(open(&payload), Ok((&b"\x00\x05hello"[..], 10)));
        for cut in 0..payload.len() {
            assert!(open(&payload[..cut]).is_err(), "cut to {cut} bytes");
        }
        for bit in 0..payload.len() * 8 {
            let mut damaged = payload.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn pieces_are_sealed_as_their_whole_is() {
        let mut whole = b"\x00\x05hello".to_vec();
        seal(&mut whole, 10);
        for cut in 0..=7 {
            let (left, right) = whole[..7].split_at(cut);
            let mut pieces = vec![left.to_vec(), right.to_vec()];
            seal_pieces(&mut pieces, 10);
            assert_eq!(pieces.concat(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn seals_as_redis_does() {
        let mut payload = DUMP_OF_HELLO[..7].to_vec();
        seal(&mut payload, 10);
        assert_eq!(payload, DUMP_OF_HELLO);
    }

    #[test]
    fn a_payload_of_a_later_version_is_refused_by_its_version() {
        let mut payload = b"\x00\x05hello".to_vec();
        payload.extend_from_slice(&[13, 0]);
        let crc = Crc64::of(&payload);
        payload.extend_from_slice(&crc.to_le_bytes());
        assert_eq!(open(&payload), Err(Error::UnsupportedVersion { offset: 7, version: 13 }));
    }
}
