//! `copal-rdb report`: what a dump holds, by type, encoding, prefix, time to live and size.

mod gather;
mod html;
mod html_parts;
mod json;
mod prefixes;
mod text;

use std::path::PathBuf;

use super::input::Input;
use super::output::Output;
use super::trouble::Trouble;

#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// A sound dump
    file: PathBuf,
    /// For a terminal, for programs, or a page with charts
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Where to write
    #[arg(long, short, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    /// What stands between the parts of a key
    #[arg(long, value_name = "TEXT", default_value = ":", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    separator: String,
    /// How many parts of a key make its prefix
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    depth: u8,
    /// How many prefixes and how many of the largest keys are listed
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    top: u16,
    /// Write over OUT if it is there
    #[arg(long)]
    force: bool,
}

const HELP: &str = "\
Bytes are those of the file: of an entry with its key, its expiry and its value as it is stored, compressed or not. Memory
is an estimate of what the entry takes in a running Copal, its places in the tables included; for values of modules
it is not known. Encodings are those of OBJECT ENCODING, layouts those of the file. Times to live are counted from
when the file was written (its `ctime`), or from now where it does not tell.

At most 50,000 prefixes are told apart; if there are more, those with the fewest bytes are counted together.

The HTML is one page without anything from elsewhere.";

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Html,
}

pub fn run(arguments: &Arguments) -> Result<(), Trouble> {
    let input = Input::open(&arguments.file)?;
    let mut out = Output::create(&arguments.output, &[&input], arguments.force)?;
    let settings = gather::Settings {
        separator: arguments.separator.as_bytes(),
        depth: usize::from(arguments.depth),
        top: usize::from(arguments.top),
    };
    let report = gather::gather(&input, &settings)?;
    let written = match arguments.format {
        Format::Text => text::write(&mut out, &report),
        Format::Json => json::write(&mut out, &report),
        Format::Html => html::write(&mut out, &report),
    };
    out.written(written)?;
    out.finish()
}
