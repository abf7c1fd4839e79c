"""What the tests of all applications share."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import redis

PORT = int(os.environ["COPAL_PORT"])
URL = f"redis://127.0.0.1:{PORT}/0"


def connect(**options):
    return redis.Redis(host="127.0.0.1", port=PORT, **options)


@contextlib.contextmanager
def worker(*command):
    """A worker's process, ended with all its children."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition, seconds=60):
    """Waits until a condition holds, and returns what it came to."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found
