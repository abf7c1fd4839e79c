"""A Copal server of a test's own: a free port, a temporary folder, and an end at any moment."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import redis

SERVER = os.environ["COPAL_SERVER"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(holds, seconds=30):
    """Waits until something holds, and fails when it does not come to."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "does not come to hold"
        time.sleep(0.01)


class Copal:
    """A running server, whose folder outlives its process."""

    def __init__(self, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="copal-clients-")
        self.port = free_port()
        self.settings = settings
        self.process = None
        self.start()

    def start(self):
        command = [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder.name, "--save", ""]
        for name, value in self.settings.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        log = open(pathlib.Path(self.folder.name) / "server.log", "ab")
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                with self.client() as client:
                    client.ping()
                    return
            except redis.exceptions.ConnectionError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the server does not answer:\n" + self.log()) from None
                time.sleep(0.02)

    def client(self, **options):
        return redis.Redis(host="127.0.0.1", port=self.port, **options)

    def snapshot(self):
        """BGSAVE, and wait until its file is in place."""
        with self.client() as client:
            client.bgsave()
            eventually(lambda: not client.info("persistence")["rdb_bgsave_in_progress"])
            assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"

    def kill(self):
        """Ends the server as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def crash_and_restart(self):
        self.kill()
        self.start()

    def log(self):
        return (pathlib.Path(self.folder.name) / "server.log").read_text(errors="replace")

    def close(self):
        self.kill()
        self.folder.cleanup()
