//! Turning entries into chunks: in the thread that writes them, or in several that hand them to it.
//!
//! Threads are given segments of the databases one by one and fill buffers with whole entries. The thread that called
//! them writes what they have filled, in the order in which it comes, and gives the buffers back. Of a value larger
//! than a buffer it writes one part after another, and nothing of the other threads in between; they have their other
//! buffers to go on with. Memory is bounded by the buffers, and a thread without one waits.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::chunks::{ChunkWriter, Direct, Done, Label};
use super::options::{Clocks, SaveOptions, delay_us};
use super::threads;
use crate::keyspace::{Frozen, FrozenEntry};
use crate::rdb::{self, Encoder, Sink};
use crate::snapshot::error::Unsavable;

/// From so many bytes on a chunk ends with the next entry. Small enough to stay in the cache until it is written.
const CHUNK_BYTES: usize = 256 << 10;

/// A chunk's last entry usually fits behind it.
const BUFFER_BYTES: usize = CHUNK_BYTES + (16 << 10);

/// A thread goes on while so many of its buffers, less one, wait to be written.
const BUFFERS_PER_THREAD: usize = 4;

/// A segment is to take about so many bytes of memory: small against the whole, so that all threads end together.
const SEGMENT_BYTES: u64 = 256 << 10;

/// Small entries are walked in long rows all the same, since each walk begins without anything in the cache.
const SEGMENT_KEYS_MAX: u64 = 4096;

/// The databases, cut into segments that threads take one by one.
#[derive(Debug)]
struct Work {
    next: AtomicUsize,
    /// Of each database with keys: its index, the number of its first segment, and how many it has.
    shares: Vec<Share>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Share {
    db: usize,
    first: usize,
    segments: usize,
}

/// A part of a database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Segment {
    db: usize,
    index: usize,
    of: usize,
}

impl Work {
    /// So many segments of each database.
    fn new(segments: impl Iterator<Item = usize>) -> Self {
        let mut first = 0;
        let mut shares = Vec::new();
        for (db, segments) in segments.enumerate().filter(|(_, segments)| *segments > 0) {
            shares.push(Share { db, first, segments });
            first += segments;
        }
        Self { next: AtomicUsize::new(0), shares }
    }

    fn segments(&self) -> usize {
        self.shares.last().map_or(0, |share| share.first + share.segments)
    }

    fn take(&self) -> Option<Segment> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let after = self.shares.partition_point(|share| share.first <= number);
        let Share { db, first, segments: of } = *self.shares.get(after.checked_sub(1)?)?;
        (number - first < of).then_some(Segment { db, index: number - first, of })
    }
}

/// Writes all entries by `threads` threads, or in this one. The writer has been given what comes before them.
pub fn write_entries(
    frozen: &Frozen<'_>,
    options: &SaveOptions,
    threads: usize,
    writer: &mut ChunkWriter<'_>,
) -> io::Result<()> {
    let keys: u64 = frozen.sizes().map(|(keys, _)| keys as u64).sum();
    let bytes_a_key = (options.used_memory_bytes / keys.max(1)).max(1);
    let segment_keys = (SEGMENT_BYTES / bytes_a_key).clamp(1, SEGMENT_KEYS_MAX);
    let work = Work::new((0..frozen.sizes().count()).map(|db| frozen.segments(db, segment_keys)));
    let threads = threads.min(work.segments());
    writer.note_threads(1);
    let serialiser = Serialiser { frozen, options, work: &work };
    if threads > 1 { serialiser.run_in_threads(threads, writer) } else { serialiser.run_here(writer) }
}

#[derive(Clone, Copy)]
struct Serialiser<'a> {
    frozen: &'a Frozen<'a>,
    options: &'a SaveOptions,
    work: &'a Work,
}

impl<'a> Serialiser<'a> {
    /// Serialises segments until none is left.
    fn run(self, label: &Label, out: &mut Encoder<'_>) -> io::Result<()> {
        let delay = self.options.key_delay_us;
        let mut raw_before = out.uncompressed();
        let mut done = label.done.take();
        let mut end_chunk = |out: &mut Encoder<'_>, done: &mut Done| {
            done.raw_bytes += out.uncompressed() - raw_before;
            raw_before = out.uncompressed();
            label.done.set(*done);
            out.end_chunk()?;
            // Whatever has not become a chunk comes with the next one.
            *done = label.done.take();
            Ok::<_, io::Error>(())
        };
        while let Some(segment) = self.work.take() {
            if segment.db != label.db.get() {
                end_chunk(out, &mut done)?;
                label.db.set(segment.db);
            }
            for entry in self.frozen.segment(segment.db, segment.index, segment.of) {
                self.write_entry(entry, out, &mut done)?;
                if out.chunk_bytes() >= CHUNK_BYTES as u64 || delay != 0 {
                    end_chunk(out, &mut done)?;
                }
                if delay != 0 {
                    wait(delay);
                }
            }
            self.frozen.finish(segment.db, segment.index, segment.of);
        }
        end_chunk(out, &mut done)?;
        label.done.set(done);
        Ok(())
    }

    #[inline]
    fn write_entry(self, entry: FrozenEntry<'_>, out: &mut Encoder<'_>, done: &mut Done) -> io::Result<()> {
        if let Some(at_ms) = entry.expiry() {
            if self.options.skip_expired && at_ms <= self.options.now.unix_ms {
                done.expired_keys += 1;
                return Ok(());
            }
            out.expiry(at_ms)?;
        }
        match self.options.clocks {
            Clocks::None => {}
            Clocks::Idle => out.idle(entry.idle_seconds())?,
            Clocks::Frequency => out.freq(entry.frequency() as u8)?,
        }
        let value = entry.value();
        if let Err(error) = out.tag(value.tag(out.version())) {
            return Err(of_key(error, entry.key()));
        }
        out.key(entry.key())?;
        value.save(out)?;
        done.keys += 1;
        Ok(())
    }

    fn run_here(self, writer: &mut ChunkWriter<'_>) -> io::Result<()> {
        let label = Label::default();
        let mut sink = Direct { writer: &mut *writer, label: &label };
        let mut out = Encoder::with_buffer(&mut sink, self.options.format, BUFFER_BYTES);
        self.run(&label, &mut out)?;
        drop(out);
        writer.note(label.done.take())
    }

    fn run_in_threads(self, threads: usize, writer: &mut ChunkWriter<'_>) -> io::Result<()> {
        let (to_writer, messages) = mpsc::channel();
        let mut returns = Vec::with_capacity(threads);
        let mut ends = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (give_back, buffers) = mpsc::channel();
            returns.push(give_back);
            ends.push(Mutex::new(Some((to_writer.clone(), buffers))));
        }
        drop(to_writer);
        let run = |thread: usize| {
            let Some((to_writer, buffers)) = take(&ends[thread]) else { return };
            let label = Label::default();
            let mut sink = Remote { thread, label: &label, to_writer, buffers, unmade: BUFFERS_PER_THREAD - 1 };
            let mut out = Encoder::with_buffer(&mut sink, self.options.format, BUFFER_BYTES);
            let result = self.run(&label, &mut out);
            drop(out);
            sink.send(Content::Finished(result.map(|()| label.done.take())));
        };
        threads::with_threads(threads, &run, |started| {
            if started == 0 {
                return self.run_here(writer);
            }
            writer.note_threads(started);
            // Those that there are share the work, and nobody waits for the others.
            ends[started..].iter().for_each(|end| drop(take(end)));
            // Threads that wait for a buffer end when the writer fails, since what would give it back is gone then.
            Gathering { messages, returns, writer, waiting: VecDeque::new() }.run()
        })
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// An error of the format is reported with the key at which it arose; any other has nothing to do with the key.
#[cold]
fn of_key(error: io::Error, key: &[u8]) -> io::Error {
    match error.downcast::<rdb::Error>() {
        Ok(cause) => io::Error::other(Unsavable { key: key.to_vec(), cause }),
        Err(error) => error,
    }
}

/// Waits as `rdb-key-save-delay` says.
fn wait(configured: i32) {
    std::thread::sleep(Duration::from_micros(delay_us(configured)));
}

/// What a thread sends to the writer.
struct Message {
    thread: usize,
    content: Content,
}

enum Content {
    /// A part of a chunk, of entries of one database.
    Part {
        db: usize,
        buffer: Vec<u8>,
        /// How much of the buffer is to be written.
        used: usize,
    },
    End {
        crc: u64,
        bytes: u64,
        done: Done,
    },
    /// The thread has nothing more to do, or cannot go on.
    Finished(io::Result<Done>),
}

/// The sink of a thread's encoder.
struct Remote<'l> {
    thread: usize,
    label: &'l Label,
    to_writer: Sender<Message>,
    buffers: Receiver<Vec<u8>>,
    /// Buffers that have not been made yet. The encoder has one.
    unmade: usize,
}

impl Remote<'_> {
    fn send(&self, content: Content) -> bool {
        self.to_writer.send(Message { thread: self.thread, content }).is_ok()
    }

    fn pass_on(&self, buffer: Vec<u8>, used: usize) -> io::Result<()> {
        let db = self.label.db.get();
        if self.send(Content::Part { db, buffer, used }) { Ok(()) } else { Err(gone()) }
    }

    /// A buffer with nothing in it that is still wanted.
    fn empty_buffer(&mut self) -> io::Result<Vec<u8>> {
        if let Ok(buffer) = self.buffers.try_recv() {
            return Ok(buffer);
        }
        if self.unmade > 0 {
            self.unmade -= 1;
            return Ok(vec![0; BUFFER_BYTES]);
        }
        self.buffers.recv().map_err(|_| gone())
    }
}

/// The writer has given up, and knows why.
fn gone() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl Sink for Remote<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(BUFFER_BYTES) {
            let mut buffer = self.empty_buffer()?;
            buffer[..part.len()].copy_from_slice(part);
            self.pass_on(buffer, part.len())?;
        }
        Ok(())
    }

    fn write_buffer(&mut self, buffer: &mut Vec<u8>, used: usize) -> io::Result<()> {
        let next = self.empty_buffer()?;
        self.pass_on(std::mem::replace(buffer, next), used)
    }

    fn end_chunk(&mut self, crc: u64, bytes: u64) -> io::Result<()> {
        if self.send(Content::End { crc, bytes, done: self.label.done.take() }) { Ok(()) } else { Err(gone()) }
    }
}

/// The writer's side: takes what the threads send, and writes it.
struct Gathering<'w, 'a> {
    messages: Receiver<Message>,
    /// Where the buffers of each thread go back to.
    returns: Vec<Sender<Vec<u8>>>,
    writer: &'w mut ChunkWriter<'a>,
    /// What other threads have sent while one was in the midst of a chunk.
    waiting: VecDeque<Message>,
}

impl Gathering<'_, '_> {
    fn run(mut self) -> io::Result<()> {
        while let Some(message) = self.waiting.pop_front().or_else(|| self.messages.recv().ok()) {
            let thread = message.thread;
            let mut within_chunk = self.handle(message)?;
            while within_chunk {
                let message = self.next_of(thread)?;
                within_chunk = self.handle(message)?;
            }
        }
        Ok(())
    }

    /// The next that a thread has sent, wherever it waits.
    fn next_of(&mut self, thread: usize) -> io::Result<Message> {
        if let Some(at) = self.waiting.iter().position(|message| message.thread == thread) {
            return self.waiting.remove(at).ok_or_else(gone);
        }
        loop {
            let message = self.messages.recv().map_err(|_| gone())?;
            if message.thread == thread {
                return Ok(message);
            }
            self.waiting.push_back(message);
        }
    }

    /// Returns whether the chunk goes on.
    fn handle(&mut self, message: Message) -> io::Result<bool> {
        match message.content {
            Content::Part { db, buffer, used } => {
                self.writer.select(db)?;
                self.writer.part(&buffer[..used])?;
                // A thread that has finished wants no buffer.
                let _ = self.returns[message.thread].send(buffer);
                Ok(true)
            }
            Content::End { crc, bytes, done } => self.writer.end_chunk(crc, bytes, done).map(|()| false),
            Content::Finished(result) => result.and_then(|done| self.writer.note(done)).map(|()| false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_segment_of_every_database_is_taken_once() {
        for segments in [[0, 5, 0, 1, 700, 0], [1, 0, 0, 0, 0, 1], [0; 6]] {
            let work = Work::new(segments.into_iter());
            let mut taken = HashSet::new();
            while let Some(segment) = work.take() {
                assert!(segment.index < segment.of && taken.insert((segment.db, segment.index)));
            }
            assert_eq!(work.take(), None);
            assert_eq!(taken.len(), work.segments());
            assert_eq!(taken.len(), segments.iter().sum::<usize>(), "{segments:?}");
        }
    }
}
