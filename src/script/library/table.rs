//! The table library. What takes as long as a table is large, or as a number says, asks whether the script may go on.

use super::Table;
use crate::script::lua::{Answer, Call, Kind, Raise, Value, number_text};

pub const FUNCTIONS: Table = &[
    ("concat", concat),
    ("foreach", foreach),
    ("foreachi", foreachi),
    ("getn", getn),
    ("insert", insert),
    ("maxn", maxn),
    ("remove", remove),
    ("setn", setn),
    ("sort", sort),
];

fn length(call: &mut Call<'_>) -> Result<i32, Raise> {
    call.check_table(1)?;
    Ok(call.len(1) as i32)
}

fn check_function(call: &mut Call<'_>, arg: i32) -> Result<(), Raise> {
    if call.kind(arg) == Kind::Function { Ok(()) } else { Err(call.wrong_type(arg, "function")) }
}

fn getn(call: &mut Call<'_>) -> Answer {
    let length = length(call)?;
    call.push_number(length.into());
    Ok(1)
}

fn setn(call: &mut Call<'_>) -> Answer {
    call.check_table(1)?;
    Err(call.error("'setn' is obsolete"))
}

fn maxn(call: &mut Call<'_>) -> Answer {
    call.check_table(1)?;
    let mut max = 0.0;
    call.push_nil();
    while call.next(1) {
        call.pop(1);
        if let Value::Number(number) = call.value(-1)
            && number > max
        {
            max = number;
        }
        call.work(1)?;
    }
    call.push_number(max);
    Ok(1)
}

fn insert(call: &mut Call<'_>) -> Answer {
    let next = length(call)?.wrapping_add(1);
    let place = match call.args() {
        2 => next,
        3 => {
            let place = call.check_integer(2)? as i32;
            call.check_writable(1)?;
            let mut index = next.max(place);
            while index > place {
                call.raw_get_index(1, index - 1);
                call.raw_set_index(1, index);
                index -= 1;
                call.work(1)?;
            }
            place
        }
        _ => return Err(call.error("wrong number of arguments to 'insert'")),
    };
    call.check_writable(1)?;
    call.push_copy(call.args() as i32);
    call.raw_set_index(1, place);
    Ok(0)
}

fn remove(call: &mut Call<'_>) -> Answer {
    let last = length(call)?;
    let place = call.integer_or(2, last.into())? as i32;
    if !(1..=last).contains(&place) {
        return Ok(0);
    }
    call.raw_get_index(1, place);
    for index in place..last {
        call.raw_get_index(1, index + 1);
        call.raw_set_index(1, index);
        call.work(1)?;
    }
    call.push_nil();
    call.raw_set_index(1, last);
    Ok(1)
}

fn concat(call: &mut Call<'_>) -> Answer {
    let separator = if call.kind(2).is_nothing() { Vec::new() } else { call.check_bytes(2)?.to_vec() };
    call.check_table(1)?;
    let first = call.integer_or(3, 1)? as i32;
    let last = match call.kind(4).is_nothing() {
        true => call.len(1) as i32,
        false => call.check_integer(4)? as i32,
    };
    let mut text = Vec::new();
    for index in first..=last {
        call.raw_get_index(1, index);
        match call.value(-1) {
            Value::Bytes(bytes) => {
                let needed = text.len() + bytes.len() + separator.len();
                if needed > text.capacity() {
                    // The buffer, and the string that is made of it.
                    let room = needed.max(text.capacity() * 2);
                    call.check_room(room + needed)?;
                    text.reserve_exact(room - text.len());
                }
                text.extend_from_slice(call.bytes(-1).unwrap_or_default());
            }
            Value::Number(number) => text.extend_from_slice(number_text(number).as_bytes()),
            _ => {
                let kind = call.kind(-1).name();
                return Err(call.error(format!("invalid value ({kind}) at index {index} in table for 'concat'")));
            }
        }
        if index != last {
            text.extend_from_slice(&separator);
        }
        call.pop(1);
        call.work(1)?;
    }
    call.check_room(text.len())?;
    call.push_bytes(&text);
    Ok(1)
}

fn foreachi(call: &mut Call<'_>) -> Answer {
    let last = length(call)?;
    check_function(call, 2)?;
    for index in 1..=last {
        call.push_copy(2);
        call.push_number(index.into());
        call.raw_get_index(1, index);
        call.call(2, 1)?;
        if call.kind(-1) != Kind::Nil {
            return Ok(1);
        }
        call.pop(1);
        call.work(1)?;
    }
    Ok(0)
}

fn foreach(call: &mut Call<'_>) -> Answer {
    call.check_table(1)?;
    check_function(call, 2)?;
    call.push_nil();
    loop {
        // The function may have changed the table, so that this can fail.
        call.push_direct(crate::script::lua::Direct::NEXT);
        call.insert(-2);
        call.push_copy(1);
        call.insert(-2);
        call.call(2, 2)?;
        if call.kind(-2) == Kind::Nil {
            return Ok(0);
        }
        let key = call.top() - 1;
        call.push_copy(2);
        call.push_copy(key);
        call.push_copy(key + 1);
        call.call(2, 1)?;
        if call.kind(-1) != Kind::Nil {
            return Ok(1);
        }
        call.pop(2);
        call.work(1)?;
    }
}

fn sort(call: &mut Call<'_>) -> Answer {
    let length = length(call)?;
    let has_order = !call.kind(2).is_nothing();
    if has_order {
        check_function(call, 2)?;
    }
    call.reserve(10)?;
    Sorter { call, has_order }.sort(1, length)?;
    Ok(0)
}

/// Sorts as Lua does, so that what compares equal ends in the same order.
struct Sorter<'a, 'c> {
    call: &'a mut Call<'c>,
    /// The second argument says what is less.
    has_order: bool,
}

impl Sorter<'_, '_> {
    fn sort(&mut self, low: i32, high: i32) -> Result<(), Raise> {
        let mut ranges = vec![(low, high)];
        while let Some((low, high)) = ranges.pop() {
            let Some(middle) = self.partition(low, high)? else { continue };
            let (left, right) = ((low, middle - 1), (middle + 1, high));
            // The smaller one first, so that the list stays short.
            if middle - low < high - middle { ranges.extend([right, left]) } else { ranges.extend([left, right]) }
        }
        Ok(())
    }

    /// Brings what is less than some element before that, and the rest behind. Returns where that is, unless the range is
    /// sorted already.
    fn partition(&mut self, low: i32, high: i32) -> Result<Option<i32>, Raise> {
        if low >= high {
            return Ok(None);
        }
        self.order(low, high)?;
        if high - low == 1 {
            return Ok(None);
        }
        let middle = low + (high - low) / 2;
        if !self.order(low, middle)? {
            self.order(middle, high)?;
        }
        if high - low == 2 {
            return Ok(None);
        }
        self.call.raw_get_index(1, middle);
        self.swap(middle, high - 1);
        // The pivot stays on top meanwhile.
        let (mut left, mut right) = (low, high - 1);
        loop {
            left = self.pass(left, 1, low, high)?;
            right = self.pass(right, -1, low, high)?;
            if right < left {
                break;
            }
            self.swap(left, right);
        }
        self.call.pop(1);
        self.swap(high - 1, left);
        Ok(Some(left))
    }

    /// The next element from `index` on that is on the wrong side of the pivot, which is on top.
    fn pass(&mut self, mut index: i32, step: i32, low: i32, high: i32) -> Result<i32, Raise> {
        loop {
            index += step;
            self.call.raw_get_index(1, index);
            let (one, other) = if step > 0 { (-1, -2) } else { (-2, -1) };
            let is_right = self.is_less(one, other)?;
            self.call.pop(1);
            if !is_right {
                return Ok(index);
            }
            if index > high || index < low {
                return Err(self.call.error("invalid order function for sorting"));
            }
        }
    }

    /// Swaps two elements if the later one is less.
    fn order(&mut self, early: i32, late: i32) -> Result<bool, Raise> {
        self.call.raw_get_index(1, early);
        self.call.raw_get_index(1, late);
        let is_less = self.is_less(-1, -2)?;
        if is_less {
            self.call.raw_set_index(1, early);
            self.call.raw_set_index(1, late);
        } else {
            self.call.pop(2);
        }
        Ok(is_less)
    }

    fn swap(&mut self, one: i32, other: i32) {
        self.call.raw_get_index(1, one);
        self.call.raw_get_index(1, other);
        self.call.raw_set_index(1, one);
        self.call.raw_set_index(1, other);
    }

    fn is_less(&mut self, one: i32, other: i32) -> Result<bool, Raise> {
        self.call.work(1)?;
        if !self.has_order {
            return self.call.is_less(one, other);
        }
        let (one, other) = (self.call.absolute(one), self.call.absolute(other));
        self.call.push_copy(2);
        self.call.push_copy(one);
        self.call.push_copy(other);
        self.call.call(2, 1)?;
        let is_less = self.call.truth(-1);
        self.call.pop(1);
        Ok(is_less)
    }
}
