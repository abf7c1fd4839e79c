//! How one connection's task is told that something waits for it.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

/// A flag with the waker of the one task that looks at it.
#[derive(Debug, Default)]
pub struct Wake {
    raised: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Wake {
    /// Raises the flag and wakes the task. From within the task itself this costs one more look, no more.
    pub fn raise(&self) {
        self.raised.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Lowers the flag and says whether it was raised; if not, the task is woken when it is.
    pub fn poll(&self, context: &Context<'_>) -> bool {
        if self.raised.replace(false) {
            return true;
        }
        let mut waker = self.waker.borrow_mut();
        match &*waker {
            Some(known) if known.will_wake(context.waker()) => {}
            _ => *waker = Some(context.waker().clone()),
        }
        false
    }
}
