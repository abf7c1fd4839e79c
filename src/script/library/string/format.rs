//! `format`: what C's `printf` does, within bounds.

use super::output::{Output, PART_BYTES};
use super::spec::{LONGEST, Spec};
use crate::script::lua::{Answer, Call, NumberText, Raise, Value, whole};

/// A text of this length is copied whole if its directive has no precision; of a shorter one only what is before a zero.
const LONG_TEXT: usize = 100;

pub fn format(call: &mut Call<'_>) -> Answer {
    let format = call.check_bytes(1)?;
    let mut output = Output::new(call);
    let mut rest: &[u8] = &format;
    let mut arg = 1;
    while let Some(percent) = memchr::memchr(b'%', rest) {
        output.extend(call, &rest[..percent])?;
        rest = &rest[percent + 1..];
        if let Some(behind) = rest.strip_prefix(b"%") {
            output.push(call, b'%')?;
            rest = behind;
            continue;
        }
        arg += 1;
        if arg > call.args() as i32 {
            return Err(call.bad_argument(arg, "no value"));
        }
        let spec = match Spec::read(rest) {
            Ok(spec) => spec,
            Err(text) => return Err(call.error(text)),
        };
        // Lua finds the zero behind the text.
        let letter = rest.get(spec.len()).copied().unwrap_or(0);
        append(call, &mut output, spec, letter, arg)?;
        rest = &rest[spec.len() + 1..];
    }
    output.extend(call, rest)?;
    output.finish(call)
}

/// Appends one argument as its directive asks for.
fn append(call: &mut Call<'_>, output: &mut Output, spec: Spec<'_>, letter: u8, arg: i32) -> Result<(), Raise> {
    match letter {
        b'c' => {
            let byte = int(call.check_number(arg)?) as u8;
            output.append(call, LONGEST, |to| spec.append_character(to, byte))
        }
        b'd' | b'i' => {
            let number = whole(call.check_number(arg)?);
            if spec.is_empty() {
                output.extend(call, itoa::Buffer::new().format(number).as_bytes()).map(drop)
            } else {
                output.append(call, LONGEST, |to| spec.append_signed(to, number))
            }
        }
        b'o' | b'u' | b'x' | b'X' => {
            let number = unsigned(call.check_number(arg)?);
            output.append(call, LONGEST, |to| spec.append_unsigned(to, letter, number))
        }
        b'e' | b'E' | b'f' | b'g' | b'G' => {
            let number = call.check_number(arg)?;
            output.append(call, LONGEST, |to| spec.append_float(to, letter, number))
        }
        b'q' => append_quoted(call, output, arg),
        b's' => match call.value(arg) {
            Value::Number(number) => append_text(call, output, spec, NumberText::new(number).as_bytes()),
            _ => {
                let text = call.check_bytes(arg)?;
                append_text(call, output, spec, &text)
            }
        },
        _ => {
            let letter: &[u8] = if letter == 0 { b"" } else { &[letter] };
            Err(call.error([b"invalid option '%", letter, b"' to 'format'"].concat()))
        }
    }
}

fn append_text(call: &mut Call<'_>, output: &mut Output, spec: Spec<'_>, text: &[u8]) -> Result<(), Raise> {
    if spec.precision.is_none() && text.len() >= LONG_TEXT {
        output.extend(call, text).map(drop)
    } else {
        output.append(call, LONGEST, |to| spec.append_text(to, text))
    }
}

/// Appends a text so that Lua reads it as it is.
fn append_quoted(call: &mut Call<'_>, output: &mut Output, arg: i32) -> Result<(), Raise> {
    let text = call.check_bytes(arg)?;
    output.push(call, b'"')?;
    for part in text.chunks(PART_BYTES) {
        let mut rest = part;
        while let Some(place) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | 0)) {
            output.extend(call, &rest[..place])?;
            let escaped: &[u8] = match rest[place] {
                b'"' => b"\\\"",
                b'\\' => b"\\\\",
                b'\n' => b"\\\n",
                b'\r' => b"\\r",
                _ => b"\\000",
            };
            output.extend(call, escaped)?;
            rest = &rest[place + 1..];
        }
        output.extend(call, rest)?;
    }
    output.push(call, b'"')
}

/// A number as C's `int` on x86-64: what does not fit is the least one.
fn int(number: f64) -> i32 {
    if number > -2_147_483_649.0 && number < 2_147_483_648.0 { number as i32 } else { i32::MIN }
}

/// A number as C's `unsigned long` on x86-64, where gcc takes half of the range off before and adds it afterwards.
fn unsigned(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if number >= HALF { whole(number - HALF) as u64 ^ (1 << 63) } else { whole(number) as u64 }
}
