"""Jobs that were waiting when the server was killed are done after its restart."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

import rq
import rq_tasks
from copal import Copal, eventually

HERE = pathlib.Path(__file__).parent
TEXTS = ["a " * n for n in range(1, 21)]


class Jobs(unittest.TestCase):
    def setUp(self):
        self.server = Copal()
        self.addCleanup(self.server.close)
        self.url = f"redis://127.0.0.1:{self.server.port}/0"

    def work(self, *arguments):
        worker = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=HERE, env={**os.environ, "REDIS_URL": self.url},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.addCleanup(lambda: (worker.kill(), worker.wait()))
        return worker

    def test_rq_does_after_a_crash_what_was_queued_before_it(self):
        with self.server.client() as client:
            queue = rq.Queue(connection=client)
            names = [queue.enqueue(rq_tasks.word_count, text).id for text in TEXTS]
        self.server.snapshot()
        self.server.crash_and_restart()
        worker = self.work("rq.cli", "worker", "--url", self.url, "--burst", "--worker-class", "rq.SimpleWorker")
        self.assertEqual(worker.wait(timeout=60), 0)
        with self.server.client() as client:
            results = [rq.job.Job.fetch(name, connection=client).return_value() for name in names]
            self.assertEqual(results, list(range(1, 21)))
            self.assertEqual(len(rq.Queue(connection=client)), 0)

    def test_celery_does_after_a_crash_what_was_queued_before_it(self):
        submit = subprocess.run(
            [sys.executable, "celery_submit.py"], input="\n".join(TEXTS), cwd=HERE, env={**os.environ, "REDIS_URL": self.url},
            text=True, capture_output=True, check=True
        )
        ids = submit.stdout.split()
        self.server.snapshot()
        self.server.crash_and_restart()
        with self.server.client() as client:
            self.assertEqual(client.llen("celery"), 2 * len(TEXTS))
        self.work("celery", "-A", "celery_tasks", "worker", "--pool=solo", "--loglevel=error")
        with self.server.client() as client:
            kept = [f"celery-task-meta-{name}" for name in ids]
            eventually(lambda: client.exists(*kept) == len(kept), 60)
            results = [json.loads(result)["result"] for result in client.mget(kept)]
        self.assertEqual(results, [*range(1, 21), sum(range(1, 21))])
