"""Proxies in front of our servers: nutcracker (twemproxy) and haproxy."""
import socket

from nodes import COPAL, PATIENCE, Node, Server, Wrong, free_port, text, wait_until
from sentinel import Trio
from servers import Connection, Ended, Error

PASSWORD = "a secret"

NUTCRACKER = """pool:
  listen: 127.0.0.1:{port}
  hash: md5
  distribution: modula
  redis: true
  redis_auth: {password}
  timeout: 20000
  servers:
"""

# The first pool leads to the primary, the second to whoever answers PING.
HAPROXY = """global
    stats socket {folder}/s level admin
defaults
    mode tcp
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout check 2s
    default-server inter 200ms fall 2 rise 2 on-marked-down shutdown-sessions
listen primary
    bind 127.0.0.1:{port}
    option tcp-check
    tcp-check connect
    tcp-check send PING\\r\\n
    tcp-check expect string +PONG
    tcp-check send info\\ replication\\r\\n
    tcp-check expect string role:master
    tcp-check send QUIT\\r\\n
    tcp-check expect string +OK
"""
HAPROXY_ALL = """listen all
    bind 127.0.0.1:{other}
    option redis-check
"""


class Proxy(Node):
    def is_up(self):
        if self.process.poll() is not None:
            raise Wrong(f"{self} has ended with {self.process.returncode}")
        self.connect()
        return True


def nutcracker(story):
    """Fragments of one command on several servers, and replies in order."""
    story.step("nutcracker with passwords")
    servers = [Server(story, COPAL, password=PASSWORD) for _ in range(3)]
    lines = NUTCRACKER.replace("{password}", PASSWORD).splitlines()
    lines += [f"   - 127.0.0.1:{server.port}:1" for server in servers]
    # Its numbers are served at a port too.
    proxy = Proxy(story, "nutcracker", "nutcracker", lines, ["-c", "{config}", "-a", "127.0.0.1", "-s", str(free_port())]).start()
    if not text(proxy.ask("GET", "a")).startswith("NOAUTH"):
        raise Wrong("a client without a password is served")
    # The password, and what it is needed for, in one packet.
    client = Connection(proxy.port, PATIENCE)
    answers = client.ask_all([("auth", PASSWORD), ("set", "a", 1), ("get", "a"), ("incr", "a")])
    if answers != [b"OK", b"OK", b"1", 2]:
        raise Wrong(f"{answers}")
    story.step("nutcracker with fragments and long pipelines")
    keys = [f"key:{number}" for number in range(600)]
    values = [f"{number}" * (1 + number % 50) for number in range(600)]
    if client.ask("mset", *(word for pair in zip(keys, values) for word in pair)) != b"OK":
        raise Wrong("MSET")
    for server in servers:
        if server.do("DBSIZE") < 50:
            raise Wrong(f"{server} has {server.do('DBSIZE')} keys")
    if client.ask("mget", *keys) != [value.encode() for value in values]:
        raise Wrong("MGET returns other values")
    commands, expected = [], []
    for number in range(5000):
        key, value = f"pipe:{number % 700}", b"x" * (number % 900)
        commands += [("set", key, value), ("get", key), ("mget", key, "none", "a"), ("exists", key), ("lrange", f"none:{number}", 0, -1)]
        expected += [b"OK", value, [value, None, b"2"], 1, []]
    if client.ask_all(commands) != expected:
        raise Wrong("replies of a pipeline are wrong or not in order")
    large = bytes(range(256)) * 8192
    if client.ask_all([("set", "large", large), ("get", "large"), ("append", "large", "x")]) != [b"OK", large, len(large) + 1]:
        raise Wrong("a large value")
    if client.ask("del", *keys) != len(keys) or client.ask("eval", "return redis.call('incr', KEYS[1])", 1, "a") != 3:
        raise Wrong("DEL or EVAL")
    if not isinstance(client.ask("lpush", "a", "1"), Error):
        raise Wrong("an error is lost")


def states(proxy, pool):
    """What haproxy thinks of the servers of a pool."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"{proxy.folder}/s")
        connection.sendall(b"show stat\n")
        rows = connection.makefile().read().splitlines()
    names = rows[0].lstrip("# ").split(",")
    found = [dict(zip(names, row.split(","))) for row in rows[1:] if row]
    return {row["svname"]: row["status"].split()[0] for row in found if row["pxname"] == pool and row["svname"] not in ("FRONTEND", "BACKEND")}


def haproxy(story):
    """The pool of the primary follows a failover."""
    story.step("haproxy finds the primary")
    trio = Trio(story, (COPAL, COPAL, COPAL))
    names = {server: f"s{number}" for number, server in enumerate(trio.servers)}
    rows = [f"    server {name} 127.0.0.1:{server.port} check" for server, name in names.items()]
    other = free_port()
    lines = [*HAPROXY.splitlines(), *rows, *HAPROXY_ALL.replace("{other}", str(other)).splitlines(), *rows]
    proxy = Proxy(story, "haproxy", "haproxy", lines, ["-f", "{config}"]).start()

    def roles(primary):
        wanted = {name: "UP" if server is primary else "DOWN" for server, name in names.items()}
        return lambda: states(proxy, "primary") == wanted

    def all_are(up):
        return lambda: states(proxy, "all") == {name: "UP" if server in up else "DOWN" for server, name in names.items()}

    old = trio.primary()
    wait_until("the primary is in the first pool", roles(old))
    wait_until("all are in the second", all_are(trio.servers))
    client = Connection(proxy.port, PATIENCE)
    if client.ask_all([("SET", "a", 1), ("WAIT", 2, 20_000)]) != [b"OK", 2] or client.ask("QUIT") != b"OK":
        raise Wrong("writes through the proxy")
    story.step("haproxy follows a failover")
    client = Connection(proxy.port, PATIENCE)
    client.ask("PING")
    old.kill()
    trio.wait_for_promotion(old)
    new = trio.primary()
    wait_until("the new primary is in the first pool", roles(new))
    wait_until("the others are in the second", all_are([server for server in trio.servers if server is not old]))
    try:
        raise Wrong(f"a connection to the old primary lives on: {client.ask('PING')}")
    except (OSError, Ended):
        pass
    client = Connection(proxy.port, PATIENCE)
    if client.ask_all([("GET", "a"), ("SET", "a", 2)]) != [b"1", b"OK"]:
        raise Wrong("writes through the proxy")
    old.start()
    for server in trio.servers:
        if server is not new:
            server.wait_for_link(new)
    wait_until("all are in the second pool", all_are(trio.servers))
    wait_until("the new primary alone is in the first pool", roles(new))
    story.step("haproxy follows FAILOVER")
    target = next(server for server in trio.servers if server not in (old, new))
    for sentinel in trio.sentinels:
        # It would undo what was done without it.
        sentinel.kill()
    wait_until("the replicas are online", lambda: text(new.do("INFO", "replication")).count("state=online") == 2)
    new.do("FAILOVER", "TO", *target.address)
    wait_until("the replica is in the first pool", roles(target))
    client = Connection(proxy.port, PATIENCE)
    if client.ask_all([("GET", "a"), ("SET", "a", 3)]) != [b"2", b"OK"]:
        raise Wrong("writes through the proxy")


def stories():
    yield "nutcracker", nutcracker
    yield "haproxy", haproxy
