"""A plugin of pytest for suites whose tests start processes.

Python waits for child processes at its exit, and workers of a test that has failed never end: so they are ended. And RQ ends a
job by killing the process group of the job's process. On a busy machine that process may have yet to leave the group of the
test, which would end with it: so whoever asks for the group waits a moment.

Two of RQ's tests give a worker half a second to start and three quarters to end: here they give it four times as long.
"""

import multiprocessing
import os
import time

HURRIED = ("test_check_workers", "test_reap_workers")
group_of = os.getpgid


def group_of_its_own(process):
    group = group_of(process)
    end = time.monotonic() + 10
    while group == os.getpgrp() and process not in (0, os.getpid()) and time.monotonic() < end:
        time.sleep(0.01)
        group = group_of(process)
    return group


os.getpgid = group_of_its_own


def pytest_runtest_setup(item):
    if item.name in HURRIED:
        item.module.sleep = lambda seconds: time.sleep(4 * seconds)


def pytest_runtest_teardown(item):
    if item.name in HURRIED:
        item.module.sleep = time.sleep


def pytest_unconfigure():
    for child in multiprocessing.active_children():
        child.kill()
