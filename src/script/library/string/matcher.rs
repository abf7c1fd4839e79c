//! Lua's patterns.
//!
//! Lua matches by recursion, which a script can make as deep and as long as it likes. Here what is still to be tried
//! is in a list, and steps are counted, so that the script is looked at. What is tried, and in which order, is the same, so
//! that results are, and so are errors: a malformed part of a pattern is an error when a match gets there.

use smallvec::SmallVec;

use super::class::{Class, Set};
use crate::script::lua::{Call, Raise};

/// So many captures a pattern may have.
const CAPTURES_MAX: usize = 32;

/// Bytes that are compared with one item of a pattern in one go. Four of them count as a step.
const BYTES_PER_SCAN: usize = 16 << 10;

/// The sets `[...]` of a pattern that are kept as bits.
const SETS_KEPT: usize = 4;

/// A part of the text that a pattern has marked by `()`.
#[derive(Clone, Copy, Debug)]
pub struct Capture {
    pub start: usize,
    pub length: Length,
}

/// How long a capture is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// It has not ended.
    Open,
    /// It marks a place, `()`.
    Position,
    Bytes(usize),
}

/// What matches one character.
#[derive(Clone, Copy, Debug)]
enum Item {
    Any,
    Byte(u8),
    Class(Class),
    /// The set that is kept under this number.
    Set(usize),
}

/// What is to be tried or undone when the match fails further on.
#[derive(Clone, Copy, Debug)]
enum Choice {
    /// To go on with the pattern from `pattern` at `text`.
    Skip { text: usize, pattern: usize },
    /// As above, at most `more` characters further on.
    Fewer { text: usize, more: usize, pattern: usize },
    /// To match the item at `item` with the character at `text`, and go on as `-` does.
    More { text: usize, item: usize },
    /// To remove the last capture.
    Uncapture,
    /// To open this capture again.
    Reopen { capture: usize },
}

/// A set of a pattern.
#[derive(Clone, Copy, Debug)]
struct KeptSet {
    start: usize,
    end: usize,
    set: Set,
}

/// A text and a pattern, and the captures of the last match.
pub struct Matcher<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    captures: SmallVec<[Capture; CAPTURES_MAX]>,
    choices: SmallVec<[Choice; 16]>,
    sets: SmallVec<[KeptSet; SETS_KEPT]>,
}

impl<'a> Matcher<'a> {
    /// The pattern ends at its first zero, if it has one.
    pub fn new(text: &'a [u8], pattern: &'a [u8]) -> Self {
        let end = memchr::memchr(0, pattern).unwrap_or(pattern.len());
        Self {
            text,
            pattern: &pattern[..end],
            captures: SmallVec::new(),
            choices: SmallVec::new(),
            sets: SmallVec::new(),
        }
    }

    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    pub fn captures(&self) -> &[Capture] {
        &self.captures
    }

    /// Looks for a match that begins at `from` or after it. Returns where it begins and ends.
    pub fn search(&mut self, call: &mut Call<'_>, from: usize) -> Result<Option<(usize, usize)>, Raise> {
        if let Some(end) = self.match_at(call, from)? {
            return Ok(Some((from, end)));
        }
        let first = self.first_item(call)?;
        let mut start = from + 1;
        while start <= self.text.len() {
            if let Some(item) = first {
                match self.find(call, item, start)? {
                    Some(candidate) => start = candidate,
                    None => return Ok(None),
                }
            }
            if let Some(end) = self.match_at(call, start)? {
                return Ok(Some((start, end)));
            }
            start += 1;
        }
        Ok(None)
    }

    /// Matches the pattern with what begins at `start`. Returns where the match ends.
    pub fn match_at(&mut self, call: &mut Call<'_>, start: usize) -> Result<Option<usize>, Raise> {
        self.captures.clear();
        debug_assert!(self.choices.is_empty());
        let (mut text, mut pattern) = (start, 0);
        loop {
            call.work(1)?;
            if pattern == self.pattern.len() {
                self.choices.clear();
                return Ok(Some(text));
            }
            let next = match self.step(call, text, pattern)? {
                Some(next) => Some(next),
                None => self.next_choice(call)?,
            };
            match next {
                Some(next) => (text, pattern) = next,
                None => return Ok(None),
            }
        }
    }

    /// Matches the part of the pattern that begins at `pattern`. Returns where to go on in both, or that it does not match.
    #[inline]
    fn step(&mut self, call: &mut Call<'_>, text: usize, pattern: usize) -> Result<Option<(usize, usize)>, Raise> {
        match self.pattern[pattern] {
            b'(' => self.open(call, text, pattern + 1).map(Some),
            b')' => self.close(call, text, pattern + 1).map(Some),
            b'%' => match self.at(pattern + 1) {
                Some(b'b') => self.balance(call, text, pattern + 2),
                Some(b'f') => self.frontier(call, text, pattern + 2),
                Some(digit @ b'0'..=b'9') => self.repeat_capture(call, text, digit, pattern + 2),
                _ => self.item(call, text, pattern),
            },
            b'$' if pattern + 1 == self.pattern.len() => Ok((text == self.text.len()).then_some((text, pattern + 1))),
            _ => self.item(call, text, pattern),
        }
    }

    /// Goes back to what is still to be tried.
    fn next_choice(&mut self, call: &mut Call<'_>) -> Result<Option<(usize, usize)>, Raise> {
        while let Some(choice) = self.choices.pop() {
            let next = match choice {
                Choice::Skip { text, pattern } => Some((text, pattern)),
                Choice::Fewer { text, more, pattern } => self.go_on_longest(call, text, more, pattern)?,
                Choice::More { text, item } => {
                    let (kind, end) = self.read_item(call, item)?;
                    if self.matches(kind, text) { self.go_on_shortest(call, text + 1, item, kind, end)? } else { None }
                }
                Choice::Uncapture => {
                    self.captures.pop();
                    None
                }
                Choice::Reopen { capture } => {
                    self.captures[capture].length = Length::Open;
                    None
                }
            };
            if next.is_some() {
                return Ok(next);
            }
        }
        Ok(None)
    }

    /// Matches an item with what may follow it: `?`, `*`, `+` or `-`.
    #[inline]
    fn item(&mut self, call: &mut Call<'_>, text: usize, pattern: usize) -> Result<Option<(usize, usize)>, Raise> {
        let (item, end) = self.read_item(call, pattern)?;
        match self.at(end) {
            Some(b'?') => {
                if self.matches(item, text) {
                    self.choose(call, Choice::Skip { text, pattern: end + 1 })?;
                    Ok(Some((text + 1, end + 1)))
                } else {
                    Ok(Some((text, end + 1)))
                }
            }
            Some(b'*') => {
                let longest = self.run_length(call, item, text)?;
                self.go_on_longest(call, text, longest, end + 1)
            }
            Some(b'+') => match self.run_length(call, item, text)? {
                0 => Ok(None),
                longest => self.go_on_longest(call, text + 1, longest - 1, end + 1),
            },
            Some(b'-') => self.go_on_shortest(call, text, pattern, item, end),
            _ => Ok(self.matches(item, text).then_some((text + 1, end))),
        }
    }

    /// Goes on with the pattern as far from `text` as `more` allows, and with less when that fails.
    #[inline]
    fn go_on_longest(
        &mut self,
        call: &mut Call<'_>,
        text: usize,
        more: usize,
        pattern: usize,
    ) -> Result<Option<(usize, usize)>, Raise> {
        let more = match self.required_byte(pattern) {
            Some(byte) => {
                let places = &self.text[text..self.text.len().min(text + more + 1)];
                let found = memchr::memrchr(byte, places);
                call.work((places.len() - found.unwrap_or(0)) / 64)?;
                match found {
                    Some(found) => found,
                    None => return Ok(None),
                }
            }
            None => more,
        };
        if more > 0 && pattern < self.pattern.len() {
            self.choose(call, Choice::Fewer { text, more: more - 1, pattern })?;
        }
        Ok(Some((text + more, pattern)))
    }

    /// Goes on behind `item`, whose text in the pattern is from `start` to `end`, at `text`, and further on when that fails.
    fn go_on_shortest(
        &mut self,
        call: &mut Call<'_>,
        mut text: usize,
        start: usize,
        item: Item,
        end: usize,
    ) -> Result<Option<(usize, usize)>, Raise> {
        if let Some(byte) = self.required_byte(end + 1) {
            match self.find_before(call, byte, item, text)? {
                Some(found) => text = found,
                None => return Ok(None),
            }
        }
        if end + 1 < self.pattern.len() {
            self.choose(call, Choice::More { text, item: start })?;
        }
        Ok(Some((text, end + 1)))
    }

    fn open(&mut self, call: &mut Call<'_>, text: usize, pattern: usize) -> Result<(usize, usize), Raise> {
        if self.captures.len() >= CAPTURES_MAX {
            return Err(call.error("too many captures"));
        }
        let is_position = self.at(pattern) == Some(b')');
        let length = if is_position { Length::Position } else { Length::Open };
        self.captures.push(Capture { start: text, length });
        self.undo_later(call, Choice::Uncapture)?;
        Ok((text, pattern + usize::from(is_position)))
    }

    fn close(&mut self, call: &mut Call<'_>, text: usize, pattern: usize) -> Result<(usize, usize), Raise> {
        let Some(capture) = self.captures.iter().rposition(|capture| capture.length == Length::Open) else {
            return Err(call.error("invalid pattern capture"));
        };
        let length = text - self.captures[capture].start;
        self.captures[capture].length = Length::Bytes(length);
        self.undo_later(call, Choice::Reopen { capture })?;
        Ok((text, pattern))
    }

    /// `%b()`: from a character to the one that closes it. `pattern` is where both are named.
    fn balance(&mut self, call: &mut Call<'_>, text: usize, pattern: usize) -> Result<Option<(usize, usize)>, Raise> {
        let (Some(open), Some(close)) = (self.at(pattern), self.at(pattern + 1)) else {
            return Err(call.error("unbalanced pattern"));
        };
        if self.text.get(text) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1usize;
        let mut place = text + 1;
        while place < self.text.len() {
            let scanned = &self.text[place..self.text.len().min(place + BYTES_PER_SCAN)];
            for (offset, byte) in scanned.iter().enumerate() {
                if *byte == close {
                    depth -= 1;
                    if depth == 0 {
                        call.work(offset / 4)?;
                        return Ok(Some((place + offset + 1, pattern + 2)));
                    }
                } else if *byte == open {
                    depth += 1;
                }
            }
            place += scanned.len();
            call.work(scanned.len() / 4)?;
        }
        Ok(None)
    }

    /// `%f[...]`: a place between a character that is not in the set and one that is. Both ends of the text count as zeros.
    fn frontier(&mut self, call: &mut Call<'_>, text: usize, pattern: usize) -> Result<Option<(usize, usize)>, Raise> {
        if self.at(pattern) != Some(b'[') {
            return Err(call.error("missing '[' after '%f' in pattern"));
        }
        let (item, end) = self.read_item(call, pattern)?;
        let before = if text == 0 { 0 } else { self.text[text - 1] };
        let after = self.text.get(text).copied().unwrap_or(0);
        Ok((!self.contains(item, before) && self.contains(item, after)).then_some((text, end)))
    }

    /// `%1`: what a capture holds, once more.
    fn repeat_capture(
        &mut self,
        call: &mut Call<'_>,
        text: usize,
        digit: u8,
        pattern: usize,
    ) -> Result<Option<(usize, usize)>, Raise> {
        let capture = usize::from(digit).checked_sub(usize::from(b'1')).and_then(|index| self.captures.get(index));
        let (start, length) = match capture {
            Some(Capture { start, length: Length::Bytes(length) }) => (*start, *length),
            // A mark of a place matches nothing.
            Some(Capture { length: Length::Position, .. }) => return Ok(None),
            _ => return Err(call.error("invalid capture index")),
        };
        call.work(length / 64)?;
        let is_repeated = self.text[text..].starts_with(&self.text[start..start + length]);
        Ok(is_repeated.then_some((text + length, pattern)))
    }
}

/// Items, and the bytes that they match.
impl Matcher<'_> {
    #[inline]
    fn at(&self, pattern: usize) -> Option<u8> {
        self.pattern.get(pattern).copied()
    }

    /// The item at a place of the pattern, and where it ends.
    #[inline]
    fn read_item(&mut self, call: &mut Call<'_>, pattern: usize) -> Result<(Item, usize), Raise> {
        match self.pattern[pattern] {
            b'.' => Ok((Item::Any, pattern + 1)),
            b'%' => match self.at(pattern + 1) {
                None => Err(call.error("malformed pattern (ends with '%')")),
                Some(letter) => Ok((Class::named(letter).map_or(Item::Byte(letter), Item::Class), pattern + 2)),
            },
            b'[' => self.read_set(call, pattern),
            byte => Ok((Item::Byte(byte), pattern + 1)),
        }
    }

    fn read_set(&mut self, call: &mut Call<'_>, pattern: usize) -> Result<(Item, usize), Raise> {
        if let Some(index) = self.sets.iter().position(|kept| kept.start == pattern) {
            return Ok((Item::Set(index), self.sets[index].end));
        }
        let end = self.end_of_set(call, pattern)?;
        let set = self.members(call, pattern, end - 1)?;
        let kept = KeptSet { start: pattern, end, set };
        let index = if self.sets.len() < SETS_KEPT {
            self.sets.push(kept);
            self.sets.len() - 1
        } else {
            let index = pattern % SETS_KEPT;
            self.sets[index] = kept;
            index
        };
        Ok((Item::Set(index), end))
    }

    /// Where the set that begins at `start` ends. A `]` right at its beginning is a member.
    fn end_of_set(&mut self, call: &mut Call<'_>, start: usize) -> Result<usize, Raise> {
        let mut place = start + 1 + usize::from(self.at(start + 1) == Some(b'^'));
        loop {
            call.work(1)?;
            match self.at(place) {
                None => return Err(call.error("malformed pattern (missing ']')")),
                Some(b'%') if place + 1 < self.pattern.len() => place += 2,
                Some(_) => place += 1,
            }
            if self.at(place) == Some(b']') {
                return Ok(place + 1);
            }
        }
    }

    /// The members of the set whose brackets are at `start` and `end`.
    fn members(&mut self, call: &mut Call<'_>, start: usize, end: usize) -> Result<Set, Raise> {
        let mut set = Set::EMPTY;
        let is_complement = self.at(start + 1) == Some(b'^');
        let mut place = start + 1 + usize::from(is_complement);
        while place < end {
            call.work(1)?;
            let byte = self.pattern[place];
            if byte == b'%' {
                let letter = self.pattern[place + 1];
                match Class::named(letter) {
                    Some(class) => set.insert_class(class),
                    None => set.insert(letter),
                }
                place += 2;
            } else if self.pattern[place + 1] == b'-' && place + 2 < end {
                set.insert_range(byte, self.pattern[place + 2]);
                place += 3;
            } else {
                set.insert(byte);
                place += 1;
            }
        }
        if is_complement {
            set.invert();
        }
        Ok(set)
    }

    #[inline]
    fn contains(&self, item: Item, byte: u8) -> bool {
        match item {
            Item::Any => true,
            Item::Byte(expected) => byte == expected,
            Item::Class(class) => class.contains(byte),
            Item::Set(index) => self.sets[index].set.contains(byte),
        }
    }

    #[inline]
    fn matches(&self, item: Item, text: usize) -> bool {
        self.text.get(text).is_some_and(|byte| self.contains(item, *byte))
    }

    /// How many characters from `text` on match an item.
    fn run_length(&mut self, call: &mut Call<'_>, item: Item, text: usize) -> Result<usize, Raise> {
        let end = match item {
            Item::Any => self.text.len(),
            Item::Byte(expected) => self.scan(call, text, |byte| byte != expected)?,
            Item::Class(class) => self.scan(call, text, |byte| !class.contains(byte))?,
            Item::Set(index) => {
                let set = self.sets[index].set;
                self.scan(call, text, |byte| !set.contains(byte))?
            }
        };
        Ok(end - text)
    }

    /// The first place from `text` on whose character matches an item.
    fn find(&mut self, call: &mut Call<'_>, item: Item, text: usize) -> Result<Option<usize>, Raise> {
        let place = match item {
            Item::Any => text,
            Item::Byte(expected) => {
                let found = memchr::memchr(expected, &self.text[text..]).map_or(self.text.len(), |found| text + found);
                call.work((found - text) / 64)?;
                found
            }
            Item::Class(class) => self.scan(call, text, |byte| class.contains(byte))?,
            Item::Set(index) => {
                let set = self.sets[index].set;
                self.scan(call, text, |byte| set.contains(byte))?
            }
        };
        Ok((place < self.text.len()).then_some(place))
    }

    /// The first place from `text` on where `byte` is, with nothing but characters that match `item` before it.
    fn find_before(&mut self, call: &mut Call<'_>, byte: u8, item: Item, text: usize) -> Result<Option<usize>, Raise> {
        let place = match item {
            Item::Any => return self.find(call, Item::Byte(byte), text),
            Item::Byte(expected) => self.scan(call, text, |found| found == byte || found != expected)?,
            Item::Class(class) => self.scan(call, text, |found| found == byte || !class.contains(found))?,
            Item::Set(index) => {
                let set = self.sets[index].set;
                self.scan(call, text, |found| found == byte || !set.contains(found))?
            }
        };
        Ok((self.text.get(place) == Some(&byte)).then_some(place))
    }

    /// The first place from `text` on whose character ends the scan, or the end.
    #[inline]
    fn scan(&mut self, call: &mut Call<'_>, text: usize, ends: impl Fn(u8) -> bool) -> Result<usize, Raise> {
        let mut place = text;
        loop {
            let scanned = &self.text[place..self.text.len().min(place + BYTES_PER_SCAN)];
            let found = scanned.iter().position(|byte| ends(*byte)).unwrap_or(scanned.len());
            call.work(found / 4)?;
            place += found;
            if found < scanned.len() || place == self.text.len() {
                return Ok(place);
            }
        }
    }

    /// The byte without which the pattern cannot go on at `pattern`, if it is plain which. A capture may be closed before it.
    fn required_byte(&self, pattern: usize) -> Option<u8> {
        let closes = self.at(pattern)? == b')' && self.captures.iter().any(|capture| capture.length == Length::Open);
        let pattern = pattern + usize::from(closes);
        let (byte, end) = match self.at(pattern)? {
            b'(' | b')' | b'.' | b'[' | b'$' => return None,
            b'%' => (self.at(pattern + 1).filter(|byte| !byte.is_ascii_alphanumeric())?, pattern + 2),
            byte => (byte, pattern + 1),
        };
        (!matches!(self.at(end), Some(b'?' | b'*' | b'-'))).then_some(byte)
    }

    /// The item that each match begins with, if it begins with one. A capture may begin before it.
    fn first_item(&mut self, call: &mut Call<'_>) -> Result<Option<Item>, Raise> {
        let start = match (self.at(0), self.at(1)) {
            (Some(b'('), Some(b')')) => 2,
            (Some(b'('), _) => 1,
            _ => 0,
        };
        let is_item = match self.at(start) {
            None | Some(b'(' | b')') => false,
            Some(b'$') => start + 1 < self.pattern.len(),
            Some(b'%') => !matches!(self.at(start + 1), Some(b'b' | b'f' | b'0'..=b'9')),
            Some(_) => true,
        };
        if !is_item {
            return Ok(None);
        }
        let (item, end) = self.read_item(call, start)?;
        Ok((!matches!(self.at(end), Some(b'?' | b'*' | b'-'))).then_some(item))
    }
}

/// Bounds.
impl Matcher<'_> {
    /// Notes what to try when the match fails further on.
    #[inline]
    fn choose(&mut self, call: &mut Call<'_>, choice: Choice) -> Result<(), Raise> {
        if self.choices.len() == self.choices.capacity() {
            self.make_room(call)?;
        }
        self.choices.push(choice);
        Ok(())
    }

    /// Notes what to undo when the match fails further on. Where nothing else is to be tried, it fails as a whole.
    #[inline]
    fn undo_later(&mut self, call: &mut Call<'_>, undo: Choice) -> Result<(), Raise> {
        if self.choices.is_empty() { Ok(()) } else { self.choose(call, undo) }
    }

    #[cold]
    fn make_room(&mut self, call: &mut Call<'_>) -> Result<(), Raise> {
        let more = self.choices.len();
        call.check_room(2 * more * size_of::<Choice>())?;
        self.choices.reserve_exact(more);
        Ok(())
    }
}
