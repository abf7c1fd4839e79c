//! The HTTP thread: it accepts connections and serves them one beside the other, within bounds that no client can exceed.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::TcpListener as Socket;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::{AbortHandle, spawn_local};

use super::answer::answer;
use super::exchange::Exchange;
use super::guard::Guard;
use super::health::Finding;
use super::metrics::HttpFigures;
use super::page::Page;

/// Connections that are served at the same time. For one more, the one that has been idle for longest is closed.
const CONNECTIONS_MAX: usize = 16;

/// Files of this thread, without the sockets that listen: beside connections, one that comes while another goes, one that finds
/// no room, and three of the runtime.
pub const FILES_MAX: u64 = CONNECTIONS_MAX as u64 + 5;

/// A request's head has to be there within so long.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// A connection is closed after so long, whatever it does: Prometheus opens another one.
const CONNECTION_LIFE: Duration = Duration::from_secs(120);

/// What is answered to a connection whose time is up has so long to be read.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A request's head may be so long, and have so many fields.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;

/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What all connections share.
pub struct Site {
    pub(super) exchange: Arc<Exchange>,
    /// What the machine lacks.
    pub(super) system: Vec<Finding>,
    pub(super) page: Page,
    pub(super) guard: Guard,
    connections: RefCell<Vec<Connection>>,
    opened: Cell<u64>,
    requests: Cell<u64>,
    scrapes: Cell<u64>,
    dropped: Cell<u64>,
}

struct Connection {
    number: u64,
    abort: AbortHandle,
    is_answering: bool,
    /// When it came, or was last answered.
    active: Instant,
    /// It was answered before.
    is_known: bool,
}

impl Site {
    fn new(guard: Guard, exchange: Arc<Exchange>, system: Vec<Finding>) -> Self {
        Self {
            exchange,
            system,
            page: Page::new(),
            guard,
            connections: RefCell::default(),
            opened: Cell::new(0),
            requests: Cell::new(0),
            scrapes: Cell::new(0),
            dropped: Cell::new(0),
        }
    }

    pub fn note_scrape(&self) {
        self.scrapes.set(self.scrapes.get() + 1);
    }

    pub fn figures(&self) -> HttpFigures {
        HttpFigures {
            requests: self.requests.get(),
            scrapes: self.scrapes.get(),
            connections: self.connections.borrow().len() as u64,
            connections_dropped: self.dropped.get(),
        }
    }

    /// Makes room for a connection. Returns whether there is some.
    fn make_room(&self) -> bool {
        let mut connections = self.connections.borrow_mut();
        if connections.len() < CONNECTIONS_MAX {
            return true;
        }
        self.dropped.set(self.dropped.get() + 1);
        // Those that were never answered go first: whoever holds connections open without a question is no scraper.
        let idle = connections.iter().enumerate().filter(|(_, connection)| !connection.is_answering);
        let first = idle.min_by_key(|(_, connection)| (connection.is_known, connection.active));
        let Some(index) = first.map(|(index, _)| index) else { return false };
        connections.swap_remove(index).abort.abort();
        true
    }

    fn update(&self, number: u64, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = self.connections.borrow_mut().iter_mut().find(|known| known.number == number) {
            change(connection);
        }
    }

    async fn answer(&self, number: u64, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.requests.set(self.requests.get() + 1);
        self.update(number, |connection| connection.is_answering = true);
        let response = answer(self, &request).await;
        self.update(number, |connection| {
            connection.is_answering = false;
            connection.is_known = true;
            connection.active = Instant::now();
        });
        response
    }
}

/// Serves on the sockets until the process ends. `names` are those of the addresses that they are bound to.
pub fn run(sockets: Vec<Socket>, names: Vec<String>, exchange: Arc<Exchange>, system: Vec<Finding>) {
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("Cannot serve metrics: {error}");
            return;
        }
    };
    runtime.block_on(async {
        let site = Rc::new(Site::new(Guard::new(names), exchange, system));
        let mut tasks = Vec::new();
        for socket in sockets {
            match TcpListener::from_std(socket) {
                Ok(listener) => tasks.push(spawn_local(accept(Rc::clone(&site), listener))),
                Err(error) => tracing::error!("Cannot serve metrics: {error}"),
            }
        }
        for task in tasks {
            drop(task.await);
        }
    });
}

async fn accept(site: Rc<Site>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if site.make_room() => welcome(&site, stream),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!("Accepting a connection for metrics: {error}");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

fn welcome(site: &Rc<Site>, stream: TcpStream) {
    let number = site.opened.get();
    site.opened.set(number + 1);
    let shared = Rc::clone(site);
    let task = spawn_local(async move {
        if let Err(error) = serve(&shared, number, stream).await {
            tracing::debug!("A connection for metrics: {error}");
        }
        shared.connections.borrow_mut().retain(|connection| connection.number != number);
    });
    let connection =
        Connection { number, abort: task.abort_handle(), is_answering: false, active: Instant::now(), is_known: false };
    site.connections.borrow_mut().push(connection);
}

async fn serve(site: &Rc<Site>, number: u64, stream: TcpStream) -> Result<(), hyper::Error> {
    // Without it, the last part of an answer may wait for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("A connection for metrics: {error}");
    }
    let service = service_fn(|request| async move { Ok::<_, Infallible>(site.answer(number, request).await) });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    match tokio::time::timeout(CONNECTION_LIFE, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_WORDS, connection).await.unwrap_or(Ok(()))
        }
    }
}
