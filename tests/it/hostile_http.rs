//! Whatever comes over HTTP: nothing takes the server down, holds others up, or takes memory and files without a bound.
//!
//! `COPAL_HTTP_REQUESTS` says how many mutated requests are sent, `COPAL_HTTP_SEED` repeats a run.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use crate::support::{Server, against_redis, free_port, http, wait_until};

/// Connections that are served at the same time, and descriptors that come and go beside them.
const FILES_MAX: usize = 16 + 8;

const REQUESTS: &[&str] = &[
    "GET /metrics HTTP/1.1\r\nHost: localhost:9121\r\nAccept: application/openmetrics-text;version=1.0.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\nGET /readyz?strict HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /status.json HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "PUT /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\nExpect: 100-continue\r\n\r\n",
    "GET http://elsewhere/metrics HTTP/1.0\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\nRange: bytes=0-18446744073709551615\r\nTE: trailers\r\n\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
];

struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below.max(1)
    }

    fn request(&mut self) -> Vec<u8> {
        let mut bytes = REQUESTS[self.next(REQUESTS.len())].as_bytes().to_vec();
        for _ in 0..=self.next(4) {
            let at = self.next(bytes.len());
            match self.next(8) {
                0 => bytes[at] = self.next(256) as u8,
                1 => bytes.truncate(at + 1),
                2 => drop(
                    bytes
                        .splice(at..at, [b"\r\n".as_slice(), b"\n", b"\0", b":", b" ", b"\xff"][self.next(6)].to_vec()),
                ),
                3 => drop(bytes.splice(at..at, vec![b'a'; self.next(40_000)])),
                4 => drop(bytes.splice(at..at, b"X: y\r\n".repeat(self.next(300)))),
                5 => drop(bytes.remove(at)),
                6 => bytes.extend_from_within(at..),
                _ => drop(bytes.splice(at..at, REQUESTS[self.next(REQUESTS.len())].bytes())),
            }
            if bytes.is_empty() {
                bytes.push(b'G');
            }
        }
        bytes
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn start() -> (Server, u16) {
    let port = free_port();
    (Server::with_config(&format!("metrics-port {port}\nsave \"\"\n")), port)
}

fn open_files(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("its files can be listed").count()
}

fn resident(server: &Server) -> u64 {
    server.info_number("memory", "used_memory_rss")
}

/// Sends it and reads what comes, which is an answer, or the end.
fn try_on(port: u16, request: &[u8]) -> Result<(), String> {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return Err("nobody listens".to_owned()) };
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
    // It may have been refused before it was read to the end.
    let _ = stream.write_all(request).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            Err(format!("the connection hangs: {error}"))
        }
        _ if answer.is_empty() || answer.starts_with(b"HTTP/1.") => Ok(()),
        _ => Err(format!("no HTTP: {}", String::from_utf8_lossy(&answer[..answer.len().min(100)]))),
    }
}

#[test]
fn mutated_requests_are_answered_or_refused_and_leave_nothing_behind() {
    const THREADS: u64 = 8;
    if against_redis() {
        return;
    }
    let (count, seed) = (number("COPAL_HTTP_REQUESTS", 4000), number("COPAL_HTTP_SEED", 1));
    let (server, port) = start();
    let mut client = server.client();
    http::get(port, "/metrics");
    let (files, memory) = (open_files(&server), resident(&server));
    let threads = (0..THREADS).map(|number| {
        thread::spawn(move || {
            let mut chance = Chance(seed.wrapping_mul(1000).wrapping_add(number));
            for _ in 0..count / THREADS {
                let request = chance.request();
                if let Err(fault) = try_on(port, &request) {
                    return Err(format!("{fault}; the request: {}", request.escape_ascii()));
                }
            }
            Ok(())
        })
    });
    let threads: Vec<_> = threads.collect();
    for thread in threads {
        if let Err(fault) = thread.join().expect("no panic") {
            panic!("{fault}");
        }
    }
    assert_eq!(client.run("PING").text(), "PONG");
    assert_eq!(http::get(port, "/healthz").status, 200);
    wait_until("its connections are closed", 30, || open_files(&server) <= files + 1);
    let grown = resident(&server).saturating_sub(memory);
    assert!(grown < 64 << 20, "{grown} bytes more are resident");
    assert!(server.client().run("DBSIZE").integer() == 0, "no request became a command");
}

#[test]
fn connections_that_say_nothing_make_way_for_those_that_ask() {
    if against_redis() {
        return;
    }
    let (server, port) = start();
    // The thread has its own files once it answers.
    http::get(port, "/healthz");
    let files = open_files(&server);
    let mut idle: Vec<_> = (0..300).map(|_| http::connect(port)).collect();
    for (number, stream) in idle.iter_mut().enumerate() {
        // Some have said half of a request, and say a little more later.
        let _ = stream.write_all(&b"GET /metrics HTTP/1.1\r\nHo"[..number % 20]);
    }
    for turn in 0..20 {
        assert_eq!(http::get(port, "/metrics").status, 200, "turn {turn}");
        assert!(open_files(&server) <= files + FILES_MAX, "{} files", open_files(&server));
        for stream in &mut idle {
            let _ = stream.write_all(b"x");
        }
    }
    let metrics = http::get(port, "/metrics").body;
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("copal_http_connections_dropped_total "));
    let dropped: u64 = dropped.expect("it is counted").parse().expect("a number");
    assert!(dropped > 200, "{dropped} were dropped");
    // Whoever stays connected and ends no request is closed by the clock.
    wait_until("all that are idle are closed", 60, || open_files(&server) <= files);
}
