//! How fast frames are read and replies are written, without a socket.

use std::hint::black_box;

use copal::internals::resp::{Args, Decoder, Limits, Protocol, Reply, Step};
use copal::internals::stdx::glob::glob_match;
use copal::internals::stdx::number::{LongDouble, format_f64, parse_f64, parse_i64};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const PIPELINE_LEN: usize = 16;

fn command(args: &[&[u8]]) -> Vec<u8> {
    let mut reply = Reply::new(Protocol::Resp2);
    reply.array(args.len());
    for arg in args {
        reply.bulk(arg);
    }
    reply.take()
}

fn pipeline(make: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    (0..PIPELINE_LEN).flat_map(make).collect()
}

fn decode_all(decoder: &mut Decoder, bytes: &[u8], limits: &Limits, mut take: impl FnMut(Args<'_>)) -> usize {
    let mut start = 0;
    while start < bytes.len() {
        match decoder.decode(&bytes[start..], limits).expect("the bytes are well-formed") {
            Step::Frame { consumed } => {
                take(decoder.args(&bytes[start..]));
                start += consumed;
            }
            Step::Empty { consumed } => start += consumed,
            Step::Incomplete { .. } => break,
        }
    }
    start
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let value = [b'x'; 64];
    let pipelines = [
        ("16 GET", pipeline(|i| command(&[b"GET", format!("key:{i:012}").as_bytes()]))),
        ("16 SET 3 bytes", pipeline(|i| command(&[b"SET", format!("key:{i:012}").as_bytes(), b"xxx"]))),
        ("16 SET 64 bytes", pipeline(|i| command(&[b"SET", format!("key:{i:012}").as_bytes(), &value]))),
        ("16 PING inline", pipeline(|_| b"PING\r\n".to_vec())),
        ("16 LPUSH 10 items", {
            let mut args: Vec<&[u8]> = vec![b"LPUSH", b"list"];
            args.resize(12, b"element");
            pipeline(|_| command(&args))
        }),
    ];
    for (name, bytes) in &pipelines {
        let mut decoder = Decoder::new();
        let limits = Limits::default();
        group.throughput(Throughput::Elements(PIPELINE_LEN as u64));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let mut checksum = 0;
                decode_all(&mut decoder, black_box(bytes), &limits, |args| checksum += args.arg(args.len() - 1).len());
                checksum
            });
        });
    }
    group.finish();
}

fn reply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reply");
    let mut reply = Reply::new(Protocol::Resp2);
    let value = [b'x'; 64];
    group.throughput(Throughput::Elements(PIPELINE_LEN as u64));
    let mut bench = |name: &str, write: &dyn Fn(&mut Reply, usize)| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                reply.truncate(0);
                for index in 0..PIPELINE_LEN {
                    write(&mut reply, black_box(index));
                }
                reply.len()
            });
        });
    };
    bench("16 ok", &|reply, _| reply.ok());
    bench("16 bulk 3 bytes", &|reply, _| reply.bulk(black_box(b"xxx")));
    bench("16 bulk 64 bytes", &|reply, _| reply.bulk(black_box(&value)));
    bench("16 small integers", &|reply, index| reply.integer(index as i64));
    bench("16 large integers", &|reply, index| reply.integer(-1_234_567_890_123 - index as i64));
    bench("16 doubles", &|reply, index| reply.double(index as f64 + 0.1));
    bench("16 arrays of 10", &|reply, _| {
        reply.array(10);
        for _ in 0..10 {
            reply.bulk(black_box(b"element"));
        }
    });
    bench("16 deferred arrays of 10", &|reply, _| {
        let deferred = reply.deferred();
        for _ in 0..10 {
            reply.bulk(black_box(b"element"));
        }
        reply.set_deferred_array_len(deferred, 10);
    });
    group.finish();
}

fn text(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text");
    group.bench_function("parse_i64", |bencher| bencher.iter(|| parse_i64(black_box(b"1234567890"))));
    group.bench_function("parse_i64 refuses", |bencher| bencher.iter(|| parse_i64(black_box(b"key:1234567890"))));
    group.bench_function("parse_f64", |bencher| bencher.iter(|| parse_f64(black_box(b"1234.5678"))));
    group.bench_function("format_f64 fraction", |bencher| bencher.iter(|| format_f64(black_box(1234.5678))));
    group.bench_function("format_f64 integer", |bencher| bencher.iter(|| format_f64(black_box(1234.0))));
    group.bench_function("long double sum", |bencher| {
        bencher.iter(|| {
            let left = LongDouble::parse(black_box(b"10.5")).expect("a number");
            let right = LongDouble::parse(black_box(b"0.1")).expect("a number");
            (left + right).to_human_text()
        });
    });
    let key: &[u8] = b"user:000000001234:profile";
    for pattern in ["user:*", "*profile", "*:12*:*", "user:[0-9]*:profile", "h?llo"] {
        group.bench_function(format!("glob {pattern}"), |bencher| {
            bencher.iter(|| glob_match(black_box(pattern.as_bytes()), black_box(key), false));
        });
    }
    group.finish();
}

criterion_group!(benches, decode, reply, text);
criterion_main!(benches);
