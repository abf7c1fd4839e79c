//! What a library may ask for while it is loaded: nothing but a line in the log.

use std::time::{Duration, Instant};

use crate::resp::{Args, Protocol};
use crate::script::host::{Host, Permission, Replicate, Verdict};

/// Has no server behind it, and ends a library that takes too long to register its functions.
pub struct LoadingHost {
    deadline: Instant,
    log: fn(u8, &[u8]),
}

impl LoadingHost {
    /// So long may one library take where a dump is loaded, and the machine may be busy with other things.
    pub const TIME_LIMIT_FROM_DUMP: Duration = Duration::from_secs(5);

    /// The library may take so long; what it logs goes to `log`, with its level.
    pub fn new(time_limit: Duration, log: fn(u8, &[u8])) -> Self {
        Self { deadline: Instant::now() + time_limit, log }
    }
}

impl Host for LoadingHost {
    fn call(&mut self, _args: Args<'_>, _follows_closely: bool) -> &[u8] {
        b"-ERR redis.call/pcall can only be called inside a script invocation\r\n"
    }

    fn poll(&mut self) -> Verdict {
        if Instant::now() < self.deadline { Verdict::GoOn } else { Verdict::Kill }
    }

    fn set_protocol(&mut self, _protocol: Protocol) {}

    fn set_replication(&mut self, _to: Replicate) {}

    fn check_permission(&mut self, _args: Args<'_>) -> Permission {
        Permission::Denied
    }

    fn note_error(&mut self, _text: &[u8], _is_counted: bool) {}

    fn log(&mut self, level: u8, text: &[u8]) {
        (self.log)(level, text);
    }
}
