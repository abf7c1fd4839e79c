//! `metrics-port`: metrics, health checks and the status page over HTTP.

use std::io::{Read as _, Write as _};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::http::{self, Answer};
use crate::support::system_service::SYSTEM_SERVICE;
use crate::support::{Confinement, Filter, Refusal, Server, Setup, against_redis, encode_command, free_port};

/// Figures may be so old, beside the time for an answer.
const FRESH: Duration = Duration::from_millis(150);

fn start(lines: &str) -> (Server, u16) {
    let port = free_port();
    (Server::with_config(&format!("metrics-port {port}\n{lines}")), port)
}

/// The metrics of now.
fn metrics(port: u16) -> String {
    sleep(FRESH);
    let answer = http::get(port, "/metrics");
    assert_eq!(answer.status, 200);
    answer.body
}

#[track_caller]
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.rsplit_once(' ').is_some_and(|(found, _)| found == name));
    line.unwrap_or_else(|| panic!("no {name} in:\n{metrics}")).rsplit_once(' ').unwrap().1.parse().expect("a number")
}

/// Asks until the answer is as wanted.
#[track_caller]
fn wait_for(port: u16, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let start = Instant::now();
    loop {
        let answer = http::get(port, path);
        if wanted(&answer) {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{path}: {} {}", answer.status, answer.body);
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn metrics_follow_what_clients_do() {
    if against_redis() {
        return;
    }
    let (server, port) = start("save \"\"\n");
    let mut client = server.client();
    client.cmd(&["SET", "k", "v", "EX", "1000"]);
    client.cmd(&["SELECT", "3"]);
    client.cmd(&["LPUSH", "l", "a", "b"]);
    client.cmd(&["GET", "l"]);
    client.cmd(&["GET", "missing"]);
    let metrics = metrics(port);
    for (name, expected) in [
        ("redis_up", 1.0),
        ("redis_db_keys{db=\"db0\"}", 1.0),
        ("redis_db_keys_expiring{db=\"db0\"}", 1.0),
        ("redis_db_keys{db=\"db3\"}", 1.0),
        ("redis_commands_total{cmd=\"lpush\"}", 1.0),
        ("redis_commands_failed_calls_total{cmd=\"get\"}", 1.0),
        ("redis_errors_total{err=\"WRONGTYPE\"}", 1.0),
        ("redis_keyspace_misses_total", 1.0),
        ("redis_connected_clients", 1.0),
        ("copal_command_duration_seconds_count{cmd=\"get\"}", 2.0),
        ("copal_event_loop_stalled", 0.0),
    ] {
        assert_eq!(value(&metrics, name), expected, "{name}");
    }
    assert!(value(&metrics, "redis_memory_used_bytes") > 100_000.0);
    assert!(value(&metrics, "redis_db_avg_ttl_seconds{db=\"db0\"}") <= 1000.0);
    let run_id = server.info_field("server", "run_id");
    assert!(metrics.contains(&format!("run_id=\"{run_id}\"")));
}

#[test]
fn metrics_show_how_the_last_snapshot_went() {
    if against_redis() {
        return;
    }
    let (server, port) = start("save \"\"\n");
    assert!(!metrics(port).contains("copal_snapshot_last_"), "there was none");
    server.client().cmd(&["SET", "k", "v"]);
    server.background_save();
    let saved = metrics(port);
    assert_eq!(value(&saved, "copal_snapshot_last_success"), 1.0);
    assert_eq!(value(&saved, "copal_snapshot_last_keys"), 1.0);
    assert!(value(&saved, "copal_snapshot_last_fork_seconds") > 0.0);
    assert!(value(&saved, "copal_snapshot_last_file_bytes") > 50.0);
    assert!(value(&saved, "copal_snapshot_age_seconds") < 60.0);
    // A directory where the dump is to be.
    std::fs::remove_file(server.dump_path()).expect("there is a dump");
    std::fs::create_dir(server.dump_path()).expect("a directory");
    server.client().cmd(&["SET", "k", "w"]);
    server.client().cmd(&["BGSAVE"]);
    let failed = wait_for(port, "/metrics", |answer| answer.body.contains("copal_snapshot_last_success 0\n"));
    assert!(failed.body.contains("copal_snapshot_last_failed_step{step=\""), "{}", failed.body);
    assert_eq!(value(&failed.body, "redis_rdb_last_bgsave_status"), 0.0);
    // Reads are served all the same; whoever wants to hear of it asks strictly.
    let ready = http::get(port, "/readyz");
    assert!(
        ready.status == 200 && ready.body.contains("\"code\":\"snapshot_failed\",\"blocks\":false"),
        "{}",
        ready.body
    );
    assert_eq!(http::get(port, "/readyz?strict").status, 503);
}

#[test]
fn prometheus_gets_the_format_that_it_asks_for() {
    if against_redis() {
        return;
    }
    let (_server, port) = start("");
    let plain = http::get(port, "/metrics");
    assert!(plain.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", plain.head);
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let request = format!("GET /metrics HTTP/1.1\r\nHost: a\r\n{accept}\r\nConnection: close\r\n\r\n");
    let open = http::ask(port, &request).expect("an answer");
    assert!(open.head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{}", open.head);
    assert!(open.body.ends_with("# EOF\n"));
}

#[test]
fn only_what_is_there_is_answered_and_only_to_get() {
    if against_redis() {
        return;
    }
    let (_server, port) = start("");
    assert_eq!(http::get(port, "/other").status, 404);
    assert_eq!(http::get(port, "/metrics/../etc/passwd").status, 404);
    let post = http::ask(port, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab");
    let post = post.expect("an answer");
    assert!(post.status == 405 && post.head.contains("allow: get, head"), "{}", post.head);
    let head = http::ask(port, "HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("an answer");
    assert!(head.status == 200 && head.body.is_empty(), "{}", head.body);
    for answer in [http::get(port, "/metrics"), http::get(port, "/status.json")] {
        assert!(answer.head.contains("cache-control: no-store") && answer.head.contains("nosniff"), "{}", answer.head);
    }
}

#[test]
fn a_held_event_loop_is_said_and_the_last_figures_are_shown() {
    if against_redis() {
        return;
    }
    let (server, port) = start("enable-debug-command yes\n");
    assert_eq!(value(&metrics(port), "copal_event_loop_stalled"), 0.0);
    let mut client = server.client();
    client.send(&encode_command(&["DEBUG", "SLEEP", "3"]));
    let stalled = wait_for(port, "/metrics", |answer| answer.body.contains("copal_event_loop_stalled 1\n"));
    assert_eq!(value(&stalled.body, "redis_up"), 0.0);
    assert!(value(&stalled.body, "copal_figures_age_seconds") > 0.1);
    let ready = http::get(port, "/readyz");
    assert!(ready.status == 503 && ready.body.contains("\"code\":\"event_loop\""), "{}", ready.body);
    let alive = http::get(port, "/healthz");
    assert!(alive.status == 200 && alive.body.contains("\"alive\":true"), "{}", alive.body);
    client.read();
    wait_for(port, "/readyz", |answer| answer.status == 200);
}

#[test]
fn a_server_that_loads_is_alive_and_not_ready() {
    if against_redis() {
        return;
    }
    let port = free_port();
    let config = format!("metrics-port {port}\nenable-debug-command yes\nsave \"\"\n");
    let mut server = Server::with_config(&config);
    server.client().cmd(&["DEBUG", "POPULATE", "40000"]);
    assert!(!server.client().cmd(&["SAVE"]).is_error());
    server.kill();
    server.set_config(&format!("{config}key-load-delay 200\n"));
    server.start_again_without_waiting();
    let start = Instant::now();
    while std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(30));
        sleep(Duration::from_millis(10));
    }
    let loading = wait_for(port, "/readyz", |answer| answer.body.contains("\"loading\":{\"percent\":"));
    assert!(loading.status == 503 && loading.body.contains("\"code\":\"loading\",\"blocks\":true"), "{}", loading.body);
    assert_eq!(http::get(port, "/healthz").status, 200);
    let metrics = http::get(port, "/metrics").body;
    assert_eq!(value(&metrics, "redis_loading_dump_file"), 1.0);
    assert!(value(&metrics, "copal_loading_progress_ratio") < 1.0);
    server.wait_for_log("Loading RDB: ");
}

#[test]
fn what_the_machine_lacks_is_in_the_log_and_in_the_status() {
    if against_redis() {
        return;
    }
    let (server, port) = start("tcp-backlog 2000000\n");
    let line = "The TCP backlog setting of 2000000 cannot be enforced";
    let command = "Run 'sysctl net.core.somaxconn=2000000'";
    assert!(server.log().contains(line) && server.log().contains(command), "{}", server.log());
    let status = http::get(port, "/status.json").body;
    assert!(status.contains("\"code\":\"somaxconn\",\"blocks\":false") && status.contains(command), "{status}");
    assert_eq!(http::get(port, "/readyz?strict").status, 200, "it is no matter of this server's health");
}

#[test]
fn a_replica_without_data_is_not_ready_and_one_that_is_in_sync_is() {
    if against_redis() {
        return;
    }
    let (primary, primary_metrics) = start("");
    primary.client().cmd(&["SET", "k", "v"]);
    let nobody = free_port();
    let (replica, port) = start(&format!("replicaof 127.0.0.1 {nobody}\n"));
    let lost = http::get(port, "/readyz");
    assert!(lost.status == 503 && lost.body.contains("\"code\":\"replica_without_data\""), "{}", lost.body);
    replica.client().cmd(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    wait_for(port, "/readyz", |answer| answer.status == 200);
    let of_replica = metrics(port);
    let labels = format!("{{master_host=\"127.0.0.1\",master_port=\"{}\"}}", primary.port());
    assert_eq!(value(&of_replica, &format!("redis_master_link_up{labels}")), 1.0);
    assert!(of_replica.contains("redis_instance_info{role=\"slave\""));
    let of_primary = metrics(primary_metrics);
    assert_eq!(value(&of_primary, "redis_connected_slaves"), 1.0);
    assert!(of_primary.contains("slave_state=\"online\""));
}

#[test]
fn the_slow_log_is_shown_without_arguments() {
    if against_redis() {
        return;
    }
    let (server, port) = start("slowlog-log-slower-than 0\nrename-command GETSET hidden-name\n");
    let mut client = server.client();
    client.cmd(&["SET", "secret-key", "secret-value"]);
    client.cmd(&["hidden-name", "secret-key", "v"]);
    client.cmd(&["CLIENT", "SETNAME", "secret-client"]);
    sleep(FRESH);
    let status = http::get(port, "/status.json");
    assert!(
        status.body.contains("\"command\":\"set\"") && status.body.contains("\"command\":\"getset\""),
        "{}",
        status.body
    );
    let metrics = metrics(port);
    for text in [&status.body, &metrics] {
        for secret in ["secret", "hidden-name", "127.0.0.1:"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[test]
fn without_a_port_nothing_listens_and_a_taken_one_is_an_error() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    assert_eq!(server.client().cmd(&["CONFIG", "GET", "metrics-port"]).texts(), ["metrics-port", "0"]);
    let refused = server.client().cmd(&["CONFIG", "SET", "metrics-port", "1"]).text();
    assert!(refused.contains("can't set immutable config"), "{refused}");
    let refused = Setup::new().config(&format!("metrics-port {}\n", server.port())).start_refused();
    assert!(refused.log.contains("Failed listening on the metrics port"), "{}", refused.log);
}

#[test]
fn one_connection_serves_many_requests() {
    if against_redis() {
        return;
    }
    let (_server, port) = start("");
    let mut stream = http::connect(port);
    for _ in 0..100 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").expect("it takes more");
        let mut answer = Vec::new();
        while !answer.ends_with(b"}\n") {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).expect("an answer");
            assert!(read > 0, "it was closed");
            answer.extend_from_slice(&piece[..read]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn the_status_page_comes_with_a_policy_that_lets_nothing_else_in() {
    if against_redis() {
        return;
    }
    let (_server, port) = start("");
    let page = http::get(port, "/");
    assert!(page.status == 200 && page.head.contains("content-type: text/html; charset=utf-8"), "{}", page.head);
    let policy = page.head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).expect("a policy");
    for part in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "script-src 'sha256-"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.body.contains("<title>Copal</title>") && !page.body.contains("{script}"), "{}", page.body);
}

#[test]
fn a_web_page_elsewhere_cannot_read_figures_by_giving_itself_this_address() {
    if against_redis() {
        return;
    }
    let (_server, port) = start("");
    let ask = |path: &str, head: &str| {
        http::ask(port, &format!("GET {path} HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n")).expect("an answer")
    };
    for path in ["/", "/status.json"] {
        let refused = ask(path, "Host: evil.example:9121");
        assert!(refused.status == 421 && refused.body.contains("by its IP address"), "{}", refused.body);
        assert_eq!(ask(path, &format!("Host: 127.0.0.1:{port}")).status, 200);
    }
    assert_eq!(ask("/metrics", "Host: evil.example\r\nAccept-Language: en").status, 421);
    assert_eq!(ask("/metrics", "Host: copal.monitoring.svc.cluster.local:9121").status, 200);
}

#[test]
fn connections_for_metrics_take_no_file_from_clients() {
    const CLIENTS: usize = 10;
    // What is kept for the server itself, with the files of the HTTP thread: one address, connections and others.
    const OWN: u64 = 32 + 1 + 16 + 5;
    if against_redis() {
        return;
    }
    let port = free_port();
    let config = format!("metrics-port {port}\nmaxclients 1000\nsave \"\"\n");
    let confinement = Confinement::new().file_limit(OWN + CLIENTS as u64);
    let server = Setup::new().config(&config).confined(confinement).start();
    let mut client = server.client();
    assert_eq!(client.run("CONFIG GET maxclients").texts(), ["maxclients", "10"]);
    let mut scrapers: Vec<_> = (0..16).map(|_| http::connect(port)).collect();
    for scraper in &mut scrapers {
        scraper.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
        assert!(scraper.read(&mut [0; 4096]).expect("an answer") > 0);
    }
    let others: Vec<_> = (1..CLIENTS).map(|_| server.client()).collect();
    for mut other in others {
        assert_eq!(other.run("ECHO served").text(), "served");
    }
    server.background_save();
}

#[test]
fn metrics_are_served_with_the_calls_of_a_hardened_service_and_no_others() {
    if against_redis() {
        return;
    }
    let port = free_port();
    let confinement = Confinement::new()
        .filter(Filter::denying_writable_code(Refusal::Kill))
        .filter(Filter::allowing(SYSTEM_SERVICE, Refusal::Kill));
    if !confinement.is_possible() {
        return;
    }
    let server = Setup::new().config(&format!("metrics-port {port}\n")).confined(confinement).start();
    server.client().run("SET k v");
    server.background_save();
    assert_eq!(value(&metrics(port), "copal_snapshot_last_success"), 1.0);
    assert_eq!(http::get(port, "/healthz").status, 200);
}
