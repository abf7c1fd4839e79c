"""Dramatiq: results, delays, retries, groups, rate limits."""

import time

import dramatiq
import pytest

import dramatiq_tasks as tasks
from applications import connect, wait_for, worker


@pytest.fixture(scope="module", autouse=True)
def running_worker():
    with worker("dramatiq", "dramatiq_tasks", "--processes", "1", "--threads", "4"):
        yield


def test_a_result_comes_back():
    assert tasks.add.send(2, 3).get_result(block=True, timeout=60_000) == 5


def test_a_delayed_message_runs_when_it_is_due_and_not_before():
    start = time.time()
    message = tasks.add.send_with_options(args=(1, 1), delay=1000)
    assert message.get_result(block=True, timeout=60_000) == 2
    assert time.time() >= start + 1


def test_a_group_has_all_results():
    group = dramatiq.group([tasks.add.message(number, 1) for number in range(50)]).run()
    assert list(group.get_results(block=True, timeout=60_000)) == list(range(1, 51))


def test_a_message_that_fails_is_tried_again():
    client = connect()
    tasks.third_time.send("tries")
    wait_for(lambda: client.get("tries") == b"3")


def test_a_rate_limiter_lets_one_in_at_a_time():
    with tasks.one_at_a_time.acquire():
        with pytest.raises(dramatiq.RateLimitExceeded):
            with tasks.one_at_a_time.acquire():
                pass
    with tasks.one_at_a_time.acquire(raise_on_failure=False) as acquired:
        assert acquired
