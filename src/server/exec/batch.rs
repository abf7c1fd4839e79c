//! Decoding a few commands ahead, so that the memory their keys live in is fetched side by side.
//!
//! A lookup waits for two cache lines, bucket and entry. For commands that arrive together (a pipeline) both waits are
//! overlapped: the buckets of all are asked for, then the entries, then the commands run
//! (Valkey 8 does the same: <https://valkey.io/blog/unlock-one-million-rps-part2/>). Where all of them work on one large
//! collection, its table of members is looked up ahead in the same way.

use crate::resp::{Args, Decoder, Limits, ProtocolError, Step};

/// Commands decoded ahead at most. More would push each other's lines out of the first-level cache.
pub const BATCH_FRAMES_MAX: usize = 16;

/// The decoders of all frames of a batch but the first, which the connection's own decoder reads.
pub type AheadDecoders = [Decoder; BATCH_FRAMES_MAX - 1];

/// Frames that lie behind each other in one connection's input.
#[derive(Debug)]
pub struct Batch {
    /// Where each of the frames begins.
    pub(super) starts: [usize; BATCH_FRAMES_MAX],
    pub(super) len: usize,
    /// Bytes up to the end of the last frame, empty lines counted.
    pub(super) bytes: usize,
    pub(super) end: BatchEnd,
}

/// What follows a batch's last frame.
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
    pub(super) fn starts(&self) -> &[usize] {
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
