//! What belongs to one interpreter besides its values, found from each of its threads.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::time::Instant;

use mlua_sys::lua51 as ffi;

use super::memory::Memory;
use super::spare::SpareBlocks;
use crate::resp::{ArgsBuf, Reply};
use crate::script::functions::Registrations;
use crate::script::host::{Host, Verdict};

/// Address space of the stack; only what is used takes memory. Lua nests 200 calls of C at most, and commands need as much
/// as they do on the main stack.
pub const STACK_BYTES: usize = 8 << 20;

/// Has no `&mut`: Lua's threads, its hook and functions written in Rust all hold it at a time.
pub struct Context {
    pub memory: Memory,
    pub(super) spare: SpareBlocks,
    /// The server, while it runs the script.
    host: Cell<Option<NonNull<dyn Host>>>,
    /// Leaves the script's stack for that of the server. Set by `fiber.rs`.
    pause: Cell<Option<NonNull<dyn Fn()>>>,
    killed: Cell<bool>,
    /// The thread of Lua's (a coroutine of the script) that runs.
    pub(super) running: Cell<*mut ffi::lua_State>,
    /// What a command is put together in, kept from one to the next.
    pub command: RefCell<ArgsBuf>,
    /// What is written of a reply that takes long.
    pub answer: RefCell<Reply>,
    /// How many functions were run from outside, the one that runs now included.
    pub(super) runs: Cell<u64>,
    /// What a function of a library puts a text together in, kept from one call to the next. Taken by one at a time.
    pub text: Cell<Vec<u8>>,
    /// Whether redis.call may be called: not while a library of functions is loaded.
    pub may_call: Cell<bool>,
    /// The state of math.random, which stays from one script to the next, as Redis has it.
    pub random: Cell<u64>,
    /// Steps of functions written in Rust since the script was last looked at.
    pub(super) work: Cell<usize>,
    /// When the running script was looked at, and after how many instructions it is to be looked at again.
    pub(super) looked_at: Cell<Option<Instant>>,
    pub(super) look_after: Cell<i32>,
    /// The script that runs is short.
    pub(super) is_short: Cell<bool>,
    /// Since its last command the script has run a few instructions at most, and has called and taken nothing.
    pub(super) follows_closely: Cell<bool>,
    /// Below this address little is left of the stack on which the script runs.
    pub(super) stack_end: Cell<usize>,
    /// What the library that is being loaded has registered.
    pub registrations: RefCell<Option<Registrations>>,
}

/// The server, taken out of the context for a moment.
pub struct LentHost<'c> {
    host: NonNull<dyn Host>,
    context: &'c Context,
}

impl LentHost<'_> {
    #[inline]
    #[expect(unsafe_code, reason = "the pointer that lend keeps")]
    pub fn get(&mut self) -> &mut dyn Host {
        // SAFETY: `lend` has put it there and waits for the script; it is taken out, so nobody else has it meanwhile.
        unsafe { self.host.as_mut() }
    }
}

impl Drop for LentHost<'_> {
    #[inline]
    fn drop(&mut self) {
        self.context.host.set(Some(self.host));
    }
}

/// The script is killed and runs no further instruction.
#[derive(Clone, Copy, Debug)]
pub struct Killed;

impl Context {
    pub(super) fn new(memory_limit: usize) -> Self {
        Self {
            memory: Memory::new(memory_limit),
            spare: SpareBlocks::new(),
            host: Cell::new(None),
            pause: Cell::new(None),
            killed: Cell::new(false),
            running: Cell::new(std::ptr::null_mut()),
            command: RefCell::default(),
            answer: RefCell::default(),
            runs: Cell::new(0),
            text: Cell::default(),
            may_call: Cell::new(false),
            random: Cell::new(0x1234_ABCD_330E),
            work: Cell::new(0),
            looked_at: Cell::new(None),
            look_after: Cell::new(0),
            is_short: Cell::new(false),
            follows_closely: Cell::new(false),
            stack_end: Cell::new(0),
            registrations: RefCell::default(),
        }
    }

    /// The number of the run of a script or function that is going on.
    pub fn runs(&self) -> u64 {
        self.runs.get()
    }

    pub fn is_killed(&self) -> bool {
        self.killed.get()
    }

    pub fn set_killed(&self, killed: bool) {
        self.killed.set(killed);
    }

    /// A command begins. Returns whether the script has hardly done anything since the one before.
    #[inline]
    pub fn begin_command(&self) -> bool {
        self.follows_closely.replace(false)
    }

    /// The script has its reply, which took no time to convert.
    #[inline]
    pub fn end_command(&self) {
        self.follows_closely.set(self.is_short.get());
    }

    /// Lends the server to the script for as long as `run` takes.
    #[expect(unsafe_code, reason = "the lifetime of what is lent is that of the call")]
    pub fn lend<R>(&self, host: &mut dyn Host, run: impl FnOnce() -> R) -> R {
        // SAFETY: only the lifetime changes; the pointer is taken back below, before the loan ends. A panic ends the
        // process, or in tests the test.
        let lent = unsafe { std::mem::transmute::<NonNull<dyn Host + '_>, NonNull<dyn Host>>(NonNull::from(host)) };
        let before = self.host.replace(Some(lent));
        let result = run();
        self.host.set(before);
        result
    }

    /// Asks the server, if it runs the script now.
    #[inline]
    pub fn with_host<R>(&self, ask: impl FnOnce(&mut dyn Host) -> R) -> Option<R> {
        self.host().map(|mut host| ask(host.get()))
    }

    /// The server, if it runs the script now. Nobody else has it until this is dropped.
    #[inline]
    pub fn host(&self) -> Option<LentHost<'_>> {
        self.host.take().map(|host| LentHost { host, context: self })
    }

    pub fn set_pause(&self, pause: Option<NonNull<dyn Fn()>>) {
        self.pause.set(pause);
    }

    /// Asks the server whether the script may go on, and lets it have others served before.
    #[expect(unsafe_code, reason = "the pointer that the fiber keeps")]
    pub fn poll(&self) -> Result<(), Killed> {
        self.memory.note_poll();
        self.follows_closely.set(false);
        loop {
            if self.killed.get() {
                return Err(Killed);
            }
            match self.with_host(|host| host.poll()) {
                None | Some(Verdict::GoOn) => return Ok(()),
                Some(Verdict::Kill) => self.killed.set(true),
                Some(Verdict::Pause) => {
                    let Some(pause) = self.pause.get() else { return Ok(()) };
                    let in_rust = self.memory.set_in_rust(true);
                    // SAFETY: the fiber sets it for as long as its function runs, on whose stack this is.
                    unsafe { pause.as_ref()() };
                    self.memory.set_in_rust(in_rust);
                }
            }
        }
    }
}
