//! The server's state, room by room.

use std::time::Duration;

use crate::commands::{AccessRules, CommandTable, Users};
use crate::config::Config;
use crate::keyspace::Keyspace;
use crate::server::clients::{Clients, PubSub};
use crate::server::clock::ServerClock;
use crate::server::exec::Execution;
use crate::server::memory::Memory;
use crate::server::migrate::Migrations;
use crate::server::persistence::Snapshots;
use crate::server::process::{Launch, Process, fatal_signal};
use crate::server::replication::Replication;
use crate::server::report::Stats;
use crate::server::scripts::Scripts;
use crate::stdx::HashSeed;

/// The server's state: one field a room, and none holds a handle to another. Commands change it by [`Executor::call`].
pub struct Executor {
    pub keyspace: Keyspace,
    pub config: Config,
    pub table: CommandTable,
    pub users: Users,
    pub clients: Clients,
    pub pubsub: PubSub,
    pub snapshots: Snapshots,
    pub stats: Stats,
    pub clock: ServerClock,
    pub exec: Execution,
    pub memory: Memory,
    pub migrations: Migrations,
    pub scripts: Scripts,
    pub replication: Replication,
    pub process: Process,
}

impl Executor {
    pub fn new(config: Config, launch: Launch) -> Self {
        let clock = ServerClock::new();
        let table = CommandTable::new();
        fatal_signal::name_commands(table.rows().iter().map(|row| row.full_name.clone()));
        let users = Users::new(&AccessRules::new(table.rows(), &config));
        let mut executor = Self {
            keyspace: Keyspace::new(config.databases as usize, HashSeed::random()),
            clients: Clients::default(),
            pubsub: PubSub::default(),
            snapshots: Snapshots::new(clock.latest()),
            stats: Stats::new(table.rows().len()),
            exec: Execution::new(&config),
            memory: Memory::new(),
            migrations: Migrations::new(),
            scripts: Scripts::default(),
            replication: Replication::new(),
            process: Process::new(launch, clock.latest()),
            clock,
            table,
            users,
            config,
        };
        executor.follow_password();
        executor.apply_keyspace_config();
        executor
    }

    /// Takes over limits of commands, replies and clients.
    pub fn apply_client_limits(&mut self) {
        self.exec.follow(&self.config);
        self.follow_client_memory_limit();
    }

    /// Seconds since the start.
    pub fn uptime(&self) -> Duration {
        self.process.uptime(self.clock.latest())
    }
}
