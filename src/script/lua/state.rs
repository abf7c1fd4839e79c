//! The interpreter: its life, compiling, and running a function from outside.

use std::ptr;

use libc::c_int;
use mlua_sys::lua51 as ffi;

use super::call::{Call, KILLED};
use super::context::Context;
use super::memory::allocate;
use crate::script::host::Host;

/// After so many instructions the hook looks at the clock: some tenths of a millisecond.
const INSTRUCTIONS_PER_POLL: c_int = 10_000;

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
pub struct RawState(*mut ffi::lua_State);

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

    pub fn context(&self) -> &Context {
        // SAFETY: it lives as long as this does.
        unsafe { &*self.context }
    }

    /// The stack, from outside of any call, above what is kept.
    pub fn enter(&mut self) -> Call<'_> {
        // SAFETY: the state is live, and borrowed.
        unsafe { Call::above(self.state, self.kept) }
    }

    /// Keeps what is on the stack now, as the places 1 and up of every later call from outside.
    pub fn keep(&mut self) {
        self.kept = self.enter().top();
    }

    /// Puts the parts of Lua's own library there that can stay as they are, among the globals: `_G`, `table`, `math`,
    /// `coroutine` and the functions without a table.
    pub fn open_stock_libraries(&mut self) {
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

    /// Calls the function below the `args` values on top, under `handler`, a place that holds a function that gets each
    /// error. Its one result is on top, or the error.
    ///
    /// # Safety
    /// The interpreter is used by nobody else until this returns.
    pub unsafe fn run(RawState(state): RawState, args: usize, handler: i32) -> Status {
        // SAFETY: the state is live; what fails ends here.
        unsafe {
            let call = Call::of(state);
            let context = call.context();
            context.running.set(state);
            ffi::lua_sethook(state, Some(look), ffi::LUA_MASKCOUNT, INSTRUCTIONS_PER_POLL);
            context.memory.set_in_rust(false);
            let status = ffi::lua_pcall(state, args as c_int, 1, handler);
            context.memory.set_in_rust(true);
            context.running.set(ptr::null_mut());
            ffi::lua_sethook(state, None, 0, 0);
            if status == ffi::LUA_OK && !context.is_killed() { Status::Done } else { Status::Failed }
        }
    }

    /// Lends the server to what runs here for as long as `run` takes.
    pub fn lend<R>(&mut self, host: &mut dyn Host, run: impl FnOnce(&mut Self) -> R) -> R {
        // SAFETY: the context is apart from this, and lives as long.
        let context = unsafe { &*self.context };
        context.lend(host, || run(self))
    }

    pub fn raw(&mut self) -> RawState {
        RawState(self.state)
    }

    /// Collects all garbage.
    pub fn collect(&mut self) {
        // SAFETY: no script runs; there are no finalisers.
        unsafe { ffi::lua_gc(self.state, ffi::LUA_GCCOLLECT, 0) };
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
    pub fn load(&mut self, text: &[u8], name: &std::ffi::CStr) -> Result<(), LoadError> {
        if text.first() == Some(&ffi::LUA_SIGNATURE[0]) {
            self.push_bytes("attempt to load bytecode");
            return Err(LoadError);
        }
        let state = self.state();
        let memory = &self.context().memory;
        let in_rust = memory.set_in_rust(false);
        // SAFETY: the text is that long, and the name ends with a zero; compiling is protected.
        let status = unsafe {
            ffi::lua_gc(state, ffi::LUA_GCSTOP, 0);
            let status = ffi::luaL_loadbuffer(state, text.as_ptr().cast(), text.len(), name.as_ptr());
            ffi::lua_gc(state, ffi::LUA_GCRESTART, 0);
            status
        };
        memory.set_in_rust(in_rust);
        if status == ffi::LUA_OK { Ok(()) } else { Err(LoadError) }
    }
}

/// Looks at a running script: Lua calls it every so many instructions, and at once after much was copied.
///
/// # Safety
/// Lua calls it, as its hook.
unsafe extern "C-unwind" fn look(state: *mut ffi::lua_State, _about: *mut ffi::lua_Debug) {
    // SAFETY: the state is live. Here nothing is owned when Lua leaves by a jump.
    unsafe {
        if !may_go_on(state) {
            // Whatever catches the error: the next instruction meets it again.
            ffi::lua_sethook(state, Some(look), ffi::LUA_MASKCOUNT, 1);
            ffi::lua_error(state);
        }
    }
}

/// Whether the script may go on; if not, the error is on top.
///
/// # Safety
/// The state is live.
unsafe fn may_go_on(state: *mut ffi::lua_State) -> bool {
    // SAFETY: by the contract.
    let mut call = unsafe { Call::of(state) };
    let context = call.context();
    if context.poll().is_ok() {
        // SAFETY: as above. After much was copied the hook came early.
        unsafe { ffi::lua_sethook(state, Some(look), ffi::LUA_MASKCOUNT, INSTRUCTIONS_PER_POLL) };
        return true;
    }
    let in_rust = context.memory.set_in_rust(true);
    call.push_error_table(KILLED);
    context.memory.set_in_rust(in_rust);
    false
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
