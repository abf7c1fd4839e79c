//! What a script returns, to a reply in the client's protocol.

use super::up_to_zero;
use crate::resp::{Protocol, Reply};
use crate::script::lua::{Call, Kind, Value, whole};
use crate::script::places::{BIG_NUMBER, DOUBLE, ERR, MAP, OK, SET, VERBATIM_STRING};

/// What is written at once takes so much work at most: one for each value and for each 256 bytes, some milliseconds in all.
const WORK_AT_ONCE: usize = 1 << 15;

/// Tables within tables are written at once to this depth; beyond it, on the script's own stack, whose end is known.
const DEPTH_AT_ONCE: usize = 100;

/// A string that is shorter than this, and is all of the reply, is written without looking at the work.
const BYTES_AT_ONCE: usize = 4096;

/// So many bytes that are copied take as long as one value.
const BYTES_PER_WORK: usize = 256;

/// Called with the text of each error of a reply, and whether statistics count it already.
pub type Counted<'a> = &'a mut dyn FnMut(&[u8], bool);

/// How far a reply came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    Whole,
    /// It would take long, and what is written of it is of no use.
    InPart,
}

/// Writes the value on top as a reply. `script` is the protocol that the script has asked for: only in RESP3 a boolean is
/// one. Neither metamethods nor numbers' fractions are asked for, as in Redis. Leaves values on the stack.
///
/// A table may hold itself, and twice: what comes of it has no end. So this ends where it takes long.
pub fn write_value(call: &mut Call<'_>, script: Protocol, reply: &mut Reply, count: Counted<'_>) -> Written {
    if let Value::Bytes(bytes) = call.value(-1)
        && bytes.len() < BYTES_AT_ONCE
    {
        reply.bulk(bytes);
        return Written::Whole;
    }
    let mut writer = Writer::new(script, reply, false);
    writer.write(call);
    if writer.stops {
        return Written::InPart;
    }
    writer.errors.iter().for_each(|(text, is_counted)| count(text, *is_counted));
    Written::Whole
}

/// As [`write_value`], to the answer that the interpreter keeps, for as long as the server lets it. Runs on the script's own
/// stack, which can be left in the middle. Returns whether it has come to an end: if not, the script is killed.
pub fn write_long_value(call: &mut Call<'_>, script: Protocol) -> bool {
    let context = call.context();
    let mut reply = context.answer.borrow_mut();
    let mut writer = Writer::new(script, &mut reply, true);
    writer.write(call);
    writer.report_errors(call);
    !context.is_killed()
}

struct Writer<'a> {
    script: Protocol,
    reply: &'a mut Reply,
    /// The work until the server is to look at it, or until it ends.
    left: usize,
    is_looked_at: bool,
    /// What would follow is not written.
    stops: bool,
    /// How many tables the value is within.
    depth: usize,
    /// The errors that were written, with whether statistics count them already.
    errors: Vec<(Vec<u8>, bool)>,
}

impl<'a> Writer<'a> {
    fn new(script: Protocol, reply: &'a mut Reply, is_looked_at: bool) -> Self {
        let (left, stops, depth, errors) = (WORK_AT_ONCE, false, 0, Vec::new());
        Self { script, reply, left, is_looked_at, stops, depth, errors }
    }
}

impl Writer<'_> {
    fn write(&mut self, call: &mut Call<'_>) {
        if self.work(call, 1) {
            self.write_one(call);
        }
        if !self.stops {
            call.pop(1);
        }
    }

    /// Counts work. Returns whether the reply is to be gone on with.
    #[inline]
    fn work(&mut self, call: &Call<'_>, steps: usize) -> bool {
        if steps < self.left && !self.stops {
            self.left -= steps;
            return true;
        }
        self.look(call)
    }

    #[cold]
    fn look(&mut self, call: &Call<'_>) -> bool {
        if !self.stops && self.is_looked_at {
            self.report_errors(call);
            self.left = WORK_AT_ONCE;
            self.stops = call.context().poll().is_err();
        } else {
            self.stops = true;
        }
        !self.stops
    }

    /// Has the server count the errors so far.
    fn report_errors(&mut self, call: &Call<'_>) {
        for (text, is_counted) in self.errors.drain(..) {
            call.context().with_host(|host| host.note_error(&text, is_counted));
        }
    }

    fn write_one(&mut self, call: &mut Call<'_>) {
        // The depth of nesting is bounded by this: 8,000 places.
        if !call.try_reserve(4) || call.is_deep() {
            return self.write_error(b"ERR reached lua stack limit", false);
        }
        match call.value(-1) {
            Value::Bytes(bytes) => {
                self.reply.bulk(bytes);
                self.work(call, bytes.len() / BYTES_PER_WORK);
            }
            Value::Boolean(true) if self.script == Protocol::Resp2 => self.reply.integer(1),
            Value::Boolean(false) if self.script == Protocol::Resp2 => self.reply.null(),
            Value::Boolean(value) => self.reply.boolean(value),
            Value::Number(number) => self.reply.integer(whole(number)),
            Value::Other(Kind::Table) if self.depth >= DEPTH_AT_ONCE && !self.is_looked_at => self.stops = true,
            Value::Other(Kind::Table) => {
                self.depth += 1;
                self.write_table(call);
                self.depth -= 1;
            }
            Value::Nil | Value::Other(_) => self.reply.null(),
        }
        // What cannot be sent as a whole is not sent at all.
        self.stops |= self.reply.is_overfull();
    }

    fn write_error(&mut self, text: &[u8], is_counted: bool) {
        self.errors.push((text.to_vec(), is_counted));
        self.reply.error(text);
    }

    /// A table is what its one field says, in this order of precedence, or a list.
    fn write_table(&mut self, call: &mut Call<'_>) {
        if named(call, ERR) == Kind::String {
            let is_counted = call.raw_get_field(-2, "ignore_error_stats_update") == Kind::Boolean && call.truth(-1);
            call.pop(1);
            let text = up_to_zero(call.bytes(-1).unwrap_or_default());
            self.write_error(text, is_counted);
            call.pop(1);
            return;
        }
        call.pop(1);
        if named(call, OK) == Kind::String {
            self.reply.status(up_to_zero(call.bytes(-1).unwrap_or_default()));
            call.pop(1);
            return;
        }
        call.pop(1);
        if named(call, DOUBLE) == Kind::Number {
            self.reply.double(call.number(-1).unwrap_or_default());
            call.pop(1);
            return;
        }
        call.pop(1);
        if named(call, BIG_NUMBER) == Kind::String {
            let digits: Vec<u8> = call.bytes(-1).unwrap_or_default().iter().map(|byte| on_one_line(*byte)).collect();
            self.reply.big_number(&digits);
            call.pop(1);
            return;
        }
        call.pop(1);
        if named(call, VERBATIM_STRING) == Kind::Table && self.write_verbatim(call) {
            call.pop(1);
            return;
        }
        call.pop(1);
        for name in [MAP, SET] {
            if named(call, name) == Kind::Table {
                self.write_collection(call, name == MAP);
                call.pop(1);
                return;
            }
            call.pop(1);
        }
        self.write_list(call);
    }

    fn write_verbatim(&mut self, call: &mut Call<'_>) -> bool {
        let top = call.top();
        let is_whole =
            call.raw_get_field(-1, "format") == Kind::String && call.raw_get_field(-2, "string") == Kind::String;
        if is_whole {
            let mut format = *b"   ";
            for (to, from) in format.iter_mut().zip(up_to_zero(call.bytes(-2).unwrap_or_default())) {
                *to = *from;
            }
            self.reply.verbatim(&format, call.bytes(-1).unwrap_or_default());
        }
        call.set_top(top);
        is_whole
    }

    fn write_collection(&mut self, call: &mut Call<'_>, is_map: bool) {
        let (before, deferred) = (self.reply.len(), self.reply.deferred());
        let mut len = 0;
        call.push_nil();
        while !self.stops && call.next(-2) {
            let key = if is_map { -2 } else { -1 };
            if !is_map {
                call.pop(1);
            }
            call.push_copy(key);
            self.write(call);
            if is_map {
                self.write(call);
            }
            len += 1;
        }
        if !self.end_list(call, before, len) {
            return;
        }
        match is_map {
            true => self.reply.set_deferred_map_len(deferred, len),
            false => self.reply.set_deferred_set_len(deferred, len),
        }
    }

    fn write_list(&mut self, call: &mut Call<'_>) {
        // A list that is nothing but one ends at its first nil, so that its border is its length.
        let (before, deferred) = (self.reply.len(), self.reply.deferred());
        let mut len = 0;
        while !self.stops {
            call.raw_get_index(-1, len as i32 + 1);
            if call.kind(-1) == Kind::Nil {
                call.pop(1);
                break;
            }
            self.write(call);
            len += 1;
        }
        if self.end_list(call, before, len) {
            self.reply.set_deferred_array_len(deferred, len);
        }
    }

    /// Whether the header of a list is to be written that began at `before`. Where it is a long one, all that follows it is
    /// moved.
    fn end_list(&mut self, call: &Call<'_>, before: usize, len: usize) -> bool {
        let moved = if len < 10 { 0 } else { self.reply.len().saturating_sub(before) };
        !self.stops && self.work(call, moved / BYTES_PER_WORK)
    }
}

/// Pushes the value that the table on top has for the name that is kept at `place`, and returns its kind.
#[inline]
fn named(call: &mut Call<'_>, place: i32) -> Kind {
    call.push_copy(place);
    call.raw_get(-2);
    call.kind(-1)
}

fn on_one_line(byte: u8) -> u8 {
    if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }
}
