//! Coroutines: what resumes them. The rest is Lua's own.

use super::Table;
use crate::script::lua::{Answer, Call, Kind, Left, Value};

pub const FUNCTIONS: Table = &[("resume", resume), ("wrap", wrap)];

fn resume(call: &mut Call<'_>) -> Answer {
    if call.kind(1) != Kind::Thread {
        return Err(call.bad_argument(1, "coroutine expected"));
    }
    push_arguments(call, 2)?;
    let args = call.args() - 1;
    let left = call.resume(1, args)?;
    call.reserve(1)?;
    let (is_good, results) = match left {
        Left::With(results) => (true, results),
        Left::Failed => (false, 1),
    };
    call.push_boolean(is_good);
    call.insert(-1 - results as i32);
    Ok(results + 1)
}

fn wrap(call: &mut Call<'_>) -> Answer {
    call.push_thread(1)?;
    call.push_function(resume_wrapped, 1);
    Ok(1)
}

fn resume_wrapped(call: &mut Call<'_>) -> Answer {
    call.reserve(2)?;
    call.push_copy(Call::upvalue(1));
    let thread = call.top();
    push_arguments(call, 1)?;
    let args = call.args();
    match call.resume(thread, args)? {
        Left::With(results) => Ok(results),
        Left::Failed => {
            if let Value::Bytes(text) = call.value(-1) {
                let text = text.to_vec();
                return Err(call.error(text));
            }
            Err(call.raise())
        }
    }
}

fn push_arguments(call: &mut Call<'_>, first: usize) -> Result<(), crate::script::lua::Raise> {
    let args = call.args();
    call.reserve(args + 2)?;
    for arg in first..=args {
        call.push_copy(arg as i32);
    }
    Ok(())
}
