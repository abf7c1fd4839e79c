//! CONFIG GET and CONFIG SET.

use super::key::{Apply, Key, Mutability};
use super::model::Config;
use super::table::{KEYS, find};
use super::value::{ValueError, split_at_spaces};
use crate::stdx::glob::glob_match;

/// From where and when CONFIG SET is called.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Whether the connection is a loopback or Unix socket one.
    pub local_connection: bool,
    /// Whether a dump file is being loaded.
    pub loading: bool,
}

/// A setting that CONFIG SET changed, and what the server has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub name: &'static str,
    pub apply: Apply,
}

impl Change {
    /// The error to answer when the server cannot follow the change. The caller puts the old `Config` back.
    pub fn failed(&self, reason: impl Into<String>) -> SetError {
        SetError::Failed { name: self.name.to_owned(), reason: reason.into() }
    }
}

/// Why CONFIG SET is refused: the whole error reply.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SetError {
    #[error("ERR Unknown option or number of arguments for CONFIG SET - '{name}'")]
    Unknown { name: String },
    #[error("ERR CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config")]
    Immutable { name: String },
    #[error("ERR CONFIG SET failed (possibly related to argument '{name}') - can't set protected config")]
    Protected { name: String },
    #[error("ERR CONFIG SET failed (possibly related to argument '{name}') - duplicate parameter")]
    Duplicate { name: String },
    #[error("LOADING Redis is loading the dataset in memory")]
    Loading,
    #[error("ERR CONFIG SET failed (possibly related to argument '{name}') - {error}")]
    Value { name: &'static str, error: ValueError },
    #[error("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Failed { name: String, reason: String },
}

impl Config {
    /// The value of one setting as CONFIG GET shows it.
    #[cfg(test)]
    pub fn value(&self, name: &str) -> Option<Vec<u8>> {
        find(name.as_bytes()).map(|key| key.read(self))
    }

    /// Names and values of the settings that any of the patterns asks for, each name once. A name without wildcards
    /// is answered as it was asked for; hidden settings are answered only so.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut add = |name: &[u8], key: &Key| {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                found.push((name.to_vec(), key.read(self)));
            }
        };
        let known_to_config = || KEYS.iter().filter(|key| key.mutability != Mutability::FileOnly);
        for pattern in patterns {
            if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
                if let Some(key) = known_to_config().find(|key| key.answers_to(pattern)) {
                    add(pattern, key);
                }
                continue;
            }
            for key in known_to_config().filter(|key| !key.hidden) {
                for name in key.names().filter(|name| glob_match(pattern, name.as_bytes(), true)) {
                    add(name.as_bytes(), key);
                }
            }
        }
        found
    }

    /// CONFIG SET: every value is set, or none. Answers what the server has to do, each thing once, in the order of
    /// the arguments; when it cannot do one of them, it puts a copy of the old `Config` back.
    pub fn set_many(&mut self, pairs: &[(&[u8], &[u8])], access: Access) -> Result<Vec<Change>, SetError> {
        let keys = self.settable(pairs, access)?;
        let mut new = self.clone();
        let mut changes: Vec<Change> = Vec::new();
        for (key, (asked, value)) in keys.into_iter().zip(pairs) {
            let args = if key.takes_several() { split_at_spaces(value) } else { vec![value.to_vec()] };
            // An error names the setting as it was asked for: by its alias where it was.
            let name = key.names().find(|name| asked.eq_ignore_ascii_case(name.as_bytes())).unwrap_or(key.name);
            key.write(&mut new, &args).map_err(|error| SetError::Value { name, error })?;
            key.refuse_in_vain(&new, value).map_err(|error| SetError::Value { name, error })?;
            // The same name may mean another directory than before.
            let changed = key.apply == Apply::Directory || key.read(&new) != key.read(self);
            let known = changes.iter().any(|change| change.apply == key.apply);
            if changed && !known && key.apply != Apply::Nothing {
                changes.push(Change { name: key.name, apply: key.apply });
            }
        }
        *self = new;
        Ok(changes)
    }

    fn settable(&self, pairs: &[(&[u8], &[u8])], access: Access) -> Result<Vec<&'static Key>, SetError> {
        let mut keys: Vec<&'static Key> = Vec::with_capacity(pairs.len());
        for (name, _) in pairs {
            let shown = || String::from_utf8_lossy(name).into_owned();
            let key = find(name)
                .filter(|key| key.mutability != Mutability::FileOnly)
                .ok_or_else(|| SetError::Unknown { name: shown() })?;
            if key.mutability == Mutability::Startup {
                return Err(SetError::Immutable { name: shown() });
            }
            if key.protected && !self.enable_protected_configs.allows(access.local_connection) {
                return Err(SetError::Protected { name: shown() });
            }
            if key.refused_while_loading && access.loading {
                return Err(SetError::Loading);
            }
            if keys.iter().any(|known| known.name == key.name) {
                return Err(SetError::Duplicate { name: shown() });
            }
            keys.push(key);
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Access = Access { local_connection: true, loading: false };

    fn set(config: &mut Config, words: &[&str]) -> Result<Vec<Change>, String> {
        let pairs: Vec<(&[u8], &[u8])> = words.chunks(2).map(|pair| (pair[0].as_bytes(), pair[1].as_bytes())).collect();
        config.set_many(&pairs, LOCAL).map_err(|error| error.to_string())
    }

    fn get(config: &Config, patterns: &[&str]) -> Vec<(String, String)> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        config.get(&patterns).into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[track_caller]
    fn refused(words: &[&str], error: &str) {
        let mut config = Config::default();
        assert_eq!(set(&mut config, words).unwrap_err(), error);
        assert_eq!(config, Config::default(), "a refused CONFIG SET changed something");
    }

    #[track_caller]
    fn refused_value(name: &str, value: &str, why: &str) {
        refused(&[name, value], &format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"));
    }

    #[test]
    fn values_are_refused_with_the_texts_of_redis() {
        refused_value("rdbcompression", "maybe", "argument must be 'yes' or 'no'");
        refused_value("port", "x", "argument couldn't be parsed into an integer");
        refused_value("port", "65536", "argument must be between 0 and 65535 inclusive");
        refused_value("maxmemory", "12q", "argument must be a memory value");
        refused_value("maxmemory", "-1", "argument must be a memory value");
        refused_value("proto-max-bulk-len", "1", "argument must be between 1048576 and 9223372036854775807 inclusive");
        refused_value("maxmemory-clients", "200%", "percentage argument must be less or equal to 100");
        refused_value("maxmemory-clients", "x", "argument must be a memory or percent value");
        refused_value(
            "shutdown-on-sigterm",
            "",
            "argument(s) must be one of the following: default, save, nosave, now, force",
        );
        refused_value(
            "shutdown-on-sigterm",
            "save nosave",
            "shutdown options SAVE and NOSAVE can't be used simultaneously",
        );
        refused_value(
            "loglevel",
            "loud",
            "argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
        );
        refused_value("save", "900", "Invalid save parameters");
        refused_value("save", "0 1", "Invalid save parameters");
        refused_value("save", "900 -1", "Invalid save parameters");
        refused_value("notify-keyspace-events", "KEq", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        refused_value(
            "latency-tracking-info-percentiles",
            "10.0 50.0 a",
            "Invalid latency-tracking-info-percentiles parameters",
        );
        refused_value(
            "latency-tracking-info-percentiles",
            "10.0 50.0 101.0",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
        );
        refused_value("appendonly", "yes", "appendonly: 'yes' is not available: Copal keeps RDB snapshots only");
        refused_value("databases", "4", "can't set immutable config");
        refused_value("slaveof", "no one", "can't set immutable config");
        refused_value("hash-max-ziplist-entries", "x", "argument couldn't be parsed into an integer");
    }

    #[test]
    fn buffer_limits_are_checked_as_a_whole() {
        let name = "client-output-buffer-limit";
        refused_value(name, "wrong number", "Wrong number of arguments in buffer limit configuration.");
        for value in ["invalid_class 10mb 10mb 60", "master 10mb 10mb 60"] {
            refused_value(name, value, "Invalid client class specified in buffer limit configuration.");
        }
        for value in ["normal 10mbs 10mb 60", "replica 10mb 10mbs 60", "pubsub 10mb 10mb 60s"] {
            refused_value(name, value, "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        }
        let mut config = Config::default();
        set(&mut config, &[name, "normal 1mb 2mb 60 replica 3mb 4mb 70 pubsub 5mb 6mb 80"]).unwrap();
        set(&mut config, &[name, "replica 100000000 100000000 300"]).unwrap();
        assert_eq!(
            config.value(name).unwrap(),
            b"normal 1048576 2097152 60 slave 100000000 100000000 300 pubsub 5242880 6291456 80"
        );
    }

    #[test]
    fn unknown_and_repeated_names_are_refused_before_anything_is_set() {
        refused(
            &["maxmemory", "1", "nosuch", "2"],
            "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
        );
        refused(
            &["rename-command", "a b"],
            "ERR Unknown option or number of arguments for CONFIG SET - 'rename-command'",
        );
        refused(
            &["hash-max-listpack-entries", "1", "hash-max-ziplist-entries", "2"],
            "ERR CONFIG SET failed (possibly related to argument 'hash-max-ziplist-entries') - duplicate parameter",
        );
        refused(
            &["maxmemory", "10000001", "maxmemory-clients", "200%", "client-query-buffer-limit", "invalid"],
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - percentage argument must be \
             less or equal to 100",
        );
    }

    #[test]
    fn protected_settings_follow_enable_protected_configs() {
        let pair: [(&[u8], &[u8]); 1] = [(b"dir", b"/srv")];
        let mut config = Config::default();
        let error = config.set_many(&pair, LOCAL).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"
        );
        config.enable_protected_configs = super::super::kinds::AllowedFrom::Local;
        let remote = Access { local_connection: false, loading: false };
        assert!(matches!(config.set_many(&pair, remote), Err(SetError::Protected { .. })));
        let loading = Access { local_connection: true, loading: true };
        assert_eq!(config.set_many(&pair, loading), Err(SetError::Loading));
        let changes = config.set_many(&pair, LOCAL).unwrap();
        assert_eq!(changes, [Change { name: "dir", apply: Apply::Directory }]);
        assert_eq!(
            changes[0].failed("No such file or directory").to_string(),
            "ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory"
        );
    }

    #[test]
    fn changes_are_told_once_and_only_where_something_changed() {
        let mut config = Config::default();
        let words = ["MAXMEMORY", "100mb", "maxmemory-policy", "allkeys-lru", "port", "6379", "save", "900 1"];
        let changes = set(&mut config, &words).unwrap();
        let reported: Vec<(&str, Apply)> = changes.iter().map(|change| (change.name, change.apply)).collect();
        assert_eq!(reported, [("maxmemory", Apply::Memory), ("save", Apply::SaveRules)]);
        assert_eq!(config.maxmemory_bytes, 100 << 20);
        set(&mut config, &["save", ""]).unwrap();
        assert_eq!(config.save, []);
    }

    #[test]
    fn each_name_is_answered_once_and_an_alias_when_it_is_asked_for() {
        let config = Config::default();
        let found = get(&config, &["maxmemory", "maxmemory*", "bind", "*of"]);
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["maxmemory", "maxmemory-samples", "maxmemory-clients", "bind", "replicaof", "slaveof"] {
            assert_eq!(names.iter().filter(|found| **found == name).count(), 1, "{name}");
        }
        assert_eq!(
            get(&config, &["slave-read-only", "nosuch", "save"]),
            [("slave-read-only".into(), "yes".into()), ("save".into(), "3600 1 300 100 60 10000".into())]
        );
    }

    #[test]
    fn hidden_settings_are_shown_only_by_their_full_name() {
        let config = Config::default();
        assert!(get(&config, &["*"]).iter().all(|(name, _)| name != "key-load-delay"));
        assert_eq!(get(&config, &["key-load-delay"]), [("key-load-delay".into(), "0".into())]);
        assert_eq!(get(&config, &["rename-command"]), []);
    }

    #[test]
    fn what_get_shows_can_be_set_again() {
        let mut config =
            Config { enable_protected_configs: super::super::kinds::AllowedFrom::Everywhere, ..Config::default() };
        let before = config.clone();
        for (name, value) in config.get(&[b"*"]) {
            match config.set_many(&[(&name, &value)], LOCAL) {
                Ok(changes) => {
                    assert!(changes.iter().all(|change| change.apply == Apply::Directory), "{changes:?}");
                }
                Err(SetError::Immutable { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(config, before);
    }

    fn without_effect(config: &Config) -> Vec<&'static str> {
        config.without_effect().map(|(name, _)| name).collect()
    }

    #[test]
    fn dormant_settings_are_kept_and_listed_as_without_effect() {
        let mut config = Config::default();
        set(&mut config, &["auto-aof-rewrite-min-size", "10000002", "appendfsync", "always"]).unwrap();
        assert_eq!(config.value("auto-aof-rewrite-min-size").unwrap(), b"10000002");
        assert_eq!(without_effect(&config), ["appendfsync", "auto-aof-rewrite-min-size"]);
        set(&mut config, &["auto-aof-rewrite-min-size", "64mb", "appendfsync", "everysec"]).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn a_password_may_hold_any_bytes() {
        let mut config = Config::default();
        config.set_many(&[(b"requirepass", b"abc\x00\xffdef")], LOCAL).unwrap();
        assert_eq!(config.requirepass, b"abc\x00\xffdef");
        assert_eq!(config.value("requirepass").unwrap(), b"abc\x00\xffdef");
    }
}
