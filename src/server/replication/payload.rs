//! The data of a full sync on their way from the snapshot child to the replicas.

use std::fs::File;
use std::os::fd::OwnedFd;

use crate::replication::Backlog;

/// What a full sync consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KindOfData {
    pub version: u32,
    pub without_keys: bool,
    pub without_functions: bool,
}

impl KindOfData {
    /// Whether it is not all. It is no dump then.
    pub fn is_filtered(self) -> bool {
        self.without_keys || self.without_functions
    }
}

/// The full sync under way.
pub(super) struct FullSync {
    /// Which one it is, of all.
    pub(super) number: u64,
    pub(super) kind: KindOfData,
    /// Bytes of the stream that the data contain.
    pub(super) offset: u64,
    /// What was fetched and is not sent to all yet. It begins with the line that says how the data end.
    pub(super) data: Backlog,
    pub(super) source: Source,
    /// Ends the data where their length is not known before.
    pub(super) mark: Option<[u8; 40]>,
    /// The source has ended.
    pub(super) is_fetched: bool,
    /// The child has ended well.
    pub(super) is_vouched_for: bool,
    /// There will be no more data.
    pub(super) is_whole: bool,
}

pub(super) enum Source {
    /// The dump that the child is writing.
    Dump,
    Pipe(OwnedFd),
    File(File),
    /// The task that fetches has it.
    Taken,
}

impl FullSync {
    /// Data from the byte numbered `at` on.
    pub(super) fn read(&self, at: u64) -> &[u8] {
        self.data.read(at)
    }

    /// Whether a child sends the data.
    pub(super) fn is_piped(&self) -> bool {
        self.mark.is_some()
    }

    /// Whether a replica that is sent this byte next has everything.
    pub(super) fn is_sent(&self, at: u64) -> bool {
        self.is_whole && at == self.data.end()
    }

    /// Whether there is something to send behind the byte numbered `at`.
    pub(super) fn has_data(&self, at: u64) -> bool {
        self.data.end() > at
    }

    /// Bytes of memory that the data take.
    pub(super) fn memory_usage(&self) -> usize {
        self.data.memory_usage()
    }

    /// Notes that there is no more, once that is certain.
    pub(super) fn complete(&mut self) {
        if self.is_fetched && self.is_vouched_for && !self.is_whole {
            self.is_whole = true;
            if let Some(mark) = self.mark {
                self.data.push(&mark);
            }
        }
    }
}
