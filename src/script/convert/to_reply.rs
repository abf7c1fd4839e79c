//! What a script returns, to a reply in the client's protocol.

use super::up_to_zero;
use crate::resp::{Protocol, Reply};
use crate::script::lua::{Call, Kind, Value, whole};

/// Called with the text of each error of a reply, and whether statistics count it already.
pub type Counted<'a> = &'a mut dyn FnMut(&[u8], bool);

/// Writes the value on top, which goes, as a reply. `script` is the protocol that the script has asked for: only in RESP3
/// a boolean is one. Neither metamethods nor numbers' fractions are asked for, as in Redis.
pub fn write_value(call: &mut Call<'_>, script: Protocol, reply: &mut Reply, count: Counted<'_>) {
    Writer { script, reply, count }.write(call);
}

struct Writer<'a> {
    script: Protocol,
    reply: &'a mut Reply,
    count: Counted<'a>,
}

impl Writer<'_> {
    fn write(&mut self, call: &mut Call<'_>) {
        // The depth of nesting is bounded by this: 8,000 places.
        if !call.try_reserve(4) {
            (self.count)(b"ERR reached lua stack limit", false);
            self.reply.error("ERR reached lua stack limit");
        } else {
            match call.value(-1) {
                Value::Bytes(bytes) => self.reply.bulk(bytes),
                Value::Boolean(true) if self.script == Protocol::Resp2 => self.reply.integer(1),
                Value::Boolean(false) if self.script == Protocol::Resp2 => self.reply.null(),
                Value::Boolean(value) => self.reply.boolean(value),
                Value::Number(number) => self.reply.integer(whole(number)),
                Value::Other(Kind::Table) => self.write_table(call),
                Value::Nil | Value::Other(_) => self.reply.null(),
            }
        }
        call.pop(1);
    }

    /// A table is what its one field says, in this order of precedence, or a list.
    fn write_table(&mut self, call: &mut Call<'_>) {
        if call.raw_get_field(-1, "err") == Kind::String {
            let is_counted = call.raw_get_field(-2, "ignore_error_stats_update") == Kind::Boolean && call.truth(-1);
            call.pop(1);
            let text = up_to_zero(call.bytes(-1).unwrap_or_default());
            (self.count)(text, is_counted);
            self.reply.error(text);
            call.pop(1);
            return;
        }
        call.pop(1);
        if call.raw_get_field(-1, "ok") == Kind::String {
            self.reply.status(up_to_zero(call.bytes(-1).unwrap_or_default()));
            call.pop(1);
            return;
        }
        call.pop(1);
        if call.raw_get_field(-1, "double") == Kind::Number {
            self.reply.double(call.number(-1).unwrap_or_default());
            call.pop(1);
            return;
        }
        call.pop(1);
        if call.raw_get_field(-1, "big_number") == Kind::String {
            let digits: Vec<u8> = call.bytes(-1).unwrap_or_default().iter().map(|byte| on_one_line(*byte)).collect();
            self.reply.big_number(&digits);
            call.pop(1);
            return;
        }
        call.pop(1);
        if call.raw_get_field(-1, "verbatim_string") == Kind::Table && self.write_verbatim(call) {
            call.pop(1);
            return;
        }
        call.pop(1);
        for name in ["map", "set"] {
            if call.raw_get_field(-1, name) == Kind::Table {
                self.write_collection(call, name);
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

    fn write_collection(&mut self, call: &mut Call<'_>, name: &str) {
        let deferred = self.reply.deferred();
        let mut len = 0;
        call.push_nil();
        while call.next(-2) {
            let key = if name == "map" { -2 } else { -1 };
            if name == "set" {
                call.pop(1);
            }
            call.push_copy(key);
            self.write(call);
            if name == "map" {
                self.write(call);
            }
            len += 1;
        }
        match name {
            "map" => self.reply.set_deferred_map_len(deferred, len),
            _ => self.reply.set_deferred_set_len(deferred, len),
        }
    }

    fn write_list(&mut self, call: &mut Call<'_>) {
        // A list that is nothing but one ends at its first nil, so that its border is its length.
        let deferred = self.reply.deferred();
        let mut len = 0;
        loop {
            call.raw_get_index(-1, len as i32 + 1);
            if call.kind(-1) == Kind::Nil {
                call.pop(1);
                break;
            }
            self.write(call);
            len += 1;
        }
        self.reply.set_deferred_array_len(deferred, len);
    }
}

fn on_one_line(byte: u8) -> u8 {
    if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }
}
