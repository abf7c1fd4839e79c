//! A server that runs under callgrind, with a clock of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::baseline::Figures;
use super::paths::{MEMBERS, Path as CommandPath};

const LIMIT: Duration = Duration::from_secs(300);

/// What a server does for a command where it cannot use the processor's counter, as under callgrind: the kernel's clocks are
/// read. Whether it could would depend on how busy the machine is, so that this is not counted.
const UNCOUNTED: &str = "--toggle-collect=copal::server::clock::ServerClock::ask_clocks";

/// Instructions of a measurement, about. With more of them the cron's share of a figure is smaller.
const INSTRUCTIONS: u64 = 8_000_000;

/// Commands that tell how many make a measurement.
const PROBE: u64 = 320;

/// Commands that are put in before, at once.
const FILL_PIPELINE: usize = 500;

pub struct CountedServer {
    process: Child,
    folder: TempDir,
    connection: Connection,
    /// Goes on from measurement to measurement, so that no key or member comes twice where a path wants new ones.
    number: u64,
    dumps: u32,
}

impl CountedServer {
    pub fn start(server: &Path) -> Self {
        assert!(server.exists(), "there is no {}: cargo build --release", server.display());
        let folder = tempfile::Builder::new().prefix("instructions-").tempdir().expect("a temporary folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        drop(listener);
        let log = fs::File::create(folder.path().join("log")).expect("a log file");
        let process = Command::new("valgrind")
            .env("LD_PRELOAD", build_clock(folder.path()))
            .args(["--tool=callgrind", "--instr-atstart=yes", "--dump-line=no"])
            .args([UNCOUNTED, "--collect-atstart=yes"])
            .arg(format!("--callgrind-out-file={}", folder.path().join("out").display()))
            .arg(fs::canonicalize(server).expect("the server's path"))
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--hz",
                "1",
                "--huge-pages",
                "no",
                "--activerehashing",
                "no",
            ])
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("valgrind is installed");
        let deadline = Instant::now() + LIMIT;
        let connection = loop {
            if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                break Connection::new(stream);
            }
            assert!(Instant::now() < deadline, "the server does not start under valgrind");
            sleep(Duration::from_millis(50));
        };
        Self { process, folder, connection, number: 0, dumps: 0 }
    }

    /// Instructions a command of this path.
    pub fn measure(&mut self, path: &CommandPath) -> Figures {
        self.connection.run(&[words("FLUSHALL SYNC", 0)]);
        let fills: Vec<_> = (0..path.fills).flat_map(|_| path.fill).map(|fill| words(fill, self.next())).collect();
        for commands in fills.chunks(FILL_PIPELINE) {
            self.connection.run(commands);
        }
        Figures { single: self.figure(path, 1), pipelined: self.figure(path, 16) }
    }

    /// The least of three counts: what is added to one of them now and then, as by the cron, is not the command's.
    fn figure(&mut self, path: &CommandPath, pipeline: u64) -> u64 {
        let probe = self.count(path, pipeline, PROBE) / PROBE;
        let commands = (INSTRUCTIONS / probe.max(1)).clamp(PROBE, 20_000) / 16 * 16;
        (0..3).map(|_| self.count(path, pipeline, commands) / commands).min().expect("three counts")
    }

    fn count(&mut self, path: &CommandPath, pipeline: u64, commands: u64) -> u64 {
        let batches: Vec<Vec<Vec<String>>> = (0..commands / pipeline)
            .map(|_| (0..pipeline).map(|_| words(path.command, self.next())).collect())
            .collect();
        self.control("zero");
        for batch in &batches {
            self.connection.run(batch);
        }
        self.control("dump");
        self.dumps += 1;
        let dump = self.folder.path().join(format!("out.{}", self.dumps));
        let text = fs::read_to_string(&dump).unwrap_or_else(|error| panic!("{}: {error}", dump.display()));
        fs::remove_file(&dump).expect("our own file can be removed");
        let total =
            text.lines().rev().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
        total.and_then(|total| total.trim().parse().ok()).expect("callgrind's total")
    }

    /// Gives callgrind an order. `callgrind_control` does not find a process that has changed its title.
    fn control(&self, order: &str) {
        let pid = format!("--pid={}", self.process.id());
        let done = Command::new("vgdb")
            .args([pid.as_str(), order])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("vgdb is installed");
        assert!(done.success(), "vgdb {order}: {done}");
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

impl Drop for CountedServer {
    fn drop(&mut self) {
        self.process.kill().expect("our own child can be killed");
        self.process.wait().expect("our own child can be waited for");
    }
}

/// Builds the clock that takes the place of the machine's in the measured server.
fn build_clock(folder: &Path) -> PathBuf {
    let (package, library) = (Path::new(env!("CARGO_MANIFEST_DIR")), folder.join("clock.so"));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-o"])
        .arg(&library)
        .arg("-I")
        .args(["tests", "benches/instructions/clock.c"].map(|path| package.join(path)))
        .status();
    assert!(compiled.expect("the C compiler that the allocator is built with").success(), "clock.c is not compiled");
    library
}

/// `#` is the running number in twelve digits, `%` a number that recurs, `$` a value of 16 bytes.
fn words(template: &str, number: u64) -> Vec<String> {
    let recurring = (number.wrapping_mul(0x9E37_79B9) >> 7) % MEMBERS;
    template
        .split(' ')
        .map(|word| {
            word.replace('#', &format!("{number:012}"))
                .replace('%', &format!("{recurring:012}"))
                .replace('$', "sixteen bytes...")
        })
        .collect()
}

struct Connection {
    reader: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("an option of the socket");
        stream.set_read_timeout(Some(LIMIT)).expect("an option of the socket");
        Self { reader: BufReader::new(stream), request: Vec::new() }
    }

    /// Sends these commands in one write and reads all their replies, none of which may be an error.
    fn run(&mut self, commands: &[Vec<String>]) {
        self.request.clear();
        for words in commands {
            self.request.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            for word in words {
                self.request.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
            }
        }
        self.reader.get_mut().write_all(&self.request).expect("the server reads");
        for words in commands {
            self.skip_reply(words);
        }
    }

    fn skip_reply(&mut self, words: &[String]) {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("the server answers");
        let length = || line[1..].trim_end().parse::<i64>().expect("a length");
        match line.as_bytes().first() {
            Some(b'+' | b':') => {}
            Some(b'$') => {
                let size = length();
                if size >= 0 {
                    let mut bytes = vec![0; size as usize + 2];
                    self.reader.read_exact(&mut bytes).expect("the whole reply");
                }
            }
            Some(b'*') => {
                for _ in 0..length() {
                    self.skip_reply(words);
                }
            }
            _ => panic!("{words:?}: {line}"),
        }
    }
}
