//! Which data a server has: the name of a history of changes, and how many bytes of its stream have been taken in.

use std::fmt;

use crate::stdx::NAME_LEN;

/// The name of a history of changes: 40 hexadecimal digits, as in INFO's `master_replid`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplicationId([u8; NAME_LEN]);

impl ReplicationId {
    /// What INFO and dumps show where there is none.
    pub const NONE: Self = Self([b'0'; NAME_LEN]);

    /// Reads a name; any 40 bytes that can be printed are one, as in Redis.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let id: [u8; NAME_LEN] = text.try_into().ok()?;
        id.iter().all(u8::is_ascii_graphic).then_some(Self(id))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("printable")
    }
}

impl fmt::Display for ReplicationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplicationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The history that the data of a server have come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct History {
    id: ReplicationId,
    /// Bytes of the stream that the data contain. The first byte of a stream has the number one.
    offset: u64,
    /// The history that this one went on from, and the number of the first byte that is this one's own.
    before: Option<(ReplicationId, u64)>,
}

impl History {
    /// A history that begins here.
    pub fn new(id: ReplicationId) -> Self {
        Self { id, offset: 0, before: None }
    }

    pub fn id(&self) -> ReplicationId {
        self.id
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The history before this one and up to which byte, exclusively, it holds here too (`second_repl_offset`).
    pub fn before(&self) -> Option<(ReplicationId, u64)> {
        self.before
    }

    /// Notes so many more bytes of the stream.
    #[inline]
    pub fn advance(&mut self, bytes: u64) {
        self.offset += bytes;
    }

    /// Goes on under another name, as when a replica becomes a primary: replicas of the old name may go on here, as far as
    /// the old stream has come.
    pub fn fork(&mut self, id: ReplicationId) {
        self.before = Some((self.id, self.offset + 1));
        self.id = id;
    }

    /// Goes on under another name with which nothing of the old one holds.
    pub fn restart(&mut self, id: ReplicationId) {
        *self = Self { id, offset: self.offset, before: None };
    }

    /// Takes over the history of a primary whose data are now here.
    pub fn adopt(&mut self, id: ReplicationId, offset: u64) {
        *self = Self { id, offset, before: None };
    }

    /// Goes on where a dump says that its data came from, as a primary: whoever has the same data may go on here.
    pub fn resume(&mut self, id: ReplicationId, offset: u64) {
        self.offset = offset;
        self.before = Some((id, offset + 1));
    }

    /// The primary has a new name, and its stream goes on.
    pub fn rename(&mut self, id: ReplicationId) {
        if id != self.id {
            self.fork(id);
        }
    }

    /// Whether the stream from byte `next` on, of the history called `id`, is the one that is continued here.
    pub fn continues(&self, id: ReplicationId, next: u64) -> bool {
        id == self.id || self.before.is_some_and(|(before, end)| id == before && next <= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ReplicationId {
        ReplicationId::parse(format!("{byte:02x}").repeat(20).as_bytes()).expect("a name")
    }

    #[test]
    fn names_are_forty_printable_bytes() {
        assert_eq!(id(0xa7).as_str(), "a7".repeat(20));
        assert_eq!(ReplicationId::parse(id(9).as_str().as_bytes()), Some(id(9)));
        for bad in ["", "?", &"0".repeat(39), &"0".repeat(41), &" ".repeat(40), &"\u{e4}".repeat(20)] {
            assert_eq!(ReplicationId::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_promoted_replica_continues_the_old_stream_as_far_as_it_has_come() {
        let mut history = History::new(id(1));
        history.adopt(id(2), 100);
        history.advance(20);
        history.fork(id(3));
        history.advance(5);
        assert!(history.continues(id(3), 126) && history.continues(id(2), 121) && history.continues(id(2), 7));
        assert!(!history.continues(id(2), 122), "the old primary has gone on by itself");
        assert!(!history.continues(id(1), 1));
        history.rename(id(3));
        assert_eq!(history.before(), Some((id(2), 121)));
        history.restart(id(4));
        assert!(!history.continues(id(3), 126) && history.continues(id(4), 126) && history.offset() == 125);
    }
}
