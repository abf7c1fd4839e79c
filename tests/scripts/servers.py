"""Servers that share one stopped clock, and connections to them."""
import os
import socket
import struct
import subprocess
import tempfile
import time

# Settings under which a hash is read in the order of its insertion, and in which a script that does not end is found soon.
SETTINGS = ["--save", "", "--appendonly", "no", "--enable-debug-command", "yes", "--lua-time-limit", "50",
            "--hash-max-listpack-value", "100000", "--hash-max-listpack-entries", "10000", "--loglevel", "warning"]


# How many seconds a server that runs no script may take for an answer, on a busy machine.
PATIENCE = 60


class Ended(Exception):
    """The server closed the connection, or has ended."""


class Error(bytes):
    """An error reply."""


class Simple(bytes):
    """A status reply."""


class Connection:
    def __init__(self, port, timeout):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.at = 0

    def close(self):
        self.socket.close()

    def send(self, *commands):
        parts = []
        for command in commands:
            parts.append(b"*%d\r\n" % len(command))
            for word in command:
                word = word if isinstance(word, bytes) else str(word).encode()
                parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
        self.socket.sendall(b"".join(parts))

    def ask(self, *words):
        self.send(words)
        return self.reply()

    def ask_all(self, commands):
        self.send(*commands)
        return [self.reply() for _ in commands]

    def more(self):
        if self.at > 1 << 16:
            self.received, self.at = self.received[self.at:], 0
        got = self.socket.recv(1 << 16)
        if not got:
            raise Ended("the server closed the connection")
        self.received += got

    def line(self):
        while (end := self.received.find(b"\r\n", self.at)) < 0:
            self.more()
        line = self.received[self.at:end]
        self.at = end + 2
        return line

    def raw(self):
        """A whole reply as it came, however deep it is."""
        parts = []
        left = 1
        while left:
            left -= 1
            line = self.line()
            parts.append(line)
            mark, rest = line[:1], line[1:]
            if mark in b"$=!" and rest != b"-1":
                self.need(int(rest) + 2)
                parts.append(self.received[self.at:self.at + int(rest)])
                self.at += int(rest) + 2
            elif mark in b"*~>%|" and rest != b"-1":
                left += int(rest) * (2 if mark in b"%|" else 1) + (mark == b"|")
        return b"\r\n".join(parts) + b"\r\n"

    def need(self, size):
        while len(self.received) - self.at < size:
            self.more()

    def reply(self):
        """Tuples are what only RESP3 has, with its mark first."""
        line = self.line()
        mark, rest = line[:1], line[1:]
        if mark == b"+":
            return Simple(rest)
        if mark == b"-":
            return Error(rest)
        if mark == b":":
            return int(rest)
        if mark in b"$=":
            if rest == b"-1":
                return None
            self.need(int(rest) + 2)
            text = self.received[self.at:self.at + int(rest)]
            self.at += int(rest) + 2
            return text if mark == b"$" else ("=", text)
        if mark == b"*":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        if mark in b"%|":
            return (mark.decode(), [[self.reply(), self.reply()] for _ in range(int(rest))])
        if mark in b"~>":
            return (mark.decode(), [self.reply() for _ in range(int(rest))])
        return (mark.decode(), rest)


class Text(Connection):
    """Reads replies from bytes."""

    def __init__(self, received):
        self.received, self.at = received, 0

    def more(self):
        raise Ended("the text ends")


class Clock:
    """The clocks of all servers, in microseconds. They stay until they are set; the one that never goes back goes on whenever
    the wall clock is set, since a server may carry its last reading on by it."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "clock")
        self.file = open(self.path, "wb", buffering=0)
        self.steady = 1_900_000_000_000_000
        self.set(self.steady)

    def set(self, micros):
        self.now = micros
        self.pass_by(1_000_000 + self.steady % 777_777)

    def pass_by(self, micros):
        self.steady += micros
        os.pwrite(self.file.fileno(), struct.pack("=qq", self.now, self.steady), 0)

    def advance(self, micros):
        self.set(self.now + micros)


class Server:
    def __init__(self, name, program, clock, preload, timeout):
        self.name, self.program, self.clock, self.preload, self.timeout = name, program, clock, preload, timeout
        self.folder = tempfile.TemporaryDirectory()
        self.process = None
        self.start()

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        log = open(os.path.join(self.folder.name, "log"), "ab")
        self.process = subprocess.Popen(
            [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder.name, *SETTINGS],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=os.environ | {"LD_PRELOAD": self.preload, "FROZEN_CLOCK": self.clock.path})
        log.close()
        self.connect()
        # Only what is looked at expires, so that both do so at the same moment.
        self.connection.ask("DEBUG", "SET-ACTIVE-EXPIRE", "0")

    def connect(self):
        for _ in range(500):
            try:
                self.connection = Connection(self.port, PATIENCE)
                if self.connection.ask("PING") == b"PONG":
                    return
            except (OSError, Ended):
                if self.process.poll() is not None:
                    raise Ended(f"{self.name} ended with {self.process.returncode}: {self.log()}")
            time.sleep(0.02)
        raise Ended(f"{self.name} does not answer: {self.log()}")

    def log(self):
        with open(os.path.join(self.folder.name, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def end(self):
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def restart(self):
        """Ends whatever it does, and starts it anew, empty."""
        ended = self.process.poll()
        self.end()
        self.start()
        return ended
