//! Numbers with what they count.

/// `1 key`, `2 keys`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(1, "library", "libraries"), "1 library");
        assert_eq!(counted(0, "library", "libraries"), "0 libraries");
        assert_eq!(counted(2, "library", "libraries"), "2 libraries");
    }
}
