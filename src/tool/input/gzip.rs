//! Gzip, recognised by its first bytes: members one after another, as `cat a.gz b.gz` makes them.

use std::io::{self, BufRead, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::tool::trouble::Trouble;

const MAGIC: [u8; 2] = [0x1f, 0x8b];

pub const TWICE: &str = "it is compressed twice with gzip; uncompress it once: zcat FILE | copal-rdb ... -";

pub fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

/// Whether an error of [`Gunzip`] is one of the data, and not of reading them.
pub fn is_damage(cause: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    // Errors of the system have a number.
    cause.raw_os_error().is_none() && matches!(cause.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// What an error while reading is called, after so many bytes have come out.
pub fn trouble(name: &Path, cause: io::Error, unpacked: u64) -> Trouble {
    let name = name.to_path_buf();
    if !is_damage(&cause) {
        return Trouble::Read { name, cause };
    }
    Trouble::Compressed { name, what: damage(&cause), unpacked }
}

/// What is wrong with the data.
pub fn damage(cause: &io::Error) -> &'static str {
    if cause.kind() == io::ErrorKind::UnexpectedEof { "cut short" } else { "damaged" }
}

/// The bytes that were compressed. The checksum and the length of each member are compared.
pub struct Gunzip<R: BufRead> {
    /// `None` only while members change.
    member: Option<GzDecoder<R>>,
    /// The bytes behind the last member are no member.
    trailing: bool,
    ended: bool,
    /// What was wrong; nothing is read behind it.
    broken: Option<io::ErrorKind>,
}

impl<R: BufRead> Gunzip<R> {
    pub fn new(compressed: R) -> Self {
        Self { member: Some(GzDecoder::new(compressed)), trailing: false, ended: false, broken: None }
    }

    pub fn has_trailing_bytes(&self) -> bool {
        self.trailing
    }

    fn read_members(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !into.is_empty() {
            let Some(member) = &mut self.member else { break };
            match member.read(into)? {
                0 => self.next_member()?,
                count => return Ok(count),
            }
        }
        Ok(0)
    }

    /// Begins the next member, if one follows. Zeros may pad the last one, as on a tape.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let mut compressed = member.into_inner();
        loop {
            let ahead = compressed.fill_buf()?;
            match ahead.iter().position(|&byte| byte != 0) {
                None if ahead.is_empty() => self.ended = true,
                None => {
                    let zeros = ahead.len();
                    compressed.consume(zeros);
                    continue;
                }
                Some(0) if ahead.first() == Some(&MAGIC[0]) => {}
                Some(_) => {
                    self.ended = true;
                    self.trailing = true;
                }
            }
            if !self.ended {
                self.member = Some(GzDecoder::new(compressed));
            }
            return Ok(());
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(kind) = self.broken {
            return Err(kind.into());
        }
        let result = self.read_members(into);
        self.broken = result.as_ref().err().filter(|cause| is_damage(cause)).map(io::Error::kind);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(bytes).and_then(|()| out.finish()).expect("a vector takes everything")
    }

    /// Gives out one byte at a time, as a pipe may.
    struct Dribble<'b>(&'b [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let end = into.len().min(1);
            self.0.read(&mut into[..end])
        }
    }

    fn unpacked(bytes: &[u8]) -> io::Result<(Vec<u8>, bool)> {
        let mut gunzip = Gunzip::new(BufReader::new(Dribble(bytes)));
        let mut out = Vec::new();
        gunzip.read_to_end(&mut out)?;
        Ok((out, gunzip.has_trailing_bytes()))
    }

    #[test]
    fn members_follow_one_another_and_padding_is_passed_over() {
        let (one, two, none) = (packed(b"one "), packed(b"two"), packed(b""));
        for (bytes, expected) in [
            (one.clone(), "one "),
            ([&one[..], &two].concat(), "one two"),
            ([&none[..], &one, &none, &two].concat(), "one two"),
            ([&one[..], &two, &[0; 1000]].concat(), "one two"),
            (none, ""),
        ] {
            let (out, trailing) = unpacked(&bytes).expect("sound");
            assert_eq!((out, trailing), (expected.as_bytes().to_vec(), false));
        }
        let (out, trailing) = unpacked(&[&one[..], b"garbage"].concat()).expect("sound");
        assert_eq!((out, trailing), (b"one ".to_vec(), true));
        let (out, trailing) = unpacked(&[&one[..], &[0, 0], b"garbage"].concat()).expect("sound");
        assert_eq!((out, trailing), (b"one ".to_vec(), true));
    }

    #[test]
    fn every_cut_and_every_damaged_checksum_is_seen() {
        let bytes = [packed(b"some text that is compressed"), packed(b"and more")].concat();
        let first = packed(b"some text that is compressed").len();
        for end in (1..bytes.len()).filter(|end| *end != first) {
            let error = unpacked(&bytes[..end]).expect_err("a cut is seen");
            assert!(is_damage(&error) && error.kind() == io::ErrorKind::UnexpectedEof, "{end}: {error:?}");
        }
        for at in [first - 8, first - 1, bytes.len() - 5] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(is_damage(&unpacked(&damaged).expect_err("a wrong checksum is seen")), "{at}");
        }
    }
}
