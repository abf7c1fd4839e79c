//! The one walk over a file: every record with its place, every value as the bytes that hold it.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use crate::rdb::{self, Crc64, Decoder, Format, Record, Records, Tag, skip};
use crate::script::LibraryHead;
use crate::types::{EMPTY_VALUE, Limits, LoadOptions, Type, Value};

/// Bytes that are gathered before the checksum takes them: it wants large pieces that are still in the cache.
const SUMMED_BYTES: usize = 1 << 20;

const CHECKSUM_BYTES: usize = 8;

/// What a walk comes across.
pub enum Found<'a> {
    Entry(Item<'a>),
    Aux {
        key: Cow<'a, [u8]>,
        value: Cow<'a, [u8]>,
    },
    Database(u64),
    Sizes {
        keys: u64,
        expires: u64,
    },
    Library(Cow<'a, [u8]>),
    /// A function library of a release candidate, which no release loads.
    LibraryOfCandidate,
    /// What a module keeps outside of keys, as it is in the file.
    ModuleAux {
        bytes: &'a [u8],
    },
    End,
}

/// The name of a function library, or its first line if that names none.
pub fn library_name(text: &[u8]) -> Vec<u8> {
    match LibraryHead::read(text) {
        Ok(head) => head.name.into(),
        Err(_) => text.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec(),
    }
}

/// An entry: what the file says of it, and where.
pub struct Item<'a> {
    pub db: u64,
    pub tag: Tag,
    pub key: Cow<'a, [u8]>,
    /// In milliseconds since 1970.
    pub expiry_ms: Option<i64>,
    /// In seconds.
    pub idle: Option<u64>,
    pub freq: Option<u8>,
    /// What modules keep beside the key, within the span.
    pub metadata: Option<Range<usize>>,
    /// Everything that is the entry's own: expiry, clock, type, key, value.
    pub span: Range<usize>,
    /// The value without its type byte.
    pub value: &'a [u8],
}

impl Item<'_> {
    /// Where the value begins.
    pub fn value_offset(&self) -> u64 {
        (self.span.end - self.value.len()) as u64
    }

    /// The type that TYPE would answer; `None` for a module's.
    pub fn data_type(&self) -> Option<Type> {
        type_of(self.tag)
    }

    /// Decodes the value, all of which is checked; a collection without elements is none at all.
    pub fn load(&self) -> rdb::Result<Content> {
        self.load_and_note(None)
    }

    /// As [`Item::load`]; a stream whose stored length is wrong is noted.
    pub fn load_and_note(&self, wrong_length: Option<&Cell<bool>>) -> rdb::Result<Content> {
        let limits = Limits::default();
        let options = LoadOptions { wrong_length, ..LoadOptions::checking_all(&limits) };
        let mut input = Decoder::at(self.value, self.value_offset());
        match Value::load(self.tag, &mut input, &options) {
            Err(rdb::Error::InvalidValue { what: EMPTY_VALUE, .. }) => Ok(Content::Empty),
            Err(rdb::Error::UnsupportedType { .. } | rdb::Error::UnsupportedModule { .. }) => Ok(Content::Opaque),
            Ok(_) if input.remaining() > 0 => Err(input.invalid("bytes of the value are left over")),
            result => result.map(Content::Value),
        }
    }

    /// Why the value is opaque.
    pub fn unsupported(&self) -> Option<rdb::Error> {
        let limits = Limits::default();
        let mut input = Decoder::at(self.value, self.value_offset());
        Value::load(self.tag, &mut input, &LoadOptions::checking_all(&limits)).err()
    }

    pub fn fault(&self, cause: rdb::Error) -> Fault {
        Fault { cause, key: Some(self.key.to_vec()) }
    }
}

/// Whether a field is what a server of a cluster writes in front of the keys of each slot: a hint that is true of its own
/// file only, as the sizes of databases are.
pub fn is_about_slot(key: &[u8]) -> bool {
    key == b"slot-info"
}

/// What an entry holds.
pub enum Content {
    Value(Value),
    /// A value of a type that this server does not have, such as a module's: it is only passed on as its bytes.
    Opaque,
    /// A collection without elements, which no server keeps.
    Empty,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub cause: rdb::Error,
    pub key: Option<Vec<u8>>,
}

impl Fault {
    pub fn of_file(cause: rdb::Error) -> Self {
        Self { cause, key: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        match &self.key {
            Some(key) => write!(f, " (key '{}')", key.escape_ascii()),
            None => Ok(()),
        }
    }
}

/// The type of the values of a tag; `None` for a module's.
pub fn type_of(tag: Tag) -> Option<Type> {
    Some(match tag {
        Tag::String => Type::String,
        Tag::List | Tag::ListZiplist | Tag::ListQuicklist | Tag::ListQuicklist2 => Type::List,
        Tag::Set | Tag::SetIntset | Tag::SetListpack => Type::Set,
        Tag::Zset | Tag::Zset2 | Tag::ZsetZiplist | Tag::ZsetListpack => Type::Zset,
        Tag::Hash
        | Tag::HashZipmap
        | Tag::HashZiplist
        | Tag::HashListpack
        | Tag::HashMetadataPreGa
        | Tag::HashListpackExPreGa
        | Tag::HashMetadata
        | Tag::HashListpackEx
        | Tag::Hash2 => Type::Hash,
        Tag::StreamListpacks
        | Tag::StreamListpacks2
        | Tag::StreamListpacks3
        | Tag::StreamListpacks4
        | Tag::StreamListpacks5 => Type::Stream,
        Tag::Module | Tag::Module2 | Tag::Array => return None,
    })
}

/// The checksum of what the walk has passed.
struct Sum {
    crc: Crc64,
    upto: usize,
}

/// Goes through a file record by record. The value of an entry is passed over before the entry is given out.
pub struct Walk<'a> {
    file: &'a [u8],
    records: Records<'a>,
    db: u64,
    sum: Option<Sum>,
}

impl<'a> Walk<'a> {
    /// Starts behind the header. With `checksum`, the checksum is held against the file's own at its end.
    pub fn new(file: &'a [u8], checksum: bool) -> Result<Self, Fault> {
        let records = Records::new(file).map_err(Fault::of_file)?;
        let sum = checksum.then(|| Sum { crc: Crc64::new(), upto: 0 });
        Ok(Self { file, records, db: 0, sum })
    }

    /// Continues at a record that begins at `offset`, whatever comes before it.
    pub fn resume(file: &'a [u8], format: Format, offset: usize, db: u64) -> Self {
        Self { file, records: Records::resume(file, format, offset as u64), db, sum: None }
    }

    pub fn format(&self) -> Format {
        self.records.format()
    }

    pub fn version(&self) -> u32 {
        self.records.version()
    }

    pub fn offset(&self) -> usize {
        self.records.offset() as usize
    }

    /// The next record.
    pub fn next(&mut self) -> Result<Found<'a>, Fault> {
        let start = self.offset();
        self.sum_up_to(start, SUMMED_BYTES);
        Ok(match self.records.next().map_err(Fault::of_file)? {
            Record::Entry { tag, key, expiry_ms, idle, freq, metadata } => {
                let metadata = metadata.map(|(start, end)| start as usize..end as usize);
                let value_at = self.offset();
                if let Err(cause) = skip::value(tag, self.records.decoder()) {
                    return Err(Fault { cause, key: Some(key.into_owned()) });
                }
                let end = self.offset();
                let value = self.file.get(value_at..end).unwrap_or_default();
                Found::Entry(Item { db: self.db, tag, key, expiry_ms, idle, freq, metadata, span: start..end, value })
            }
            Record::SelectDb(index) => {
                self.db = index;
                Found::Database(index)
            }
            Record::ResizeDb { keys, expires } => Found::Sizes { keys, expires },
            Record::Aux { key, value } => Found::Aux { key, value },
            Record::FunctionLibrary(code) => Found::Library(code),
            Record::FunctionOfCandidate { .. } => Found::LibraryOfCandidate,
            Record::ModuleAux { .. } => {
                let bytes = self.file.get(start..self.offset()).unwrap_or_default();
                Found::ModuleAux { bytes }
            }
            Record::Eof => {
                self.verify()?;
                Found::End
            }
        })
    }

    fn sum_up_to(&mut self, offset: usize, least: usize) {
        if let Some(sum) = &mut self.sum
            && offset >= sum.upto + least
        {
            sum.crc.update(self.file.get(sum.upto..offset).unwrap_or_default());
            sum.upto = offset;
        }
    }

    fn verify(&mut self) -> Result<(), Fault> {
        let Some(stored) = self.records.stored_checksum() else { return Ok(()) };
        let covered = self.offset().saturating_sub(CHECKSUM_BYTES);
        self.sum_up_to(covered, 0);
        match &self.sum {
            Some(sum) if stored != 0 && stored != sum.crc.value() => Err(Fault::of_file(rdb::Error::BadChecksum {
                offset: covered as u64,
                stored,
                computed: sum.crc.value(),
            })),
            _ => Ok(()),
        }
    }
}
