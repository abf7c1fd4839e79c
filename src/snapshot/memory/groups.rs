//! The control groups that limit this process's memory, of either version.

use std::fs;
use std::path::{Path, PathBuf};

/// Where groups of the second version may be mounted.
const SECOND: [&str; 2] = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];

/// Where those of the first version are.
const FIRST: [&str; 1] = ["sys/fs/cgroup/memory"];

/// What the first version shows for no limit is 2^63 less a page.
const UNLIMITED: u64 = 1 << 62;

/// The names of files in a group's folder, which differ by the version.
#[derive(Debug)]
struct Files {
    limit: &'static str,
    used: &'static str,
    /// The lines of `memory.stat` about caches of files, which the kernel takes back first.
    caches: [&'static str; 2],
    /// Has a line `oom_kill N`.
    kills: &'static str,
}

const FILES_OF_SECOND: Files = Files {
    limit: "memory.max",
    used: "memory.current",
    caches: ["active_file", "inactive_file"],
    kills: "memory.events",
};

const FILES_OF_FIRST: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    caches: ["total_active_file", "total_inactive_file"],
    kills: "memory.oom_control",
};

/// This process's own group and those above it, of each version the own one first.
#[derive(Debug)]
pub struct Groups(Vec<(PathBuf, &'static Files)>);

/// A limit and what is left of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupRoom {
    pub file: PathBuf,
    pub limit_bytes: u64,
    pub left_bytes: u64,
}

impl Groups {
    #[cfg(test)]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub fn of_this_process() -> Self {
        Self::in_tree(Path::new("/"), &fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
    }

    /// The groups of a process whose `/proc/self/cgroup` has this text, in a tree of files that begins at `root`.
    ///
    /// In a container the path in the text may be that of the host, while what is mounted begins at the container's own
    /// group: each part of the path is tried, up to what is mounted.
    fn in_tree(root: &Path, text: &str) -> Self {
        let second = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
        let first = text.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|name| name == "memory").then_some(path)
        });
        let mut found = Vec::new();
        let mut look = |mounts: &[&str], path: &str, files: &'static Files| {
            for mount in mounts.iter().map(|mount| root.join(mount)) {
                let leaf = mount.join(path.trim_start_matches('/'));
                let above = leaf.ancestors().take_while(|folder| folder.starts_with(&mount));
                let is_group = |folder: &Path| {
                    [files.limit, files.used, files.kills].iter().any(|file| folder.join(file).exists())
                };
                let groups = above.filter(|folder| is_group(folder));
                found.extend(groups.map(|folder| (folder.to_path_buf(), files)));
            }
        };
        look(&SECOND, second, &FILES_OF_SECOND);
        look(&FIRST, first.unwrap_or("/"), &FILES_OF_FIRST);
        Self(found)
    }

    /// How many processes of the own group the kernel has killed for want of memory.
    pub fn kills(&self) -> Option<u64> {
        self.0.iter().find_map(|(folder, files)| field(&fs::read_to_string(folder.join(files.kills)).ok()?, "oom_kill"))
    }

    /// The least limit of all these groups, in bytes, and the file that has it.
    pub fn limit(&self) -> Option<(u64, PathBuf)> {
        let files = self.0.iter().map(|(folder, files)| folder.join(files.limit));
        files.filter_map(|file| Some((limit_in(&file)?, file))).min()
    }

    /// The group that leaves the least, if that is less than `needed_bytes`.
    pub fn shortage(&self, needed_bytes: u64) -> Option<GroupRoom> {
        let rooms = self.0.iter().filter_map(|(folder, files)| {
            let file = folder.join(files.limit);
            let limit_bytes = limit_in(&file)?;
            let used = number_in(&folder.join(files.used))?;
            let is_short = |used: u64| limit_bytes.saturating_sub(used) < needed_bytes;
            if !is_short(used) {
                return None;
            }
            // Not read where it makes no difference: the kernel sums it up over all processors.
            let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
            let cached = files.caches.iter().filter_map(|name| field(&stat, name)).sum();
            let used = used.saturating_sub(cached);
            is_short(used).then(|| GroupRoom { file, limit_bytes, left_bytes: limit_bytes.saturating_sub(used) })
        });
        rooms.min_by_key(|room| room.left_bytes)
    }
}

/// The number in a line `name number`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn number_in(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// None where there is no limit: the second version says `max`.
fn limit_in(file: &Path) -> Option<u64> {
    number_in(file).filter(|bytes| *bytes < UNLIMITED)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn tree(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = root.path().join("sys/fs/cgroup").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        root
    }

    const SECOND_STAT: &str = "anon 500\nfile 450\nactive_file 100\nactive_file_other 9\ninactive_file 250\n";

    #[test]
    fn kills_are_counted_in_the_own_group_of_either_version() {
        let events = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
        let root = tree(&[("a/b/memory.events", events), ("a/memory.events", "oom_kill 9\n")]);
        assert_eq!(Groups::in_tree(root.path(), "0::/a/b\n").kills(), Some(2));
        assert_eq!(Groups::in_tree(root.path(), "0::/a\n").kills(), Some(9));
        assert_eq!(Groups::in_tree(root.path(), "0::/\n").kills(), None);
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n";
        let root = tree(&[("memory/docker/1f/memory.oom_control", control)]);
        let text = "9:name=systemd:/\n4:cpu,memory:/docker/1f\n0::/docker/1f\n";
        assert_eq!(Groups::in_tree(root.path(), text).kills(), Some(4));
        let root = tree(&[("memory/memory.oom_control", control), ("unified/cgroup.procs", "")]);
        assert_eq!(Groups::in_tree(root.path(), text).kills(), Some(4), "the host's path in a container");
        let root = tree(&[("memory.events", "nonsense"), ("memory.max", "70")]);
        assert_eq!(Groups::in_tree(root.path(), "0::/\n").kills(), None);
        assert_eq!(Groups::in_tree(Path::new("/nowhere"), "").kills(), None);
    }

    #[test]
    fn the_tightest_group_is_named_with_its_figures_and_caches_count_as_room() {
        let root = tree(&[
            ("a/memory.max", "max\n"),
            ("a/memory.current", "900\n"),
            ("a/b/memory.max", "1000\n"),
            ("a/b/memory.current", "950\n"),
            ("a/b/memory.stat", SECOND_STAT),
        ]);
        let groups = Groups::in_tree(root.path(), "0::/a/b\n");
        assert_eq!(groups.limit().map(|(bytes, _)| bytes), Some(1000));
        assert_eq!(groups.shortage(400), None, "50 and 350 of caches");
        let file = root.path().join("sys/fs/cgroup/a/b/memory.max");
        assert_eq!(groups.shortage(401), Some(GroupRoom { file, limit_bytes: 1000, left_bytes: 400 }));
        let root = tree(&[
            ("memory/x/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/x/memory.usage_in_bytes", "300\n"),
            ("memory/memory.limit_in_bytes", "2000\n"),
            ("memory/memory.usage_in_bytes", "1990\n"),
            ("memory/memory.stat", "cache 90\ntotal_active_file 4\ntotal_inactive_file 6\n"),
        ]);
        let groups = Groups::in_tree(root.path(), "4:memory:/x\n");
        let shortage = groups.shortage(500).expect("the group above limits too");
        assert_eq!((shortage.limit_bytes, shortage.left_bytes), (2000, 20));
        assert_eq!(groups.limit().map(|(bytes, _)| bytes), Some(2000));
        assert_eq!(groups.shortage(20), None);
    }

    /// The least limit in a tree of these files.
    fn least(groups: &str, files: &[(&str, &str)]) -> Option<(u64, String)> {
        let root = tree(files);
        let (bytes, file) = Groups::in_tree(root.path(), groups).limit()?;
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
}
