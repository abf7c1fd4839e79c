//! A dump as commands that build it.

use std::io::{self, Write};

use super::LeftOut;
use crate::rdb::dump;
use crate::stdx::number::{format_f64, format_i64, format_u64};
use crate::tool::elements::{self, Piece};
use crate::tool::filter::Filter;
use crate::tool::input::Input;
use crate::tool::output::Output;
use crate::tool::stream;
use crate::tool::trouble::Trouble;
use crate::tool::walk::{Content, Found, Item};
use crate::types::Value;

/// Elements that one command adds at most, and bytes of them after which it ends.
const ELEMENTS_MAX: usize = 512;
const BATCH_BYTES: usize = 1 << 20;

pub fn convert(input: &Input, filter: &Filter, out: &mut Output, replace: bool) -> Result<(), Trouble> {
    let mut left_out = LeftOut::default();
    let mut selected = None;
    input.each_chosen("converting", filter, |found| {
        let mut commands = Commands { out: &mut *out };
        let written = match found {
            Found::Entry(item) => match input.load(&item)? {
                Content::Empty => {
                    left_out.empty += 1;
                    Ok(())
                }
                content => {
                    left_out.metadata += u64::from(item.metadata.is_some());
                    let select = selected.replace(item.db) != Some(item.db);
                    commands.entry(&item, &content, select, replace)
                }
            },
            Found::Library(code) => commands.send(&[b"FUNCTION", b"LOAD", b"REPLACE", &code]),
            other => {
                left_out.count(&other);
                Ok(())
            }
        };
        out.written(written)
    })?;
    left_out.list();
    Ok(())
}

/// A stream of commands in RESP2, which redis-cli --pipe takes.
struct Commands<'o> {
    out: &'o mut dyn Write,
}

impl Commands<'_> {
    fn entry(&mut self, item: &Item<'_>, content: &Content, select: bool, replace: bool) -> io::Result<()> {
        if select {
            self.send(&[b"SELECT", &format_u64(item.db)])?;
        }
        let Content::Value(value) = content else {
            return self.restore(item, replace);
        };
        if replace {
            self.send(&[b"DEL", &item.key])?;
        }
        self.value(&item.key, value)?;
        if elements::has_expiring_fields(value) {
            self.field_expiries(&item.key, value)?;
        }
        match item.expiry_ms {
            Some(at_ms) => self.send(&[b"PEXPIREAT", &item.key, &format_i64(at_ms)]),
            None => Ok(()),
        }
    }

    fn value(&mut self, key: &[u8], value: &Value) -> io::Result<()> {
        let mut batch = Batch::default();
        elements::for_each(value, &mut |piece| {
            let name: &[u8] = match &piece {
                &Piece::Text(text) => return self.send(&[b"SET", key, text]),
                Piece::Element(element) => {
                    batch.push(element)?;
                    b"RPUSH"
                }
                Piece::Member(member) => {
                    batch.push(member)?;
                    b"SADD"
                }
                Piece::Scored(member, score) => {
                    batch.push(&format_f64(*score))?;
                    batch.push(member)?;
                    b"ZADD"
                }
                Piece::Field { name, value, .. } => {
                    batch.push(name)?;
                    batch.push(value)?;
                    b"HSET"
                }
                Piece::Entry(_) | Piece::Counters(_) | Piece::Group(..) => {
                    return stream::commands(key, &piece, &mut |arguments| self.send(arguments));
                }
            };
            batch.elements += 1;
            batch.head.get_or_insert_with(|| name.to_vec());
            if batch.is_full() { self.add(&mut batch, key) } else { Ok(()) }
        })?;
        self.add(&mut batch, key)
    }

    /// Sends what has been gathered, if there is something.
    fn add(&mut self, batch: &mut Batch, key: &[u8]) -> io::Result<()> {
        let Some(name) = batch.head.take() else { return Ok(()) };
        self.begin(2 + batch.arguments)?;
        bulk(self.out, &name)?;
        bulk(self.out, key)?;
        self.out.write_all(&batch.bytes)?;
        *batch = Batch { bytes: std::mem::take(&mut batch.bytes), ..Batch::default() };
        batch.bytes.clear();
        Ok(())
    }

    /// One command a field: neighbours rarely have the same moment.
    fn field_expiries(&mut self, key: &[u8], value: &Value) -> io::Result<()> {
        elements::for_each(value, &mut |piece| match piece {
            Piece::Field { name, expiry_ms: Some(at_ms), .. } => {
                self.send(&[b"HPEXPIREAT", key, &format_i64(at_ms), b"FIELDS", b"1", name])
            }
            _ => Ok(()),
        })
    }

    /// The value's own bytes, for a server that knows their type.
    fn restore(&mut self, item: &Item<'_>, replace: bool) -> io::Result<()> {
        let payload = restore_payload(item);
        let ttl = format_i64(item.expiry_ms.unwrap_or(0));
        let mut arguments: Vec<&[u8]> = vec![b"RESTORE", &item.key, &ttl, &payload, b"ABSTTL"];
        if replace {
            arguments.push(b"REPLACE");
        }
        self.send(&arguments)
    }

    fn send(&mut self, arguments: &[&[u8]]) -> io::Result<()> {
        self.begin(arguments.len())?;
        arguments.iter().try_for_each(|argument| bulk(self.out, argument))
    }

    fn begin(&mut self, arguments: usize) -> io::Result<()> {
        write!(self.out, "*{arguments}\r\n")
    }
}

/// Arguments that are gathered for one command.
#[derive(Default)]
struct Batch {
    head: Option<Vec<u8>>,
    bytes: Vec<u8>,
    arguments: usize,
    elements: usize,
}

impl Batch {
    fn push(&mut self, argument: &[u8]) -> io::Result<()> {
        self.arguments += 1;
        bulk(&mut self.bytes, argument)
    }

    fn is_full(&self) -> bool {
        self.elements >= ELEMENTS_MAX || self.bytes.len() >= BATCH_BYTES
    }
}

fn bulk<W: Write + ?Sized>(out: &mut W, bytes: &[u8]) -> io::Result<()> {
    write!(out, "${}\r\n", bytes.len())?;
    out.write_all(bytes)?;
    out.write_all(b"\r\n")
}

/// What RESTORE takes, under the lowest version that knows the value's form.
pub fn restore_payload(item: &Item<'_>) -> Vec<u8> {
    let mut payload = Vec::with_capacity(item.value.len() + 16);
    payload.push(item.tag.as_u8());
    payload.extend_from_slice(item.value);
    dump::seal(&mut payload, item.tag.version());
    payload
}
