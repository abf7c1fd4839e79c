"""A primary of one make with a replica of another: all that replication does between the two."""
import random
import threading

import commands
import data
from nodes import COPAL, REDIS7, REDIS8, VALKEY, Ended, Error, Refused, Relay, Server, Wrong, all_equal, programs, text, wait_until
from servers import Connection

PAIRS = [(COPAL, COPAL), (COPAL, REDIS7), (REDIS7, COPAL), (COPAL, REDIS8), (REDIS8, COPAL), (COPAL, VALKEY), (VALKEY, COPAL)]
CHAINS = [(COPAL, REDIS7, COPAL, REDIS7), (REDIS7, COPAL, REDIS7, COPAL), (REDIS8, COPAL, VALKEY, COPAL)]

# Pairs whose full sync carries the expiries of hash fields: what Redis writes of them Valkey does not read, and the other way
# round; 7.0 has none.
CARRY_FIELD_EXPIRY = {(COPAL, COPAL), (COPAL, REDIS8), (REDIS8, COPAL), (VALKEY, COPAL)}

# How often the connection is cut in a pair's stream.
CUTS = 5


def settings_of_primary(kind, replica):
    # Redis 8 does not say which version it reads.
    return ["replication-rdb-version 12"] if (kind, replica) == (COPAL, REDIS8) else []


def syncs(primary):
    """How many full syncs there were, and how many that went on."""
    stats = primary.info("stats")
    return int(stats["sync_full"]), int(stats["sync_partial_ok"])


class Pair:
    def __init__(self, story, primary, replica):
        self.story = story
        self.field_expiry = (primary, replica) in CARRY_FIELD_EXPIRY
        # Later servers write the numbers of a digest in another way.
        self.has_digest = {primary, replica} <= {COPAL, REDIS7}
        self.primary = Server(story, primary, *settings_of_primary(primary, replica))
        self.replica = Server(story, replica)
        self.relay = Relay(story, self.primary)
        self.chance = random.Random(story.name)

    def step(self, name):
        self.story.step(name)

    def check(self, thoroughly=False):
        all_equal(self.primary, self.replica)
        if self.has_digest:
            data.same_digest(self.primary, self.replica)
        if thoroughly or not self.has_digest:
            data.same_contents(self.primary, self.replica, self.field_expiry, self.primary.kind != REDIS7)
        for node in (self.primary, self.replica):
            if "== CRITICAL ==" in node.log(10_000):
                raise Wrong(f"{node} says that it could not do what its primary has done")

    def full_sync(self, diskless):
        self.primary.do("CONFIG", "SET", "repl-diskless-sync", diskless)
        self.replica.do("REPLICAOF", "NO", "ONE")
        self.replica.do("FLUSHALL")
        self.replica.do("SET", "of the replica", "goes")
        before = syncs(self.primary)
        self.replica.follow(self.relay)
        self.replica.wait_for_link()
        wait_until("there was a full sync", lambda: syncs(self.primary)[0] > before[0])
        self.check(thoroughly=True)

    def every_command(self):
        other = Server(self.story, self.primary.kind)
        count = commands.run(self.primary, other, commands.lines_for(self.primary, self.replica))
        other.stop("NOSAVE")
        self.check(thoroughly=True)
        if not self.field_expiry:
            # A full sync of them fails, as the log then says.
            self.primary.do("DEL", *commands.WITH_EXPIRING_FIELDS)
        self.story.current += f" ({count})"

    def scripts_and_transactions(self):
        primary = self.primary
        data.fill(primary, self.field_expiry)
        for reply in (primary.do("EVAL", "redis.call('SET', KEYS[1], ARGV[1]) redis.call('RPUSH', KEYS[2], 1, 2) return 1",
                                 2, "script:a", "script:b", "v"),
                      primary.do("EVAL", "redis.call('SELECT', 2) for i = 1, 100 do redis.call('INCR', KEYS[1] .. i % 7) end return 1",
                                 1, "script:c"),
                      primary.do("EVAL", "redis.call('SADD', KEYS[1], unpack(ARGV)) redis.call('SPOP', KEYS[1], 2) "
                                         "redis.call('SET', KEYS[2], redis.call('TIME')[1]) return 1",
                                 2, "script:d", "script:e", *range(9)),
                      primary.do("FCALL", "interop_add", 1, "script:f", 1)):
            if reply != 1:
                raise Wrong(f"a script returns {reply!r}")
        sha = primary.do("SCRIPT", "LOAD", "return redis.call('INCR', KEYS[1])")
        primary.do("EVALSHA", sha, 1, "script:g")
        primary.do("EVAL", "redis.pcall('SET', KEYS[1], 1) redis.pcall('LPUSH', KEYS[1], 1) return 1", 1, "script:h")
        for command in ("MULTI", "SET transaction:a 1", "SELECT 4", "LPUSH transaction:b 1 2", "EVAL \"return redis.call('INCR', 'x')\" 0",
                        "SELECT 0", "SPOP set:words", "EXEC", "MULTI", "SET transaction:a 2", "DISCARD", "MULTI", "GET transaction:a", "EXEC"):
            primary.do(command)
        self.clients_that_wait()
        primary.do("SET", "expires soon", "v", "PX", 30)
        primary.do("HSET", "goes soon", "f", "v")
        primary.do("PEXPIRE", "goes soon", 30)
        if self.field_expiry:
            primary.do("HSET", "loses a field", "f", 1, "g", 2)
            primary.do("HPEXPIRE", "loses a field", 30, "FIELDS", 1, "f")
            wait_until("the field is gone", lambda: primary.do("HLEN", "loses a field") == 1)
        wait_until("they are gone", lambda: primary.do("EXISTS", "expires soon", "goes soon") == 0)
        self.evict_some()
        self.check(thoroughly=True)

    def evict_some(self):
        """Keys that the primary evicts go from the replica too."""
        limit = self.primary.number("memory", "used_memory") - 500_000
        self.primary.do("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        self.primary.do("CONFIG", "SET", "maxmemory", limit)
        wait_until("keys are evicted", lambda: self.primary.ask("SET", "evicts", 1) and self.primary.number("stats", "evicted_keys") > 0)
        self.primary.do("CONFIG", "SET", "maxmemory", 0)
        data.fill(self.primary, self.field_expiry)

    def clients_that_wait(self):
        """Clients that wait for keys, and get them by what others do."""
        waiting = [("BLPOP", "wait:l", 0), ("BLMOVE", "wait:m", "wait:n", "LEFT", "RIGHT", 0), ("BZPOPMIN", "wait:z", 0),
                   ("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "wait:x", ">"), ("BLMPOP", 0, 1, "wait:p", "LEFT", "COUNT", 2)]
        self.primary.do("XGROUP", "CREATE", "wait:x", "g", "$", "MKSTREAM")
        clients = []
        for number, words in enumerate(waiting, start=1):
            clients.append(Connection(self.primary.port, 60))
            clients[-1].send(words)
            wait_until("it waits", lambda: self.primary.number("clients", "blocked_clients") == number)
        for command in ("MULTI", "RPUSH wait:l 1 2", "RPUSH wait:m 1 2", "EXEC", "ZADD wait:z 1 a 2 b", "XADD wait:x * f v",
                        "EVAL \"return redis.call('RPUSH', 'wait:p', 1, 2, 3)\" 0"):
            self.primary.do(command)
        for client, words in zip(clients, waiting):
            reply = client.reply()
            if reply is None or isinstance(reply, Error):
                raise Wrong(f"{words} gets {reply!r}")
            client.close()

    def write_some(self, count):
        """Writes by chance, some of them large."""
        chance, lines = self.chance, []
        for number in range(count):
            lines.append(chance.choice([
                ("SET", f"some:{chance.randrange(100)}", "v" * chance.randrange(300)),
                ("LPUSH", f"some:list:{chance.randrange(9)}", number, number + 1),
                ("HINCRBYFLOAT", f"some:hash:{chance.randrange(9)}", "f", "1.5"),
                ("SADD", "some:set", number),
                ("SPOP", "some:set"),
                ("XADD", "some:stream", "MAXLEN", "~", 50, "*", "f", number),
                ("SETRANGE", "some:range", chance.randrange(3000), "abc"),
                ("SELECT", chance.randrange(4)),
                ("EVAL", "redis.call('INCR', 'some:a') return redis.call('INCR', 'some:b')", 0),
                ("SET", f"some:large:{chance.randrange(3)}", "x" * chance.randrange(20_000)),
            ]))
        self.primary.do_all([*lines, ("SELECT", 0)])

    def cuts_of_the_stream(self):
        """Cuts at any byte while writes go on, after each of which the stream goes on where it was."""
        full, partial = syncs(self.primary)
        for number in range(CUTS):
            seen = self.relay.cuts
            if number == 0:
                self.primary.do("CLIENT", "KILL", "TYPE", "replica")
            else:
                # The acknowledgements are cut in their middle too.
                way, after = ("up", self.chance.randrange(1, 60)) if number == CUTS - 1 else ("down", self.chance.randrange(1, 60_000))
                self.relay.cut_after(after, way)
            self.write_some(300)
            wait_until("the connection is cut and goes on",
                       lambda: (number == 0 or self.relay.cuts > seen) and syncs(self.primary)[1] > partial)
            self.replica.wait_for_link()
            now_full, partial = syncs(self.primary)
            if now_full != full:
                raise Wrong(f"cut {number} led to a full sync")
            self.check()

    def cuts_of_a_full_sync(self):
        """A replica whose full sync is cut keeps what it has and comes back."""
        self.replica.do("REPLICAOF", "NO", "ONE")
        for diskless in ("yes", "no"):
            self.primary.do("CONFIG", "SET", "repl-diskless-sync", diskless)
            self.replica.do("FLUSHALL")
            cuts = self.relay.cuts
            self.relay.cut_after(self.chance.randrange(1000, 1_000_000))
            self.replica.follow(self.relay)
            wait_until("the full sync is cut", lambda: self.relay.cuts > cuts)
            self.write_some(50)
            self.replica.wait_for_link()
            self.check()
            self.replica.do("REPLICAOF", "NO", "ONE")
        self.replica.follow(self.relay)
        self.replica.wait_for_link()

    def restart(self, which, other):
        """A server that is shut down and started again goes on where it was."""
        all_equal(self.primary, self.replica)
        which.do("CONFIG", "REWRITE")
        full, partial = syncs(self.primary)
        if which is self.primary:
            full = partial = 0
        which.stop("SAVE")
        if which is self.replica:
            self.write_some(100)
        which.start()
        self.replica.wait_for_link()
        self.write_some(100)
        now = syncs(self.primary)
        if now != (full, partial + 1):
            raise Wrong(f"{which} was restarted: {now[0] - full} full and {now[1] - partial} partial syncs with {other}")
        self.check(thoroughly=True)

    def promotion(self):
        """The replica is promoted, and the old primary becomes its replica without a full sync; then back again."""
        for _ in range(2):
            old, new = self.primary, self.replica
            new.follow(old)
            new.wait_for_link(old)
            all_equal(old, new)
            full = syncs(new)[0]
            new.do("REPLICAOF", "NO", "ONE")
            self.primary, self.replica = new, old
            self.write_some(50)
            old.follow(new)
            old.wait_for_link(new)
            self.write_some(50)
            self.check()
            if syncs(new)[0] != full:
                raise Wrong(f"{old} needed a full sync of {new}, which was promoted")

    def failover(self):
        """FAILOVER to the replica and back, under a writer none of whose acknowledged writes is lost."""
        for _ in range(2):
            old, new = self.primary, self.replica
            wait_until("the replica is online", lambda: "state=online" in text(old.do("INFO", "replication")))
            full = syncs(new)[0]
            writer = Writer(old, new)
            try:
                old.do("FAILOVER", "TO", *new.address, "TIMEOUT", 20_000)
                wait_until(f"{new} has taken over from {old}", lambda: new.info()["role"] == "master" and old.is_linked(new.port))
                wait_until("the writer goes on", lambda: writer.went_on)
            finally:
                acknowledged = writer.end()
            self.primary, self.replica = new, old
            wait_until("the hand-over is done", lambda: old.info()["master_failover_state"] == "no-failover")
            counted = int(new.do("GET", "failover:counter"))
            if counted < acknowledged:
                raise Wrong(f"{acknowledged} writes were acknowledged, and {new} has {counted} of them")
            self.check()
            if syncs(new)[0] != full:
                raise Wrong(f"{old} needed a full sync of {new}, which has taken over")


class Writer:
    """Increments a counter at the primary, and at the other server when that has taken over."""

    def __init__(self, old, new):
        self.ports = [old.port, new.port]
        self.acknowledged, self.went_on, self.ends = int(old.ask("GET", "failover:counter") or 0), False, False
        self.thread = threading.Thread(target=self.write)
        self.thread.start()

    def write(self):
        at, connection = 0, None
        while not self.ends:
            try:
                connection = connection or Connection(self.ports[at], 30)
                reply = connection.ask("INCR", "failover:counter")
            except (OSError, Ended):
                reply = None
            if isinstance(reply, int):
                self.acknowledged += 1
                self.went_on |= at == 1
                continue
            # READONLY, or the connection has ended.
            if connection:
                connection.close()
            connection, at = None, 1 - at

    def end(self):
        self.ends = True
        self.thread.join()
        return self.acknowledged


def pair(primary, replica):
    def tell(story):
        story.step("every write command is in the stream")
        it = Pair(story, primary, replica)
        it.replica.follow(it.relay)
        it.replica.wait_for_link()
        it.every_command()
        story.step("scripts, transactions, clients that wait, expiry and eviction")
        it.scripts_and_transactions()
        for diskless, how in (("yes", "through a pipe"), ("no", "from a file")):
            story.step(f"a full sync {how}")
            it.full_sync(diskless)
        story.step(f"{CUTS} cuts of the stream")
        it.cuts_of_the_stream()
        story.step("cuts of full syncs")
        it.cuts_of_a_full_sync()
        story.step("the replica restarts")
        it.restart(it.replica, it.primary)
        story.step("the primary restarts")
        it.restart(it.primary, it.replica)
        story.step("the replica is promoted and back")
        it.promotion()
        story.step("FAILOVER and back")
        it.failover()
        story.step("both hold the same in the end")
        it.check(thoroughly=True)

    return f"{primary} to {replica}", tell


def chain(*kinds):
    def tell(story):
        story.step("the data go down the chain")
        nodes = [Server(story, kind) for kind in kinds]
        first = nodes[0]
        # In the end the last one may have to give the first one everything.
        if settings := settings_of_primary(kinds[-1], kinds[0]):
            nodes[-1].do("CONFIG", "SET", *settings[0].split())
        data.fill(first, False)
        relays = [Relay(story, node) for node in nodes[:-1]]
        for node, relay in zip(nodes[1:], relays):
            node.follow(relay)
            node.wait_for_link()

        def check():
            all_equal(*nodes)
            if set(kinds) <= {COPAL, REDIS7}:
                data.same_digest(*nodes)
            for node in nodes[1:]:
                if "== CRITICAL ==" in node.log(10_000):
                    raise Wrong(f"{node} says that it could not do what its primary has done")

        check()
        story.step("every write command that all know goes down the chain")
        other = Server(story, first.kind)
        lines = commands.lines_for(first, nodes[-1])
        for node in nodes[1:]:
            known = node.knows()
            lines = [line for line in lines if line[0] in known]
        if first.kind == REDIS8:
            # Valkey does not read its payloads.
            lines = [line for line in lines if "restore" not in line[0]]
        commands.run(first, other, lines)
        other.stop("NOSAVE")
        check()
        data.same_contents(first, nodes[-1], entries_read=first.kind != REDIS7)
        for number, (node, relay) in enumerate(zip(nodes, relays)):
            story.step(f"link {number + 1} is cut and goes on")
            before = [syncs(each) for each in nodes]
            relay.cut()
            data.fill(first, False)
            wait_until("it goes on", lambda: syncs(node)[1] > before[number][1])
            check()
            if [full for full, _ in before] != [syncs(each)[0] for each in nodes]:
                raise Wrong(f"there was a full sync: {before} before, {[syncs(each) for each in nodes]} now")
        story.step("the second is promoted, the others follow, and the first becomes the last")
        nodes[1].do("REPLICAOF", "NO", "ONE")
        nodes[1].do("SET", "promoted", "yes")
        first.follow(nodes[3])
        first.wait_for_link(nodes[3])
        nodes = [*nodes[1:], first]
        # Each server cuts off its replicas when its stream gets a new name. What is written meanwhile may be more than is kept.
        wait_until("all know the new name", lambda: len({node.info()["master_replid"] for node in nodes}) == 1)
        data.fill(nodes[0], False)
        check()
        data.same_contents(nodes[0], nodes[-1], entries_read=False)

    return f"chain {' '.join(kinds)}", tell


def knows_all(story):
    """Whether each command of Copal's that writes has its lines."""
    story.step("each command that writes has a template")
    node = Server(story, COPAL)
    commands.lines_for(node, node)
    unknown = sorted(name for name in commands.TEMPLATES if name not in commands.names(node))
    # Those of newer servers.
    if set(unknown) - {"delifeq", "hgetdel", "hgetex", "msetex", "restore-asking"}:
        raise Wrong(f"templates for commands that do not write: {unknown}")
    node.do("PING")


def stories():
    yield "the list of commands", knows_all
    for kinds in PAIRS:
        if set(kinds) <= programs.keys():
            yield pair(*kinds)
    for kinds in CHAINS:
        if set(kinds) <= programs.keys():
            yield chain(*kinds)
