//! The classes of keyspace events that are published.

/// A set of event classes: what `notify-keyspace-events` holds, and what one event belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyFlags(u16);

impl NotifyFlags {
    pub const NONE: Self = Self(0);
    /// Publish on `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: Self = Self(1);
    /// Publish on `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: Self = Self(1 << 1);
    pub const GENERIC: Self = Self(1 << 2);
    pub const STRING: Self = Self(1 << 3);
    pub const LIST: Self = Self(1 << 4);
    pub const SET: Self = Self(1 << 5);
    pub const HASH: Self = Self(1 << 6);
    pub const ZSET: Self = Self(1 << 7);
    pub const EXPIRED: Self = Self(1 << 8);
    pub const EVICTED: Self = Self(1 << 9);
    pub const STREAM: Self = Self(1 << 10);
    pub const KEY_MISS: Self = Self(1 << 11);
    pub const MODULE: Self = Self(1 << 12);
    pub const NEW: Self = Self(1 << 13);

    /// What `A` means: every class but key misses and new keys, which are too many to be on by mistake.
    pub const ALL: Self = Self::GENERIC
        .or(Self::STRING)
        .or(Self::LIST)
        .or(Self::SET)
        .or(Self::HASH)
        .or(Self::ZSET)
        .or(Self::EXPIRED)
        .or(Self::EVICTED)
        .or(Self::STREAM)
        .or(Self::MODULE);

    /// The letters in the order in which they are shown.
    const LETTERS: [(u8, Self); 14] = [
        (b'g', Self::GENERIC),
        (b'$', Self::STRING),
        (b'l', Self::LIST),
        (b's', Self::SET),
        (b'h', Self::HASH),
        (b'z', Self::ZSET),
        (b'x', Self::EXPIRED),
        (b'e', Self::EVICTED),
        (b't', Self::STREAM),
        (b'd', Self::MODULE),
        (b'n', Self::NEW),
        (b'K', Self::KEYSPACE),
        (b'E', Self::KEYEVENT),
        (b'm', Self::KEY_MISS),
    ];

    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every class of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Reads letters such as `KEA`; `None` where one is no class.
    pub fn parse(letters: &[u8]) -> Option<Self> {
        letters.iter().try_fold(Self::NONE, |flags, letter| {
            if *letter == b'A' {
                return Some(flags.or(Self::ALL));
            }
            let (_, class) = Self::LETTERS.into_iter().find(|(known, _)| known == letter)?;
            Some(flags.or(class))
        })
    }
}

impl std::fmt::Display for NotifyFlags {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.contains(Self::ALL);
        if all {
            out.write_str("A")?;
        }
        for (letter, class) in Self::LETTERS {
            if self.contains(class) && !(all && Self::ALL.contains(class)) {
                write!(out, "{}", char::from(letter))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::NotifyFlags;

    #[test]
    fn letters_are_shown_in_one_order_and_a_stands_for_all() {
        for (given, shown) in [
            ("KEA", "AKE"),
            ("EK$lshzxeg", "g$lshzxeKE"),
            ("", ""),
            ("Kmn", "nKm"),
            ("g$lshzxetdK", "AK"),
            ("Elt", "ltE"),
        ] {
            assert_eq!(NotifyFlags::parse(given.as_bytes()).unwrap().to_string(), shown, "{given}");
        }
    }

    #[test]
    fn unknown_letters_are_refused() {
        assert_eq!(NotifyFlags::parse(b"KEq"), None);
    }
}
