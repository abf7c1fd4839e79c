//! The committed figures: `baseline.txt`, a line for each path.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Instructions a command, sent alone and in pipelines of 16.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub single: u64,
    pub pipelined: u64,
}

#[derive(Default)]
pub struct Baseline {
    paths: BTreeMap<String, Figures>,
}

impl Baseline {
    fn file() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/baseline.txt"))
    }

    /// The figures that are committed; none where there is no file.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(Self::file()).unwrap_or_default();
        let paths = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            let figures = Figures { single: words.next()?.parse().ok()?, pipelined: words.next()?.parse().ok()? };
            Some((name, figures))
        });
        Self { paths: paths.collect() }
    }

    /// What `figures` are of the committed ones; `None` where there are none.
    pub fn ratios(&self, name: &str, figures: Figures) -> [Option<f64>; 2] {
        let old = self.paths.get(name);
        let ratio = |new: u64, old: u64| new as f64 / old as f64;
        [old.map(|old| ratio(figures.single, old.single)), old.map(|old| ratio(figures.pipelined, old.pipelined))]
    }

    pub fn set(&mut self, name: &str, figures: Figures) {
        self.paths.insert(name.to_owned(), figures);
    }

    pub fn write(&self) {
        let mut text =
            "# Instructions in user space of one command: path, sent alone, in pipelines of 16. Release profile.\n\
             # Written by `cargo bench --bench instructions -- --write`.\n"
                .to_owned();
        for (name, figures) in &self.paths {
            text.push_str(&format!("{name:<20} {:>9} {:>9}\n", figures.single, figures.pipelined));
        }
        std::fs::write(Self::file(), text).expect("the file of the figures can be written");
    }
}
