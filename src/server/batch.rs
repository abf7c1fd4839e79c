//! Decoding a few commands ahead, so that the memory their keys live in is fetched side by side.
//!
//! A lookup waits for two cache lines, bucket and entry. For commands that arrive together (a pipeline) both waits are
//! overlapped: the buckets of all are asked for, then the entries, then the commands run
//! (Valkey 8 does the same: <https://valkey.io/blog/unlock-one-million-rps-part2/>). Where all of them work on one large
//! collection, its table of members is looked up ahead in the same way.

use std::iter;

use super::client::ClientKey;
use super::executor::{Executor, Flow};
use crate::commands::{CommandId, ElementHint};
use crate::resp::{Args, Decoder, Limits, ProtocolError, Step};
use crate::stdx::number::parse_f64;
use crate::stdx::text::are_equal;
use crate::structures::Hashes;

/// Commands decoded ahead at most. More would push each other's lines out of the first-level cache.
pub const BATCH_FRAMES_MAX: usize = 16;

/// The decoders of all frames of a batch but the first, which the connection's own decoder reads.
pub type AheadDecoders = [Decoder; BATCH_FRAMES_MAX - 1];

/// Frames that lie behind each other in one connection's input.
#[derive(Debug)]
pub struct Batch {
    /// Where each of the frames begins.
    starts: [usize; BATCH_FRAMES_MAX],
    len: usize,
    /// Bytes up to the end of the last frame, empty lines counted.
    bytes: usize,
    pub end: BatchEnd,
}

/// What stands behind a batch's last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchEnd {
    /// Perhaps more.
    Full,
    /// A frame that has only begun.
    Incomplete { need_hint: usize },
    /// Bytes that are no frame.
    Broken(ProtocolError),
}

impl Batch {
    /// Decodes the frames at the beginning of `bytes`, where `decoder` may be in the middle of the first; so many at most.
    ///
    /// Out of line, since within the loop over the batches too little would be left of the registers for this one.
    #[inline(never)]
    pub fn decode(
        decoder: &mut Decoder,
        ahead: &mut AheadDecoders,
        bytes: &[u8],
        limits: &Limits,
        frames_max: usize,
    ) -> Batch {
        let mut decoder = decoder;
        let mut ahead = ahead[..frames_max - 1].iter_mut();
        let mut batch = Batch { starts: [0; BATCH_FRAMES_MAX], len: 0, bytes: 0, end: BatchEnd::Full };
        let (mut len, mut position) = (0, 0);
        loop {
            match decoder.decode(&bytes[position..], limits) {
                Ok(Step::Frame { consumed }) => {
                    batch.starts[len] = position;
                    len += 1;
                    position += consumed;
                    match ahead.next() {
                        Some(next) => decoder = next,
                        None => break,
                    }
                }
                Ok(Step::Empty { consumed }) => position += consumed,
                Ok(Step::Incomplete { need_hint }) => {
                    batch.end = BatchEnd::Incomplete { need_hint };
                    break;
                }
                Err(error) => {
                    // The decoders behind the first serve every connection in turn: the next one must find this one
                    // between frames.
                    *decoder = Decoder::new();
                    batch.end = BatchEnd::Broken(error);
                    break;
                }
            }
        }
        batch.len = len;
        batch.bytes = position;
        batch
    }

    /// How many bytes its frames have.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The arguments of its first frame.
    pub fn first_args<'a>(&self, decoder: &'a Decoder, bytes: &'a [u8]) -> Option<Args<'a>> {
        self.starts().first().map(|&start| decoder.args(&bytes[start..]))
    }

    /// Where the frames begin.
    #[inline]
    fn starts(&self) -> &[usize] {
        &self.starts[..self.len]
    }

    /// Makes the connection's own decoder the one that has read the unfinished frame, if there is one.
    pub fn keep_unfinished(&self, decoder: &mut Decoder, ahead: &mut AheadDecoders) {
        if let (BatchEnd::Incomplete { .. }, Some(slot)) = (self.end, self.len.checked_sub(1)) {
            std::mem::swap(decoder, &mut ahead[slot]);
        }
    }

    /// Forgets what was read of an unfinished frame, for a batch that was not executed to its end.
    pub fn forget_unfinished(&self, ahead: &mut AheadDecoders) {
        if let (BatchEnd::Incomplete { .. }, Some(slot)) = (self.end, self.len.checked_sub(1)) {
            ahead[slot] = Decoder::new();
        }
    }
}

impl Executor {
    /// Executes the commands of a batch. Returns how many bytes are done with, as an error when the client is held up
    /// before the end.
    pub(super) fn execute_batch(
        &mut self,
        key: ClientKey,
        decoder: &Decoder,
        ahead: &AheadDecoders,
        batch: &Batch,
        bytes: &[u8],
    ) -> Result<usize, usize> {
        let mut commands = [Args::empty(); BATCH_FRAMES_MAX];
        let commands = &mut commands[..batch.len];
        for ((args, &start), decoder) in commands.iter_mut().zip(batch.starts()).zip(iter::once(decoder).chain(ahead)) {
            *args = decoder.args(&bytes[start..]);
        }
        if let [args] = commands {
            let args = *args;
            let done = !self.is_held_up(key) && self.execute(key, self.row_of(args), args) == Flow::Done;
            return if done { Ok(batch.bytes) } else { Err(batch.starts[0]) };
        }
        let mut rows = [None; BATCH_FRAMES_MAX];
        let mut keys = [None; BATCH_FRAMES_MAX];
        for ((args, row), name) in commands.iter().zip(&mut rows).zip(&mut keys) {
            if let Some(found) = self.table.find(*args) {
                *row = Some(found.id);
                *name = found.first_key(*args);
            }
        }
        let (rows, keys) = (&rows[..batch.len], &keys[..batch.len]);
        let seed = self.keyspace.db(self.clients.get(key).session.db).seed();
        let mut hashes = self.prefetch(key, rows, keys, commands).into_iter();
        for (index, args) in commands.iter().enumerate() {
            let db = self.clients.get(key).session.db;
            if let Some(name) = keys[index]
                && let Some(hash) = hashes.next()
            {
                self.keyspace.know_hash(db, name, hash, seed);
            }
            let executed = !self.is_held_up(key) && self.execute(key, rows[index], *args) == Flow::Done;
            self.keyspace.forget_hash(db);
            if !executed {
                return Err(batch.starts[index]);
            }
        }
        Ok(batch.bytes)
    }

    fn row_of(&self, args: Args<'_>) -> Option<CommandId> {
        self.table.find(args).map(|row| row.id)
    }

    /// Asks for the memory of each command's first key, and where they are all one key, of what they want in its value.
    /// Returns the hashes of these keys.
    #[inline(never)]
    fn prefetch(
        &self,
        key: ClientKey,
        rows: &[Option<CommandId>],
        names: &[Option<&[u8]>],
        commands: &[Args<'_>],
    ) -> Hashes {
        let keys = self.keyspace.db(self.clients.get(key).session.db).keys();
        let mut known = names.iter().filter_map(|name| *name);
        let Some(first) = known.next() else { return Hashes::new() };
        if !known.clone().all(|name| are_equal(name, first)) {
            return keys.prefetch_keys(iter::once(first).chain(known));
        }
        let hash = keys.hash(first);
        if let Some(entry) = keys.find_hashed(hash, first) {
            entry.value().prefetch(iter::zip(rows, commands).filter_map(|(row, args)| {
                let (row, count) = (self.table.row((*row)?), args.len());
                match row.command.element {
                    _ if count <= 2 => None,
                    ElementHint::LastScored => Some((args.arg(count - 1), parse_f64(args.arg(count - 2)))),
                    ElementHint::Second => Some((args.arg(2), None)),
                }
            }));
        }
        Hashes::from_elem(hash, commands.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_all(input: &[u8], cut: usize) -> Vec<Vec<Vec<u8>>> {
        let mut decoder = Decoder::new();
        let mut ahead: AheadDecoders = Default::default();
        let mut commands = Vec::new();
        let mut start = 0;
        for end in [cut, input.len()] {
            loop {
                let bytes = &input[start..end];
                let batch = Batch::decode(&mut decoder, &mut ahead, bytes, &Limits::default(), BATCH_FRAMES_MAX);
                for (frame, &start) in batch.starts().iter().enumerate() {
                    let decoder = frame.checked_sub(1).map_or(&decoder, |slot| &ahead[slot]);
                    commands.push(decoder.args(&bytes[start..]).iter().map(<[u8]>::to_vec).collect());
                }
                start += batch.bytes;
                if batch.end != BatchEnd::Full {
                    batch.keep_unfinished(&mut decoder, &mut ahead);
                    break;
                }
            }
        }
        commands
    }

    #[test]
    fn a_broken_frame_leaves_nothing_for_the_next_connection() {
        let mut ahead: AheadDecoders = Default::default();
        let limits = Limits::default();
        let broken = Batch::decode(&mut Decoder::new(), &mut ahead, b"PING\r\n*2\r\n$3\r\nGET\r\n:1\r\n", &limits, 16);
        assert!(matches!(broken.end, BatchEnd::Broken(_)));
        let whole = Batch::decode(&mut Decoder::new(), &mut ahead, b"PING\r\n*1\r\n$4\r\nTIME\r\n", &limits, 16);
        assert_eq!((whole.len, whole.bytes), (2, 20));
        assert_eq!(ahead[0].args(b"*1\r\n$4\r\nTIME\r\n").len(), 1);
    }

    #[test]
    fn pipeline_cut_anywhere_gives_the_same_commands() {
        let one = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING x\r\n\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n";
        let input = one.repeat(20);
        let whole = decode_all(&input, 0);
        assert_eq!(whole.len(), 60);
        for cut in 0..input.len() {
            assert_eq!(decode_all(&input, cut), whole, "cut at {cut}");
        }
    }
}
