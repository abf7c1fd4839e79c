//! Freeing large values on another thread, so that no command waits for it (UNLINK, FLUSHALL ASYNC, lazyfree-*).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::db::Db;
use super::entry::Entry;
use crate::types::Value;

/// A value that takes fewer deallocations than this is freed at once, whatever was asked (Redis: LAZYFREE_THRESHOLD).
pub const LAZY_FREE_EFFORT_MIN: usize = 64;

/// What is freed lazily without being asked to, from the `lazyfree-lazy-*` keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LazyFreePolicy {
    pub expire: bool,
    pub eviction: bool,
    pub server_del: bool,
    pub user_del: bool,
    pub user_flush: bool,
}

/// Objects that freeing threads of this process have yet to free.
static IN_HAND: AtomicU64 = AtomicU64::new(0);

/// The door to the freeing thread, which starts when it is first needed.
#[derive(Default)]
pub struct LazyFree {
    pub policy: LazyFreePolicy,
    queue: Option<Sender<(Garbage, u64)>>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    pending: AtomicU64,
    freed: AtomicU64,
}

enum Garbage {
    Value(Value),
    Db(Box<Db>),
}

impl LazyFree {
    /// Whether any thread of this process is freeing what it was given.
    pub fn is_busy() -> bool {
        IN_HAND.load(Ordering::Acquire) > 0
    }

    /// Objects waiting to be freed (INFO's `lazyfree_pending_objects`).
    pub fn pending(&self) -> u64 {
        self.counters.pending.load(Ordering::Relaxed)
    }

    /// Objects freed by the thread so far (INFO's `lazyfreed_objects`).
    pub fn freed(&self) -> u64 {
        self.counters.freed.load(Ordering::Relaxed)
    }

    pub fn reset_freed(&self) {
        self.counters.freed.store(0, Ordering::Relaxed);
    }

    pub fn drop_entry(&mut self, mut entry: Entry, lazily: bool) {
        if lazily && entry.value().free_effort() > LAZY_FREE_EFFORT_MIN {
            self.send(Garbage::Value(entry.take_value()), 1);
        }
    }

    pub fn drop_value(&mut self, value: Value, lazily: bool) {
        if lazily && value.view().free_effort() > LAZY_FREE_EFFORT_MIN {
            self.send(Garbage::Value(value), 1);
        }
    }

    pub fn drop_db(&mut self, db: Db, lazily: bool) {
        if lazily && !db.is_empty() {
            let objects = db.len() as u64;
            self.send(Garbage::Db(Box::new(db)), objects);
        }
    }

    fn send(&mut self, garbage: Garbage, objects: u64) {
        self.counters.pending.fetch_add(objects, Ordering::Relaxed);
        IN_HAND.fetch_add(objects, Ordering::Relaxed);
        let queue = self.queue.get_or_insert_with(|| start(Arc::clone(&self.counters)));
        if let Err(unsent) = queue.send((garbage, objects)) {
            // Without its thread the garbage is freed here.
            drop(unsent);
            self.counters.pending.fetch_sub(objects, Ordering::Relaxed);
            IN_HAND.fetch_sub(objects, Ordering::Relaxed);
        }
    }
}

fn start(counters: Arc<Counters>) -> Sender<(Garbage, u64)> {
    let (sender, receiver) = channel();
    let run = move || {
        for (garbage, objects) in receiver {
            match garbage {
                Garbage::Value(value) => drop(value),
                Garbage::Db(db) => drop(db),
            }
            counters.pending.fetch_sub(objects, Ordering::Relaxed);
            IN_HAND.fetch_sub(objects, Ordering::Release);
            counters.freed.fetch_add(objects, Ordering::Relaxed);
        }
    };
    // A thread that cannot start drops the receiver, and `send` then frees in place.
    let _started = thread::Builder::new().name("lazy-free".into()).spawn(run);
    sender
}
