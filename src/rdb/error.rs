use super::{Dialect, Format, ModuleId, Tag};

/// What is wrong with an RDB file or a DUMP payload, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("unexpected end at offset {offset}: {needed} {} needed, {remaining} left", if *needed == 1 { "byte" } else { "bytes" })]
    UnexpectedEnd { offset: u64, needed: u64, remaining: u64 },

    #[error("bad magic at offset {offset}: not an RDB file")]
    BadMagic { offset: u64 },

    #[error("bad magic at offset 0: {what}, not an RDB file")]
    OtherFile { what: &'static str },

    #[error("unsupported RDB version {} at offset {offset}: {format}", format.version)]
    UnsupportedVersion { offset: u64, format: Format },

    #[error("bad length encoding at offset {offset}: first byte 0x{byte:02x}")]
    BadLengthEncoding { offset: u64, byte: u8 },

    #[error("unknown type byte {byte} at offset {offset}{}", what_is(*dialect, *byte))]
    UnknownType { offset: u64, byte: u8, dialect: Dialect },

    #[error("unsupported type at offset {offset}: {name}")]
    UnsupportedType { offset: u64, name: &'static str },

    #[error("unsupported module type at offset {offset}: {module}")]
    UnsupportedModule { offset: u64, module: ModuleId },

    #[error(
        "type {} needs RDB version {}, but version {version} is being written",
        tag.name(),
        tag.version()
    )]
    VersionTooLow { offset: u64, tag: Tag, version: u32 },

    #[error("function libraries need RDB version {}, but version {version} is being written", super::LIBRARY_VERSION)]
    VersionWithoutLibraries { version: u32 },

    #[error("bad checksum at offset {offset}: stored 0x{stored:016x}, computed 0x{computed:016x}")]
    BadChecksum { offset: u64, stored: u64, computed: u64 },

    #[error("corrupt string at offset {offset}: {what}")]
    CorruptString { offset: u64, what: &'static str },

    #[error("corrupt compressed string at offset {offset}: {cause}")]
    CorruptLzf { offset: u64, cause: super::lzf::Error },

    #[error("invalid value at offset {offset}: {what}")]
    InvalidValue { offset: u64, what: &'static str },
}

fn what_is(dialect: Dialect, byte: u8) -> String {
    dialect.name_of_unreadable(byte).map_or_else(String::new, |name| format!(": {name}"))
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The byte of the file or payload at which the thing that is wrong begins.
    pub fn offset(&self) -> u64 {
        match *self {
            Self::OtherFile { .. } | Self::VersionWithoutLibraries { .. } => 0,
            Self::UnexpectedEnd { offset, .. }
            | Self::BadMagic { offset }
            | Self::UnsupportedVersion { offset, .. }
            | Self::BadLengthEncoding { offset, .. }
            | Self::UnknownType { offset, .. }
            | Self::UnsupportedType { offset, .. }
            | Self::UnsupportedModule { offset, .. }
            | Self::VersionTooLow { offset, .. }
            | Self::BadChecksum { offset, .. }
            | Self::CorruptString { offset, .. }
            | Self::CorruptLzf { offset, .. }
            | Self::InvalidValue { offset, .. } => offset,
        }
    }
}

impl Error {
    /// Whether the bytes are sound as far as is known, and of a kind that this server does not read.
    pub fn is_of_another_kind(&self) -> bool {
        match *self {
            Self::OtherFile { .. }
            | Self::UnsupportedVersion { .. }
            | Self::UnsupportedType { .. }
            | Self::UnsupportedModule { .. }
            | Self::VersionTooLow { .. }
            | Self::VersionWithoutLibraries { .. } => true,
            Self::UnknownType { dialect, byte, .. } => dialect.name_of_unreadable(byte).is_some(),
            _ => false,
        }
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_fault_and_its_offset() {
        let error = Error::BadChecksum { offset: 1_048_576, stored: 0xAB, computed: 0xCD };
        assert_eq!(
            error.to_string(),
            "bad checksum at offset 1048576: stored 0x00000000000000ab, computed 0x00000000000000cd"
        );
        let error = Error::UnknownType { offset: 5, byte: 242, dialect: Dialect::Redis };
        let said = "unknown type byte 242 at offset 5: templates of hashes, of Redis 8.10";
        assert_eq!((error.to_string().as_str(), error.offset()), (said, 5));
    }

    #[test]
    fn a_result_stays_small() {
        assert!(size_of::<Error>() <= 32, "{}", size_of::<Error>());
    }
}
