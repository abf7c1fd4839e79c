"""redis-py's locks, which are three scripts, and scripts by its own interface."""

import threading
import time

import pytest
from redis.exceptions import LockError, LockNotOwnedError, NoScriptError, ResponseError

from applications import connect


@pytest.fixture
def client():
    client = connect(decode_responses=True)
    client.flushall()
    yield client
    client.close()


def test_a_lock_keeps_others_out_until_it_is_released(client):
    lock = client.lock("lock", timeout=10)
    assert lock.acquire(blocking=False)
    assert not client.lock("lock").acquire(blocking=False)
    assert lock.owned() and lock.locked()
    lock.release()
    assert client.lock("lock", timeout=1).acquire(blocking=False)


def test_a_lock_is_extended_and_reacquired(client):
    lock = client.lock("lock", timeout=10)
    assert lock.acquire()
    assert lock.extend(10)
    assert 10_000 < client.pttl("lock") <= 20_000
    assert lock.extend(5, replace_ttl=True)
    assert client.pttl("lock") <= 5_000
    assert lock.reacquire()
    assert 5_000 < client.pttl("lock") <= 10_000
    lock.release()


def test_nobody_releases_the_lock_of_another(client):
    lock = client.lock("lock", timeout=10)
    assert lock.acquire()
    client.set("lock", "another")
    with pytest.raises(LockNotOwnedError):
        lock.extend(1)
    with pytest.raises(LockNotOwnedError):
        lock.release()
    assert client.get("lock") == "another"
    with pytest.raises(LockError):
        client.lock("free").release()


def test_locks_of_many_threads_never_overlap(client):
    inside = []
    overlaps = []

    def enter():
        own = connect()
        for _ in range(20):
            with own.lock("lock", timeout=10, sleep=0.001):
                inside.append(1)
                overlaps.append(len(inside) > 1)
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(overlaps) == 100 and not any(overlaps)


def test_a_script_is_loaded_when_it_is_missing(client):
    script = client.register_script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")
    assert script(keys=["n"], args=["a"]) == ["n", "a", 1]
    client.script_flush()
    assert script(keys=["n"], args=["b"]) == ["n", "b", 2]
    assert client.script_exists(script.sha, "0" * 40) == [True, False]
    with pytest.raises(NoScriptError):
        client.evalsha("0" * 40, 0)


def test_scripts_run_in_pipelines_and_transactions(client):
    script = client.register_script("return redis.call('APPEND', KEYS[1], ARGV[1])")
    for transaction in (False, True):
        client.delete("text")
        pipe = client.pipeline(transaction=transaction)
        for number in range(10):
            script(keys=["text"], args=[number], client=pipe)
        assert pipe.execute() == list(range(1, 11))
        assert client.get("text") == "0123456789"


def test_an_error_of_a_script_says_where_it_is(client):
    with pytest.raises(ResponseError, match=r"on @user_script:2\."):
        client.eval("local x = 1\nreturn redis.call('INCR', KEYS[1], x)", 1, "n")


def test_a_rate_limiter_with_a_sliding_window_counts_right(client):
    limiter = client.register_script(
        """
        local now = redis.call('TIME')
        local micros = now[1] * 1000000 + now[2]
        redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, micros - ARGV[1] * 1000000)
        local used = redis.call('ZCARD', KEYS[1])
        if used < tonumber(ARGV[2]) then
          redis.call('ZADD', KEYS[1], micros, micros .. '-' .. used)
          redis.call('EXPIRE', KEYS[1], ARGV[1])
          return 1
        end
        return 0
        """
    )
    assert [limiter(keys=["limit"], args=[1, 3]) for _ in range(5)] == [1, 1, 1, 0, 0]
    time.sleep(1.1)
    assert limiter(keys=["limit"], args=[1, 3]) == 1
