//! A dump as a dump of another version.

use std::fmt;
use std::io;

use super::LeftOut;
use crate::rdb::{Encoder, LIBRARY_VERSION, Options, Tag};
use crate::tool::cli::note;
use crate::tool::elements::{self, Piece};
use crate::tool::filter::Filter;
use crate::tool::fingerprint::KeysSeen;
use crate::tool::input::Input;
use crate::tool::output::Output;
use crate::tool::trouble::Trouble;
use crate::tool::walk::{Content, Found, Item, is_about_slot};
use crate::types::{Type, Value};

/// From which version on a part of a file may be there. Below it hints are left out, and so is the rest, which is reported.
const AUX_VERSION: u32 = 7;
const CLOCK_VERSION: u32 = 9;
const MODULE_DATA_VERSION: u32 = 9;

/// What a version cannot hold.
struct CannotHold {
    what: &'static str,
    needed: u32,
    version: u32,
}

impl fmt::Display for CannotHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, needed, version } = self;
        write!(f, "{what} needs RDB version {needed}, and {version} is asked for")
    }
}

/// Returns whether everything could be held.
pub fn convert(input: &Input, filter: &Filter, out: &mut Output, version: u32) -> Result<bool, Trouble> {
    let mut whole = true;
    let mut left_out = LeftOut::default();
    // No server loads a file that has a key twice.
    let mut keys = KeysSeen::up_to(KeysSeen::KEYS_MAX);
    let name = out.name().to_owned();
    let wrote = |result: io::Result<()>| result.map_err(|cause| Trouble::write(&name, cause));
    let mut file = Encoder::new(out, Options { version, ..Options::default() });
    wrote(file.header())?;
    input.each_chosen("converting", filter, |found| {
        let written = match found {
            Found::Entry(item) => match form(input, &item, version)? {
                Form::Empty => {
                    left_out.empty += 1;
                    Ok(())
                }
                Form::None(cannot) => {
                    let key = item.key.escape_ascii();
                    note(&format!("left out: key '{key}' at offset {}: {cannot}", item.span.start));
                    whole = false;
                    Ok(())
                }
                _ if keys.met_before(item.db, &item.key) => {
                    let key = item.key.escape_ascii();
                    note(&format!("left out: key '{key}' at offset {}: the key is there twice", item.span.start));
                    whole = false;
                    Ok(())
                }
                form => {
                    if item.metadata.is_some() {
                        left_out.metadata += 1;
                        whole = false;
                    }
                    write_entry(&mut file, &item, &form)
                }
            },
            Found::Database(index) => file.select_db(index),
            Found::Aux { key, .. } if is_about_slot(&key) => Ok(()),
            Found::Aux { key, value } if version >= AUX_VERSION => file.aux(&key, &value),
            Found::Library(code) if version >= LIBRARY_VERSION => file.function_library(&code),
            Found::ModuleAux { bytes, .. } if version >= MODULE_DATA_VERSION => file.raw(bytes),
            Found::Library(_) => {
                let cannot = CannotHold { what: "a function library", needed: LIBRARY_VERSION, version };
                note(&format!("left out: {cannot}"));
                whole = false;
                Ok(())
            }
            Found::ModuleAux { .. } => {
                let cannot = CannotHold { what: "a module's data", needed: MODULE_DATA_VERSION, version };
                note(&format!("left out: {cannot}"));
                whole = false;
                Ok(())
            }
            Found::LibraryOfCandidate => {
                left_out.count(&found);
                whole = false;
                Ok(())
            }
            Found::Sizes { keys, expires } if version >= AUX_VERSION => file.resize_db(keys, expires),
            Found::Sizes { .. } | Found::Aux { .. } | Found::End => Ok(()),
        };
        wrote(written)
    })?;
    wrote(file.eof())?;
    left_out.list();
    Ok(whole)
}

/// In which form a value is written.
enum Form {
    /// As its bytes.
    AsStored,
    /// As this server writes it.
    Saved(Value),
    /// Element by element.
    InElements(Value),
    /// The version has none.
    None(CannotHold),
    /// It has no elements, and is no value at all.
    Empty,
}

fn form(input: &Input, item: &Item<'_>, version: u32) -> Result<Form, Trouble> {
    let as_stored = item.tag.version() <= version;
    let cannot = |what, needed| Form::None(CannotHold { what, needed, version });
    Ok(match input.load(item)? {
        Content::Empty => Form::Empty,
        _ if as_stored => Form::AsStored,
        Content::Value(value) if elements::has_expiring_fields(&value) => {
            let needed = Tag::HashMetadata.version();
            if version >= needed { Form::Saved(value) } else { cannot("a hash whose fields expire", needed) }
        }
        Content::Value(value @ Value::Stream(_)) => {
            let needed = Tag::StreamListpacks.version();
            if version >= needed { Form::Saved(value) } else { cannot("a stream", needed) }
        }
        Content::Value(value) => Form::InElements(value),
        Content::Opaque => cannot(item.tag.name(), item.tag.version()),
    })
}

fn write_entry(file: &mut Encoder<'_>, item: &Item<'_>, form: &Form) -> io::Result<()> {
    let version = file.options().version;
    if let Some(at_ms) = item.expiry_ms {
        file.expiry(at_ms)?;
    }
    if version >= CLOCK_VERSION {
        item.idle.map_or(Ok(()), |seconds| file.idle(seconds))?;
        item.freq.map_or(Ok(()), |counter| file.freq(counter))?;
    }
    match form {
        Form::AsStored => {
            file.tag(item.tag)?;
            file.string(&item.key)?;
            file.raw(item.value)
        }
        Form::Saved(value) => {
            file.tag(value.view().tag(version))?;
            file.string(&item.key)?;
            value.view().save(file)
        }
        Form::InElements(value) => {
            file.tag(oldest_tag(value.data_type(), version))?;
            file.string(&item.key)?;
            write_pieces(file, value)
        }
        Form::None(_) | Form::Empty => Ok(()),
    }
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
