//! How much memory the server may take: what the machine has, and what control groups leave of it.

use std::path::{Path, PathBuf};
use std::{fs, iter};

/// Where control groups of the second version may be mounted, and the file that holds the limit of one.
const SECOND: ([&str; 2], &str) = (["/sys/fs/cgroup", "/sys/fs/cgroup/unified"], "memory.max");

/// The same for the first version.
const FIRST: ([&str; 1], &str) = (["/sys/fs/cgroup/memory"], "memory.limit_in_bytes");

/// The memory that is there for the server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryLimit {
    /// What the machine has.
    machine_bytes: u64,
    /// The least that a control group allows, and the file that says so.
    group: Option<(u64, PathBuf)>,
}

impl MemoryLimit {
    pub fn of_this_process() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self { machine_bytes: machine_bytes().unwrap_or(0), group: least_of_groups(Path::new("/"), &groups) }
    }

    /// In bytes; 0 if nobody can say.
    pub fn bytes(&self) -> u64 {
        match (&self.group, self.machine_bytes) {
            (Some((group, _)), 0) => *group,
            (Some((group, _)), machine) => machine.min(*group),
            (None, machine) => machine,
        }
    }

    /// Who sets the limit, for a message.
    pub fn owner(&self) -> String {
        match &self.group {
            Some((bytes, file)) if self.machine_bytes == 0 || *bytes < self.machine_bytes => {
                format!("the control group ({})", file.display())
            }
            _ => "the machine".to_owned(),
        }
    }

    /// Warns where `maxmemory` is more than there is: the kernel would kill the server before it evicts or refuses.
    pub fn warn_of_maxmemory(&self, maxmemory_bytes: u64) {
        let limit = self.bytes();
        if limit > 0 && maxmemory_bytes > limit {
            tracing::warn!(
                "WARNING: maxmemory is {maxmemory_bytes} bytes, but {} has only {limit} bytes of memory for the server. \
                 The kernel will kill it before it evicts keys or refuses writes. Lower maxmemory, and leave room for \
                 the pages that are copied during a snapshot, or raise the limit.",
                self.owner()
            );
        }
    }

    /// Warns before a dump is loaded that needs more than there is.
    pub fn warn_of_dump(&self, dump: &Path, needed_bytes: u64) {
        let limit = self.bytes();
        if limit > 0 && needed_bytes > limit {
            tracing::warn!(
                "WARNING: the data of {} took {needed_bytes} bytes of memory when they were saved, but {} has only \
                 {limit} bytes for the server. The kernel may kill it while it loads. Raise the limit.",
                dump.display(),
                self.owner()
            );
        }
    }
}

fn machine_bytes() -> Option<u64> {
    use nix::unistd::{SysconfVar, sysconf};
    let pages = sysconf(SysconfVar::_PHYS_PAGES).ok()??;
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages as u64 * page_bytes as u64)
}

/// The least limit of all groups above this process, of either version, in a tree of files that begins at `root`.
///
/// In a container the path in `/proc/self/cgroup` may be that of the host, while what is mounted begins at the
/// container's own group: each part of the path is tried, up to what is mounted.
fn least_of_groups(root: &Path, groups: &str) -> Option<(u64, PathBuf)> {
    let second = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let first = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|name| name == "memory").then_some(path)
    });
    let limits = |mounts: &[&str], path: &str, file: &str| {
        let files = mounts.iter().flat_map(|mount| {
            let mount = root.join(mount.trim_start_matches('/'));
            let leaf = mount.join(path.trim_start_matches('/'));
            let above = leaf.ancestors().map(Path::to_path_buf).take_while(|folder| folder.starts_with(&mount));
            above.collect::<Vec<_>>()
        });
        files.filter_map(|folder| limit_in(folder.join(file))).collect::<Vec<_>>()
    };
    let first = limits(&FIRST.0, first.unwrap_or("/"), FIRST.1);
    limits(&SECOND.0, second, SECOND.1).into_iter().chain(first).min()
}

/// No number where there is no limit: the second version says `max`, and the first a number that no machine has.
fn limit_in(file: PathBuf) -> Option<(u64, PathBuf)> {
    let bytes = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
    iter::once(bytes).find(|bytes| *bytes < UNLIMITED).map(|bytes| (bytes, file))
}

/// What the first version shows instead is 2^63 less a page.
const UNLIMITED: u64 = 1 << 62;

#[cfg(test)]
mod tests {
    use super::*;

    /// The least limit in a tree of these files.
    fn least(groups: &str, files: &[(&str, &str)]) -> Option<(u64, String)> {
        let root = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = root.path().join("sys/fs/cgroup").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        let (bytes, file) = least_of_groups(root.path(), groups)?;
        let file = file.strip_prefix(root.path().join("sys/fs/cgroup")).expect("a file of ours").to_owned();
        Some((bytes, file.to_string_lossy().into_owned()))
    }

    #[test]
    fn limit_is_the_least_of_all_groups_above() {
        let nested = [("a/memory.max", "max\n"), ("a/b/memory.max", "500\n"), ("a/b/c/memory.max", "900\n")];
        assert_eq!(least("0::/a/b/c\n", &nested), Some((500, "a/b/memory.max".into())));
        assert_eq!(least("0::/a\n", &nested), None);
        assert_eq!(least("0::/\n", &[("memory.max", "700\n")]), Some((700, "memory.max".into())));
        assert_eq!(least("", &[("memory.max", "700\n")]), Some((700, "memory.max".into())), "no /proc");
        assert_eq!(least("0::/a/b\n", &[]), None, "no /sys");
        assert_eq!(least("0::/a/b\n", &[("memory.max", "700")]), Some((700, "memory.max".into())), "the host's path");
        assert_eq!(least("0::/../../x\n", &[("memory.max", "nonsense")]), None);
    }

    #[test]
    fn groups_of_the_first_version_limit_too() {
        let groups = "9:name=systemd:/\n4:cpu,memory:/docker/1f\n3:cpuset:/other\n0::/docker/1f\n";
        let limit = "memory/docker/1f/memory.limit_in_bytes";
        assert_eq!(least(groups, &[(limit, "300\n")]), Some((300, limit.into())));
        let root = "memory/memory.limit_in_bytes";
        assert_eq!(least(groups, &[(root, "300\n")]), Some((300, root.into())), "the container's own group");
        assert_eq!(least(groups, &[(limit, "9223372036854771712\n"), (root, "9223372036854771712")]), None);
        let both = [(limit, "300"), ("unified/docker/1f/memory.max", "200")];
        assert_eq!(least(groups, &both).map(|(bytes, _)| bytes), Some(200));
    }

    #[test]
    fn memory_is_what_the_machine_has_or_less() {
        let limit = |machine_bytes, group: Option<u64>| MemoryLimit {
            machine_bytes,
            group: group.map(|bytes| (bytes, PathBuf::from("/g/memory.max"))),
        };
        assert_eq!((limit(100, None).bytes(), limit(100, None).owner().as_str()), (100, "the machine"));
        assert_eq!((limit(100, Some(500)).bytes(), limit(100, Some(500)).owner().as_str()), (100, "the machine"));
        let less = limit(100, Some(50));
        assert_eq!((less.bytes(), less.owner().as_str()), (50, "the control group (/g/memory.max)"));
        assert_eq!(limit(0, Some(50)).bytes(), 50);
        assert!(MemoryLimit::of_this_process().bytes() > 0);
    }
}
