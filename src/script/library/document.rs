//! What the libraries share that read and write documents of any size.

use crate::script::lua::{Call, Raise};

/// A string that is longer is looked at by itself.
pub const LONG_BYTES: usize = 64 << 10;

/// Counts the values of a document, so that one of any size can be interrupted and takes no more memory than there is.
#[derive(Default)]
pub struct Steps(u32);

impl Steps {
    const PER_POLL: u32 = 1024;

    /// Called for each value; `bytes` is the memory in use besides the interpreter's.
    #[inline]
    pub fn step(&mut self, call: &mut Call<'_>, bytes: usize) -> Result<(), Raise> {
        self.0 += 1;
        if self.0.is_multiple_of(Self::PER_POLL) { look(call, bytes) } else { Ok(()) }
    }
}

fn look(call: &mut Call<'_>, bytes: usize) -> Result<(), Raise> {
    call.poll()?;
    call.check_room(bytes + 1)
}

/// The buffer that is kept from one call to the next, empty.
pub fn take_buffer(call: &Call<'_>) -> Vec<u8> {
    let mut buffer = call.context().text.take();
    buffer.clear();
    buffer
}

/// Puts the buffer back, but none of unusual size.
pub fn keep_buffer(call: &Call<'_>, buffer: Vec<u8>) {
    if buffer.capacity() <= LONG_BYTES {
        call.context().text.set(buffer);
    }
}
