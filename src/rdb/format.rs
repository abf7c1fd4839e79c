//! Whose file it is: the magic and the version at its beginning, and what the bytes for types mean in it.

use std::fmt;

use super::{Error, HEADER_BYTES, Result};

const REDIS: &[u8; 5] = b"REDIS";
const VALKEY: &[u8; 6] = b"VALKEY";

/// What the writers of Dragonfly put in front of their version in the field `redis-ver`.
const DRAGONFLY_VERSION: &[u8] = b"df-";

/// The first version that is Valkey's own; those between Redis's and this one belong to nobody.
const VALKEY_FIRST: u32 = 80;

/// The newest versions that can be read.
const REDIS_LAST: u32 = 15;
const VALKEY_LAST: u32 = 80;

/// Who gives the types, opcodes and versions of a file their meaning. From one number on they mean different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Redis,
    /// Valkey from 9.0 on. What earlier ones write is Redis's.
    Valkey,
    /// As Redis, with types of its own that are not read.
    Dragonfly,
}

/// Dialect and version of a file or a payload of DUMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    pub dialect: Dialect,
    pub version: u32,
}

impl Format {
    /// For a file whose header cannot be read, and for what this server writes: Redis's, whatever can be read of it.
    pub const NEWEST: Self = Self { dialect: Dialect::Redis, version: REDIS_LAST };

    /// The format of a file, by its first bytes.
    pub fn of_file(file: &[u8]) -> Result<Self> {
        let (dialect, magic) = match file {
            [] => (Dialect::Redis, &REDIS[..]),
            _ if VALKEY.starts_with(&file[..file.len().min(VALKEY.len())]) => (Dialect::Valkey, &VALKEY[..]),
            _ if REDIS.starts_with(&file[..file.len().min(REDIS.len())]) => (Dialect::Redis, &REDIS[..]),
            _ => return Err(not_a_dump(file)),
        };
        let offset = magic.len() as u64;
        let Some(digits) = file.get(magic.len()..HEADER_BYTES) else {
            let (needed, remaining) = (HEADER_BYTES as u64, file.len() as u64);
            return Err(Error::UnexpectedEnd { offset: 0, needed, remaining });
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(Error::BadMagic { offset });
        }
        let version = digits.iter().fold(0, |version, digit| version * 10 + u32::from(digit - b'0'));
        Self { dialect, version }.readable(offset)
    }

    /// The format of a payload of DUMP, which has a version and no magic.
    pub fn of_payload(version: u32, offset: u64) -> Result<Self> {
        let dialect = if version < VALKEY_FIRST { Dialect::Redis } else { Dialect::Valkey };
        Self { dialect, version }.readable(offset)
    }

    /// The format that an encoder with this version writes.
    pub fn of_written(version: u32) -> Self {
        let dialect = if version < VALKEY_FIRST { Dialect::Redis } else { Dialect::Valkey };
        Self { dialect, version }
    }

    /// The bytes at the beginning of a file.
    pub fn header(self) -> String {
        let Self { dialect, version } = self;
        match dialect {
            Dialect::Redis | Dialect::Dragonfly => format!("REDIS{version:04}"),
            Dialect::Valkey => format!("VALKEY{version:03}"),
        }
    }

    fn readable(self, offset: u64) -> Result<Self> {
        let known = match self.dialect {
            Dialect::Redis | Dialect::Dragonfly => (super::VERSION_MIN..=REDIS_LAST).contains(&self.version),
            Dialect::Valkey => (VALKEY_FIRST..=VALKEY_LAST).contains(&self.version),
        };
        if known { Ok(self) } else { Err(Error::UnsupportedVersion { offset, format: self }) }
    }

    /// The servers that write this version, where it is worth saying: those after the version that this server writes.
    pub fn writer(self) -> Option<&'static str> {
        Some(match (self.dialect, self.version) {
            (Dialect::Dragonfly, _) => "Dragonfly",
            (Dialect::Redis, 13) => "Redis 8.6",
            (Dialect::Redis, 14) => "Redis 8.8",
            (Dialect::Redis, 15) => "Redis 8.10",
            (Dialect::Redis, 16..VALKEY_FIRST) => "a Redis after 8.10",
            (Dialect::Redis, _) => return None,
            (Dialect::Valkey, VALKEY_FIRST) => "Valkey 9.0 or 9.1",
            (Dialect::Valkey, 81) => "Valkey 9.2 or later",
            (Dialect::Valkey, 82..) => "a Valkey after 9.2",
            (Dialect::Valkey, _) => return None,
        })
    }
}

/// The message about a file with neither magic: in what a dump has been put, where that is known.
fn not_a_dump(file: &[u8]) -> Error {
    const OTHERS: [(&[u8], &str); 5] = [
        (b"VKCS", "a compressed file of Valkey 9.2"),
        (b"VCS", "a compressed file of Valkey after 9.1"),
        (b"\x1F\x8B", "a file that gzip has compressed (`gunzip` first)"),
        (b"\x28\xB5\x2F\xFD", "a file that zstd has compressed (`unzstd` first)"),
        (b"\x04\x22\x4D\x18", "a file that lz4 has compressed (`unlz4` first)"),
    ];
    match OTHERS.iter().find(|(magic, _)| file.starts_with(magic)) {
        Some(&(_, what)) => Error::OtherFile { what },
        None => Error::BadMagic { offset: 0 },
    }
}

impl fmt::Display for Format {
    /// The message about a format that cannot be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.writer() {
            Some(writer) => write!(f, "written by {writer} ({})", self.header()),
            None => write!(f, "no known server writes {}", self.header()),
        }?;
        write!(f, "; this server reads up to REDIS{REDIS_LAST:04} and VALKEY{VALKEY_LAST:03}")
    }
}

impl Dialect {
    /// The dialect of a file after its field `redis-ver` has been read.
    pub(super) fn told_by(self, redis_version: &[u8]) -> Self {
        if redis_version.starts_with(DRAGONFLY_VERSION) { Self::Dragonfly } else { self }
    }

    /// What a byte is that is no type or opcode which can be read, as far as that is known.
    pub(super) fn name_of_unreadable(self, byte: u8) -> Option<&'static str> {
        Some(match (self, byte) {
            (Self::Dragonfly, _) => "a type or opcode of Dragonfly's own",
            (Self::Valkey, 23) => "a hash of paths, of Valkey 9.2",
            (Self::Valkey, 242) => "an update, of Valkey 9.2",
            (Self::Redis, 29..=32) => "a hash with a template, of Redis 8.10",
            (Self::Redis, 33) => "a type of Redis after 8.8",
            (Self::Redis, 242) => "templates of hashes, of Redis 8.10",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_both_magics_are_told_apart() {
        let format = |dialect, version| Ok(Format { dialect, version });
        assert_eq!(Format::of_file(b"REDIS0001"), format(Dialect::Redis, 1));
        assert_eq!(Format::of_file(b"REDIS0015..."), format(Dialect::Redis, 15));
        assert_eq!(Format::of_file(b"VALKEY080"), format(Dialect::Valkey, 80));
        for cut in 0..9 {
            for header in [b"REDIS0012", b"VALKEY080"] {
                let error = Format::of_file(&header[..cut]).expect_err("a cut header");
                assert!(matches!(error, Error::UnexpectedEnd { .. }), "{error}");
            }
        }
        for header in [b"VALKEX080", b"REDISabcd", b"VALKEY08x", b"\0\0\0\0\0\0\0\0\0"] {
            assert!(matches!(Format::of_file(header), Err(Error::BadMagic { .. })));
        }
    }

    #[test]
    fn files_that_a_dump_has_been_put_into_are_named() {
        for (file, said) in [
            (&b"VKCS\x01\x01\x01\x00"[..], "a compressed file of Valkey 9.2, not an RDB file"),
            (b"\x1F\x8B\x08", "`gunzip` first"),
        ] {
            let error = Format::of_file(file).expect_err("no dump");
            assert!(error.to_string().contains(said) && error.is_of_another_kind(), "{error}");
        }
    }

    #[test]
    fn versions_that_cannot_be_read_are_named_as_what_they_are() {
        for (header, said) in [
            ("VALKEY081", "written by Valkey 9.2 or later (VALKEY081)"),
            ("VALKEY099", "written by a Valkey after 9.2 (VALKEY099)"),
            ("VALKEY012", "no known server writes VALKEY012"),
            ("REDIS0016", "written by a Redis after 8.10 (REDIS0016)"),
            ("REDIS0080", "no known server writes REDIS0080"),
            ("REDIS0000", "no known server writes REDIS0000"),
        ] {
            let error = Format::of_file(header.as_bytes()).expect_err(header).to_string();
            assert!(error.contains(&format!("{said}; this server reads up to REDIS0015 and VALKEY080")), "{error}");
        }
        assert!(Format::of_payload(80, 0).is_ok_and(|format| format.dialect == Dialect::Valkey));
        assert!(Format::of_payload(12, 0).is_ok_and(|format| format.dialect == Dialect::Redis));
        let error = Format::of_payload(81, 7).expect_err("too new").to_string();
        assert!(error.contains("Valkey 9.2 or later"), "{error}");
    }
}
