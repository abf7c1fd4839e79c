"""Huey with the server as its queue and its store, with priorities."""

from huey import PriorityRedisHuey

from applications import PORT

huey = PriorityRedisHuey("tests", host="127.0.0.1", port=PORT, results=True, store_intermediate_errors=False)


@huey.task()
def add(one, other):
    return one + other


@huey.task(retries=2, retry_delay=0)
def third_time(key):
    if huey.storage.conn.incr(key) < 3:
        raise RuntimeError("not yet")
    return "done"


@huey.task()
@huey.lock_task("one")
def locked():
    return "locked"
