//! Tables that scripts can read but not change.
//!
//! Lua 5.1 has no such tables. What a script gets instead of one is an empty table before it: reading falls through to what
//! is behind, and each write finds no key and is refused. The functions that would see or change the empty table itself
//! (`next`, `rawset`, `table.insert` ..) know it by a mark in its metatable, which no script can make or see.
#![expect(unsafe_code, reason = "Lua's interface")]

use mlua_sys::lua51 as ffi;

use super::call::{Answer, Call, Raise};
use super::value::Kind;

/// Under the address of this, a metatable has the table that scripts read and may not change.
static BEHIND: u8 = 0;
/// Under the address of this, a metatable has what scripts see as the metatable, if anything.
static SHOWN: u8 = 1;

/// As Redis says it.
const REFUSED: &str = "Attempt to modify a readonly table";

fn name(of: &'static u8) -> usize {
    std::ptr::from_ref(of) as usize
}

impl Call<'_> {
    /// Replaces the table on top by one that scripts can read it by. `shown` is the place of what they see as the
    /// metatable of that.
    pub fn make_read_only(&mut self, shown: Option<i32>) {
        let shown = shown.map(|place| self.absolute(place));
        self.push_table(0, 0);
        self.push_table(0, 4);
        self.push_copy(-3);
        self.raw_set_field(-2, "__index");
        self.push_function(refuse_write, 0);
        self.raw_set_field(-2, "__newindex");
        self.push_copy(-3);
        self.mark(&BEHIND);
        if let Some(shown) = shown {
            self.push_copy(shown);
            self.mark(&SHOWN);
        }
        self.set_metatable(-2);
        self.remove(-2);
    }

    /// Makes the table on top the metatable of all strings; scripts see the one below it instead. Both go.
    pub fn set_string_metatable(&mut self) {
        self.push_copy(-2);
        self.mark(&SHOWN);
        self.push_boolean(true);
        self.mark(&BEHIND);
        self.push_bytes("");
        self.insert(-2);
        self.set_metatable(-2);
        self.pop(2);
    }

    /// Takes the value on top into the table below it, under a name that scripts do not have.
    fn mark(&mut self, of: &'static u8) {
        self.push_address(name(of));
        self.insert(-2);
        // The key is one that a table takes.
        let _ = self.raw_set(-3);
    }

    /// Has scripts read the table at `place` by the read-only table at `before`.
    pub fn put_behind(&mut self, before: i32, place: i32) {
        if self.push_metatable(before) {
            self.push_copy(place);
            self.raw_set_field(-2, "__index");
            self.push_copy(place);
            self.mark(&BEHIND);
            self.pop(1);
        }
    }

    pub fn is_read_only(&mut self, place: i32) -> bool {
        let is_read_only = self.push_behind(place);
        if is_read_only {
            self.pop(1);
        }
        is_read_only
    }

    /// Refuses to change the table at `place` if scripts may not. As Redis does where a function wants to, without the line.
    pub fn check_writable(&mut self, place: i32) -> Result<(), Raise> {
        if self.is_read_only(place) {
            self.push_bytes(REFUSED);
            return Err(self.raise());
        }
        Ok(())
    }

    /// Pushes the table behind the one at `place`, if that is one that scripts may not change.
    pub fn push_behind(&mut self, place: i32) -> bool {
        // SAFETY: the state is live, and there is room.
        self.kind(place) == Kind::Table && unsafe { push_table_behind(self.state(), place) }
    }

    /// Pushes what scripts see as the metatable of the value at `place`, or nil.
    pub fn push_shown_metatable(&mut self, place: i32) {
        if !self.push_metatable(place) {
            return self.push_nil();
        }
        self.push_address(name(&BEHIND));
        self.raw_get(-2);
        let is_marked = self.kind(-1) != Kind::Nil;
        self.pop(1);
        if is_marked {
            self.push_address(name(&SHOWN));
            self.raw_get(-2);
        } else if self.raw_get_field(-1, "__metatable") == Kind::Nil {
            self.pop(1);
            return;
        }
        self.remove(-2);
    }
}

fn refuse_write(call: &mut Call<'_>) -> Answer {
    Err(call.error(REFUSED))
}

/// Pushes the table behind the one at `place`, if that is one that scripts may not change.
///
/// # Safety
/// The state is live, has room, and a table is there.
pub(super) unsafe fn push_table_behind(state: *mut ffi::lua_State, place: i32) -> bool {
    // SAFETY: by the contract.
    unsafe {
        if ffi::lua_getmetatable(state, place) == 0 {
            return false;
        }
        ffi::lua_pushlightuserdata(state, name(&BEHIND) as *mut std::ffi::c_void);
        ffi::lua_rawget_(state, -2);
        ffi::lua_remove(state, -2);
        let is_marked = ffi::lua_type(state, -1) == ffi::LUA_TTABLE;
        if !is_marked {
            ffi::lua_settop(state, -2);
        }
        is_marked
    }
}
