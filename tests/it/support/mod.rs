//! What every test uses: a server that dies with its guard, a client that cannot hang, and readable replies.

mod client;
mod confinement;
pub mod http;
mod process;
mod rdb_file;
mod server;
pub mod system_service;
mod transcript;

use std::thread::sleep;
use std::time::{Duration, Instant};

pub use client::{Client, Value, bulk, encode_command, err, int, nil, ok, simple};
pub use confinement::{Confinement, Filter, Refusal, user_namespaces_are_possible};
pub use process::{children_of, is_alive, send_signal};
pub use rdb_file::RdbFile;
pub use server::{RefusedStart, Server, Setup, against_redis, free_port, info_fields};
#[cfg(feature = "peers")]
pub use server::{newer_server, redis_cli, redis_server};
pub use transcript::render;

/// Polls until `condition` holds, and fails the test with `what` after `seconds`.
#[track_caller]
pub fn wait_until(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !condition() {
        assert!(Instant::now() < deadline, "still not true after {seconds} s: {what}");
        sleep(Duration::from_millis(5));
    }
}
