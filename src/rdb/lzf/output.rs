use super::{BLOCK, LITERALS_MAX, MATCH_MAX, SAVING_MIN, eight_bytes};

/// What has been compressed so far of an input.
pub(super) struct Output<'a> {
    /// It may be followed by what is no part of it.
    input: &'a [u8],
    length: usize,
    out: &'a mut [u8],
    written: usize,
    /// Where the literals begin that no instruction covers yet.
    pub(super) pending: usize,
}

impl<'a> Output<'a> {
    #[inline(always)]
    pub(super) fn new(input: &'a [u8], out: &'a mut [u8]) -> Self {
        Self::of_front(input, input.len(), out)
    }

    /// For an input that is followed by what is no part of it, so that it is copied by whole blocks up to its end.
    #[inline(always)]
    pub(super) fn of_front(input: &'a [u8], length: usize, out: &'a mut [u8]) -> Self {
        Self { input, length, out, written: 0, pending: 0 }
    }

    /// Writes the literals before a match, and the match. `None` where too little would be saved.
    #[inline(always)]
    pub(super) fn put_match(&mut self, start: usize, end: usize, distance: usize) -> Option<()> {
        let literals = start - self.pending;
        if self.written + literals + literals.div_ceil(LITERALS_MAX) + 3 > self.limit() {
            return None;
        }
        let written = put_literals(self.input, self.pending, start, self.out, self.written);
        self.written = put_reference(end - start, distance, self.out, written);
        self.pending = end;
        Some(())
    }

    /// As `put_match`, with hardly a look at how much is saved: `finish` refuses what saves too little. `None` where the buffer ends.
    #[inline(always)]
    pub(super) fn put_match_unchecked(&mut self, start: usize, end: usize, distance: usize) -> Option<()> {
        if start - self.pending > LITERALS_MAX {
            self.put_full_runs(start)?;
        }
        let literals = start - self.pending;
        // One run of literals, however short it is, and the reference behind it. Nothing here branches on what is likely to
        // be as often one way as the other.
        let room = self.out.get_mut(self.written..)?.first_chunk_mut::<{ 1 + BLOCK + 3 }>()?;
        let (head, run) = room.split_first_mut()?;
        *head = literals.wrapping_sub(1) as u8;
        match self.input[self.pending..].first_chunk::<BLOCK>() {
            Some(block) => *run.first_chunk_mut()? = *block,
            None => run[..literals].copy_from_slice(&self.input[self.pending..start]),
        }
        let run = (literals + usize::from(literals > 0)).min(1 + BLOCK);
        self.written += put_reference(end - start, distance, room, run);
        self.pending = end;
        Some(())
    }

    #[cold]
    #[inline(never)]
    fn put_full_runs(&mut self, start: usize) -> Option<()> {
        let end = start - (start - self.pending) % LITERALS_MAX;
        let literals = end - self.pending;
        if self.written + literals + literals / LITERALS_MAX > self.limit() {
            return None;
        }
        self.written = put_literals(self.input, self.pending, end, self.out, self.written);
        self.pending = end;
        Some(())
    }

    /// Writes the literals at the end, and returns how many bytes were written. `None` where too little is saved.
    #[inline(always)]
    pub(super) fn finish(self) -> Option<usize> {
        let rest = self.length - self.pending;
        if self.written + rest + rest.div_ceil(LITERALS_MAX) > self.limit() {
            return None;
        }
        Some(put_literals(self.input, self.pending, self.length, self.out, self.written))
    }

    #[inline(always)]
    fn limit(&self) -> usize {
        self.length - SAVING_MIN
    }
}

/// Where the match that was found at `position` ends. So many bytes are known to be `equal`.
#[inline(always)]
pub(super) fn match_end(input: &[u8], position: usize, equal: usize, distance: usize) -> usize {
    let end_max = input.len().min(position + MATCH_MAX);
    let mut end = position + equal;
    while end + 8 <= end_max {
        let difference = eight_bytes(input, end) ^ eight_bytes(input, end - distance);
        if difference != 0 {
            return end + (difference.trailing_zeros() / 8) as usize;
        }
        end += 8;
    }
    while end < end_max && input[end] == input[end - distance] {
        end += 1;
    }
    end
}

/// Where the match that was found at `position` begins: what comes before it may be equal, too.
#[inline(always)]
pub(super) fn match_start(input: &[u8], pending: usize, position: usize, end: usize, distance: usize) -> usize {
    let start_min = pending.max(distance).max(end.saturating_sub(MATCH_MAX));
    let mut start = position;
    while start > start_min && input[start - 1] == input[start - 1 - distance] {
        start -= 1;
    }
    start
}

/// Writes the bytes of `from..to` as literal runs. Whole blocks are copied where the buffers are long enough, since
/// copying a fixed number of bytes takes one or two instructions; what is too much is overwritten by what follows.
#[inline(always)]
fn put_literals(input: &[u8], mut from: usize, to: usize, out: &mut [u8], mut written: usize) -> usize {
    while from < to {
        let run = (to - from).min(LITERALS_MAX);
        out[written] = (run - 1) as u8;
        written += 1;
        if let Some(block) = input[from..].first_chunk::<BLOCK>() {
            out[written..written + BLOCK].copy_from_slice(block);
        } else {
            out[written..written + run].copy_from_slice(&input[from..from + run]);
        }
        from += run;
        written += run;
    }
    written
}

/// Writes three bytes, of which the short form of a reference has two.
#[inline(always)]
fn put_reference(length: usize, distance: usize, out: &mut [u8], written: usize) -> usize {
    let (length, offset) = (length - 2, distance - 1);
    let is_long = length >= 7;
    *out[written..].first_chunk_mut().expect("a reference has room") =
        [(length.min(7) << 5 | offset >> 8) as u8, if is_long { length - 7 } else { offset } as u8, offset as u8];
    written + 2 + usize::from(is_long)
}
