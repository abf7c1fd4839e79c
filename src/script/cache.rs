//! The scripts that are known by their SHA-1.

use std::collections::BTreeMap;
use std::fmt;

use hashbrown::HashMap;
use sha1::{Digest as _, Sha1};

use super::engine::ScriptId;
use super::shebang::ScriptFlags;

/// So many scripts are kept that only EVAL has brought; beyond that, the one that was used longest ago goes. Clients that
/// write their arguments into the text of scripts would fill the memory (Redis 7.4 does the same).
const EVALS_MAX: usize = 500;

/// What a script takes besides its text: its entries in the tables here.
const ENTRY_BYTES: usize = size_of::<(Sha, Cached)>() + 32;

/// The digits of a SHA.
const HEX_LEN: usize = 40;

/// So many scripts are found by the digits of their SHA as they were sent last.
const RECENT_LEN: usize = 16;

/// The SHA-1 of a script's text, by which it is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Sha([u8; 20]);

impl Sha {
    pub fn of(text: &[u8]) -> Self {
        Self(Sha1::digest(text).into())
    }

    /// From its 40 digits, in small letters or capitals.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let text: &[u8; HEX_LEN] = text.try_into().ok()?;
        // Loops without a branch for a digit and without an iterator's calls: the compiler takes many digits at once.
        let mut digits = [0; HEX_LEN];
        let mut wrong = false;
        let mut at = 0;
        while at < HEX_LEN {
            let decimal = text[at].wrapping_sub(b'0');
            let letter = (text[at] | 0x20).wrapping_sub(b'a');
            digits[at] = if decimal < 10 { decimal } else { letter.wrapping_add(10) };
            wrong |= (decimal >= 10) & (letter >= 6);
            at += 1;
        }
        let mut bytes = [0; 20];
        let mut at = 0;
        while at < 20 {
            bytes[at] = digits[2 * at] << 4 | digits[2 * at + 1];
            at += 1;
        }
        (!wrong).then_some(Self(bytes))
    }
}

/// Its 40 digits, in small letters.
impl fmt::Display for Sha {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// A script that is known.
#[derive(Clone, Debug)]
pub struct Cached {
    pub script: ScriptId,
    pub flags: ScriptFlags,
    text: Box<[u8]>,
    /// When it was last used, where EVAL alone has brought it.
    eval_tick: Option<u64>,
}

/// A script as it is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    pub script: ScriptId,
    pub flags: ScriptFlags,
    pub sha: Sha,
}

/// A script that was asked for by these digits.
#[derive(Clone, Copy, Debug)]
struct Recent {
    hex: [u8; HEX_LEN],
    found: Found,
    /// Where EVAL alone has brought it, its tick: it is the one that was used last as long as this is the latest tick.
    eval_tick: Option<u64>,
}

/// The scripts that are known.
#[derive(Debug, Default)]
pub struct Cache {
    by_sha: HashMap<Sha, Cached>,
    /// Those that EVAL alone has brought, the one used longest ago first.
    evals: BTreeMap<u64, Sha>,
    tick: u64,
    text_bytes: usize,
    /// What is left out of the tables' work for a script that is called again and again.
    recent: [Option<Recent>; RECENT_LEN],
    /// How many were given up for others (`evicted_scripts`).
    pub evicted: u64,
}

impl Cache {
    pub fn len(&self) -> usize {
        self.by_sha.len()
    }

    pub fn contains(&self, sha: Sha) -> bool {
        self.by_sha.contains_key(&sha)
    }

    /// What a script says of itself, if it is known. It does not count as a use of the script.
    pub fn flags(&self, sha: Sha) -> Option<ScriptFlags> {
        self.by_sha.get(&sha).map(|cached| cached.flags)
    }

    /// Finds a script that is to be run.
    pub fn get(&mut self, sha: Sha) -> Option<Found> {
        let cached = self.by_sha.get_mut(&sha)?;
        if let Some(tick) = &mut cached.eval_tick
            && *tick != self.tick
        {
            self.tick += 1;
            self.evals.remove(tick);
            self.evals.insert(self.tick, sha);
            *tick = self.tick;
        }
        Some(Found { script: cached.script, flags: cached.flags, sha })
    }

    /// As [`Cache::get`], by the digits of its SHA.
    #[inline]
    pub fn find_by_digits(&mut self, hex: &[u8]) -> Option<Found> {
        let hex: &[u8; HEX_LEN] = hex.try_into().ok()?;
        match &self.recent[recent_place(hex)] {
            Some(recent) if recent.hex == *hex && recent.eval_tick.is_none_or(|tick| tick == self.tick) => {
                Some(recent.found)
            }
            _ => self.look_up(hex),
        }
    }

    #[inline(never)]
    fn look_up(&mut self, hex: &[u8; HEX_LEN]) -> Option<Found> {
        let found = self.get(Sha::from_hex(hex)?)?;
        let eval_tick = self.by_sha.get(&found.sha)?.eval_tick;
        self.recent[recent_place(hex)] = Some(Recent { hex: *hex, found, eval_tick });
        Some(found)
    }

    /// Keeps a script for good that SCRIPT LOAD has brought. Returns whether it was known before.
    pub fn pin(&mut self, sha: Sha) -> bool {
        let Some(cached) = self.by_sha.get_mut(&sha) else { return false };
        if let Some(tick) = cached.eval_tick.take() {
            self.evals.remove(&tick);
        }
        true
    }

    /// Adds a script. Returns one that has to go for it.
    pub fn insert(
        &mut self,
        sha: Sha,
        text: &[u8],
        script: ScriptId,
        flags: ScriptFlags,
        by_eval: bool,
    ) -> Option<ScriptId> {
        let mut evicted = None;
        let eval_tick = by_eval.then(|| {
            self.tick += 1;
            self.evals.insert(self.tick, sha);
            self.tick
        });
        self.text_bytes += text.len();
        self.by_sha.insert(sha, Cached { script, flags, text: text.into(), eval_tick });
        if self.evals.len() > EVALS_MAX
            && let Some((_, oldest)) = self.evals.pop_first()
            && let Some(gone) = self.by_sha.remove(&oldest)
        {
            self.text_bytes -= gone.text.len();
            self.evicted += 1;
            self.recent = [None; RECENT_LEN];
            evicted = Some(gone.script);
        }
        evicted
    }

    /// Bytes of memory that the texts and the tables take (`used_memory_scripts`), without the compiled scripts.
    pub fn memory_usage(&self) -> usize {
        self.text_bytes + self.by_sha.capacity() * ENTRY_BYTES + self.evals.len() * size_of::<(u64, Sha)>()
    }
}

/// Where a script is remembered that is asked for by these digits.
#[inline]
fn recent_place(hex: &[u8; HEX_LEN]) -> usize {
    usize::from(hex[0] ^ hex[1] << 2) % RECENT_LEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_eval_has_brought_goes_when_it_was_used_longest_ago() {
        let mut cache = Cache::default();
        let sha = |number: usize| Sha::of(number.to_string().as_bytes());
        let add = |cache: &mut Cache, number: usize, by_eval| {
            cache.insert(sha(number), b"text", ScriptId::for_tests(number as u32), ScriptFlags::PLAIN, by_eval)
        };
        assert_eq!(add(&mut cache, 1000, false), None);
        for number in 0..EVALS_MAX {
            assert_eq!(add(&mut cache, number, true), None);
        }
        assert!(cache.get(sha(0)).is_some());
        assert!(cache.pin(sha(2)));
        assert_eq!(add(&mut cache, 501, true), None, "a pinned one is not counted");
        assert_eq!(add(&mut cache, 502, true), Some(ScriptId::for_tests(1)), "0 was used since");
        assert!(
            !cache.contains(sha(1)) && cache.contains(sha(0)) && cache.contains(sha(2)) && cache.contains(sha(1000))
        );
        assert_eq!((cache.len(), cache.evicted), (EVALS_MAX + 2, 1));
    }

    #[test]
    fn a_script_is_found_by_its_digits_for_as_long_as_it_is_known() {
        let mut cache = Cache::default();
        let sha = |number: usize| Sha::of(number.to_string().as_bytes());
        let hex = |number: usize| sha(number).to_string();
        let add = |cache: &mut Cache, number: usize, by_eval| {
            cache.insert(sha(number), b"text", ScriptId::for_tests(number as u32), ScriptFlags::PLAIN, by_eval)
        };
        let find = |cache: &mut Cache, number: usize| {
            let found = cache.find_by_digits(hex(number).as_bytes());
            assert_eq!(cache.find_by_digits(hex(number).to_uppercase().as_bytes()), found);
            found.map(|found| (found.script, found.sha))
        };
        assert_eq!(find(&mut cache, 0), None);
        for number in 0..EVALS_MAX {
            assert_eq!(add(&mut cache, number, true), None);
        }
        assert_eq!(add(&mut cache, 1000, false), None);
        for number in (0..EVALS_MAX).chain([1000]) {
            for _ in 0..3 {
                assert_eq!(find(&mut cache, number), Some((ScriptId::for_tests(number as u32), sha(number))));
            }
        }
        assert_eq!(find(&mut cache, 1001), None);
        assert_eq!(cache.find_by_digits(b"e0e1"), None);
        assert_eq!(cache.find_by_digits(&[b'g'; HEX_LEN]), None);
        // 0 is found again and again, and so is 1 last: 2 was used longest ago.
        (0..3).for_each(|_| assert!(find(&mut cache, 0).is_some()));
        (0..3).for_each(|_| assert!(find(&mut cache, 1).is_some()));
        assert_eq!(add(&mut cache, 1002, true), Some(ScriptId::for_tests(2)));
        assert_eq!(find(&mut cache, 2), None);
        assert!(find(&mut cache, 0).is_some());
        assert_eq!(add(&mut cache, 1003, true), Some(ScriptId::for_tests(3)));
        assert_eq!(find(&mut cache, 3), None);
    }

    #[test]
    fn a_sha_is_read_in_both_cases() {
        let sha = Sha::of(b"return 1");
        assert_eq!(sha.to_string(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert_eq!(Sha::from_hex(b"E0E1F9FABFC9d4800c877a703b823ac0578ff8db"), Some(sha));
        assert_eq!(Sha::from_hex(b"e0e1"), None);
        for character in 0..=u8::MAX {
            let mut text = *b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
            text[17] = character;
            assert_eq!(Sha::from_hex(&text).is_some(), character.is_ascii_hexdigit(), "{character}");
        }
    }
}
