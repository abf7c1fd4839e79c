#!/usr/bin/env python3
"""Run units of the Redis 7.0 Tcl suite against a server and compare with the reference, case by case.

The suite's folder is never written to. A scratch tree is built whose src/redis-server is a link to the server under
test and whose tests/ links to the suite's files; each unit runs there by its own `tclsh tests/test_helper.tcl --single
UNIT --clients 1 --durable`, in a session of its own and under two time limits (without progress, and in all), so that
an exception, a hang or a crash costs one file and not the run. A case that stops its file is skipped in a second try.
The scratch tree's util.tcl sources overlay.tcl, which tells the suite where 7.2 differs.

A case counts when reference.txt marks it ok. It must pass, unless left-out.toml names it with a reason; and a case
that is left out must not pass, so that the list stays honest (`flaky = true` allows both). A case whose name depends on
chance is not in the reference, and must not fail.

Exit status: 0 as it should be, 1 some case is not, 2 usage.
"""
import argparse
import collections
import concurrent.futures
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
LEFT_OUT = os.path.join(HERE, "left-out.toml")
REFERENCE = os.path.join(HERE, "reference.txt")
OVERLAY = os.path.join(HERE, "overlay.tcl")

# The ports of a scratch tree.
PORTS = 2000

# How often a unit is tried again without the case that stopped it.
RETRIES = 6

ANSI = re.compile(r"\x1b\[[0-9;]*m")
STATUS = re.compile(r"^\[(ok|err|ignore|skip|exception|TIMEOUT)\]: ?(.*)$", re.S)
OK_TIME = re.compile(r" \((\d+) ms\)$")
IGNORED = re.compile(r"^(.*): (Tag: .*|Not supported .*|large memory flag not provided|TCL version .*|experimental .*)$", re.S)
IN_PROGRESS = re.compile(r"^sock\w+ => \(IN PROGRESS\) (.*)$")
DONE = re.compile(r"^\[\s*-?\d+/\d+ done\]: ")
BY_CHANCE = re.compile(r"^PSYNC2(:| #3899 regression:) (--- CYCLE|\[NEW LAYOUT\]|Set #|cluster is consistent after|kill |total sum of|"
                       r"generate load)")
NOISE = re.compile(r"^(\[ready\]: |Testing |Cleanup: |Starting test server|\*\* SLOW|Waiting for process |Forcing process |"
                   r"Killing still running |Execution time of |Logged |sock\w+ => )")


class Log:
    """What one run of a unit printed: its cases in order, and how it ended."""

    def __init__(self):
        self.cases = []  # [name, status, text]
        self.outside = []  # errors outside of any case: a server that did not start
        self.exception = None
        self.in_progress = None
        self.ended = False
        self.current = None

    def feed(self, raw):
        line = ANSI.sub("", raw.rstrip("\n"))
        found = STATUS.match(line)
        if found:
            self.status(*found.groups())
        elif DONE.match(line) or line.strip() == "The End":
            self.ended, self.current = True, None
        elif IN_PROGRESS.match(line):
            self.in_progress, self.current = IN_PROGRESS.match(line).group(1), None
        elif NOISE.match(line):
            self.current = None
        elif self.current is not None and len(self.current[2]) < 4000:
            self.current[2] += line + "\n"

    def status(self, kind, rest):
        # An exception inside a server that a case starts for itself is told outside of any case; the suite then goes
        # on and calls the case ok.
        thrown = self.current and self.current[0] is None and "invoked from within" in self.current[2] and self.current[2]
        self.current = None
        if kind == "ok" and thrown:
            self.cases.append([OK_TIME.sub("", rest), "err", thrown])
        elif kind in ("ok", "skip"):
            self.cases.append([OK_TIME.sub("", rest) if kind == "ok" else rest, kind, ""])
        elif kind == "ignore":
            found = IGNORED.match(rest)
            if found:
                self.cases.append([found.group(1), "ignore", ""])
        elif kind == "err":
            found = re.match(r"^(.*) in tests/\S+\.tcl$", rest, re.S)
            self.current = [found.group(1) if found else None, "err", "" if found else rest + "\n"]
            (self.cases if found else self.outside).append(self.current)
        elif kind == "exception":
            self.current = self.exception = [None, "exception", rest + "\n"]

    def culprit(self):
        """The case that was running when the file was cut short, if it can be told."""
        if self.in_progress:
            return self.in_progress
        if self.exception:
            found = re.search(r'invoked from within\s+"test (\{[^\n]*?\}|"[^\n]*?"|\S+) ', self.exception[2])
            return found and found.group(1).strip('{}"')
        return None


def build_scratch(suite, server, overlay):
    root = os.path.realpath(tempfile.mkdtemp(prefix="conformance-"))
    for folder in ("src", "tests/tmp", "tests/support"):
        os.makedirs(os.path.join(root, folder))
    os.symlink(os.path.realpath(server), os.path.join(root, "src/redis-server"))
    for tool in ("cli", "benchmark", "check-aof", "check-rdb"):
        path = shutil.which("redis-" + tool)
        if not path:
            sys.exit("redis-%s is not installed" % tool)
        os.symlink(path, os.path.join(root, "src/redis-" + tool))
    for name in os.listdir(suite):
        if name not in ("src", "tests", ".git"):
            os.symlink(os.path.join(suite, name), os.path.join(root, name))
    tests = os.path.join(suite, "tests")
    for name in os.listdir(tests):
        if name not in ("tmp", "support"):
            os.symlink(os.path.join(tests, name), os.path.join(root, "tests", name))
    for name in os.listdir(os.path.join(tests, "support")):
        source, link = os.path.join(tests, "support", name), os.path.join(root, "tests/support", name)
        if name not in ("server.tcl", "util.tcl"):
            os.symlink(source, link)
            continue
        with open(source, encoding="latin1") as file:
            text = file.read()
        if name == "server.tcl":
            # A server that refuses its config file would otherwise cost two minutes at every start.
            text = re.sub(r"expr \{120\*1000/\$checkperiod\}", "expr {15*1000/$checkperiod}", text)
        elif overlay:
            text += "\nsource tests/support/overlay.tcl\n"
        with open(link, "w", encoding="latin1") as file:
            file.write(text)
    os.symlink(OVERLAY, os.path.join(root, "tests/support/overlay.tcl"))
    return root


def reap(root):
    """End what still works inside our own scratch tree: servers live in tests/tmp, also those that became daemons."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            folder = os.readlink("/proc/%s/cwd" % pid)
            if int(pid) != os.getpid() and (folder + "/").startswith(root + "/"):
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            continue


def run_once(args, root, baseport, unit, skipped, file):
    command = [args.tclsh, "tests/test_helper.tcl", "--single", unit, "--clients", "1", "--durable",
               "--baseport", str(baseport), "--portcount", str(PORTS), "--timeout", str(args.idle_timeout)]
    for name in skipped:
        command += ["--skiptest", name]
    env = dict(os.environ, TERM="dumb", LC_ALL="C")
    process = subprocess.Popen(command, cwd=root, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    killed = []

    def kill_group():
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            pass

    def time_out():
        killed.append(True)
        kill_group()
        reap(root)

    def after_exit():  # a load generator left behind must not hold our pipe open
        process.wait()
        time.sleep(1)
        kill_group()

    timer = threading.Timer(args.file_timeout, time_out)
    timer.start()
    threading.Thread(target=after_exit, daemon=True).start()
    log = Log()
    for raw in process.stdout:
        text = raw.decode("utf-8", "backslashreplace")
        file.write(text)
        log.feed(text)
    process.wait()
    timer.cancel()
    reap(root)
    return log, bool(killed)


def run_unit(args, root, baseport, unit, skipped):
    """The cases of a unit as {(name, n-th of that name): (status, text)}, and what went wrong with the file itself."""
    stopped = {}
    best = None
    with open(os.path.join(args.logs, unit.replace("/", "_") + ".log"), "w", encoding="utf-8") as file:
        for _ in range(RETRIES):
            log, killed = run_once(args, root, baseport, unit, skipped + list(stopped), file)
            if best is None or len(log.cases) >= len(best.cases):
                best = log
            who = log.culprit()
            if who is None or who in stopped:
                break
            stopped[who] = log.exception[2] if log.exception else "hang"
    cases, seen = {}, collections.Counter()
    for name, status, text in best.cases:
        if status == "skip" and name in stopped:
            status, text = "err", stopped[name]
        cases[name, seen[name]] = (status, text)
        seen[name] += 1
    for name, text in stopped.items():
        cases.setdefault((name, 0), ("err", text))
    notes = [text for _, _, text in best.outside]
    if killed:
        notes.append("killed after %d s" % args.file_timeout)
    elif best.exception and best.culprit() is None:
        notes.append(best.exception[2])
    elif not best.ended and best.in_progress is None:
        notes.append("the file ended before its cases did")
    return cases, notes


def read_reference():
    """{unit: [(name, n-th of that name)] of the cases that count}, and the names of all cases of all units."""
    units, names, seen = {}, set(), None
    with open(REFERENCE, encoding="utf-8") as file:
        for line in file:
            status, _, name = line.rstrip("\n").partition(" ")
            if status == "#" and re.fullmatch(r"(unit|integration)/\S+", name):
                cases, seen = units.setdefault(name, []), collections.Counter()
            elif status in ("ok", "err", "ignore", "skip"):
                if status == "ok":
                    cases.append((name, seen[name]))
                seen[name] += 1
                names.add(name)
    return units, names


def read_left_out():
    """The units to run, and {unit: {name: entry}} of the cases that are left out."""
    with open(LEFT_OUT, "rb") as file:
        data = tomllib.load(file)
    left_out = collections.defaultdict(dict)
    for entry in data.get("left-out", []):
        if not entry.get("reason"):
            sys.exit("%s: an entry without a reason: %r" % (LEFT_OUT, entry))
        for name in entry["cases"]:
            if name in left_out[entry["unit"]]:
                sys.exit("%s: %s: %s stands there twice" % (LEFT_OUT, entry["unit"], name))
            left_out[entry["unit"]][name] = entry
    return data["units"], left_out


def complaint_of(unit, name, status, text):
    return "\n      ".join(["%s: %s: %s" % (unit, status, name)] + text.splitlines()[:6])


def judge(unit, counting, names, left_out, cases):
    """Compares one unit with the reference; returns (passed, left out, complaints)."""
    complaints, passed, excused = [], 0, 0
    by_name = collections.defaultdict(list)
    for name, number in counting:
        status, text = cases.get((name, number), ("not reached", ""))
        by_name[name].append(status)
        if status == "ok":
            passed += 1
        elif name in left_out:
            excused += 1
        else:
            complaints.append(complaint_of(unit, name, status, text))
    for (name, _), (status, text) in cases.items():
        if name not in names and status == "err":
            complaints.append(complaint_of(unit, name, status, text))
    for name, entry in left_out.items():
        if name not in by_name:
            complaints.append("%s: left out, but no case of the reference: %s" % (unit, name))
        elif not entry.get("flaky") and all(status == "ok" for status in by_name[name]):
            complaints.append("%s: left out, but passes: %s" % (unit, name))
    return passed, excused, complaints


def write_reference(results):
    with open(REFERENCE, encoding="utf-8") as file:
        head = [line for line in file if line.startswith("# ") and not line.startswith(("# unit/", "# integration/"))]
    with open(REFERENCE, "w", encoding="utf-8") as file:
        file.writelines(head)
        for unit, cases in results.items():
            file.write("# %s\n" % unit)
            file.writelines("%s %s\n" % (status, name) for (name, _), (status, _) in cases.items() if not BY_CHANCE.match(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", required=True, help="the unpacked source package")
    parser.add_argument("--server", required=True)
    parser.add_argument("units", nargs="*", help="unit/type/incr ...; none: those that left-out.toml lists")
    parser.add_argument("--file-timeout", type=int, default=420, help="seconds for one unit (%(default)s)")
    parser.add_argument("--idle-timeout", type=int, default=60, help="seconds without progress (%(default)s)")
    parser.add_argument("--baseport", type=int, default=21111)
    parser.add_argument("--jobs", type=int, default=1, help="units at a time (%(default)s)")
    parser.add_argument("--logs", help="folder for one log a unit")
    parser.add_argument("--write-reference", action="store_true", help="the server under test IS the reference")
    parser.add_argument("--tclsh", default=shutil.which("tclsh8.6") or shutil.which("tclsh") or "tclsh")
    args = parser.parse_args()
    args.suite = os.path.realpath(args.suite)
    listed, left_out = read_left_out()
    reference, names = read_reference()
    trees = queue.SimpleQueue()
    roots = [build_scratch(args.suite, args.server, overlay=not args.write_reference) for _ in range(args.jobs)]
    for job, root in enumerate(roots):
        trees.put((root, args.baseport + job * PORTS))
    args.logs = args.logs or os.path.join(roots[0], "logs")
    os.makedirs(args.logs, exist_ok=True)

    def run(unit):
        skipped = [name for name, entry in left_out[unit].items() if entry.get("hangs")]
        tree = trees.get()
        start = time.time()
        try:
            cases, notes = run_unit(args, *tree, unit, [] if args.write_reference else skipped)
        finally:
            trees.put(tree)
        return cases, notes, time.time() - start

    units = args.units or list(reference if args.write_reference else listed)
    results, complaints, passed, excused = {}, [], 0, 0
    print("%-44s %7s %8s %6s %7s" % ("unit", "passed", "left out", "wrong", "seconds"), flush=True)
    pool = concurrent.futures.ThreadPoolExecutor(args.jobs)
    try:
        for unit, (cases, notes, seconds) in zip(units, pool.map(run, units)):
            results[unit] = cases
            good, out, wrong = judge(unit, reference.get(unit, []), names, left_out[unit], cases)
            passed, excused, complaints = passed + good, excused + out, complaints + wrong
            line = "%-44s %7d %8d %6d %7.1f" % (unit, good, out, len(wrong), seconds)
            print(line + ("  " + " ".join(notes[0].split())[:100] if notes else ""), flush=True)
    finally:
        for root in roots:
            reap(root)
        pool.shutdown(cancel_futures=True)
        for root in roots:
            shutil.rmtree(root, ignore_errors=True)
    if args.write_reference:
        write_reference(results)
        return 0
    for complaint in complaints:
        print("  " + complaint)
    print("%d passed, %d failed, %d left out" % (passed, len(complaints), excused))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
