//! How far a walk has come, for whoever looks at a terminal.

use std::cell::Cell;
use std::io::{self, IsTerminal as _, Read};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Bytes between two looks at the bar.
const STEP_BYTES: usize = 4 << 20;

const TEMPLATE: &str = "{msg} {wide_bar} {percent:>3}%  {bytes_per_sec}  {eta} left";

const STREAM_TEMPLATE: &str = "{msg} {bytes}  {bytes_per_sec}";

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

    /// For what is read once; how much there is may not be known, which is 0 then.
    pub fn of_stream(doing: &str, bytes: u64) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let length = Some(bytes).filter(|bytes| *bytes > 0);
            let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
            let template = if length.is_some() { TEMPLATE } else { STREAM_TEMPLATE };
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.with_style(style).with_message(doing.to_owned())
        });
        Self { bar, next: Cell::new(STEP_BYTES) }
    }

    /// Shows how much is read from a stream.
    pub fn reader<R: Read>(&self, stream: R) -> Counted<'_, R> {
        Counted { stream, read: 0, progress: self }
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

/// A stream whose progress is shown.
pub struct Counted<'p, R> {
    stream: R,
    read: usize,
    progress: &'p Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(into)?;
        self.read += count;
        self.progress.at(self.read);
        Ok(count)
    }
}
