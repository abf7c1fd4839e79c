//! Which version this is, and which version of Redis it reports.

/// The Redis version whose behaviour clients may expect (`redis_version`).
pub const REDIS: &str = "7.2.4";

/// [`REDIS`] as one number, a byte for each part.
pub const REDIS_NUMBER: u32 = 0x0007_0204;

/// Copal's own version (`copal_version`).
pub const COPAL: &str = env!("CARGO_PKG_VERSION");

/// The commit that this was built from, where the build named it (`COPAL_COMMIT`).
pub const COMMIT: &str = match option_env!("COPAL_COMMIT") {
    Some(commit) => commit,
    None => "00000000",
};

/// The allocator, as `--version` and INFO name it.
pub const ALLOCATOR: &str = "jemalloc-5.3.1";

/// The C compiler of the allocator, or zeros where it is not gcc (`gcc_version`).
pub const C_COMPILER: &str = env!("COPAL_C_COMPILER");

/// The compiler of everything else (`rustc_version`).
pub const RUST_COMPILER: &str = env!("COPAL_RUST_COMPILER");

/// A number for this build: equal for equal version, commit and compiler.
pub fn build_id() -> String {
    use std::hash::Hasher as _;
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(0, 0);
    for part in [REDIS, COPAL, COMMIT, RUST_COMPILER] {
        hasher.write(part.as_bytes());
    }
    format!("{:016x}", hasher.finish())
}
