//! Consumer groups: who was given which entry and has yet to acknowledge it.

use std::collections::{BTreeMap, BTreeSet, btree_map, btree_set};
use std::iter::Copied;
use std::ops::RangeBounds;

use slab::Slab;

use super::id::StreamId;
use super::log::Log;

/// Identifies a consumer of one group, until that consumer is deleted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConsumerId(usize);

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    pub consumer: ConsumerId,
    pub delivered_unix_ms: i64,
    pub deliveries: u64,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    pub seen_unix_ms: i64,
    /// When the consumer last got something, if ever.
    pub active_unix_ms: Option<i64>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The ids that were delivered to this consumer and not acknowledged, in their order.
    pub fn pending(&self) -> impl DoubleEndedIterator<Item = StreamId> + '_ {
        self.pending.iter().copied()
    }

    /// Those of them in a range of ids.
    pub fn pending_in(&self, ids: impl RangeBounds<StreamId>) -> Copied<btree_set::Range<'_, StreamId>> {
        self.pending.range(ids).copied()
    }
}

/// A group of consumers, which share the entries of a stream among them.
///
/// Invariant: an id is pending for the group if and only if it is so for exactly one consumer, the one that its
/// [`Pending`] names.
#[derive(Clone, Debug)]
pub struct Group {
    last_delivered_id: StreamId,
    entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    consumers: Slab<Consumer>,
    names: BTreeMap<Box<[u8]>, ConsumerId>,
}

impl Group {
    pub fn new(last_delivered_id: StreamId, entries_read: Option<u64>) -> Self {
        Self {
            last_delivered_id,
            entries_read,
            pending: BTreeMap::new(),
            consumers: Slab::new(),
            names: BTreeMap::new(),
        }
    }

    pub fn last_delivered_id(&self) -> StreamId {
        self.last_delivered_id
    }

    /// How many entries of the stream, counted from its beginning, the group has read; `None` if that is not known.
    pub fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// As XGROUP SETID does.
    pub fn set_last_delivered(&mut self, id: StreamId, entries_read: Option<u64>) {
        self.last_delivered_id = id;
        self.entries_read = entries_read;
    }

    /// Moves the group on to an entry that is about to be delivered, if that is a new one. Returns whether it is.
    pub fn advance(&mut self, log: &Log, id: StreamId) -> bool {
        if id <= self.last_delivered_id {
            return false;
        }
        self.entries_read = match self.entries_read {
            Some(read) if !log.has_deleted_from(id) => Some(read.wrapping_add(1)),
            known if log.entries_added() == 0 => known,
            _ => log.entries_up_to(id),
        };
        self.last_delivered_id = id;
        true
    }

    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    pub fn pending_of(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// What was delivered and not acknowledged, in the order of ids.
    pub fn pending(&self, ids: impl RangeBounds<StreamId>) -> btree_map::Range<'_, StreamId, Pending> {
        self.pending.range(ids)
    }

    pub fn consumer_count(&self) -> usize {
        self.names.len()
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl DoubleEndedIterator<Item = (ConsumerId, &Consumer)> {
        self.names.values().map(|&id| (id, &self.consumers[id.0]))
    }

    pub fn consumer_id(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// The consumer with this `id`. It is a mistake to ask for one that was deleted.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        &self.consumers[id.0]
    }

    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        &mut self.consumers[id.0]
    }

    /// Adds a consumer that was seen now and never active; `None` if the name is taken.
    pub fn create_consumer(&mut self, name: &[u8], now_unix_ms: i64) -> Option<ConsumerId> {
        let btree_map::Entry::Vacant(place) = self.names.entry(name.into()) else { return None };
        let id = ConsumerId(self.consumers.insert(Consumer {
            name: name.into(),
            seen_unix_ms: now_unix_ms,
            active_unix_ms: None,
            pending: BTreeSet::new(),
        }));
        Some(*place.insert(id))
    }

    /// Removes a consumer with what was delivered to it. Returns how many entries that were.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.names.remove(name)?;
        let consumer = self.consumers.remove(id.0);
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Notes an entry as delivered to `consumer`, whoever had it before.
    pub fn assign(&mut self, id: StreamId, consumer: ConsumerId, delivered_unix_ms: i64, deliveries: u64) {
        let pending = Pending { consumer, delivered_unix_ms, deliveries };
        match self.pending.insert(id, pending) {
            Some(before) if before.consumer == consumer => return,
            Some(before) => {
                self.consumers[before.consumer.0].pending.remove(&id);
            }
            None => {}
        }
        self.consumers[consumer.0].pending.insert(id);
    }

    /// Notes anew when and how often a pending entry was delivered, to whom it belongs. Returns whether there is one.
    pub fn set_delivery(&mut self, id: StreamId, delivered_unix_ms: i64, deliveries: u64) -> bool {
        match self.pending.get_mut(&id) {
            Some(pending) => {
                (pending.delivered_unix_ms, pending.deliveries) = (delivered_unix_ms, deliveries);
                true
            }
            None => false,
        }
    }

    /// Takes an entry off the pending ones. Returns whether it was among them.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.consumers[pending.consumer.0].pending.remove(&id);
        true
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // A node of a B-tree is two thirds full on average.
        let (pending, own) = (size_of::<(StreamId, Pending)>() * 3 / 2, size_of::<StreamId>() * 3 / 2);
        let names: usize = self.names.keys().map(|name| 2 * name.len() + size_of::<(Box<[u8]>, ConsumerId)>()).sum();
        self.pending.len() * (pending + own) + self.consumers.capacity() * size_of::<Consumer>() + names
    }
}

impl PartialEq for Group {
    /// Which number a consumer has does not matter.
    fn eq(&self, other: &Self) -> bool {
        let same_delivery = |(mine, theirs): (&Pending, &Pending)| {
            (mine.delivered_unix_ms, mine.deliveries) == (theirs.delivered_unix_ms, theirs.deliveries)
        };
        (self.last_delivered_id, self.entries_read) == (other.last_delivered_id, other.entries_read)
            && self.pending.keys().eq(other.pending.keys())
            && self.pending.values().zip(other.pending.values()).all(same_delivery)
            && self.consumers().map(|(_, consumer)| consumer).eq(other.consumers().map(|(_, consumer)| consumer))
    }
}
