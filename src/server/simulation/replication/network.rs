//! Connections between servers: bytes arrive late and in order, and connections break at any byte.

use std::collections::{BTreeSet, VecDeque};

/// The most bytes that are under way on one connection in one direction.
const WINDOW_BYTES: usize = 24 * 1024;

/// How long bytes are under way at most, in milliseconds.
const DELAY_MS_MAX: u64 = 120;

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    /// What is under way, with the time of its arrival.
    pieces: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
    /// When the last piece arrives, or the end.
    arrives_at: u64,
    /// No more is sent.
    is_ended: bool,
}

impl Pipe {
    fn end(&mut self, at: u64) {
        self.is_ended = true;
        self.arrives_at = self.arrives_at.max(at);
    }

    /// Loses all bytes from some one on, and ends.
    fn break_off(&mut self, random: &mut fastrand::Rng, now: u64) {
        let mut kept = random.usize(..=self.bytes);
        for (_, piece) in &mut self.pieces {
            piece.truncate(kept);
            kept -= piece.len();
        }
        self.bytes = self.pieces.iter().map(|(_, piece)| piece.len()).sum();
        self.end(now + random.u64(..=DELAY_MS_MAX));
    }
}

/// The side of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Who has made it.
    Dialer,
    Listener,
}

/// What a side finds when it reads.
pub enum Read {
    Nothing,
    Bytes(Vec<u8>),
    End,
}

struct Connection {
    number: u64,
    nodes: [usize; 2],
    to_listener: Pipe,
    to_dialer: Pipe,
}

/// All connections, and who can reach whom.
pub struct Network {
    random: fastrand::Rng,
    connections: Vec<Connection>,
    numbers: u64,
    parted: BTreeSet<(usize, usize)>,
}

impl Network {
    pub fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { random, connections: Vec::new(), numbers: 0, parted: BTreeSet::new() }
    }

    /// Makes a connection between two servers. Returns its number.
    pub fn connect(&mut self, dialer: usize, listener: usize) -> u64 {
        self.numbers += 1;
        let (to_listener, to_dialer) = (Pipe::default(), Pipe::default());
        self.connections.push(Connection { number: self.numbers, nodes: [dialer, listener], to_listener, to_dialer });
        self.numbers
    }

    fn pipe(&mut self, number: u64, to: Side) -> Option<&mut Pipe> {
        let connection = self.connections.iter_mut().find(|connection| connection.number == number)?;
        Some(match to {
            Side::Listener => &mut connection.to_listener,
            Side::Dialer => &mut connection.to_dialer,
        })
    }

    /// Sends bytes from one side. Returns how many are taken; nothing where the connection has ended.
    pub fn send(&mut self, number: u64, from: Side, bytes: &[u8], now: u64) -> Option<usize> {
        let delay = self.random.u64(..=DELAY_MS_MAX);
        let to = if from == Side::Dialer { Side::Listener } else { Side::Dialer };
        let pipe = self.pipe(number, to)?;
        if pipe.is_ended {
            return None;
        }
        let taken = bytes.len().min(WINDOW_BYTES - pipe.bytes);
        if taken > 0 {
            pipe.arrives_at = pipe.arrives_at.max(now + delay);
            pipe.bytes += taken;
            pipe.pieces.push_back((pipe.arrives_at, bytes[..taken].to_vec()));
        }
        Some(taken)
    }

    /// Reads what has arrived at one side, in pieces of any length.
    pub fn read(&mut self, number: u64, side: Side, now: u64) -> Read {
        let Some(connection) = self.connections.iter().find(|connection| connection.number == number) else {
            return Read::End;
        };
        if self.is_parted(connection.nodes[0], connection.nodes[1]) {
            return Read::Nothing;
        }
        let share = self.random.usize(1..=8);
        let Some(pipe) = self.pipe(number, side) else { return Read::End };
        match pipe.pieces.front_mut() {
            Some((at, piece)) if *at <= now => {
                let len = piece.len().div_ceil(share);
                let bytes = piece.drain(..len).collect::<Vec<_>>();
                pipe.bytes -= len;
                if piece.is_empty() {
                    pipe.pieces.pop_front();
                }
                if bytes.is_empty() { self.read(number, side, now) } else { Read::Bytes(bytes) }
            }
            Some(_) => Read::Nothing,
            None if pipe.is_ended && pipe.arrives_at <= now => Read::End,
            None => Read::Nothing,
        }
    }

    /// Ends a connection from one side; what it has sent arrives.
    pub fn close(&mut self, number: u64, now: u64) {
        for to in [Side::Dialer, Side::Listener] {
            if let Some(pipe) = self.pipe(number, to) {
                pipe.end(now);
            }
        }
    }

    /// Breaks a connection in both directions, each at any byte.
    pub fn break_off(&mut self, number: u64, now: u64) {
        let Self { connections, random, .. } = self;
        if let Some(connection) = connections.iter_mut().find(|connection| connection.number == number) {
            connection.to_dialer.break_off(random, now);
            connection.to_listener.break_off(random, now);
        }
    }

    /// Breaks all connections of a server.
    pub fn break_all_of(&mut self, node: usize, now: u64) {
        let numbers: Vec<u64> =
            self.connections.iter().filter(|found| found.nodes.contains(&node)).map(|found| found.number).collect();
        numbers.into_iter().for_each(|number| self.break_off(number, now));
    }

    /// The numbers of connections that are whole.
    pub fn whole(&self) -> Vec<u64> {
        let whole = |found: &&Connection| !found.to_dialer.is_ended && !found.to_listener.is_ended;
        self.connections.iter().filter(whole).map(|found| found.number).collect()
    }

    /// Forgets a connection that neither side has any more.
    pub fn drop_unused(&mut self, is_used: impl Fn(u64) -> bool) {
        self.connections.retain(|connection| is_used(connection.number));
    }

    pub fn part(&mut self, first: usize, second: usize) {
        self.parted.insert((first.min(second), first.max(second)));
    }

    pub fn heal(&mut self) {
        self.parted.clear();
    }

    pub fn is_parted(&self, first: usize, second: usize) -> bool {
        self.parted.contains(&(first.min(second), first.max(second)))
    }
}
