//! A round of one client: its bytes become commands, which are executed until others have to have their turn.

use super::batch::{AheadDecoders, BATCH_FRAMES_MAX, Batch, BatchEnd};
use super::gate::Refusal;
use crate::commands::{CommandError, CommandId, ElementHint, Flags};
use crate::keyspace::TAKEN_OVER_BYTES_MIN;
use crate::resp::{Args, Decoder, Limits, ProtocolError};
use crate::server::clients::{ClientKey, Close};
use crate::server::executor::Executor;
use crate::stdx::number::parse_f64;
use crate::stdx::text::are_equal;
use crate::structures::memory_holds;

/// A client's round ends after so many bytes of replies; these are sent, as far as that goes, and others have their turn.
pub(in crate::server) const ROUND_REPLY_BYTES: usize = 1 << 20;

/// It ends as well when it has taken so long, which is looked at after each batch, and after any single command that takes
/// as long as the second one says.
const ROUND_NS: u64 = 500_000;

/// How far [`Executor::process`] came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Processed {
    /// Bytes that are done with.
    pub consumed: usize,
    pub then: Then,
}

/// What the connection has to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Read on; at least so many bytes are missing.
    Read { need_hint: usize },
    /// Call again with the bytes that are left: after others have had their turn, or when the client is not held up any
    /// more.
    Wait,
}

/// What became of one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    Done,
    /// The command has to be executed again later.
    Postponed,
}

/// A command of a batch, with what the table says of it.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Where it begins.
    start: usize,
    args: Args<'a>,
    row: Option<CommandId>,
    key: Option<&'a [u8]>,
    /// That of the key, if there is one.
    hash: u64,
}

impl Line<'_> {
    const EMPTY: Self = Self { start: 0, args: Args::empty(), row: None, key: None, hash: 0 };
}

impl Executor {
    /// Executes every complete command in `bytes`, which begin where the client's last call left off.
    pub fn process(&mut self, key: ClientKey, decoder: &mut Decoder, bytes: &[u8]) -> Processed {
        let start = self.clock.advance_moment();
        self.stats.note_round();
        self.clients.lend_output(key);
        let client = self.clients.get_mut(key);
        client.begin_round(bytes.len(), ROUND_REPLY_BYTES);
        client.limit_reply(&self.config, self.memory.free_bytes());
        let mut ahead = self.exec.ahead.take().unwrap_or_default();
        let one_by_one = self.keyspace.offers_buffer();
        let mut consumed = 0;
        let then = loop {
            if self.is_held_up(key) {
                break Then::Wait;
            }
            let rest = &bytes[consumed..];
            if rest.is_empty() {
                break Then::Read { need_hint: 1 };
            }
            let limits =
                Limits { authenticated: !self.clients.get(key).session.must_authenticate(), ..self.exec.limits };
            // AUTH lifts the limits of the frames behind it, so these are not read before it has run.
            let frames_max = if limits.authenticated && !one_by_one { BATCH_FRAMES_MAX } else { 1 };
            let batch = Batch::decode(decoder, &mut ahead, rest, &limits, frames_max);
            if one_by_one {
                self.keyspace.note_command_bytes(batch.bytes());
                if batch.bytes() >= TAKEN_OVER_BYTES_MIN
                    && let Some(args) = batch.first_args(decoder, rest)
                    && !self.is_held_up(key)
                    && self.refuses_long(key, args)
                {
                    consumed += batch.bytes();
                    continue;
                }
            }
            match self.execute_batch(key, decoder, &ahead, &batch, rest) {
                Ok(done) => consumed += done,
                Err(done) => {
                    consumed += done;
                    batch.forget_unfinished(&mut ahead);
                    break Then::Wait;
                }
            }
            match batch.end {
                BatchEnd::Full if one_by_one && self.keyspace.is_buffer_claimed() => break Then::Wait,
                BatchEnd::Full if self.clock.latest_moment().nanoseconds_since(start) >= ROUND_NS => break Then::Wait,
                BatchEnd::Full => {}
                BatchEnd::Incomplete { need_hint } => {
                    batch.keep_unfinished(decoder, &mut ahead);
                    break Then::Read { need_hint };
                }
                // What came before it may have ended the client, or wait for its answer.
                BatchEnd::Broken(_) if self.is_held_up(key) => break Then::Wait,
                BatchEnd::Broken(error) => {
                    self.refuse_bytes(key, error);
                    break Then::Wait;
                }
            }
        };
        self.exec.ahead = Some(ahead);
        self.clients.get_mut(key).reply.set_unsent_max(usize::MAX);
        Processed { consumed, then }
    }

    /// Ends the client's round behind the command that it executes.
    pub(in crate::server) fn end_round(&mut self, key: ClientKey) {
        self.clients.get_mut(key).end_round();
    }

    /// Whether the client's next command has to wait.
    #[inline]
    fn is_held_up(&self, key: ClientKey) -> bool {
        let client = self.clients.get(key);
        // Once the last snapshot is taken, no change may be acknowledged any more.
        let ending = self.process.is_ending();
        ending || client.closing().is_some() || client.stall().is_some() || client.has_enough_replies()
    }

    /// Answers bytes that are no command, which ends the connection.
    fn refuse_bytes(&mut self, key: ClientKey, error: ProtocolError) {
        let error = CommandError::Bytes(error.reply_text());
        self.refuse(key, &Refusal { command: None, error, denied: None }, Args::empty());
        self.clients.get_mut(key).close(Close::AfterReply);
    }

    /// Refuses a command whose arguments are long if there is no memory for what it makes of them. Returns whether it did.
    ///
    /// Whatever else keeps the command from running, this is answered first: it is not about to run.
    fn refuses_long(&mut self, key: ClientKey, args: Args<'_>) -> bool {
        let Some(row) = self.table.find(args) else { return false };
        let is_queued = self.clients.get(key).session.transaction.is_some();
        if !is_queued && !row.flags.has(Flags::DENYOOM) {
            return false;
        }
        let takes_over = !is_queued && row.flags.has(Flags::TAKES_BUFFER);
        let taken_over = if takes_over { self.keyspace.first_taken_over(args.iter()) } else { 0 };
        let lacking = !memory_holds(args.bytes_len() - taken_over);
        if lacking {
            let refusal = Refusal { command: Some(row.id), error: CommandError::NoMemory, denied: None };
            self.refuse(key, &refusal, args);
        }
        lacking
    }

    /// Executes the commands of a batch. Returns how many bytes are done with, as an error when the client is held up
    /// before the end.
    fn execute_batch(
        &mut self,
        key: ClientKey,
        decoder: &Decoder,
        ahead: &AheadDecoders,
        batch: &Batch,
        bytes: &[u8],
    ) -> Result<usize, usize> {
        if let [start] = *batch.starts() {
            let args = decoder.args(&bytes[start..]);
            let row = self.table.find(args).map(|row| row.id);
            let done = !self.is_held_up(key) && self.execute(key, row, args) == Flow::Done;
            return if done { Ok(batch.bytes) } else { Err(start) };
        }
        let mut lines = [Line::EMPTY; BATCH_FRAMES_MAX];
        let lines = &mut lines[..batch.len];
        let (mut decoder, mut ahead) = (decoder, ahead.iter());
        for (line, &start) in lines.iter_mut().zip(batch.starts()) {
            line.start = start;
            line.args = decoder.args(&bytes[start..]);
            if let Some(row) = self.table.find(line.args) {
                line.row = Some(row.id);
                line.key = row.first_key(line.args);
            }
            decoder = ahead.next().unwrap_or(decoder);
        }
        let seed = self.keyspace.db(self.clients.get(key).session.db).seed();
        self.prefetch(key, lines);
        for line in lines.iter() {
            if self.is_held_up(key) {
                return Err(line.start);
            }
            let Some(name) = line.key else {
                if self.execute(key, line.row, line.args) != Flow::Done {
                    return Err(line.start);
                }
                continue;
            };
            let db = self.clients.get(key).session.db;
            self.keyspace.know_hash(db, name, line.hash, seed);
            let flow = self.execute(key, line.row, line.args);
            self.keyspace.forget_hash(db);
            if flow != Flow::Done {
                return Err(line.start);
            }
        }
        Ok(batch.bytes)
    }

    /// Asks for the memory of each command's first key, and where they are all one key, of what they want in its value.
    /// Notes the hashes of these keys.
    #[inline(never)]
    fn prefetch(&self, key: ClientKey, lines: &mut [Line<'_>]) {
        let keys = self.keyspace.db(self.clients.get(key).session.db).keys();
        let mut known = lines.iter().filter_map(|line| line.key);
        let Some(first) = known.next() else { return };
        if !known.all(|name| are_equal(name, first)) {
            for line in lines.iter_mut() {
                if let Some(name) = line.key {
                    line.hash = keys.hash(name);
                    keys.prefetch(line.hash);
                }
            }
            for line in lines.iter().filter(|line| line.key.is_some()) {
                keys.prefetch_element(line.hash);
            }
            return;
        }
        let hash = keys.hash(first);
        if let Some(entry) = keys.find_hashed(hash, first) {
            entry.value().prefetch(lines.iter().filter_map(|Line { args, row, .. }| {
                let (row, count) = (self.table.row((*row)?), args.len());
                match row.element {
                    _ if count <= 2 => None,
                    ElementHint::LastScored => Some((args.arg(count - 1), parse_f64(args.arg(count - 2)))),
                    ElementHint::Second => Some((args.arg(2), None)),
                }
            }));
        }
        for line in lines {
            line.hash = hash;
        }
    }
}
