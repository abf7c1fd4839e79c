//! A server under test, with a folder and a port of its own, that ends with its guard.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::client::{Client, Value};
use super::confinement::Confinement;
use super::process::{children_of, send_signal};

/// How long a server may take to answer its first PING, or to end.
const START_LIMIT_SECONDS: u64 = 60;

/// Whether the server under test is an older Redis, named by `COPAL_TEST_SERVER`.
pub fn against_redis() -> bool {
    std::env::var_os("COPAL_TEST_SERVER").is_some()
}

fn server_under_test() -> PathBuf {
    std::env::var_os("COPAL_TEST_SERVER").unwrap_or_else(|| env!("CARGO_BIN_EXE_copal-server").into()).into()
}

/// Debian's server beside ours, for the tests that compare the two.
#[cfg(feature = "peers")]
pub fn redis_server(config: &str) -> Server {
    Setup { binary: PathBuf::from("redis-server"), ..Setup::new() }.config(config).start()
}

/// One of today's servers (`redis-server` or `valkey-server`), from the folder that `COPAL_PEERS_DIR` names or from
/// `target/peers`. None where neither has it and nobody said that there is one.
#[cfg(feature = "peers")]
#[track_caller]
pub fn newer_server(name: &str, config: &str) -> Option<Server> {
    let named = std::env::var_os("COPAL_PEERS_DIR").map(PathBuf::from);
    let is_named = named.is_some();
    let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"));
    let binary = folder.join(name);
    if !binary.exists() {
        assert!(!is_named, "COPAL_PEERS_DIR names a folder without {name}: {}", folder.display());
        eprintln!("there is no {}, so this is not tried with it", binary.display());
        return None;
    }
    Some(Setup { binary, ..Setup::new() }.config(config).start())
}

/// Runs redis-cli against a server and returns what it printed; it may take 60 seconds.
#[cfg(feature = "peers")]
#[track_caller]
pub fn redis_cli(server: &Server, args: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("timeout")
        .args(["60", "redis-cli", "-p", &server.port().to_string()])
        .args(args)
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-cli and timeout are installed");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("redis-cli ends");
    // redis-cli may end before it has read everything; what it then printed says more to the reader than a broken pipe.
    drop(writer.join().expect("the writer does not panic"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() != Some(124), "redis-cli {args:?} did not end in 60 s:\n{text}\n{errors}");
    text + &errors
}

/// A port nobody listens on now, below the range from which the kernel gives ports to outgoing connections.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = std::process::id().wrapping_mul(7919).wrapping_add(turn.wrapping_mul(613)) % 8000;
        let port = 24_000 + u16::try_from(offset).expect("below 8000");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
        assert!(turn < 100_000, "no free port");
    }
}

/// How a server is to be started.
pub struct Setup {
    binary: PathBuf,
    config: String,
    args: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    data_dir: Option<PathBuf>,
    head: Head,
    launcher: Vec<String>,
    confinement: Option<Arc<Confinement>>,
}

/// Where the test's own settings (port, dir and so on) and its config lines go.
#[derive(Clone, Copy, PartialEq)]
enum Head {
    ConfigFile,
    StandardInput,
    Arguments,
    Nowhere,
}

/// What a server that did not start left behind.
pub struct RefusedStart {
    pub status: ExitStatus,
    pub log: String,
    /// The data folder as the server left it.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Setup {
    pub fn new() -> Self {
        Self {
            binary: server_under_test(),
            config: String::new(),
            args: Vec::new(),
            files: Vec::new(),
            data_dir: None,
            head: Head::ConfigFile,
            launcher: Vec::new(),
            confinement: None,
        }
    }

    /// Lines for the config file, after the test's own (port, dir, no save points).
    pub fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    /// Arguments after the config file's name.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// A file that lies in the data folder before the server starts.
    pub fn file(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), bytes.into()));
        self
    }

    /// A data folder of the caller's instead of a fresh one.
    pub fn data_dir(mut self, path: &Path) -> Self {
        self.data_dir = Some(path.to_owned());
        self
    }

    /// A program that starts the server, with its arguments before those of the server. The process is the program's then.
    pub fn launched_by(mut self, launcher: &[&str]) -> Self {
        self.launcher = launcher.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The server lacks what is taken from it, at each start.
    pub fn confined(self, confinement: Confinement) -> Self {
        Self { confinement: Some(Arc::new(confinement)), ..self }
    }

    /// The config text goes to the server's standard input instead of a file.
    pub fn config_by_standard_input(self) -> Self {
        Self { head: Head::StandardInput, ..self }
    }

    /// The test's own settings go on the command line, and no config file is named.
    pub fn without_config_file(self) -> Self {
        Self { head: Head::Arguments, ..self }
    }

    /// Nothing but the caller's arguments.
    pub fn without_own_arguments(self) -> Self {
        Self { head: Head::Nowhere, ..self }
    }

    #[track_caller]
    pub fn start(self) -> Server {
        let mut server = self.lay();
        server.launch(true);
        server.wait_until_ready();
        server
    }

    /// Starts without waiting for anything: for tests that watch the loading itself.
    #[track_caller]
    pub fn start_without_waiting(self) -> Server {
        let mut server = self.lay();
        server.launch(true);
        server
    }

    /// Starts a server that is expected to end by itself.
    #[track_caller]
    pub fn start_refused(self) -> RefusedStart {
        let mut server = self.lay();
        server.launch(true);
        let status = server.wait_for_exit();
        RefusedStart { status, log: server.log(), files: server.data_files() }
    }

    fn lay(self) -> Server {
        let root = tempfile::Builder::new().prefix("copal-it-").tempdir().expect("a temporary folder");
        let data_dir = self.data_dir.unwrap_or_else(|| root.path().join("data"));
        fs::create_dir_all(&data_dir).expect("a data folder");
        for (name, bytes) in &self.files {
            fs::write(data_dir.join(name), bytes).expect("a file in the data folder");
        }
        let Self { binary, config, args, head, launcher, confinement, .. } = self;
        Server { root, data_dir, binary, config, args, head, launcher, confinement, port: 0, process: None }
    }
}

/// A running server; dropping the guard kills it and removes its folder.
pub struct Server {
    root: TempDir,
    data_dir: PathBuf,
    binary: PathBuf,
    config: String,
    args: Vec<String>,
    head: Head,
    launcher: Vec<String>,
    confinement: Option<Arc<Confinement>>,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// A server without save points and with nothing else out of the ordinary.
    #[track_caller]
    pub fn start() -> Self {
        Setup::new().start()
    }

    /// A server with these lines in its config file.
    #[track_caller]
    pub fn with_config(lines: &str) -> Self {
        Setup::new().config(lines).start()
    }

    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// A client that speaks RESP3.
    #[track_caller]
    pub fn client_resp3(&self) -> Client {
        let mut client = self.client();
        assert!(!client.run("HELLO 3").is_error(), "the server speaks RESP3");
        client
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server runs").id()
    }

    /// So many bytes of memory as the kernel's status of the process says under a name such as `VmHWM`.
    #[track_caller]
    pub fn memory_figure(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the status of the server");
        let figure = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = figure.and_then(|figure| figure.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("a figure of that name") << 10
    }

    /// The snapshot children of the server.
    pub fn child_pids(&self) -> Vec<u32> {
        children_of(self.pid())
    }

    /// Waits for the snapshot child and returns its id.
    #[track_caller]
    pub fn wait_for_child(&self) -> u32 {
        let mut found = None;
        super::wait_until("the server has a child process", 30, || {
            found = self.child_pids().first().copied();
            found.is_some()
        });
        found.expect("just found")
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn dump_path(&self) -> PathBuf {
        self.data_dir.join("dump.rdb")
    }

    pub fn config_path(&self) -> PathBuf {
        self.root.path().join("server.conf")
    }

    /// Every plain file in the data folder.
    pub fn data_files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(&self.data_dir).expect("the data folder can be read");
        let files = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        files.filter_map(|entry| Some((entry.file_name().into_string().ok()?, fs::read(entry.path()).ok()?))).collect()
    }

    /// The temp files of snapshots in the data folder.
    pub fn temp_files(&self) -> Vec<String> {
        self.data_files().into_keys().filter(|name| name.starts_with("temp-")).collect()
    }

    /// Those that have no end. A save that was killed right before its rename leaves a whole dump, which nobody removes.
    pub fn unfinished_temp_files(&self) -> Vec<String> {
        let is_whole = |bytes: &[u8]| bytes.len() >= 18 && bytes[bytes.len() - 9] == 0xFF;
        let temps = self.data_files().into_iter().filter(|(name, _)| name.starts_with("temp-"));
        temps.filter(|(_, bytes)| !is_whole(bytes)).map(|(name, _)| name).collect()
    }

    /// What the server has printed so far, over all its starts.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "{text:?} never stood in the log:\n{}", self.log());
            sleep(Duration::from_millis(5));
        }
    }

    /// One section of INFO as its fields.
    #[track_caller]
    pub fn info(&self, section: &str) -> BTreeMap<String, String> {
        info_fields(&self.client().run(&format!("INFO {section}")))
    }

    #[track_caller]
    pub fn info_field(&self, section: &str, field: &str) -> String {
        self.info(section).remove(field).unwrap_or_else(|| panic!("INFO {section} has no {field}"))
    }

    /// A field of INFO that is a whole number.
    #[track_caller]
    pub fn info_number(&self, section: &str, field: &str) -> u64 {
        let text = self.info_field(section, field);
        text.parse().unwrap_or_else(|_| panic!("{field} is no number: {text}"))
    }

    /// The most memory that was used at once, in bytes.
    #[track_caller]
    pub fn memory_peak(&self) -> u64 {
        self.info_number("memory", "used_memory_peak")
    }

    /// DEBUG DIGEST, which is equal on two servers that hold the same data.
    #[track_caller]
    pub fn digest(&self) -> String {
        self.client().run("DEBUG DIGEST").text()
    }

    /// BGSAVE, and wait until it has ended; fails the test when it failed.
    #[track_caller]
    pub fn background_save(&self) {
        self.start_background_save();
        self.wait_for_save_end();
        assert_eq!(self.info_field("persistence", "rdb_last_bgsave_status"), "ok", "log:\n{}", self.log());
    }

    #[track_caller]
    pub fn start_background_save(&self) {
        let reply = self.client().run("BGSAVE");
        assert_eq!(reply, Value::Simple("Background saving started".to_owned()));
    }

    #[track_caller]
    pub fn wait_for_save_end(&self) {
        super::wait_until("the background save has ended", 60, || {
            self.info_field("persistence", "rdb_bgsave_in_progress") == "0"
        });
    }

    pub fn signal(&self, signal: Signal) {
        send_signal(self.pid(), signal);
    }

    /// Kills the server as a power cut would, and waits until it is gone.
    #[track_caller]
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the server runs");
        process.kill().expect("our own child can be killed");
        process.wait().expect("our own child can be waited for");
    }

    /// Starts the server again in the same folder, with the same configuration.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.launch(false);
        self.wait_until_ready();
    }

    /// Starts again a server that is expected to end by itself.
    #[track_caller]
    pub fn start_again_refused(&mut self) -> RefusedStart {
        let before = self.log().len();
        self.launch(false);
        let status = self.wait_for_exit();
        RefusedStart { status, log: self.log().split_off(before), files: self.data_files() }
    }

    /// Starts again without waiting for anything.
    #[track_caller]
    pub fn start_again_without_waiting(&mut self) {
        self.launch(false);
    }

    /// kill -9, then a start in the same folder.
    #[track_caller]
    pub fn kill_and_start_again(&mut self) {
        self.kill();
        self.start_again();
    }

    /// Replaces the config lines for the next start.
    pub fn set_config(&mut self, lines: &str) {
        lines.clone_into(&mut self.config);
    }

    /// Waits until the server has ended by itself.
    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(START_LIMIT_SECONDS);
        loop {
            let process = self.process.as_mut().expect("the server was started");
            if let Some(status) = process.try_wait().expect("our own child can be waited for") {
                self.process = None;
                return status;
            }
            assert!(Instant::now() < deadline, "the server did not end; log:\n{}", self.log());
            sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    pub fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(START_LIMIT_SECONDS);
        loop {
            match Client::try_connect(self.address()).and_then(|mut client| client.try_cmd(&["PING"])) {
                // A server with a password is ready too.
                Ok(Value::Simple(_)) => return,
                Ok(Value::Error(text)) if text.starts_with("NOAUTH") => return,
                _ => {}
            }
            let process = self.process.as_mut().expect("the server was started");
            if let Some(status) = process.try_wait().expect("our own child can be waited for") {
                self.process = None;
                // Between our look at the port and the server's, another test may have taken it.
                if self.log().contains("Address already in use") {
                    fs::remove_file(self.log_path()).expect("the log can be removed");
                    self.launch(true);
                    continue;
                }
                panic!("the server ended ({}) instead of starting; log:\n{}", describe(status), self.log());
            }
            assert!(Instant::now() < deadline, "the server does not answer PING; log:\n{}", self.log());
            sleep(Duration::from_millis(5));
        }
    }

    fn log_path(&self) -> PathBuf {
        self.root.path().join("log")
    }

    #[track_caller]
    fn launch(&mut self, new_port: bool) {
        assert!(self.process.is_none(), "the server runs already");
        if new_port {
            self.port = free_port();
        }
        // Redis 7 keeps DEBUG, and the settings that name files, behind switches.
        let own = [
            ("port", self.port.to_string()),
            ("bind", "127.0.0.1".to_owned()),
            ("dir", self.data_dir.display().to_string()),
            ("save", "\"\"".to_owned()),
            ("enable-debug-command", "yes".to_owned()),
            ("enable-protected-configs", "yes".to_owned()),
        ];
        let own_lines: String = own.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
        let text = format!("{own_lines}{}", self.config);
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let mut command = match self.launcher.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        if let Some(confinement) = &self.confinement {
            confinement.apply_to(&mut command);
        }
        command.current_dir(self.root.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        match self.head {
            Head::ConfigFile => {
                fs::write(self.config_path(), &text).expect("a config file");
                command.arg(self.config_path());
            }
            Head::StandardInput => {
                command.arg("-").stdin(Stdio::piped());
            }
            Head::Arguments => {
                for (name, value) in own {
                    command.arg(format!("--{name}")).arg(value.replace('"', ""));
                }
            }
            Head::Nowhere => {}
        }
        let mut spawned = command.args(&self.args).spawn();
        if let Ok(Some(mut input)) = spawned.as_mut().map(|child| child.stdin.take()) {
            input.write_all(text.as_bytes()).expect("the server reads its standard input");
        }
        self.process = Some(spawned.unwrap_or_else(|error| panic!("cannot run {}: {error}", self.binary.display())));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let children = children_of(process.id());
            // Both may have ended already, and a drop has nobody to tell.
            let _: io::Result<()> = process.kill();
            let _: io::Result<ExitStatus> = process.wait();
            for child in children {
                send_signal(child, Signal::SIGKILL);
            }
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            eprintln!("--- end of the log of {}\n{}\n---", self.binary.display(), tail.join("\n"));
        }
    }
}

/// The fields of an INFO reply.
pub fn info_fields(reply: &Value) -> BTreeMap<String, String> {
    let text = reply.text();
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect()
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => "unknown end".to_owned(),
    }
}
