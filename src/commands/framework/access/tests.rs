//! Rules and what comes of them.

use std::rc::Rc;

use proptest::prelude::*;

use super::rules::RuleError;
use super::{AccessRules, Denied, User, Users};
use crate::commands::CommandTable;
use crate::resp::ArgsBuf;

const HASH_OF_PASS: &str = "d74ff0ee8da3b9806b18c877dbf29bbde50b5bd8e4dad7a3a725000feb82e8f1";

/// Users and what it takes to change them.
struct Room {
    table: CommandTable,
    users: Users,
}

impl Room {
    fn new() -> Self {
        let table = CommandTable::new();
        let users = Users::new(&AccessRules { rows: table.rows(), all_channels: false });
        Self { table, users }
    }

    fn set(&mut self, name: &str, rules: &str) -> Result<(), String> {
        let book = AccessRules { rows: self.table.rows(), all_channels: false };
        let words = rules.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes);
        let done = self.users.set(name.as_bytes(), words, &book);
        done.map(drop).map_err(|text| String::from_utf8(text).unwrap())
    }

    #[track_caller]
    fn made(&mut self, rules: &str) -> Rc<User> {
        self.users.remove(b"ann");
        self.set("ann", rules).unwrap_or_else(|error| panic!("{rules}: {error}"));
        Rc::clone(self.users.find(b"ann").unwrap())
    }

    #[track_caller]
    fn commands(&mut self, rules: &str) -> String {
        String::from_utf8(self.made(rules).root().command_rules()).unwrap()
    }

    #[track_caller]
    fn check(&self, user: &User, line: &str) -> Result<(), Denied> {
        let args: ArgsBuf = line.split(' ').collect();
        user.check(self.table.resolve(args.as_args()).unwrap(), args.as_args())
    }
}

fn described(user: &User) -> String {
    String::from_utf8(user.describe()).unwrap()
}

#[test]
fn a_user_is_told_in_the_order_of_flags_passwords_keys_channels_and_commands() {
    let mut room = Room::new();
    assert_eq!(described(room.users.default_user()), "on nopass sanitize-payload ~* &* +@all");
    assert_eq!(described(&room.made("")), "off sanitize-payload resetchannels -@all");
    assert_eq!(
        described(&room.made("+get on >pass &c ~k %R~r %W~w %RW~x skip-sanitize-payload (~s +set)")),
        format!(
            "on skip-sanitize-payload #{HASH_OF_PASS} ~k %R~r %W~w ~x resetchannels &c -@all +get (~s resetchannels -@all +set)"
        )
    );
    assert_eq!(described(&room.made("on nopass +@all ~* (+get ~x) reset")), "off sanitize-payload resetchannels -@all");
}

#[test]
fn rules_about_commands_are_told_in_their_order_without_those_that_are_void() {
    let mut room = Room::new();
    for (rules, shown) in [
        ("+@all -@hash -@slow +hget", "+@all -@hash -@slow +hget"),
        ("+@all -@hash -@slow +hget -@hash", "+@all -@slow +hget -@hash"),
        ("-@all +@HASH +@hash +@HaSh", "-@all +@hash"),
        ("+hget -hset +hset -hget", "-@all +hset -hget"),
        ("+client|list +client|list +config|get +config +acl|list -acl", "-@all +client|list +config -acl"),
        ("+select|0 +select|0 +debug|segfault +debug", "-@all +select|0 +debug"),
        ("-@all -@dangerous", "-@all -@dangerous"),
        ("+config +config|get -config|set +config", "-@all +config"),
        ("+get +@all", "+@all"),
        ("allcommands -get nocommands", "-@all"),
    ] {
        assert_eq!(room.commands(rules), shown, "{rules}");
    }
}

#[test]
fn rules_are_refused_with_the_texts_of_redis() {
    let mut room = Room::new();
    let star = "Adding a pattern after the * pattern (or the";
    for (rules, word, reason) in [
        ("+bogus", "+bogus", "Unknown command or category name in ACL"),
        ("+@bogus", "+@bogus", "Unknown command or category name in ACL"),
        ("+config|bogus", "+config|bogus", "Unknown command or category name in ACL"),
        ("-select|0", "-select|0", "Unknown command or category name in ACL"),
        ("+get|a|b", "+get|a|b", "Unknown command or category name in ACL"),
        ("+config|get|port", "+config|get|port", "Allowing first-arg of a subcommand is not supported"),
        ("+select|", "+select|", "Syntax error"),
        ("bogus", "bogus", "Syntax error"),
        ("%~x", "%~x", "Syntax error"),
        ("%", "%", "Syntax error"),
        ("%RR~x", "%RR~x", "Syntax error"),
        (")", ")", "Syntax error"),
        ("(on)", "(on)", "Syntax error"),
        ("( +get ) ( >x )", "( >x )", "Syntax error"),
        ("<pass", "<pass", "The password you are trying to remove from the user does not exist"),
    ] {
        let error = format!("Error in ACL SETUSER modifier '{word}': {reason}");
        assert_eq!(room.set("ann", rules), Err(error), "{rules}");
    }
    assert!(room.set("ann", "~* ~x").unwrap_err().contains(&format!("'~x': {star} 'allkeys' flag)")));
    assert!(room.set("ann", "&* &x").unwrap_err().contains(&format!("'&x': {star} 'allchannels' flag)")));
    for hash in ["#12", &format!("#{}", HASH_OF_PASS.to_uppercase()), &format!("!{HASH_OF_PASS}0")] {
        assert!(room.set("ann", hash).unwrap_err().ends_with("contain only lowercase hexadecimal characters"));
    }
    // Within a selector a rule cannot end like one: read back, it would.
    let book = AccessRules { rows: room.table.rows(), all_channels: false };
    assert_eq!(User::new(b"ann", &book).apply(b"(~x) +@all)", &book), Err(RuleError::Syntax));
    let error = room.set("ann", "+get ( +set").unwrap_err();
    assert_eq!(error, "Unmatched parenthesis in acl selector starting at '('.");
    assert_eq!(room.set("a b", "on"), Err("Usernames can't contain spaces or null characters".to_owned()));
    assert!(room.users.find(b"ann").is_none(), "a refused rule made a user");
}

#[test]
fn passwords_open_the_door_only_while_the_user_is_on() {
    let mut room = Room::new();
    let accepts = |user: &User| (user.accepts(b"pass"), user.accepts(b"other"));
    assert_eq!(accepts(&room.made("on >pass")), (true, false));
    assert_eq!(accepts(&room.made(&format!("on #{HASH_OF_PASS} >other"))), (true, true));
    assert_eq!(accepts(&room.made("off >pass")), (false, false));
    assert_eq!(accepts(&room.made("on")), (false, false));
    assert_eq!(accepts(&room.made("on nopass")), (true, true));
    assert_eq!(accepts(&room.made("off nopass")), (false, false));
    assert_eq!(accepts(&room.made("on nopass >pass")), (true, false));
    assert_eq!(accepts(&room.made("on >pass >other <pass")), (false, true));
    assert_eq!(accepts(&room.made("on nopass resetpass")), (false, false));
    assert_eq!(format!("{:?}", room.made("on >pass")), "User { name: \"ann\", .. }");
}

#[test]
fn subcommands_are_commands_of_their_own_and_first_words_hold_where_there_are_none() {
    let mut room = Room::new();
    let user = room.made("+config -config|set +select|0");
    assert_eq!(room.check(&user, "CONFIG GET port"), Ok(()));
    assert_eq!(room.check(&user, "CONFIG SET port 1"), Err(Denied::Command));
    assert_eq!(room.check(&user, "SELECT 0"), Ok(()));
    assert_eq!(room.check(&user, "SELECT 1"), Err(Denied::Command));
    assert_eq!(room.check(&user, "PING"), Err(Denied::Command));
    // Whoever may do nothing may still become somebody else.
    assert_eq!(room.check(&user, "AUTH x"), Ok(()));
    let user = room.made("+select|0 -select");
    assert_eq!(room.check(&user, "SELECT 0"), Err(Denied::Command));
}

#[test]
fn keys_are_checked_by_what_the_command_does_with_them() {
    let mut room = Room::new();
    let user = room.made("+@all %R~r* %W~w* ~b*");
    for line in ["GET r", "GET b", "COPY r w", "SET w 1", "EXISTS r w b", "TYPE w", "SET b 1 GET", "MGET r1 r2", "PING"]
    {
        assert_eq!(room.check(&user, line), Ok(()), "{line}");
    }
    for (line, index) in [
        ("GET w", 1),
        ("SET r 1", 1),
        ("SET w 1 GET", 1),
        ("COPY w r", 1),
        ("MGET r1 x r2", 2),
        ("EXISTS r x", 2),
        ("SORT r STORE r2", 3),
        ("SINTERCARD 2 r w", 3),
    ] {
        assert_eq!(room.check(&user, line), Err(Denied::Key(index)), "{line}");
    }
}

#[test]
fn one_selector_has_to_allow_the_whole_command_and_the_furthest_reason_is_told() {
    let mut room = Room::new();
    let user = room.made("+mget ~a (+mget ~a ~b) (+@write ~w)");
    assert_eq!(room.check(&user, "MGET a b"), Ok(()));
    assert_eq!(room.check(&user, "MGET a w"), Err(Denied::Key(2)));
    assert_eq!(room.check(&user, "MGET b c"), Err(Denied::Key(2)));
    assert_eq!(room.check(&user, "GET a"), Err(Denied::Command));
    assert_eq!(room.check(&user, "SET w 1"), Ok(()));
    assert!(!user.is_unrestricted());
    assert!(room.made("(~* &* +@all)").is_unrestricted());
    assert!(!room.made("~* &* +@all -get +get").is_unrestricted());
}

#[test]
fn channels_are_matched_by_patterns_and_patterns_by_their_letters() {
    let mut room = Room::new();
    let user = room.made("+@pubsub &news:* &exact");
    for line in
        ["SUBSCRIBE exact news:1", "PSUBSCRIBE news:*", "PUBLISH news:1 x", "UNSUBSCRIBE other", "SSUBSCRIBE exact"]
    {
        assert_eq!(room.check(&user, line), Ok(()), "{line}");
    }
    assert_eq!(room.check(&user, "SUBSCRIBE exact other"), Err(Denied::Channel(2)));
    assert_eq!(room.check(&user, "PSUBSCRIBE news:1"), Err(Denied::Channel(1)));
    assert_eq!(room.check(&user, "PUBLISH other exact"), Err(Denied::Channel(1)));
}

#[test]
fn sort_may_look_up_other_keys_only_for_those_who_may_read_all() {
    let mut room = Room::new();
    for (rules, allowed) in [
        ("+sort ~list", false),
        ("(+sort ~list ~w*)", false),
        ("(+sort ~list %W~*)", false),
        ("(+sort ~list %R~*)", true),
        ("+sort allkeys", true),
        ("+sort ~list (+get allkeys)", false),
    ] {
        let user = room.made(rules);
        let args: ArgsBuf = ["SORT", "list", "BY", "w*"].into_iter().collect();
        let row = room.table.resolve(args.as_args()).unwrap();
        assert_eq!(user.may_read_any_key(row, args.as_args()), allowed, "{rules}");
    }
}

#[test]
fn a_file_of_users_is_taken_as_a_whole_or_not_at_all() {
    let mut room = Room::new();
    room.set("old", "on nopass +@all").unwrap();
    let book = AccessRules { rows: room.table.rows(), all_channels: false };
    let bad = b"user ann on +bogus +nosuch ~* ~x ~y\nuser ann off\n\nusr x\nuser bob (+get\nuser bob on\nuser bob off";
    let error = String::from_utf8(room.users.load("u.acl", bad, &book).unwrap_err()).unwrap();
    for part in [
        "u.acl:1: Error in applying operation '+bogus': Unknown command or category name in ACL. ",
        "u.acl:1: Error in applying operation '+nosuch': Unknown command",
        "u.acl:1: Adding a pattern after the * pattern",
        "u.acl:4 should start with user keyword followed by the username. ",
        "u.acl:5: Unmatched parenthesis in selector definition. ",
        "WARNING: Duplicate user 'bob' found on line 7. ",
        "WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
    ] {
        assert!(error.contains(part), "{error} does not contain {part}");
    }
    assert_eq!(error.matches("after the * pattern").count(), 1);
    assert_eq!(room.users.iter().len(), 2);

    let good = format!("user ann on #{HASH_OF_PASS} ~a* (+set ~b) +get\r\n\n  user bob off\n");
    let reloaded = room.users.load("u.acl", good.as_bytes(), &book).unwrap();
    assert_eq!(reloaded.removed.iter().map(|user| user.name()).collect::<Vec<_>>(), [b"old"]);
    let names: Vec<_> = room.users.iter().map(|user| String::from_utf8_lossy(user.name()).into_owned()).collect();
    assert_eq!(names, ["ann", "bob", "default"]);
    let text = room.users.file_text();
    room.users.load("u.acl", &text, &book).unwrap();
    assert_eq!(room.users.file_text(), text);
}

#[test]
fn a_line_of_the_settings_says_all_there_is_about_its_user() {
    let mut room = Room::new();
    let book = AccessRules { rows: room.table.rows(), all_channels: true };
    let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    room.users.configure(&[words("default on nopass ~x"), words("ann ( +get ~k)")], &book).unwrap();
    assert_eq!(described(room.users.default_user()), "on nopass sanitize-payload ~x &* -@all");
    assert_eq!(room.users.config_lines()[0].concat(), b"annoffsanitize-payload&*-@all(~k&*-@all+get)");
    let error = room.users.configure(&[words("bob #secret")], &book).unwrap_err();
    assert!(error.starts_with("Error loading ACL rule '#(redacted)' for the user named 'bob': The password hash"));
}

fn any_rule() -> impl Strategy<Value = String> {
    const RULES: &[&str] = &[
        "on",
        "off",
        "nopass",
        "resetpass",
        ">p",
        "+@all",
        "-@all",
        "+get",
        "-get",
        "+@read",
        "-@dangerous",
        "+config",
        "-config|set",
        "+config|get",
        "+select|0",
        "-select",
        "~*",
        "~a",
        "%R~a",
        "%W~b*",
        "resetkeys",
        "&c",
        "&*",
        "resetchannels",
        "+@slow",
        "-@slow",
        "(+get ~x)",
        "(+@all -set allkeys &c)",
        "clearselectors",
        "reset",
        "skip-sanitize-payload",
        "~x)",
        "&(y",
    ];
    prop::sample::select(RULES).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn what_is_told_of_a_user_makes_the_same_user(rules in prop::collection::vec(any_rule(), 0..20)) {
        let room = Room::new();
        let book = AccessRules { rows: room.table.rows(), all_channels: false };
        let mut user = User::new(b"ann", &book);
        for rule in &rules {
            // A pattern behind one for everything is refused and changes nothing.
            let _ = user.apply(rule.as_bytes(), &book);
        }
        let mut room = room;
        let copy = room.made(&described(&user));
        prop_assert_eq!(described(&copy), described(&user));
        for row in room.table.rows() {
            let args: ArgsBuf = ["x", "0"].into_iter().collect();
            prop_assert_eq!(user.check(row, args.as_args()), copy.check(row, args.as_args()), "{}", row.full_name);
        }
    }

    #[test]
    fn no_rule_makes_the_reader_panic(rule in prop::collection::vec(any::<u8>(), 0..12), sign in "[-+~%&><#!(]{0,2}@?") {
        let room = Room::new();
        let book = AccessRules { rows: room.table.rows(), all_channels: false };
        let mut user = User::default_user(&book);
        let _ = user.apply(&[sign.as_bytes(), &rule].concat(), &book);
        let _ = user.describe();
    }
}
