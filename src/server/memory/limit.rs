//! How much memory the server may take: what the machine has, and what control groups leave of it.

use std::path::{Path, PathBuf};

use crate::snapshot::ControlGroups;

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
        Self { machine_bytes: machine_bytes().unwrap_or(0), group: ControlGroups::of_this_process().limit() }
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
            Some((_, file)) if self.is_of_group() => {
                format!("the control group ({})", file.display())
            }
            _ => "the machine".to_owned(),
        }
    }

    /// Whether a control group sets it.
    pub fn is_of_group(&self) -> bool {
        self.group.as_ref().is_some_and(|(bytes, _)| self.machine_bytes == 0 || *bytes < self.machine_bytes)
    }

    #[cfg(test)]
    pub fn of_group(bytes: u64) -> Self {
        Self { machine_bytes: 0, group: Some((bytes, PathBuf::from("/g/memory.max"))) }
    }

    /// What is wrong where `maxmemory` is more than there is.
    pub fn fault_of_maxmemory(&self, maxmemory_bytes: u64) -> Option<String> {
        let limit = self.bytes();
        (limit > 0 && maxmemory_bytes > limit).then(|| {
            format!(
                "maxmemory is {maxmemory_bytes} bytes, but {} has only {limit} bytes of memory for the server. The kernel \
                 will kill it before it evicts keys or refuses writes.",
                self.owner()
            )
        })
    }

    /// Warns where `maxmemory` is more than there is.
    pub fn warn_of_maxmemory(&self, maxmemory_bytes: u64) {
        if let Some(fault) = self.fault_of_maxmemory(maxmemory_bytes) {
            tracing::warn!(
                "WARNING: {fault} Lower maxmemory, and leave room for the pages that are copied during a snapshot, or \
                 raise the limit."
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

#[cfg(test)]
mod tests {
    use super::*;

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
