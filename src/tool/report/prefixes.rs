//! Counts by the beginning of keys, in a table that cannot outgrow its bound.

use std::cmp::Reverse;

use hashbrown::HashMap;
use memchr::memmem::Finder;

use super::gather::Totals;

const PREFIXES_MAX: usize = 50_000;

/// A longer prefix is cut here.
const PREFIX_BYTES_MAX: usize = 128;

pub struct Prefixes {
    separator: Finder<'static>,
    depth: usize,
    table: HashMap<Box<[u8]>, Totals>,
    /// Keys without a separator.
    pub bare: Totals,
    /// Of prefixes that were counted together because there are too many.
    pub rest: Totals,
    pub rest_prefixes: u64,
}

impl Prefixes {
    pub fn new(separator: &[u8], depth: usize) -> Self {
        Self {
            separator: Finder::new(separator).into_owned(),
            depth,
            table: HashMap::new(),
            bare: Totals::default(),
            rest: Totals::default(),
            rest_prefixes: 0,
        }
    }

    pub fn add(&mut self, key: &[u8], totals: &Totals) {
        let Some(prefix) = self.prefix(key) else {
            self.bare.add(totals);
            return;
        };
        if let Some(known) = self.table.get_mut(prefix) {
            known.add(totals);
            return;
        }
        let prefix = Box::from(prefix);
        self.table.insert(prefix, *totals);
        if self.table.len() > PREFIXES_MAX {
            self.prune();
        }
    }

    /// The key up to its separator of the depth asked for, or up to the last one that it has.
    fn prefix<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        let width = self.separator.needle().len();
        let last = self.separator.find_iter(key).take(self.depth).last()?;
        key.get(..(last + width).min(PREFIX_BYTES_MAX))
    }

    /// Counts the smaller half together. Which prefixes that are follows from them alone, not from the table's order.
    fn prune(&mut self) {
        let mut order: Vec<(Reverse<u64>, &[u8])> =
            self.table.iter().map(|(prefix, totals)| (Reverse(totals.bytes), prefix.as_ref())).collect();
        order.select_nth_unstable(PREFIXES_MAX / 2);
        let small: Vec<Box<[u8]>> = order.drain(PREFIXES_MAX / 2..).map(|(_, prefix)| Box::from(prefix)).collect();
        for prefix in small {
            if let Some(totals) = self.table.remove(&prefix) {
                self.rest.add(&totals);
                self.rest_prefixes += 1;
            }
        }
    }

    /// The prefixes with the most bytes, these first, and how many there are in all.
    pub fn top(&self, count: usize) -> (Vec<(&[u8], Totals)>, u64) {
        let mut all: Vec<(&[u8], Totals)> =
            self.table.iter().map(|(prefix, totals)| (prefix.as_ref(), *totals)).collect();
        all.sort_unstable_by(|(left, left_totals), (right, right_totals)| {
            right_totals.bytes.cmp(&left_totals.bytes).then_with(|| left.cmp(right))
        });
        let known = all.len() as u64 + self.rest_prefixes;
        all.truncate(count);
        (all, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: u64) -> Totals {
        Totals { keys: 1, bytes, ..Totals::default() }
    }

    #[test]
    fn prefix_ends_with_the_separator_of_its_depth_or_the_last_there_is() {
        for (separator, depth, key, prefix) in [
            (":", 1, "user:1:name", Some("user:")),
            (":", 2, "user:1:name", Some("user:1:")),
            (":", 9, "user:1:name", Some("user:1:")),
            (":", 1, ":x", Some(":")),
            (":", 1, "user", None),
            ("::", 1, "a:b::c", Some("a:b::")),
        ] {
            let prefixes = Prefixes::new(separator.as_bytes(), depth);
            assert_eq!(prefixes.prefix(key.as_bytes()), prefix.map(str::as_bytes), "{key}");
        }
    }

    #[test]
    fn table_keeps_the_large_ones_and_loses_no_count() {
        let mut prefixes = Prefixes::new(b":", 1);
        for number in 0..70_000 {
            prefixes.add(format!("{number}:x").as_bytes(), &one(10));
            prefixes.add(b"large:x", &one(10));
        }
        let (top, known) = prefixes.top(1);
        assert_eq!(top[0].0, b"large:");
        assert_eq!(top[0].1.keys, 70_000);
        assert_eq!(known, 70_001);
        assert!(prefixes.table.len() <= PREFIXES_MAX);
        let counted: u64 = prefixes.table.values().map(|totals| totals.keys).sum();
        assert_eq!(counted + prefixes.rest.keys, 140_000);
    }
}
