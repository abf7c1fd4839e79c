//! What a replica says to its primary before the stream begins, and what the answers mean.
//!
//! Source: replication.c of Redis 7.0, and what Redis 8 and Valkey 9 answer. Every answer is one line.

use super::history::ReplicationId;
use super::stream::write_words;

/// A user, if another than the default one, and a password.
type Credentials = (Option<Box<[u8]>>, Box<[u8]>);

/// A Valkey whose hash fields expire has a full sync only for replicas that say that they are of its version 9 or later.
/// What it then sends is read here too.
const READS_LIKE_VALKEY: &[u8] = b"9.0.0";

/// What a replica says of itself.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    /// `masteruser` and `masterauth`.
    pub credentials: Option<Credentials>,
    /// The port that its primary shows for it.
    pub port: u16,
    /// `replica-announce-ip`.
    pub announced_ip: Option<Box<str>>,
    /// The history that its data are of, and the byte of the stream that it needs next.
    pub position: Option<(ReplicationId, u64)>,
    /// It asks its primary to become its replica (FAILOVER).
    pub takes_over: bool,
    /// The newest version of RDB that it reads. A primary that does not know the option sends what all read.
    pub rdb_version: u32,
}

/// Where the stream begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// With all data, which are those of this history behind so many bytes.
    Full { id: ReplicationId, offset: u64 },
    /// With all data, by a primary that knows no offsets (SYNC).
    Unnumbered,
    /// Where it ended; the primary's history may have a new name.
    Continued { id: Option<ReplicationId> },
}

/// What follows from a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send these bytes and wait for the next line.
    Send(Vec<u8>),
    /// Wait for the next line.
    Wait,
    Begin(Start),
}

/// Why there is no stream. The replica keeps its data and tries again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HandshakeError {
    #[error("Error reply to PING from master: '{0}'")]
    Ping(String),
    #[error("Unable to AUTH to MASTER: {0}")]
    Auth(String),
    /// The primary has no data to give at the moment.
    #[error("Master is currently unable to PSYNC but should be in the future: {0}")]
    Later(String),
    #[error("Unexpected reply to PSYNC from master: {0}")]
    Psync(String),
    /// The primary did not become a replica.
    #[error("the primary refuses the failover: {0}")]
    Failover(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Ping,
    Auth,
    /// So many answers to REPLCONF are still to come.
    Configured(usize),
    Psync,
    Sync,
}

/// The replica's half of the conversation.
#[derive(Debug)]
pub struct Handshake {
    greeting: Greeting,
    state: State,
}

impl Handshake {
    /// Begins. Returns what is to be sent first.
    pub fn new(greeting: Greeting) -> (Self, Vec<u8>) {
        (Self { greeting, state: State::Ping }, command(&[b"PING"]))
    }

    /// Takes in a line, without its end.
    pub fn take_line(&mut self, line: &[u8]) -> Result<Step, HandshakeError> {
        // A primary that is busy sends empty lines to show that it is there.
        if line.is_empty() {
            return Ok(Step::Wait);
        }
        let text = || String::from_utf8_lossy(line).into_owned();
        match self.state {
            State::Ping => {
                let asks_for_password = [&b"-NOAUTH"[..], b"-NOPERM", b"-ERR operation not permitted"];
                let is_fine = line.starts_with(b"+") || asks_for_password.iter().any(|start| line.starts_with(start));
                if is_fine { Ok(self.authenticate()) } else { Err(HandshakeError::Ping(text())) }
            }
            State::Auth if line.starts_with(b"-") => Err(HandshakeError::Auth(text())),
            State::Auth => Ok(self.configure()),
            // A primary that does not know an option goes without it.
            State::Configured(1) => Ok(self.ask_for_stream()),
            State::Configured(left) => {
                self.state = State::Configured(left - 1);
                Ok(Step::Wait)
            }
            State::Psync => self.take_psync_answer(line),
            // What follows SYNC is the data, and no line.
            State::Sync => Err(HandshakeError::Psync(text())),
        }
    }

    fn authenticate(&mut self) -> Step {
        match &self.greeting.credentials {
            None => self.configure(),
            Some((user, password)) => {
                self.state = State::Auth;
                let words = [Some(&b"AUTH"[..]), user.as_deref(), Some(password)];
                Step::Send(command(&words.into_iter().flatten().collect::<Vec<_>>()))
            }
        }
    }

    fn configure(&mut self) -> Step {
        let Greeting { port, announced_ip, .. } = &self.greeting;
        let mut out = command(&[b"REPLCONF", b"listening-port", port.to_string().as_bytes()]);
        let mut answers = 4;
        if let Some(ip) = announced_ip {
            out.extend(command(&[b"REPLCONF", b"ip-address", ip.as_bytes()]));
            answers += 1;
        }
        out.extend(command(&[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]));
        let version = self.greeting.rdb_version.to_string();
        out.extend(command(&[b"REPLCONF", b"rdb-version", version.as_bytes()]));
        out.extend(command(&[b"REPLCONF", b"version", READS_LIKE_VALKEY]));
        self.state = State::Configured(answers);
        Step::Send(out)
    }

    fn ask_for_stream(&mut self) -> Step {
        self.state = State::Psync;
        let (id, next) = match self.greeting.position {
            Some((id, next)) => (id.to_string(), next.to_string()),
            None => ("?".to_owned(), "-1".to_owned()),
        };
        let mut words: Vec<&[u8]> = vec![b"PSYNC", id.as_bytes(), next.as_bytes()];
        if self.greeting.takes_over {
            words.push(b"FAILOVER");
        }
        Step::Send(command(&words))
    }

    fn take_psync_answer(&mut self, line: &[u8]) -> Result<Step, HandshakeError> {
        let text = String::from_utf8_lossy(line).into_owned();
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        match words[..] {
            [b"+FULLRESYNC", id, offset, ..] => {
                let id = ReplicationId::parse(id);
                let offset = std::str::from_utf8(offset).ok().and_then(|offset| offset.parse().ok());
                let (Some(id), Some(offset)) = (id, offset) else { return Err(HandshakeError::Psync(text)) };
                Ok(Step::Begin(Start::Full { id, offset }))
            }
            [b"+CONTINUE"] if self.greeting.position.is_some() => Ok(Step::Begin(Start::Continued { id: None })),
            [b"+CONTINUE", id, ..] if self.greeting.position.is_some() => match ReplicationId::parse(id) {
                Some(id) => Ok(Step::Begin(Start::Continued { id: Some(id) })),
                None => Err(HandshakeError::Psync(text)),
            },
            [b"-NOMASTERLINK" | b"-LOADING", ..] => Err(HandshakeError::Later(text)),
            _ if self.greeting.takes_over => Err(HandshakeError::Failover(text)),
            // A primary that knows no PSYNC.
            [b"-ERR", b"unknown", b"command", ..] => {
                self.state = State::Sync;
                Ok(Step::Send(b"SYNC\r\n".to_vec()))
            }
            // One that knows it may do it later. By SYNC the stream would have no numbers, and could never go on after a cut.
            [code, ..] if code.starts_with(b"-") => Err(HandshakeError::Later(text)),
            _ => Err(HandshakeError::Psync(text)),
        }
    }

    /// Whether the data come next without a further line, because SYNC was sent.
    pub fn is_unnumbered(&self) -> bool {
        self.state == State::Sync
    }
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    write_words(&mut out, words.iter().copied());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ReplicationId {
        ReplicationId::parse("5a".repeat(20).as_bytes()).expect("a name")
    }

    /// What is sent after each line, as words.
    fn dialogue(greeting: Greeting, lines: &[&str]) -> (Vec<String>, Option<Result<Start, HandshakeError>>) {
        let words = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("text");
            let words = text.split("\r\n").filter(|word| !word.starts_with(['$', '*']) && !word.is_empty());
            words.collect::<Vec<_>>().join(" ")
        };
        let (mut handshake, first) = Handshake::new(greeting);
        let mut sent = vec![words(first)];
        for line in lines {
            match handshake.take_line(line.as_bytes()) {
                Ok(Step::Send(bytes)) => sent.push(words(bytes)),
                Ok(Step::Wait) => {}
                Ok(Step::Begin(start)) => return (sent, Some(Ok(start))),
                Err(error) => return (sent, Some(Err(error))),
            }
        }
        (sent, None)
    }

    #[test]
    fn a_first_sync_asks_for_everything() {
        let greeting = Greeting { port: 6380, rdb_version: 12, ..Greeting::default() };
        let full = format!("+FULLRESYNC {} 77", id());
        let (sent, end) =
            dialogue(greeting, &["+PONG", "+OK", "-ERR unknown", "-ERR unknown", "-ERR unknown", "", &full]);
        assert_eq!(
            sent,
            [
                "PING",
                "REPLCONF listening-port 6380 REPLCONF capa eof capa psync2 REPLCONF rdb-version 12 REPLCONF version 9.0.0",
                "PSYNC ? -1"
            ]
        );
        assert_eq!(end, Some(Ok(Start::Full { id: id(), offset: 77 })));
    }

    #[test]
    fn a_replica_that_was_cut_off_asks_to_go_on() {
        let greeting = Greeting {
            credentials: Some((Some((*b"u").into()), (*b"p").into())),
            port: 1,
            announced_ip: Some("10.0.0.9".into()),
            position: Some((id(), 78)),
            takes_over: false,
            rdb_version: 12,
        };
        let answers = ["-NOAUTH Authentication required.", "+OK", "+OK", "+OK", "+OK", "+OK", "+OK"];
        let (sent, _) = dialogue(greeting.clone(), &answers);
        assert_eq!(
            sent,
            [
                "PING",
                "AUTH u p",
                "REPLCONF listening-port 1 REPLCONF ip-address 10.0.0.9 REPLCONF capa eof capa psync2 \
                 REPLCONF rdb-version 12 REPLCONF version 9.0.0",
                &format!("PSYNC {} 78", id()),
            ]
        );
        let ends = |last: &str| dialogue(greeting.clone(), &[&answers[..], &[last]].concat()).1.expect("an end");
        assert_eq!(ends("+CONTINUE"), Ok(Start::Continued { id: None }));
        assert_eq!(ends(&format!("+CONTINUE {}", id())), Ok(Start::Continued { id: Some(id()) }));
        assert!(matches!(ends("-NOMASTERLINK Can't SYNC"), Err(HandshakeError::Later(_))));
        assert!(matches!(ends("-LOADING"), Err(HandshakeError::Later(_))));
        let failed = "-ERR BGSAVE failed, replication can't continue";
        assert!(matches!(ends(failed), Err(HandshakeError::Later(_))));
        assert!(matches!(ends("+FULLRESYNC x 1"), Err(HandshakeError::Psync(_))));
        assert!(matches!(ends("+CONTINUE short"), Err(HandshakeError::Psync(_))));
    }

    #[test]
    fn a_primary_that_knows_no_psync_is_asked_by_sync() {
        let (sent, end) = dialogue(Greeting::default(), &["+PONG", "+OK", "+OK", "+OK", "+OK", "-ERR unknown command"]);
        assert_eq!((sent.last().map(String::as_str), end), (Some("SYNC"), None));
        let takes_over = Greeting { takes_over: true, ..Greeting::default() };
        let (sent, end) = dialogue(takes_over, &["+PONG", "+OK", "+OK", "+OK", "+OK", "-ERR no"]);
        assert_eq!(sent.last().map(String::as_str), Some("PSYNC ? -1 FAILOVER"));
        assert!(matches!(end, Some(Err(HandshakeError::Failover(_)))));
    }

    #[test]
    fn a_wrong_password_or_a_failing_primary_ends_it() {
        let end = |lines: &[&str]| {
            let greeting = Greeting { credentials: Some((None, (*b"p").into())), ..Greeting::default() };
            dialogue(greeting, lines).1.expect("an end").unwrap_err().to_string()
        };
        assert_eq!(end(&["+PONG", "-WRONGPASS no"]), "Unable to AUTH to MASTER: -WRONGPASS no");
        assert_eq!(end(&["-MISCONF disk"]), "Error reply to PING from master: '-MISCONF disk'");
    }
}
