//! How the server starts, moves its sockets, and ends.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::SystemTime;

use nix::sys::signal::Signal;

use crate::support::{Client, Confinement, Server, Setup, against_redis, free_port, ok, simple, wait_until};

#[test]
fn config_set_port_moves_the_socket_and_leaves_connections() {
    let server = Server::start();
    let mut old = server.client();
    let port = free_port();
    assert_eq!(old.run(&format!("CONFIG SET port {port}")), ok());
    let mut new = Client::connect(([127, 0, 0, 1], port).into());
    assert_eq!(new.run("PING"), simple("PONG"));
    assert_eq!(old.run("PING"), simple("PONG"));
    assert!(Client::try_connect(server.address()).is_err(), "the old port is closed");
    assert_eq!(new.run(&format!("CONFIG SET port {}", server.port())), ok());
}

#[test]
fn a_port_in_use_leaves_every_setting_and_the_socket_as_they_were() {
    let server = Server::start();
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let mut client = server.client();
    let reply = client.run(&format!("CONFIG SET timeout 77 port {port} maxmemory 5mb"));
    let text = format!("{reply:?}");
    assert!(text.contains("(possibly related to argument 'port') - Unable to listen on this port"), "{text}");
    client.transcript("> CONFIG GET timeout\n[\"timeout\", \"0\"]\n> CONFIG GET maxmemory\n[\"maxmemory\", \"0\"]");
    assert_eq!(server.client().run("PING"), simple("PONG"), "the old port is open again");
}

#[test]
fn an_address_that_is_not_ours_is_refused() {
    let server = Server::start();
    let mut client = server.client();
    let text = format!("{:?}", client.run("CONFIG SET bind 192.0.2.1"));
    assert!(text.contains("Failed to bind to specified addresses."), "{text}");
    assert_eq!(client.run("CONFIG SET bind \"127.0.0.1 -192.0.2.1\""), ok(), "a dash allows it to be missing");
    assert_eq!(server.client().run("PING"), simple("PONG"));
}

#[test]
fn the_pid_file_and_the_unix_socket_go_when_the_server_ends() {
    let mut server = Server::with_config("pidfile server.pid\nunixsocket server.sock\nunixsocketperm 700");
    let (pid_file, socket) = (server.data_dir().join("server.pid"), server.data_dir().join("server.sock"));
    assert_eq!(fs::read_to_string(&pid_file).expect("the pid file").trim(), server.pid().to_string());
    assert_eq!(Client::connect_unix(&socket).run("PING"), simple("PONG"));
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    assert!(!pid_file.exists() && !socket.exists());
    assert!(server.log().contains("bye bye"), "{}", server.log());
}

#[test]
fn a_socket_that_cannot_be_opened_is_named_for_what_it_is() {
    if against_redis() {
        return;
    }
    let refused = Setup::new().config("unixsocket /no/such/folder/server.sock").start_refused();
    assert!(!refused.status.success());
    assert!(refused.log.contains("/no/such/folder/server.sock"), "{}", refused.log);
    assert!(!refused.log.contains("(tcp)"), "{}", refused.log);
}

#[test]
fn renamed_commands_answer_to_their_new_names_only() {
    let server = Server::with_config("rename-command SET put\nrename-command ECHO \"\"");
    server.client().transcript(
        r#"
        > PUT key value
        +OK
        > SET key value
        -ERR unknown command 'SET', with args beginning with: 'key' 'value' ...
        > ECHO x
        -ERR unknown command 'ECHO', with args beginning with: 'x' ...
        "#,
    );
    let refused = Setup::new().config("rename-command NOSUCH x").start_refused();
    assert!(!refused.status.success());
}

#[test]
fn the_process_title_shows_the_address() {
    let server = Server::with_config("proc-title-template \"TEST {title} {port} {config-file}\"");
    let title = || fs::read_to_string(format!("/proc/{}/cmdline", server.pid())).expect("a running process");
    let wanted = format!("{} {}", server.port(), server.config_path().display());
    wait_until("the title is set", 10, || title().starts_with("TEST ") && title().contains(&wanted));
    assert_eq!(server.client().run("CONFIG SET proc-title-template \"{port} x\""), ok());
    assert!(title().starts_with(&format!("{} x", server.port())), "{}", title());
}

#[test]
fn the_title_of_the_process_that_saves_says_so() {
    let server = Server::with_config("rdb-key-save-delay 10000");
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    let title_while_saving = |client: &mut Client| {
        client.run("BGSAVE");
        let shown = |title: &str| title.split('\0').next().unwrap_or_default().to_owned();
        let mut title = String::new();
        wait_until("the child shows its title", 10, || {
            let children = server.child_pids();
            title = children
                .first()
                .and_then(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).ok())
                .map_or_else(String::new, |title| shown(&title));
            !title.is_empty() && !title.contains("copal-server")
        });
        client.run("BGSAVE CANCEL");
        wait_until("the child has ended", 10, || server.child_pids().is_empty());
        title
    };
    let address = format!("127.0.0.1:{}", server.port());
    assert_eq!(title_while_saving(&mut client), format!("copal-rdb-bgsave {address}"));
    client.run("CONFIG SET proc-title-template \"{title} of {port}\"");
    assert_eq!(title_while_saving(&mut client), format!("copal-rdb-bgsave of {}", server.port()));
    let own = fs::read_to_string(format!("/proc/{}/cmdline", server.pid())).expect("a running process");
    assert!(own.contains("copal-server of"), "{own}");
}

/// How many seconds the times of the log are before UTC.
fn seconds_ahead_of_utc(log: &str) -> i64 {
    const DAY: i64 = 86_400;
    let time = log.split_whitespace().nth(4).expect("pid:role day month year time");
    let numbers: Vec<i64> =
        time[..8].split(':').map(|number| number.parse().expect("hours, minutes and seconds")).collect();
    let of_day = (numbers[0] * 60 + numbers[1]) * 60 + numbers[2];
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let ahead = (of_day - i64::try_from(unix).expect("a time")).rem_euclid(DAY);
    // The line was written a moment before.
    (ahead + 300) / 600 * 600 % DAY
}

#[test]
fn times_in_the_log_follow_the_zone_that_is_set() {
    const INDIA: i64 = 19_800;
    let mut zones = vec![("TZ=IST-5:30", INDIA), ("TZ=", 0), ("TZ=UTC0", 0)];
    if fs::exists("/usr/share/zoneinfo/Asia/Kolkata").expect("a look") {
        zones.extend([("TZ=Asia/Kolkata", INDIA), ("TZ=:/usr/share/zoneinfo/Asia/Kolkata", INDIA)]);
    }
    for (zone, ahead) in zones {
        let log = Setup::new().launched_by(&["env", zone]).start().log();
        assert_eq!(seconds_ahead_of_utc(&log), ahead, "{zone}: {log}");
        assert!(!log.contains("Times in this log"), "{zone}: {log}");
    }
}

#[test]
fn a_zone_that_is_not_known_is_said_and_leaves_utc() {
    if against_redis() {
        return;
    }
    let log = Setup::new().launched_by(&["env", "TZ=Not/There"]).start().log();
    assert!(log.contains("Times in this log are in UTC: the time zone 'Not/There'"), "{log}");
    assert_eq!(seconds_ahead_of_utc(&log), 0, "{log}");
    let confinement = Confinement::new().hiding("/etc");
    if confinement.is_possible() {
        let log = Setup::new().launched_by(&["env", "-u", "TZ"]).confined(confinement).start().log();
        assert!(log.contains("Times in this log are in UTC: the system says no time zone"), "{log}");
        assert_eq!(seconds_ahead_of_utc(&log), 0, "{log}");
    }
}

#[test]
fn a_configuration_is_checked_without_a_server_that_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("redis.conf");
    let check = |text: &str| {
        fs::write(&file, text).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_copal-server")).arg("--check-config").arg(&file).output();
        let output = output.expect("the program runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, text) = check("port 0\nio-threads 4\n");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("The configuration is valid.") && text.contains("no effect in Copal: io-threads"), "{text}");
    let (code, text) = check("port 0\nmaxmemroy 1gb\nappendonly yes\n");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("maxmemroy") && text.contains("appendonly"), "all faults are listed: {text}");
    let (code, text) = check("dir /none/such\n");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Can't chdir to '/none/such'"), "{text}");
}
