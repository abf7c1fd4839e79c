//! A stack for scripts, so that a script can be left in the middle and gone on with later.
//!
//! A script that runs for long must let others be served (`SCRIPT KILL` among them), from wherever it is: in a comparator
//! within a sort within a protected call. Lua's own coroutines cannot be left from there. So scripts run on a stack of their
//! own, and a pause is a switch of stacks, of some nanoseconds.

use std::io;
use std::ptr::NonNull;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};

use super::convert::write_long_value;
use super::lua::{Lua, RawState, STACK_BYTES, Status, Task};
use crate::resp::Protocol;

/// The stack on which the functions of one interpreter run, one at a time.
pub struct Fiber {
    /// Takes a job, or nothing where it is to go on with the one that has paused.
    coroutine: Coroutine<Option<Job>, Event, ()>,
}

/// What is to be done.
#[derive(Clone, Copy)]
enum Job {
    /// A function of the interpreter is to be run: it and its arguments are on top.
    Run { state: RawState, task: Task },
    /// The value on top is to be written as a reply that takes long.
    Write { state: RawState, script: Protocol },
}

/// Why the fiber's stack was left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The job is done.
    Ended(Status),
    /// It goes on when the fiber is resumed.
    Paused,
    /// There was nothing to run.
    Idle,
}

impl Fiber {
    /// The fiber of one interpreter, which must not outlive it.
    pub fn new(lua: &mut Lua) -> io::Result<Self> {
        let context = NonNull::from(lua.context());
        let body = move |yielder: &corosensei::Yielder<Option<Job>, Event>, first: Option<Job>| {
            let pause = || {
                yielder.suspend(Event::Paused);
            };
            let pause: &dyn Fn() = &pause;
            // SAFETY: the context lives longer than the fiber. The pause lives until the fiber ends, which is never: it is
            // dropped where it waits.
            #[expect(unsafe_code, reason = "what the fiber's stack holds lives as long as the fiber")]
            unsafe {
                context.as_ref().set_pause(Some(std::mem::transmute::<NonNull<dyn Fn() + '_>, NonNull<dyn Fn()>>(
                    NonNull::from(pause),
                )));
            }
            let mut next = first;
            loop {
                let event = match next {
                    Some(job) => Event::Ended(job.run()),
                    None => Event::Idle,
                };
                next = yielder.suspend(event);
            }
        };
        let mut fiber = Self { coroutine: Coroutine::with_stack(DefaultStack::new(STACK_BYTES)?, body) };
        fiber.resume();
        Ok(fiber)
    }

    /// Calls a function on the fiber's stack, as [`Lua::run`] does.
    pub fn start(&mut self, lua: &mut Lua, task: Task) -> Event {
        self.go_on(Some(Job::Run { state: lua.raw(), task }))
    }

    /// Writes the value on top as a reply, as [`write_long_value`] does.
    pub fn write(&mut self, lua: &mut Lua, script: Protocol) -> Event {
        self.go_on(Some(Job::Write { state: lua.raw(), script }))
    }

    /// Goes on with what has paused.
    pub fn resume(&mut self) -> Event {
        self.go_on(None)
    }

    fn go_on(&mut self, job: Option<Job>) -> Event {
        match self.coroutine.resume(job) {
            CoroutineResult::Yield(event) => event,
            CoroutineResult::Return(()) => Event::Idle,
        }
    }
}

impl Job {
    #[expect(unsafe_code, reason = "the fiber has the interpreter to itself")]
    fn run(self) -> Status {
        // SAFETY: `start` or `write` has borrowed the interpreter, and until this has ended nobody else uses it.
        unsafe {
            match self {
                Self::Run { state, task } => Lua::run(state, task),
                Self::Write { state, script } => match Lua::use_raw(state, |call| write_long_value(call, script)) {
                    true => Status::Done,
                    false => Status::Failed,
                },
            }
        }
    }
}

impl Drop for Fiber {
    #[expect(unsafe_code, reason = "a stack that is given up")]
    fn drop(&mut self) {
        // SAFETY: what waits on the stack owns nothing, unless a script was left in the middle: then buffers of the function
        // it was in are leaked. Nobody holds anything within the stack.
        unsafe { self.coroutine.force_reset() }
    }
}
