//! Sorted sets as listpacks: member and score by turns, in order.

use std::cmp::Ordering;

use crate::stdx::number::{IntText, format_f64, parse_f64};
use crate::structures::listpack::{Entry, Listpack, Lp, Pos};

/// The score that an entry spells; `None` for an entry that spells none.
pub fn checked_score(entry: Entry<'_>) -> Option<f64> {
    match entry {
        Entry::Int(value) => Some(value as f64),
        Entry::Bytes(text) => parse_f64(text),
    }
}

/// The score that an entry spells, in a listpack that was checked or made here.
pub fn score_of(entry: Entry<'_>) -> f64 {
    checked_score(entry).unwrap_or(0.0)
}

/// Whether the pairs of a listpack from outside are in order; `None` where one of them has no score.
pub fn checked_order(lp: &Lp) -> Option<bool> {
    let mut in_order = true;
    let mut before: Option<(Entry<'_>, f64)> = None;
    for (member, score) in lp.pairs() {
        let score = checked_score(score)?;
        in_order &= before
            .is_none_or(|(there, there_score)| is_before(there, there_score, member.text(&mut IntText::new()), score));
        before = Some((member, score));
    }
    Some(in_order)
}

/// The pairs of a listpack.
pub fn pairs(lp: &Lp) -> impl DoubleEndedIterator<Item = (Entry<'_>, f64)> {
    lp.pairs().map(|(member, score)| (member, score_of(score)))
}

/// The place of a member, and its score.
pub fn locate(lp: &Lp, member: &[u8]) -> Option<(Pos, f64)> {
    let pos = lp.find_field(member)?;
    let (_, score) = lp.entry_and_next(pos)?;
    Some((pos, score_of(lp.entry(score?)?)))
}

/// The rank of a member, and its score.
pub fn rank(lp: &Lp, wanted: &[u8]) -> Option<(usize, f64)> {
    let (rank, (_, score)) = lp.pairs().enumerate().find(|(_, (member, _))| member.is(wanted))?;
    Some((rank, score_of(score)))
}

/// Puts a pair in whose member is not there yet.
pub fn insert(lp: &mut Listpack, member: &[u8], score: f64) {
    // Scores that are integers are stored as such, and there is one integer zero.
    let text = format_f64(if score == 0.0 { 0.0 } else { score });
    let place = if goes_last(lp, member, score) { None } else { place_of(lp, member, score) };
    match place {
        Some(pos) => {
            lp.insert_before(pos, member);
            lp.insert_after(pos, &text[..]);
        }
        None => {
            lp.push_back(member);
            lp.push_back(&text[..]);
        }
    }
}

/// Takes out the pair at `pos`.
pub fn remove(lp: &mut Listpack, pos: Pos) {
    lp.remove_from(pos, 2);
}

/// Whether the pair is greater than all that are there, as it is where pairs come in order.
fn goes_last(lp: &Lp, member: &[u8], score: f64) -> bool {
    lp.pairs().next_back().is_none_or(|(last, last_score)| is_before(last, score_of(last_score), member, score))
}

/// The place of the first pair that is greater.
fn place_of(lp: &Lp, member: &[u8], score: f64) -> Option<Pos> {
    let mut entries = lp.entries();
    while let (Some((pos, there)), Some((_, there_score))) = (entries.next(), entries.next()) {
        if !is_before(there, score_of(there_score), member, score) {
            return Some(pos);
        }
    }
    None
}

fn is_before(there: Entry<'_>, there_score: f64, member: &[u8], score: f64) -> bool {
    there_score < score || (there_score == score && compare(there, member) == Ordering::Less)
}

/// Compares a member with bytes, as bytes.
pub fn compare(member: Entry<'_>, bytes: &[u8]) -> Ordering {
    member.text(&mut IntText::new()).cmp(bytes)
}
