use std::borrow::Cow;

use super::{
    CHECKSUM_BYTES, Crc64, Decoder, Dialect, Error, Format, HEADER_BYTES, ModuleId, Opcode, Result, Tag,
    VERSION_WITH_CHECKSUM, skip,
};

/// An expiry that is none.
const NO_EXPIRY: i64 = -1;

/// What is in a file, one after another.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<'a> {
    /// A fact about the file or the server that wrote it.
    Aux {
        key: Cow<'a, [u8]>,
        value: Cow<'a, [u8]>,
    },
    /// The entries that follow belong to this database.
    SelectDb(u64),
    /// How many keys this database has, and how many of them with an expiry.
    ResizeDb {
        keys: u64,
        expires: u64,
    },
    /// A key. Its value follows: whoever receives this must read it from `Records::decoder` before asking on.
    Entry {
        tag: Tag,
        key: Cow<'a, [u8]>,
        /// In milliseconds since 1970.
        expiry_ms: Option<i64>,
        /// In seconds.
        idle: Option<u64>,
        freq: Option<u8>,
        /// Where the metadata of modules is in the file: from its opcode up to what follows.
        metadata: Option<(u64, u64)>,
    },
    /// The code of a function library.
    FunctionLibrary(Cow<'a, [u8]>),
    /// A function library of a release candidate of Redis 7.0, which has been passed over: no release loads it.
    FunctionOfCandidate {
        offset: u64,
    },
    /// What a module keeps outside of keys, which has been passed over.
    ModuleAux {
        id: ModuleId,
        offset: u64,
    },
    Eof,
}

/// What opcodes have said about the next key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pending {
    expiry_ms: Option<i64>,
    idle: Option<u64>,
    freq: Option<u8>,
    metadata: Option<(u64, u64)>,
}

/// Where a reader is between two records of a file, without holding on to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bookmark {
    offset: u64,
    format: Format,
    pending: Pending,
    ended: bool,
}

impl Bookmark {
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn dialect(&self) -> Dialect {
        self.format.dialect
    }

    /// Another place between two records of the same file, before the end and with nothing said about the next key.
    pub fn at(&self, offset: u64) -> Self {
        Self { offset, pending: Pending::default(), ended: false, ..*self }
    }

    /// Whether opcodes before it have said something about the key that comes next.
    pub fn is_inside_entry(&self) -> bool {
        self.pending != Pending::default()
    }
}

/// Reads a whole file record by record.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    decoder: Decoder<'a>,
    format: Format,
    pending: Pending,
    ended: bool,
    stored_checksum: Option<u64>,
}

impl<'a> Records<'a> {
    pub fn new(file: &'a [u8]) -> Result<Self> {
        let format = Format::of_file(file)?;
        let mut decoder = Decoder::new(file);
        decoder.raw(HEADER_BYTES as u64)?;
        Ok(Self { decoder, format, pending: Pending::default(), ended: false, stored_checksum: None })
    }

    /// Reads on from a record that begins at `offset`, whatever the header says: for files that are damaged.
    pub fn resume(file: &'a [u8], format: Format, offset: u64) -> Self {
        let rest = usize::try_from(offset).ok().and_then(|start| file.get(start..)).unwrap_or_default();
        let decoder = Decoder::at(rest, offset);
        Self { decoder, format, pending: Pending::default(), ended: false, stored_checksum: None }
    }

    /// Continues in the same file where a reader stopped.
    pub fn at(file: &'a [u8], bookmark: &Bookmark) -> Self {
        let &Bookmark { offset, format, pending, ended } = bookmark;
        Self { pending, ended, ..Self::resume(file, format, offset) }
    }

    /// Where this reader is, between two records.
    pub fn bookmark(&self) -> Bookmark {
        Bookmark { offset: self.offset(), format: self.format, pending: self.pending, ended: self.ended }
    }

    pub fn version(&self) -> u32 {
        self.format.version
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Where the value of an entry is to be read from.
    pub fn decoder(&mut self) -> &mut Decoder<'a> {
        &mut self.decoder
    }

    /// What the file says its checksum is, once its end has been reached; zero where the writer had checksums switched off.
    pub fn stored_checksum(&self) -> Option<u64> {
        self.stored_checksum
    }

    /// The offset of what comes next: after the end, of what follows the file's last byte.
    pub fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// The next record; the end again and again once it has been reached.
    ///
    /// It is no iterator, since after an entry its value must be read before the next call.
    #[expect(clippy::should_implement_trait, reason = "an iterator would lend itself to skipping values")]
    pub fn next(&mut self) -> Result<Record<'a>> {
        while !self.ended {
            let offset = self.decoder.offset();
            let byte = self.decoder.byte()?;
            let dialect = self.format.dialect;
            if let Some(tag) = Tag::from_u8(byte, dialect) {
                let key = self.decoder.string()?;
                let Pending { expiry_ms, idle, freq, metadata } = std::mem::take(&mut self.pending);
                return Ok(Record::Entry { tag, key, expiry_ms, idle, freq, metadata });
            }
            let opcode = Opcode::from_u8(byte, dialect).ok_or(Error::UnknownType { offset, byte, dialect })?;
            if let Some(record) = self.opcode(opcode, offset)? {
                return Ok(record);
            }
        }
        Ok(Record::Eof)
    }

    fn opcode(&mut self, opcode: Opcode, offset: u64) -> Result<Option<Record<'a>>> {
        let input = &mut self.decoder;
        Ok(Some(match opcode {
            Opcode::ExpireTimeMs => {
                // As in Redis, -1 says that there is none.
                self.pending.expiry_ms = Some(input.milliseconds()?).filter(|&at_ms| at_ms != NO_EXPIRY);
                return Ok(None);
            }
            Opcode::ExpireTime => {
                self.pending.expiry_ms = Some(input.seconds()? * 1000);
                return Ok(None);
            }
            Opcode::Idle => {
                self.pending.idle = Some(input.length()?);
                return Ok(None);
            }
            Opcode::Freq => {
                self.pending.freq = Some(input.byte()?);
                return Ok(None);
            }
            Opcode::SlotInfo => {
                // The slot, its number of keys and its number of expiries: a cluster's hint like that of ResizeDb.
                for _ in 0..3 {
                    input.length()?;
                }
                return Ok(None);
            }
            Opcode::SlotImport => {
                skip::slot_import(input)?;
                return Ok(None);
            }
            Opcode::KeyMetadata => {
                skip::key_metadata(input)?;
                self.pending.metadata = Some((offset, input.offset()));
                return Ok(None);
            }
            Opcode::Aux => {
                let (key, value) = (input.string()?, input.string()?);
                if *key == *b"redis-ver" {
                    self.format.dialect = self.format.dialect.told_by(&value);
                }
                Record::Aux { key, value }
            }
            Opcode::SelectDb => Record::SelectDb(input.length()?),
            Opcode::ResizeDb => Record::ResizeDb { keys: input.length()?, expires: input.length()? },
            Opcode::Function2 => Record::FunctionLibrary(input.string()?),
            Opcode::FunctionPreGa => {
                skip::function_of_candidate(input, self.format.dialect)?;
                Record::FunctionOfCandidate { offset }
            }
            Opcode::ModuleAux => {
                let id = ModuleId(input.length()?);
                // The moment of loading at which the module wants this, a field like those that follow.
                skip::module_fields(input)?;
                Record::ModuleAux { id, offset }
            }
            Opcode::Eof => {
                if self.format.version >= VERSION_WITH_CHECKSUM {
                    self.stored_checksum = Some(u64::from_le_bytes(input.array::<CHECKSUM_BYTES>()?));
                }
                self.ended = true;
                Record::Eof
            }
        }))
    }

    /// Passes over everything up to the end.
    pub fn skip_to_end(&mut self) -> Result<()> {
        loop {
            match self.next()? {
                Record::Eof => return Ok(()),
                Record::Entry { tag, .. } => skip::value(tag, &mut self.decoder)?,
                _ => {}
            }
        }
    }
}

/// What a file says about its own integrity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Files before RDB version 5 have none.
    Absent,
    /// The writer had checksums switched off.
    Off,
    Good(u64),
}

/// A file whose bytes are those that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub version: u32,
    pub checksum: Checksum,
    /// Where the file ends, checksum included. Other data may follow, as in an append-only file.
    pub end: u64,
}

/// Checks header and checksum of a whole file in one pass, before anything of it is believed.
///
/// Only if the checksum is not where a complete file has it, the records are walked through to say what is wrong.
pub fn verify_checksum(file: &[u8]) -> Result<Verified> {
    let Format { version, .. } = Format::of_file(file)?;
    let whole = file.len() as u64;
    if version < VERSION_WITH_CHECKSUM {
        return Ok(Verified { version, checksum: Checksum::Absent, end: whole });
    }
    let candidate = checksum_before(file).filter(|(body, _)| body.last() == Some(&Opcode::Eof.as_u8()));
    let mismatch = match candidate.map(|(body, stored)| check(body, stored)) {
        Some(Ok(checksum)) => return Ok(Verified { version, checksum, end: whole }),
        Some(Err(mismatch)) => Some(mismatch),
        None => None,
    };
    let mut records = Records::new(file)?;
    if let Err(cause) = records.skip_to_end() {
        return Err(mismatch.unwrap_or(cause));
    }
    let end = records.offset();
    let before_end = usize::try_from(end).ok().and_then(|end| file.get(..end)).and_then(checksum_before);
    match before_end {
        Some((body, stored)) if end < whole => Ok(Verified { version, checksum: check(body, stored)?, end }),
        _ => Err(mismatch.unwrap_or(Error::UnexpectedEnd { offset: whole, needed: 1, remaining: 0 })),
    }
}

fn checksum_before(file: &[u8]) -> Option<(&[u8], u64)> {
    let (body, stored) = file.split_last_chunk::<CHECKSUM_BYTES>()?;
    Some((body, u64::from_le_bytes(*stored)))
}

fn check(body: &[u8], stored: u64) -> Result<Checksum> {
    if stored == 0 {
        return Ok(Checksum::Off);
    }
    let computed = Crc64::of(body);
    if stored != computed {
        return Err(Error::BadChecksum { offset: body.len() as u64, stored, computed });
    }
    Ok(Checksum::Good(stored))
}
