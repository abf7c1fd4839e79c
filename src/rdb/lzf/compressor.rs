use super::output::{Output, match_end, match_start};
use super::small::{SMALL_INPUT_BYTES_MAX, Small};
use super::stretches::{STRETCHED_BYTES_MAX, STRETCHED_BYTES_MIN, Stretches};
use super::{BLOCK, DISTANCE_MAX, MATCH_MIN, SAVING_MIN, SLOTS, four_bytes, slot_of_three};
use crate::rdb::Tag;

/// Inputs up to this length are looked up in the front of the table only, which stays in the nearest cache.
const SHORT_INPUT_BYTES_MAX: usize = 1024;
const SHORT_SLOTS: usize = 1 << 11;

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
pub(super) const FAILURES_PER_THOROUGH_SEARCH: u32 = 64;

/// Small inputs are not searched so where those of their kind did not compress so often: a few steps lead through those.
const SMALL_MISSES_MAX: u32 = 64;

/// Little is won where strings shrink by less than this many 256ths.
const LITTLE: u32 = 20;

/// Much is won where strings shrink by more than this many 256ths. Few long matches lead through those.
const MUCH: u32 = 144;

/// What a string is a part of: nothing in particular, or the values of one type in one layout.
///
/// Documents, numbers in lists and tokens lie side by side in a data set. Each kind is judged by its own strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::rdb) struct Kind(pub(super) u8);

const KINDS: usize = 32;

impl Kind {
    pub(in crate::rdb) fn of_values(tag: Tag) -> Self {
        Self(tag.as_u8() + 1)
    }
}

/// A compressor that is used again and again, so that no call has to clear its table.
///
/// Each call's positions are offset by a base that moves on by more than the reach of a reference. What an earlier
/// call has left in the table is then too far back to be followed, without a look at the bytes.
#[derive(Debug)]
pub struct Compressor {
    /// Empty until the first input that is long enough.
    table: Vec<u32>,
    pub(super) base: u32,
    /// None until the first input that is searched so, as `stretches`.
    small: Option<Box<Small>>,
    stretches: Option<Stretches>,
    pub(super) histories: [History; KINDS],
}

/// What became of the inputs of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct History {
    /// How many in a row did not compress.
    pub(super) failures: u32,
    /// By how many 256ths they shrank of late.
    pub(super) won: u32,
}

impl History {
    const NEW: Self = Self { failures: 0, won: 0 };

    fn note(&mut self, input_length: usize, length: Option<usize>) {
        // In 32 bits where that is enough, since dividing 64 takes longer.
        let won = length.map_or(0, |length| match u16::try_from(input_length) {
            Ok(_) => (input_length - length) as u32 * 256 / input_length as u32,
            Err(_) => ((input_length - length) * 256 / input_length) as u32,
        });
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
        Self {
            table: Vec::new(),
            base: DISTANCE_MAX as u32 + 1,
            small: None,
            stretches: None,
            histories: [History::NEW; KINDS],
        }
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
    pub(in crate::rdb) const fn room(input_length: usize) -> usize {
        input_length + 2 * BLOCK
    }

    /// Compresses into the front of `out`, which must have `room(input.len())` bytes, and returns the length.
    /// What follows it in `out` is overwritten with anything.
    pub(in crate::rdb) fn compress_into(&mut self, input: &[u8], kind: Kind, out: &mut [u8]) -> Option<usize> {
        if input.len() <= SAVING_MIN + MATCH_MIN || input.len() > INPUT_BYTES_MAX {
            return None;
        }
        let kind = usize::from(kind.0) % KINDS;
        let History { failures, won } = self.histories[kind];
        let misses = initial_misses(failures);
        let length = if input.len() <= SMALL_INPUT_BYTES_MAX && won < LITTLE && misses < SMALL_MISSES_MAX {
            self.small.get_or_insert_with(|| Box::new(Small::new())).compress(input, out)
        } else if (STRETCHED_BYTES_MIN..=STRETCHED_BYTES_MAX).contains(&input.len()) && won < MUCH && misses == 0 {
            self.stretches.get_or_insert_with(Stretches::new).compress(input, out)
        } else {
            self.compress_by_table(misses, input, out)
        };
        self.histories[kind].note(input.len(), length);
        length
    }

    pub(super) fn compress_by_table(&mut self, misses: u32, input: &[u8], out: &mut [u8]) -> Option<usize> {
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
