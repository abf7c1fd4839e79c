/// The type byte in front of a value: every one that Redis has written up to RDB version 12.
///
/// The data type of a tag can be told from its name's first word, its layout from the rest: a type has a new tag
/// whenever its layout changes, and none is ever reused.
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
}

impl Tag {
    pub const ALL: [Self; 25] = [
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
    ];

    pub const fn from_u8(byte: u8) -> Option<Self> {
        // The bytes are 0 to 25 without 8, so that the position in the table follows from the byte.
        let position = match byte {
            0..=7 => byte as usize,
            9..=25 => byte as usize - 1,
            _ => return None,
        };
        Some(Self::ALL[position])
    }

    pub const fn as_u8(self) -> u8 {
        self as u8
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
        }
    }

    /// The lowest RDB version whose readers know this tag.
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
        }
    }
}

/// A byte that stands where a type byte could, and says something about the file, a database or the next key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    SlotInfo = 244,
    Function2 = 245,
    /// A function library as Redis 7.0's release candidates wrote it.
    FunctionPreGa = 246,
    ModuleAux = 247,
    Idle = 248,
    Freq = 249,
    Aux = 250,
    ResizeDb = 251,
    ExpireTimeMs = 252,
    /// In seconds, up to RDB version 2.
    ExpireTime = 253,
    SelectDb = 254,
    Eof = 255,
}

impl Opcode {
    pub const fn from_u8(byte: u8) -> Option<Self> {
        Some(match byte {
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
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_is_found_by_its_byte_and_nothing_else_is() {
        for byte in 0..=u8::MAX {
            match Tag::from_u8(byte) {
                Some(tag) => assert_eq!(tag.as_u8(), byte),
                None => assert!(byte == 8 || byte > 25, "{byte}"),
            }
        }
        for tag in Tag::ALL {
            assert_eq!(Tag::from_u8(tag.as_u8()), Some(tag));
        }
    }

    #[test]
    fn every_opcode_is_found_by_its_byte_and_is_no_tag() {
        for byte in 0..=u8::MAX {
            match Opcode::from_u8(byte) {
                Some(opcode) => {
                    assert_eq!(opcode.as_u8(), byte);
                    assert_eq!(Tag::from_u8(byte), None);
                }
                None => assert!(byte < 244),
            }
        }
    }

    #[test]
    fn names_are_unique_and_versions_never_fall_for_later_layouts_of_a_type() {
        let mut names: Vec<_> = Tag::ALL.iter().map(|tag| tag.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Tag::ALL.len());
        assert!(Tag::StreamListpacks.version() < Tag::StreamListpacks2.version());
        assert!(Tag::StreamListpacks2.version() < Tag::StreamListpacks3.version());
        assert!(Tag::ALL.iter().all(|tag| (1..=12).contains(&tag.version())));
    }
}
