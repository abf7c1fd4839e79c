//! What the kernel is asked about ranges of memory, and asked to do with them.
#![expect(unsafe_code, reason = "system calls over ranges of memory that no crate wraps")]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

use super::{HUGE_PAGE_BYTES, PAGE_BYTES};

/// Makes huge pages of a range at once (since Linux 6.1).
const MADV_COLLAPSE: libc::c_int = 25;

/// Tells of a range which pages are there, and which of them are huge (since Linux 6.7): `_IOWR('f', 16, Scan)`.
const PAGEMAP_SCAN: libc::c_ulong = 0xc060_6610;
const IS_PRESENT: u64 = 1 << 3;
const IS_HUGE: u64 = 1 << 6;

/// Set in an entry of `/proc/self/pagemap` whose page is in memory.
const ENTRY_IS_PRESENT: u64 = 1 << 63;

/// Set where no other process maps the page.
const ENTRY_IS_OWN: u64 = 1 << 56;

/// Regions that one request can describe: more than one block can have.
const REGIONS_MAX: usize = 512;

/// The argument of `PAGEMAP_SCAN`.
#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    pages_max: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// Neighbouring pages of the same kind.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// The place of one huge page, and what is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    pub start: usize,
    /// In one huge page; never known to be on kernels before 6.7.
    pub is_huge: bool,
    pub present_bytes: usize,
}

/// `/proc/self/pagemap`.
pub struct PageMap {
    file: File,
    regions: Box<[Region]>,
    /// Whether the kernel knows `PAGEMAP_SCAN`.
    scans: bool,
}

impl PageMap {
    pub fn open() -> io::Result<Self> {
        let mut map = Self {
            file: File::open("/proc/self/pagemap")?,
            regions: vec![Region::default(); REGIONS_MAX].into(),
            scans: true,
        };
        map.scans = map.scan(0, 0).is_ok();
        Ok(map)
    }

    /// Whether [`Block::is_huge`] is known.
    pub fn tells_huge(&self) -> bool {
        self.scans
    }

    #[cfg(test)]
    pub fn without_scans(self) -> Self {
        Self { scans: false, ..self }
    }

    /// Looks at the blocks of a range, whose ends are multiples of a block's size.
    pub fn look(&mut self, range: Range<usize>, blocks: &mut Vec<Block>) -> io::Result<()> {
        debug_assert!(range.start.is_multiple_of(HUGE_PAGE_BYTES) && range.end.is_multiple_of(HUGE_PAGE_BYTES));
        blocks.clear();
        blocks.extend(range.clone().step_by(HUGE_PAGE_BYTES).map(|start| Block {
            start,
            is_huge: false,
            present_bytes: 0,
        }));
        if self.scans { self.look_by_scan(&range, blocks) } else { self.look_by_entry(blocks) }
    }

    fn look_by_scan(&mut self, range: &Range<usize>, blocks: &mut [Block]) -> io::Result<()> {
        let mut from = range.start;
        while from < range.end {
            let (walked, count) = self.scan(from, range.end)?;
            for region in &self.regions[..count] {
                let mut at = region.start as usize;
                while at < region.end as usize {
                    let index = (at - range.start) / HUGE_PAGE_BYTES;
                    let end = (range.start + (index + 1) * HUGE_PAGE_BYTES).min(region.end as usize);
                    let Some(block) = blocks.get_mut(index) else { break };
                    block.present_bytes += end - at;
                    block.is_huge |= region.categories & IS_HUGE != 0;
                    at = end;
                }
            }
            if walked <= from {
                break;
            }
            from = walked;
        }
        Ok(())
    }

    /// Fills `regions` with what is present in a range. Returns where that ended, and how many regions there are.
    fn scan(&mut self, start: usize, end: usize) -> io::Result<(usize, usize)> {
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            start: start as u64,
            end: end as u64,
            regions: self.regions.as_mut_ptr() as u64,
            regions_len: self.regions.len() as u64,
            category_mask: IS_PRESENT,
            return_mask: IS_PRESENT | IS_HUGE,
            ..Scan::default()
        };
        // SAFETY: the kernel writes to the argument, and to at most `regions_len` regions behind its pointer; both are
        // ours alone.
        let count = unsafe { libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN, &raw mut scan) };
        match usize::try_from(count) {
            Ok(count) => Ok((scan.walk_end as usize, count.min(REGIONS_MAX))),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    fn look_by_entry(&self, blocks: &mut [Block]) -> io::Result<()> {
        for block in blocks {
            block.present_bytes = self.bytes_with(block, ENTRY_IS_PRESENT)?;
        }
        Ok(())
    }

    /// Bytes of the pages at this place that no other process maps.
    pub fn own_bytes(&self, block: &Block) -> io::Result<usize> {
        self.bytes_with(block, ENTRY_IS_PRESENT | ENTRY_IS_OWN)
    }

    /// Bytes of the pages at this place in whose entries all these bits are set, which are among the eight highest.
    fn bytes_with(&self, block: &Block, bits: u64) -> io::Result<usize> {
        let mut entries = [0; HUGE_PAGE_BYTES / PAGE_BYTES * 8];
        self.file.read_exact_at(&mut entries, (block.start / PAGE_BYTES * 8) as u64)?;
        // The highest bits are in the last byte of an entry where the lowest byte comes first, which holds for every
        // machine that Copal runs on.
        let flags = entries.chunks_exact(8).map(|entry| u64::from(entry[7]) << 56);
        Ok(flags.filter(|flags| flags & bits == bits).count() * PAGE_BYTES)
    }
}

/// Makes a huge page of the small ones at this place. What they hold stays the same; a thread that writes to them
/// meanwhile waits.
pub fn collapse(block: Block) -> io::Result<()> {
    // SAFETY: this changes how the range is backed, not what it holds, whoever owns it; where nothing is mapped, or no
    // memory of ours, the kernel refuses.
    let done = unsafe { libc::madvise(block.start as *mut libc::c_void, HUGE_PAGE_BYTES, MADV_COLLAPSE) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes the pages of this place writable that a fork has left write-protected, as a write to each of them would.
/// Other threads go on meanwhile. Older kernels than Linux 5.14 refuse, which only leaves it to the writes.
pub fn make_writable(block: Block) -> io::Result<()> {
    // SAFETY: this changes how the range is mapped, not what it holds, whoever owns it; where nothing is mapped, the
    // kernel refuses.
    let done = unsafe { libc::madvise(block.start as *mut libc::c_void, HUGE_PAGE_BYTES, libc::MADV_POPULATE_WRITE) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for one huge page, through which a huge page of the system is touched before a collapse takes it.
///
/// A collapse copies 2 MiB while it holds a lock of the whole process. In a virtual machine a page that nobody has
/// touched yet has no memory behind it until then, which made this copy ten times as long (5 to 14 ms instead of 0.5).
/// What was touched and given back a moment ago is the first that the system hands out again on the same processor.
pub struct Spare {
    mapping: NonNull<libc::c_void>,
    place: NonNull<libc::c_void>,
}

/// Twice the size of a huge page has one at a multiple of its size in it.
const SPARE_BYTES: usize = 2 * HUGE_PAGE_BYTES;

impl Spare {
    pub fn new() -> io::Result<Self> {
        let bytes = const { NonZeroUsize::new(SPARE_BYTES).expect("not 0") };
        // SAFETY: a fresh private mapping touches no existing memory.
        let mapping = unsafe {
            mmap_anonymous(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE)
        }?;
        let offset = mapping.addr().get().next_multiple_of(HUGE_PAGE_BYTES) - mapping.addr().get();
        // SAFETY: the offset is less than the size of a huge page, and the mapping is of two.
        let spare = Self { mapping, place: unsafe { mapping.byte_add(offset) } };
        // SAFETY: the range is ours; a child has no use for it.
        unsafe { madvise(spare.mapping, SPARE_BYTES, MmapAdvise::MADV_DONTFORK) }?;
        // SAFETY: as above.
        unsafe { madvise(spare.place, HUGE_PAGE_BYTES, MmapAdvise::MADV_HUGEPAGE) }?;
        Ok(spare)
    }

    /// Touches a huge page and gives it back. Where the system has none, the next collapse is slower, and nothing else.
    pub fn touch(&self) {
        // A write, rather than advice to populate the range, which would hold up all changes to other mappings while the kernel
        // clears the page: a table that grows opens more of its own.
        // SAFETY: the place lies in our mapping, can be written, and holds nothing that anybody reads.
        unsafe { self.place.cast::<u8>().write_volatile(0) };
        // SAFETY: as above.
        let _ = unsafe { libc::madvise(self.place.as_ptr(), HUGE_PAGE_BYTES, libc::MADV_DONTNEED) };
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        // SAFETY: nobody else refers to the mapping.
        let _ = unsafe { munmap(self.mapping, SPARE_BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mapped memory of so many blocks.
    struct Mapping {
        start: NonNull<libc::c_void>,
        bytes: usize,
        first_block: usize,
    }

    impl Mapping {
        fn new(blocks: usize) -> Self {
            let bytes = (blocks + 1) * HUGE_PAGE_BYTES;
            let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
            let length = NonZeroUsize::new(bytes).expect("not 0");
            // SAFETY: a fresh private mapping touches no existing memory.
            let start = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) }.expect("memory");
            // SAFETY: the range was just mapped. In small pages whatever the system's mode is, at first.
            unsafe { madvise(start, bytes, MmapAdvise::MADV_NOHUGEPAGE) }.expect("small pages");
            Self { start, bytes, first_block: (start.addr().get()).next_multiple_of(HUGE_PAGE_BYTES) }
        }

        fn range(&self, blocks: usize) -> Range<usize> {
            self.first_block..self.first_block + blocks * HUGE_PAGE_BYTES
        }

        fn touch(&self, block: usize, pages: impl Iterator<Item = usize>) {
            for page in pages {
                let offset = self.first_block - self.start.addr().get() + block * HUGE_PAGE_BYTES + page * PAGE_BYTES;
                // SAFETY: the page lies within the mapping.
                unsafe { self.start.cast::<u8>().add(offset).write(1) };
            }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: nobody refers to the mapping any more.
            let _ = unsafe { munmap(self.start, self.bytes) };
        }
    }

    #[test]
    fn present_pages_are_counted_in_either_way() {
        let mapping = Mapping::new(4);
        mapping.touch(0, 0..512);
        mapping.touch(1, (0..512).step_by(2));
        mapping.touch(3, 511..512);
        let expected = [512, 256, 0, 1].map(|pages| pages * PAGE_BYTES);
        let map = PageMap::open().expect("a page map");
        let by_entry = PageMap::open().expect("a page map").without_scans();
        for mut map in [map, by_entry] {
            let mut blocks = Vec::new();
            map.look(mapping.range(4), &mut blocks).expect("a look");
            assert_eq!(blocks.iter().map(|block| block.present_bytes).collect::<Vec<_>>(), expected);
            assert!(blocks.iter().all(|block| !block.is_huge));
            assert_eq!(blocks[3].start, mapping.range(3).end);
        }
    }

    #[test]
    fn a_collapsed_block_is_huge_and_holds_what_it_held() {
        let mapping = Mapping::new(1);
        mapping.touch(0, 0..512);
        // SAFETY: the range is mapped.
        unsafe { madvise(mapping.start, mapping.bytes, MmapAdvise::MADV_HUGEPAGE) }.expect("advice");
        let mut map = PageMap::open().expect("a page map");
        let mut blocks = Vec::new();
        map.look(mapping.range(1), &mut blocks).expect("a look");
        // Where the kernel cannot or may not, that is no fault of ours.
        let collapsed = collapse(blocks[0]).is_ok();
        map.look(mapping.range(1), &mut blocks).expect("a look");
        assert_eq!(blocks[0].present_bytes, HUGE_PAGE_BYTES);
        assert_eq!(blocks[0].is_huge, collapsed && map.tells_huge());
        let offset = mapping.first_block - mapping.start.addr().get();
        // SAFETY: the page lies within the mapping.
        assert_eq!(unsafe { mapping.start.cast::<u8>().add(offset + 5 * PAGE_BYTES).read() }, 1);
    }
}
