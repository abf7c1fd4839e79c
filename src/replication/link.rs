//! The replica's end of a connection to its primary: the greeting, the data of a full sync, then the stream. It has no
//! socket and no clock: whoever has them hands in bytes and times, and does what the events ask for.

use std::time::Duration;

use super::handshake::{Greeting, Handshake, HandshakeError, Start, Step};
use super::intake::Intake;
use super::payload::{Framing, PayloadReader};
use super::stream::write_words;
use crate::resp::ProtocolError;
use crate::stdx::clock::Now;

/// How often a primary hears how far this replica is, or that it is alive.
const SIGN_PERIOD: Duration = Duration::from_secs(1);

/// A line before the data that is longer than this is none.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// So much of a line that was not understood is shown.
const SHOWN_BYTES: usize = 64;

/// Why a link has to end.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkError {
    #[error("Timeout connecting to the MASTER or no data from it for repl-timeout")]
    Timeout,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("Bad protocol from MASTER, the first byte is not '$': '{0}'. Is the host and port right?")]
    NoPayload(String),
    #[error("Protocol error in the stream of the master: {0:?}")]
    Stream(ProtocolError),
}

/// What follows from what has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    Send(Vec<u8>),
    /// The stream goes on where it ended.
    Continued(Start),
    /// All data are coming.
    FullSync(Start),
    /// They begin; of so many bytes, if that is known.
    DataBegin {
        total: Option<u64>,
    },
    /// [`Link::data`] has come, with which so many bytes have.
    Data {
        taken: u64,
    },
    /// The first so many bytes of what has come are all data. They are to be loaded, and then [`Link::begin_stream`] is to be
    /// called.
    DataEnd {
        start: Start,
        len: u64,
    },
    /// There may be something to apply in [`Link::intake`].
    Stream,
}

/// What is due by time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    Nothing,
    /// [`Link::acknowledgement`].
    Acknowledgement,
    /// A byte that shows that the replica is alive while it loads data.
    SignOfLife,
    /// The primary has been silent for too long.
    End,
}

#[derive(Debug)]
enum Phase {
    Greeting(Handshake),
    /// The line before the data comes next.
    Announced(Start),
    Receiving(Start, PayloadReader),
    Loading,
    Streaming,
}

/// The state of the connection.
#[derive(Debug)]
pub struct Link {
    phase: Phase,
    /// What is to be sent first.
    first: Option<Vec<u8>>,
    /// What has come; up to `used` it is used, and from `data_from` up to there it is data.
    buffer: Vec<u8>,
    used: usize,
    data_from: usize,
    intake: Intake,
    /// What has come of the stream was not applied whole.
    has_more: bool,
    /// So long the primary may be silent.
    patience: Duration,
    heard_at: Now,
    signed_at: Option<Now>,
}

impl Link {
    /// A connection that has just been made.
    pub fn new(greeting: Greeting, patience: Duration, now: Now) -> Self {
        let (handshake, first) = Handshake::new(greeting);
        Self {
            phase: Phase::Greeting(handshake),
            first: Some(first),
            buffer: Vec::new(),
            used: 0,
            data_from: 0,
            intake: Intake::default(),
            has_more: false,
            patience,
            heard_at: now,
            signed_at: None,
        }
    }

    /// Where what comes is appended; [`Link::note_life`] is to be called then.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer.drain(..std::mem::take(&mut self.used));
        self.data_from = 0;
        &mut self.buffer
    }

    /// Notes that the primary has said something, or that nobody has listened until now.
    pub fn note_life(&mut self, now: Now) {
        self.heard_at = now;
    }

    /// What came of the data with the last [`Event::Data`].
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.data_from..self.used]
    }

    pub fn intake(&mut self) -> &mut Intake {
        &mut self.intake
    }

    /// Notes whether the intake holds more than was applied, so that [`Event::Stream`] comes again.
    pub fn note_applied(&mut self, has_more: bool) {
        self.has_more = has_more;
    }

    /// The data are loaded: what comes next is the stream.
    pub fn begin_stream(&mut self, now: Now) {
        self.phase = Phase::Streaming;
        self.heard_at = now;
        // The primary waits for an acknowledgement with the stream.
        self.signed_at = None;
    }

    /// What follows next from what has come. Nothing where more has to come first, or the data to be loaded.
    pub fn next(&mut self) -> Result<Option<Event>, LinkError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(Event::Send(first)));
        }
        loop {
            let event = match &self.phase {
                Phase::Greeting(_) => self.greet()?,
                Phase::Announced(start) => {
                    let start = *start;
                    self.find_data(start)?
                }
                Phase::Receiving(..) => return Ok(self.take_data()),
                Phase::Loading => return Ok(None),
                Phase::Streaming => return Ok(self.take_stream()),
            };
            match event {
                Found::Event(event) => return Ok(Some(event)),
                Found::Progress => {}
                Found::Nothing => return Ok(None),
            }
        }
    }

    fn greet(&mut self) -> Result<Found, LinkError> {
        let Phase::Greeting(handshake) = &mut self.phase else { unreachable!("the caller has looked") };
        let start = if handshake.is_unnumbered() {
            Start::Unnumbered
        } else {
            let Some(line) = next_line(&self.buffer, &mut self.used)? else { return Ok(Found::Nothing) };
            match handshake.take_line(line)? {
                Step::Wait => return Ok(Found::Progress),
                Step::Send(bytes) => return Ok(Found::Event(Event::Send(bytes))),
                Step::Begin(start) => start,
            }
        };
        if let Start::Continued { .. } = start {
            self.phase = Phase::Streaming;
            return Ok(Found::Event(Event::Continued(start)));
        }
        self.phase = Phase::Announced(start);
        Ok(Found::Event(Event::FullSync(start)))
    }

    fn find_data(&mut self, start: Start) -> Result<Found, LinkError> {
        let Some(line) = next_line(&self.buffer, &mut self.used)? else { return Ok(Found::Nothing) };
        // A primary that is busy sends empty lines to show that it is there.
        if line.is_empty() {
            return Ok(Found::Progress);
        }
        let framing = Framing::parse(line).ok_or_else(|| no_payload(line))?;
        let reader = PayloadReader::new(framing);
        let total = reader.total();
        self.phase = Phase::Receiving(start, reader);
        Ok(Found::Event(Event::DataBegin { total }))
    }

    fn take_data(&mut self) -> Option<Event> {
        let Phase::Receiving(start, reader) = &mut self.phase else { unreachable!("the caller has looked") };
        if reader.is_complete() {
            let (start, len) = (*start, reader.taken() - reader.surplus());
            self.phase = Phase::Loading;
            return Some(Event::DataEnd { start, len });
        }
        let taken = reader.take(&self.buffer[self.used..]).bytes;
        if taken == 0 {
            return None;
        }
        self.data_from = self.used;
        self.used += taken;
        Some(Event::Data { taken: reader.taken() })
    }

    fn take_stream(&mut self) -> Option<Event> {
        let has_come = self.used < self.buffer.len();
        if has_come {
            self.intake.feed(&self.buffer[self.used..]);
            self.used = self.buffer.len();
        }
        (has_come || std::mem::take(&mut self.has_more)).then_some(Event::Stream)
    }

    /// What is due by time.
    pub fn due(&self, now: Now) -> Due {
        let is_sign_due = self.signed_at.is_none_or(|at| now.since(at) >= SIGN_PERIOD);
        match self.phase {
            Phase::Loading if is_sign_due => Due::SignOfLife,
            Phase::Loading => Due::Nothing,
            _ if now.since(self.heard_at) > self.patience => Due::End,
            Phase::Streaming if is_sign_due => Due::Acknowledgement,
            _ => Due::Nothing,
        }
    }

    /// How long nothing is due.
    pub fn time_to_due(&self, now: Now) -> Duration {
        let to_sign = self.signed_at.map_or(Duration::ZERO, |at| SIGN_PERIOD.saturating_sub(now.since(at)));
        // Beyond the patience, and not at its end.
        let to_end = self.patience.saturating_sub(now.since(self.heard_at)) + Duration::from_millis(1);
        match self.phase {
            Phase::Loading => to_sign,
            Phase::Streaming => to_sign.min(to_end),
            _ => to_end,
        }
    }

    /// What reports to the primary how far this replica is.
    pub fn acknowledgement(&mut self, offset: u64, now: Now) -> Vec<u8> {
        self.signed_at = Some(now);
        let mut out = Vec::new();
        write_words(&mut out, [&b"REPLCONF"[..], b"ACK", itoa::Buffer::new().format(offset).as_bytes()]);
        out
    }

    /// Shows the primary that this replica is alive.
    pub fn sign_of_life(&mut self, now: Now) -> &'static [u8] {
        self.signed_at = Some(now);
        b"\n"
    }
}

/// What was found in what has come.
enum Found {
    Event(Event),
    /// There may be an event behind it.
    Progress,
    Nothing,
}

/// The next line, without its end.
fn next_line<'b>(buffer: &'b [u8], used: &mut usize) -> Result<Option<&'b [u8]>, LinkError> {
    let rest = &buffer[*used..];
    let Some(len) = memchr::memchr(b'\n', rest) else {
        return if rest.len() > LINE_BYTES_MAX { Err(no_payload(rest)) } else { Ok(None) };
    };
    *used += len + 1;
    Ok(Some(rest[..len].strip_suffix(b"\r").unwrap_or(&rest[..len])))
}

fn no_payload(line: &[u8]) -> LinkError {
    LinkError::NoPayload(String::from_utf8_lossy(&line[..line.len().min(SHOWN_BYTES)]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::ReplicationId;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn id() -> ReplicationId {
        ReplicationId::parse("07".repeat(20).as_bytes()).expect("a name")
    }

    /// All events but those of sending, and the data, of a conversation in pieces of this size.
    fn events(answers: &[u8], piece: usize) -> (Vec<Event>, Vec<u8>) {
        let now = Now::at_unix_ms(0);
        let mut link = Link::new(Greeting { position: Some((id(), 4)), ..Greeting::default() }, PATIENCE, now);
        let (mut found, mut data) = (Vec::new(), Vec::new());
        for bytes in [&b""[..]].into_iter().chain(answers.chunks(piece)) {
            link.buffer().extend_from_slice(bytes);
            while let Some(event) = link.next().expect("a conversation") {
                match event {
                    Event::Send(_) => {}
                    Event::Data { taken } => {
                        data.extend_from_slice(link.data());
                        assert_eq!(taken, data.len() as u64);
                    }
                    Event::Stream => assert!(matches!(found.last(), Some(Event::Continued(_)))),
                    Event::DataEnd { .. } => {
                        found.push(event);
                        assert_eq!(link.next(), Ok(None), "the data have to be loaded first");
                        link.begin_stream(now);
                        return (found, data);
                    }
                    event => found.push(event),
                }
            }
        }
        (found, data)
    }

    #[test]
    fn a_full_sync_comes_whole_in_whatever_pieces() {
        let start = Start::Full { id: id(), offset: 9 };
        let answers = format!("+PONG\r\n+OK\r\n+OK\r\n-ERR\r\n-ERR\r\n\n+FULLRESYNC {} 9\r\n\n\n$5\r\nabcde", id());
        for piece in 1..=answers.len() {
            let (found, data) = events(answers.as_bytes(), piece);
            let expected =
                [Event::FullSync(start), Event::DataBegin { total: Some(5) }, Event::DataEnd { start, len: 5 }];
            assert_eq!((&found[..], &data[..]), (&expected[..], &b"abcde"[..]), "{piece}");
        }
        let mark = "m".repeat(40);
        let answers =
            format!("+PONG\r\n+OK\r\n+OK\r\n-ERR\r\n-ERR\r\n+FULLRESYNC {} 9\r\n$EOF:{mark}\r\nabc{mark}", id());
        for piece in 1..=answers.len() {
            let (found, data) = events(answers.as_bytes(), piece);
            assert_eq!(found.last(), Some(&Event::DataEnd { start, len: 3 }), "{piece}");
            assert_eq!(&data[..3], b"abc");
        }
    }

    #[test]
    fn a_stream_goes_on_behind_the_answer_and_is_acknowledged_each_second() {
        let answers = b"+PONG\r\n+OK\r\n+OK\r\n-ERR\r\n-ERR\r\n+CONTINUE\r\n*1\r\n$4\r\nPING\r\n";
        for piece in 1..=answers.len() {
            assert_eq!(events(answers, piece).0, [Event::Continued(Start::Continued { id: None })]);
        }
        let start = Now::read();
        let mut link = Link::new(Greeting { position: Some((id(), 4)), ..Greeting::default() }, PATIENCE, start);
        assert_eq!((link.due(start), link.time_to_due(start) > PATIENCE), (Due::Nothing, true));
        link.buffer().extend_from_slice(answers);
        while link.next().expect("a conversation").is_some() {}
        assert_eq!(link.due(start), Due::Acknowledgement);
        assert_eq!(link.acknowledgement(77, start), b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n77\r\n");
        assert_eq!((link.due(start), link.time_to_due(start)), (Due::Nothing, SIGN_PERIOD));
        assert_eq!(link.due(start.later(999_999_999)), Due::Nothing);
    }

    #[test]
    fn what_is_no_answer_ends_the_link() {
        let now = Now::at_unix_ms(0);
        for answers in [
            &b"+PONG\r\n+OK\r\n+OK\r\n-ERR\r\n-ERR\r\n-LOADING\r\n"[..],
            b"HTTP/1.1 400\r\n",
            &[b'x'; LINE_BYTES_MAX + 1],
        ] {
            let mut link = Link::new(Greeting::default(), PATIENCE, now);
            link.buffer().extend_from_slice(answers);
            let end = loop {
                match link.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("nothing is left to wait for"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(end, LinkError::Handshake(_) | LinkError::NoPayload(_)), "{end}");
        }
    }
}
