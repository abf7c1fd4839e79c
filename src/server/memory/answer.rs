//! The answers of MEMORY.

use super::usage::{Excess, MemoryReport};
use crate::commands::{CommandError, MemoryRequest};
use crate::observe::{allocator_report, purge_allocator};
use crate::resp::Reply;
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::server::scripts::ScriptUsage;
use crate::structures::give_pages_back;

const MIB: u64 = 1 << 20;

/// Below this nothing that could be wrong matters.
const NOTEWORTHY_BYTES: u64 = 5 * MIB;

/// An excess that matters is also at least so many bytes.
const EXCESS_BYTES_MIN: i64 = 10 << 20;

const CLIENT_BYTES_MAX: u64 = 200 << 10;

impl Executor {
    pub(in crate::server) fn answer_memory(&mut self, key: ClientKey, effect: MemoryRequest) {
        match effect {
            MemoryRequest::Stats => {
                let report = self.memory_report();
                answer_stats(&mut self.clients.get_mut(key).reply, &report, self.scripts.usage());
            }
            MemoryRequest::Doctor => {
                let report = self.memory_report();
                // Whoever asks has a buffer for the answer, which says nothing of what it holds otherwise.
                let asking = self.clients.get(key).memory_usage() as u64;
                let others =
                    Others { clients: self.clients.len() as u64 - 1, bytes: report.clients.saturating_sub(asking) };
                let text = diagnosis(&report, others);
                self.clients.get_mut(key).reply.verbatim(b"txt", text.as_bytes());
            }
            MemoryRequest::MallocStats => match allocator_report() {
                Ok(report) => self.clients.get_mut(key).reply.verbatim(b"txt", &report),
                Err(error) => self.reply_error(key, &CommandError::owned(format!("ERR {error}"))),
            },
            MemoryRequest::Purge if purge() => self.clients.get_mut(key).reply.ok(),
            MemoryRequest::Purge => self.reply_error(key, &CommandError::text("ERR Error purging dirty pages")),
        }
    }
}

fn answer_stats(reply: &mut Reply, report: &MemoryReport, scripts: ScriptUsage) {
    reply.map(31 + report.databases.len());
    let integers = |reply: &mut Reply, fields: &[(&str, u64)]| {
        for (name, value) in fields {
            reply.bulk(name);
            reply.integer(*value as i64);
        }
    };
    integers(
        reply,
        &[
            ("peak.allocated", report.peak),
            ("total.allocated", report.used),
            ("startup.allocated", report.startup),
            ("replication.backlog", report.replication.backlog),
            ("clients.slaves", report.replication.clients),
            ("clients.normal", report.clients),
            ("cluster.links", 0),
            ("aof.buffer", 0),
            ("lua.caches", scripts.cache),
            ("functions.caches", scripts.function_cache),
        ],
    );
    for db in &report.databases {
        reply.bulk(format!("db.{}", db.index));
        reply.map(3);
        integers(
            reply,
            &[
                ("overhead.hashtable.main", db.keys_table),
                ("overhead.hashtable.expires", db.expires_table),
                ("overhead.hashtable.slot-to-keys", 0),
            ],
        );
    }
    integers(
        reply,
        &[
            ("overhead.db.hashtable.lut", report.tables()),
            // Tables grow without a second one.
            ("overhead.db.hashtable.rehashing", 0),
            ("overhead.total", report.overhead),
            ("db.dict.rehashing.count", 0),
            ("keys.count", report.keys),
            ("keys.bytes-per-key", report.bytes_per_key()),
            ("dataset.bytes", report.dataset()),
        ],
    );
    for (name, percent) in
        [("dataset.percentage", report.dataset_percent()), ("peak.percentage", report.peak_percent())]
    {
        reply.bulk(name);
        reply.double(percent);
    }
    integers(
        reply,
        &[
            ("allocator.allocated", report.allocator.allocated),
            ("allocator.active", report.allocator.active),
            ("allocator.resident", report.allocator.resident),
            ("allocator.muzzy", report.allocator.muzzy),
        ],
    );
    let excesses = [
        ("allocator-fragmentation.ratio", "allocator-fragmentation.bytes", report.allocator_fragmentation()),
        ("allocator-rss.ratio", "allocator-rss.bytes", report.allocator_resident()),
        ("rss-overhead.ratio", "rss-overhead.bytes", report.resident_overhead()),
        ("fragmentation", "fragmentation.bytes", report.fragmentation()),
    ];
    for (ratio, bytes, excess) in excesses {
        reply.bulk(ratio);
        reply.double(excess.ratio);
        reply.bulk(bytes);
        reply.integer(excess.bytes);
    }
}

fn purge() -> bool {
    give_pages_back(usize::MAX);
    purge_allocator()
}

/// All clients but the one that asks.
#[derive(Clone, Copy, Debug)]
struct Others {
    clients: u64,
    bytes: u64,
}

/// What MEMORY DOCTOR says.
fn diagnosis(report: &MemoryReport, others: Others) -> String {
    if report.used < NOTEWORTHY_BYTES {
        return "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in \
                these conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam and \
                I will be back to our programming as soon as I finished rebooting.\n"
            .to_owned();
    }
    let high = |excess: Excess, ratio: f64| excess.ratio > ratio && excess.bytes > EXCESS_BYTES_MIN;
    let findings = [
        (
            report.peak as f64 / report.used as f64 > 1.5,
            "Peak memory: the data once took more than 150% of what it takes now. The allocator keeps part of that \
             memory for later, so a high fragmentation ratio is to be expected and harmless. MEMORY PURGE asks it to \
             give back what it can.",
        ),
        (
            high(report.fragmentation(), 1.4),
            "High total RSS: the process takes more than 1.4 times the memory that its data needs. After a peak that \
             is harmless; otherwise the way in which values come and go leaves gaps between them.",
        ),
        (
            high(report.allocator_fragmentation(), 1.1),
            "High allocator fragmentation: pages in use are filled to less than nine tenths, most often after many \
             values of one size were deleted.",
        ),
        (
            high(report.allocator_resident(), 1.1),
            "High allocator RSS overhead: the allocator keeps pages that hold nothing. MEMORY PURGE asks it to give \
             them back.",
        ),
        (
            high(report.unaccounted(), 1.1),
            "High process RSS overhead: the process takes more than 1.1 times what the allocator and the tables of \
             the databases need.",
        ),
        (
            others.bytes / others.clients.max(1) > CLIENT_BYTES_MAX,
            "Big client buffers: each client takes more than 200K on average. Subscribers that read too slowly, large \
             replies and very long pipelines do that; CLIENT LIST shows whose buffers they are.",
        ),
    ];
    let found: String = findings.iter().filter(|(found, _)| *found).map(|(_, text)| format!(" * {text}\n\n")).collect();
    if found.is_empty() {
        return "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this \
                base.\n"
            .to_owned();
    }
    format!(
        "Sam, I detected a few issues in this Redis instance memory implants:\n\n{found}I'm here to keep you safe, Sam. \
         I want to help you.\n"
    )
}
