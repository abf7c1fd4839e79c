//! Classes of characters, as C's locale has them.

const LETTER: u16 = 1;
const CONTROL: u16 = 1 << 1;
const DIGIT: u16 = 1 << 2;
const LOWER: u16 = 1 << 3;
const PUNCTUATION: u16 = 1 << 4;
const SPACE: u16 = 1 << 5;
const UPPER: u16 = 1 << 6;
const HEX_DIGIT: u16 = 1 << 7;
const ZERO: u16 = 1 << 8;

/// What a pattern consists of besides characters that stand for themselves; it is no class of patterns.
const SPECIAL: u16 = 1 << 9;

/// The classes of each character, a bit each.
static CLASSES: [u16; 256] = classes();

const fn classes() -> [u16; 256] {
    let mut classes = [0; 256];
    let mut code = 0;
    while code < 256 {
        let byte = code as u8;
        let mut bits = 0;
        if byte.is_ascii_alphabetic() {
            bits |= LETTER;
        }
        if byte.is_ascii_control() {
            bits |= CONTROL;
        }
        if byte.is_ascii_digit() {
            bits |= DIGIT;
        }
        if byte.is_ascii_lowercase() {
            bits |= LOWER;
        }
        if byte.is_ascii_punctuation() {
            bits |= PUNCTUATION;
        }
        if matches!(byte, b' ' | b'\t'..=b'\r') {
            bits |= SPACE;
        }
        if byte.is_ascii_uppercase() {
            bits |= UPPER;
        }
        if byte.is_ascii_hexdigit() {
            bits |= HEX_DIGIT;
        }
        if byte == 0 {
            bits |= ZERO;
        }
        if matches!(byte, b'^' | b'$' | b'*' | b'+' | b'?' | b'.' | b'(' | b'[' | b'%' | b'-') {
            bits |= SPECIAL;
        }
        classes[code] = bits;
        code += 1;
    }
    classes
}

/// Whether a pattern is a literal text. As in Lua, nothing behind a zero is looked at.
pub fn is_plain(pattern: &[u8]) -> bool {
    let ends = |byte: &&u8| CLASSES[usize::from(**byte)] & (SPECIAL | ZERO) != 0;
    pattern.iter().find(ends).is_none_or(|byte| *byte == 0)
}

/// A class, or what is not in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class {
    bits: u16,
    is_complement: bool,
}

impl Class {
    /// The class that a letter after `%` names. A letter that names none is matched literally.
    pub fn named(letter: u8) -> Option<Self> {
        let bits = match letter.to_ascii_lowercase() {
            b'a' => LETTER,
            b'c' => CONTROL,
            b'd' => DIGIT,
            b'l' => LOWER,
            b'p' => PUNCTUATION,
            b's' => SPACE,
            b'u' => UPPER,
            b'w' => LETTER | DIGIT,
            b'x' => HEX_DIGIT,
            b'z' => ZERO,
            _ => return None,
        };
        Some(Self { bits, is_complement: letter.is_ascii_uppercase() })
    }

    #[inline]
    pub fn contains(self, byte: u8) -> bool {
        (CLASSES[usize::from(byte)] & self.bits != 0) != self.is_complement
    }
}

/// Any characters, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Set([u64; 4]);

impl Set {
    pub const EMPTY: Self = Self([0; 4]);

    #[inline]
    pub fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    pub fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub fn insert_range(&mut self, first: u8, last: u8) {
        for (word, start) in self.0.iter_mut().zip([0u8, 64, 128, 192]) {
            let (first, last) = (first.max(start), last.min(start + 63));
            if first <= last {
                *word |= (u64::MAX >> (63 - (last - first))) << (first - start);
            }
        }
    }

    pub fn insert_class(&mut self, class: Class) {
        let mut set = Self::EMPTY;
        for (bit, members) in MEMBERS.iter().enumerate() {
            if class.bits >> bit & 1 != 0 {
                set.unite(members);
            }
        }
        if class.is_complement {
            set.invert();
        }
        self.unite(&set);
    }

    fn unite(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
    }

    pub fn invert(&mut self) {
        self.0 = self.0.map(|word| !word);
    }
}

/// The members of each class, in the order of the classes' bits.
static MEMBERS: [Set; 9] = members();

const fn members() -> [Set; 9] {
    let classes = classes();
    let mut members = [Set::EMPTY; 9];
    let mut bit = 0;
    while bit < 9 {
        let mut code = 0;
        while code < 256 {
            if classes[code] >> bit & 1 != 0 {
                members[bit].0[code >> 6] |= 1 << (code & 63);
            }
            code += 1;
        }
        bit += 1;
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_special_characters_is_plain() {
        for pattern in ["", "abc", "a)b]c", "a\0%", "\0"] {
            assert!(is_plain(pattern.as_bytes()), "{pattern}");
        }
        for special in "^$*+?.([%-".chars() {
            assert!(!is_plain(format!("ab{special}\0").as_bytes()), "{special}");
        }
    }

    #[test]
    fn a_set_has_what_was_inserted() {
        for letter in "acdlpsuwxzACDLPSUWXZ".bytes() {
            let class = Class::named(letter).expect("a class");
            let mut set = Set::EMPTY;
            set.insert_class(class);
            for byte in 0..=255 {
                assert_eq!(set.contains(byte), class.contains(byte), "%{} and {byte}", letter as char);
            }
        }
        assert_eq!(Class::named(b'b'), None);
        for (first, last) in [(0, 255), (0, 0), (63, 64), (97, 122), (5, 200), (255, 255), (9, 3)] {
            let mut set = Set::EMPTY;
            set.insert_range(first, last);
            for byte in 0..=255 {
                assert_eq!(set.contains(byte), (first..=last).contains(&byte), "{first} to {last}: {byte}");
            }
            set.invert();
            assert_eq!(set.contains(first), !(first..=last).contains(&first));
        }
    }
}
