//! The longest single insertion while the table grows from nothing to 20 million elements, and while a table is filled that was
//! made for so many. Both are in huge pages. Another thread touches the memory of the first ahead of the insertions. That of the
//! second is touched before them, as a load does, in which no client waits; the time for it is reported separately. Chained buckets
//! are where those of a database are.
//!
//! The elements are made beforehand, so that only the table is timed. Time on the processor is what counts: on a busy
//! machine the wall clock also shows the moments in which others ran, as the run that only hashes does.

use std::hint::black_box;
use std::time::{Duration, Instant};

use copal::internals::stdx::HashSeed;
use copal::internals::structures::{Dict, Element, Pool, huge_pages_for_tables};

const ELEMENTS: usize = 20_000_000;
const SEED: HashSeed = HashSeed { k0: 1, k1: 2 };

struct Item(Box<[u8; 16]>);

impl Element for Item {
    const BUCKETS: Option<Pool> = Some(Pool::Buckets);

    type Key<'a> = &'a [u8];

    fn key(&self) -> &[u8] {
        &*self.0
    }

    fn address(&self) -> *const u8 {
        self.0.as_ptr()
    }
}

fn item(number: usize) -> Item {
    let mut key = [b'k'; 16];
    key[..8].copy_from_slice(&number.to_le_bytes());
    Item(Box::new(key))
}

#[expect(unsafe_code, reason = "reads the thread's clock")]
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is good for the one structure that the call writes.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(read, 0, "a thread has a clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What each call took on the processor and on the wall clock, in nanoseconds.
struct Timings {
    processor: Vec<u32>,
    wall: Vec<u32>,
}

impl Timings {
    fn of(mut call: impl FnMut(Item)) -> Self {
        let items: Vec<Item> = (0..ELEMENTS).map(item).collect();
        let mut timings = Self { processor: vec![1; ELEMENTS], wall: vec![1; ELEMENTS] };
        for (number, item) in items.into_iter().enumerate() {
            let (wall, processor) = (Instant::now(), thread_time());
            call(item);
            timings.processor[number] = (thread_time() - processor).as_nanos() as u32;
            timings.wall[number] = wall.elapsed().as_nanos() as u32;
        }
        timings
    }

    #[expect(clippy::print_stdout, reason = "the report")]
    fn report(self, what: &str) {
        for (clock, mut nanoseconds) in [("processor", self.processor), ("wall", self.wall)] {
            nanoseconds.sort_unstable();
            let micros = |share: f64| f64::from(nanoseconds[((ELEMENTS - 1) as f64 * share) as usize]) / 1_000.0;
            let over = nanoseconds.iter().rev().take_while(|took| **took > 1_000_000).count();
            println!(
                "{what:<12} {clock:<10} p50 {:.2}  p99 {:.2}  p99.99 {:.1}  p99.9999 {:.1}  max {:.1} us; {over} over 1 ms",
                micros(0.5),
                micros(0.99),
                micros(0.9999),
                micros(0.999_999),
                micros(1.0),
            );
        }
    }
}

#[expect(clippy::print_stdout, reason = "the report")]
fn main() {
    Timings::of(|item| {
        black_box(SEED.hash(item.key()));
        drop(item);
    })
    .report("only hashing");
    huge_pages_for_tables(true);
    for made_at_once in [false, true] {
        let mut dict = Dict::new(SEED);
        if made_at_once {
            let start = Instant::now();
            dict.reserve(ELEMENTS);
            while dict.touch_reserved() {}
            println!("made in {:.0} ms", start.elapsed().as_secs_f64() * 1_000.0);
        }
        let timings = Timings::of(|item| {
            let hash = dict.hash(item.key());
            dict.insert_new_hashed(hash, item);
        });
        timings.report(if made_at_once { "made at once" } else { "growing" });
        println!("{:.1} table bytes for each of {}", dict.table_bytes() as f64 / dict.len() as f64, dict.len());
        let start = Instant::now();
        drop(dict);
        println!("dropped in {:.2} s", start.elapsed().as_secs_f64());
    }
}
