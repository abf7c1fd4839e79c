use std::fmt;

/// What names a module type in a file: nine characters of six bits, then an encoding version of ten bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModuleId(pub u64);

impl ModuleId {
    const VERSION_BITS: u32 = 10;
    const CHARACTERS: &'static [u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /// The nine characters of the type's name.
    pub fn name(self) -> [u8; 9] {
        std::array::from_fn(|position| {
            let shift = Self::VERSION_BITS + 6 * (8 - position as u32);
            Self::CHARACTERS[(self.0 >> shift) as usize & 63]
        })
    }

    /// The version of the module's own encoding.
    pub fn encoding_version(self) -> u32 {
        (self.0 & ((1 << Self::VERSION_BITS) - 1)) as u32
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.name() {
            write!(formatter, "{}", char::from(character))?;
        }
        write!(formatter, " (encoding version {})", self.encoding_version())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_shows_name_and_encoding_version() {
        let name = b"ReJSON-RL";
        let mut id = 0u64;
        for character in name {
            let code = ModuleId::CHARACTERS.iter().position(|known| known == character).unwrap();
            id = id << 6 | code as u64;
        }
        let id = ModuleId(id << 10 | 3);
        assert_eq!(&id.name(), name);
        assert_eq!(id.to_string(), "ReJSON-RL (encoding version 3)");
    }
}
