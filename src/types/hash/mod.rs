//! Hashes: fields and values by turns in a row, or a hash table; fields may expire.
//! Owns:  the hash encodings, when one turns into the next, and the expiry of fields.
//! Uses:  structures, rdb, stdx.
//! Never: a reply or a command's option, or the clock: moments come as arguments.

mod encoding;
mod fields;
mod iter;
mod persist;
#[cfg(test)]
mod tests;

pub use crate::structures::listpack::Entry as Text;
pub use fields::Fields;
pub use iter::Iter;

use std::fmt;

use super::{DataType, Digest, Encoding, Limits, LoadOptions, Room, Type, Value, ValueRef, View};
use crate::rdb;
use crate::stdx::number::IntText;
use crate::structures::listpack::{Listpack, Lp, Pos};
use crate::structures::{Cursor, Element, Evacuate, Part, PoolBox, ThinPair};
use encoding::{INLINE_BYTES_MAX, listpack_holds_fields, listpack_takes};

/// Draws before a random field is taken from a walk instead, when most fields are past their expiry.
const RANDOM_DRAWS_MAX: usize = 100;

/// A hash on its own.
///
/// A hash with a field that expires is a hash table whatever its size.
#[derive(Clone)]
pub enum HashValue {
    Listpack(Listpack),
    Hashtable(PoolBox<Fields>),
}

/// A hash as it is read.
#[derive(Clone, Copy)]
pub enum HashView<'a> {
    Listpack(&'a Lp),
    Hashtable(&'a Fields),
}

impl HashValue {
    pub fn new() -> Self {
        Self::Listpack(Listpack::new())
    }

    /// An empty one in the memory of `room`, whatever that held.
    pub fn new_in(room: &mut Room) -> Self {
        Self::Listpack(Listpack::reusing(room.take_row()))
    }

    /// Turns to a hash table at once when `count` more fields are more than a listpack may have.
    pub fn expect_fields(&mut self, count: usize, limits: &Limits) {
        if !listpack_holds_fields(count, limits) {
            self.make_hashtable().reserve(count);
        }
    }

    /// Sets a field, which loses its expiry if it had one. Returns whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        self.set_with_expiry(field, value, None, limits)
    }

    /// Sets a field and leaves the expiry that it has. Returns whether the field is new.
    pub fn set_keeping_expiry(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        let expiry = match self {
            Self::Listpack(_) => None,
            Self::Hashtable(fields) => fields.find(field).and_then(ThinPair::expiry),
        };
        self.set_with_expiry(field, value, expiry, limits)
    }

    fn set_with_expiry(&mut self, field: &[u8], value: &[u8], expiry: Option<i64>, limits: &Limits) -> bool {
        let listpack = match self {
            Self::Listpack(listpack) if listpack_takes(listpack.size(), field, value, limits) => listpack,
            _ => return self.make_hashtable().set(field, value, expiry),
        };
        if let Some(place) = value_place(listpack, field) {
            listpack.replace(place, value);
            return false;
        }
        listpack.push_back(field);
        listpack.push_back(value);
        if !listpack_holds_fields(listpack.len() / 2, limits) {
            self.make_hashtable();
        }
        true
    }

    /// Takes a field out and returns whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Self::Listpack(listpack) => match listpack.find_field(field) {
                Some(place) => {
                    listpack.remove_from(place, 2);
                    true
                }
                None => false,
            },
            Self::Hashtable(fields) => fields.remove(field).is_some(),
        }
    }

    /// The expiry of a field that exists: the inner `None` says that it has none.
    pub fn expiry(&self, field: &[u8]) -> Option<Option<i64>> {
        self.view().expiry(field, i64::MIN)
    }

    /// Sets or takes away the expiry of a field. Returns whether the field exists.
    pub fn set_expiry(&mut self, field: &[u8], expiry: Option<i64>) -> bool {
        match self {
            Self::Listpack(listpack) if listpack.find_field(field).is_none() => false,
            Self::Listpack(_) if expiry.is_none() => true,
            _ => self.make_hashtable().set_expiry(field, expiry),
        }
    }

    /// Removes up to `count` fields whose expiry has passed, each of which is shown to `visit`. Returns how many there were.
    pub fn remove_due(&mut self, now_ms: i64, count: usize, visit: impl FnMut(&[u8])) -> usize {
        match self {
            Self::Listpack(_) => 0,
            Self::Hashtable(fields) => fields.remove_due(now_ms, count, visit),
        }
    }

    /// Removes a field if its expiry has passed. Returns whether that was so.
    pub fn remove_if_due(&mut self, field: &[u8], now_ms: i64) -> bool {
        let is_due = matches!(self.expiry(field), Some(Some(at_ms)) if at_ms <= now_ms);
        is_due && self.remove(field)
    }

    fn make_hashtable(&mut self) -> &mut Fields {
        if let Self::Listpack(listpack) = self {
            let mut fields = Fields::with_capacity(listpack.len() / 2);
            let (mut field_room, mut value_room) = (IntText::new(), IntText::new());
            for (field, value) in listpack.pairs() {
                fields.set(field.text(&mut field_room), value.text(&mut value_room), None);
            }
            *self = Self::Hashtable(PoolBox::new(fields));
        }
        match self {
            Self::Hashtable(fields) => fields,
            Self::Listpack(_) => unreachable!("just made"),
        }
    }
}

/// Where the value of a field is.
fn value_place(listpack: &Lp, field: &[u8]) -> Option<Pos> {
    listpack.next(listpack.find_field(field)?)
}

impl Default for HashValue {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HashValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.view().encoding().name())?;
        match self {
            Self::Listpack(listpack) => f.debug_map().entries(listpack.pairs()).finish(),
            Self::Hashtable(fields) => f.debug_set().entries(fields.table()).finish(),
        }
    }
}

impl PartialEq for HashValue {
    /// Equal hashes have the same encoding and, in whatever order, the same fields with equal values and expiries.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Listpack(mine), Self::Listpack(theirs)) => {
                let mut room = IntText::new();
                mine.len() == theirs.len()
                    && mine.pairs().all(|(field, value)| {
                        let place = value_place(theirs, field.text(&mut room));
                        place.and_then(|place| theirs.entry(place)) == Some(value)
                    })
            }
            (Self::Hashtable(mine), Self::Hashtable(theirs)) => {
                mine.table().len() == theirs.table().len()
                    && mine.table().iter().all(|pair| {
                        let other = theirs.find(pair.key());
                        other.is_some_and(|other| (pair.value(), pair.expiry()) == (other.value(), other.expiry()))
                    })
            }
            _ => false,
        }
    }
}

impl Evacuate for HashValue {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        match self {
            Self::Listpack(listpack) => listpack.evacuate(cursor, part),
            Self::Hashtable(fields) => fields.evacuate(cursor, part),
        }
    }
}

impl From<HashValue> for Value {
    fn from(value: HashValue) -> Value {
        Value::Hash(value)
    }
}

impl DataType for HashValue {
    const TYPE: Type = Type::Hash;
    const LOADS: &'static [rdb::Tag] = persist::LOADS;
    type View<'a> = HashView<'a>;

    fn view(&self) -> HashView<'_> {
        match self {
            Self::Listpack(listpack) => HashView::Listpack(listpack),
            Self::Hashtable(fields) => HashView::Hashtable(fields),
        }
    }

    fn inline(&self) -> Option<(Encoding, &[u8])> {
        match self {
            Self::Listpack(listpack) if listpack.size() <= INLINE_BYTES_MAX => {
                Some((Encoding::Listpack, listpack.as_bytes()))
            }
            _ => None,
        }
    }

    fn view_inline(_encoding: Encoding, bytes: &[u8]) -> HashView<'_> {
        HashView::Listpack(Lp::from_trusted(bytes))
    }

    fn from_inline(_encoding: Encoding, bytes: &[u8], room: &mut Room) -> Self {
        Self::Listpack(Listpack::copied(bytes, room.take_row()))
    }

    fn give_back(self, room: &mut Room) {
        if let Self::Listpack(listpack) = self {
            room.put_row(listpack.into_row());
        }
    }

    #[inline]
    fn from_value_ref(value: ValueRef<'_>) -> Option<Self::View<'_>> {
        match value {
            ValueRef::Hash(view) => Some(view),
            _ => None,
        }
    }

    fn from_value_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Hash(value) => Some(value),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    fn load(tag: rdb::Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<Self> {
        persist::load(tag, input, options)
    }
}

impl<'a> HashView<'a> {
    /// The number of fields; those past their expiry count until somebody comes across them.
    pub fn len(self) -> usize {
        match self {
            Self::Listpack(listpack) => listpack.len() / 2,
            Self::Hashtable(fields) => fields.table().len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of a field whose expiry has not passed.
    pub fn find(self, field: &[u8], now_ms: i64) -> Option<Text<'a>> {
        match self {
            Self::Listpack(listpack) => listpack.entry(value_place(listpack, field)?),
            Self::Hashtable(fields) => {
                fields.find(field).filter(|pair| is_live(pair, now_ms)).map(|pair| Text::Bytes(pair.value()))
            }
        }
    }

    /// The expiry of a field that exists: the inner `None` says that it has none.
    pub fn expiry(self, field: &[u8], now_ms: i64) -> Option<Option<i64>> {
        match self {
            Self::Listpack(listpack) => listpack.find_field(field).map(|_| None),
            Self::Hashtable(fields) => fields.find(field).filter(|pair| is_live(pair, now_ms)).map(ThinPair::expiry),
        }
    }

    /// The moment at which the first field expires.
    pub fn next_expiry(self) -> Option<i64> {
        match self {
            Self::Listpack(_) => None,
            Self::Hashtable(fields) => fields.next_expiry(),
        }
    }

    /// Whether there are fields whose expiry has passed.
    pub fn has_due(self, now_ms: i64) -> bool {
        self.next_expiry().is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// The fields with their values, those past their expiry left out.
    pub fn iter(self, now_ms: i64) -> Iter<'a> {
        Iter::new(self, now_ms)
    }

    /// A random field, with its value.
    pub fn random(self, now_ms: i64, rng: &mut fastrand::Rng) -> Option<(Text<'a>, Text<'a>)> {
        match self {
            Self::Listpack(listpack) => pair_at(listpack, listpack.random(2, rng)?),
            Self::Hashtable(fields) => {
                let mut draws = (0..RANDOM_DRAWS_MAX).map_while(|_| fields.table().random(rng));
                match draws.find(|pair| is_live(pair, now_ms)) {
                    Some(pair) => Some(texts(pair)),
                    None => self.iter(now_ms).next(),
                }
            }
        }
    }

    /// `count` random fields, the same one perhaps several times; none if there is none.
    pub fn random_many(self, count: usize, now_ms: i64, rng: &mut fastrand::Rng) -> Vec<(Text<'a>, Text<'a>)> {
        match self {
            Self::Listpack(listpack) => {
                let places = listpack.random_many(count, 2, rng);
                places.into_iter().filter_map(|place| pair_at(listpack, place)).collect()
            }
            Self::Hashtable(fields) if self.has_due(now_ms) => {
                // Fields that are due may be nearly all there are, so that single draws would find the others too rarely.
                let live = live_texts(fields, now_ms);
                (0..if live.is_empty() { 0 } else { count }).map(|_| live[rng.usize(..live.len())]).collect()
            }
            Self::Hashtable(_) => (0..count).map_while(|_| self.random(now_ms, rng)).collect(),
        }
    }

    /// `count` different random fields, in no particular order; all of them if there are no more.
    pub fn random_distinct(self, count: usize, now_ms: i64, rng: &mut fastrand::Rng) -> Vec<(Text<'a>, Text<'a>)> {
        match self {
            Self::Listpack(listpack) => {
                let places = listpack.random_distinct(count, 2, rng);
                places.into_iter().filter_map(|place| pair_at(listpack, place)).collect()
            }
            Self::Hashtable(fields) if self.has_due(now_ms) => {
                let mut live = live_texts(fields, now_ms);
                let (len, count) = (live.len(), count.min(live.len()));
                for index in 0..count {
                    live.swap(index, rng.usize(index..len));
                }
                live.truncate(count);
                live
            }
            Self::Hashtable(fields) => fields.table().random_distinct(count, rng).into_iter().map(texts).collect(),
        }
    }

    /// Visits a part of the fields, as [`Dict::scan`](crate::structures::Dict::scan) does; a listpack is visited whole.
    pub fn scan(self, cursor: u64, now_ms: i64, mut visit: impl FnMut(Text<'a>, Text<'a>)) -> u64 {
        match self {
            Self::Listpack(listpack) => {
                listpack.pairs().for_each(|(field, value)| visit(field, value));
                0
            }
            Self::Hashtable(fields) => fields.scan(cursor, |pair| {
                if is_live(pair, now_ms) {
                    let (field, value) = texts(pair);
                    visit(field, value);
                }
            }),
        }
    }
}

fn is_live(pair: &ThinPair, now_ms: i64) -> bool {
    pair.expiry().is_none_or(|at_ms| at_ms > now_ms)
}

fn live_texts(fields: &Fields, now_ms: i64) -> Vec<(Text<'_>, Text<'_>)> {
    fields.table().iter().filter(|pair| is_live(pair, now_ms)).map(texts).collect()
}

fn texts(pair: &ThinPair) -> (Text<'_>, Text<'_>) {
    (Text::Bytes(pair.key()), Text::Bytes(pair.value()))
}

fn pair_at(listpack: &Lp, place: Pos) -> Option<(Text<'_>, Text<'_>)> {
    let (field, next) = listpack.entry_and_next(place)?;
    Some((field, listpack.entry(next?)?))
}

impl View for HashView<'_> {
    fn encoding(self) -> Encoding {
        match self {
            Self::Listpack(_) => Encoding::Listpack,
            Self::Hashtable(_) => Encoding::Hashtable,
        }
    }

    fn memory_usage(self, samples: usize) -> usize {
        match self {
            Self::Listpack(listpack) if listpack.size() <= INLINE_BYTES_MAX => 0,
            Self::Listpack(listpack) => listpack.size(),
            Self::Hashtable(fields) => {
                let table = fields.table();
                let samples = if samples == 0 { table.len() } else { samples.min(table.len()) };
                let sampled: usize = table.iter().take(samples).map(ThinPair::heap_bytes).sum();
                let elements = (sampled * table.len()).checked_div(samples).unwrap_or(0);
                size_of::<Fields>() + table.typical_table_bytes() + elements + fields.index_bytes()
            }
        }
    }

    fn free_effort(self) -> usize {
        match self {
            Self::Listpack(_) => 1,
            Self::Hashtable(fields) => fields.table().len(),
        }
    }

    fn tag(self, _version: u32) -> rdb::Tag {
        match self {
            Self::Listpack(_) => rdb::Tag::HashListpack,
            Self::Hashtable(fields) if fields.expiring() > 0 => rdb::Tag::HashMetadata,
            Self::Hashtable(_) => rdb::Tag::Hash,
        }
    }

    fn save(self, out: &mut rdb::Encoder<'_>) -> std::io::Result<()> {
        persist::save(self, out)
    }

    fn digest(self, digest: &mut Digest) {
        let (mut field_room, mut value_room) = (IntText::new(), IntText::new());
        for (field, value) in self.iter(i64::MIN) {
            let field = field.text(&mut field_room);
            let mut pair = Digest::default();
            pair.mix(field);
            pair.mix(value.text(&mut value_room));
            if self.expiry(field, i64::MIN).flatten().is_some() {
                pair.xor(b"!!hexpire!!");
            }
            digest.xor_digest(&pair);
        }
    }
}
