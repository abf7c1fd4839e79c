"""A Celery application: the server is its broker and keeps its results. Usage: celery -A celery_tasks worker"""

import os

import celery

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")

app = celery.Celery("jobs", broker=URL, backend=URL)
# A task counts as taken once it is done, so that a worker's death does not lose it.
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)


@app.task
def word_count(text):
    return len(text.split())


@app.task
def total(numbers):
    return sum(numbers)
