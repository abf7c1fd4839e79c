//! What the compact encodings and the order tree cost an operation.

use std::hint::black_box;
use std::ops::Bound;

use copal::internals::stdx::HashSeed;
use copal::internals::structures::Row;
use copal::internals::structures::intset::Intset;
use copal::internals::structures::listpack::{self, Listpack};
use copal::internals::structures::order_tree::{Member, OrderTree};
use copal::internals::structures::quicklist::{Direction, Limits, NodeCodec, Quicklist};
use copal::internals::structures::scored_set::ScoredSet;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// As most hashes are: 64 fields of 8 bytes with values of 16.
fn hash() -> Listpack {
    let mut hash = Listpack::new();
    for n in 0..64 {
        hash.push_back(format!("field:{n:02}").as_bytes());
        hash.push_back(format!("value-of-field{n:02}").as_bytes());
    }
    hash
}

fn listpacks(c: &mut Criterion) {
    let mut group = c.benchmark_group("listpack");
    group.bench_function("push 128 strings of 16 bytes", |b| {
        b.iter_batched(
            Row::default,
            |row| {
                let mut list = Listpack::reusing(row);
                for _ in 0..128 {
                    list.push_back(black_box(b"0123456789abcdef"));
                }
                list
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("push 128 integers", |b| {
        b.iter(|| {
            let mut list = Listpack::new();
            for n in 0..128i64 {
                list.push_back(black_box(n * 1_000));
            }
            list
        });
    });
    let hash = hash();
    group.bench_function("find the last of 64 fields", |b| b.iter(|| hash.find_field(black_box(b"field:63"))));
    group.bench_function("miss among 64 fields", |b| b.iter(|| hash.find_field(black_box(b"field:64"))));
    group.bench_function("walk over 128 entries", |b| {
        b.iter(|| hash.iter().map(|entry| entry.text_len()).sum::<usize>());
    });
    group.bench_function("walk back over 128 entries", |b| {
        b.iter(|| hash.iter().rev().map(|entry| entry.text_len()).sum::<usize>());
    });
    group.bench_function("check 128 entries deeply", |b| {
        b.iter(|| listpack::validate(black_box(hash.as_bytes()), true, |_| true).is_ok());
    });
    let mut changed = hash.clone();
    let pos = changed.at(65).expect("a value");
    group.bench_function("replace a value in the middle by one of another size", |b| {
        b.iter(|| {
            changed.replace(pos, black_box(b"a shorter one"));
            changed.replace(pos, black_box(b"a replacement of more bytes"));
        });
    });
    group.finish();
}

fn intsets(c: &mut Criterion) {
    let set: Intset = (0..512).map(|n| n * 3).collect();
    let mut group = c.benchmark_group("intset");
    group.bench_function("contains among 512", |b| b.iter(|| set.contains(black_box(777))));
    let mut changed = set.clone();
    group.bench_function("insert and remove in the middle of 512", |b| {
        b.iter(|| {
            changed.insert(black_box(778));
            changed.remove(black_box(778));
        });
    });
    group.finish();
}

/// A member as a sorted set keeps it: a block on the heap.
#[derive(Clone, Copy)]
struct Block(&'static [u8; 16]);

impl Member for Block {
    fn member(&self) -> &[u8] {
        self.0
    }
}

/// A million blocks in a random order of addresses, as in a set that has lived for a while.
fn blocks(n: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = (0..n).map(|_| Block(Box::leak(Box::new([0; 16])))).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut blocks);
    for (n, block) in blocks.iter_mut().enumerate() {
        let text = format!("member:{n:09}");
        *block = Block(Box::leak(Box::new(text.as_bytes().try_into().expect("sixteen bytes"))));
    }
    blocks
}

const MILLION: usize = 1_000_000;

fn order_trees(c: &mut Criterion) {
    let blocks = blocks(MILLION * 2);
    let mut rng = fastrand::Rng::with_seed(2);
    let mut tree = OrderTree::new();
    let mut scores: Vec<f64> = (0..MILLION * 2).map(|_| rng.f64() * 1e9).collect();
    let start = std::time::Instant::now();
    for n in 0..MILLION {
        tree.insert(scores[n], blocks[n]);
    }
    report("insert with random scores", &tree, start);
    let mut ascending = OrderTree::new();
    let start = std::time::Instant::now();
    for (n, &block) in blocks[..MILLION].iter().enumerate() {
        ascending.insert(n as f64, block);
    }
    report("insert with ascending scores", &ascending, start);
    let mut equal = OrderTree::new();
    let start = std::time::Instant::now();
    let mut order: Vec<usize> = (0..MILLION).collect();
    rng.shuffle(&mut order);
    for &n in &order {
        equal.insert(0.0, blocks[n]);
    }
    report("insert with equal scores, shuffled members", &equal, start);

    let mut group = c.benchmark_group("order_tree of 1 M");
    let mut n = 0;
    group.bench_function("insert a new pair and remove another", |b| {
        b.iter(|| {
            let (new, old) = ((n + MILLION) % (2 * MILLION), n % (2 * MILLION));
            tree.insert(scores[new], blocks[new]);
            assert!(tree.remove(scores[old], blocks[old].0).is_some());
            n += 1;
        });
    });
    let first = n;
    group.bench_function("rank of a random pair", |b| {
        b.iter(|| {
            let at = (first + rng.usize(..MILLION)) % (2 * MILLION);
            tree.rank(scores[at], blocks[at].0)
        });
    });
    group.bench_function("pair of a random rank", |b| b.iter(|| tree.at(rng.usize(..MILLION)).map(|pair| pair.0)));
    group.bench_function("count between two scores", |b| {
        b.iter(|| {
            let min = rng.f64() * 1e9;
            tree.score_range(Bound::Included(min), Bound::Excluded(min + 1e6)).len()
        });
    });
    group.bench_function("move a random pair to a random score", |b| {
        b.iter(|| {
            let at = (first + rng.usize(..MILLION)) % (2 * MILLION);
            let new = rng.f64() * 1e9;
            assert!(tree.update_score(scores[at], blocks[at].0, new, blocks[at]));
            scores[at] = new;
        });
    });
    group.bench_function("add a little to a random score", |b| {
        b.iter(|| {
            let at = (first + rng.usize(..MILLION)) % (2 * MILLION);
            let new = scores[at] + 1.0;
            assert!(tree.update_score(scores[at], blocks[at].0, new, blocks[at]));
            scores[at] = new;
        });
    });
    group.bench_function("walk over 100 pairs from a random rank", |b| {
        b.iter(|| {
            let start = rng.usize(..MILLION - 100);
            tree.range(start..start + 100).map(|(score, _)| score).sum::<f64>()
        });
    });
    group.bench_function("walk back over 100 pairs from a random rank", |b| {
        b.iter(|| {
            let start = rng.usize(..MILLION - 100);
            tree.range(start..start + 100).rev().map(|(score, _)| score).sum::<f64>()
        });
    });
    group.bench_function("rank of a random member among equal scores", |b| {
        b.iter(|| equal.rank(0.0, blocks[rng.usize(..MILLION)].0));
    });
    let pairs: Vec<_> = tree.iter().collect();
    group.sample_size(10);
    group.bench_function("build from sorted pairs", |b| b.iter(|| OrderTree::from_sorted(&pairs).len()));
    group.finish();
}

/// What ZADD and ZRANK come down to, by the size of the set: a hundred times the members take a step or two more.
fn scored_sets(c: &mut Criterion) {
    let member = |n: usize| format!("member:{n:09}").into_bytes();
    for size in [10_000, 100_000, MILLION] {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut set = ScoredSet::new(HashSeed::of_process());
        for n in 0..size {
            let score = rng.f64();
            set.upsert(&member(n), |_| Some(score));
        }
        let mut group = c.benchmark_group(format!("scored_set of {size}"));
        let mut n = 0;
        group.bench_function("add a member and remove another", |b| {
            b.iter(|| {
                let score = rng.f64();
                set.upsert(&member(n + size), |_| Some(score));
                assert!(set.remove(&member(n)).is_some());
                n += 1;
            });
        });
        let first = n;
        group.bench_function("rank of a random member", |b| b.iter(|| set.rank(&member(first + rng.usize(..size)))));
        group.bench_function("give a random member a random score", |b| {
            b.iter(|| {
                let score = rng.f64();
                set.upsert(&member(first + rng.usize(..size)), |_| Some(score))
            });
        });
        group.finish();
    }
}

#[expect(clippy::print_stderr, reason = "a figure beside criterion's own, which cannot hold it")]
fn report(what: &str, tree: &OrderTree<Block>, start: std::time::Instant) {
    let each = start.elapsed().as_nanos() as usize / tree.len();
    eprintln!("order_tree: {what}: {each} ns a pair, {:.1} bytes a pair", tree.heap_bytes() as f64 / tree.len() as f64);
}

enum NoCodec {}

impl NodeCodec for NoCodec {
    fn compress(_: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decompress(_: &[u8], _: usize) -> Option<Vec<u8>> {
        None
    }
}

fn quicklists(c: &mut Criterion) {
    let limits = Limits { fill: -2, compress_depth: 0, packed_threshold: 1 << 30 };
    let mut list: Quicklist<NoCodec> = Quicklist::new(limits);
    for n in 0..10 * MILLION as i64 {
        list.push_back(n);
    }
    let mut group = c.benchmark_group("quicklist of 10 M");
    group.bench_function("push at the back and pop at the front", |b| {
        b.iter(|| {
            list.push_back(black_box(b"an element of some bytes"));
            list.pop_front()
        });
    });
    group.bench_function("element in the middle", |b| {
        b.iter(|| list.get(black_box(5 * MILLION)).map(|item| item.as_entry().text_len()));
    });
    group.bench_function("element at a random index", |b| {
        b.iter(|| list.get(fastrand::usize(..MILLION * 10)).map(|item| item.as_entry().text_len()));
    });
    group.bench_function("walk over 100 elements in the middle", |b| {
        b.iter(|| {
            let mut iter = list.iter_from(black_box(5 * MILLION), Direction::Forward);
            let mut sum = 0;
            for _ in 0..100 {
                sum += iter.advance().map_or(0, |entry| entry.text_len());
            }
            sum
        });
    });
    group.finish();
}

criterion_group!(benches, listpacks, intsets, order_trees, scored_sets, quicklists);
criterion_main!(benches);
