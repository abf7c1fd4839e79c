//! A value piece by piece, whichever encoding it has: the tool's one match over the data types.

use std::io;

use crate::stdx::number::IntText;
use crate::types::list::Direction;
use crate::types::stream::{Group, Log, StreamEntry};
use crate::types::{Value, ValueRef};

/// A part of a value, in the order in which the value has them.
pub enum Piece<'p> {
    /// All of a string.
    Text(&'p [u8]),
    Element(&'p [u8]),
    Member(&'p [u8]),
    Scored(&'p [u8], f64),
    Field {
        name: &'p [u8],
        value: &'p [u8],
        expiry_ms: Option<i64>,
    },
    Entry(StreamEntry<'p>),
    /// What a stream knows beside its entries, behind these.
    Counters(&'p Log),
    Group(&'p [u8], &'p Group),
}

/// How many elements a value has.
pub fn count(value: &Value) -> usize {
    match value.view() {
        ValueRef::String(_) => 1,
        ValueRef::List(list) => list.len(),
        ValueRef::Set(set) => set.len(),
        ValueRef::Zset(zset) => zset.len(),
        ValueRef::Hash(hash) => hash.len(),
        ValueRef::Stream(stream) => stream.len(),
    }
}

/// Whether fields of the value have an expiry of their own.
pub fn has_expiring_fields(value: &Value) -> bool {
    match value.view() {
        ValueRef::Hash(hash) => hash.next_expiry().is_some(),
        _ => false,
    }
}

/// Calls `visit` with every piece, those that are past their expiry included.
pub fn for_each(value: &Value, visit: &mut dyn FnMut(Piece<'_>) -> io::Result<()>) -> io::Result<()> {
    match value.view() {
        ValueRef::String(string) => string.with_bytes(|bytes| visit(Piece::Text(bytes))),
        ValueRef::List(list) => {
            let mut elements = list.iter(Direction::Forward);
            let mut room = IntText::new();
            while let Some(element) = elements.advance() {
                visit(Piece::Element(element.text(&mut room)))?;
            }
            Ok(())
        }
        ValueRef::Set(set) => {
            let mut room = IntText::new();
            set.iter().try_for_each(|member| visit(Piece::Member(member.text(&mut room))))
        }
        ValueRef::Zset(zset) => {
            let mut room = IntText::new();
            let mut result = Ok(());
            zset.for_all(|member, score| {
                if result.is_ok() {
                    result = visit(Piece::Scored(member.text(&mut room), score));
                }
            });
            result
        }
        ValueRef::Hash(hash) => {
            let expiring = hash.next_expiry().is_some();
            let (mut name_room, mut value_room) = (IntText::new(), IntText::new());
            hash.iter(i64::MIN).try_for_each(|(name, value)| {
                let name = name.text(&mut name_room);
                let expiry_ms = if expiring { hash.expiry(name, i64::MIN).flatten() } else { None };
                visit(Piece::Field { name, value: value.text(&mut value_room), expiry_ms })
            })
        }
        ValueRef::Stream(stream) => {
            stream.range(..).try_for_each(|entry| visit(Piece::Entry(entry)))?;
            visit(Piece::Counters(stream))?;
            stream.groups().try_for_each(|(name, group)| visit(Piece::Group(name, group)))
        }
    }
}

pub fn count_expiring_fields(value: &Value) -> u64 {
    let mut count = 0;
    let counted = for_each(value, &mut |piece| {
        count += u64::from(matches!(piece, Piece::Field { expiry_ms: Some(_), .. }));
        Ok(())
    });
    debug_assert!(counted.is_ok(), "nothing was written");
    count
}
