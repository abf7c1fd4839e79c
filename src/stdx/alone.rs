//! Tests that must not share their process with others.

use std::env;
use std::process::Command;

/// Whether a test runs in a process of its own. If not, it is run in one, and there is nothing more to do: other tests may
/// change what the process has only once, such as the pages of the heap.
///
/// # Panics
///
/// When the test fails there.
pub fn is_alone(module_path: &str, test: &str) -> bool {
    const MARK: &str = "COPAL_TEST_ALONE";
    if env::var_os(MARK).is_some() {
        return true;
    }
    let (_, module) = module_path.split_once("::").expect("a module of this crate");
    let run = Command::new(env::current_exe().expect("the test's program"))
        .args(["--exact", &format!("{module}::{test}")])
        .env(MARK, "1")
        .output()
        .expect("the test's program runs again");
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && output.contains("1 passed"), "{output}{}", String::from_utf8_lossy(&run.stderr));
    false
}
