//! A server under measurement: started alone on a port and a folder of its own, ended with its guard.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Contender;

/// Nothing measured here takes longer; more means that a server hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// The folder for dumps unless another is named.
pub fn folder_in_memory() -> PathBuf {
    Some(Path::new("/dev/shm")).filter(|path| path.is_dir()).map_or_else(std::env::temp_dir, Path::to_owned)
}

pub struct Server {
    pub name: String,
    binary: PathBuf,
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Server {
    pub fn start(contender: &Contender, root: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("compare-").tempdir_in(root).expect("a temporary folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        drop(listener);
        let mut server =
            Self { name: contender.name.clone(), binary: contender.binary.clone(), port, folder, process: None };
        server.launch();
        server
    }

    fn launch(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).expect("a log file");
        let spawned = Command::new(&self.binary)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn();
        self.process = Some(spawned.unwrap_or_else(|error| panic!("cannot run {}: {error}", self.binary.display())));
        let deadline = Instant::now() + LIMIT;
        while self.try_ping().ok().as_deref() != Some("+PONG") {
            assert!(Instant::now() < deadline, "{} does not answer", self.name);
            sleep(Duration::from_millis(2));
        }
    }

    fn try_ping(&self) -> io::Result<String> {
        let mut connection = Connection::open(self.port)?;
        connection.send(b"PING\r\n")?;
        connection.line()
    }

    /// Kills the server and starts it again from its dump; returns how long it took to answer.
    pub fn restart(&mut self) -> Duration {
        self.kill();
        let start = Instant::now();
        self.launch();
        start.elapsed()
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("our own child can be killed");
            process.wait().expect("our own child can be waited for");
        }
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server runs").id()
    }

    /// Where the dump is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.port).expect("the server listens")
    }

    /// One command, whose reply must be one line.
    pub fn ask(&self, command: &str) -> String {
        let mut connection = self.connect();
        connection.send(format!("{command}\r\n").as_bytes()).expect("the server reads");
        let line = connection.line().expect("the server answers");
        assert!(!line.starts_with('-'), "{}: {command}: {line}", self.name);
        line
    }

    /// A number out of INFO.
    pub fn info(&self, field: &str) -> f64 {
        let value = self.info_text(field);
        value.parse().unwrap_or_else(|_| panic!("{}: {field} in INFO is no number: {value}", self.name))
    }

    /// What INFO says of a field.
    pub fn info_text(&self, field: &str) -> String {
        let mut connection = self.connect();
        connection.send(b"INFO\r\n").expect("the server reads");
        let size = connection.line().expect("the server answers");
        let size: usize = size.trim_start_matches('$').parse().expect("the size of INFO");
        let mut text = vec![0; size];
        connection.reader.read_exact(&mut text).expect("the whole of INFO");
        let text = String::from_utf8_lossy(&text).into_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let value = value.unwrap_or_else(|| panic!("{}: INFO has no {field}", self.name));
        value.trim().to_owned()
    }

    /// Processor time that the server has used so far, all its threads together.
    pub fn processor_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("the server's threads");
        let nanoseconds = tasks.flatten().filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Changes a setting, where the server has it.
    pub fn set(&self, name: &str, value: &str) {
        let mut connection = self.connect();
        connection.send(format!("CONFIG SET {name} {value}\r\n").as_bytes()).expect("the server reads");
        connection.line().expect("the server answers");
    }

    /// How long the disk takes for the bytes of the dump alone.
    pub fn copy_of_dump(&self) -> Duration {
        let dump = self.folder.path().join("dump.rdb");
        // It is read once before, so that only the writing is measured.
        fs::copy(&dump, "/dev/null").expect("the dump can be read");
        let copy = self.folder.path().join("copy");
        let start = Instant::now();
        let done = Command::new("dd")
            .arg(format!("if={}", dump.display()))
            .arg(format!("of={}", copy.display()))
            .args(["bs=1M", "conv=fsync", "status=none"])
            .status();
        let elapsed = start.elapsed();
        assert!(done.expect("dd is installed").success());
        fs::remove_file(copy).expect("our own file");
        elapsed
    }

    pub fn dump_size(&self) -> u64 {
        fs::metadata(self.folder.path().join("dump.rdb")).map_or(0, |file| file.len())
    }

    pub fn background_save(&self) -> Duration {
        let start = Instant::now();
        self.ask("BGSAVE");
        self.wait_for_save_end(start)
    }

    /// Returns how long after `start` the child had ended.
    pub fn wait_for_save_end(&self, start: Instant) -> Duration {
        while self.info("rdb_bgsave_in_progress") > 0.0 {
            assert!(start.elapsed() < LIMIT, "{}: BGSAVE does not end", self.name);
            sleep(Duration::from_millis(2));
        }
        start.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Self { reader: BufReader::with_capacity(1 << 16, stream) })
    }

    pub fn into_stream(self) -> TcpStream {
        self.reader.into_inner()
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Everything until the server closes the connection.
    pub fn rest(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Reads `count` replies of one line each in a thread of its own, so that the sender never waits for them.
    pub fn expect_replies(&self, count: u64) -> std::thread::JoinHandle<()> {
        let stream = self.reader.get_ref().try_clone().expect("a socket can be shared");
        let mut reader = BufReader::with_capacity(1 << 16, stream);
        std::thread::spawn(move || {
            let mut line = Vec::new();
            for _ in 0..count {
                line.clear();
                reader.read_until(b'\n', &mut line).expect("a reply");
                assert!(matches!(line.first(), Some(b'+' | b':')), "{}", line.escape_ascii());
            }
        })
    }
}
