//! The global `bit`: operations on numbers of 32 bits (<https://bitop.luajit.org/api.html>).

use crate::script::lua::{Answer, Call, Function, Kind, Raise};

// In this order the names come when a script goes through the table.
pub const FUNCTIONS: &[(&str, Function)] = &[
    ("tobit", to_bit),
    ("bnot", |call| push(call, |bits| !bits)),
    ("band", |call| fold(call, |one, other| one & other)),
    ("bor", |call| fold(call, |one, other| one | other)),
    ("bxor", |call| fold(call, |one, other| one ^ other)),
    ("lshift", |call| shift(call, |bits, by| bits << by)),
    ("rshift", |call| shift(call, |bits, by| bits >> by)),
    ("arshift", |call| shift(call, |bits, by| (bits as i32 >> by) as u32)),
    ("rol", |call| shift(call, u32::rotate_left)),
    ("ror", |call| shift(call, u32::rotate_right)),
    ("bswap", |call| push(call, u32::swap_bytes)),
    ("tohex", to_hex),
];

/// The low 32 bits of an argument, a number or a string that is one, rounded to a whole number.
fn bits(call: &mut Call<'_>, arg: i32) -> Result<u32, Raise> {
    // 2^52 + 2^51: added to it, a number has its whole part in the low bits of the sum's significand.
    const ALIGNING: f64 = 6_755_399_441_055_744.0;
    Ok((call.check_number(arg)? + ALIGNING).to_bits() as u32)
}

fn answer(call: &mut Call<'_>, bits: u32) -> Answer {
    call.push_number(f64::from(bits as i32));
    Ok(1)
}

fn to_bit(call: &mut Call<'_>) -> Answer {
    push(call, |bits| bits)
}

fn push(call: &mut Call<'_>, change: fn(u32) -> u32) -> Answer {
    let bits = bits(call, 1)?;
    answer(call, change(bits))
}

fn fold(call: &mut Call<'_>, join: fn(u32, u32) -> u32) -> Answer {
    let mut joined = bits(call, 1)?;
    for arg in (2..=call.args() as i32).rev() {
        joined = join(joined, bits(call, arg)?);
    }
    answer(call, joined)
}

fn shift(call: &mut Call<'_>, change: fn(u32, u32) -> u32) -> Answer {
    let (value, by) = (bits(call, 1)?, bits(call, 2)?);
    answer(call, change(value, by & 31))
}

/// The low hexadecimal digits, eight at most; in capitals where their number is negative.
fn to_hex(call: &mut Call<'_>) -> Answer {
    const DIGITS_MAX: u32 = 8;
    let value = bits(call, 1)?;
    let count = if call.kind(2) == Kind::None { DIGITS_MAX as i32 } else { bits(call, 2)? as i32 };
    let text = if count < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    // The least number has no positive one (CVE-2024-31449).
    let count = count.unsigned_abs().min(DIGITS_MAX);
    call.push_bytes(&text[(DIGITS_MAX - count) as usize..]);
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::script::testing::attempt;

    #[test]
    fn numbers_are_rounded_to_32_bits() {
        for (call, result) in [
            ("bit.tobit(0xffffffff)", "-1"),
            ("bit.tobit(2^32 + 7)", "7"),
            ("bit.tobit(1.5)", "2"),
            ("bit.tobit(2.5)", "2"),
            ("bit.tobit(-1.5)", "-2"),
            ("bit.tobit('12')", "12"),
            ("bit.tobit(0/0)", "0"),
            ("bit.tobit(math.huge)", "0"),
            ("bit.tobit(2^51)", "0"),
            ("bit.tobit(2^53 + 2)", "1"),
            ("bit.tobit(-2^31)", "-2147483648"),
            ("bit.tobit()", "bad argument #1 to 'tobit' (number expected, got no value)"),
            ("bit.tobit('x')", "bad argument #1 to 'tobit' (number expected, got string)"),
        ] {
            assert_eq!(attempt(call), result, "{call}");
        }
    }

    #[test]
    fn operations_take_and_return_signed_numbers_of_32_bits() {
        for (call, result) in [
            ("bit.bnot(0)", "-1"),
            ("bit.bnot(0x12345678)", "-305419897"),
            ("bit.band(1.5, 3)", "2"),
            ("bit.band(0x12345678, 0xff)", "120"),
            ("bit.band(5)", "5"),
            ("bit.bor(1, 2, 4, 8)", "15"),
            ("bit.bxor(0xa5a5f0f0, 0xaa55ff00)", "267390960"),
            ("bit.band()", "bad argument #1 to 'band' (number expected, got no value)"),
            ("bit.bor(1, {}, nil)", "bad argument #3 to 'bor' (number expected, got nil)"),
            ("bit.lshift(1, 31)", "-2147483648"),
            ("bit.lshift(1, 32)", "1"),
            ("bit.lshift(1, -1)", "-2147483648"),
            ("bit.rshift(-256, 8)", "16777215"),
            ("bit.arshift(-256, 8)", "-1"),
            ("bit.rol(0x12345678, 12)", "1164411171"),
            ("bit.ror(0x12345678, 12)", "1736516421"),
            ("bit.ror(5, 0)", "5"),
            ("bit.bswap(0x12345678)", "2018915346"),
            ("bit.lshift(1)", "bad argument #2 to 'lshift' (number expected, got no value)"),
        ] {
            assert_eq!(attempt(call), result, "{call}");
        }
    }

    #[test]
    fn hexadecimal_digits_are_the_low_ones() {
        for (call, result) in [
            ("bit.tohex(1)", "00000001"),
            ("bit.tohex(-1)", "ffffffff"),
            ("bit.tohex(-1, 4)", "ffff"),
            ("bit.tohex(0xabcdef01, -4)", "EF01"),
            ("bit.tohex(0x021, 2)", "21"),
            ("bit.tohex(1, 0)", ""),
            ("bit.tohex(1, 100)", "00000001"),
            ("bit.tohex(65535, -2147483648)", "0000FFFF"),
            ("bit.tohex(1, nil)", "bad argument #2 to 'tohex' (number expected, got nil)"),
        ] {
            assert_eq!(attempt(call), result, "{call}");
        }
    }
}
