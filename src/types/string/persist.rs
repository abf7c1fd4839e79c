//! Strings in RDB: one string object, an integer in its short form.

use std::io;

use super::{StringValue, StringView};
use crate::rdb;

pub fn save(view: StringView<'_>, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    match view {
        StringView::Int(number) => out.integer(number),
        StringView::Embstr(bytes) | StringView::Raw(bytes) => out.string(bytes),
    }
}

pub fn load(input: &mut rdb::Decoder<'_>) -> rdb::Result<StringValue> {
    Ok(StringValue::new(&input.string()?))
}
