//! The configuration: the file, the command line, and CONFIG at run time.

use std::fs;

use crate::support::{Server, Setup, against_redis, err, ok, wait_until};

#[test]
fn config_get_matches_several_patterns_without_repeating() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript(
        r#"
        > CONFIG GET maxclients
        ["maxclients", "10000"]
        > CONFIG GET MAXCLIENTS
        ["MAXCLIENTS", "10000"]
        > CONFIG GET bogus
        []
        > CONFIG GET save
        ["save", ""]
        > CONFIG GET appendonly
        ["appendonly", "no"]
        > CONFIG GET databases
        ["databases", "16"]
        "#,
    );
    let reply = client.run("CONFIG GET maxclients max* timeout");
    let names: Vec<_> = reply.items().iter().step_by(2).map(|name| name.text()).collect();
    assert_eq!(names.iter().filter(|name| *name == "maxclients").count(), 1);
    assert!(names.contains(&"timeout".to_owned()) && names.contains(&"maxmemory".to_owned()), "{names:?}");
    let all = client.run("CONFIG GET *").items().len() / 2;
    assert!(all > 60, "{all} parameters");
}

/// The score by which the kernel chooses whom to kill when memory runs out.
fn oom_score(pid: u32) -> i32 {
    let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("the process lives");
    text.trim().parse().expect("a number")
}

#[test]
fn the_kernel_is_told_to_kill_a_snapshot_child_before_the_server() {
    let server = Server::start();
    let mut client = server.client();
    let original = oom_score(server.pid());
    client.run("CONFIG SET oom-score-adj-values \"10 20 30\"");
    assert_eq!(oom_score(server.pid()), original, "as long as it is off, nothing is touched");
    assert_eq!(client.run("CONFIG SET oom-score-adj yes"), ok());
    assert_eq!(oom_score(server.pid()), original + 10);
    client.run("SET key value");
    client.run("CONFIG SET rdb-key-save-delay 10000000");
    assert!(!client.run("BGSAVE").is_error());
    let child = server.wait_for_child();
    wait_until("the child has its score", 10, || oom_score(child) == original + 30);
    assert_eq!(client.run("CONFIG SET oom-score-adj absolute"), ok());
    assert_eq!(oom_score(server.pid()), 10);
    // A setting that fails takes back what came before it.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let reply = client.run(&format!("CONFIG SET oom-score-adj-values \"15 20 30\" port {port}"));
    assert!(reply.is_error(), "{reply:?}");
    assert_eq!(oom_score(server.pid()), 10);
    assert_eq!(client.run("CONFIG SET oom-score-adj no"), ok());
    assert_eq!(oom_score(server.pid()), original);
    client.transcript(
        r#"
        > CONFIG SET oom-score-adj-values "1 2 2001"
        -ERR CONFIG SET failed (possibly related to argument 'oom-score-adj-values') - ...must be between -2000 and 2000...
        > CONFIG SET oom-score-adj-values "1 2"
        -ERR CONFIG SET failed (possibly related to argument 'oom-score-adj-values') - ...
        > CONFIG GET oom-score-adj-values
        ["oom-score-adj-values", "10 20 30"]
        "#,
    );
}

#[test]
fn config_set_changes_what_it_can_and_explains_what_it_cannot() {
    let server = Server::start();
    server.client().transcript(
        r#"
        > CONFIG SET timeout 100
        +OK
        > CONFIG GET timeout
        ["timeout", "100"]
        > CONFIG SET maxmemory 1gb
        +OK
        > CONFIG GET maxmemory
        ["maxmemory", "1073741824"]
        > CONFIG SET maxmemory 0 timeout 0
        +OK
        > CONFIG GET timeout
        ["timeout", "0"]
        > CONFIG SET bogus 1
        -ERR Unknown option or number of arguments for CONFIG SET - 'bogus'
        > CONFIG SET timeout
        -ERR wrong number of arguments for 'config|set' command
        > CONFIG SET timeout 0 hz
        -ERR syntax error
        > CONFIG SET timeout abc
        -ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer
        > CONFIG SET timeout -1
        -ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 2147483647 inclusive
        > CONFIG SET rdbcompression maybe
        -ERR CONFIG SET failed (possibly related to argument 'rdbcompression') - argument must be 'yes' or 'no'
        > CONFIG SET maxmemory-policy bogus
        -ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument(s) must be one of the following: ...
        > CONFIG SET databases 4
        -ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config
        > CONFIG SET port abc
        -ERR CONFIG SET failed (possibly related to argument 'port') - argument couldn't be parsed into an integer
        > CONFIG SET timeout 5 timeout 6
        -ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter
        > CONFIG SET dir /no/such/folder
        -ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory
        > CONFIG SET dbfilename a/b
        -ERR CONFIG SET failed (possibly related to argument 'dbfilename') - dbfilename can't be a path, just a filename
        > CONFIG GET timeout
        ["timeout", "0"]
        "#,
    );
}

#[test]
fn protected_settings_stay_what_the_file_says() {
    let server = Server::with_config("enable-protected-configs no\nenable-debug-command no");
    server.client().transcript(
        r#"
        > CONFIG SET dir /
        -ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config
        > CONFIG SET dbfilename x.rdb
        -ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config
        > DEBUG SLEEP 0
        -ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.
        "#,
    );
}

#[test]
fn config_set_of_several_is_all_or_nothing() {
    let server = Server::start();
    server.client().transcript(
        r#"
        > CONFIG SET timeout 77 maxmemory-samples 9 rdbcompression maybe
        -ERR CONFIG SET failed (possibly related to argument 'rdbcompression') - argument must be 'yes' or 'no'
        > CONFIG GET timeout
        ["timeout", "0"]
        > CONFIG SET timeout 77 dbfilename other.rdb dir /no/such/folder
        -ERR CONFIG SET failed (possibly related to argument 'dir') - No such file or directory
        > CONFIG GET timeout
        ["timeout", "0"]
        > CONFIG GET dbfilename
        ["dbfilename", "dump.rdb"]
        "#,
    );
}

#[test]
fn config_set_save_takes_points_and_refuses_nonsense() {
    let server = Server::start();
    server.client().transcript(
        r#"
        > CONFIG SET save "3600 1 300 100"
        +OK
        > CONFIG GET save
        ["save", "3600 1 300 100"]
        > CONFIG SET save "100 -1"
        -ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters
        > CONFIG SET save "100"
        -ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters
        > CONFIG SET save "0 1"
        -ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters
        > CONFIG GET save
        ["save", "3600 1 300 100"]
        > CONFIG SET save ""
        +OK
        > CONFIG GET save
        ["save", ""]
        > CONFIG SET client-output-buffer-limit "normal 1000000 2mb 3"
        +OK
        > CONFIG GET client-output-buffer-limit
        ["client-output-buffer-limit", "normal 1000000 2097152 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60"]
        > CONFIG SET client-output-buffer-limit "bogus 1 2 3"
        -ERR CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - ...
        "#,
    );
}

#[test]
fn the_file_takes_quotes_units_comments_and_includes() {
    let folder = tempfile::tempdir().expect("a folder");
    let included = folder.path().join("included file.conf");
    fs::write(&included, "timeout 33\nsave 900 1\nsave 300 10\n").expect("a file");
    let lines = format!(
        "# a comment\n\n   maxmemory 5mb\nmaxmemory-policy 'allkeys-lru'\ninclude \"{}\"\nTCP-KEEPALIVE 60\nproto-max-bulk-len 1gB\nrequirepass \"\"",
        included.display()
    );
    let server = Server::with_config(&lines);
    server.client().transcript(
        r#"
        > CONFIG GET maxmemory
        ["maxmemory", "5242880"]
        > CONFIG GET maxmemory-policy
        ["maxmemory-policy", "allkeys-lru"]
        > CONFIG GET timeout
        ["timeout", "33"]
        > CONFIG GET save
        ["save", "900 1 300 10"]
        > CONFIG GET tcp-keepalive
        ["tcp-keepalive", "60"]
        > CONFIG GET proto-max-bulk-len
        ["proto-max-bulk-len", "1073741824"]
        "#,
    );
}

#[test]
fn arguments_override_the_file() {
    let setup = Setup::new().config("timeout 1\nmaxmemory 1mb").args(&[
        "--timeout",
        "44",
        "--save",
        "60 5",
        "--save",
        "30",
        "7",
        "--maxmemory-policy",
        "allkeys-random",
    ]);
    setup.start().client().transcript(
        r#"
        > CONFIG GET timeout
        ["timeout", "44"]
        > CONFIG GET maxmemory
        ["maxmemory", "1048576"]
        > CONFIG GET save
        ["save", "60 5 30 7"]
        > CONFIG GET maxmemory-policy
        ["maxmemory-policy", "allkeys-random"]
        "#,
    );
}

#[test]
fn a_bad_line_stops_the_start_with_its_number_and_reason() {
    let cases = [
        ("bogus yes", "bogus yes", "Bad directive or wrong number of arguments"),
        ("timeout soon", "timeout soon", "argument couldn't be parsed into an integer"),
        ("maxmemory 5parsecs", "maxmemory 5parsecs", "argument must be a memory value"),
        ("save 10", "save 10", "Invalid save parameters"),
        ("rdbcompression maybe", "rdbcompression maybe", "argument must be 'yes' or 'no'"),
        ("requirepass \"open", "requirepass \"open", "nbalanced quotes"),
        ("timeout", "timeout", "wrong number of arguments"),
    ];
    for (line, shown, reason) in cases {
        let refused = Setup::new().config(&format!("# fine\n{line}")).start_refused();
        assert!(!refused.status.success(), "{line}");
        assert!(refused.log.contains(shown), "{line}: the line is shown\n{}", refused.log);
        assert!(refused.log.contains(reason), "{line}: with the reason\n{}", refused.log);
        // Six lines come from the test's own head, one is the comment.
        assert!(refused.log.contains("line 8"), "{line}: with its number\n{}", refused.log);
    }
    let refused = Setup::new().args(&["--bogus", "1"]).start_refused();
    assert!(!refused.status.success());
    assert!(refused.log.contains("bogus"), "{}", refused.log);
    let refused = Setup::new().config("include /no/such/file.conf").start_refused();
    assert!(!refused.status.success());
    assert!(refused.log.contains("/no/such/file.conf"), "{}", refused.log);
}

#[test]
fn every_bad_line_is_named_at_once_and_a_typing_error_gets_a_suggestion() {
    if against_redis() {
        return;
    }
    let refused = Setup::new().config("timeout soon\nmaxmemory-polcy allkeys-lru\nappendonly yes").start_refused();
    assert!(!refused.status.success());
    for shown in ["at line 7\n>>> 'timeout soon'", "at line 8", "Did you mean 'maxmemory-policy'?", "at line 9", "RDB"]
    {
        assert!(refused.log.contains(shown), "{shown}: {}", refused.log);
    }
    assert_eq!(refused.log.matches("*** FATAL CONFIG FILE ERROR").count(), 1, "{}", refused.log);
    let refused = Setup::new().args(&["--maxmemory", "much"]).start_refused();
    assert!(refused.log.contains("Reading the argument '--maxmemory'"), "{}", refused.log);
    assert!(!refused.log.contains("FILE"), "{}", refused.log);
}

#[test]
fn settings_without_effect_are_read_and_listed_in_one_line_of_the_log() {
    if against_redis() {
        return;
    }
    let lines = "io-threads 4\nserver_cpulist 0-1\nlist-max-ziplist-entries 512\nlua-replicate-commands yes\n\
                 dual-channel-replication-enabled yes\nlog-format logfmt\nsearch-workers 3\n\
                 commandlog-execution-slower-than 1234";
    let server = Server::with_config(lines);
    let log = server.log();
    let listed: Vec<&str> = log.lines().filter(|line| line.contains("have no effect in Copal")).collect();
    assert_eq!(listed.len(), 1, "{log}");
    for name in [
        "io-threads",
        "server-cpulist (server_cpulist)",
        "list-max-ziplist-entries",
        "lua-replicate-commands",
        "dual-channel-replication-enabled",
        "log-format",
        "search-*",
    ] {
        assert!(listed[0].contains(name), "{name}: {}", listed[0]);
    }
    assert!(!listed[0].contains("commandlog"), "{}", listed[0]);
    server.client().transcript(
        r#"
        > CONFIG GET io-threads
        ["io-threads", "1"]
        > CONFIG GET server_cpulist
        ["server_cpulist", ""]
        > CONFIG GET list-max-ziplist-entries
        []
        > CONFIG SET dual-channel-replication-enabled no
        -ERR Unknown option or number of arguments for CONFIG SET - 'dual-channel-replication-enabled'
        > CONFIG SET activedefrag yes
        +OK
        > CONFIG SET activedefrag no
        +OK
        > CONFIG GET slowlog-log-slower-than
        ["slowlog-log-slower-than", "1234"]
        > CONFIG REWRITE
        +OK
        "#,
    );
    let text = fs::read_to_string(server.config_path()).expect("the file is there");
    for line in lines.lines().filter(|line| !line.starts_with("commandlog")) {
        assert!(text.contains(line), "{line} is still there:\n{text}");
    }
    assert!(text.contains("slowlog-log-slower-than 1234"), "{text}");
}

#[test]
fn config_rewrite_keeps_comments_and_changes_only_what_changed() {
    let mut server = Server::with_config("# my comment\ntimeout 10\n\n# another\nmaxclients 500");
    let mut client = server.client();
    client.transcript(
        r#"
        > CONFIG SET timeout 20 maxmemory 2mb save "900 1 5 2"
        +OK
        > CONFIG REWRITE
        +OK
        "#,
    );
    let text = fs::read_to_string(server.config_path()).expect("the file is there");
    let lines: Vec<_> = text.lines().collect();
    let at = |line: &str| lines.iter().position(|found| *found == line).unwrap_or_else(|| panic!("{line}:\n{text}"));
    assert!(at("# my comment") < at("timeout 20"));
    assert!(at("timeout 20") < at("# another"));
    assert!(at("# another") < at("maxclients 500"));
    at("maxmemory 2mb");
    assert!(text.contains("save 900 1"), "{text}");
    assert!(!text.contains("timeout 10"));
    assert!(!text.contains("tcp-keepalive"), "defaults are not written:\n{text}");
    assert_eq!(client.run("CONFIG REWRITE"), ok());
    let second = fs::read_to_string(server.config_path()).expect("the file is there");
    assert_eq!(second.trim_end(), text.trim_end(), "a second rewrite changes nothing");
    // The rewritten file starts a server that reads the same.
    let before = client.run("CONFIG GET *");
    server.kill();
    let text: String = text.lines().filter(|line| !line.starts_with("dir ")).map(|line| format!("{line}\n")).collect();
    let again = Setup::new().config(&text.replace("port ", "# port ")).start();
    let skip = |name: &str| matches!(name, "port" | "dir" | "pidfile");
    for pair in before.items().chunks_exact(2).filter(|pair| !skip(&pair[0].text())) {
        let now = again.client().cmd(&["CONFIG", "GET", &pair[0].text()]);
        assert_eq!(now.items().get(1), Some(&pair[1]), "{}", pair[0].text());
    }
}

#[test]
fn config_rewrite_without_a_file_says_so() {
    let server = Setup::new().without_config_file().start();
    assert_eq!(server.client().run("CONFIG REWRITE"), err("ERR The server is running without a config file"));
}

#[test]
fn the_configuration_can_come_config_by_standard_input() {
    let server = Setup::new().config("timeout 55").config_by_standard_input().start();
    server.client().transcript("> CONFIG GET timeout\n[\"timeout\", \"55\"]");
}

#[test]
fn the_log_goes_to_its_file_at_its_level() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server.log");
    let server = Server::with_config(&format!("logfile {}\nloglevel notice", path.display()));
    let text = fs::read_to_string(&path).expect("the log file");
    let ready = text.lines().find(|line| line.contains("Ready to accept connections")).expect("the ready line");
    let (head, rest) = ready.split_once(' ').expect("a head");
    assert_eq!(head, format!("{}:M", server.pid()));
    let words: Vec<_> = rest.split(' ').collect();
    assert_eq!(words[3].len(), "12:44:38.076".len(), "date and time: {ready}");
    assert!(matches!(words[4], "*" | "#"), "the level's sign: {ready}");
    assert!(text.contains("Server initialized"), "{text}");
    assert_eq!(server.client().run("CONFIG SET loglevel warning"), ok());
}

#[test]
fn version_and_help_print_and_end() {
    let run = |argument: &str| {
        let setup = Setup::new().without_config_file().without_own_arguments().args(&[argument]);
        let ended = setup.start_refused();
        assert!(ended.status.code() == Some(i32::from(argument == "--help" && against_redis())), "{:?}", ended.status);
        ended.log
    };
    let version = run("--version");
    assert!(version.contains(" v=7."), "{version}");
    if !against_redis() {
        assert!(version.contains(" v=7.2.4"), "{version}");
    }
    assert!(run("--help").to_lowercase().contains("usage"));
}
