//! The arguments of one command.

use std::fmt;
use std::ops::Index;

/// Where one argument lies in the bytes of its frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// A view of the arguments of one command, its name being the first. Nothing is copied, and copying the view is cheap.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Each of `spans` lies within `bytes`.
    pub(super) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    pub const fn empty() -> Self {
        Self { bytes: &[], spans: &[] }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`, which the command's arity has shown to be there. Unlike `args[index]` it may outlive
    /// this view.
    #[inline]
    pub fn arg(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.bytes[span.start..span.start + span.len]
    }

    /// The argument at `index`, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|span| &self.bytes[span.start..span.start + span.len])
    }

    #[inline]
    pub fn iter(&self) -> ArgsIter<'a> {
        ArgsIter { bytes: self.bytes, spans: self.spans.iter() }
    }

    /// The arguments from `from` on; none if there are fewer.
    #[inline]
    pub fn tail(&self, from: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: self.spans.get(from..).unwrap_or_default() }
    }

    /// The first `count` arguments, or all if there are fewer.
    #[inline]
    pub fn head(&self, count: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: &self.spans[..count.min(self.spans.len())] }
    }

    /// How many bytes the arguments have together.
    pub fn bytes_len(&self) -> usize {
        self.spans.iter().map(|span| span.len).sum()
    }

    pub fn to_buf(self) -> ArgsBuf {
        let mut buf = ArgsBuf { bytes: Vec::with_capacity(self.bytes_len()), spans: Vec::with_capacity(self.len()) };
        buf.extend(self);
        buf
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.arg(index)
    }
}

impl<'a> IntoIterator for Args<'a> {
    type Item = &'a [u8];
    type IntoIter = ArgsIter<'a>;

    fn into_iter(self) -> ArgsIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Args<'a> {
    type Item = &'a [u8];
    type IntoIter = ArgsIter<'a>;

    fn into_iter(self) -> ArgsIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(String::from_utf8_lossy)).finish()
    }
}

/// The arguments of [`Args`], one after the other.
#[derive(Clone)]
pub struct ArgsIter<'a> {
    bytes: &'a [u8],
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> ArgsIter<'a> {
    fn slice(bytes: &'a [u8], span: &Span) -> &'a [u8] {
        &bytes[span.start..span.start + span.len]
    }
}

impl<'a> Iterator for ArgsIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.spans.next().map(|span| Self::slice(self.bytes, span))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<&'a [u8]> {
        self.spans.nth(n).map(|span| Self::slice(self.bytes, span))
    }
}

impl DoubleEndedIterator for ArgsIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.spans.next_back().map(|span| Self::slice(self.bytes, span))
    }
}

impl ExactSizeIterator for ArgsIter<'_> {}

/// Arguments that outlive the buffer they came in: those of a queued or a blocked command, or of a command that the
/// server makes up itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ArgsBuf {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

impl ArgsBuf {
    pub fn new() -> Self {
        Self::default()
    }

    #[inline]
    pub fn push(&mut self, arg: impl AsRef<[u8]>) {
        let arg = arg.as_ref();
        // Asked for both at once, so that what follows is seen to have room.
        if self.spans.len() == self.spans.capacity() || self.bytes.capacity() - self.bytes.len() < arg.len() {
            self.make_room(arg.len());
        }
        self.spans.push(Span { start: self.bytes.len(), len: arg.len() });
        self.bytes.extend_from_slice(arg);
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, bytes: usize) {
        self.spans.reserve(1);
        self.bytes.reserve(bytes);
    }

    #[inline]
    pub fn as_args(&self) -> Args<'_> {
        Args::new(&self.bytes, &self.spans)
    }

    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
    }

    /// How many bytes of memory the arguments hold.
    pub fn memory_usage(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    /// Gives back what one command of unusual size has left allocated, so that it can be kept for the next one.
    #[inline]
    pub fn shrink_to_usual(&mut self) {
        self.clear();
        self.shrink_to(64 << 10, 1024);
    }

    /// Gives back what one command of unusual size has left allocated.
    #[inline]
    pub(super) fn shrink_to(&mut self, bytes_max: usize, spans_max: usize) {
        if self.bytes.capacity() > bytes_max {
            self.bytes.shrink_to(bytes_max);
        }
        if self.spans.capacity() > spans_max {
            self.spans.shrink_to(spans_max);
        }
    }
}

impl<T: AsRef<[u8]>> Extend<T> for ArgsBuf {
    fn extend<I: IntoIterator<Item = T>>(&mut self, args: I) {
        for arg in args {
            self.push(arg);
        }
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for ArgsBuf {
    fn from_iter<I: IntoIterator<Item = T>>(args: I) -> Self {
        let mut buf = Self::new();
        buf.extend(args);
        buf
    }
}

impl fmt::Debug for ArgsBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_args().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_cut_without_copying() {
        let buf: ArgsBuf = ["MSET", "a", "1", "", "2"].into_iter().collect();
        let args = buf.as_args();
        assert_eq!((args.len(), &args[0], args.arg(4)), (5, &b"MSET"[..], &b"2"[..]));
        assert_eq!((args.get(3), args.get(5)), (Some(&b""[..]), None));
        assert_eq!(args.tail(3).iter().collect::<Vec<_>>(), [&b""[..], b"2"]);
        assert!(args.tail(5).is_empty() && args.tail(99).is_empty());
        assert_eq!(args.head(2).len(), 2);
        assert_eq!(args.head(99).len(), 5);
        assert_eq!(args.iter().next_back(), Some(&b"2"[..]));
        assert_eq!(args.iter().nth(1), Some(&b"a"[..]));
        assert_eq!(args.bytes_len(), 7);
        assert_eq!(args.tail(1).to_buf().as_args().iter().collect::<Vec<_>>(), [&b"a"[..], b"1", b"", b"2"]);
        assert_eq!(format!("{:?}", args.head(2)), r#"["MSET", "a"]"#);
    }
}
