//! How far a word is from another one, for suggestions after a typing error.

/// The least number of single letters to insert, remove, replace, or swap with their neighbour that turn one word into
/// the other.
pub fn edit_distance(from: &[u8], to: &[u8]) -> usize {
    // Three rows of the table of distances between beginnings of the words.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, from_byte) in from.iter().enumerate() {
        let mut current = Vec::with_capacity(to.len() + 1);
        current.push(row + 1);
        for (column, to_byte) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(from_byte != to_byte);
            let mut least = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && from[row - 1] == *to_byte && to[column - 1] == *from_byte;
            if swapped {
                least = least.min(before_last[column - 1] + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::edit_distance;

    #[test]
    fn each_kind_of_typing_error_counts_once() {
        for (from, to, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("save", "save", 0),
            ("maxmemroy", "maxmemory", 1),
            ("maxmemry", "maxmemory", 1),
            ("max-memory", "maxmemory", 1),
            ("maxmenory", "maxmemory", 1),
            ("kitten", "sitting", 3),
            ("port", "hz", 4),
        ] {
            assert_eq!(edit_distance(from.as_bytes(), to.as_bytes()), distance, "{from} {to}");
            assert_eq!(edit_distance(to.as_bytes(), from.as_bytes()), distance, "{to} {from}");
        }
    }
}
