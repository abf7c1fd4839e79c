//! All libraries as one payload (FUNCTION DUMP and RESTORE): records as a dump file has them, in the envelope of DUMP, in the
//! version that functions came with, which every server that has functions reads.

use std::borrow::Cow;

use crate::rdb::{Decoder, Encoder, LIBRARY_VERSION, Opcode, Options, dump};
use crate::script::Libraries;

/// Why a payload is none, as the client reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BadPayload(pub &'static str);

pub(super) fn write(libraries: &Libraries, compression: bool) -> std::io::Result<Vec<u8>> {
    let mut encoder = Encoder::detached(Options { compression, checksum: false, version: LIBRARY_VERSION });
    for (_, library) in libraries.iter() {
        encoder.function_library(&library.code)?;
    }
    let mut payload = encoder.into_bytes();
    dump::seal(&mut payload, LIBRARY_VERSION);
    Ok(payload)
}

/// The texts of a payload's libraries.
pub(super) fn read(payload: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, BadPayload> {
    let (body, format) =
        dump::open(payload).map_err(|_| BadPayload("ERR DUMP payload version or checksum are wrong"))?;
    let mut input = Decoder::new(body);
    let mut texts = Vec::new();
    while input.remaining() > 0 {
        match input.byte().map(|byte| Opcode::from_u8(byte, format.dialect)) {
            Ok(Some(Opcode::Function2)) => {}
            Ok(Some(Opcode::FunctionPreGa)) => return Err(BadPayload("ERR Pre-GA function format not supported")),
            Ok(_) => return Err(BadPayload("ERR given type is not a function")),
            Err(_) => return Err(BadPayload("ERR can not read data type")),
        }
        texts.push(input.string().map_err(|_| BadPayload("ERR Failed loading library code"))?);
    }
    Ok(texts)
}
