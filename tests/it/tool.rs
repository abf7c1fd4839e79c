//! `copal-rdb`: every subcommand on dumps of live servers and on files written byte by byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{Client, RdbFile, Server, Setup, against_redis, bulk};

/// Runs the tool; its exit code must be `code`.
#[track_caller]
pub fn tool(code: i32, args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_copal-rdb")).args(args).output().expect("the tool runs");
    let reported = || {
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        format!("copal-rdb {}:\n{out}\n{error}", args.join(" "))
    };
    assert_eq!(output.status.code(), Some(code), "{}", reported());
    output
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// What the tool prints when all is well.
#[track_caller]
pub fn printed(args: &[&str]) -> String {
    text(&tool(0, args).stdout)
}

#[track_caller]
pub fn complaint(args: &[&str]) -> String {
    text(&tool(2, args).stderr)
}

pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a plain path").to_owned()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.0.path().join(name), bytes).expect("a file");
        self.path(name)
    }

    pub fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.0.path()).expect("a directory").flatten();
        entries.map(|entry| entry.file_name().into_string().expect("a plain name")).collect()
    }
}

pub fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rdb").join(name);
    path.to_str().expect("a plain path").to_owned()
}

/// Keys of every type in every encoding, with and without an expiry, in three databases, some of many elements.
fn fill(client: &mut Client) {
    for line in [
        r#"SET string:empty """#,
        "SET string:int -12345",
        "SET string:long 9223372036854775807",
        "SET string:short short",
        r#"SET "\x00\xff\r\n" "\x80\x81""#,
        "RPUSH list:few a 1 -70000 bb",
        "SADD set:ints 1 2 300000",
        "SADD set:few a b 3",
        "ZADD zset:few 1 one 2.5 two -inf least inf most 0.1 tenth",
        "HSET hash:few field value number 42",
        "SET expires:later value PXAT 4000000000123",
        "RPUSH expires:list x y",
        "PEXPIREAT expires:list 4100000000000",
    ] {
        assert!(!client.run(line).is_error(), "{line}");
    }
    client.cmd(&["SET", "string:compressible", &"abcd".repeat(3000)]);
    for start in (0..3000).step_by(500) {
        let numbers = start..start + 500;
        let many = |head: &[&str], each: &dyn Fn(usize) -> Vec<String>| {
            let mut words: Vec<String> = head.iter().map(|word| (*word).to_owned()).collect();
            words.extend(numbers.clone().flat_map(each));
            words
        };
        client.cmd(&many(&["RPUSH", "list:many"], &|at| vec![format!("element {at} {}", "x".repeat(at % 50))]));
        client.cmd(&many(&["SADD", "set:many"], &|at| vec![format!("member {at}")]));
        client.cmd(&many(&["ZADD", "zset:many"], &|at| vec![format!("{}.25", at * 3), format!("member {at}")]));
        client.cmd(&many(&["HSET", "hash:many"], &|at| vec![format!("field {at}"), format!("{at}")]));
    }
    for database in [3, 9] {
        client.run(&format!("SELECT {database}"));
        client.run("SET plain value");
        client.run("SET expires:later other PXAT 4000000000123");
    }
    client.run("SELECT 0");
}

/// A dump that a server wrote of what [`fill`] makes, and the server's digest.
pub fn filled() -> (Server, PathBuf) {
    let server = Server::start();
    fill(&mut server.client());
    server.client().run("SAVE");
    let dump = server.dump_path();
    (server, dump)
}

/// Loads a dump into a fresh server.
fn loaded(dump: &str) -> Server {
    Setup::new().file("dump.rdb", fs::read(dump).expect("a dump")).start()
}

/// Sends commands as redis-cli --pipe does: all of them, and then one whose reply ends the replies.
fn pipe(server: &Server, mut commands: Vec<u8>) {
    let mut client = server.client();
    commands.extend(crate::support::encode_command(&["ECHO", "this is the end"]));
    let sender = client.send_in_background(commands);
    loop {
        let reply = client.read();
        assert!(!reply.is_error(), "{reply:?}");
        if reply == bulk("this is the end") {
            break;
        }
    }
    sender.join().expect("the sender does not panic").expect("all was sent");
}

#[test]
fn check_accepts_what_a_server_wrote_and_names_the_first_fault() {
    let (_server, dump) = filled();
    let dump = dump.to_str().expect("a plain path");
    assert!(printed(&["check", "--duplicates", dump]).contains(": OK, RDB version 1"));

    let folder = Folder::new();
    let twice = RdbFile::new(10).string(b"key", b"1").string(b"other", b"2").string(b"key", b"3").finish();
    let twice = folder.write("twice.rdb", &twice);
    for args in [&["check", &twice][..], &["check", "--duplicates", &twice]] {
        let output = text(&tool(1, args).stdout);
        assert!(output.contains(": this server does not load it\n"), "{output}");
        assert!(output.ends_with("the key is there twice (key 'key'), after 2 whole keys\n"), "{output}");
    }
    // What is made of it is loaded.
    let once = folder.path("once.rdb");
    let warning = text(&tool(1, &["convert", "--rdb-version", "11", &twice, &once]).stderr);
    assert!(warning.contains("left out: key 'key' at offset "), "{warning}");
    assert!(warning.ends_with("the key is there twice\n"), "{warning}");
    assert!(printed(&["check", "--duplicates", &once]).contains(", 2 keys in 1 database,"));

    let mut bytes = fs::read(dump).expect("the dump");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let damaged = folder.write("damaged.rdb", &bytes);
    let output = text(&tool(1, &["check", &damaged, dump]).stdout);
    assert!(output.contains("bad checksum at offset ") && output.contains(": OK, "), "{output}");
    let broken = RdbFile::new(10).string(b"whole", b"value").raw(b"\x00\x06broken\xc4").finish();
    let broken = folder.write("broken.rdb", &broken);
    let output = text(&tool(1, &["check", &broken]).stdout);
    assert!(output.contains("at offset 30") && output.ends_with("(key 'broken'), after 1 whole key\n"), "{output}");

    assert!(complaint(&["check", &folder.path("none"), dump]).contains("there is no such file"));
    assert!(complaint(&["check", folder.0.path().to_str().expect("a path")]).contains("Is a directory"));
    tool(2, &["check"]);
    tool(2, &["nonsense"]);
}

#[test]
fn check_accepts_streams_functions_and_what_follows_the_end() {
    let streams = fixture("redis-7.0-every-encoding.rdb");
    let reported = printed(&["check", &streams]);
    assert!(
        !reported.contains("streams") && reported.contains(": OK, ") && reported.contains("; 1 function library\n"),
        "{reported}"
    );
    assert!(reported.ends_with(": this server loads it\n"), "{reported}");
    let mut bytes = fs::read(&streams).expect("a fixture");
    bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    let folder = Folder::new();
    let file = folder.write("preamble.rdb", &bytes);
    assert!(printed(&["check", "--rdb-unknown-types=skip", &file]).contains("; 14 bytes behind the end"));
}

#[test]
fn dumps_of_valkey_9_are_converted_salvaged_and_compared() {
    let folder = Folder::new();
    let out = folder.path("out.rdb");
    for name in ["valkey-9.1-every-encoding.rdb", "valkey-9.1-cluster.rdb"] {
        let valkey = fixture(name);
        tool(0, &["convert", "--force", &valkey, &out, "--rdb-version", "12"]);
        assert!(fs::read(&out).expect("a dump").starts_with(b"REDIS0012"));
        assert!(printed(&["diff", &valkey, &out]).contains("0 added, 0 removed, 0 changed"));
        let reported = text(&tool(1, &["convert", "--force", &valkey, &out, "--rdb-version", "11"]).stderr);
        assert!(reported.contains("a hash whose fields expire needs RDB version 12"), "{reported}");
        tool(0, &["salvage", "--force", "--keep-unknown", &valkey, &out]);
        assert!(printed(&["diff", &valkey, &out]).contains("0 added, 0 removed, 0 changed"));
        // The two bytes that tell the version.
        let mut damaged = fs::read(&valkey).expect("a fixture");
        damaged[7..9].copy_from_slice(b"xx");
        let damaged = folder.write("damaged.rdb", &damaged);
        tool(1, &["salvage", "--force", &damaged, &out]);
        assert!(printed(&["diff", &valkey, &out]).contains("0 added, 0 removed, 0 changed"));
    }
    assert!(printed(&["report", &fixture("valkey-9.1-every-encoding.rdb")]).contains("hash-2"));
}

#[test]
fn keys_beside_what_this_server_does_not_have_are_made_loadable() {
    let folder = Folder::new();
    // A function library is kept, as everything else that this server has.
    let kept = text(&tool(0, &["salvage", &fixture("redis-7.0-every-encoding.rdb"), &folder.path("kept.rdb")]).stdout);
    assert!(kept.ends_with("kept, nothing lost\n"), "{kept}");
    assert!(printed(&["check", &folder.path("kept.rdb")]).ends_with(": this server loads it\n"));
    let out = folder.path("out.rdb");
    let reported = text(&tool(1, &["salvage", "--force", &fixture("redis-8.0-vector-set.rdb"), &out]).stdout);
    assert!(reported.contains("left out: bytes ") && reported.ends_with(", nothing lost\n"), "{reported}");
    assert!(reported.contains("key \"vectors\": unsupported module type"), "{reported}");
    assert!(printed(&["check", &out]).ends_with(": this server loads it\n"));
    if !against_redis() {
        assert_eq!(loaded(&out).client().run("MGET before after").texts(), ["1", "2"]);
    }
}

/// What `check` says is what a server does, each with the same settings.
#[test]
fn check_says_whether_the_server_loads_a_file() {
    if against_redis() {
        return;
    }
    let code = b"#!lua name=l\nredis.register_function('f', function() end)";
    let library = &[b"\xf5", &[code.len() as u8][..], code].concat();
    let bad_library = b"\xf5\x0c#!lua name=l";
    let module_value = b"\x07\x01m\x81\x00\x00\x00\x00\x00\x00\x48\x00\x02\x07\x00";
    let module_data = b"\xf7\x81\x00\x00\x00\x00\x00\x00\x48\x00\x02\x01\x02\x07\x00";
    let metadata = b"\xf3\x01spec\x02\x07\x00";
    let candidate = b"\xf6\x01n\x03LUA\x00\x04code";
    // A stream of one entry that states to have seven.
    let mut listpack = b"\x1f\x00\x00\x00\x0a\x00\x01\x01\x00\x01\x01\x01\x85field\x06".to_vec();
    listpack.extend_from_slice(b"\x00\x01\x02\x01\x00\x01\x00\x01\x81v\x02\x04\x01\xff");
    listpack[0] = listpack.len() as u8;
    let mut stream = b"\x0f\x01s\x01\x10\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    stream.push(listpack.len() as u8);
    stream.extend_from_slice(&listpack);
    stream.extend_from_slice(b"\x07\x05\x00\x00");
    let file_of = |header: &str, bytes: &[u8]| {
        RdbFile::with_header(header).string(b"before", b"1").raw(bytes).string(b"after", b"2").finish()
    };
    let with = |bytes: &[u8]| file_of("REDIS0012", bytes);
    let folder = Folder::new();
    for (what, file, refused, skipped) in [
        ("nothing special", with(b""), true, true),
        ("a library", with(library), true, true),
        ("a library that does not load", with(bad_library), false, false),
        ("a module's value", with(module_value), false, true),
        ("an older module's value", with(&[b"\x06", &module_value[1..]].concat()), false, true),
        (
            "a module's value past its expiry",
            with(&[b"\xfc\x01\0\0\0\0\0\0\0", &module_value[..]].concat()),
            true,
            true,
        ),
        ("a module's data", with(module_data), false, true),
        ("metadata", with(metadata), false, true),
        ("a candidate's function", with(candidate), true, true),
        ("a stream with a wrong length", with(&stream), true, true),
        ("an empty list", with(b"\x01\x01l\x00"), true, true),
        ("an array", with(b"\x1c\x01a\x01\x00\x05\x00\x01x"), false, true),
        ("a template", with(b"\xf2"), false, false),
        ("database 15", with(b"\xfe\x0f\xfe\x00"), true, true),
        ("database 16", with(b"\xfe\x10\xfe\x00"), false, false),
        ("twice", with(b"\x00\x06before\x01x"), false, false),
        ("a version of Redis 8.10", file_of("REDIS0015", b""), true, true),
        ("a later version", file_of("REDIS0016", b""), false, false),
        ("a later Valkey", file_of("VALKEY081", b""), false, false),
        ("no dump", b"something else".to_vec(), false, false),
    ] {
        let file = folder.write("dump.rdb", &file);
        for (setting, loads) in [("refuse", refused), ("skip", skipped)] {
            let args = ["check", "--rdb-unknown-types", setting, &file];
            let output = text(&tool(if loads { 0 } else { 1 }, &args).stdout);
            assert_eq!(output.contains("this server loads it"), loads, "{what}, {setting}: {output}");
            let line = format!("rdb-unknown-types {setting}");
            let setup = Setup::new().config(&line).file("dump.rdb", fs::read(&file).expect("the file"));
            if loads {
                assert_eq!(setup.start().client().run("MGET before after").texts(), ["1", "2"], "{what}, {setting}");
            } else {
                assert!(setup.start_refused().log.contains("Fatal error loading the DB"), "{what}, {setting}");
            }
        }
    }
    let file = folder.write("dump.rdb", &with(b"\xfe\x10"));
    printed(&["check", "--databases", "17", &file]);
}

#[test]
fn a_check_says_whether_the_data_fit_into_the_memory_of_the_server() {
    let folder = Folder::new();
    let large = folder.write(
        "large.rdb",
        &RdbFile::with_header("REDIS0011").raw(b"\xfa\x08used-mem\x075000000").string(b"k", b"v").finish(),
    );
    printed(&["check", "--memory", "5mb", &large]);
    let refused = text(&tool(1, &["check", "--memory", "4mb", &large]).stdout);
    assert!(
        refused.contains(
            "does not load it: its data took 4.77M of memory where they were saved, and the server has 4.00M"
        ),
        "{refused}"
    );
    let silent = folder.write("silent.rdb", &RdbFile::with_header("REDIS0011").string(b"k", b"v").finish());
    let unknown = printed(&["check", "--memory", "4mb", &silent]);
    assert!(unknown.contains("this server loads it, if it has the memory: the file does not say"), "{unknown}");
    tool(2, &["check", "--memory", "much", &silent]);
}

/// Takes away what depends on the machine: the path and the estimates of memory.
fn without_estimates(json: &str) -> String {
    let lines = json.lines().map(|line| match line.split_once("\"memory\": ") {
        Some((indent, number)) => {
            let comma = if number.ends_with(',') { "," } else { "" };
            format!("{indent}\"memory\": \"about so much\"{comma}\n")
        }
        None if line.trim_start().starts_with("\"path\": ") => String::new(),
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// `UPDATE_GOLDEN=1` writes the file anew, to be looked at before it is committed.
#[test]
fn report_in_json_is_what_the_golden_file_says() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tool/report.json");
    let report = printed(&["report", "--format", "json", "--top", "5", &fixture("redis-7.0-every-encoding.rdb")]);
    let report = without_estimates(&report);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &report).expect("the golden file can be written");
    }
    assert_eq!(report, fs::read_to_string(&golden).expect("the golden file"));
}

#[test]
fn report_counts_every_key_in_every_way() {
    let (_server, dump) = filled();
    let dump = dump.to_str().expect("a plain path");
    let report = printed(&["report", dump, "--top", "10"]);
    for part in [
        "21 keys in ",
        "; 4 with an expiry",
        "  db9\n",
        "  hash as hashtable\n",
        "  zset as skiplist\n",
        "  expires:*\n",
        "  no expiry\n",
        "  a year or more\n",
        "db0 list:many\n",
    ] {
        assert!(report.contains(part), "{part} is missing in:\n{report}");
    }
    let deep = printed(&["report", dump, "--separator", "e", "--depth", "2"]);
    assert!(deep.contains("  expire*\n"), "{deep}");
}

/// Every element that is opened is closed, in the right order, and attributes and text are escaped.
#[track_caller]
pub fn assert_well_formed(html: &str) {
    const VOID: [&str; 2] = ["meta", "!DOCTYPE"];
    let mut open = Vec::new();
    let mut rest = html;
    while let Some((_, from_tag)) = rest.split_once('<') {
        let (tag, after) = from_tag.split_once('>').expect("a tag ends");
        rest = after;
        let name = tag.split_whitespace().next().expect("a tag has a name");
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed.to_owned()), "before {}", &rest[..rest.len().min(60)]);
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name.to_owned());
        }
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
    }
    assert_eq!(open, Vec::<String>::new());
}

#[test]
fn report_in_html_is_one_well_formed_page_without_anything_from_elsewhere() {
    let (server, dump) = filled();
    let hostile = "<script>alert('x')</script>\"&";
    server.client().cmd(&["SET", hostile, &"x".repeat(100_000)]);
    server.client().run("SAVE");
    let folder = Folder::new();
    let page = folder.path("report.html");
    tool(0, &["report", "--format", "html", "-o", &page, dump.to_str().expect("a plain path")]);
    let html = fs::read_to_string(&page).expect("the page");
    assert_well_formed(&html);
    for foreign in ["http", "<script", "src=", "href=", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("&lt;script&gt;") && html.contains("prefers-color-scheme:dark"));
    assert!(complaint(&["report", "-o", &page, dump.to_str().expect("a plain path")]).contains("is there already"));
}

#[test]
fn commands_from_a_dump_build_the_same_data() {
    let (server, dump) = filled();
    if !against_redis() {
        for field in ["a", "b", "c"] {
            server.client().run(&format!("HSET hash:expiring {field} 1"));
        }
        server.client().run("HPEXPIREAT hash:expiring 4000000000000 FIELDS 2 a b");
        server.client().run("SAVE");
    }
    let dump = dump.to_str().expect("a plain path");
    let commands = tool(0, &["convert", dump, "-", "--resp"]).stdout;
    let other = Server::start();
    pipe(&other, commands);
    assert_eq!(other.digest(), server.digest());
    // What is there already is replaced, not added to.
    let commands = tool(0, &["convert", dump, "-", "--resp", "--replace"]).stdout;
    pipe(&other, commands);
    assert_eq!(other.digest(), server.digest());
    if !against_redis() {
        let expiry = |server: &Server| server.client().run("HPEXPIRETIME hash:expiring FIELDS 3 a b c");
        assert_eq!(expiry(&other), expiry(&server));
    }
}

#[test]
fn lines_of_json_hold_every_byte() {
    let folder = Folder::new();
    let file = RdbFile::new(10)
        .select(0)
        .string(b"plain", b"a \"quoted\" text\n")
        .expires_at_ms(4_000_000_000_123)
        .string(b"\xff\xfe", b"\x00")
        .select(7)
        .raw(b"\x01\x04list\x02\x01a\xc0\x05")
        .raw(b"\x02\x03set\x01\x01m")
        .raw(b"\x03\x04zset\x02\x01m\x031.5\x01n\xfe")
        .raw(b"\x04\x04hash\x01\x01f\x02\xc3\x28")
        .finish();
    let lines = printed(&["convert", &folder.write("some.rdb", &file), "-", "--jsonl"]);
    let expected = r#"{"db":0,"key":"plain","type":"string","expires_at_ms":null,"value":"a \"quoted\" text\n"}
{"db":0,"key":{"base64":"//4="},"type":"string","expires_at_ms":4000000000123,"value":"\u0000"}
{"db":7,"key":"list","type":"list","expires_at_ms":null,"value":["a","5"]}
{"db":7,"key":"set","type":"set","expires_at_ms":null,"value":["m"]}
{"db":7,"key":"zset","type":"zset","expires_at_ms":null,"value":[["m",1.5],["n","inf"]]}
{"db":7,"key":"hash","type":"hash","expires_at_ms":null,"value":[["f",{"base64":"wyg="}]]}
"#;
    assert_eq!(lines, expected);
}

#[test]
fn streams_are_told_with_their_groups() {
    let dump = fixture("redis-7.0-every-encoding.rdb");
    let lines = printed(&["convert", &dump, "-", "--jsonl"]);
    let line = lines.lines().find(|line| line.contains("\"key\":\"stream:groups\"")).expect("the stream is there");
    for part in [
        r#""value":{"entries":[["1-1",["field","value-1"],["other","1"]],["3-1",["field","value-3"],["other","3"]],"#,
        r#"],"last_id":"6-1","max_deleted_id":"2-1","entries_added":6,"groups":[{"name":"first","#,
        r#""last_delivered_id":"4-1","entries_read":null,"consumers":[{"name":"alice","seen_at_ms":1795351808293,"#,
        r#""pending":[["3-1","alice",1795351808294,1],["4-1","bob",1795351808302,1]]},{"name":"second","#,
    ] {
        assert!(line.contains(part), "{part} {line}");
    }
    let commands = printed(&["convert", &dump, "-", "--resp"]);
    let words: Vec<_> = commands.split("\r\n").filter(|part| !part.starts_with(['$', '*'])).collect();
    let words = words.join(" ");
    for command in [
        "XADD stream:emptied MAXLEN 0 1795351808327-0 x y XSETID stream:emptied 1795351808327-0 ENTRIESADDED 1 ",
        "XADD stream:groups 6-1 field value-6 other 6 XSETID stream:groups 6-1 ENTRIESADDED 6 MAXDELETEDID 2-1 ",
        "XGROUP CREATE stream:groups first 4-1 ENTRIESREAD -1 XGROUP CREATECONSUMER stream:groups first alice ",
        "XCLAIM stream:groups first bob 0 4-1 TIME 1795351808302 RETRYCOUNT 1 FORCE JUSTID ",
    ] {
        assert!(words.contains(command), "{command}");
    }
}

#[test]
fn every_version_that_can_hold_the_data_loads_with_an_equal_digest() {
    let (server, dump) = filled();
    let dump = dump.to_str().expect("a plain path");
    let folder = Folder::new();
    for version in 6..=12 {
        let out = folder.path(&format!("{version}.rdb"));
        tool(0, &["convert", dump, &out, "--rdb-version", &version.to_string()]);
        assert!(printed(&["check", &out]).contains(&format!("RDB version {version}, ")));
        assert!(fs::read(&out).expect("a dump").starts_with(format!("REDIS{version:04}").as_bytes()));
        if !against_redis() || version <= 10 {
            assert_eq!(loaded(&out).digest(), server.digest(), "version {version}");
        }
    }
}

#[test]
fn what_a_version_cannot_hold_is_left_out_and_listed() {
    let folder = Folder::new();
    let streams = fixture("redis-7.0-every-encoding.rdb");
    let complaint = |dump: &str, version: &str| {
        let out = folder.path("out.rdb");
        let reported = text(&tool(1, &["convert", dump, &out, "--force", "--rdb-version", version]).stderr);
        assert!(printed(&["check", &out]).contains(&format!("RDB version {version}, ")));
        reported
    };
    assert!(complaint(&streams, "9").contains("a function library needs RDB version 10, and 9 is asked for"));
    let stream = RdbFile::new(10).raw(b"\x13\x01s\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00").finish();
    let stream = folder.write("stream.rdb", &stream);
    let reported = complaint(&stream, "8");
    assert!(reported.contains("key 's' at offset 9: a stream needs RDB version 9, and 8 is asked"), "{reported}");
    if !against_redis() {
        let server = Server::start();
        server.client().run("HSET hash field value");
        server.client().run("HPEXPIREAT hash 4000000000000 FIELDS 1 field");
        server.client().run("SAVE");
        let reported = complaint(server.dump_path().to_str().expect("a plain path"), "11");
        assert!(
            reported.contains("key 'hash' at offset ")
                && reported.contains("a hash whose fields expire needs RDB version 12")
        );
    }
    tool(2, &["convert", &streams, &folder.path("out.rdb")]);
    tool(2, &["convert", &streams, &folder.path("out.rdb"), "--rdb-version", "13"]);
    tool(2, &["convert", &streams, &folder.path("out.rdb"), "--resp", "--jsonl"]);
}

#[test]
fn damaged_dumps_are_not_converted_reported_or_compared() {
    let folder = Folder::new();
    let mut bytes = fs::read(fixture("redis-7.0-every-encoding.rdb")).expect("a fixture");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let damaged = folder.write("damaged.rdb", &bytes);
    let sound = fixture("redis-7.0-every-encoding.rdb");
    for args in [
        &["convert", "--resp", &damaged, &folder.path("out")][..],
        &["convert", "--rdb-version", "12", &damaged, &folder.path("out")],
        &["report", "-o", &folder.path("out"), &damaged],
        &["diff", &damaged, &sound],
        &["diff", &sound, &damaged],
    ] {
        assert!(complaint(args).contains("bad checksum at offset 1920"), "{args:?}");
    }
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn inputs_are_never_written_over() {
    let folder = Folder::new();
    let bytes = fs::read(fixture("redis-7.0-lru.rdb")).expect("a fixture");
    let dump = folder.write("dump.rdb", &bytes);
    std::os::unix::fs::symlink(&dump, folder.path("link.rdb")).expect("a link");
    for out in [&dump, &folder.path("link.rdb")] {
        for args in [&["salvage", "--force", &dump, out][..], &["convert", "--force", "--jsonl", &dump, out]] {
            assert!(complaint(args).contains("is the input itself"));
        }
    }
    assert_eq!(fs::read(&dump).expect("the dump"), bytes);
    let other = folder.write("other.rdb", b"precious");
    assert!(complaint(&["salvage", &dump, &other]).contains("is there already (--force writes over it)"));
    tool(0, &["salvage", "--force", &dump, &other]);
    assert!(fs::read(&other).expect("a file").starts_with(b"REDIS"));
}

#[test]
fn salvage_does_not_advise_to_salvage_what_is_no_dump() {
    let folder = Folder::new();
    let out = folder.path("out.rdb");
    for bytes in [&b"hello"[..], b"VKCS\x01\x01\x01\x00and more"] {
        let refused = complaint(&["salvage", &folder.write("text", bytes), &out]);
        assert!(refused.contains("there is nothing that can be saved") && !refused.contains("`salvage`"), "{refused}");
    }
    assert!(!fs::exists(&out).expect("a look"));
    let refused = complaint(&["salvage", "--force", &folder.write("text", b"hello"), "/nonexistent/out.rdb"]);
    assert!(refused.ends_with(": No such file or directory\n"), "{refused}");
}

#[test]
fn salvage_keeps_every_entry_but_the_damaged_one_and_says_which() {
    let (server, dump) = filled();
    let mut bytes = fs::read(&dump).expect("the dump");
    let folder = Folder::new();
    let whole = folder.write("whole.rdb", &bytes);
    let out = folder.path("same.rdb");
    assert!(printed(&["salvage", &whole, &out]).ends_with("21 keys in 3 databases kept, nothing lost\n"));
    assert_eq!(loaded(&out).digest(), server.digest());

    let key = b"hash:few";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("the key");
    // The first byte of the listpack's own length, behind the key and the length of the string.
    bytes[at + key.len() + 1] ^= 0xff;
    let damaged = folder.write("damaged.rdb", &bytes);
    let out = folder.path("out.rdb");
    let reported = text(&tool(1, &["salvage", &damaged, &out]).stdout);
    assert!(
        reported.contains(", key \"hash:few\": ") && reported.contains("20 keys in 3 databases kept; 1 fault, "),
        "{reported}"
    );
    let salvaged = loaded(&out);
    server.client().run("DEL hash:few");
    assert_eq!(salvaged.digest(), server.digest());
    let reported = text(&tool(1, &["diff", &whole, &out]).stdout);
    assert_eq!(reported, "- db0 \"hash:few\" hash\n0 added, 1 removed, 0 changed, 20 the same\n");
}

#[test]
fn salvage_of_something_else_writes_nothing() {
    let folder = Folder::new();
    let other = folder.write("other", b"this is no dump at all, whatever it may be");
    assert!(complaint(&["salvage", &other, &folder.path("out.rdb")]).contains("bad magic at offset 0"));
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn diff_tells_what_was_added_removed_and_changed() {
    let (server, dump) = filled();
    let folder = Folder::new();
    let old = folder.write("old.rdb", &fs::read(&dump).expect("the dump"));
    let equal = tool(0, &["diff", &old, dump.to_str().expect("a plain path")]);
    assert_eq!(text(&equal.stdout), "0 added, 0 removed, 0 changed, 21 the same\n");
    for line in [
        "SET added 1",
        "DEL string:int",
        "PERSIST expires:later",
        "SADD set:many another",
        "LSET list:many 7 other",
        "DEL set:few",
        "SET set:few text",
        "SELECT 3",
        "SET plain other",
        // No change at all.
        "RPUSH expires:none 1",
        "DEL expires:none",
    ] {
        let reply = server.client().pipeline(&[line]);
        assert!(!reply[0].is_error(), "{line}");
    }
    server.client().pipeline(&["SELECT 3", "SET plain other", "SAVE"]);
    let new = dump.to_str().expect("a plain path");
    let reported = text(&tool(1, &["diff", &old, new]).stdout);
    let lines: BTreeSet<&str> = reported.lines().collect();
    let expected = BTreeSet::from([
        "+ db0 \"added\" string",
        "+ db0 \"plain\" string",
        "- db0 \"string:int\" string",
        "~ db0 \"expires:later\" expires at 4000000000123 -> never",
        "~ db0 \"set:many\" set value",
        "~ db0 \"list:many\" list value",
        "~ db0 \"set:few\" type set -> string",
        "~ db3 \"plain\" string value",
        "2 added, 1 removed, 5 changed, 15 the same",
    ]);
    assert_eq!(lines, expected);
    let reported = text(&tool(1, &["diff", "--ignore-ttl", &old, new]).stdout);
    assert!(reported.ends_with("2 added, 1 removed, 4 changed, 16 the same\n"), "{reported}");
    assert!(tool(1, &["diff", "--quiet", &old, new]).stdout.is_empty());
    let json = text(&tool(1, &["diff", "--format", "json", &old, new]).stdout);
    assert!(json.starts_with("{\"changes\":[\n  {\"change\":") && json.ends_with("\"same\":15}\n"), "{json}");
    assert!(json.contains(
        r#"{"change":"changed","db":0,"key":"set:few","old":{"type":"set","expires_at_ms":null},"new":{"type":"string","expires_at_ms":null},"value_differs":true}"#
    ));
    assert!(json.contains(
        r#"{"change":"removed","db":0,"key":"string:int","old":{"type":"string","expires_at_ms":null},"new":null}"#
    ));
}

#[test]
fn diff_in_parts_finds_the_same() {
    let server = Server::start();
    let folder = Folder::new();
    server.client().run("DEBUG POPULATE 40000");
    server.client().run("SAVE");
    let old = folder.write("old.rdb", &fs::read(server.dump_path()).expect("the dump"));
    server.client().pipeline(&["DEL key:17 key:39999", "SET key:4 other", "SET new 1", "SAVE"]);
    let new = server.dump_path();
    let new = new.to_str().expect("a plain path");
    let reported = |memory: &str| {
        let reported = text(&tool(1, &["diff", "--memory", memory, &old, new]).stdout);
        reported.lines().map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let at_once = reported("1024");
    assert!(at_once.contains("1 added, 2 removed, 1 changed, 39997 the same"), "{at_once:?}");
    assert_eq!(reported("1"), at_once);
}

#[test]
fn a_reader_that_goes_away_is_met_with_silence() {
    let server = Server::start();
    server.client().run("DEBUG POPULATE 100000");
    server.client().run("SAVE");
    let mut child = Command::new(env!("CARGO_BIN_EXE_copal-rdb"))
        .args(["convert", server.dump_path().to_str().expect("a plain path"), "-", "--jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), String::new()));
}

#[cfg(feature = "peers")]
mod beside_redis {
    use super::{Folder, fill, filled, fixture, printed, text, tool};
    use crate::support::{Server, redis_cli, redis_server};
    use std::fs;
    use std::process::Command;

    /// A redis-server with every type that it has, and its dump.
    fn redis_with_everything() -> (Server, String) {
        let redis = redis_server("");
        let mut client = redis.client();
        fill(&mut client);
        for line in [
            "XADD stream:one 1-1 field value",
            "XADD stream:one 2-1 field value other 7",
            "XGROUP CREATE stream:one group 0",
            "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream:one >",
            "XADD stream:expires 5-5 a b",
            "PEXPIREAT stream:expires 4000000000000",
            "PFADD hyperloglog a b c",
        ] {
            assert!(!client.run(line).is_error(), "{line}");
        }
        let library = "#!lua name=mine\nredis.register_function('mine', function() return 1 end)";
        client.cmd(&["FUNCTION", "LOAD", library]);
        client.run("SAVE");
        let dump = redis.dump_path().to_str().expect("a plain path").to_owned();
        (redis, dump)
    }

    fn redis_loaded(dump: &str) -> Server {
        let mut redis = redis_server("");
        redis.kill();
        fs::copy(dump, redis.dump_path()).expect("the dump can be copied");
        redis.start_again();
        redis
    }

    #[test]
    fn dumps_of_redis_are_checked_reported_and_compared() {
        let (_redis, dump) = redis_with_everything();
        let reported = printed(&["check", "--duplicates", "--rdb-unknown-types", "skip", &dump]);
        assert!(reported.contains("24 keys in 3 databases") && !reported.contains("stream"), "{reported}");
        assert!(!printed(&["report", &dump]).contains("values of modules"));
        // What two servers hold is equal, whatever the encodings and the order in their dumps.
        let (_ours, our_dump) = filled();
        let reported = tool(1, &["diff", our_dump.to_str().expect("a plain path"), &dump]).stdout;
        assert!(text(&reported).ends_with("4 added, 0 removed, 0 changed, 21 the same\n"), "{}", text(&reported));
    }

    #[test]
    fn every_fixture_that_redis_accepts_is_accepted() {
        let entries = fs::read_dir(fixture("")).expect("the fixtures").flatten();
        let mut accepted = 0;
        for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "rdb")) {
            let redis = Command::new("redis-check-rdb").arg(&path).output().expect("redis-check-rdb runs");
            if redis.status.success() {
                printed(&["check", "--rdb-unknown-types", "skip", path.to_str().expect("a plain path")]);
                accepted += 1;
            }
        }
        assert!(accepted >= 10, "{accepted}");
    }

    #[test]
    fn redis_takes_the_commands_through_redis_cli() {
        let (redis, dump) = redis_with_everything();
        let commands = tool(0, &["convert", &dump, "-", "--resp"]).stdout;
        let other = redis_server("");
        let reported = redis_cli(&other, &["--pipe"], &commands);
        assert!(reported.contains("errors: 0"), "{reported}");
        assert_eq!(other.digest(), redis.digest());
        assert!(other.client().run("FUNCTION LIST").items().len() == 1);
        // Our own dump, whose values are packed otherwise.
        let (ours, dump) = filled();
        let commands = tool(0, &["convert", dump.to_str().expect("a plain path"), "-", "--resp"]).stdout;
        let other = redis_server("");
        redis_cli(&other, &["--pipe"], &commands);
        assert_eq!(other.digest(), ours.digest());
    }

    #[test]
    fn redis_loads_every_version_that_is_written_for_it() {
        let (ours, dump) = filled();
        let folder = Folder::new();
        for version in 6..=10 {
            let out = folder.path(&format!("{version}.rdb"));
            let version = version.to_string();
            tool(0, &["convert", dump.to_str().expect("a plain path"), &out, "--rdb-version", &version]);
            let checked = Command::new("redis-check-rdb").arg(&out).output().expect("redis-check-rdb runs");
            assert!(checked.status.success(), "{}", text(&checked.stdout));
            assert_eq!(redis_loaded(&out).digest(), ours.digest(), "version {version}");
        }
    }

    #[test]
    fn redis_loads_what_was_salvaged() {
        let (redis, dump) = redis_with_everything();
        let folder = Folder::new();
        let out = folder.path("out.rdb");
        tool(0, &["salvage", "--keep-unknown", &dump, &out]);
        let copy = redis_loaded(&out);
        assert_eq!(copy.digest(), redis.digest());
        assert!(copy.client().run("FUNCTION LIST").items().len() == 1);

        let mut bytes = fs::read(&dump).expect("the dump");
        let at = bytes.windows(8).position(|window| window == b"hash:few").expect("the key");
        bytes[at + 9] ^= 0xff;
        let damaged = folder.write("damaged.rdb", &bytes);
        let reported = text(&tool(1, &["salvage", "--keep-unknown", "--force", &damaged, &out]).stdout);
        let salvaged = redis_loaded(&out);
        redis.client().run("DEL hash:few");
        assert_eq!(salvaged.digest(), redis.digest(), "{reported}");
    }
}
