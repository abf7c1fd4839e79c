//! How a library encodes and decodes, and the functions that change it.

use crate::script::lua::{Answer, Call, Kind, Raise};

/// Each function of a library has the table of its settings, and whether the library is a script's own.
pub const UPVALUES: usize = 2;

const TABLE: i32 = 1;
const IS_SCRIPTS_OWN: i32 = 2;

/// All settings as numbers, as the table holds them from place 2 on. At place 1 is for which run of a script they hold: a
/// script's settings end with it, but those of a library of its own. An empty table means the defaults.
#[derive(Clone, Copy)]
pub struct Settings([i32; Setting::COUNT]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    SparseConvert,
    SparseRatio,
    SparseSafe,
    EncodeMaxDepth,
    DecodeMaxDepth,
    NumberPrecision,
    KeepBuffer,
    EncodeInvalid,
    DecodeInvalid,
}

impl Setting {
    const COUNT: usize = Self::DecodeInvalid as usize + 1;
}

/// What becomes of numbers that JSON does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Invalid {
    Refused,
    Written,
    Null,
}

impl Settings {
    const DEFAULT: Self = Self([0, 2, 10, 1000, 1000, 14, 1, 0, 1]);

    /// Those of the library whose function is called.
    pub fn of(call: &mut Call<'_>) -> Self {
        let table = Call::upvalue(TABLE);
        if call.len(table) == 0 {
            return Self::DEFAULT;
        }
        let mut number = |place: usize| {
            call.raw_get_index(table, place as i32);
            let number = call.number(-1).unwrap_or_default();
            call.pop(1);
            number
        };
        let run = number(1);
        let numbers = std::array::from_fn(|setting| number(setting + 2) as i32);
        if run == Self::run(call) { Self(numbers) } else { Self::DEFAULT }
    }

    /// For which run what is set now holds. All runs are one for a script's own library.
    fn run(call: &Call<'_>) -> f64 {
        if call.truth(Call::upvalue(IS_SCRIPTS_OWN)) { 0.0 } else { call.context().runs() as f64 }
    }

    fn keep(&self, call: &mut Call<'_>) {
        let table = Call::upvalue(TABLE);
        let run = Self::run(call);
        for (place, number) in [run].into_iter().chain(self.0.map(f64::from)).enumerate() {
            call.push_number(number);
            call.raw_set_index(table, place as i32 + 1);
        }
    }

    fn get(&self, setting: Setting) -> i32 {
        self.0[setting as usize]
    }

    fn set(&mut self, setting: Setting, number: i32) {
        self.0[setting as usize] = number;
    }

    /// Lists with too many holes are written as objects, and not refused.
    pub fn sparse_convert(&self) -> bool {
        self.get(Setting::SparseConvert) != 0
    }

    /// A list whose last place is above this many times its values has too many holes; 0 allows any.
    pub fn sparse_ratio(&self) -> i32 {
        self.get(Setting::SparseRatio)
    }

    /// A list that ends here or before may have any holes.
    pub fn sparse_safe(&self) -> i32 {
        self.get(Setting::SparseSafe)
    }

    pub fn encode_max_depth(&self) -> i32 {
        self.get(Setting::EncodeMaxDepth)
    }

    pub fn decode_max_depth(&self) -> i32 {
        self.get(Setting::DecodeMaxDepth)
    }

    pub fn number_precision(&self) -> usize {
        self.get(Setting::NumberPrecision) as usize
    }

    pub fn encode_invalid(&self) -> Invalid {
        match self.get(Setting::EncodeInvalid) {
            0 => Invalid::Refused,
            1 => Invalid::Written,
            _ => Invalid::Null,
        }
    }

    pub fn decode_invalid(&self) -> bool {
        self.get(Setting::DecodeInvalid) != 0
    }

    /// Takes an argument that is a whole number, if there is one, and pushes what holds then.
    fn take_integer(
        &mut self,
        call: &mut Call<'_>,
        arg: i32,
        setting: Setting,
        min: i32,
        max: i32,
    ) -> Result<(), Raise> {
        if is_given(call, arg) {
            let number = call.check_integer(arg)? as i32;
            if !(min..=max).contains(&number) {
                // Redis names the first argument whichever it is.
                return Err(call.bad_argument(1, format!("expected integer between {min} and {max}")));
            }
            self.set(setting, number);
        }
        call.push_number(self.get(setting).into());
        Ok(())
    }

    /// Takes an argument that is a boolean or a name, if there is one, and pushes what holds then.
    fn take_choice(&mut self, call: &mut Call<'_>, arg: i32, setting: Setting, names: &[&str]) -> Result<(), Raise> {
        match call.kind(arg) {
            _ if !is_given(call, arg) => {}
            Kind::Boolean => self.set(setting, call.truth(arg).into()),
            _ => {
                let text = call.check_bytes(arg)?;
                let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
                let Some(number) = names.iter().position(|name| name.as_bytes() == text) else {
                    return Err(call.bad_argument(arg, [b"invalid option '", text, b"'"].concat()));
                };
                self.set(setting, number as i32);
            }
        }
        match self.get(setting) {
            number @ 0..=1 => call.push_boolean(number == 1),
            number => call.push_bytes(names[number as usize]),
        }
        Ok(())
    }
}

/// Whether an argument is there. Above the arguments are the results.
fn is_given(call: &Call<'_>, arg: i32) -> bool {
    arg as usize <= call.args() && !call.kind(arg).is_nothing()
}

/// Takes all arguments by `take`, and keeps what it has set, even if one of them is wrong.
fn change(
    call: &mut Call<'_>,
    args: usize,
    take: impl FnOnce(&mut Settings, &mut Call<'_>) -> Result<(), Raise>,
) -> Answer {
    if call.args() > args {
        return Err(call.bad_argument(args as i32 + 1, "found too many arguments"));
    }
    let mut settings = Settings::of(call);
    let result = take(&mut settings, call);
    if call.args() > 0 {
        settings.keep(call);
    }
    result.map(|()| args)
}

const SWITCH: &[&str] = &["off", "on"];

pub fn encode_sparse_array(call: &mut Call<'_>) -> Answer {
    change(call, 3, |settings, call| {
        settings.take_choice(call, 1, Setting::SparseConvert, SWITCH)?;
        settings.take_integer(call, 2, Setting::SparseRatio, 0, i32::MAX)?;
        settings.take_integer(call, 3, Setting::SparseSafe, 0, i32::MAX)
    })
}

pub fn encode_max_depth(call: &mut Call<'_>) -> Answer {
    change(call, 1, |settings, call| settings.take_integer(call, 1, Setting::EncodeMaxDepth, 1, i32::MAX))
}

pub fn decode_max_depth(call: &mut Call<'_>) -> Answer {
    change(call, 1, |settings, call| settings.take_integer(call, 1, Setting::DecodeMaxDepth, 1, i32::MAX))
}

pub fn encode_number_precision(call: &mut Call<'_>) -> Answer {
    change(call, 1, |settings, call| settings.take_integer(call, 1, Setting::NumberPrecision, 1, 14))
}

/// A buffer is kept from one call to the next whatever is set here: scripts cannot see it.
pub fn encode_keep_buffer(call: &mut Call<'_>) -> Answer {
    change(call, 1, |settings, call| settings.take_choice(call, 1, Setting::KeepBuffer, SWITCH))
}

pub fn encode_invalid_numbers(call: &mut Call<'_>) -> Answer {
    change(call, 1, |settings, call| settings.take_choice(call, 1, Setting::EncodeInvalid, &["off", "on", "null"]))
}

pub fn decode_invalid_numbers(call: &mut Call<'_>) -> Answer {
    change(call, 1, |settings, call| settings.take_choice(call, 1, Setting::DecodeInvalid, SWITCH))
}

#[cfg(test)]
mod tests {
    use crate::script::testing::attempt;

    #[test]
    fn settings_are_returned_as_they_are_set() {
        for (call, result) in [
            ("cjson.encode_number_precision()", "14"),
            ("cjson.encode_number_precision(3.9)", "3"),
            ("cjson.encode_number_precision('5')", "5"),
            ("cjson.encode_max_depth()", "1000"),
            ("cjson.decode_max_depth(2^32 + 7)", "7"),
            ("cjson.encode_keep_buffer()", "true"),
            ("cjson.encode_keep_buffer('off')", "false"),
            ("cjson.encode_invalid_numbers()", "false"),
            ("cjson.encode_invalid_numbers('null')", "null"),
            ("cjson.encode_invalid_numbers(true)", "true"),
            ("cjson.decode_invalid_numbers()", "true"),
            ("select('#', cjson.encode_sparse_array())", "3"),
            ("tostring((cjson.encode_sparse_array())) .. select(2, cjson.encode_sparse_array(true, 5))", "false5"),
            ("select(3, cjson.encode_sparse_array(true, 5, 6))", "6"),
        ] {
            assert_eq!(attempt(call), result, "{call}");
        }
    }

    #[test]
    fn what_cannot_be_set_is_refused_in_the_words_of_redis() {
        for (call, text) in [
            (
                "cjson.encode_number_precision(15)",
                "bad argument #1 to 'encode_number_precision' (expected integer between 1 and 14)",
            ),
            (
                "cjson.encode_max_depth(0)",
                "bad argument #1 to 'encode_max_depth' (expected integer between 1 and 2147483647)",
            ),
            ("cjson.decode_max_depth({})", "bad argument #1 to 'decode_max_depth' (number expected, got table)"),
            ("cjson.decode_max_depth(1, 2)", "bad argument #2 to 'decode_max_depth' (found too many arguments)"),
            (
                "cjson.encode_sparse_array(true, -1)",
                "bad argument #1 to 'encode_sparse_array' (expected integer between 0 and 2147483647)",
            ),
            ("cjson.encode_sparse_array('x')", "bad argument #1 to 'encode_sparse_array' (invalid option 'x')"),
            ("cjson.encode_keep_buffer({})", "bad argument #1 to 'encode_keep_buffer' (string expected, got table)"),
            (
                "cjson.encode_invalid_numbers('nul')",
                "bad argument #1 to 'encode_invalid_numbers' (invalid option 'nul')",
            ),
        ] {
            assert_eq!(attempt(call), text, "{call}");
        }
    }
}
