//! Loading a library, and calling its functions.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;

use super::head::Head;
use super::libraries::{Function, Library};
use super::register;
use super::registration::Registrations;
use crate::resp::Args;
use crate::script::engine::{Engine, Progress, ScriptId};
use crate::script::host::Host;
use crate::script::lists::push_args;
use crate::script::lua::{Call, Kind, Status, Task, Value};
use crate::script::places::{CALLBACKS, ERROR_HANDLER, GLOBALS, LOADING_GLOBALS, SCRIPTS};
use crate::script::{api, globals};

/// How errors name the text of a library.
const LIBRARY_NAME: &CStr = c"@user_function";

/// No function completes the errors of a library that is loaded: they are not shown with their place.
const NO_HANDLER: i32 = 0;

/// Why a text is no library. Texts are for a reply, without their code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadLibraryError(pub Vec<u8>);

impl Engine {
    /// An interpreter for functions.
    pub fn for_functions(memory_limit: usize) -> io::Result<Self> {
        let mut engine = Self::new(memory_limit)?;
        let mut call = engine.lua.enter();
        call.push_table(0, 1);
        debug_assert_eq!(call.top(), LOADING_GLOBALS);
        call.push_table(0, 0);
        debug_assert_eq!(call.top(), CALLBACKS);
        call.push_table(0, 8);
        call.push_copy(CALLBACKS);
        register::install(&mut call);
        call.raw_set_field(-2, "register_function");
        api::fill_for_loading(&mut call);
        globals::seal(&mut call);
        call.raw_set_field(LOADING_GLOBALS, "redis");
        globals::refuse_unknown(&mut call, LOADING_GLOBALS);
        engine.lua.keep();
        Ok(engine)
    }

    /// Runs a library's code, which registers its functions. The host decides how long that may take.
    pub fn load_library(&mut self, text: &[u8], host: &mut dyn Host) -> Result<(Box<[u8]>, Library), LoadLibraryError> {
        let head = Head::read(text).map_err(LoadLibraryError)?;
        let registered = self.register(&text[head.len..], host);
        let result = registered.and_then(|registered| {
            if registered.by_name.is_empty() {
                return Err(LoadLibraryError(b"No functions registered".to_vec()));
            }
            let functions = self.take_callbacks(registered);
            Ok((head.name, Library { code: text.into(), functions }))
        });
        self.drop_callbacks();
        result
    }

    /// Forgets the functions of a library.
    pub fn remove_library(&mut self, library: &Library) {
        library.scripts().for_each(|script| self.remove(script));
    }

    /// Calls a function for FCALL with the list of its keys and the list of its arguments.
    pub fn start_function(
        &mut self,
        function: ScriptId,
        keys: Args<'_>,
        args: Args<'_>,
        host: &mut dyn Host,
    ) -> Progress {
        let mut call = self.lua.enter();
        call.raw_get_index(SCRIPTS, function.index());
        push_args(&mut call, keys);
        push_args(&mut call, args);
        self.begin(Task { args: 2, handler: ERROR_HANDLER, is_short: false }, true, host)
    }

    /// What the code registers.
    fn register(&mut self, code: &[u8], host: &mut dyn Host) -> Result<Registrations, LoadLibraryError> {
        let mut call = self.lua.enter();
        if call.load(code, LIBRARY_NAME).is_err() {
            let text = [b"Error compiling function: ", call.bytes(-1).unwrap_or(b"not enough memory")].concat();
            call.set_top(0);
            self.after_shortage();
            return Err(LoadLibraryError(text));
        }
        self.lua.context().registrations.replace(Some(Registrations::default()));
        self.lua.enter().put_behind(Call::GLOBALS, LOADING_GLOBALS);
        let mut progress = self.begin(Task { args: 0, handler: NO_HANDLER, is_short: false }, false, host);
        while progress == Progress::Paused {
            progress = self.resume(host);
        }
        let status = self.ended.take();
        let registered = self.lua.context().registrations.take().unwrap_or_default();
        let is_killed = self.lua.context().is_killed();
        let mut call = self.lua.enter();
        let result = match status {
            Some(Status::Done) => Ok(registered),
            _ if is_killed => Err(b"ERR FUNCTION LOAD timeout".to_vec()),
            _ => Err(error_text(&mut call)),
        };
        self.end_run();
        self.lua.enter().put_behind(Call::GLOBALS, GLOBALS);
        result.map_err(|why| LoadLibraryError([b"Error registering functions: ", &*why].concat()))
    }

    /// Moves the callbacks from the list of the library that is loaded to that of all functions.
    fn take_callbacks(&mut self, registered: Registrations) -> BTreeMap<Box<[u8]>, Function> {
        let mut functions = BTreeMap::new();
        for (name, registration) in registered.by_name {
            let script = self.new_id();
            let mut call = self.lua.enter();
            call.raw_get_index(CALLBACKS, registration.callback);
            call.raw_set_index(SCRIPTS, script.index());
            let (flags, description) = (registration.flags, registration.description);
            functions.insert(name, Function { script, flags, description });
        }
        functions
    }

    fn drop_callbacks(&mut self) {
        let mut call = self.lua.enter();
        for index in (1..=call.len(CALLBACKS)).rev() {
            call.push_nil();
            call.raw_set_index(CALLBACKS, index as i32);
        }
    }
}

/// The error on top, which goes no further than the reply.
fn error_text(call: &mut Call<'_>) -> Vec<u8> {
    match call.value(-1) {
        Value::Bytes(text) => [b"ERR ", text].concat(),
        Value::Other(Kind::Table) => {
            call.raw_get_field(-1, "err");
            call.bytes(-1).unwrap_or(b"ERR unknown error").to_vec()
        }
        _ => b"ERR unknown error".to_vec(),
    }
}
