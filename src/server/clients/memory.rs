//! The memory that all clients hold together, and which of them go when that is more than `maxmemory-clients` allows.
//!
//! While there is a limit, a client is counted anew whenever its task has done something, which whatever grows a client
//! makes it do. Those of about the same size are kept together, so that the largest are found without a look at the
//! others. Without a limit nothing is kept, and a round of a connection's task costs one comparison.
//!
//! Clients that may not be evicted count too: the others share what these leave of the limit. Some room is left for the
//! others whatever these hold. In Redis all others go when these alone are over the limit, which cannot bring the sum below
//! it, and nobody can connect until the large client has ended. Its end may reach the server after what the same peer does
//! next on other connections: TCP may hold back the FIN, as BBR does to pace what it sends.

use std::cmp::Reverse;

use super::client::{ClientKey, Clients, Close};

/// Clients of fewer bytes than two to this power are all of one size.
const SMALL_LOG2: u32 = 15;

/// Those of more bytes than two to this power too.
const LARGE_LOG2: u32 = 33;

/// The least room for clients that may be evicted, below which a server could not be talked to. No limit is less, either.
pub(super) const EVICTABLE_BYTES_MIN: u64 = 128 * 1024;

const BUCKETS: usize = (LARGE_LOG2 - SMALL_LOG2 + 1) as usize;

/// What a client was counted for last.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counted {
    pub(super) bytes: usize,
    /// Where it is among those that may be evicted, if it may.
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    bucket: usize,
    position: usize,
}

/// The sum over all clients, and those that may be evicted by size.
#[derive(Default, Debug)]
pub struct ClientMemory {
    /// 0: no limit.
    limit_bytes: u64,
    total_bytes: u64,
    /// What of it is held by clients that may be evicted.
    evictable_bytes: u64,
    buckets: [Vec<ClientKey>; BUCKETS],
    /// The log has been warned that evicting was not enough.
    pub(super) shortage_logged: bool,
}

impl ClientMemory {
    #[inline]
    pub fn is_limited(&self) -> bool {
        self.limit_bytes > 0
    }

    pub(super) fn is_over_limit(&self) -> bool {
        self.is_limited() && self.total_bytes >= self.limit_bytes
    }

    /// What clients that may be evicted have to hold less than, all together.
    fn evictable_bytes_end(&self) -> u64 {
        let kept_bytes = self.total_bytes - self.evictable_bytes;
        self.limit_bytes.saturating_sub(kept_bytes).max(EVICTABLE_BYTES_MIN)
    }

    fn enter(&mut self, bucket: usize, key: ClientKey) -> Place {
        self.buckets[bucket].push(key);
        Place { bucket, position: self.buckets[bucket].len() - 1 }
    }

    /// Takes the client at this place away. Returns the one that takes its place.
    fn leave(&mut self, place: Place) -> Option<ClientKey> {
        let bucket = &mut self.buckets[place.bucket];
        bucket.swap_remove(place.position);
        bucket.get(place.position).copied()
    }
}

fn bucket_of(bytes: usize) -> usize {
    let log2 = (usize::BITS - bytes.leading_zeros()).clamp(SMALL_LOG2, LARGE_LOG2);
    (log2 - SMALL_LOG2) as usize
}

impl Clients {
    /// Counts a client with what it holds now; one that is about to end holds nothing.
    pub fn recount(&mut self, key: ClientKey) {
        let client = self.get(key);
        let bytes = if client.close == Some(Close::Now) { 0 } else { client.memory_usage() };
        let may_go = bytes > 0 && !client.session.no_evict && !client.is_replica();
        self.set_counted(key, bytes, may_go.then(|| bucket_of(bytes)));
    }

    /// Counts a client for nothing.
    pub fn discount(&mut self, key: ClientKey) {
        self.set_counted(key, 0, None);
    }

    fn set_counted(&mut self, key: ClientKey, bytes: usize, bucket: Option<usize>) {
        let old = self.get(key).counted;
        let evictable = |bytes: usize, may_go: bool| if may_go { bytes as u64 } else { 0 };
        let memory = &mut self.memory;
        memory.total_bytes = memory.total_bytes - old.bytes as u64 + bytes as u64;
        memory.evictable_bytes =
            memory.evictable_bytes - evictable(old.bytes, old.place.is_some()) + evictable(bytes, bucket.is_some());
        let stays = old.place.map(|place| place.bucket) == bucket;
        let place = if stays { old.place } else { self.move_to(key, old.place, bucket) };
        self.get_mut(key).counted = Counted { bytes, place };
    }

    fn move_to(&mut self, key: ClientKey, old: Option<Place>, bucket: Option<usize>) -> Option<Place> {
        if let Some(old) = old
            && let Some(moved) = self.memory.leave(old)
        {
            self.get_mut(moved).counted.place = Some(old);
        }
        bucket.map(|bucket| self.memory.enter(bucket, key))
    }

    /// Holds another limit. Counting begins with the first one and ends with the last.
    pub(super) fn set_memory_limit(&mut self, limit_bytes: u64) {
        let began = limit_bytes > 0 && !self.memory.is_limited();
        if limit_bytes == 0 {
            self.memory = ClientMemory::default();
            for (_, client) in self.iter_mut() {
                client.counted = Counted::default();
            }
        }
        self.memory.limit_bytes = limit_bytes;
        if began {
            let keys: Vec<ClientKey> = self.iter().map(|(key, _)| key).collect();
            for key in keys {
                self.recount(key);
            }
        }
    }

    /// The clients that have to go for the others to fit below the limit, the largest first. If that cannot be reached,
    /// those that leave no room for the others.
    pub(super) fn largest_beyond_limit(&self) -> Vec<ClientKey> {
        let end = self.memory.evictable_bytes_end();
        let mut left = self.memory.evictable_bytes;
        let mut found = Vec::new();
        for bucket in self.memory.buckets.iter().rev() {
            // Looked at before the bucket is sorted, since this may be asked in every round for a long time.
            if left < end {
                break;
            }
            let mut keys = bucket.clone();
            keys.sort_by_key(|key| Reverse(self.get(*key).counted.bytes));
            for key in keys {
                if left < end {
                    break;
                }
                left -= self.get(key).counted.bytes as u64;
                found.push(key);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::commands::{AccessRules, CommandTable, Peer, Users};
    use crate::config::Config;

    fn add(clients: &mut Clients) -> ClientKey {
        let users = Users::new(&AccessRules::new(CommandTable::new().rows(), &Config::default()));
        clients.add(Peer::Unix { path: "".into() }, 0, Rc::clone(users.default_user()), 0)
    }

    /// Clients of these sizes, which stand for the room of their queries.
    fn clients(sizes: &[usize]) -> Clients {
        let mut clients = Clients::default();
        for size in sizes {
            let key = add(&mut clients);
            clients.get_mut(key).query_capacity = *size;
        }
        clients
    }

    /// Whether the sum and every place are as a count of all clients has them.
    #[track_caller]
    fn check(clients: &Clients) {
        let total: usize = clients.iter().map(|(_, client)| client.counted.bytes).sum();
        assert_eq!(clients.memory.total_bytes, total as u64);
        let evictable = clients.iter().filter(|(_, client)| client.counted.place.is_some());
        let evictable: usize = evictable.map(|(_, client)| client.counted.bytes).sum();
        assert_eq!(clients.memory.evictable_bytes, evictable as u64);
        let placed = clients.iter().filter_map(|(key, client)| Some((key, client.counted.place?)));
        let mut count = 0;
        for (key, place) in placed {
            assert_eq!(clients.memory.buckets[place.bucket][place.position], key);
            assert_eq!(place.bucket, bucket_of(clients.get(key).counted.bytes));
            count += 1;
        }
        assert_eq!(count, clients.memory.buckets.iter().map(Vec::len).sum::<usize>());
    }

    #[test]
    fn the_largest_go_first_and_no_more_than_must() {
        let mut clients = clients(&[1 << 20, 100, 3 << 20, 200, (3 << 20) + 1, 1 << 16]);
        let keys: Vec<ClientKey> = clients.iter().map(|(key, _)| key).collect();
        clients.set_memory_limit(8 << 20);
        check(&clients);
        assert!(clients.largest_beyond_limit().is_empty());
        clients.set_memory_limit(5 << 20);
        assert_eq!(clients.largest_beyond_limit(), [keys[4]]);
        clients.set_memory_limit(2 << 20);
        assert_eq!(clients.largest_beyond_limit(), [keys[4], keys[2]]);
        clients.set_memory_limit(1);
        assert_eq!(clients.largest_beyond_limit(), [keys[4], keys[2], keys[0]]);
        clients.get_mut(keys[4]).session.no_evict = true;
        clients.recount(keys[4]);
        check(&clients);
        assert_eq!(clients.largest_beyond_limit(), [keys[2], keys[0]]);
    }

    #[test]
    fn clients_that_may_not_go_leave_the_others_some_room_however_large_they_are() {
        let (large, modest) = (90 << 10, 30 << 10);
        let mut clients = clients(&[1 << 20, large, modest, modest]);
        let keys: Vec<ClientKey> = clients.iter().map(|(key, _)| key).collect();
        clients.get_mut(keys[0]).session.no_evict = true;
        for (limit_bytes, expected) in [
            // The others share what is left of the limit.
            ((1 << 20) + (200 << 10), &[][..]),
            ((1 << 20) + (130 << 10), &keys[1..2]),
            // Nothing is left of it.
            (1 << 20, &keys[1..2]),
            (1 << 18, &keys[1..2]),
        ] {
            clients.set_memory_limit(limit_bytes);
            check(&clients);
            assert_eq!(clients.largest_beyond_limit(), expected, "{limit_bytes}");
        }
        clients.retire(keys[1]);
        check(&clients);
        assert!(clients.memory.is_over_limit());
        assert!(clients.largest_beyond_limit().is_empty());
        let newcomer = add(&mut clients);
        assert!(clients.get(newcomer).counted.bytes > 0);
        assert!(clients.largest_beyond_limit().is_empty());
    }

    #[test]
    fn replies_of_a_client_that_has_to_go_are_freed_at_once() {
        let mut clients = clients(&[0, 0]);
        clients.set_memory_limit(1 << 20);
        let keys: Vec<ClientKey> = clients.iter().map(|(key, _)| key).collect();
        for _ in 0..3 {
            let reply = &mut clients.get_mut(keys[0]).reply;
            reply.bulk(vec![b'x'; 1 << 20]);
            reply.set_aside();
        }
        clients.recount(keys[0]);
        assert_eq!(clients.largest_beyond_limit(), [keys[0]]);
        clients.retire(keys[0]);
        let reply = &clients.get(keys[0]).reply;
        assert_eq!((reply.len(), reply.capacity()), (0, 0));
        check(&clients);
    }

    #[test]
    fn the_books_are_right_after_any_change() {
        let mut clients = clients(&[0; 30]);
        clients.set_memory_limit(1);
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..3000 {
            let keys: Vec<ClientKey> = clients.iter().map(|(key, _)| key).collect();
            let key = keys[random.usize(..keys.len())];
            match random.usize(..10) {
                0 if keys.len() > 3 => drop(clients.remove(key)),
                1 => {
                    add(&mut clients);
                }
                2 => clients.retire(key),
                3 => clients.get_mut(key).session.no_evict ^= true,
                4 => clients.set_memory_limit(random.u64(..3)),
                _ => clients.get_mut(key).query_capacity = 1 << random.usize(..36),
            }
            if clients.memory.is_limited() && clients.iter().any(|(other, _)| other == key) {
                clients.recount(key);
            }
            check(&clients);
        }
    }
}
