//! Texts of errors, and where in the script they are.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use mlua_sys::lua51 as ffi;

/// What is known of a function that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the chunk, without the `@` in front of it.
    pub source: String,
    /// `@user_script`.
    pub short_source: String,
    /// -1 in a function that is not the script's.
    pub line: i32,
    pub is_native: bool,
    /// The function's name where its caller knows one, and whether it is a method.
    pub name: Option<String>,
    pub is_method: bool,
}

/// The function at `level`: 0 is the one that runs, 1 its caller.
///
/// # Safety
/// `state` is a live state.
#[expect(unsafe_code, reason = "Lua's interface")]
pub(super) unsafe fn place(state: *mut ffi::lua_State, level: i32) -> Option<Place> {
    let mut about = MaybeUninit::<ffi::lua_Debug>::zeroed();
    // SAFETY: the structure is Lua's own, of which all zeros are a value; after `getinfo` its texts are Lua's, which
    // live as long as the function.
    unsafe {
        if ffi::lua_getstack(state, level, about.as_mut_ptr()) == 0 {
            return None;
        }
        ffi::lua_getinfo(state, c"nSl".as_ptr(), about.as_mut_ptr());
        let about = about.assume_init();
        let text = |text: *const i8| {
            if text.is_null() { String::new() } else { CStr::from_ptr(text.cast()).to_string_lossy().into_owned() }
        };
        let name = text(about.name.cast());
        Some(Place {
            source: text(about.source.cast()),
            short_source: text(about.short_src.as_ptr().cast()),
            line: about.currentline,
            is_native: text(about.what.cast()) == "C",
            name: (!name.is_empty()).then_some(name),
            is_method: text(about.namewhat.cast()) == "method",
        })
    }
}
