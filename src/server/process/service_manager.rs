//! Telling systemd what the server does (<https://www.freedesktop.org/software/systemd/man/sd_notify.html>).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket named by `NOTIFY_SOCKET`.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// `None` where nobody wants to be notified.
    pub fn from_environment() -> io::Result<Option<Self>> {
        std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()).map(|name| Self::to(&name)).transpose()
    }

    fn to(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            // A name in the abstract space, which is no file.
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(name),
        };
        Ok(Self { socket: UnixDatagram::unbound()?, address: address? })
    }

    pub fn ready(&self) {
        self.notify("STATUS=Ready to accept connections\nREADY=1\n");
    }

    pub fn status(&self, status: &str) {
        self.notify(&format!("STATUS={status}\n"));
    }

    pub fn stopping(&self) {
        self.notify("STOPPING=1\n");
    }

    fn notify(&self, message: &str) {
        if let Err(error) = self.socket.send_to_addr(message.as_bytes(), &self.address) {
            tracing::warn!("Cannot send '{}' to the supervisor: {error}", message.trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_supervisor_hears_that_the_server_is_ready() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let supervisor = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        notifier.ready();
        let mut message = [0; 100];
        let length = supervisor.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"STATUS=Ready to accept connections\nREADY=1\n");
    }
}
