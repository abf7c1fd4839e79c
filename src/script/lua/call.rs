//! A function that scripts call, as it is written in Rust.
#![expect(unsafe_code, reason = "Lua's interface")]

use std::borrow::Cow;
use std::marker::PhantomData;
use std::slice;

use libc::c_int;
use mlua_sys::lua51 as ffi;

use super::context::Context;
use super::error::{self, Place};
use super::number::{number_text, whole};
use super::value::{Kind, Value};

/// A function that scripts call. It finds its arguments at the places 1 and up, and leaves its results on top.
pub type Function = fn(&mut Call<'_>) -> Answer;

/// How many results are on top, or that the error is there.
pub type Answer = Result<usize, Raise>;

/// The value on top of the stack is an error that the caller gets.
#[derive(Clone, Copy, Debug)]
pub struct Raise(());

/// The error that ends a killed script.
pub const KILLED: &str = "ERR Script killed by user with SCRIPT KILL...";

const NO_MEMORY: &str = "not enough memory";

/// One running call of a [`Function`]: its arguments, and the stack above them.
///
/// Places are counted from 1 (the first argument) up, or from -1 (the top) down. The arguments stay where they are for
/// the whole call, so that their bytes live as long as it does.
pub struct Call<'c> {
    state: *mut ffi::lua_State,
    context: &'c Context,
    args: i32,
    marker: PhantomData<&'c mut ffi::lua_State>,
}

/// Calls the [`Function`] that is the first upvalue.
///
/// # Safety
/// Lua calls it, as a closure that [`Call::push_function`] has made.
pub(super) unsafe extern "C-unwind" fn enter(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: `push_function` has put the function there. Here nothing is owned, so that Lua may leave by a jump.
    unsafe {
        let results = run::<true, false>(state, function_of(state));
        if results < 0 {
            ffi::lua_error(state);
        }
        results
    }
}

/// A function that runs a command. Scripts call it so often that it pays not to look for it first.
pub trait Frequent {
    const FUNCTION: Function;
}

/// Calls the function of `F`.
///
/// # Safety
/// Lua calls it, as [`Call::push_frequent`] has pushed it.
unsafe extern "C-unwind" fn enter_frequent<F: Frequent>(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        let results = run::<true, true>(state, F::FUNCTION);
        if results < 0 {
            ffi::lua_error(state);
        }
        results
    }
}

/// As [`enter`], for what completes errors: it does so for one of a script that is killed, too.
///
/// # Safety
/// As of [`enter`].
unsafe extern "C-unwind" fn enter_handler(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        let results = run::<false, false>(state, function_of(state));
        if results < 0 {
            ffi::lua_error(state);
        }
        results
    }
}

/// The function that is the first upvalue.
///
/// # Safety
/// As of [`enter`].
unsafe fn function_of(state: *mut ffi::lua_State) -> Function {
    // SAFETY: `push_function` has put it there.
    unsafe {
        let function = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
        std::mem::transmute::<*mut std::ffi::c_void, Function>(function)
    }
}

/// Runs a function with all that it owns. Returns how many results it has left on top, or -1 if an error is there.
///
/// # Safety
/// Lua calls what calls it.
#[inline(always)]
unsafe fn run<const MAY_END_SCRIPT: bool, const IS_COMMAND: bool>(
    state: *mut ffi::lua_State,
    function: Function,
) -> c_int {
    // SAFETY: the state is live.
    let mut call = unsafe { Call::of(state) };
    let context = call.context;
    let outer_thread = context.running.replace(state);
    let outer = context.memory.set_in_rust(true);
    let answer = if call.is_deep() { Err(call.error("C stack overflow")) } else { function(&mut call) };
    let mut results = match answer {
        Ok(results) => results as c_int,
        Err(Raise(())) => -1,
    };
    if MAY_END_SCRIPT && results >= 0 && context.memory.is_over_limit() && call.check_room(0).is_err() {
        results = -1;
    }
    if MAY_END_SCRIPT && context.is_killed() {
        call.push_error_table(KILLED);
        results = -1;
    }
    if !IS_COMMAND {
        context.follows_closely.set(false);
    }
    context.memory.set_in_rust(outer);
    context.running.set(outer_thread);
    results
}

/// What the first argument has for the second, by metamethods too.
///
/// # Safety
/// Lua calls it, with two arguments.
unsafe extern "C-unwind" fn look_up(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: both are there. Here nothing is owned when Lua leaves by a jump.
    unsafe { ffi::lua_gettable_(state, 1) };
    1
}

impl<'c> Call<'c> {
    /// The call that is at the bottom of the state's stack now.
    ///
    /// # Safety
    /// The state is live for as long as `'c`, and one that [`super::Lua`] has made.
    #[inline]
    pub(super) unsafe fn of(state: *mut ffi::lua_State) -> Self {
        // SAFETY: the state is live.
        unsafe { Self::above(state, ffi::lua_gettop(state)) }
    }

    /// As [`Call::of`], with the state's context and the first `args` values as those that stay.
    ///
    /// # Safety
    /// As of [`Call::of`].
    #[inline]
    pub(super) unsafe fn within(state: *mut ffi::lua_State, context: &'c Context, args: i32) -> Self {
        Self { state, context, args, marker: PhantomData }
    }

    /// As [`Call::of`], with the first `args` values as those that stay.
    ///
    /// # Safety
    /// As of [`Call::of`].
    #[inline]
    pub(super) unsafe fn above(state: *mut ffi::lua_State, args: i32) -> Self {
        // SAFETY: the allocator's argument is the context, which lives longer than the state.
        let context = unsafe {
            let mut context = std::ptr::null_mut();
            ffi::lua_getallocf(state, &mut context);
            &*context.cast::<Context>()
        };
        Self { state, context, args, marker: PhantomData }
    }

    /// Whether little is left of the stack on which the script runs.
    #[inline]
    pub fn is_deep(&self) -> bool {
        let here = 0_u8;
        (std::ptr::from_ref(&here) as usize) < self.context.stack_end.get()
    }

    pub(super) fn state(&self) -> *mut ffi::lua_State {
        self.state
    }

    #[inline]
    pub fn context(&self) -> &'c Context {
        self.context
    }

    /// How many arguments there are.
    #[inline]
    pub fn args(&self) -> usize {
        self.args as usize
    }

    /// Takes all but the first `count` arguments off the stack, with what is above them: a C function may use 8000 places,
    /// and they may be as many.
    pub fn keep_args(&mut self, count: i32) {
        self.args = self.args.min(count);
        self.set_top(0);
    }

    /// How many values are on the stack, the arguments included.
    #[inline]
    pub fn top(&self) -> i32 {
        // SAFETY: the state is live.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// The place of upvalue `number`, counted from 1, of a function that was pushed with some.
    pub fn upvalue(number: i32) -> i32 {
        // The first is the function itself.
        ffi::lua_upvalueindex(number + 1)
    }

    #[inline]
    pub fn kind(&self, place: i32) -> Kind {
        // SAFETY: any place may be asked for.
        Kind::from_code(unsafe { ffi::lua_type(self.state, place) })
    }

    #[inline]
    pub fn value(&self, place: i32) -> Value<'_> {
        match self.kind(place) {
            Kind::None | Kind::Nil => Value::Nil,
            Kind::Boolean => Value::Boolean(self.truth(place)),
            // SAFETY: it is a number.
            Kind::Number => Value::Number(unsafe { ffi::lua_tonumber(self.state, place) }),
            Kind::String => Value::Bytes(self.bytes_of(place)),
            kind => Value::Other(kind),
        }
    }

    /// Whether it counts as true: all but `nil` and `false` do.
    #[inline]
    pub fn truth(&self, place: i32) -> bool {
        // SAFETY: any place may be asked for.
        unsafe { ffi::lua_toboolean(self.state, place) != 0 }
    }

    /// The bytes of a string on the stack, as long as nothing is pushed or popped.
    #[inline]
    pub fn bytes(&self, place: i32) -> Option<&[u8]> {
        (self.kind(place) == Kind::String).then(|| self.bytes_of(place))
    }

    /// The bytes of an argument that is a string.
    #[inline]
    pub fn arg_bytes(&self, arg: i32) -> Option<&'c [u8]> {
        debug_assert!(arg > 0 && arg <= self.args || self.kind(arg) == Kind::None);
        (self.kind(arg) == Kind::String).then(|| self.bytes_of(arg))
    }

    /// The bytes of what is known to be a string. `'b` is chosen by the caller: for as long as it stays on the stack.
    #[inline]
    fn bytes_of<'b>(&self, place: i32) -> &'b [u8] {
        // SAFETY: of a string Lua returns its own bytes, which do not move while it is on the stack.
        unsafe {
            let mut len = 0;
            let bytes = ffi::lua_tolstring(self.state, place, &mut len);
            slice::from_raw_parts(bytes.cast(), len)
        }
    }

    /// A number, or a string that is one.
    pub fn number(&self, place: i32) -> Option<f64> {
        // SAFETY: both look and change nothing.
        unsafe {
            let number = ffi::lua_tonumber(self.state, place);
            (number != 0.0 || ffi::lua_isnumber(self.state, place) != 0).then_some(number)
        }
    }

    /// The bytes of an upvalue that is a string. No call replaces it (see [`Call::set_upvalue_number`]).
    pub fn upvalue_bytes(&self, number: i32) -> Option<&'c [u8]> {
        let place = Self::upvalue(number);
        (self.kind(place) == Kind::String).then(|| self.bytes_of(place))
    }

    /// Changes an upvalue that is a number.
    pub fn set_upvalue_number(&mut self, number: i32, value: f64) {
        let place = Self::upvalue(number);
        if self.kind(place) == Kind::Number {
            // SAFETY: the upvalue is there, and there is room for one value.
            unsafe {
                ffi::lua_pushnumber(self.state, value);
                ffi::lua_replace(self.state, place);
            }
        }
    }

    /// Where a table, function or thread is in memory, as `tostring` shows it.
    pub fn address(&self, place: i32) -> usize {
        // SAFETY: it is only looked at.
        unsafe { ffi::lua_topointer(self.state, place) as usize }
    }

    /// The length of a string or table, without metamethods.
    pub fn len(&self, place: i32) -> usize {
        match self.kind(place) {
            // SAFETY: any place may be asked for.
            Kind::String | Kind::Table => unsafe { ffi::lua_objlen(self.state, place) },
            _ => 0,
        }
    }
}

/// Pushing and popping. Each push needs room on the stack: 20 places are there, more are to be reserved.
impl Call<'_> {
    /// Makes room on the stack for so many values.
    pub fn reserve(&mut self, values: usize) -> Result<(), Raise> {
        // SAFETY: within a Rust function memory is not refused, so that this either succeeds or says no.
        let fits = values < 8000 && unsafe { ffi::lua_checkstack(self.state, values as c_int) != 0 };
        if fits { Ok(()) } else { Err(self.error("stack overflow")) }
    }

    /// Whether there was room on the stack, or was made.
    pub fn try_reserve(&mut self, values: usize) -> bool {
        // SAFETY: as above.
        values < 8000 && unsafe { ffi::lua_checkstack(self.state, values as c_int) != 0 }
    }

    pub fn push_nil(&mut self) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    #[inline]
    pub fn push_boolean(&mut self, value: bool) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushboolean(self.state, value.into()) }
    }

    #[inline]
    pub fn push_number(&mut self, value: f64) {
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnumber(self.state, value) }
    }

    #[inline]
    pub fn push_bytes(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        // SAFETY: there is room, and memory is not refused.
        unsafe { ffi::lua_pushlstring_(self.state, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes the value at `place` once more.
    pub fn push_copy(&mut self, place: i32) {
        match self.kind(place) {
            Kind::None => self.push_nil(),
            // SAFETY: there is room, and such a place.
            _ => unsafe { ffi::lua_pushvalue(self.state, place) },
        }
    }

    /// Pushes a new table with room for a list and for named values.
    pub fn push_table(&mut self, list: usize, named: usize) {
        // Room that is merely claimed is bounded; beyond it the table grows.
        const ROOM_MAX: usize = 1 << 16;
        // SAFETY: there is room, and memory is not refused.
        unsafe { ffi::lua_createtable(self.state, list.min(ROOM_MAX) as c_int, named.min(ROOM_MAX) as c_int) }
    }

    /// Pushes a function, with the `upvalues` values on top, which go, as its upvalues.
    pub fn push_function(&mut self, function: Function, upvalues: usize) {
        self.push_closure(enter, function, upvalues);
    }

    /// Pushes the function of `F`.
    pub fn push_frequent<F: Frequent>(&mut self) {
        // SAFETY: there is room, and memory is not refused.
        unsafe { ffi::lua_pushcclosure(self.state, enter_frequent::<F>, 0) }
    }

    /// Pushes a function that completes errors, as [`super::Lua::run`] wants one.
    pub fn push_handler(&mut self, function: Function) {
        self.push_closure(enter_handler, function, 0);
    }

    fn push_closure(&mut self, enter: ffi::lua_CFunction, function: Function, upvalues: usize) {
        // SAFETY: there is room, and memory is not refused. `run` takes the function from where it is put.
        unsafe {
            ffi::lua_pushlightuserdata(self.state, function as *mut std::ffi::c_void);
            ffi::lua_insert(self.state, -1 - upvalues as c_int);
            ffi::lua_pushcclosure(self.state, enter, 1 + upvalues as c_int);
        }
    }

    /// Pushes an address that is nothing but a name.
    pub fn push_address(&mut self, address: usize) {
        // SAFETY: there is room; nobody follows it.
        unsafe { ffi::lua_pushlightuserdata(self.state, address as *mut std::ffi::c_void) }
    }

    /// Takes values from the top, but none of the arguments.
    #[inline]
    pub fn pop(&mut self, values: usize) {
        let top = (self.top() - values as i32).max(self.args);
        self.set_top(top);
    }

    /// Leaves so many values, but at least the arguments.
    #[inline]
    pub fn set_top(&mut self, top: i32) {
        let top = top.max(self.args);
        debug_assert!(top <= self.top());
        // SAFETY: the stack does not grow.
        unsafe { ffi::lua_settop(self.state, top) }
    }

    /// Moves the top value down to `place`, which is above the arguments.
    pub fn insert(&mut self, place: i32) {
        debug_assert!(place < 0 || place > self.args);
        // SAFETY: the place is there.
        unsafe { ffi::lua_insert(self.state, place) }
    }

    /// Takes the value at `place`, which is above the arguments, away.
    pub fn remove(&mut self, place: i32) {
        debug_assert!(place < 0 || place > self.args);
        // SAFETY: the place is there.
        unsafe { ffi::lua_remove(self.state, place) }
    }
}

/// Tables, without metamethods.
impl Call<'_> {
    /// Where the table of globals is.
    pub const GLOBALS: i32 = ffi::LUA_GLOBALSINDEX;

    /// A table that scripts do not see.
    pub const REGISTRY: i32 = ffi::LUA_REGISTRYINDEX;

    /// Replaces the key on top by the value that the table at `table` has for it.
    pub fn raw_get(&mut self, table: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: it is a table, and there is a key on top.
        unsafe { ffi::lua_rawget_(self.state, table) }
    }

    /// Pushes element `index` of the list at `table`.
    #[inline]
    pub fn raw_get_index(&mut self, table: i32, index: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: it is a table, and there is room.
        unsafe { ffi::lua_rawgeti_(self.state, table, index) }
    }

    /// Pushes the value named `name` of the table at `table`, and returns its kind.
    pub fn raw_get_field(&mut self, table: i32, name: &str) -> Kind {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.raw_get(table);
        self.kind(-1)
    }

    /// Takes the value on top, and below it the key, into the table at `table`. The key is neither nil nor NaN.
    pub fn raw_set(&mut self, table: i32) -> Result<(), Raise> {
        debug_assert_eq!(self.kind(table), Kind::Table);
        match self.value(-2) {
            Value::Nil => return Err(self.error("table index is nil")),
            Value::Number(number) if number.is_nan() => return Err(self.error("table index is NaN")),
            _ => {}
        }
        // SAFETY: it is a table, the key is one that it takes, and memory is not refused.
        unsafe { ffi::lua_rawset(self.state, table) };
        Ok(())
    }

    /// As [`Call::raw_set`], where the key is known to be a string.
    pub fn raw_set_by_text(&mut self, table: i32) {
        debug_assert!(self.kind(table) == Kind::Table && self.kind(-2) == Kind::String);
        // SAFETY: it is a table, the key is one that it takes, and memory is not refused.
        unsafe { ffi::lua_rawset(self.state, table) };
    }

    /// Takes the value on top into the list at `table`.
    #[inline]
    pub fn raw_set_index(&mut self, table: i32, index: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: it is a table, and memory is not refused.
        unsafe { ffi::lua_rawseti_(self.state, table, index) }
    }

    /// Takes the value on top into the table at `table` under a name.
    pub fn raw_set_field(&mut self, table: i32, name: &str) {
        let table = self.absolute(table);
        debug_assert_eq!(self.kind(table), Kind::Table);
        self.push_bytes(name);
        self.insert(-2);
        // SAFETY: it is a table, the key is a string, and memory is not refused.
        unsafe { ffi::lua_rawset(self.state, table) }
    }

    /// Replaces the key on top by the next key of the table and its value above; at the end it only takes the key. Begins
    /// with nil. Between two calls the table must not get new keys, and the key must be the one that was returned.
    pub fn next(&mut self, table: i32) -> bool {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: the key is of this table, by the contract above.
        unsafe { ffi::lua_next(self.state, table) != 0 }
    }

    /// Pushes the metatable of the value at `place`, if it has one.
    pub fn push_metatable(&mut self, place: i32) -> bool {
        // SAFETY: any place may be asked for, and there is room.
        unsafe { ffi::lua_getmetatable(self.state, place) != 0 }
    }

    /// Makes the table on top, which goes, or nil the metatable of the value at `place`.
    pub fn set_metatable(&mut self, place: i32) {
        debug_assert!(matches!(self.kind(-1), Kind::Table | Kind::Nil));
        // SAFETY: it is a table or nil.
        unsafe {
            ffi::lua_setmetatable(self.state, place);
        }
    }

    /// A place counted from the top as one counted from the bottom.
    pub fn absolute(&self, place: i32) -> i32 {
        if place > 0 || place <= ffi::LUA_REGISTRYINDEX { place } else { self.top() + place + 1 }
    }
}

/// Running code of the script, and errors.
impl<'c> Call<'c> {
    /// Calls the function below the `args` values on top with these; in their place are its `results`.
    pub fn call(&mut self, args: usize, results: usize) -> Result<(), Raise> {
        self.call_protected(args, results as c_int)
    }

    /// As [`Call::call`], with as many results as there are. Returns how many.
    #[cfg(test)]
    pub fn call_for_all(&mut self, args: usize) -> Result<usize, Raise> {
        let below = self.top() - args as i32 - 1;
        self.call_protected(args, ffi::LUA_MULTRET)?;
        Ok((self.top() - below) as usize)
    }

    /// Replaces the key on top by the value that the table at `table` has for it, by its metamethods where it has none.
    pub fn get(&mut self, table: i32) -> Result<(), Raise> {
        let table = self.absolute(table);
        // SAFETY: there is room for two values, and memory is not refused.
        unsafe {
            ffi::lua_pushcclosure(self.state, look_up, 0);
            ffi::lua_insert(self.state, -2);
            ffi::lua_pushvalue(self.state, table);
            ffi::lua_insert(self.state, -2);
        }
        self.call_protected(2, 1)
    }

    fn call_protected(&mut self, args: usize, results: c_int) -> Result<(), Raise> {
        self.context.follows_closely.set(false);
        let memory = &self.context.memory;
        let in_rust = memory.set_in_rust(false);
        // SAFETY: there are so many values. What fails ends here.
        let status = unsafe { ffi::lua_pcall(self.state, args as c_int, results, 0) };
        memory.set_in_rust(in_rust);
        self.context.running.set(self.state);
        if status == ffi::LUA_OK && !self.context.is_killed() { Ok(()) } else { Err(Raise(())) }
    }

    /// Lets the server look at the script. What takes long calls it every few thousand steps.
    pub fn poll(&mut self) -> Result<(), Raise> {
        match self.context.poll() {
            Ok(()) => Ok(()),
            Err(_) => {
                self.push_error_table(KILLED);
                Err(Raise(()))
            }
        }
    }

    /// Counts `steps` of work, of some nanoseconds each, and lets the server look at the script when many have come
    /// together: those of earlier calls count too.
    pub fn work(&mut self, steps: usize) -> Result<(), Raise> {
        const STEPS_PER_POLL: usize = 4096;
        let done = self.context.work.get() + steps;
        if done < STEPS_PER_POLL {
            self.context.work.set(done);
            return Ok(());
        }
        self.context.work.set(0);
        self.poll()
    }

    /// Refuses to take `bytes` of memory more if that is beyond the limit even without the garbage. Asked before what takes
    /// much.
    pub fn check_room(&mut self, bytes: usize) -> Result<(), Raise> {
        let memory = &self.context.memory;
        let fits = || !memory.is_over_limit() && bytes <= memory.left();
        if fits() {
            return Ok(());
        }
        if memory.may_collect() {
            self.collect(true);
            if fits() {
                return Ok(());
            }
        }
        memory.note_refused();
        self.try_reserve(1);
        self.push_bytes(NO_MEMORY);
        Err(Raise(()))
    }

    /// Makes the value on top the error.
    pub fn raise(&mut self) -> Raise {
        Raise(())
    }

    /// An error with the place of the script that has called the function in front.
    pub fn error(&mut self, text: impl AsRef<[u8]>) -> Raise {
        self.error_at(1, text)
    }

    pub fn error_at(&mut self, level: i32, text: impl AsRef<[u8]>) -> Raise {
        let mut whole = self.where_at(level).into_bytes();
        whole.extend_from_slice(text.as_ref());
        self.push_bytes(whole);
        Raise(())
    }

    /// `user_script:1: `, or nothing where no script is.
    pub fn where_at(&self, level: i32) -> String {
        match self.place(level) {
            Some(place) if place.line > 0 => format!("{}:{}: ", place.short_source, place.line),
            _ => String::new(),
        }
    }

    /// What runs at a level: 0 is this function, 1 its caller.
    pub fn place(&self, level: i32) -> Option<Place> {
        // SAFETY: the state is live.
        unsafe { error::place(self.state, level) }
    }

    /// Pushes an error as commands return them: a table with the text in `err`.
    pub fn push_error_table(&mut self, text: impl AsRef<[u8]>) {
        if self.try_reserve(4) {
            self.push_table(0, 1);
            self.push_bytes(text);
            self.raw_set_field(-2, "err");
        } else {
            self.push_bytes(text);
        }
    }

    /// `bad argument #1 to 'rep' (string expected, got nil)`.
    pub fn bad_argument(&mut self, arg: i32, text: impl AsRef<[u8]>) -> Raise {
        let place = self.place(0);
        let name = place.as_ref().and_then(|place| place.name.clone()).unwrap_or_else(|| "?".to_owned());
        let is_method = place.is_some_and(|place| place.is_method);
        let what = match arg - i32::from(is_method) {
            0 if is_method => format!("calling '{name}' on bad self ("),
            arg => format!("bad argument #{arg} to '{name}' ("),
        };
        self.error([what.as_bytes(), text.as_ref(), b")"].concat())
    }

    pub fn wrong_type(&mut self, arg: i32, expected: &str) -> Raise {
        let got = self.kind(arg).name();
        self.bad_argument(arg, format!("{expected} expected, got {got}"))
    }

    /// An argument that is a string or a number, as bytes.
    pub fn check_bytes(&mut self, arg: i32) -> Result<Cow<'c, [u8]>, Raise> {
        match self.value(arg) {
            Value::Bytes(_) => Ok(Cow::Borrowed(self.bytes_of(arg))),
            Value::Number(number) => Ok(Cow::Owned(number_text(number).into_bytes())),
            _ => Err(self.wrong_type(arg, "string")),
        }
    }

    /// An argument that is a number, or a string that is one.
    pub fn check_number(&mut self, arg: i32) -> Result<f64, Raise> {
        self.number(arg).ok_or(()).map_err(|()| self.wrong_type(arg, "number"))
    }

    /// As [`Call::check_number`], cut to a whole number as C does where it fits.
    pub fn check_integer(&mut self, arg: i32) -> Result<i64, Raise> {
        self.check_number(arg).map(whole)
    }

    /// As [`Call::check_integer`], where the argument may be missing.
    pub fn integer_or(&mut self, arg: i32, default: i64) -> Result<i64, Raise> {
        if self.kind(arg).is_nothing() { Ok(default) } else { self.check_integer(arg) }
    }

    pub fn check_table(&mut self, arg: i32) -> Result<(), Raise> {
        if self.kind(arg) == Kind::Table { Ok(()) } else { Err(self.wrong_type(arg, "table")) }
    }

    /// Any value, but not none.
    pub fn check_any(&mut self, arg: i32) -> Result<(), Raise> {
        if self.kind(arg) == Kind::None { Err(self.bad_argument(arg, "value expected")) } else { Ok(()) }
    }
}
