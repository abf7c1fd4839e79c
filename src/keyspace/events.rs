//! What happened to keys, for whoever subscribed to keyspace notifications
//! (<https://redis.io/docs/latest/develop/use/keyspace-notifications/>).

use std::cell::RefCell;

pub use crate::config::NotifyFlags as EventClass;

/// The event of a read that finds no key.
const KEY_MISS: &str = "keymiss";

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyEvent {
    pub name: &'static str,
    pub db: usize,
    pub key: Box<[u8]>,
}

/// The events of the running command, which the server publishes once it is done.
#[derive(Debug, Default)]
pub struct Events {
    wanted: EventClass,
    queue: RefCell<Vec<KeyEvent>>,
}

impl Events {
    /// Chooses what is queued at all.
    pub fn set_wanted(&mut self, wanted: EventClass) {
        // Classes without a channel to publish on are not worth queueing.
        let published = wanted.contains(EventClass::KEYSPACE) || wanted.contains(EventClass::KEYEVENT);
        self.wanted = if published { wanted } else { EventClass::NONE };
    }

    pub fn wanted(&self) -> EventClass {
        self.wanted
    }

    #[inline]
    pub fn notify(&self, class: EventClass, name: &'static str, db: usize, key: &[u8]) {
        if self.wanted.contains(class) {
            let at = if class == EventClass::EXPIRED { self.place_of_expired(db, key) } else { None };
            let mut queue = self.queue.borrow_mut();
            let at = at.unwrap_or(queue.len());
            queue.insert(at, KeyEvent { name, db, key: key.into() });
        }
    }

    /// A key that a read finds past its expiry is deleted only after the command, but is reported as expired before it is
    /// reported as missing.
    fn place_of_expired(&self, db: usize, key: &[u8]) -> Option<usize> {
        if !self.wanted.contains(EventClass::KEY_MISS) {
            return None;
        }
        self.queue.borrow().iter().position(|event| event.name == KEY_MISS && event.db == db && *event.key == *key)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    pub fn drain(&mut self) -> Vec<KeyEvent> {
        std::mem::take(self.queue.get_mut())
    }
}
