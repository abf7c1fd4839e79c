//! Encoding thresholds, taken from the configuration as one small slice.

use crate::config::Config;

/// Up to which size the collections keep their compact encodings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub list_max_listpack_size: i32,
    pub list_compress_depth: usize,
    pub hash_max_listpack_entries: usize,
    pub hash_max_listpack_value: usize,
    pub set_max_intset_entries: usize,
    pub set_max_listpack_entries: usize,
    pub set_max_listpack_value: usize,
    pub zset_max_listpack_entries: usize,
    pub zset_max_listpack_value: usize,
    /// Bytes of a stream's block, 0 for no limit.
    pub stream_node_max_bytes: usize,
    /// Entries of a stream's block, deleted ones among them, 0 for no limit.
    pub stream_node_max_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            list_max_listpack_size: -2,
            list_compress_depth: 0,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
        }
    }
}

impl From<&Config> for Limits {
    #[inline]
    fn from(config: &Config) -> Self {
        let size = |setting: u64| usize::try_from(setting).unwrap_or(usize::MAX);
        Self {
            list_max_listpack_size: config.list_max_listpack_size,
            list_compress_depth: config.list_compress_depth as usize,
            hash_max_listpack_entries: size(config.hash_max_listpack_entries),
            hash_max_listpack_value: size(config.hash_max_listpack_value_bytes),
            set_max_intset_entries: size(config.set_max_intset_entries),
            set_max_listpack_entries: size(config.set_max_listpack_entries),
            set_max_listpack_value: size(config.set_max_listpack_value_bytes),
            zset_max_listpack_entries: size(config.zset_max_listpack_entries),
            zset_max_listpack_value: size(config.zset_max_listpack_value_bytes),
            stream_node_max_bytes: size(config.stream_node_max_bytes),
            stream_node_max_entries: size(config.stream_node_max_entries),
        }
    }
}
