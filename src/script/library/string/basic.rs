//! What looks at a string or copies it, without a pattern.

use super::output::{Output, PART_BYTES};
use crate::script::lua::{Answer, Call, Kind};

/// A place in a string of `len` bytes, counted from its end if negative.
pub fn position(place: i64, len: usize) -> i64 {
    if place < 0 { (place + len as i64 + 1).max(0) } else { place }
}

pub fn len(call: &mut Call<'_>) -> Answer {
    let len = if call.kind(1) == Kind::String { call.len(1) } else { call.check_bytes(1)?.len() };
    call.push_number(len as f64);
    Ok(1)
}

pub fn sub(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    let first = position(call.check_integer(2)?, text.len()).max(1);
    let last = position(call.integer_or(3, -1)?, text.len()).min(text.len() as i64);
    match text.get(first as usize - 1..last as usize) {
        Some(part) if part.len() == text.len() && call.kind(1) == Kind::String => call.push_copy(1),
        Some(part) => call.push_bytes(part),
        None => call.push_bytes(""),
    }
    Ok(1)
}

pub fn byte(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    let first = position(call.integer_or(2, 1)?, text.len());
    let last = position(call.integer_or(3, first)?, text.len()).min(text.len() as i64);
    let first = first.max(1);
    let Some(part) = text.get(first as usize - 1..last as usize) else { return Ok(0) };
    if i32::try_from(part.len()).is_err() {
        return Err(call.error("string slice too long"));
    }
    if !call.try_reserve(part.len()) {
        return Err(call.error("stack overflow (string slice too long)"));
    }
    for byte in part {
        call.push_number(f64::from(*byte));
    }
    Ok(part.len())
}

pub fn char(call: &mut Call<'_>) -> Answer {
    let args = call.args();
    let mut output = Output::with_room(call, args)?;
    for arg in 1..=args as i32 {
        // As Lua has it: cut to 32 bits.
        let code = call.check_integer(arg)? as i32;
        let Ok(byte) = u8::try_from(code) else { return Err(call.bad_argument(arg, "invalid value")) };
        output.push(call, byte)?;
    }
    output.finish(call)
}

pub fn lower(call: &mut Call<'_>) -> Answer {
    map(call, |part| part.make_ascii_lowercase())
}

pub fn upper(call: &mut Call<'_>) -> Answer {
    map(call, |part| part.make_ascii_uppercase())
}

/// A copy of the string, whose parts `change` changes.
fn map(call: &mut Call<'_>, change: impl Fn(&mut [u8])) -> Answer {
    let text = call.check_bytes(1)?;
    let mut output = Output::with_room(call, text.len())?;
    for part in text.chunks(PART_BYTES) {
        change(output.extend(call, part)?);
    }
    output.finish(call)
}

pub fn reverse(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    let mut output = Output::with_room(call, text.len())?;
    for part in text.rchunks(PART_BYTES) {
        output.extend(call, part)?.reverse();
    }
    output.finish(call)
}

pub fn rep(call: &mut Call<'_>) -> Answer {
    let text = call.check_bytes(1)?;
    // As Lua has it: cut to 32 bits.
    let count = usize::try_from(call.check_integer(2)? as i32).unwrap_or(0);
    let mut output = Output::with_room(call, text.len().saturating_mul(count))?;
    output.repeat(call, &text, count)?;
    output.finish(call)
}
