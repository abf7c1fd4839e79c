//! The last part of the stream: one buffer for all replicas and for those that come back after a cut.

use std::collections::VecDeque;

/// The last bytes of the stream, by their numbers. The first byte of a stream has the number one.
#[derive(Debug)]
pub struct Backlog {
    /// Each full but for the last one.
    blocks: VecDeque<Vec<u8>>,
    /// The number of the first byte that is kept.
    start: u64,
    /// The number of the byte that comes next.
    end: u64,
}

impl Backlog {
    /// The stream is kept in blocks of this size, so that what is not needed any more is freed bit by bit.
    pub const BLOCK_BYTES: usize = 16 * 1024;

    /// Begins behind the byte numbered `offset`.
    pub fn new(offset: u64) -> Self {
        Self { blocks: VecDeque::new(), start: offset + 1, end: offset + 1 }
    }

    /// The number of the first byte that is kept, whether or not there is one yet.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The number of the byte that comes next.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that are kept.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Bytes of memory that the blocks take.
    pub fn memory_usage(&self) -> usize {
        self.blocks.len() * Self::BLOCK_BYTES + self.blocks.capacity() * size_of::<Vec<u8>>()
    }

    /// Whether the stream can be read from the byte numbered `next` on.
    pub fn holds(&self, next: u64) -> bool {
        (self.start..=self.end).contains(&next)
    }

    /// Appends to the stream.
    pub fn push(&mut self, mut bytes: &[u8]) {
        self.end += bytes.len() as u64;
        while !bytes.is_empty() {
            let last = match self.blocks.back_mut() {
                Some(last) if last.len() < Self::BLOCK_BYTES => last,
                _ => {
                    self.blocks.push_back(Vec::with_capacity(Self::BLOCK_BYTES));
                    self.blocks.back_mut().expect("just pushed")
                }
            };
            let (now, later) = bytes.split_at(bytes.len().min(Self::BLOCK_BYTES - last.len()));
            last.extend_from_slice(now);
            bytes = later;
        }
    }

    /// Bytes of the stream from the one numbered `next` on, as many as lie side by side; none at the end of the stream.
    ///
    /// # Panics
    ///
    /// If the byte is not kept.
    pub fn read(&self, next: u64) -> &[u8] {
        assert!(self.holds(next), "the stream is kept from {} to {}: {next}", self.start, self.end);
        let at = (next - self.start) as usize;
        match self.blocks.get(at / Self::BLOCK_BYTES) {
            Some(block) => &block[at % Self::BLOCK_BYTES..],
            None => &[],
        }
    }

    /// Frees what is more than `bytes_max`, but for what some reader still needs, from the byte numbered `needed` on. Frees
    /// whole blocks, so that a little more may be kept.
    pub fn trim(&mut self, bytes_max: u64, needed: u64) {
        while self.blocks.len() > 1 {
            let after = self.start + Self::BLOCK_BYTES as u64;
            if after > needed || self.end - after < bytes_max {
                break;
            }
            self.blocks.pop_front();
            self.start = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(backlog: &Backlog, mut next: u64) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = backlog.read(next);
            if bytes.is_empty() {
                return all;
            }
            all.extend_from_slice(bytes);
            next += bytes.len() as u64;
        }
    }

    #[test]
    fn every_byte_is_read_by_its_number_while_it_is_kept() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut backlog = Backlog::new(1000);
        let mut stream = Vec::new();
        for _ in 0..300 {
            let piece: Vec<u8> = (0..random.usize(..3000)).map(|_| random.u8(..)).collect();
            backlog.push(&piece);
            stream.extend(piece);
            let needed = random.u64(backlog.start()..=backlog.end());
            backlog.trim(100_000, needed);
            assert!(backlog.holds(needed) && backlog.len() >= (stream.len() as u64).min(100_000));
            for next in [needed, backlog.start(), backlog.end(), backlog.end() - backlog.len() / 2] {
                assert_eq!(read_all(&backlog, next), stream[(next - 1001) as usize..]);
            }
        }
        assert!(!backlog.holds(backlog.start() - 1) && !backlog.holds(backlog.end() + 1));
        assert!(backlog.memory_usage() <= 100_000 + 3 * Backlog::BLOCK_BYTES);
    }

    #[test]
    fn an_empty_one_holds_the_place_where_it_begins() {
        let backlog = Backlog::new(7);
        assert!(backlog.holds(8) && !backlog.holds(7) && backlog.read(8).is_empty());
    }
}
