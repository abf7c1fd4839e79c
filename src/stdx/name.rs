//! Names that nobody else has.

/// Digits of a random name: 160 bits, as Redis names runs of servers and histories of data.
pub const NAME_LEN: usize = 40;

/// A name of hexadecimal digits that chance has chosen.
pub fn random_name() -> [u8; NAME_LEN] {
    let mut random = fastrand::Rng::new();
    [(); NAME_LEN].map(|()| b"0123456789abcdef"[random.usize(..16)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_are_hexadecimal_and_differ() {
        let names = [random_name(), random_name()];
        assert!(names.as_flattened().iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
        assert_ne!(names[0], names[1]);
    }
}
