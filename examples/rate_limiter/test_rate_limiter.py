"""A limit holds for all clients together, and over a crash."""

import concurrent.futures
import unittest

from copal import Copal, eventually
from rate_limiter import RateLimiter

NOW = 1_900_000_000_000


class Limits(unittest.TestCase):
    def setUp(self):
        self.server = Copal()
        self.addCleanup(self.server.close)
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.limiter = RateLimiter(self.client, burst=20, per_second=5)

    def allowed(self, calls, now_ms):
        """How many of so many calls are let through, from eight threads at once."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda _: self.limiter.wait_ms("api", now_ms), range(calls))).count(0)

    def test_clients_together_get_the_burst_and_then_the_rate(self):
        self.assertEqual(self.allowed(200, NOW), 20)
        self.assertEqual(self.limiter.wait_ms("api", NOW), 200)
        self.assertEqual(self.allowed(200, NOW + 1000), 5)
        self.assertEqual(self.allowed(200, NOW + 60_000), 20)
        self.assertEqual(self.allowed(200, NOW), 0)
        self.assertEqual(self.limiter.wait_ms("other", NOW), 0)

    def test_a_crash_after_a_snapshot_gives_no_new_tokens(self):
        self.assertEqual(self.allowed(30, NOW), 20)
        self.server.snapshot()
        self.server.crash_and_restart()
        # The new server does not have the script; the client sends it again.
        self.assertEqual(self.allowed(30, NOW), 0)

    def test_by_the_servers_clock_one_waits_and_gets_through(self):
        slow = RateLimiter(self.client, burst=1, per_second=0.1)
        self.assertEqual(slow.wait_ms("slow"), 0)
        self.assertTrue(0 < slow.wait_ms("slow") <= 10_000)
        self.assertGreater(self.client.pttl("limit:slow"), 0)
        fast = RateLimiter(self.client, burst=1, per_second=10)
        self.assertEqual(fast.wait_ms("fast"), 0)
        eventually(lambda: fast.wait_ms("fast") == 0)
