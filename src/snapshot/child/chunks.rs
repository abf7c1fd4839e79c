//! The one place where the chunks that serialisers fill become a file, in the order in which they are done.

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::observer::{Observer, Saved};
use super::pace::Pace;
use crate::rdb::{self, Crc64, Encoder, Sink};

/// How long a wait for the pace goes on before the observer is asked again.
const WAIT_STEP: Duration = Duration::from_millis(100);

/// What a serialiser has to say about its next chunk; shared with the sink of its encoder.
#[derive(Default, Debug)]
pub struct Label {
    /// The database that the entries belong to.
    pub db: Cell<usize>,
    /// What was done since the last chunk ended.
    pub done: Cell<Done>,
}

/// Work that is done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Done {
    pub keys: u64,
    pub expired_keys: u64,
    /// What the bytes would be without compression.
    pub raw_bytes: u64,
}

/// Writes chunks, with what must be between them.
pub struct ChunkWriter<'a> {
    sink: &'a mut dyn Sink,
    observer: &'a mut dyn Observer,
    format: rdb::Options,
    /// Keys of each database, and those with an expiry; taken when they have been written.
    sizes: Vec<Option<(usize, usize)>>,
    /// The database that the file has selected.
    selected: Option<usize>,
    crc: Crc64,
    pace: Option<Pace>,
    start: Instant,
    so_far: Saved,
}

impl<'a> ChunkWriter<'a> {
    pub fn new(
        sink: &'a mut dyn Sink,
        observer: &'a mut dyn Observer,
        format: rdb::Options,
        sizes: Vec<Option<(usize, usize)>>,
        pace: Option<Pace>,
    ) -> Self {
        let (selected, crc, so_far) = (None, Crc64::new(), Saved::default());
        Self { sink, observer, format, sizes, selected, crc, pace, start: Instant::now(), so_far }
    }

    /// Tells observers by how many threads the chunks are made.
    pub fn note_threads(&mut self, threads: usize) {
        self.so_far.threads = threads as u64;
    }

    /// Writes records that are not entries: what comes before the first database, or between two.
    pub fn records(&mut self, write: impl FnOnce(&mut Encoder<'_>) -> io::Result<()>) -> io::Result<()> {
        let mut out = Encoder::detached(self.format);
        write(&mut out)?;
        let raw_bytes = out.uncompressed();
        let bytes = out.into_bytes();
        if self.format.checksum {
            self.crc.update(&bytes);
        }
        self.so_far.raw_bytes += raw_bytes;
        self.write(&bytes)
    }

    /// Makes `db` the database that the next entries belong to.
    pub fn select(&mut self, db: usize) -> io::Result<()> {
        if self.selected == Some(db) {
            return Ok(());
        }
        self.selected = Some(db);
        let sizes = self.sizes.get_mut(db).and_then(Option::take);
        self.records(|out| {
            out.select_db(db as u64)?;
            sizes.map_or(Ok(()), |(keys, expires)| out.resize_db(keys as u64, expires as u64))
        })
    }

    /// Writes a part of a chunk. Until the chunk ends, nothing else may be written.
    pub fn part(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)?;
        self.observe()?;
        let mut wait = match &mut self.pace {
            Some(pace) => pace.after(bytes.len() as u64, self.start.elapsed()),
            None => Duration::ZERO,
        };
        while !wait.is_zero() {
            let step = wait.min(WAIT_STEP);
            std::thread::sleep(step);
            wait -= step;
            self.observe()?;
        }
        Ok(())
    }

    /// Takes in that a chunk of `bytes` bytes ends, whose own checksum is `crc`.
    pub fn end_chunk(&mut self, crc: u64, bytes: u64, done: Done) -> io::Result<()> {
        if self.format.checksum {
            self.crc.combine(crc, bytes);
        }
        self.note(done)
    }

    /// Takes in what was done without a chunk coming of it.
    pub fn note(&mut self, done: Done) -> io::Result<()> {
        self.so_far.keys += done.keys;
        self.so_far.expired_keys += done.expired_keys;
        self.so_far.raw_bytes += done.raw_bytes;
        self.observe()
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<Saved> {
        let trailer = rdb::trailer(self.crc, self.format);
        self.so_far.raw_bytes += trailer.len() as u64;
        self.write(&trailer)?;
        Ok(self.so_far)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes)?;
        self.so_far.bytes += bytes.len() as u64;
        Ok(())
    }

    fn observe(&mut self) -> io::Result<()> {
        match self.observer.progress(&self.so_far) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

/// The sink of the only serialiser, which does its writing itself.
pub struct Direct<'w, 'a> {
    pub writer: &'w mut ChunkWriter<'a>,
    pub label: &'w Label,
}

impl Sink for Direct<'_, '_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Within a chunk the database stays the same.
        self.writer.select(self.label.db.get())?;
        self.writer.part(bytes)
    }

    fn end_chunk(&mut self, crc: u64, bytes: u64) -> io::Result<()> {
        self.writer.end_chunk(crc, bytes, self.label.done.take())
    }
}
