//! From a configuration to a serving process, and to its end.

use std::rc::Rc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_local;

use super::connection::Shared;
use super::effects::current_dir;
use super::executor::Executor;
use super::listener::{self, Listeners};
use super::start::Launch;
use super::supervisor::Notifier;
use super::{banner, crash, cron, file_limit, logging};
use crate::config::Config;

/// Serves until a signal or SHUTDOWN ends it. Returns the exit code.
pub fn run(config: Config, launch: Launch, notifier: Option<Notifier>) -> i32 {
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("Cannot start the event loop: {error}");
            return 1;
        }
    };
    runtime.block_on(serve(config, launch, notifier))
}

async fn serve(mut config: Config, launch: Launch, notifier: Option<Notifier>) -> i32 {
    config.dir = current_dir();
    make_room_for_clients(&mut config);
    let listeners = match Listeners::open(&config) {
        Ok(listeners) if listeners.is_empty() => {
            tracing::warn!("Configured to not listen anywhere, exiting.");
            return 1;
        }
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::warn!("{error}");
            tracing::warn!("Failed listening on port {} (tcp), aborting.", config.port);
            return 1;
        }
    };
    logging::become_primary();
    banner::show(&config);
    let (has_tcp, has_unix) = (listeners.has_tcp(), listeners.has_unix());
    banner::warn_of_system(&config);
    tracing::info!("Server initialized");
    let mut executor = Executor::new(config, launch);
    if let Err(reason) = executor.rename_commands() {
        tracing::warn!("{reason}");
        return 1;
    }
    executor.listeners = listeners;
    executor.set_allocator_up();
    executor.apply_live_config();
    executor.show_process_title();
    let shared = Rc::new(Shared::new(executor));
    spawn_local(listener::accept(Rc::clone(&shared)));
    spawn_local(cron::run(Rc::clone(&shared)));
    spawn_local(watch_signals(Rc::clone(&shared)));
    spawn_local(watch_for_abort());
    if has_tcp {
        tracing::info!("Ready to accept connections tcp");
    }
    if has_unix {
        tracing::info!("Ready to accept connections unix");
    }
    if let Some(notifier) = &notifier {
        notifier.ready();
    }
    let code = wait_for_end(&shared).await;
    if let Some(notifier) = &notifier {
        notifier.stopping();
    }
    shared.executor.borrow_mut().listeners.close();
    code
}

/// Lowers `maxclients` to what the system allows.
fn make_room_for_clients(config: &mut Config) {
    let reached = file_limit::make_room(config.maxclients);
    if reached < config.maxclients {
        tracing::warn!(
            "You requested maxclients of {} requiring more open files than the system allows. maxclients has been \
             reduced to {reached}. If you need higher maxclients increase 'ulimit -n'.",
            config.maxclients
        );
        config.maxclients = reached;
    }
}

async fn wait_for_end(shared: &Shared) -> i32 {
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

/// Reports that somebody aborts the process, and lets it happen.
async fn watch_for_abort() {
    match signal(SignalKind::from_raw(libc::SIGABRT)) {
        Ok(mut abort) => {
            abort.recv().await;
            crash::end_by_signal(libc::SIGABRT);
        }
        Err(error) => tracing::debug!("Cannot watch for SIGABRT: {error}"),
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
