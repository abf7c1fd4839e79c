//! LZF as liblzf defines it, which Redis uses for strings: literal runs of up to 32 bytes, and references of 3 to 264
//! bytes to what is at most 8,192 bytes back. There is no header: the length of the original is stored outside.

use super::Tag;
use crate::stdx::size::ELEMENT_BYTES_MAX;

/// How far back a reference reaches.
const DISTANCE_MAX: usize = 1 << 13;

const LITERALS_MAX: usize = 32;

const MATCH_MIN: usize = 3;

/// 7 + 255 + 2: what the three bytes of the long form of a reference can say.
const MATCH_MAX: usize = 264;

/// No instruction yields more than this many bytes for each of its own: 264 for three.
const EXPANSION_MAX: u64 = 88;

/// Compressed strings that claim more than this are refused, whatever follows them.
pub const DECOMPRESSED_BYTES_MAX: u64 = ELEMENT_BYTES_MAX as u64;

/// Compressing must save at least this many bytes, or the string is better stored as it is.
const SAVING_MIN: usize = 4;

/// The widest block that is copied at once. Buffers have this much room behind what they hold.
const BLOCK: usize = 32;

/// Inputs up to this length are looked up in the front of the table only, which stays in the nearest cache.
const SHORT_INPUT_BYTES_MAX: usize = 1024;
const SHORT_SLOTS: usize = 1 << 11;
const SLOTS: usize = 1 << 13;

/// Longer inputs are not tried: their positions would not fit into the table's entries.
const INPUT_BYTES_MAX: usize = 1 << 31;

/// After 32 positions in a row without a match every second is tried, after 32 more every third, and so on.
const MISSES_PER_STEP_BITS: u32 = 5;

const STEP_MAX: u32 = 64;

/// After strings of a kind that did not compress the next one is searched as if it began with misses: with this many for
/// each of them, up to a limit. Data that is compressed or encrypted already costs little then. The first string that
/// does compress ends it, and every so many strings one is searched thoroughly.
const MISSES_PER_FAILURE: u32 = 8;
const INITIAL_MISSES_MAX: u32 = 7 << MISSES_PER_STEP_BITS;
const FAILURES_PER_THOROUGH_SEARCH: u32 = 64;

/// Inputs up to this length are searched in groups of positions where little is won of their kind. A byte holds each position.
const SMALL_INPUT_BYTES_MAX: usize = 256;
const SMALL_SLOTS: usize = 1 << 10;

/// The positions that are looked up together. Whether one of them is a match is asked once for all.
const GROUP: usize = 4;

/// As [`MISSES_PER_STEP_BITS`], for groups.
const MISSES_PER_GROUP_BITS: u32 = 6;

/// Groups are not for strings of a kind that did not compress so often: a few steps lead through those.
const GROUPED_MISSES_MAX: u32 = 64;

/// Little is won where strings shrink by less than this many 256ths.
const LITTLE: u32 = 32;

/// Inputs of these lengths are searched stretch by stretch where more than little and less than much is won of their kind.
/// Sixteen bits hold each position.
const STRETCHED_BYTES_MIN: usize = 2048;
const STRETCHED_BYTES_MAX: usize = 1 << 16;

/// The positions of a stretch.
const STRETCH: usize = 64;

/// So many of them are written out one after another: a compiler that sees how they go together makes better use of it.
const UNROLLED: usize = 4;

/// Much is won where strings shrink by more than this many 256ths. Few long matches lead through those.
const MUCH: u32 = 144;

/// What a string is a part of: nothing in particular, or the values of one type in one layout.
///
/// Documents, numbers in lists and tokens lie side by side in a data set. Each kind is judged by its own strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Kind(u8);

const KINDS: usize = 32;

impl Kind {
    pub(super) fn of_values(tag: Tag) -> Self {
        Self(tag.as_u8() + 1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("it ends inside an instruction")]
    Truncated,
    #[error("it refers to before its beginning")]
    ReferenceBeforeStart,
    #[error("it holds {actual} bytes or more, but claims {claimed}")]
    TooLong { claimed: u64, actual: u64 },
    #[error("it holds {actual} bytes, but claims {claimed}")]
    TooShort { claimed: u64, actual: u64 },
    #[error("its claimed length of {claimed} bytes is impossible")]
    ImpossibleLength { claimed: u64 },
    #[error("no memory for its {claimed} bytes")]
    OutOfMemory { claimed: u64 },
}

/// A compressor that is used again and again, so that no call has to clear its table.
///
/// Each call's positions are offset by a base that moves on by more than the reach of a reference. What an earlier
/// call has left in the table is then too far back to be followed, without a look at the bytes.
#[derive(Debug)]
pub struct Compressor {
    /// Empty until the first input that is long enough.
    table: Vec<u32>,
    base: u32,
    /// None until the first input that is searched so.
    stretches: Option<Stretches>,
    histories: [History; KINDS],
}

/// What became of the inputs of one kind.
#[derive(Debug, Clone, Copy)]
struct History {
    /// How many in a row did not compress.
    failures: u32,
    /// By how many 256ths they shrank of late.
    won: u32,
}

impl History {
    const NEW: Self = Self { failures: 0, won: 0 };

    fn note(&mut self, input_length: usize, length: Option<usize>) {
        let won = length.map_or(0, |length| (input_length - length) * 256 / input_length) as u32;
        self.won = (self.won * 7 + won) / 8;
        self.failures = if length.is_some() { 0 } else { self.failures.wrapping_add(1) };
    }
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Compressor {
    pub const fn new() -> Self {
        Self { table: Vec::new(), base: DISTANCE_MAX as u32 + 1, stretches: None, histories: [History::NEW; KINDS] }
    }

    /// Replaces what is in `out` by the compressed input and says whether that saves at least four bytes.
    /// If it does not, `out` is left empty.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        out.resize(Self::room(input.len()), 0);
        let length = self.compress_into(input, Kind::default(), out);
        out.truncate(length.unwrap_or(0));
        length.is_some()
    }

    /// How long the buffer of `compress_into` must be.
    pub(super) const fn room(input_length: usize) -> usize {
        input_length + 2 * BLOCK
    }

    /// Compresses into the front of `out`, which must have `room(input.len())` bytes, and returns the length.
    /// What follows it in `out` is overwritten with anything.
    pub(super) fn compress_into(&mut self, input: &[u8], kind: Kind, out: &mut [u8]) -> Option<usize> {
        if input.len() <= SAVING_MIN + MATCH_MIN || input.len() > INPUT_BYTES_MAX {
            return None;
        }
        let kind = usize::from(kind.0) % KINDS;
        let History { failures, won } = self.histories[kind];
        let misses = initial_misses(failures);
        let length = if input.len() <= SMALL_INPUT_BYTES_MAX && won < LITTLE && misses < GROUPED_MISSES_MAX {
            compress_small(misses, input, out)
        } else if (STRETCHED_BYTES_MIN..=STRETCHED_BYTES_MAX).contains(&input.len()) && won < MUCH && misses == 0 {
            self.stretches.get_or_insert_with(Stretches::new).compress(input, out)
        } else {
            self.compress_by_table(misses, input, out)
        };
        self.histories[kind].note(input.len(), length);
        length
    }

    fn compress_by_table(&mut self, misses: u32, input: &[u8], out: &mut [u8]) -> Option<usize> {
        let advance = input.len() as u32 + DISTANCE_MAX as u32 + 1;
        if self.table.is_empty() || self.base.checked_add(advance).is_none() {
            self.table.clear();
            self.table.resize(SLOTS, 0);
            self.base = DISTANCE_MAX as u32 + 1;
        }
        let base = self.base;
        self.base += advance;
        if input.len() <= SHORT_INPUT_BYTES_MAX {
            compress_with::<SHORT_SLOTS>(self.table.first_chunk_mut()?, base, misses, input, out)
        } else {
            compress_with::<SLOTS>(self.table.first_chunk_mut()?, base, misses, input, out)
        }
    }
}

fn initial_misses(failures: u32) -> u32 {
    if failures.is_multiple_of(FAILURES_PER_THOROUGH_SEARCH) {
        0
    } else {
        failures.saturating_mul(MISSES_PER_FAILURE).min(INITIAL_MISSES_MAX)
    }
}

/// The slot of the first three of four little-endian bytes.
#[inline]
fn slot_of_three<const SLOTS: usize>(bytes: u32) -> usize {
    slot::<SLOTS>(bytes << 8)
}

/// The slot of four bytes.
#[inline]
fn slot<const SLOTS: usize>(bytes: u32) -> usize {
    const MULTIPLIER: u32 = 0x9E37_79B1;
    (bytes.wrapping_mul(MULTIPLIER) >> (u32::BITS - SLOTS.trailing_zeros())) as usize
}

#[inline]
fn four_bytes(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("four bytes are there"))
}

#[inline]
fn eight_bytes(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("eight bytes are there"))
}

fn compress_with<const SLOTS: usize>(
    table: &mut [u32; SLOTS],
    base: u32,
    mut misses: u32,
    input: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let last = input.len() - 4;
    let mut output = Output::new(input, out);
    let mut position = 0;
    while let Some(bytes) = input.get(position..).and_then(<[u8]>::first_chunk) {
        let bytes = u32::from_le_bytes(*bytes);
        let entry = &mut table[slot_of_three::<SLOTS>(bytes)];
        let here = base + position as u32;
        let distance = here.wrapping_sub(*entry) as usize;
        *entry = here;
        if distance > DISTANCE_MAX || (four_bytes(input, position - distance) ^ bytes) << 8 != 0 {
            misses += 1;
            position += (1 + (misses >> MISSES_PER_STEP_BITS)).min(STEP_MAX) as usize;
            continue;
        }
        misses = 0;
        let end = match_end(input, position, MATCH_MIN, distance);
        let start = match_start(input, output.pending, position, end, distance);
        output.put_match(start, end, distance)?;
        position = end;
        if end <= last {
            // One position inside the match is enough to find most repetitions of it.
            let inside = end - 2;
            table[slot_of_three::<SLOTS>(four_bytes(input, inside))] = base + inside as u32;
        }
    }
    output.finish()
}

/// Compresses an input of up to 256 bytes in which little is to be found.
///
/// Matches are looked for from four bytes on: with the run of literals that one of three ends, it saves nothing mostly, and
/// looking at each takes long. The positions that were met are kept in a table of bytes, which is so small that it is
/// cleared for each input: no entry has to be asked whether it is an older input's.
fn compress_small(mut misses: u32, input: &[u8], out: &mut [u8]) -> Option<usize> {
    // Of a fixed length, so that a byte is an index into it without a check.
    let mut text = [0; SMALL_INPUT_BYTES_MAX + BLOCK];
    text[..input.len()].copy_from_slice(input);
    let mut table = [0_u8; SMALL_SLOTS];
    let last = input.len() - 2 * GROUP;
    let mut output = Output::new(input, out);
    // The first position is what slots have that nobody has written to.
    let mut position = 1;
    while position <= last {
        let bytes = eight_bytes(&text, position & usize::from(u8::MAX));
        let mut distances = [0; GROUP];
        let mut is_found = false;
        for (lane, distance) in distances.iter_mut().enumerate() {
            let bytes = (bytes >> (8 * lane)) as u32;
            let before = std::mem::replace(&mut table[slot::<SMALL_SLOTS>(bytes)], (position + lane) as u8);
            let is_equal = four_bytes(&text, usize::from(before)) == bytes;
            *distance = if is_equal { position + lane - usize::from(before) } else { 0 };
            is_found |= is_equal;
        }
        if !is_found {
            misses += GROUP as u32;
            position += GROUP * (1 + (misses >> MISSES_PER_GROUP_BITS) as usize);
            continue;
        }
        misses = 0;
        let lane = distances.iter().position(|&distance| distance > 0)?;
        let (position_found, distance) = (position + lane, distances[lane]);
        let end = match_end(input, position_found, MATCH_MIN, distance);
        let start = match_start(input, output.pending, position_found, end, distance);
        output.put_match(start, end, distance)?;
        position = end;
    }
    output.finish()
}

/// What inputs are searched with stretch by stretch.
///
/// The positions of a stretch are looked up at once, whether or not a match covers them, and only then is it asked which of
/// them are matches. Where matches are short and come at any place, as in lists of tokens, that takes less time than to look at
/// one position after the other: no lookup waits for the end of a match, and no branch has to be guessed for it.
#[derive(Debug)]
struct Stretches {
    /// Cleared for each input: no entry has to be asked whether it is an older input's. The first position is what slots have
    /// that nobody has written to.
    table: Box<[u16; SLOTS]>,
    /// A copy of the input. It has a fixed length, so that sixteen bits are an index into it without a check.
    text: Box<[u8; STRETCHED_BYTES_MAX + 8]>,
}

/// What was found at the positions of a stretch.
struct Found {
    /// One bit for each position at which three bytes are equal to earlier ones, the first position's the lowest.
    hits: u64,
    /// Where the earlier bytes are.
    before: [u16; STRETCH],
    /// In which of the eight bytes from there on they differ.
    differences: [u64; STRETCH],
}

impl Stretches {
    fn new() -> Self {
        Self { table: zeros(), text: zeros() }
    }

    #[inline(never)]
    fn compress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        self.table.fill(0);
        self.text[..input.len()].copy_from_slice(input);
        let mut output = Output::new(input, out);
        let mut found = Found { hits: 0, before: [0; STRETCH], differences: [0; STRETCH] };
        let (mut position, mut misses) = (1, 0);
        while let Some(bytes) = input.get(position..).and_then(<[u8]>::first_chunk) {
            self.look_up(position, bytes, &mut found);
            if found.hits == 0 {
                misses += STRETCH;
                position += STRETCH * (1 + (misses >> MISSES_PER_GROUP_BITS));
                continue;
            }
            misses = 0;
            let mut hits = found.hits;
            while hits != 0 {
                let lane = hits.trailing_zeros() as usize;
                let start = position + lane;
                let distance = start - usize::from(found.before[lane]);
                if distance > DISTANCE_MAX {
                    hits &= hits - 1;
                    continue;
                }
                let end = match found.differences[lane] {
                    0 => match_end(input, start, 8, distance),
                    difference => start + (difference.trailing_zeros() / 8) as usize,
                };
                output.put_match_unchecked(start, end, distance)?;
                hits &= u64::MAX.checked_shl((end - position) as u32).unwrap_or(0);
            }
            position = output.pending.max(position + STRETCH);
        }
        output.finish()
    }

    #[inline(always)]
    fn look_up(&mut self, position: usize, bytes: &[u8; STRETCH + 7], found: &mut Found) {
        let mut hits = 0_u64;
        let mut lane = 0;
        while lane < STRETCH {
            for _ in 0..UNROLLED {
                let bytes = eight_bytes(bytes, lane);
                let slot = &mut self.table[slot_of_three::<SLOTS>(bytes as u32)];
                let before = std::mem::replace(slot, (position + lane) as u16);
                let difference = eight_bytes(&*self.text, usize::from(before)) ^ bytes;
                found.before[lane] = before;
                found.differences[lane] = difference;
                hits = hits << 1 | u64::from((difference as u32) << 8 == 0);
                lane += 1;
            }
        }
        found.hits = hits.reverse_bits();
    }
}

fn zeros<T: Copy + Default + std::fmt::Debug, const N: usize>() -> Box<[T; N]> {
    vec![T::default(); N].into_boxed_slice().try_into().expect("it has that length")
}

/// What has been compressed so far of an input.
struct Output<'a> {
    input: &'a [u8],
    out: &'a mut [u8],
    written: usize,
    /// Where the literals begin that no instruction covers yet.
    pending: usize,
}

impl<'a> Output<'a> {
    #[inline(always)]
    fn new(input: &'a [u8], out: &'a mut [u8]) -> Self {
        Self { input, out, written: 0, pending: 0 }
    }

    /// Writes the literals before a match, and the match. `None` where too little would be saved.
    #[inline(always)]
    fn put_match(&mut self, start: usize, end: usize, distance: usize) -> Option<()> {
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
    fn put_match_unchecked(&mut self, start: usize, end: usize, distance: usize) -> Option<()> {
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
    fn finish(self) -> Option<usize> {
        let rest = self.input.len() - self.pending;
        if self.written + rest + rest.div_ceil(LITERALS_MAX) > self.limit() {
            return None;
        }
        Some(put_literals(self.input, self.pending, self.input.len(), self.out, self.written))
    }

    #[inline(always)]
    fn limit(&self) -> usize {
        self.input.len() - SAVING_MIN
    }
}

/// Where the match that was found at `position` ends. So many bytes are known to be `equal`.
#[inline(always)]
fn match_end(input: &[u8], position: usize, equal: usize, distance: usize) -> usize {
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
fn match_start(input: &[u8], pending: usize, position: usize, end: usize, distance: usize) -> usize {
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

/// Replaces what is in `out` by the original, which must have exactly `expected_len` bytes.
///
/// Nothing is allocated for a length that so many compressed bytes cannot yield.
pub fn decompress(input: &[u8], expected_len: u64, out: &mut Vec<u8>) -> Result<(), Error> {
    let claimed = expected_len;
    out.clear();
    if claimed > DECOMPRESSED_BYTES_MAX || claimed > (input.len() as u64).saturating_mul(EXPANSION_MAX) {
        return Err(Error::ImpossibleLength { claimed });
    }
    let Ok(length) = usize::try_from(claimed) else {
        return Err(Error::ImpossibleLength { claimed });
    };
    out.try_reserve(length + BLOCK).map_err(|_| Error::OutOfMemory { claimed })?;
    out.resize(length + BLOCK, 0);
    let result = decompress_into(input, length, out);
    out.truncate(if result.is_ok() { length } else { 0 });
    result
}

/// `out` is longer than the original by one block.
fn decompress_into(input: &[u8], length: usize, out: &mut [u8]) -> Result<(), Error> {
    let too_long = |actual: usize| Error::TooLong { claimed: length as u64, actual: actual as u64 };
    let mut written = 0;
    let mut rest = input;
    while let Some((&control, after)) = rest.split_first() {
        rest = after;
        let control = usize::from(control);
        if control < LITERALS_MAX {
            let run = control + 1;
            if written + run > length {
                return Err(too_long(written + run));
            }
            if let Some(block) = rest.first_chunk::<BLOCK>() {
                out[written..written + BLOCK].copy_from_slice(block);
            } else {
                let literals = rest.get(..run).ok_or(Error::Truncated)?;
                out[written..written + run].copy_from_slice(literals);
            }
            rest = &rest[run..];
            written += run;
        } else {
            let mut run = (control >> 5) + 2;
            if control >> 5 == 7 {
                let (&more, after) = rest.split_first().ok_or(Error::Truncated)?;
                run += usize::from(more);
                rest = after;
            }
            let (&low, after) = rest.split_first().ok_or(Error::Truncated)?;
            rest = after;
            let distance = ((control & 31) << 8 | usize::from(low)) + 1;
            if distance > written {
                return Err(Error::ReferenceBeforeStart);
            }
            if written + run > length {
                return Err(too_long(written + run));
            }
            copy_reference(out, written, distance, run);
            written += run;
        }
    }
    if written < length {
        return Err(Error::TooShort { claimed: length as u64, actual: written as u64 });
    }
    Ok(())
}

/// Repeats what is `distance` bytes back, which may be less than the length of the run.
#[inline]
fn copy_reference(out: &mut [u8], written: usize, distance: usize, run: usize) {
    const STEP: usize = BLOCK / 2;
    let end = written + run;
    if distance >= STEP {
        let mut at = written;
        while at < end {
            let block: [u8; STEP] = *out[at - distance..].first_chunk().expect("a block is there");
            out[at..at + STEP].copy_from_slice(&block);
            at += STEP;
        }
    } else if distance == 1 {
        let byte = out[written - 1];
        out[written..end].fill(byte);
    } else {
        for at in written..end {
            out[at] = out[at - distance];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(compressor: &mut Compressor, input: &[u8]) -> bool {
        let mut packed = b"left from before".to_vec();
        if !compressor.compress(input, &mut packed) {
            assert!(packed.is_empty());
            return false;
        }
        assert!(packed.len() + SAVING_MIN <= input.len());
        let mut out = b"left from before".to_vec();
        decompress(&packed, input.len() as u64, &mut out).unwrap();
        assert_eq!(out, input);
        // The oracle is named from the root, since this module bears the same name.
        assert_eq!(::lzf::decompress(&packed, input.len()).unwrap(), input);
        true
    }

    #[test]
    fn what_repeats_shrinks_and_what_is_random_does_not() {
        let mut compressor = Compressor::new();
        assert!(round_trip(&mut compressor, &[b'a'; 21]));
        assert!(round_trip(&mut compressor, &[0; 100_000]));
        assert!(round_trip(
            &mut compressor,
            br#"{"user_id":1001,"user_name":"user_1001","user_mail":"user_1001@mail"}"#
        ));
        assert!(!round_trip(&mut compressor, b"abcdefghijklmnopqrstuvwxyz0123456789"));
        let random: Vec<u8> =
            (0..10_000u64).flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()).collect();
        assert!(!round_trip(&mut compressor, &random[..100]));
        for short in 0..=SAVING_MIN + MATCH_MIN {
            assert!(!round_trip(&mut compressor, &vec![b'a'; short]));
        }
    }

    #[test]
    fn every_distance_and_match_length_comes_back() {
        let mut compressor = Compressor::new();
        let noise: Vec<u8> = (0..9000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for distance in [1, 2, 3, 15, 16, 17, 31, 32, 33, 255, 256, 8191, 8192, 8193, 9000] {
            for length in [3, 4, 7, 8, 9, 10, 263, 264, 265, 266, 300, 600] {
                let mut input = noise[..distance].to_vec();
                for at in 0..length {
                    input.push(input[at]);
                }
                input.extend_from_slice(b"end");
                round_trip(&mut compressor, &input);
            }
        }
    }

    #[test]
    fn the_table_is_cleared_before_positions_wrap() {
        let mut compressor = Compressor::new();
        let text = b"the same words again and again, the same words again and again";
        assert!(round_trip(&mut compressor, text));
        compressor.histories[0].won = 256;
        compressor.base = u32::MAX - 100;
        assert!(round_trip(&mut compressor, text));
        assert!(compressor.base < 3 * DISTANCE_MAX as u32);
        assert!(round_trip(&mut compressor, text));
    }

    #[test]
    fn after_much_that_does_not_compress_the_first_that_does_is_noticed_before_long() {
        let mut compressor = Compressor::new();
        let mut out = Vec::new();
        for seed in 0..1000u64 {
            let mut state = seed + 1;
            let random: Vec<u8> = (0..100)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            compressor.compress(&random, &mut out);
        }
        let json = br#"{"id":7,"name":"anna","mail":"anna@mail.example","boss":"anna","town":"anna-town"}"#;
        let tries = (0..FAILURES_PER_THOROUGH_SEARCH).take_while(|_| !compressor.compress(json, &mut out)).count();
        assert!(tries < FAILURES_PER_THOROUGH_SEARCH as usize);
        assert!(compressor.compress(json, &mut out));
    }

    /// A generator of the tests' texts.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) as usize % end
        }

        fn word(&mut self) -> String {
            (0..3 + self.below(6)).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
        }

        fn noise(&mut self) -> Vec<u8> {
            (0..20 + self.below(200)).map(|_| self.below(256) as u8).collect()
        }

        /// Half of it repeats.
        fn repetitive(&mut self) -> Vec<u8> {
            let (name, number) = (self.word(), self.below(1000));
            format!(
                r#"{{"user_id":{number},"user_name":"{name}-{number}","user_mail":"{name}-{number}@mail","user_boss":"{name}-{number}"}}"#
            )
            .into_bytes()
        }

        /// A document of random words, of which LZF wins a few percent.
        fn document(&mut self) -> Vec<u8> {
            let (first, last) = (self.word(), self.word());
            let note: Vec<_> = (0..5).map(|_| self.word()).collect();
            format!(
                r#"{{"first_name":"{first}","last_name":"{last}","mail":"{last}@{}.com","town":"{}","note":"{}"}}"#,
                self.word(),
                self.word(),
                note.join(" ")
            )
            .into_bytes()
        }
    }

    /// `length` bytes of which so many percent begin a repetition of something before them, and the others are noise.
    fn noise_that_repeats(random: &mut Random, length: usize, percent: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(length);
        while text.len() < length {
            if text.len() > 3 && random.below(100) < percent {
                let distance = 1 + random.below(text.len().min(DISTANCE_MAX + 100));
                for _ in 0..3 + random.below(12) {
                    text.push(text[text.len() - distance]);
                }
            } else {
                text.push(random.below(256) as u8);
            }
        }
        text.truncate(length);
        text
    }

    #[test]
    fn long_strings_come_back_however_much_of_them_repeats() {
        let mut random = Random(13);
        let (least, most) = (STRETCHED_BYTES_MIN, STRETCHED_BYTES_MAX);
        for percent in [0, 1, 2, 5, 20, 60, 95] {
            let mut compressor = Compressor::new();
            for length in
                [least - 1, least, least + 1, least + STRETCH + 6, 4_000, 8_191, 9_000, most - 1, most, most + 1]
            {
                let mut input = noise_that_repeats(&mut random, length, percent);
                round_trip(&mut compressor, &input);
                // What the compressor still has of the input before must not be taken for a part of this one.
                input[length / 2] ^= 1;
                let is_compressed = round_trip(&mut compressor, &input);
                assert!(
                    is_compressed == (percent > 1) || (1..5).contains(&percent),
                    "{percent} percent of {length} bytes"
                );
            }
        }
    }

    /// A node of a list of tokens that have a few bytes in common.
    fn tokens(random: &mut Random) -> Vec<u8> {
        let token = |random: &mut Random| format!("item:{:08x}{:08x}", random.0 >> 32, random.below(1 << 31));
        (0..350).flat_map(|_| token(random).into_bytes()).collect()
    }

    #[test]
    fn stretches_find_what_a_search_by_positions_finds() {
        let mut random = Random(17);
        let mut out = vec![0; Compressor::room(STRETCHED_BYTES_MAX)];
        for input in [tokens(&mut random), (0..60).flat_map(|_| random.document()).collect()] {
            let by_stretches = Stretches::new().compress(&input, &mut out).unwrap();
            let by_positions = Compressor::new().compress_by_table(0, &input, &mut out).unwrap();
            assert!(
                by_stretches * 100 < by_positions * 102,
                "{by_stretches} and {by_positions} of {} bytes",
                input.len()
            );
        }
    }

    /// How many bytes these take, each compressed where that is of use, by one compressor or by a new one for each.
    fn stored(inputs: &[Vec<u8>], remembers: bool) -> usize {
        let (mut compressor, mut out) = (Compressor::new(), Vec::new());
        let mut one = |input: &Vec<u8>| {
            if !remembers {
                compressor = Compressor::new();
            }
            if compressor.compress(input, &mut out) { out.len() } else { input.len() }
        };
        inputs.iter().map(&mut one).sum()
    }

    #[test]
    fn what_compresses_is_compressed_among_what_does_not() {
        for noise_among_ten in [1, 3, 5, 7] {
            let mut random = Random(7);
            let inputs: Vec<_> = (0..3000)
                .map(|_| if random.below(10) < noise_among_ten { random.noise() } else { random.repetitive() })
                .collect();
            let raw: usize = inputs.iter().map(Vec::len).sum();
            let (best, ours) = (raw - stored(&inputs, false), raw - stored(&inputs, true));
            assert!(best > raw / 20 && ours * 100 > best * 97, "{ours} of {best} bytes are saved");
        }
    }

    #[test]
    fn a_few_percent_are_won_of_each_document() {
        let mut random = Random(11);
        let documents: Vec<_> = (0..3000).map(|_| random.document()).collect();
        let raw: usize = documents.iter().map(Vec::len).sum();
        let (best, ours) = (raw - stored(&documents, false), raw - stored(&documents, true));
        assert!(best > raw / 50 && ours * 100 > best * 95, "{ours} of {best} bytes are saved");
    }

    #[test]
    fn each_kind_is_judged_by_its_own_strings() {
        let mut compressor = Compressor::new();
        let (list, hash) = (Kind::of_values(Tag::ListQuicklist2), Kind::of_values(Tag::HashListpack));
        let noise: Vec<u8> = (0..200u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let json = br#"{"id":7,"name":"anna","mail":"anna@mail.example","boss":"anna","town":"anna-town"}"#;
        let mut out = vec![0; Compressor::room(noise.len())];
        for _ in 0..100 {
            assert_eq!(compressor.compress_into(&noise, list, &mut out), None);
            assert!(compressor.compress_into(json, hash, &mut out).is_some());
        }
        let failures = |kind: Kind| compressor.histories[usize::from(kind.0)].failures;
        assert_eq!((failures(list), failures(hash)), (100, 0));
    }

    #[test]
    fn claims_that_no_input_can_keep_are_refused_without_allocating() {
        let mut out = Vec::new();
        for claimed in [89, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            assert_eq!(decompress(b"\x00", claimed, &mut out), Err(Error::ImpossibleLength { claimed }));
        }
        assert_eq!(out.capacity(), 0);
    }

    #[test]
    fn each_way_to_be_corrupt_has_its_error() {
        let mut out = Vec::new();
        assert_eq!(decompress(b"\x05ab", 6, &mut out), Err(Error::Truncated));
        assert_eq!(decompress(b"\x00a\x20", 4, &mut out), Err(Error::Truncated));
        assert_eq!(decompress(b"\x00a\xE0\x00", 10, &mut out), Err(Error::Truncated));
        assert_eq!(decompress(b"\x00a\x20\x01", 4, &mut out), Err(Error::ReferenceBeforeStart));
        assert_eq!(decompress(b"\x00a\x20\x00", 3, &mut out), Err(Error::TooLong { claimed: 3, actual: 4 }));
        assert_eq!(decompress(b"\x01ab", 1, &mut out), Err(Error::TooLong { claimed: 1, actual: 2 }));
        assert_eq!(decompress(b"\x00a\x20\x00", 5, &mut out), Err(Error::TooShort { claimed: 5, actual: 4 }));
        assert!(out.is_empty());
        assert_eq!(decompress(b"\x00a\x20\x00", 4, &mut out), Ok(()));
        assert_eq!(out, b"aaaa");
    }

    /// Text made of few words, so that it has references of all kinds.
    fn repetitive() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            "[a-c]{1,4}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 1..40),
            (any::<u8>(), 1usize..700).prop_map(|(byte, count)| vec![byte; count]),
        ];
        (prop::collection::vec(word, 1..8), prop::collection::vec(any::<prop::sample::Index>(), 1..80))
            .prop_map(|(words, order)| order.iter().flat_map(|index| words[index.index(words.len())].clone()).collect())
    }

    proptest! {
        #[test]
        fn whatever_is_compressed_comes_back(inputs in prop::collection::vec(repetitive(), 1..6)) {
            let mut compressor = Compressor::new();
            for input in &inputs {
                round_trip(&mut compressor, input);
            }
        }

        #[test]
        fn what_another_compressor_made_is_read(input in repetitive()) {
            // That compressor panics on some input, which says nothing about what is tested here.
            if let Ok(Ok(packed)) = std::panic::catch_unwind(|| ::lzf::compress(&input)) {
                let mut out = Vec::new();
                prop_assert_eq!(decompress(&packed, input.len() as u64, &mut out), Ok(()));
                prop_assert_eq!(out, input);
            }
        }

        #[test]
        fn any_bytes_are_judged_as_the_other_decompressor_judges_them(
            input in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..8, Just(0x20), Just(0xE0)], 0..60),
            length in 0usize..300,
        ) {
            let mut out = Vec::new();
            let ours = decompress(&input, length as u64, &mut out).is_ok();
            let theirs = std::panic::catch_unwind(|| ::lzf::decompress(&input, length));
            if let Ok(Ok(theirs)) = theirs && theirs.len() == length && length > 0 {
                prop_assert!(ours);
                prop_assert_eq!(out, theirs);
            } else if length > 0 {
                prop_assert!(!ours);
            }
        }
    }
}
