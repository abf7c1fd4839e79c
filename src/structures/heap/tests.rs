#![expect(unsafe_code, reason = "uses blocks")]

use std::collections::HashSet;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::cache::Cache;
use super::clearing::Clearing;
use super::core::{Done, Heap};
use super::evacuation::Evacuated;
use super::fuzzing::{Lent, Model, PAGES, Step, class, finished, heap_of_blocks, spans};
use super::memory::PAGE_BYTES;
use super::owner::Owner;

fn heap() -> (Heap<Arc<Lent>>, Arc<Lent>) {
    heap_of(Lent::new())
}

fn heap_of(memory: Lent) -> (Heap<Arc<Lent>>, Arc<Lent>) {
    let memory = Arc::new(memory);
    (Heap::new(Arc::clone(&memory), Box::leak(spans()), Box::leak(finished())), memory)
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![1..300usize, Just(16), Just(4_000), 1..8_193usize];
    prop_oneof![
        6 => (0..2usize, 0..3usize, bytes, 1..70usize)
            .prop_map(|(thread, owner, bytes, count)| Step::Allocate { thread, owner, bytes, count }),
        6 => (0..2usize, any::<usize>(), 1..70usize)
            .prop_map(|(thread, choice, count)| Step::Free { thread, choice, count }),
        1 => Just(Step::Share),
        1 => Just(Step::Unshare),
        1 => Just(Step::GiveBack),
        1 => Just(Step::Ahead),
        1 => (1..40usize).prop_map(|count| Step::Evacuate { count }),
        1 => (1..40usize).prop_map(|count| Step::Clear { count }),
        1 => (0..2usize).prop_map(|thread| Step::Flush { thread }),
        1 => Just(Step::Walk),
        1 => (0..PAGES).prop_map(|page| Step::Finish { page }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 128 }))]

    #[test]
    fn blocks_are_handed_out_once_keep_what_is_in_them_and_are_new_while_a_child_lives(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let (heap, _memory) = heap();
        let mut model = Model::new(heap);
        steps.into_iter().for_each(|step| model.run(step));
    }
}

#[test]
fn the_committed_corpus_and_mutations_of_it_keep_the_model() {
    let files: [&[u8]; 5] = [
        include_bytes!("../../../fuzz/corpus/heap_of_blocks/churn"),
        include_bytes!("../../../fuzz/corpus/heap_of_blocks/finished"),
        include_bytes!("../../../fuzz/corpus/heap_of_blocks/forks"),
        include_bytes!("../../../fuzz/corpus/heap_of_blocks/random"),
        include_bytes!("../../../fuzz/corpus/heap_of_blocks/sizes"),
    ];
    for (seed, file) in files.into_iter().enumerate() {
        let mut bytes = file.to_vec();
        heap_of_blocks(&bytes);
        let mut random = fastrand::Rng::with_seed(seed as u64);
        for _ in 0..bytes.len() / 16 {
            let at = random.usize(0..bytes.len());
            bytes[at] = random.u8(..);
        }
        heap_of_blocks(&bytes);
    }
}

fn fill_and_empty_three_pages(heap: &Heap<Arc<Lent>>, cache: &mut Cache) {
    let blocks: Vec<_> =
        (0..3 * PAGE_BYTES / 4_096).map(|_| heap.allocate(cache, Owner::NOBODY, class(4_096)).unwrap()).collect();
    for block in blocks {
        // SAFETY: allocated so above, once each.
        unsafe { heap.free(cache, block, class(4_096)) };
    }
    heap.flush(cache);
}

#[test]
fn pages_that_are_empty_are_given_back_but_for_one() {
    let (heap, memory) = heap();
    let mut cache = Cache::EMPTY;
    fill_and_empty_three_pages(&heap, &mut cache);
    assert_eq!(memory.committed.load(Ordering::Relaxed), 3);
    assert_eq!((heap.used_bytes(&cache), heap.held_bytes()), (0, (0, 3 * PAGE_BYTES)));
    assert!(heap.give_back(1) && !heap.give_back(5));
    assert_eq!((memory.given_back.load(Ordering::Relaxed), heap.held_bytes().1), (2, PAGE_BYTES));
    // They are used again before others are asked for.
    let again: Vec<_> =
        (0..3 * PAGE_BYTES / 4_096).map(|_| heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).unwrap()).collect();
    assert_eq!((again.len(), memory.committed.load(Ordering::Relaxed)), (1_536, 3));
}

#[test]
fn errands_give_pages_back_that_are_empty_but_for_one() {
    let (heap, memory) = heap();
    let mut cache = Cache::EMPTY;
    fill_and_empty_three_pages(&heap, &mut cache);
    assert!(heap.has_excess_page());
    assert_eq!([(); 3].map(|()| heap.run_errand()), [Done::GivenBack, Done::GivenBack, Done::Nothing]);
    assert!(!heap.has_excess_page());
    assert_eq!((memory.given_back.load(Ordering::Relaxed), heap.held_bytes().1), (2, PAGE_BYTES));
    while heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).is_some() {}
    assert_eq!(heap.held_bytes().1, PAGES * PAGE_BYTES, "each is used again");
}

#[test]
fn pages_are_committed_together_and_ahead_of_need_or_else_one_by_one() {
    let mut memory = Lent::new();
    (memory.together, memory.promised) = (4, AtomicUsize::new(10));
    let (heap, memory) = heap_of(memory);
    let mut cache = Cache::EMPTY;
    let mut allocate_until = |pages: usize| {
        while heap.held_bytes().1 < pages * PAGE_BYTES {
            if heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).is_none() {
                return false;
            }
        }
        true
    };
    let committed = || memory.committed.load(Ordering::Relaxed);
    assert!(allocate_until(1) && committed() == 4);
    assert!(allocate_until(3) && heap.run_errand() == Done::Nothing && committed() == 4, "there is one left");
    assert!(allocate_until(4) && heap.run_errand() == Done::Ready && committed() == 8);
    assert!(allocate_until(8) && heap.run_errand() == Done::Ready && committed() == 8, "these are more than there are");
    assert_eq!(heap.run_errand(), Done::Nothing, "and are asked for once");
    assert!(allocate_until(10) && committed() == 10);
    assert!(!allocate_until(11), "there is no more");
    memory.promised.store(PAGES, Ordering::Relaxed);
    assert!(allocate_until(11) && committed() == 12);
}

#[test]
fn a_page_that_is_soon_needed_is_touched_ahead_and_used_next() {
    let (heap, memory) = heap();
    let mut cache = Cache::EMPTY;
    let mut page_of_next = || {
        let block = heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).unwrap();
        (block.as_ptr().addr() - heap.base().as_ptr().addr()) / PAGE_BYTES
    };
    let touched = || memory.touched.load(Ordering::Relaxed);
    assert_eq!(page_of_next(), 0);
    while heap.run_errand() == Done::Ready {}
    assert!(!heap.wants_page() && touched() == 0, "the first page is nearly empty");
    while !heap.wants_page() {
        assert_eq!(page_of_next(), 0, "it is wanted before it is needed");
    }
    while heap.run_errand() == Done::Ready {}
    while heap.run_errand() == Done::Ready {}
    assert_eq!((touched(), heap.held_bytes().1), (1, 2 * PAGE_BYTES), "one is enough");
    while page_of_next() == 0 {}
    assert_eq!((memory.committed.load(Ordering::Relaxed), heap.held_bytes().1), (2, 2 * PAGE_BYTES));
}

#[test]
fn a_page_that_was_touched_ahead_of_a_fork_gets_other_memory_before_it_is_used_while_the_child_lives() {
    let (heap, memory) = heap();
    let mut cache = Cache::EMPTY;
    while !heap.wants_page() {
        heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).unwrap();
    }
    while heap.run_errand() == Done::Ready {}
    let fork = heap.share(&mut cache);
    assert!(heap.wants_page(), "none that is ready can be used");
    let block = heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).unwrap();
    assert!(!heap.is_older(block, fork));
    let figures = (memory.committed.load(Ordering::Relaxed), memory.given_back.load(Ordering::Relaxed));
    assert_eq!((figures, heap.held_bytes().1), ((2, 1), 2 * PAGE_BYTES));
}

#[test]
fn the_fullest_span_is_filled_first() {
    let (heap, _memory) = heap();
    let mut cache = Cache::EMPTY;
    let per_span = 16;
    let mut blocks: Vec<_> =
        (0..4 * per_span).map(|_| heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).unwrap()).collect();
    heap.flush(&mut cache);
    // The third span is left with the most.
    for (span, freed) in [(0, 12), (1, 8), (2, 2), (3, 14)] {
        for block in &mut blocks[span * per_span..][..freed] {
            // SAFETY: allocated so above, and freed once.
            unsafe { heap.free(&mut cache, *block, class(4_096)) };
        }
    }
    let span_of = |block: NonNull<u8>| block.as_ptr().addr() / super::span::SPAN_BYTES;
    let third = span_of(blocks[2 * per_span + 15]);
    for _ in 0..2 {
        assert_eq!(span_of(heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).unwrap()), third);
    }
    let second = span_of(blocks[per_span + 15]);
    assert_eq!(span_of(heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).unwrap()), second);
}

#[test]
fn what_was_freed_beside_a_child_is_counted_once_though_its_span_is_of_another_class_when_the_child_has_finished() {
    let (heap, memory) = heap();
    memory.promised.store(1, Ordering::Relaxed);
    let mut cache = Cache::EMPTY;
    let small: Vec<_> = (0..4_096).map(|_| heap.allocate(&mut cache, Owner::NOBODY, class(8)).unwrap()).collect();
    heap.prepare_walk(&mut cache);
    heap.share(&mut cache);
    for block in small {
        // SAFETY: allocated so above, once each.
        unsafe { heap.free(&mut cache, block, class(8)) };
    }
    assert_eq!(heap.kept().now, 4_096 * 8);
    // There is but this page, so that its span is used again.
    let large = heap.allocate(&mut cache, Owner::NOBODY, class(4_096)).unwrap();
    assert_eq!(large.as_ptr().addr(), heap.base().as_ptr().addr());
    assert!(heap.report_finished(0));
    heap.take_finished();
    assert_eq!((heap.kept().now, heap.kept().once), (0, 4_096 * 8));
}

#[test]
fn pages_are_taken_to_be_finished_only_where_a_child_walks_through_them() {
    for walks in [false, true] {
        let (heap, _memory) = heap();
        let mut cache = Cache::EMPTY;
        let block = heap.allocate(&mut cache, Owner::NOBODY, class(8)).unwrap();
        if walks {
            heap.prepare_walk(&mut cache);
        }
        let fork = heap.share(&mut cache);
        assert!(heap.report_finished(0));
        heap.take_finished();
        assert_eq!(heap.is_older(block, fork), !walks);
    }
}

#[test]
fn snapshots_without_a_pause_do_not_leave_ever_more_room_behind() {
    let (heap, memory) = heap();
    let mut cache = Cache::EMPTY;
    let mut blocks: Vec<_> =
        (0..10_000).map(|_| heap.allocate(&mut cache, Owner::NOBODY, class(100)).unwrap()).collect();
    for round in 0..200 {
        heap.share(&mut cache);
        for turn in 0..500 {
            let slot = (round * 7_919 + turn * 104_729) % blocks.len();
            let fresh = heap.allocate(&mut cache, Owner::NOBODY, class(100)).expect("there is room");
            // SAFETY: allocated so, and replaced at once.
            unsafe { heap.free(&mut cache, std::mem::replace(&mut blocks[slot], fresh), class(100)) };
        }
        heap.unshare();
    }
    assert!(memory.committed.load(Ordering::Relaxed) <= 8, "a megabyte of blocks has outgrown its pages");
}

#[test]
fn threads_free_what_others_have_allocated() {
    let (heap, _memory) = heap();
    let rounds = if cfg!(miri) { 3 } else { 200 };
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<Vec<usize>>(4);
        let heap = &heap;
        for thread in 0..2u8 {
            let sender = sender.clone();
            scope.spawn(move || {
                let mut cache = Cache::EMPTY;
                for _ in 0..rounds {
                    let blocks = (0..150).map(|_| {
                        let block = heap.allocate(&mut cache, Owner::NOBODY, class(1_000)).expect("there is room");
                        // SAFETY: the block is fresh and of that size.
                        unsafe { block.write_bytes(thread, 1_000) };
                        block.as_ptr().expose_provenance()
                    });
                    sender.send(blocks.collect()).unwrap();
                }
                heap.flush(&mut cache);
            });
        }
        drop(sender);
        let mut cache = Cache::EMPTY;
        for blocks in receiver {
            let owners: HashSet<u8> = blocks
                .iter()
                .flat_map(|block| {
                    let block = std::ptr::with_exposed_provenance::<[u8; 1_000]>(*block);
                    // SAFETY: the thread that allocated the block has filled it and handed it over.
                    unsafe { *block }
                })
                .collect();
            assert_eq!(owners.len(), 1);
            for block in blocks {
                let block = NonNull::new(std::ptr::with_exposed_provenance_mut::<u8>(block)).unwrap();
                // SAFETY: as above, and nobody uses it any more.
                unsafe { heap.free(&mut cache, block, class(1_000)) };
            }
        }
        heap.flush(&mut cache);
    });
    assert_eq!((heap.used_bytes(&Cache::EMPTY), heap.held_bytes().0), (0, 0));
}

#[test]
fn emptying_sparse_pages_moves_blocks_into_the_room_of_others() {
    let (heap, _memory) = heap();
    let mut cache = Cache::EMPTY;
    let count = 14 * PAGE_BYTES / 1_024;
    let blocks: Vec<_> = (0..count).map(|_| heap.allocate(&mut cache, Owner::NOBODY, class(1_024)).unwrap()).collect();
    let mut held: HashSet<_> = blocks.into_iter().collect();
    let mut turn = 0;
    held.retain(|block| {
        turn += 1;
        if turn % 8 == 0 {
            return true;
        }
        // SAFETY: allocated so above, and freed once.
        unsafe { heap.free(&mut cache, *block, class(1_024)) };
        false
    });
    assert!(heap.held_bytes().1 >= 14 * PAGE_BYTES);
    for _ in 0..10_000 {
        match heap.evacuate(&mut cache) {
            Evacuated::Nothing => break,
            Evacuated::Later => {}
            Evacuated::Blocks(blocks) => {
                for block in blocks {
                    assert!(held.remove(&block), "only blocks in use are named");
                    let moved = heap.allocate(&mut cache, Owner::NOBODY, class(1_024)).expect("there is room");
                    assert!(held.insert(moved));
                    // SAFETY: allocated so above, and freed once.
                    unsafe { heap.free(&mut cache, block, class(1_024)) };
                }
            }
        }
    }
    while heap.give_back(PAGES) {}
    assert_eq!(held.len(), count / 8);
    // An eighth of 14 pages, what is left alone, and a page that is kept.
    assert!(heap.held_bytes().1 <= 8 * PAGE_BYTES, "{:?}", heap.held_bytes());
}

/// Blocks of several sizes that take twelve pages, of which so many percent are freed by turns, with what frees and moves them.
struct Sparse {
    heap: Heap<Arc<Lent>>,
    cache: Cache,
    held: Vec<(NonNull<u8>, usize)>,
}

impl Sparse {
    const SIZES: [usize; 4] = [500, 1_000, 3_000, 7_000];

    fn new(freed_percent: usize) -> Self {
        let (heap, _memory) = heap();
        let mut sparse = Self { heap, cache: Cache::EMPTY, held: Vec::new() };
        sparse.fill(12);
        sparse.thin_out(freed_percent);
        sparse
    }

    /// Allocates until pages are touched beyond so many.
    fn fill(&mut self, pages: usize) {
        for bytes in Self::SIZES.into_iter().cycle() {
            let block = self.heap.allocate(&mut self.cache, Owner::NOBODY, class(bytes)).expect("there is room");
            self.held.push((block, bytes));
            if self.heap.held_bytes().1 > pages * PAGE_BYTES {
                break;
            }
        }
    }

    fn thin_out(&mut self, freed_percent: usize) {
        let mut turn = 0;
        for (block, bytes) in std::mem::take(&mut self.held) {
            turn += 37;
            if turn % 100 < freed_percent {
                // SAFETY: allocated so, and freed once.
                unsafe { self.heap.free(&mut self.cache, block, class(bytes)) };
            } else {
                self.held.push((block, bytes));
            }
        }
    }

    fn used(&self) -> usize {
        self.held.iter().map(|(_, bytes)| class(*bytes).bytes()).sum()
    }

    /// Clears until that is over or blocks are to be moved.
    fn clear(&mut self) -> Clearing {
        (0..1_000)
            .map(|_| self.heap.clear(&mut self.cache, true))
            .find(|next| *next != Clearing::Later)
            .expect("an end")
    }

    fn leaving(&self) -> usize {
        self.held.iter().filter(|(block, _)| self.heap.is_leaving(*block)).count()
    }

    fn move_all(&mut self) {
        for (block, bytes) in &mut self.held {
            if self.heap.is_leaving(*block) {
                let new = self.heap.allocate(&mut self.cache, Owner::NOBODY, class(*bytes)).expect("there is room");
                // SAFETY: allocated so, and freed once.
                unsafe { self.heap.free(&mut self.cache, std::mem::replace(block, new), class(*bytes)) };
            }
        }
        self.heap.end_clearing();
    }
}

#[test]
fn clearing_sparse_pages_all_at_once_leaves_little_more_than_what_holds_the_blocks() {
    let mut sparse = Sparse::new(70);
    let held = sparse.held.len();
    assert_eq!(sparse.clear(), Clearing::Move);
    assert!(sparse.leaving() > held / 3 && sparse.leaving() < held, "the fullest pages stay");
    sparse.move_all();
    while sparse.clear() == Clearing::Move {
        sparse.move_all();
    }
    assert_eq!(sparse.leaving(), 0);
    while sparse.heap.give_back(PAGES) {}
    let (used, pages) = (sparse.used(), sparse.heap.held_bytes().1);
    assert_eq!(sparse.heap.used_bytes(&sparse.cache), used as isize);
    assert!(pages <= used + 3 * PAGE_BYTES, "{used} {pages}");
}

#[test]
fn pages_that_are_full_enough_are_not_cleared() {
    let mut sparse = Sparse::new(5);
    assert_eq!((sparse.clear(), sparse.leaving()), (Clearing::Nothing, 0));
}

#[test]
fn clearing_that_moves_nothing_is_not_begun_again_until_there_is_more_room() {
    let mut sparse = Sparse::new(60);
    assert_eq!(sparse.clear(), Clearing::Move);
    sparse.heap.end_clearing();
    assert_eq!((sparse.clear(), sparse.leaving()), (Clearing::Nothing, 0));
    assert_eq!(sparse.clear(), Clearing::Nothing);
    let mut turn = 0;
    let Sparse { heap, cache, held } = &mut sparse;
    held.retain(|(block, bytes)| {
        turn += 1;
        if turn % 2 == 0 {
            // SAFETY: allocated so, and freed once.
            unsafe { heap.free(cache, *block, class(*bytes)) };
        }
        turn % 2 != 0
    });
    assert_eq!(sparse.clear(), Clearing::Move);
}

#[test]
fn clearing_that_was_in_vain_is_begun_again_for_fewer_data_that_came_later() {
    let mut sparse = Sparse::new(60);
    assert_eq!(sparse.clear(), Clearing::Move);
    sparse.heap.end_clearing();
    assert_eq!(sparse.clear(), Clearing::Nothing);
    sparse.thin_out(100);
    while sparse.heap.give_back(PAGES) {}
    assert_eq!(sparse.heap.clear(&mut sparse.cache, false), Clearing::Nothing);
    sparse.fill(6);
    sparse.thin_out(60);
    assert_eq!(sparse.clear(), Clearing::Move);
}

#[test]
fn what_is_leaving_waits_for_the_end_of_a_child_and_is_used_where_room_is_short() {
    let mut sparse = Sparse::new(90);
    assert_eq!(sparse.clear(), Clearing::Move);
    let leaving = sparse.leaving();
    sparse.heap.share(&mut sparse.cache);
    assert_eq!((sparse.clear(), sparse.leaving()), (Clearing::Nothing, leaving));
    sparse.heap.unshare();
    assert_eq!((sparse.clear(), sparse.leaving()), (Clearing::Move, leaving));
    // All pages are used in the end, and those that are leaving before memory is said to be short.
    while let Some(block) = sparse.heap.allocate(&mut sparse.cache, Owner::NOBODY, class(1_000)) {
        sparse.held.push((block, 1_000));
    }
    assert_eq!(sparse.leaving(), 0);
    let spans: HashSet<_> =
        sparse.held.iter().map(|(block, _)| block.as_ptr().addr() / super::span::SPAN_BYTES).collect();
    assert_eq!(spans.len(), PAGES * super::shared::SPANS);
}

#[test]
fn a_page_that_was_emptied_before_the_child_has_finished_it_is_handed_out_once() {
    let (heap, _memory) = heap();
    let mut cache = Cache::EMPTY;
    let page_of = |block: NonNull<u8>| (block.as_ptr().addr() - heap.base().as_ptr().addr()) / PAGE_BYTES;
    let fill = |cache: &mut Cache, pages: usize| -> Vec<_> {
        let blocks = pages * PAGE_BYTES / 4_096;
        (0..blocks).map(|_| heap.allocate(cache, Owner::NOBODY, class(4_096)).unwrap()).collect()
    };
    let old = fill(&mut cache, 6);
    heap.prepare_walk(&mut cache);
    heap.share(&mut cache);
    for block in old {
        // SAFETY: allocated so above, and freed once.
        unsafe { heap.free(&mut cache, block, class(4_096)) };
    }
    while heap.give_back(PAGES) {}
    for page in 0..6 {
        heap.report_finished(page);
    }
    heap.take_finished();
    let new = fill(&mut cache, 8);
    let distinct: HashSet<_> = new.iter().collect();
    assert_eq!(distinct.len(), new.len());
    let pages: HashSet<_> = new.iter().map(|block| page_of(*block)).collect();
    assert_eq!((pages.len(), heap.held_bytes()), (8, (8 * PAGE_BYTES, 8 * PAGE_BYTES)));
}
