//! The connection to a primary: the task that greets it, takes in all data where that is needed, and then the stream.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::upstream::Link;
use crate::config::{DisklessLoad, PrimaryAddress};
use crate::replication::{Framing, Handshake, HandshakeError, Intake, PayloadReader, Start, Step, write_words};
use crate::resp::ProtocolError;
use crate::server::net::Shared;
use crate::server::persistence::loading;
use crate::snapshot::{DumpFile, LoadError};

/// How long a link that was lost rests before it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a primary is told how far this replica is.
const ACK_PERIOD: Duration = Duration::from_secs(1);

/// How often the end of a script, or of the load at the start, is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

const READ_BYTES: usize = 256 * 1024;

/// A line before the data that is longer than this is none.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// Why a link has ended.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("Error condition on socket for SYNC: {0}")]
    Connect(io::Error),
    #[error("connection with master lost: {0}")]
    Lost(io::Error),
    #[error("Timeout connecting to the MASTER or no data from it for repl-timeout")]
    Timeout,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("Bad protocol from MASTER, the first byte is not '$': '{0}'. Is the host and port right?")]
    NoPayload(String),
    #[error("Cannot keep what the master sends: {0}")]
    Store(io::Error),
    #[error("the data from the master are not taken over: {0}")]
    Load(LoadError),
    #[error("Protocol error in the stream of the master: {0:?}")]
    Stream(ProtocolError),
    #[error("another primary was set")]
    Superseded,
}

/// Keeps the link to the primary that the server has, if it has one, until the server ends.
pub async fn follow_primary(shared: Rc<Shared>) {
    let changed = Rc::clone(&shared.executor.borrow().replication.upstream_wake);
    loop {
        let target = {
            let executor = shared.executor.borrow();
            let upstream = executor.replication.upstream.as_ref();
            upstream.map(|upstream| (upstream.number, upstream.address.clone()))
        };
        let Some((number, address)) = target else {
            changed.raised().await;
            continue;
        };
        if shared.executor.borrow().snapshots.is_loading() {
            tokio::time::sleep(LOOK_AGAIN).await;
            continue;
        }
        tokio::select! {
            end = serve(&shared, number, &address) => {
                if let Err(error) = end {
                    tracing::warn!("{error}");
                }
                shared.executor.borrow_mut().note_link(number, Link::Connect);
            }
            () = changed.raised() => continue,
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY_AFTER) => {}
            () = changed.raised() => {}
        }
    }
}

async fn serve(shared: &Shared, number: u64, address: &PrimaryAddress) -> Result<(), LinkError> {
    let (greeting, patience) = {
        let mut executor = shared.executor.borrow_mut();
        executor.note_link(number, Link::Connecting);
        (executor.greeting(), Duration::from_secs(executor.config.repl_timeout_seconds.into()))
    };
    tracing::info!("Connecting to MASTER {}:{}", address.host, address.port);
    let connecting = TcpStream::connect((address.host.as_str(), address.port));
    let stream = timeout(patience, connecting).await.map_err(|_| LinkError::Timeout)?.map_err(LinkError::Connect)?;
    // Acknowledgements are short, and waited for.
    let _ = stream.set_nodelay(true);
    tracing::info!("MASTER <-> REPLICA sync started");
    let mut link = Connection { shared, number, stream, patience, buffer: Vec::new(), at: 0 };
    shared.executor.borrow_mut().note_link(number, Link::Handshake);
    let start = link.greet(Handshake::new(greeting)).await?;
    match start {
        Start::Continued { id } => shared.executor.borrow_mut().continue_from_primary(number, id),
        Start::Full { .. } | Start::Unnumbered => link.take_all_data(start).await?,
    }
    link.take_stream().await
}

struct Connection<'s> {
    shared: &'s Shared,
    number: u64,
    stream: TcpStream,
    /// So long the primary may be silent.
    patience: Duration,
    /// What was read; up to `at` it is used.
    buffer: Vec<u8>,
    at: usize,
}

impl Connection<'_> {
    /// Reads more. An end of the connection is an error.
    async fn fill(&mut self) -> Result<(), LinkError> {
        self.buffer.drain(..std::mem::take(&mut self.at));
        self.buffer.reserve(READ_BYTES);
        let read = timeout(self.patience, self.stream.read_buf(&mut self.buffer)).await;
        match read.map_err(|_| LinkError::Timeout)?.map_err(LinkError::Lost)? {
            0 => Err(LinkError::Lost(io::ErrorKind::UnexpectedEof.into())),
            read => {
                let mut executor = self.shared.executor.borrow_mut();
                executor.stats.counters.total_net_repl_input_bytes += read as u64;
                let now = executor.clock.latest();
                let upstream = executor.upstream(self.number).ok_or(LinkError::Superseded)?;
                upstream.heard_at = now;
                Ok(())
            }
        }
    }

    fn unused(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<Vec<u8>, LinkError> {
        loop {
            if let Some(len) = memchr::memchr(b'\n', self.unused()) {
                let line = self.unused()[..len].strip_suffix(b"\r").unwrap_or(&self.unused()[..len]).to_vec();
                self.at += len + 1;
                return Ok(line);
            }
            if self.unused().len() > LINE_BYTES_MAX {
                return Err(LinkError::NoPayload(String::from_utf8_lossy(&self.unused()[..64]).into_owned()));
            }
            self.fill().await?;
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let sent = timeout(self.patience, self.stream.write_all(bytes)).await;
        sent.map_err(|_| LinkError::Timeout)?.map_err(LinkError::Lost)?;
        self.shared.executor.borrow_mut().stats.counters.total_net_repl_output_bytes += bytes.len() as u64;
        Ok(())
    }

    async fn greet(&mut self, (mut handshake, first): (Handshake, Vec<u8>)) -> Result<Start, LinkError> {
        self.send(&first).await?;
        loop {
            if handshake.is_unnumbered() {
                return Ok(Start::Unnumbered);
            }
            let line = self.line().await?;
            match handshake.take_line(&line)? {
                Step::Wait => {}
                Step::Send(bytes) => self.send(&bytes).await?,
                Step::Begin(start) => return Ok(start),
            }
        }
    }

    /// Takes in all data, checks them as a whole, and puts them in the place of those that are here.
    async fn take_all_data(&mut self, start: Start) -> Result<(), LinkError> {
        if let Start::Full { id, offset } = start {
            tracing::info!("Full resync from master: {id}:{offset}");
        }
        self.shared.executor.borrow_mut().note_link(self.number, Link::Sync);
        let framing = loop {
            let line = self.line().await?;
            match Framing::parse(&line) {
                Some(framing) => break framing,
                None if line.is_empty() => {}
                None => return Err(LinkError::NoPayload(String::from_utf8_lossy(&line).into_owned())),
            }
        };
        let (name, file) = self.receive(framing).await?;
        tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
        let file = DumpFile::map(&file, Path::new(&name)).map_err(LinkError::Load)?;
        let loaded = self.load(&file).await?;
        self.shared.executor.borrow_mut().take_full_sync(self.number, start, loaded);
        self.acknowledge().await
    }

    /// Writes the data to a file without a name, as they come.
    async fn receive(&mut self, framing: Framing) -> Result<(&'static str, File), LinkError> {
        let (name, mut file) = self.store().map_err(LinkError::Store)?;
        let mut reader = PayloadReader::new(framing);
        let to = if name == IN_MEMORY { "memory" } else { "disk" };
        match reader.total() {
            Some(total) => tracing::info!("MASTER <-> REPLICA sync: receiving {total} bytes from master to {to}"),
            None => tracing::info!("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to {to}"),
        }
        loop {
            let taken = reader.take(self.unused());
            file.write_all(&self.unused()[..taken.bytes]).map_err(LinkError::Store)?;
            self.at += taken.bytes;
            self.note_progress(&reader)?;
            if taken.is_end {
                break;
            }
            self.fill().await?;
        }
        file.set_len(reader.taken() - reader.surplus()).map_err(LinkError::Store)?;
        Ok((name, file))
    }

    fn note_progress(&self, reader: &PayloadReader) -> Result<(), LinkError> {
        let mut executor = self.shared.executor.borrow_mut();
        let now = executor.clock.latest();
        let upstream = executor.upstream(self.number).ok_or(LinkError::Superseded)?;
        upstream.progress.total_bytes = reader.total();
        upstream.progress.read_bytes = reader.taken();
        upstream.progress.last_read = Some(now);
        Ok(())
    }

    /// Where the data are kept until they are whole: in a file that has no name and goes with its descriptor.
    fn store(&self) -> io::Result<(&'static str, File)> {
        let in_memory = || {
            let file = nix::sys::memfd::memfd_create(c"copal-sync", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
            Ok((IN_MEMORY, File::from(file)))
        };
        if self.shared.executor.borrow().config.repl_diskless_load != DisklessLoad::Disabled {
            return in_memory();
        }
        match tempfile::tempfile_in(".") {
            Ok(file) => Ok((IN_FILE, file)),
            Err(error) => {
                tracing::warn!("Cannot create a file for the data of a full sync, keeping them in memory: {error}");
                in_memory()
            }
        }
    }

    /// Loads the data into databases of their own while clients are answered from the old ones, and the primary hears
    /// that this replica is alive.
    async fn load(&mut self, file: &DumpFile) -> Result<crate::snapshot::Loaded, LinkError> {
        let path = file.path().to_path_buf();
        let load = loading::load_for_replica(self.shared, file);
        tokio::pin!(load);
        loop {
            tokio::select! {
                loaded = &mut load => return loaded.map_err(|fault| LinkError::Load(LoadError { path, fault })),
                () = tokio::time::sleep(ACK_PERIOD) => {
                    // It is no loss if the primary takes nothing now.
                    let _ = self.stream.try_write(b"\n");
                }
            }
        }
    }

    /// Tells the primary how far this replica is.
    async fn acknowledge(&mut self) -> Result<(), LinkError> {
        let offset = self.shared.executor.borrow().replication.history.offset().to_string();
        let mut out = Vec::new();
        write_words(&mut out, [&b"REPLCONF"[..], b"ACK", offset.as_bytes()]);
        self.send(&out).await
    }

    /// Takes in the stream until the link ends.
    async fn take_stream(&mut self) -> Result<(), LinkError> {
        let mut intake = Intake::default();
        let mut ack_at = Instant::now();
        loop {
            intake.feed(&self.buffer[std::mem::take(&mut self.at)..]);
            self.buffer.clear();
            self.apply(&mut intake).await?;
            if Instant::now() >= ack_at {
                self.acknowledge().await?;
                ack_at = Instant::now() + ACK_PERIOD;
            }
            tokio::select! {
                filled = self.fill() => filled?,
                () = tokio::time::sleep_until(ack_at) => {}
            }
        }
    }

    /// Applies all that has come as a whole.
    async fn apply(&mut self, intake: &mut Intake) -> Result<(), LinkError> {
        loop {
            let applied = {
                let mut executor = self.shared.executor.borrow_mut();
                let client = executor.upstream(self.number).ok_or(LinkError::Superseded)?.client;
                if executor.scripts.is_busy() {
                    None
                } else {
                    Some(executor.apply(client, intake).map_err(LinkError::Stream)?)
                }
            };
            match applied {
                // The script has the data to itself until it ends.
                None => tokio::time::sleep(LOOK_AGAIN).await,
                Some(applied) => {
                    if applied.asks_for_ack {
                        self.acknowledge().await?;
                    }
                    if !applied.has_more {
                        return Ok(());
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

const IN_MEMORY: &str = "the data of the full sync (in memory)";
const IN_FILE: &str = "the data of the full sync";
