//! The task that keeps the connection to a primary.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

use super::following::{EndOfLink, LinkTask};
use crate::config::{DisklessLoad, PrimaryAddress};
use crate::replication::{Link, LinkError};
use crate::server::net::Shared;
use crate::server::persistence::loading;
use crate::snapshot::{DumpFile, LoadError, Loaded};

/// How long a link that was lost rests before it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often the end of a script, or of the load at the start, is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

const READ_BYTES: usize = 256 * 1024;

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("Error condition on socket for SYNC: {0}")]
    Connect(io::Error),
    #[error("Connection with master lost: {0}")]
    Lost(io::Error),
    #[error(transparent)]
    Ended(#[from] EndOfLink),
    #[error("Cannot keep what the master sends: {0}")]
    Store(io::Error),
    #[error("the data from the master are not taken over: {0}")]
    Load(LoadError),
}

impl From<tokio::time::error::Elapsed> for ConnectionError {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Ended(LinkError::Timeout.into())
    }
}

/// Keeps the link to the primary that the server has, if it has one, until the server ends.
pub async fn follow_primary(shared: Rc<Shared>) {
    let changed = Rc::clone(&shared.executor.borrow().replication.upstream_wake);
    loop {
        let target = shared.executor.borrow().primary_to_follow();
        let Some((number, address)) = target else {
            changed.raised().await;
            continue;
        };
        if shared.executor.borrow().snapshots.is_loading() {
            sleep(LOOK_AGAIN).await;
            continue;
        }
        let begun = Instant::now();
        tokio::select! {
            end = serve(&shared, number, &address) => {
                if let Err(error) = end {
                    tracing::warn!("{error}");
                }
                let mut executor = shared.executor.borrow_mut();
                let was_up = executor.is_in_sync_with_primary();
                executor.note_no_link(number, false);
                if was_up && begun.elapsed() >= RETRY_AFTER {
                    // What is missing of the stream may not be kept for long.
                    tracing::info!("Reconnecting to MASTER {address}");
                    continue;
                }
            }
            () = changed.raised() => continue,
        }
        tokio::select! {
            () = sleep(RETRY_AFTER) => {}
            () = changed.raised() => {}
        }
    }
}

async fn serve(shared: &Shared, number: u64, address: &PrimaryAddress) -> Result<(), ConnectionError> {
    let (patience, source) = {
        let mut executor = shared.executor.borrow_mut();
        executor.note_no_link(number, true);
        (executor.patience_with_primary(), executor.config.bind_source_addr.clone())
    };
    tracing::info!("Connecting to MASTER {address}");
    let stream = timeout(patience, connect(address, &source)).await?.map_err(ConnectionError::Connect)?;
    // Acknowledgements are short, and waited for.
    let _ = stream.set_nodelay(true);
    let remote = stream.peer_addr().map_err(ConnectionError::Connect)?.to_string();
    tracing::info!("MASTER <-> REPLICA sync started");
    let link = {
        let mut executor = shared.executor.borrow_mut();
        executor.note_remote(number, remote);
        executor.begin_link(number)
    };
    Connection { shared, number, stream, patience, link, store: None }.run().await
}

/// Connects from an address of the host called `source`, or from any if that is empty or cannot be used.
async fn connect(address: &PrimaryAddress, source: &str) -> io::Result<TcpStream> {
    let target = (address.host.as_str(), address.port);
    if source.is_empty() {
        return TcpStream::connect(target).await;
    }
    let sources: Vec<SocketAddr> = lookup_host((source, 0)).await.map(Iterator::collect).unwrap_or_default();
    let mut result = Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    for target in lookup_host(target).await? {
        let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let mut alike = sources.iter().filter(|source| source.is_ipv4() == target.is_ipv4());
        if !alike.any(|source| socket.bind(*source).is_ok()) {
            tracing::warn!("bind-source-addr: no connection can come from '{source}', the system chooses the address");
        }
        result = socket.connect(target).await;
        if result.is_ok() {
            break;
        }
    }
    result
}

struct Connection<'s> {
    shared: &'s Shared,
    number: u64,
    stream: TcpStream,
    /// So long the primary may take nothing.
    patience: Duration,
    link: Link,
    /// Where the data of a full sync are kept until they are whole.
    store: Option<Store>,
}

/// A file that has no name and goes with its descriptor.
struct Store {
    file: File,
    name: &'static str,
}

impl Connection<'_> {
    /// Does what the link asks for, until it ends.
    async fn run(&mut self) -> Result<(), ConnectionError> {
        loop {
            let task = self.shared.executor.borrow_mut().step_link(self.number, &mut self.link)?;
            match task {
                LinkTask::Wait => self.wait().await?,
                LinkTask::Send(bytes) => self.send(&bytes).await?,
                LinkTask::Open { total } => self.store = Some(self.open_store(total).map_err(ConnectionError::Store)?),
                LinkTask::Store => {
                    let store = self.store.as_mut().expect("it was opened when the data began");
                    store.file.write_all(self.link.data()).map_err(ConnectionError::Store)?;
                }
                LinkTask::Load { start, len } => {
                    let loaded = self.load(len).await?;
                    let mut executor = self.shared.executor.borrow_mut();
                    executor.take_full_sync(self.number, start, loaded);
                    self.link.begin_stream(executor.clock.advance());
                }
                LinkTask::Yield => tokio::task::yield_now().await,
                LinkTask::Rest => {
                    sleep(LOOK_AGAIN).await;
                    // Nobody has listened to the primary meanwhile.
                    self.link.note_life(self.shared.executor.borrow_mut().clock.advance());
                }
            }
        }
    }

    /// Waits until something comes, or something is due. An end of the connection is an error.
    async fn wait(&mut self) -> Result<(), ConnectionError> {
        let time_to_due = self.link.time_to_due(self.shared.executor.borrow().clock.latest());
        let buffer = self.link.buffer();
        buffer.reserve(READ_BYTES);
        let read = tokio::select! {
            biased;
            read = self.stream.read_buf(buffer) => read.map_err(ConnectionError::Lost)?,
            () = sleep(time_to_due) => return Ok(()),
        };
        if read == 0 {
            return Err(ConnectionError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        self.shared.executor.borrow_mut().note_heard(self.number, &mut self.link, read);
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        timeout(self.patience, self.stream.write_all(bytes)).await?.map_err(ConnectionError::Lost)?;
        self.shared.executor.borrow_mut().stats.counters.total_net_repl_output_bytes += bytes.len() as u64;
        Ok(())
    }

    fn open_store(&self, total: Option<u64>) -> io::Result<Store> {
        let store = self.new_store()?;
        let to = if store.name == IN_MEMORY { "memory" } else { "disk" };
        match total {
            Some(total) => tracing::info!("MASTER <-> REPLICA sync: receiving {total} bytes from master to {to}"),
            None => tracing::info!("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to {to}"),
        }
        Ok(store)
    }

    fn new_store(&self) -> io::Result<Store> {
        let in_memory = || {
            let file = nix::sys::memfd::memfd_create(c"copal-sync", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
            Ok(Store { file: File::from(file), name: IN_MEMORY })
        };
        if self.shared.executor.borrow().config.repl_diskless_load != DisklessLoad::Disabled {
            return in_memory();
        }
        match tempfile::tempfile_in(".") {
            Ok(file) => Ok(Store { file, name: IN_FILE }),
            Err(error) => {
                tracing::warn!("Cannot create a file for the data of a full sync, keeping them in memory: {error}");
                in_memory()
            }
        }
    }

    /// Loads the data into databases of their own while clients are answered from the old ones, and the primary hears
    /// that this replica is alive.
    async fn load(&mut self, len: u64) -> Result<Loaded, ConnectionError> {
        let Store { file, name } = self.store.take().expect("it was opened when the data began");
        file.set_len(len).map_err(ConnectionError::Store)?;
        let file = DumpFile::map(&file, Path::new(name)).map_err(ConnectionError::Load)?;
        let path = file.path().to_path_buf();
        let load = loading::load_for_replica(self.shared, &file);
        tokio::pin!(load);
        loop {
            let time_to_due = self.link.time_to_due(self.shared.executor.borrow_mut().clock.advance());
            tokio::select! {
                loaded = &mut load => {
                    return loaded.map_err(|fault| ConnectionError::Load(LoadError { path, fault }));
                }
                () = sleep(time_to_due) => {
                    let now = self.shared.executor.borrow_mut().clock.advance();
                    // It is no loss if the primary takes nothing now.
                    let _ = self.stream.try_write(self.link.sign_of_life(now));
                }
            }
        }
    }
}

const IN_MEMORY: &str = "the data of the full sync (in memory)";
const IN_FILE: &str = "the data of the full sync";
