//! How one connection's task is woken when something waits for it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

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

    /// Waits until the flag is raised, and lowers it.
    pub async fn raised(&self) {
        poll_fn(|context| if self.poll(context) { Poll::Ready(()) } else { Poll::Pending }).await;
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
