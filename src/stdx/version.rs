//! Which version this is, and which version of Redis it stands for.

/// The Redis version whose behaviour clients may expect (`redis_version`).
pub const REDIS: &str = "7.2.4";

/// Copal's own version (`copal_version`).
pub const COPAL: &str = env!("CARGO_PKG_VERSION");
