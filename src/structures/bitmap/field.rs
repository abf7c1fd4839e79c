//! Fields: unsigned numbers of up to 64 bits that begin at any bit.

/// The most bits that a field has.
pub const FIELD_BITS_MAX: u32 = 64;

/// A field touches nine bytes at most; the window around it has a few more, so that it is a number by itself.
type Window = [u8; 16];

/// The number in the `width` bits from `offset` on. Behind their end the bytes are taken for zeros.
pub fn read_field(bytes: &[u8], offset: u64, width: u32) -> u64 {
    debug_assert!((1..=FIELD_BITS_MAX).contains(&width));
    let rest = usize::try_from(offset / 8).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
    let mut window = Window::default();
    let len = rest.len().min(window.len());
    window[..len].copy_from_slice(&rest[..len]);
    ((u128::from_be_bytes(window) << (offset % 8)) >> (u128::BITS - width)) as u64
}

/// Puts the lowest `width` bits of `value` into the bits from `offset` on, which are all there, touching no byte beside
/// theirs.
pub fn write_field(bytes: &mut [u8], offset: u64, width: u32, value: u64) {
    debug_assert!((1..=FIELD_BITS_MAX).contains(&width));
    let (start, end) = ((offset / 8) as usize, ((offset + u64::from(width) - 1) / 8) as usize);
    let own = &mut bytes[start..=end];
    let mut window = Window::default();
    window[..own.len()].copy_from_slice(own);
    let behind = u128::BITS - width - (offset % 8) as u32;
    let mask = (u128::MAX >> (u128::BITS - width)) << behind;
    let number = (u128::from_be_bytes(window) & !mask) | ((u128::from(value) << behind) & mask);
    own.copy_from_slice(&number.to_be_bytes()[..own.len()]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_behind_the_end_are_zero() {
        assert_eq!(read_field(b"", 0, 64), 0);
        assert_eq!(read_field(b"\xff", 4, 8), 0xf0);
        assert_eq!(read_field(b"\xff", u64::MAX, 1), 0);
    }

    proptest! {
        #[test]
        fn a_field_is_read_back_and_nothing_beside_it_changes(
            before in proptest::collection::vec(any::<u8>(), 20),
            offset in 0u64..96,
            width in 1u32..=64,
            value: u64,
        ) {
            let mut bytes = before.clone();
            write_field(&mut bytes, offset, width, value);
            prop_assert_eq!(read_field(&bytes, offset, width), value & (u64::MAX >> (64 - width)));
            let bit = |bytes: &[u8], at: u64| bytes[(at / 8) as usize] & (0x80 >> (at % 8)) != 0;
            for at in (0..160).filter(|at| !(offset..offset + u64::from(width)).contains(at)) {
                prop_assert_eq!(bit(&bytes, at), bit(&before, at));
            }
            let spelled = (offset..offset + u64::from(width)).fold(0u64, |all, at| all << 1 | u64::from(bit(&bytes, at)));
            prop_assert_eq!(read_field(&bytes, offset, width), spelled);
        }
    }
}
