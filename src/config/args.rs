//! The command line: a file, a dash for standard input, and settings as `--name value ...`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::fault::{ConfigError, Origin};
use super::file::{Files, Loader};
use super::model::Config;
use crate::stdx::text::{push_quoted, split_args};

/// The addresses of a server that is started without a configuration file: whoever only tries it out opens no door to
/// the network. With a file, Redis's rule holds: every address, unless `bind` names others.
pub const LOOPBACK: [&str; 2] = ["127.0.0.1", "-::1"];

/// What the command line asks the program to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Serve,
    PrintVersion,
    PrintHelp,
    /// Print what redis.conf.example holds.
    PrintExampleConfig,
    /// Say whether a server would start with the configuration.
    CheckConfig,
}

#[derive(Debug)]
pub struct StartUp {
    pub action: Action,
    pub config: Config,
    /// The file that CONFIG REWRITE will write, as it was given: relative to where the program was started.
    pub file: Option<PathBuf>,
}

/// Reads the arguments after the program's name, and what they name. The file counts least, then standard input, then
/// the settings among the arguments.
pub fn start_up(arguments: &[OsString], files: &mut dyn Files) -> Result<StartUp, ConfigError> {
    let arguments: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
    let action = match arguments.first() {
        Some(&(b"-v" | b"--version")) => Action::PrintVersion,
        Some(&(b"-h" | b"--help")) => Action::PrintHelp,
        Some(&b"--print-example-config") => Action::PrintExampleConfig,
        Some(&b"--check-config") => Action::CheckConfig,
        _ => Action::Serve,
    };
    let arguments = &arguments[usize::from(action == Action::CheckConfig)..];
    if !matches!(action, Action::Serve | Action::CheckConfig) {
        return Ok(StartUp { action, config: Config::default(), file: None });
    }
    let (file, options) = match arguments.split_first() {
        Some((first, rest)) if !first.starts_with(b"-") => {
            (Some(PathBuf::from(std::ffi::OsStr::from_bytes(first))), rest)
        }
        _ => (None, arguments),
    };
    // A dash is standard input as the very first argument or as the last one.
    let first_option = usize::from(file.is_some());
    let is_dash = |(index, argument): (usize, &&[u8])| {
        **argument == *b"-" && (index + first_option == 0 || index + 1 == options.len())
    };
    let from_standard_input = options.iter().enumerate().any(is_dash);
    let settings: Vec<&[u8]> =
        options.iter().enumerate().filter(|option| !is_dash(*option)).map(|(_, option)| *option).collect();

    let mut loader = Loader::new(files);
    if file.is_none() && !from_standard_input {
        loader.config.bind = LOOPBACK.map(str::to_owned).into();
    }
    if let Some(path) = &file {
        loader.load_file(path);
    }
    if from_standard_input {
        loader.load_standard_input();
    }
    loader.load_text(&Origin::CommandLine, &as_lines(&settings));
    Ok(StartUp { action, config: loader.finish()?, file })
}

/// Turns `--name value ...` into lines of redis.conf.
///
/// What follows an option's name is its value even when it starts with two dashes; later arguments with two dashes
/// start the next option. Only `--save` is complete without a value, which then is empty.
fn as_lines(settings: &[&[u8]]) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut has_value = true;
    for (index, setting) in settings.iter().enumerate() {
        let name = setting.strip_prefix(b"--").filter(|_| has_value);
        let Some(name) = name else {
            push_quoted(&mut lines, setting);
            lines.push(b' ');
            has_value = true;
            continue;
        };
        if !lines.is_empty() {
            lines.push(b'\n');
        }
        lines.extend_from_slice(name);
        lines.push(b' ');
        // Name and value may share an argument: `"--port 6380"`.
        has_value = split_args(setting).is_none_or(|words| words.len() != 1);
        let next_is_option = settings.get(index + 1).is_none_or(|next| next.starts_with(b"--"));
        if !has_value && setting.eq_ignore_ascii_case(b"--save") && next_is_option {
            lines.extend_from_slice(b"\"\"");
            has_value = true;
        }
    }
    lines
}

/// What `--help` prints.
pub fn usage() -> &'static str {
    "\
Usage: copal-server [/path/to/redis.conf] [--name value ...] [-]
       copal-server -                        (read the configuration from standard input)
       copal-server -v or --version
       copal-server -h or --help
       copal-server --print-example-config
       copal-server --check-config [/path/to/redis.conf] [--name value ...] [-]
                                             (say whether the server would start so; exit with 1 if not)

Every setting of redis.conf can be given as an option, and counts more than the file.

Examples:
       copal-server                          (start with the defaults, on the loopback addresses only)
       copal-server /etc/copal/redis.conf
       copal-server --port 7777
       copal-server --port 7777 --save 900 1 300 10
       copal-server /etc/copal/redis.conf --loglevel verbose
       echo 'maxmemory 128mb' | copal-server -
"
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::FakeFiles;
    use super::*;

    fn start(arguments: &[&str], files: FakeFiles) -> Result<StartUp, String> {
        let mut files = files;
        let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
        start_up(&arguments, &mut files).map_err(|error| error.to_string())
    }

    fn shown(arguments: &[&str], name: &str) -> String {
        let files = FakeFiles::with(&[("c.conf", "save 900 1\nloglevel verbose\n")]);
        let config = start(arguments, files).unwrap().config;
        String::from_utf8(config.value(name).unwrap()).unwrap()
    }

    #[track_caller]
    fn refused(arguments: &[&str], line: &str, reason: &str) {
        let error = start(arguments, FakeFiles::default()).unwrap_err();
        assert!(error.contains(&format!(">>> '{line}'\n{reason}")), "{error}");
    }

    #[test]
    fn options_are_lines_that_count_more_than_the_file() {
        let start =
            start(&["c.conf", "--port", "7000", "--loglevel", "debug"], FakeFiles::with(&[("c.conf", "port 1")]));
        let start = start.unwrap();
        assert_eq!((start.config.port, start.file), (7000, Some("c.conf".into())));
        assert_eq!(shown(&["c.conf", "--save", "100", "100"], "save"), "900 1 100 100");
        assert_eq!(shown(&["--save", "900", "1", "300", "10"], "save"), "900 1 300 10");
        assert_eq!(shown(&["--maxmemory 700mb"], "maxmemory"), "734003200");
        assert_eq!(shown(&["--bind", "127.0.0.1", "::1"], "bind"), "127.0.0.1 ::1");
        assert_eq!(shown(&["--requirepass", "a \"b\" \u{e9}"], "requirepass"), "a \"b\" \u{e9}");
    }

    #[test]
    fn an_empty_save_may_stand_without_a_value() {
        for arguments in [
            &["c.conf", "--save", "--loglevel", "verbose"][..],
            &["c.conf", "--loglevel", "verbose", "--save"],
            &["c.conf", "--save", "", "--loglevel", "verbose"],
            &["c.conf", "--proc-title-template", "--save", "--save", "", "--loglevel", "verbose"],
        ] {
            assert_eq!(shown(arguments, "save"), "", "{arguments:?}");
            assert_eq!(shown(arguments, "loglevel"), "verbose", "{arguments:?}");
        }
    }

    #[test]
    fn a_value_may_start_with_two_dashes() {
        let split = ["c.conf", "--proc-title-template", "--my--title", "--loglevel", "debug"];
        let joined = ["c.conf", "--proc-title-template --my--title", "--loglevel debug"];
        for arguments in [&split[..], &joined] {
            assert_eq!(shown(arguments, "proc-title-template"), "--my--title");
            assert_eq!(shown(arguments, "loglevel"), "debug");
        }
        let bare = ["c.conf", "loglevel", "warning", "--maxmemory '700mb'", "--maxmemory-policy 'volatile-lru'"];
        assert_eq!(shown(&bare, "maxmemory-policy"), "volatile-lru");
        assert_eq!(shown(&bare, "loglevel"), "warning");
    }

    #[test]
    fn settings_of_several_words_may_come_in_one_argument() {
        let arguments = ["--shutdown-on-sigint", "nosave", "force", "now", "--shutdown-on-sigterm", "nosave force"];
        assert_eq!(shown(&arguments, "shutdown-on-sigint"), "nosave now force");
        assert_eq!(shown(&arguments, "shutdown-on-sigterm"), "nosave force");
    }

    #[test]
    fn errors_show_the_line_that_was_made_of_the_arguments() {
        refused(&["--port"], "port", "wrong number of arguments");
        refused(&["--port", "6380", "--loglevel"], "loglevel", "wrong number of arguments");
        refused(&["--port", "6379", "6380"], "port \"6379\" \"6380\"", "wrong number of arguments");
        refused(&["--port", "--loglevel", "verbose"], "port \"--loglevel\" \"verbose\"", "wrong number of arguments");
        refused(
            &["--port", "--bla", "--loglevel", "verbose"],
            "port \"--bla\"",
            "argument couldn't be parsed into an integer",
        );
        refused(
            &["--logfile", "--my--log--file", "--loglevel", "--bla"],
            "loglevel \"--bla\"",
            "argument(s) must be one of the following",
        );
        for arguments in [&["--shutdown-on-sigint"][..], &["--shutdown-on-sigint", "now force", "--shutdown-on-sigint"]]
        {
            refused(arguments, "shutdown-on-sigint", "argument(s) must be one of the following");
        }
        refused(&["--replicaof", "127.0.0.1", "abc"], "replicaof \"127.0.0.1\" \"abc\"", "Invalid master port");
        refused(&["--replicaof", "--127.0.0.1", "abc"], "replicaof \"--127.0.0.1\" \"abc\"", "Invalid master port");
        refused(&["--replicaof", "--127.0.0.1", "--abc"], "replicaof \"--127.0.0.1\"", "wrong number of arguments");
        refused(&["--check-system"], "check-system", "Bad directive or wrong number of arguments");
        refused(&["-x"], "\"-x\"", "Bad directive or wrong number of arguments");
    }

    #[test]
    fn faults_of_the_command_line_name_the_argument_and_no_file() {
        let error = start(&["--port", "x", "--maxmemry", "1gb", "-x"], FakeFiles::default()).unwrap_err();
        assert_eq!(
            error,
            "\n*** FATAL COMMAND LINE ERROR (Redis 7.2.4) ***\nReading the argument '--port'\n>>> 'port \"x\"'\n\
             argument couldn't be parsed into an integer\n\nReading the argument '--maxmemry'\n\
             >>> 'maxmemry \"1gb\" \"-x\"'\nBad directive or wrong number of arguments\nDid you mean 'maxmemory'?"
        );
        let error = start(&["-x"], FakeFiles::default()).unwrap_err();
        assert!(error.contains("Reading the argument '-x'\n"), "{error}");
        let files = FakeFiles::with(&[("c.conf", "nonsense")]);
        let error = start(&["c.conf", "--hz", "x"], files).unwrap_err();
        let headings: Vec<&str> = error.lines().filter(|line| line.starts_with("***")).collect();
        assert_eq!(
            headings,
            ["*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***", "*** FATAL COMMAND LINE ERROR (Redis 7.2.4) ***"]
        );
    }

    #[test]
    fn a_dash_reads_standard_input_between_file_and_options() {
        for arguments in [&["-"][..], &["-", "--port", "2"], &["c.conf", "--port", "2", "-"], &["c.conf", "-"]] {
            let mut files = FakeFiles::with(&[("c.conf", "port 1\nmaxclients 1")]);
            files.standard_input = b"maxclients 5\nport 3".to_vec();
            let config = start(arguments, files).unwrap().config;
            let port = if arguments.contains(&"--port") { 2 } else { 3 };
            assert_eq!((config.maxclients, config.port), (5, port), "{arguments:?}");
        }
        let files = FakeFiles { standard_input: b"nonsense".to_vec(), ..FakeFiles::default() };
        let error = start(&["-"], files).unwrap_err();
        assert!(error.contains("standard input, at line 1\n>>> 'nonsense'"), "{error}");
    }

    #[test]
    fn requests_for_texts_stop_before_anything_is_read() {
        for (argument, action) in [
            ("-v", Action::PrintVersion),
            ("--version", Action::PrintVersion),
            ("-h", Action::PrintHelp),
            ("--help", Action::PrintHelp),
            ("--print-example-config", Action::PrintExampleConfig),
        ] {
            assert_eq!(start(&[argument, "--nosuch"], FakeFiles::default()).unwrap().action, action);
        }
        let none = start(&[], FakeFiles::default()).unwrap();
        let loopback = Config { bind: LOOPBACK.map(str::to_owned).into(), ..Config::default() };
        assert_eq!((none.action, none.file, none.config), (Action::Serve, None, loopback));
    }

    #[test]
    fn a_configuration_is_checked_as_it_would_be_read() {
        let files = || FakeFiles::with(&[("c.conf", "port 1"), ("bad.conf", "prot 1")]);
        let checked = start(&["--check-config", "c.conf", "--maxclients", "7"], files()).unwrap();
        assert_eq!((checked.action, checked.config.port, checked.config.maxclients), (Action::CheckConfig, 1, 7));
        assert_eq!(start(&["--check-config"], files()).unwrap().config.bind, LOOPBACK);
        let error = start(&["--check-config", "bad.conf"], files()).unwrap_err();
        assert!(error.contains("bad.conf") && error.contains(">>> 'prot 1'"), "{error}");
    }

    #[test]
    fn only_a_server_without_a_configuration_file_listens_on_loopback_alone_by_default() {
        assert_eq!(shown(&[], "bind"), "127.0.0.1 -::1");
        assert_eq!(shown(&["--port", "7000"], "bind"), "127.0.0.1 -::1");
        assert_eq!(shown(&["--bind", "*", "-::*"], "bind"), "* -::*");
        assert_eq!(shown(&["c.conf"], "bind"), "* -::*");
        assert_eq!(shown(&["c.conf", "--port", "7000"], "bind"), "* -::*");
        assert_eq!(shown(&["-"], "bind"), "* -::*");
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let error = start(&["none.conf"], FakeFiles::default()).unwrap_err();
        assert!(error.contains("Can't open config file 'none.conf': No such file"), "{error}");
    }
}
