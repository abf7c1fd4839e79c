//! Scripts in unit tests, with no server behind them.

use super::{Engine, Host, Outcome, Permission, Progress, Replicate, Verdict};
use crate::resp::{Args, ArgsBuf, Protocol, Reply};

/// Refuses all commands, and lets scripts go on until it is asked too often.
pub struct NoServer {
    pub polls_left: u32,
    /// Of each command whether it has followed closely on the one before.
    pub followed: Vec<bool>,
}

impl Host for NoServer {
    fn call(&mut self, _args: Args<'_>, follows_closely: bool) -> &[u8] {
        self.followed.push(follows_closely);
        b"-ERR no server\r\n"
    }

    fn poll(&mut self) -> Verdict {
        self.polls_left = self.polls_left.saturating_sub(1);
        if self.polls_left == 0 { Verdict::Kill } else { Verdict::GoOn }
    }

    fn set_protocol(&mut self, _protocol: Protocol) {}

    fn set_replication(&mut self, _to: Replicate) {}

    fn check_permission(&mut self, _args: Args<'_>) -> Permission {
        Permission::Granted
    }

    fn note_error(&mut self, _text: &[u8], _is_counted: bool) {}

    fn log(&mut self, _level: u8, _text: &[u8]) {}
}

/// An interpreter that runs one script after another.
pub struct Interpreter {
    engine: Engine,
    pub server: NoServer,
}

impl Interpreter {
    pub fn new() -> Self {
        Self::with_limit(64 << 20)
    }

    pub fn with_limit(bytes: usize) -> Self {
        let engine = Engine::new(bytes).expect("an interpreter");
        Self { engine, server: NoServer { polls_left: u32::MAX, followed: Vec::new() } }
    }

    /// Runs a script with these as its `ARGV`. Returns its reply as the client gets it, but of a text only its bytes, and
    /// of an error its text behind a minus.
    pub fn run_bytes(&mut self, script: &[u8], args: &[&[u8]]) -> Vec<u8> {
        let id = match self.engine.compile(script) {
            Ok(id) => id,
            Err(error) => return [b"-", &*error.0].concat(),
        };
        let mut values = ArgsBuf::new();
        args.iter().for_each(|arg| values.push(arg));
        let none = ArgsBuf::new();
        let progress = self.engine.start(id, none.as_args(), values.as_args(), &mut self.server);
        assert_eq!(progress, Progress::Ended);
        let mut reply = Reply::new(Protocol::Resp2);
        let outcome = self.finish(&mut reply);
        self.engine.remove(id);
        if let Outcome::Failed { text, .. } = outcome {
            return [b"-", &*text].concat();
        }
        let reply = reply.front();
        match reply.first() {
            Some(b'$') if reply != b"$-1\r\n" => {
                let start = reply.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
                reply[start..reply.len() - 2].to_vec()
            }
            _ => reply[..reply.len() - 2].to_vec(),
        }
    }

    pub fn memory_usage(&self) -> usize {
        self.engine.memory_usage()
    }

    fn finish(&mut self, reply: &mut Reply) -> Outcome {
        let outcome = self.engine.finish(&"sha", Protocol::Resp2, reply, &mut |_, _| {});
        if outcome != Outcome::Long {
            return outcome;
        }
        let progress = self.engine.write_reply(Protocol::Resp2, Protocol::Resp2, usize::MAX, &mut self.server);
        assert_eq!(progress, Progress::Ended);
        self.engine.finish(&"sha", Protocol::Resp2, reply, &mut |_, _| {})
    }

    pub fn run(&mut self, script: &str) -> String {
        String::from_utf8_lossy(&self.run_bytes(script.as_bytes(), &[])).into_owned()
    }
}

/// Runs one script in an interpreter of its own.
pub fn run(script: &str) -> String {
    Interpreter::new().run(script)
}

/// What a library call returns, or the error's text without the place, as `pcall` finds it.
pub fn attempt(expression: &str) -> String {
    run(&format!("local ok, value = pcall(function() return {expression} end) return tostring(value)"))
        .replace("user_script:1: ", "")
}
