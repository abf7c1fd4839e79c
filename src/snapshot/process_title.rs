//! The process title that `ps` and `top` show: `copal-server 127.0.0.1:6379`.
//!
//! The kernel reads the title from where the arguments were put at start, and from the environment behind them when
//! the arguments' last byte is no longer zero. The process may write both through `/proc/self/mem`. Nothing here reads
//! arguments or environment once the server runs, and every string in them still ends within them, in a zero byte.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;

/// The fields of `/proc/self/stat` that say where arguments begin and environment ends, counted from the one behind
/// the program's name.
const ARG_START_FIELD: usize = 45;
const ENV_END_FIELD: usize = 48;

/// A title that is ready to be shown, by this process or by a child that it forks.
#[derive(Clone, Debug)]
pub struct ProcessTitle {
    start: u64,
    bytes: Vec<u8>,
}

impl ProcessTitle {
    pub fn new(title: &str) -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let (start, end) = argument_range(&stat).ok_or(io::ErrorKind::InvalidData)?;
        let mut bytes = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
        // At least the last byte stays zero.
        let len = title.len().min(bytes.len().saturating_sub(1));
        bytes[..len].copy_from_slice(&title.as_bytes()[..len]);
        Ok(Self { start, bytes })
    }

    /// Allocates nothing, so that a forked child may do it.
    pub fn show(&self) -> io::Result<()> {
        OpenOptions::new().write(true).open("/proc/self/mem")?.write_all_at(&self.bytes, self.start)
    }
}

/// Where the arguments begin and the environment behind them ends.
fn argument_range(stat: &str) -> Option<(u64, u64)> {
    // The program's name is in parentheses and may itself hold any character.
    let (_, fields) = stat.rsplit_once(") ")?;
    let field = |index: usize| fields.split(' ').nth(index)?.trim().parse::<u64>().ok();
    let (start, end) = (field(ARG_START_FIELD)?, field(ENV_END_FIELD)?);
    (start > 0 && start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_read_from_the_fields_behind_the_name() {
        let fields: Vec<String> = (3..=52).map(|number| number.to_string()).collect();
        let stat = format!("17 (odd ) name) {}\n", fields.join(" "));
        // The fields are numbered from 1 in proc(5): 48 is arg_start, 51 is env_end.
        assert_eq!(argument_range(&stat), Some((48, 51)));
        assert_eq!(argument_range("17 (x) S 1"), None);
    }

    #[test]
    fn the_range_of_this_process_holds_its_arguments() {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let (start, end) = argument_range(&stat).unwrap();
        let first = std::env::args().next().unwrap();
        let mut bytes = vec![0; first.len()];
        fs::File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, start).unwrap();
        assert_eq!((bytes, end > start), (first.into_bytes(), true));
    }
}
