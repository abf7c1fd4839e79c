//! `copal-rdb diff`: which keys and function libraries were added, removed or changed from one dump to another.
//!
//! The keys of OLD are held in a table as fingerprint, expiry and digest, and those of NEW are held against it. Where the
//! table would get too large, the keys are dealt into parts by their fingerprint, and the files are read once for each.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use hashbrown::HashMap;

use super::elements::{self, Piece};
use super::fingerprint::Fingerprints;
use super::input::Input;
use super::json::Json;
use super::output::Output;
use super::stream;
use super::trouble::Trouble;
use super::walk::{Content, Found, Item, library_name};
use crate::stdx::text::quoted;
use crate::types::Type;

/// What a key takes in the table: 32 bytes and one of the table's own, and at worst as much again that is left free.
const KEY_BYTES: u64 = 76;

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// A sound dump, compressed with gzip or not; - is standard input, for one of the two
    old: PathBuf,
    /// Another one
    new: PathBuf,
    /// What is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Leave the expiry of keys out of the comparison
    #[arg(long)]
    ignore_ttl: bool,
    /// Say nothing, only answer by the exit code
    #[arg(long, short)]
    quiet: bool,
    /// Memory for the table of keys, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    memory: u64,
}

const HELP: &str = "\
Two values are equal if they are of one type and hold the same elements, whatever their encoding; the order counts in
lists and streams only. Of a stream, its counters and groups count too. Values of modules are compared by the bytes that
hold them, function libraries by name and code.

Lines of text: `+` added, `-` removed, `~` changed, then the database, the key and what changed, or `library` and its name,
which are counted with the keys. JSON is one object with the
array \"changes\" and the counts. Neither has an order to rely on.

A table of at most 76 bytes for each key of OLD is held in memory; if that is more than --memory, the files are read
several times, a part of the keys at a time.

The exit code is 0 if the files are equal, 1 if they differ, 2 if there was trouble.";

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What is known of a key without its name: 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    /// In milliseconds since 1970; `NEVER` where there is none.
    expiry_ms: i64,
    /// Four bits of the kind of value, and a digest of the value.
    kind_and_digest: u64,
}

const NEVER: i64 = i64::MIN;

const KIND_SHIFT: u32 = 60;

/// The kinds of values by number.
const KINDS: [&str; 7] = ["string", "list", "set", "zset", "hash", "stream", "module"];

impl Known {
    fn new(data_type: Option<Type>, expiry_ms: Option<i64>, digest: u128) -> Self {
        let kind = data_type.map_or(KINDS.len() as u64 - 1, |data_type| data_type as u64);
        let folded = (digest >> 64) as u64 ^ digest as u64;
        let kind_and_digest = kind << KIND_SHIFT | folded >> (u64::BITS - KIND_SHIFT);
        Self { expiry_ms: expiry_ms.unwrap_or(NEVER), kind_and_digest }
    }

    fn kind(self) -> &'static str {
        KINDS.get((self.kind_and_digest >> KIND_SHIFT) as usize).copied().unwrap_or("value")
    }

    fn expiry(self) -> Option<i64> {
        Some(self.expiry_ms).filter(|at_ms| *at_ms != NEVER)
    }
}

enum Change {
    Added(Known),
    Removed(Known),
    Changed { old: Known, new: Known },
}

#[derive(Default)]
struct Counts {
    old_keys: u64,
    new_keys: u64,
    added: u64,
    removed: u64,
    changed: u64,
    same: u64,
}

/// Returns whether the files are equal.
pub fn run(arguments: &Arguments) -> Result<bool, Trouble> {
    let (old, new) = (Input::open(&arguments.old)?, Input::open(&arguments.new)?);
    let mut listing = Listing::new(arguments);
    listing.begin()?;
    let mut counts = Counts::default();
    compare_libraries(&old, &new, &mut counts, &mut listing)?;
    let keys = count_keys(&old)?;
    let parts = keys.saturating_mul(KEY_BYTES).div_ceil(arguments.memory << 20).max(1);
    let comparison = Comparison { fingerprints: Fingerprints::new(), parts, keys, ignore_ttl: arguments.ignore_ttl };
    for part in 0..parts {
        comparison.part(part, &old, &new, &mut counts, &mut listing)?;
    }
    let equal = counts.added + counts.removed + counts.changed == 0;
    listing.end(&counts)?;
    Ok(equal)
}

fn count_keys(input: &Input) -> Result<u64, Trouble> {
    let mut keys = 0;
    input.each("counting", |found| {
        keys += u64::from(matches!(found, Found::Entry(_)));
        Ok(())
    })?;
    Ok(keys)
}

/// The function libraries of a file, by name.
fn libraries(input: &Input) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Trouble> {
    let mut libraries = BTreeMap::new();
    input.each("reading the functions", |found| {
        if let Found::Library(text) = found {
            libraries.insert(library_name(&text), text.into_owned());
        }
        Ok(())
    })?;
    Ok(libraries)
}

fn compare_libraries(old: &Input, new: &Input, counts: &mut Counts, listing: &mut Listing) -> Result<(), Trouble> {
    let (mut before, after) = (libraries(old)?, libraries(new)?);
    for (name, text) in &after {
        match before.remove(name) {
            Some(known) if known == *text => counts.same += 1,
            Some(_) => {
                counts.changed += 1;
                listing.library(name, '~')?;
            }
            None => {
                counts.added += 1;
                listing.library(name, '+')?;
            }
        }
    }
    for name in before.keys() {
        counts.removed += 1;
        listing.library(name, '-')?;
    }
    Ok(())
}

struct Comparison {
    fingerprints: Fingerprints,
    parts: u64,
    /// Of the old file.
    keys: u64,
    ignore_ttl: bool,
}

impl Comparison {
    fn part(
        &self,
        part: u64,
        old: &Input,
        new: &Input,
        counts: &mut Counts,
        listing: &mut Listing,
    ) -> Result<(), Trouble> {
        // Sized ahead, for a table that grows holds its old room as well for a while.
        let mut table: HashMap<u128, Known> = HashMap::with_capacity((self.keys / self.parts) as usize);
        self.each(part, old, "reading the old file", |item, fingerprint| {
            if let Some(known) = self.known(old, item)? {
                counts.old_keys += 1;
                table.insert(fingerprint, known);
            }
            Ok(())
        })?;
        self.each(part, new, "comparing", |item, fingerprint| {
            let Some(known) = self.known(new, item)? else { return Ok(()) };
            counts.new_keys += 1;
            match table.remove(&fingerprint) {
                Some(before) if before == known => counts.same += 1,
                Some(before) => {
                    counts.changed += 1;
                    listing.change(item, &Change::Changed { old: before, new: known })?;
                }
                None => {
                    counts.added += 1;
                    listing.change(item, &Change::Added(known))?;
                }
            }
            Ok(())
        })?;
        if table.is_empty() {
            return Ok(());
        }
        self.each(part, old, "naming what was removed", |item, fingerprint| {
            if let Some(known) = table.remove(&fingerprint) {
                counts.removed += 1;
                listing.change(item, &Change::Removed(known))?;
            }
            Ok(())
        })
    }

    /// Visits the entries of one part of a file.
    fn each(
        &self,
        part: u64,
        input: &Input,
        doing: &str,
        mut visit: impl FnMut(&Item<'_>, u128) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        input.each(doing, |found| {
            let Found::Entry(item) = found else { return Ok(()) };
            let fingerprint = self.fingerprints.of(item.db, &item.key);
            if fingerprint % u128::from(self.parts) == u128::from(part) { visit(&item, fingerprint) } else { Ok(()) }
        })
    }

    /// `None` for what no server would keep.
    fn known(&self, input: &Input, item: &Item<'_>) -> Result<Option<Known>, Trouble> {
        let digest = match input.load(item)? {
            Content::Empty => return Ok(None),
            Content::Opaque => self.fingerprints.of(u64::from(item.tag.as_u8()), item.value),
            Content::Value(value) => {
                let mut digest = 0u128;
                let mut joined = Vec::new();
                // A vector takes everything, so that this cannot fail.
                let _ = elements::for_each(&value, &mut |piece| {
                    self.add(&mut digest, &mut joined, &piece);
                    Ok(())
                });
                digest
            }
        };
        let expiry_ms = item.expiry_ms.filter(|_| !self.ignore_ttl);
        Ok(Some(Known::new(item.data_type(), expiry_ms, digest)))
    }

    /// Sums up what has no order; in a list or a stream, each part is hashed under what came before it.
    fn add(&self, digest: &mut u128, joined: &mut Vec<u8>, piece: &Piece<'_>) {
        let of = |number, bytes: &[u8]| self.fingerprints.of(number, bytes);
        let folded = |digest: u128| (digest >> 64) as u64 ^ digest as u64;
        match piece {
            Piece::Text(text) => *digest = of(0, text),
            Piece::Element(element) => *digest = of(folded(*digest), element),
            Piece::Member(member) => *digest = digest.wrapping_add(of(0, member)),
            &Piece::Scored(member, score) => {
                // Both zeros are one score.
                let bits = if score == 0.0 { 0 } else { score.to_bits() };
                *digest = digest.wrapping_add(of(bits, member));
            }
            &Piece::Field { name, value, expiry_ms } => {
                joined.clear();
                joined.extend_from_slice(name);
                joined.extend_from_slice(value);
                let part = of(name.len() as u64, joined);
                // The expiry is mixed in as a number of its own: i64::MIN is none that a field can have.
                let expiry = expiry_ms.unwrap_or(i64::MIN).cast_unsigned();
                let (high, low) = ((part >> 64) as u64, part as u64);
                let mixed = of(high ^ expiry, b"").rotate_left(64) ^ of(low, b"");
                *digest = digest.wrapping_add(mixed);
            }
            Piece::Entry(_) | Piece::Counters(_) | Piece::Group(..) => {
                joined.clear();
                stream::append_canonical(joined, piece);
                *digest = of(folded(*digest), joined);
            }
        }
    }
}

/// Where the changes are listed.
struct Listing {
    out: Output,
    format: Format,
    quiet: bool,
    /// Nothing has been listed yet.
    first: bool,
}

impl Listing {
    fn new(arguments: &Arguments) -> Self {
        Self { out: Output::stdout(), format: arguments.format, quiet: arguments.quiet, first: true }
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        if self.quiet || self.format == Format::Text {
            return Ok(());
        }
        let written = self.out.write_all(b"{\"changes\":[");
        self.out.written(written)
    }

    fn change(&mut self, item: &Item<'_>, change: &Change) -> Result<(), Trouble> {
        if self.quiet {
            return Ok(());
        }
        let written = match self.format {
            Format::Text => text_line(&mut self.out, item, change),
            Format::Json => {
                let separator: &[u8] = if self.first { b"\n  " } else { b",\n  " };
                let separated = self.out.write_all(separator);
                separated.and_then(|()| json_line(&mut self.out, item, change))
            }
        };
        self.first = false;
        self.out.written(written)
    }

    fn library(&mut self, name: &[u8], sign: char) -> Result<(), Trouble> {
        if self.quiet {
            return Ok(());
        }
        let written = match self.format {
            Format::Text => {
                let line = [sign.to_string().as_bytes(), b" library ", &quoted(name), b"\n"].concat();
                self.out.write_all(&line)
            }
            Format::Json => {
                let separator: &[u8] = if self.first { b"\n  " } else { b",\n  " };
                let separated = self.out.write_all(separator);
                separated.and_then(|()| json_library(&mut self.out, name, sign))
            }
        };
        self.first = false;
        self.out.written(written)
    }

    fn end(mut self, counts: &Counts) -> Result<(), Trouble> {
        if self.quiet {
            return Ok(());
        }
        let written = match self.format {
            Format::Text => {
                let Counts { added, removed, changed, same, .. } = counts;
                writeln!(self.out, "{added} added, {removed} removed, {changed} changed, {same} the same")
            }
            Format::Json => json_counts(&mut self.out, counts),
        };
        self.out.written(written)?;
        self.out.finish()
    }
}

fn text_line(out: &mut dyn Write, item: &Item<'_>, change: &Change) -> io::Result<()> {
    let (sign, kind) = match change {
        Change::Added(known) => ('+', known.kind()),
        Change::Removed(known) => ('-', known.kind()),
        Change::Changed { new, .. } => ('~', new.kind()),
    };
    write!(out, "{sign} db{} ", item.db)?;
    out.write_all(&quoted(&item.key))?;
    let Change::Changed { old, new } = change else {
        return writeln!(out, " {kind}");
    };
    if old.kind() != kind {
        write!(out, " type {} -> {kind}", old.kind())?;
    } else if old.kind_and_digest != new.kind_and_digest {
        write!(out, " {kind} value")?;
    }
    if old.expiry_ms != new.expiry_ms {
        let text = |known: &Known| known.expiry().map_or("never".to_owned(), |at_ms| at_ms.to_string());
        write!(out, " expires at {} -> {}", text(old), text(new))?;
    }
    writeln!(out)
}

fn json_library(out: &mut dyn Write, name: &[u8], sign: char) -> io::Result<()> {
    let mut json = Json::compact(out);
    json.begin_object()?;
    json.key("change")?;
    json.text(match sign {
        '+' => "added",
        '-' => "removed",
        _ => "changed",
    })?;
    json.key("library")?;
    json.bytes(name)?;
    json.end_object()
}

fn json_line(out: &mut dyn Write, item: &Item<'_>, change: &Change) -> io::Result<()> {
    let mut json = Json::compact(out);
    json.begin_object()?;
    json.key("change")?;
    json.text(match change {
        Change::Added(_) => "added",
        Change::Removed(_) => "removed",
        Change::Changed { .. } => "changed",
    })?;
    json.key("db")?;
    json.integer(item.db)?;
    json.key("key")?;
    json.bytes(&item.key)?;
    let sides = match change {
        Change::Added(new) => [None, Some(new)],
        Change::Removed(old) => [Some(old), None],
        Change::Changed { old, new } => [Some(old), Some(new)],
    };
    for (name, side) in ["old", "new"].into_iter().zip(sides) {
        json.key(name)?;
        let Some(known) = side else {
            json.null()?;
            continue;
        };
        json.begin_object()?;
        json.key("type")?;
        json.text(known.kind())?;
        json.key("expires_at_ms")?;
        json.optional(known.expiry())?;
        json.end_object()?;
    }
    if let Change::Changed { old, new } = change {
        json.key("value_differs")?;
        json.boolean(old.kind_and_digest != new.kind_and_digest)?;
    }
    json.end_object()
}

fn json_counts(out: &mut dyn Write, counts: &Counts) -> io::Result<()> {
    let Counts { old_keys, new_keys, added, removed, changed, same } = counts;
    writeln!(out, "\n],\"old_keys\":{old_keys},\"new_keys\":{new_keys},")?;
    writeln!(out, "\"added\":{added},\"removed\":{removed},\"changed\":{changed},\"same\":{same}}}")
}
