//! `gsub`: replacing what a pattern matches.

use super::find::{push_capture, push_captures};
use super::matcher::{Capture, Length, Matcher};
use super::output::Output;
use crate::script::lua::{Answer, Call, Kind, NumberText, Raise, Value};

/// Where the replacement is among the arguments.
const REPLACEMENT: i32 = 3;

/// The replacement for each match.
#[derive(Clone, Copy)]
enum Replacement<'a> {
    /// A literal text.
    Text(&'a [u8]),
    /// A text in which `%1` is the first capture.
    Template(&'a [u8]),
    Table,
    Function,
}

pub fn gsub(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    let pattern = call.check_bytes(2)?;
    let most = call.integer_or(4, text.len() as i64 + 1)? as i32;
    let number;
    let replacement = match call.kind(REPLACEMENT) {
        Kind::String => Replacement::from_text(call.arg_bytes(REPLACEMENT).unwrap_or_default()),
        Kind::Number => {
            number = call.check_bytes(REPLACEMENT)?;
            Replacement::from_text(&number)
        }
        Kind::Table => Replacement::Table,
        Kind::Function => Replacement::Function,
        _ => return Err(call.bad_argument(REPLACEMENT, "string/function/table expected")),
    };
    let anchored = pattern.strip_prefix(b"^");
    let mut matcher = Matcher::new(&text, anchored.unwrap_or(&pattern));
    let mut output = Output::new(call);
    let (mut done, mut from, mut copied) = (0, 0, 0);
    while done < most && from <= text.len() {
        let found = match anchored {
            Some(_) => matcher.match_at(call, from)?.map(|end| (from, end)),
            None => matcher.search(call, from)?,
        };
        let Some((start, end)) = found else { break };
        done += 1;
        output.extend(call, &text[copied..start])?;
        replace(call, &matcher, replacement, (start, end), &mut output)?;
        copied = end;
        // After an empty match the next one begins further on.
        from = end + usize::from(start == end);
        if anchored.is_some() {
            break;
        }
    }
    if done == 0 && call.kind(1) == Kind::String {
        call.push_copy(1);
    } else {
        output.extend(call, &text[copied..])?;
        output.finish(call)?;
    }
    call.push_number(f64::from(done));
    Ok(2)
}

impl<'a> Replacement<'a> {
    fn from_text(text: &'a [u8]) -> Self {
        if memchr::memchr(b'%', text).is_some() { Self::Template(text) } else { Self::Text(text) }
    }
}

/// Appends the replacement of one match, which is from `start` to `end`.
fn replace(
    call: &mut Call<'_>,
    matcher: &Matcher<'_>,
    replacement: Replacement<'_>,
    (start, end): (usize, usize),
    output: &mut Output,
) -> Result<(), Raise> {
    let whole = &matcher.text()[start..end];
    match replacement {
        Replacement::Text(text) => return output.extend(call, text).map(drop),
        Replacement::Template(template) => return fill_in(call, matcher, template, whole, output),
        Replacement::Table => {
            push_first(call, matcher, whole)?;
            call.raw_get(REPLACEMENT);
            if call.kind(-1) == Kind::Nil && call.push_metatable(REPLACEMENT) {
                call.pop(2);
                push_first(call, matcher, whole)?;
                call.get(REPLACEMENT)?;
            }
        }
        Replacement::Function => {
            call.push_copy(REPLACEMENT);
            let args = push_captures(call, matcher, Some((start, end)))?;
            call.call(args, 1)?;
        }
    }
    match call.value(-1) {
        Value::Nil | Value::Boolean(false) => output.extend(call, whole).map(drop)?,
        Value::Number(number) => output.extend(call, NumberText::new(number).as_bytes()).map(drop)?,
        Value::Bytes(_) => output.extend_from_top(call)?,
        Value::Boolean(true) | Value::Other(_) => {
            let kind = call.kind(-1).name();
            return Err(call.error(format!("invalid replacement value (a {kind})")));
        }
    }
    call.pop(1);
    Ok(())
}

/// The key of a match: its first capture, or the whole of it.
fn push_first(call: &mut Call<'_>, matcher: &Matcher<'_>, whole: &[u8]) -> Result<(), Raise> {
    match matcher.captures().first() {
        Some(capture) => push_capture(call, matcher, *capture),
        None => {
            call.push_bytes(whole);
            Ok(())
        }
    }
}

/// Appends a template, with captures where it has `%1` and the like.
fn fill_in(
    call: &mut Call<'_>,
    matcher: &Matcher<'_>,
    template: &[u8],
    whole: &[u8],
    output: &mut Output,
) -> Result<(), Raise> {
    let mut rest = template;
    while let Some(percent) = memchr::memchr(b'%', rest) {
        output.extend(call, &rest[..percent])?;
        // Lua finds the zero behind the text.
        let byte = rest.get(percent + 1).copied().unwrap_or(0);
        match byte {
            b'0' => output.extend(call, whole).map(drop)?,
            b'1'..=b'9' => add_capture(call, matcher, usize::from(byte - b'1'), whole, output)?,
            _ => output.push(call, byte)?,
        }
        rest = rest.get(percent + 2..).unwrap_or_default();
    }
    output.extend(call, rest).map(drop)
}

fn add_capture(
    call: &mut Call<'_>,
    matcher: &Matcher<'_>,
    index: usize,
    whole: &[u8],
    output: &mut Output,
) -> Result<(), Raise> {
    match matcher.captures().get(index) {
        Some(Capture { start, length: Length::Bytes(length) }) => {
            output.extend(call, &matcher.text()[*start..start + length])?;
        }
        Some(Capture { start, length: Length::Position }) => {
            output.extend(call, NumberText::new((start + 1) as f64).as_bytes())?;
        }
        Some(Capture { length: Length::Open, .. }) => return Err(call.error("unfinished capture")),
        None if index == 0 => {
            output.extend(call, whole)?;
        }
        None => return Err(call.error("invalid capture index")),
    }
    Ok(())
}
