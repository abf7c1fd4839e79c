//! The data types: what a key can hold, how each is encoded in memory, and how each is saved and loaded.
//! Owns:  `Value`, `ValueRef`, the `DataType` trait, and one room per type (operations, encoding, persist).
//! Uses:  structures, rdb, config, stdx.
//! Never: a key's name, an expiry, a client, or I/O.

mod digest;
pub mod hash;
mod limits;
pub mod list;
mod packed;
mod room;
pub mod set;
pub mod stream;
pub mod string;
mod value;
pub mod zset;

pub use digest::Digest;
pub use limits::Limits;
pub use room::Room;
pub use value::{Value, ValueRef};

use std::cell::Cell;
use std::io;

use crate::rdb;
use crate::structures::Evacuate;

/// What [`Value::load`] says of a collection without elements. Nothing is wrong with its bytes, all of which were read, but
/// no key can hold it: a dump is read on without the key, and RESTORE refuses it.
pub const EMPTY_VALUE: &str = "a collection without elements";

/// What a key holds, as TYPE answers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Type {
    String = 0,
    List = 1,
    Set = 2,
    Zset = 3,
    Hash = 4,
    Stream = 5,
}

impl Type {
    pub const fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::Zset => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
        }
    }
}

/// How a value is laid out in memory, as OBJECT ENCODING answers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Encoding {
    Int = 0,
    Embstr = 1,
    Raw = 2,
    Listpack = 3,
    Intset = 4,
    Quicklist = 5,
    Hashtable = 6,
    /// The name is Redis's; the structure is an order-statistic B+tree beside a member table.
    Skiplist = 7,
    Stream = 8,
}

impl Encoding {
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
            Encoding::Listpack => "listpack",
            Encoding::Intset => "intset",
            Encoding::Quicklist => "quicklist",
            Encoding::Hashtable => "hashtable",
            Encoding::Skiplist => "skiplist",
            Encoding::Stream => "stream",
        }
    }
}

/// What a type's room gives the rest of the house, once.
///
/// RDB, DUMP and RESTORE, OBJECT ENCODING, MEMORY USAGE, DEBUG DIGEST, lazy free and defragmentation all go through it.
/// Law, tested for every encoding: `load(tag, save(v)) == v`.
pub trait DataType: Sized + Into<Value> + Evacuate {
    const TYPE: Type;
    /// Every tag that `load` understands.
    const LOADS: &'static [rdb::Tag];
    /// The value as it is read: borrowed from an owned value, or from bytes kept inside the key's own block.
    type View<'a>: View;

    fn view(&self) -> Self::View<'_>;

    /// The encoding and bytes under which a small value lives inside its key's block; `None` for a larger one,
    /// which is then behind a pointer.
    fn inline(&self) -> Option<(Encoding, &[u8])>;

    /// Reads bytes that [`DataType::inline`] gave out.
    fn view_inline(encoding: Encoding, bytes: &[u8]) -> Self::View<'_>;

    /// Takes bytes that [`DataType::inline`] gave out as an owned value, to be changed. It is laid out in `room`,
    /// whatever that held.
    fn from_inline(encoding: Encoding, bytes: &[u8], room: &mut Room) -> Self;

    /// Gives the memory of a value that is not needed any more back, as the room for the next one.
    fn give_back(self, room: &mut Room);

    /// The view inside `value`, if it is of this type.
    fn from_value_ref(value: ValueRef<'_>) -> Option<Self::View<'_>>;

    /// The owned value inside `value`, if it is of this type.
    fn from_value_mut(value: &mut Value) -> Option<&mut Self>;

    /// Whether the value has no element left, which removes its key. A string is never empty in this sense.
    fn is_empty(&self) -> bool;

    /// Reads one value of `tag`, which is one of `LOADS`. The bytes come from outside: nothing about them is trusted.
    fn load(tag: rdb::Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<Self>;
}

/// A value of one type as it is read.
pub trait View: Copy {
    fn encoding(self) -> Encoding;
    /// Bytes on the heap beside the key's own block, estimated from `samples` elements (0: all of them).
    fn memory_usage(self, samples: usize) -> usize;
    /// About how many allocations freeing it takes; a large one is freed on another thread.
    fn free_effort(self) -> usize;
    /// The tag under which [`View::save`] writes the value in a file of this version.
    fn tag(self, version: u32) -> rdb::Tag;
    fn save(self, out: &mut rdb::Encoder<'_>) -> io::Result<()>;
    /// Mixes the value into a key's digest as DEBUG DIGEST-VALUE defines it.
    fn digest(self, digest: &mut Digest);
}

/// How a value from outside is to be checked and laid out.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// Encoding thresholds.
    pub limits: &'a Limits,
    /// Look for members that come twice in packed sorted sets too. Everything else is always looked at.
    pub sanitize: bool,
    /// Is set where the bytes state another number of a stream's entries than there are: older servers left such streams.
    pub wrong_length: Option<&'a Cell<bool>>,
}

impl<'a> LoadOptions<'a> {
    /// For bytes from outside, all of which are checked.
    pub fn checking_all(limits: &'a Limits) -> Self {
        Self { limits, sanitize: true, wrong_length: None }
    }
}
