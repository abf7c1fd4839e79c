//! Users: how they log in, what they may do, how they change, and the files they live in.

use std::fs;
use std::time::Duration;

use super::{dialogue, dialogue_resp3};
use crate::support::{Client, Server, Setup, Value, bulk, err, int, nil, ok, simple, wait_until};

/// SHA-256 of `secret`.
const SECRET_HASH: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

/// A server with a user `ann` made by these rules, a client that is she, and one of the default user.
fn with_ann(rules: &str) -> (Server, Client, Client) {
    let server = Server::start();
    let mut admin = server.client();
    assert_eq!(admin.run(&format!("ACL SETUSER ann on nopass {rules}")), ok());
    let mut ann = server.client();
    assert_eq!(ann.run("AUTH ann x"), ok());
    (server, ann, admin)
}

/// The last entry of ACL LOG, as fields.
fn last_denial(admin: &mut Client) -> Vec<String> {
    let log = admin.run("ACL LOG 1");
    let fields = log.items()[0].items();
    fields
        .iter()
        .map(|field| if let Value::Integer(number) = field { number.to_string() } else { field.text() })
        .collect()
}

#[test]
fn users_are_made_changed_shown_and_deleted() {
    dialogue(
        r#"
        > ACL USERS
        ["default"]
        > ACL LIST
        ["user default on nopass sanitize-payload ~* &* +@all"]
        > ACL SETUSER ann
        +OK
        > ACL GETUSER ann
        ["flags", ["off", "sanitize-payload"], "passwords", [], "commands", "-@all", "keys", "", "channels", "", "selectors", []]
        > ACL SETUSER ann on >secret ~job:* %R~conf &news +@read -keys (+set ~tmp)
        +OK
        > ACL GETUSER ann
        ["flags", ["on", "sanitize-payload"], "passwords", ["2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"], "commands", "-@all +@read -keys", "keys", "~job:* %R~conf", "channels", "&news", "selectors", [["commands", "-@all +set", "keys", "~tmp", "channels", ""]]]
        > ACL LIST
        ["user ann on sanitize-payload #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~job:* %R~conf resetchannels &news -@all +@read -keys (~tmp resetchannels -@all +set)", "user default on nopass sanitize-payload ~* &* +@all"]
        > ACL SETUSER ann ~a +bogus
        -ERR Error in ACL SETUSER modifier '+bogus': Unknown command or category name in ACL
        > ACL SETUSER "a b" on
        -ERR Usernames can't contain spaces or null characters
        > ACL SETUSER ann (+get
        -ERR Unmatched parenthesis in acl selector starting at '(+get'.
        > ACL GETUSER nobody
        nil
        > ACL USERS
        ["ann", "default"]
        > ACL DELUSER ann nobody
        :1
        > ACL DELUSER default
        -ERR The 'default' user cannot be removed
        > ACL WHOAMI
        "default"
        "#,
    );
}

#[test]
fn in_resp3_a_user_is_a_map_and_its_flags_a_set() {
    dialogue_resp3(
        r#"
        > ACL GETUSER default
        {"flags": ~["on", "nopass", "sanitize-payload"], "passwords": [], "commands": "+@all", "keys": "~*", "channels": "&*", "selectors": []}
        "#,
    );
}

#[test]
fn one_logs_in_with_any_of_the_passwords_while_the_user_is_on() {
    dialogue(&format!(
        r#"
        > ACL SETUSER ann >one #{SECRET_HASH}
        +OK
        > AUTH ann one
        -WRONGPASS invalid username-password pair or user is disabled.
        > ACL SETUSER ann on allcommands
        +OK
        > AUTH ann two
        -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH ann secret
        +OK
        > ACL WHOAMI
        "ann"
        > AUTH nobody x
        -WRONGPASS invalid username-password pair or user is disabled.
        > ACL WHOAMI
        "ann"
        > HELLO 3 AUTH ann wrong
        -WRONGPASS invalid username-password pair or user is disabled.
        > HELLO 2 AUTH ann one
        ["server", ...
        > ACL SETUSER ann <one !{SECRET_HASH}
        +OK
        > AUTH ann one
        -WRONGPASS invalid username-password pair or user is disabled.
        > ACL SETUSER ann <one
        -ERR Error in ACL SETUSER modifier '<one': The password you are trying to remove from the user does not exist
        > RESET
        +RESET
        > ACL WHOAMI
        "default"
        > AUTH x
        -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
        "#
    ));
}

#[test]
fn commands_keys_and_channels_outside_the_rules_are_denied() {
    let (server, mut ann, mut admin) = with_ann(
        "~a* %R~r* %W~w* &news +@all -@dangerous +sort +sort_ro -config +config|get +select|0 -select +select|1 +acl",
    );
    ann.transcript(
        r#"
        > SET a1 x
        +OK
        > GET b
        -NOPERM No permissions to access a key
        > MGET a1 r1
        ["x", nil]
        > SET r1 x
        -NOPERM No permissions to access a key
        > GET w1
        -NOPERM No permissions to access a key
        > COPY a1 w1
        :1
        > CONFIG GET port
        ["port", ...
        > CONFIG SET port 1
        -NOPERM User ann has no permissions to run the 'config|set' command
        > SELECT 0
        -NOPERM User ann has no permissions to run the 'select' command
        > SELECT 1
        +OK
        > FLUSHALL
        -NOPERM User ann has no permissions to run the 'flushall' command
        > PUBLISH news x
        :0
        > PUBLISH other x
        -NOPERM No permissions to access a channel
        > PSUBSCRIBE ne*
        -NOPERM No permissions to access a channel
        > SORT a1 BY w*
        -ERR BY option of SORT denied due to insufficient ACL permissions.
        > SORT_RO a1 GET #
        -ERR GET option of SORT denied due to insufficient ACL permissions.
        > NOSUCH
        -ERR unknown command 'NOSUCH', with args ...
        "#,
    );
    let denied = |kind: &str| server.info_field("stats", &format!("acl_access_denied_{kind}"));
    assert_eq!([denied("cmd"), denied("key"), denied("channel"), denied("auth")], ["3", "3", "2", "0"]);
    assert_eq!(server.info_field("errorstats", "errorstat_NOPERM"), "count=8");
    // A selector of its own lets SORT look up what it may read.
    admin.run("ACL SETUSER ann (+sort %R~*)");
    assert_eq!(ann.run("SORT missing BY w*"), Value::Array(vec![]));
}

#[test]
fn the_keys_that_are_checked_are_those_that_the_command_uses() {
    let (_server, mut ann, mut admin) = with_ann("~open* ~streams ~by ~store +@all");
    admin.pipeline(&["RPUSH secret-list 1", "XADD secret * f v", "XGROUP CREATE secret g 0", "XADD STREAMS * f v"]);
    for line in [
        "SORT open STORE open1 STORE secret",
        "SORT open STORE by STORE secret",
        "SORT secret-list STORE open",
        "GEORADIUS open 0 0 1 km STORE open1 STORE secret",
        "GEORADIUS open 0 0 1 km STORE open1 STOREDIST secret",
        "GEORADIUSBYMEMBER open m 1 km STOREDIST open1 STOREDIST secret",
        "XREAD COUNT 1 STREAMS secret 0",
        "XREADGROUP GROUP g streams STREAMS secret >",
        "XREADGROUP GROUP g STREAMS STREAMS secret >",
        "XREADGROUP NOACK COUNT 1 GROUP g streams STREAMS secret >",
        "XREADGROUP GROUP STREAMS STREAMS STREAMS open secret > >",
    ] {
        assert_eq!(ann.run(line), err("NOPERM No permissions to access a key"), "{line}");
    }
    // A word that only reads like an option is no key.
    for line in [
        "SORT open BY STORE GET STORE",
        "SORT open STORE secret STORE open",
        "GEORADIUS open 0 0 1 km STORE secret STORE open",
        "XREADGROUP GROUP STREAMS secret STREAMS open >",
        "EVAL return(redis.acl_check_cmd('XREADGROUP','GROUP','g','STREAMS','STREAMS','open','>')) 0",
    ] {
        let reply = ann.run(line);
        assert!(!reply.is_error() || !reply.text().contains("NOPERM No permissions"), "{line}: {reply:?}");
    }
    assert_eq!(admin.run("EXISTS open1"), int(0));
    assert_eq!(admin.run("TYPE secret").text(), "stream");
}

#[test]
fn a_change_holds_for_connections_that_are_there() {
    let (_server, mut ann, mut admin) = with_ann("");
    assert_eq!(ann.run("GET key"), err("NOPERM User ann has no permissions to run the 'get' command"));
    admin.run("ACL SETUSER ann +get ~k*");
    assert_eq!(ann.run("GET key"), Value::NullBulk);
    admin.run("ACL SETUSER ann off");
    assert_eq!(ann.run("GET key"), Value::NullBulk);
    admin.run("ACL SETUSER ann reset");
    assert!(ann.run("GET key").is_error());
    assert_eq!(ann.run("AUTH default x"), ok());
}

#[test]
fn transactions_are_checked_when_they_are_queued_and_when_they_run() {
    let (_server, mut ann, mut admin) = with_ann("+multi +exec +incr +auth ~k*");
    let replies = ann.pipeline(&["MULTI", "INCR other", "INCR key", "EXEC"]);
    assert_eq!(replies[1], err("NOPERM No permissions to access a key"));
    assert_eq!(replies[3], err("EXECABORT Transaction discarded because of previous errors."));
    assert_eq!(ann.pipeline(&["MULTI", "INCR key", "INCR key2"])[0], ok());
    admin.run("ACL SETUSER ann resetkeys ~key");
    let replies = ann.run("EXEC");
    assert_eq!(replies.items()[0], int(1));
    assert_eq!(
        replies.items()[1],
        err("NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: no permission to touch the specified keys")
    );
    let entry = last_denial(&mut admin);
    assert_eq!(entry[..10], ["count", "1", "reason", "key", "context", "multi", "object", "key2", "username", "ann"]);
    // Whoever may not run EXEC loses the transaction.
    assert_eq!(ann.pipeline(&["MULTI", "INCR key"])[1], simple("QUEUED"));
    admin.run("ACL SETUSER ann -exec");
    let error = ann.run("EXEC").text();
    assert_eq!(
        error,
        "EXECABORT Transaction discarded because of: NOPERM User ann has no permissions to run the 'exec' command"
    );
}

#[test]
fn a_client_that_waits_is_refused_when_it_has_lost_its_permission() {
    let (server, mut ann, mut admin) = with_ann("+blpop ~list");
    ann.send(b"BLPOP list 0\r\n");
    wait_until("the client waits", 5, || server.info_field("clients", "blocked_clients") == "1");
    admin.run("ACL SETUSER ann -blpop");
    admin.run("RPUSH list x");
    assert_eq!(ann.read(), err("NOPERM User ann has no permissions to run the 'blpop' command"));
    assert_eq!(admin.run("LLEN list"), int(1));
}

#[test]
fn deleting_a_user_ends_its_connections() {
    let (_server, mut ann, mut admin) = with_ann("+@all");
    assert_eq!(admin.run("ACL DELUSER ann"), int(1));
    assert!(ann.is_closed_within(Duration::from_secs(5)));
    assert!(!admin.run("CLIENT LIST").text().contains("user=ann"));
    assert_eq!(admin.run("PING"), simple("PONG"));
}

#[test]
fn who_deletes_itself_gets_an_answer_first() {
    let (_server, mut ann, mut admin) = with_ann("+@all ~*");
    ann.send(b"ACL DELUSER ann\r\nSET key x\r\n");
    assert_eq!(ann.read(), int(1));
    assert!(ann.is_closed_within(Duration::from_secs(5)));
    assert_eq!(admin.run("EXISTS key"), int(0));
}

#[test]
fn subscribers_that_lose_a_channel_are_ended_and_others_are_not() {
    for (subscribe, before, after, ends) in [
        ("SUBSCRIBE foo:1", "&foo:1", "resetchannels", true),
        ("SSUBSCRIBE foo:1", "&foo:1", "resetchannels", true),
        ("PSUBSCRIBE foo:*", "&foo:*", "resetchannels &foo:1", true),
        ("SUBSCRIBE foo:1", "allchannels", "resetchannels &bar", true),
        ("SUBSCRIBE foo:1", "&foo:1", "resetchannels &foo:* &bar", false),
        ("PSUBSCRIBE foo:*", "&foo:*", "&bar", false),
        ("SUBSCRIBE foo:1", "&foo:1", "allchannels", false),
    ] {
        let (_server, mut ann, mut admin) = with_ann(&format!("+@pubsub {before}"));
        ann.run(subscribe);
        admin.run(&format!("ACL SETUSER ann {after}"));
        let listed = admin.run("CLIENT LIST").text().contains("user=ann");
        assert_eq!(listed, !ends, "{subscribe}, from {before} to {after}");
        if ends {
            assert!(ann.is_closed_within(Duration::from_secs(5)));
        }
    }
}

#[test]
fn clients_are_listed_and_killed_by_user() {
    let (_server, mut ann, mut admin) = with_ann("");
    assert_eq!(admin.run("CLIENT KILL USER nobody"), err("ERR No such user 'nobody'"));
    assert!(admin.run("CLIENT LIST").text().contains(" user=ann "));
    assert_eq!(admin.run("CLIENT KILL USER ann"), int(1));
    assert!(ann.is_closed_within(Duration::from_secs(5)));
}

#[test]
fn denials_are_logged_counted_and_forgotten() {
    let (_server, mut ann, mut admin) = with_ann("+get ~k");
    for _ in 0..3 {
        ann.run("SET k v");
    }
    ann.run("GET other");
    ann.run("auth ann2 x");
    assert_eq!(admin.run("ACL LOG").items().len(), 3);
    let fields = last_denial(&mut admin);
    assert_eq!(fields[..6], ["count", "1", "reason", "auth", "context", "toplevel"]);
    assert_eq!(fields[6..11], ["object", "auth", "username", "ann2", "age-seconds"]);
    assert!(fields[13].starts_with("id=") && fields[13].contains("user=ann"), "{}", fields[13]);
    assert_eq!((fields[14].as_str(), fields[15].as_str()), ("entry-id", "2"));
    assert_eq!((fields[16].as_str(), fields[18].as_str()), ("timestamp-created", "timestamp-last-updated"));
    let oldest = &admin.run("ACL LOG 10").items()[2].clone();
    assert_eq!((&oldest.items()[1], oldest.items()[7].text()), (&int(3), "set".to_owned()));
    admin.run("CONFIG SET acllog-max-len 1");
    ann.run("GET another");
    assert_eq!(admin.run("ACL LOG").items().len(), 1);
    assert_eq!(admin.run("ACL LOG RESET"), ok());
    assert_eq!(admin.run("ACL LOG"), Value::Array(vec![]));
    assert_eq!(admin.run("ACL LOG x"), err("ERR value is not an integer or out of range"));
}

#[test]
fn passwords_and_names_are_in_no_slow_log_and_no_server_log() {
    let server = Server::with_config("loglevel debug");
    let mut client = server.client();
    client.run("CONFIG SET slowlog-log-slower-than 0");
    for line in
        ["ACL SETUSER ann on >hidden +get", "ACL SETUSER ann >hidden +nosuch", "ACL GETUSER ann", "ACL DELUSER ann"]
    {
        client.run(line);
    }
    client.run("AUTH ann hidden");
    let entries = client.run("SLOWLOG GET 10");
    let shown: Vec<String> = entries.items().iter().map(|entry| entry.items()[3].texts().join(" ")).collect();
    assert_eq!(
        shown[..5],
        [
            "AUTH (redacted) (redacted)",
            "ACL DELUSER (redacted)",
            "ACL GETUSER (redacted)",
            "ACL SETUSER (redacted) (redacted) (redacted)",
            "ACL SETUSER (redacted) (redacted) (redacted) (redacted)",
        ]
    );
    assert!(!server.log().contains("hidden"));
}

#[test]
fn a_dry_run_tells_what_would_be_denied() {
    dialogue(
        r#"
        > ACL SETUSER ann +@all -debug %R~read* ~rw* &news
        +OK
        > ACL DRYRUN ann GET read1
        +OK
        > ACL DRYRUN ann SET read1 x
        "User ann has no permissions to access the \'read1\' key"
        > ACL DRYRUN ann DEBUG JMAP
        "User ann has no permissions to run the \'debug\' command"
        > ACL DRYRUN ann PUBLISH other x
        "User ann has no permissions to access the \'other\' channel"
        > ACL DRYRUN ann SET read1
        -ERR wrong number of arguments for 'set' command
        > ACL DRYRUN ann NOSUCH x
        -ERR Command 'NOSUCH' not found
        > ACL DRYRUN nobody GET x
        -ERR User 'nobody' not found
        "#,
    );
}

#[test]
fn generated_passwords_have_the_length_asked_for() {
    let server = Server::start();
    let mut client = server.client();
    for (command, len) in
        [("ACL GENPASS", 64), ("ACL GENPASS 128", 32), ("ACL GENPASS 5", 2), ("ACL GENPASS 4096", 1024)]
    {
        let password = client.run(command).text();
        assert!(password.len() == len && password.bytes().all(|byte| byte.is_ascii_hexdigit()), "{password}");
    }
    assert_ne!(client.run("ACL GENPASS"), client.run("ACL GENPASS"));
    for bits in ["0", "-1", "4097"] {
        assert_eq!(
            client.run(&format!("ACL GENPASS {bits}")),
            err(
                "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
                 4096"
            )
        );
    }
}

#[test]
fn new_connections_are_the_default_user_only_while_it_is_open() {
    let server = Server::start();
    let mut admin = server.client();
    assert_eq!(admin.run("ACL SETUSER default off"), ok());
    let mut other = server.client();
    assert_eq!(other.run("PING"), err("NOAUTH Authentication required."));
    assert_eq!(admin.run("PING"), simple("PONG"));
    admin.run("ACL SETUSER default on");
    // Nobody has to log in any more, and those who did not need not either.
    assert_eq!(other.run("PING"), simple("PONG"));
    admin.run("CONFIG SET requirepass secret");
    assert_eq!(other.run("PING"), err("NOAUTH Authentication required."));
    assert_eq!(other.run("AUTH secret"), ok());
    assert_eq!(admin.run("RESET"), simple("RESET"));
    assert_eq!(admin.run("PING"), err("NOAUTH Authentication required."));
    assert_eq!(other.run("ACL LIST").texts(), [format!("user default on sanitize-payload #{SECRET_HASH} ~* &* +@all")]);
    other.run("ACL SETUSER default >more");
    assert_eq!(admin.run("AUTH default more"), ok());
}

#[test]
fn a_default_user_without_commands_can_still_say_hello() {
    let server = Server::start();
    let mut client = server.client();
    client.run("ACL SETUSER boss on >pass +@all ~* &*");
    client.run("ACL SETUSER default -@all");
    assert_eq!(client.run("PING"), err("NOPERM User default has no permissions to run the 'ping' command"));
    assert!(!client.run("HELLO 2 AUTH boss pass").is_error());
    assert_eq!(client.run("PING"), simple("PONG"));
}

#[test]
fn renamed_commands_keep_their_names_in_rules() {
    let server = Server::with_config("rename-command GET fetch");
    let mut client = server.client();
    client.run("ACL SETUSER ann on nopass +get ~*");
    client.run("AUTH ann x");
    assert_eq!(client.run("FETCH key"), Value::NullBulk);
}

#[test]
fn users_of_the_settings_are_there_at_start_and_rewritten() {
    let mut server =
        Server::with_config("user ann on >pass ~a* +@read (~b* +set)\nuser default on nopass ~* +@all -flushdb");
    let mut client = server.client();
    assert_eq!(client.run("FLUSHDB"), err("NOPERM User default has no permissions to run the 'flushdb' command"));
    assert_eq!(client.run("SUBSCRIBE x"), err("NOPERM No permissions to access a channel"));
    client.run("ACL SETUSER bob off");
    let before = client.run("ACL LIST").texts();
    assert_eq!(client.run("CONFIG REWRITE"), ok());
    let text = fs::read_to_string(server.config_path()).expect("the settings can be read");
    assert_eq!(text.lines().filter(|line| line.starts_with("user ")).count(), 3, "{text}");
    assert!(!text.contains(">pass"), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("user ")).collect();
    server.set_config(&lines.join("\n"));
    server.kill_and_start_again();
    assert_eq!(server.client().run("ACL LIST").texts(), before);
    assert_eq!(server.client().run("AUTH ann pass"), ok());
}

#[test]
fn settings_with_a_wrong_or_a_double_user_are_refused() {
    for (lines, reason) in [
        ("user ann on\nuser ann off", "Duplicate user found. A user can only be defined once in config files"),
        ("user ann on >hidden +nosuch", "Error loading ACL rule '+nosuch' for the user named 'ann': Unknown command"),
        ("user ann (+get", "Unmatched parenthesis in acl selector starting at '(+get' of the user named 'ann'"),
        ("user ann on\naclfile users.acl", "please define either an ACL file or declare users directly"),
        ("aclfile users.acl", "opening file 'users.acl': No such file or directory"),
    ] {
        let refused = Setup::new().config(lines).start_refused();
        assert!(!refused.status.success());
        assert!(refused.log.contains(reason), "{lines}: {}", refused.log);
        assert!(!refused.log.contains("hidden"), "{}", refused.log);
    }
}

#[test]
fn a_file_of_users_is_read_and_written_as_a_whole() {
    let users = "user ann on nopass +@all ~*\nuser default on nopass ~* &* +@all\n";
    let server = Setup::new().config("aclfile users.acl").file("users.acl", users).start();
    let path = server.data_dir().join("users.acl");
    let mut client = server.client();
    let mut ann = server.client();
    assert_eq!(ann.run("AUTH ann x"), ok());
    assert_eq!(client.run("ACL SETUSER bob on >pass +get ~b*"), ok());
    assert_eq!(client.run("ACL SAVE"), ok());
    let saved = fs::read_to_string(&path).expect("the file can be read");
    assert_eq!(saved.lines().map(str::to_owned).collect::<Vec<_>>(), client.run("ACL LIST").texts());
    let names: Vec<String> = server.data_files().into_keys().filter(|name| name.contains("users.acl")).collect();
    assert_eq!(names, ["users.acl"]);

    // One bad line, and nothing changes.
    fs::write(&path, "user default off\nuser carl on +nosuch\nuser carl on\n").expect("the file can be written");
    let error = client.run("ACL LOAD").text();
    assert!(error.starts_with("ERR users.acl:2: Error in applying operation '+nosuch'"), "{error}");
    assert!(error.ends_with("no change to the previously active ACL rules was performed"), "{error}");
    assert_eq!(client.run("ACL USERS").texts(), ["ann", "bob", "default"]);
    assert_eq!(ann.run("PING"), simple("PONG"));

    // The users that were there are gone with their connections; the default one only changes.
    fs::write(&path, "user ann on nopass +ping\nuser default on nopass allkeys allchannels +@all -echo")
        .expect("written");
    assert_eq!(client.run("ACL LOAD"), ok());
    assert!(ann.is_closed_within(Duration::from_secs(5)));
    assert_eq!(client.run("ACL USERS").texts(), ["ann", "default"]);
    assert!(client.run("ECHO x").is_error());

    fs::remove_file(&path).expect("the file can be removed");
    let error = client.run("ACL LOAD").text();
    assert_eq!(error, "ERR Error loading ACLs, opening file 'users.acl': No such file or directory");
    assert_eq!(client.run("CONFIG GET aclfile").texts(), ["aclfile", "users.acl"]);
    // With a file of users the settings name none.
    assert_eq!(client.run("CONFIG REWRITE"), ok());
    assert!(!fs::read_to_string(server.config_path()).expect("readable").contains("\nuser "));
}

#[test]
fn a_parenthesis_within_a_selector_is_a_wrong_rule_and_makes_no_user() {
    let server = Server::start();
    let mut client = server.client();
    for (rules, error) in [
        ("(+PING (+SELECT (+DEL )", "Error in ACL SETUSER modifier '(+PING (+SELECT (+DEL )': Syntax error"),
        ("(+PING (+SELECT (+DEL ) ) )", "Error in ACL SETUSER modifier '(+PING (+SELECT (+DEL )': Syntax error"),
        ("(+PING (+SELECT (+DEL", "Unmatched parenthesis in acl selector starting at '(+PING'."),
        ("(+PING (+SELECT)", "Error in ACL SETUSER modifier '(+PING (+SELECT)': Syntax error"),
        ("\"(+PING (+SELECT)\"", "Error in ACL SETUSER modifier '(+PING (+SELECT)': Syntax error"),
        ("((+PING)", "Error in ACL SETUSER modifier '((+PING)': Syntax error"),
        ("( ( +PING )", "Error in ACL SETUSER modifier '( ( +PING )': Syntax error"),
        ("(+PING ))", "Error in ACL SETUSER modifier '(+PING ))': Syntax error"),
        ("(+PING) )", "Error in ACL SETUSER modifier ')': Syntax error"),
        ("(", "Unmatched parenthesis in acl selector starting at '('."),
        (")", "Error in ACL SETUSER modifier ')': Syntax error"),
    ] {
        assert_eq!(client.run(&format!("ACL SETUSER ann on {rules}")), err(&format!("ERR {error}")), "{rules}");
        assert_eq!(client.run("ACL GETUSER ann"), nil(), "{rules}");
    }
    assert_eq!(client.run("ACL SETUSER ann ( +PING ) () (+get ~a)"), ok());
    assert_eq!(client.run("ACL GETUSER ann").items()[11].items().len(), 3);
    let refused = Setup::new().config("user ann on (+ping (+select (+del )").start_refused();
    assert!(!refused.status.success() && refused.log.contains("(+ping (+select (+del )"), "{}", refused.log);
    let setup = || Setup::new().config("aclfile users.acl");
    let refused = setup().file("users.acl", "user ann on (+ping (+select (+del )\n").start_refused();
    assert!(!refused.status.success() && refused.log.contains("users.acl:1: Syntax error"), "{}", refused.log);
    let refused = setup().file("users.acl", "user ann on (+ping (+select\n").start_refused();
    assert!(refused.log.contains("Unmatched parenthesis in selector definition"), "{}", refused.log);
}

#[test]
fn a_malformed_pattern_of_keys_is_refused_wherever_it_stands() {
    let server = Server::start();
    let mut client = server.client();
    for rule in ["%", "%~", "%~x", "%X~x", "%RR~x", "%R W~x", "(%)", "(%~x)"] {
        let reply = client.cmd(&["ACL", "SETUSER", "ann", "on", rule]);
        assert_eq!(reply, err(&format!("ERR Error in ACL SETUSER modifier '{rule}': Syntax error")));
        assert_eq!(client.run("ACL GETUSER ann"), nil());
    }
    // Letters without a pattern are those of an empty pattern.
    assert_eq!(client.run("ACL SETUSER ann on nopass %RW +@all"), ok());
    let denied = "User ann has no permissions to access the 'x' key";
    assert_eq!(client.run("ACL DRYRUN ann GET x"), bulk(denied));
    assert!(!client.run("ACL GETUSER ann").is_error() && !client.run("ACL LIST").is_error());
}

#[test]
fn a_user_with_an_empty_name_is_saved_and_read_again() {
    let server = Setup::new().config("aclfile users.acl").file("users.acl", "").start();
    let mut client = server.client();
    assert_eq!(client.cmd(&["ACL", "SETUSER", "", "on", ">secret", "~a*", "+get"]), ok());
    let before = client.cmd(&["ACL", "GETUSER", ""]);
    assert_eq!(client.run("ACL SAVE"), ok());
    assert_eq!(client.run("ACL LOAD"), ok());
    assert_eq!(client.run("ACL USERS").texts(), ["", "default"]);
    assert_eq!(client.cmd(&["ACL", "GETUSER", ""]), before);
    assert_eq!(client.cmd(&["AUTH", "", "secret"]), ok());
    // Two users with an empty name are one too many, as with any other name.
    let double = "user  on nopass\nuser  off\n";
    let refused = Setup::new().config("aclfile users.acl").file("users.acl", double).start_refused();
    assert!(refused.log.contains("Duplicate user '' found on line 2"), "{}", refused.log);
    let server = Server::with_config("user \"\" on >secret ~a* +get");
    let mut client = server.client();
    assert_eq!(client.cmd(&["ACL", "GETUSER", ""]), before);
    assert_eq!(client.run("CONFIG REWRITE"), ok());
    let text = fs::read_to_string(server.config_path()).expect("readable");
    assert!(text.contains("\nuser \"\" on "), "{text}");
}

#[test]
fn rules_about_commands_that_are_not_here_are_kept_and_allow_nothing() {
    let rules = "-@all +get -eval +script|load -function +replicaof -json.get +cluster|addslots";
    let server = Server::with_config(&format!("user ann on nopass ~* {rules}"));
    let mut client = server.client();
    assert_eq!(client.run("ACL GETUSER ann").items()[5], bulk(rules));
    assert_eq!(client.run("ACL SETUSER bob on +@all -eval -slaveof"), ok());
    assert_eq!(client.run("ACL GETUSER bob").items()[5], bulk("+@all -eval -slaveof"));
    for rule in ["-nosuch", "+function|", "+script|a b", "+nosuch|x"] {
        let error = format!("ERR Error in ACL SETUSER modifier '{rule}': ");
        let reply = client.cmd(&["ACL", "SETUSER", "cat", rule]);
        assert!(reply.is_error() && reply.text().starts_with(&error), "{reply:?}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_stays_as_it_was() {
    let server = Setup::new().config("aclfile sub/users.acl\ndir .").file("users.acl", "").start_refused();
    assert!(server.log.contains("opening file 'sub/users.acl'"), "{}", server.log);
    let server = Setup::new().config("aclfile users.acl").file("users.acl", "").start();
    let path = server.data_dir().join("users.acl");
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a folder in its place");
    assert_eq!(
        server.client().run("ACL SAVE"),
        err("ERR There was an error trying to save the ACLs. Please check the server logs for more information")
    );
    server.wait_for_log("Writing ACL file for ACL SAVE: users.acl: ");
}

#[test]
fn without_a_file_of_users_load_and_save_say_what_to_do() {
    let server = Server::start();
    let mut client = server.client();
    for command in ["ACL LOAD", "ACL SAVE"] {
        let error = client.run(command).text();
        assert!(error.starts_with("ERR This Redis instance is not configured to use an ACL file."), "{error}");
    }
}

#[test]
fn new_users_get_the_channels_that_the_settings_give_them() {
    let server = Server::with_config("acl-pubsub-default allchannels");
    let mut client = server.client();
    client.run("ACL SETUSER ann");
    assert_eq!(client.run("ACL GETUSER ann").items()[9], bulk("&*"));
    client.run("CONFIG SET acl-pubsub-default resetchannels");
    assert_eq!(client.run("ACL GETUSER ann").items()[9], bulk("&*"));
    client.run("ACL SETUSER bob (+get)");
    assert_eq!(client.run("ACL GETUSER bob").items()[9], bulk(""));
}

#[test]
fn categories_are_told_with_their_commands() {
    dialogue(
        r#"
        > ACL HELP
        [+ACL <subcommand> ...
        > ACL CAT bogus
        -ERR Unknown category 'bogus'
        > ACL CAT string x
        -ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.
        "#,
    );
    let server = Server::start();
    let mut client = server.client();
    let categories = client.run("ACL CAT").texts();
    assert_eq!(categories.len(), 21);
    for category in &categories {
        // Each of them alone makes the rules one would expect.
        client.run(&format!("ACL SETUSER ann reset +@all -@{category}"));
        assert_eq!(client.run("ACL GETUSER ann").items()[5], bulk(format!("+@all -@{category}")));
    }
    let commands = client.run("ACL CAT string").texts();
    assert!(commands.contains(&"getrange".to_owned()) && !commands.contains(&"ping".to_owned()), "{commands:?}");
}

#[test]
fn trusted_users_restore_without_a_deep_check() {
    let server = Server::with_config("sanitize-dump-payload clients");
    let mut client = server.client();
    client.run("RPUSH list a b c");
    let payload = client.run("DUMP list").bytes();
    let checked = |server: &Server| server.info_field("stats", "dump_payload_sanitizations");
    client.run("ACL SETUSER default skip-sanitize-payload");
    assert_eq!(client.cmd(&[&b"RESTORE"[..], b"one", b"0", &payload]), ok());
    assert_eq!(checked(&server), "0");
    client.run("ACL SETUSER default sanitize-payload");
    assert_eq!(client.cmd(&[&b"RESTORE"[..], b"two", b"0", &payload]), ok());
    assert_eq!(checked(&server), "1");
}
