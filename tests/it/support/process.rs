//! Other processes, by their id.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn pid_of(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).expect("process ids fit 32 bits"))
}

/// Sends a signal; false when there is no such process.
pub fn send_signal(pid: u32, signal: Signal) -> bool {
    kill(pid_of(pid), signal).is_ok()
}

/// Whether the process exists and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    stat_fields(pid).is_some_and(|(state, _)| state != "Z")
}

/// The ids of the living children of `parent`.
pub fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| stat_fields(pid).is_some_and(|(state, of)| of == parent && state != "Z")).collect()
}

/// State and parent out of `/proc/<pid>/stat`, whose second field may itself hold spaces and parentheses.
fn stat_fields(pid: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
