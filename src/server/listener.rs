//! Sockets that accept connections: TCP on every `bind` address, and a Unix socket.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::{JoinHandle, spawn_local};

use super::connection::{Shared, Stream, serve};
use crate::commands::Peer;
use crate::config::Config;

/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED_MODE: &[u8] = b"-DENIED Copal is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. If you \
want to connect from external computers, set a password with requirepass, or turn protected mode off with CONFIG SET \
protected-mode no from the loopback interface, or start the server with --protected-mode no.\r\n";

/// The sockets that are open, ready to be served.
#[derive(Debug)]
pub struct Listeners {
    tcp: Vec<std::net::TcpListener>,
    unix: Option<std::os::unix::net::UnixListener>,
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("Could not create server TCP listening socket {address}: {error}")]
    Tcp { address: String, error: io::Error },
    #[error("Failed opening Unix socket {path}: {error}")]
    Unix { path: String, error: io::Error },
}

impl Listeners {
    /// Opens every socket that the configuration names. An address with a leading `-` may be unavailable.
    pub fn open(config: &Config) -> Result<Listeners, ListenError> {
        let tcp = if config.port == 0 { Vec::new() } else { open_tcp(config)? };
        let unix = (!config.unixsocket.is_empty()).then(|| open_unix(config)).transpose()?;
        Ok(Listeners { tcp, unix })
    }

    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_none()
    }

    /// Opens the TCP sockets anew, for another port or other addresses.
    pub fn open_tcp_only(config: &Config) -> Result<Listeners, ListenError> {
        let tcp = if config.port == 0 { Vec::new() } else { open_tcp(config)? };
        Ok(Listeners { tcp, unix: None })
    }

    /// Starts a task per socket; dropping the result closes them.
    pub fn serve(self, shared: &Rc<Shared>) -> io::Result<Serving> {
        let mut tasks = Vec::new();
        for listener in self.tcp {
            let listener = TcpListener::from_std(listener)?;
            tasks.push(spawn_local(accept_tcp(Rc::clone(shared), listener)));
        }
        if let Some(listener) = self.unix {
            let listener = UnixListener::from_std(listener)?;
            tasks.push(spawn_local(accept_unix(Rc::clone(shared), listener)));
        }
        Ok(Serving { tasks })
    }
}

/// Sockets that are being served; dropping this closes them, and leaves the connections.
#[derive(Debug, Default)]
pub struct Serving {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn open_tcp(config: &Config) -> Result<Vec<std::net::TcpListener>, ListenError> {
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

fn open_address(name: &str, config: &Config) -> io::Result<std::net::TcpListener> {
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
    Ok(socket.into())
}

fn open_unix(config: &Config) -> Result<std::os::unix::net::UnixListener, ListenError> {
    let path = Path::new(&config.unixsocket);
    let open = || -> io::Result<_> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        if config.unixsocketperm != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(config.unixsocketperm))?;
        }
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    open().map_err(|error| ListenError::Unix { path: config.unixsocket.clone(), error })
}

async fn accept_tcp(shared: Rc<Shared>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => welcome_tcp(&shared, stream, remote),
            Err(error) => rest_after(error).await,
        }
    }
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
    spawn_local(serve(Rc::clone(shared), Stream::Tcp(stream), peer));
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

async fn accept_unix(shared: Rc<Shared>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let path = shared.executor.borrow().config.unixsocket.as_str().into();
                let peer = Peer::Unix { path };
                match refusal(&shared, &peer) {
                    Some(refusal) => drop(stream.try_write(refusal)),
                    None => drop(spawn_local(serve(Rc::clone(&shared), Stream::Unix(stream), peer))),
                }
            }
            Err(error) => rest_after(error).await,
        }
    }
}

/// The line with which a connection is turned away, if it is.
fn refusal(shared: &Shared, peer: &Peer) -> Option<&'static [u8]> {
    let mut executor = shared.executor.borrow_mut();
    let config = &executor.config;
    let refusal = if executor.clients.len() >= config.maxclients as usize {
        Some(TOO_MANY_CLIENTS)
    } else if config.protected_mode && config.requirepass.is_empty() && !peer.is_local() {
        Some(PROTECTED_MODE)
    } else {
        None
    };
    executor.counters.rejected_connections += u64::from(refusal.is_some());
    refusal
}

async fn rest_after(error: io::Error) {
    tracing::warn!("Accepting client connection: {error}");
    tokio::time::sleep(ACCEPT_REST).await;
}
