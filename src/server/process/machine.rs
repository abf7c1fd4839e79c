//! What the machine lacks that snapshots, connections or memory need: one table, of which each row says what to do.

use std::fs;

use super::file_limit;
use crate::config::{Config, HugePages};
use crate::server::memory::MemoryLimit;

const MIB: u64 = 1 << 20;

/// Of a control group's memory, so many percent are for data where snapshots are taken.
const DATA_PERCENT: u64 = 70;

/// Something that the machine lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lack {
    /// A word for programs.
    code: &'static str,
    what: String,
    /// With the command that does it.
    fix: String,
}

impl Lack {
    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn what(&self) -> &str {
        &self.what
    }

    pub fn fix(&self) -> &str {
        &self.fix
    }
}

/// What is known of the machine; what cannot be read, as in a container without /proc or /sys, is no lack.
#[derive(Clone, Debug, Default)]
struct Facts {
    overcommit: Option<u64>,
    somaxconn: Option<u64>,
    huge_page_mode: Option<String>,
    /// Megabytes.
    swap: Option<u64>,
    file_limit: u64,
    memory: MemoryLimit,
    wanted_clients: u32,
    needed_files: u64,
    backlog: u32,
    listens: bool,
    wants_huge_pages: bool,
    maxmemory_bytes: u64,
}

const CHECKS: &[fn(&Facts) -> Option<Lack>] =
    &[overcommit, huge_pages, somaxconn, open_files, swap, memory_of_group, too_much_maxmemory];

/// Everything that is lacking, where so many clients were wished for.
pub fn lacks(config: &Config, memory: &MemoryLimit, wanted_clients: u32) -> Vec<Lack> {
    let facts = Facts {
        overcommit: read_number("/proc/sys/vm/overcommit_memory"),
        somaxconn: read_number("/proc/sys/net/core/somaxconn"),
        huge_page_mode: fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok(),
        swap: fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(swap_in),
        file_limit: file_limit::current(),
        memory: memory.clone(),
        wanted_clients,
        needed_files: file_limit::needed(config, wanted_clients),
        backlog: config.tcp_backlog,
        listens: config.port != 0,
        wants_huge_pages: config.huge_pages != HugePages::No,
        maxmemory_bytes: config.maxmemory_bytes,
    };
    facts.lacks()
}

impl Facts {
    fn lacks(&self) -> Vec<Lack> {
        CHECKS.iter().filter_map(|check| check(self)).collect()
    }
}

fn overcommit(facts: &Facts) -> Option<Lack> {
    facts.overcommit.filter(|mode| *mode != 1).map(|_| Lack {
        code: "overcommit",
        what:
            "Memory overcommit must be enabled! Without it, a background save may fail when memory is short, since the \
               system then counts the child's shared pages twice."
                .to_owned(),
        fix: "To fix this add 'vm.overcommit_memory = 1' to /etc/sysctl.conf and reboot, or run 'sysctl \
              vm.overcommit_memory=1'."
            .to_owned(),
    })
}

fn huge_pages(facts: &Facts) -> Option<Lack> {
    let is_never = facts.huge_page_mode.as_ref().is_some_and(|mode| mode.contains("[never]"));
    (is_never && facts.wants_huge_pages).then(|| Lack {
        code: "huge_pages",
        what: "Transparent huge pages are switched off, so a fork takes many times longer.".to_owned(),
        fix: "Run 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' at each start of the machine, or set \
              huge-pages to no."
            .to_owned(),
    })
}

fn somaxconn(facts: &Facts) -> Option<Lack> {
    let backlog = facts.backlog;
    let lower = facts.somaxconn.filter(|most| facts.listens && *most < u64::from(backlog))?;
    Some(Lack {
        code: "somaxconn",
        what: format!(
            "The TCP backlog setting of {backlog} cannot be enforced because /proc/sys/net/core/somaxconn is set to the \
             lower value of {lower}."
        ),
        fix: format!("Run 'sysctl net.core.somaxconn={backlog}', or set tcp-backlog to {lower}."),
    })
}

fn open_files(facts: &Facts) -> Option<Lack> {
    let needed = facts.needed_files;
    (facts.file_limit > 0 && facts.file_limit < needed).then(|| Lack {
        code: "open_files",
        what: format!(
            "Only {} files may be open at the same time, and {needed} are needed for maxclients {}.",
            facts.file_limit, facts.wanted_clients
        ),
        fix: format!("Run 'ulimit -n {needed}' before the start, or set LimitNOFILE={needed} in the systemd unit."),
    })
}

/// In a control group nobody can add swap from inside, and most run without.
fn swap(facts: &Facts) -> Option<Lack> {
    (facts.swap == Some(0) && !facts.memory.is_of_group() && facts.maxmemory_bytes == 0).then(|| Lack {
        code: "swap",
        what:
            "There is no swap and no maxmemory: the kernel ends a process when memory is short, as it may be during a \
               snapshot."
                .to_owned(),
        fix:
            "Add swap ('fallocate -l 4G /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon /swapfile'), or \
              set maxmemory and leave room for a snapshot."
                .to_owned(),
    })
}

fn memory_of_group(facts: &Facts) -> Option<Lack> {
    (facts.memory.is_of_group() && facts.maxmemory_bytes == 0).then(|| {
        let megabytes = facts.memory.bytes() / 100 * DATA_PERCENT / MIB;
        Lack {
            code: "memory_limit",
            what: format!(
                "There are {} MB of memory for the server by {}, and no maxmemory: the kernel ends the server when its \
                 data and a snapshot take more.",
                facts.memory.bytes() / MIB,
                facts.memory.owner()
            ),
            fix: format!("Run 'CONFIG SET maxmemory {megabytes}mb' and write it to redis.conf, or raise the limit."),
        }
    })
}

fn too_much_maxmemory(facts: &Facts) -> Option<Lack> {
    let what = facts.memory.fault_of_maxmemory(facts.maxmemory_bytes)?;
    let fix = "Lower maxmemory, and leave room for the pages that are copied during a snapshot, or raise the limit.";
    Some(Lack { code: "maxmemory", what, fix: fix.to_owned() })
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Megabytes.
fn swap_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("SwapTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            overcommit: Some(1),
            somaxconn: Some(4096),
            huge_page_mode: Some("always [madvise] never\n".to_owned()),
            swap: Some(1024),
            file_limit: 20_000,
            wanted_clients: 10_000,
            needed_files: 10_032,
            backlog: 511,
            listens: true,
            wants_huge_pages: true,
            ..Facts::default()
        }
    }

    fn codes(facts: &Facts) -> Vec<&'static str> {
        facts.lacks().iter().map(Lack::code).collect()
    }

    #[test]
    fn each_lack_is_found_and_names_a_command() {
        assert_eq!(codes(&good()), [""; 0]);
        let bad = Facts {
            overcommit: Some(0),
            somaxconn: Some(128),
            huge_page_mode: Some("always madvise [never]\n".to_owned()),
            swap: Some(0),
            file_limit: 1024,
            ..good()
        };
        assert_eq!(codes(&bad), ["overcommit", "huge_pages", "somaxconn", "open_files", "swap"]);
        for lack in bad.lacks() {
            assert!(lack.what().ends_with(['.', '!']) && lack.fix().ends_with('.'), "{lack:?}");
            assert!(lack.fix().contains('\''), "{lack:?} names no command");
        }
        let unknown = Facts { wanted_clients: 10, needed_files: 42, ..Facts::default() };
        assert_eq!(codes(&unknown), [""; 0], "what cannot be read is no lack");
    }

    #[test]
    fn a_memory_limit_asks_for_maxmemory_below_it() {
        let memory = MemoryLimit::of_group(1000 * MIB);
        let unset = Facts { memory, swap: Some(0), ..good() };
        assert_eq!(codes(&unset), ["memory_limit"]);
        assert!(unset.lacks()[0].fix().contains("'CONFIG SET maxmemory 700mb'"), "{:?}", unset.lacks());
        let too_much = Facts { maxmemory_bytes: 2000 * MIB, ..unset };
        assert_eq!(codes(&too_much), ["maxmemory"]);
        assert_eq!(codes(&Facts { maxmemory_bytes: 700 * MIB, ..too_much }), [""; 0]);
    }

    #[test]
    fn swap_is_read_from_meminfo() {
        assert_eq!(swap_in("MemTotal: 5 kB\nSwapTotal:       2097152 kB\n"), Some(2048));
        assert_eq!(swap_in("SwapTotal: 0 kB\n"), Some(0));
        assert_eq!(swap_in("MemTotal: 5 kB\n"), None);
    }
}
