#!/usr/bin/env python3
"""Runs stories of servers that replicate from one another, of Sentinel and of proxies. README.md says which.

The last line is `N passed, M failed`, in steps. Exit status: 0 all passed, 1 some failed, 2 usage.
"""
import argparse
import importlib
import multiprocessing
import os
import signal
import sys

sys.dont_write_bytecode = True
import nodes  # noqa: E402

# The parts in the order of their run. Those of the second lot measure time, which the first takes from others.
LOTS = [["matrix"], ["suite", "sentinel", "proxies"]]


def run_story(name, function, folder, results):
    # What this process starts is found by the folder it works in.
    story = nodes.Story(name, folder)
    os.chdir(story.folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results.put(story.tell(function))


def run_all(stories, folder, jobs):
    """Runs stories, several at a time, each in a process of its own. Returns how many steps have passed and failed."""
    results = multiprocessing.Queue()
    passed = failed = 0
    waiting = [multiprocessing.Process(target=run_story, args=(name, function, folder, results), name=name) for name, function in stories]
    running = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(waiting.pop(0))
                running[-1].start()
            running[0].join(0.1)
            for process in [each for each in running if not each.is_alive()]:
                running.remove(process)
                if process.exitcode:
                    print(f"FAIL: {process.name}: its process has ended with {process.exitcode}", flush=True)
                    failed += 1
            while not results.empty():
                good, bad = results.get()
                passed, failed = passed + good, failed + bad
    finally:
        for process in running:
            process.terminate()
            process.join()
    return passed, failed


def main():
    parts = sum(LOTS, [])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--peers", help="folder with redis-server 8 and valkey-server")
    parser.add_argument("--suite", help="Redis's source package")
    parser.add_argument("--folder", required=True, help="where servers work")
    parser.add_argument("--jobs", type=int, default=6, help="stories at a time, which mostly wait (%(default)s)")
    parser.add_argument("--soak", type=int, metavar="N", help="N failovers by kill -9 for each set of servers, and nothing else")
    parser.add_argument("--write-expected", action="store_true", help="write suite.txt by what redis-server does")
    parser.add_argument("--only", help="only stories with these words in their names")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    args = parser.parse_args()
    unknown = set(args.parts) - set(parts)
    if unknown:
        parser.error(f"no such part: {sorted(unknown)}")
    nodes.programs.update({nodes.COPAL: args.server, nodes.REDIS7: "redis-server", "sentinel": "redis-sentinel"})
    if args.peers:
        nodes.programs.update({nodes.REDIS8: os.path.join(args.peers, "redis-server"), nodes.VALKEY: os.path.join(args.peers, "valkey-server")})
    if args.write_expected:
        importlib.import_module("suite").write_expected(args.folder, args.suite)
        return 0
    lots = []
    for lot in LOTS:
        lots.append([])
        for part in lot:
            if not args.soak and part in (args.parts or parts):
                module = importlib.import_module(part)
                lots[-1] += module.stories(args.suite) if part == "suite" else module.stories()
    if args.soak:
        lots = [importlib.import_module("sentinel").soak(args.soak)]
    multiprocessing.set_start_method("fork")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    passed = failed = 0
    for lot in lots:
        good, bad = run_all([story for story in lot if args.only is None or args.only in story[0]], args.folder, args.jobs)
        passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
