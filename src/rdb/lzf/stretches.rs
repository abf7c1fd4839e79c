use super::output::{Output, match_end};
use super::{DISTANCE_MAX, SLOTS, eight_bytes, slot_of_three};

/// Inputs of these lengths are searched stretch by stretch where more than little and less than much is won of their kind.
/// Sixteen bits hold each position.
pub(super) const STRETCHED_BYTES_MIN: usize = 2048;
pub(super) const STRETCHED_BYTES_MAX: usize = 1 << 16;

/// The positions of a stretch.
pub(super) const STRETCH: usize = 64;

/// As [`MISSES_PER_STEP_BITS`], for stretches.
const MISSES_PER_STRETCH_BITS: u32 = 6;

/// So many of them are written out one after another: a compiler that sees how they go together makes better use of it.
const UNROLLED: usize = 4;

/// What inputs are searched with stretch by stretch.
///
/// The positions of a stretch are looked up at once, whether or not a match covers them, and only then is it asked which of
/// them are matches. Where matches are short and come at any place, as in lists of tokens, that takes less time than to look at
/// one position after the other: no lookup waits for the end of a match, and no branch has to be guessed for it.
#[derive(Debug)]
pub(super) struct Stretches {
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
    pub(super) fn new() -> Self {
        Self { table: zeros(), text: zeros() }
    }

    #[inline(never)]
    pub(super) fn compress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        self.table.fill(0);
        self.text[..input.len()].copy_from_slice(input);
        let mut output = Output::new(input, out);
        let mut found = Found { hits: 0, before: [0; STRETCH], differences: [0; STRETCH] };
        let (mut position, mut misses) = (1, 0);
        while let Some(bytes) = input.get(position..).and_then(<[u8]>::first_chunk) {
            self.look_up(position, bytes, &mut found);
            if found.hits == 0 {
                misses += STRETCH;
                position += STRETCH * (1 + (misses >> MISSES_PER_STRETCH_BITS));
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
