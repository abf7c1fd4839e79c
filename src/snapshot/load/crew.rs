//! The threads that decode parts of a dump, and the queue between them and the loader.
//!
//! The loader takes the batches in the order in which it handed in the parts, so that a load is the same whatever
//! thread is done first.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use super::part::{Batch, Entries, Part};
use crate::observe::AllocatorArena;

/// Parts for each thread that are on their way at once. Enough to keep the others busy while one of them waits for the
/// kernel to clear a huge page, which can take as long as decoding dozens of parts.
const PARTS_A_THREAD: usize = 32;

/// Threads at work. Dropped, it lets them finish what they are at and waits for them.
pub struct Crew {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Parts handed in and not yet taken out.
    under_way: usize,
    handed_in: u64,
    /// Emptied and to be filled again, so that their memory stays in use.
    rooms: Vec<Entries>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when there is a part to decode, or nothing any more.
    work: Condvar,
    /// Told when the batch is there that the loader takes next.
    ready: Condvar,
}

#[derive(Default)]
struct State {
    parts: VecDeque<(u64, Part)>,
    /// The batches from number `first` on, as far as they are there.
    batches: VecDeque<Option<Batch>>,
    first: u64,
    waker: Option<Waker>,
    ended: bool,
    /// A thread has panicked: what it was to decode will never be there.
    failed: bool,
}

impl State {
    /// Whether the next batch is not there and still may come.
    fn lacks_next(&self) -> bool {
        !self.failed && matches!(self.batches.front(), Some(None))
    }
}

/// In the hands of each thread, so that nobody waits for one that has panicked.
struct Membership(Arc<Shared>);

impl Drop for Membership {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked held the lock only to move a value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_part(&self) -> Option<(u64, Part)> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            if let Some(part) = state.parts.pop_front() {
                return Some(part);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn fail(&self) {
        let mut state = self.lock();
        state.failed = true;
        self.ready.notify_all();
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }

    fn put_batch(&self, number: u64, batch: Batch) {
        let mut state = self.lock();
        let is_next = number == state.first;
        let place = (number - state.first) as usize;
        state.batches[place] = Some(batch);
        if is_next {
            self.ready.notify_all();
            if let Some(waker) = state.waker.take() {
                drop(state);
                waker.wake();
            }
        }
    }
}

impl Crew {
    /// Starts up to so many threads, which `decode` parts; none if not one could be started.
    pub fn start(threads: usize, decode: impl FnMut(Part) -> Batch + Clone + Send + 'static) -> Option<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), work: Condvar::new(), ready: Condvar::new() });
        // Memory that the server's own thread frees later must be its own to give out again.
        let arena = AllocatorArena::of_this_thread();
        let started = (0..threads).map_while(|_| {
            let (member, mut decode) = (Membership(Arc::clone(&shared)), decode.clone());
            let work = move || {
                if let Some(arena) = arena {
                    arena.use_for_this_thread();
                }
                let Membership(shared) = &member;
                while let Some((number, part)) = shared.next_part() {
                    let batch = decode(part);
                    shared.put_batch(number, batch);
                }
            };
            thread::Builder::new().name("load".into()).spawn(work).ok()
        });
        let threads: Vec<_> = started.collect();
        (!threads.is_empty()).then_some(Self { shared, threads, under_way: 0, handed_in: 0, rooms: Vec::new() })
    }

    /// Whether another part should be handed in.
    pub fn has_room(&self) -> bool {
        self.under_way < self.threads.len() * PARTS_A_THREAD
    }

    /// An emptied batch's room, for the next part.
    pub fn room(&mut self) -> Entries {
        self.rooms.pop().unwrap_or_default()
    }

    pub fn give_back(&mut self, room: Entries) {
        self.rooms.push(room);
    }

    pub fn hand_in(&mut self, part: Part) {
        let mut state = self.shared.lock();
        state.batches.push_back(None);
        state.parts.push_back((self.handed_in, part));
        drop(state);
        self.shared.work.notify_one();
        self.handed_in += 1;
        self.under_way += 1;
    }

    /// Whether every part that was handed in has been taken out.
    pub fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    /// The next batch in the order of the file, if it is there.
    ///
    /// # Panics
    ///
    /// Where a thread has panicked, whose batch would never be there.
    pub fn take(&mut self) -> Option<Batch> {
        let mut state = self.shared.lock();
        assert!(!state.failed, "a thread of the load has panicked");
        let batch = state.batches.front_mut()?.take()?;
        state.batches.pop_front();
        state.first += 1;
        self.under_way -= 1;
        Some(batch)
    }

    /// Ready when [`Crew::take`] has something to give.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        if state.lacks_next() {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Blocks until [`Crew::take`] has something to give.
    pub fn wait(&self) {
        drop(self.shared.ready.wait_while(self.shared.lock(), |state| state.lacks_next()));
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}
