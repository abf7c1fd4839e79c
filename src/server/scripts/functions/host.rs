//! What a library may ask of the server while it is loaded: nothing but a line in the log.

use std::time::{Duration, Instant};

use crate::resp::{Args, Protocol};
use crate::script::{Host, Permission, Replicate, Verdict};
use crate::server::scripts::host::log;

/// The server, lent to a library that registers its functions.
pub(super) struct LoadingHost {
    deadline: Instant,
}

impl LoadingHost {
    /// It may take so long.
    pub fn new(time_limit: Duration) -> Self {
        Self { deadline: Instant::now() + time_limit }
    }
}

impl Host for LoadingHost {
    fn call(&mut self, _args: Args<'_>, reply: &mut Vec<u8>) {
        reply.extend_from_slice(b"-ERR redis.call/pcall can only be called inside a script invocation\r\n");
    }

    fn poll(&mut self) -> Verdict {
        if Instant::now() < self.deadline { Verdict::GoOn } else { Verdict::Kill }
    }

    fn set_protocol(&mut self, _protocol: Protocol) {}

    fn set_replication(&mut self, _to: Replicate) {}

    fn check_permission(&mut self, _args: Args<'_>) -> Permission {
        Permission::Denied
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        log(level, text);
    }
}
