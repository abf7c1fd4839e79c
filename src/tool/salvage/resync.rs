//! Finding the next record behind damage, by decoding from every place that could be one.

use super::plan::can_begin;
use crate::rdb::{Format, Tag};
use crate::tool::walk::{Content, Found, Item, Walk};

/// What the records from a place on must show together before they are believed: four entries with keys of text, or eight
/// with keys of any eight bytes.
const POINTS_NEEDED: u32 = 8;

/// The same where the place is known from a length that was read before it.
const ALIGNED_POINTS_NEEDED: u32 = 2;

/// The same where the file is cut off behind them.
const CUT_POINTS_NEEDED: u32 = 4;

/// Records that show nothing, in one attempt.
const IDLE_RECORDS_MAX: u32 = 16;

/// Databases beyond this number are taken for damage.
const DATABASE_MAX: u64 = 1 << 20;

/// Expiries outside of the years 2000 to 2200 are taken for damage.
const EXPIRY_MS: std::ops::Range<i64> = 946_684_800_000..7_258_118_400_000;

/// What all attempts may cost together, in records and pieces of values: hostile files end here, minutes later.
const STEPS_MAX: u64 = 1 << 32;

/// Bytes of a value that count as a step.
const STEP_BYTES: u64 = 16;

/// A search over one file.
pub struct Search<'a> {
    file: &'a [u8],
    format: Format,
    steps_left: u64,
}

impl<'a> Search<'a> {
    pub fn new(file: &'a [u8], format: Format) -> Self {
        Self { file, format, steps_left: STEPS_MAX }
    }

    /// The first place at or behind `from` from which records follow one another. Those from a place before `past` must
    /// lead on past it.
    pub fn next(&mut self, from: usize, past: usize) -> Option<usize> {
        let rest = self.file.get(from..)?;
        for (at, byte) in rest.iter().enumerate() {
            if can_begin(*byte, self.format.dialect) && self.is_place(from + at, past) {
                return Some(from + at);
            }
            if self.steps_left == 0 {
                return None;
            }
        }
        None
    }

    /// Whether records follow from here, where a length that was read before leads to.
    pub fn is_aligned(&mut self, at: usize) -> bool {
        Attempt { needed: ALIGNED_POINTS_NEEDED, past: 0, forgiving: true }.run(self, at)
    }

    fn is_place(&mut self, at: usize, past: usize) -> bool {
        Attempt { needed: POINTS_NEEDED, past, forgiving: false }.run(self, at)
    }

    fn spend(&mut self, steps: u64) -> bool {
        self.steps_left = self.steps_left.saturating_sub(steps);
        self.steps_left > 0
    }
}

struct Attempt {
    needed: u32,
    past: usize,
    /// Goes on over a value whose length is right and whose inside is not.
    forgiving: bool,
}

impl Attempt {
    fn run(&self, search: &mut Search<'_>, at: usize) -> bool {
        let mut walk = Walk::resume(search.file, search.format, at, 0);
        let (mut points, mut idle) = (0, 0);
        let mut leading_db = false;
        for number in 0u32.. {
            let shown = match walk.next() {
                Err(_) if !search.spend(1) => return false,
                // The last entry of a file that is cut off cannot be whole.
                Err(fault) => {
                    let cut = matches!(fault.cause, crate::rdb::Error::UnexpectedEnd { .. });
                    return cut && points >= self.needed.min(CUT_POINTS_NEEDED) && walk.offset() >= self.past;
                }
                // An end mark in the right place is one byte, which shows nothing alone.
                Ok(Found::End) => {
                    return walk.offset() == search.file.len() && (points > 1 || number == 0 && at >= self.past);
                }
                Ok(found) => {
                    if !search.spend(1 + cost(&found)) {
                        return false;
                    }
                    let bare_hint = match found {
                        Found::Sizes { .. } => number == 0,
                        _ => leading_db,
                    };
                    // A database's number alone is two bytes, which damage has easily.
                    leading_db = number == 0 && matches!(found, Found::Database(_)) && search.format.version >= 7;
                    match self.points(search.file, &found) {
                        Some(shown) if !bare_hint || self.forgiving => shown,
                        _ => return false,
                    }
                }
            };
            // Damage has bytes that read as an entry of nothing: a place is where something begins. Inside another entry's
            // value it takes more, since those bytes mean something already.
            let first_needed = if at < self.past { 2 } else { 1 };
            if number == 0 && shown < first_needed && !leading_db && !self.forgiving {
                return false;
            }
            points += shown;
            idle += u32::from(shown == 0);
            if points >= self.needed && walk.offset() > self.past {
                return true;
            }
            if idle > IDLE_RECORDS_MAX {
                return false;
            }
        }
        false
    }

    /// What a record shows; `None` if it cannot be one.
    fn points(&self, file: &[u8], found: &Found<'_>) -> Option<u32> {
        match found {
            Found::Entry(item) => self.entry_points(file, item),
            Found::Database(index) => (*index <= DATABASE_MAX).then_some(0),
            Found::Sizes { keys, expires } => (expires <= keys).then_some(1),
            Found::Aux { key, .. } => is_text(key).then_some(1),
            Found::Library(_) | Found::LibraryOfCandidate | Found::ModuleAux { .. } => Some(1),
            Found::End => Some(0),
        }
    }

    fn entry_points(&self, file: &[u8], item: &Item<'_>) -> Option<u32> {
        if !has_shortest_length(file, item) || item.expiry_ms.is_some_and(|at_ms| !EXPIRY_MS.contains(&at_ms)) {
            return None;
        }
        match item.load() {
            Ok(Content::Empty) => Some(0),
            // Their values have hardly a form that damage could not have too.
            Ok(Content::Opaque) if item.tag != Tag::Module2 => self.forgiving.then_some(0),
            Ok(_) => Some(match (is_text(&item.key), item.key.len()) {
                (true, 3..) => 2,
                (true, _) | (false, 8..) => 1,
                (false, _) => 0,
            }),
            Err(_) => self.forgiving.then_some(0),
        }
    }
}

/// Whether the length of the key is written as every writer does: a damaged byte in front of it can make it a longer form.
fn has_shortest_length(file: &[u8], item: &Item<'_>) -> bool {
    const ONE_BYTE_MAX: usize = 63;
    let key = &*item.key;
    let before = file.get(..item.span.end - item.value.len()).unwrap_or_default();
    match before.strip_suffix(key) {
        Some(rest) if key.len() <= ONE_BYTE_MAX && rest.last().copied().map(usize::from) == Some(key.len()) => {
            rest.iter().rev().nth(1) == Some(&item.tag.as_u8())
        }
        // A compressed key, an integer, or a longer one.
        _ => true,
    }
}

fn cost(found: &Found<'_>) -> u64 {
    match found {
        Found::Entry(item) => item.value.len() as u64 / STEP_BYTES,
        _ => 0,
    }
}

fn is_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}
