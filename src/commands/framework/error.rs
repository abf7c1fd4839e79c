//! Errors as the client reads them: the exact bytes of Redis.

use std::borrow::Cow;

use super::access::{Denied, User};
use super::missing::missing_feature;
use crate::keyspace::WrongType;
use crate::rdb;
use crate::resp::Args;

/// What a handler returns; on an error, whatever it wrote to the reply is taken back.
pub type CommandResult = Result<(), CommandError>;

/// The argument bytes that an unknown command's error quotes at most.
const QUOTED_BYTES_MAX: usize = 128;

/// Why a command was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    #[error("ERR value is not a valid float")]
    NotFloat,
    #[error("ERR value is out of range")]
    OutOfRange,
    #[error("ERR value is out of range, must be positive")]
    NotPositive,
    /// The one number of 64 bits that has no counterpart of the other sign.
    #[error("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807")]
    NotNegatable,
    #[error("ERR no such key")]
    NoSuchKey,
    #[error("ERR index out of range")]
    IndexOutOfRange,
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    #[error("ERR increment would produce NaN or Infinity")]
    NotFinite,
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    StringTooLong,
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(&'static str),
    #[error("ERR DB index is out of range")]
    DbOutOfRange,
    #[error("ERR invalid cursor")]
    InvalidCursor,
    #[error("NOAUTH Authentication required.")]
    NoAuth,
    #[error("WRONGPASS invalid username-password pair or user is disabled.")]
    WrongPass {
        /// As whom one wanted to log in.
        user: Box<[u8]>,
    },
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    #[error("OOM there is not enough memory for what the command would make")]
    NoMemory,
    #[error("LOADING Redis is loading the dataset in memory")]
    Loading,
    #[error("EXECABORT Transaction discarded because of previous errors.")]
    ExecAbort,
    #[error("NOSCRIPT No matching script. Please use EVAL.")]
    NoScript,
    #[error("NOPROTO unsupported protocol version")]
    NoProto,
    /// What RESTORE was given is no value. The client is answered that much; the cause is for the log.
    #[error("ERR Bad data format")]
    BadPayload { kind: Option<rdb::Tag>, cause: rdb::Error },
    /// What RESTORE was given is no payload, or one of a version that is not read: the log says of whose.
    #[error("ERR DUMP payload version or checksum are wrong")]
    BadEnvelope { cause: rdb::Error },
    /// A text with its code, for what one place alone says.
    #[error("{0}")]
    Text(Cow<'static, str>),
    /// A text that quotes bytes of the client.
    #[error("{}", String::from_utf8_lossy(.0))]
    Bytes(Vec<u8>),
}

impl CommandError {
    /// An error that one place alone says, its code included: `ERR no such key`.
    pub const fn text(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    /// The answer to a user who may not run the command.
    pub fn no_permission(user: &User, full_name: &str, denied: Denied) -> Self {
        match denied {
            Denied::Command => Self::Bytes(
                [b"NOPERM User ", user.name(), b" has no permissions to run the '", full_name.as_bytes(), b"' command"]
                    .concat(),
            ),
            Denied::Key(_) => Self::text("NOPERM No permissions to access a key"),
            Denied::Channel(_) => Self::text("NOPERM No permissions to access a channel"),
        }
    }

    /// `full_name` as the table spells it: `client|list`.
    pub fn wrong_arity(full_name: &str) -> Self {
        Self::owned(format!("ERR wrong number of arguments for '{full_name}' command"))
    }

    pub fn unknown_command(args: Args<'_>) -> Self {
        let mut text = b"ERR unknown command '".to_vec();
        push_cut(&mut text, args.arg(0), QUOTED_BYTES_MAX);
        text.extend_from_slice(b"', with args beginning with: ");
        let start = text.len();
        for arg in args.tail(1).iter() {
            if text.len() - start >= QUOTED_BYTES_MAX {
                break;
            }
            let room = QUOTED_BYTES_MAX - (text.len() - start);
            text.push(b'\'');
            push_cut(&mut text, arg, room);
            text.extend_from_slice(b"' ");
        }
        push_missing_feature(&mut text, args.arg(0));
        Self::Bytes(text)
    }

    pub fn unknown_subcommand(args: Args<'_>, parent: &str) -> Self {
        let mut text = b"ERR unknown subcommand '".to_vec();
        push_cut(&mut text, args.arg(1), QUOTED_BYTES_MAX);
        text.extend_from_slice(format!("'. Try {parent} HELP. ").as_bytes());
        push_missing_feature(&mut text, &[parent.as_bytes(), b"|", args.arg(1)].concat());
        Self::Bytes(text.trim_ascii_end().to_vec())
    }

    /// What EXEC answers when it is refused for this reason.
    pub fn aborting_exec(self) -> Self {
        let reason = self.reply_text();
        let reason = reason.strip_prefix(b"ERR ").unwrap_or(&reason);
        Self::Bytes([b"EXECABORT Transaction discarded because of: ", reason].concat())
    }

    /// What the log shows of an error whose cause the client does not see.
    pub fn log_text(&self) -> Option<String> {
        let (kind, cause) = match self {
            Self::BadPayload { kind, cause } => (kind, cause),
            Self::BadEnvelope { cause: cause @ rdb::Error::UnsupportedVersion { .. } } => {
                return Some(format!("RESTORE: {cause}"));
            }
            _ => return None,
        };
        let kind = match kind {
            None => "payload",
            // Nothing but a hash ever was one.
            Some(rdb::Tag::HashZipmap) => "zipmap",
            // Whichever form it has, what may be wrong is one of these.
            Some(tag) if tag.name().starts_with("stream") => "stream-listpack",
            Some(tag) => tag.name(),
        };
        let (first, rest) = kind.split_at(1);
        let rest = rest.replace('-', " ");
        Some(format!("RESTORE: {}{rest} integrity check failed: {cause}", first.to_ascii_uppercase()))
    }

    /// The error reply's bytes, without its dash and line end.
    pub fn reply_text(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Text(text) => Cow::Borrowed(text.as_bytes()),
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            error => Cow::Owned(error.to_string().into_bytes()),
        }
    }
}

impl From<WrongType> for CommandError {
    fn from(_: WrongType) -> Self {
        Self::WrongType
    }
}

/// Says so where a command belongs to a feature of Redis that Copal does not have.
fn push_missing_feature(text: &mut Vec<u8>, name: &[u8]) {
    if let Some(feature) = missing_feature(name) {
        text.extend_from_slice(format!("({feature} not available in Copal)").as_bytes());
    }
}

fn push_cut(text: &mut Vec<u8>, bytes: &[u8], max: usize) {
    text.extend_from_slice(&bytes[..bytes.len().min(max)]);
}
