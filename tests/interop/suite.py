"""The tests of Sentinel in Redis's own suite, whose sentinels watch our servers. What is left out is listed here.

The suite's folder is only read: in a scratch tree, `src/redis-server` is our server and `src/redis-sentinel` Debian's.
"""
import os
import re
import shutil
import signal
import subprocess
import threading

from nodes import COPAL, Wrong, programs

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, "suite.txt")

# The units in two lots that run side by side, each with ports of its own.
LOTS = [("00-base", "01-conf-update", "02-slaves-reconf", "03-runtime-reconf", "05-manual"),
        ("06-ckquorum", "07-down-conditions", "08-hostname-conf", "09-acl-support", "10-replica-priority", "11-port-0",
         "12-master-reboot", "13-info-command")]

LEFT_OUT = {
    "SDOWN is triggered by misconfigured instance replying with errors":
        "a primary whose snapshots fail refuses writes but answers PING, so that a full disk makes no failover",
}

SECONDS = 240

CASE = re.compile(r"^\d\d:\d\d:\d\d> (.*?): (?:(?:redis|sentinel)/\d+ )*(OK|FAILED: .*)$")
UNIT = re.compile(r"^Testing unit: (\S+)\.tcl$")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

# What the suite's own program is told, once it has read its procedures.
SETTINGS = """
set ::sentinel_base_port %(sentinels)d
set ::redis_base_port %(servers)d
set ::run_matching {%(units)s}
set ::left_out {%(left_out)s}
rename test every_test
proc test {name code} {
    if {[lsearch -exact $::left_out $name] < 0} {
        tailcall every_test $name $code
    }
}
"""


def expected():
    """{unit: [name]} of the cases that pass on Debian's server."""
    units = {}
    with open(EXPECTED, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                unit, name = line.rstrip("\n").split(" ", 1)
                units.setdefault(unit, []).append(name)
    return units


def build(root, suite, server):
    """A tree that the suite's program takes for its own."""
    os.makedirs(os.path.join(root, "src"))
    for name, program in (("redis-server", server), ("redis-sentinel", programs["sentinel"]), ("redis-cli", "redis-cli")):
        os.symlink(shutil.which(program), os.path.join(root, "src", name))
    os.makedirs(os.path.join(root, "tests/sentinel/tmp"))
    for name in os.listdir(os.path.join(suite, "tests")):
        if name not in ("sentinel", "tmp"):
            os.symlink(os.path.join(suite, "tests", name), os.path.join(root, "tests", name))
    os.symlink(os.path.join(suite, "tests/sentinel/tests"), os.path.join(root, "tests/sentinel/tests"))


def run(root, suite, units, left_out, number):
    """Runs units; returns {unit: {name: what became of it}} and all that was printed."""
    with open(os.path.join(suite, "tests/sentinel/run.tcl"), encoding="utf-8") as file:
        head, source, tail = file.read().partition("source ../instances.tcl\n")
    program = os.path.join(root, "tests/sentinel/run.tcl")
    with open(program, "w", encoding="utf-8") as file:
        file.write(head + source + SETTINGS % {
            "sentinels": 20100 + 300 * number, "servers": 30100 + 300 * number, "units": " ".join(f"*{unit}*" for unit in units),
            "left_out": " ".join("{%s}" % name for name in left_out)} + tail)
    process = subprocess.Popen(["tclsh", program], cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True, env=dict(os.environ, LC_ALL="C", TERM="dumb"))

    def end():
        # What it has started is of its session.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(SECONDS, end)
    timer.start()
    try:
        printed = COLOUR.sub("", process.communicate()[0].decode("utf-8", "replace"))
    finally:
        timer.cancel()
        end()
    found, unit = {}, None
    for line in printed.splitlines():
        if match := UNIT.match(line):
            unit = found.setdefault(match.group(1), {})
        elif (match := CASE.match(line)) and unit is not None and not match.group(1).startswith("("):
            # Ports are chosen anew in each run.
            unit[re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", match.group(1))] = match.group(2)
    return found, printed


def lot(number, units, suite):
    def tell(story):
        story.step("the suite runs")
        build(os.path.join(story.folder, "tree"), suite, programs[COPAL])
        found, printed = run(os.path.join(story.folder, "tree"), suite, units, LEFT_OUT, number)
        reference, wrong = expected(), []
        for unit in units:
            got = found.get(unit, {})
            for name in reference[unit]:
                what = got.get(name, "not reached")
                if name not in LEFT_OUT and what != "OK":
                    wrong.append(f"{unit}: {name}: {what}")
                elif name not in LEFT_OUT:
                    story.step(f"{unit}: {name}")
        if wrong:
            raise Wrong("\n".join([*wrong, "-- the end of what the suite says:", *printed.splitlines()[-60:]]))

    return f"suite's tests of Sentinel, lot {number + 1}", tell


def stories(suite):
    for number, units in enumerate(LOTS):
        yield lot(number, units, suite)


def write_expected(folder, suite):
    """Writes down what passes on Debian's server."""
    with open(EXPECTED, "w", encoding="utf-8") as file:
        file.write("# The cases of sentinel/tests that redis-server 7.0.15 passes: unit, name.\n")
        for number, units in enumerate(LOTS):
            root = os.path.join(folder, f"tree-{number}")
            build(root, suite, "redis-server")
            found, printed = run(root, suite, units, (), number)
            for unit in units:
                for name, what in found[unit].items():
                    if what != "OK":
                        raise Wrong(f"{unit}: {name}: {what}\n{printed}")
                    file.write(f"{unit} {name}\n")
