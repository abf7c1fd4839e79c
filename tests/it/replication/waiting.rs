//! WAIT, min-replicas-to-write, and SHUTDOWN's wait.

use std::time::Instant;

use super::*;
use crate::support::int;

#[test]
fn wait_ends_with_the_acknowledgement_or_with_its_time() {
    let server = primary("");
    let mut replica = FakeReplica::synced(&server);
    let mut client = server.client();
    assert_eq!(client.run("WAIT 1 0"), int(1), "nothing was written");
    client.run("SET a 1");
    assert_eq!(client.run("WAIT 1 50"), int(0));
    assert_eq!(client.run("WAIT 0 0"), int(0));
    client.send(&encode_command(&["WAIT", "1", "0"]));
    while !replica.command().starts_with("REPLCONF GETACK") {}
    replica.acknowledge();
    assert_eq!(client.read(), int(1));
    assert_eq!(client.run("WAIT 2 20"), int(1));
    assert_eq!(client.run("WAIT x 0").text(), "ERR value is not an integer or out of range");
    assert_eq!(client.run("WAIT 1 -1").text(), "ERR timeout is negative");
}

#[test]
fn several_clients_wait_each_for_its_own_writes() {
    let server = primary("");
    let mut replica = FakeReplica::synced(&server);
    let (mut first, mut second, mut third) = (server.client(), server.client(), server.client());
    first.run("SET a 1");
    replica.change();
    replica.change();
    let early = replica.offset;
    second.run("SET b 1");
    for client in [&mut first, &mut second, &mut third] {
        client.send(&encode_command(&["WAIT", "1", "0"]));
    }
    assert_eq!(third.read(), int(1), "it has written nothing");
    replica.send(&format!("REPLCONF ACK {early}"));
    assert_eq!(first.read(), int(1));
    let id = {
        wait_until("the second one waits", 30, || run(&server, "CLIENT LIST").contains("cmd=wait"));
        let list = run(&server, "CLIENT LIST");
        let line = list.lines().find(|line| line.contains("cmd=wait") && line.contains("flags=b")).expect("it waits");
        line.split(' ').next().and_then(|word| word.strip_prefix("id=")).expect("an id").to_owned()
    };
    assert_eq!(server.client().run(&format!("CLIENT UNBLOCK {id}")), int(1));
    assert_eq!(second.read(), int(0));
    // One that goes while it waits harms nobody.
    first.run("SET c 1");
    first.send(&encode_command(&["WAIT", "1", "0"]));
    drop(first);
    while replica.change() != "SET c 1" {}
    replica.acknowledge();
    assert_eq!(second.run("WAIT 1 1000"), int(1));
}

#[test]
fn writes_need_as_many_replicas_as_is_said() {
    let server = primary("min-replicas-to-write 1\nmin-replicas-max-lag 2");
    let refusal = "NOREPLICAS Not enough good replicas to write.";
    assert_eq!(run(&server, "SET a 1"), refusal);
    let replica = FakeReplica::synced(&server);
    assert_eq!(run(&server, "SET a 1"), "OK");
    assert_eq!(server.client().run("GET a").text(), "1");
    drop(replica);
    wait_until("the replica has gone", 30, || server.info_number("replication", "connected_slaves") == 0);
    assert_eq!(run(&server, "SET a 1"), refusal);
    assert!(run(&server, "EVAL \"return redis.call('set','a','1')\" 0").contains("NOREPLICAS"));
    assert_eq!(run(&server, "GET a"), "1");
    let _silent = FakeReplica::synced(&server);
    assert_eq!(run(&server, "SET a 1"), "OK");
    wait_until("a replica that says nothing does not count", 30, || run(&server, "SET a 1") == refusal);
}

#[test]
fn shutdown_waits_for_a_replica_that_lags_and_no_longer_than_its_time() {
    let mut server = primary("shutdown-timeout 60");
    let mut replica = FakeReplica::synced(&server);
    run(&server, "SET a 1");
    let mut client = server.client();
    client.send(&encode_command(&["SHUTDOWN"]));
    server.wait_for_log("Waiting for replicas before shutting down.");
    // Nothing can be written meanwhile, and reads are answered.
    let mut writer = server.client();
    assert_eq!(writer.run("GET a").text(), "1");
    writer.send(&encode_command(&["SET", "a", "2"]));
    assert_eq!(run(&server, "SHUTDOWN ABORT"), "OK");
    assert_eq!(client.read().text(), "ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(writer.read().text(), "OK");
    client.send(&encode_command(&["SHUTDOWN"]));
    while replica.change() != "SET a 2" {}
    replica.acknowledge();
    assert!(server.wait_for_exit().success());
    assert!(server.log().contains("1 of 1 replicas are in sync when shutting down."), "{}", server.log());
}

#[test]
fn shutdown_gives_up_on_replicas_at_the_end_of_its_time_or_at_once() {
    for command in ["SHUTDOWN", "SHUTDOWN NOW"] {
        let mut server = primary("shutdown-timeout 1");
        let _replica = FakeReplica::synced(&server);
        run(&server, "SET a 1");
        let start = Instant::now();
        server.client().send(&encode_command(&command.split(' ').collect::<Vec<_>>()));
        assert!(server.wait_for_exit().success());
        assert_eq!(start.elapsed() >= Duration::from_secs(1), command == "SHUTDOWN");
        assert!(server.log().contains("Lagging replica 127.0.0.1:7001 reported offset"), "{}", server.log());
        assert!(server.log().contains("0 of 1 replicas are in sync when shutting down."));
    }
}
