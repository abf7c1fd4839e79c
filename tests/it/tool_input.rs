//! What `copal-rdb` takes for a dump: files, pipes, standard input, gzip; and what it says of anything else.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::RdbFile;
use crate::tool::{Folder, complaint, filled, fixture, printed, text, tool};

const DUMP: &str = "redis-7.0-lru.rdb";

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_copal-rdb"));
    command.args(args);
    command
}

/// Runs a command with these bytes in a pipe as its standard input.
fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the tool runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // It may end before it has read everything.
    let writer = std::thread::spawn(move || pipe.write_all(&input).ok());
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer does not panic");
    output
}

/// Runs the tool with a pipe as its standard input; its exit code must be `code`.
#[track_caller]
fn fed(code: i32, args: &[&str], input: &[u8]) -> Output {
    let output = feed(&mut command(args), input);
    assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
    output
}

#[track_caller]
fn refused(code: i32, args: &[&str], input: &[u8]) -> String {
    let output = fed(code, args, input);
    text(&output.stdout) + &text(&output.stderr)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).and_then(|()| out.finish()).expect("a vector takes everything")
}

fn dump() -> Vec<u8> {
    fs::read(fixture(DUMP)).expect("a fixture")
}

#[test]
fn every_subcommand_reads_standard_input_and_gzip_as_it_reads_a_file() {
    let (_server, path) = filled();
    let path = path.to_str().expect("a plain path");
    let bytes = fs::read(path).expect("the dump");
    let folder = Folder::new();
    let gz = folder.write("dump.rdb.gz", &packed(&bytes));
    // A server does not uncompress, so the verdict on a compressed dump has some words more.
    let without_name =
        |printed: &str, name: &str| printed.replace(name, "DUMP").replace(" once it is uncompressed", "");
    for args in [
        &["check", "DUMP"][..],
        &["report", "DUMP", "--format", "json"],
        &["convert", "DUMP", "-", "--resp"],
        &["convert", "DUMP", "-", "--jsonl"],
        &["convert", "DUMP", "-", "--rdb-version", "10"],
        &["diff", "DUMP", path],
        &["diff", path, "DUMP"],
        &["salvage", "DUMP", "/dev/null"],
    ] {
        let with = |name: &'static str| -> Vec<&str> {
            args.iter().map(|arg| if *arg == "DUMP" { name } else { *arg }).collect()
        };
        // The members of a set have another order in each process.
        let named = |name: &str, output: Output| match args[0] {
            "convert" => output.stdout.len().to_string(),
            _ => without_name(&String::from_utf8_lossy(&output.stdout), name),
        };
        let from_file: Vec<&str> = args.iter().map(|arg| if *arg == "DUMP" { path } else { *arg }).collect();
        let expected = named(path, tool(0, &from_file));
        for input in ["-", "/dev/stdin"] {
            for fed_bytes in [&bytes[..], &packed(&bytes)] {
                let output = fed(0, &with(input), fed_bytes);
                assert!(named("standard input", output) == expected, "{args:?}");
            }
        }
        let from_gz: Vec<&str> = args.iter().map(|arg| if *arg == "DUMP" { &gz[..] } else { *arg }).collect();
        assert!(named(&gz, tool(0, &from_gz)) == expected, "{args:?}");
    }
}

#[test]
fn a_redirected_file_a_fifo_and_a_socket_are_read() {
    let folder = Folder::new();
    let bytes = dump();
    let expected = printed(&["check", &fixture(DUMP)]).replace(&fixture(DUMP), "standard input");
    let redirected = command(&["check", "-"]).stdin(File::open(fixture(DUMP)).expect("a file")).output();
    assert_eq!(text(&redirected.expect("it runs").stdout), expected);

    // What was read of a file before is no part of it.
    let behind = folder.write("behind", &[b"12345", &bytes[..]].concat());
    let mut file = File::open(&behind).expect("a file");
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(5)).expect("a file can be sought");
    let rest = command(&["check", "-"]).stdin(file).output().expect("it runs");
    assert_eq!(text(&rest.stdout), expected);

    let fifo = folder.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo runs").success());
    let (name, written) = (fifo.clone(), packed(&bytes));
    let writer = std::thread::spawn(move || fs::write(name, written));
    assert_eq!(printed(&["check", &fifo]), expected.replace("standard input", &fifo));
    writer.join().expect("the writer does not panic").expect("all was written");

    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    let child = command(&["check", "-"])
        .stdin(std::os::fd::OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    ours.write_all(&bytes).expect("written");
    drop(ours);
    assert_eq!(text(&child.wait_with_output().expect("it ends").stdout), expected);
}

#[test]
fn what_is_no_file_and_no_pipe_is_named_as_what_it_is() {
    let folder = Folder::new();
    let socket = folder.path("socket");
    let _listener = UnixListener::bind(&socket).expect("a socket");
    for (path, part) in [
        (socket.as_str(), "it is a socket; send its bytes into standard input"),
        ("/dev/null", "it is a character device"),
        ("/dev/zero", "it is a character device"),
        (folder.0.path().to_str().expect("a plain path"), "Is a directory; name the dump in it"),
        (&folder.path("none"), "there is no such file"),
    ] {
        for command in ["check", "report"] {
            let reported = complaint(&[command, path]);
            assert!(reported.contains(part), "{reported}");
        }
    }
    assert!(refused(2, &["check", "-"], b"").contains("standard input: it is empty"));
    assert!(refused(2, &["diff", "-", "-"], &dump()).contains("it can be read only once"));
    for (magic, part) in [
        (&b"\x28\xb5\x2f\xfd and more"[..], "zstd -dc FILE | copal-rdb"),
        (b"\xfd7zXZ\0 and more", "xz -dc FILE"),
        (b"BZh91AY", "bzip2 -dc FILE"),
        (b"\x04\x22\x4d\x18 and more", "lz4 -dc FILE"),
    ] {
        assert!(refused(2, &["check", "-"], magic).contains(part), "{part}");
        assert!(complaint(&["check", &folder.write("packed", magic)]).contains(part), "{part}");
    }
}

#[test]
fn members_of_gzip_follow_one_another_and_damage_is_told() {
    let bytes = dump();
    let (start, end) = bytes.split_at(70);
    let members = [packed(start), packed(end)].concat();
    let expected = printed(&["check", &fixture(DUMP)]).replace(&fixture(DUMP), "standard input");
    assert_eq!(text(&fed(0, &["check", "-"], &members).stdout), expected);
    let output = fed(0, &["check", "-"], &[&members[..], b"and something else"].concat());
    assert_eq!(text(&output.stdout), expected);
    assert!(text(&output.stderr).contains("what follows the gzip data was left out"));

    let cut = &members[..members.len() - 4];
    let reported = refused(1, &["check", "-"], cut);
    assert!(reported.contains("the gzip data are cut short, after 138 bytes of a dump; `salvage` saves"), "{reported}");
    assert!(refused(2, &["report", "-"], cut).contains("the gzip data are cut short"));
    let mut damaged = members.clone();
    let checksum = packed(start).len() - 8;
    damaged[checksum] ^= 1;
    assert!(refused(1, &["check", "-"], &damaged).contains("the gzip data are damaged, after 70 bytes"));

    let twice = packed(&packed(&bytes));
    assert!(refused(2, &["check", "-"], &twice).contains("it is compressed twice"));
    let reported = refused(1, &["check", "-"], &packed(b"some other text"));
    assert!(reported.contains("bad magic at offset 0"), "{reported}");
}

#[test]
fn salvage_saves_what_comes_before_the_damage_of_gzip() {
    let bytes = RdbFile::new(10).string(b"one", b"1").string(b"two", b"2").string(b"three", b"3").finish();
    let folder = Folder::new();
    let out = folder.path("out.rdb");
    let mut members = [packed(&bytes[..25]), packed(&bytes[25..])].concat();
    members.truncate(packed(&bytes[..25]).len() + 12);
    let reported = refused(1, &["salvage", "-", &out], &members);
    assert!(reported.contains("the gzip data are cut short, after 26 bytes"), "{reported}");
    assert!(reported.contains("2 keys in 1 database kept; 1 fault"), "{reported}");
    assert!(printed(&["check", &out]).contains(" 2 keys in 1 database"));
}

#[test]
fn what_begins_as_no_dump_is_not_read_to_its_end() {
    // Packed, this is a megabyte; as it comes out of gzip it would be a gigabyte.
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..200 {
        out.write_all(&zeros).expect("a vector takes everything");
    }
    let bomb = out.finish().expect("a vector takes everything");
    let output = command(&["check", "-"])
        .env("TMPDIR", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            let _ = child.stdin.take().expect("a pipe").write_all(&bomb);
            child.wait_with_output()
        })
        .expect("it ends");
    assert!(text(&output.stdout).contains("bad magic at offset 0"), "{}", text(&output.stdout));
}

#[test]
fn a_large_stream_needs_room_for_temporary_files_and_leaves_none() {
    let folder = Folder::new();
    let value = vec![b'v'; 40 << 20];
    let bytes = RdbFile::new(10).string(b"large", &value).finish();
    let run = |directory: &str| feed(command(&["check", "-"]).env("TMPDIR", directory), &bytes);
    let output = run(folder.0.path().to_str().expect("a plain path"));
    assert!(text(&output.stdout).contains(": OK, "), "{}", text(&output.stderr));
    assert!(folder.names().is_empty());
    let output = run(&folder.path("none"));
    assert_eq!(output.status.code(), Some(2));
    let reported = text(&output.stderr);
    assert!(
        reported.contains("there is no room for it in ") && reported.contains("set TMPDIR to a directory"),
        "{reported}"
    );
}

#[test]
fn output_is_never_the_input_however_that_was_given() {
    let folder = Folder::new();
    let path = folder.write("dump.rdb", &dump());
    let reported = command(&["convert", "--jsonl", "--force", "-", &path])
        .stdin(File::open(&path).expect("a file"))
        .output()
        .expect("it runs");
    assert_eq!(reported.status.code(), Some(2));
    assert!(text(&reported.stderr).contains("is the input itself"));
    let appended = File::options().append(true).open(&path).expect("a file");
    let reported = command(&["convert", "--jsonl", &path, "-"]).stdout(appended).output().expect("it runs");
    assert_eq!(reported.status.code(), Some(2));
    assert!(text(&reported.stderr).contains("standard output is the input itself"));
    assert_eq!(fs::read(&path).expect("the dump"), dump());
}
