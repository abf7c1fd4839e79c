//! Where the interpreter's stack has what every call from outside needs.

/// The function that completes errors with their place.
pub const ERROR_HANDLER: i32 = 1;

/// The list of compiled scripts.
pub const SCRIPTS: i32 = 2;

/// The globals as they are, behind what scripts see of them.
pub const GLOBALS: i32 = 3;

/// The texts `KEYS` and `ARGV`, the names of the globals that each script has of its own.
pub const KEYS: i32 = 4;
pub const ARGV: i32 = 5;

/// In the interpreter for functions: what a library finds as globals while it is loaded.
pub const LOADING_GLOBALS: i32 = 6;

/// In the interpreter for functions: the list of the callbacks of the library that is loaded.
pub const CALLBACKS: i32 = 7;
