//! Saving and loading where a service or a container takes something away from the server.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::system_service::RESOURCES;
use crate::support::{
    Client, Confinement, Filter, Refusal, Server, Setup, against_redis, bulk, children_of, err, int, ok, send_signal,
    user_namespaces_are_possible, wait_until,
};

/// Saves in both ways, and finds the data again after a start. Returns what the server logged.
#[track_caller]
fn saves_and_loads(setup: Setup) -> String {
    // The server is killed for its second start: what it finds is what BGSAVE has left.
    let mut server = setup.config("maxclients 10").start();
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    assert_eq!(client.run("SET first value"), ok());
    assert_eq!(client.run("SAVE"), ok());
    assert_eq!(client.run("SET second value"), ok());
    server.background_save();
    let digest = server.digest();
    server.kill_and_start_again();
    assert_eq!(server.client().run("GET second"), bulk("value"));
    assert_eq!(server.digest(), digest);
    server.background_save();
    server.log()
}

fn denied(calls: &[libc::c_long], refusal: Refusal) -> Confinement {
    Confinement::new().filter(Filter::denying(calls, refusal))
}

#[test]
fn saves_work_where_nothing_may_be_done_about_priorities() {
    for refusal in [Refusal::Kill, Refusal::NotPermitted] {
        let log = saves_and_loads(Setup::new().confined(denied(RESOURCES, refusal)));
        if !against_redis() {
            let is_logged = log.contains("does not allow setpriority, ioprio_set, sched_setscheduler. Copal");
            assert_eq!(is_logged, matches!(refusal, Refusal::Kill), "{log}");
        }
    }
}

#[test]
fn log_says_what_is_left_out_for_a_filter_and_no_more() {
    if against_redis() {
        return;
    }
    let server = Setup::new().confined(denied(&[libc::SYS_pidfd_open], Refusal::Kill)).start();
    let log = server.log();
    assert!(log.contains("does not allow pidfd_open. Copal does without: the end of a background save is"), "{log}");
    assert!(!log.contains("priority"), "{log}");
}

#[test]
fn saves_work_without_any_call_that_the_server_can_do_without() {
    if against_redis() {
        return;
    }
    let calls = [
        libc::SYS_setpriority,
        libc::SYS_getpriority,
        libc::SYS_ioprio_set,
        libc::SYS_ioprio_get,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_getscheduler,
        libc::SYS_pidfd_open,
        libc::SYS_close_range,
        libc::SYS_sync_file_range,
        libc::SYS_process_vm_readv,
        libc::SYS_timerfd_create,
    ];
    for refusal in [Refusal::Kill, Refusal::NotPermitted] {
        saves_and_loads(Setup::new().confined(denied(&calls, refusal)));
    }
    // The report of a crash does without the stack then, and still is one.
    let mut server = Setup::new().confined(denied(&calls, Refusal::Kill)).start();
    server.client().send(b"DEBUG SEGFAULT\r\n");
    let status = server.wait_for_exit();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGSEGV));
    assert!(server.log().contains("REDIS BUG REPORT END"), "{}", server.log());
}

#[test]
#[cfg(target_arch = "x86_64")]
fn saves_work_with_the_calls_of_a_system_service_and_no_others() {
    use crate::support::system_service::{PRIVILEGED, SYSTEM_SERVICE};
    for refusal in [Refusal::Kill, Refusal::NotPermitted] {
        saves_and_loads(Setup::new().confined(Confinement::new().filter(Filter::allowing(SYSTEM_SERVICE, refusal))));
    }
    // As Debian's unit for redis-server.
    let confinement = denied(PRIVILEGED, Refusal::Kill)
        .filter(Filter::denying(RESOURCES, Refusal::Kill))
        .filter(Filter::denying_writable_code(Refusal::Kill))
        .filter(Filter::allowing(SYSTEM_SERVICE, Refusal::Kill));
    saves_and_loads(Setup::new().confined(confinement));
}

#[test]
fn saves_work_where_memory_cannot_be_written_and_executed() {
    for refusal in [Refusal::Kill, Refusal::NotPermitted] {
        let filter = Filter::denying_writable_code(refusal);
        saves_and_loads(Setup::new().confined(Confinement::new().filter(filter)));
    }
}

#[test]
fn a_filter_that_ends_the_child_is_named_as_the_reason() {
    if against_redis() {
        return;
    }
    // A background save brings its file to the disk by a call that nothing else here makes.
    let server = Setup::new()
        .config("save 10000 100000")
        .confined(denied(&[libc::SYS_fsync, libc::SYS_fdatasync], Refusal::Kill))
        .start();
    let mut client = server.client();
    client.run("SET key value");
    server.start_background_save();
    server.wait_for_save_end();
    let reason = server.info_field("persistence", "rdb_last_bgsave_error");
    for word in ["SIGSYS", "system-call filter", "SystemCallFilter="] {
        assert!(reason.contains(word), "{reason}");
    }
    assert_eq!(client.run("SNAPSHOT LATEST").field("error").text(), reason);
    assert!(server.log().contains("SIGSYS"), "{}", server.log());
    assert!(server.temp_files().is_empty());
    assert!(!server.dump_path().exists());
}

#[test]
fn saves_work_without_the_files_of_the_kernel() {
    for hidden in [&["/proc"][..], &["/sys"], &["/proc", "/sys"]] {
        let mut confinement = Confinement::new();
        for folder in hidden {
            confinement = confinement.hiding(folder);
        }
        if confinement.is_possible() {
            saves_and_loads(Setup::new().confined(confinement));
        }
    }
}

#[test]
fn saves_work_where_only_the_data_folder_can_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let confinement = Confinement::new().read_only_but(folder.path());
    if confinement.is_possible() {
        saves_and_loads(Setup::new().data_dir(folder.path()).confined(confinement));
    }
}

#[test]
fn saves_work_in_a_user_namespace() {
    let confinement = Confinement::new().in_user_namespace();
    if confinement.is_possible() {
        saves_and_loads(Setup::new().confined(confinement));
    }
}

#[test]
fn saves_work_with_everything_taken_away_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let confinement = denied(RESOURCES, Refusal::Kill)
        .filter(Filter::denying_writable_code(Refusal::Kill))
        .hiding("/proc")
        .hiding("/sys")
        .read_only_but(folder.path())
        .in_user_namespace();
    if confinement.is_possible() {
        saves_and_loads(Setup::new().data_dir(folder.path()).confined(confinement));
    }
}

/// A server that is the first process of its container, and its number outside.
fn first_process(config: &str) -> (Server, u32) {
    let launcher = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let server = Setup::new().config(config).launched_by(&launcher).start();
    let first = *children_of(server.pid()).first().expect("the launcher has started it");
    (server, first)
}

#[test]
fn the_first_process_of_a_container_saves_and_ends() {
    if !user_namespaces_are_possible() {
        return;
    }
    let (mut server, first) = first_process("save 10000 1");
    let mut client = server.client();
    assert_eq!(client.run("SET key value"), ok());
    server.background_save();
    assert_eq!(client.run("SET other value"), ok());
    // The kernel keeps signals without a handler away from it.
    assert!(send_signal(first, Signal::SIGTERM));
    assert!(server.wait_for_exit().success(), "{}", server.log());
    server.start_again();
    assert_eq!(server.client().run("DBSIZE"), int(2));
    server.client().send(b"DEBUG SEGFAULT\r\n");
    let status = server.wait_for_exit();
    assert!(!status.success(), "a crash ends the first process too: {status}");
}

/// The zombies whose parent is this process.
fn zombies_of(parent: u32) -> usize {
    let entries = fs::read_dir("/proc").expect("the list of processes");
    let stats = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let is_zombie = |stat: &String| {
        let fields: Vec<_> = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().collect();
        fields.first() == Some(&"Z") && fields.get(1) == Some(&&*parent.to_string())
    };
    stats.filter(is_zombie).count()
}

#[test]
fn the_first_process_of_a_container_lets_no_stranger_stay_a_zombie() {
    if !user_namespaces_are_possible() {
        return;
    }
    let (server, first) = first_process("rdb-key-save-delay 10000");
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    server.start_background_save();
    // A shell that leaves its own child to the first process, as a health check may.
    let status = std::process::Command::new("nsenter")
        .args(["--target", &first.to_string(), "--user", "--pid", "sh", "-c", "sleep 0.3 & sleep 0.3 & exit 0"])
        .status();
    assert!(status.expect("nsenter runs").success());
    wait_until("the strangers have come", 30, || children_of(first).len() > 1 || zombies_of(first) > 0);
    wait_until("they have gone", 30, || children_of(first).len() == 1 && zombies_of(first) == 0);
    assert_eq!(server.info_field("persistence", "rdb_bgsave_in_progress"), "1");
    client.run("CONFIG SET rdb-key-save-delay 0");
    client.run("BGSAVE CANCEL");
    server.wait_for_save_end();
    server.background_save();
}

#[test]
fn a_server_without_its_kernel_files_answers_as_before() {
    let confinement = Confinement::new().hiding("/proc").hiding("/sys");
    if !confinement.is_possible() || against_redis() {
        return;
    }
    let server = Setup::new().config("oom-score-adj yes").confined(confinement).start();
    let mut client: Client = server.client();
    for section in ["server", "memory", "persistence", "stats", "cpu", "everything"] {
        assert!(!client.run(&format!("INFO {section}")).is_error(), "{section}");
    }
    assert!(!client.run("MEMORY DOCTOR").is_error());
    assert_eq!(client.run("SAVE"), ok());
    assert_eq!(
        client.run("CONFIG SET oom-score-adj absolute"),
        err(
            "ERR CONFIG SET failed (possibly related to argument 'oom-score-adj') - Failed to apply new oom_score_adj \
             configuration, check server logs."
        )
    );
    assert_eq!(client.run("SET key value"), ok());
    server.background_save();
}
