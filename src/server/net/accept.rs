//! Connections are accepted, or refused with the reason.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};

use super::connection::{Shared, Stream, serve};
use super::listener::Incoming;
use crate::commands::Peer;

/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

const PROTECTED_MODE: &[u8] = b"-DENIED Copal is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. If you \
want to connect from external computers, set a password with requirepass, or turn protected mode off with CONFIG SET \
protected-mode no from the loopback interface, or start the server with --protected-mode no.\r\n";

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
