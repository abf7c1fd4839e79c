//! One node of a quicklist, the limits it is kept in, and its compression.

use crate::structures::evacuate::{Cursor, Evacuate, Part, START};
use crate::structures::listpack::{Listpack, Lp};

/// The sizes in bytes that a fill of -1 to -5 means.
const NODE_BYTES_MAX: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

/// The size in bytes that a node is kept in when its fill limits the number of its elements.
const COUNTED_NODE_BYTES_MAX: usize = 8 << 10;

/// What an element is taken to need besides its own bytes: two lengths of up to five bytes, rarely all.
const ELEMENT_OVERHEAD_BYTES: usize = 8;

/// Nodes below this size in bytes are not compressed.
const COMPRESSED_RAW_BYTES_MIN: usize = 48;

/// Bytes that compression must save.
const COMPRESSED_GAIN_BYTES_MIN: usize = 8;

/// How large nodes may become, and which of them are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Positive: how many elements a node may hold, within 8 KiB. Negative: its size, from -1 for 4 KiB to -5 for
    /// 64 KiB; anything lower counts as -5.
    pub fill: i32,
    /// How many nodes at each end stay as they are while those between are compressed; 0 for no compression.
    pub compress_depth: usize,
    /// The size in bytes from which an element has a node of its own that is not a listpack.
    pub packed_threshold: usize,
}

impl Limits {
    /// The most that a node may hold.
    pub(super) fn room(&self) -> Room {
        let (bytes, count) = match usize::try_from(self.fill) {
            Ok(fill) => (COUNTED_NODE_BYTES_MAX, fill),
            Err(_) => {
                let step = (self.fill.unsigned_abs() as usize).min(NODE_BYTES_MAX.len());
                (NODE_BYTES_MAX[step - 1], usize::MAX)
            }
        };
        Room { bytes, count, packed_threshold: self.packed_threshold }
    }
}

/// [`Limits`] put into numbers, for looking at them often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// The most bytes of a node.
    pub(super) bytes: usize,
    /// The most elements of a node.
    count: usize,
    packed_threshold: usize,
}

impl Room {
    /// Whether an element of `element_bytes` may join `count` others in a node of `node_bytes`.
    #[inline]
    pub(super) fn admits(&self, node_bytes: usize, count: usize, element_bytes: usize) -> bool {
        element_bytes < self.packed_threshold
            && self.allows(node_bytes + element_bytes + ELEMENT_OVERHEAD_BYTES, count + 1)
    }

    /// Whether a node may have this size and hold this many elements.
    #[inline]
    pub(super) fn allows(&self, node_bytes: usize, count: usize) -> bool {
        node_bytes <= self.bytes && count <= self.count
    }
}

/// How the nodes far from both ends are compressed.
pub trait NodeCodec {
    /// The compressed bytes, or `None` where that would not make them shorter.
    fn compress(raw: &[u8]) -> Option<Vec<u8>>;

    /// The `raw_len` bytes that were compressed; `None` for bytes that this codec has not made.
    fn decompress(compressed: &[u8], raw_len: usize) -> Option<Vec<u8>>;
}

/// A node as it is stored, for saving.
#[derive(Clone, Copy, Debug)]
pub enum NodeView<'a> {
    /// A listpack of elements.
    Packed(&'a Lp),
    /// One large element.
    Plain(&'a [u8]),
    /// Either of them, compressed by the list's codec.
    Compressed { plain: bool, bytes: &'a [u8], raw_len: usize },
}

#[derive(Clone)]
pub(super) enum Node {
    Packed(Listpack),
    Plain(Vec<u8>),
    Compressed { plain: bool, bytes: Box<[u8]>, raw_len: usize },
}

impl Node {
    pub(super) fn view(&self) -> NodeView<'_> {
        match self {
            Self::Packed(listpack) => NodeView::Packed(listpack),
            Self::Plain(bytes) => NodeView::Plain(bytes),
            &Self::Compressed { plain, ref bytes, raw_len } => NodeView::Compressed { plain, bytes, raw_len },
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_) | Self::Compressed { plain: true, .. })
    }

    /// The size of the listpack or of the element, before compression.
    pub(super) fn raw_len(&self) -> usize {
        match self {
            Self::Packed(listpack) => listpack.size(),
            Self::Plain(bytes) => bytes.len(),
            &Self::Compressed { raw_len, .. } => raw_len,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Packed(listpack) => listpack.heap_bytes(),
            Self::Plain(bytes) => bytes.capacity(),
            Self::Compressed { bytes, .. } => bytes.len(),
        }
    }

    pub(super) fn compress<C: NodeCodec>(&mut self) {
        let (plain, raw) = match self {
            Self::Packed(listpack) => (false, listpack.as_bytes()),
            Self::Plain(bytes) => (true, bytes.as_slice()),
            Self::Compressed { .. } => return,
        };
        if raw.len() < COMPRESSED_RAW_BYTES_MIN {
            return;
        }
        if let Some(bytes) = C::compress(raw)
            && bytes.len() + COMPRESSED_GAIN_BYTES_MIN < raw.len()
        {
            *self = Self::Compressed { plain, raw_len: raw.len(), bytes: bytes.into() };
        }
    }

    pub(super) fn decompress<C: NodeCodec>(&mut self) {
        if let Self::Compressed { plain, .. } = *self {
            let raw = self.decompressed::<C>();
            *self = if plain { Self::Plain(raw) } else { Self::Packed(Listpack::from_bytes(&raw)) };
        }
    }

    /// The raw bytes of a compressed node.
    pub(super) fn decompressed<C: NodeCodec>(&self) -> Vec<u8> {
        let Self::Compressed { bytes, raw_len, .. } = self else { return Vec::new() };
        C::decompress(bytes, *raw_len).expect("a codec reads what it has written")
    }
}

impl Evacuate for Node {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        match self {
            Self::Packed(listpack) => listpack.evacuate(cursor, part),
            Self::Plain(_) | Self::Compressed { .. } => {
                part.look();
                START
            }
        }
    }
}
