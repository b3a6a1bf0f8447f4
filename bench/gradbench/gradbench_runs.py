# SPDX-License-Identifier: MIT
"""Running GradBench's tools: each time in a process of its own, all that are compared in turns, so
that whatever slows the machine down falls on all.
"""

import json
import os
import resource
import signal
import statistics
import subprocess
import tempfile
import time

PATIENCE = 120 # seconds for a process; what takes longer has no figures
ENOUGH = 30 # seconds for all processes of a tool, which then takes part in no more rounds


def find_free_memory():
    """Bytes that can be had without taking them from others."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        fields = dict(line.split(":") for line in file)
    return int(fields["MemAvailable"].split()[0]) * 1024


def limit_memory():
    """A process that wants more than there is gets none, instead of having others killed."""
    free = find_free_memory()
    resource.setrlimit(resource.RLIMIT_AS, (free, free))


def flatten(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [x for each in value for x in flatten(each)] if isinstance(value, list) else [value]


class Entry:
    """A tool, and what its processes have said: for each, the median of its runs, in ms; with one
    thread what that had of a processor, so that others at work don't count."""

    def __init__(self, name, command, threads=1):
        self.name, self.command = name, command
        self.clock = "processor" if threads == 1 else "evaluate"
        self.prepare, self.evaluate, self.least, self.memory = [], [], [], []
        self.nodes, self.output, self.failure, self.taken = 0, None, None, 0

    def run(self, value, function, directory, first=0):
        """One process. Its first runs, so many, are left out of the figures."""
        path = directory / "input.json"
        path.write_text(json.dumps(value))
        with tempfile.TemporaryDirectory(dir=directory) as cache, \
                tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            start = time.monotonic()
            # A group of its own, as it may have a compiler running.
            process = subprocess.Popen([*self.command, path, function], cwd=directory, stdout=out,
                                       stderr=err, preexec_fn=limit_memory, start_new_session=True,
                                       env=os.environ | {"XDG_CACHE_HOME": cache})
            late = False
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                late = True
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                status = process.wait()
            self.taken += time.monotonic() - start
            out.seek(0)
            err.seek(0)
            if status != 0:
                self.failure = f"took more than {PATIENCE} s" if late else \
                    " ".join(err.read().split())[:100] or f"ended with status {status}"
                return
            output, *lines = out.read().splitlines()
        figures = {"prepare": [], "evaluate": [], "processor": [], "nodes": [0], "memory": [0]}
        for line in map(json.loads, lines):
            name = line.pop("name")
            figures[name].append(*line.values())
        times = [ns / 1e6 for ns in figures[self.clock][first:]]
        self.prepare.append(figures["prepare"][0] / 1e6)
        self.evaluate.append(statistics.median(times))
        self.least.append(min(times))
        self.memory.append(figures["memory"][-1] / 1024)
        self.nodes = figures["nodes"][-1]
        self.output = flatten(json.loads(output))


def race(entries, value, function, rounds, directory, first=0):
    for _ in range(rounds):
        for entry in entries:
            if entry.failure is None and entry.taken < ENOUGH:
                entry.run(value, function, directory, first)


def read_options(arguments, known):
    """{"rounds": "9", "quick": True, ...} of --rounds=9 --quick; known names alone."""
    options = {}
    for argument in arguments:
        name, separator, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in known:
            raise SystemExit(f"there is no option {argument}")
        options[name] = value if separator else True
    return options
