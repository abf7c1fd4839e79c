//! The connected clients: sessions, output, subscriptions, users, the limits on all of it; CLIENT.
//! Owns:  every client and what is sent to it.
//! Uses:  commands, config, keyspace, observe, resp, snapshot, stdx.
//! Never: a socket; the connection's task sends what is here.

mod answer;
mod client;
mod connect;
mod eviction;
mod memory;
mod monitor;
mod output_limit;
mod pubsub;
mod subscriptions;
mod users;

pub(in crate::server) use client::{ClientKey, Clients, Close, Stall};
pub(in crate::server) use output_limit::OutputWatch;
pub(in crate::server) use subscriptions::PubSub;
