//! From a configuration to a serving process, and to its end.

use std::rc::Rc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

use super::launch::Launch;
use super::service_manager::Notifier;
use super::signals::Requests;
use crate::config::Config;
use crate::server::cron;
use crate::server::exec::{blocking, current_dir};
use crate::server::executor::Executor;
use crate::server::http;
use crate::server::migrate;
use crate::server::net::{ListenError, Listeners, Shared, Timer, accept, event_loop};
use crate::server::persistence::{fallback, loading, snapshots};
use crate::server::process::{banner, file_limit, logging, machine, shutdown};
use crate::server::replication::{feed_payload, follow_primary};
use crate::server::scripts::busy;
use crate::snapshot::DumpFile;

/// Serves until a signal or SHUTDOWN ends it. Returns the exit code.
pub fn run(config: Config, launch: Launch, notifier: Option<Notifier>) -> i32 {
    let mut builder = Builder::new_current_thread();
    event_loop::watch(&mut builder);
    let runtime = match builder.enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("Cannot start the event loop: {error}");
            return 1;
        }
    };
    let code = runtime.block_on(serve(config, launch, notifier));
    // Freeing the data key by key would hold the end up for nothing: the kernel takes it as a whole.
    Box::leak(Box::new(runtime));
    code
}

async fn serve(mut config: Config, launch: Launch, notifier: Option<Notifier>) -> i32 {
    config.dir = current_dir();
    let wanted_clients = config.maxclients;
    if !make_room_for_clients(&mut config) {
        return 1;
    }
    let listeners = match Listeners::open(&config) {
        Ok(listeners) if listeners.is_empty() => {
            tracing::warn!("Configured to not listen anywhere, exiting.");
            return 1;
        }
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::warn!("{error}");
            match error {
                ListenError::Tcp { .. } => tracing::warn!("Failed listening on port {} (tcp), aborting.", config.port),
                _ => tracing::warn!("Failed listening on the unix socket {}, aborting.", config.unixsocket),
            }
            return 1;
        }
    };
    let metrics = match http::Sockets::open(&config) {
        Ok(sockets) => sockets,
        Err(error) => {
            tracing::warn!("{error}");
            tracing::warn!("Failed listening on the metrics port {} (tcp), aborting.", config.metrics_port);
            return 1;
        }
    };
    logging::become_primary();
    banner::show(&config);
    tracing::info!("Server initialized");
    banner::warn_of_directory(&config.dir);
    let mut executor = Executor::new(config, launch);
    let lacks = machine::lacks(&executor.config, executor.memory.limit(), wanted_clients);
    for lack in &lacks {
        tracing::warn!("WARNING: {} {}", lack.what(), lack.fix());
    }
    if let Err(reason) = executor.rename_commands() {
        tracing::warn!("{reason}");
        return 1;
    }
    if let Err(reason) = executor.set_up_users() {
        tracing::warn!("{reason}");
        return 1;
    }
    executor.process.listeners = listeners;
    executor.set_allocator_up();
    // A score that cannot be set is logged, and no reason not to serve.
    let _ = executor.follow_oom_score();
    executor.apply_live_config();
    executor.show_process_title();
    let timer = Timer::new();
    let requests = match Requests::listen() {
        Ok(requests) => requests,
        Err(error) => {
            tracing::error!("Cannot watch for signals: {error}");
            return 1;
        }
    };
    if let Some(primary) = executor.config.replicaof.clone() {
        executor.become_replica(primary);
    }
    let shared = Rc::new(Shared::new(executor));
    let dump = match loading::open_dump(&shared) {
        Ok(dump) => dump,
        Err(error) => {
            fallback::log_fatal(&shared, &error);
            return 1;
        }
    };
    let notifier = notifier.map(Rc::new);
    spawn_local(http::serve(Rc::clone(&shared), metrics, lacks));
    spawn_local(accept::accept(Rc::clone(&shared)));
    spawn_local(cron::run(Rc::clone(&shared), timer));
    spawn_local(blocking::watch_deadlines(Rc::clone(&shared)));
    spawn_local(migrate::watch_outcomes(Rc::clone(&shared)));
    spawn_local(busy::run_slices(Rc::clone(&shared)));
    spawn_local(shutdown::watch_signals(Rc::clone(&shared), requests));
    spawn_local(snapshots::watch_children(Rc::clone(&shared)));
    spawn_local(feed_payload(Rc::clone(&shared)));
    spawn_local(follow_primary(Rc::clone(&shared)));
    spawn_local(load_then_serve(Rc::clone(&shared), dump, notifier.clone()));
    let code = wait_for_end(&shared).await;
    if let Some(notifier) = &notifier {
        notifier.stopping();
    }
    shared.executor.borrow_mut().process.listeners.close();
    if code == 0 {
        tracing::warn!("Redis is now ready to exit, bye bye...");
    }
    code
}

/// Lowers `maxclients` to what the system allows. False where that is not even one.
fn make_room_for_clients(config: &mut Config) -> bool {
    let reached = file_limit::make_room(config);
    if reached < config.maxclients {
        let (limit, needed) = (file_limit::current(), file_limit::needed(config, config.maxclients));
        if reached == 0 {
            tracing::warn!(
                "Your current 'ulimit -n' of {limit} is not enough for the server to start. Please increase your open \
                 file limit to at least {needed}. Exiting."
            );
            return false;
        }
        tracing::warn!(
            "You requested maxclients of {} requiring at least {needed} max file descriptors. The current limit is \
             {limit}, and maxclients has been reduced to {reached}. If you need higher maxclients increase 'ulimit -n'.",
            config.maxclients
        );
        config.maxclients = reached;
    }
    true
}

async fn wait_for_end(shared: &Shared) -> i32 {
    loop {
        shared.ended().await;
        if let Some(code) = shared.executor.borrow().process.exit {
            return code;
        }
    }
}

/// Loads the dump, if there is one, while clients are answered -LOADING. Without its data the server does not run.
async fn load_then_serve(shared: Rc<Shared>, dump: Option<DumpFile>, notifier: Option<Rc<Notifier>>) {
    if let (Some(notifier), Some(_)) = (&notifier, &dump) {
        notifier.status("Loading the data set");
    }
    if let Some(dump) = dump {
        if let Err(error) = loading::load_dump(&shared, &dump).await {
            fallback::log_fatal(&shared, &error);
            shared.executor.borrow_mut().process.exit = Some(1);
            shared.end();
            return;
        }
        // Unmapping a large file takes tens of milliseconds. Where no thread starts, they are spent here.
        drop(std::thread::Builder::new().name("unmap".to_owned()).spawn(move || drop(dump)));
    }
    let executor = shared.executor.borrow();
    if executor.process.listeners.has_tcp() {
        tracing::info!("Ready to accept connections tcp");
    }
    if executor.process.listeners.has_unix() {
        tracing::info!("Ready to accept connections unix");
    }
    if let Some(notifier) = &notifier {
        notifier.ready();
    }
}
