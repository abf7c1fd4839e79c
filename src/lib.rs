//! Copal: a Redis-protocol key-value server whose heart is the fork/copy-on-write RDB snapshot.
//!
//! The modules are in reading order; a module may import only from the layers above its own:
//!
//! ```text
//! stdx | resp structures rdb config observe | types | keyspace | commands snapshot replication | server tool
//! ```
//!
//! `commands` and `snapshot` never import each other; they meet in `server::effects`. Nobody imports `server` or `tool`.

use std::process::ExitCode;

mod stdx;

mod config;
mod observe;
mod rdb;
mod resp;
mod structures;

mod script;
mod types;

mod keyspace;

mod commands;
mod replication;
mod snapshot;

mod server;
mod tool;

/// jemalloc: the one allocator with fork handlers, transparent huge pages by `madvise`, and cheap statistics. Miri runs no
/// C, and has an allocator of its own.
#[cfg(not(any(miri, feature = "system-allocator")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What `copal-server` does.
pub fn server_main() -> ExitCode {
    server::start(std::env::args_os().collect())
}

/// What `copal-rdb` does.
pub fn rdb_main() -> ExitCode {
    tool::run()
}

/// The inner rooms for the benches and the fuzz targets. Not an API: anything here may change at any time.
#[cfg(feature = "internals")]
pub mod internals {
    pub mod fuzzing {
        pub use crate::script::fuzzing::*;
        pub use crate::server::fuzzing::*;
        pub use crate::structures::fuzzing::*;
        pub use crate::tool::fuzzing::*;
    }
    pub mod rdb {
        pub use crate::rdb::*;
    }
    pub mod resp {
        pub use crate::resp::*;
    }
    pub mod structures {
        pub use crate::structures::*;
    }
    pub mod simulation {
        pub use crate::server::simulation::*;
    }
    pub mod stdx {
        pub use crate::stdx::*;
    }
}
