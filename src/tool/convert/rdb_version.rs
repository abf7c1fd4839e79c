//! A dump as a dump of another version.

use std::io;

use super::LeftOut;
use crate::rdb::{Encoder, Options, Tag};
use crate::tool::elements::{self, Piece};
use crate::tool::input::Input;
use crate::tool::output::Output;
use crate::tool::trouble::Trouble;
use crate::tool::walk::{Content, Found, Item};
use crate::types::{Type, Value, ValueRef};

/// From which version on a part of a file may stand there. Hints are left out below it, anything else is refused.
const AUX_VERSION: u32 = 7;
const CLOCK_VERSION: u32 = 9;
const MODULE_DATA_VERSION: u32 = 9;
const LIBRARY_VERSION: u32 = 10;

pub fn convert(input: &Input, out: &mut Output, version: u32) -> Result<(), Trouble> {
    let mut left_out = LeftOut::default();
    let name = out.name().to_owned();
    let wrote = |result: io::Result<()>| result.map_err(|cause| Trouble::write(&name, cause));
    let mut file = Encoder::new(out, Options { version, ..Options::default() });
    wrote(file.header())?;
    input.each("converting", |found| {
        let written = match found {
            Found::Entry(item) => write_entry(&mut file, input, &item, &mut left_out)?,
            Found::Database(index) => file.select_db(index),
            Found::Aux { key, value } if version >= AUX_VERSION => file.aux(&key, &value),
            Found::Library(code) if version >= LIBRARY_VERSION => file.function_library(&code),
            Found::ModuleAux { bytes, .. } if version >= MODULE_DATA_VERSION => file.raw(bytes),
            Found::Library(_) => return Err(cannot_hold(input, "a function library", LIBRARY_VERSION, version)),
            Found::ModuleAux { .. } => return Err(cannot_hold(input, "a module's data", MODULE_DATA_VERSION, version)),
            Found::Sizes { keys, expires } if version >= AUX_VERSION => file.resize_db(keys, expires),
            Found::Sizes { .. } | Found::Aux { .. } | Found::End => Ok(()),
        };
        wrote(written)
    })?;
    wrote(file.eof())?;
    left_out.tell();
    Ok(())
}

fn cannot_hold(input: &Input, what: &'static str, needed: u32, version: u32) -> Trouble {
    Trouble::CannotHoldPart { path: input.path().to_path_buf(), what, needed, version }
}

fn write_entry(
    file: &mut Encoder<'_>,
    input: &Input,
    item: &Item<'_>,
    left_out: &mut LeftOut,
) -> Result<io::Result<()>, Trouble> {
    let version = file.options().version;
    let as_stored = item.tag.version() <= version;
    let refused = |what, needed| Trouble::CannotHold {
        path: input.path().to_path_buf(),
        key: item.key.to_vec(),
        offset: item.span.start,
        what,
        needed,
        version,
    };
    let value = match input.load(item)? {
        Content::Empty => {
            left_out.empty += 1;
            return Ok(Ok(()));
        }
        Content::Value(value) if elements::has_expiring_fields(&value) && !as_stored => {
            return Err(refused("a hash whose fields expire", item.tag.version()));
        }
        Content::Value(Value::Stream(_)) if version < Tag::StreamListpacks.version() => {
            return Err(refused("a stream", Tag::StreamListpacks.version()));
        }
        Content::Opaque if !as_stored => return Err(refused(item.tag.name(), item.tag.version())),
        Content::Value(value) if !as_stored => Some(value),
        _ => None,
    };
    Ok((|| {
        if let Some(at_ms) = item.expiry_ms {
            file.expiry(at_ms)?;
        }
        if version >= CLOCK_VERSION {
            item.idle.map_or(Ok(()), |seconds| file.idle(seconds))?;
            item.freq.map_or(Ok(()), |counter| file.freq(counter))?;
        }
        let Some(value) = value else {
            file.tag(item.tag)?;
            file.string(&item.key)?;
            return file.raw(item.value);
        };
        if let stream @ ValueRef::Stream(_) = value.view() {
            file.tag(stream.tag(version))?;
            file.string(&item.key)?;
            return stream.save(file);
        }
        file.tag(oldest_tag(value.data_type(), version))?;
        file.string(&item.key)?;
        write_pieces(file, &value)
    })())
}

/// The form that every version since has read, element by element.
fn oldest_tag(data_type: Type, version: u32) -> Tag {
    match data_type {
        Type::List => Tag::List,
        Type::Set => Tag::Set,
        Type::Zset if version >= Tag::Zset2.version() => Tag::Zset2,
        Type::Zset => Tag::Zset,
        Type::Hash => Tag::Hash,
        Type::String | Type::Stream => Tag::String,
    }
}

fn write_pieces(file: &mut Encoder<'_>, value: &Value) -> io::Result<()> {
    if value.data_type() != Type::String {
        file.length(elements::count(value) as u64)?;
    }
    let binary_scores = file.options().version >= Tag::Zset2.version();
    elements::for_each(value, &mut |piece| match piece {
        Piece::Text(bytes) | Piece::Element(bytes) | Piece::Member(bytes) => file.string(bytes),
        Piece::Scored(member, score) => {
            file.string(member)?;
            if binary_scores { file.double(score) } else { file.ascii_double(score) }
        }
        Piece::Field { name, value, .. } => {
            file.string(name)?;
            file.string(value)
        }
        Piece::Entry(_) | Piece::Counters(_) | Piece::Group(..) => Ok(()),
    })
}
