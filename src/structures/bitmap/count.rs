//! Counting bits.

/// Words that are worked on side by side; a compiler makes vectors of them.
const LANES: usize = 8;
/// So many words of each lane are added up before bits are counted once.
const DEPTH: usize = 16;
const BLOCK_BYTES: usize = DEPTH * LANES * size_of::<u64>();

/// How many bits are set.
///
/// Large strings are added up bit by bit first: sixteen words become one whose bits count sixteen each (Harley and
/// Seal's carry-save adders), so that only one word in sixteen is counted, which takes long without an instruction for it.
pub fn count_ones(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
    let mut sums = Sums::default();
    let sixteens: u64 = blocks.iter().map(|block| sums.add(block)).sum();
    let (words, rest) = rest.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_le_bytes(*word).count_ones())).sum();
    let in_rest: u64 = rest.iter().map(|byte| u64::from(byte.count_ones())).sum();
    16 * sixteens + sums.total() + in_words + in_rest
}

/// How many of the bits from `first` to `last` are set; both are within the bytes.
pub fn count_ones_between(bytes: &[u8], first: u64, last: u64) -> u64 {
    let (from, to) = ((first / 8) as usize, (last / 8) as usize);
    let before = bytes[from] & !(0xff >> (first % 8));
    let behind = bytes[to] & !(0xff << (7 - last % 8));
    count_ones(&bytes[from..=to]) - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// Bits that were added up, by how many each of them counts.
#[derive(Default)]
struct Sums {
    ones: [u64; LANES],
    twos: [u64; LANES],
    fours: [u64; LANES],
    eights: [u64; LANES],
}

impl Sums {
    /// Returns how many bits are carried over, each of which counts sixteen.
    ///
    /// Only where the sums are a caller's own variables does a compiler make vectors of the loop, five times as fast.
    #[inline(always)]
    fn add(&mut self, block: &[u8; BLOCK_BYTES]) -> u64 {
        let (words, _) = block.as_chunks::<8>();
        let mut carried = [0; LANES];
        for lane in 0..LANES {
            let word = |depth: usize| u64::from_le_bytes(words[depth * LANES + lane]);
            let (ones, twos) = (&mut self.ones[lane], &mut self.twos[lane]);
            let (fours, eights) = (&mut self.fours[lane], &mut self.eights[lane]);
            let mut two = |depth| add(ones, word(depth), word(depth + 1));
            let mut four = |depth| add(twos, two(depth), two(depth + 2));
            let mut eight = |depth| add(fours, four(depth), four(depth + 4));
            carried[lane] = add(eights, eight(0), eight(8));
        }
        ones_in(carried)
    }

    fn total(&self) -> u64 {
        ones_in(self.ones) + 2 * ones_in(self.twos) + 4 * ones_in(self.fours) + 8 * ones_in(self.eights)
    }
}

/// Adds three bits in each place: the sum stays, the carry is returned.
#[inline(always)]
fn add(sum: &mut u64, left: u64, right: u64) -> u64 {
    let odd = *sum ^ left;
    let carry = (*sum & left) | (odd & right);
    *sum = odd ^ right;
    carry
}

fn ones_in(lanes: [u64; LANES]) -> u64 {
    lanes.into_iter().map(|word| u64::from(word.count_ones())).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at / 8) as usize] & (0x80 >> (at % 8)) != 0
    }

    #[test]
    fn every_length_is_counted_to_its_end() {
        for len in 0..3_000 {
            assert_eq!(count_ones(&vec![0xff; len]), 8 * len as u64);
            assert_eq!(count_ones(&vec![0x81; len]), 2 * len as u64);
        }
    }

    proptest! {
        #[test]
        fn bits_are_counted_as_one_by_one(bytes in proptest::collection::vec(any::<u8>(), 1..4_000), ends: [u32; 2]) {
            let bits = bytes.len() as u64 * 8;
            let (a, b) = (u64::from(ends[0]) % bits, u64::from(ends[1]) % bits);
            let (first, last) = (a.min(b), a.max(b));
            let expected = |first, last| (first..=last).filter(|at| bit(&bytes, *at)).count() as u64;
            prop_assert_eq!(count_ones(&bytes), expected(0, bits - 1));
            prop_assert_eq!(count_ones_between(&bytes, first, last), expected(first, last));
        }
    }
}
