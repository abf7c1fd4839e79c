//! A test of the registers and the estimate that a running server can make of itself.

use super::hash::Rank;
use super::{DENSE_BYTES, Encoding, HEADER_BYTES, REGISTER_BITS, REGISTERS, Sketch, SketchView, dense, empty};

/// How often all registers are filled with random values.
const FILLS: usize = 100;

const ELEMENTS: u64 = 1_000_000;

/// What the self-test found wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SelfTestFailure {
    #[error("Register {index} should be {expected} but is {found}")]
    Register { index: usize, expected: u8, found: u8 },
    #[error("sparse encoding not used")]
    NotSparse,
    #[error("dense/sparse disagree")]
    Disagreement,
    #[error("Too big error. card:{cardinality} abserr:{error}")]
    Inexact { cardinality: u64, error: u64 },
}

/// Fills registers and reads them back, and then compares the estimates of a sparse and a dense sketch with the truth
/// and with each other.
pub fn self_test(sparse_bytes_max: usize) -> Result<(), SelfTestFailure> {
    let mut rng = fastrand::Rng::new();
    for _ in 0..FILLS {
        check_registers(&mut rng)?;
    }
    check_estimates(rng.u64(..), sparse_bytes_max)
}

fn check_registers(rng: &mut fastrand::Rng) -> Result<(), SelfTestFailure> {
    let mut registers = vec![0; DENSE_BYTES - HEADER_BYTES];
    let values: Vec<u8> = std::iter::repeat_with(|| rng.u8(..1 << REGISTER_BITS)).take(REGISTERS).collect();
    for (index, value) in values.iter().enumerate() {
        dense::set(&mut registers, Rank { index, value: *value });
    }
    for (index, expected) in values.into_iter().enumerate() {
        let found = dense::register(&registers, index);
        if found != expected {
            return Err(SelfTestFailure::Register { index, expected, found });
        }
    }
    Ok(())
}

fn check_estimates(seed: u64, sparse_bytes_max: usize) -> Result<(), SelfTestFailure> {
    let (mut growing, mut large) = (empty(Vec::new()), empty(Vec::new()));
    let mut sparse = Sketch::new(&mut growing, sparse_bytes_max).expect("an empty sketch is one");
    let mut dense = Sketch::new(&mut large, sparse_bytes_max).expect("an empty sketch is one");
    dense.make_dense();
    let mut checkpoint = 1;
    for count in 1..=ELEMENTS {
        let element = (count ^ seed).to_le_bytes();
        sparse.add(&element);
        dense.add(&element);
        if count == checkpoint {
            check_estimate(sparse.bytes, dense.bytes, count, sparse_bytes_max)?;
            checkpoint *= 10;
        }
    }
    Ok(())
}

fn check_estimate(sparse: &[u8], dense: &[u8], count: u64, sparse_bytes_max: usize) -> Result<(), SelfTestFailure> {
    let view = |sketch| SketchView::new(sketch).expect("additions leave a sketch");
    let (sparse, dense) = (view(sparse), view(dense));
    if count < sparse_bytes_max as u64 / 2 && sparse.encoding() != Encoding::Sparse {
        return Err(SelfTestFailure::NotSparse);
    }
    let estimate = sparse.cardinality();
    if estimate != dense.cardinality() {
        return Err(SelfTestFailure::Disagreement);
    }
    // Six times the standard error, which a sound sketch hardly ever exceeds. Of ten elements two may share a register.
    let allowed = (6.0 * 1.04 / (REGISTERS as f64).sqrt() * count as f64).ceil() as u64;
    let allowed = if count == 10 { 1 } else { allowed };
    let error = estimate.map_or(u64::MAX, |estimate| estimate.abs_diff(count));
    if error > allowed { Err(SelfTestFailure::Inexact { cardinality: count, error }) } else { Ok(()) }
}
