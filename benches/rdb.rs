//! What the primitives of the RDB format cost: strings encoded and decoded, LZF, CRC-64.

use std::hint::black_box;

use copal::internals::rdb::lzf::{self, Compressor};
use copal::internals::rdb::{Crc64, Decoder, Encoder, Options};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const STRINGS: usize = 1000;
const STRING_BYTES: usize = 100;

fn json() -> Vec<Vec<u8>> {
    const NAMES: [&str; 8] = ["alice", "bob", "carol", "david", "erin", "frank", "grace", "heidi"];
    let mut random = fastrand::Rng::with_seed(1);
    let string = |random: &mut fastrand::Rng| {
        let (id, name) = (random.u32(1000..100_000), NAMES[random.usize(..NAMES.len())]);
        let mut text = format!(
            r#"{{"user_id":{id},"user_name":"{name}","user_mail":"{name}{id}@mail.example","active":true,"tags":"#
        );
        text.truncate(STRING_BYTES - 2);
        text.extend(std::iter::repeat_with(|| random.lowercase()).take(STRING_BYTES - 1 - text.len()));
        text.push('}');
        text.into_bytes()
    };
    (0..STRINGS).map(|_| string(&mut random)).collect()
}

fn random() -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(2);
    (0..STRINGS).map(|_| (0..STRING_BYTES).map(|_| random.u8(..)).collect()).collect()
}

fn encode(strings: &[Vec<u8>], options: Options, sink: &mut Vec<u8>) {
    sink.clear();
    let mut encoder = Encoder::new(sink, options);
    for string in strings {
        encoder.string(black_box(string)).expect("a vector takes everything");
    }
    encoder.flush().expect("a vector takes everything");
}

fn strings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("strings of 100 bytes");
    group.throughput(Throughput::Bytes((STRINGS * STRING_BYTES) as u64));
    let plain = Options { compression: false, ..Options::default() };
    let mut sink = Vec::with_capacity(2 * STRINGS * STRING_BYTES);
    for (name, strings, options) in [
        ("json, compressed", json(), Options::default()),
        ("random, not compressible", random(), Options::default()),
        ("random, compression off", random(), plain),
    ] {
        group.bench_function(format!("encode: {name}"), |bencher| {
            bencher.iter(|| encode(&strings, options, &mut sink));
        });
        group.bench_function(format!("decode: {name}"), |bencher| {
            encode(&strings, options, &mut sink);
            let mut scratch = Vec::new();
            bencher.iter(|| {
                let mut decoder = Decoder::new(&sink);
                for _ in 0..STRINGS {
                    black_box(decoder.string_in(&mut scratch).expect("what was encoded"));
                }
            });
        });
    }
    let keys: Vec<Vec<u8>> = (0..STRINGS).map(|key| format!("key:{key:012}").into_bytes()).collect();
    group.throughput(Throughput::Elements(STRINGS as u64));
    group.bench_function("encode: keys of 16 bytes", |bencher| {
        bencher.iter(|| encode(&keys, plain, &mut sink));
    });
    group.finish();
}

fn compression(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lzf");
    for (name, strings) in [("json", json()), ("random", random())] {
        group.throughput(Throughput::Bytes((STRINGS * STRING_BYTES) as u64));
        let (mut compressor, mut out) = (Compressor::new(), Vec::new());
        group.bench_function(format!("compress: {name}, 100 bytes"), |bencher| {
            bencher.iter(|| {
                for string in &strings {
                    black_box(compressor.compress(black_box(string), &mut out));
                }
            });
        });
        let whole = strings.concat();
        group.bench_function(format!("compress: {name}, 100 KB"), |bencher| {
            bencher.iter(|| black_box(compressor.compress(black_box(&whole), &mut out)));
        });
        let mut packed = Vec::new();
        for string in &strings {
            if compressor.compress(string, &mut out) {
                packed.push(out.clone());
            }
        }
        if packed.is_empty() {
            continue;
        }
        group.throughput(Throughput::Bytes((packed.len() * STRING_BYTES) as u64));
        group.bench_function(format!("decompress: {name}, 100 bytes"), |bencher| {
            bencher.iter(|| {
                for string in &packed {
                    lzf::decompress(black_box(string), STRING_BYTES as u64, &mut out).expect("what was compressed");
                }
            });
        });
    }
    group.finish();
}

fn checksum(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("crc-64");
    for bytes in [16, 256, 64 << 10, 1 << 20] {
        let data = vec![0x5A; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("update: {bytes} bytes"), |bencher| bencher.iter(|| Crc64::of(black_box(&data))));
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("combine", |bencher| {
        let mut crc = Crc64::new();
        bencher.iter(|| crc.combine(black_box(12345), black_box(1 << 20)));
    });
    group.finish();
}

criterion_group!(benches, strings, compression, checksum);
criterion_main!(benches);
