//! Running a command as it ran on another server.

use super::frame::{Frame, Nesting};
use crate::resp::Args;
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;

impl Executor {
    /// Runs a command as it ran on another server, in the database that `client` has selected. Returns the answer if it is an
    /// error, or why there is no such command.
    pub(in crate::server) fn replay(&mut self, client: ClientKey, args: Args<'_>) -> Result<(), Vec<u8>> {
        let command = match self.table.resolve(args) {
            Ok(row) if row.arity.accepts(args.len()) => row.id,
            Ok(_) => return Err(b"a wrong number of arguments".to_vec()),
            Err(error) => return Err(error.reply_text().to_vec()),
        };
        let now = self.clock.latest();
        self.call(&Frame::new(client, command, args, now, Nesting::Replay));
        let reply = &mut self.clients.get_mut(client).reply;
        let answer = reply.front();
        let result = if answer.first() == Some(&b'-') { Err(answer.trim_ascii_end().to_vec()) } else { Ok(()) };
        reply.discard();
        result
    }
}
