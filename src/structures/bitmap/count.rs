//! Counting bits.

/// Words that are worked on side by side; a compiler makes vectors of them.
const LANES: usize = 4;
const LANE_BYTES: usize = LANES * size_of::<u64>();
/// Sixteen lanes are added up before bits are counted once.
const BLOCK_BYTES: usize = 16 * LANE_BYTES;

type Lane = [u64; LANES];
type LaneBytes = [u8; LANE_BYTES];

/// How many bits are set.
///
/// Large strings are added up bit by bit first: sixteen lanes become one whose bits stand for sixteen each (Harley and
/// Seal's carry-save adders), so that only one lane in sixteen is counted, which takes long without an instruction for it.
pub fn count_ones(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
    let mut sums = Sums::default();
    let mut sixteens = 0;
    for block in blocks {
        sixteens += ones_in(sums.add_sixteen(block.as_chunks().0));
    }
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

/// Bits that were added up, by what each of them stands for.
#[derive(Default)]
struct Sums {
    ones: Lane,
    twos: Lane,
    fours: Lane,
    eights: Lane,
}

impl Sums {
    #[inline]
    fn add_two(&mut self, lanes: &[LaneBytes]) -> Lane {
        add(&mut self.ones, load(&lanes[0]), load(&lanes[1]))
    }

    #[inline]
    fn add_four(&mut self, lanes: &[LaneBytes]) -> Lane {
        let (left, right) = lanes.split_at(2);
        let (left, right) = (self.add_two(left), self.add_two(right));
        add(&mut self.twos, left, right)
    }

    #[inline]
    fn add_eight(&mut self, lanes: &[LaneBytes]) -> Lane {
        let (left, right) = lanes.split_at(4);
        let (left, right) = (self.add_four(left), self.add_four(right));
        add(&mut self.fours, left, right)
    }

    /// Returns what is carried over: bits that stand for sixteen each.
    #[inline]
    fn add_sixteen(&mut self, lanes: &[LaneBytes]) -> Lane {
        let (left, right) = lanes.split_at(8);
        let (left, right) = (self.add_eight(left), self.add_eight(right));
        add(&mut self.eights, left, right)
    }

    fn total(&self) -> u64 {
        ones_in(self.ones) + 2 * ones_in(self.twos) + 4 * ones_in(self.fours) + 8 * ones_in(self.eights)
    }
}

/// Adds three bits in each place: the sum stays, the carry is returned.
#[inline]
fn add(sum: &mut Lane, left: Lane, right: Lane) -> Lane {
    let mut carry = [0; LANES];
    for lane in 0..LANES {
        let odd = sum[lane] ^ left[lane];
        carry[lane] = (sum[lane] & left[lane]) | (odd & right[lane]);
        sum[lane] = odd ^ right[lane];
    }
    carry
}

#[inline]
fn load(bytes: &LaneBytes) -> Lane {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|lane| u64::from_le_bytes(words[lane]))
}

#[inline]
fn ones_in(lane: Lane) -> u64 {
    lane.into_iter().map(|word| u64::from(word.count_ones())).sum()
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
        for len in 0..1_600 {
            assert_eq!(count_ones(&vec![0xff; len]), 8 * len as u64);
            assert_eq!(count_ones(&vec![0x81; len]), 2 * len as u64);
        }
    }

    proptest! {
        #[test]
        fn bits_are_counted_as_one_by_one(bytes in proptest::collection::vec(any::<u8>(), 1..2_000), ends: [u32; 2]) {
            let bits = bytes.len() as u64 * 8;
            let (a, b) = (u64::from(ends[0]) % bits, u64::from(ends[1]) % bits);
            let (first, last) = (a.min(b), a.max(b));
            let expected = |first, last| (first..=last).filter(|at| bit(&bytes, *at)).count() as u64;
            prop_assert_eq!(count_ones(&bytes), expected(0, bits - 1));
            prop_assert_eq!(count_ones_between(&bytes, first, last), expected(first, last));
        }
    }
}
