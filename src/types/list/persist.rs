//! Lists in RDB: written as a row of nodes, read in every layout that was ever written.

use std::io;

use super::encoding::{self, Lzf};
use super::{ListValue, ListView};
use crate::rdb::{self, Tag};
use crate::structures::listpack::{self, Listpack};
use crate::structures::quicklist::{NodeView, Quicklist};
use crate::structures::ziplist::Ziplist;
use crate::structures::{PoolBox, prefetch_bytes};
use crate::types::LoadOptions;

/// What comes before a node of `ListQuicklist2`: how it holds its elements.
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

/// A node of the default size, as a whole. Of a longer one the beginning does.
const PREFETCHED_BYTES_MAX: usize = 8 << 10;

pub fn save(view: ListView<'_>, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    match view {
        ListView::Listpack(listpack) => {
            out.length(1)?;
            out.length(NODE_PACKED)?;
            out.string(listpack.as_bytes())
        }
        ListView::Quicklist(quicklist) => {
            out.length(quicklist.node_count() as u64)?;
            let mut nodes = quicklist.nodes().peekable();
            while let Some(node) = nodes.next() {
                if let Some(next) = nodes.peek() {
                    prefetch(next);
                }
                save_node(node, out)?;
            }
            Ok(())
        }
    }
}

/// Asks for a node's bytes while the one before it is compressed, which takes far longer than they are on their way.
fn prefetch(node: &NodeView<'_>) {
    let bytes = match node {
        NodeView::Packed(listpack) => listpack.as_bytes(),
        NodeView::Plain(bytes) | NodeView::Compressed { bytes, .. } => bytes,
    };
    prefetch_bytes(&bytes[..bytes.len().min(PREFETCHED_BYTES_MAX)]);
}

fn save_node(node: NodeView<'_>, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    match node {
        NodeView::Packed(listpack) => {
            out.length(NODE_PACKED)?;
            out.string(listpack.as_bytes())
        }
        NodeView::Plain(element) => {
            out.length(NODE_PLAIN)?;
            out.string(element)
        }
        NodeView::Compressed { plain, bytes, raw_len } => {
            out.length(if plain { NODE_PLAIN } else { NODE_PACKED })?;
            out.lzf_string(bytes, raw_len as u64)
        }
    }
}

pub fn load(tag: Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<ListValue> {
    let mut quicklist = Quicklist::<Lzf>::new(encoding::node_limits(options.limits));
    match tag {
        Tag::List => {
            for _ in 0..input.count(1)? {
                let element = input.string()?;
                quicklist.push_back(&*element);
            }
        }
        Tag::ListZiplist => {
            let listpack = load_ziplist(input)?;
            if !encoding::exceeds(options.limits.list_max_listpack_size, listpack.size(), listpack.len()) {
                return Ok(ListValue::Listpack(listpack));
            }
            quicklist.push_node(listpack);
        }
        Tag::ListQuicklist => {
            for _ in 0..input.count(1)? {
                quicklist.push_node(load_ziplist(input)?);
            }
        }
        _ => {
            for _ in 0..input.count(2)? {
                load_node(&mut quicklist, input)?;
            }
        }
    }
    let mut list = ListValue::Quicklist(PoolBox::new(quicklist));
    list.convert_if_small(options.limits.list_max_listpack_size, false);
    Ok(list)
}

fn load_node(quicklist: &mut Quicklist<Lzf>, input: &mut rdb::Decoder<'_>) -> rdb::Result<()> {
    let offset = input.offset();
    match input.length()? {
        NODE_PLAIN => match input.string()? {
            // An element without a byte is never too long for a listpack.
            element if element.is_empty() => return Err(input.invalid_at(offset, "list node without a byte")),
            element => quicklist.push_plain_node(element.into_owned()),
        },
        NODE_PACKED => quicklist.push_node(load_listpack(input)?),
        _ => return Err(input.invalid_at(offset, "list node of an unknown kind")),
    }
    Ok(())
}

/// Reads a listpack, every entry of which is checked: bytes from outside are never walked on trust.
fn load_listpack(input: &mut rdb::Decoder<'_>) -> rdb::Result<Listpack> {
    let offset = input.offset();
    let bytes = input.string()?;
    if listpack::validate(&bytes, true, |_| true).is_err() {
        return Err(input.invalid_at(offset, "list with a malformed listpack"));
    }
    Ok(Listpack::from_bytes(&bytes))
}

fn load_ziplist(input: &mut rdb::Decoder<'_>) -> rdb::Result<Listpack> {
    let offset = input.offset();
    let bytes = input.string()?;
    match Ziplist::parse(&bytes) {
        Ok(ziplist) => Ok(ziplist.to_listpack()),
        Err(_) => Err(input.invalid_at(offset, "list with a malformed ziplist")),
    }
}
