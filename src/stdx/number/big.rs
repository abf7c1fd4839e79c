//! Unsigned integers of any size, with the few operations that exact decimal text needs.

use std::cmp::Ordering;

/// Limbs from the least significant one up, the last one not being zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Big {
    limbs: Vec<u32>,
}

const BILLION: u32 = 1_000_000_000;
const BILLION_DIGITS: usize = 9;

impl Big {
    pub(super) fn from_u64(value: u64) -> Self {
        let mut big = Self { limbs: vec![value as u32, (value >> 32) as u32] };
        big.trim();
        big
    }

    /// `digits` are decimal.
    pub(super) fn from_digits(digits: &[u8]) -> Self {
        let mut big = Self::default();
        for chunk in digits.chunks(BILLION_DIGITS) {
            let value = chunk.iter().fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0'));
            big.multiply_add(10u32.pow(chunk.len() as u32), value);
        }
        big
    }

    pub(super) fn multiply_by_power_of_ten(&mut self, power: usize) {
        for _ in 0..power / BILLION_DIGITS {
            self.multiply_add(BILLION, 0);
        }
        self.multiply_add(10u32.pow((power % BILLION_DIGITS) as u32), 0);
    }

    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    pub(super) fn bits(&self) -> usize {
        self.limbs.last().map_or(0, |last| self.limbs.len() * 32 - last.leading_zeros() as usize)
    }

    pub(super) fn shift_left(&mut self, bits: usize) {
        if self.is_zero() {
            return;
        }
        let part = (bits % 32) as u32;
        if part > 0 {
            let mut carry = 0;
            for limb in &mut self.limbs {
                let shifted = u64::from(*limb) << part | carry;
                *limb = shifted as u32;
                carry = shifted >> 32;
            }
            self.limbs.push(carry as u32);
            self.trim();
        }
        self.limbs.splice(0..0, std::iter::repeat_n(0, bits / 32));
    }

    /// The 128 highest bits, how many bits are below them, and whether any of those is set.
    pub(super) fn top_bits(&self) -> (u128, usize, bool) {
        let below = self.bits().saturating_sub(128);
        let (whole, part) = (below / 32, below % 32);
        let mut top = 0u128;
        for (index, &limb) in self.limbs[whole..].iter().enumerate() {
            let shift = index * 32;
            top |= if shift >= part { u128::from(limb) << (shift - part) } else { u128::from(limb >> (part - shift)) };
        }
        let cut_part = self.limbs.get(whole).is_some_and(|limb| limb & ((1 << part) - 1) != 0);
        (top, below, cut_part || self.limbs[..whole].iter().any(|&limb| limb != 0))
    }

    /// The first 128 bits of a quotient, the power of two of the last of them, and whether a remainder is left.
    pub(super) fn divide(mut numerator: Self, mut denominator: Self) -> (u128, i64, bool) {
        let scale = numerator.bits() as i64 - denominator.bits() as i64;
        if scale < 0 {
            numerator.shift_left(scale.unsigned_abs() as usize);
        } else {
            denominator.shift_left(scale as usize);
        }
        let mut exponent = scale - 127;
        if numerator.compare(&denominator) == Ordering::Less {
            numerator.shift_left(1);
            exponent -= 1;
        }
        let mut quotient = 0u128;
        for _ in 0..128 {
            quotient <<= 1;
            if numerator.compare(&denominator) != Ordering::Less {
                numerator.subtract(&denominator);
                quotient |= 1;
            }
            numerator.shift_left(1);
        }
        (quotient, exponent, !numerator.is_zero())
    }

    pub(super) fn into_decimal(mut self) -> String {
        let mut groups = Vec::new();
        while !self.is_zero() {
            groups.push(self.divide_by_billion());
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            text.push_str(&format!("{group:09}"));
        }
        text
    }

    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.limbs {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.limbs.push(carry as u32);
        }
    }

    /// Leaves the quotient and returns the remainder.
    fn divide_by_billion(&mut self) -> u32 {
        let mut remainder = 0u64;
        for limb in self.limbs.iter_mut().rev() {
            let dividend = remainder << 32 | u64::from(*limb);
            *limb = (dividend / u64::from(BILLION)) as u32;
            remainder = dividend % u64::from(BILLION);
        }
        self.trim();
        remainder as u32
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }

    /// `other` is not the greater one.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let subtrahend = other.limbs.get(index).copied().unwrap_or(0);
            let (difference, below) = limb.overflowing_sub(subtrahend);
            let (difference, below_again) = difference.overflowing_sub(u32::from(borrow));
            *limb = difference;
            borrow = below || below_again;
        }
        debug_assert!(!borrow);
        self.trim();
    }
}
