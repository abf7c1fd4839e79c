//! Replication: a primary with replicas of sockets and of stock servers, on the wire.

mod failover;
mod following;
mod full_sync;
mod partial;
#[cfg(feature = "peers")]
mod peers;
mod stream;
mod waiting;

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Server, Value, encode_command, wait_until};

/// A primary that begins full syncs at once.
#[track_caller]
fn primary(config: &str) -> Server {
    Server::with_config(&format!("repl-diskless-sync-delay 0\n{config}"))
}

/// An answer as text, whether or not it is a number.
#[track_caller]
fn run(server: &Server, line: &str) -> String {
    match server.client().run(line) {
        Value::Integer(number) => number.to_string(),
        value if value.is_null() => String::new(),
        value => value.text(),
    }
}

/// How many bytes of the stream there are.
#[track_caller]
fn offset(server: &Server) -> u64 {
    server.info_number("replication", "master_repl_offset")
}

/// Waits until the primary has so many replicas that take the stream.
#[track_caller]
fn wait_for_replicas(server: &Server, count: usize) {
    wait_until("the replicas are online", 30, || {
        server.info("replication").values().filter(|value| value.contains("state=online")).count() == count
    });
}

/// A replica of sockets: it sends what a test wants, and returns what comes.
struct FakeReplica {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the stream is, once it has begun.
    offset: u64,
}

impl FakeReplica {
    #[track_caller]
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time limit");
        Self { stream, buffer: Vec::new(), offset: 0 }
    }

    /// A connection that has said what stock servers say.
    #[track_caller]
    fn greeted(server: &Server) -> Self {
        let mut replica = Self::connect(server);
        assert_eq!(replica.ask("PING"), "+PONG");
        assert_eq!(replica.ask("REPLCONF listening-port 7001"), "+OK");
        assert_eq!(replica.ask("REPLCONF capa eof capa psync2"), "+OK");
        replica
    }

    /// A replica that has come through a full sync.
    #[track_caller]
    fn synced(server: &Server) -> Self {
        let mut replica = Self::greeted(server);
        replica.full_sync();
        replica.acknowledge();
        wait_until("the replica is online", 30, || {
            server.info("replication").values().any(|value| value.contains("port=7001,state=online"))
        });
        replica
    }

    /// Asks for everything. Returns the history and the data.
    #[track_caller]
    fn full_sync(&mut self) -> (String, Vec<u8>) {
        self.send("PSYNC ? -1");
        self.take_full_sync()
    }

    #[track_caller]
    fn take_full_sync(&mut self) -> (String, Vec<u8>) {
        let line = self.line();
        let words: Vec<&str> = line.split(' ').collect();
        assert!(matches!(words[..], ["+FULLRESYNC", id, _] if id.len() == 40), "{line}");
        self.offset = words[2].parse().expect("an offset");
        (words[1].to_owned(), self.payload())
    }

    #[track_caller]
    fn send(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        self.stream.write_all(&encode_command(&words)).expect("the server takes it");
    }

    #[track_caller]
    fn ask(&mut self, line: &str) -> String {
        self.send(line);
        self.line()
    }

    #[track_caller]
    fn acknowledge(&mut self) {
        self.send(&format!("REPLCONF ACK {}", self.offset));
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; 64 * 1024];
        let read = self.stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(())
    }

    fn try_take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < len {
            self.fill()?;
        }
        Ok(self.buffer.drain(..len).collect())
    }

    #[track_caller]
    fn take(&mut self, len: usize) -> Vec<u8> {
        self.try_take(len).expect("more from the server")
    }

    /// The next line that is not empty.
    #[track_caller]
    fn line(&mut self) -> String {
        loop {
            let end = loop {
                match self.buffer.iter().position(|&byte| byte == b'\n') {
                    Some(end) => break end,
                    None => self.fill().expect("a line from the server"),
                }
            };
            let line = self.take(end + 1);
            let text = String::from_utf8(line).expect("text").trim_end().to_owned();
            if !text.is_empty() {
                return text;
            }
        }
    }

    /// The data of a full sync.
    #[track_caller]
    fn payload(&mut self) -> Vec<u8> {
        let line = self.line();
        let Some(mark) = line.strip_prefix("$EOF:") else {
            let len = line.strip_prefix('$').and_then(|len| len.parse().ok()).unwrap_or_else(|| panic!("{line}"));
            return self.take(len);
        };
        let mark = mark.as_bytes();
        let mut searched = 0;
        loop {
            let rest = &self.buffer[searched..];
            if let Some(at) = rest.windows(mark.len()).position(|part| part == mark) {
                let data = self.take(searched + at);
                self.take(mark.len());
                return data;
            }
            searched = self.buffer.len().saturating_sub(mark.len());
            self.fill().expect("data from the server");
        }
    }

    /// The next command of the stream.
    #[track_caller]
    fn command(&mut self) -> String {
        let header = self.counted_line();
        let count: usize = header.strip_prefix('*').unwrap_or_else(|| panic!("{header}")).parse().expect("a count");
        let words: Vec<String> = (0..count)
            .map(|_| {
                let header = self.counted_line();
                let len: usize = header.strip_prefix('$').expect("a length").parse().expect("a length");
                let mut word = self.take(len + 2);
                self.offset += word.len() as u64;
                word.truncate(len);
                String::from_utf8_lossy(&word).into_owned()
            })
            .collect();
        words.join(" ")
    }

    /// The next command that is not there for the sake of the connection.
    #[track_caller]
    fn change(&mut self) -> String {
        loop {
            let command = self.command();
            if command != "PING" && !command.starts_with("REPLCONF") {
                return command;
            }
        }
    }

    #[track_caller]
    fn counted_line(&mut self) -> String {
        let end = loop {
            match self.buffer.iter().position(|&byte| byte == b'\n') {
                Some(end) => break end,
                None => self.fill().expect("a command from the server"),
            }
        };
        self.offset += end as u64 + 1;
        String::from_utf8(self.take(end + 1)).expect("text").trim_end().to_owned()
    }

    /// Whether the server closes the connection soon, after whatever it still sends.
    fn is_closed(&mut self) -> bool {
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(error) => return !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            }
        }
    }
}
