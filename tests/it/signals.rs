//! What the server does with signals, and with a limit on open files.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{
    Confinement, Server, Setup, against_redis, bulk, encode_command, info_fields, is_alive, ok, send_signal, wait_until,
};

#[test]
fn signals_that_mean_nothing_to_a_server_leave_it_running() {
    let server = Server::with_config("save 10000 1\nrdb-key-save-delay 10000");
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    server.start_background_save();
    let child = server.wait_for_child();
    for signal in [Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGCHLD, Signal::SIGCONT, Signal::SIGWINCH, Signal::SIGURG]
    {
        server.signal(signal);
        assert_eq!(client.run("ECHO still-here"), bulk("still-here"), "{signal}");
    }
    // As a terminal that is closed, and a supervisor that ends everything, would.
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGALRM] {
        assert!(send_signal(child, signal));
        assert_eq!(client.run("ECHO still-here"), bulk("still-here"), "{signal}");
    }
    assert!(is_alive(child), "the parent decides what becomes of the child");
    assert_eq!(server.info_field("persistence", "rdb_bgsave_in_progress"), "1");
}

#[test]
fn signals_without_a_meaning_of_their_own_end_the_server_as_they_do_redis() {
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGQUIT] {
        // Whoever runs this in the background of a shell passes on that some of them are ignored.
        let mut server = Setup::new().launched_by(&["env", "--default-signal"]).start();
        server.signal(signal);
        let status = server.wait_for_exit();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(signal as i32));
    }
}

#[test]
fn a_server_that_is_asked_by_sigalrm_logs_what_it_is_about_and_goes_on() {
    let server = Server::start();
    let mut client = server.client();
    for at in 1..=2 {
        server.signal(Signal::SIGALRM);
        wait_until("it is logged", 30, || server.log().matches("Received SIGALRM").count() == at);
        assert_eq!(client.run("ECHO still-here"), bulk("still-here"));
    }
    if !against_redis() {
        assert_eq!(server.log().matches("STACK TRACE").count(), 2, "{}", server.log());
    }
}

#[test]
fn a_second_sigint_does_not_wait_for_the_command_that_is_running() {
    // The sleep of an older Redis ends with any signal.
    if against_redis() {
        return;
    }
    let mut server = Server::with_config("save 10000 1");
    let mut client = server.client();
    client.run("SET key value");
    client.send(&encode_command(&["DEBUG", "SLEEP", "300"]));
    // The command must have begun: nobody else is answered then.
    wait_until("the command runs", 30, || {
        let mut other = server.client();
        other.set_read_limit(Duration::from_secs(1)).expect("a limit");
        other.try_cmd(&["PING"]).is_err()
    });
    // Two that arrive together are one to the kernel.
    wait_until("it has ended", 30, || {
        server.signal(Signal::SIGINT);
        std::thread::sleep(Duration::from_millis(100));
        !is_alive(server.pid())
    });
    assert_eq!(server.wait_for_exit().code(), Some(1));
    assert!(server.log().contains("You insist... exiting now."), "{}", server.log());
    assert!(!server.dump_path().exists());
}

#[test]
fn a_launcher_that_ignores_the_ends_of_children_breaks_no_save() {
    if against_redis() {
        return;
    }
    let server = Setup::new().confined(Confinement::new().ignoring_child_ends()).start();
    assert_eq!(server.client().run("SET key value"), ok());
    server.background_save();
}

#[test]
fn a_limit_on_open_files_that_leaves_no_client_is_named() {
    let refused = Setup::new().config("maxclients 10").confined(Confinement::new().file_limit(20)).start_refused();
    assert_eq!(refused.status.code(), Some(1));
    let wanted = "Your current 'ulimit -n' of 20 is not enough for the server to start. Please increase your open file \
                  limit to at least 42. Exiting.";
    assert!(refused.log.contains(wanted), "{}", refused.log);
}

#[test]
fn a_limit_on_open_files_lowers_the_number_of_clients() {
    let server = Setup::new().confined(Confinement::new().file_limit(40)).start();
    let mut client = server.client();
    assert_eq!(client.run("CONFIG GET maxclients").texts(), ["maxclients", "8"]);
    // The connection that found the server ready counts until the server has seen its end.
    wait_until("no client but this is connected", 10, || {
        info_fields(&client.run("INFO clients"))["connected_clients"] == "1"
    });
    let others: Vec<_> = (0..7).map(|_| server.client()).collect();
    for mut other in others {
        assert_eq!(other.run("ECHO served"), bulk("served"));
    }
    assert_eq!(client.run("SET key value"), ok());
    server.background_save();
    if !against_redis() {
        server.wait_for_log("maxclients has been reduced to 8");
    }
}
