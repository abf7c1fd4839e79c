//! The stream of a primary, cut into what is applied at once: single commands and whole transactions.

use crate::resp::{Args, ArgsBuf, Decoder, Limits, ProtocolError, Step};

/// A primary may send whatever it has taken from its clients.
const LIMITS: Limits = Limits {
    bulk_bytes_max: usize::MAX / 4,
    multibulk_max: i32::MAX as usize,
    inline_bytes_max: 64 * 1024,
    authenticated: true,
};

/// Bytes of the stream that are not applied yet.
#[derive(Debug, Default)]
pub struct Intake {
    buffer: Vec<u8>,
    /// Where the unit that comes next begins.
    start: usize,
    /// Up to where commands of a transaction are queued.
    queued_to: usize,
    decoder: Decoder,
    queue: Vec<ArgsBuf>,
    is_in_transaction: bool,
}

/// What is applied at once.
#[derive(Debug)]
pub struct Unit<'i> {
    pub commands: Commands<'i>,
    /// The same as it came, to be sent on.
    pub bytes: &'i [u8],
}

#[derive(Debug)]
pub enum Commands<'i> {
    /// An empty line, which counts as part of the stream.
    None,
    One(Args<'i>),
    /// Those between MULTI and EXEC.
    Transaction(&'i [ArgsBuf]),
}

impl Intake {
    /// Takes in what has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.discard_applied();
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that have come and are not applied.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The next unit, if it is there as a whole. An error is the end of the connection: nothing behind it can be read.
    pub fn next(&mut self) -> Result<Option<Unit<'_>>, ProtocolError> {
        loop {
            let at = self.start + self.queued_to;
            let consumed = match self.decoder.decode(&self.buffer[at..], &LIMITS)? {
                Step::Incomplete { .. } => return Ok(None),
                Step::Empty { consumed } => {
                    if self.is_in_transaction {
                        self.queued_to += consumed;
                        continue;
                    }
                    let bytes = &self.buffer[at..at + consumed];
                    self.start = at + consumed;
                    return Ok(Some(Unit { commands: Commands::None, bytes }));
                }
                Step::Frame { consumed } => consumed,
            };
            let args = self.decoder.args(&self.buffer[at..]);
            let name = args.arg(0);
            if self.is_in_transaction && name.eq_ignore_ascii_case(b"EXEC") {
                self.is_in_transaction = false;
                let (start, end) = (self.start, at + consumed);
                self.start = end;
                self.queued_to = 0;
                return Ok(Some(Unit {
                    commands: Commands::Transaction(&self.queue),
                    bytes: &self.buffer[start..end],
                }));
            }
            if self.is_in_transaction {
                self.queue.push(args.to_buf());
                self.queued_to += consumed;
            } else if name.eq_ignore_ascii_case(b"MULTI") {
                self.queue.clear();
                self.is_in_transaction = true;
                self.queued_to += consumed;
            } else {
                self.start = at + consumed;
                return Ok(Some(Unit {
                    commands: Commands::One(self.decoder.args(&self.buffer[at..])),
                    bytes: &self.buffer[at..at + consumed],
                }));
            }
        }
    }

    fn discard_applied(&mut self) {
        self.buffer.drain(..std::mem::take(&mut self.start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::stream::write_words;

    fn stream(lines: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines {
            write_words(&mut out, line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        }
        out
    }

    /// The units as text, and all bytes of them.
    fn units(intake: &mut Intake, bytes: &mut Vec<u8>) -> Vec<String> {
        let text = |args: Args<'_>| args.iter().map(|arg| String::from_utf8_lossy(arg)).collect::<Vec<_>>().join(" ");
        let mut found = Vec::new();
        while let Some(unit) = intake.next().expect("a stream") {
            bytes.extend_from_slice(unit.bytes);
            found.push(match unit.commands {
                Commands::None => String::new(),
                Commands::One(args) => text(args),
                Commands::Transaction(queue) => {
                    queue.iter().map(|args| text(args.as_args())).collect::<Vec<_>>().join("; ")
                }
            });
        }
        found
    }

    #[test]
    fn a_transaction_is_one_unit_in_whatever_pieces_it_comes() {
        let mut all = stream(&["SELECT 0", "SET a 1", "MULTI", "SET b 2", "INCR a", "EXEC", "PING"]);
        all.extend_from_slice(b"\r\n");
        for piece in 1..=all.len() {
            let mut intake = Intake::default();
            let (mut found, mut bytes) = (Vec::new(), Vec::new());
            for part in all.chunks(piece) {
                intake.feed(part);
                found.extend(units(&mut intake, &mut bytes));
            }
            assert_eq!(found, ["SELECT 0", "SET a 1", "SET b 2; INCR a", "PING", ""], "{piece}");
            assert_eq!((bytes == all, intake.len()), (true, 0));
        }
    }

    #[test]
    fn what_is_not_complete_is_dropped_at_a_cut() {
        let mut intake = Intake::default();
        intake.feed(&stream(&["MULTI", "SET a 1"]));
        assert!(units(&mut intake, &mut Vec::new()).is_empty() && intake.len() > 0);
        // After a cut the primary sends it again, to another link.
        let mut intake = Intake::default();
        intake.feed(&stream(&["SET b 1"]));
        assert_eq!(units(&mut intake, &mut Vec::new()), ["SET b 1"]);
        intake.feed(b"*x\r\n");
        assert!(intake.next().is_err());
    }
}
