//! Sparse registers: runs of equal values, from the first register to the last.
//!
//! ```text
//! 00llllll           l + 1 registers that are zero
//! 01llllll llllllll  l + 1 registers that are zero
//! 1vvvvvll           l + 1 registers that are v + 1
//! ```
//!
//! Which of the possible runs a sketch is made of follows from the order in which registers were raised: a run is split
//! where a register within it rises, and runs of values that touch it are joined. That order, and when a sketch becomes
//! dense, are those of Redis, so that equal additions leave equal bytes.

use super::estimate::Histogram;
use super::hash::Rank;
use super::{HEADER_BYTES, REGISTERS, SketchError};

const VALUE_MAX: u8 = 32;
const VALUES_MAX: usize = 4;
const SHORT_ZEROS_MAX: usize = 64;

/// Of a run's first byte.
const KIND_MASK: u8 = 0xc0;
const LONG_ZEROS: u8 = 0x40;
const VALUES: u8 = 0x80;

/// Opcodes that are stepped over together.
const BLOCK_BYTES: usize = 16;

/// So many opcodes are looked at for values to join, from the one before the change on.
const OPCODES_JOINED: usize = 5;

/// One run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opcode {
    ShortZeros { registers: usize },
    LongZeros { registers: usize },
    Values { value: u8, registers: usize },
}

impl Opcode {
    /// The run at the beginning of the bytes; `None` where they end, even within a run.
    #[inline]
    fn read(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let low = usize::from(first & !KIND_MASK);
        Some(match first & KIND_MASK {
            0 => Opcode::ShortZeros { registers: low + 1 },
            LONG_ZEROS => Opcode::LongZeros { registers: (low << 8 | usize::from(*bytes.get(1)?)) + 1 },
            _ => Opcode::Values { value: (first >> 2 & 0x1f) + 1, registers: usize::from(first & 3) + 1 },
        })
    }

    pub fn registers(self) -> usize {
        match self {
            Opcode::ShortZeros { registers } | Opcode::LongZeros { registers } | Opcode::Values { registers, .. } => {
                registers
            }
        }
    }

    fn bytes(self) -> usize {
        if matches!(self, Opcode::LongZeros { .. }) { 2 } else { 1 }
    }

    fn value(self) -> u8 {
        if let Opcode::Values { value, .. } = self { value } else { 0 }
    }
}

/// The runs of a sparse sketch one after the other, as far as they can be read.
pub struct Opcodes<'a> {
    bytes: &'a [u8],
}

impl<'a> Opcodes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl Iterator for Opcodes<'_> {
    type Item = Opcode;

    fn next(&mut self) -> Option<Opcode> {
        let opcode = Opcode::read(self.bytes)?;
        self.bytes = &self.bytes[opcode.bytes()..];
        Some(opcode)
    }
}

/// Goes through all runs, telling each with the number of its first register. They must cover exactly the registers.
fn visit(bytes: &[u8], mut each: impl FnMut(usize, Opcode)) -> Result<(), SketchError> {
    let mut opcodes = Opcodes::new(bytes);
    let mut first = 0;
    for opcode in opcodes.by_ref() {
        let end = first + opcode.registers();
        if end > REGISTERS {
            return Err(SketchError::Corrupted);
        }
        each(first, opcode);
        first = end;
    }
    if first == REGISTERS && opcodes.bytes.is_empty() { Ok(()) } else { Err(SketchError::Corrupted) }
}

pub fn count(bytes: &[u8], histogram: &mut Histogram) -> Result<(), SketchError> {
    visit(bytes, |_, opcode| histogram.add(opcode.value(), opcode.registers()))
}

pub fn merge(bytes: &[u8], highest: &mut [u8; REGISTERS]) -> Result<(), SketchError> {
    visit(bytes, |first, opcode| {
        if let Opcode::Values { value, registers } = opcode {
            for highest in &mut highest[first..first + registers] {
                *highest = value.max(*highest);
            }
        }
    })
}

/// Whether the runs cover exactly the registers.
pub fn check(bytes: &[u8]) -> Result<(), SketchError> {
    let mut walk = Walk::default();
    match walk.advance(bytes, REGISTERS) {
        None if walk.first == REGISTERS && walk.at == bytes.len() => Ok(()),
        _ => Err(SketchError::Corrupted),
    }
}

/// How far the runs of a sketch have been stepped over.
#[derive(Default)]
struct Walk {
    at: usize,
    /// The register with which the run at `at` begins.
    first: usize,
    /// Where the run before it begins.
    previous: Option<usize>,
}

impl Walk {
    /// Steps to the run that has this register, if there is one.
    fn advance(&mut self, bytes: &[u8], register: usize) -> Option<Opcode> {
        loop {
            while let Some(block) = bytes[self.at..].first_chunk()
                && let Some(registers) = registers_in_bytes(block)
                && self.first + registers <= register
            {
                self.at += BLOCK_BYTES;
                self.first += registers;
                self.previous = Some(self.at - 1);
            }
            // A long run among the next, or the register's own: one by one through the block.
            let end = self.at + BLOCK_BYTES;
            while self.at < end {
                let opcode = Opcode::read(&bytes[self.at..])?;
                if self.first + opcode.registers() > register {
                    return Some(opcode);
                }
                self.previous = Some(self.at);
                self.at += opcode.bytes();
                self.first += opcode.registers();
            }
        }
    }
}

/// How many registers the runs have that these bytes are, if each byte is one.
#[inline]
fn registers_in_bytes(block: &[u8; BLOCK_BYTES]) -> Option<usize> {
    let is_long = |byte: &u8| byte & KIND_MASK == LONG_ZEROS;
    let has_long = block.iter().fold(false, |any, byte| any | is_long(byte));
    let beyond_first: u16 = block.iter().map(|byte| u16::from(byte & if byte & VALUES == 0 { 0x3f } else { 3 })).sum();
    (!has_long).then_some(BLOCK_BYTES + usize::from(beyond_first))
}

/// Up to three runs that take the place of one.
#[derive(Default)]
struct Replacement {
    bytes: [u8; 5],
    len: usize,
}

impl Replacement {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// So many registers of a value, of which zero may be any number and others as many as one run has.
    fn push_run(&mut self, value: u8, registers: usize) {
        match registers {
            0 => {}
            _ if value > 0 => self.push(values(value, registers)),
            _ if registers > SHORT_ZEROS_MAX => long_zeros(registers).into_iter().for_each(|byte| self.push(byte)),
            _ => self.push((registers - 1) as u8),
        }
    }
}

fn values(value: u8, registers: usize) -> u8 {
    VALUES | (value - 1) << 2 | (registers - 1) as u8
}

fn long_zeros(registers: usize) -> [u8; 2] {
    let [low, high] = (registers as u16 - 1).to_le_bytes();
    [LONG_ZEROS | high, low]
}

/// Appends a run of zeros.
pub fn push_zeros(bytes: &mut Vec<u8>, registers: usize) {
    bytes.extend(long_zeros(registers));
}

/// Raises a register of a sound sparse sketch, which grows to `bytes_max` at most. Returns whether the register was
/// lower, or `None` where the sketch has to become dense.
pub fn raise(sketch: &mut Vec<u8>, rank: Rank, bytes_max: usize) -> Option<bool> {
    if rank.value > VALUE_MAX {
        return None;
    }
    let mut walk = Walk::default();
    let old = walk.advance(&sketch[HEADER_BYTES..], rank.index).expect("a sound sketch has every register");
    if old.value() >= rank.value {
        return Some(false);
    }
    let mut new = Replacement::default();
    new.push_run(old.value(), rank.index - walk.first);
    new.push_run(rank.value, 1);
    new.push_run(old.value(), walk.first + old.registers() - 1 - rank.index);
    let at = HEADER_BYTES + walk.at;
    if new.len > old.bytes() && sketch.len() + new.len - old.bytes() > bytes_max {
        return None;
    }
    replace(sketch, at, old.bytes(), &new.bytes[..new.len]);
    join_values(sketch, HEADER_BYTES + walk.previous.unwrap_or(0));
    Some(true)
}

/// Puts `new` in the place of `old` bytes.
fn replace(sketch: &mut Vec<u8>, at: usize, old: usize, new: &[u8]) {
    let behind = at + old..sketch.len();
    if new.len() > old {
        sketch.resize(sketch.len() + new.len() - old, 0);
    }
    if new.len() != old {
        let end = at + new.len() + behind.len();
        sketch.copy_within(behind, at + new.len());
        sketch.truncate(end);
    }
    sketch[at..at + new.len()].copy_from_slice(new);
}

/// Joins neighbouring runs of one value among the first few from `at` on.
fn join_values(sketch: &mut Vec<u8>, mut at: usize) {
    for _ in 0..OPCODES_JOINED {
        let Some(opcode) = sketch.get(at..).and_then(Opcode::read) else { return };
        let next = sketch.get(at + opcode.bytes()..).and_then(Opcode::read);
        match (opcode, next) {
            (Opcode::Values { value, registers: left }, Some(Opcode::Values { value: same, registers: right }))
                if value == same && left + right <= VALUES_MAX =>
            {
                replace(sketch, at, 2, &[values(value, left + right)]);
            }
            _ => at += opcode.bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::structures::hyperloglog::empty;

    fn registers_of(sketch: &[u8]) -> [u8; REGISTERS] {
        let mut registers = [0; REGISTERS];
        merge(&sketch[HEADER_BYTES..], &mut registers).expect("the sketch is sound");
        registers
    }

    #[test]
    fn an_empty_sketch_is_one_long_run() {
        let sketch = empty(Vec::new());
        assert_eq!(&sketch[HEADER_BYTES..], b"\x7f\xff");
        assert_eq!(registers_of(&sketch), [0; REGISTERS]);
    }

    #[test]
    fn equal_values_side_by_side_share_a_run() {
        let mut sketch = empty(Vec::new());
        for index in [100, 102, 101, 103] {
            assert_eq!(raise(&mut sketch, Rank { index, value: 3 }, 3000), Some(true));
        }
        let runs: Vec<_> = Opcodes::new(&sketch[HEADER_BYTES..]).collect();
        assert_eq!(
            runs,
            [
                Opcode::LongZeros { registers: 100 },
                Opcode::Values { value: 3, registers: 4 },
                Opcode::LongZeros { registers: REGISTERS - 104 }
            ]
        );
    }

    #[test]
    fn a_sketch_that_may_not_grow_is_left_as_it_was() {
        let sketch = empty(Vec::new());
        let mut tried = sketch.clone();
        assert_eq!(raise(&mut tried, Rank { index: 7, value: 1 }, 19), None);
        assert_eq!(raise(&mut tried, Rank { index: 7, value: 33 }, 3000), None);
        assert_eq!(tried, sketch);
    }

    proptest! {
        #[test]
        fn registers_are_raised_wherever_they_are(
            raises in proptest::collection::vec((prop_oneof![0..REGISTERS, 0usize..80, REGISTERS - 80..REGISTERS], 1u8..=32), 1..400),
        ) {
            let mut sketch = empty(Vec::new());
            let mut expected = [0; REGISTERS];
            for (index, value) in raises {
                let raised = raise(&mut sketch, Rank { index, value }, usize::MAX);
                prop_assert_eq!(raised, Some(expected[index] < value));
                expected[index] = value.max(expected[index]);
                prop_assert_eq!(check(&sketch[HEADER_BYTES..]), Ok(()));
            }
            prop_assert_eq!(&registers_of(&sketch)[..], &expected[..]);
        }

        #[test]
        fn any_bytes_are_checked_alike_together_and_one_by_one(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80u8..=0xff], 0..6_000),
        ) {
            let mut registers = [0; REGISTERS];
            prop_assert_eq!(check(&bytes), merge(&bytes, &mut registers));
        }
    }
}
