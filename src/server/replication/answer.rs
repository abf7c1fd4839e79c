//! The commands of replication.

use super::Replica;
use super::replica::{Capabilities, Stage};
use crate::commands::{CommandError, ReplicationRequest};
use crate::config::PrimaryAddress;
use crate::replication::ReplicationId;
use crate::server::clients::ClientKey;
use crate::server::exec::Frame;
use crate::server::executor::Executor;
use crate::stdx::number::parse_i64;

impl Executor {
    pub(in crate::server) fn answer_replication(&mut self, frame: &Frame<'_>, request: ReplicationRequest) {
        let key = frame.client;
        let result = match request {
            ReplicationRequest::Follow(target) => self.replicaof(key, target),
            ReplicationRequest::Psync { id, next, takes_over } => self.psync(key, &id, next, takes_over),
            ReplicationRequest::Sync => self.sync(key),
            ReplicationRequest::Configure => self.replconf(frame),
            ReplicationRequest::Role => {
                self.answer_role(key);
                Ok(())
            }
            ReplicationRequest::Wait { .. } if self.replication.is_replica() => Err(CommandError::text(
                "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
                 configured to be writable (which is not the default) writes to replicas are just local and are not \
                 propagated.",
            )),
            ReplicationRequest::Wait { replicas, deadline } => {
                self.wait_for_replicas(frame, replicas, deadline);
                Ok(())
            }
            ReplicationRequest::Failover(request) => self.failover(key, request),
        };
        if let Err(error) = result {
            self.reply_error(key, &error);
        }
    }

    fn replicaof(&mut self, key: ClientKey, target: Option<PrimaryAddress>) -> Result<(), CommandError> {
        let who = self.clients.get(key).session.peer.remote();
        match target {
            None => {
                if self.replication.is_replica() {
                    self.become_primary();
                    tracing::info!("MASTER MODE enabled (user request from '{who}')");
                }
            }
            Some(address) => {
                if self.config.replicaof.as_ref() == Some(&address) && self.replication.is_replica() {
                    self.clients.get_mut(key).reply.simple("OK Already connected to specified master");
                    return Ok(());
                }
                if self.clients.get(key).is_replica() {
                    return Err(CommandError::text("ERR Command is not valid when client is a replica."));
                }
                tracing::info!("REPLICAOF {address} enabled (user request from '{who}')");
                self.become_replica(address);
            }
        }
        self.clients.get_mut(key).reply.ok();
        Ok(())
    }

    /// Whether this server can serve replicas now.
    fn check_syncable(&self, key: ClientKey) -> Result<(), CommandError> {
        if self.clients.get(key).is_replica() {
            return Err(CommandError::text("ERR Replica can't ask for the stream twice"));
        }
        if self.replication.failover.is_some() {
            return Err(CommandError::text("NOMASTERLINK Can't SYNC while failing over"));
        }
        if !self.is_in_sync_with_primary() {
            return Err(CommandError::text("NOMASTERLINK Can't SYNC while not connected with my master"));
        }
        if !self.clients.get(key).reply.is_empty() {
            return Err(CommandError::text("ERR SYNC and PSYNC are invalid with pending output"));
        }
        let is_filtered = |of: Capabilities| (of.without_keys || of.without_functions) && !of.eof;
        if self.clients.get(key).replica.as_deref().is_some_and(|replica| is_filtered(replica.capabilities)) {
            // It would have to be sent from a file, which would replace the dump.
            return Err(CommandError::text("ERR Filtered replica requires EOF capability"));
        }
        Ok(())
    }

    fn psync(&mut self, key: ClientKey, id: &[u8], next: Option<i64>, takes_over: bool) -> Result<(), CommandError> {
        let Some(next) = next else {
            let name = self.name_of_replica(key);
            tracing::warn!("Replica {name} asks for synchronization but with a wrong offset");
            return Err(CommandError::NotInteger);
        };
        if takes_over {
            self.take_over(key, id)?;
        }
        self.check_syncable(key)?;
        let position = ReplicationId::parse(id).zip(u64::try_from(next).ok());
        let name = self.name_of_replica(key);
        tracing::info!("Replica {name} asks for synchronization");
        if let Some((id, next)) = position {
            self.guard_against_rewind(id, next, &name)?;
        }
        match position {
            Some((id, next)) if self.can_continue(id, next) => self.continue_stream(key, next, &name),
            _ => {
                let asked = position.is_some();
                self.replication.counters.partial_syncs_refused += u64::from(asked);
                if asked {
                    let (history, backlog) = (&self.replication.history, &self.replication.backlog);
                    let kept = backlog
                        .as_ref()
                        .map_or_else(|| "nothing".to_owned(), |b| format!("bytes {} to {}", b.start(), b.end()));
                    tracing::info!(
                        "Partial resynchronization not possible for replica {name}: it asks for byte {next} of {}, and \
                         {kept} of {} is kept. A larger repl-backlog-size keeps more",
                        String::from_utf8_lossy(id),
                        history.id()
                    );
                }
                self.attach(key, true);
            }
        }
        Ok(())
    }

    /// Whether the stream from byte `next` on of a history can be sent.
    fn can_continue(&self, id: ReplicationId, next: u64) -> bool {
        let Self { replication, .. } = self;
        replication.history.continues(id, next)
            && replication.backlog.as_ref().is_some_and(|backlog| backlog.holds(next))
    }

    fn continue_stream(&mut self, key: ClientKey, next: u64, name: &str) {
        self.feed_replicas();
        let now = self.clock.latest();
        let id = self.replication.history.id();
        let client = self.clients.get_mut(key);
        let replica = client.replica.get_or_insert_with(|| Box::new(Replica::new(now)));
        replica.attach(Stage::Online, now);
        replica.next = next;
        replica.acked = next - 1;
        replica.gathers_packets = Some(self.config.repl_disable_tcp_nodelay);
        let line = match replica.capabilities.psync2 {
            true => format!("+CONTINUE {id}\r\n"),
            false => "+CONTINUE\r\n".to_owned(),
        };
        self.send_line(key, line.as_bytes());
        self.add_replica(key);
        self.replication.counters.partial_syncs_accepted += 1;
        let bytes = self.replication.backlog.as_ref().map_or(0, |backlog| backlog.end() - next);
        tracing::info!(
            "Partial resynchronization request from {name} accepted. Sending {bytes} bytes of backlog starting from \
             offset {next}."
        );
    }

    /// From now on the connection is a replica's.
    fn add_replica(&mut self, key: ClientKey) {
        if self.replication.replicas.is_empty() {
            // The first question comes a period later.
            self.replication.last_ping = Some(self.clock.latest());
        }
        self.clients.get_mut(key).session.listens = true;
        self.replication.replicas.push(key);
        self.replication.lonely_since = None;
    }

    fn sync(&mut self, key: ClientKey) -> Result<(), CommandError> {
        self.check_syncable(key)?;
        self.attach(key, false);
        Ok(())
    }

    /// Makes a client a replica that waits for all data.
    fn attach(&mut self, key: ClientKey, knows_offsets: bool) {
        let now = self.clock.latest();
        let client = self.clients.get_mut(key);
        let replica = client.replica.get_or_insert_with(|| Box::new(Replica::new(now)));
        replica.attach(Stage::WaitsForSnapshot, now);
        replica.knows_offsets = knows_offsets;
        replica.gathers_packets = Some(self.config.repl_disable_tcp_nodelay);
        self.delay_sync_after_overruns(key, now);
        self.add_replica(key);
        self.replication.counters.full_syncs += 1;
        self.sync_cron(now);
    }

    fn replconf(&mut self, frame: &Frame<'_>) -> Result<(), CommandError> {
        let key = frame.client;
        let now = self.clock.latest();
        let mut acked = false;
        for at in (1..frame.args.len()).step_by(2) {
            let (name, value) = (frame.args.arg(at).to_ascii_lowercase(), frame.args.arg(at + 1));
            if name == b"ack" || name == b"fack" {
                acked |= name == b"ack";
                if name == b"ack" {
                    self.take_ack(key, value);
                }
                continue;
            }
            if name == b"getack" {
                // A question of the primary's, which is asked within its stream.
                return Ok(());
            }
            let client = self.clients.get_mut(key);
            let replica = client.replica.get_or_insert_with(|| Box::new(Replica::new(now)));
            replica.configure(&name, value)?;
        }
        if !acked {
            self.clients.get_mut(key).reply.ok();
        }
        Ok(())
    }

    /// A replica says how far it has come. Nobody answers.
    fn take_ack(&mut self, key: ClientKey, value: &[u8]) {
        let now = self.clock.latest();
        let Some(offset) = parse_i64(value).and_then(|offset| u64::try_from(offset).ok()) else { return };
        let Some(replica) = self.clients.get_mut(key).replica.as_deref_mut().filter(|replica| replica.is_attached())
        else {
            return;
        };
        replica.acked = replica.acked.max(offset);
        replica.acked_at = now;
        let is_complete = matches!(replica.stage, Stage::LoadsData | Stage::Online);
        let has_settled = is_complete && !replica.is_settled;
        replica.is_settled |= is_complete;
        if replica.stage == Stage::LoadsData && !replica.capabilities.rdb_only {
            replica.stage = Stage::Online;
            self.clients.get(key).wake();
        }
        if has_settled {
            self.note_settled_replica(key);
        }
        self.serve_waiting();
        self.failover_cron();
    }

    fn answer_role(&mut self, key: ClientKey) {
        let offset = self.replication.history.offset() as i64;
        if let Some(upstream) = &self.replication.upstream {
            let offset = if upstream.can_continue { offset } else { -1 };
            let reply = &mut self.clients.get_mut(key).reply;
            reply.array(5);
            reply.bulk("slave");
            reply.bulk(&upstream.address.host);
            reply.integer(upstream.address.port.into());
            reply.bulk(upstream.link.name());
            reply.integer(offset);
            return;
        }
        let online: Vec<(String, u16, u64)> = self
            .replicas()
            .filter(|(_, replica)| replica.stage == Stage::Online)
            .map(|(key, replica)| {
                let (ip, port) = self.address_of_replica(key);
                (ip, port, replica.acked)
            })
            .collect();
        let reply = &mut self.clients.get_mut(key).reply;
        reply.array(3);
        reply.bulk("master");
        reply.integer(offset);
        reply.array(online.len());
        for (ip, port, acked) in online {
            reply.array(3);
            reply.bulk(ip);
            reply.bulk(port.to_string());
            reply.bulk(acked.to_string());
        }
    }
}

impl Replica {
    /// Takes in one option of REPLCONF, whose name is in small letters.
    fn configure(&mut self, name: &[u8], value: &[u8]) -> Result<(), CommandError> {
        match name {
            b"listening-port" => {
                let port = parse_i64(value).and_then(|port| u16::try_from(port).ok());
                self.port = port.ok_or(CommandError::NotInteger)?;
            }
            b"ip-address" => {
                const IP_BYTES_MAX: usize = 255;
                let ip = std::str::from_utf8(value).ok().filter(|ip| ip.len() <= IP_BYTES_MAX);
                self.announced_ip = ip
                    .ok_or_else(|| {
                        CommandError::owned(format!(
                            "ERR REPLCONF ip-address provided by replica instance is too long: {} bytes",
                            value.len()
                        ))
                    })?
                    .into();
            }
            // What is not known is ignored, as in Redis.
            b"capa" => match value.to_ascii_lowercase().as_slice() {
                b"eof" => self.capabilities.eof = true,
                b"psync2" => self.capabilities.psync2 = true,
                _ => {}
            },
            b"rdb-only" => self.capabilities.rdb_only = parse_i64(value) == Some(1),
            b"rdb-filter-only" => {
                let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
                let mut functions = false;
                for word in words {
                    if !word.eq_ignore_ascii_case(b"functions") {
                        return Err(CommandError::owned(format!(
                            "ERR Unsupported rdb-filter-only option: {}",
                            String::from_utf8_lossy(word)
                        )));
                    }
                    functions = true;
                }
                self.capabilities.without_keys = true;
                self.capabilities.without_functions = !functions;
            }
            b"rdb-version" => {
                self.rdb_version = parse_i64(value).and_then(|version| u32::try_from(version).ok());
            }
            // The version of a Valkey, whose dumps of its own this server does not write.
            b"version" => {}
            _ => {
                return Err(CommandError::owned(format!(
                    "ERR Unrecognized REPLCONF option: {}",
                    String::from_utf8_lossy(name)
                )));
            }
        }
        Ok(())
    }
}
