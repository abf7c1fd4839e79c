//! What the server measures about itself: INFO, SLOWLOG and LATENCY.
//! Owns:  counters, rates, the slow log and the latency monitor as the server fills them.
//! Uses:  commands, config, observe, stdx.
//! Never: a change of what it reports.

mod figures;
mod info;
mod memory_info;
mod meters;
mod observing;
mod stats;

pub(in crate::server) use stats::Stats;
