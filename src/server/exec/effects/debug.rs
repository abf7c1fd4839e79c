//! What DEBUG does to the server.

use nix::sys::signal::{Signal, raise};

use crate::commands::{Crash, DebugEffect};
use crate::server::executor::Executor;

impl Executor {
    pub(in crate::server) fn perform_debug(&mut self, effect: DebugEffect) {
        match effect {
            DebugEffect::SetActiveExpire(active) => self.keyspace.set_active_expiry(active),
            DebugEffect::AllowInScripts(allowed) => self.scripts.allow_debug(allowed),
            DebugEffect::PauseCron(paused) => self.process.pause_cron(paused),
            DebugEffect::LendOutput(lend) => self.clients.keep_output(!lend),
            // Everybody waits: that is what is asked for.
            DebugEffect::Sleep(duration) => std::thread::sleep(duration),
            DebugEffect::Replicate(args) => self.replicate_anything(&args),
            DebugEffect::ChangeReplicationId => self.change_replication_id(),
            DebugEffect::Log(message) => tracing::warn!("DEBUG LOG: {message}"),
            DebugEffect::Crash(crash) => provoke(crash),
        }
    }
}

fn provoke(crash: Crash) {
    match crash {
        Crash::Panic => panic!("called by Unknown"),
        Crash::Assertion => assert!(std::hint::black_box(false), "DEBUG ASSERT called"),
        Crash::Segfault => {
            // An error would mean that there is no such signal.
            let _ = raise(Signal::SIGSEGV);
        }
    }
}
