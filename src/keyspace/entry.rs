//! One heap block per key: header, optional expiry, key bytes, and the value inside the block or behind a pointer.
//!
//! ```text
//! 0       4       5        6            8          [16]        [40]
//! | clock | flags | keylen | inline len | expiry?   | Value?    | (wide key length) key bytes | inline bytes |
//! ```
//!
//! The block's class is in the high bits of the flags and of the inline length. A lookup touches the bucket's cache line and
//! the block's. A value that fits is overwritten in place, unless a snapshot child sees the block: then the entry moves to a
//! new one, so that the page with the old one is not copied (see `structures::heap`).
#![expect(unsafe_code, reason = "the block's layout is chosen at run time")]

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, transmute};
use std::ptr::{self, NonNull};
use std::slice;

use crate::keyspace::WrongType;
use crate::stdx::size::ELEMENT_BYTES_MAX;
use crate::structures::{Class, Element, Owner, Pool, block_bytes, prefetch_bytes};
use crate::types::{DataType, Encoding, Type, Value, ValueRef};

/// Where blocks come from.
const POOL: Pool = Pool::Entries;

const HEADER_BYTES: usize = size_of::<Header>();
const EXPIRY_BYTES: usize = size_of::<i64>();
const VALUE_BYTES: usize = size_of::<Value>();
const WIDE_LENGTH_BYTES: usize = size_of::<u32>();
/// Of a block with a boxed value.
const ALIGN: usize = 8;

/// A reader of more bytes in a row than this is helped by the processor itself.
const PREFETCHED_BYTES_MAX: usize = 512;

const HAS_EXPIRY: u8 = 1;
const BOXED: u8 = 2;
const CLASS_SHIFT: u32 = 2;

/// Keys from this length on carry their length in four bytes.
const WIDE_KEY: usize = u8::MAX as usize;

/// The class of a block larger than every class: it has the size that its contents need.
const CLASS_EXACT: usize = (1 << CLASS_BITS) - 1;

/// The class has nine bits: the low six are the high ones of the flags, the high three those of the inline length.
const CLASS_BITS: u32 = 9;
const CLASS_LOW_BITS: u32 = u8::BITS - CLASS_SHIFT;
const INLINE_LEN_BITS: u32 = u16::BITS - (CLASS_BITS - CLASS_LOW_BITS);
const INLINE_LEN_MAX: usize = (1 << INLINE_LEN_BITS) - 1;

/// The low 24 bits are the access clock; the high 8 are type and encoding.
const CLOCK_MASK: u32 = 0x00ff_ffff;

#[repr(C)]
struct Header {
    clock_and_kind: Cell<u32>,
    flags: u8,
    key_len: u8,
    inline_len_and_class: u16,
}

/// The handle that owns a block.
#[repr(transparent)]
pub struct Entry(NonNull<Header>);

// SAFETY: an entry owns its block and the value in it, and a value may go to another thread, as is asserted below.
unsafe impl Send for Entry {}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Value>();
};

impl Element for Entry {
    const BUCKETS: Option<Pool> = Some(Pool::Buckets);

    type Key<'a> = &'a [u8];

    #[inline]
    fn key(&self) -> &[u8] {
        Entry::key(self)
    }

    #[inline]
    fn address(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }
}

/// What a block is made of, before it has an address.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    key_len: usize,
    expiry: bool,
    boxed: bool,
    inline_len: usize,
}

impl Shape {
    fn key_offset(self) -> usize {
        HEADER_BYTES
            + if self.expiry { EXPIRY_BYTES } else { 0 }
            + if self.boxed { VALUE_BYTES } else { 0 }
            + if self.key_len >= WIDE_KEY { WIDE_LENGTH_BYTES } else { 0 }
    }

    fn inline_offset(self) -> usize {
        self.key_offset() + self.key_len
    }

    /// Bytes of the block that it needs. Those of a boxed value are a multiple of 8, as are then the addresses of blocks.
    fn bytes(self) -> usize {
        let bytes = self.inline_offset() + self.inline_len;
        if self.boxed { bytes.next_multiple_of(ALIGN) } else { bytes }
    }

    /// The shape, of which it is now sure that a header can describe it and that the sums above do not overflow. To be
    /// asked for before anything is touched.
    ///
    /// # Panics
    ///
    /// When key or value are too long. Bytes from outside are refused before.
    #[inline]
    fn checked(self) -> Self {
        assert!(self.inline_len <= INLINE_LEN_MAX, "an inline value has at most INLINE_LEN_MAX bytes");
        assert!(self.key_len <= ELEMENT_BYTES_MAX, "a key has at most ELEMENT_BYTES_MAX bytes");
        self
    }
}

impl Entry {
    /// A block with `key` and `value`, without an expiry, for the owner of a database's blocks.
    pub fn new(owner: Owner, key: &[u8], value: Value, clock: u32) -> Entry {
        match value.inline() {
            Some((encoding, bytes)) => Entry::with_inline(owner, key, value.data_type(), encoding, bytes, None, clock),
            None => Entry::with_value(owner, key, value, clock),
        }
    }

    /// As [`Self::new`], of an entry that is in no database.
    pub fn of_no_database(key: &[u8], value: Value, clock: u32) -> Entry {
        Entry::new(Owner::NOBODY, key, value, clock)
    }

    /// A block whose value lives inside it.
    pub fn with_inline(
        owner: Owner,
        key: &[u8],
        data_type: Type,
        encoding: Encoding,
        bytes: &[u8],
        expiry: Option<i64>,
        clock: u32,
    ) -> Entry {
        let shape = Shape { key_len: key.len(), expiry: expiry.is_some(), boxed: false, inline_len: bytes.len() };
        // SAFETY: expiry and inline bytes are written below, by what cannot panic before.
        let mut entry = unsafe { Entry::allocate(owner, shape, key, kind(data_type, encoding), clock) };
        if let Some(at_ms) = expiry {
            entry.write_expiry(at_ms);
        }
        entry.write_inline(bytes);
        entry
    }

    fn with_value(owner: Owner, key: &[u8], value: Value, clock: u32) -> Entry {
        let shape = Shape { key_len: key.len(), expiry: false, boxed: true, inline_len: 0 };
        let kind = kind(value.data_type(), Encoding::Raw);
        // SAFETY: a boxed shape has room for a `Value` at an aligned offset, which holds none until this one is written.
        unsafe {
            let entry = Entry::allocate(owner, shape, key, kind, clock);
            entry.value_slot().write(value);
            entry
        }
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: the key's bytes are initialised and inside the block, where they stay until the entry is changed or
        // dropped, neither of which a shared borrow allows.
        unsafe { slice::from_raw_parts(self.at(shape.key_offset()), shape.key_len) }
    }

    #[inline]
    pub fn data_type(&self) -> Type {
        type_of_kind((self.header().clock_and_kind.get() >> 24) as u8)
    }

    /// The value, wherever it lives.
    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        if self.header().flags & BOXED != 0 {
            // SAFETY: a boxed block holds a live `Value` in its slot.
            return unsafe { (*self.value_slot()).view() };
        }
        let (data_type, encoding) = self.kind();
        ValueRef::from_inline(data_type, encoding, self.inline_bytes())
    }

    /// The value as one of type `T`, or an error where it is of another.
    #[inline]
    pub fn view<T: DataType>(&self) -> Result<T::View<'_>, WrongType> {
        T::from_value_ref(self.value()).ok_or(WrongType)
    }

    /// Asks for the value's bytes for a reader who is to come soon; waits for the block's first line at most.
    #[inline]
    pub fn prefetch_value(&self) {
        let bytes = if self.header().flags & BOXED == 0 {
            self.inline_bytes()
        } else {
            self.value().as_row().unwrap_or_default()
        };
        prefetch_bytes(&bytes[..bytes.len().min(PREFETCHED_BYTES_MAX)]);
    }

    /// Whether the value is behind a pointer.
    #[inline]
    pub fn is_boxed(&self) -> bool {
        self.header().flags & BOXED != 0
    }

    /// The owned value behind the pointer; `None` when the value lives inside the block.
    pub fn boxed_mut(&mut self) -> Option<&mut Value> {
        if self.header().flags & BOXED == 0 {
            return None;
        }
        // SAFETY: a boxed block holds a live `Value`, borrowed as long as `self` is.
        Some(unsafe { &mut *self.value_slot() })
    }

    /// Type, encoding and bytes of a value that lives inside the block.
    pub fn inline(&self) -> Option<(Type, Encoding, &[u8])> {
        if self.header().flags & BOXED != 0 {
            return None;
        }
        let (data_type, encoding) = self.kind();
        Some((data_type, encoding, self.inline_bytes()))
    }

    /// The bytes of a value that lives inside the block, to be overwritten at the same length.
    pub fn inline_bytes_mut(&mut self) -> Option<&mut [u8]> {
        if self.header().flags & BOXED != 0 {
            return None;
        }
        let shape = self.shape();
        // SAFETY: the inline bytes are initialised, inside the block, and borrowed as long as `self` is.
        Some(unsafe { slice::from_raw_parts_mut(self.at(shape.inline_offset()), shape.inline_len) })
    }

    /// Expiry in milliseconds of the unix clock.
    #[inline]
    pub fn expiry(&self) -> Option<i64> {
        if self.header().flags & HAS_EXPIRY == 0 {
            return None;
        }
        // SAFETY: a block with the flag has eight bytes right behind its header.
        Some(unsafe { self.at(HEADER_BYTES).cast::<i64>().read_unaligned() })
    }

    /// The 24-bit access clock, as the eviction policy reads it.
    #[inline]
    pub fn clock(&self) -> u32 {
        self.header().clock_and_kind.get() & CLOCK_MASK
    }

    /// Sets the access clock. Shared access suffices: reads move it too.
    #[inline]
    pub fn set_clock(&self, clock: u32) {
        let cell = &self.header().clock_and_kind;
        let kind = cell.get() & !CLOCK_MASK;
        cell.set(kind | (clock & CLOCK_MASK));
    }

    /// Overwrites the value with one that lives inside the block, in place when it fits.
    pub fn set_inline(&mut self, data_type: Type, encoding: Encoding, bytes: &[u8], expiry: Option<i64>) {
        let shape =
            Shape { key_len: self.shape().key_len, expiry: expiry.is_some(), boxed: false, inline_len: bytes.len() };
        // SAFETY: expiry and inline bytes are written below, by what cannot panic before.
        unsafe { self.reshape(shape) };
        self.set_kind(kind(data_type, encoding));
        if let Some(at_ms) = expiry {
            self.write_expiry(at_ms);
        }
        self.write_inline(bytes);
    }

    /// Replaces the value, keeping key, expiry and clock.
    pub fn set_value(&mut self, value: Value) {
        let expiry = self.expiry();
        if let Some((encoding, bytes)) = value.inline() {
            return self.set_inline(value.data_type(), encoding, bytes, expiry);
        }
        let data_type = value.data_type();
        if let Some(slot) = self.boxed_mut() {
            *slot = value;
            self.set_kind(kind(data_type, Encoding::Raw));
            return;
        }
        let shape = Shape { boxed: true, inline_len: 0, ..self.shape() };
        // SAFETY: the block gets a boxed shape whose slot holds nothing until the value is written, and nothing reads it or
        // panics before.
        unsafe {
            self.reshape(shape);
            self.set_kind(kind(data_type, Encoding::Raw));
            self.value_slot().write(value);
        }
    }

    /// Sets or takes away the expiry.
    pub fn set_expiry(&mut self, expiry: Option<i64>) {
        let old = self.shape();
        if expiry.is_some() != old.expiry {
            // SAFETY: the value is kept, and the expiry written below.
            unsafe { self.reshape(Shape { expiry: !old.expiry, ..old }) };
        }
        if let Some(at_ms) = expiry {
            self.write_expiry(at_ms);
        }
    }

    /// Changes the expiry of an entry that has one.
    #[inline]
    pub fn move_expiry(&mut self, at_ms: i64) {
        debug_assert!(self.expiry().is_some());
        self.write_expiry(at_ms);
    }

    /// Takes the value out, to be followed by one that is put in: in place of a value behind the block is an empty
    /// string until then, and one inside the block is copied and stays.
    pub fn take_value(&mut self) -> Value {
        let taken = match self.boxed_mut() {
            Some(slot) => std::mem::replace(slot, Value::from_inline(Type::String, Encoding::Embstr, b"")),
            None => {
                let (data_type, encoding) = self.kind();
                Value::from_inline(data_type, encoding, self.inline_bytes())
            }
        };
        if self.header().flags & BOXED != 0 {
            self.set_kind(kind(Type::String, Encoding::Raw));
        }
        taken
    }

    /// A copy of the value on its own.
    pub fn clone_value(&self) -> Value {
        if self.header().flags & BOXED != 0 {
            // SAFETY: a boxed block holds a live `Value` in its slot.
            return unsafe { (*self.value_slot()).clone() };
        }
        let (data_type, encoding) = self.kind();
        Value::from_inline(data_type, encoding, self.inline_bytes())
    }

    /// Bytes that the block takes from the allocator.
    pub fn block_bytes(&self) -> usize {
        match self.class() {
            CLASS_EXACT => block_bytes(self.shape().bytes()),
            class => Class::with_index(class).bytes(),
        }
    }

    /// Bytes of the block and of what hangs off it.
    pub fn memory_usage(&self, samples: usize) -> usize {
        self.block_bytes() + self.value().memory_usage(samples)
    }

    /// Bytes of the block, of what hangs off it, and of the slot and the byte of hash by which the table knows it.
    pub fn memory_usage_in_table(&self, samples: usize) -> usize {
        const HANDLE_BYTES: usize = size_of::<Entry>() + 1;
        self.memory_usage(samples) + HANDLE_BYTES
    }

    fn kind(&self) -> (Type, Encoding) {
        let kind = (self.header().clock_and_kind.get() >> 24) as u8;
        (type_of_kind(kind), encoding_of_kind(kind))
    }

    fn set_kind(&mut self, kind: u8) {
        let cell = &self.header().clock_and_kind;
        cell.set((cell.get() & CLOCK_MASK) | (u32::from(kind) << 24));
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the block starts with an initialised header and lives as long as the handle.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: callers take the offset from a shape that the block has or was seen to fit, and the handle's pointer
        // may be used for the whole block.
        unsafe { self.0.as_ptr().cast::<u8>().add(offset) }
    }

    #[inline]
    fn class(&self) -> usize {
        let header = self.header();
        let high = header.inline_len_and_class >> INLINE_LEN_BITS;
        usize::from(high) << CLASS_LOW_BITS | usize::from(header.flags >> CLASS_SHIFT)
    }

    #[inline]
    fn shape(&self) -> Shape {
        let header = self.header();
        let mut shape = Shape {
            key_len: usize::from(header.key_len),
            expiry: header.flags & HAS_EXPIRY != 0,
            boxed: header.flags & BOXED != 0,
            inline_len: usize::from(header.inline_len_and_class) & INLINE_LEN_MAX,
        };
        if shape.key_len == WIDE_KEY {
            let offset = shape.key_offset() - WIDE_LENGTH_BYTES;
            // SAFETY: a wide key's length is in the four bytes before it.
            shape.key_len = unsafe { self.at(offset).cast::<u32>().read_unaligned() } as usize;
        }
        shape
    }

    #[inline]
    fn inline_bytes(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: the inline bytes are initialised and inside the block.
        unsafe { slice::from_raw_parts(self.at(shape.inline_offset()), shape.inline_len) }
    }

    fn value_slot(&self) -> *mut Value {
        let header = self.header();
        debug_assert!(header.flags & BOXED != 0);
        let offset = HEADER_BYTES + if header.flags & HAS_EXPIRY != 0 { EXPIRY_BYTES } else { 0 };
        self.at(offset).cast()
    }

    fn write_expiry(&mut self, at_ms: i64) {
        debug_assert!(self.header().flags & HAS_EXPIRY != 0);
        // SAFETY: the shape has eight bytes right behind the header.
        unsafe { self.at(HEADER_BYTES).cast::<i64>().write_unaligned(at_ms) };
    }

    fn write_inline(&mut self, bytes: &[u8]) {
        let shape = self.shape();
        assert_eq!(shape.inline_len, bytes.len());
        // SAFETY: the block has `inline_len` bytes there, and `bytes` cannot overlap it: `self` is borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(shape.inline_offset()), bytes.len()) };
    }

    /// A block with `key`.
    ///
    /// # Safety
    ///
    /// The caller writes what the shape has besides (expiry, value, inline bytes) before anything reads it, drops the
    /// entry, or panics.
    unsafe fn allocate(owner: Owner, shape: Shape, key: &[u8], kind: u8, clock: u32) -> Entry {
        let (class, size) = class_for(shape.checked().bytes());
        let mut entry = Entry(POOL.allocate_for(owner, size).cast());
        let header = Header {
            clock_and_kind: Cell::new((clock & CLOCK_MASK) | (u32::from(kind) << 24)),
            flags: 0,
            key_len: 0,
            inline_len_and_class: 0,
        };
        // SAFETY: the block is fresh and at least as large as the shape, so header and key lie inside it. Nothing panics
        // until the header describes the block, so that no entry is dropped that does not know its size.
        unsafe {
            entry.0.as_ptr().write(header);
            ptr::copy_nonoverlapping(key.as_ptr(), entry.at(shape.key_offset()), key.len());
        }
        entry.describe(shape, class);
        entry
    }

    /// Writes the shape, which was checked, into the header (and the wide key length where it belongs).
    fn describe(&mut self, shape: Shape, class: usize) {
        // SAFETY: the handle owns the block, and `self` is borrowed mutably.
        let header = unsafe { self.0.as_mut() };
        header.flags = (u8::from(shape.expiry) * HAS_EXPIRY)
            | (u8::from(shape.boxed) * BOXED)
            | ((class << CLASS_SHIFT) & usize::from(u8::MAX)) as u8;
        header.key_len = shape.key_len.min(WIDE_KEY) as u8;
        header.inline_len_and_class = (shape.inline_len | (class >> CLASS_LOW_BITS) << INLINE_LEN_BITS) as u16;
        if shape.key_len >= WIDE_KEY {
            let at = self.at(shape.key_offset() - WIDE_LENGTH_BYTES);
            // SAFETY: a wide shape has four bytes before the key.
            unsafe { at.cast::<u32>().write_unaligned(shape.key_len as u32) };
        }
    }

    /// Moves the entry to a block of its own, if a child sees the one in which it is: to be done before anything is written to
    /// it.
    #[inline]
    pub fn leave_shared(&mut self) {
        if self.is_shared() {
            self.leave();
        }
    }

    /// Whether the entry is in this block.
    #[inline]
    pub fn is_at(&self, block: NonNull<u8>) -> bool {
        self.block() == block
    }

    /// The entry's block.
    #[inline]
    pub fn block(&self) -> NonNull<u8> {
        self.0.cast()
    }

    /// A block of another size for the entry, for the same owner.
    #[inline]
    fn another_block(&self, size: usize) -> NonNull<Header> {
        POOL.allocate_for(POOL.owner(self.block()), size).cast()
    }

    /// The entry in a block, for a look at its key.
    ///
    /// # Safety
    ///
    /// An entry is in the block, and it is neither changed nor dropped meanwhile.
    pub unsafe fn in_block(block: NonNull<u8>) -> ManuallyDrop<Entry> {
        ManuallyDrop::new(Entry(block.cast()))
    }

    /// Moves the entry to another block.
    #[cold]
    #[inline(never)]
    pub fn leave(&mut self) {
        let size = self.block_bytes();
        let block = self.another_block(size);
        let bytes = self.shape().bytes();
        // SAFETY: both blocks are of that size, and the new one is nobody else's. A value behind the block goes with it, so
        // that nobody has the old one any more.
        unsafe {
            ptr::copy_nonoverlapping(self.0.cast::<u8>().as_ptr(), block.cast::<u8>().as_ptr(), bytes);
            POOL.free(std::mem::replace(&mut self.0, block).cast(), size);
        }
    }

    /// Whether a child sees the block, so that a write to it copies a page.
    #[inline]
    pub fn is_shared(&self) -> bool {
        POOL.shares(self.0.cast())
    }

    /// Gives the block another shape, in place where it fits without wasting half of the block and no child sees it; another
    /// block otherwise. The key and an expiry that the new shape has room for are kept; a boxed value is kept when the new
    /// shape is boxed too and dropped otherwise; inline bytes are kept when their length stays.
    ///
    /// # Safety
    ///
    /// The caller writes what the new shape has and the old one had not, or not of that length (expiry, value, inline
    /// bytes) before anything reads it, drops the entry, or panics.
    unsafe fn reshape(&mut self, new: Shape) {
        let new = new.checked();
        let old = self.shape();
        // SAFETY: the slot holds a live value, which stays the entry's until the header says otherwise.
        let value = old.boxed.then(|| unsafe { ManuallyDrop::new(self.value_slot().read()) });
        let kept_expiry = if new.expiry { self.expiry() } else { None };
        let inline_kept = if old.inline_len == new.inline_len { old.inline_len } else { 0 };
        if (old == new || self.fits(new)) && !self.is_shared() {
            if old.key_offset() != new.key_offset() {
                // SAFETY: both ranges lie inside the block; `copy` allows them to overlap.
                unsafe {
                    ptr::copy(self.at(old.key_offset()), self.at(new.key_offset()), old.key_len + inline_kept);
                }
            }
            self.describe(new, self.class());
        } else {
            let (class, size) = class_for(new.bytes());
            let block = self.another_block(size);
            let size_left = self.block_bytes();
            // SAFETY: the new block is as large as the new shape, and nobody has the old one once its contents are copied: a
            // value was taken out above.
            unsafe {
                block.write(self.0.read());
                let key = block.cast::<u8>().add(new.key_offset());
                ptr::copy_nonoverlapping(self.at(old.key_offset()), key.as_ptr(), old.key_len + inline_kept);
                POOL.free(std::mem::replace(&mut self.0, block).cast(), size_left);
            }
            self.describe(new, class);
        }
        if let Some(at_ms) = kept_expiry {
            self.write_expiry(at_ms);
        }
        // The header is written, so that the entry has no value any more but one that is put into it.
        match value.map(ManuallyDrop::into_inner) {
            // SAFETY: the new shape is boxed, and its slot holds nothing live.
            Some(value) if new.boxed => unsafe { self.value_slot().write(value) },
            value => drop(value),
        }
    }

    /// Whether the block can take the shape without wasting half of itself.
    fn fits(&self, shape: Shape) -> bool {
        let (capacity, needed) = (self.block_bytes(), shape.bytes());
        self.class() != CLASS_EXACT
            && needed <= capacity
            && (needed * 2 > capacity || capacity <= 64)
            && (!shape.boxed || capacity.is_multiple_of(ALIGN))
    }
}

/// An entry for reading, by its block alone.
#[derive(Clone, Copy)]
pub struct EntryRef<'k> {
    block: NonNull<Header>,
    lives: PhantomData<&'k Entry>,
}

impl<'k> EntryRef<'k> {
    pub fn of(entry: &'k Entry) -> Self {
        Self { block: entry.0, lives: PhantomData }
    }

    /// # Safety
    ///
    /// An entry is in the block, and it is neither changed nor dropped during `'k`.
    pub unsafe fn in_block(block: NonNull<u8>) -> Self {
        Self { block: block.cast(), lives: PhantomData }
    }

    #[inline]
    fn read<R>(self, read: impl FnOnce(&Entry) -> R) -> R {
        read(&ManuallyDrop::new(Entry(self.block)))
    }

    #[inline]
    pub fn key(self) -> &'k [u8] {
        // SAFETY: the bytes are in the block, and not in the handle. The entry stays as it is during 'k, by the promise with which
        // this was made or since it is borrowed.
        self.read(|entry| unsafe { &*ptr::from_ref(entry.key()) })
    }

    #[inline]
    pub fn value(self) -> ValueRef<'k> {
        // SAFETY: as for the key: what is lent is in the block or behind it, where it stays during 'k.
        self.read(|entry| unsafe { transmute::<ValueRef<'_>, ValueRef<'k>>(entry.value()) })
    }

    #[inline]
    pub fn expiry(self) -> Option<i64> {
        self.read(Entry::expiry)
    }

    #[inline]
    pub fn clock(self) -> u32 {
        self.read(Entry::clock)
    }

    /// See [`Entry::prefetch_value`].
    #[inline]
    pub fn prefetch_value(self) {
        self.read(Entry::prefetch_value);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.header().flags & BOXED != 0 {
            // SAFETY: a boxed block holds a live value, dropped here once.
            unsafe { ptr::drop_in_place(self.value_slot()) };
        }
        let size = self.block_bytes();
        // SAFETY: the handle that owned the block goes.
        unsafe { POOL.free(self.0.cast(), size) };
    }
}

fn kind(data_type: Type, encoding: Encoding) -> u8 {
    (data_type as u8) << 4 | encoding as u8
}

fn type_of_kind(kind: u8) -> Type {
    const TYPES: [Type; 6] = [Type::String, Type::List, Type::Set, Type::Zset, Type::Hash, Type::Stream];
    TYPES[usize::from(kind >> 4)]
}

fn encoding_of_kind(kind: u8) -> Encoding {
    const ENCODINGS: [Encoding; 9] = [
        Encoding::Int,
        Encoding::Embstr,
        Encoding::Raw,
        Encoding::Listpack,
        Encoding::Intset,
        Encoding::Quicklist,
        Encoding::Hashtable,
        Encoding::Skiplist,
        Encoding::Stream,
    ];
    ENCODINGS[usize::from(kind & 0x0f)]
}

/// The smallest class that holds `bytes`, with its size; past the last class, what the global allocator makes of them.
#[inline]
fn class_for(bytes: usize) -> (usize, usize) {
    match Class::of(bytes) {
        Some(class) => (class.index(), class.bytes()),
        None => (CLASS_EXACT, bytes),
    }
}

const _: () = assert!(HEADER_BYTES == 8 && align_of::<Value>() <= ALIGN && VALUE_BYTES.is_multiple_of(ALIGN));

#[cfg(test)]
mod tests;
