//! Where the interpreter's stack has what every call from outside needs.

/// The function that completes errors with their place.
pub const ERROR_HANDLER: i32 = 1;

/// The list of compiled scripts.
pub const SCRIPTS: i32 = 2;

/// The globals as they are, behind what scripts see of them.
pub const GLOBALS: i32 = 3;

/// In the interpreter for functions: what a library finds as globals while it is loaded.
pub const LOADING_GLOBALS: i32 = 4;

/// In the interpreter for functions: the list of the callbacks of the library that is loaded.
pub const CALLBACKS: i32 = 5;
