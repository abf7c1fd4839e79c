//! How often each error code was answered (INFO errorstats).

use std::collections::BTreeMap;

/// Codes that are counted separately. Scripts can make up codes without end, and each takes memory.
const CODES_MAX: usize = 128;

/// What is counted in place of all codes once there were too many.
const TOO_MANY: &str = "ERRORSTATS_DISABLED";

#[derive(Debug, Default)]
pub struct ErrorStats {
    counts: BTreeMap<Box<str>, u64>,
    stopped: bool,
}

impl ErrorStats {
    /// Counts an error reply by its first word. Returns the codes known so far when they have just become too many:
    /// counting then stops until the next reset.
    pub fn count(&mut self, reply_text: &[u8]) -> Option<String> {
        if self.stopped {
            return None;
        }
        let code = code(reply_text);
        if let Some(count) = self.counts.get_mut(&*code) {
            *count += 1;
        } else if self.counts.len() < CODES_MAX {
            self.counts.insert(code.into(), 1);
        } else {
            let known = self.counts.keys().map(|code| &**code).collect::<Vec<_>>().join(", ");
            self.counts = BTreeMap::from([(TOO_MANY.into(), 1)]);
            self.stopped = true;
            return Some(known);
        }
        None
    }

    /// Codes and counts, in the order of the codes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(code, count)| (&**code, *count))
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The first word, in a form that keeps a line of INFO whole.
fn code(reply_text: &[u8]) -> String {
    let word = reply_text.split(|byte| *byte == b' ').next().unwrap_or_default();
    String::from_utf8_lossy(word).replace(['#', ':', '\n', '\r'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_their_first_word() {
        let mut stats = ErrorStats::default();
        for text in ["ERR syntax error", "WRONGTYPE Operation", "ERR no such key", "A:B\r\nx"] {
            assert_eq!(stats.count(text.as_bytes()), None);
        }
        assert_eq!(stats.iter().collect::<Vec<_>>(), [("A_B__x", 1), ("ERR", 2), ("WRONGTYPE", 1)]);
    }

    #[test]
    fn too_many_codes_stop_the_counting_until_a_reset() {
        let mut stats = ErrorStats::default();
        for number in 0..CODES_MAX {
            assert_eq!(stats.count(format!("CODE{number} x").as_bytes()), None);
        }
        assert!(stats.count(b"ONE more").is_some_and(|known| known.contains("CODE127")));
        assert_eq!(stats.count(b"TWO more"), None);
        assert_eq!(stats.iter().collect::<Vec<_>>(), [("ERRORSTATS_DISABLED", 1)]);
        stats.reset();
        stats.count(b"ERR x");
        assert_eq!(stats.iter().collect::<Vec<_>>(), [("ERR", 1)]);
    }
}
