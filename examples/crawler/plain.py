"""A crawler with nothing but redis-py. Any number of processes share the work; each may die at any moment, and so may the server.

Usage: python plain.py START-ADDRESS [--lease SECONDS] [--pause SECONDS]
The server is that of REDIS_URL, by default redis://127.0.0.1:6379/0.
"""

import argparse
import os
import re
import time
import urllib.parse
import urllib.request

import redis
from bloom import Bloom

# What waits; what a worker has taken, with the time at which its lease ends; what is done; which addresses are known.
QUEUE, TAKEN, DONE, SEEN = "crawl:queue", "crawl:taken", "crawl:done", "crawl:seen"

# Gives a page out. One whose lease has run out comes first: its worker is dead, or has the wrong idea of how far it is.
TAKE = """
local now = tonumber(redis.call('TIME')[1])
local page = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1)[1] or redis.call('LPOP', KEYS[1])
if page then redis.call('ZADD', KEYS[2], now + ARGV[1], page) end
return page
"""

# Queues what the Bloom filter does not know. A page, then the positions of its bits, then the next page.
OFFER = """
local width = tonumber(ARGV[1])
for at = 2, #ARGV, width + 1 do
  local known = 1
  for bit = at + 1, at + width do known = math.min(known, redis.call('SETBIT', KEYS[2], ARGV[bit], 1)) end
  if known == 0 then redis.call('RPUSH', KEYS[1], ARGV[at]) end
end
"""


class Crawl:
    def __init__(self, client, lease):
        self.client, self.lease = client, lease
        self.bloom = Bloom(client, SEEN)
        self.take_script, self.offer_script = client.register_script(TAKE), client.register_script(OFFER)

    def take(self):
        return self.take_script(keys=[QUEUE, TAKEN], args=[self.lease])

    def offer(self, pages, client=None):
        arguments = [self.bloom.hashes]
        for page in pages:
            arguments += [page, *self.bloom.positions(page)]
        self.offer_script(keys=[QUEUE, SEEN], args=arguments, client=client)

    def finish(self, page, links):
        """In one transaction, so that a snapshot has the page either as taken or as done with all its links queued."""
        with self.client.pipeline(transaction=True) as pipe:
            pipe.zrem(TAKEN, page)
            pipe.sadd(DONE, page)
            self.offer(links, client=pipe)
            pipe.execute()

    def is_over(self):
        with self.client.pipeline(transaction=True) as pipe:
            return not any(pipe.llen(QUEUE).zcard(TAKEN).execute())


def fetch(page):
    with urllib.request.urlopen(page, timeout=30) as response:
        text = response.read().decode(errors="replace")
    return [urllib.parse.urljoin(page, link) for link in re.findall(r'href="([^"]+)"', text)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("start")
    parser.add_argument("--lease", type=int, default=60)
    parser.add_argument("--pause", type=float, default=0.1)
    arguments = parser.parse_args()
    client = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), decode_responses=True)
    crawl = Crawl(client, arguments.lease)
    started = False
    while True:
        try:
            if not started:
                crawl.offer([arguments.start])
                started = True
            page = crawl.take()
            if page:
                crawl.finish(page, fetch(page))
            elif crawl.is_over():
                return
        except redis.ConnectionError:
            # The server is away, or loads its dump. What is in hand comes again when its lease runs out.
            pass
        time.sleep(arguments.pause)


if __name__ == "__main__":
    main()
