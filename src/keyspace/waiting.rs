//! Who waits for which key (BLPOP, XREAD and their like), and which of these keys have changed since.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::{Equivalent, HashMap};

use super::db::Db;
use super::relocate::Place;
use super::watch::ClientId;
use crate::types::Type;

/// A client's place in line. Whoever began to wait earlier has the smaller number, whatever the keys are.
pub type Ticket = u64;

/// When a change of a key is of use to a client that waits for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaited {
    /// The key holds a value of this type then.
    Type(Type),
    /// Always, even when the key is gone: the client would wait for nothing, and gets an error.
    AnyChange,
}

impl Awaited {
    /// Whether a key that changed, and holds this now, is of use.
    fn fits(self, held: Option<Type>) -> bool {
        match self {
            Self::Type(wanted) => held == Some(wanted),
            Self::AnyChange => true,
        }
    }
}

/// A [`Place`] that owns its key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PlaceBuf {
    pub db: usize,
    pub key: Box<[u8]>,
}

impl PlaceBuf {
    pub fn as_place(&self) -> Place<'_> {
        Place { db: self.db, key: &self.key }
    }
}

impl From<Place<'_>> for PlaceBuf {
    fn from(place: Place<'_>) -> Self {
        Self { db: place.db, key: place.key.into() }
    }
}

impl Equivalent<PlaceBuf> for Place<'_> {
    fn equivalent(&self, owned: &PlaceBuf) -> bool {
        *self == owned.as_place()
    }
}

/// The lines of waiting clients, one for each key.
#[derive(Default, Debug)]
pub struct WaitTable {
    lines: HashMap<PlaceBuf, Line>,
    /// Keys that have changed since their line was last served, in the order of their first change.
    ready: VecDeque<PlaceBuf>,
    last_ticket: Ticket,
}

#[derive(Default, Debug)]
struct Line {
    /// Apart by what is awaited, so that nobody is looked at for whom the key is of no use; nearly always there is one.
    /// None is empty.
    queues: Vec<(Awaited, BTreeMap<Ticket, ClientId>)>,
    /// The key is in `ready`.
    is_ready: bool,
}

impl WaitTable {
    /// Puts a client at the end of the lines of these keys.
    pub fn join<'a>(&mut self, client: ClientId, awaited: Awaited, places: impl Iterator<Item = Place<'a>>) -> Ticket {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        for place in places {
            let line = match self.lines.get_mut(&place) {
                Some(line) => line,
                None => self.lines.entry(place.into()).or_default(),
            };
            // A key that is named twice is one key.
            line.queue_mut(awaited).insert(ticket, client);
        }
        ticket
    }

    /// Takes a client out of the lines that it joined with this ticket.
    pub fn leave<'a>(&mut self, ticket: Ticket, places: impl Iterator<Item = Place<'a>>) {
        for place in places {
            if let Some(line) = self.lines.get_mut(&place) {
                line.queues.retain_mut(|(_, queue)| {
                    queue.remove(&ticket);
                    !queue.is_empty()
                });
                if line.queues.is_empty() {
                    self.lines.remove(&place);
                }
            }
        }
    }

    /// Notes a change of `key`, which may have come to hold what somebody waits for.
    #[inline]
    pub fn note(&mut self, db: usize, key: &[u8]) {
        if !self.lines.is_empty() {
            self.note_awaited(Place { db, key });
        }
    }

    fn note_awaited(&mut self, place: Place<'_>) {
        if let Some(line) = self.lines.get_mut(&place)
            && !std::mem::replace(&mut line.is_ready, true)
        {
            self.ready.push_back(place.into());
        }
    }

    /// Notes that `replacement` has taken the place of all keys of a database.
    pub fn note_db(&mut self, db: usize, replacement: &Db) {
        for (place, line) in &mut self.lines {
            let concerns = place.db == db && !line.is_ready;
            if concerns && (line.awaits_any_change() || replacement.peek(&place.key).is_some()) {
                line.is_ready = true;
                self.ready.push_back(place.clone());
            }
        }
    }

    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The key whose line is to be served next; when it changes again, it is ready again.
    pub fn take_ready(&mut self) -> Option<PlaceBuf> {
        let place = self.ready.pop_front()?;
        if let Some(line) = self.lines.get_mut(&place) {
            line.is_ready = false;
        }
        Some(place)
    }

    /// To whom a key that changed is of use, now that it holds a value of type `held`, if any: who has waited longest,
    /// of those behind the ticket `behind`.
    pub fn next_waiter(&self, place: Place<'_>, held: Option<Type>, behind: Ticket) -> Option<(Ticket, ClientId)> {
        let queues = self.lines.get(&place)?.queues.iter().filter(|(awaited, _)| awaited.fits(held));
        queues
            .filter_map(|(_, queue)| queue.range(behind + 1..).next())
            .min()
            .map(|(ticket, client)| (*ticket, *client))
    }

    /// How many keys somebody waits for.
    pub fn keys_len(&self) -> usize {
        self.lines.len()
    }

    /// How many of them somebody waits for who is answered when the key is deleted.
    pub fn keys_awaited_in_any_case(&self) -> usize {
        self.lines.values().filter(|line| line.awaits_any_change()).count()
    }
}

impl Line {
    fn queue_mut(&mut self, wanted: Awaited) -> &mut BTreeMap<Ticket, ClientId> {
        let index = self.queues.iter().position(|(awaited, _)| *awaited == wanted).unwrap_or_else(|| {
            self.queues.push((wanted, BTreeMap::new()));
            self.queues.len() - 1
        });
        &mut self.queues[index].1
    }

    fn awaits_any_change(&self) -> bool {
        self.queues.iter().any(|(awaited, _)| *awaited == Awaited::AnyChange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Place<'_> = Place { db: 0, key: b"list" };
    const OTHER: Place<'_> = Place { db: 0, key: b"other" };

    fn served(table: &WaitTable, place: Place<'_>, held: Type) -> Vec<ClientId> {
        let mut behind = 0;
        let next = || {
            let (ticket, client) = table.next_waiter(place, Some(held), behind)?;
            behind = ticket;
            Some(client)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn lines_are_in_the_order_of_arrival_and_by_type() {
        let mut table = WaitTable::default();
        let first = table.join(30, Awaited::Type(Type::List), [LIST, OTHER].into_iter());
        table.join(20, Awaited::Type(Type::Zset), [LIST].into_iter());
        table.join(10, Awaited::Type(Type::List), [OTHER, LIST, OTHER].into_iter());
        assert_eq!(served(&table, LIST, Type::List), [30, 10]);
        table.join(5, Awaited::AnyChange, [LIST].into_iter());
        let late = table.join(7, Awaited::Type(Type::List), [LIST].into_iter());
        assert_eq!(served(&table, LIST, Type::List), [30, 10, 5, 7], "whatever they wait for");
        table.leave(late - 1, [LIST].into_iter());
        table.leave(late, [LIST].into_iter());
        assert_eq!(served(&table, LIST, Type::Zset), [20]);
        assert_eq!(served(&table, LIST, Type::Hash), [] as [ClientId; 0]);
        table.leave(first, [LIST, OTHER].into_iter());
        assert_eq!(served(&table, OTHER, Type::List), [10]);
        assert_eq!(table.keys_len(), 2);
    }

    #[test]
    fn who_awaits_any_change_is_told_of_a_key_that_is_gone() {
        let mut table = WaitTable::default();
        table.join(1, Awaited::Type(Type::Stream), [LIST].into_iter());
        table.join(2, Awaited::AnyChange, [LIST].into_iter());
        assert_eq!(table.next_waiter(LIST, None, 0), Some((2, 2)));
        assert_eq!(table.next_waiter(LIST, None, 2), None);
        assert_eq!(served(&table, LIST, Type::Stream), [1, 2]);
        assert_eq!(served(&table, LIST, Type::Set), [2]);
        assert_eq!((table.keys_len(), table.keys_awaited_in_any_case()), (1, 1));
        let empty = Db::new(crate::stdx::HashSeed::of_process());
        table.join(3, Awaited::Type(Type::List), [OTHER].into_iter());
        table.note_db(0, &empty);
        assert_eq!((table.take_ready(), table.take_ready()), (Some(LIST.into()), None));
    }

    #[test]
    fn a_line_without_clients_is_not_kept() {
        let mut table = WaitTable::default();
        let ticket = table.join(1, Awaited::Type(Type::List), [LIST, OTHER, LIST].into_iter());
        table.leave(ticket, [LIST, OTHER, LIST].into_iter());
        assert_eq!(table.keys_len(), 0);
        table.note(0, b"list");
        assert!(!table.has_ready());
    }

    #[test]
    fn a_key_is_ready_once_however_often_it_changes() {
        let mut table = WaitTable::default();
        table.join(1, Awaited::Type(Type::List), [LIST, OTHER].into_iter());
        table.note(0, b"nobody's");
        table.note(1, b"list");
        assert!(!table.has_ready());
        for key in [&b"other"[..], b"list", b"other"] {
            table.note(0, key);
        }
        assert_eq!(table.take_ready(), Some(OTHER.into()));
        table.note(0, b"other");
        assert_eq!(table.take_ready(), Some(LIST.into()));
        assert_eq!(table.take_ready(), Some(OTHER.into()));
        assert_eq!(table.take_ready(), None);
    }
}
