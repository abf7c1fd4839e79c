//! A connection to another server, as its client: commands out, lines of replies in.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

/// Small writes are gathered up to this.
const OUTPUT_BYTES: usize = 64 << 10;

/// A reply to RESTORE, SELECT or AUTH is one line, and an error quotes little.
const LINE_BYTES_MAX: usize = 64 << 10;

pub struct Link {
    stream: TcpStream,
    output: Vec<u8>,
    input: Vec<u8>,
    /// The database that is known to be selected over there.
    pub(super) selected_db: Option<i64>,
}

impl Link {
    /// Tries each address of `host`, for `timeout` at most. Finding the addresses may take longer.
    pub fn connect(host: &[u8], port: &[u8], timeout: Duration) -> io::Result<Self> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| io::Error::from(ErrorKind::InvalidInput));
        let port: u16 = text(port)?.parse().map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        let mut result = Err(ErrorKind::AddrNotAvailable.into());
        let deadline = Instant::now() + timeout;
        for address in (text(host)?, port).to_socket_addrs()? {
            result = connect_until(&address, deadline);
            if result.is_ok() {
                break;
            }
        }
        let stream = result?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self { stream, output: Vec::new(), input: Vec::new(), selected_db: None })
    }

    /// Whether the other end is still there and has said nothing that it was not asked.
    pub fn is_usable(&self) -> bool {
        let peeked = self.stream.set_nonblocking(true).and_then(|()| self.stream.peek(&mut [0]));
        let silent = matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock);
        silent && self.input.is_empty() && self.output.is_empty() && self.stream.set_nonblocking(false).is_ok()
    }

    pub fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.stream.set_write_timeout(Some(timeout))
    }

    /// Writes the beginning of a command of so many arguments.
    pub fn begin_command(&mut self, args: usize) -> io::Result<()> {
        self.write(format!("*{args}\r\n").as_bytes())
    }

    pub fn argument(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.begin_argument(bytes.len())?;
        self.write(bytes)?;
        self.end_argument()
    }

    /// Begins an argument whose bytes follow by [`Link::write`].
    pub fn begin_argument(&mut self, bytes: usize) -> io::Result<()> {
        self.write(format!("${bytes}\r\n").as_bytes())
    }

    pub fn end_argument(&mut self) -> io::Result<()> {
        self.write(b"\r\n")
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.output.len() + bytes.len() > OUTPUT_BYTES {
            self.flush()?;
        }
        if bytes.len() >= OUTPUT_BYTES {
            return self.stream.write_all(bytes);
        }
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// Reads one line of at most so much patience, without its end.
    pub fn read_line(&mut self, timeout: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + timeout;
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.input[searched..]) {
                let mut line: Vec<u8> = self.input.drain(..=searched + at).collect();
                line.truncate(line.trim_ascii_end().len());
                return Ok(line);
            }
            searched = self.input.len();
            if searched >= LINE_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => self.input.extend_from_slice(&chunk[..bytes]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn connect_until(address: &SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    TcpStream::connect_timeout(address, left)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn pair() -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port().to_string();
        let link = Link::connect(b"localhost", port.as_bytes(), PATIENCE).expect("it listens");
        (link, listener.accept().expect("it connects").0)
    }

    #[test]
    fn lines_are_read_one_by_one_however_they_come() {
        let (mut link, mut other) = pair();
        for piece in ["+OK\r\n-ERR no", " such thing\r", "\n+O", "K\r\n"] {
            other.write_all(piece.as_bytes()).expect("it is read");
        }
        for line in ["+OK", "-ERR no such thing", "+OK"] {
            assert_eq!(link.read_line(PATIENCE).expect("a line"), line.as_bytes());
        }
        drop(other);
        assert_eq!(link.read_line(PATIENCE).expect_err("the end").kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let (mut link, mut other) = pair();
        let writer = std::thread::spawn(move || other.write_all(&vec![b'x'; LINE_BYTES_MAX * 2]));
        assert_eq!(link.read_line(PATIENCE).expect_err("too long").kind(), ErrorKind::InvalidData);
        drop(link);
        drop(writer.join());
    }

    #[test]
    fn a_link_is_of_no_use_once_the_other_end_is_gone() {
        let (mut link, other) = pair();
        assert!(link.is_usable());
        drop(other);
        assert_eq!(link.read_line(PATIENCE).expect_err("the end").kind(), ErrorKind::UnexpectedEof);
        assert!(!link.is_usable());
    }

    #[test]
    fn hosts_and_ports_that_are_none_are_refused() {
        for (host, port) in [("127.0.0.1", "0x10"), ("127.0.0.1", "65536"), ("127.0.0.1", ""), ("\u{0}", "1")] {
            assert!(Link::connect(host.as_bytes(), port.as_bytes(), PATIENCE).is_err(), "{host:?} {port:?}");
        }
    }
}
