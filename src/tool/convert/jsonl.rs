//! A dump as lines of JSON, one a key.

use std::io::{self, Write};

use super::LeftOut;
use super::resp::restore_payload;
use crate::tool::elements::{self, Piece};
use crate::tool::filter::Filter;
use crate::tool::input::Input;
use crate::tool::json::Json;
use crate::tool::output::Output;
use crate::tool::stream;
use crate::tool::trouble::Trouble;
use crate::tool::walk::{Content, Found, Item};
use crate::types::{Type, Value};

pub fn convert(input: &Input, filter: &Filter, out: &mut Output) -> Result<(), Trouble> {
    let mut left_out = LeftOut::default();
    input.each_chosen("converting", filter, |found| {
        let Found::Entry(item) = found else {
            left_out.count(&found);
            return Ok(());
        };
        let content = input.load(&item)?;
        left_out.metadata += u64::from(item.metadata.is_some());
        if matches!(content, Content::Empty) {
            left_out.empty += 1;
            return Ok(());
        }
        let written = write_line(&mut *out, &item, &content);
        out.written(written)
    })?;
    left_out.list();
    Ok(())
}

fn write_line(out: &mut dyn Write, item: &Item<'_>, content: &Content) -> io::Result<()> {
    let mut json = Json::compact(out);
    json.begin_object()?;
    json.key("db")?;
    json.integer(item.db)?;
    json.key("key")?;
    json.bytes(&item.key)?;
    json.key("type")?;
    json.text(item.data_type().map_or("module", Type::name))?;
    json.key("expires_at_ms")?;
    json.optional(item.expiry_ms)?;
    match content {
        Content::Value(value) => {
            json.key("value")?;
            write_value(&mut json, value)?;
        }
        _ => {
            json.key("restore")?;
            json.base64(&restore_payload(item))?;
        }
    }
    json.end_object()?;
    json.newline()
}

fn write_value(json: &mut Json<&mut dyn Write>, value: &Value) -> io::Result<()> {
    if let Value::Stream(stream) = value {
        return stream::write_json(json, stream);
    }
    let is_text = value.data_type() == Type::String;
    if !is_text {
        json.begin_array()?;
    }
    elements::for_each(value, &mut |piece| match piece {
        Piece::Text(bytes) | Piece::Element(bytes) | Piece::Member(bytes) => json.bytes(bytes),
        Piece::Scored(member, score) => {
            json.begin_array()?;
            json.bytes(member)?;
            json.double(score)?;
            json.end_array()
        }
        Piece::Field { name, value, expiry_ms } => {
            json.begin_array()?;
            json.bytes(name)?;
            json.bytes(value)?;
            if let Some(at_ms) = expiry_ms {
                json.integer(at_ms)?;
            }
            json.end_array()
        }
        Piece::Entry(_) | Piece::Counters(_) | Piece::Group(..) => Ok(()),
    })?;
    if is_text { Ok(()) } else { json.end_array() }
}
