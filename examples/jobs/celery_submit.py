"""Queues a task for each line of standard input, and one that adds up what they find. Prints the ids under which results are kept."""

import sys

import celery
from celery_tasks import total, word_count

lines = sys.stdin.read().splitlines()
for line in lines:
    print(word_count.delay(line).id)
print(celery.chord([word_count.s(line) for line in lines], total.s()).delay().id)
