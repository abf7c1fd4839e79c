//! The house rules that a compiler does not check: layers, room cards, where `unsafe` and byte order may be.
//!
//! Each test lists everything it finds wrong, so that one run shows the whole work. The exceptions are lists in this
//! file, each with its reason.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use imports::Imports;

/// A module may import only from the cells left of its own, and never from its own cell.
const LAYERS: &[&[&str]] = &[
    &["stdx"],
    &["resp", "structures", "rdb", "config", "observe"],
    &["types", "script"],
    &["keyspace"],
    &["commands", "snapshot", "replication"],
    &["server", "tool"],
];

/// Where `unsafe` may be: files, or folders ending in a slash.
const UNSAFE_ALLOWED: &[(&str, &str)] = &[
    ("structures/", "tables and blocks laid out by hand"),
    ("observe/allocator.rs", "a request to the allocator by name"),
    ("keyspace/entry.rs", "one heap block per key"),
    ("keyspace/entry/tests.rs", "looking at a block that its entry has left"),
    ("keyspace/compact.rs", "moving entries by their blocks"),
    ("keyspace/db.rs", "looking at an entry by its block"),
    ("keyspace/frozen.rs", "reading by several threads"),
    ("snapshot/child/fork.rs", "fork and what must follow it in the child"),
    ("snapshot/child/priority.rs", "priorities, which no crate sets"),
    ("snapshot/child/threads.rs", "threads that the standard library does not know of"),
    ("snapshot/interrupt.rs", "a handler of a signal"),
    ("snapshot/child/run.rs", "the contract of the fork, which what runs in the child keeps"),
    ("snapshot/system_calls.rs", "calls that a filter may end the process for"),
    ("snapshot/huge_pages/decision.rs", "the allocator's options, found by the name of a symbol"),
    ("snapshot/huge_pages/kernel.rs", "madvise over ranges of the heap"),
    ("snapshot/file/dump_file.rs", "the mapped dump file"),
    ("server/process/fatal_signal.rs", "handlers of signals"),
    ("server/process/signals.rs", "handlers of signals"),
    ("script/lua/", "the interface of Lua, which is written in C"),
    ("script/fiber.rs", "a stack of its own for scripts"),
    ("stdx/ticks.rs", "the processor's time-stamp counter"),
    ("server/net/connection.rs", "the spare room of a vector that a socket has written into"),
];

/// Where numbers become bytes: the formats' own rooms, and what is listed with its reason.
const BYTE_ORDER_ALLOWED: &[(&str, &str)] = &[
    ("rdb/", "the file format is byte order"),
    ("structures/", "encoded blocks"),
    ("keyspace/entry.rs", "numbers inside the entry's block"),
    ("types/string/encoding.rs", "integers inside the entry's block"),
    ("script/library/cmsgpack.rs", "the format is byte order"),
    ("script/library/structure.rs", "what struct packs is byte order"),
    ("script/lua/bytecode.rs", "the format is byte order"),
    ("stdx/hash.rs", "SipHash takes words of eight bytes"),
    ("stdx/number/integer.rs", "digits found side by side in a word"),
];

/// Files that may be longer than [`LINES_MAX`], because they are tables.
const LONG_FILES: &[(&str, &str)] = &[];

const LINES_MAX: usize = 1000;

/// Rooms that compute and never touch a socket or a file.
const PURE_ROOMS: &[&str] = &["resp", "structures", "rdb", "types", "keyspace", "commands"];

/// How many files may use one another in a circle: as many as one can keep in mind.
const CIRCLE_MAX: usize = 6;

/// What the forked child and all that it calls must not name: each logs, prints, takes a lock that a thread of the parent
/// may have held in the moment of the fork, or starts a thread by way of such a lock.
const NOT_IN_THE_CHILD: &[&str] = &[
    "tokio",
    "tracing",
    "print",
    "println",
    "eprint",
    "eprintln",
    "dbg",
    "stdin",
    "stdout",
    "stderr",
    "env",
    "Command",
    "spawn_blocking",
];

/// Statics with a lock that the child reaches all the same.
const LOCKS_IN_THE_CHILD: &[(&str, &str)] = &[
    ("snapshot/child/fork.rs", "the panic hook is installed before the fork"),
    ("snapshot/system_calls.rs", "what is denied is found out before the fork"),
];

/// Fields that a room of `src/server/` opens to the others: single ones of its state, and values that rooms pass each other.
const OPEN_FIELDS: &[(&str, &str)] = &[
    ("Client.session", "what handlers are given of a client"),
    ("Client.reply", "where answers are written, whoever answers"),
    ("Client.replica", "the state of `replication`, whose own fields are private"),
    ("Client.written_to", "what WAIT waits for, which `replication` notes and reads"),
    ("KindOfData", "a value: what a full sync consists of"),
    ("ReplicationMemory", "a value: what INFO and MEMORY show"),
    ("Counters", "a value: what INFO shows"),
    ("Stats.counters", "every room counts what it does"),
    ("Process.listeners", "the state of `net`, whose own fields are private"),
    ("Shared.executor", "all tasks work on it"),
    ("Frame", "a value: one command to be run"),
    ("Processed", "a value: how far the input was executed"),
    ("MemoryReport", "a value: what INFO and MEMORY show"),
    ("DatabaseOverhead", "a value: what INFO and MEMORY show"),
    ("Excess", "a value: what INFO and MEMORY show"),
    ("Launch", "a value: how the process was started"),
    ("RepeatError", "a value: what could not be repeated"),
    ("Functions", "the room around it lends and counts the interpreter of functions"),
    ("ScriptUsage", "a value: what INFO and MEMORY show"),
    ("Reading", "a value: what a request over HTTP shows"),
    ("Scrape", "a value: what a request over HTTP shows"),
    ("HttpFigures", "a value: what the HTTP thread counts"),
    ("Finding", "a value: what is wrong, and what to do"),
];

struct Source {
    /// Relative to `src/`, with slashes.
    path: String,
    text: String,
    /// The text with comments, strings and character literals blanked out.
    code: String,
}

impl Source {
    /// The top-level folder, or None for `lib.rs`, `main.rs` and the binaries, which are above the layers.
    fn room(&self) -> Option<&str> {
        self.path.split_once('/').map(|(room, _)| room).filter(|room| *room != "bin")
    }

    /// How many `super::` lead from this file's module to the crate's root.
    fn depth(&self) -> usize {
        self.path.trim_end_matches("/mod.rs").split('/').count()
    }

    fn is_listed(&self, list: &[(&str, &str)]) -> bool {
        list.iter().any(|(path, _)| if path.ends_with('/') { self.path.starts_with(path) } else { self.path == *path })
    }
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![source_root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are UTF-8");
                let path = path.strip_prefix(source_root()).expect("below src").to_string_lossy().replace('\\', "/");
                let code = blank_out(&text);
                found.push(Source { path, text, code });
            }
        }
    }
    assert!(!found.is_empty(), "src holds sources");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Replaces comments, strings and character literals by spaces, and keeps every newline.
fn blank_out(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let skipped = skip_comment(&bytes[at..]).or_else(|| skip_literal(bytes, at)).unwrap_or(0);
        if skipped == 0 {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..at + skipped].iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }));
            at += skipped;
        }
    }
    String::from_utf8(out).expect("whole characters were replaced")
}

fn skip_comment(rest: &[u8]) -> Option<usize> {
    if rest.starts_with(b"//") {
        return Some(rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with(b"/*") {
        return None;
    }
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    Some(at)
}

fn skip_literal(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let after_word = at > 0 && is_word(bytes[at - 1]) && !matches!(bytes[at - 1], b'b' | b'c' | b'r');
    match rest[0] {
        b'"' => Some(skip_quoted(rest, b'"')),
        b'r' if !after_word => {
            let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
            if rest.get(1 + hashes) != Some(&b'"') {
                return None;
            }
            let end: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
            let body = hashes + 2;
            let found = rest[body..].windows(end.len()).position(|window| window == end)?;
            Some(body + found + end.len())
        }
        // A lifetime has no closing quote right behind its first character; a character literal has.
        b'\'' => match rest {
            [_, b'\\', ..] => Some(skip_quoted(rest, b'\'')),
            [_, first, ..] => {
                let width = match first {
                    0..0x80 => 1,
                    0x80..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    _ => 4,
                };
                (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
            }
            _ => None,
        },
        _ => None,
    }
}

fn skip_quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where `word` is as a whole word.
fn word_positions<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).is_none_or(|before| !is_word(bytes[before]));
        let after = bytes.get(at + word.len()).is_none_or(|&byte| !is_word(byte));
        before && after
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The rooms that a file names, with the line of each mention.
fn edges(source: &Source) -> Vec<(String, usize)> {
    let code = &source.code;
    let mut found = Vec::new();
    for at in word_positions(code, "crate") {
        let Some(rest) = code[at + "crate".len()..].trim_start().strip_prefix("::") else { continue };
        found.extend(leading_names(rest).into_iter().map(|name| (name, line_of(code, at))));
    }
    for at in word_positions(code, "super") {
        if code[..at].trim_end().ends_with("super::") {
            continue;
        }
        let mut rest = &code[at..];
        let mut supers = 0;
        while let Some(next) = rest.strip_prefix("super").and_then(|rest| rest.trim_start().strip_prefix("::")) {
            supers += 1;
            rest = next.trim_start();
        }
        if supers >= source.depth() {
            found.extend(leading_names(rest).into_iter().map(|name| (name, line_of(code, at))));
        }
    }
    found.retain(|(name, _)| layer_of(name).is_some());
    found
}

/// The first names of a path: one, or those of a `{...}` group.
fn leading_names(path: &str) -> Vec<String> {
    let path = path.trim_start();
    let first_word = |text: &str| text.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![first_word(path)] };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(first_word(group[start..at].trim_start()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(first_word(group[start..at].trim_start()));
                start = at + 1;
            }
            _ => {}
        }
    }
    names
}

fn layer_of(room: &str) -> Option<usize> {
    LAYERS.iter().position(|cell| cell.contains(&room))
}

#[track_caller]
fn assert_none(what: &str, findings: &[String]) {
    let mut text = String::new();
    for finding in findings {
        writeln!(text, "  {finding}").expect("a string takes text");
    }
    assert!(findings.is_empty(), "{what}:\n{text}");
}

#[test]
fn every_folder_has_its_place_in_the_layer_map() {
    let sources = sources();
    let rooms: BTreeSet<_> = sources.iter().filter_map(Source::room).collect();
    let strangers: Vec<_> =
        rooms.iter().filter(|room| layer_of(room).is_none()).map(|room| format!("src/{room}")).collect();
    assert_none("folders that the layer map does not know", &strangers);
}

#[test]
fn modules_import_only_from_the_layers_to_their_left() {
    let mut wrong = Vec::new();
    for source in &sources() {
        let Some(room) = source.room() else { continue };
        let own = layer_of(room).expect("checked by another test");
        for (target, line) in edges(source) {
            if target != room && layer_of(&target).expect("edges lead to rooms") >= own {
                wrong.push(format!("src/{}:{line}: {room} -> {target}", source.path));
            }
        }
    }
    assert_none("imports that run right, or to a sibling", &wrong);
}

/// The four parts of a room card, or what is wrong with it.
fn room_card(text: &str) -> Result<BTreeMap<&'static str, String>, String> {
    const PARTS: [&str; 4] = ["", "Owns:", "Uses:", "Never:"];
    let lines: Vec<_> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let mut card = BTreeMap::new();
    let mut part = 0;
    for (number, line) in lines.into_iter().take_while(|line| !line.is_empty()).enumerate() {
        let named = PARTS.iter().skip(1).position(|name| line.starts_with(name)).map(|at| at + 1);
        if let Some(next) = named {
            if next != part + 1 {
                return Err(format!("{} is out of its place", PARTS[next]));
            }
            part = next;
        } else if number == 0 && line.is_empty() {
            return Err("the first line is empty".to_owned());
        }
        let text = card.entry(PARTS[part]).or_insert_with(String::new);
        text.push_str(line.strip_prefix(PARTS[part]).unwrap_or(line).trim());
        text.push(' ');
    }
    for name in PARTS {
        let Some(text) = card.get(name) else { return Err(format!("no line `{name}`")) };
        if !text.trim_end().ends_with('.') {
            return Err(format!("`{name}` does not end as a sentence: {text}"));
        }
    }
    Ok(card)
}

/// What is wrong with the card of a room that uses these layers, where `is_layer` says which words are names of layers.
fn fault_of_card(door: &Source, used: &BTreeSet<String>, is_layer: impl Fn(&str) -> bool) -> Option<String> {
    let card = match room_card(&door.text) {
        Ok(card) => card,
        Err(reason) => return Some(format!("src/{}: {reason}", door.path)),
    };
    let words = card["Uses:"].split(|c: char| !c.is_alphanumeric() && c != '_');
    let stated: BTreeSet<_> = words.filter(|word| is_layer(word)).map(str::to_owned).collect();
    let is_true = *used == stated;
    (!is_true).then(|| format!("src/{}: the card says Uses: {stated:?}, the room imports {used:?}", door.path))
}

#[test]
fn every_room_opens_with_a_card_that_names_its_real_imports() {
    let sources = sources();
    let rooms: BTreeSet<_> = sources.iter().filter_map(Source::room).collect();
    let mut wrong = Vec::new();
    for room in rooms {
        let door = format!("{room}/mod.rs");
        let Some(door) = sources.iter().find(|source| source.path == door) else {
            wrong.push(format!("src/{room} has no mod.rs"));
            continue;
        };
        let of_this_room = sources.iter().filter(|source| source.room() == Some(room));
        let used: BTreeSet<_> =
            of_this_room.flat_map(edges).map(|(name, _)| name).filter(|name| name != room).collect();
        wrong.extend(fault_of_card(door, &used, |name| layer_of(name).is_some()));
    }
    assert_none("room cards", &wrong);
}

#[test]
fn rooms_inside_rooms_have_cards_that_name_their_real_imports() {
    let sources = sources();
    let mut wrong = Vec::new();
    let doors = sources.iter().filter(|source| source.path.ends_with("/mod.rs") && source.depth() > 1);
    for door in doors.filter(|door| !door.path.contains("tests/")) {
        let folder = door.path.trim_end_matches("mod.rs");
        if !door.text.starts_with("//!") || !door.text.contains("//! Owns:") {
            wrong.push(format!("src/{}: no card", door.path));
            continue;
        }
        let inside = sources.iter().filter(|source| source.path.starts_with(folder));
        let of_product = inside.map(|source| Source {
            path: source.path.clone(),
            text: String::new(),
            code: imports::without_tests(&source.code),
        });
        let product =
            of_product.filter(|source| !source.path.ends_with("tests.rs") && !source.path.contains("/tests/"));
        let is_other = |name: &str| layer_of(name).is_some() && Some(name) != door.room();
        let names = product.flat_map(|source| edges(&source)).map(|(name, _)| name);
        let used: BTreeSet<_> = names.filter(|name| is_other(name)).collect();
        wrong.extend(fault_of_card(door, &used, is_other));
    }
    assert_none("room cards inside rooms", &wrong);
}

#[test]
fn unsafe_stands_only_where_it_may_and_says_so() {
    let mut wrong = Vec::new();
    for source in &sources() {
        let Some(at) = word_positions(&source.code, "unsafe").next() else { continue };
        let line = line_of(&source.code, at);
        if !source.is_listed(UNSAFE_ALLOWED) {
            wrong.push(format!("src/{}:{line}: no unsafe here", source.path));
        } else if !source.code.contains("expect(unsafe_code") {
            wrong.push(format!("src/{}:{line}: without #[expect(unsafe_code, reason = ...)]", source.path));
        }
    }
    for source in sources().iter().filter(|source| source.code.contains("allow(unsafe_code")) {
        wrong.push(format!("src/{}: allows unsafe code instead of expecting it", source.path));
    }
    assert_none("unsafe", &wrong);
}

#[test]
fn byte_order_appears_only_where_bytes_are_laid_out() {
    let mut wrong = Vec::new();
    let is_test = |source: &Source| source.path.ends_with("/tests.rs");
    for source in sources().iter().filter(|source| !is_test(source) && !source.is_listed(BYTE_ORDER_ALLOWED)) {
        for order in ["le", "be", "ne"] {
            for name in [format!("to_{order}_bytes"), format!("from_{order}_bytes")] {
                let found = word_positions(&source.code, &name).map(|at| line_of(&source.code, at));
                wrong.extend(found.map(|line| format!("src/{}:{line}: {name}", source.path)));
            }
        }
    }
    assert_none("conversions between numbers and bytes", &wrong);
}

#[test]
fn rooms_that_compute_touch_no_socket_and_no_file() {
    let mut wrong = Vec::new();
    for source in &sources() {
        if !source.room().is_some_and(|room| PURE_ROOMS.contains(&room)) {
            continue;
        }
        for name in ["tokio", "TcpStream", "TcpListener", "UnixStream", "UnixListener"] {
            let found = word_positions(&source.code, name).map(|at| line_of(&source.code, at));
            wrong.extend(found.map(|line| format!("src/{}:{line}: {name}", source.path)));
        }
        let files = source.code.match_indices("std::fs").map(|(at, _)| line_of(&source.code, at));
        wrong.extend(files.map(|line| format!("src/{}:{line}: std::fs", source.path)));
    }
    assert_none("input or output in a room that computes", &wrong);
}

#[test]
fn the_snapshot_child_uses_no_lock_of_the_parent() {
    let sources = sources();
    let imports = Imports::of(&sources);
    let child = (0..imports.files.len()).filter(|file| imports.path(*file).starts_with("snapshot/child/"));
    let reached: BTreeSet<_> = child.flat_map(|file| imports.reached_from(file)).collect();
    assert!(reached.len() > 20, "the child reaches the files that it writes");
    let mut wrong = Vec::new();
    for file in reached {
        let source = imports.files[file];
        let code = imports::without_tests(&source.code);
        for name in NOT_IN_THE_CHILD {
            let found = word_positions(&code, name).map(|at| line_of(&code, at));
            wrong.extend(found.map(|line| format!("src/{}:{line}: {name}", source.path)));
        }
        for start in ["thread::spawn", "thread::scope", "thread::Builder"] {
            let found = code.match_indices(start).map(|(at, _)| line_of(&code, at));
            wrong.extend(found.map(|line| format!("src/{}:{line}: {start}", source.path)));
        }
        if !source.is_listed(LOCKS_IN_THE_CHILD) {
            let locks = static_locks(&code).into_iter();
            wrong.extend(locks.map(|at| format!("src/{}:{}: a lock for all threads", source.path, line_of(&code, at))));
        }
    }
    assert_none("what a forked child must not use", &wrong);
}

/// Where statics are defined that hold a lock.
fn static_locks(code: &str) -> Vec<usize> {
    let is_lock = |at: &usize| {
        let kind = code[*at..].split(['=', ';']).next().unwrap_or_default();
        let locks = ["Mutex", "RwLock", "Once", "OnceLock", "LazyLock", "Condvar"];
        !code[..*at].ends_with('\'') && locks.iter().any(|lock| word_positions(kind, lock).next().is_some())
    };
    word_positions(code, "static").filter(is_lock).collect()
}

#[test]
fn files_of_a_room_use_one_another_in_small_circles_at_most() {
    let sources = sources();
    let imports = Imports::of(&sources);
    let rooms: BTreeSet<_> = sources.iter().filter_map(Source::room).collect();
    let mut wrong = Vec::new();
    for room in rooms {
        for circle in imports.circles(room).iter().filter(|circle| circle.len() > CIRCLE_MAX) {
            wrong.push(format!("src/{room}: a circle of {} files, {CIRCLE_MAX} are allowed", circle.len()));
            for file in circle {
                let uses: Vec<_> = imports.uses[*file].intersection(circle).map(|file| imports.path(*file)).collect();
                wrong.push(format!("    {} uses {}", imports.path(*file), uses.join(", ")));
            }
        }
    }
    assert_none("circles of files", &wrong);
}

#[test]
fn rooms_of_the_server_keep_their_state_to_themselves() {
    let sources = sources();
    let mut wrong = Vec::new();
    let mut opened = BTreeSet::new();
    for source in sources.iter().filter(|source| source.path.starts_with("server/") && source.depth() > 2) {
        for (name, field, line) in open_fields(&source.code, source.path.ends_with("/mod.rs")) {
            let full_name = format!("{name}.{field}");
            match OPEN_FIELDS.iter().find(|(listed, _)| *listed == name || *listed == full_name) {
                Some((listed, _)) => drop(opened.insert(*listed)),
                None => wrong.push(format!("src/{}:{line}: {full_name} is open to other rooms", source.path)),
            }
        }
    }
    let unused = OPEN_FIELDS.iter().filter(|(listed, _)| !opened.contains(listed));
    wrong.extend(unused.map(|(listed, _)| format!("{listed} is listed as open and is not")));
    assert_none("state that is not private to its room", &wrong);
}

/// The fields of structs that are seen beyond the folder of their file, with their lines. In a `mod.rs` what the folder
/// above sees is beyond it.
fn open_fields(code: &str, is_door: bool) -> Vec<(String, String, usize)> {
    let word = |text: &str| text.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect::<String>();
    let mut found = Vec::new();
    for at in word_positions(code, "struct") {
        let name = word(code[at + "struct".len()..].trim_start());
        let rest = &code[at..];
        let Some(open) = rest.find(['{', ';', '(']).filter(|&open| rest[open..].starts_with('{')) else { continue };
        let body = rest[open..].split_once('}').map_or("", |(body, _)| body);
        for field in word_positions(body, "pub") {
            let behind = &body[field + "pub".len()..];
            let (scope, named) = match behind.strip_prefix('(').and_then(|scoped| scoped.split_once(')')) {
                Some((scope, named)) => (scope, named),
                None => ("", behind),
            };
            if scope != "super" || is_door {
                found.push((name.clone(), word(named.trim_start()), line_of(code, at + open + field)));
            }
        }
    }
    found
}

#[test]
fn the_framework_of_commands_uses_no_command_group() {
    const FRAMEWORK: &str = "commands/framework/";
    let sources = sources();
    let imports = Imports::of(&sources);
    let files: Vec<_> = (0..imports.files.len()).filter(|file| imports.path(*file).starts_with(FRAMEWORK)).collect();
    assert!(files.len() > 10, "the framework is where it was");
    let mut wrong = Vec::new();
    for file in files {
        let used = imports.uses[file].iter().map(|file| imports.path(*file));
        let groups = used.filter(|path| path.starts_with("commands/") && !path.starts_with(FRAMEWORK));
        wrong.extend(groups.map(|group| format!("src/{} uses {group}", imports.path(file))));
    }
    assert_none("the framework uses groups", &wrong);
}

#[test]
fn no_module_is_allowed_to_hold_dead_code() {
    let mut wrong = Vec::new();
    for source in &sources() {
        for lint in ["dead_code", "unused_imports"] {
            for at in word_positions(&source.code, lint) {
                let start = source.code[..at].rfind('#').unwrap_or(at);
                let is_inner = source.code[start..].starts_with("#!");
                let item = source.code[at..].split_once(']').map_or("", |(_, item)| item.trim_start());
                let item =
                    item.strip_prefix("pub").map_or(item, |item| item.trim_start_matches("(super)").trim_start());
                if is_inner || item.starts_with("mod ") {
                    wrong.push(format!("src/{}:{}: {lint} over a module", source.path, line_of(&source.code, at)));
                }
            }
        }
    }
    assert_none("lints that are off for a whole module", &wrong);
}

#[test]
fn no_file_is_too_long() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_listed(LONG_FILES)) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("src/{}: {lines} lines", source.path));
        }
    }
    assert_none("files of more than 1,000 lines", &wrong);
}

#[test]
fn nothing_is_left_half_done_or_vaguely_named() {
    let mut wrong = Vec::new();
    for source in &sources() {
        for mark in ["TODO", "FIXME", "XXX", "todo", "unimplemented"] {
            let (text, is_macro) =
                if mark.chars().all(char::is_uppercase) { (&source.text, false) } else { (&source.code, true) };
            let found = word_positions(text, mark).filter(|&at| !is_macro || text[at + mark.len()..].starts_with('!'));
            wrong.extend(found.map(|at| format!("src/{}:{}: {mark}", source.path, line_of(text, at))));
        }
        for (at, _) in source.code.match_indices("fn get_") {
            let name = &source.code[at + "fn ".len()..];
            // The standard library's own names beside `get` are fine.
            if !["get_mut(", "get_or_"].iter().any(|fine| name.starts_with(fine)) {
                wrong.push(format!("src/{}:{}: fn get_...", source.path, line_of(&source.code, at)));
            }
        }
        if source.path.split(['/', '.']).any(|part| matches!(part, "util" | "utils" | "helpers" | "misc" | "common")) {
            wrong.push(format!("src/{}: the name says nothing", source.path));
        }
    }
    assert_none("unfinished or vague", &wrong);
}

/// How long the map may be, so that it is read.
const ARCHITECTURE_WORDS_MAX: usize = 1800;

#[test]
fn the_map_is_short_and_documents_name_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| fs::read_to_string(path).expect("documents are UTF-8");
    let mut wrong = Vec::new();
    let words = read(&root.join("ARCHITECTURE.md")).split_whitespace().count();
    if words > ARCHITECTURE_WORDS_MAX {
        wrong.push(format!("ARCHITECTURE.md has {words} words, more than {ARCHITECTURE_WORDS_MAX}"));
    }
    let mut files: Vec<_> = sources().into_iter().map(|source| format!("/src/{}", source.path)).collect();
    for test in ["tests/it", "tests/it/commands"] {
        let listed = fs::read_dir(root.join(test)).expect("the tests can be read").flatten();
        files.extend(listed.map(|entry| format!("/{test}/{}", entry.file_name().to_string_lossy())));
    }
    let docs = fs::read_dir(root.join("docs")).expect("docs can be read").flatten().map(|entry| entry.path());
    let docs = docs.filter(|path| path.is_file());
    for path in docs.chain(["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"].map(|name| root.join(name))) {
        // Every second piece is between backquotes.
        for name in read(&path).split('`').skip(1).step_by(2) {
            let is_path = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_/.".contains(&b));
            let ending = format!("/{name}");
            let is_there = root.join(name).exists() || files.iter().any(|file| file.ends_with(&ending));
            if is_path && name.ends_with(".rs") && !is_there {
                wrong.push(format!("{}: {name} is not there", path.display()));
            }
        }
    }
    assert_none("documents", &wrong);
}

#[test]
fn blanking_out_leaves_only_code() {
    let text = "let a = \"crate::x \\\" //\"; // crate::y\n/* crate /* z */ */ let b = 'x'; fn f<'a>() {} r#\"un\"safe\"# b'\\''";
    let code = blank_out(text);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), "let a = ; let b = ; fn f<'a>() {} b");
    assert_eq!(code.len(), text.len());
    assert_eq!(code.matches('\n').count(), 1);
}

#[test]
fn edges_are_found_in_groups_and_behind_super() {
    let text = "use crate::{rdb::{Tag, x}, config, stdx};\nfn f() { super::super::keyspace::Db; super::local() }\n";
    let source = Source { path: "types/list.rs".to_owned(), text: text.to_owned(), code: blank_out(text) };
    let names: Vec<_> = edges(&source).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["rdb", "config", "stdx", "keyspace"]);
}

#[test]
fn open_fields_are_found_whatever_opens_them() {
    let code = "pub struct A<T> {\n    pub a: T,\n    pub(in crate::server) b: T,\n    pub(super) c: T,\n    d: T,\n}\nstruct B(pub u8);";
    let names = |is_door| open_fields(code, is_door).into_iter().map(|(_, field, _)| field).collect::<Vec<_>>();
    assert_eq!(names(false), ["a", "b"]);
    assert_eq!(names(true), ["a", "b", "c"]);
}

#[test]
fn a_card_in_disorder_is_refused() {
    let good = "//! Point-in-time files.\n//! Owns: the child,\n//!   its pipe.\n//! Uses: rdb.\n//! Never: tokio.\n//!\n//! More.\n";
    assert_eq!(room_card(good).expect("a good card")["Owns:"].trim(), "the child, its pipe.");
    assert!(room_card("//! One.\n//! Uses: rdb.\n//! Owns: x.\n//! Never: y.\n").is_err());
    assert!(room_card("//! (room being laid)\n").is_err());
}
