//! Metrics, health checks and the status page over HTTP (`metrics-port`), on a thread of its own.
//! Owns:  the sockets, connections and requests, and the question to the event loop.
//! Uses:  config, observe, stdx.
//! Never: a key, a command or a client; it sees copies of figures only.

mod answer;
mod exchange;
mod guard;
mod health;
mod json;
mod listen;
mod metrics;
mod page;
mod status;

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use exchange::Exchange;
use health::Finding;

use crate::config::Config;
use crate::server::net::{ListenError, Shared, open_tcp};
use crate::server::process::Lack;

/// Sockets on which nobody is served yet.
pub struct Sockets(Vec<TcpListener>);

impl Sockets {
    /// Opens those that the configuration names, which may be none.
    pub fn open(config: &Config) -> Result<Self, ListenError> {
        let sockets = if config.metrics_port == 0 {
            Vec::new()
        } else {
            open_tcp(&config.metrics_bind, config.metrics_port, BACKLOG)?
        };
        Ok(Self(sockets))
    }
}

/// How many files the HTTP thread may have open at the same time, beside those of everything else.
pub fn files(config: &Config) -> u64 {
    if config.metrics_port == 0 { 0 } else { listen::FILES_MAX + config.metrics_bind.len() as u64 }
}

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 64;

/// Serves on the sockets by a thread of its own, and answers its questions until the server ends.
pub async fn serve(shared: Rc<Shared>, sockets: Sockets, lacks: Vec<Lack>) {
    if sockets.0.is_empty() {
        return;
    }
    let addresses: Vec<_> = sockets.0.iter().filter_map(|socket| socket.local_addr().ok()).collect();
    let exchange = Arc::new(Exchange::new());
    let theirs = Arc::clone(&exchange);
    let names = shared.executor.borrow().config.metrics_bind.clone();
    let lacks: Vec<_> = lacks.iter().map(Finding::of_machine).collect();
    let thread =
        std::thread::Builder::new().name("http".to_owned()).spawn(move || listen::run(sockets.0, names, theirs, lacks));
    match thread {
        Ok(_) => {
            for address in addresses {
                tracing::info!("Serving metrics on http://{address}/metrics");
            }
        }
        Err(error) => tracing::error!("Cannot start the thread that serves metrics: {error}"),
    }
    loop {
        exchange.wanted().await;
        let figures = shared.executor.borrow().figures();
        exchange.answer(figures);
    }
}
