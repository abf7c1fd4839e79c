//! How far a walk has come, for whoever looks at a terminal.

use std::cell::Cell;
use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Bytes between two looks at the bar.
const STEP_BYTES: usize = 4 << 20;

const TEMPLATE: &str = "{msg} {wide_bar} {percent:>3}%  {bytes_per_sec}  {eta} left";

/// A bar on a terminal's standard error, and nothing anywhere else. It is gone when it is dropped.
pub struct Progress {
    bar: Option<ProgressBar>,
    next: Cell<usize>,
}

impl Progress {
    pub fn new(doing: &str, bytes: usize) -> Self {
        let shown = bytes > STEP_BYTES && io::stderr().is_terminal();
        let bar = shown.then(|| {
            let bar = ProgressBar::with_draw_target(Some(bytes as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.with_style(style).with_message(doing.to_owned())
        });
        Self { bar, next: Cell::new(STEP_BYTES) }
    }

    #[inline]
    pub fn at(&self, offset: usize) {
        if offset >= self.next.get() {
            self.next.set(offset + STEP_BYTES);
            if let Some(bar) = &self.bar {
                bar.set_position(offset as u64);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
