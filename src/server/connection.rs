//! One connection: read what is there, execute every complete command in it, write once, wait.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd as _, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::spawn_local;

use super::client::{ClientKey, Close, Stall};
use super::executor::{Executor, Processed, Then};
use super::wake::Wake;
use crate::commands::Peer;
use crate::resp::Decoder;

/// Bytes that the shared buffer holds: what one read takes, and what was left of the one before.
const READ_BYTES: usize = 64 * 1024;

/// Of an argument that claims to be long, this share has to be there before room is made for all of it.
const PROOF_SHARE: usize = 8;

/// With less room than this left for what a command still lacks, more room is made before the next read.
const READ_BYTES_MIN: usize = 4 * 1024;

/// A connection keeps at most this much room when it has nothing to say, and half a command beyond this is not copied
/// about.
const KEPT_BYTES: usize = 16 * 1024;

/// Of a client whose next command waits for the end of a pause, no more is read than this.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;

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
    pub exit: Wake,
}

impl Shared {
    pub fn new(executor: Executor) -> Self {
        Self {
            executor: RefCell::new(executor),
            read_buffer: RefCell::new(vec![0; READ_BYTES].into()),
            exit: Wake::default(),
        }
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

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_write(bytes),
            Stream::Unix(stream) => stream.try_write(bytes),
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
    let connection = Connection { shared, stream, key, wake, decoder: Decoder::new(), pending: Vec::new() };
    spawn_local(run(connection));
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
    /// Bytes that are read but not executed: half a command, or what follows one that has to wait.
    pending: Vec<u8>,
}

/// Why a connection's task woke up.
enum Event {
    /// So many bytes are in the shared buffer, the last `read` of which are new.
    Shared {
        bytes: usize,
        read: usize,
    },
    /// So many bytes were added to the pending ones.
    Pending(usize),
    End,
    Woken,
    Writable,
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            let event = std::future::poll_fn(|context| self.poll_event(context)).await?;
            match event {
                Event::End => return Ok(()),
                Event::Shared { bytes, read } => {
                    self.count_read(read);
                    self.execute_shared(bytes);
                }
                Event::Pending(bytes) => {
                    self.count_read(bytes);
                    self.execute_pending();
                }
                Event::Writable | Event::Woken => {}
            }
            loop {
                if !self.flush()? {
                    return Ok(());
                }
                // Sending may have made room for commands that waited for it.
                if self.pending.is_empty() || !self.can_execute() || !self.execute_pending() {
                    break;
                }
            }
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        if self.wake.poll(context) {
            return Poll::Ready(Ok(Event::Woken));
        }
        let (unsent, paused) = {
            let executor = self.shared.executor.borrow();
            let client = executor.clients.get(self.key);
            (!client.reply.is_empty(), matches!(client.stall, Some(Stall::Paused | Stall::Migrating)))
        };
        if unsent {
            if let Poll::Ready(ready) = self.stream.poll_write_ready(context) {
                return Poll::Ready(ready.map(|()| Event::Writable));
            }
            // No more is read than can be answered, except that an end must be noticed.
            if !self.pending.is_empty() {
                return Poll::Pending;
            }
        }
        // Of a client that waits for a key everything is read, so that its end is noticed: what it waits for must not be
        // given to nobody.
        if paused && self.pending.len() >= READ_AHEAD_BYTES_MAX {
            return Poll::Pending;
        }
        self.poll_read(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        // Half a command of usual size is carried on in the shared buffer. Read into the little room behind it, a long
        // pipeline would come in pieces of that size for ever.
        let carried = self.pending.len();
        if carried <= KEPT_BYTES {
            let mut shared = self.shared.read_buffer.borrow_mut();
            let mut buffer = ReadBuf::new(&mut shared[carried..]);
            ready!(self.stream.poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(Event::End));
            }
            shared[..carried].copy_from_slice(&std::mem::take(&mut self.pending));
            return Poll::Ready(Ok(Event::Shared { bytes: carried + read, read }));
        }
        if self.pending.capacity() == self.pending.len() {
            self.pending.reserve(KEPT_BYTES);
        }
        let mut buffer = ReadBuf::uninit(self.pending.spare_capacity_mut());
        ready!(self.stream.poll_read(context, &mut buffer))?;
        let bytes = buffer.filled().len();
        if bytes == 0 {
            return Poll::Ready(Ok(Event::End));
        }
        self.take_read(bytes);
        Poll::Ready(Ok(Event::Pending(bytes)))
    }

    #[expect(unsafe_code, reason = "the socket wrote into the vector's spare room")]
    fn take_read(&mut self, bytes: usize) {
        // SAFETY: `ReadBuf` says that so many bytes of the spare room are initialised.
        unsafe { self.pending.set_len(self.pending.len() + bytes) };
    }

    fn count_read(&self, bytes: usize) {
        self.shared.executor.borrow_mut().count_read(self.key, bytes);
    }

    fn can_execute(&self) -> bool {
        let executor = self.shared.executor.borrow();
        let client = executor.clients.get(self.key);
        client.stall.is_none() && client.close.is_none()
    }

    /// Executes what is in the shared buffer, and keeps what is left.
    fn execute_shared(&mut self, bytes: usize) {
        let buffer = self.shared.read_buffer.borrow();
        let mut executor = self.shared.executor.borrow_mut();
        let Processed { consumed, then } = executor.process(self.key, &mut self.decoder, &buffer[..bytes]);
        let rest = &buffer[consumed..bytes];
        if !rest.is_empty() {
            if let Then::Read { need_hint } = then
                && rest.len() > KEPT_BYTES
            {
                self.pending.reserve(rest.len() + growth(rest.len(), need_hint));
            }
            self.pending.extend_from_slice(rest);
        }
        executor.note_query_buffer(self.key, &self.decoder, self.pending.len(), self.pending.capacity());
    }

    /// Executes what is pending. Returns whether anything was consumed.
    fn execute_pending(&mut self) -> bool {
        let mut executor = self.shared.executor.borrow_mut();
        let Processed { consumed, then } = executor.process(self.key, &mut self.decoder, &self.pending);
        self.pending.drain(..consumed);
        let left = self.pending.len();
        if consumed > 0 && self.pending.capacity() > KEPT_BYTES && left < self.pending.capacity() / 2 {
            self.pending.shrink_to(left);
        }
        // Room is made when there is none left, so that it grows in proportion however small the pieces are that come;
        // and exactly, since doubling would leave half of a long argument's room unused.
        if let Then::Read { need_hint } = then
            && !self.pending.is_empty()
            && self.pending.capacity() - self.pending.len() < need_hint.min(READ_BYTES_MIN)
        {
            self.pending.reserve_exact(growth(self.pending.len(), need_hint));
        }
        executor.note_query_buffer(self.key, &self.decoder, self.pending.len(), self.pending.capacity());
        consumed > 0
    }

    /// Sends what can be sent. Returns whether the connection goes on.
    fn flush(&self) -> io::Result<bool> {
        let mut executor = self.shared.executor.borrow_mut();
        loop {
            let client = executor.clients.get_mut(self.key);
            if client.close == Some(Close::Now) {
                return Ok(false);
            }
            if client.reply.is_empty() {
                break;
            }
            match self.stream.try_write(client.reply.as_bytes()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => executor.count_written(self.key, sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    executor.settle_memory(self.key);
                    return Ok(executor.clients.get(self.key).close != Some(Close::Now));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        executor.return_output(self.key);
        executor.settle_memory(self.key);
        if executor.exit.is_some() {
            self.shared.exit.raise();
        }
        Ok(executor.clients.get(self.key).close.is_none())
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
        assert_eq!(growth(100_000_000, 400_000_000), 400_000_000);
    }
}
