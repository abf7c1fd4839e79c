//! The keyspace's table: lookups, insertions and walks over elements scattered in the heap.

use std::hint::black_box;
use std::time::Duration;

use copal::internals::stdx::HashSeed;
use copal::internals::structures::{Dict, Element};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SEED: HashSeed = HashSeed { k0: 1, k1: 2 };

/// A small string of the keyspace: 128 bytes.
struct Node {
    key: [u8; 16],
    value: u64,
    text: [u8; 100],
}

impl Drop for Node {
    /// A real element has to look at its header to know what it owns.
    fn drop(&mut self) {
        black_box(self.value);
    }
}

struct Item(Box<Node>);

impl Element for Item {
    type Key<'a> = &'a [u8];

    fn key(&self) -> &[u8] {
        &self.0.key
    }

    fn address(&self) -> *const u8 {
        (&raw const *self.0).cast()
    }
}

/// 16 bytes that look like a key; numbers map one to one.
fn key(number: usize) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut left = number;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    key
}

fn item(number: usize) -> Item {
    Item(Box::new(Node { key: key(number), value: number as u64, text: [b't'; 100] }))
}

/// The elements lie in the heap in another order than in the table.
fn filled(count: usize) -> Dict<Item> {
    let mut dict = Dict::new(SEED);
    for number in 0..count {
        dict.insert_new_hashed(dict.hash(&key(number)), item(number));
    }
    while dict.resize_steps(1_000) {}
    dict
}

/// About as much work for an element as writing it to a snapshot is.
fn encode(node: &Node, buffer: &mut Vec<u8>) {
    if buffer.len() > 60_000 {
        black_box(SEED.hash(buffer));
        buffer.clear();
    }
    buffer.push(0);
    buffer.push(node.key.len() as u8);
    buffer.extend_from_slice(&node.key);
    buffer.extend_from_slice(&node.value.to_le_bytes());
    buffer.push(node.text.len() as u8);
    buffer.extend_from_slice(&node.text);
}

const SIZES: [usize; 3] = [100, 100_000, 5_000_000];

fn lookups(c: &mut Criterion) {
    let mut group = c.benchmark_group("dict");
    for size in SIZES {
        let dict = filled(size);
        let mut rng = fastrand::Rng::with_seed(1);
        let keys: Vec<_> = (0..1 << 16).map(|_| key(rng.usize(..size))).collect();
        let absent: Vec<_> = (0..1 << 16).map(|_| key(size + rng.usize(..size))).collect();
        let mut at = 0;
        group.bench_function(BenchmarkId::new("find_hit", size), |b| {
            b.iter(|| {
                at = (at + 1) & 0xffff;
                black_box(dict.find(&keys[at])).map(|item| item.0.value)
            });
        });
        group.bench_function(BenchmarkId::new("find_miss", size), |b| {
            b.iter(|| {
                at = (at + 1) & 0xffff;
                black_box(dict.find(&absent[at])).is_none()
            });
        });
        group.throughput(Throughput::Elements(16));
        group.bench_function(BenchmarkId::new("find_hit_16_prefetched", size), |b| {
            b.iter(|| {
                at = (at + 16) & 0xfff0;
                let keys = &keys[at..at + 16];
                let hashes: [u64; 16] = std::array::from_fn(|index| dict.hash(&keys[index]));
                hashes.iter().for_each(|hash| dict.prefetch(*hash));
                hashes.iter().for_each(|hash| dict.prefetch_element(*hash));
                hashes
                    .iter()
                    .zip(keys)
                    .filter_map(|(hash, key)| dict.find_hashed(*hash, key))
                    .map(|i| i.0.value)
                    .sum::<u64>()
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("random", size), |b| {
            b.iter(|| dict.random(&mut rng).map(|item| item.0.value));
        });
        group.bench_function(BenchmarkId::new("sample_5", size), |b| {
            b.iter(|| {
                let mut sum = 0;
                dict.sample(5, &mut rng, |item| sum += item.0.value);
                sum
            });
        });
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("iter", size), |b| {
            b.iter(|| dict.iter().map(|item| item.0.value).sum::<u64>());
        });
        let mut buffer = Vec::with_capacity(1 << 16);
        group.bench_function(BenchmarkId::new("iter_encoding", size), |b| {
            b.iter(|| dict.iter().for_each(|item| encode(&item.0, &mut buffer)));
        });
        group.bench_function(BenchmarkId::new("scan", size), |b| {
            b.iter(|| {
                let (mut cursor, mut sum) = (0, 0);
                loop {
                    cursor = dict.scan(cursor, |item| sum += item.0.value);
                    if cursor == 0 {
                        return sum;
                    }
                }
            });
        });
    }
    group.finish();
}

fn changes(c: &mut Criterion) {
    let mut group = c.benchmark_group("dict");
    for size in [100, 100_000, 1_000_000] {
        group.throughput(Throughput::Elements(size as u64));
        let insert = |mut dict: Dict<Item>, items: Vec<Item>| {
            for item in items {
                let hash = dict.hash(item.key());
                dict.insert_new_hashed(hash, item);
            }
            dict
        };
        group.bench_function(BenchmarkId::new("insert_growing", size), |b| {
            b.iter_batched(
                || (0..size).map(item).collect(),
                |items| insert(Dict::new(SEED), items),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("insert_reserved", size), |b| {
            b.iter_batched(
                || {
                    let mut dict = Dict::new(SEED);
                    dict.reserve(size);
                    (dict, (0..size).map(item).collect())
                },
                |(dict, items)| insert(dict, items),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("remove_all", size), |b| {
            b.iter_batched(
                || filled(size),
                |mut dict| {
                    for number in 0..size {
                        drop(dict.remove(&key(number)));
                    }
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("drop", size), |b| {
            b.iter_batched(|| filled(size), drop, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn hashing(c: &mut Criterion) {
    let mut group = c.benchmark_group("hash");
    for length in [8, 16, 40] {
        let bytes = vec![b'k'; length];
        group.bench_function(BenchmarkId::from_parameter(length), |b| b.iter(|| SEED.hash(black_box(&bytes))));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).sample_size(20);
    targets = hashing, lookups, changes
}
criterion_main!(benches);
