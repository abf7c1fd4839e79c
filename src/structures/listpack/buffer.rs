//! Bytes with room to grow at both ends.

use super::super::size_class::size_class;

/// A row of bytes in one heap block, with slack before and behind it, so that what is put in or taken out near one end
/// does not move all the rest.
#[derive(Default)]
pub(super) struct Buffer {
    /// The slack in front, whose bytes mean nothing, and the row.
    bytes: Vec<u8>,
    start: usize,
}

/// Slack that a row keeps however short it gets. A small node of a list is given half of it when it grows, so that pushing
/// and popping by turns does not ask for memory and give it back each time.
const SLACK_KEPT_BYTES: usize = 256;

impl Buffer {
    pub(super) fn from_vec(bytes: Vec<u8>) -> Self {
        Self { bytes, start: 0 }
    }

    pub(super) fn into_vec(mut self) -> Vec<u8> {
        self.close_front();
        self.bytes
    }

    /// The memory, whatever it holds.
    pub(super) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    #[inline]
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The row in memory of its own size, for one that is not to grow any more.
    pub(super) fn shrink_to_fit(&mut self) {
        self.close_front();
        self.bytes.shrink_to_fit();
    }

    /// Gives memory back if less than half of it is used, and more than a little is not.
    #[inline]
    pub(super) fn shrink_if_sparse(&mut self) {
        if self.len() * 2 + SLACK_KEPT_BYTES < self.bytes.capacity() {
            self.shrink();
        }
    }

    #[cold]
    fn shrink(&mut self) {
        self.close_front();
        self.bytes.shrink_to(size_class(self.bytes.len()));
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(self.start + len);
    }

    /// Makes place for `added` bytes at `offset` in the place of `removed` ones, and returns it to be written. The
    /// shorter side is moved where there is slack for it.
    #[inline]
    pub(super) fn splice(&mut self, offset: usize, removed: usize, added: usize) -> &mut [u8] {
        if added > removed {
            self.widen(offset, offset + removed, added - removed);
        } else if added < removed {
            self.narrow(offset + added, offset + removed);
        }
        let at = self.start + offset;
        &mut self.bytes[at..at + added]
    }

    /// The row with `more` bytes put before it, to be written, where there is slack for them.
    #[inline]
    pub(super) fn extend_front(&mut self, more: usize) -> Option<&mut [u8]> {
        self.start = self.start.checked_sub(more)?;
        self.bytes.get_mut(self.start..)
    }

    /// The row with room for `more` bytes behind it, to be appended to, where there is slack for them.
    #[inline]
    pub(super) fn spare_back(&mut self, more: usize) -> Option<&mut Vec<u8>> {
        (self.bytes.capacity() - self.bytes.len() >= more).then_some(&mut self.bytes)
    }

    /// Takes the first `less` bytes away.
    #[inline]
    pub(super) fn cut_front(&mut self, less: usize) {
        self.start = self.bytes.len().min(self.start + less);
    }

    /// Makes slack of `more` bytes at one end.
    pub(super) fn reserve(&mut self, at_front: bool, more: usize) {
        if !self.has_room(at_front, more) {
            self.make_room(at_front, more);
        }
    }

    /// Gives memory back that the row would not need if it had been made in one go.
    pub(super) fn trim(&mut self) {
        if self.bytes.capacity() > size_class(self.len()) {
            self.shrink();
        }
    }

    /// Moves what lies before `head` and what lies from `tail` on apart by so many bytes more.
    fn widen(&mut self, head: usize, tail: usize, more: usize) {
        let front_is_shorter = head < self.len() - tail;
        if !self.has_room(front_is_shorter, more) {
            self.make_room(front_is_shorter, more);
        }
        if front_is_shorter {
            self.bytes.copy_within(self.start..self.start + head, self.start - more);
            self.start -= more;
        } else {
            let (old_end, tail) = (self.bytes.len(), self.start + tail);
            self.bytes.resize(old_end + more, 0);
            if tail < old_end {
                self.bytes.copy_within(tail..old_end, tail + more);
            }
        }
    }

    /// Closes the gap from `head` to `tail`.
    fn narrow(&mut self, head: usize, tail: usize) {
        if head < self.len() - tail {
            let gap = tail - head;
            self.bytes.copy_within(self.start..self.start + head, self.start + gap);
            self.start += gap;
        } else {
            let (head, tail, end) = (self.start + head, self.start + tail, self.bytes.len());
            self.bytes.copy_within(tail..end, head);
            self.bytes.truncate(end - (tail - head));
        }
    }

    #[inline]
    fn has_room(&self, at_front: bool, more: usize) -> bool {
        if at_front { self.start >= more } else { self.bytes.capacity() - self.bytes.len() >= more }
    }

    /// Makes room for so many bytes more at one end: of the slack at the other end if there is plenty, else of a larger
    /// block.
    #[cold]
    fn make_room(&mut self, at_front: bool, more: usize) {
        let (len, capacity) = (self.len(), self.bytes.capacity());
        let slack = capacity - len;
        // Slack of an eighth is shared by both ends, so that a row which grows at both is moved a few times in all.
        if slack >= more && slack - more >= len / 8 {
            let room = more + (slack - more) / 2;
            self.move_to(if at_front { room } else { slack - room });
        } else if at_front {
            let mut grown = Vec::with_capacity(size_class(len + more));
            grown.resize(grown.capacity() - len, 0);
            self.start = grown.len();
            grown.extend_from_slice(self.bytes.get(self.bytes.len() - len..).unwrap_or_default());
            self.bytes = grown;
        } else {
            self.close_front();
            self.bytes.reserve_exact(size_class(len + more) - len);
        }
    }

    /// Moves the row so that it has so much slack in front.
    fn move_to(&mut self, start: usize) {
        let (old, len) = (self.start, self.len());
        if start > old {
            self.bytes.resize(start + len, 0);
        }
        self.bytes.copy_within(old..old + len, start);
        self.bytes.truncate(start + len);
        self.start = start;
    }

    fn close_front(&mut self) {
        if self.start > 0 {
            self.move_to(0);
        }
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self::from_vec(self.as_slice().to_vec())
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Buffer {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn growing_at_the_front_moves_the_row_seldom() {
        let mut buffer = Buffer::default();
        let mut moves = 0;
        for n in 0..400_u32 {
            let before = buffer.as_slice().as_ptr() as usize + buffer.len();
            buffer.splice(0, 0, 20).fill(n as u8);
            moves += usize::from(buffer.as_slice().as_ptr() as usize + buffer.len() != before);
        }
        assert_eq!(buffer.len(), 8_000);
        assert!(moves <= 40, "{moves}");
        assert!(buffer.capacity() <= 8_192);
    }

    proptest! {
        #[test]
        fn any_series_of_splices_matches_a_vector(
            steps in proptest::collection::vec((any::<u16>(), 0usize..30, 0usize..40, any::<u8>()), 1..200),
        ) {
            let mut buffer = Buffer::default();
            let mut model: Vec<u8> = Vec::new();
            for (at, removed, added, byte) in steps {
                // Mostly at the ends, where the slack is.
                let at = match at % 4 {
                    0 => 0,
                    1 => model.len(),
                    _ => usize::from(at) % (model.len() + 1),
                };
                let removed = removed.min(model.len() - at);
                buffer.splice(at, removed, added).fill(byte);
                model.splice(at..at + removed, std::iter::repeat_n(byte, added));
                if byte % 8 == 0 {
                    buffer.shrink_if_sparse();
                }
                prop_assert_eq!(buffer.as_slice(), &model[..]);
                let copy = buffer.clone();
                prop_assert_eq!(copy.into_vec(), model.clone());
            }
            buffer.truncate(3);
            model.truncate(3);
            prop_assert_eq!(buffer.into_vec(), model);
        }
    }
}
