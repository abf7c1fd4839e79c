//! THE match: the one place that lists every data type.

use std::io;

use super::hash::{HashValue, HashView};
use super::list::{ListValue, ListView};
use super::set::{SetValue, SetView};
use super::stream::StreamValue;
use super::string::{StringValue, StringView};
use super::zset::{ZsetValue, ZsetView};
use super::{DataType, Digest, EMPTY_VALUE, Encoding, LoadOptions, Room, Type, View};
use crate::rdb;
use crate::structures::{Cursor, Evacuate, Part, PoolBox};

/// A value outside of any key's block: too large for its key's block, or on its way in or out.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    String(StringValue),
    List(ListValue),
    Set(SetValue),
    Zset(ZsetValue),
    Hash(HashValue),
    Stream(PoolBox<StreamValue>),
}

/// A value as it is read, wherever it lives.
#[derive(Clone, Copy)]
pub enum ValueRef<'a> {
    String(StringView<'a>),
    List(ListView<'a>),
    Set(SetView<'a>),
    Zset(ZsetView<'a>),
    Hash(HashView<'a>),
    Stream(&'a StreamValue),
}

impl Value {
    pub fn view(&self) -> ValueRef<'_> {
        match self {
            Value::String(value) => ValueRef::String(value.view()),
            Value::List(value) => ValueRef::List(value.view()),
            Value::Set(value) => ValueRef::Set(value.view()),
            Value::Zset(value) => ValueRef::Zset(value.view()),
            Value::Hash(value) => ValueRef::Hash(value.view()),
            Value::Stream(value) => ValueRef::Stream(value),
        }
    }

    pub fn data_type(&self) -> Type {
        match self {
            Value::String(_) => Type::String,
            Value::List(_) => Type::List,
            Value::Set(_) => Type::Set,
            Value::Zset(_) => Type::Zset,
            Value::Hash(_) => Type::Hash,
            Value::Stream(_) => Type::Stream,
        }
    }

    /// The encoding and bytes under which the value lives inside its key's block, when it is small enough.
    pub fn inline(&self) -> Option<(Encoding, &[u8])> {
        match self {
            Value::String(value) => value.inline(),
            Value::List(value) => value.inline(),
            Value::Set(value) => value.inline(),
            Value::Zset(value) => value.inline(),
            Value::Hash(value) => value.inline(),
            Value::Stream(value) => value.inline(),
        }
    }

    pub fn from_inline(data_type: Type, encoding: Encoding, bytes: &[u8]) -> Value {
        let room = &mut Room::default();
        match data_type {
            Type::String => StringValue::from_inline(encoding, bytes, room).into(),
            Type::List => ListValue::from_inline(encoding, bytes, room).into(),
            Type::Set => SetValue::from_inline(encoding, bytes, room).into(),
            Type::Zset => ZsetValue::from_inline(encoding, bytes, room).into(),
            Type::Hash => HashValue::from_inline(encoding, bytes, room).into(),
            Type::Stream => StreamValue::from_inline(encoding, bytes, room).into(),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Value::String(value) => value.is_empty(),
            Value::List(value) => value.is_empty(),
            Value::Set(value) => value.is_empty(),
            Value::Zset(value) => value.is_empty(),
            Value::Hash(value) => value.is_empty(),
            Value::Stream(value) => value.is_empty(),
        }
    }

    /// Reads one value of `tag` from outside bytes; a tag that no type reads is refused by name and offset, and a
    /// collection without elements as [`EMPTY_VALUE`].
    pub fn load(tag: rdb::Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<Value> {
        let offset = input.offset();
        let value: Value = if StringValue::LOADS.contains(&tag) {
            StringValue::load(tag, input, options)?.into()
        } else if ListValue::LOADS.contains(&tag) {
            ListValue::load(tag, input, options)?.into()
        } else if SetValue::LOADS.contains(&tag) {
            SetValue::load(tag, input, options)?.into()
        } else if ZsetValue::LOADS.contains(&tag) {
            ZsetValue::load(tag, input, options)?.into()
        } else if HashValue::LOADS.contains(&tag) {
            HashValue::load(tag, input, options)?.into()
        } else if StreamValue::LOADS.contains(&tag) {
            StreamValue::load(tag, input, options)?.into()
        } else {
            return Err(unsupported(tag, input, offset));
        };
        if value.is_empty() { Err(input.invalid_at(offset, EMPTY_VALUE)) } else { Ok(value) }
    }
}

impl Evacuate for Value {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        match self {
            Value::String(value) => value.evacuate(cursor, part),
            Value::List(value) => value.evacuate(cursor, part),
            Value::Set(value) => value.evacuate(cursor, part),
            Value::Zset(value) => value.evacuate(cursor, part),
            Value::Hash(value) => value.evacuate(cursor, part),
            Value::Stream(value) => value.evacuate(cursor, part),
        }
    }
}

/// The error for a value of a type that this server does not have; for one of a module, with the module's name.
fn unsupported(tag: rdb::Tag, input: &mut rdb::Decoder<'_>, offset: u64) -> rdb::Error {
    match (tag, input.length()) {
        (rdb::Tag::Module | rdb::Tag::Module2, Ok(id)) => {
            rdb::Error::UnsupportedModule { offset, module: rdb::ModuleId(id) }
        }
        (rdb::Tag::Array, _) => rdb::Error::UnsupportedType { offset, name: "array, of Redis 8.8" },
        _ => rdb::Error::UnsupportedType { offset, name: tag.name() },
    }
}

impl<'a> ValueRef<'a> {
    pub fn from_inline(data_type: Type, encoding: Encoding, bytes: &'a [u8]) -> ValueRef<'a> {
        match data_type {
            Type::String => ValueRef::String(StringValue::view_inline(encoding, bytes)),
            Type::List => ValueRef::List(ListValue::view_inline(encoding, bytes)),
            Type::Set => ValueRef::Set(SetValue::view_inline(encoding, bytes)),
            Type::Zset => ValueRef::Zset(ZsetValue::view_inline(encoding, bytes)),
            Type::Hash => ValueRef::Hash(HashValue::view_inline(encoding, bytes)),
            Type::Stream => ValueRef::Stream(StreamValue::view_inline(encoding, bytes)),
        }
    }

    /// Asks for the memory in which these members or fields of a large collection are or would be, for commands that are
    /// to come. Small collections are asked for with their keys. A score is given with a member that is to get it.
    pub fn prefetch<'m>(self, members: impl Iterator<Item = (&'m [u8], Option<f64>)>) {
        let name = |(member, _)| member;
        match self {
            ValueRef::Set(SetView::Hashtable(table)) => _ = table.prefetch_keys(members.map(name)),
            ValueRef::Hash(HashView::Hashtable(fields)) => _ = fields.table().prefetch_keys(members.map(name)),
            ValueRef::Zset(ZsetView::Tree(tree)) => tree.prefetch(members),
            ValueRef::Set(_)
            | ValueRef::Hash(_)
            | ValueRef::Zset(_)
            | ValueRef::String(_)
            | ValueRef::List(_)
            | ValueRef::Stream(_) => {}
        }
    }

    /// The value as one row of bytes, if it is kept as that.
    pub fn as_row(self) -> Option<&'a [u8]> {
        match self {
            ValueRef::String(StringView::Embstr(bytes) | StringView::Raw(bytes)) => Some(bytes),
            ValueRef::List(ListView::Listpack(listpack))
            | ValueRef::Set(SetView::Listpack(listpack))
            | ValueRef::Zset(ZsetView::Listpack(listpack))
            | ValueRef::Hash(HashView::Listpack(listpack)) => Some(listpack.as_bytes()),
            ValueRef::Set(SetView::Intset(intset)) => Some(intset.as_bytes()),
            ValueRef::String(_)
            | ValueRef::List(_)
            | ValueRef::Set(_)
            | ValueRef::Zset(_)
            | ValueRef::Hash(_)
            | ValueRef::Stream(_) => None,
        }
    }

    pub fn encoding(self) -> Encoding {
        match self {
            ValueRef::String(view) => view.encoding(),
            ValueRef::List(view) => view.encoding(),
            ValueRef::Set(view) => view.encoding(),
            ValueRef::Zset(view) => view.encoding(),
            ValueRef::Hash(view) => view.encoding(),
            ValueRef::Stream(view) => view.encoding(),
        }
    }

    pub fn memory_usage(self, samples: usize) -> usize {
        match self {
            ValueRef::String(view) => view.memory_usage(samples),
            ValueRef::List(view) => view.memory_usage(samples),
            ValueRef::Set(view) => view.memory_usage(samples),
            ValueRef::Zset(view) => view.memory_usage(samples),
            ValueRef::Hash(view) => view.memory_usage(samples),
            ValueRef::Stream(view) => view.memory_usage(samples),
        }
    }

    pub fn free_effort(self) -> usize {
        match self {
            ValueRef::String(view) => view.free_effort(),
            ValueRef::List(view) => view.free_effort(),
            ValueRef::Set(view) => view.free_effort(),
            ValueRef::Zset(view) => view.free_effort(),
            ValueRef::Hash(view) => view.free_effort(),
            ValueRef::Stream(view) => view.free_effort(),
        }
    }

    pub fn tag(self, version: u32) -> rdb::Tag {
        match self {
            ValueRef::String(view) => view.tag(version),
            ValueRef::List(view) => view.tag(version),
            ValueRef::Set(view) => view.tag(version),
            ValueRef::Zset(view) => view.tag(version),
            ValueRef::Hash(view) => view.tag(version),
            ValueRef::Stream(view) => view.tag(version),
        }
    }

    pub fn save(self, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
        match self {
            ValueRef::String(view) => view.save(out),
            ValueRef::List(view) => view.save(out),
            ValueRef::Set(view) => view.save(out),
            ValueRef::Zset(view) => view.save(out),
            ValueRef::Hash(view) => view.save(out),
            ValueRef::Stream(view) => view.save(out),
        }
    }

    pub fn digest(self, digest: &mut Digest) {
        match self {
            ValueRef::String(view) => view.digest(digest),
            ValueRef::List(view) => view.digest(digest),
            ValueRef::Set(view) => view.digest(digest),
            ValueRef::Zset(view) => view.digest(digest),
            ValueRef::Hash(view) => view.digest(digest),
            ValueRef::Stream(view) => view.digest(digest),
        }
    }
}
