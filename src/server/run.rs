//! From a configuration to a serving process, and to its end.

use std::rc::Rc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_local;

use super::connection::Shared;
use super::cron;
use super::executor::Executor;
use super::listener::Listeners;
use crate::config::Config;

/// Serves until a signal or SHUTDOWN ends it. Returns the exit code.
pub fn run(config: Config) -> i32 {
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("Cannot start the event loop: {error}");
            return 1;
        }
    };
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> i32 {
    let listeners = match Listeners::open(&config) {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::warn!("{error}");
            return 1;
        }
    };
    let shared = Rc::new(Shared::new(Executor::new(config)));
    let _serving = match listeners.serve(&shared) {
        Ok(serving) => serving,
        Err(error) => {
            tracing::warn!("Cannot serve the listening sockets: {error}");
            return 1;
        }
    };
    spawn_local(cron::run(Rc::clone(&shared)));
    spawn_local(watch_signals(Rc::clone(&shared)));
    tracing::info!("Ready to accept connections");
    loop {
        std::future::poll_fn(|context| {
            if shared.exit.poll(context) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        if let Some(code) = shared.executor.borrow().exit {
            return code;
        }
    }
}

async fn watch_signals(shared: Rc<Shared>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("Cannot watch for signals");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::warn!("Received SIGTERM scheduling shutdown..."),
        _ = interrupt.recv() => tracing::warn!("Received SIGINT scheduling shutdown..."),
    }
    shared.executor.borrow_mut().exit = Some(0);
    shared.exit.raise();
}
