//! Coroutines of scripts. The C stack is bounded since each begins at the depth of C calls of the one that resumes it.
#![expect(unsafe_code, reason = "Lua's interface")]

use libc::c_int;
use mlua_sys::lua51 as ffi;

use super::call::{Call, Raise};
use super::value::Kind;

unsafe extern "C-unwind" {
    /// Gives a thread the depth of C calls of another. The bindings lack it.
    fn lua_setlevel(from: *mut ffi::lua_State, to: *mut ffi::lua_State);
}

/// What Lua makes texts of where it cannot report that there is no memory for them. They are made beforehand.
pub(super) const TEXTS_IN_NEED: &[&str] = &[
    super::direct::HANDLER_FAILED,
    "C stack overflow",
    "cannot resume dead coroutine",
    "cannot resume non-suspended coroutine",
    "not enough memory",
];

/// How a coroutine was left.
pub enum Left {
    /// It has yielded or ended: so many values are on top.
    With(usize),
    /// The error is on top.
    Failed,
}

impl Call<'_> {
    /// Pushes a new coroutine of the function that argument `arg` is.
    pub fn push_thread(&mut self, arg: i32) -> Result<(), Raise> {
        // SAFETY: any place may be looked at.
        let is_native = unsafe { ffi::lua_iscfunction(self.state(), arg) != 0 };
        if self.kind(arg) != Kind::Function || is_native {
            return Err(self.bad_argument(arg, "Lua function expected"));
        }
        // SAFETY: there is room on both stacks, and memory is not refused.
        unsafe {
            let thread = ffi::lua_newthread(self.state());
            self.push_copy(arg);
            ffi::lua_xmove(self.state(), thread, 1);
        }
        Ok(())
    }

    /// Resumes the coroutine at `place` with the `args` values on top. What goes wrong there ends there; what ends the
    /// script goes on.
    pub fn resume(&mut self, place: i32, args: usize) -> Result<Left, Raise> {
        debug_assert_eq!(self.kind(place), Kind::Thread);
        // SAFETY: it is a thread of this interpreter, which the stack keeps alive; each move has room on both sides.
        unsafe {
            let thread = ffi::lua_tothread(self.state(), place);
            let status = self.resume_status(thread);
            if status != "suspended" {
                self.push_bytes(format!("cannot resume {status} coroutine"));
                return Ok(Left::Failed);
            }
            if ffi::lua_checkstack(thread, args as c_int + 1) == 0 {
                return Err(self.error("too many arguments to resume"));
            }
            ffi::lua_xmove(self.state(), thread, args as c_int);
            lua_setlevel(self.state(), thread);
            let context = self.context();
            let outer = context.running.replace(thread);
            let in_rust = context.memory.set_in_rust(false);
            let status = ffi::lua_resume_(thread, args as c_int);
            context.memory.set_in_rust(in_rust);
            context.running.set(outer);
            if context.is_killed() {
                super::direct::push_killed(self.state());
                return Err(self.raise());
            }
            if !matches!(status, ffi::LUA_OK | ffi::LUA_YIELD) {
                ffi::lua_xmove(thread, self.state(), 1);
                return Ok(Left::Failed);
            }
            let results = ffi::lua_gettop(thread);
            if !self.try_reserve(results as usize + 1) {
                return Err(self.error("too many results to resume"));
            }
            ffi::lua_xmove(thread, self.state(), results);
            Ok(Left::With(results as usize))
        }
    }

    /// What coroutine.status says.
    ///
    /// # Safety
    /// The thread is live.
    unsafe fn resume_status(&self, thread: *mut ffi::lua_State) -> &'static str {
        // SAFETY: by the contract; the structure is only filled.
        unsafe {
            if thread == self.state() {
                return "running";
            }
            match ffi::lua_status(thread) {
                ffi::LUA_YIELD => "suspended",
                ffi::LUA_OK => {
                    let mut about = std::mem::MaybeUninit::<ffi::lua_Debug>::zeroed();
                    if ffi::lua_getstack(thread, 0, about.as_mut_ptr()) > 0 {
                        "normal"
                    } else if ffi::lua_gettop(thread) == 0 {
                        "dead"
                    } else {
                        "suspended"
                    }
                }
                _ => "dead",
            }
        }
    }
}
