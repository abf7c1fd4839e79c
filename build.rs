//! Finds out which compilers build this, for INFO.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CC");
    // Cargo runs this anew when its compiler changes.
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let rust = first_line(&rustc, &["--version"]).and_then(|line| line.split(' ').nth(1).map(str::to_owned));
    println!("cargo::rustc-env=COPAL_RUST_COMPILER={}", rust.as_deref().unwrap_or("unknown"));
    let cc = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    // Clang knows neither word for its full version, and says 4.2.1 to the shorter question.
    let c = first_line(&cc, &["-dumpfullversion"]).filter(|text| is_version(text));
    println!("cargo::rustc-env=COPAL_C_COMPILER={}", c.as_deref().unwrap_or("0.0.0"));
}

fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}

fn is_version(text: &str) -> bool {
    text.split('.').count() == 3 && text.split('.').all(|part| part.parse::<u32>().is_ok())
}
