//! What the child reports to its parent: records of fixed size over a pipe.
//!
//! A record is smaller than PIPE_BUF, so a write puts a whole one into the pipe or nothing.

use std::os::fd::{AsFd as _, BorrowedFd};

use crate::rdb;
use crate::snapshot::error::Step;
use crate::snapshot::file::Temp;

const RECORD_BYTES: usize = 512;

/// Bytes of a record before its text: kind, seven numbers, the text's length.
const HEAD_BYTES: usize = 1 + 7 * 8 + 2;

const TEXT_BYTES_MAX: usize = RECORD_BYTES - HEAD_BYTES;

/// How long a child waits for a parent that does not read before it gives up on its last record.
const LAST_WAIT_MS: u16 = 10_000;

const PROGRESS: u8 = 1;
const DONE: u8 = 2;
const FAILED: u8 = 3;
const RENAMING: u8 = 4;
const CREATED: u8 = 5;

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// The temp file is there.
    Created(Temp),
    Progress(Figures),
    /// The new dump is complete and about to take its place.
    Renaming(Figures),
    /// The new dump is in its place.
    Done(Figures),
    /// The step that failed, and the error: on what, and why.
    Failed(Step, String),
}

/// How far the child is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    pub keys: u64,
    /// Bytes of the dump so far.
    pub bytes: u64,
    /// What they would be without compression.
    pub raw_bytes: u64,
    /// Memory that is the child's alone because the parent or the child has written since the fork.
    pub copied_bytes: u64,
    /// Since the child began.
    pub elapsed_us: u64,
    /// Keys left out because their expiry had passed.
    pub expired_keys: u64,
    /// Threads that serialise.
    pub threads: u64,
}

impl Figures {
    /// Keys that are behind the child, written or left out.
    pub fn keys_passed(&self) -> u64 {
        self.keys + self.expired_keys
    }
}

impl Report {
    fn encode(&self) -> layout::Bytes {
        let (kind, figures, text) = match self {
            // The number and the identity are where the others have their keys and bytes.
            Self::Created(Temp { number, identity: (bytes, raw_bytes) }) => {
                let (keys, bytes, raw_bytes) = (u64::from(*number), *bytes, *raw_bytes);
                (CREATED, Figures { keys, bytes, raw_bytes, ..Figures::default() }, "")
            }
            Self::Progress(figures) => (PROGRESS, *figures, ""),
            Self::Renaming(figures) => (RENAMING, *figures, ""),
            Self::Done(figures) => (DONE, *figures, ""),
            // The step is where the others have their keys.
            Self::Failed(step, text) => (FAILED, Figures { keys: *step as u64, ..Figures::default() }, text.as_str()),
        };
        let text = &text.as_bytes()[..text.len().min(TEXT_BYTES_MAX)];
        layout::encode(kind, figures, text)
    }

    fn decode(record: &[u8; RECORD_BYTES]) -> Option<Self> {
        let mut input = rdb::Decoder::new(record);
        let kind = input.byte().ok()?;
        let mut number = || input.milliseconds().ok().map(|number| number as u64);
        let figures = Figures {
            keys: number()?,
            bytes: number()?,
            raw_bytes: number()?,
            copied_bytes: number()?,
            elapsed_us: number()?,
            expired_keys: number()?,
            threads: number()?,
        };
        match kind {
            PROGRESS => Some(Self::Progress(figures)),
            RENAMING => Some(Self::Renaming(figures)),
            DONE => Some(Self::Done(figures)),
            CREATED => {
                let number = u32::try_from(figures.keys).ok()?;
                Some(Self::Created(Temp { number, identity: (figures.bytes, figures.raw_bytes) }))
            }
            FAILED => {
                let length = usize::from(input.byte().ok()?) << 8 | usize::from(input.byte().ok()?);
                let text = input.raw(length as u64).ok()?;
                let step = Step::ALL.into_iter().find(|step| *step as u64 == figures.keys).unwrap_or(Step::Unknown);
                Some(Self::Failed(step, String::from_utf8_lossy(text).into_owned()))
            }
            _ => None,
        }
    }
}

/// Laying a record out with the file format's own fixed fields.
mod layout {
    use super::{Figures, RECORD_BYTES};
    use crate::rdb;

    pub type Bytes = [u8; RECORD_BYTES];

    pub fn encode(kind: u8, figures: Figures, text: &[u8]) -> Bytes {
        let mut out = rdb::Encoder::detached(rdb::Options::default());
        let mut write = || -> std::io::Result<()> {
            out.byte(kind)?;
            let Figures { keys, bytes, raw_bytes, copied_bytes, elapsed_us, expired_keys, threads } = figures;
            for number in [keys, bytes, raw_bytes, copied_bytes, elapsed_us, expired_keys, threads] {
                out.milliseconds(number as i64)?;
            }
            out.raw(&[(text.len() >> 8) as u8, text.len() as u8])?;
            out.raw(text)
        };
        write().expect("an encoder without a sink writes to memory");
        let mut record = [0; RECORD_BYTES];
        let bytes = out.into_bytes();
        record[..bytes.len()].copy_from_slice(&bytes);
        record
    }
}

/// Sends a record from the child. Progress that finds the pipe full is left out; anything else waits.
pub fn send(pipe: BorrowedFd<'_>, report: &Report) {
    let record = report.encode();
    loop {
        match nix::unistd::write(pipe, &record) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(nix::errno::Errno::EAGAIN) if !matches!(report, Report::Progress(_)) => {
                if !wait_writable(pipe, LAST_WAIT_MS) {
                    return;
                }
            }
            // A parent that is gone takes us along anyway.
            _ => return,
        }
    }
}

/// Whether the pipe's other end can take bytes, waiting at most so long.
fn wait_writable(pipe: BorrowedFd<'_>, milliseconds: u16) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)];
    poll(&mut fds, PollTimeout::from(milliseconds)).is_ok_and(|ready| ready > 0)
}

/// Records as they arrive at the parent.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Everything that has arrived, without waiting.
    pub fn receive(&mut self, pipe: BorrowedFd<'_>) -> Vec<Report> {
        let mut buffer = [0; 8 * RECORD_BYTES];
        loop {
            match nix::unistd::read(pipe, &mut buffer) {
                Ok(0) => break,
                Ok(bytes) => self.bytes.extend_from_slice(&buffer[..bytes]),
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        let (records, rest) = self.bytes.as_chunks::<RECORD_BYTES>();
        let reports = records.iter().filter_map(Report::decode).collect();
        self.bytes = rest.to_vec();
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(base: u64) -> Figures {
        Figures {
            keys: base,
            bytes: u64::MAX - base,
            raw_bytes: base * 3,
            copied_bytes: base << 40,
            elapsed_us: base + 1,
            expired_keys: base + 2,
            threads: base + 3,
        }
    }

    #[test]
    fn every_record_decodes_to_what_was_encoded() {
        for report in [
            Report::Progress(figures(1)),
            Report::Renaming(figures(7)),
            Report::Done(figures(900)),
            Report::Created(Temp { number: u32::MAX, identity: (u64::MAX, 1) }),
            Report::Failed(Step::Rename, "cannot rename temp-812.rdb to dump.rdb: Permission denied".into()),
            Report::Failed(Step::Fork, String::new()),
        ] {
            assert_eq!(Report::decode(&report.encode()), Some(report));
        }
    }

    #[test]
    fn text_that_is_too_long_is_cut_and_unknown_kinds_are_passed_over() {
        let record = Report::Failed(Step::Write, "x".repeat(5000)).encode();
        assert_eq!(Report::decode(&record), Some(Report::Failed(Step::Write, "x".repeat(TEXT_BYTES_MAX))));
        for kind in (0..=255).filter(|kind| !(PROGRESS..=CREATED).contains(kind)) {
            assert_eq!(Report::decode(&[kind; RECORD_BYTES]), None);
        }
        // A length beyond the record is no reason to read beyond it.
        assert_eq!(Report::decode(&[FAILED; RECORD_BYTES]), None);
    }

    #[test]
    fn full_pipe_loses_progress_and_blocks_nobody() {
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).expect("a pipe");
        for number in 0..10_000 {
            send(writer.as_fd(), &Report::Progress(figures(number)));
        }
        let reports = Inbox::default().receive(reader.as_fd());
        assert!(!reports.is_empty() && reports.len() < 10_000);
        assert_eq!(reports[3], Report::Progress(figures(3)));
    }
}
