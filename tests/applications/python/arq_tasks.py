"""An arq worker's settings."""

from arq.connections import RedisSettings
from arq.worker import Retry

from applications import PORT


async def add(_context, one, other):
    return one + other


async def third_time(context):
    if context["job_try"] < 3:
        raise Retry(defer=0.1)
    return context["job_try"]


class WorkerSettings:
    functions = [add, third_time]
    redis_settings = RedisSettings(host="127.0.0.1", port=PORT)
    poll_delay = 0.05
