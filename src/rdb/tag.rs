use super::Dialect;

/// The bit that distinguishes a tag of Valkey from one of Redis with the same byte.
const OF_VALKEY: u8 = 0x80;

/// The type byte in front of a value: every one that Redis has written up to RDB version 14, and Valkey up to 80.
///
/// The data type of a tag follows from its name's first word, its layout from the rest: a type has a new tag
/// whenever its layout changes. Redis never reuses a byte, but Valkey gives its new types the bytes of Redis's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tag {
    String = 0,
    List = 1,
    Set = 2,
    /// Scores as ASCII text.
    Zset = 3,
    Hash = 4,
    /// Scores as binary doubles.
    Zset2 = 5,
    /// A module's value that only the module can parse, of Redis 4.0's release candidates.
    Module = 6,
    Module2 = 7,
    HashZipmap = 9,
    ListZiplist = 10,
    SetIntset = 11,
    ZsetZiplist = 12,
    HashZiplist = 13,
    /// Nodes are ziplists.
    ListQuicklist = 14,
    StreamListpacks = 15,
    HashListpack = 16,
    ZsetListpack = 17,
    /// Nodes are listpacks or one plain element.
    ListQuicklist2 = 18,
    /// With the first id, the greatest deleted id and the count of entries ever added.
    StreamListpacks2 = 19,
    SetListpack = 20,
    /// With each consumer's active time.
    StreamListpacks3 = 21,
    HashMetadataPreGa = 22,
    HashListpackExPreGa = 23,
    /// Fields with their times to live, relative to the least of them.
    HashMetadata = 24,
    /// Triples of field, value and expiry time.
    HashListpackEx = 25,
    /// With the data that detects an entry that was added twice.
    StreamListpacks4 = 26,
    /// With pending entries that no consumer has.
    StreamListpacks5 = 27,
    /// A type that is not supported, of a known layout.
    Array = 28,
    /// Valkey's: fields with their expiry times.
    Hash2 = 22 | OF_VALKEY,
}

impl Tag {
    pub const ALL: [Self; 29] = [
        Self::String,
        Self::List,
        Self::Set,
        Self::Zset,
        Self::Hash,
        Self::Zset2,
        Self::Module,
        Self::Module2,
        Self::HashZipmap,
        Self::ListZiplist,
        Self::SetIntset,
        Self::ZsetZiplist,
        Self::HashZiplist,
        Self::ListQuicklist,
        Self::StreamListpacks,
        Self::HashListpack,
        Self::ZsetListpack,
        Self::ListQuicklist2,
        Self::StreamListpacks2,
        Self::SetListpack,
        Self::StreamListpacks3,
        Self::HashMetadataPreGa,
        Self::HashListpackExPreGa,
        Self::HashMetadata,
        Self::HashListpackEx,
        Self::StreamListpacks4,
        Self::StreamListpacks5,
        Self::Array,
        Self::Hash2,
    ];

    pub const fn from_u8(byte: u8, dialect: Dialect) -> Option<Self> {
        // The bytes are 0 to 28 without 8, so that the position in the table follows from the byte.
        let position = match byte {
            0..=7 => byte as usize,
            9..=21 => byte as usize - 1,
            22..=28 if matches!(dialect, Dialect::Redis) => byte as usize - 1,
            22..=25 if matches!(dialect, Dialect::Dragonfly) => byte as usize - 1,
            22 if matches!(dialect, Dialect::Valkey) => return Some(Self::Hash2),
            _ => return None,
        };
        Some(Self::ALL[position])
    }

    pub const fn as_u8(self) -> u8 {
        self as u8 & !OF_VALKEY
    }

    /// Whether it is of a type that this server does not have: its values can be passed over and passed on.
    pub const fn is_foreign(self) -> bool {
        matches!(self, Self::Module | Self::Module2 | Self::Array)
    }

    /// What tools print.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::Zset => "zset",
            Self::Hash => "hash",
            Self::Zset2 => "zset-2",
            Self::Module => "module",
            Self::Module2 => "module-2",
            Self::HashZipmap => "hash-zipmap",
            Self::ListZiplist => "list-ziplist",
            Self::SetIntset => "set-intset",
            Self::ZsetZiplist => "zset-ziplist",
            Self::HashZiplist => "hash-ziplist",
            Self::ListQuicklist => "list-quicklist",
            Self::StreamListpacks => "stream-listpacks",
            Self::HashListpack => "hash-listpack",
            Self::ZsetListpack => "zset-listpack",
            Self::ListQuicklist2 => "list-quicklist-2",
            Self::StreamListpacks2 => "stream-listpacks-2",
            Self::SetListpack => "set-listpack",
            Self::StreamListpacks3 => "stream-listpacks-3",
            Self::HashMetadataPreGa => "hash-metadata-pre-ga",
            Self::HashListpackExPreGa => "hash-listpack-ex-pre-ga",
            Self::HashMetadata => "hash-metadata",
            Self::HashListpackEx => "hash-listpack-ex",
            Self::StreamListpacks4 => "stream-listpacks-4",
            Self::StreamListpacks5 => "stream-listpacks-5",
            Self::Array => "array",
            Self::Hash2 => "hash-2",
        }
    }

    /// The lowest RDB version whose readers know this tag; those from 80 on are Valkey's.
    pub const fn version(self) -> u32 {
        match self {
            Self::String | Self::List | Self::Set | Self::Zset | Self::Hash => 1,
            Self::HashZipmap | Self::ListZiplist | Self::SetIntset | Self::ZsetZiplist => 2,
            Self::HashZiplist => 4,
            Self::ListQuicklist => 7,
            Self::Zset2 | Self::Module | Self::Module2 => 8,
            Self::StreamListpacks => 9,
            Self::HashListpack | Self::ZsetListpack | Self::ListQuicklist2 | Self::StreamListpacks2 => 10,
            Self::SetListpack | Self::StreamListpacks3 => 11,
            Self::HashMetadataPreGa | Self::HashListpackExPreGa | Self::HashMetadata | Self::HashListpackEx => 12,
            Self::StreamListpacks4 => 13,
            Self::StreamListpacks5 | Self::Array => 14,
            Self::Hash2 => 80,
        }
    }
}

/// A byte that is where a type byte could be, and says something about the file, a database or the next key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// Valkey's: a slot whose keys were on their way here.
    SlotImport,
    /// What modules keep beside the next key, of Redis 8.6.
    KeyMetadata,
    SlotInfo,
    Function2,
    /// A function library as Redis 7.0's release candidates wrote it.
    FunctionPreGa,
    ModuleAux,
    Idle,
    Freq,
    Aux,
    ResizeDb,
    ExpireTimeMs,
    /// In seconds, up to RDB version 2.
    ExpireTime,
    SelectDb,
    Eof,
}

impl Opcode {
    pub const fn from_u8(byte: u8, dialect: Dialect) -> Option<Self> {
        Some(match byte {
            243 if matches!(dialect, Dialect::Redis) => Self::KeyMetadata,
            243 if matches!(dialect, Dialect::Valkey) => Self::SlotImport,
            244 => Self::SlotInfo,
            245 => Self::Function2,
            246 => Self::FunctionPreGa,
            247 => Self::ModuleAux,
            248 => Self::Idle,
            249 => Self::Freq,
            250 => Self::Aux,
            251 => Self::ResizeDb,
            252 => Self::ExpireTimeMs,
            253 => Self::ExpireTime,
            254 => Self::SelectDb,
            255 => Self::Eof,
            _ => return None,
        })
    }

    pub const fn as_u8(self) -> u8 {
        match self {
            Self::SlotImport | Self::KeyMetadata => 243,
            Self::SlotInfo => 244,
            Self::Function2 => 245,
            Self::FunctionPreGa => 246,
            Self::ModuleAux => 247,
            Self::Idle => 248,
            Self::Freq => 249,
            Self::Aux => 250,
            Self::ResizeDb => 251,
            Self::ExpireTimeMs => 252,
            Self::ExpireTime => 253,
            Self::SelectDb => 254,
            Self::Eof => 255,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECTS: [Dialect; 3] = [Dialect::Redis, Dialect::Valkey, Dialect::Dragonfly];

    #[test]
    fn every_tag_is_found_by_its_byte_and_nothing_else_is() {
        for byte in 0..=u8::MAX {
            for (dialect, last) in DIALECTS.into_iter().zip([28, 22, 25]) {
                match Tag::from_u8(byte, dialect) {
                    Some(tag) => assert_eq!(tag.as_u8(), byte),
                    None => assert!(byte == 8 || byte > last, "{byte}"),
                }
            }
        }
        for tag in Tag::ALL {
            let dialect = if tag == Tag::Hash2 { Dialect::Valkey } else { Dialect::Redis };
            assert_eq!(Tag::from_u8(tag.as_u8(), dialect), Some(tag));
        }
    }

    #[test]
    fn a_byte_means_another_thing_in_another_dialect() {
        let tags = DIALECTS.map(|dialect| Tag::from_u8(22, dialect));
        assert_eq!(tags, [Some(Tag::HashMetadataPreGa), Some(Tag::Hash2), Some(Tag::HashMetadataPreGa)]);
        assert_eq!(DIALECTS.map(|dialect| Tag::from_u8(23, dialect).is_some()), [true, false, true]);
        let opcodes = DIALECTS.map(|dialect| Opcode::from_u8(243, dialect));
        assert_eq!(opcodes, [Some(Opcode::KeyMetadata), Some(Opcode::SlotImport), None]);
    }

    #[test]
    fn every_opcode_is_found_by_its_byte_and_is_no_tag() {
        for byte in 0..=u8::MAX {
            for dialect in DIALECTS {
                match Opcode::from_u8(byte, dialect) {
                    Some(opcode) => {
                        assert_eq!(opcode.as_u8(), byte);
                        assert_eq!(Tag::from_u8(byte, dialect), None);
                    }
                    None => assert!(byte < 244),
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_versions_never_fall_for_later_layouts_of_a_type() {
        let mut names: Vec<_> = Tag::ALL.iter().map(|tag| tag.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Tag::ALL.len());
        let streams = [
            Tag::StreamListpacks,
            Tag::StreamListpacks2,
            Tag::StreamListpacks3,
            Tag::StreamListpacks4,
            Tag::StreamListpacks5,
        ];
        assert!(streams.is_sorted_by_key(|tag| tag.version()));
        assert!(Tag::ALL.iter().all(|tag| (1..=14).contains(&tag.version()) || *tag == Tag::Hash2));
    }
}
