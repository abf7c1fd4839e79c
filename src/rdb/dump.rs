//! The envelope of a DUMP payload: type byte and value, then the RDB version in two bytes, then a CRC-64 in eight.

use super::{CHECKSUM_BYTES, Crc64, Error, Format, Result};

const VERSION_BYTES: usize = 2;

/// Appends version and checksum to a type byte and a value.
pub fn seal(payload: &mut Vec<u8>, version: u32) {
    debug_assert!(Format::of_payload(version, 0).is_ok());
    // Growing by halves would double a long payload for these few bytes.
    payload.reserve_exact(VERSION_BYTES + CHECKSUM_BYTES);
    payload.extend_from_slice(&(version as u16).to_le_bytes());
    let crc = Crc64::of(payload);
    payload.extend_from_slice(&crc.to_le_bytes());
}

/// As [`seal`], of a type byte and a value that lie in several pieces.
pub fn seal_pieces(pieces: &mut Vec<Vec<u8>>, version: u32) {
    debug_assert!(Format::of_payload(version, 0).is_ok());
    let mut trailer = (version as u16).to_le_bytes().to_vec();
    let mut crc = Crc64::new();
    pieces.iter().chain([&trailer]).for_each(|piece| crc.update(piece));
    trailer.extend_from_slice(&crc.value().to_le_bytes());
    pieces.push(trailer);
}

/// Checks version and checksum, and returns the type byte and the value, and the format that they are in.
///
/// A checksum of zero says that nobody computed one, as in a file: Redis 8 propagates payloads so. The value is looked
/// through in either case.
pub fn open(payload: &[u8]) -> Result<(&[u8], Format)> {
    let (body, format) = open_unchecked(payload)?;
    if let Some((sealed, stored)) = payload.split_last_chunk::<CHECKSUM_BYTES>() {
        let (stored, computed) = (u64::from_le_bytes(*stored), Crc64::of(sealed));
        if stored != 0 && stored != computed {
            return Err(Error::BadChecksum { offset: sealed.len() as u64, stored, computed });
        }
    }
    Ok((body, format))
}

/// As [`open`], whatever the checksum.
pub fn open_unchecked(payload: &[u8]) -> Result<(&[u8], Format)> {
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
    let format = Format::of_payload(u16::from_le_bytes(*version).into(), body.len() as u64)?;
    Ok((body, format))
}

#[cfg(test)]
mod tests {
    use super::super::Dialect;
    use super::*;

    /// What redis-server 7.0.15 answers to `SET k hello` and `DUMP k`.
    const DUMP_OF_HELLO: &[u8] = b"\x00\x05hello\x0a\x00cr\xDFve4 \x0a";

    #[test]
    fn sealed_payload_opens_again_and_no_other_does() {
        let mut payload = b"\x00\x05hello".to_vec();
        seal(&mut payload, 10);
        assert_eq!(open(&payload), Ok((&b"\x00\x05hello"[..], Format { dialect: Dialect::Redis, version: 10 })));
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

    fn payload(version: u8, checksum: Option<u64>) -> Vec<u8> {
        let mut payload = b"\x00\x05hello".to_vec();
        payload.extend_from_slice(&[version, 0]);
        let checksum = checksum.unwrap_or_else(|| Crc64::of(&payload));
        payload.extend_from_slice(&checksum.to_le_bytes());
        payload
    }

    #[test]
    fn payloads_of_valkey_and_of_later_redis_open_and_unknown_ones_are_named() {
        for (version, dialect) in [(12, Dialect::Redis), (15, Dialect::Redis), (80, Dialect::Valkey)] {
            let format = Format { dialect, version: version.into() };
            assert_eq!(open(&payload(version, None)), Ok((&b"\x00\x05hello"[..], format)));
        }
        for (version, dialect) in
            [(0, Dialect::Redis), (16, Dialect::Redis), (79, Dialect::Redis), (81, Dialect::Valkey)]
        {
            let format = Format { dialect, version: version.into() };
            assert_eq!(open(&payload(version, None)), Err(Error::UnsupportedVersion { offset: 7, format }));
        }
    }

    #[test]
    fn a_checksum_of_zero_is_none() {
        assert!(open(&payload(12, Some(0))).is_ok());
        assert!(matches!(open(&payload(12, Some(1))), Err(Error::BadChecksum { .. })));
    }
}
