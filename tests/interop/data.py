"""Data of every type, and all that a server holds as its commands show it."""
import hashlib

from nodes import PATIENCE, Wrong, text, wait_until

DATABASES = 16

LIBRARY = """#!lua name=interop
redis.register_function('interop_add', function(keys, args) return redis.call('INCRBY', keys[1], args[1]) end)
redis.register_function{function_name='interop_get', callback=function(keys) return redis.call('GET', keys[1]) end,
  flags={'no-writes'}}
"""


def fill(node, with_field_expiry):
    """Data of every type and encoding, in several databases."""
    lines = []

    def add(*words):
        lines.append(words)

    add("FUNCTION", "LOAD", "REPLACE", LIBRARY)
    for db in (0, 3, 15):
        add("SELECT", db)
        # This may be the second time.
        add("DEL", "stream", "stream:empty", "large:stream", "large:list")
        for number in range(300):
            add("SET", f"string:{number}", f"value {number}" * (number % 7))
        add("SET", "integer", -(1 << 63))
        add("SET", "binary", bytes(range(256)) * 3)
        add("SET", "", "the empty key")
        add("PSETEX", "expires later", 10_000_000 + db, "v")
        add("SET", "expires at", "v", "PXAT", 4_000_000_000_123)
        add("RPUSH", "list:small", 1, "two", "", b"\x00\xff")
        add("RPUSH", "list:large items", "x" * 9000, "y" * 9000, 3)
        add("SADD", "set:integers", *range(-100, 100))
        add("SADD", "set:words", "a", "b", "c", "")
        add("ZADD", "zset:small", "-inf", "a", 1.5, "b", "+inf", "c", 3, "d")
        add("HSET", "hash:small", "f", "v", "n", 12, "", "")
        add("PFADD", "hyperloglog:sparse", *range(50))
        add("SETBIT", "bits", 100_001, 1)
        add("GEOADD", "geo", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")
        for number in range(1, 120):
            add("XADD", "stream", f"{number}-{number % 3}", "field", number, "other", "x" * (number % 40))
        add("XDEL", "stream", "50-2")
        add("XGROUP", "CREATE", "stream", "first", "0")
        add("XGROUP", "CREATE", "stream", "second", "$")
        add("XGROUP", "CREATECONSUMER", "stream", "second", "idle")
        add("XREADGROUP", "GROUP", "first", "alice", "COUNT", 20, "STREAMS", "stream", ">")
        add("XREADGROUP", "GROUP", "first", "bob", "COUNT", 10, "STREAMS", "stream", ">")
        add("XACK", "stream", "first", "3-0", "4-1")
        add("XGROUP", "CREATE", "stream:empty", "only", "$", "MKSTREAM")
    add("SELECT", 0)
    add("SET", "large:string", b"0123456789abcdef" * (3 << 16))
    add("SET", "large:noise", b"".join(hashlib.sha512(b"%d" % number).digest() for number in range(1 << 14)))
    for at in range(0, 60_000, 1000):
        add("RPUSH", "large:list", *(f"element {number}" for number in range(at, at + 1000)))
        add("HSET", "large:hash", *(word for number in range(at, at + 500) for word in (f"field {number}", number)))
        add("ZADD", "large:zset", *(word for number in range(at, at + 500) for word in (number / 3, f"member {number}")))
        add("SADD", "large:set", *(f"member {number}" for number in range(at, at + 500)))
    add("PFADD", "hyperloglog:dense", *range(5000))
    for number in range(5000):
        add("XADD", "large:stream", f"{number + 1}-1", "a", number, "b", "text")
    if with_field_expiry:
        add("HSET", "hash:expiring fields", "stays", 1, "goes", 2, "goes too", 3)
        add("HPEXPIREAT", "hash:expiring fields", 4_000_000_000_000, "FIELDS", 1, "goes")
        add("HPEXPIREAT", "hash:expiring fields", 4_000_000_000_777, "FIELDS", 1, "goes too")
        add("HSET", "large:hash of expiring fields", *range(2000))
        add("HEXPIREAT", "large:hash of expiring fields", 4_000_000_000, "FIELDS", 500, *range(0, 1000, 2))
    node.do_all(lines)


def pairs(row):
    return dict(zip(row[::2], row[1::2]))


def stream_as_shown(full, entries_read):
    """XINFO STREAM FULL without what is of this process alone."""
    whole = pairs(full)
    kept = ("length", "last-generated-id", "max-deleted-entry-id", "entries-added", "entries")
    shown = {name: whole[name.encode()] for name in kept}
    for group in map(pairs, whole[b"groups"]):
        consumers = {row[b"name"]: row[b"pending"] for row in map(pairs, group[b"consumers"])}
        read = group[b"entries-read"] if entries_read else None
        shown[group[b"name"]] = (group[b"last-delivered-id"], read, group[b"pending"], consumers)
    return shown


READS = {
    b"string": lambda key: ("GET", key),
    b"list": lambda key: ("LRANGE", key, 0, -1),
    b"set": lambda key: ("SMEMBERS", key),
    b"zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    b"hash": lambda key: ("HGETALL", key),
    b"stream": lambda key: ("XINFO", "STREAM", key, "FULL", "COUNT", 0),
}


def read_of(key, kind):
    """The command that shows a value. Of large ones a digest does, but for what other servers write in another way into it."""
    if key.startswith(b"large:") and kind != b"zset" and b"expiring" not in key:
        return ("DEBUG", "DIGEST-VALUE", key)
    return READS[kind](key)


def contents(node, field_expiry, entries_read):
    """All that a server holds: {(db, key): (type, expiry, value)} and its libraries. The expiries of hash fields, and how many
    entries groups have read, are left out where the primary cannot make its replica have the same."""
    found = {}
    for db in range(DATABASES):
        node.do("SELECT", db)
        keys = node.do("KEYS", "*")
        types = node.do_all([("TYPE", key) for key in keys])
        expiries = node.do_all([("PEXPIRETIME", key) for key in keys])
        present = [row for row in zip(keys, types, expiries) if row[1] != b"none"]
        values = node.do_all([read_of(key, kind) for key, kind, _ in present])
        for (key, kind, expiry), value in zip(present, values):
            if read_of(key, kind)[0] == "DEBUG":
                value = tuple(value)
            elif kind == b"set":
                value = sorted(value)
            elif kind == b"hash":
                value = pairs(value)
                if field_expiry:
                    names = sorted(value)
                    value = (value, node.do("HPEXPIRETIME", key, "FIELDS", len(names), *names))
            elif kind == b"zset":
                # How many digits are shown differs.
                value = [(name, float(score)) for name, score in zip(value[::2], value[1::2])]
            elif kind == b"stream":
                value = stream_as_shown(value, entries_read)
            found[db, key] = (kind, expiry, value)
    node.do("SELECT", 0)
    for library in map(pairs, node.do("FUNCTION", "LIST", "WITHCODE")):
        found["library", library[b"library_name"]] = library[b"library_code"]
    return found


def shorten(value):
    shown = repr(value)
    return shown if len(shown) < 300 else shown[:300] + "..."


def difference(one, other):
    """The first differences of what two servers hold, as text, or nothing."""
    lines = []
    for key in sorted(one.keys() | other.keys(), key=repr):
        if one.get(key) != other.get(key):
            lines.append(f"{key}: {shorten(one.get(key))} | {shorten(other.get(key))}")
    return "\n".join(lines[:10])


def same_contents(one, other, field_expiry=False, entries_read=True):
    """Fails unless both hold the same, after a while: a key may expire while they are read."""
    said = []

    def are_equal():
        said[:] = [difference(*(contents(node, field_expiry, entries_read) for node in (one, other)))]
        return not said[0]

    try:
        wait_until("they hold the same", are_equal, seconds=5, pause=1)
    except Wrong:
        raise Wrong(f"{one} and {other} hold different data:\n{said[0]}") from None


def same_digest(*nodes):
    """Fails unless the digests of all are equal, after a while."""
    def digests():
        return [text(node.do("DEBUG", "DIGEST")) for node in nodes]

    try:
        wait_until("the digests are equal", lambda: len(set(digests())) == 1, seconds=PATIENCE // 6, pause=0.2)
    except Wrong:
        found = digests()
        other = next(node for node, digest in zip(nodes, found) if digest != found[0])
        raise Wrong(f"the digests of {nodes} differ: {found}\n{difference(*(contents(node, False, False) for node in (nodes[0], other)))}") from None
