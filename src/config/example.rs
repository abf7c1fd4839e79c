//! redis.conf.example: the table as a text to start from.

use super::key::{Key, Mutability, Value};
use super::model::Config;
use super::rewrite::push_word;
use super::table::SECTIONS;

/// The whole of redis.conf.example.
pub fn example() -> String {
    let mut out = String::from(INTRODUCTION);
    let default = Config::default();
    for section in SECTIONS {
        out.push('\n');
        out.push_str(&banner(section.title));
        if !section.intro.is_empty() {
            out.push('\n');
            push_wrapped(&mut out, section.intro);
        }
        if section.keys.iter().all(|key| feature(key).is_some()) {
            push_features(&mut out, section.keys);
            continue;
        }
        for key in section.keys.iter().filter(|key| !key.hidden) {
            out.push('\n');
            push_key(&mut out, key, &default);
        }
    }
    out
}

const WIDTH: usize = 80;

const INTRODUCTION: &str = "\
# Copal's settings, with their defaults. Generated from its table of settings.
#
# Start the server with the path of such a file as its first argument:
#
#     copal-server /etc/copal/redis.conf
#
# Text follows a # and a space. A setting right after a # shows the
# default; remove the # to change it. Of two equal settings the last one counts.
# Memory is given as 1k (1,000 bytes), 1kb (1,024), 1m, 1mb, 1g or 1gb, in any
# case of letters. Values with spaces or quotes in them are in quotes.
#
# Other files can be read in the middle of this one; relative paths of includes
# count from where the server is started:
#
#     include /etc/copal/conf.d/*.conf
";

fn banner(title: &str) -> String {
    let line = format!("{:#^WIDTH$}", format!(" {title} "));
    line + "\n"
}

/// Appends text as comment lines.
fn push_wrapped(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

fn push_key(out: &mut String, key: &Key, default: &Config) {
    push_wrapped(out, key.doc);
    if key.mutability == Mutability::Startup {
        push_wrapped(out, "Can be set only here and on the command line.");
    }
    if key.mutability == Mutability::FileOnly {
        return;
    }
    if let Some(value) = key.example {
        push_wrapped(out, &format!("Default: {} {}", key.name, key.default));
        out.push_str(&format!("{} {value}\n", key.name));
        return;
    }
    let lines = match key.value {
        Value::Bytes { .. } => vec![vec![key.default.as_bytes().to_vec()]],
        _ => key.lines(default),
    };
    if lines.is_empty() {
        push_wrapped(out, &format!("Default: no {}", key.name));
    }
    for args in lines {
        let mut line = format!("#{}", key.name).into_bytes();
        for arg in args {
            line.push(b' ');
            push_word(&mut line, &arg);
        }
        out.push_str(&String::from_utf8_lossy(&line));
        out.push('\n');
    }
}

fn feature(key: &Key) -> Option<&'static super::Feature> {
    match key.value {
        Value::Fixed { feature, .. } | Value::Dormant { feature, .. } | Value::Unheeded { feature, .. } => {
            Some(feature)
        }
        _ => None,
    }
}

/// Appends the settings of absent features, together by feature.
fn push_features(out: &mut String, keys: &[Key]) {
    let mut titles: Vec<&str> = Vec::new();
    for known in keys.iter().filter_map(feature) {
        if titles.contains(&known.title) {
            continue;
        }
        titles.push(known.title);
        out.push('\n');
        push_wrapped(out, &format!("{}: {}.", known.title, known.reason));
        let of_feature =
            || keys.iter().filter(|key| !key.hidden && feature(key).is_some_and(|other| other.title == known.title));
        let is_fixed = |key: &&Key| matches!(key.value, Value::Fixed { .. });
        let fixed: Vec<String> = of_feature().filter(is_fixed).map(spelled).collect();
        if !fixed.is_empty() {
            push_wrapped(out, &format!("Accepted only as: {}.", fixed.join(", ")));
        }
        let is_dormant = |key: &&Key| matches!(key.value, Value::Dormant { .. });
        let dormant: Vec<&str> = of_feature().filter(is_dormant).map(|key| key.name).collect();
        if !dormant.is_empty() {
            push_wrapped(out, &format!("Accepted, shown and without effect: {}.", dormant.join(", ")));
        }
        let is_unheeded = |key: &&Key| matches!(key.value, Value::Unheeded { .. });
        let unheeded: Vec<&str> = of_feature().filter(is_unheeded).map(|key| key.name).collect();
        if !unheeded.is_empty() {
            push_wrapped(out, &format!("Read in files and without effect: {}.", unheeded.join(", ")));
        }
    }
}

fn spelled(key: &Key) -> String {
    let value = if key.name == "replicaof" { "no one" } else { key.default };
    if value.is_empty() { format!("{} \"\"", key.name) } else { format!("{} {value}", key.name) }
}

#[cfg(test)]
mod tests {
    use super::super::fault::Origin;
    use super::super::file::Loader;
    use super::super::file::tests::FakeFiles;
    use super::super::table::KEYS;
    use super::*;

    fn load(text: &str) -> Config {
        let mut files = FakeFiles::default();
        let mut loader = Loader::new(&mut files);
        loader.load_text(&Origin::CommandLine, text.as_bytes());
        loader.finish().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_committed_example_is_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/redis.conf.example");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == example(),
            "redis.conf.example is stale: run `cargo run -- --print-example-config > redis.conf.example`"
        );
    }

    #[test]
    fn the_example_says_something_of_every_key_that_is_not_hidden() {
        let text = example();
        for key in KEYS.iter().filter(|key| !key.hidden) {
            assert!(text.contains(key.name), "{}", key.name);
        }
        let too_long: Vec<&str> = text.lines().filter(|line| line.len() > WIDTH).collect();
        assert_eq!(too_long, [""; 0]);
    }

    #[test]
    fn the_example_is_a_configuration_that_listens_only_locally() {
        let config = load(&example());
        assert_eq!(config, Config { bind: vec!["127.0.0.1".into(), "-::1".into()], ..Config::default() });
    }

    #[test]
    fn the_settings_in_comments_are_the_defaults() {
        let text: String = example()
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(text.lines().count() > 60);
        assert_eq!(load(&text), Config::default());
    }
}
