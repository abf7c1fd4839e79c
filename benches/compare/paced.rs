//! A client that overwrites random keys at a steady rate, whatever the server does, and notes how long each reply took;
//! and one that overwrites them as fast as the server takes it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use super::data::{Random, plain};
use super::server::Server;

/// How often requests go out: all that are due at once.
const TICK: Duration = Duration::from_millis(1);

/// Overwrites that [`Flood`] sends at once, and how many such batches it sends ahead of their replies.
const BATCH: u32 = 200;
const BATCHES_AHEAD: usize = 4;

/// Overwrites until it is stopped.
pub struct Writer {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<()>,
    reader: JoinHandle<Latencies>,
}

/// When each request was due, and how many microseconds later its reply was there.
#[derive(Default)]
pub struct Latencies(Vec<(Instant, u32)>);

impl Writer {
    pub fn start(server: &Server, rate: u32, keys: u64, value_bytes: usize) -> Self {
        Self::drawing(Random::new(), server, rate, keys, value_bytes)
    }

    /// One whose keys come from `random`, so that two clients do not follow each other.
    pub fn drawing(random: Random, server: &Server, rate: u32, keys: u64, value_bytes: usize) -> Self {
        let stream = server.connect().into_stream();
        let replies = stream.try_clone().expect("a socket can be shared");
        let stop = Arc::new(AtomicBool::new(false));
        let (due, receiver) = channel();
        let stopped = Arc::clone(&stop);
        let pace = Pace { rate, keys, value_bytes };
        let sender = spawn(move || pace.send(random, stream, &due, &stopped));
        Self { stop, sender, reader: spawn(move || receive(replies, &receiver)) }
    }

    pub fn stop(self) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().expect("the sender does not panic");
        self.reader.join().expect("the reader does not panic")
    }
}

struct Pace {
    rate: u32,
    keys: u64,
    value_bytes: usize,
}

impl Pace {
    fn send(&self, mut random: Random, mut stream: TcpStream, due: &Sender<(Instant, u32)>, stopped: &AtomicBool) {
        let mut out = Vec::new();
        let start = Instant::now();
        let mut sent = 0u64;
        while !stopped.load(Ordering::Relaxed) {
            let elapsed = start.elapsed();
            let wanted = (elapsed.as_secs_f64() * f64::from(self.rate)) as u64;
            let count = u32::try_from(wanted.saturating_sub(sent)).expect("few are due at once");
            if count > 0 {
                out.clear();
                for _ in 0..count {
                    plain(&mut out, random.below(self.keys), self.value_bytes);
                }
                // Those that should have gone out while this thread was not running count from when it noticed: the
                // server is not to be blamed for them.
                due.send((Instant::now(), count)).expect("the reader listens");
                stream.write_all(&out).expect("the server reads");
                sent = wanted;
            }
            sleep(TICK);
        }
    }
}

fn receive(stream: TcpStream, due: &Receiver<(Instant, u32)>) -> Latencies {
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let mut latencies = Latencies::default();
    let mut line = Vec::new();
    while let Ok((sent, count)) = due.recv() {
        for _ in 0..count {
            expect_ok(&mut reader, &mut line);
            latencies.0.push((sent, u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX)));
        }
    }
    latencies
}

fn expect_ok(reader: &mut impl BufRead, line: &mut Vec<u8>) {
    line.clear();
    reader.read_until(b'\n', line).expect("a reply");
    assert_eq!(line, b"+OK\r\n", "{}", line.escape_ascii());
}

/// Overwrites as fast as the server answers, some requests ahead of the replies, until it is stopped.
pub struct Flood {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<()>,
    reader: JoinHandle<u64>,
}

impl Flood {
    pub fn start(server: &Server, keys: u64, value_bytes: usize) -> Self {
        let mut stream = server.connect().into_stream();
        let replies = stream.try_clone().expect("a socket can be shared");
        let stop = Arc::new(AtomicBool::new(false));
        let (sent, receiver) = sync_channel(BATCHES_AHEAD);
        let stopped = Arc::clone(&stop);
        let sender = spawn(move || {
            let mut random = Random::new();
            let mut out = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                out.clear();
                for _ in 0..BATCH {
                    plain(&mut out, random.below(keys), value_bytes);
                }
                stream.write_all(&out).expect("the server reads");
                sent.send(()).expect("the reader listens");
            }
        });
        let reader = spawn(move || {
            let mut reader = BufReader::with_capacity(1 << 16, replies);
            let mut line = Vec::new();
            let mut answered = 0;
            while receiver.recv().is_ok() {
                for _ in 0..BATCH {
                    expect_ok(&mut reader, &mut line);
                }
                answered += u64::from(BATCH);
            }
            answered
        });
        Self { stop, sender, reader }
    }

    /// Returns how many overwrites were answered.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().expect("the sender does not panic");
        self.reader.join().expect("the reader does not panic")
    }
}

impl Latencies {
    /// How many replies there were.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The median, the 99th and 99.9th percentile and the maximum of the requests between two moments, in milliseconds.
    pub fn between(&self, from: Instant, to: Instant) -> [f64; 4] {
        let within = self.0.iter().filter(|(sent, _)| (from..=to).contains(sent));
        let mut values: Vec<u32> = within.map(|(_, micros)| *micros).collect();
        values.sort_unstable();
        let at = |share: f64| match values.len() {
            0 => f64::NAN,
            count => f64::from(values[((count - 1) as f64 * share) as usize]) / 1000.0,
        };
        [at(0.5), at(0.99), at(0.999), at(1.0)]
    }
}
