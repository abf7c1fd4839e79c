//! NX, XX, GT and LT: when a new value takes the place of what is there.

/// Which of the four words were given. Not every command takes all of them, or several at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Condition {
    /// NX.
    pub only_new: bool,
    /// XX.
    pub only_existing: bool,
    /// GT.
    pub only_greater: bool,
    /// LT.
    pub only_less: bool,
}

impl Condition {
    /// Notes an option. Returns whether it was one of the four words.
    #[inline]
    pub fn read(&mut self, option: &[u8]) -> bool {
        let &[first, second] = option else { return false };
        let flag = match [first.to_ascii_uppercase(), second.to_ascii_uppercase()] {
            [b'N', b'X'] => &mut self.only_new,
            [b'X', b'X'] => &mut self.only_existing,
            [b'G', b'T'] => &mut self.only_greater,
            [b'L', b'T'] => &mut self.only_less,
            _ => return false,
        };
        *flag = true;
        true
    }

    /// As [`Condition::read`], for commands that know NX and XX only.
    pub fn read_existence(&mut self, option: &[u8]) -> bool {
        let is_known = option.eq_ignore_ascii_case(b"NX") || option.eq_ignore_ascii_case(b"XX");
        is_known && self.read(option)
    }

    /// Whether a new expiry may take the place of the old one. What has none lives for ever: no moment is later than
    /// that, and every one is earlier.
    pub fn allows_expiry(self, old: Option<i64>, new: i64) -> bool {
        !(self.only_new && old.is_some()
            || self.only_existing && old.is_none()
            || self.only_greater && old.is_none_or(|old| new <= old)
            || self.only_less && old.is_some_and(|old| new >= old))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(words: &[&str]) -> Condition {
        let mut condition = Condition::default();
        assert!(words.iter().all(|word| condition.read(word.as_bytes())), "{words:?}");
        condition
    }

    #[test]
    fn conditions_compare_with_the_current_expiry() {
        for (words, old, new, allowed) in [
            (&[][..], None, 5, true),
            (&["nx"], None, 5, true),
            (&["NX"], Some(9), 5, false),
            (&["XX"], None, 5, false),
            (&["Xx"], Some(9), 5, true),
            (&["GT"], None, 5, false),
            (&["GT"], Some(5), 5, false),
            (&["gt"], Some(4), 5, true),
            (&["LT"], None, 5, true),
            (&["LT"], Some(5), 5, false),
            (&["LT"], Some(6), 5, true),
            (&["LT", "XX"], None, 5, false),
        ] {
            assert_eq!(condition(words).allows_expiry(old, new), allowed, "{words:?} {old:?} {new}");
        }
    }

    #[test]
    fn no_other_word_is_a_condition() {
        for word in ["", "N", "NXX", "GX", "XN", "CH", "n\u{d8}"] {
            assert!(!Condition::default().read(word.as_bytes()), "{word}");
        }
        assert!(!Condition::default().read_existence(b"GT") && Condition::default().read_existence(b"xX"));
    }
}
