//! The syntax of redis.conf: lines, quotes, includes.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::fault::{ConfigError, Fault, LineError, Origin, Place, similar_name, without_passwords};
use super::key::{Key, Value};
use super::model::Config;
use super::table::find;
use crate::stdx::glob::glob_match;
use crate::stdx::text::split_args;

/// The caller's door to the file system, so that this room does no I/O.
pub trait Files {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;
    /// The names of a directory's entries, in any order.
    fn list(&mut self, directory: &Path) -> io::Result<Vec<OsString>>;
    fn standard_input(&mut self) -> io::Result<Vec<u8>>;
}

/// One line that is neither empty nor a comment.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub number: usize,
    /// The line without the white space around it.
    pub text: &'a [u8],
    /// The name in small letters, then the arguments; `None` where quotes are unbalanced.
    pub words: Option<Vec<Vec<u8>>>,
}

/// The lines of a text that are neither empty nor comments.
pub fn lines(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    text.split(|byte| *byte == b'\n').enumerate().filter_map(|(index, line)| {
        let text = line.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            return None;
        }
        let mut words = split_args(text);
        if let Some(name) = words.as_mut().and_then(|words| words.first_mut()) {
            name.make_ascii_lowercase();
        }
        Some(Line { number: index + 1, text, words })
    })
}

/// Directives of Redis that are no settings, and why Copal refuses them.
const REFUSED_DIRECTIVES: [(&str, &str); 2] =
    [("loadmodule", "Copal cannot load modules"), ("sentinel", "Copal does not monitor other servers")];

pub const INCLUDE_DEPTH_MAX: usize = 16;

/// Faults after which reading stops.
const FAULTS_MAX: usize = 1_000;

/// Writes lines into a `Config`, in order: the last one counts. Faults are gathered, and reading goes on behind them.
pub struct Loader<'f> {
    pub config: Config,
    files: &'f mut dyn Files,
    /// The keys of which a line was read, for those whose lines add up.
    seen: Vec<&'static str>,
    /// The lines that include what is being read, the innermost last.
    includes: Vec<Place>,
    faults: Vec<Fault>,
}

impl<'f> Loader<'f> {
    pub fn new(files: &'f mut dyn Files) -> Self {
        Self { config: Config::default(), files, seen: Vec::new(), includes: Vec::new(), faults: Vec::new() }
    }

    /// What was read, or all that is wrong with it.
    pub fn finish(self) -> Result<Config, ConfigError> {
        if self.faults.is_empty() { Ok(self.config) } else { Err(ConfigError { faults: self.faults }) }
    }

    /// Reads a file, or every file that a path with wildcards matches.
    pub fn load_file(&mut self, path: &Path) {
        let has_wildcards = path.as_os_str().as_bytes().iter().any(|byte| b"*?[".contains(byte));
        let paths = if has_wildcards { self.expand(path) } else { vec![path.to_owned()] };
        for path in paths {
            let text = self.files.read(&path);
            self.load_or_note(Origin::File(path), text);
        }
    }

    pub fn load_standard_input(&mut self) {
        let text = self.files.standard_input();
        self.load_or_note(Origin::StandardInput, text);
    }

    fn load_or_note(&mut self, origin: Origin, text: io::Result<Vec<u8>>) {
        match text {
            Ok(text) => self.load_text(&origin, &text),
            Err(error) => {
                self.faults.push(Fault::Unreadable { origin, included_from: self.includes.clone(), error });
            }
        }
    }

    pub fn load_text(&mut self, origin: &Origin, text: &[u8]) {
        for line in lines(text) {
            let place = Place { origin: origin.clone(), number: line.number };
            if let Err(error) = self.load_line(&line, &place) {
                let included_from = self.includes.clone();
                self.faults.push(Fault::Line { place, included_from, text: without_passwords(&line), error });
            }
            // Files that include themselves twice would be read for ever.
            if self.faults.len() >= FAULTS_MAX {
                return;
            }
        }
    }

    fn load_line(&mut self, line: &Line<'_>, place: &Place) -> Result<(), LineError> {
        match line.words.as_deref().ok_or(LineError::UnbalancedQuotes)? {
            [] => Ok(()),
            [name, path] if name == b"include" => {
                if self.includes.len() == INCLUDE_DEPTH_MAX {
                    return Err(LineError::TooDeep);
                }
                self.includes.push(place.clone());
                self.load_file(&PathBuf::from(OsString::from_vec(path.clone())));
                self.includes.pop();
                Ok(())
            }
            [name, ..] if name == b"include" => Err(LineError::IncludeArguments),
            [name, args @ ..] => self.load_key(name, args),
        }
    }

    fn load_key(&mut self, name: &[u8], args: &[Vec<u8>]) -> Result<(), LineError> {
        let Some(key) = find(name) else {
            let refused = REFUSED_DIRECTIVES.into_iter().find(|(directive, _)| name == directive.as_bytes());
            return Err(match refused {
                Some((directive, reason)) => LineError::NotAvailable { directive, reason },
                None => LineError::Unknown(similar_name(name)),
            });
        };
        let mut args = args.to_vec();
        if key.takes_several()
            && let [only] = args.as_slice()
            && !only.is_empty()
        {
            args = split_args(only).ok_or(LineError::UnbalancedQuotes)?;
        }
        if self.adds_up(key) && args != [b""] {
            let Value::List { read, .. } = key.value else { return Ok(()) };
            let mut all = read(&self.config);
            all.append(&mut args);
            args = all;
        }
        key.write(&mut self.config, &args)?;
        self.seen.push(key.name);
        Ok(())
    }

    /// Whether this line of the key adds to what earlier lines of it said.
    fn adds_up(&self, key: &Key) -> bool {
        matches!(key.value, Value::List { adds_up: true, .. }) && self.seen.contains(&key.name)
    }

    /// The files that a path with wildcards matches, in the order of their names; none is no error.
    fn expand(&mut self, pattern: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::new()];
        for part in pattern.components() {
            let part = part.as_os_str();
            let has_wildcards = part.as_bytes().iter().any(|byte| b"*?[".contains(byte));
            if !has_wildcards {
                found.iter_mut().for_each(|path| path.push(part));
                continue;
            }
            let mut next = Vec::new();
            for directory in found {
                let place = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
                let mut names = self.files.list(place).unwrap_or_default();
                names.retain(|name| {
                    let hidden = name.as_bytes().starts_with(b".") && !part.as_bytes().starts_with(b".");
                    !hidden && glob_match(part.as_bytes(), name.as_bytes(), false)
                });
                names.sort();
                next.extend(names.into_iter().map(|name| directory.join(name)));
            }
            found = next;
        }
        found
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::super::kinds::PropagationErrors;
    use super::*;
    use crate::config::SaveRule;

    /// Files that exist only in a test.
    #[derive(Default)]
    pub struct FakeFiles {
        pub files: BTreeMap<PathBuf, Vec<u8>>,
        pub standard_input: Vec<u8>,
    }

    impl FakeFiles {
        pub fn with(files: &[(&str, &str)]) -> Self {
            let files = files.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect();
            Self { files, standard_input: Vec::new() }
        }
    }

    impl Files for FakeFiles {
        fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
            self.files.get(path).cloned().ok_or_else(|| io::Error::from_raw_os_error(2))
        }

        fn list(&mut self, directory: &Path) -> io::Result<Vec<OsString>> {
            let name = |path: &PathBuf| Some(path.strip_prefix(directory).ok()?.iter().next()?.to_owned());
            let mut names: Vec<OsString> = self.files.keys().rev().filter_map(name).collect();
            names.dedup();
            Ok(names)
        }

        fn standard_input(&mut self) -> io::Result<Vec<u8>> {
            Ok(self.standard_input.clone())
        }
    }

    fn load(files: &[(&str, &str)]) -> Result<Config, String> {
        let mut files = FakeFiles::with(files);
        let mut loader = Loader::new(&mut files);
        loader.load_file(Path::new("/etc/c.conf"));
        loader.finish().map_err(|error| error.to_string())
    }

    fn load_one(text: &str) -> Result<Config, String> {
        load(&[("/etc/c.conf", text)])
    }

    fn rules(pairs: &[(u64, u64)]) -> Vec<SaveRule> {
        pairs.iter().map(|(seconds, changes)| SaveRule { seconds: *seconds, changes: *changes }).collect()
    }

    #[test]
    fn comments_quotes_and_case_are_read_as_redis_reads_them() {
        let config = load_one(
            "# port 1\r\n\r\n  PORT 7000\t\r\nlogfile ''\nrequirepass \"a b\\x41\"\nunixsocketperm 700\n   # x\nport 7001",
        )
        .unwrap();
        assert_eq!((config.port, config.unixsocketperm), (7001, 0o700));
        assert_eq!(config.requirepass, b"a bA");
    }

    #[test]
    fn the_first_save_replaces_the_default_and_further_ones_add_up() {
        assert_eq!(load_one("port 1").unwrap().save, rules(&[(3600, 1), (300, 100), (60, 10000)]));
        assert_eq!(load_one("save 900 1").unwrap().save, rules(&[(900, 1)]));
        assert_eq!(load_one("save 900 1\nsave 100 100").unwrap().save, rules(&[(900, 1), (100, 100)]));
        assert_eq!(load_one("save \"900 1 300 10\"").unwrap().save, rules(&[(900, 1), (300, 10)]));
        assert_eq!(load_one("save 900 1\nsave \"\"").unwrap().save, []);
        assert_eq!(load_one("save \"\"\nsave 1 2").unwrap().save, rules(&[(1, 2)]));
    }

    #[test]
    fn renamed_commands_add_up() {
        let config = load_one("rename-command FLUSHALL \"\"\nrename-command CONFIG cfg").unwrap();
        let renamed: Vec<(&[u8], &[u8])> =
            config.renamed_commands.iter().map(|renamed| (&*renamed.from, &*renamed.to)).collect();
        assert_eq!(renamed, [(&b"FLUSHALL"[..], &b""[..]), (b"CONFIG", b"cfg")]);
        assert!(load_one("rename-command FLUSHALL").is_err());
    }

    #[test]
    fn errors_name_the_file_the_line_and_the_reason() {
        assert_eq!(
            load_one("port 1\n\n  maxclientss   5 \n").unwrap_err(),
            "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\nReading the configuration file /etc/c.conf, at line 3\n\
             >>> 'maxclientss   5'\nBad directive or wrong number of arguments\nDid you mean 'maxclients'?"
        );
        for (line, reason) in [
            ("requirepass \"x", "Unbalanced quotes in configuration line"),
            ("port", "wrong number of arguments"),
            ("port 1 2", "wrong number of arguments"),
            ("include", "Bad directive or wrong number of arguments"),
            ("dbfilename a/b", "dbfilename can't be a path, just a filename"),
            ("user", "wrong number of arguments"),
            ("loadmodule m.so", "loadmodule: not available: Copal cannot load modules"),
            ("cluster-enabled yes", "cluster-enabled: 'yes' is not available: Copal runs as a single server"),
            ("replicaof 10.0.0.1 65536", "Invalid master port"),
            ("replicaof 10.0.0.1", "wrong number of arguments"),
        ] {
            let error = load_one(line).unwrap_err();
            assert!(error.ends_with(&format!("\n>>> '{line}'\n{reason}")), "{error}");
        }
    }

    #[test]
    fn every_fault_is_named_at_once_under_one_heading() {
        let error = load_one("prot 1\nport x\nhz 10\ninclude /etc/none.conf\nsave 1\n").unwrap_err();
        assert_eq!(
            error,
            "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\nReading the configuration file /etc/c.conf, at line 1\n\
             >>> 'prot 1'\nBad directive or wrong number of arguments\nDid you mean 'port'?\n\n\
             Reading the configuration file /etc/c.conf, at line 2\n>>> 'port x'\n\
             argument couldn't be parsed into an integer\n\n\
             Included from the configuration file /etc/c.conf, at line 4\n\
             Can't open config file '/etc/none.conf': No such file or directory\n\n\
             Reading the configuration file /etc/c.conf, at line 5\n>>> 'save 1'\nInvalid save parameters"
        );
        let error = load_one(&"nonsense\n".repeat(51)).unwrap_err();
        assert_eq!(error.matches(">>>").count(), 50);
        assert!(error.ends_with("\n\n1 more line is wrong."), "{error}");
        assert!(load_one(&"nonsense\n".repeat(60)).unwrap_err().ends_with("\n\n10 more lines are wrong."));
    }

    #[test]
    fn files_that_include_themselves_twice_come_to_an_end() {
        let error = load_one("include /etc/c.conf\ninclude /etc/c.conf\n").unwrap_err();
        assert!(error.ends_with("more lines are wrong."), "{error}");
    }

    #[test]
    fn a_typing_error_gets_the_name_that_was_meant() {
        for (line, meant) in [
            ("maxmemory_policy allkeys-lru", "maxmemory-policy"),
            ("max-memory 1gb", "maxmemory"),
            ("APPEND-ONLY no", "appendonly"),
            ("slave-reed-only yes", "slave-read-only"),
            ("hide-user-data-form-log yes", "hide-user-data-from-log"),
            ("inlcude x.conf", "include"),
            ("maxmemory=1gb", "maxmemory"),
            ("maxmemory: 1gb", "maxmemory"),
        ] {
            let error = load_one(line).unwrap_err();
            assert!(error.ends_with(&format!("\nDid you mean '{meant}'?")), "{error}");
        }
        for line in ["frobnicate 1", "x", &"m".repeat(10_000)] {
            assert!(load_one(line).unwrap_err().ends_with("wrong number of arguments"), "{line}");
        }
    }

    #[test]
    fn passwords_are_not_shown_in_errors() {
        for line in ["requirepass secret word", "masterauth secret word", "primaryauth secret word"] {
            let error = load_one(line).unwrap_err();
            let name = line.split(' ').next().unwrap();
            assert!(!error.contains("secret") && error.contains(&format!(">>> '{name} (redacted)'")), "{error}");
        }
        let error = load_one("user a on >secret\nuser a on >secret").unwrap_err();
        assert!(!error.contains("secret") && error.contains(">>> 'user a (redacted)'"), "{error}");
    }

    #[test]
    fn includes_are_read_in_place_and_wildcards_in_the_order_of_names() {
        let config = load(&[
            ("/etc/c.conf", "port 1\ninclude /etc/d/*.conf\nmaxclients 3"),
            ("/etc/d/b.conf", "port 3"),
            ("/etc/d/a.conf", "port 2\nmaxclients 2"),
            ("/etc/d/.hidden.conf", "nonsense"),
            ("/etc/d/x.txt", "nonsense"),
        ])
        .unwrap();
        assert_eq!((config.port, config.maxclients), (3, 3));
        assert!(load(&[("/etc/c.conf", "include /nowhere/*.conf")]).is_ok());
    }

    #[test]
    fn an_include_that_fails_names_its_file() {
        let error = load(&[("/etc/c.conf", "include /etc/none.conf")]).unwrap_err();
        assert!(error.contains("Can't open config file '/etc/none.conf': No such file"), "{error}");
        let error = load(&[("/etc/c.conf", "include /etc/d.conf"), ("/etc/d.conf", "\nnonsense")]).unwrap_err();
        let included = "file /etc/d.conf, at line 2\nIncluded from the configuration file /etc/c.conf, at line 1\n";
        assert!(error.contains(&format!("{included}>>> 'nonsense'")), "{error}");
        let error = load(&[("/etc/c.conf", "include /etc/c.conf")]).unwrap_err();
        assert!(error.ends_with("more than 16 deep"), "{error}");
    }

    fn without_effect(config: &Config) -> Vec<&'static str> {
        config.without_effect().map(|(name, _)| name).collect()
    }

    #[test]
    fn locales_that_order_text_by_its_bytes_are_accepted_and_shown() {
        for locale in ["\"\"", "C", "POSIX", "C.UTF-8"] {
            let config = load_one(&format!("locale-collate {locale}")).expect("it orders by bytes");
            assert_eq!(config.value("locale-collate").unwrap(), locale.trim_matches('"').as_bytes());
            assert_eq!(without_effect(&config), [""; 0], "{locale} has the effect that it is to have");
        }
        let error = load_one("locale-collate de_DE.UTF-8").unwrap_err();
        assert!(error.contains("SORT ALPHA compares bytes"), "{error}");
    }

    #[test]
    fn the_stock_files_of_redis_and_valkey_are_accepted_as_they_are() {
        for text in [
            include_str!("testdata/stock-2.6.conf"),
            include_str!("testdata/stock-6.2.conf"),
            include_str!("testdata/stock-7.0.conf"),
            include_str!("testdata/stock-8.0.conf"),
            include_str!("testdata/stock-valkey-9.1.conf"),
        ] {
            let config = load_one(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((config.port, config.databases), (6379, 16));
        }
        let config = load_one(include_str!("testdata/stock-8.0.conf")).unwrap();
        assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
        assert_eq!(without_effect(&config), ["disable-thp"]);
        assert_eq!(without_effect(&load_one(include_str!("testdata/stock-7.0.conf")).unwrap()), ["disable-thp"]);
        let config = load_one(include_str!("testdata/stock-2.6.conf")).unwrap();
        assert_eq!(without_effect(&config), ["list-max-ziplist-entries", "list-max-ziplist-value"]);
        let config = load_one(include_str!("testdata/stock-valkey-9.1.conf")).unwrap();
        assert!(config.hide_user_data_from_log && config.lazyfree_lazy_eviction);
        assert_eq!(config.slowlog_log_slower_than_us, 10_000);
        let config = load_one(include_str!("testdata/suite-default.conf")).unwrap();
        assert_eq!(config.save, rules(&[(900, 1)]));
        assert_eq!(without_effect(&config), [""; 0]);
        assert_eq!(config.propagation_error_behavior, PropagationErrors::Panic);
    }

    #[test]
    fn settings_that_change_neither_answers_nor_data_are_read_and_listed() {
        for line in [
            "glueoutputbuf yes",
            "vm-enabled no",
            "hash-max-zipmap-entries 512",
            "lua-replicate-commands yes",
            "io-threads 4",
            "io-threads-do-reads yes",
            "server_cpulist 0-7:2",
            "bgsave-cpulist 1,10-11",
            "syslog-enabled yes",
            "crash-memcheck-enabled yes",
            "dual-channel-replication-enabled yes",
            "commandlog-large-reply-max-len 128",
            "log-format logfmt",
            "log-timestamp-format iso8601",
            "availability-zone zone-1",
            "search-timeout 500",
            "ts-retention-policy 0",
            "rdma-bind 10.0.0.1 10.0.0.2",
            "replica-ignore-disk-write-errors yes",
        ] {
            let config = load_one(line).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(without_effect(&config).len(), 1, "{line}");
        }
        for line in
            ["extended-redis-compatibility yes", "dual-channel-replication-enabled no", "rdb-version-check strict"]
        {
            assert_eq!(without_effect(&load_one(line).unwrap()), [""; 0], "{line} is what Copal does");
        }
        let config = load_one("commandlog-execution-slower-than 7\ncommandlog-slow-execution-max-len 9").unwrap();
        assert_eq!((config.slowlog_log_slower_than_us, config.slowlog_max_len), (7, 9));
    }

    #[test]
    fn settings_that_would_change_answers_or_data_and_nonsense_are_refused() {
        for line in [
            "appendonly yes",
            "cluster-enabled yes",
            "tls-port 6380",
            "rdma-port 6379",
            "import-mode yes",
            "active-replica yes",
            "multi-master yes",
            "gopher-enabled yes",
            "unixsocketgroup redis",
        ] {
            let error = load_one(line).unwrap_err();
            assert!(error.contains("is not available: Copal") || error.contains("is not available: Redis"), "{error}");
        }
        for line in [
            "io-threads none",
            "io-threads 4096",
            "log-format xml",
            "dual-channel-replication-enabled maybe",
            "list-max-ziplist-entries",
            "commandlog-reply-larger-than much",
        ] {
            assert!(load_one(line).is_err(), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut files = FakeFiles::default();
            let mut loader = Loader::new(&mut files);
            loader.load_text(&Origin::CommandLine, &text);
            let _ = loader.finish().map_err(|error| error.to_string());
        }

        #[test]
        fn no_value_makes_a_key_panic(index in 0..super::super::table::KEYS.len(), value in "[-0-9a-z% .:\"']{0,20}") {
            let mut files = FakeFiles::default();
            let line = format!("{} {value}", super::super::table::KEYS[index].name);
            let mut loader = Loader::new(&mut files);
            loader.load_text(&Origin::CommandLine, line.as_bytes());
            let _ = loader.finish();
        }
    }
}
