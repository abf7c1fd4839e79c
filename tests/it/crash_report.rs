//! What a server that dies of a mistake leaves in its log.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::Signal;

use crate::support::{Client, Server, Setup, against_redis, ok, wait_until};

const BEGIN: &str = "=== REDIS BUG REPORT START";
const END: &str = "=== REDIS BUG REPORT END";

/// The one report in the log.
#[track_caller]
fn report(server: &Server) -> String {
    let log = server.log();
    assert_eq!((log.matches(BEGIN).count(), log.matches(END).count()), (1, 1), "{log}");
    let (from, to) = (log.find(BEGIN).expect("just counted"), log.find(END).expect("just counted"));
    log[from..to].to_owned()
}

#[test]
fn a_server_killed_by_a_signal_of_its_own_kind_leaves_a_report_and_dies_of_the_signal() {
    for signal in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGABRT] {
        let mut server = Server::start();
        assert_eq!(server.client().run("SET key value"), ok());
        server.signal(signal);
        assert_eq!(server.wait_for_exit().signal(), Some(signal as i32));
        let report = report(&server);
        assert!(report.contains(&format!("crashed by signal: {}", signal as i32)), "{report}");
        assert!(report.contains("STACK TRACE"), "{report}");
        if against_redis() {
            continue;
        }
        assert!(report.contains(env!("CARGO_PKG_VERSION")) && report.contains(signal.as_str()), "{report}");
        assert!(report.contains(&format!("sent by the process {}", std::process::id())), "{report}");
        #[cfg(target_arch = "x86_64")]
        for register in ["RIP:", "RSP:", "RAX:"] {
            assert!(report.contains(register), "{report}");
        }
        assert!(!report.contains("executes the command"), "the server was idle: {report}");
    }
}

#[test]
fn the_report_names_the_command_in_which_the_server_died() {
    if against_redis() {
        return;
    }
    let mut server = Server::start();
    let mut client = server.client();
    assert!(client.try_cmd(&["DEBUG", "SEGFAULT"]).is_err(), "the connection ends without a reply");
    assert_eq!(server.wait_for_exit().signal(), Some(Signal::SIGSEGV as i32));
    let report = report(&server);
    assert!(
        report.contains("executes the command debug") && report.contains("raised by the server itself"),
        "{report}"
    );
    // The trace has places of this program, as numbers that `addr2line` takes.
    let trace = report.split_once("STACK TRACE").expect("a trace").1;
    assert!(trace.lines().filter(|line| line.contains(" +0x")).count() > 2, "{report}");
}

#[test]
fn a_panic_leaves_one_report_though_it_ends_in_a_signal() {
    if against_redis() {
        return;
    }
    let mut server = Server::start();
    assert!(server.client().try_cmd(&["DEBUG", "PANIC"]).is_err());
    assert_eq!(server.wait_for_exit().signal(), Some(Signal::SIGABRT as i32));
    assert!(report(&server).contains("This is a mistake in Copal"));
}

#[test]
fn a_report_without_user_data_shows_neither_registers_nor_messages() {
    if against_redis() {
        return;
    }
    let mut server = Server::with_config("hide-user-data-from-log yes");
    server.signal(Signal::SIGSEGV);
    server.wait_for_exit();
    let text = report(&server);
    assert!(text.contains("Hidden by hide-user-data-from-log") && !text.contains("RSP:"), "{text}");
    assert!(text.contains("STACK TRACE"), "{text}");
    let mut server = Server::start();
    let mut client = server.client();
    assert_eq!(client.run("CONFIG SET hide-user-data-from-log yes"), ok());
    assert!(client.try_cmd(&["DEBUG", "PANIC"]).is_err());
    server.wait_for_exit();
    let text = report(&server);
    assert!(text.contains("message hidden by hide-user-data-from-log"), "{text}");
    assert!(text.contains("This is a mistake in Copal"), "{text}");
}

#[test]
fn without_a_crash_log_the_server_dies_of_the_signal_in_silence() {
    let mut server = Server::with_config("crash-log-enabled no");
    server.signal(Signal::SIGSEGV);
    assert_eq!(server.wait_for_exit().signal(), Some(Signal::SIGSEGV as i32));
    assert!(!server.log().contains(BEGIN), "{}", server.log());
    let mut server = Server::start();
    assert_eq!(server.client().run("CONFIG SET crash-log-enabled no"), ok());
    server.signal(Signal::SIGBUS);
    assert_eq!(server.wait_for_exit().signal(), Some(Signal::SIGBUS as i32));
    assert!(!server.log().contains(BEGIN), "{}", server.log());
}

#[test]
fn a_dump_that_is_cut_short_while_it_is_loaded_is_named() {
    if against_redis() {
        return;
    }
    let writer = Server::with_config("rdbcompression no");
    assert_eq!(writer.client().run("DEBUG POPULATE 5000 key 400"), ok());
    assert_eq!(writer.client().run("SAVE"), ok());
    let dump = std::fs::read(writer.dump_path()).expect("the dump");
    let slow = "key-load-delay 1000\nloading-process-events-interval-bytes 1024";
    let mut server = Setup::new().file("dump.rdb", dump).config(slow).start_without_waiting();
    wait_until("it loads", 30, || {
        let reported = Client::try_connect(server.address()).and_then(|mut client| client.try_cmd(&["GET", "key:1"]));
        reported.is_ok_and(|reply| reply.text().starts_with("LOADING"))
    });
    let file = File::options().write(true).open(server.dump_path()).expect("the dump");
    file.set_len(4096).expect("it can be cut");
    assert_eq!(server.client().run("CONFIG SET key-load-delay 0"), ok());
    assert_eq!(server.wait_for_exit().signal(), Some(Signal::SIGBUS as i32));
    let report = report(&server);
    let path = server.dump_path().canonicalize().expect("it is there");
    assert!(report.contains(&format!("The file {} was cut short", path.display())), "{report}");
    assert!(report.contains("Accessing address: 0x"), "{report}");
}
