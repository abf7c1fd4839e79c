//! Text that does what it looks like: on a terminal, on a page, in a spreadsheet.

/// Whether a text holds no character that moves the cursor, ends the line, or changes the direction of writing: bytes from
/// a dump are shown as they are only then.
pub fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(is_deceptive)
}

/// Characters that show something else than what is there.
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_all_languages_are_plain_and_what_steers_a_terminal_is_not() {
        for text in ["user:1", "\u{fc}", "\u{65e5}\u{672c}", "\u{5d0}\u{5d1}", "\u{1f600}", "a b"] {
            assert!(is_plain(text), "{text}");
        }
        for text in ["", "\u{1b}[2J", "a\nb", "\u{9b}2J", "\u{202e}gpj.exe", "\u{2066}x", "\u{feff}x", "a\u{200b}b"] {
            assert!(!is_plain(text), "{text:?}");
        }
    }
}
