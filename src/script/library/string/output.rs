//! A string that is put together, within the script's memory.

use crate::script::lua::{Answer, Call, Raise};

/// A long text is copied in parts of this size, after each of which the script is looked at.
pub const PART_BYTES: usize = 1 << 20;

/// So many copied bytes count as a step.
const BYTES_PER_STEP: usize = 64;

/// Up to here a buffer grows without asking for room, and is kept for the next string.
const SMALL_BYTES: usize = 32 << 10;

/// The bytes of a string to come.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
}

impl Output {
    /// An empty one, in the buffer that the last one has left.
    pub fn new(call: &Call<'_>) -> Self {
        let mut bytes = call.context().text.take();
        bytes.clear();
        Self { bytes }
    }

    /// As [`Output::new`], with room for so many bytes.
    pub fn with_room(call: &mut Call<'_>, bytes: usize) -> Result<Self, Raise> {
        let mut output = Self::new(call);
        output.reserve(call, bytes)?;
        Ok(output)
    }

    #[inline]
    fn reserve(&mut self, call: &mut Call<'_>, more: usize) -> Result<(), Raise> {
        if more > self.bytes.capacity() - self.bytes.len() { self.grow(call, more) } else { Ok(()) }
    }

    #[cold]
    fn grow(&mut self, call: &mut Call<'_>, more: usize) -> Result<(), Raise> {
        let len = self.bytes.len();
        let needed = len.saturating_add(more);
        // Room for the buffer, and for the string that is made of it.
        let capacity = needed.max(2 * self.bytes.capacity()).max(64);
        if capacity > SMALL_BYTES {
            call.check_room(capacity.saturating_add(needed))?;
        }
        self.bytes.reserve_exact(capacity - len);
        Ok(())
    }

    pub fn push(&mut self, call: &mut Call<'_>, byte: u8) -> Result<(), Raise> {
        self.extend(call, &[byte]).map(drop)
    }

    /// Appends bytes, and returns them as they are now in the string.
    #[inline]
    pub fn extend(&mut self, call: &mut Call<'_>, bytes: &[u8]) -> Result<&mut [u8], Raise> {
        self.reserve(call, bytes.len())?;
        let start = self.bytes.len();
        if bytes.len() <= PART_BYTES {
            call.work(1 + bytes.len() / BYTES_PER_STEP)?;
            self.bytes.extend_from_slice(bytes);
        } else {
            self.extend_in_parts(call, bytes)?;
        }
        Ok(&mut self.bytes[start..])
    }

    #[cold]
    fn extend_in_parts(&mut self, call: &mut Call<'_>, bytes: &[u8]) -> Result<(), Raise> {
        for part in bytes.chunks(PART_BYTES) {
            call.poll()?;
            self.bytes.extend_from_slice(part);
        }
        Ok(())
    }

    /// Appends the string on top of the stack.
    pub fn extend_from_top(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        let len = call.len(-1);
        self.reserve(call, len)?;
        call.work(1 + len / BYTES_PER_STEP)?;
        self.bytes.extend_from_slice(call.bytes(-1).unwrap_or_default());
        Ok(())
    }

    /// Appends `bytes` so many times.
    pub fn repeat(&mut self, call: &mut Call<'_>, bytes: &[u8], times: usize) -> Result<(), Raise> {
        let len = bytes.len().saturating_mul(times);
        self.reserve(call, len)?;
        if len == 0 || bytes.len() > PART_BYTES / 2 {
            return (0..if len == 0 { 0 } else { times }).try_for_each(|_| self.extend(call, bytes).map(drop));
        }
        // What is there already is copied, so that short texts are copied in large blocks.
        let block_max = PART_BYTES / bytes.len() * bytes.len();
        let start = self.bytes.len();
        let end = start + len;
        self.bytes.extend_from_slice(bytes);
        while self.bytes.len() < end {
            let filled = self.bytes.len();
            let block = (filled - start).min(block_max).min(end - filled);
            self.bytes.extend_from_within(start..start + block);
            call.work(1 + block / BYTES_PER_STEP)?;
        }
        Ok(())
    }

    /// Appends what `write` appends to a vector, at most `most` bytes.
    pub fn append(&mut self, call: &mut Call<'_>, most: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Raise> {
        self.reserve(call, most)?;
        write(&mut self.bytes);
        Ok(())
    }

    /// Pushes the string.
    pub fn finish(self, call: &mut Call<'_>) -> Answer {
        call.push_bytes(&self.bytes);
        if self.bytes.capacity() <= SMALL_BYTES {
            call.context().text.set(self.bytes);
        }
        Ok(1)
    }
}
