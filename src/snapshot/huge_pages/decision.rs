//! Whether huge pages are used: by the setting, the kernel's version and its mode, and what our launcher left us.

use std::fs;

use nix::sys::prctl;

use crate::config::HugePages;

/// The allocator's options, which it reads before `main`. Its arenas ask for huge pages from the start; where they are
/// not wanted the kernel is asked not to give any. Two arenas keep values of a kind close together. Giving memory back
/// splits huge pages, hence the long decay. What is large comes from an arena of its own, which gives back soon
/// (`observe::give_large_back_soon`).
#[expect(unsafe_code, reason = "the allocator finds its options by the name of a symbol")]
// SAFETY: the name and the type, a pointer to text that ends in a zero byte, are those that jemalloc declares; nothing
// else defines it.
#[unsafe(export_name = "_rjem_malloc_conf")]
#[used]
static MALLOC_CONF: &[u8; 104] =
    b"thp:always,metadata_thp:auto,narenas:2,dirty_decay_ms:60000,muzzy_decay_ms:0,oversize_threshold:1048576\0";

/// The first kernel that copies 4 KiB where a huge page is written after fork.
const KERNEL_MIN: (u32, u32) = (5, 8);

const MODE_FILE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// What the system does with huge pages, as found at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HugePageSystem {
    /// Major and minor number of the kernel's release.
    kernel: Option<(u32, u32)>,
    /// `always`, `madvise` or `never`; `None` where the kernel has no huge pages.
    mode: Option<String>,
    /// Whether whoever started this process took huge pages from it (`PR_SET_THP_DISABLE` is inherited).
    taken_away: bool,
}

/// What was decided, with the sentence that says so in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HugePageDecision {
    pub used: bool,
    pub reason: String,
}

impl HugePageSystem {
    pub fn read() -> Self {
        let release = nix::sys::utsname::uname().ok();
        Self {
            kernel: release.and_then(|name| kernel_version(&name.release().to_string_lossy())),
            mode: fs::read_to_string(MODE_FILE).ok().and_then(|text| chosen_mode(&text)),
            taken_away: prctl::get_thp_disable().unwrap_or(false),
        }
    }

    /// Decides by the setting `huge-pages`, and asks the kernel for it.
    pub fn follow(&self, setting: HugePages) -> HugePageDecision {
        let decision = self.decide(setting);
        // The allocator asks for huge pages in any case: the kernel must know better where they are not wanted.
        if !self.taken_away
            && let Err(error) = prctl::set_thp_disable(!decision.used)
        {
            return HugePageDecision {
                reason: format!("{}, and the kernel says {error}", decision.reason),
                ..decision
            };
        }
        decision
    }

    fn decide(&self, setting: HugePages) -> HugePageDecision {
        let no =
            |reason: String| HugePageDecision { used: false, reason: format!("Huge pages are not used: {reason}") };
        let mode = match &self.mode {
            _ if setting == HugePages::No => return no("huge-pages is no".to_owned()),
            None => return no("the kernel has none".to_owned()),
            Some(mode) if mode == "never" => return no(format!("{MODE_FILE} says never")),
            Some(_) if self.taken_away => return no("whoever started the server disabled them for it".to_owned()),
            Some(mode) => mode,
        };
        let reason = match self.kernel {
            Some(kernel) if kernel >= KERNEL_MIN => "a write after a fork copies 4 KiB on this kernel",
            _ if setting == HugePages::Yes => "huge-pages is yes, though a write after a fork may copy 2 MiB",
            _ => return no("a write after a fork would copy 2 MiB on kernels before 5.8".to_owned()),
        };
        HugePageDecision { used: true, reason: format!("Huge pages are used (mode {mode}): {reason}") }
    }
}

/// Major and minor number of a release such as `6.1.0-23-amd64`.
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The word in brackets.
fn chosen_mode(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(kernel: &str, mode: Option<&str>, taken_away: bool) -> HugePageSystem {
        HugePageSystem { kernel: kernel_version(kernel), mode: mode.map(str::to_owned), taken_away }
    }

    #[test]
    fn huge_pages_are_used_where_they_cost_nothing() {
        let used = |system: HugePageSystem, setting| system.decide(setting).used;
        assert!(used(system("6.18.44-x", Some("madvise"), false), HugePages::Auto));
        assert!(used(system("5.8.0", Some("always"), false), HugePages::Auto));
        assert!(!used(system("5.4.0-generic", Some("madvise"), false), HugePages::Auto));
        assert!(used(system("5.4.0-generic", Some("madvise"), false), HugePages::Yes));
        assert!(!used(system("6.1.0", Some("never"), false), HugePages::Yes));
        assert!(!used(system("6.1.0", None, false), HugePages::Yes));
        assert!(!used(system("6.1.0", Some("madvise"), true), HugePages::Auto));
        assert!(!used(system("6.1.0", Some("madvise"), false), HugePages::No));
        assert!(!used(system("unknown", Some("madvise"), false), HugePages::Auto));
    }

    #[test]
    fn the_mode_is_the_word_in_brackets() {
        assert_eq!(chosen_mode("always [madvise] never\n").as_deref(), Some("madvise"));
        assert_eq!(chosen_mode("nonsense"), None);
    }

    #[test]
    fn the_allocator_has_read_its_options() {
        assert_eq!(tikv_jemalloc_ctl::opt::narenas::read().unwrap(), 2);
    }
}
