//! Files and sockets that are not the server's own: it removes and replaces only what is surely its own.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_WRLCK, SEEK_SET, c_short, flock};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;

use crate::support::{Client, RdbFile, Server, Setup, against_redis, bulk, int, ok, simple};

fn dump(value: &str) -> Vec<u8> {
    RdbFile::new(11).select(0).string(b"key", value.as_bytes()).finish()
}

/// A dump without its end.
fn cut_dump() -> Vec<u8> {
    let mut bytes = dump("value that was being written");
    bytes.truncate(bytes.len() - 12);
    bytes
}

/// The beginning of a dump of a version that nobody knows yet.
fn later_dump() -> Vec<u8> {
    [&b"REDIS0099"[..], &cut_dump()[9..]].concat()
}

/// Holds the lock that a save holds, as another container's server would.
fn lock(path: &Path) -> File {
    let file = File::options().read(true).write(true).open(path).expect("the file");
    let whole = flock { l_type: F_WRLCK as c_short, l_whence: SEEK_SET as c_short, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)).expect("nobody else has it");
    file
}

fn mkfifo(path: &Path) {
    nix::unistd::mkfifo(path, Mode::S_IRWXU).expect("a named pipe");
}

#[test]
fn start_removes_unfinished_dumps_that_nobody_writes_and_says_what_it_leaves() {
    if against_redis() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let left = [
        ("temp-29001.rdb", dump("a backup"), "it ends as a whole dump does"),
        ("temp-29002.rdb", b"a user's own".to_vec(), "it is not an unfinished dump"),
        ("temp-4194399.rdb", cut_dump(), "no process has such a number"),
        ("temp-20261128.rdb", cut_dump(), "no process has such a number"),
        ("temp-29003.rdb", cut_dump(), "a process is writing it"),
        ("temp-29008.rdb", [dump("a backup"), b"\n".to_vec()].concat(), "it is a whole dump, with other bytes behind"),
        ("temp-29009.rdb", later_dump(), "it is not an unfinished dump"),
    ];
    for (name, bytes, _) in &left {
        fs::write(path(name), bytes).expect("a file");
    }
    let _writer = lock(&path("temp-29003.rdb"));
    for (name, bytes) in [("temp-29004.rdb", cut_dump()), ("temp-29005.rdb", Vec::new())] {
        fs::write(path(name), bytes).expect("a file");
    }
    fs::write(path("elsewhere"), cut_dump()).expect("a file");
    std::os::unix::fs::symlink("elsewhere", path("temp-29006.rdb")).expect("a link");
    mkfifo(&path("temp-29007.rdb"));
    for name in ["temp-notes.rdb", "temp-029.rdb", "temp-29.rdb.old", "temperature.txt"] {
        fs::write(path(name), "").expect("a file");
    }
    let server = Setup::new().data_dir(folder.path()).start();
    let log = server.log();
    for (name, bytes, reason) in &left {
        assert_eq!(&fs::read(path(name)).expect("it stays"), bytes, "{name}");
        assert!(log.contains(&format!("Left {name} as it is: {reason}")), "{name}:\n{log}");
    }
    for name in ["temp-29004.rdb", "temp-29005.rdb"] {
        assert!(!path(name).exists(), "{name}");
        assert!(log.contains(&format!("Removed {name}, left behind by a save")), "{name}:\n{log}");
    }
    for name in ["temp-29006.rdb", "temp-29007.rdb", "elsewhere", "temp-notes.rdb", "temp-29.rdb.old"] {
        assert!(fs::symlink_metadata(path(name)).is_ok(), "{name}");
    }
}

#[test]
fn dump_whose_name_is_that_of_a_temp_file_is_loaded_saved_and_never_removed() {
    if against_redis() {
        return;
    }
    let name = "temp-29011.rdb";
    let mut server = Setup::new().config(&format!("dbfilename {name}")).file(name, dump("old")).start();
    assert_eq!(server.client().run("GET key"), bulk("old"));
    assert_eq!(server.client().run("SET key new"), ok());
    assert_eq!(server.client().run("SAVE"), ok());
    server.kill_and_start_again();
    assert_eq!(server.client().run("GET key"), bulk("new"));
    server.kill();
    // Cut short, it still is what the user calls the dump.
    let path = server.data_dir().join(name);
    fs::write(&path, cut_dump()).expect("a file");
    assert!(!server.start_again_refused().status.success());
    assert_eq!(fs::read(&path).expect("the dump"), cut_dump());
}

#[test]
fn save_beside_another_servers_save_of_the_same_number_disturbs_it_not_and_succeeds() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.run("SET key value");
    let path = server.data_dir().join(format!("temp-{}.rdb", server.pid()));
    fs::write(&path, cut_dump()).expect("a file");
    let identity = fs::metadata(&path).expect("a file").ino();
    let writer = lock(&path);
    assert_eq!(client.run("SAVE"), ok());
    assert_eq!(fs::read(&path).expect("it stays"), cut_dump());
    // Neither is a file without a lock, which may be a user's backup or come from a server that knows no locks.
    drop(writer);
    fs::write(&path, dump("a backup")).expect("a file");
    assert_eq!(client.run("SAVE"), ok());
    server.background_save();
    assert_eq!(
        (fs::read(&path).expect("it stays"), fs::metadata(&path).expect("a file").ino()),
        (dump("a backup"), identity)
    );
    assert_eq!(server.temp_files().len(), 1, "{:?}", server.temp_files());
}

#[test]
fn child_whose_temp_file_is_replaced_does_not_make_that_the_dump() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("rdb-key-save-delay 10000");
    server.client().run("DEBUG POPULATE 300");
    server.start_background_save();
    let child = server.wait_for_child();
    let path = server.data_dir().join(format!("temp-{child}.rdb"));
    // One that is replaced while it is created is left for another name.
    crate::support::wait_until("the child writes its temp file", 15, || {
        path.exists() && server.info_number("persistence", "current_save_keys_processed") > 0
    });
    fs::remove_file(&path).expect("the file goes");
    fs::write(&path, "another's").expect("a file");
    server.wait_for_save_end();
    let error = server.info_field("persistence", "rdb_last_bgsave_error");
    assert!(error.contains("was removed or replaced while it was written"), "{error}");
    assert!(!server.dump_path().exists());
    assert_eq!(fs::read(&path).expect("it stays"), b"another's");
}

#[test]
fn unix_socket_of_a_live_server_and_other_files_keep_their_names() {
    if against_redis() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("server.sock");
    let config = format!("unixsocket {}\nunixsocketperm 700", path.display());
    let mut first = Setup::new().config(&config).start();
    let refused = Setup::new().config(&config).start_refused();
    assert!(!refused.status.success());
    assert!(refused.log.contains("Failed opening Unix socket") && refused.log.contains("in use"), "{}", refused.log);
    assert_eq!(Client::connect_unix(&path).run("PING"), simple("PONG"));
    assert_eq!(fs::metadata(&path).expect("the socket").mode() & 0o777, 0o700);
    // A socket that nobody listens on any more is replaced.
    first.kill();
    assert!(path.exists());
    first.start_again();
    assert_eq!(Client::connect_unix(&path).run("PING"), simple("PONG"));
    // At its end a server removes its own socket only.
    fs::remove_file(&path).expect("the socket goes");
    let other = UnixListener::bind(&path).expect("another socket");
    first.signal(Signal::SIGTERM);
    assert!(first.wait_for_exit().success());
    assert!(fs::metadata(&path).expect("the other socket").file_type().is_socket());
    drop(other);
    fs::remove_file(&path).expect("the socket goes");
    fs::write(&path, "a user's own").expect("a file");
    let refused = Setup::new().config(&config).start_refused();
    assert!(refused.log.contains("a file that is not a socket has this name"), "{}", refused.log);
    assert_eq!(fs::read(&path).expect("the file"), b"a user's own");
}

#[test]
fn unix_socket_goes_with_a_server_that_has_moved_and_with_one_that_cannot_start() {
    if against_redis() {
        return;
    }
    let other = tempfile::tempdir().expect("a folder");
    let mut server = Server::with_config("unixsocket server.sock");
    let path = server.data_dir().join("server.sock");
    fs::write(other.path().join("server.sock"), "a user's own").expect("a file");
    let dir = other.path().to_str().expect("a plain path");
    assert_eq!(server.client().cmd(&["CONFIG", "SET", "dir", dir]), ok());
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    assert!(!path.exists());
    assert_eq!(fs::read(other.path().join("server.sock")).expect("the file"), b"a user's own");
    fs::write(server.dump_path(), "no dump").expect("a file");
    assert!(!server.start_again_refused().status.success());
    assert!(!path.exists());
}

#[test]
fn pid_file_replaces_nothing_but_a_number_and_is_removed_only_if_it_is_ours() {
    if against_redis() {
        return;
    }
    let mut server = Setup::new().config("pidfile server.pid").file("server.pid", "precious").start();
    let path = server.data_dir().join("server.pid");
    assert!(server.log().contains("Failed to write PID file"), "{}", server.log());
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    assert_eq!(fs::read(&path).expect("the file"), b"precious");
    fs::write(&path, "1\n").expect("a file");
    server.start_again();
    assert_eq!(fs::read_to_string(&path).expect("the file").trim(), server.pid().to_string());
    fs::write(&path, "1\n").expect("a file");
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    assert_eq!(fs::read(&path).expect("the file"), b"1\n");
}

#[test]
fn rewritten_files_stay_what_they_were_links_among_them_and_leave_no_other() {
    if against_redis() {
        return;
    }
    let server = Setup::new().config("aclfile users.acl").file("real.acl", "user default on nopass ~* &* +@all\n");
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink("real.acl", folder.path().join("users.acl")).expect("a link");
    let server = server.data_dir(folder.path()).start();
    let real = folder.path().join("real.acl");
    fs::set_permissions(&real, Permissions::from_mode(0o640)).expect("our own file");
    let foreign = folder.path().join(format!("real.acl-{}.tmp", server.pid()));
    fs::write(&foreign, "another's").expect("a file");
    let mut client = server.client();
    assert_eq!(client.run("ACL SETUSER ann on nopass +ping"), ok());
    assert_eq!(client.run("ACL SAVE"), ok());
    assert!(fs::read_to_string(&real).expect("the file").contains("user ann on"));
    assert_eq!(fs::metadata(&real).expect("the file").mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(folder.path().join("users.acl")).expect("the link").is_symlink());
    assert_eq!(fs::read(&foreign).expect("the file"), b"another's");
    // A pipe would keep the server waiting.
    fs::remove_file(&real).expect("the file goes");
    mkfifo(&real);
    assert!(client.run("ACL LOAD").is_error() && client.run("ACL SAVE").is_error());
    assert_eq!(client.run("PING"), simple("PONG"));
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 3);
}

#[test]
fn dump_that_is_no_file_is_refused_at_once_with_advice_that_helps() {
    if against_redis() {
        return;
    }
    for (kind, expected) in
        [("pipe", "is a named pipe, not a file"), ("folder", "Is a directory"), ("socket", "is a socket")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dump.rdb");
        match kind {
            "pipe" => mkfifo(&path),
            "folder" => fs::create_dir(&path).expect("a folder"),
            // Its file stays when it is closed.
            _ => drop(UnixListener::bind(&path).expect("a socket")),
        }
        let refused = Setup::new().data_dir(folder.path()).start_refused();
        assert!(!refused.status.success());
        assert!(refused.log.contains(expected) && refused.log.contains("'dbfilename'"), "{}", refused.log);
        assert!(!refused.log.contains("copal-rdb check"), "{}", refused.log);
        assert!(fs::symlink_metadata(&path).is_ok());
    }
}

#[test]
fn pipe_that_has_come_in_the_dumps_place_is_neither_read_nor_replaced() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("snapshot-keep 1");
    let mut client = server.client();
    client.run("SET key value");
    mkfifo(&server.dump_path());
    for save in ["SAVE", "BGSAVE"] {
        let refused = client.run(save);
        assert!(refused.text().contains("is a named pipe, a socket or a device"), "{save}: {refused:?}");
        assert!(refused.text().contains("move it away, or name another file with 'dbfilename'"), "{save}: {refused:?}");
    }
    assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "err");
    assert!(client.run("DEBUG RELOAD NOSAVE").is_error());
    assert_eq!(client.run("DBSIZE"), int(1));
    assert!(fs::metadata(server.dump_path()).expect("the pipe").file_type().is_fifo());
    assert!(server.temp_files().is_empty());
}

#[test]
fn folder_that_has_come_in_the_dumps_place_is_no_place_for_a_save() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    fs::create_dir(server.dump_path()).expect("a folder");
    for save in ["SAVE", "BGSAVE"] {
        let refused = client.run(save);
        assert!(refused.text().contains("is a directory, which a dump does not replace: move it away"), "{refused:?}");
    }
    assert!(server.temp_files().is_empty());
    fs::remove_dir(server.dump_path()).expect("the folder goes");
    server.background_save();
}

#[test]
fn start_says_that_there_is_less_memory_than_the_settings_or_the_dump_want() {
    if against_redis() {
        return;
    }
    let large = RdbFile::new(11).aux("used-mem", "99999999999999").select(0).string(b"key", b"value").finish();
    let server = Setup::new().config("maxmemory 90000gb").file("dump.rdb", large).start();
    let log = server.log();
    assert!(log.contains("WARNING: maxmemory is 96636764160000 bytes, but"), "{log}");
    assert!(log.contains("dump.rdb took 99999999999999 bytes of memory when they were saved, but"), "{log}");
    let server = Server::with_config("maxmemory 1mb");
    assert!(!server.log().contains("WARNING: maxmemory"), "{}", server.log());
    server.client().run("CONFIG SET maxmemory 90000gb");
    server.wait_for_log("WARNING: maxmemory is 96636764160000 bytes, but");
}
