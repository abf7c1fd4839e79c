//! The data of a full sync on the wire: `$<length>` and so many bytes, or `$EOF:<mark>` and bytes up to the mark.

/// How the end of the data is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// So many bytes follow.
    Length(u64),
    /// The data end before these bytes. Nothing follows them before the replica has acknowledged.
    Mark([u8; MARK_LEN]),
}

/// Bytes of a mark.
pub const MARK_LEN: usize = 40;

impl Framing {
    /// Reads the line before the data, without its end. `None`: it is no such line.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"$")?;
        match rest.strip_prefix(b"EOF:") {
            Some(mark) => Some(Self::Mark(mark.get(..MARK_LEN)?.try_into().ok()?)),
            None => Some(Self::Length(std::str::from_utf8(rest).ok()?.parse().ok()?)),
        }
    }

    /// The line, with its end.
    pub fn line(&self) -> Vec<u8> {
        match self {
            Self::Length(len) => format!("${len}\r\n").into_bytes(),
            Self::Mark(mark) => [b"$EOF:", &mark[..], b"\r\n"].concat(),
        }
    }
}

/// Finds the end of the data.
#[derive(Debug)]
pub struct PayloadReader {
    framing: Framing,
    /// Bytes taken in, the mark included.
    taken: u64,
    /// The last bytes taken in, at most as many as a mark has.
    tail: Vec<u8>,
}

/// How far some bytes belong to the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// So many of them do, the mark included.
    pub bytes: usize,
    /// The data are complete.
    pub is_end: bool,
}

impl PayloadReader {
    pub fn new(framing: Framing) -> Self {
        Self { framing, taken: 0, tail: Vec::with_capacity(2 * MARK_LEN) }
    }

    /// Bytes of all data, if it is known.
    pub fn total(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(len) => Some(len),
            Framing::Mark(_) => None,
        }
    }

    /// Bytes taken in so far, the mark included.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether all data have come.
    pub fn is_complete(&self) -> bool {
        match self.framing {
            Framing::Length(len) => self.taken == len,
            Framing::Mark(mark) => self.tail == mark,
        }
    }

    /// How many bytes at the end of what was taken in are no data.
    pub fn surplus(&self) -> u64 {
        match self.framing {
            Framing::Length(_) => 0,
            Framing::Mark(_) => MARK_LEN as u64,
        }
    }

    /// Takes in what has come.
    pub fn take(&mut self, bytes: &[u8]) -> Taken {
        let taken = match self.framing {
            Framing::Length(len) => {
                let bytes = bytes.len().min((len - self.taken) as usize);
                Taken { bytes, is_end: self.taken + bytes as u64 == len }
            }
            Framing::Mark(mark) => {
                let last = &bytes[bytes.len().saturating_sub(MARK_LEN)..];
                self.tail.extend_from_slice(last);
                self.tail.drain(..self.tail.len().saturating_sub(MARK_LEN));
                Taken { bytes: bytes.len(), is_end: self.tail == mark }
            }
        };
        self.taken += taken.bytes as u64;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_written() {
        for framing in [Framing::Length(0), Framing::Length(u64::MAX), Framing::Mark([b'x'; MARK_LEN])] {
            let line = framing.line();
            assert_eq!(Framing::parse(line.strip_suffix(b"\r\n").expect("a line")), Some(framing));
        }
        for bad in ["", "$", "$-1", "$EOF:", "$EOF:short", "+OK", "$18446744073709551616"] {
            assert_eq!(Framing::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn data_end_by_their_length_and_what_follows_is_left() {
        let mut reader = PayloadReader::new(Framing::Length(5));
        assert_eq!(reader.take(b"abc"), Taken { bytes: 3, is_end: false });
        assert_eq!(reader.take(b"de*1"), Taken { bytes: 2, is_end: true });
        assert_eq!((reader.taken(), reader.surplus(), reader.total()), (5, 0, Some(5)));
        assert_eq!(PayloadReader::new(Framing::Length(0)).take(b"x"), Taken { bytes: 0, is_end: true });
    }

    #[test]
    fn data_end_at_the_mark_in_whatever_pieces_it_comes() {
        let mark: [u8; MARK_LEN] = std::array::from_fn(|index| b'A' + index as u8);
        // A part of the mark among the data is no end.
        let mut stream = [&mark[..14], &mark[1..]].concat();
        stream.extend_from_slice(&mark);
        for piece in 1..=stream.len() {
            let mut reader = PayloadReader::new(Framing::Mark(mark));
            let mut ended = 0;
            for bytes in stream.chunks(piece) {
                assert_eq!(ended, 0);
                ended += usize::from(reader.take(bytes).is_end);
            }
            assert_eq!((ended, reader.taken(), reader.surplus()), (1, stream.len() as u64, 40), "{piece}");
        }
    }
}
