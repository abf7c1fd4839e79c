#!/usr/bin/env python3
"""Runs scripts of public packages on a server and on redis-server, and compares replies and data.

Each script runs several times, from other data and with other arguments. redis-server runs it first, while MONITOR
shows the keys, fields and types that it asks for, until it asks for nothing new; then both get data of that kind, and
three calls in a row, between which their common clock goes on. After each call the whole reply and DEBUG DIGEST must be
the same. See README.md.

Exit status: 0 all equal, 1 a difference, 2 usage.
"""
import argparse
import collections
import hashlib
import json
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time

import arguments
import extract
from servers import PATIENCE, Clock, Connection, Ended, Error, Server, Text

# How a run chooses: its arguments, how much of what the script asks for is there, and which protocol it speaks.
Manner = collections.namedtuple("Manner", "arguments present protocol")
MANNERS = [Manner("fitting", 0.0, 2), Manner("fitting", 1.0, 2), Manner("fitting", 1.0, 3), Manner("fitting", 0.6, 2),
           Manner("fitting", 0.8, 2), Manner("numbers", 0.7, 2), Manner("words", 0.7, 2), Manner("any", 0.5, 3)]

# What may become of a run other than a difference.
COUNTED = (None, "order", "expected", "endless")

# Between the calls of a run the clock goes on by this many microseconds.
PAUSES = [0, 700_000, 61_000_000]

# A script that has not ended by then is stopped, and its run not counted.
SECONDS_ALONE = 1.0

TYPES = {"hash": "h", "list": "lpush rpush lpushx rpushx lpop rpop llen lrange lindex lrem lset linsert ltrim lpos lmove rpoplpush lmpop",
         "zset": "z", "set": "sadd srem smembers sismember smismember scard spop srandmember sscan smove sinter sunion sdiff sintercard",
         "stream": "x", "log": "pf", "string": "get set setnx setex psetex incr decr incrby decrby incrbyfloat append strlen getset getdel "
         "getex getrange setrange mget mset getbit setbit bitcount bitpos bitop"}
MANY_KEYS = {"mget", "del", "exists", "unlink", "sinter", "sunion", "sdiff", "touch", "lmove", "rpoplpush", "smove", "pfcount", "pfmerge"}
# What redis-server itself answers in another order, or at random, in each process.
NO_ORDER = {"smembers", "sinter", "sunion", "sdiff", "keys", "scan", "sscan", "spop", "srandmember", "randomkey", "hrandfield",
            "zrandmember"}

# What the server itself is like, or by chance.
OWN = {"info", "spop", "srandmember", "randomkey", "hrandfield", "zrandmember", "scan", "sscan"}

# Where Copal answers like 7.2, or is meant to differ: what redis-server 7.0.15 replies, what Copal does, and why.
EXPECTED = [
    (rb"nonexistent global variable 'server'", rb"", "`server` is another name of `redis`, as in Valkey"),
    (rb"This Redis command is not allowed from script", rb"^(?!-ERR This Redis)", "7.2 lets scripts run commands that may block, which do not"),
    (rb"command is not allowed with BLOCK option from scripts", rb"", "as 7.2"),
    (rb"attempt to call a nil value", rb"attempt to call field 'dump'", "there is no string.dump, whose result none could load"),
    (rb"-ERR reached lua stack limit\r\n$", rb"-ERR reached lua stack limit\r\n$", "two levels fewer of 8,000"),
]

# The same for single runs, by the script's digest and the run's number.
EXPECTED_RUNS = {
    "9541a8ecffcc24500a308d0efb234ae1be64c725/2": "pairs() gives keys of 32 and more bytes in another order: Redis's copy of "
    "Lua hashes all bytes of a string, Lua 5.1 a part of a long one",
}

MONITORED = re.compile(rb'^[\d.]+ \[\d+ lua\] (.*)$', re.S)
WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.S)
ESCAPED = re.compile(rb"\\(x[0-9a-f]{2}|.)", re.S)


def type_of(command):
    if command.startswith("h") and command not in ("hello",):
        return "hash"
    for name in ("list", "set", "string"):
        if command in TYPES[name].split():
            return name
    return {"z": "zset", "x": "stream", "p": "log" if command.startswith("pf") else None}.get(command[:1])


def unquoted(word):
    def one(found):
        what = found.group(1)
        return bytes([int(what[1:], 16)]) if len(what) == 3 else {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}.get(what, what)
    return ESCAPED.sub(one, word)


class Touched:
    """What a script has asked for: each key's type, and fields and members."""

    def __init__(self):
        self.keys = {}
        self.commands = set()

    def note(self, line):
        words = [unquoted(word) for word in WORD.findall(line)]
        if not words:
            return
        command = words[0].decode("latin-1").lower()
        self.commands.add(command)
        kind = type_of(command)
        keys = words[1:] if command in MANY_KEYS else words[1:2]
        if command in ("zunionstore", "zinterstore") and len(words) > 2 and words[2].isdigit():
            keys = [words[1], *words[3:3 + int(words[2])]]
        if kind is None and command in ("type", "exists", "ttl", "pttl", "del", "expire", "pexpire", "unlink", "persist", "rename", "dump", "object"):
            for key in keys:
                self.keys.setdefault(key, [None, set()])
        if kind is None:
            return
        for key in keys:
            if len(key) > 200:
                continue
            entry = self.keys.setdefault(key, [kind, set()])
            entry[0] = entry[0] or kind
            if kind in ("hash", "set", "zset") and command not in MANY_KEYS:
                entry[1].update(word for word in words[2:12] if 0 < len(word) < 60)

    def size(self):
        return sum(1 + len(hints) for _, hints in self.keys.values())


class Run:
    """One script with one choice of arguments and data, on two servers."""

    def __init__(self, servers, script, manner, number):
        self.ours, self.reference, self.monitor = servers
        self.script, self.manner = script, manner
        self.seed = f"{digest_of(script.text)}/{number}"
        self.start = arguments.NOW * 1000 + 123
        shape = arguments.Shape(script.text)
        generator = arguments.Generator(shape, random.Random(self.seed))
        self.body = script.text.encode("utf-8", "surrogateescape")
        self.keys = generator.keys()
        self.calls = []
        for _ in PAUSES:
            self.calls.append(generator.arguments(manner.arguments))
        self.generator = generator
        self.touched = Touched()
        self.errors = 0

    def call(self, values):
        return ["EVAL", self.body, len(self.keys), *self.keys, *values]

    def data(self):
        """The commands that prepare the data, always the same ones for what has been touched. The numbers that scripts get
        by chance go on from one script to the next, and start anew here."""
        chance = random.Random(self.seed + "/data")
        self.generator.chance = chance
        commands = [["FLUSHALL"], ["SCRIPT", "FLUSH"], ["EVAL", "math.randomseed(0)", 0], ["HELLO", "3" if self.manner.protocol == 3 else "2"]]
        for key, (kind, hints) in sorted(self.touched.keys.items()):
            if chance.random() < self.manner.present:
                commands += self.generator.fill(key, kind or "string", hints)
        return commands

    def learn(self, clock):
        """Lets the reference run the script until it asks for nothing new. False when it does not end."""
        for _ in range(3):
            clock.set(self.start)
            known = self.touched.size()
            self.reference.connection.ask_all(self.data())
            for values in self.calls:
                if ask(self.reference, self.call(values)) is None:
                    return False
                self.watch()
            if self.touched.size() == known or self.manner.present == 0:
                return True
        return True

    def watch(self):
        mark = b"mark"
        self.reference.connection.ask("ECHO", mark)
        while True:
            line = self.monitor.line()[1:]
            found = MONITORED.match(line)
            if found:
                self.touched.note(found.group(1))
            elif line.endswith(b'"ECHO" "mark"'):
                return

    def compare(self, clock):
        """None when all is equal, `order` when it is but for an order that the reference leaves open, or what differs."""
        prepared = self.data()
        clock.set(self.start)
        for server in (self.ours, self.reference):
            server.connection.ask_all(prepared)
        verdict = None
        for pause, values in zip(PAUSES, self.calls):
            clock.advance(pause)
            answers = []
            for server in (self.reference, self.ours):
                reply = ask(server, self.call(values))
                if reply is None:
                    return "endless" if server is self.reference else "it does not end here"
                # Whatever has expired goes, as it is looked at; the digest has it until then.
                seen = server.connection.ask_all([["SCAN", 0, "COUNT", 1_000_000], ["DEBUG", "DIGEST"]])
                answers.append((reply[0], sorted(seen[0][1]), seen[1]))
            self.watch()
            theirs, ours = answers
            self.errors += theirs[0].startswith(b"-")
            if theirs == ours:
                continue
            if self.touched.commands & NO_ORDER and same_but_for_order(theirs[0], ours[0]):
                verdict = "order"
                if theirs[1:] != ours[1:]:
                    return verdict
                continue
            if self.touched.commands & OWN:
                return "order"
            if self.seed in EXPECTED_RUNS or any(re.search(one, theirs[0]) and re.search(other, ours[0]) for one, other, _ in EXPECTED):
                return "expected"
            what = "reply" if theirs[0] != ours[0] else "keys" if theirs[1] != ours[1] else "digest"
            return self.difference(what, values, prepared, theirs, ours)
        return verdict

    def difference(self, what, values, prepared, theirs, ours):
        shown = {"reply": 0, "keys": 1, "digest": 2}[what]
        text = [f"the {what} differs", f"  redis-server: {short(theirs[shown])}", f"  ours:         {short(ours[shown])}",
                f"  keys {self.keys}, arguments {short(values, 600)}"]
        if what == "digest":
            text += [f"  of {key!r}" for key in self.keys_that_differ(ours[1])]
            text += [f"  after {short(command, 600)}" for command in prepared[4:]]
        return "\n".join(text)

    def keys_that_differ(self, keys):
        for key in keys:
            theirs, ours = (server.connection.ask("DEBUG", "DIGEST-VALUE", key) for server in (self.reference, self.ours))
            if theirs != ours:
                yield key


def same_but_for_order(one, other):
    try:
        return ordered(Text(one).reply()) == ordered(Text(other).reply())
    except RecursionError:
        return False


def ordered(reply):
    """A reply without the order of its elements."""
    if isinstance(reply, list):
        return sorted(map(ordered, reply), key=repr)
    if isinstance(reply, tuple) and isinstance(reply[1], list):
        return (reply[0], sorted(map(ordered, reply[1]), key=repr))
    return reply


def short(value, most=300):
    text = repr(value)
    return text if len(text) <= most else text[:most] + "..."


def ask(server, command):
    """The reply in a list, or None when there is none in time; then the script is killed, with its server if need be."""
    server.connection.send(command)
    server.connection.socket.settimeout(server.timeout)
    try:
        return [server.connection.raw()]
    except TimeoutError:
        pass
    except (Ended, ConnectionError):
        raise Ended(f"{server.name} ended: {server.log()}")
    finally:
        server.connection.socket.settimeout(PATIENCE)
    try:
        # So that the time that a script may take is over for the server too.
        server.clock.pass_by(10_000_000)
        time.sleep(0.2)
        other = Connection(server.port, 2)
        killed = other.ask("SCRIPT", "KILL")
        other.close()
        if not isinstance(killed, Error):
            server.connection.close()
            server.connect()
            return None
    except (TimeoutError, OSError, Ended):
        pass
    server.restart()
    return None


def digest_of(text):
    return hashlib.sha1(text.encode("utf-8", "surrogateescape")).hexdigest()


class Count:
    def __init__(self):
        self.scripts = collections.Counter()
        self.runs = collections.Counter()
        self.by_source = collections.Counter()
        self.differences = []
        self.errors = 0

    def add(self, other):
        self.scripts += other.scripts
        self.runs += other.runs
        self.by_source += other.by_source
        self.differences += other.differences
        self.errors += other.errors


def main():
    options = parse()
    scripts = collect(options)
    if options.list:
        for script in scripts:
            print(digest_of(script.text)[:12], script.source, script.origin, len(script.text))
        return 0
    if options.print:
        for script in scripts:
            print(script.text)
        return 0
    # The scripts of one package are of one size, and go to all.
    shards = [(scripts[first::options.jobs], options) for first in range(options.jobs)]
    with multiprocessing.Pool(options.jobs) as pool:
        count = Count()
        for part in pool.imap_unordered(run_all, shards):
            count.add(part)
    report(count, scripts, options)
    return 1 if count.differences or not count.scripts["equal"] else 0


def run_all(work):
    """Runs scripts on two servers of their own."""
    scripts, options = work
    count = Count()
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(folder)
        reference = Server("redis-server", options.reference, clock, options.preload, SECONDS_ALONE)
        ours = Server("ours", options.server, clock, options.preload, 20)
        monitor = None
        try:
            for script in scripts:
                monitor = one(script, clock, ours, reference, monitor, count, options)
        finally:
            reference.end()
            ours.end()
    return count


def one(script, clock, ours, reference, monitor, count, options):
    """All runs of a script. Gives the connection that monitors the reference, which may be a new one."""
    verdicts = []
    for number, manner in enumerate(MANNERS):
        if options.runs and number not in options.runs:
            continue
        if monitor is None or monitor.server != reference.process.pid:
            monitor = Connection(reference.port, PATIENCE)
            monitor.server = reference.process.pid
            monitor.ask("MONITOR")
        run = Run((ours, reference, monitor), script, manner, number)
        try:
            verdict = run.compare(clock) if run.learn(clock) else "endless"
        except Ended as ended:
            verdict = f"a server ended: {ended}"
            for server in (ours, reference):
                server.restart()
        if verdict == "endless":
            monitor.close()
            monitor = None
        verdicts.append(verdict)
        count.errors += run.errors
        if verdict not in COUNTED:
            count.differences.append((script, number, verdict))
            if sum(other is script for other, _, _ in count.differences) <= options.show:
                print(f"not equal: {digest_of(script.text)} run {number}, {script.source} {script.origin}: {verdict}", flush=True)
    for verdict in verdicts:
        count.runs[verdict if verdict in COUNTED else "different"] += 1
    judged = [verdict for verdict in verdicts if verdict != "endless"]
    bad = [verdict for verdict in judged if verdict not in COUNTED]
    state = "different" if bad else "endless" if not judged else "equal"
    count.scripts[state] += 1
    count.by_source[script.source, state] += 1
    return monitor


def report(count, scripts, options):
    for source in sorted({source for source, _ in count.by_source}):
        print(f"{source}: " + ", ".join(f"{number} {state}" for (name, state), number in sorted(count.by_source.items()) if name == source))
    runs = count.runs
    print(f"{len(scripts)} scripts, {sum(runs.values())} runs of {len(PAUSES)} calls, redis-server answers {count.errors} of the calls with an error")
    print(f"runs: {runs[None]} equal, {runs['order']} equal but for an order or a choice that each server leaves to chance, {runs['expected']} "
          f"different as expected, {runs['endless']} not counted since the script does not end, {runs['different']} different")
    print(f"{count.scripts['equal']} passed, {count.scripts['different']} failed")


def collect(options):
    if os.path.exists(options.packages + ".json"):
        with open(options.packages + ".json", encoding="utf-8") as file:
            scripts = [extract.Script(*script) for script in json.load(file)]
    else:
        scripts = read(options)
        with open(options.packages + ".json", "w", encoding="utf-8") as file:
            json.dump(scripts, file)
    if options.only:
        scripts = [script for script in scripts if digest_of(script.text).startswith(tuple(options.only))]
    if options.source:
        scripts = [script for script in scripts if options.source in script.source]
    return scripts


def read(options):
    scripts = []
    for folder in sorted(os.listdir(options.packages)):
        found = list(extract.scripts_of(os.path.join(options.packages, folder), folder))
        scripts += found
    if options.suite:
        for unit in ("unit/scripting.tcl", "unit/functions.tcl"):
            with open(os.path.join(options.suite, "tests", unit), encoding="utf-8", errors="surrogateescape") as file:
                scripts += [extract.Script(text, "redis", unit) for text in extract.from_tcl(file.read()) if text]
    return extract.distinct(scripts)



def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--reference", default="redis-server")
    parser.add_argument("--packages", required=True, help="a folder with one unpacked package in each of its folders")
    parser.add_argument("--suite", help="the unpacked source of Redis 7.0, for the scripts of its tests")
    parser.add_argument("--preload", required=True, help="frozen_clock.so")
    parser.add_argument("--only", nargs="*", help="only scripts whose digest starts like this")
    parser.add_argument("--source", help="only scripts of packages whose name has this in it")
    parser.add_argument("--runs", nargs="*", type=int, help="only the runs of these numbers")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many pairs of servers run at once")
    parser.add_argument("--show", type=int, default=1, help="how many differences of one script are shown")
    parser.add_argument("--list", action="store_true", help="list the scripts and end")
    parser.add_argument("--print", action="store_true", help="print the scripts and end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
