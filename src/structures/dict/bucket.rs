//! One bucket: a cache line with seven slots and their tags, and the chain of buckets that hangs off it when it is full.
//!
//! Invariants of a chain:
//! - a slot holds an element exactly when its tag byte is not zero, and only then its mark may be set;
//! - the last slot of a bucket with the `CHAINED` flag owns the next bucket, and its tag byte is zero;
//! - every bucket but the last of a chain is full (six elements and the next bucket);
//! - a chained bucket holds at least two elements: a single one would fit into the slot that points at it.

use core::mem::{ManuallyDrop, take};

use super::Element;
use super::link::Link;
use super::prefetch::prefetch_line;
use crate::structures::evacuate::Part;

/// Slots in one bucket: a 64-byte line less eight bytes of tags.
pub(super) const SLOTS: usize = 7;

const LAST: usize = SLOTS - 1;
const CHAINED: u64 = 1;
/// The marks, which follow the flag in its byte.
const MARKS: u64 = 0xfe;
/// The tag bytes, which follow the flag byte.
const TAGS: u64 = !0xff;
const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const ONES: u64 = 0x0101_0101_0101_0101;

/// One byte of an element's hash, never zero, kept beside its slot so that a probe rarely has to look at a wrong element.
/// It comes from the top of the hash while the bucket's index comes from the bottom.
#[derive(Clone, Copy)]
pub(super) struct Tag(u8);

impl Tag {
    #[inline]
    pub(super) fn of(hash: u64) -> Self {
        Self(((hash >> 56) as u8).max(1))
    }
}

/// What a bucket says of one element beside its handle.
#[derive(Clone, Copy)]
pub(super) struct Label {
    pub(super) tag: Tag,
    pub(super) is_marked: bool,
}

impl Label {
    /// How it is written to a bucket's `meta`.
    #[inline]
    fn bits(self, slot: usize) -> u64 {
        u64::from(self.tag.0) << (8 * (slot + 1)) | u64::from(self.is_marked) << (slot + 1)
    }

    /// The label that `meta` has for a slot; its tag is zero where no element is.
    #[inline]
    fn of(meta: u64, slot: usize) -> Self {
        Self { tag: Tag((meta >> (8 * (slot + 1))) as u8), is_marked: meta & mark_of(slot) != 0 }
    }
}

/// What became of the chain of a bucket that was split.
pub(super) struct Split {
    /// How many buckets were chained to the two, and given back before.
    pub(super) chained: usize,
    pub(super) unchained: usize,
    /// Whether an element that moved is marked.
    pub(super) is_marked: bool,
}

/// Where an element is in its chain.
#[derive(Clone, Copy)]
pub(super) struct Position {
    depth: usize,
    slot: usize,
}

/// The content of one slot; the bucket's `meta` says which variant it is.
union Word<E: Element> {
    vacant: (),
    element: ManuallyDrop<E>,
    next: ManuallyDrop<Link<E>>,
}

/// A zeroed bucket is a vacant one. A bucket has no destructor: its owner calls `drain`, or `drop_elements` as the table does.
#[repr(C, align(64))]
pub(super) struct Bucket<E: Element> {
    /// The flag byte lowest (`CHAINED`, then the mark of slot 0, of slot 1 and so on), then the tag of slot 0, of slot 1...
    meta: u64,
    words: [Word<E>; SLOTS],
}

/// The slots that a mask names: its bit 7 of byte `slot + 1` is set.
#[derive(Clone, Copy)]
struct SlotMask(u64);

impl Iterator for SlotMask {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() as usize / 8 - 1;
        self.0 &= self.0 - 1;
        Some(slot)
    }
}

/// Bit 7 of every byte that is zero. Exact: no carry crosses from one byte into the next.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}

/// The bit of a slot's mark in `meta`.
#[inline]
fn mark_of(slot: usize) -> u64 {
    1 << (slot + 1)
}

impl<E: Element> Bucket<E> {
    /// A bucket has to be a cache line exactly, which makes an element the size of a pointer.
    pub(super) const IS_ONE_LINE: () = assert!(size_of::<Self>() == 64 && size_of::<E>() == size_of::<usize>());

    const VACANT: Self = Self { meta: 0, words: [const { Word { vacant: () } }; SLOTS] };

    #[inline]
    fn tagged(&self, tag: Tag) -> SlotMask {
        SlotMask(zero_bytes(self.meta ^ (u64::from(tag.0) * ONES)) & TAGS)
    }

    #[inline]
    fn occupied(&self) -> SlotMask {
        SlotMask(!zero_bytes(self.meta) & !LOW_BITS & TAGS)
    }

    #[inline]
    fn is_chained(&self) -> bool {
        self.meta & CHAINED != 0
    }

    #[inline]
    fn tag(&self, slot: usize) -> Option<Tag> {
        let Label { tag, .. } = Label::of(self.meta, slot);
        (tag.0 != 0).then_some(tag)
    }

    /// # Safety
    ///
    /// The slot's tag is not zero.
    #[inline]
    #[expect(unsafe_code, reason = "the tag says which variant of the union is there")]
    unsafe fn element(&self, slot: usize) -> &E {
        // SAFETY: a slot with a tag holds an element, by the invariants above.
        unsafe { &self.words[slot].element }
    }

    #[inline]
    #[expect(unsafe_code, reason = "the flag says which variant of the union is there")]
    pub(super) fn next(&self) -> Option<&Self> {
        // SAFETY: the last slot of a chained bucket owns the next bucket.
        self.is_chained().then(|| unsafe { &**self.words[LAST].next })
    }

    #[inline]
    #[expect(unsafe_code, reason = "the flag says which variant of the union is there")]
    fn next_mut(&mut self) -> Option<&mut Self> {
        // SAFETY: the last slot of a chained bucket owns the next bucket.
        self.is_chained().then(|| unsafe { &mut **self.words[LAST].next })
    }

    fn nth_mut(&mut self, depth: usize) -> &mut Self {
        let mut bucket = self;
        for _ in 0..depth {
            bucket = bucket.next_mut().expect("a position lies within its chain");
        }
        bucket
    }

    /// Whether the whole chain is without an element (a chained bucket never is).
    #[inline]
    pub(super) fn is_vacant(&self) -> bool {
        self.meta == 0
    }

    /// The element of this chain that has this key.
    #[inline]
    #[expect(unsafe_code, reason = "reads elements by the mask of their tags")]
    pub(super) fn find(&self, tag: Tag, key: &[u8]) -> Option<&E> {
        let mut bucket = self;
        loop {
            for slot in bucket.tagged(tag) {
                // SAFETY: the mask names slots whose tag equals `tag`, which is never zero.
                let element = unsafe { bucket.element(slot) };
                if element.has_key(key) {
                    return Some(element);
                }
            }
            bucket = bucket.next()?;
        }
    }

    /// Whether an element of this chain has this tag.
    #[inline]
    pub(super) fn may_hold(&self, tag: Tag) -> bool {
        let mut bucket = Some(self);
        while let Some(line) = bucket {
            if line.tagged(tag).0 != 0 {
                return true;
            }
            bucket = line.next();
        }
        false
    }

    /// Like `find`, but says where, so that the caller can come back to it with `&mut`.
    #[inline]
    #[expect(unsafe_code, reason = "reads elements by the mask of their tags")]
    pub(super) fn locate(&self, tag: Tag, key: &[u8]) -> Option<Position> {
        let mut bucket = self;
        let mut depth = 0;
        loop {
            for slot in bucket.tagged(tag) {
                // SAFETY: the mask names slots whose tag equals `tag`, which is never zero.
                if unsafe { bucket.element(slot) }.has_key(key) {
                    return Some(Position { depth, slot });
                }
            }
            bucket = bucket.next()?;
            depth += 1;
        }
    }

    /// # Panics
    ///
    /// When no element is there: a position is good until the chain changes.
    #[inline]
    #[expect(unsafe_code, reason = "the tag says which variant of the union is there")]
    pub(super) fn at(&self, position: Position) -> &E {
        let mut bucket = self;
        for _ in 0..position.depth {
            bucket = bucket.next().expect("a position lies within its chain");
        }
        assert!(bucket.tag(position.slot).is_some(), "there is an element at the position");
        // SAFETY: the slot's tag was just seen not to be zero.
        unsafe { bucket.element(position.slot) }
    }

    /// # Panics
    ///
    /// As `at`.
    #[inline]
    #[expect(unsafe_code, reason = "the tag says which variant of the union is there")]
    pub(super) fn at_mut(&mut self, position: Position) -> &mut E {
        let bucket = self.nth_mut(position.depth);
        assert!(bucket.tag(position.slot).is_some(), "there is an element at the position");
        // SAFETY: the slot's tag was just seen not to be zero.
        unsafe { &mut bucket.words[position.slot].element }
    }

    /// Puts an element that is not in the chain yet at its end; says also whether that took one more bucket.
    #[inline]
    pub(super) fn insert(&mut self, label: Label, element: E) -> (&mut E, bool) {
        let mut bucket = self;
        while bucket.is_chained() {
            bucket = bucket.next_mut().expect("the bucket is chained");
        }
        match SlotMask(zero_bytes(bucket.meta) & TAGS).next() {
            Some(slot) => (bucket.put(slot, label, element), false),
            None => (bucket.extend(label, element), true),
        }
    }

    /// A full bucket hands its last element on to a new one, which also takes the element that found no room.
    #[cold]
    #[expect(unsafe_code, reason = "writes the variant of the union that the flag then names")]
    fn extend(&mut self, label: Label, element: E) -> &mut E {
        let (last_label, last) = self.take(LAST);
        let mut next = Link::new(Self::VACANT);
        next.put(0, last_label, last);
        self.words[LAST] = Word { next: ManuallyDrop::new(next) };
        self.meta |= CHAINED;
        // SAFETY: the line above made this slot the owner of the next bucket.
        unsafe { &mut **self.words[LAST].next }.put(1, label, element)
    }

    #[inline]
    #[expect(unsafe_code, reason = "the element was just written")]
    fn put(&mut self, slot: usize, label: Label, element: E) -> &mut E {
        debug_assert!(self.tag(slot).is_none() && !(slot == LAST && self.is_chained()), "the slot is vacant");
        self.meta |= label.bits(slot);
        self.words[slot] = Word { element: ManuallyDrop::new(element) };
        // SAFETY: the slot was made an element by the line above.
        unsafe { &mut self.words[slot].element }
    }

    /// Takes one element out and leaves a hole, which the caller closes if the chain goes on behind it.
    #[inline]
    #[expect(unsafe_code, reason = "moves an element out of the union")]
    fn take(&mut self, slot: usize) -> (Label, E) {
        assert!(self.tag(slot).is_some(), "there is an element at the position");
        let label = Label::of(self.meta, slot);
        self.meta &= !(0xff << (8 * (slot + 1)) | mark_of(slot));
        // SAFETY: the slot's tag was not zero, so an element is there, and is no longer, so nobody takes it twice.
        (label, unsafe { ManuallyDrop::take(&mut self.words[slot].element) })
    }

    /// Takes the element at this position out of the chain; says also whether it was marked, and whether a bucket was given
    /// back.
    pub(super) fn remove(&mut self, position: Position) -> (E, bool, bool) {
        let (Label { is_marked, .. }, removed) = self.nth_mut(position.depth).take(position.slot);
        let mut last_depth = 0;
        let mut bucket = &*self;
        while let Some(next) = bucket.next() {
            bucket = next;
            last_depth += 1;
        }
        if last_depth == 0 {
            return (removed, is_marked, false);
        }
        if position.depth < last_depth {
            let last = self.nth_mut(last_depth);
            let slot = last.occupied().next().expect("a chained bucket is not vacant");
            let (label, element) = last.take(slot);
            self.nth_mut(position.depth).put(position.slot, label, element);
        }
        (removed, is_marked, self.nth_mut(last_depth - 1).fold_next())
    }

    /// Takes the next bucket's element over if it is left with only one.
    #[expect(unsafe_code, reason = "moves the next bucket out of the union")]
    fn fold_next(&mut self) -> bool {
        let next = self.next_mut().expect("the bucket is chained");
        let mut slots = next.occupied();
        let (Some(slot), None) = (slots.next(), slots.next()) else { return false };
        let (label, element) = next.take(slot);
        self.meta &= !CHAINED;
        // SAFETY: the flag said that the slot owns the next bucket, and is cleared, so nobody takes it twice.
        drop(unsafe { ManuallyDrop::take(&mut self.words[LAST].next) });
        self.put(LAST, label, element);
        true
    }

    /// Moves the elements of the chain of which `goes` says so to another bucket, a vacant one.
    ///
    /// Those of the first line have the same slots there as here, so that all of them move at once; holes are left in both.
    pub(super) fn split(&mut self, other: &mut Self, mut goes: impl FnMut(&E) -> bool) -> Split {
        let going = self.going(&mut goes);
        let mut next = self.split_line(other, going);
        let (mut chained, mut unchained) = (0, 0);
        while let Some(mut bucket) = next {
            unchained += 1;
            next = bucket.drain_line(&mut |label, element| {
                let home = if goes(&element) { &mut *other } else { &mut *self };
                chained += usize::from(home.insert(label, element).1);
            });
        }
        Split { chained, unchained, is_marked: other.has_marks() }
    }

    /// The bits of `meta` that belong to those elements of this line.
    #[inline]
    #[expect(unsafe_code, reason = "reads elements by the mask of their tags")]
    fn going(&self, goes: &mut impl FnMut(&E) -> bool) -> u64 {
        let mut going = 0;
        for slot in self.occupied() {
            // SAFETY: the mask names slots whose tag is not zero.
            let goes = goes(unsafe { self.element(slot) });
            let bits = 0xff << (8 * (slot + 1)) | mark_of(slot);
            going |= bits * u64::from(goes);
        }
        going
    }

    /// Moves what these bits of `meta` name to another line, a vacant one, and hands on the rest of the chain.
    #[inline]
    #[expect(unsafe_code, reason = "moves elements and the next bucket out of the union")]
    fn split_line(&mut self, other: &mut Self, going: u64) -> Option<Link<E>> {
        debug_assert!(other.is_vacant(), "nothing is overwritten");
        let meta = self.meta;
        // SAFETY: each word is read as an element in one of the two lines only, by the two lines below, and the bits name no
        // slot that holds the next bucket.
        unsafe { core::ptr::copy_nonoverlapping(&raw const self.words, &raw mut other.words, 1) };
        other.meta = meta & going;
        self.meta = meta & !going & !CHAINED;
        // SAFETY: the flag said that the slot owns the next bucket, and is cleared, so nobody takes it twice.
        (meta & CHAINED != 0).then(|| unsafe { ManuallyDrop::take(&mut self.words[LAST].next) })
    }

    /// Whether an element of the chain is marked.
    fn has_marks(&self) -> bool {
        let mut bucket = Some(self);
        while let Some(line) = bucket {
            if line.meta & MARKS != 0 {
                return true;
            }
            bucket = line.next();
        }
        false
    }

    /// Takes every element out of the chain, which is vacant afterwards. Returns how many buckets that gave back.
    pub(super) fn drain(&mut self, mut each: impl FnMut(Label, E)) -> usize {
        let mut given_back = 0;
        let mut next = self.drain_line(&mut each);
        while let Some(mut bucket) = next {
            given_back += 1;
            next = bucket.drain_line(&mut each);
        }
        given_back
    }

    #[inline]
    #[expect(unsafe_code, reason = "moves elements out of the union")]
    fn drain_line(&mut self, each: &mut impl FnMut(Label, E)) -> Option<Link<E>> {
        let occupied = self.occupied();
        // Cleared first: should `each` unwind, elements leak instead of being dropped twice.
        let meta = take(&mut self.meta);
        for slot in occupied {
            // SAFETY: the slot's tag was not zero, so an element is there, and is no longer, so nobody takes it twice.
            each(Label::of(meta, slot), unsafe { ManuallyDrop::take(&mut self.words[slot].element) });
        }
        // SAFETY: the flag said that the slot owns the next bucket, and is cleared, so nobody takes it twice.
        (meta & CHAINED != 0).then(|| unsafe { ManuallyDrop::take(&mut self.words[LAST].next) })
    }

    /// Drops what the chain owns, and writes to none of its buckets: a child may see them. Should an element unwind, the others
    /// leak.
    ///
    /// # Safety
    ///
    /// Nobody uses the bucket afterwards.
    #[inline]
    #[expect(unsafe_code, reason = "the caller gives the chain up")]
    pub(super) unsafe fn drop_elements(&self) {
        // SAFETY: by this function's contract.
        let mut next = unsafe { self.drop_line() };
        while let Some(bucket) = next {
            // SAFETY: it was taken out of a bucket that nobody uses any more, and goes itself.
            next = unsafe { bucket.drop_line() };
        }
    }

    /// Drops the elements of this line, and hands on the rest of the chain.
    ///
    /// # Safety
    ///
    /// As for `drop_elements`.
    #[inline]
    #[expect(unsafe_code, reason = "moves elements and the next bucket out of a shared view")]
    unsafe fn drop_line(&self) -> Option<Link<E>> {
        for slot in self.occupied() {
            // SAFETY: the mask names slots whose tag is not zero, and nobody takes the element twice.
            drop(unsafe { core::ptr::from_ref(self.element(slot)).read() });
        }
        // SAFETY: the last slot of a chained bucket owns the next bucket, and nobody takes it twice.
        self.is_chained().then(|| unsafe { core::ptr::from_ref(&*self.words[LAST].next).read() })
    }

    /// Sets or takes away the mark of an element; says whether that changed it.
    pub(super) fn set_mark(&mut self, position: Position, is_marked: bool) -> bool {
        let bucket = self.nth_mut(position.depth);
        assert!(bucket.tag(position.slot).is_some(), "there is an element at the position");
        let before = bucket.meta;
        let mark = mark_of(position.slot);
        bucket.meta = if is_marked { before | mark } else { before & !mark };
        bucket.meta != before
    }

    /// The marked elements of the whole chain.
    #[inline]
    pub(super) fn marked(&self) -> MarkedElements<'_, E> {
        MarkedElements { bucket: Some(self), marks: self.meta & MARKS }
    }

    /// How many elements the whole chain holds.
    #[inline]
    pub(super) fn count(&self) -> usize {
        let mut count = 0;
        let mut bucket = Some(self);
        while let Some(line) = bucket {
            count += line.occupied().0.count_ones() as usize;
            bucket = line.next();
        }
        count
    }

    /// Where the element is that as many others of the chain come before.
    pub(super) fn position(&self, mut nth: usize) -> Option<Position> {
        let mut bucket = self;
        let mut depth = 0;
        loop {
            for slot in bucket.occupied() {
                if nth == 0 {
                    return Some(Position { depth, slot });
                }
                nth -= 1;
            }
            bucket = bucket.next()?;
            depth += 1;
        }
    }

    /// The elements of the whole chain.
    #[inline]
    pub(super) fn elements(&self) -> Elements<'_, E> {
        Elements { bucket: self, slots: self.occupied() }
    }

    /// Moves the chained buckets, and passes the elements of the whole chain to `each` to be moved.
    #[expect(unsafe_code, reason = "changes what the tags and the flag say is there")]
    pub(super) fn evacuate(&mut self, part: &mut Part, mut each: impl FnMut(&mut E, &mut Part)) {
        let mut bucket = Some(self);
        while let Some(line) = bucket {
            for slot in line.occupied() {
                // SAFETY: the mask names slots whose tag is not zero.
                each(unsafe { &mut line.words[slot].element }, part);
            }
            if line.is_chained() {
                // SAFETY: the last slot of a chained bucket owns the next bucket.
                unsafe { &mut line.words[LAST].next }.evacuate_block(part);
            }
            bucket = line.next_mut();
        }
    }

    /// Asks for the start of each element in this line, and for the next bucket if there is one.
    #[inline]
    pub(super) fn prefetch_elements(&self) {
        self.prefetch_spans::<0>();
    }

    /// As `prefetch_elements`, but for elements that reach as far as that.
    #[inline]
    pub(super) fn prefetch_spans<const SPAN: usize>(&self) {
        self.prefetch_slots::<SPAN>(self.occupied());
        if let Some(next) = self.next() {
            prefetch_line(core::ptr::from_ref(next));
        }
    }

    /// Asks for the elements of this line that could be the one with this tag; if there is none, for the next bucket.
    #[inline]
    pub(super) fn prefetch_tagged(&self, tag: Tag) {
        let tagged = self.tagged(tag);
        self.prefetch_slots::<0>(tagged);
        if tagged.0 == 0
            && let Some(next) = self.next()
        {
            prefetch_line(core::ptr::from_ref(next));
        }
    }

    #[inline]
    #[expect(unsafe_code, reason = "reads elements by a mask of their tags")]
    fn prefetch_slots<const SPAN: usize>(&self, slots: SlotMask) {
        for slot in slots {
            // SAFETY: callers name slots whose tag is not zero.
            let start = unsafe { self.element(slot) }.address();
            prefetch_line(start);
            if SPAN > 0 {
                prefetch_line(start.wrapping_add(SPAN));
            }
        }
    }
}

/// See `Bucket::elements`.
pub(super) struct Elements<'a, E: Element> {
    bucket: &'a Bucket<E>,
    slots: SlotMask,
}

impl<'a, E: Element> Iterator for Elements<'a, E> {
    type Item = &'a E;

    #[inline]
    #[expect(unsafe_code, reason = "reads elements by the mask of their tags")]
    fn next(&mut self) -> Option<&'a E> {
        loop {
            if let Some(slot) = self.slots.next() {
                // SAFETY: the mask names slots whose tag is not zero, and the borrow keeps the bucket unchanged.
                return Some(unsafe { self.bucket.element(slot) });
            }
            self.bucket = self.bucket.next()?;
            self.slots = self.bucket.occupied();
            self.bucket.prefetch_elements();
        }
    }
}

/// See `Bucket::marked`.
pub(super) struct MarkedElements<'a, E: Element> {
    bucket: Option<&'a Bucket<E>>,
    marks: u64,
}

impl<'a, E: Element> Iterator for MarkedElements<'a, E> {
    type Item = &'a E;

    #[inline]
    #[expect(unsafe_code, reason = "reads elements by their marks")]
    fn next(&mut self) -> Option<&'a E> {
        while self.marks == 0 {
            self.bucket = self.bucket?.next();
            self.marks = self.bucket?.meta & MARKS;
        }
        let slot = self.marks.trailing_zeros() as usize - 1;
        self.marks &= self.marks - 1;
        // SAFETY: only slots with an element are marked, and the borrow keeps the bucket unchanged.
        self.bucket.map(|bucket| unsafe { bucket.element(slot) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes among which carries would go wrong if any did: zero, its neighbours, and those around the highest bit.
    fn bytes() -> impl Strategy<Value = [u8; 8]> {
        proptest::array::uniform8(prop_oneof![Just(0u8), Just(1), Just(0x7f), Just(0x80), Just(0xff), any::<u8>()])
    }

    proptest! {
        #[test]
        fn zero_bytes_are_marked_and_no_others(bytes in bytes()) {
            let expected = bytes.map(|byte| if byte == 0 { 0x80 } else { 0 });
            prop_assert_eq!(zero_bytes(u64::from_le_bytes(bytes)), u64::from_le_bytes(expected));
        }

        #[test]
        fn masks_name_the_slots_whose_tags_they_look_for(bytes in bytes(), hash in any::<u64>()) {
            let bucket = Bucket::<Named> { meta: u64::from_le_bytes(bytes), words: [const { Word { vacant: () } }; SLOTS] };
            let (_, tags) = bytes.split_at(1);
            let tag = Tag::of(hash);
            prop_assert!(tag.0 != 0);
            let slots = |wanted: &dyn Fn(u8) -> bool| (0..SLOTS).filter(|&slot| wanted(tags[slot])).collect::<Vec<_>>();
            prop_assert_eq!(bucket.tagged(tag).collect::<Vec<_>>(), slots(&|it| it == tag.0));
            prop_assert_eq!(bucket.occupied().collect::<Vec<_>>(), slots(&|it| it != 0));
            prop_assert!((0..SLOTS).all(|slot| bucket.tag(slot).map_or(0, |tag| tag.0) == tags[slot]));
        }
    }

    /// Only its size counts here: the buckets of these tests hold none.
    struct Named(Box<u8>);

    impl Element for Named {
        type Key<'a> = &'a [u8];

        fn key(&self) -> &[u8] {
            std::slice::from_ref(&self.0)
        }

        fn address(&self) -> *const u8 {
            &raw const *self.0
        }
    }
}
