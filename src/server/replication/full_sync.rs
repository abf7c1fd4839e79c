//! Full syncs: one snapshot child serves all replicas that wait for one, straight from its pipe or from the dump that it
//! has written.

use std::io::{self, Read as _};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::unix::pipe;

use super::payload::{FullSync, KindOfData, Source};
use super::replica::{Capabilities, Replica, Stage};
use super::state::Replication;
use crate::rdb;
#[cfg(any(test, feature = "internals"))]
use crate::replication::History;
use crate::replication::{Backlog, Framing};
use crate::server::clients::{ClientKey, Close};
use crate::server::executor::Executor;
use crate::server::net::Shared;
use crate::snapshot::SaveError;
use crate::stdx::clock::Now;
use crate::stdx::random_name;

/// So much is fetched ahead of the slowest replica.
const AHEAD_BYTES: u64 = 1 << 20;

/// How much is fetched at once.
const FETCH_BYTES: usize = 256 * 1024;

/// The version of RDB that every server since Redis 7.0 reads.
const RDB_VERSION_OF_ALL: u32 = 10;

/// No more seconds pass between two full syncs because the first has failed.
const DELAY_SECONDS_MAX: u64 = 30;

/// Fetches the data of each full sync as fast as the slowest replica takes them, until the server ends.
pub async fn feed_payload(shared: Rc<Shared>) {
    let wake = Rc::clone(&shared.executor.borrow().replication.sync_wake);
    loop {
        let source = shared.executor.borrow_mut().take_source();
        match source {
            None => wake.raised().await,
            Some((number, source)) => {
                if let Err(error) = fetch(&shared, number, source).await {
                    tracing::warn!("Cannot read the data of a full sync: {error}");
                    shared.executor.borrow_mut().fail_sync(number);
                }
            }
        }
    }
}

async fn fetch(shared: &Shared, number: u64, source: Source) -> io::Result<()> {
    let wake = Rc::clone(&shared.executor.borrow().replication.sync_wake);
    let mut buffer = vec![0; FETCH_BYTES];
    let (mut pipe, mut file) = match source {
        Source::Pipe(pipe) => (Some(pipe::Receiver::from_owned_fd(pipe)?), None),
        Source::File(file) => (None, Some(file)),
        Source::Dump | Source::Taken => (None, None),
    };
    loop {
        loop {
            match shared.executor.borrow().room_for_data(number) {
                None => return Ok(()),
                Some(true) => break,
                Some(false) => {}
            }
            wake.raised().await;
        }
        let read = match (&mut pipe, &mut file) {
            (Some(pipe), _) => {
                tokio::select! {
                    read = tokio::io::AsyncReadExt::read(pipe, &mut buffer) => read?,
                    // The sync may have ended.
                    () = wake.raised() => continue,
                }
            }
            (None, Some(file)) => {
                tokio::task::yield_now().await;
                file.read(&mut buffer)?
            }
            (None, None) => 0,
        };
        shared.executor.borrow_mut().take_sync_data(number, &buffer[..read]);
        if read == 0 {
            return Ok(());
        }
    }
}

impl Executor {
    /// The source of a full sync that nobody fetches yet.
    fn take_source(&mut self) -> Option<(u64, Source)> {
        let sync = self.replication.sync.as_mut()?;
        match sync.source {
            Source::Pipe(_) | Source::File(_) => {
                Some((sync.number, std::mem::replace(&mut sync.source, Source::Taken)))
            }
            Source::Dump | Source::Taken => None,
        }
    }

    /// Whether more may be fetched for a full sync; nothing if it is not under way any more.
    pub(in crate::server) fn room_for_data(&self, number: u64) -> Option<bool> {
        let sync = self.replication.sync.as_ref().filter(|sync| sync.number == number)?;
        Some(sync.data.len() < AHEAD_BYTES)
    }

    /// Whether the data that a child sends are fetched no further until replicas have taken what there is.
    pub(in crate::server) fn sync_waits_for_replicas(&self) -> bool {
        let sync = self.replication.sync.as_ref().filter(|sync| sync.is_piped());
        sync.is_some_and(|sync| self.room_for_data(sync.number) == Some(false))
    }

    /// Takes in data for a full sync; none at their end.
    pub(in crate::server) fn take_sync_data(&mut self, number: u64, data: &[u8]) {
        if self.replication.sync.as_ref().is_some_and(FullSync::is_piped) {
            self.note_progress_of_child();
        }
        let Some(sync) = self.replication.sync.as_mut().filter(|sync| sync.number == number) else { return };
        if data.is_empty() {
            sync.is_fetched = true;
            let is_piped = sync.is_piped();
            sync.complete();
            if is_piped {
                let left = self.takers().len();
                tracing::info!("Diskless rdb transfer, done reading from pipe, {left} replicas still up.");
            }
            self.settle_takers();
            self.wake_replicas();
            return;
        }
        let end = sync.data.end();
        sync.data.push(data);
        let now = self.clock.latest();
        for key in self.takers() {
            let client = self.clients.get_mut(key);
            if let Some(replica) = client.replica.as_deref_mut().filter(|r| r.stage == (Stage::TakesData { at: end })) {
                // It has taken everything so far, and is not late.
                replica.acked_at = now;
            }
            client.wake();
        }
    }

    /// Begins full syncs that are due, and shows replicas that wait for one that the server is there.
    pub(super) fn sync_cron(&mut self, now: Now) {
        self.send_newlines(now);
        self.begin_sync_if_due(now);
    }

    /// Shows replicas that wait for data, once a second, that the server is there.
    pub(super) fn send_newlines(&mut self, now: Now) {
        if !self.replication.newline_due(now) {
            return;
        }
        let is_writing = self.replication.sync.as_ref().is_some_and(|sync| matches!(sync.source, Source::Dump));
        let waits = |stage| match stage {
            Stage::WaitsForSnapshot => true,
            Stage::TakesData { .. } => is_writing,
            Stage::Greeting | Stage::LoadsData | Stage::Online => false,
        };
        let waiting = self.replicas().filter(|(_, replica)| waits(replica.stage));
        for key in waiting.map(|(key, _)| key).collect::<Vec<_>>() {
            self.send_line(key, b"\n");
        }
    }

    fn begin_sync_if_due(&mut self, now: Now) {
        self.join_dump_under_way(now);
        let replication = &self.replication;
        let is_later = replication.next_sync.is_some_and(|then| then > now.monotonic());
        if replication.sync.is_some() || replication.failover.is_some() || is_later {
            return;
        }
        if self.has_snapshot_child() {
            return;
        }
        let waiting: Vec<(ClientKey, &Replica)> =
            self.replicas().filter(|(_, replica)| replica.waits_for_snapshot(now)).collect();
        let Some((_, first)) = waiting.first() else { return };
        let kind = self.kind_of_data(first);
        let alike = || waiting.iter().filter(|(_, replica)| self.kind_of_data(replica) == kind);
        let by_pipe = (self.config.repl_diskless_sync || kind.is_filtered())
            && alike().all(|(_, replica)| replica.capabilities.eof);
        let waited = alike().map(|(_, replica)| now.since(replica.attached_at).as_secs()).max().unwrap_or(0);
        let max = self.config.repl_diskless_sync_max_replicas as usize;
        let is_due = !by_pipe
            || waited >= u64::from(self.config.repl_diskless_sync_delay_seconds)
            || max > 0 && alike().count() >= max;
        if is_due {
            let keys: Vec<ClientKey> = alike().map(|(key, _)| *key).collect();
            self.begin_sync(&keys, kind, by_pipe);
        }
    }

    /// What kind of data a replica wants.
    fn kind_of_data(&self, replica: &Replica) -> KindOfData {
        let version = match self.config.replication_rdb_version {
            0 => replica.rdb_version.unwrap_or(RDB_VERSION_OF_ALL).clamp(RDB_VERSION_OF_ALL, rdb::VERSION_MAX),
            pinned => u32::from(pinned),
        };
        let Capabilities { without_keys, without_functions, .. } = replica.capabilities;
        KindOfData { version, without_keys, without_functions }
    }

    fn begin_sync(&mut self, keys: &[ClientKey], kind: KindOfData, by_pipe: bool) {
        self.begin_stream();
        self.feed_replicas();
        // Whoever reads the stream from here on knows of no database that is selected.
        self.replication.writer.select_anew();
        let target = if by_pipe { "replicas sockets" } else { "disk" };
        tracing::info!("Starting BGSAVE for SYNC with target: {target}");
        let source = match self.start_source(kind, by_pipe) {
            Ok(source) => source,
            Err(error) => {
                tracing::warn!("BGSAVE for replication failed: {error}");
                self.advise_diskless(by_pipe);
                self.slow_down_syncs();
                for &key in keys {
                    self.send_line(key, b"-ERR BGSAVE failed, replication can't continue\r\n");
                    self.clients.get_mut(key).close(Close::AfterReply);
                }
                return;
            }
        };
        let mut data = Backlog::new(0);
        let mark = by_pipe.then(|| {
            let mark = random_name();
            data.push(&Framing::Mark(mark).line());
            mark
        });
        let number = self.replication.next_sync_number();
        let (is_fetched, is_vouched_for, is_whole) = (false, false, false);
        let offset = self.replication.history.offset();
        self.replication.sync =
            Some(FullSync { number, kind, offset, data, source, mark, is_fetched, is_vouched_for, is_whole });
        self.let_take_data(keys, offset);
        self.replication.sync_wake.raise();
    }

    /// Lets replicas that have come since take the dump too that a child is still writing for others, if what has changed
    /// since is kept.
    fn join_dump_under_way(&mut self, now: Now) {
        let Replication { sync: Some(sync), backlog: Some(backlog), .. } = &self.replication else { return };
        let (kind, offset) = (sync.kind, sync.offset);
        if !matches!(sync.source, Source::Dump) || backlog.start() > offset + 1 {
            return;
        }
        let fits = |replica: &Replica| replica.waits_for_snapshot(now) && self.kind_of_data(replica) == kind;
        let keys: Vec<ClientKey> = self.replicas().filter(|(_, replica)| fits(replica)).map(|(key, _)| key).collect();
        for &key in &keys {
            tracing::info!("Replica {} waits for the dump that is being written", self.name_of_replica(key));
        }
        self.let_take_data(&keys, offset);
    }

    /// Lets replicas take the data of the full sync that has begun, which contain so much of the stream.
    fn let_take_data(&mut self, keys: &[ClientKey], offset: u64) {
        let id = self.replication.history.id();
        let now = self.clock.latest();
        for &key in keys {
            let client = self.clients.get_mut(key);
            let Some(replica) = client.replica.as_deref_mut() else { continue };
            replica.stage = Stage::TakesData { at: 1 };
            replica.next = offset + 1;
            replica.acked_at = now;
            if replica.knows_offsets {
                replica.lines.extend_from_slice(format!("+FULLRESYNC {id} {offset}\r\n").as_bytes());
            }
            client.wake();
        }
    }

    /// Begins to take the snapshot that is sent.
    fn start_source(&mut self, kind: KindOfData, by_pipe: bool) -> Result<Source, SaveError> {
        #[cfg(any(test, feature = "internals"))]
        if let Some(simulated) = self.replication.simulated {
            self.replication.simulated_data = Some(simulated(self, kind)?);
            return Ok(if by_pipe { Source::Taken } else { Source::Dump });
        }
        if by_pipe {
            Ok(Source::Pipe(self.start_sending_child(kind)?))
        } else {
            self.start_child_for_replicas(kind, None)?;
            Ok(Source::Dump)
        }
    }

    /// The dump that the child has written, with its length.
    fn source_of_dump(&self) -> io::Result<(Source, u64)> {
        #[cfg(any(test, feature = "internals"))]
        if let Some(data) = self.replication.simulated_data.as_ref().filter(|_| self.replication.simulated.is_some()) {
            return Ok((Source::Taken, data.len() as u64));
        }
        let (file, len) = self.open_dump_for_replicas()?;
        Ok((Source::File(file), len))
    }

    /// Takes note of the end of the child that has written or sent the data.
    pub(in crate::server) fn note_end_of_child(&mut self, sent: bool, succeeded: bool) {
        let Some(sync) = &mut self.replication.sync else { return };
        let is_dump = matches!(sync.source, Source::Dump);
        if is_dump == sent {
            return;
        }
        let number = sync.number;
        if !succeeded {
            self.advise_diskless(sent);
            self.fail_sync(number);
            return;
        }
        if is_dump {
            match self.source_of_dump() {
                Ok((source, len)) => {
                    let sync = self.replication.sync.as_mut().expect("it is under way");
                    sync.data.push(&Framing::Length(len).line());
                    sync.source = source;
                }
                Err(error) => {
                    tracing::warn!("Cannot open the dump for replicas: {error}");
                    self.fail_sync(number);
                    return;
                }
            }
        }
        let sync = self.replication.sync.as_mut().expect("it is under way");
        sync.is_vouched_for = true;
        sync.complete();
        self.settle_takers();
        self.replication.sync_wake.raise();
        self.wake_replicas();
    }

    /// Gives up a full sync: its replicas begin again.
    fn fail_sync(&mut self, number: u64) {
        if self.replication.sync.as_ref().is_none_or(|sync| sync.number != number) {
            return;
        }
        for key in self.takers() {
            tracing::warn!("Full sync with replica {} failed", self.name_of_replica(key));
            self.clients.get_mut(key).close(Close::Now);
        }
        self.replication.sync = None;
        self.replication.sync_wake.raise();
        self.slow_down_syncs();
    }

    /// A full sync that fails is begun anew by its replicas at once. Where one fails after the other, the next one waits.
    fn slow_down_syncs(&mut self) {
        let replication = &mut self.replication;
        replication.failed_syncs += 1;
        let seconds = match replication.failed_syncs {
            1 => 0,
            several => (1 << several.min(6)).min(DELAY_SECONDS_MAX),
        };
        replication.next_sync = (seconds > 0).then(|| self.clock.latest().monotonic() + Duration::from_secs(seconds));
    }

    fn advise_diskless(&self, is_diskless: bool) {
        if !is_diskless {
            tracing::warn!("With 'repl-diskless-sync yes' a full sync needs no file");
        }
    }

    /// Replicas that take the data of the full sync under way.
    fn takers(&self) -> Vec<ClientKey> {
        let takes = |stage| matches!(stage, Stage::TakesData { .. });
        self.replicas().filter(|(_, replica)| takes(replica.stage)).map(|(key, _)| key).collect()
    }

    /// Some data of the full sync were sent to a replica.
    pub(super) fn note_data_sent(&mut self, key: ClientKey) {
        let now = self.clock.latest();
        if let Some(replica) = self.clients.get_mut(key).replica.as_deref_mut() {
            replica.acked_at = now;
        }
        self.settle_takers();
    }

    /// Lets replicas that have all data go on, and frees data that all have.
    fn settle_takers(&mut self) {
        let mut needed = None::<u64>;
        for key in self.takers() {
            let Some(sync) = &self.replication.sync else { return };
            let client = self.clients.get_mut(key);
            let Some(replica) = client.replica.as_deref_mut() else { continue };
            let Stage::TakesData { at } = replica.stage else { continue };
            if !sync.is_sent(at) {
                needed = Some(needed.map_or(at, |needed| needed.min(at)));
                continue;
            }
            // Behind a mark the stream waits until the replica has found the mark.
            let waits = sync.mark.is_some() || replica.capabilities.rdb_only;
            replica.stage = if waits { Stage::LoadsData } else { Stage::Online };
            self.replication.failed_syncs = 0;
            if replica.capabilities.rdb_only {
                client.close(Close::AfterReply);
            }
            client.wake();
            let name = self.name_of_replica(key);
            tracing::info!("Synchronization with replica {name} succeeded");
        }
        match (needed, &mut self.replication.sync) {
            (Some(needed), Some(sync)) => sync.data.trim(0, needed),
            _ => self.replication.sync = None,
        }
        self.replication.sync_wake.raise();
    }

    /// Ends a full sync that nobody takes part in any more.
    pub(super) fn end_sync_without_replicas(&mut self) {
        if self.replication.sync.is_none() || !self.takers().is_empty() {
            return;
        }
        let sync = self.replication.sync.take().filter(|sync| !sync.is_vouched_for);
        match sync.map(|sync| sync.source) {
            Some(Source::Dump) if self.config.save.is_empty() => {
                tracing::info!("No replica waits for the dump any more: its child is ended");
                self.dismiss_snapshot_child();
            }
            // The server wants a dump for itself too.
            Some(Source::Dump | Source::File(_)) | None => {}
            Some(Source::Pipe(_) | Source::Taken) => {
                tracing::info!("Diskless rdb transfer, last replica dropped, killing fork child.");
                self.dismiss_snapshot_child();
            }
        }
        self.replication.sync_wake.raise();
    }
}

/// Makes the data of a full sync at once, for simulations, which have no child.
#[cfg(any(test, feature = "internals"))]
pub type MakeData = fn(&mut Executor, KindOfData) -> Result<Vec<u8>, SaveError>;

#[cfg(any(test, feature = "internals"))]
impl Executor {
    /// Lets the data of full syncs be made by this from now on.
    pub(in crate::server) fn simulate_full_syncs(&mut self, make: MakeData) {
        self.replication.simulated = Some(make);
    }

    /// How many full and partial syncs this server has granted.
    pub(in crate::server) fn counted_syncs(&self) -> (u64, u64) {
        let counters = &self.replication.counters;
        (counters.full_syncs, counters.partial_syncs_accepted)
    }

    pub(in crate::server) fn history(&self) -> &History {
        &self.replication.history
    }

    /// Whether this is a replica whose link is down.
    pub(in crate::server) fn lacks_primary(&self) -> bool {
        !self.is_in_sync_with_primary()
    }

    /// The data of the full sync that has begun, with its number and whether they go through a pipe.
    pub(in crate::server) fn take_simulated_data(&mut self) -> Option<(u64, bool, Vec<u8>)> {
        let sync = self.replication.sync.as_ref()?;
        let data = self.replication.simulated_data.clone()?;
        Some((sync.number, sync.mark.is_some(), data))
    }
}
