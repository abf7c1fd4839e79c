//! One connection: read what is there, execute the complete commands in it, write once, wait.
//!
//! Reading and executing go on while replies wait for a client that does not read yet: many write their whole pipeline
//! first. What bounds the memory for that are `client-output-buffer-limit`, `client-query-buffer-limit` and
//! `maxmemory-clients`. What bounds the time is that a round executes and sends a limited amount, and then lets the other
//! tasks go first.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::{spawn_local, yield_now};

use super::wake::Wake;
use crate::commands::Peer;
use crate::keyspace::TAKEN_OVER_BYTES_MIN;
use crate::resp::Decoder;
use crate::server::clients::{ClientKey, Close, Stall};
use crate::server::exec::{Processed, ROUND_REPLY_BYTES, Then};
use crate::server::executor::Executor;
use crate::structures::try_grow;

/// Bytes that the shared buffer holds: what one read takes, and what was left of the one before.
const READ_BYTES: usize = 64 * 1024;

/// Of an argument that claims to be long, this share has to be there before room is made for all of it.
const PROOF_SHARE: usize = 32;

/// With less room than this left for what a command still lacks, more room is made before the next read.
const READ_BYTES_MIN: usize = 4 * 1024;

/// A connection keeps at most this much room when it has nothing to say, and half a command beyond this is not copied
/// about.
const KEPT_BYTES: usize = 16 * 1024;

/// Of a client whose next command waits for the end of a pause, no more is read than this.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;

/// After a round that has executed or sent as many bytes, other tasks go first.
const ROUND_BYTES_READ: usize = 32 * 1024;
const ROUND_BYTES_SENT: usize = 256 * 1024;

/// By how much the room for a half-received command grows: up to twice what is there already, whatever the client
/// claims is to come; but at once by all that is missing when a good part is there.
fn growth(received: usize, missing: usize) -> usize {
    if received >= missing / PROOF_SHARE { missing } else { missing.min(received.max(KEPT_BYTES)) }
}

/// What every connection's task shares.
pub struct Shared {
    pub executor: RefCell<Executor>,
    /// Where reads land, so that idle connections have no buffer; but for those that go on with a long command.
    read_buffer: RefCell<Box<[u8]>>,
    /// Raised when the executor wants the server to end.
    exit: Wake,
}

impl Shared {
    pub fn new(executor: Executor) -> Self {
        Self {
            executor: RefCell::new(executor),
            read_buffer: RefCell::new(vec![0; READ_BYTES].into()),
            exit: Wake::default(),
        }
    }

    /// Lets the server see that the executor wants it to end.
    pub fn end(&self) {
        self.exit.raise();
    }

    /// Waits until the executor may want the server to end.
    pub async fn ended(&self) {
        self.exit.raised().await;
    }
}

/// Either kind of stream.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }

    /// Sends some of the bytes, of which there are some. Returns how many, or nothing where none can be sent now.
    #[inline]
    fn try_send(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        loop {
            let sent = match self {
                Stream::Tcp(stream) => stream.try_write(bytes),
                Stream::Unix(stream) => stream.try_write(bytes),
            };
            match sent {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => return Ok(Some(sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => stream.poll_write_ready(context),
            Stream::Unix(stream) => stream.poll_write_ready(context),
        }
    }
}

/// Takes a connection in and serves it by a task of its own until it ends.
pub fn serve(shared: &Rc<Shared>, stream: Stream, peer: Peer) {
    // The client exists from now on, so that the next one is counted against `maxclients` even if both came at once.
    let (key, wake) = shared.executor.borrow_mut().connect(peer, stream.as_raw_fd());
    let shared = Rc::clone(shared);
    let decoder = Decoder::new();
    spawn_local(run(Connection { shared, stream, key, wake, decoder, input: Input::default(), ended: false }));
}

async fn run(mut connection: Connection) {
    let reason = connection.run().await;
    let Connection { shared, key, .. } = connection;
    let mut executor = shared.executor.borrow_mut();
    if let Err(error) = reason {
        let client = executor.clients.get(key);
        tracing::debug!("Client {} ended: {error}", client.session.peer.remote());
    }
    executor.disconnect(key);
}

struct Connection {
    shared: Rc<Shared>,
    stream: Stream,
    key: ClientKey,
    wake: Rc<Wake>,
    decoder: Decoder,
    input: Input,
    /// The client says nothing more.
    ended: bool,
}

/// Bytes that are read but not executed: half a command, or what follows one that has to wait.
#[derive(Default)]
struct Input {
    bytes: Vec<u8>,
    /// So many at the front are executed already. They go once they are the greater part.
    executed: usize,
    /// There may be a complete command among them, which the client could not have executed so far.
    has_command: bool,
}

impl Input {
    fn waiting(&self) -> &[u8] {
        &self.bytes[self.executed..]
    }

    /// Lets go of `consumed` further bytes, and of the room that they leave.
    fn consume(&mut self, consumed: usize) {
        self.executed += consumed;
        if self.executed <= self.bytes.len() / 2 {
            return;
        }
        self.bytes.drain(..std::mem::take(&mut self.executed));
        let left = self.bytes.len();
        if self.bytes.capacity() > KEPT_BYTES && left < self.bytes.capacity() / 2 {
            self.bytes.shrink_to(left);
        }
    }

    /// Gives out the memory of what waits and where that begins, and lets go of what is executed. What follows is the
    /// lesser part.
    fn take_out(&mut self, executed: usize) -> (Vec<u8>, usize) {
        let start = std::mem::take(&mut self.executed);
        let rest = self.bytes[start + executed..].to_vec();
        (std::mem::replace(&mut self.bytes, rest), start)
    }

    /// Makes room for what is missing of a command. Returns whether there is memory for it.
    ///
    /// Room is made when there is none left, so that it grows in proportion however small the pieces are that come; and
    /// exactly, since doubling would leave half of a long argument's room unused.
    fn make_room(&mut self, need_hint: usize) -> bool {
        if self.executed > 0 {
            self.bytes.drain(..std::mem::take(&mut self.executed));
        }
        if !self.bytes.is_empty() && self.bytes.capacity() - self.bytes.len() < need_hint.min(READ_BYTES_MIN) {
            let more = growth(self.bytes.len(), need_hint);
            return try_grow(&mut self.bytes, more);
        }
        true
    }

    /// Lets `read` add up to `bytes_max` bytes. Returns how many it has added.
    #[expect(unsafe_code, reason = "the socket writes into the vector's spare room")]
    fn read_more(
        &mut self,
        bytes_max: usize,
        read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<usize>> {
        if self.bytes.capacity() == self.bytes.len() {
            self.bytes.reserve(KEPT_BYTES);
        }
        let room = self.bytes.spare_capacity_mut();
        let (start, end) = (room.as_ptr().cast::<u8>(), room.len().min(bytes_max));
        let mut buffer = ReadBuf::uninit(&mut room[..end]);
        ready!(read(&mut buffer))?;
        let filled = buffer.filled();
        assert!(filled.as_ptr() == start, "the buffer was filled and not exchanged");
        let added = filled.len();
        // SAFETY: so many bytes from the start of the spare room on were filled, so that they are initialised.
        unsafe { self.bytes.set_len(self.bytes.len() + added) };
        Poll::Ready(Ok(added))
    }
}

/// Why a connection's task woke up.
enum Event {
    /// So many bytes are in the shared buffer, the last `read` of which are new.
    Shared {
        bytes: usize,
        read: usize,
    },
    /// So many bytes were added to the input that waits.
    Input(usize),
    /// What waits can be executed now.
    Executable,
    End,
    Woken,
    Writable,
}

/// What became of the replies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// All are sent, or as many as the client takes now.
    Enough,
    /// There is more to send, after others have had their turn.
    Part,
    /// The connection ends.
    Last,
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            let event = std::future::poll_fn(|context| self.poll_event(context)).await?;
            let mut executed = match event {
                Event::End if self.outlives_input() => 0,
                Event::End => return Ok(()),
                Event::Shared { bytes, read } => {
                    self.count_read(bytes, read);
                    self.execute_shared(bytes)
                }
                Event::Input(read) => {
                    self.count_read(self.input.waiting().len(), read);
                    self.execute_input()
                }
                Event::Executable => self.execute_input(),
                Event::Writable | Event::Woken => 0,
            };
            // As in Redis, replies to what one read brought are sent together, so that a client whose replies to it are
            // over its limit gets none of them.
            while executed > 0 && self.input.has_command && self.gathers_replies() {
                yield_now().await;
                executed = self.execute_input();
            }
            // Connections that a command has ended are closed before it is answered, as whoever asked for it expects.
            if executed > 0 && self.shared.executor.borrow().clients.take_closes_before_reply() {
                yield_now().await;
            }
            let sent = self.flush()?;
            if sent == Sent::Last {
                return Ok(());
            }
            if executed >= ROUND_BYTES_READ || sent == Sent::Part || (self.input.has_command && executed > 0) {
                yield_now().await;
            }
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        if self.wake.poll(context) {
            return Poll::Ready(Ok(Event::Woken));
        }
        let (unsent, closing, stalled, paused) = {
            let executor = self.shared.executor.borrow();
            let client = executor.clients.get(self.key);
            // Whatever becomes of the client, its script goes on, which wakes this task at its end.
            if matches!(client.stall(), Some(Stall::Script)) {
                return Poll::Pending;
            }
            let closing = client.closing().is_some() || executor.process.is_ending();
            let paused = matches!(client.stall(), Some(Stall::Paused | Stall::Migrating));
            let unsent = !client.reply.is_empty()
                || client.replica.is_some() && !executor.piece_for_replica(self.key).is_empty();
            (unsent, closing, client.stall().is_some(), paused)
        };
        if unsent && let Poll::Ready(ready) = self.stream.poll_write_ready(context) {
            return Poll::Ready(ready.map(|()| Event::Writable));
        }
        if self.input.has_command && !stalled && !closing {
            return Poll::Ready(Ok(Event::Executable));
        }
        // Of a client that waits for a key everything is read, so that its end is noticed: what it waits for must not be
        // given to nobody.
        let enough = paused && self.input.waiting().len() >= READ_AHEAD_BYTES_MAX;
        if self.ended || enough || closing {
            return Poll::Pending;
        }
        self.poll_read(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        // Half a command of usual size is carried on in the shared buffer. Read into the little room behind it, a long
        // pipeline would come in pieces of that size for ever.
        let carried = self.input.waiting().len();
        let read = if carried <= KEPT_BYTES {
            let mut shared = self.shared.read_buffer.borrow_mut();
            let mut buffer = ReadBuf::new(&mut shared[carried..]);
            ready!(self.stream.poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            if read > 0 {
                let Input { bytes, executed, .. } = std::mem::take(&mut self.input);
                shared[..carried].copy_from_slice(&bytes[executed..]);
                return Poll::Ready(Ok(Event::Shared { bytes: carried + read, read }));
            }
            read
        } else {
            // Of a long argument no more is read than its end: what follows does not count for its length.
            let bytes_max = self.decoder.long_argument_missing(carried).unwrap_or(usize::MAX);
            ready!(self.input.read_more(bytes_max, |buffer| self.stream.poll_read(context, buffer)))?
        };
        Poll::Ready(Ok(if read == 0 { Event::End } else { Event::Input(read) }))
    }

    /// Whether the connection goes on, at the end of its input, until its replies are sent.
    fn outlives_input(&mut self) -> bool {
        let mut executor = self.shared.executor.borrow_mut();
        let client = executor.clients.get_mut(self.key);
        self.ended = true;
        let outlives = client.stall().is_none() && client.closing().is_none() && !client.reply.is_empty();
        if outlives {
            client.close(Close::AfterReply);
        }
        outlives
    }

    /// Counts what was read, when so much waits with it.
    fn count_read(&self, waiting: usize, read: usize) {
        let unread = waiting - self.decoder.taken_in();
        self.shared.executor.borrow_mut().count_read(self.key, read, unread);
    }

    /// Executes what is in the shared buffer, and keeps what is left. Returns how many bytes are executed.
    fn execute_shared(&mut self, bytes: usize) -> usize {
        let buffer = self.shared.read_buffer.borrow();
        let mut executor = self.shared.executor.borrow_mut();
        let Processed { consumed, then } = executor.process(self.key, &mut self.decoder, &buffer[..bytes]);
        let rest = &buffer[consumed..bytes];
        let input = &mut self.input;
        if !rest.is_empty() {
            if let Then::Read { need_hint } = then
                && rest.len() > KEPT_BYTES
            {
                input.bytes.reserve_exact(rest.len() + growth(rest.len(), need_hint));
            }
            input.bytes.extend_from_slice(rest);
            input.has_command = then == Then::Wait;
        }
        executor.note_query_buffer(self.key, &self.decoder, rest.len(), input.bytes.capacity());
        consumed
    }

    /// Executes what waits. Returns how many bytes are executed.
    fn execute_input(&mut self) -> usize {
        let mut executor = self.shared.executor.borrow_mut();
        let input = &mut self.input;
        let may_be_taken_over = input.waiting().len() >= TAKEN_OVER_BYTES_MIN;
        if may_be_taken_over {
            executor.keyspace.offer_buffer(input.waiting());
        }
        let Processed { consumed, then } = executor.process(self.key, &mut self.decoder, input.waiting());
        match if may_be_taken_over { executor.keyspace.withdraw_buffer() } else { Vec::new() } {
            claims if claims.is_empty() => input.consume(consumed),
            claims => {
                let (buffer, start) = input.take_out(consumed);
                executor.keyspace.fulfil(claims, buffer, start);
            }
        }
        input.has_command = then == Then::Wait && !input.waiting().is_empty();
        if let Then::Read { need_hint } = then
            && !input.make_room(need_hint)
        {
            executor.close_for_memory(self.key);
        }
        executor.note_query_buffer(self.key, &self.decoder, input.waiting().len(), input.bytes.capacity());
        consumed
    }

    /// Whether further commands can be executed before the replies so far are sent. These count as the client's memory.
    fn gathers_replies(&self) -> bool {
        let mut executor = self.shared.executor.borrow_mut();
        let can_execute = |executor: &Executor| {
            let client = executor.clients.get(self.key);
            client.closing().is_none() && client.stall().is_none() && client.reply.len() < ROUND_REPLY_BYTES
        };
        if executor.process.is_ending() || !can_execute(&executor) {
            return false;
        }
        executor.settle_memory(self.key);
        can_execute(&executor)
    }

    /// Sends what can be sent within one round.
    fn flush(&self) -> io::Result<Sent> {
        let mut executor = self.shared.executor.borrow_mut();
        let mut sent_now = 0;
        loop {
            let client = executor.clients.get_mut(self.key);
            if matches!(client.stall(), Some(Stall::Script)) {
                return Ok(Sent::Enough);
            }
            if client.closing() == Some(Close::Now) || client.reply.is_overfull() {
                return Ok(Sent::Last);
            }
            if client.is_replica() && !client.reply.is_empty() {
                executor.reject_replies_to_replica(self.key);
                return Ok(Sent::Last);
            }
            if client.reply.is_empty() {
                if client.replica.is_some() {
                    match self.send_to_replica(&mut executor, &mut sent_now)? {
                        Sent::Last => {}
                        sent => return Ok(sent),
                    }
                }
                break;
            }
            let front = client.reply.front();
            let Some(sent) = self.stream.try_send(&front[..front.len().min(ROUND_BYTES_SENT)])? else {
                return Ok(executor.keep_unsent(self.key, Sent::Enough));
            };
            executor.count_written(self.key, sent);
            sent_now += sent;
            if sent_now >= ROUND_BYTES_SENT && !executor.clients.get(self.key).reply.is_empty() {
                return Ok(executor.keep_unsent(self.key, Sent::Part));
            }
        }
        executor.clients.return_output(self.key);
        executor.settle_memory(self.key);
        if executor.process.is_ending() {
            self.shared.end();
        }
        Ok(if executor.clients.get(self.key).closing().is_none() { Sent::Enough } else { Sent::Last })
    }
}

impl Connection {
    /// Sends what a replica gets beside replies. [`Sent::Last`]: that is all.
    ///
    /// Out of line, since other connections have none of it.
    #[inline(never)]
    fn send_to_replica(&self, executor: &mut Executor, sent_now: &mut usize) -> io::Result<Sent> {
        if let (Stream::Tcp(stream), Some(gathers)) = (&self.stream, executor.take_gathering_of_packets(self.key)) {
            stream.set_nodelay(!gathers)?;
        }
        loop {
            let piece = executor.piece_for_replica(self.key);
            if piece.is_empty() {
                return Ok(Sent::Last);
            }
            let Some(sent) = self.stream.try_send(&piece[..piece.len().min(ROUND_BYTES_SENT)])? else {
                return Ok(Sent::Enough);
            };
            executor.count_sent_to_replica(self.key, sent);
            *sent_now += sent;
            if *sent_now >= ROUND_BYTES_SENT {
                return Ok(Sent::Part);
            }
        }
    }
}

impl Executor {
    /// Keeps replies that are not sent in this round. Returns `sent`, unless the client has to go because of them.
    fn keep_unsent(&mut self, key: ClientKey, sent: Sent) -> Sent {
        self.clients.get_mut(key).reply.set_aside();
        self.settle_memory(key);
        if self.clients.get(key).closing() == Some(Close::Now) { Sent::Last } else { sent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_grows_with_what_came_and_not_with_what_is_claimed() {
        assert_eq!(growth(10, 20), 20);
        assert_eq!(growth(10, 500_000_000), KEPT_BYTES);
        assert_eq!(growth(1 << 20, 500_000_000), 1 << 20);
        assert_eq!(growth(20_000_000, 400_000_000), 400_000_000);
    }
}
