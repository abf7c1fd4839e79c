//! Elements of packed collections as replies.

use crate::resp::Reply;
use crate::types::list::Element;

/// Writes an element as a bulk reply.
#[inline]
pub fn bulk(reply: &mut Reply, element: Element<'_>) {
    match element {
        Element::Int(number) => reply.bulk_i64(number),
        Element::Bytes(bytes) => reply.bulk(bytes),
    }
}
