//! Functions of the script's that work as C's do: they raise errors by Lua's own jump. They own nothing, so that the jump
//! skips nothing; they may call the script's code without a frame of Rust that waits for it.
//!
//! A script's code is protected here and in [`Call::call`] and in `coroutine.rs` only. Each lets an error pass if the script
//! is killed: nothing that a script writes keeps it alive.
#![expect(unsafe_code, reason = "Lua's interface")]

use libc::c_int;
use mlua_sys::lua51 as ffi;

use super::call::{Call, KILLED};
use super::read_only;

/// How often xpcall asks its handler about the handler's own error.
const HANDLER_ERRORS_MAX: usize = 10;

/// A function of this file.
#[derive(Clone, Copy)]
pub struct Direct(ffi::lua_CFunction);

impl Direct {
    /// `next`, which sees what is in a table that scripts may not change.
    pub const NEXT: Self = Self(next);
    /// `pcall` as Redis has it: an error that is a table is returned as its text.
    pub const PCALL: Self = Self(pcall);
    /// `xpcall`, whose handler runs when the error has unwound the stack, where it can be interrupted.
    pub const XPCALL: Self = Self(xpcall);
    /// Whether its first argument is less than the second, metamethods included.
    pub(super) const LESS: Self = Self(less);
}

impl Call<'_> {
    pub fn push_direct(&mut self, Direct(function): Direct) {
        // SAFETY: there is room, and memory is not refused. The functions are what Lua wants them to be.
        unsafe { ffi::lua_pushcclosure(self.state(), function, 0) }
    }

    /// Whether the value at `one` is less than that at `other`, as the script's operator says.
    pub fn is_less(&mut self, one: i32, other: i32) -> Result<bool, super::call::Raise> {
        use super::value::Value::{Bytes, Number};
        match (self.value(one), self.value(other)) {
            (Number(one), Number(other)) => Ok(one < other),
            // In the locale of C the order of texts is that of their bytes.
            (Bytes(one), Bytes(other)) => Ok(one < other),
            _ => {
                let (one, other) = (self.absolute(one), self.absolute(other));
                self.reserve(4)?;
                self.push_direct(Direct::LESS);
                self.push_copy(one);
                self.push_copy(other);
                self.call(2, 1)?;
                let is_less = self.truth(-1);
                self.pop(1);
                Ok(is_less)
            }
        }
    }
}

/// # Safety
/// Lua calls it, as all functions below.
unsafe extern "C-unwind" fn next(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the arguments are checked before they are used.
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::lua_settop(state, 2);
        if read_only::push_table_behind(state, 1) {
            ffi::lua_insert(state, 2);
            return pair(state, 2);
        }
        pair(state, 1)
    }
}

/// The pair of the table at `table` that follows the key on top.
///
/// # Safety
/// The state is live, with a table there.
unsafe fn pair(state: *mut ffi::lua_State, table: c_int) -> c_int {
    // SAFETY: by the contract; a key that is not the table's is an error of the script's.
    unsafe {
        if ffi::lua_next(state, table) != 0 {
            return 2;
        }
        ffi::lua_pushnil(state);
        1
    }
}

unsafe extern "C-unwind" fn less(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: there are two arguments, and room for the result.
    unsafe {
        let is_less = ffi::lua_lessthan(state, 1, 2);
        ffi::lua_pushboolean(state, is_less);
        1
    }
}

unsafe extern "C-unwind" fn pcall(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the first argument is called with all that follow; each push has room, which C functions begin with.
    unsafe {
        ffi::luaL_checkany(state, 1);
        ffi::lua_pushboolean(state, 1);
        ffi::lua_insert(state, 1);
        let status = ffi::lua_pcall(state, ffi::lua_gettop(state) - 2, ffi::LUA_MULTRET, 0);
        die_if_killed(state);
        if status != ffi::LUA_OK {
            ffi::lua_remove(state, 1);
            if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
                ffi::lua_getfield_(state, -1, c"err".as_ptr());
                if ffi::lua_isstring(state, -1) != 0 {
                    ffi::lua_replace(state, -2);
                }
            }
            ffi::lua_pushboolean(state, 0);
            ffi::lua_insert(state, 1);
        }
        ffi::lua_gettop(state)
    }
}

unsafe extern "C-unwind" fn xpcall(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        ffi::luaL_checkany(state, 2);
        ffi::lua_settop(state, 2);
        ffi::lua_pushvalue(state, 1);
        let mut status = ffi::lua_pcall(state, 0, ffi::LUA_MULTRET, 0);
        die_if_killed(state);
        if status == ffi::LUA_OK {
            ffi::lua_checkstack(state, 1);
            ffi::lua_pushboolean(state, 1);
            ffi::lua_insert(state, 3);
            return ffi::lua_gettop(state) - 2;
        }
        // The handler gets its own errors, too; an error for want of memory goes to nobody.
        let mut left = HANDLER_ERRORS_MAX;
        while status == ffi::LUA_ERRRUN && left > 0 {
            ffi::lua_pushvalue(state, 2);
            ffi::lua_insert(state, -2);
            status = ffi::lua_pcall(state, 1, 1, 0);
            die_if_killed(state);
            left -= 1;
        }
        if status == ffi::LUA_ERRRUN {
            ffi::lua_pushlstring_(state, HANDLER_FAILED.as_ptr().cast(), HANDLER_FAILED.len());
        }
        ffi::lua_pushboolean(state, 0);
        ffi::lua_insert(state, -2);
        2
    }
}

/// As Lua says it.
pub(super) const HANDLER_FAILED: &str = "error in error handling";

/// Leaves by a jump if the script is killed.
///
/// # Safety
/// The state is live, and a function that owns nothing is running.
unsafe fn die_if_killed(state: *mut ffi::lua_State) {
    // SAFETY: by the contract.
    unsafe {
        if Call::of(state).context().is_killed() {
            push_killed(state);
            ffi::lua_error(state);
        }
    }
}

/// Pushes the error of a script that is killed.
///
/// # Safety
/// The state is live.
pub(super) unsafe fn push_killed(state: *mut ffi::lua_State) {
    // SAFETY: by the contract.
    let mut call = unsafe { Call::of(state) };
    let memory = &call.context().memory;
    let in_rust = memory.set_in_rust(true);
    call.push_error_table(KILLED);
    memory.set_in_rust(in_rust);
}
