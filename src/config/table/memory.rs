//! How much memory the data takes, and what goes when it is too much.

use super::super::key::{Apply, Key};
use super::super::kinds::{EvictionPolicy, HugePages};
use super::{I32_MAX, I64_MAX, bytes, choice, flag, integer};

pub const KEYS: &[Key] = &[
    bytes("maxmemory", "0", (0, u64::MAX), |c| c.maxmemory_bytes, |c, v| c.maxmemory_bytes = v)
        .applies(Apply::Memory)
        .doc(
            "Evict keys, or refuse writes, when the data takes more than this; 0 for no limit. Units: k, kb, m, mb, g, \
             gb, of which those with a b are powers of 1024.",
        ),
    choice(
        "maxmemory-policy",
        "noeviction",
        EvictionPolicy::NAMES,
        |c| c.maxmemory_policy as usize,
        |c, i| c.maxmemory_policy = EvictionPolicy::ALL[i],
    )
    .applies(Apply::Memory)
    .doc(
        "Which keys go first when maxmemory is reached: the least recently used (lru), the least frequently used \
         (lfu), any (random) or the next to expire (ttl), of all keys or of those with an expiry (volatile). noeviction \
         refuses writes instead.",
    ),
    integer(
        "maxmemory-samples",
        "5",
        (1, I32_MAX),
        |c| c.maxmemory_samples.into(),
        |c, v| c.maxmemory_samples = v as u32,
    )
    .applies(Apply::Memory)
    .doc("How many keys to draw for each eviction. More come closer to the true order and cost more time."),
    integer(
        "maxmemory-eviction-tenacity",
        "10",
        (0, 100),
        |c| c.maxmemory_eviction_tenacity.into(),
        |c, v| c.maxmemory_eviction_tenacity = v as u32,
    )
    .applies(Apply::Memory)
    .doc("How long one command may wait for evictions: 0 is shortest, 100 is until there is room."),
    integer("lfu-log-factor", "10", (0, I32_MAX), |c| c.lfu_log_factor.into(), |c, v| c.lfu_log_factor = v as u32)
        .applies(Apply::Memory)
        .doc("How slowly the access counters of the lfu policies grow: with 10, a million hits fill one."),
    integer(
        "lfu-decay-time",
        "1",
        (0, I32_MAX),
        |c| c.lfu_decay_time_minutes.into(),
        |c, v| c.lfu_decay_time_minutes = v as u32,
    )
    .applies(Apply::Memory)
    .doc("After how many minutes without access such a counter falls by one; 0 for never."),
    integer(
        "active-expire-effort",
        "1",
        (1, 10),
        |c| c.active_expire_effort.into(),
        |c, v| c.active_expire_effort = v as u32,
    )
    .doc("How hard to look for expired keys that nobody asks for, from 1 to 10."),
    flag("lazyfree-lazy-eviction", "no", |c| c.lazyfree_lazy_eviction, |c, v| c.lazyfree_lazy_eviction = v)
        .doc("Free evicted values on another thread."),
    flag("lazyfree-lazy-expire", "no", |c| c.lazyfree_lazy_expire, |c, v| c.lazyfree_lazy_expire = v)
        .doc("Free expired values on another thread."),
    flag("lazyfree-lazy-server-del", "no", |c| c.lazyfree_lazy_server_del, |c, v| c.lazyfree_lazy_server_del = v)
        .doc("Free on another thread what commands such as RENAME or SET replace."),
    flag("lazyfree-lazy-user-del", "no", |c| c.lazyfree_lazy_user_del, |c, v| c.lazyfree_lazy_user_del = v)
        .doc("Let DEL free on another thread, as UNLINK does."),
    flag("lazyfree-lazy-user-flush", "no", |c| c.lazyfree_lazy_user_flush, |c, v| c.lazyfree_lazy_user_flush = v)
        .doc("Let FLUSHALL and FLUSHDB free on another thread when neither SYNC nor ASYNC is given."),
    flag("jemalloc-bg-thread", "yes", |c| c.jemalloc_bg_thread, |c, v| c.jemalloc_bg_thread = v)
        .applies(Apply::AllocatorThread)
        .doc("Let the allocator give unused memory back on a thread of its own."),
    flag("activedefrag", "no", |c| c.activedefrag, |c, v| c.activedefrag = v)
        .applies(Apply::Defragmentation)
        .doc(
            "Move keys and elements of collections out of pages that are filled less than others, so that their memory \
             goes back to the system, with as much of the time as the settings below say. Without it 2 % of the time goes \
             to that for keys, and large collections are not moved. Nothing is while a snapshot is written.",
        ),
    bytes(
        "active-defrag-ignore-bytes",
        "100mb",
        (1, I64_MAX),
        |c| c.active_defrag_ignore_bytes,
        |c, v| c.active_defrag_ignore_bytes = v,
    )
    .doc("Begin when the pages of keys have at least so much room."),
    integer(
        "active-defrag-threshold-lower",
        "10",
        THRESHOLD,
        |c| c.active_defrag_threshold_lower.into(),
        |c, v| c.active_defrag_threshold_lower = v as u32,
    )
    .doc("Begin when that room is at least this percentage of what the pages hold."),
    integer(
        "active-defrag-threshold-upper",
        "100",
        THRESHOLD,
        |c| c.active_defrag_threshold_upper.into(),
        |c, v| c.active_defrag_threshold_upper = v as u32,
    )
    .doc("The percentage from which active-defrag-cycle-max holds."),
    integer(
        "active-defrag-cycle-min",
        "1",
        CYCLE,
        |c| c.active_defrag_cycle_min.into(),
        |c, v| c.active_defrag_cycle_min = v as u32,
    )
    .doc("Percent of the time to spend at the lower threshold."),
    integer(
        "active-defrag-cycle-max",
        "25",
        CYCLE,
        |c| c.active_defrag_cycle_max.into(),
        |c, v| c.active_defrag_cycle_max = v as u32,
    )
    .doc("Percent of the time to spend at the upper threshold."),
    choice("huge-pages", "auto", HugePages::NAMES, |c| c.huge_pages as usize, |c, i| c.huge_pages = HugePages::ALL[i])
        .applies(Apply::HugePages)
        .doc(
            "Keep the data in huge pages, which makes fork many times faster. auto does so where the kernel copies 4 \
             KiB and not 2 MiB when a page is written after a fork, that is since Linux 5.8.",
        ),
    integer(
        "huge-page-healing-rate",
        "1000",
        (0, 1_000_000),
        |c| c.huge_page_healing_mb_per_second.into(),
        |c, v| c.huge_page_healing_mb_per_second = v as u32,
    )
    .applies(Apply::HugePageHealing)
    .doc(
        "Megabytes a second of the huge pages that writes during a snapshot have split to put together again after it, \
         so that the next fork is as fast as the first; 0 for none. Needs Linux 6.1.",
    ),
];

const THRESHOLD: (i64, i64) = (0, 1000);
const CYCLE: (i64, i64) = (1, 99);
const COUNT: (i64, i64) = (0, i64::MAX);
const SIZE: (u64, u64) = (0, I64_MAX);

pub const ENCODINGS: &[Key] = &[
    integer(
        "hash-max-listpack-entries",
        "512",
        COUNT,
        |c| c.hash_max_listpack_entries as i64,
        |c, v| c.hash_max_listpack_entries = v as u64,
    )
    .also(&["hash-max-ziplist-entries"])
    .applies(Apply::Encodings)
    .doc("Fields of a hash that is kept as a listpack."),
    bytes(
        "hash-max-listpack-value",
        "64",
        SIZE,
        |c| c.hash_max_listpack_value_bytes,
        |c, v| c.hash_max_listpack_value_bytes = v,
    )
    .also(&["hash-max-ziplist-value"])
    .applies(Apply::Encodings)
    .doc("Length of the longest field or value in such a hash."),
    integer(
        "list-max-listpack-size",
        "-2",
        (i32::MIN as i64, I32_MAX),
        |c| c.list_max_listpack_size.into(),
        |c, v| c.list_max_listpack_size = v as i32,
    )
    .also(&["list-max-ziplist-size"])
    .applies(Apply::Encodings)
    .doc(
        "Size of the listpacks that make up a list: a positive number is a number of elements, -1 to -5 are 4, 8, 16, \
         32 and 64 KiB.",
    ),
    integer(
        "list-compress-depth",
        "0",
        (0, I32_MAX),
        |c| c.list_compress_depth.into(),
        |c, v| c.list_compress_depth = v as u32,
    )
    .applies(Apply::Encodings)
    .doc("Compress the listpacks of a list but for so many at each end; 0 compresses none."),
    integer(
        "set-max-intset-entries",
        "512",
        COUNT,
        |c| c.set_max_intset_entries as i64,
        |c, v| c.set_max_intset_entries = v as u64,
    )
    .applies(Apply::Encodings)
    .doc("Members of a set of integers that is kept as a sorted array."),
    integer(
        "set-max-listpack-entries",
        "128",
        COUNT,
        |c| c.set_max_listpack_entries as i64,
        |c, v| c.set_max_listpack_entries = v as u64,
    )
    .applies(Apply::Encodings)
    .doc("Members of any other set that is kept as a listpack."),
    bytes(
        "set-max-listpack-value",
        "64",
        SIZE,
        |c| c.set_max_listpack_value_bytes,
        |c, v| c.set_max_listpack_value_bytes = v,
    )
    .applies(Apply::Encodings)
    .doc("Length of the longest member of such a set."),
    integer(
        "zset-max-listpack-entries",
        "128",
        COUNT,
        |c| c.zset_max_listpack_entries as i64,
        |c, v| c.zset_max_listpack_entries = v as u64,
    )
    .also(&["zset-max-ziplist-entries"])
    .applies(Apply::Encodings)
    .doc("Members of a sorted set that is kept as a listpack."),
    bytes(
        "zset-max-listpack-value",
        "64",
        SIZE,
        |c| c.zset_max_listpack_value_bytes,
        |c, v| c.zset_max_listpack_value_bytes = v,
    )
    .also(&["zset-max-ziplist-value"])
    .applies(Apply::Encodings)
    .doc("Length of the longest member of such a sorted set."),
    bytes("hll-sparse-max-bytes", "3000", SIZE, |c| c.hll_sparse_max_bytes, |c, v| c.hll_sparse_max_bytes = v)
        .doc("Length up to which a HyperLogLog is stored sparsely; a longer one takes 12 KiB."),
    bytes("stream-node-max-bytes", "4096", SIZE, |c| c.stream_node_max_bytes, |c, v| c.stream_node_max_bytes = v)
        .applies(Apply::Encodings)
        .doc("Size of the listpacks that make up a stream; 0 for no limit."),
    integer(
        "stream-node-max-entries",
        "100",
        COUNT,
        |c| c.stream_node_max_entries as i64,
        |c, v| c.stream_node_max_entries = v as u64,
    )
    .applies(Apply::Encodings)
    .doc("Entries in each of them; 0 for no limit. XTRIM with ~ removes whole listpacks only."),
];
