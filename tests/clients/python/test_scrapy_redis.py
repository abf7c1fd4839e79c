"""A crawl by scrapy-redis goes on where it was when the server died after a snapshot."""

import subprocess
import sys
import unittest

from scrapy_redis import picklecompat

from copal import Copal
from site_of_pages import PAGES, Site, links

QUEUE = "crawler:requests"
SEEN = "crawler:dupefilter"

# Answers before the site holds the crawl for the snapshot.
ANSWERS = 40


class Crawl:
    """The crawler in a process of its own, one request at a time."""

    def __init__(self, server, site, queue_class):
        settings = {
            "SITE": site.url,
            "REDIS_PORT": server.port,
            "REDIS_HOST": "127.0.0.1",
            "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
            "SCHEDULER_QUEUE_CLASS": f"scrapy_redis.queue.{queue_class}",
            # Queues that are lists are popped with BRPOP and BLPOP then.
            "SCHEDULER_IDLE_BEFORE_CLOSE": 1,
            "SCHEDULER_PERSIST": True,
            "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
            "CONCURRENT_REQUESTS": 1,
            "DOWNLOAD_DELAY": 0,
            "RETRY_ENABLED": False,
            "LOG_LEVEL": "ERROR",
            "TELNETCONSOLE_ENABLED": False,
        }
        command = [sys.executable, "-m", "scrapy", "runspider", "spider.py"]
        for name, value in settings.items():
            command += ["-s", f"{name}={value}"]
        self.process = subprocess.Popen(command)

    def finish(self):
        return self.process.wait(timeout=120)

    def kill(self):
        self.process.kill()
        self.process.wait()


def queued_pages(client):
    entries = client.zrange(QUEUE, 0, -1) if client.type(QUEUE) == b"zset" else client.lrange(QUEUE, 0, -1)
    return [int(picklecompat.loads(entry)["url"].rsplit("/", 1)[1]) for entry in entries]


def reached_from(queued, seen):
    """The pages that a crawl visits which starts with a queue and a set of pages that were seen."""
    visited, waiting, seen = set(), list(queued), set(seen)
    while waiting:
        page = waiting.pop()
        visited.add(page)
        for link in links(page):
            if link not in seen:
                seen.add(link)
                waiting.append(link)
    return visited


class ScrapyRedis(unittest.TestCase):
    def crawl_survives_a_crash(self, queue_class):
        server, site = Copal(), Site()
        self.addCleanup(site.close)
        self.addCleanup(server.close)
        site.hold(ANSWERS)
        crawl = Crawl(server, site, queue_class)
        self.addCleanup(crawl.kill)
        self.assertTrue(site.held.wait(120), "the crawl does not get to its stop")
        fetched, asked = set(site.answered), list(site.asked)

        with server.client() as client:
            queued = queued_pages(client)
            seen = client.smembers(SEEN)
        server.snapshot()
        server.kill()
        crawl.kill()
        # What was fetched, what was asked for at that moment, and what waits: together all that was seen.
        self.assertEqual(len(seen), len(fetched) + 1 + len(queued))

        server.start()
        with server.client() as client:
            self.assertEqual(queued_pages(client), queued)
            self.assertEqual(client.smembers(SEEN), seen)
        site.release()
        crawl = Crawl(server, site, queue_class)
        self.addCleanup(crawl.kill)
        self.assertEqual(crawl.finish(), 0)
        self.assertEqual(len(site.asked), len(set(site.asked)), "a page was fetched twice")
        self.assertEqual(set(site.asked), reached_from(queued, set(asked) | set(queued)))
        self.assertEqual(fetched & set(site.asked), set(), "a page that was fetched before was fetched again")
        with server.client() as client:
            self.assertEqual(client.exists(QUEUE), 0)
            self.assertGreater(client.scard(SEEN), PAGES * 3 // 4)

    def test_crawl_with_a_priority_queue_goes_on_after_a_crash(self):
        self.crawl_survives_a_crash("PriorityQueue")

    def test_crawl_with_a_first_in_first_out_queue_goes_on_after_a_crash(self):
        self.crawl_survives_a_crash("FifoQueue")

    def test_crawl_with_a_last_in_first_out_queue_goes_on_after_a_crash(self):
        self.crawl_survives_a_crash("LifoQueue")
