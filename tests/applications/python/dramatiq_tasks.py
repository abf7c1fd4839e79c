"""Dramatiq actors whose broker and store of results is the server."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as RateLimits
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from applications import URL, connect

broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)
one_at_a_time = ConcurrentRateLimiter(RateLimits(client=connect()), "one", limit=1)


@dramatiq.actor(store_results=True)
def add(one, other):
    return one + other


@dramatiq.actor(max_retries=3, min_backoff=50, max_backoff=100)
def third_time(key):
    if connect().incr(key) < 3:
        raise RuntimeError("not yet")
