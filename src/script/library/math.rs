//! math.random, whose numbers are the same everywhere: those of `lrand48`, which Redis gives scripts.

use super::Table;
use crate::script::lua::{Answer, Call, Raise};

pub const FUNCTIONS: Table = &[("random", random), ("randomseed", randomseed)];

/// The numbers are below this.
const RANDOM_MAX: u64 = i32::MAX as u64;

fn random(call: &mut Call<'_>) -> Answer {
    check_running(call, "random")?;
    let state = &call.context().random;
    state.set(next(state.get()));
    let fraction = ((state.get() >> 17) % RANDOM_MAX) as f64 / RANDOM_MAX as f64;
    let number = match call.args() {
        0 => fraction,
        1 => {
            let last = call.check_integer(1)? as i32;
            if last < 1 {
                return Err(call.bad_argument(1, "interval is empty"));
            }
            (fraction * f64::from(last)).floor() + 1.0
        }
        2 => {
            let (first, last) = (call.check_integer(1)? as i32, call.check_integer(2)? as i32);
            if first > last {
                return Err(call.bad_argument(2, "interval is empty"));
            }
            let count = last.wrapping_sub(first).wrapping_add(1);
            (fraction * f64::from(count)).floor() + f64::from(first)
        }
        _ => return Err(call.error("wrong number of arguments")),
    };
    call.push_number(number);
    Ok(1)
}

fn randomseed(call: &mut Call<'_>) -> Answer {
    check_running(call, "randomseed")?;
    let seed = call.check_integer(1)? as u32;
    call.context().random.set(u64::from(seed) << 16 | 0x330E);
    Ok(0)
}

/// The generator of `lrand48`.
fn next(state: u64) -> u64 {
    state.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & ((1 << 48) - 1)
}

fn check_running(call: &mut Call<'_>, name: &str) -> Result<(), Raise> {
    if call.context().may_call.get() {
        return Ok(());
    }
    Err(call.error(format!("math.{name} can only be called inside a script invocation")))
}
