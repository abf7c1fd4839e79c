"""A plugin of pytest for suites whose tests start processes.

Python waits for child processes at its exit, and workers of a test that has failed never end: so they are ended. And RQ ends a
job by killing the process group of the job's process. On a busy machine that process may have yet to leave the group of the
test, which would end with it: so whoever asks for the group waits a moment.
"""

import multiprocessing
import os
import time

group_of = os.getpgid


def group_of_its_own(process):
    group = group_of(process)
    end = time.monotonic() + 10
    while group == os.getpgrp() and process not in (0, os.getpid()) and time.monotonic() < end:
        time.sleep(0.01)
        group = group_of(process)
    return group


os.getpgid = group_of_its_own


def pytest_unconfigure():
    for child in multiprocessing.active_children():
        child.kill()
