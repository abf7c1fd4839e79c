//! What a library registers while it is loaded.

use std::collections::BTreeMap;

use crate::script::shebang::ScriptFlags;

/// One function, as redis.register_function describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    pub flags: ScriptFlags,
    pub description: Option<Box<[u8]>>,
    /// Its place in the list of the callbacks that the loaded library has brought.
    pub callback: i32,
}

/// The functions that the library has registered so far, by their names.
#[derive(Clone, Default, Debug)]
pub struct Registrations {
    pub by_name: BTreeMap<Box<[u8]>, Registration>,
    /// Bytes of memory that names and descriptions take.
    pub bytes: usize,
}
