//! The syntax of redis.conf: lines, quotes, includes.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::key::{Key, Value};
use super::model::Config;
use super::table::find;
use super::value::ValueError;
use crate::stdx::glob::glob_match;
use crate::stdx::text::split_args;
use crate::stdx::version;

/// The caller's door to the file system, so that this room does no I/O.
pub trait Files {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;
    /// The names of a directory's entries, in any order.
    fn list(&mut self, directory: &Path) -> io::Result<Vec<OsString>>;
    fn standard_input(&mut self) -> io::Result<Vec<u8>>;
}

/// Where a line of configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File(PathBuf),
    StandardInput,
    CommandLine,
}

/// Why a line is refused.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error("Unbalanced quotes in configuration line")]
    UnbalancedQuotes,
    #[error("Bad directive or wrong number of arguments")]
    Unknown,
    #[error("{directive}: not available: {reason}")]
    NotAvailable { directive: &'static str, reason: &'static str },
    #[error("Files include each other more than {INCLUDE_DEPTH_MAX} deep")]
    TooDeep,
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// Why the server cannot start with its configuration.
#[derive(Debug)]
pub enum ConfigError {
    Line { origin: Origin, number: usize, text: Vec<u8>, error: LineError },
    Unreadable { origin: Origin, error: io::Error },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\n*** FATAL CONFIG FILE ERROR (Redis {}) ***", version::REDIS)?;
        match self {
            Self::Line { origin, number, text, error } => {
                match origin {
                    Origin::File(path) => {
                        writeln!(out, "Reading the configuration file {}, at line {number}", path.display())?;
                    }
                    Origin::StandardInput => {
                        writeln!(out, "Reading the configuration from standard input, at line {number}")?;
                    }
                    Origin::CommandLine => writeln!(out, "Reading the command line, at option {number}")?,
                }
                writeln!(out, ">>> '{}'", String::from_utf8_lossy(text))?;
                write!(out, "{error}")
            }
            Self::Unreadable { origin: Origin::File(path), error } => {
                write!(out, "Can't open config file '{}': {error}", path.display())
            }
            Self::Unreadable { error, .. } => write!(out, "Can't read the configuration from standard input: {error}"),
        }
    }
}

impl std::error::Error for ConfigError {}

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

const INCLUDE_DEPTH_MAX: usize = 16;

/// A line as an error may show it: the rules of a user hold passwords.
fn without_passwords(line: &Line<'_>) -> Vec<u8> {
    match line.words.as_deref() {
        Some([directive, name, _, ..]) if directive == b"user" => [b"user ", &**name, b" (redacted)"].concat(),
        _ => line.text.to_vec(),
    }
}

/// Writes lines into a `Config`, in order: the last one counts.
pub struct Loader<'f> {
    pub config: Config,
    files: &'f mut dyn Files,
    /// The keys of which a line was read, for those whose lines add up.
    seen: Vec<&'static str>,
    depth: usize,
}

impl<'f> Loader<'f> {
    pub fn new(files: &'f mut dyn Files) -> Self {
        Self { config: Config::default(), files, seen: Vec::new(), depth: 0 }
    }

    /// Reads a file, or every file that a path with wildcards stands for.
    pub fn load_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let has_wildcards = path.as_os_str().as_bytes().iter().any(|byte| b"*?[".contains(byte));
        let paths = if has_wildcards { self.expand(path) } else { vec![path.to_owned()] };
        for path in paths {
            let origin = Origin::File(path);
            let Origin::File(path) = &origin else { continue };
            match self.files.read(path) {
                Ok(text) => self.load_text(&origin, &text)?,
                Err(error) => return Err(ConfigError::Unreadable { origin, error }),
            }
        }
        Ok(())
    }

    pub fn load_standard_input(&mut self) -> Result<(), ConfigError> {
        let origin = Origin::StandardInput;
        match self.files.standard_input() {
            Ok(text) => self.load_text(&origin, &text),
            Err(error) => Err(ConfigError::Unreadable { origin, error }),
        }
    }

    pub fn load_text(&mut self, origin: &Origin, text: &[u8]) -> Result<(), ConfigError> {
        for line in lines(text) {
            let refuse = |error| ConfigError::Line {
                origin: origin.clone(),
                number: line.number,
                text: without_passwords(&line),
                error,
            };
            let words = line.words.as_ref().ok_or_else(|| refuse(LineError::UnbalancedQuotes))?;
            match words.as_slice() {
                [] => {}
                [name, path] if name == b"include" => {
                    if self.depth == INCLUDE_DEPTH_MAX {
                        return Err(refuse(LineError::TooDeep));
                    }
                    self.depth += 1;
                    self.load_file(&PathBuf::from(OsString::from_vec(path.clone())))?;
                    self.depth -= 1;
                }
                [name, args @ ..] => self.load_key(name, args).map_err(refuse)?,
            }
        }
        Ok(())
    }

    fn load_key(&mut self, name: &[u8], args: &[Vec<u8>]) -> Result<(), LineError> {
        let Some(key) = find(name) else {
            let refused = REFUSED_DIRECTIVES.into_iter().find(|(directive, _)| name == directive.as_bytes());
            return Err(match refused {
                Some((directive, reason)) => LineError::NotAvailable { directive, reason },
                None => LineError::Unknown,
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
            let Value::List { read, .. } = key.value else { return Err(LineError::Unknown) };
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

    /// The files that a path with wildcards stands for, in the order of their names; none is no error.
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
        loader.load_file(Path::new("/etc/c.conf")).map_err(|error| error.to_string())?;
        Ok(loader.config)
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
             >>> 'maxclientss   5'\nBad directive or wrong number of arguments"
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
            ("replicaof 10.0.0.1 6379", "replicaof: '10.0.0.1 6379' is not available: Copal does not replicate yet"),
        ] {
            let error = load_one(line).unwrap_err();
            assert!(error.ends_with(&format!("\n>>> '{line}'\n{reason}")), "{error}");
        }
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
        assert!(error.contains("file /etc/d.conf, at line 2\n>>> 'nonsense'"), "{error}");
        let error = load(&[("/etc/c.conf", "include /etc/c.conf")]).unwrap_err();
        assert!(error.ends_with("more than 16 deep"), "{error}");
    }

    #[test]
    fn the_stock_files_of_redis_are_accepted_as_they_are() {
        let config = load_one(include_str!("testdata/stock-7.0.conf")).unwrap();
        assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
        let without_effect = |config: &Config| config.without_effect().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(without_effect(&config), ["disable-thp"]);
        assert!(load_one("set-max-listpack-entries 128\nset-max-listpack-value 64\nlocale-collate \"\"").is_ok());
        let config = load_one(include_str!("testdata/suite-default.conf")).unwrap();
        assert_eq!(config.save, rules(&[(900, 1)]));
        assert_eq!(without_effect(&config), ["repl-diskless-sync-delay", "propagation-error-behavior"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut files = FakeFiles::default();
            let _ = Loader::new(&mut files).load_text(&Origin::CommandLine, &text);
        }

        #[test]
        fn no_value_makes_a_key_panic(index in 0..super::super::table::KEYS.len(), value in "[-0-9a-z% .:\"']{0,20}") {
            let mut files = FakeFiles::default();
            let line = format!("{} {value}", super::super::table::KEYS[index].name);
            let _ = Loader::new(&mut files).load_text(&Origin::CommandLine, line.as_bytes());
        }
    }
}
