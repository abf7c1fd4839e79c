"""Celery: results, chains, chords, delays, retries."""

import gc
import time

import celery
import pytest

import celery_tasks as tasks
from applications import worker


@pytest.fixture(scope="module", autouse=True)
def running_worker():
    with worker("celery", "-A", "celery_tasks", "worker", "--pool=solo", "--loglevel=error", "--without-mingle"):
        yield


@pytest.fixture(scope="module", autouse=True)
def nothing_is_collected():
    """Celery's results end their subscription when Python collects them. When that happens in the middle of another
    subscription, redis-py waits for a lock that its own thread holds, forever."""
    gc.disable()
    yield
    gc.enable()


def test_a_result_comes_back():
    assert tasks.add.delay(2, 3).get(timeout=60) == 5


def test_a_chain_hands_results_on():
    assert celery.chain(tasks.add.s(1, 2), tasks.add.s(10)).delay().get(timeout=60) == 13


def test_a_chord_runs_its_body_once_all_parts_are_done():
    chord = celery.chord([tasks.add.s(number, number) for number in range(20)], tasks.total.s())
    assert chord.delay().get(timeout=60) == 2 * sum(range(20))


def test_a_delayed_task_runs_when_it_is_due_and_not_before():
    start = time.time()
    assert tasks.now.apply_async(countdown=1).get(timeout=60) >= start + 1


def test_a_task_is_retried():
    assert tasks.third_time.delay().get(timeout=60) == 2


def test_a_revoked_task_does_not_run():
    result = tasks.add.apply_async((1, 1), countdown=3)
    result.revoke()
    with pytest.raises(celery.exceptions.TaskRevokedError):
        result.get(timeout=60)
