//! The interpreter: its life, compiling, and running a function from outside.
#![expect(unsafe_code, reason = "Lua's interface")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::time::{Duration, Instant};

use libc::c_int;
use mlua_sys::lua51 as ffi;

use super::allocator::allocate;
use super::call::Call;
use super::context::{Context, STACK_BYTES};
use super::coroutine::TEXTS_IN_NEED;
use super::direct::push_killed;
use super::value::Kind;
use crate::script::host::Host;

/// After so many instructions the hook looks at the clock: some tenths of a millisecond, where they are cheap.
const INSTRUCTIONS_PER_POLL: c_int = 10_000;

/// Instructions that take longer than this from one look to the next are dear.
const LOOK_TIME: Duration = Duration::from_millis(2);

/// How often a script is looked at whose instructions are dear.
const INSTRUCTIONS_MIN: c_int = 10;

/// So much of the stack is for what a function in Rust and the commands need, and for C functions that nest without one.
const STACK_RESERVE: usize = 3 << 20;

/// So much of the stack is for what writes one value.
const LAST_STACK_BYTES: usize = 256 << 10;

/// Texts of this size are not compiled: Lua counts what is in them in an `int` (CVE-2025-46819).
const TEXT_MAX: usize = 1 << 30;

/// So much of a text is compiled before the script is looked at again.
const PIECE_BYTES: usize = 32 << 10;

/// So many KiB the collector clears in one step: less than a millisecond.
const COLLECT_STEP: c_int = 256;

/// One interpreter.
pub struct Lua {
    state: *mut ffi::lua_State,
    /// Behind a pointer that Lua holds too; freed after the state.
    context: *mut Context,
    /// So many values at the bottom of the stack stay.
    kept: i32,
}

// SAFETY: the state and the context are reached by this alone while no script runs.
unsafe impl Send for Lua {}

/// An interpreter by its address, for the fiber's stack.
#[derive(Clone, Copy)]
pub struct RawState {
    state: *mut ffi::lua_State,
    kept: i32,
}

/// A function that is to be called: it is below its arguments, which are on top.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub args: usize,
    /// A place that holds a function that gets each error.
    pub handler: i32,
    /// It runs so few instructions that it need not be looked at; functions that it calls have themselves looked at.
    pub is_short: bool,
}

/// How a function ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Done,
    Failed,
}

/// Why a text is no chunk. The error's text is on top of the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadError;

impl Lua {
    /// An interpreter without any function. `None` if there is no memory for it.
    pub fn new(memory_limit: usize) -> Option<Self> {
        let context = Box::into_raw(Box::new(Context::new(memory_limit)));
        // SAFETY: the context lives until the state is closed. A field's address is that of what Lua passes.
        let state = unsafe { ffi::lua_newstate(allocate, ptr::from_ref(&*context).cast_mut().cast()) };
        if state.is_null() {
            // SAFETY: nobody else has it.
            drop(unsafe { Box::from_raw(context) });
            return None;
        }
        Some(Self { state, context, kept: 0 })
    }

    #[inline]
    pub fn context(&self) -> &Context {
        // SAFETY: it lives as long as this does.
        unsafe { &*self.context }
    }

    /// The stack, from outside of any call, above what is kept.
    #[inline]
    pub fn enter(&mut self) -> Call<'_> {
        // SAFETY: the state is live and borrowed, and the context is its own.
        unsafe { Call::within(self.state, &*self.context, self.kept) }
    }

    /// Keeps what is on the stack now, as the places 1 and up of every later call from outside.
    pub fn keep(&mut self) {
        let mut call = self.enter();
        // Above them there is as much room as a C function begins with.
        let has_room = call.try_reserve(ffi::LUA_MINSTACK as usize);
        debug_assert!(has_room, "few values are kept");
        self.kept = call.top();
    }

    /// Puts the parts of Lua's own library among the globals of which some can stay as they are: `_G`, `table`, `math`,
    /// `coroutine` and the functions without a table.
    pub fn open_stock_libraries(&mut self) {
        let mut call = self.enter();
        for text in TEXTS_IN_NEED {
            call.push_boolean(true);
            call.raw_set_field(Call::REGISTRY, text);
        }
        let open = |library: ffi::lua_CFunction| {
            // SAFETY: the functions are Lua's own, called as it wants them to be, without an argument; memory is not refused.
            unsafe {
                ffi::lua_pushcclosure(self.state, library, 0);
                ffi::lua_call(self.state, 0, 0);
            }
        };
        [ffi::luaopen_base, ffi::luaopen_table, ffi::luaopen_math].into_iter().for_each(open);
    }

    /// Puts Lua's own `string` among the globals, as what ours is compared with.
    #[cfg(test)]
    pub fn open_stock_string(&mut self) {
        // SAFETY: as above.
        unsafe {
            ffi::lua_pushcclosure(self.state, ffi::luaopen_string, 0);
            ffi::lua_call(self.state, 0, 0);
        }
    }

    /// Calls a function. Its one result is on top, or the error.
    ///
    /// # Safety
    /// The interpreter is used by nobody else until this returns.
    pub unsafe fn run(RawState { state, .. }: RawState, task: Task) -> Status {
        // SAFETY: the state is live; what fails ends here.
        unsafe {
            let call = Call::of(state);
            let context = call.context();
            context.running.set(state);
            context.runs.set(context.runs() + 1);
            let here = ptr::from_ref(&call) as usize;
            context.stack_end.set(here.saturating_sub(STACK_BYTES - STACK_RESERVE));
            context.looked_at.set(None);
            context.look_after.set(INSTRUCTIONS_PER_POLL);
            context.is_short.set(task.is_short);
            context.follows_closely.set(false);
            if task.is_short {
                ffi::lua_sethook(state, None, 0, 0);
            } else {
                ffi::lua_sethook(state, Some(look), ffi::LUA_MASKCOUNT, INSTRUCTIONS_PER_POLL);
            }
            context.memory.set_in_rust(false);
            let status = ffi::lua_pcall(state, task.args as c_int, 1, task.handler);
            context.memory.set_in_rust(true);
            context.running.set(ptr::null_mut());
            context.stack_end.set(0);
            if status == ffi::LUA_OK && !context.is_killed() { Status::Done } else { Status::Failed }
        }
    }

    /// Uses the stack, as [`Lua::enter`] has it, on that of the fiber, where no code of the script's runs meanwhile.
    ///
    /// # Safety
    /// The interpreter is used by nobody else until this returns.
    pub unsafe fn use_raw<R>(RawState { state, kept }: RawState, task: impl FnOnce(&mut Call<'_>) -> R) -> R {
        // SAFETY: the state is live, by the contract.
        let mut call = unsafe { Call::above(state, kept) };
        let context = call.context();
        context.stack_end.set((ptr::from_ref(&call) as usize).saturating_sub(STACK_BYTES - LAST_STACK_BYTES));
        let result = task(&mut call);
        context.stack_end.set(0);
        result
    }

    /// Lends the server to what runs here for as long as `run` takes.
    pub fn lend<R>(&mut self, host: &mut dyn Host, run: impl FnOnce(&mut Self) -> R) -> R {
        // SAFETY: the context is apart from this, and lives as long.
        let context = unsafe { &*self.context };
        context.lend(host, || run(self))
    }

    pub fn raw(&mut self) -> RawState {
        RawState { state: self.state, kept: self.kept }
    }
}

impl Drop for Lua {
    fn drop(&mut self) {
        // SAFETY: no script runs, and the context is freed after what uses it.
        unsafe {
            ffi::lua_close(self.state);
            drop(Box::from_raw(self.context));
        }
    }
}

impl Call<'_> {
    /// Compiles a text, and pushes it as a function, or the error.
    ///
    /// Bytecode is refused: it is not checked. The collector sleeps meanwhile, since the parser has objects that it does
    /// not see (CVE-2025-49844).
    pub fn load(&mut self, text: &[u8], name: &CStr) -> Result<(), LoadError> {
        if text.len() > TEXT_MAX {
            self.push_bytes("chunk is too large");
            return Err(LoadError);
        }
        // Behind a blank the first byte of bytecode is one that begins no token.
        let behind_blank = (text.first() == Some(&ffi::LUA_SIGNATURE[0])).then(|| [b" ", text].concat());
        let text = behind_blank.as_deref().unwrap_or(text);
        // What the parser takes is bounded by the text's length; the garbage must not be what leaves it without room.
        if text.len().saturating_mul(16) > self.context().memory.left() {
            self.collect(false);
        }
        let state = self.state();
        let memory = &self.context().memory;
        let in_rust = memory.set_in_rust(false);
        // SAFETY: the text is that long, and the name ends with a zero; compiling is protected.
        let status = unsafe {
            ffi::lua_gc(state, ffi::LUA_GCSTOP, 0);
            let mut unread = Unread { rest: text, is_begun: false };
            let status = ffi::lua_load(state, read, ptr::from_mut(&mut unread).cast(), name.as_ptr());
            ffi::lua_gc(state, ffi::LUA_GCRESTART, 0);
            status
        };
        memory.set_in_rust(in_rust);
        if status == ffi::LUA_OK { Ok(()) } else { Err(LoadError) }
    }

    /// Collects all garbage. The server looks at the script meanwhile if it is asked to.
    pub fn collect(&mut self, polls: bool) {
        // The first round ends what has begun, and may keep what became garbage since.
        if self.collect_round(polls) && self.collect_round(polls) {
            self.context().memory.note_collected();
        }
    }

    /// Lets the collector come round, in steps. Returns whether it has: it stops once the script is killed.
    fn collect_round(&mut self, polls: bool) -> bool {
        let context = self.context();
        let in_rust = context.memory.set_in_rust(true);
        let is_round = loop {
            if self.collect_step(COLLECT_STEP) {
                break true;
            }
            if polls && context.poll().is_err() {
                break false;
            }
        };
        context.memory.set_in_rust(in_rust);
        is_round
    }

    /// Lets the collector go some steps, as `collectgarbage("step", ..)` does. Returns whether it has come round.
    pub fn collect_step(&mut self, kilobytes: i32) -> bool {
        // SAFETY: all that is needed is on a stack; there are no finalisers.
        unsafe { ffi::lua_gc(self.state(), ffi::LUA_GCSTEP, kilobytes.clamp(0, COLLECT_STEP)) != 0 }
    }

    /// Makes the table on top, which goes, the globals of all that is compiled from now on.
    pub fn set_globals(&mut self) {
        debug_assert_eq!(self.kind(-1), Kind::Table);
        // SAFETY: it is a table.
        unsafe { ffi::lua_replace(self.state(), ffi::LUA_GLOBALSINDEX) }
    }
}

/// A text that is being compiled.
struct Unread<'a> {
    rest: &'a [u8],
    is_begun: bool,
}

/// Hands the parser the next piece of a text, and lets the server look at the script between two pieces.
///
/// # Safety
/// Lua calls it, as its reader, with the text that is being compiled.
unsafe extern "C-unwind" fn read(state: *mut ffi::lua_State, data: *mut c_void, size: *mut usize) -> *const c_char {
    // SAFETY: the state and the text are live. Here nothing is owned when Lua leaves by a jump.
    unsafe {
        let unread = &mut *data.cast::<Unread<'_>>();
        if unread.is_begun && Call::of(state).context().poll().is_err() {
            push_killed(state);
            ffi::lua_error(state);
        }
        unread.is_begun = true;
        let (piece, rest) = unread.rest.split_at(unread.rest.len().min(PIECE_BYTES));
        unread.rest = rest;
        *size = piece.len();
        piece.as_ptr().cast()
    }
}

/// Looks at a running script: Lua calls it every so many instructions, and at once after much was copied or taken.
///
/// # Safety
/// Lua calls it, as its hook.
unsafe extern "C-unwind" fn look(state: *mut ffi::lua_State, _about: *mut ffi::lua_Debug) {
    // SAFETY: the state is live. Here nothing is owned when Lua leaves by a jump.
    unsafe {
        let instructions = may_go_on(state);
        // Whatever catches the error of a script that is killed: the next instruction meets it again.
        ffi::lua_sethook(state, Some(look), ffi::LUA_MASKCOUNT, instructions.unwrap_or(1));
        if instructions.is_none() {
            push_killed(state);
            ffi::lua_error(state);
        }
    }
}

/// After how many instructions the script is to be looked at next, if it may go on.
///
/// # Safety
/// The state is live.
unsafe fn may_go_on(state: *mut ffi::lua_State) -> Option<c_int> {
    // SAFETY: by the contract.
    let mut call = unsafe { Call::of(state) };
    let context = call.context();
    let began = Instant::now();
    context.poll().ok()?;
    if context.memory.wants_collection() {
        call.collect_round(true);
        if context.memory.wants_collection() {
            call.collect_round(true);
        }
        context.memory.note_collected();
    }
    if context.is_killed() {
        return None;
    }
    // A script whose instructions are dear is looked at more often. What the server took for others is not the script's.
    let took = context.looked_at.get().map_or(Duration::ZERO, |before| began.saturating_duration_since(before));
    context.looked_at.set(Some(Instant::now()));
    let instructions = context.look_after.get();
    let next = if took > LOOK_TIME { instructions / 8 } else { instructions.saturating_mul(2) };
    let next = next.clamp(INSTRUCTIONS_MIN, INSTRUCTIONS_PER_POLL);
    context.look_after.set(next);
    Some(next)
}

/// Has the running script looked at before its next instruction.
pub(super) fn look_soon(context: &Context) {
    let running = context.running.get();
    if !running.is_null() {
        // SAFETY: it is a live state: `running` is reset when a function of it ends. Setting a hook takes no memory, and is
        // allowed at any time, even in a handler of a signal.
        unsafe { ffi::lua_sethook(running, Some(look), ffi::LUA_MASKCOUNT, 1) };
    }
}
