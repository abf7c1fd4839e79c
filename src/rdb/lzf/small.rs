use super::output::{Output, match_end};
use super::{BLOCK, eight_bytes, four_bytes, slot};

/// Inputs up to this length are looked up at few positions where little is won of their kind. A byte holds each position.
pub(super) const SMALL_INPUT_BYTES_MAX: usize = 256;
const SMALL_SLOTS: usize = 1 << 9;

/// Every position of a small input is noted, and one of so many is looked up.
const LOOKUP_STEP: usize = 4;

/// One bit of 64 for each.
const LOOKUPS_MAX: usize = SMALL_INPUT_BYTES_MAX / LOOKUP_STEP;

/// What is before the copy of a small input, for a look at eight bytes back from any position.
const SMALL_FRONT: usize = 8;

/// The lookups that are written out one after another.
const LOOKUPS_AT_ONCE: usize = 4;

/// What small inputs are searched with in which little is to be found.
///
/// Matches are looked for from four bytes on: with the run of literals that one of three ends, it saves nothing mostly, and
/// looking at each takes long. Nor does one of four or five save much, so that not every position is looked up; what a match
/// has before the position at which it is found is found by going back. All lookups are made before the first match is
/// written, so that no branch of theirs has to be guessed.
#[derive(Debug)]
pub(super) struct Small {
    /// So small that it is cleared for each input: no entry has to be asked whether it is an older input's. The first position
    /// is what slots have that nobody has written to.
    table: [u8; SMALL_SLOTS],
    /// A copy of the input. It has a fixed length, so that a byte is an index into it without a check; what is before and
    /// behind it is for looks at whole words.
    text: [u8; SMALL_FRONT + SMALL_INPUT_BYTES_MAX + BLOCK],
    /// Where the bytes were seen that are equal to those at a position that was looked up, if they are.
    before: [u8; LOOKUPS_MAX],
}

impl Small {
    pub(super) fn new() -> Self {
        Self {
            table: [0; SMALL_SLOTS],
            text: [0; SMALL_FRONT + SMALL_INPUT_BYTES_MAX + BLOCK],
            before: [0; LOOKUPS_MAX],
        }
    }

    #[inline(never)]
    pub(super) fn compress(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        self.text[SMALL_FRONT..][..input.len()].copy_from_slice(input);
        let last = input.len() - 4;
        // The first position has nothing before it, and some may be behind the last.
        let mut hits = self.look_up(last) & !1 & u64::MAX >> (LOOKUPS_MAX - 1 - last / LOOKUP_STEP);
        let text = &self.text;
        let mut output = Output::of_front(&text[SMALL_FRONT..], input.len(), out);
        while hits != 0 {
            let lane = hits.trailing_zeros() as usize;
            let (position, earlier) = (lane * LOOKUP_STEP, usize::from(self.before[lane]));
            let distance = position - earlier;
            let end = match eight_bytes(text, SMALL_FRONT + position) ^ eight_bytes(text, SMALL_FRONT + earlier) {
                0 => match_end(&text[SMALL_FRONT..][..input.len()], position, 8, distance),
                difference => position + (difference.trailing_zeros() / 8) as usize,
            };
            // What is behind the input may be equal, too.
            let end = end.min(input.len());
            let difference = eight_bytes(text, position) ^ eight_bytes(text, earlier);
            let back = (difference.leading_zeros() / 8) as usize;
            let start = position - back.min(position - output.pending).min(earlier);
            output.put_match(start, end, distance)?;
            hits &= u64::MAX.checked_shl(end.div_ceil(LOOKUP_STEP) as u32).unwrap_or(0);
        }
        output.finish()
    }

    /// Looks positions up, up to the `last` or beyond. A bit for each says whether four bytes are equal there to earlier
    /// ones, the first position's the lowest.
    #[inline(always)]
    fn look_up(&mut self, last: usize) -> u64 {
        const TURN: usize = LOOKUP_STEP * LOOKUPS_AT_ONCE;
        let Self { table, text, before } = self;
        *table = [0; SMALL_SLOTS];
        let mut hits = 0;
        for (turn, before) in before.as_chunks_mut::<LOOKUPS_AT_ONCE>().0.iter_mut().enumerate().take(last / TURN + 1) {
            let Some(bytes) = text[SMALL_FRONT + turn * TURN..].first_chunk::<{ TURN + 3 }>() else { break };
            let mut found = 0;
            for (lookup, before) in before.iter_mut().enumerate() {
                let lane = lookup * LOOKUP_STEP;
                let four = four_bytes(bytes, lane);
                let position = (turn * TURN + lane) as u8;
                *before = std::mem::replace(&mut table[slot::<SMALL_SLOTS>(four)], position);
                found |= u64::from(four_bytes(&*text, SMALL_FRONT + usize::from(*before)) == four) << lookup;
                for lane in lane + 1..lane + LOOKUP_STEP {
                    table[slot::<SMALL_SLOTS>(four_bytes(bytes, lane))] = (turn * TURN + lane) as u8;
                }
            }
            hits |= found << (turn * LOOKUPS_AT_ONCE);
        }
        hits
    }
}
