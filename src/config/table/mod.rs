//! The table: one row for each key, in the sections of redis.conf.example.
//! Owns:  the rows, and the keys that exist without effect or belong to others.
//! Uses:  stdx.
//! Never: a value; these are in the model.

mod absent;
mod foreign;
mod memory;
mod observing;
mod process;
mod replication;
mod scripts;
mod snapshot;

use super::key::{Feature, Form, Key, Value};
use super::model::Config;
use super::value::{ValueError, parse_text};

/// A chapter of redis.conf.example.
pub struct Section {
    pub title: &'static str,
    pub intro: &'static str,
    pub keys: &'static [Key],
}

pub const SECTIONS: &[Section] = &[
    Section { title: "NETWORK", intro: "", keys: process::NETWORK },
    Section { title: "PROCESS", intro: "", keys: process::PROCESS },
    Section { title: "SECURITY", intro: "", keys: process::SECURITY },
    Section { title: "SNAPSHOTS", intro: "", keys: snapshot::KEYS },
    Section { title: "MEMORY", intro: "", keys: memory::KEYS },
    Section { title: "SCRIPTS", intro: "", keys: scripts::KEYS },
    Section { title: "REPLICATION", intro: "", keys: replication::KEYS },
    Section { title: "CLIENTS", intro: "", keys: process::CLIENTS },
    Section {
        title: "ENCODINGS",
        intro: "Small collections are kept in compact encodings. Sizes above which they are not:",
        keys: memory::ENCODINGS,
    },
    Section { title: "OBSERVING", intro: "", keys: observing::KEYS },
    Section {
        title: "FEATURES OF REDIS THAT COPAL DOES NOT HAVE",
        intro: "These names are known so that a redis.conf written for Redis can be used as it is.",
        keys: absent::KEYS,
    },
    Section {
        title: "SETTINGS OF OTHER VERSIONS AND SERVERS",
        intro: "These are known so that a redis.conf of another version of Redis, or a valkey.conf, can be used as it is.",
        keys: foreign::KEYS,
    },
];

/// Every key, in the order of the sections.
pub const KEYS: &[Key] = &flat::<{ count() }>();

/// The key of that name or alias, in any case of letters.
pub fn find(name: &[u8]) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.answers_to(name))
}

const fn count() -> usize {
    let mut total = 0;
    let mut section = 0;
    while section < SECTIONS.len() {
        total += SECTIONS[section].keys.len();
        section += 1;
    }
    total
}

const fn flat<const N: usize>() -> [Key; N] {
    let mut all = [SECTIONS[0].keys[0]; N];
    let (mut next, mut section) = (0, 0);
    while section < SECTIONS.len() {
        let keys = SECTIONS[section].keys;
        let mut key = 0;
        while key < keys.len() {
            all[next] = keys[key];
            next += 1;
            key += 1;
        }
        section += 1;
    }
    all
}

const I32_MAX: i64 = i32::MAX as i64;
const I64_MAX: u64 = i64::MAX as u64;
const MIB: u64 = 1 << 20;

const fn flag(
    name: &'static str,
    default: &'static str,
    read: fn(&Config) -> bool,
    write: fn(&mut Config, bool),
) -> Key {
    Key::new(name, default, Value::Flag { read, write })
}

const fn integer(
    name: &'static str,
    default: &'static str,
    (min, max): (i64, i64),
    read: fn(&Config) -> i64,
    write: fn(&mut Config, i64),
) -> Key {
    Key::new(name, default, Value::Integer { min, max, read, write })
}

const fn bytes(
    name: &'static str,
    default: &'static str,
    (min, max): (u64, u64),
    read: fn(&Config) -> u64,
    write: fn(&mut Config, u64),
) -> Key {
    Key::new(name, default, Value::Bytes { min, max, read, write })
}

const fn choice(
    name: &'static str,
    default: &'static str,
    names: &'static [&'static str],
    read: fn(&Config) -> usize,
    write: fn(&mut Config, usize),
) -> Key {
    Key::new(name, default, Value::Choice { names, read, write })
}

const fn text(
    name: &'static str,
    default: &'static str,
    check: fn(&str) -> Result<(), ValueError>,
    read: fn(&Config) -> &str,
    write: fn(&mut Config, String),
) -> Key {
    Key::new(name, default, Value::Text { check, read, write })
}

/// A list of which `per_line` arguments make a line of redis.conf (0: all of them).
const fn list(
    name: &'static str,
    default: &'static str,
    per_line: usize,
    read: fn(&Config) -> Vec<Vec<u8>>,
    write: fn(&mut Config, &[Vec<u8>]) -> Result<(), ValueError>,
) -> Key {
    Key::new(name, default, Value::List { per_line, adds_up: false, vanishes: false, read, spell: read, write })
}

/// A list whose lines in redis.conf add up.
const fn growing_list(
    name: &'static str,
    default: &'static str,
    per_line: usize,
    read: fn(&Config) -> Vec<Vec<u8>>,
    write: fn(&mut Config, &[Vec<u8>]) -> Result<(), ValueError>,
) -> Key {
    Key::new(name, default, Value::List { per_line, adds_up: true, vanishes: false, read, spell: read, write })
}

const fn fixed(name: &'static str, only: &'static str, form: Form, feature: &'static Feature) -> Key {
    Key::new(name, only, Value::Fixed { form, feature }).doc(feature.reason)
}

const fn dormant(name: &'static str, default: &'static str, form: Form, feature: &'static Feature) -> Key {
    Key::new(name, default, Value::Dormant { form, feature }).doc(feature.reason)
}

const fn unheeded(name: &'static str, default: &'static str, form: Form, feature: &'static Feature) -> Key {
    Key::new(name, default, Value::Unheeded { form, feature }).doc(feature.reason)
}

/// Addresses to listen on.
fn parse_addresses(args: &[Vec<u8>]) -> Result<Vec<String>, ValueError> {
    const ADDRESSES_MAX: usize = 16;
    if args.len() > ADDRESSES_MAX {
        return Err(ValueError::TooManyAddresses);
    }
    let addresses = if args == [b""] { &[] } else { args };
    addresses.iter().map(|arg| parse_text(arg).map(str::to_owned)).collect()
}

fn show_addresses(addresses: &[String]) -> Vec<Vec<u8>> {
    addresses.iter().map(|address| address.clone().into_bytes()).collect()
}

fn any_text(_: &str) -> Result<(), ValueError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::key::Mutability;
    use super::*;

    #[test]
    fn names_and_aliases_are_unique_and_in_small_letters() {
        let mut seen = HashSet::new();
        for name in KEYS.iter().flat_map(|key| key.names().chain(key.foreign_names.iter().copied())) {
            assert!(seen.insert(name), "{name} occurs twice");
            assert_eq!(name, name.to_ascii_lowercase());
        }
    }

    #[test]
    fn every_default_is_accepted_and_reads_back_equal() {
        let default = Config::default();
        for key in KEYS {
            let mut config = default.clone();
            let shown = key.read(&config);
            let args =
                if key.takes_several() { super::super::value::split_at_spaces(&shown) } else { vec![shown.clone()] };
            key.write(&mut config, &args).unwrap_or_else(|error| panic!("{}: {error}", key.name));
            assert_eq!(key.read(&config), shown, "{}", key.name);
            assert_eq!(config, default, "{}", key.name);
            let spelled_in_bytes = matches!(
                key.value,
                Value::Bytes { .. }
                    | Value::Fixed { form: Form::Bytes(..), .. }
                    | Value::Dormant { form: Form::Bytes(..), .. }
                    | Value::Unheeded { form: Form::Bytes(..), .. }
            );
            if !spelled_in_bytes {
                assert_eq!(String::from_utf8(shown).unwrap(), key.default, "{}", key.name);
            }
        }
    }

    #[test]
    fn every_key_is_documented_in_whole_sentences() {
        for key in KEYS {
            assert!(key.doc.len() > 10, "{} has no text", key.name);
            assert!(key.doc.is_ascii() && !key.doc.contains("  "), "{}: {}", key.name, key.doc);
        }
    }

    #[test]
    fn every_choice_reads_back_as_the_name_that_was_written() {
        for key in KEYS {
            let names = match key.value {
                Value::Choice { names, .. } => names,
                Value::Flag { .. } => &["yes", "no"],
                _ => continue,
            };
            for name in names {
                let mut config = Config::default();
                key.write(&mut config, &[name.to_ascii_uppercase().into_bytes()]).unwrap();
                assert_eq!(key.read(&config), name.as_bytes(), "{}", key.name);
            }
        }
    }

    #[test]
    fn bounds_of_numbers_are_accepted_and_fit_their_fields() {
        for key in KEYS {
            let (min, max) = match key.value {
                Value::Integer { min, max, .. } => (min.to_string(), max.to_string()),
                Value::Bytes { min, max, .. } => (min.to_string(), max.to_string()),
                _ => continue,
            };
            if key.name == "hz" {
                continue;
            }
            for bound in [min, max] {
                let mut config = Config::default();
                key.write(&mut config, &[bound.clone().into_bytes()]).unwrap();
                assert_eq!(key.read(&config), bound.as_bytes(), "{}", key.name);
            }
        }
    }

    #[test]
    fn every_live_key_writes_a_field_of_its_own() {
        // A row copied and not changed would write its neighbour's field: then two rows read a change of one.
        for key in KEYS {
            let other = match key.value {
                Value::Flag { read, .. } => if read(&Config::default()) { "no" } else { "yes" }.to_owned(),
                Value::Integer { max, .. } => max.to_string(),
                Value::Bytes { max, .. } => (max - 1).to_string(),
                Value::Choice { names, .. } => {
                    let default = key.read(&Config::default());
                    (*names.iter().find(|name| name.as_bytes() != default).unwrap()).to_owned()
                }
                Value::Text { .. } if key.name == "locale-collate" => "C".to_owned(),
                Value::Text { .. } | Value::Secret { .. } => "other".to_owned(),
                Value::Octal { .. } => "700".to_owned(),
                Value::MemoryShare { .. } => "7%".to_owned(),
                Value::Scalar { .. } => "KEA".to_owned(),
                Value::List { .. } | Value::Lines { .. } => continue,
                Value::Fixed { .. } | Value::Dormant { .. } | Value::Unheeded { .. } => continue,
            };
            let mut config = Config::default();
            key.write(&mut config, &[other.into_bytes()]).unwrap();
            let changed: Vec<&str> = KEYS
                .iter()
                .filter(|key| key.read(&config) != key.read(&Config::default()))
                .map(|key| key.name)
                .collect();
            assert_eq!(changed, [key.name]);
        }
    }

    #[test]
    fn a_fixed_key_takes_its_one_value_and_says_why_it_takes_no_other() {
        for key in KEYS {
            let Value::Fixed { feature, .. } = key.value else { continue };
            let mut config = Config::default();
            let refused: Vec<Vec<Vec<u8>>> = [vec!["yes"], vec!["7"], vec!["no"], vec!["10.0.0.1", "6379"]]
                .iter()
                .map(|args| args.iter().map(|arg| arg.as_bytes().to_vec()).collect())
                .collect();
            let mut reasons = 0;
            for args in refused {
                if let Err(ValueError::NotAvailable { name, reason, .. }) = key.write(&mut config, &args) {
                    assert_eq!((name, reason), (key.name, feature.reason));
                    reasons += 1;
                }
            }
            assert!(reasons > 0, "{} refuses nothing", key.name);
            assert_eq!(config, Config::default());
        }
    }

    #[test]
    fn an_unheeded_key_shows_what_copal_does_and_is_listed_where_it_was_given_something_else() {
        for key in KEYS {
            let Value::Unheeded { form, .. } = key.value else { continue };
            let mut config = Config::default();
            let other = match form {
                Form::Flag if key.default == "yes" => "no",
                Form::Flag => "yes",
                Form::Choice(names) => names.iter().find(|name| **name != key.default).unwrap(),
                _ => "77",
            };
            key.write(&mut config, &[other.into()]).unwrap();
            assert_eq!(key.read(&config), key.read(&Config::default()), "{}", key.name);
            let listed: Vec<&str> = config.without_effect().map(|(name, _)| name).collect();
            assert_eq!(listed, [key.name]);
        }
    }

    #[test]
    fn config_get_knows_nothing_of_users_renamed_commands_and_settings_of_other_servers() {
        let unknown = |section: &Section| {
            let keys = section.keys.iter().filter(|key| key.mutability == Mutability::FileOnly);
            keys.map(|key| key.name).collect::<Vec<_>>()
        };
        let (foreign, own) = SECTIONS.split_last().unwrap();
        assert_eq!(unknown(foreign).len(), foreign.keys.len());
        assert_eq!(own.iter().flat_map(unknown).collect::<Vec<_>>(), ["user", "rename-command"]);
    }
}
