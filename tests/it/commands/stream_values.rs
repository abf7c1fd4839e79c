//! What every type can do, done to streams: copies, dumps, digests, memory.

use crate::support::{Server, against_redis, bulk, int, ok};

/// A stream of 250 entries with a group, one of whose consumers has three pending.
fn fill(server: &Server) {
    let mut client = server.client();
    for at in 1..=250 {
        client.run(&format!("XADD s {at}-1 field value:{at}"));
    }
    client.run("XDEL s 7-1");
    client.run("XGROUP CREATE s g 0");
    client.run("XREADGROUP GROUP g alice COUNT 3 STREAMS s >");
}

#[test]
fn a_copy_of_a_stream_goes_its_own_way() {
    let server = Server::start();
    fill(&server);
    let mut client = server.client();
    client.transcript(
        r#"
        > COPY s t
        :1
        > XACK t g 1-1
        :1
        > XADD t 300-1 f v
        "300-1"
        > XLEN s
        :249
        > XPENDING s g
        [:3, "1-1", "3-1", [["alice", "3"]]]
        > XPENDING t g
        [:2, "2-1", "3-1", [["alice", "2"]]]
        > XLEN t
        :250
        "#,
    );
    let digest = |client: &mut crate::support::Client, key| client.run(&format!("DEBUG DIGEST-VALUE {key}"));
    assert_ne!(digest(&mut client, "s"), digest(&mut client, "t"));
    client.run("XDEL t 300-1");
    // Neither groups nor deleted entries have a part in it.
    assert_eq!(digest(&mut client, "s"), digest(&mut client, "t"));
    assert_eq!(client.run("SCAN 0 TYPE stream COUNT 100").items()[1].items().len(), 2);
    assert!(client.run("MEMORY USAGE s SAMPLES 0").integer() > 250 * 10);
    assert_eq!(client.run("UNLINK s t"), int(2));
}

#[test]
fn a_stream_is_the_same_in_every_version_of_the_format() {
    if against_redis() {
        return;
    }
    for version in ["9", "10", "11", "12"] {
        let server = Server::with_config(&format!("rdb-version {version}"));
        fill(&server);
        let mut client = server.client();
        let digest = server.digest();
        let payload = client.run("DUMP s").bytes();
        assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"s", b"0", &payload, b"REPLACE"]), ok());
        client.run("DEBUG RELOAD");
        assert_eq!(server.digest(), digest, "version {version}");
        let stream = client.run("XINFO STREAM s");
        assert_eq!(stream.field("last-generated-id"), &bulk("250-1"));
        // Version 9 does not tell of entries that are gone.
        let (added, deleted) = if version == "9" { (249, "0-0") } else { (250, "7-1") };
        assert_eq!(stream.field("entries-added"), &int(added), "version {version}");
        assert_eq!(stream.field("max-deleted-entry-id"), &bulk(deleted), "version {version}");
        assert_eq!(client.run("XPENDING s g").items()[0], int(3));
    }
}

#[test]
fn a_damaged_stream_is_refused_and_leaves_nothing_behind() {
    let server = Server::start();
    fill(&server);
    let mut client = server.client();
    client.run("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    let payload = client.run("DUMP s").bytes();
    let mut refused = 0;
    for at in (0..payload.len()).step_by(payload.len() / 300) {
        let mut damaged = payload.clone();
        damaged[at] ^= 0x55;
        if client.cmd(&[b"RESTORE".as_slice(), b"damaged", b"0", &damaged, b"REPLACE"]).is_error() {
            refused += 1;
            assert_eq!(client.run("EXISTS damaged"), int(0));
        } else {
            // Other values are as good as any.
            client.run("XRANGE damaged - +");
            client.run("XREVRANGE damaged + -");
            client.run("XTRIM damaged MAXLEN 1");
            client.run("DEL damaged");
        }
    }
    assert!(refused > 50, "{refused}");
    assert_eq!(client.run("PING").text(), "PONG");
}
