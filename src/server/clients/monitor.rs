//! MONITOR: every command that was run is sent to whoever listens.

use super::client::ClientKey;
use crate::commands::{CommandError, Flags, Peer, SECRET, is_secret};
use crate::server::exec::{Frame, Nesting};
use crate::server::executor::Executor;
use crate::stdx::text::push_quoted;

impl Executor {
    pub(in crate::server) fn start_monitoring(&mut self, frame: &Frame<'_>) {
        let key = frame.client;
        if !frame.may_wait() {
            self.reply_error(key, &CommandError::text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
            return;
        }
        let session = &mut self.clients.get_mut(key).session;
        // Asked a second time, Redis answers nothing.
        if !session.listens {
            session.listens = true;
            self.clients.get_mut(key).reply.ok();
            self.clients.monitors.push(key);
        }
    }

    pub(in crate::server) fn stop_monitoring(&mut self, key: ClientKey) {
        let session = &mut self.clients.get_mut(key).session;
        if std::mem::take(&mut session.listens) {
            self.clients.monitors.retain(|monitor| *monitor != key);
        }
    }

    /// Sends a command that has run to the monitors, unless it is one that they must not see.
    #[cold]
    pub(in crate::server) fn show_monitors(&mut self, frame: &Frame<'_>) {
        let flags = self.table.row(frame.command).flags;
        let is_hidden = if flags.has(Flags::RUNS_SCRIPT) {
            self.scripts.take_shown()
        } else {
            flags.has(Flags::SKIP_MONITOR.or(Flags::ADMIN))
        };
        if self.clients.has_monitors() && frame.nesting != Nesting::Served && !is_hidden {
            self.feed_monitors(frame);
        }
    }

    /// Sends a command to the monitors.
    #[cold]
    pub(in crate::server) fn feed_monitors(&mut self, frame: &Frame<'_>) {
        let Frame { client: key, command, args, .. } = *frame;
        let row = self.table.row(command);
        if self.snapshots.is_loading() {
            return;
        }
        let now = self.clock.latest();
        let session = &self.clients.get(key).session;
        let origin = match &session.peer {
            _ if frame.nesting == Nesting::Script => "lua".to_owned(),
            Peer::Unix { path } => format!("unix:{path}"),
            peer => peer.remote(),
        };
        let (seconds, micros) = (now.unix_us.div_euclid(1_000_000), now.unix_us.rem_euclid(1_000_000));
        let mut line = format!("+{seconds}.{micros:06} [{} {origin}]", session.db).into_bytes();
        for (index, arg) in args.iter().enumerate() {
            line.push(b' ');
            push_quoted(&mut line, if is_secret(&row.full_name, args, index) { SECRET } else { arg });
        }
        line.extend_from_slice(b"\r\n");
        for index in 0..self.clients.monitors.len() {
            let monitor = self.clients.monitors[index];
            self.clients.push_to(monitor, |reply| reply.raw(&line));
            self.check_output_limit(monitor);
        }
    }
}
