//! Which memory may be healed, and whether there is enough left to do so. All of it is read from text of the kernel's.

use std::ops::Range;
use std::{fs, io};

use super::{HUGE_PAGE_BYTES, PAGE_BYTES};
use crate::stdx::text::kilobyte_field;
use crate::structures::MappedTable;

/// A mapping that nobody may touch and that is at most so large keeps the stack above it from growing into others.
const GUARD_BYTES_MAX: usize = 64 << 10;

/// Memory is short when less than one part in so many is left.
const LEFT_SHARE: u64 = 32;

/// One line of `/proc/self/maps`.
struct Mapping<'a> {
    range: Range<usize>,
    permissions: &'a str,
    /// Of a file, or what the kernel calls it; empty for plain memory.
    name: &'a str,
}

impl<'a> Mapping<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        let permissions = fields.next()?;
        // Offset, device and inode come before the name.
        Some(Self { range, permissions, name: fields.nth(3).unwrap_or_default() })
    }

    fn is_guard(&self) -> bool {
        self.permissions == "---p" && self.range.len() <= GUARD_BYTES_MAX
    }
}

/// The whole blocks of the heap and of the tables, in ascending ranges.
///
/// Plain private memory is the allocator's or a thread's stack, and a stack is right above its guard. What of a table
/// is not filled yet is left out, since inserts would wait, and so is what is `growing`.
pub fn healable(maps: &str, tables: &[MappedTable], growing: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut guard_end = None;
    for mapping in maps.lines().filter_map(Mapping::parse) {
        let is_stack = guard_end == Some(mapping.range.start);
        guard_end = mapping.is_guard().then_some(mapping.range.end);
        if mapping.permissions == "rw-p" && mapping.name.is_empty() && !is_stack {
            ranges.push(mapping.range);
        }
    }
    // The kernel may have joined a table with the stack below it.
    ranges.extend(tables.iter().map(|table| table.range.start..table.filled_end));
    ranges.sort_unstable_by_key(|range| range.start);
    let mut blocks: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        let from = blocks.last().map_or(0, |last| last.end).max(range.start.next_multiple_of(HUGE_PAGE_BYTES));
        let end = range.end / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
        push_without(&mut blocks, from..end, tables.iter().map(unfilled).chain(growing.iter().map(whole_blocks)));
    }
    blocks
}

/// The blocks of a table that it has not filled yet.
fn unfilled(table: &MappedTable) -> Range<usize> {
    table.filled_end..table.range.end.next_multiple_of(HUGE_PAGE_BYTES)
}

fn whole_blocks(part: &Range<usize>) -> Range<usize> {
    part.start..part.end.next_multiple_of(HUGE_PAGE_BYTES)
}

/// Adds what is left of a range without the holes, whose ends are those of blocks.
fn push_without(blocks: &mut Vec<Range<usize>>, mut range: Range<usize>, holes: impl Iterator<Item = Range<usize>>) {
    let mut holes: Vec<_> = holes.filter(|hole| hole.start < range.end && hole.end > range.start).collect();
    holes.sort_unstable_by_key(|hole| hole.start);
    for hole in holes {
        if hole.start > range.start {
            blocks.push(range.start..hole.start);
        }
        range.start = range.start.max(hole.end);
    }
    if !range.is_empty() {
        blocks.push(range);
    }
}

/// Whether the kernel's pages are of the sizes that this room knows.
pub fn sizes_are_known() -> io::Result<bool> {
    let huge = match fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        size => size?.trim().parse::<usize>().ok(),
    };
    let small = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    Ok(huge == Some(HUGE_PAGE_BYTES) && small == Some(PAGE_BYTES as i64))
}

/// Whether so little memory is left that none should be taken to heal, not even for a moment.
pub fn memory_is_short() -> io::Result<bool> {
    let system = fs::read_to_string("/proc/meminfo")?;
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| group_folder(&text)).and_then(|folder| {
        let read = |name: &str| fs::read_to_string(format!("{folder}/{name}")).ok();
        group_left(&read("memory.max")?, &read("memory.current")?, &read("memory.stat")?)
    });
    let lefts = [system_left(&system), group];
    Ok(lefts.into_iter().flatten().any(|(left, all)| left < all / LEFT_SHARE))
}

/// What the system can still give, and what it has, in bytes.
fn system_left(meminfo: &str) -> Option<(u64, u64)> {
    Some((kilobyte_field(meminfo, "MemAvailable")?, kilobyte_field(meminfo, "MemTotal")?))
}

/// The folder of the control group that limits this process's memory, where there is one of the second kind.
fn group_folder(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(format!("/sys/fs/cgroup{path}"))
}

/// As [`system_left`], of a control group. What caches files can be taken back.
fn group_left(limit: &str, current: &str, stat: &str) -> Option<(u64, u64)> {
    // "max" where there is no limit.
    let limit = limit.trim().parse::<u64>().ok()?;
    let current = current.trim().parse::<u64>().ok()?;
    let of = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let cache = of("active_file ")? + of("inactive_file ")?;
    Some((limit.saturating_sub(current.saturating_sub(cache)), limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
5581a0000000-5581a1000000 r-xp 00001000 fe:00 1234 /usr/bin/copal-server
5581a1000000-5581a1400000 rw-p 00000000 00:00 0 [heap]
7f0000000000-7f0000a00000 rw-p 00000000 00:00 0
7f0000a00000-7f0000a01000 ---p 00000000 00:00 0
7f0000a01000-7f0001000000 rw-p 00000000 00:00 0
7f0001000000-7f0001c00000 ---p 00000000 00:00 0
7f0001c00000-7f0002100000 rw-p 00000000 00:00 0
7f0002200000-7f0002600000 r--s 00000000 00:2f 77 /data/dump with spaces.rdb
7f0002600000-7f0002a00000 rw-p 00000000 00:00 0 [anon:mine]
7ffc00000000-7ffc00800000 rw-p 00000000 00:00 0 [stack]
";

    fn table(range: Range<usize>, filled_end: usize) -> MappedTable {
        let ends = (range.start + 0x40_0000, range.end);
        MappedTable { range, filled_end, small_end: ends.0, used_end: ends.1 }
    }

    #[test]
    fn only_plain_memory_beside_stacks_is_healed() {
        let expected = [0x7f00_0000_0000..0x7f00_00a0_0000, 0x7f00_01c0_0000..0x7f00_0200_0000];
        assert_eq!(healable(MAPS, &[], &[]), expected);
        assert!(healable("", &[], &[]).is_empty());
        assert!(healable("nonsense\n12-zz rw-p 0 0 0\n\n", &[], &[]).is_empty());
    }

    #[test]
    fn tables_are_healed_as_far_as_they_are_filled() {
        let joined_with_a_stack = table(0x7f00_00c0_0000..0x7f00_0100_0000, 0x7f00_0100_0000);
        let first = table(0x7f00_0000_0000..0x7f00_0024_0000, 0x7f00_0020_0000);
        let second = table(0x7f00_01c0_0000..0x7f00_0200_0000, 0x7f00_01c0_0000);
        let expected = [
            0x7f00_0000_0000..0x7f00_0020_0000,
            0x7f00_0040_0000..0x7f00_00a0_0000,
            0x7f00_00c0_0000..0x7f00_0100_0000,
        ];
        assert_eq!(healable(MAPS, &[first, joined_with_a_stack, second], &[]), expected);
    }

    #[test]
    fn memory_that_is_left_is_read_from_the_kernels_words() {
        let meminfo = "MemTotal:       24684096 kB\nMemFree: 1 kB\nMemAvailable:   22978840 kB\n";
        assert_eq!(system_left(meminfo), Some((22_978_840 << 10, 24_684_096 << 10)));
        assert_eq!(system_left("MemTotal: 5 kB\n"), None);
        assert_eq!(group_folder("0::/user.slice/x\n").as_deref(), Some("/sys/fs/cgroup/user.slice/x"));
        assert_eq!(group_folder("3:memory:/x\n"), None);
        let stat = "anon 5\nfile 50\ninactive_file 20\nactive_file 10\n";
        assert_eq!(group_left("100\n", "90\n", stat), Some((40, 100)));
        assert_eq!(group_left("max\n", "90\n", stat), None);
        memory_is_short().expect("this system tells");
    }
}
