//! Sockets that accept connections: TCP on every `bind` address, and a Unix socket.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::connection::Shared;
use super::connection::Stream;
use super::connection::serve;
use super::unix_socket::UnixSocket;
use super::wake::Wake;
use crate::commands::Peer;
use crate::config::Config;
use crate::stdx::text::reason;

/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED_MODE: &[u8] = b"-DENIED Copal is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. If you \
want to connect from external computers, set a password with requirepass, or turn protected mode off with CONFIG SET \
protected-mode no from the loopback interface, or start the server with --protected-mode no.\r\n";

/// The sockets that accept connections.
#[derive(Debug, Default)]
pub struct Listeners {
    tcp: Vec<TcpListener>,
    unix: Option<UnixSocket>,
    /// Raised when other sockets stand here than the accepting task last looked at.
    pub changed: Rc<Wake>,
}

/// A connection that has just come in.
enum Incoming {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("Could not create server TCP listening socket {address}: {}", reason(error))]
    Tcp { address: String, error: io::Error },
    #[error("Failed opening Unix socket {path}: {}", reason(error))]
    Unix { path: String, error: io::Error },
}

impl Listeners {
    /// Opens every socket that the configuration names. An address with a leading `-` may be unavailable.
    pub fn open(config: &Config) -> Result<Listeners, ListenError> {
        let tcp = if config.port == 0 { Vec::new() } else { open_tcp(config)? };
        let unix = (!config.unixsocket.is_empty()).then(|| UnixSocket::open(config)).transpose()?;
        Ok(Listeners { tcp, unix, changed: Rc::default() })
    }

    /// Closes the TCP sockets and opens others, for another port or other addresses; connections stay. After an error
    /// no TCP socket is open.
    pub fn reopen_tcp(&mut self, config: &Config) -> Result<(), ListenError> {
        self.tcp.clear();
        self.changed.raise();
        if config.port != 0 {
            self.tcp = open_tcp(config)?;
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_none()
    }

    pub fn has_tcp(&self) -> bool {
        !self.tcp.is_empty()
    }

    pub fn has_unix(&self) -> bool {
        self.unix.is_some()
    }

    /// One line for each socket, as INFO shows them: `name=tcp,bind=127.0.0.1,port=6379`.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.tcp.is_empty() {
            let addresses: Vec<SocketAddr> = self.tcp.iter().filter_map(|socket| socket.local_addr().ok()).collect();
            let binds: String = addresses.iter().map(|address| format!("bind={},", address.ip())).collect();
            lines.push(format!("name=tcp,{binds}port={}", addresses.first().map_or(0, SocketAddr::port)));
        }
        if let Some(path) = self.unix.as_ref().and_then(|socket| socket.listener().local_addr().ok()) {
            lines.push(format!("name=unix,bind={}", path.as_pathname().unwrap_or(Path::new("")).display()));
        }
        lines
    }

    /// Removes what only a living server needs: the file of the Unix socket.
    pub fn close(&mut self) {
        self.tcp.clear();
        self.unix = None;
        self.changed.raise();
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        for socket in &self.tcp {
            if let Poll::Ready(accepted) = socket.poll_accept(context) {
                return Poll::Ready(accepted.map(|(stream, remote)| Incoming::Tcp(stream, remote)));
            }
        }
        if let Some(socket) = &self.unix
            && let Poll::Ready(accepted) = socket.listener().poll_accept(context)
        {
            return Poll::Ready(accepted.map(|(stream, _)| Incoming::Unix(stream)));
        }
        Poll::Pending
    }
}

/// Accepts connections on whatever sockets the executor holds, until the server ends.
pub async fn accept(shared: Rc<Shared>) {
    let changed = Rc::clone(&shared.executor.borrow().process.listeners.changed);
    loop {
        let accepted = std::future::poll_fn(|context| {
            // A change brings sockets of which this task's waker knows nothing yet.
            while changed.poll(context) {}
            shared.executor.borrow().process.listeners.poll_accept(context)
        });
        match accepted.await {
            Ok(Incoming::Tcp(stream, remote)) => welcome_tcp(&shared, stream, remote),
            Ok(Incoming::Unix(stream)) => welcome_unix(&shared, stream),
            Err(error) => rest_after(error).await,
        }
    }
}

fn open_tcp(config: &Config) -> Result<Vec<TcpListener>, ListenError> {
    let mut sockets = Vec::new();
    for name in &config.bind {
        let (name, optional) = match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        match open_address(name, config) {
            Ok(socket) => sockets.push(socket),
            Err(error) if optional && is_unavailable(&error) => {}
            Err(error) => return Err(ListenError::Tcp { address: format!("{name}:{}", config.port), error }),
        }
    }
    Ok(sockets)
}

fn is_unavailable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT))
}

fn open_address(name: &str, config: &Config) -> io::Result<TcpListener> {
    let address: SocketAddr = match name {
        "*" => SocketAddr::new(IpAddr::from([0, 0, 0, 0]), config.port),
        "::*" => SocketAddr::new(IpAddr::from([0u16; 8]), config.port),
        name => (name, config.port).to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?,
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(config.tcp_backlog as i32)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

fn welcome_tcp(shared: &Rc<Shared>, stream: TcpStream, remote: SocketAddr) {
    let local = stream.local_addr().unwrap_or(remote);
    let peer = Peer::Tcp { remote, local };
    if let Some(refusal) = refusal(shared, &peer) {
        // The socket's buffer is empty: either the line fits at once or the peer is gone.
        let _ = stream.try_write(refusal);
        return;
    }
    let keepalive = shared.executor.borrow().config.tcp_keepalive_seconds;
    if let Err(error) = prepare_tcp(&stream, keepalive) {
        tracing::debug!("Cannot set options of the connection from {remote}: {error}");
    }
    serve(shared, Stream::Tcp(stream), peer);
}

fn prepare_tcp(stream: &TcpStream, keepalive_seconds: u32) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if keepalive_seconds > 0 {
        let idle = Duration::from_secs(keepalive_seconds.into());
        let interval = Duration::from_secs(u64::from(keepalive_seconds / 3).max(1));
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}

fn welcome_unix(shared: &Rc<Shared>, stream: UnixStream) {
    let path = shared.executor.borrow().config.unixsocket.as_str().into();
    let peer = Peer::Unix { path };
    match refusal(shared, &peer) {
        Some(refusal) => drop(stream.try_write(refusal)),
        None => serve(shared, Stream::Unix(stream), peer),
    }
}

/// The line with which a connection is turned away, if it is.
fn refusal(shared: &Shared, peer: &Peer) -> Option<&'static [u8]> {
    let mut executor = shared.executor.borrow_mut();
    let config = &executor.config;
    let refusal = if executor.clients.len() >= config.maxclients as usize {
        Some(TOO_MANY_CLIENTS)
    } else if config.protected_mode && executor.users.default_user().is_nopass() && !peer.is_local() {
        Some(PROTECTED_MODE)
    } else {
        None
    };
    executor.stats.counters.rejected_connections += u64::from(refusal.is_some());
    refusal
}

async fn rest_after(error: io::Error) {
    tracing::warn!("Accepting client connection: {error}");
    // A client that has gone must not keep others waiting; only a shortage passes by itself.
    let is_of_the_client = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    );
    if !is_of_the_client {
        tokio::time::sleep(ACCEPT_REST).await;
    }
}
