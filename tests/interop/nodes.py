"""Servers and sentinels of any make, a relay that cuts connections, and stories of steps on them."""
import contextlib
import os
import random
import re
import shlex
import socket
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scripts"))
from servers import Connection, Ended, Error  # noqa: E402

# How many seconds a server may take for an answer, and for what is waited for, on a busy machine.
PATIENCE = 60

# The names of the servers under test. `programs` says where they are.
COPAL, REDIS7, REDIS8, VALKEY = "copal", "redis-7.0", "redis-8.0", "valkey-9.1"
programs = {}

SETTINGS = ["port {port}", "bind 127.0.0.1", "dir {folder}", "save \"\"", "enable-debug-command yes", "repl-diskless-sync-delay 0", "loglevel verbose"]


class Wrong(Exception):
    """What a story found not to be as it should."""


class Refused(Exception):
    """An error reply where none is expected."""


def free_port():
    """A port that nobody listens at, below those that connections get by themselves: it stays free while a server restarts."""
    while True:
        port = random.randint(12000, 32000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            # Not SO_REUSEADDR: a port of which a closed connection is left would do for a server, but tells of a user.
            probe.bind(("127.0.0.1", port))
            return port


def text(reply):
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply


def wait_until(what, condition, seconds=PATIENCE, pause=0.05):
    """Waits until `condition` returns something true, which is returned. What it says last explains why it never did."""
    end = time.monotonic() + seconds
    said = None
    while time.monotonic() < end:
        try:
            said = condition()
        except (OSError, Ended, Refused) as error:
            said = error
        else:
            if said:
                return said
        time.sleep(pause)
    raise Wrong(f"not within {seconds} s: {what} (last: {said!r})")


class Node:
    """A process with a folder, a configuration file and a connection of its own."""

    password = None

    def __init__(self, story, program, name, lines, arguments=("{config}",)):
        self.story, self.program, self.name = story, program, name
        self.port = free_port()
        self.folder = os.path.join(story.folder, f"{name}-{self.port}")
        os.makedirs(self.folder)
        self.config = os.path.join(self.folder, "server.conf")
        self.command = [program, *(argument.format(config=self.config) for argument in arguments)]
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("\n".join([line.format(port=self.port, folder=self.folder) for line in lines]) + "\n")
        self.process = self.connection = None
        story.nodes.append(self)

    def __repr__(self):
        return f"{self.name}:{self.port}"

    @property
    def address(self):
        return ["127.0.0.1", str(self.port)]

    def launch(self):
        """Starts the process and does not wait for it."""
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self):
        self.launch()
        wait_until(f"{self} answers", self.is_up)
        return self

    def start_anew(self):
        """Starts the process that was killed, and waits until it answers anything at all."""
        self.launch()
        wait_until(f"{self} answers", lambda: self.ask("PING"), pause=0.01)

    def is_up(self):
        if self.process.poll() is not None:
            raise Wrong(f"{self} has ended with {self.process.returncode}")
        self.connect()
        return self.ask("PING") == b"PONG"

    def connect(self):
        self.close()
        self.connection = Connection(self.port, PATIENCE)
        if self.password:
            self.connection.ask("AUTH", self.password)

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def ask(self, *words):
        """The reply to a command, which may be one text. A connection that was closed is made again once."""
        if len(words) == 1 and isinstance(words[0], str):
            words = shlex.split(words[0])
        if self.connection is not None:
            try:
                return self.connection.ask(*words)
            except (OSError, Ended):
                self.close()
        self.connect()
        return self.connection.ask(*words)

    def do(self, *words):
        """As `ask`, where an error is not expected."""
        reply = self.ask(*words)
        if isinstance(reply, Error):
            raise Refused(f"{self}: {' '.join(map(str, words))}: {text(reply)}")
        return reply

    def do_all(self, commands):
        """Many commands, none of which fails, with few waits."""
        if self.connection is None:
            self.connect()
        replies = []
        for at in range(0, len(commands), 500):
            part = commands[at:at + 500]
            for command, reply in zip(part, self.connection.ask_all(part)):
                if isinstance(reply, Error):
                    raise Refused(f"{self}: {command}: {text(reply)}")
                replies.append(reply)
        return replies

    def kill(self):
        """Ends the process at once, as a machine that loses its power does."""
        self.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self, *words):
        """Ends the process by SHUTDOWN."""
        with contextlib.suppress(OSError, Ended):
            self.ask("SHUTDOWN", *words)
        self.close()
        self.process.wait(PATIENCE)

    def log(self, lines=25):
        with contextlib.suppress(OSError), open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])
        return ""


class Server(Node):
    def __init__(self, story, kind, *lines, password=None):
        self.kind, self.password = kind, password
        if password:
            lines = [*lines, f'requirepass "{password}"']
        super().__init__(story, programs[kind], kind, [*SETTINGS, *lines])
        self.start()

    def info(self, section="replication"):
        lines = text(self.do("INFO", section)).split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def number(self, section, field):
        return int(self.info(section)[field])

    def offset(self):
        """How far the stream is here."""
        info = self.info()
        return int(info["slave_repl_offset" if info["role"] == "slave" else "master_repl_offset"])

    def knows(self):
        """The names of all commands, those of subcommands as `group|name`, and their flags."""
        found = {}

        def add(rows):
            for row in rows:
                found[text(row[0])] = {text(flag) for flag in row[2]}
                if len(row) > 9:
                    add(row[9])

        add(self.do("COMMAND"))
        return found

    def follow(self, primary):
        """Makes this a replica; `primary` has an address."""
        self.do("REPLICAOF", *primary.address)

    def is_linked(self, primary=None):
        info = self.info()
        return info.get("master_link_status") == "up" and primary in (None, self.port_of_primary(info))

    @staticmethod
    def port_of_primary(info):
        return int(info.get("master_port", 0))

    def wait_for_link(self, primary=None, seconds=PATIENCE):
        """Waits until the stream comes, from the one at this port if that is said."""
        port = primary and primary.port
        wait_until(f"{self} gets the stream" + (f" of {primary}" if primary else ""),
                   lambda: self.is_linked(port), seconds)


class Sentinel(Node):
    """Debian's redis-sentinel, which watches one primary."""

    def __init__(self, story, primary, down_after_ms, quorum=2, *more):
        lines = ["port {port}", "bind 127.0.0.1", "dir {folder}", f"sentinel monitor main 127.0.0.1 {primary.port} {quorum}",
                 f"sentinel down-after-milliseconds main {down_after_ms}", "sentinel failover-timeout main 4000", *more]
        super().__init__(story, programs["sentinel"], "sentinel", lines, ["{config}", "--sentinel"])
        self.start()

    def primary(self):
        """The port of the primary, as clients learn it."""
        return int(self.do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main")[1])

    def view(self):
        row = [text(word) for word in self.do("SENTINEL", "MASTER", "main")]
        return dict(zip(row[::2], row[1::2]))


class Relay:
    """Passes connections on to a server, and cuts them when it is asked to."""

    def __init__(self, story, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = []
        # After how many more bytes to the client, or to the server, all connections are cut.
        self.left = {"down": None, "up": None}
        self.cuts = 0
        story.closing.callback(self.close)
        threading.Thread(target=self.accept, daemon=True).start()

    address = property(lambda self: ["127.0.0.1", str(self.port)])

    def close(self):
        # A thread that waits in accept goes on by that.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.target.port), PATIENCE)
                except OSError:
                    client.close()
                    continue
                with self.lock:
                    self.pairs.append((client, server))
                for source, sink, way in ((client, server, "up"), (server, client, "down")):
                    threading.Thread(target=self.carry, args=(source, sink, way), daemon=True).start()

    def carry(self, source, sink, way):
        with contextlib.suppress(OSError):
            while received := source.recv(1 << 16):
                with self.lock:
                    left = self.left[way]
                    ends = left is not None and left <= len(received)
                    if left is not None:
                        self.left[way] = None if ends else left - len(received)
                if ends:
                    sink.sendall(received[:left])
                    self.cuts += 1
                    self.cut()
                    return
                sink.sendall(received)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut_after(self, count, way="down"):
        """Cuts after so many more bytes, in the middle of whatever is being sent then."""
        with self.lock:
            self.left[way] = count

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()


class Story:
    """Steps, one after the other, on servers of its own. A step has passed when the next one begins."""

    def __init__(self, name, folder):
        self.name, self.folder = name, os.path.join(folder, re.sub(r"\W+", "-", name))
        self.nodes, self.passed, self.failed = [], 0, 0
        self.current = self.begun = None
        self.closing = contextlib.ExitStack()
        os.makedirs(self.folder)

    def step(self, name):
        self.end_step()
        self.current, self.begun = name, time.monotonic()

    def end_step(self, note=""):
        if self.current:
            self.passed += 1
            self.say(f"ok    {self.name}: {self.current} ({time.monotonic() - self.begun:.1f} s)")
        self.current = None

    def say(self, line):
        print(line, flush=True)

    def tell(self, function):
        """Runs the story; returns how many steps have passed and failed."""
        try:
            with self.closing:
                function(self)
                self.end_step()
        except Exception as error:  # noqa: BLE001: whatever it is, the story has failed
            self.failed += 1
            where = "".join(traceback.format_exception(error)[-3:]) if not isinstance(error, Wrong) else ""
            lines = [f"FAIL: {self.name}: {self.current}: {error}", where]
            for node in self.nodes:
                lines += [f"-- the end of the log of {node}:", node.log()]
            self.say("\n".join(lines))
        finally:
            for node in self.nodes:
                node.kill()
        return self.passed, self.failed


def all_equal(*nodes, seconds=PATIENCE):
    """Waits until replicas have the whole stream of the first server, whose writers rest."""
    def offsets():
        found = [node.offset() for node in nodes]
        return len(set(found)) == 1

    try:
        wait_until("the offsets are equal", offsets, seconds)
    except Wrong as error:
        raise Wrong(f"{error}: {[(node, node.offset()) for node in nodes]}") from None
