"""Huey: results, delays, priorities, retries, locks."""

import time

import pytest

import huey_tasks as tasks
from applications import worker


@pytest.fixture(scope="module", autouse=True)
def running_worker():
    with worker("huey.bin.huey_consumer", "huey_tasks.huey", "-w", "2", "-d", "0.05", "-m", "0.2"):
        yield


def test_a_result_comes_back():
    assert tasks.add(2, 3).get(blocking=True, timeout=60) == 5


def test_a_delayed_task_runs_when_it_is_due_and_not_before():
    start = time.time()
    assert tasks.add.schedule(args=(1, 1), delay=1).get(blocking=True, timeout=60) == 2
    assert time.time() >= start + 1


def test_tasks_of_all_priorities_run():
    results = [tasks.add(number, 0, priority=number % 3) for number in range(30)]
    assert [result.get(blocking=True, timeout=60) for result in results] == list(range(30))


def test_a_task_that_fails_is_tried_again():
    assert tasks.third_time("tries").get(blocking=True, timeout=60) == "done"


def test_a_lock_is_taken_and_given_back():
    for _ in range(3):
        assert tasks.locked().get(blocking=True, timeout=60) == "locked"
