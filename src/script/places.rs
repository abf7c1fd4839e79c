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

/// The names of the fields that say what a table is as a reply.
pub const ERR: i32 = 6;
pub const OK: i32 = 7;
pub const DOUBLE: i32 = 8;
pub const BIG_NUMBER: i32 = 9;
pub const VERBATIM_STRING: i32 = 10;
pub const MAP: i32 = 11;
pub const SET: i32 = 12;

/// Texts that are names, in the order of their places.
pub const NAMES: &[(&str, i32)] = &[
    ("KEYS", KEYS),
    ("ARGV", ARGV),
    ("err", ERR),
    ("ok", OK),
    ("double", DOUBLE),
    ("big_number", BIG_NUMBER),
    ("verbatim_string", VERBATIM_STRING),
    ("map", MAP),
    ("set", SET),
];

/// The lists that scripts find as `KEYS` and `ARGV` which only read them: kept from one script to the next.
pub const KEPT_KEYS: i32 = 13;
pub const KEPT_ARGV: i32 = 14;

/// Globals for scripts that only read fields of the libraries.
pub const DIRECT_GLOBALS: i32 = 15;

/// In the interpreter for functions: what a library finds as globals while it is loaded.
pub const LOADING_GLOBALS: i32 = 16;

/// In the interpreter for functions: the list of the callbacks of the library that is loaded.
pub const CALLBACKS: i32 = 17;
