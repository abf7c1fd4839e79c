//! Cells of a grid of four to the power of `step`, numbered along a curve on which neighbours stay close.

use std::ops::Range;

/// The step of the finest grid, whose cells are what points are stored as: 26 bits for each axis.
pub const STEP_MAX: u32 = 26;

/// An interval of degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Span {
    pub min: f64,
    pub max: f64,
}

/// One cell. Its column counts from the west, its row from the south.
///
/// The grid is meant to have `2^step` columns and rows. A point on the very last meridian or parallel falls into one
/// more, the last, which is as wide as a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell {
    pub step: u32,
    pub column: u32,
    pub row: u32,
}

impl Span {
    pub const fn new(min: f64, max: f64) -> Self {
        Self { min, max }
    }

    pub fn contains(self, value: f64) -> bool {
        self.min <= value && value <= self.max
    }

    pub fn width(self) -> f64 {
        self.max - self.min
    }

    /// Which of `2^step` equal parts `value` lies in.
    pub fn part_of(self, value: f64, step: u32) -> u32 {
        ((value - self.min) / self.width() * parts(step)) as u32
    }

    /// The part of this number.
    pub fn part(self, part: u32, step: u32) -> Self {
        let edge = |number: u32| self.min + f64::from(number) / parts(step) * self.width();
        Self { min: edge(part), max: edge(part.wrapping_add(1)) }
    }
}

fn parts(step: u32) -> f64 {
    f64::from(1u32 << step)
}

impl Cell {
    /// The cell so many columns to the east and rows to the north; behind the last comes the first.
    pub fn moved(self, columns: i32, rows: i32) -> Self {
        let mask = (1u32 << self.step) - 1;
        let shift = |number: u32, by: i32| if by == 0 { number } else { number.wrapping_add_signed(by) & mask };
        Self { column: shift(self.column, columns), row: shift(self.row, rows), ..self }
    }

    /// Its number on the curve of its grid: rows in the even bits, columns in the odd ones.
    pub fn number(self) -> u64 {
        spread(self.row) | spread(self.column) << 1
    }

    /// The cell of this number.
    pub fn of_number(number: u64, step: u32) -> Self {
        Self { step, column: gather(number >> 1), row: gather(number) }
    }

    /// The numbers that its points have on the finest grid.
    pub fn range(self) -> Range<u64> {
        let finer = 2 * (STEP_MAX - self.step);
        self.number() << finer..(self.number() + 1) << finer
    }
}

/// Puts a zero before each bit.
fn spread(bits: u32) -> u64 {
    let mut spread = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        spread = (spread | spread << shift) & mask;
    }
    spread
}

/// Takes every second bit, beginning with the lowest.
fn gather(bits: u64) -> u32 {
    let mut gathered = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        gathered = (gathered | gathered >> shift) & mask;
    }
    gathered as u32
}
