"""Crawls whose server is killed in the middle go on where the last snapshot was."""

import os
import pathlib
import subprocess
import sys
import unittest

import plain
from bloom import Bloom
from copal import Copal, eventually
from site_of_pages import Site
from test_scrapy_redis import queued_pages, reached_from

HERE = pathlib.Path(__file__).parent


class Crawls(unittest.TestCase):
    def setUp(self):
        self.server, self.site = Copal(), Site()
        self.addCleanup(self.server.close)
        self.addCleanup(self.site.close)

    def run_python(self, *arguments):
        environment = {**os.environ, "REDIS_URL": f"redis://127.0.0.1:{self.server.port}/0"}
        process = subprocess.Popen([sys.executable, *arguments], cwd=HERE, env=environment)
        self.addCleanup(lambda: (process.kill(), process.wait()))
        return process

    def test_a_bloom_filter_knows_what_was_added(self):
        with self.server.client() as client:
            bloom = Bloom(client, "bloom", expected=10_000, errors=1e-3)
            self.assertTrue(all(bloom.add(f"page {n}") for n in range(200)))
            self.assertFalse(any(bloom.add(f"page {n}") for n in range(200)))
            self.assertTrue(all(f"page {n}" in bloom for n in range(200)))
            self.assertFalse(any(f"page {n}" in bloom for n in range(200, 400)))
            self.assertLess(client.memory_usage("bloom"), 32_768)

    def test_workers_of_plain_redis_py_go_on_after_the_death_of_the_server_and_of_one_of_them(self):
        site = self.site
        workers = [self.run_python("plain.py", site.url + "/0", "--lease", "2", "--pause", "0.1") for _ in range(3)]
        eventually(lambda: len(site.answered) >= 40)
        with self.server.client(decode_responses=True) as client:
            done = client.smembers(plain.DONE)
        self.server.snapshot()
        eventually(lambda: len(site.answered) >= 70)
        self.server.kill()
        workers.pop().kill()
        with site.lock:
            site.asked.clear()
        self.server.start()
        with self.server.client(decode_responses=True) as client:
            at_restart = client.smembers(plain.DONE)
        self.assertLessEqual(done, at_restart)
        self.assertEqual([worker.wait(timeout=60) for worker in workers], [0, 0])
        with self.server.client(decode_responses=True) as client:
            everything = {f"{site.url}/{page}" for page in reached_from([0], [0])}
            self.assertEqual(client.smembers(plain.DONE), everything)
            self.assertEqual(client.exists(plain.QUEUE, plain.TAKEN), 0)
        asked = {f"{site.url}/{page}" for page in site.asked}
        self.assertEqual(asked & done, set(), "a page that the snapshot had as done was fetched again")
        self.assertTrue(asked)

    def test_a_crawl_of_scrapy_redis_with_a_bloom_filter_goes_on_after_the_death_of_the_server(self):
        site, server = self.site, self.server
        command = ["-m", "scrapy", "runspider", "spider.py", "-a", f"site={site.url}/0", "-s", "LOG_LEVEL=CRITICAL"]
        command += ["-s", f"REDIS_URL=redis://127.0.0.1:{server.port}/0"]
        site.hold(40)
        crawl = self.run_python(*command)
        self.assertTrue(site.held.wait(60))
        fetched, asked = set(site.answered), set(site.asked)
        with server.client() as client:
            queued = queued_pages(client)
            self.assertEqual(client.type("crawler:dupefilter"), b"string")
        server.snapshot()
        server.kill()
        crawl.kill()
        server.start()
        site.release()
        self.assertEqual(self.run_python(*command).wait(timeout=60), 0)
        self.assertEqual(len(site.asked), len(set(site.asked)), "a page was fetched twice")
        self.assertEqual(set(site.asked) & fetched, set(), "a page was fetched again")
        self.assertEqual(set(site.asked), reached_from(queued, asked | set(queued)))
