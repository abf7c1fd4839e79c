//! Sockets that accept connections: TCP on every `bind` address, and a Unix socket.

use std::io;
use std::net::ToSocketAddrs as _;
use std::net::{IpAddr, SocketAddr, TcpListener as Socket};
use std::path::Path;
use std::rc::Rc;
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Type};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::unix_socket::UnixSocket;
use super::wake::Wake;
use crate::config::Config;
use crate::stdx::text::reason;

/// The sockets that accept connections.
#[derive(Debug, Default)]
pub struct Listeners {
    tcp: Vec<TcpListener>,
    unix: Option<UnixSocket>,
    /// Raised when there are other sockets than the accepting task last looked at.
    pub(super) changed: Rc<Wake>,
}

/// A connection that has just come in.
pub(super) enum Incoming {
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
        let tcp = if config.port == 0 { Vec::new() } else { open_for_clients(config)? };
        let unix = (!config.unixsocket.is_empty()).then(|| UnixSocket::open(config)).transpose()?;
        Ok(Listeners { tcp, unix, changed: Rc::default() })
    }

    /// Closes the TCP sockets and opens others, for another port or other addresses; connections stay. After an error
    /// no TCP socket is open.
    pub fn reopen_tcp(&mut self, config: &Config) -> Result<(), ListenError> {
        self.tcp.clear();
        self.changed.raise();
        if config.port != 0 {
            self.tcp = open_for_clients(config)?;
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

    pub(super) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
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

fn open_for_clients(config: &Config) -> Result<Vec<TcpListener>, ListenError> {
    let sockets = open_tcp(&config.bind, config.port, config.tcp_backlog)?;
    let address = |socket: &Socket| socket.local_addr().map(|address| address.to_string()).unwrap_or_default();
    let watched = sockets.into_iter().map(|socket| {
        let address = address(&socket);
        TcpListener::from_std(socket).map_err(|error| ListenError::Tcp { address, error })
    });
    watched.collect()
}

/// Opens a socket on each of these addresses. One with a leading `-` may be unavailable.
pub fn open_tcp(addresses: &[String], port: u16, backlog: u32) -> Result<Vec<Socket>, ListenError> {
    let mut sockets = Vec::new();
    for name in addresses {
        let (name, optional) = match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        match open_address(name, port, backlog) {
            Ok(socket) => sockets.push(socket),
            Err(error) if optional && is_unavailable(&error) => {}
            Err(error) => return Err(ListenError::Tcp { address: format!("{name}:{port}"), error }),
        }
    }
    Ok(sockets)
}

fn is_unavailable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT))
}

fn open_address(name: &str, port: u16, backlog: u32) -> io::Result<Socket> {
    let address: SocketAddr = match name {
        "*" => SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port),
        "::*" => SocketAddr::new(IpAddr::from([0u16; 8]), port),
        name => (name, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?,
    };
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog as i32)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
