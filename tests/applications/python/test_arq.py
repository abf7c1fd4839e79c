"""arq: results, delays, retries, and one job for one id."""

import asyncio
import time

import pytest
from arq import create_pool

import arq_tasks
from applications import worker


@pytest.fixture(scope="module", autouse=True)
def running_worker():
    with worker("arq", "arq_tasks.WorkerSettings"):
        yield


def enqueue(name, *args, **options):
    """Enqueues a job and waits for its result."""

    async def run():
        pool = await create_pool(arq_tasks.WorkerSettings.redis_settings)
        job = await pool.enqueue_job(name, *args, **options)
        return await job.result(timeout=60, poll_delay=0.05)

    return asyncio.run(run())


def test_a_result_comes_back():
    assert enqueue("add", 2, 3) == 5


def test_a_deferred_job_runs_when_it_is_due_and_not_before():
    start = time.time()
    assert enqueue("add", 1, 1, _defer_by=1) == 2
    assert time.time() >= start + 1


def test_a_job_is_tried_again():
    assert enqueue("third_time") == 3


def test_one_id_is_one_job():
    async def twice():
        pool = await create_pool(arq_tasks.WorkerSettings.redis_settings)
        jobs = [await pool.enqueue_job("add", 1, 1, _job_id="same", _defer_by=1) for _ in range(2)]
        return jobs[0] is not None, jobs[1]

    assert asyncio.run(twice()) == (True, None)
