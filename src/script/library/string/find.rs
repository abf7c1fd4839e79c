//! Looking for a pattern or a text: `find`, `match` and `gmatch`.

use memchr::memmem::Finder;

use super::basic::position;
use super::class::is_plain;
use super::matcher::{Capture, Length, Matcher};
use crate::script::lua::{Answer, Call, Raise};

/// A longer text is searched in parts, between which the script is looked at.
const SEARCHED_AT_ONCE: usize = 1 << 20;

pub fn find(call: &mut Call<'_>) -> Answer {
    find_or_match(call, true)
}

pub fn find_match(call: &mut Call<'_>) -> Answer {
    find_or_match(call, false)
}

fn find_or_match(call: &mut Call<'_>, is_find: bool) -> Answer {
    let text = call.check_bytes(1)?;
    let pattern = call.check_bytes(2)?;
    let from = position(call.integer_or(3, 1)?, text.len()) - 1;
    let from = from.clamp(0, text.len() as i64) as usize;
    if is_find && (call.truth(4) || is_plain(&pattern)) {
        return match find_plain(call, &text, &pattern, from)? {
            Some(start) => {
                call.push_number((start + 1) as f64);
                call.push_number((start + pattern.len()) as f64);
                Ok(2)
            }
            None => nothing(call),
        };
    }
    let anchored = pattern.strip_prefix(b"^");
    let mut matcher = Matcher::new(&text, anchored.unwrap_or(&pattern));
    let found = match anchored {
        Some(_) => matcher.match_at(call, from)?.map(|end| (from, end)),
        None => matcher.search(call, from)?,
    };
    match found {
        None => nothing(call),
        Some((start, end)) if is_find => {
            call.push_number((start + 1) as f64);
            call.push_number(end as f64);
            Ok(2 + push_captures(call, &matcher, None)?)
        }
        Some(whole) => push_captures(call, &matcher, Some(whole)),
    }
}

fn nothing(call: &mut Call<'_>) -> Answer {
    call.push_nil();
    Ok(1)
}

/// Where `wanted` begins in `text`, at `from` or after it.
fn find_plain(call: &mut Call<'_>, text: &[u8], wanted: &[u8], from: usize) -> Result<Option<usize>, Raise> {
    let searched = &text[from..];
    if searched.len() <= SEARCHED_AT_ONCE {
        let found = match wanted {
            [byte] => memchr::memchr(*byte, searched),
            _ => memchr::memmem::find(searched, wanted),
        };
        call.work(found.unwrap_or(searched.len()) / 64)?;
        return Ok(found.map(|found| from + found));
    }
    let finder = Finder::new(wanted);
    // Parts overlap, so that what is wanted is within one of them.
    let part = SEARCHED_AT_ONCE.max(wanted.len());
    let mut start = 0;
    while start + wanted.len() <= searched.len() {
        call.poll()?;
        let end = searched.len().min(start + part + wanted.len());
        if let Some(found) = finder.find(&searched[start..end]) {
            return Ok(Some(from + start + found));
        }
        start += part;
    }
    Ok(None)
}

/// Pushes what the match has captured; if nothing, the `whole` of it where one is given.
pub fn push_captures(
    call: &mut Call<'_>,
    matcher: &Matcher<'_>,
    whole: Option<(usize, usize)>,
) -> Result<usize, Raise> {
    let captures = matcher.captures();
    let pushed = if captures.is_empty() { usize::from(whole.is_some()) } else { captures.len() };
    if pushed > 8 && !call.try_reserve(pushed) {
        return Err(call.error("stack overflow (too many captures)"));
    }
    match (captures, whole) {
        ([], Some((start, end))) => call.push_bytes(&matcher.text()[start..end]),
        _ => captures.iter().try_for_each(|capture| push_capture(call, matcher, *capture))?,
    }
    Ok(pushed)
}

/// Pushes one capture: its text, or the place that it marks.
pub fn push_capture(call: &mut Call<'_>, matcher: &Matcher<'_>, capture: Capture) -> Result<(), Raise> {
    match capture.length {
        Length::Bytes(length) => call.push_bytes(&matcher.text()[capture.start..capture.start + length]),
        Length::Position => call.push_number((capture.start + 1) as f64),
        Length::Open => return Err(call.error("unfinished capture")),
    }
    Ok(())
}

/// Returns a function that finds one match after the other. It holds the text, the pattern and where to go on.
pub fn gmatch(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    let pattern = call.check_bytes(2)?;
    call.push_bytes(text);
    call.push_bytes(pattern);
    call.push_number(0.0);
    call.push_function(next_match, 3);
    Ok(1)
}

fn next_match(call: &mut Call<'_>) -> Answer {
    let text = call.upvalue_bytes(1).unwrap_or_default();
    let pattern = call.upvalue_bytes(2).unwrap_or_default();
    let from = call.number(Call::upvalue(3)).map_or(0, |from| from as usize);
    if from > text.len() {
        return Ok(0);
    }
    let mut matcher = Matcher::new(text, pattern);
    let Some((start, end)) = matcher.search(call, from)? else { return Ok(0) };
    // After an empty match the next one begins further on.
    call.set_upvalue_number(3, (end + usize::from(start == end)) as f64);
    push_captures(call, &matcher, Some((start, end)))
}
