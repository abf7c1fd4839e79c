//! Binary floating-point numbers before they are rounded to the precision that they are wanted in.

/// `mantissa * 2^exponent`, and a bit more than that, but by less than `2^exponent`, where `inexact` is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binary {
    pub(super) mantissa: u128,
    pub(super) exponent: i64,
    pub(super) inexact: bool,
}

impl Binary {
    /// Rounds to the nearest number whose mantissa has at most `precision` bits and whose exponent is not below
    /// `exponent_min`; of two equally near ones to that with the even mantissa. An inexact number has to have at least
    /// one bit more than is kept of it.
    pub(super) fn round(self, precision: u32, exponent_min: i64) -> (u64, i64) {
        let bits = i64::from(u128::BITS - self.mantissa.leading_zeros());
        let drop = (bits - i64::from(precision)).max(exponent_min - self.exponent).max(0);
        debug_assert!(!self.inexact || drop > 0);
        let Ok(drop @ 0..=128) = u32::try_from(drop) else {
            return (0, exponent_min);
        };
        let mut kept = self.mantissa.checked_shr(drop).unwrap_or(0);
        let mut exponent = self.exponent + i64::from(drop);
        if drop > 0 {
            let cut = self.mantissa << (128 - drop);
            let half = 1u128 << 127;
            if cut > half || (cut == half && (self.inexact || kept & 1 == 1)) {
                kept += 1;
            }
            if kept >> precision == 1 {
                kept >>= 1;
                exponent += 1;
            }
        }
        (kept as u64, exponent)
    }

    /// Rounds to a double.
    pub(super) fn to_f64(self) -> f64 {
        // The last bit of the smallest doubles is 2^-1074.
        let (mantissa, exponent) = self.round(53, -1074);
        if mantissa == 0 {
            return 0.0;
        }
        let Some(exponent) = i32::try_from(exponent).ok().filter(|&exponent| exponent <= 1023) else {
            return f64::INFINITY;
        };
        // A mantissa of 53 bits is exact as a double, and so are the powers; two of them reach the subnormal range.
        mantissa as f64 * 2f64.powi(exponent.max(-1022)) * 2f64.powi(exponent.min(-1022) + 1022)
    }

    /// Reads what follows the `0x` of a hexadecimal number: digits with at most one point, and perhaps `p` and a
    /// binary exponent in decimal.
    pub(super) fn parse_hexadecimal(text: &[u8]) -> Option<Self> {
        let mut number = Self { mantissa: 0, exponent: 0, inexact: false };
        let (mut any_digit, mut after_point) = (false, false);
        let mut rest = text;
        while let [byte, tail @ ..] = rest {
            if let Some(digit) = char::from(*byte).to_digit(16) {
                any_digit = true;
                if number.mantissa >> 124 == 0 {
                    number.mantissa = number.mantissa << 4 | u128::from(digit);
                    number.exponent -= if after_point { 4 } else { 0 };
                } else {
                    number.inexact |= digit != 0;
                    number.exponent += if after_point { 0 } else { 4 };
                }
            } else if *byte == b'.' && !after_point {
                after_point = true;
            } else {
                break;
            }
            rest = tail;
        }
        if !any_digit {
            return None;
        }
        match rest {
            [] => {}
            [b'p' | b'P', power @ ..] => number.exponent += parse_power(power)?,
            _ => return None,
        }
        Some(number)
    }
}

/// Reads an exponent as `strtod` does, a sign and at least one digit, but lets it grow no further than any number's
/// range can need.
pub(super) fn parse_power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits.iter().fold(0i64, |power, byte| (power * 10 + i64::from(byte - b'0')).min(1 << 50));
    Some(if negative { -magnitude } else { magnitude })
}
