//! Beside the real thing: Debian's redis-server reads our dumps and we read its, both answer the same, and its tools
//! work on our server.
#![cfg(feature = "peers")]

mod data;
mod differences;
mod differential;
mod dumps;
mod formats;
mod histories;
mod newer;
mod tools;
