//! The Unix socket that accepts connections, and its file: no other server's and no other file's name is taken.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::listener::ListenError;
use crate::config::Config;

/// Dropped, it closes the socket and removes its file.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    /// Removed when dropped.
    _file: SocketFile,
}

impl UnixSocket {
    pub fn open(config: &Config) -> Result<Self, ListenError> {
        let path = &config.unixsocket;
        open(Path::new(path), config).map_err(|error| ListenError::Unix { path: path.clone(), error })
    }

    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

fn open(path: &Path, config: &Config) -> io::Result<UnixSocket> {
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    // Before it listens, so that nobody connects in between whom the mode would keep out.
    if config.unixsocketperm != 0 {
        fs::set_permissions(path, Permissions::from_mode(config.unixsocketperm))?;
    }
    socket.listen(config.tcp_backlog as i32)?;
    socket.set_nonblocking(true)?;
    Ok(UnixSocket { listener: UnixListener::from_std(socket.into())?, _file: file })
}

/// Removes the file of a socket on which nobody listens any more. Whatever else has the name keeps it.
fn make_way(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket has this name"));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None)?;
    // A server whose backlog is full would keep us waiting.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Nobody can say then whether somebody listens.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        _ => return Err(io::Error::from_raw_os_error(libc::EADDRINUSE)),
    }
    let now = fs::symlink_metadata(path)?;
    if (now.dev(), now.ino()) == (found.dev(), found.ino()) { fs::remove_file(path) } else { make_way(path) }
}

/// The file of a socket of ours.
#[derive(Debug)]
struct SocketFile {
    /// Absolute: the server may move to another directory.
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let facts = fs::symlink_metadata(path)?;
        Ok(Self { path: std::path::absolute(path)?, identity: (facts.dev(), facts.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another server may have put its own in this place.
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.file_type().is_socket() && (found.dev(), found.ino()) == self.identity);
        if is_ours {
            tracing::info!("Removing the unix socket file.");
            if let Err(error) = fs::remove_file(&self.path) {
                tracing::debug!("Cannot remove {}: {error}", self.path.display());
            }
        }
    }
}
