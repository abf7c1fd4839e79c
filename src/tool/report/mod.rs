//! `copal-rdb report`: what a dump holds, by type, encoding, prefix, time to live and size.
//! Owns:  the figures that are gathered in one walk, and the forms in which they are shown.
//! Uses:  keyspace, stdx, types.
//! Never: values in memory beyond the one that is looked at.

mod csv;
mod flame;
mod gather;
mod html;
mod html_parts;
mod json;
mod prefixes;
mod text;
mod tree;

use std::path::{Path, PathBuf};

use super::filter::Filter;
use super::input::Input;
use super::output::Output;
use super::trouble::Trouble;

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// A sound dump, compressed with gzip or not; - is standard input
    file: PathBuf,
    /// Text for a terminal, JSON for programs, an HTML page with charts, or CSV with a row for each key [default: what the
    /// name of OUT ends with, or text]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Where to write; - is standard output
    #[arg(long, short, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    /// What separates the parts of a key
    #[arg(long, value_name = "TEXT", default_value = ":", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    separator: String,
    /// How many parts of a key make its prefix
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    depth: u8,
    /// How many prefixes and how many of the largest keys are listed, by bytes and by memory
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    top: u16,
    /// Overwrite OUT if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    filter: Filter,
}

const HELP: &str = "\
Bytes are those of the file: of an entry with its key, its expiry and its value as it is stored, compressed or not. Memory
is what MEMORY USAGE of a Copal server would answer for the key after it has loaded the file, with all elements looked at:
the same number in each run. The server that wrote the file differs by about 1 % in all; a sorted set or a stream that it
built piece by piece can differ by 20 %. The memory of values of modules is not known. Encodings are those of OBJECT ENCODING, layouts those of the file. Times to live are counted from
when the file was written (its `ctime`), or from now where it does not say. All dates are in UTC; JSON has numbers.

At most 50,000 prefixes are counted apart; if there are more, the smallest are counted together.

The HTML is one page that needs nothing from elsewhere and runs no script.

CSV has a heading, a row for each key, and the quotes of RFC 4180. A key that is not plain text, that begins with a double
quote, or that a spreadsheet could take for a formula is in double quotes with the escapes of redis-cli.

Examples:
  copal-rdb report dump.rdb
  zcat backup.rdb.gz | copal-rdb report -
  copal-rdb report backup.rdb.gz -o report.html
  copal-rdb report dump.rdb --format csv --match 'session:*' --no-expiry
  copal-rdb report dump.rdb --type hash,zset --expires-before 7d";

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Html,
    Csv,
}

impl Format {
    /// What the end of a file's name asks for.
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|end| end.to_str()) {
            Some("html" | "htm") => Self::Html,
            Some("json") => Self::Json,
            Some("csv") => Self::Csv,
            _ => Self::Text,
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<(), Trouble> {
    let input = Input::open(&arguments.file)?;
    let mut out = Output::create(&arguments.output, &[&input], arguments.force)?;
    let format = arguments.format.unwrap_or_else(|| Format::of(&arguments.output));
    if format == Format::Csv {
        csv::write(&input, &arguments.filter, &mut out)?;
        return out.finish();
    }
    let settings = gather::Settings {
        separator: arguments.separator.as_bytes(),
        depth: usize::from(arguments.depth),
        top: usize::from(arguments.top),
        filter: &arguments.filter,
        with_tree: format == Format::Html,
    };
    let report = gather::gather(&input, &settings)?;
    let written = match format {
        Format::Json => json::write(&mut out, &report),
        Format::Html => html::write(&mut out, &report),
        Format::Text | Format::Csv => text::write(&mut out, &report),
    };
    out.written(written)?;
    out.finish()
}
