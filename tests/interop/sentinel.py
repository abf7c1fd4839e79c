"""Stock Sentinel watches servers of both makes while clients write: failovers, soaks, the rewind guard."""
import os
import threading
import time

import data
from nodes import COPAL, REDIS7, Ended, Error, Refused, Sentinel, Server, Wrong, all_equal, text, wait_until
from servers import Connection

# After so long a server that does not answer is down.
DOWN_AFTER_MS = 1500

WRITERS = 3


class Writer:
    """A client that asks the sentinels where the primary is, and notes which writes all replicas have."""

    def __init__(self, name, sentinels, replicas, password):
        self.name, self.ports, self.replicas, self.password = name, [sentinel.port for sentinel in sentinels], replicas, password
        self.written, self.answered, self.ends = [], 0, False
        self.thread = threading.Thread(target=self.write, daemon=True)
        self.thread.start()

    def write(self):
        number, connection, primary = 0, None, None
        while not self.ends:
            number += 1
            try:
                if primary is None:
                    # Each time another sentinel, since one may be behind.
                    connection = Connection(self.ports[number % len(self.ports)], 5)
                    port = connection.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")[1]
                    connection.close()
                    primary = connection = Connection(int(port), 5)
                    if self.password:
                        primary.ask("AUTH", self.password)
                key = f"{self.name}:{number}"
                answers = primary.ask_all([("SET", key, number), ("WAIT", self.replicas, 1000)])
                if any(isinstance(answer, Error) for answer in answers):
                    raise Refused(str(answers))
                self.answered += 1
                if answers[1] >= self.replicas:
                    self.written.append(key)
                # The servers need the processors too.
                time.sleep(0.001)
            except (OSError, Ended, Refused):
                if connection:
                    connection.close()
                connection = primary = None
                time.sleep(0.05)

    def end(self):
        self.ends = True
        self.thread.join()


class Trio:
    """Three servers, the first of which is the primary, and three sentinels."""

    def __init__(self, story, kinds, *lines, hurries=True, password=None):
        self.story, self.password = story, password
        if password:
            lines = [*lines, f'masterauth "{password}"']
        self.servers = [Server(story, kinds[0], *lines, password=password)]
        for kind in kinds[1:]:
            own = [line for line in lines if kind == COPAL or not line.startswith("replica-rewind-guard")]
            self.servers.append(Server(story, kind, *own, f"replicaof 127.0.0.1 {self.servers[0].port}", password=password))
            self.servers[-1].wait_for_link(self.servers[0])
        own = [f'sentinel auth-pass main "{password}"'] if password else []
        self.sentinels = [Sentinel(story, self.servers[0], DOWN_AFTER_MS, 2, *own) for _ in range(3)]
        if hurries:
            # How often a server is asked whether it lives and what it is, and how soon one that has come back is made a replica.
            # A replica whose last answer is older than five times the first is not promoted.
            for sentinel in self.sentinels:
                sentinel.do("SENTINEL DEBUG ping-period 400 info-period 500 publish-period 500")
        self.writers = []
        wait_until("the sentinels know all", self.is_known)

    def is_known(self):
        """Whether each sentinel knows the others, and has seen two replicas of the primary follow it."""
        for sentinel in self.sentinels:
            view = sentinel.view()
            if (view["num-slaves"], view["num-other-sentinels"], view["flags"]) != ("2", "2", "master"):
                return False
            for row in map(data.pairs, sentinel.do("SENTINEL", "REPLICAS", "main")):
                if (row[b"role-reported"], row[b"flags"], row[b"master-port"]) != (b"slave", b"slave", view["port"].encode()):
                    return False
        return True

    def primary(self):
        ports = {sentinel.primary() for sentinel in self.sentinels}
        if len(ports) > 1:
            return None
        return next(server for server in self.servers if server.port in ports)

    def begin_writers(self):
        self.writers = [Writer(f"writer {number}", self.sentinels, 2, self.password) for number in range(WRITERS)]
        self.story.closing.callback(self.end_writers)
        wait_until("writes are acknowledged by all", lambda: all(writer.written for writer in self.writers))

    def end_writers(self):
        for writer in self.writers:
            writer.end()

    def acknowledged(self):
        return [key for writer in self.writers for key in list(writer.written)]

    def prefer_the_other_make(self):
        """Has Sentinel promote a server of another make than the primary's next, if there is one."""
        server = next((server for server in self.servers if server.kind != self.primary().kind), None)
        if server is None:
            return
        wanted = {each.port: 10 if each is server else 90 for each in self.servers}
        for each in self.servers:
            each.do("CONFIG", "SET", "replica-priority", wanted[each.port])

        def is_seen():
            rows = [data.pairs(row) for sentinel in self.sentinels for row in sentinel.do("SENTINEL", "REPLICAS", "main")]
            return all(int(row[b"slave-priority"]) == wanted[int(row[b"port"])] for row in rows)

        wait_until("the sentinels have asked since", is_seen)

    def wait_for_promotion(self, old):
        begun = time.monotonic()
        wait_until("another server is the primary", lambda: self.primary() not in (None, old))
        return time.monotonic() - begun

    def wait_for_order(self, old, new):
        """Waits until the others follow the new primary, and say so in their files."""
        others = [server for server in self.servers if server is not new]
        for server in others:
            server.wait_for_link(new)
        # CONFIG REWRITE comes in the same transaction as the new role, but with a restart in between it may come later.
        wait_until("the roles are in the files", lambda: self.roles_in_files() == {
            server: None if server is new else new.port for server in self.servers})
        wait_until("writes are acknowledged by all again", self.goes_on())
        wait_until("the sentinels know all", self.is_known)

    def goes_on(self):
        before = [len(writer.written) for writer in self.writers]
        return lambda: all(len(writer.written) > count for writer, count in zip(self.writers, before))

    def roles_in_files(self):
        roles = {}
        for server in self.servers:
            with open(server.config, encoding="utf-8") as file:
                lines = [line.split() for line in file if line.startswith(("replicaof ", "slaveof "))]
            roles[server] = int(lines[-1][-1].strip('"')) if lines else None
        return roles

    def kill_and_wait(self):
        """Kills the primary, waits for another one, and starts the old one again. Returns after how long writes could go on."""
        old = self.primary()
        old.kill()
        seconds = self.wait_for_promotion(old)
        new = self.primary()
        old.start()
        self.wait_for_order(old, new)
        return old, new, seconds

    def hand_over(self):
        old = self.primary()
        wait_until("Sentinel agrees to a failover", lambda: self.sentinels[0].do("SENTINEL", "FAILOVER", "main") == b"OK", pause=0.5)
        self.wait_for_promotion(old)
        new = self.primary()
        self.wait_for_order(old, new)
        return old, new

    def check(self):
        """Ends the writers and looks for all that was acknowledged. Returns how much that is."""
        self.end_writers()
        primary = self.primary()
        all_equal(primary, *(server for server in self.servers if server is not primary))
        data.same_digest(*self.servers)
        keys = self.acknowledged()
        missing = self.missing(primary)
        if missing:
            raise Wrong(f"{len(missing)} of {len(keys)} writes that all replicas had acknowledged are lost, first {missing[0]}")
        return len(keys)

    def missing(self, primary):
        # Sentinel has closed all connections when it changed the roles.
        primary.close()
        keys = self.acknowledged()
        return [key for key, there in zip(keys, primary.do_all([("EXISTS", key) for key in keys])) if there != 1]


def kills(kinds, password=None):
    def tell(story):
        story.step("the sentinels find everyone")
        trio = Trio(story, kinds, password=password)
        trio.begin_writers()
        for number in range(2):
            trio.prefer_the_other_make()
            story.step(f"kill {number + 1}")
            old, new, seconds = trio.kill_and_wait()
            if len(set(kinds)) > 1 and new.kind == old.kind:
                raise Wrong(f"{new} was promoted")
            story.current += f": {old.kind} to {new.kind} after {seconds:.1f} s"
        for number in range(2):
            trio.prefer_the_other_make()
            story.step(f"SENTINEL FAILOVER {number + 1}")
            old, new = trio.hand_over()
            story.current += f": {old.kind} to {new.kind}"
        story.step("nothing is lost that all replicas had acknowledged")
        story.current += f": {trio.check()} writes"

    return f"sentinel, {' '.join(kinds)}{' with a password' if password else ''}", tell


def rewinds(story):
    """A primary that is killed and comes back from an older dump before it is missed."""
    story.step("the sentinels find everyone")
    trio = Trio(story, (COPAL, COPAL, REDIS7))
    trio.begin_writers()
    story.step("a primary that comes back with less is not the primary for long")
    old = trio.primary()
    rewind(trio, old)
    begun = time.monotonic()
    wait_until("the guard refuses PING", lambda: text(old.ask("PING")).startswith("MISCONF"), pause=0.02)
    refused = time.monotonic() - begun
    trio.wait_for_promotion(old)
    took = time.monotonic() - begun
    new = trio.primary()
    trio.wait_for_order(old, new)
    missing = trio.missing(new)
    if missing:
        raise Wrong(f"{len(missing)} writes are lost, first {missing[0]}")
    story.current += f": PING refused after {refused:.2f} s, {new.kind} promoted after {took:.1f} s, {trio.check()} writes kept"


def rewind(trio, old):
    """Kills the primary and starts it from a dump to which more was written since."""
    old.do("SAVE")
    for _ in range(2):
        wait_until("more is written", trio.goes_on())
    time.sleep(0.3)
    old.kill()
    old.start_anew()


def rewinds_without_guard(story):
    """What the guard is there for: the older data win, and what was acknowledged is lost."""
    story.step("the sentinels find everyone")
    trio = Trio(story, (COPAL, COPAL, REDIS7), "replica-rewind-guard no")
    trio.begin_writers()
    story.step("without the guard the older data win")
    old = trio.primary()
    rewind(trio, old)
    wait_until("writes are acknowledged by all again", trio.goes_on())
    trio.end_writers()
    if trio.primary() is not old:
        raise Wrong(f"{trio.primary()} was promoted")
    missing = trio.missing(old)
    if not missing:
        raise Wrong("nothing is lost, so that the story with the guard shows nothing")
    story.current += f": {len(missing)} of {len(trio.acknowledged())} writes are lost"


def full_disk(story):
    """A primary that cannot save refuses writes and is not failed over for it."""
    story.step("a primary whose snapshots fail stays the primary")
    trio = Trio(story, (COPAL, COPAL, COPAL), "enable-protected-configs yes")
    primary = trio.primary()
    folder = os.path.join(primary.folder, "gone")
    os.mkdir(folder)
    primary.do("CONFIG", "SET", "save", "1000000 1000000", "dir", folder)
    os.rmdir(folder)
    primary.ask("BGSAVE")
    wait_until("writes are refused", lambda: text(primary.ask("SET", "a", 1)).startswith("MISCONF"))
    time.sleep(3 * DOWN_AFTER_MS / 1000)
    if primary.ask("PING") != b"PONG" or trio.primary() is not primary or not trio.is_known():
        raise Wrong(f"{trio.primary()} is the primary, and Sentinel says {trio.sentinels[0].view()['flags']}")


def stories():
    yield kills((COPAL, COPAL, COPAL))
    yield kills((COPAL, REDIS7, COPAL), "a secret")
    yield "sentinel and the rewind guard", rewinds
    yield "sentinel and no rewind guard", rewinds_without_guard
    yield "sentinel and a full disk", full_disk


def soak(count):
    """Failovers by kill -9, with Sentinel's own periods."""
    def soak_of(kinds):
        def tell(story):
            trio = Trio(story, kinds, hurries=False)
            trio.begin_writers()
            for number in range(count):
                trio.prefer_the_other_make()
                story.step(f"kill {number + 1}")
                old, new, seconds = trio.kill_and_wait()
                story.current += f": {old.kind} to {new.kind} after {seconds:.1f} s, {len(trio.acknowledged())} writes so far"
            story.step("nothing is lost that all replicas had acknowledged")
            answered = sum(writer.answered for writer in trio.writers)
            story.current += f": {trio.check()} writes, of {answered} that were answered"

        return f"soak, {' '.join(kinds)}", tell

    yield soak_of((COPAL, COPAL, COPAL))
    yield soak_of((COPAL, REDIS7, COPAL))
