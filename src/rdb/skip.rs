//! Passing over a value without building it: only counts, lengths and fixed fields are read.
//!
//! No kind of value nests, so nothing here recurses; what a string holds (a listpack, a ziplist) is not looked at.

use super::{Decoder, Dialect, ENTRY_ID_BYTES, ModuleId, Opcode, Result, Tag};

const BINARY_DOUBLE_BYTES: usize = 8;
const MILLISECONDS_BYTES: usize = 8;

/// Fewer bytes than these hold no value of a megabyte, however well it is compressed.
const PACKED_BYTES_MIN: usize = 8 << 10;

/// Passes over the value of the given tag.
pub fn value(tag: Tag, input: &mut Decoder<'_>) -> Result<()> {
    match tag {
        Tag::String
        | Tag::HashZipmap
        | Tag::ListZiplist
        | Tag::SetIntset
        | Tag::ZsetZiplist
        | Tag::HashZiplist
        | Tag::HashListpack
        | Tag::ZsetListpack
        | Tag::SetListpack
        | Tag::HashListpackExPreGa => input.skip_string(),
        Tag::List | Tag::Set | Tag::ListQuicklist => repeat(input, 1, |input| input.skip_string()),
        Tag::Hash => repeat(input, 2, |input| {
            input.skip_string()?;
            input.skip_string()
        }),
        Tag::Zset => repeat(input, 2, |input| {
            input.skip_string()?;
            input.ascii_double().map(drop)
        }),
        Tag::Zset2 => repeat(input, 1 + BINARY_DOUBLE_BYTES, |input| {
            input.skip_string()?;
            input.double().map(drop)
        }),
        Tag::ListQuicklist2 => repeat(input, 2, |input| {
            input.length()?;
            input.skip_string()
        }),
        Tag::HashMetadataPreGa => hash_metadata(input),
        Tag::HashMetadata => {
            input.milliseconds()?;
            hash_metadata(input)
        }
        Tag::HashListpackEx => {
            input.milliseconds()?;
            input.skip_string()
        }
        Tag::StreamListpacks => stream(input, 1),
        Tag::StreamListpacks2 => stream(input, 2),
        Tag::StreamListpacks3 => stream(input, 3),
        Tag::StreamListpacks4 => {
            stream(input, 4)?;
            stream_idempotency(input)
        }
        Tag::StreamListpacks5 => {
            stream(input, 5)?;
            stream_idempotency(input)
        }
        Tag::Hash2 => repeat(input, 2 + MILLISECONDS_BYTES, |input| {
            input.skip_string()?;
            input.skip_string()?;
            input.milliseconds().map(drop)
        }),
        Tag::Array => array(input),
        Tag::Module | Tag::Module2 => module(input).map(drop),
    }
}

/// About how much memory it takes to build the value, which may be compressed to a small part of it; 0 if its bytes are
/// malformed, or too few for a large value.
pub fn bytes_to_build(tag: Tag, input: &Decoder<'_>) -> usize {
    if input.remaining() < PACKED_BYTES_MIN {
        return 0;
    }
    let mut input = input.clone();
    let is_whole = value(tag, &mut input).is_ok();
    if is_whole { usize::try_from(input.bytes_passed_over()).unwrap_or(usize::MAX) } else { 0 }
}

/// Passes over whole entries, what opcodes say about each included, until `bytes_max` bytes or `count_max` entries are
/// behind. Returns how many there were.
///
/// Stops before anything else than an entry and before an entry that is not whole, without saying what is wrong with it:
/// whoever reads it will.
pub fn entries(input: &mut Decoder<'_>, dialect: Dialect, bytes_max: u64, count_max: usize) -> usize {
    let end = input.offset().saturating_add(bytes_max);
    let mut count = 0;
    while count < count_max && input.offset() < end {
        let before = input.clone();
        if !matches!(entry(input, dialect), Ok(true)) {
            *input = before;
            break;
        }
        count += 1;
    }
    count
}

/// Passes over one entry. False: what comes is none.
fn entry(input: &mut Decoder<'_>, dialect: Dialect) -> Result<bool> {
    loop {
        let byte = input.byte()?;
        if let Some(tag) = Tag::from_u8(byte, dialect) {
            input.skip_string()?;
            value(tag, input)?;
            return Ok(true);
        }
        match Opcode::from_u8(byte, dialect) {
            Some(Opcode::ExpireTimeMs) => input.milliseconds().map(drop)?,
            Some(Opcode::ExpireTime) => input.seconds().map(drop)?,
            Some(Opcode::Idle) => input.length().map(drop)?,
            Some(Opcode::Freq) => input.byte().map(drop)?,
            Some(Opcode::SlotInfo) => lengths(input, 3)?,
            Some(Opcode::SlotImport) => slot_import(input)?,
            Some(Opcode::KeyMetadata) => key_metadata(input)?,
            _ => return Ok(false),
        }
    }
}

/// Reads a count and passes over so many elements of at least so many bytes.
fn repeat(
    input: &mut Decoder<'_>,
    bytes_each_min: usize,
    mut element: impl FnMut(&mut Decoder<'_>) -> Result<()>,
) -> Result<()> {
    for _ in 0..input.count(bytes_each_min)? {
        element(input)?;
    }
    Ok(())
}

fn lengths(input: &mut Decoder<'_>, count: usize) -> Result<()> {
    for _ in 0..count {
        input.length()?;
    }
    Ok(())
}

/// Each field has its time to live, name and value.
fn hash_metadata(input: &mut Decoder<'_>) -> Result<()> {
    repeat(input, 3, |input| {
        input.length()?;
        input.skip_string()?;
        input.skip_string()
    })
}

fn stream(input: &mut Decoder<'_>, layout: u32) -> Result<()> {
    // Nodes: the id that a node's entries are relative to, and a listpack.
    repeat(input, 2, |input| {
        input.skip_string()?;
        input.skip_string()
    })?;
    // Number of entries, last id.
    lengths(input, 3)?;
    if layout >= 2 {
        // First id, greatest deleted id, count of entries ever added.
        lengths(input, 5)?;
    }
    repeat(input, 5, |input| consumer_group(input, layout))
}

/// Passes over what a stream keeps to know an entry again that is added twice: how long and how
/// many to keep, for each producer the names and the ids of its entries, and two counters.
pub fn stream_idempotency(input: &mut Decoder<'_>) -> Result<()> {
    lengths(input, 2)?;
    repeat(input, 2, |input| {
        input.skip_string()?;
        repeat(input, 3, |input| {
            input.skip_string()?;
            lengths(input, 2)
        })
    })?;
    lengths(input, 2)
}

fn consumer_group(input: &mut Decoder<'_>, layout: u32) -> Result<()> {
    input.skip_string()?;
    // Last delivered id.
    lengths(input, 2)?;
    if layout >= 2 {
        // Entries read.
        input.length()?;
    }
    // Pending entries: id, delivery time, delivery count.
    repeat(input, ENTRY_ID_BYTES + MILLISECONDS_BYTES + 1, |input| {
        input.array::<ENTRY_ID_BYTES>()?;
        input.milliseconds()?;
        input.length().map(drop)
    })?;
    // Consumers: name, times, ids of the pending entries that are theirs.
    repeat(input, 2 + MILLISECONDS_BYTES, |input| {
        input.skip_string()?;
        input.milliseconds()?;
        if layout >= 3 {
            input.milliseconds()?;
        }
        repeat(input, ENTRY_ID_BYTES, |input| input.array::<ENTRY_ID_BYTES>().map(drop))
    })?;
    if layout >= 5 {
        // Pending entries that no consumer has.
        repeat(input, ENTRY_ID_BYTES, |input| input.array::<ENTRY_ID_BYTES>().map(drop))?;
    }
    Ok(())
}

/// Elements with their indexes, each a string or a number in its fixed form.
fn array(input: &mut Decoder<'_>) -> Result<()> {
    const STRINGS: [u64; 2] = [0, 3];
    const NUMBERS: [u64; 2] = [1, 2];
    let count = input.length()?;
    if input.length()? != 0 {
        // Where the next one is inserted.
        input.length()?;
    }
    for _ in 0..count {
        input.length()?;
        let offset = input.offset();
        match input.length()? {
            kind if STRINGS.contains(&kind) => input.skip_string()?,
            kind if NUMBERS.contains(&kind) => input.array::<8>().map(drop)?,
            _ => return Err(input.invalid_at(offset, "unknown kind of element in an array")),
        }
    }
    Ok(())
}

/// The name of a job, and the ranges of slots that are its.
pub fn slot_import(input: &mut Decoder<'_>) -> Result<()> {
    input.skip_string()?;
    repeat(input, 2, |input| lengths(input, 2))
}

/// What modules keep beside a key: for each a name in four bytes, and what it has written.
pub fn key_metadata(input: &mut Decoder<'_>) -> Result<()> {
    repeat(input, 5, |input| {
        input.array::<4>()?;
        module_fields(input)
    })
}

/// A function library of the release candidates of Redis 7.0: its name, its engine's, perhaps a description, and its code.
/// Some have been seen as one string, as later ones are.
pub fn function_of_candidate(input: &mut Decoder<'_>, dialect: Dialect) -> Result<()> {
    let mut whole = input.clone();
    if function_in_parts(&mut whole).is_ok() && can_follow(&whole, dialect) {
        *input = whole;
        return Ok(());
    }
    input.skip_string()
}

fn function_in_parts(input: &mut Decoder<'_>) -> Result<()> {
    input.skip_string()?;
    input.skip_string()?;
    if input.length()? != 0 {
        input.skip_string()?;
    }
    input.skip_string()
}

/// Whether the next byte can begin a record.
fn can_follow(input: &Decoder<'_>, dialect: Dialect) -> bool {
    let next = input.clone().byte();
    next.is_ok_and(|byte| Tag::from_u8(byte, dialect).is_some() || Opcode::from_u8(byte, dialect).is_some())
}

/// Passes over a module's value and returns the module's type.
pub fn module(input: &mut Decoder<'_>) -> Result<ModuleId> {
    let id = ModuleId(input.length()?);
    module_fields(input)?;
    Ok(id)
}

/// Passes over what a module has written, each field of which says what it is, up to the end mark.
pub fn module_fields(input: &mut Decoder<'_>) -> Result<()> {
    const END: u64 = 0;
    const SIGNED: u64 = 1;
    const UNSIGNED: u64 = 2;
    const FLOAT: u64 = 3;
    const DOUBLE: u64 = 4;
    const STRING: u64 = 5;
    loop {
        let offset = input.offset();
        match input.length()? {
            END => return Ok(()),
            SIGNED | UNSIGNED => input.length().map(drop)?,
            FLOAT => input.array::<4>().map(drop)?,
            DOUBLE => input.double().map(drop)?,
            STRING => input.skip_string()?,
            _ => return Err(input.invalid_at(offset, "unknown kind of field in a module's value")),
        }
    }
}
