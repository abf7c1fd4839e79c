//! Sketches as a whole.

use proptest::prelude::*;

use super::*;

const SPARSE_BYTES_MAX: usize = 3000;

fn sketch_of(elements: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = empty(Vec::new());
    let mut sketch = Sketch::new(&mut bytes, SPARSE_BYTES_MAX).expect("an empty sketch");
    for element in elements {
        sketch.add(&element.to_le_bytes());
    }
    bytes
}

fn view(bytes: &[u8]) -> SketchView<'_> {
    SketchView::new(bytes).expect("a sketch")
}

#[test]
fn self_test_passes() {
    assert_eq!(self_test(SPARSE_BYTES_MAX), Ok(()));
}

#[test]
fn sketches_grow_dense_and_keep_what_they_tell() {
    let mut bytes = empty(Vec::new());
    let mut sparse_until = 0;
    for element in 0..20_000u64 {
        let mut sketch = Sketch::new(&mut bytes, SPARSE_BYTES_MAX).expect("a sketch");
        sketch.add(&element.to_le_bytes());
        if view(&bytes).encoding() == Encoding::Sparse {
            sparse_until = element;
            assert!(bytes.len() <= SPARSE_BYTES_MAX);
        }
    }
    assert!((1_000..5_000).contains(&sparse_until), "dense after {sparse_until} elements");
    assert_eq!(bytes.len(), DENSE_BYTES);
    let estimate = view(&bytes).cardinality().expect("sound");
    assert!(estimate.abs_diff(20_000) < 1_000, "{estimate}");
}

#[test]
fn the_cache_holds_until_a_register_rises() {
    let mut bytes = sketch_of(0..100);
    assert_eq!(view(&bytes).cached_cardinality(), None);
    cache_cardinality(&mut bytes, 100);
    assert_eq!(view(&bytes).cached_cardinality(), Some(100));
    let mut sketch = Sketch::new(&mut bytes, SPARSE_BYTES_MAX).expect("a sketch");
    assert!(!sketch.add(&7u64.to_le_bytes()));
    assert!(sketch.make_dense());
    assert_eq!(view(&bytes).cached_cardinality(), Some(100));
    let mut sketch = Sketch::new(&mut bytes, SPARSE_BYTES_MAX).expect("a sketch");
    assert!(!sketch.add(&7u64.to_le_bytes()));
    assert!(sketch.add(b"something new"));
    assert_eq!(view(&bytes).cached_cardinality(), None);
}

#[test]
fn bytes_that_are_no_sketch_are_told_apart_from_a_corrupted_one() {
    let sound = sketch_of(0..50);
    for at in 0..5 {
        let mut broken = sound.clone();
        broken[at] ^= 0x2a;
        assert_eq!(SketchView::new(&broken).err(), Some(SketchError::NotASketch), "byte {at}");
    }
    for len in 0..HEADER_BYTES {
        assert_eq!(SketchView::new(&sound[..len]).err(), Some(SketchError::NotASketch), "{len} bytes");
    }
    for len in HEADER_BYTES..sound.len() {
        let short = &sound[..len];
        assert_eq!(view(short).cardinality(), Err(SketchError::Corrupted), "{len} bytes");
        assert!(Sketch::new(&mut short.to_vec(), SPARSE_BYTES_MAX).is_err());
    }
    let mut dense = sound;
    Sketch::new(&mut dense, SPARSE_BYTES_MAX).expect("a sketch").make_dense();
    dense.push(0);
    assert_eq!(SketchView::new(&dense).err(), Some(SketchError::NotASketch));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 64 }))]

    #[test]
    fn encodings_and_merges_agree(left in 0u64..3_000, right in 0u64..3_000, shared in 0u64..500) {
        let a = sketch_of(0..left);
        let b = sketch_of(left.saturating_sub(shared)..left + right);
        let both = sketch_of(0..left + right);
        let mut registers = Registers::new();
        registers.merge(view(&a)).expect("sound");
        registers.merge(view(&b)).expect("sound");
        let expected = view(&both).cardinality();
        prop_assert_eq!(Ok(registers.cardinality()), expected);
        for dense in [false, true] {
            let mut merged = a.clone();
            let mut sketch = Sketch::new(&mut merged, SPARSE_BYTES_MAX).expect("a sketch");
            if dense {
                sketch.make_dense();
            }
            sketch.merge(&registers);
            prop_assert_eq!(view(&merged).cardinality(), expected);
        }
    }

    #[test]
    fn corrupted_sketches_never_panic(
        elements in 0u64..2_000,
        changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6),
        dense: bool,
    ) {
        let mut bytes = sketch_of(0..elements);
        if dense {
            Sketch::new(&mut bytes, SPARSE_BYTES_MAX).expect("a sketch").make_dense();
        }
        for (at, byte) in changes {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(view) = SketchView::new(&bytes) {
            let estimate = view.cardinality();
            let mut registers = Registers::new();
            prop_assert_eq!(registers.merge(view).is_ok(), estimate.is_ok());
            prop_assert_eq!(view.check().is_ok(), estimate.is_ok());
            prop_assert!(view.opcodes().count() <= bytes.len());
        }
        if let Ok(mut sketch) = Sketch::new(&mut bytes, SPARSE_BYTES_MAX) {
            (0..100u64).for_each(|element| {
                sketch.add(&(element << 40).to_le_bytes());
            });
            prop_assert!(view(&bytes).cardinality().is_ok());
        }
    }
}
