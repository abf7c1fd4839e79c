//! What is left for the copies that a snapshot makes, compared with what the last ones took.

use std::fs;
use std::path::Path;

use super::groups::Groups;
use crate::stdx::text::kilobyte_field;

/// What does not leave so much as the last snapshots took, each as a clause with its figures; `root` is where /proc is.
///
/// `maxmemory` is not compared: copies do not count towards it.
pub fn shortages(root: &Path, groups: &Groups, needed_bytes: u64) -> Vec<String> {
    let read = |name: &str| fs::read_to_string(root.join("proc").join(name)).unwrap_or_default();
    let memory = read("meminfo");
    let mut found = Vec::new();
    if let Some(left) = kilobyte_field(&memory, "MemAvailable").filter(|left| *left < needed_bytes) {
        found.push(format!("the machine has {left} bytes available (MemAvailable)"));
    }
    if let Some(room) = groups.shortage(needed_bytes) {
        let (file, limit, left) = (room.file.display(), room.limit_bytes, room.left_bytes);
        found.push(format!("the control group has {left} bytes left of {limit} ({file})"));
    }
    if read("sys/vm/overcommit_memory").trim() == "2" {
        found.extend(commit_shortage(&memory, &read("self/status"), needed_bytes));
    }
    found
}

/// Where the kernel promises no more than it has, fork needs a promise for all that the process may write to.
fn commit_shortage(memory: &str, status: &str, needed_bytes: u64) -> Option<String> {
    let (limit, promised) = (kilobyte_field(memory, "CommitLimit")?, kilobyte_field(memory, "Committed_AS")?);
    let needed = kilobyte_field(status, "VmData").unwrap_or(0).max(needed_bytes);
    let left = limit.saturating_sub(promised);
    (left < needed).then(|| {
        format!(
            "the kernel promises {left} bytes more (CommitLimit less Committed_AS, vm.overcommit_memory is 2) and fork \
             needs {needed}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: &str = "MemTotal: 1000 kB\nMemAvailable: 100 kB\nCommitLimit: 900 kB\nCommitted_AS: 700 kB\n";

    fn shortages_at(overcommit: &str, needed_bytes: u64) -> Vec<String> {
        let root = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("meminfo", MEMORY),
            ("sys/vm/overcommit_memory", overcommit),
            ("self/status", "Name: x\nVmData: 300 kB\n"),
        ] {
            let path = root.path().join("proc").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        shortages(root.path(), &Groups::none(), needed_bytes)
    }

    #[test]
    fn what_the_machine_has_available_is_compared() {
        assert_eq!(shortages_at("0\n", 100 << 10), [""; 0]);
        assert_eq!(shortages_at("1\n", (100 << 10) + 1), ["the machine has 102400 bytes available (MemAvailable)"]);
    }

    #[test]
    fn strict_overcommit_needs_room_for_the_whole_process() {
        let found = shortages_at("2\n", 1);
        assert_eq!(
            found,
            [
                "the kernel promises 204800 bytes more (CommitLimit less Committed_AS, vm.overcommit_memory is 2) and fork \
              needs 307200"
            ]
        );
    }

    #[test]
    fn nothing_is_short_where_nothing_can_be_read() {
        assert_eq!(shortages(Path::new("/nowhere"), &Groups::none(), u64::MAX), [""; 0]);
    }
}
