//! A small blocking client for RESP2 and RESP3: raw bytes in and out, a time limit on every read.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::transcript::{self, render};

/// How long a read may take before the test fails; generous, because CI machines are small and shared.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// One reply, as it was sent: the two nulls of RESP2 and the null of RESP3 stay apart.
#[derive(Clone, PartialEq)]
pub enum Value {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    NullBulk,
    NullArray,
    Null,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Double(String),
    Boolean(bool),
    BigNumber(String),
    Verbatim(Vec<u8>),
}

pub fn ok() -> Value {
    simple("OK")
}

pub fn simple(text: &str) -> Value {
    Value::Simple(text.to_owned())
}

pub fn err(text: &str) -> Value {
    Value::Error(text.to_owned())
}

pub fn int(number: i64) -> Value {
    Value::Integer(number)
}

pub fn bulk(bytes: impl AsRef<[u8]>) -> Value {
    Value::Bulk(bytes.as_ref().to_vec())
}

pub fn nil() -> Value {
    Value::NullBulk
}

impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&render(self))
    }
}

impl Value {
    /// The text of a simple, bulk or verbatim reply.
    #[track_caller]
    pub fn text(&self) -> String {
        match self {
            Value::Simple(text) | Value::Error(text) | Value::Double(text) | Value::BigNumber(text) => text.clone(),
            Value::Bulk(bytes) | Value::Verbatim(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("not a text: {other:?}"),
        }
    }

    #[track_caller]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Value::Bulk(bytes) | Value::Verbatim(bytes) => bytes.clone(),
            other => panic!("not a bulk string: {other:?}"),
        }
    }

    #[track_caller]
    pub fn integer(&self) -> i64 {
        match self {
            Value::Integer(number) => *number,
            other => panic!("not an integer: {other:?}"),
        }
    }

    #[track_caller]
    pub fn items(&self) -> &[Value] {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => items,
            other => panic!("not an array: {other:?}"),
        }
    }

    /// The texts of an array's items.
    #[track_caller]
    pub fn texts(&self) -> Vec<String> {
        self.items().iter().map(Value::text).collect()
    }

    /// The value of `key` in a map, or in RESP2's flat list of pairs.
    #[track_caller]
    pub fn field(&self, key: &str) -> &Value {
        let found = match self {
            Value::Map(pairs) => pairs.iter().find(|(name, _)| name.text() == key).map(|(_, value)| value),
            Value::Array(items) => items.chunks_exact(2).find(|pair| pair[0].text() == key).map(|pair| &pair[1]),
            other => panic!("not a map: {other:?}"),
        };
        found.unwrap_or_else(|| panic!("no field {key} in {self:?}"))
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::NullBulk | Value::NullArray | Value::Null)
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One connection. Every failure of the connection itself is an `io::Error` in the `try_` forms and ends the test in
/// the others.
pub struct Client {
    stream: Stream,
    buffer: Vec<u8>,
    consumed: usize,
}

impl Client {
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        Self::over(Stream::Tcp(stream))
    }

    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    #[track_caller]
    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|error| panic!("cannot connect to {path:?}: {error}"));
        Self::over(Stream::Unix(stream)).expect("a unix socket takes a time limit")
    }

    fn over(stream: Stream) -> io::Result<Self> {
        let client = Self { stream, buffer: Vec::new(), consumed: 0 };
        client.set_read_limit(READ_LIMIT)?;
        Ok(client)
    }

    pub fn set_read_limit(&self, limit: Duration) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => {
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(READ_LIMIT))
            }
            Stream::Unix(stream) => {
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(READ_LIMIT))
            }
        }
    }

    /// Sends one command and reads its reply.
    #[track_caller]
    pub fn cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        self.try_cmd(args).unwrap_or_else(|error| {
            let shown: Vec<_> = args.iter().map(|arg| String::from_utf8_lossy(arg.as_ref())).collect();
            panic!("no reply to {}: {error}", shown.join(" "))
        })
    }

    pub fn try_cmd<A: AsRef<[u8]>>(&mut self, args: &[A]) -> io::Result<Value> {
        self.try_send(&encode_command(args))?;
        self.try_read()
    }

    /// Sends one command written as a line; words may be quoted as in redis-cli.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Value {
        self.cmd(&transcript::words(line))
    }

    /// Runs a dialogue: see [`transcript`].
    #[track_caller]
    pub fn transcript(&mut self, text: &str) {
        transcript::run(self, text);
    }

    /// Sends all commands before it reads the first reply.
    #[track_caller]
    pub fn pipeline(&mut self, lines: &[&str]) -> Vec<Value> {
        let bytes: Vec<u8> = lines.iter().flat_map(|line| encode_command(&transcript::words(line))).collect();
        self.send(&bytes);
        lines.iter().map(|_| self.read()).collect()
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes),
            Stream::Unix(stream) => stream.write_all(bytes),
        }
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server takes our bytes");
    }

    /// Sends what may be too much to be taken before the replies are read: a thread of its own writes.
    #[track_caller]
    pub fn send_in_background(&self, bytes: Vec<u8>) -> std::thread::JoinHandle<io::Result<()>> {
        let Stream::Tcp(stream) = &self.stream else { panic!("only over TCP") };
        let mut stream = stream.try_clone().expect("a socket can be shared");
        std::thread::spawn(move || stream.write_all(&bytes))
    }

    #[track_caller]
    pub fn read(&mut self) -> Value {
        self.try_read().expect("a reply")
    }

    pub fn try_read(&mut self) -> io::Result<Value> {
        let value = self.read_value()?;
        if self.consumed == self.buffer.len() {
            self.buffer.clear();
            self.consumed = 0;
        }
        Ok(value)
    }

    /// Everything the server sends until it closes the connection.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
                    break;
                }
                Err(error) => panic!("the server did not close the connection: {error}"),
            }
        }
        self.buffer.split_off(self.consumed)
    }

    /// Whether the server has closed the connection, or does so within `limit`.
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.set_read_limit(left).expect("a socket takes a time limit");
            match self.fill() {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    break;
                }
                Err(_) => return true,
            }
        }
        self.set_read_limit(READ_LIMIT).expect("a socket takes a time limit");
        false
    }

    pub fn close_write_half(&self) {
        let closed = match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        closed.expect("the write half can be closed");
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0u8; 64 * 1024];
        let count = match &mut self.stream {
            Stream::Tcp(stream) => stream.read(&mut chunk)?,
            Stream::Unix(stream) => stream.read(&mut chunk)?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(())
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut searched = self.consumed;
        loop {
            if let Some(at) = self.buffer[searched..].windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[self.consumed..searched + at]).into_owned();
                self.consumed = searched + at + 2;
                return Ok(line);
            }
            searched = self.buffer.len().saturating_sub(1).max(self.consumed);
            self.fill()?;
        }
    }

    fn read_exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() - self.consumed < count + 2 {
            self.fill()?;
        }
        let bytes = self.buffer[self.consumed..self.consumed + count].to_vec();
        let end = self.consumed + count;
        assert_eq!(&self.buffer[end..end + 2], b"\r\n", "a bulk reply ends in CRLF");
        self.consumed = end + 2;
        Ok(bytes)
    }

    fn read_value(&mut self) -> io::Result<Value> {
        let line = self.read_line()?;
        let Some(kind) = line.chars().next() else { return Err(malformed(&line)) };
        let rest = &line[kind.len_utf8()..];
        let count = || rest.parse::<i64>().map_err(|_| malformed(&line));
        Ok(match kind {
            '+' => Value::Simple(rest.to_owned()),
            '-' => Value::Error(rest.to_owned()),
            ':' => Value::Integer(count()?),
            ',' => Value::Double(rest.to_owned()),
            '(' => Value::BigNumber(rest.to_owned()),
            '#' => Value::Boolean(rest == "t"),
            '_' => Value::Null,
            '$' if rest == "-1" => Value::NullBulk,
            '*' if rest == "-1" => Value::NullArray,
            '$' => Value::Bulk(self.read_exact(usize::try_from(count()?).map_err(|_| malformed(&line))?)?),
            '=' => Value::Verbatim(self.read_exact(usize::try_from(count()?).map_err(|_| malformed(&line))?)?),
            '*' => Value::Array(self.read_values(count()?)?),
            '~' => Value::Set(self.read_values(count()?)?),
            '>' => Value::Push(self.read_values(count()?)?),
            '%' => {
                let flat = self.read_values(count()? * 2)?;
                Value::Map(flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
            }
            _ => return Err(malformed(&line)),
        })
    }

    fn read_values(&mut self, count: i64) -> io::Result<Vec<Value>> {
        (0..count).map(|_| self.read_value()).collect()
    }
}

fn malformed(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a RESP reply: {line:?}"))
}

/// A command as an array of bulk strings.
pub fn encode_command<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.as_ref().len()).as_bytes());
        bytes.extend_from_slice(arg.as_ref());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
