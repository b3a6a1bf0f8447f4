#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One table of GradBench's workloads: gradbench_table.py DIRECTORY [--quick] [--rounds=N] [--only=TEXT].

DIRECTORY has the tools. Every way and every peer runs in a process of its own, all of them in turn
in each round, so that whatever slows the machine down falls on all; a process takes the median of
its runs, the table that of the rounds with its quarters. Ratios are taken within rounds. Memory is
the largest resident size of a process, its input and its output included; where a tool needs less
than this script itself, that is what stands there.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading

RACES = [ # workload, function, sizes
    ("llsq", "gradient", [128, 16392]),
    ("lse", "gradient", [1280000]),
    ("ode", "gradient", [10000, 100]),
    ("ode", "gradient", [400, 1000]),
    ("det", "gradient", [10]),
    ("kmeans", "dir", [10000, 100, 8]),
    ("gmm", "jacobian", [10, 25, 1000]),
    ("gmm", "jacobian", [64, 25, 1000]),
    ("ba", "jacobian", [372, 47423, 204472]),
    ("lstm", "jacobian", [4, 4096]),
] + [(name, function, []) for name in ("particle", "saddle") for function in ("ff", "fr", "rf", "rr")]
PATIENCE = 120 # seconds for a process; what takes longer has no figures


class Entry:
    def __init__(self, name, command):
        self.name, self.command = name, command
        self.prepare, self.evaluate, self.memory, self.output, self.failure = [], [], [], None, None

    def run(self, value, function, directory):
        """One process: its medians, or why there are none."""
        path = directory / "input.json"
        path.write_text(json.dumps(value))
        with tempfile.TemporaryDirectory(dir=directory) as cache, \
                tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen([*self.command, path, function], cwd=directory, stdout=out,
                                       stderr=err,
                                       env=os.environ | {"XDG_CACHE_HOME": cache})
            timer = threading.Timer(PATIENCE, process.kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            timer.cancel()
            out.seek(0)
            err.seek(0)
            if process.returncode != 0:
                self.failure = err.read().strip()[:60] or f"took more than {PATIENCE} s"
                return
            output, *lines = out.read().splitlines()
        times = {"prepare": [], "evaluate": []}
        for line in map(json.loads, lines):
            times[line["name"]].append(line["nanoseconds"] / 1e6)
        self.prepare += times["prepare"]
        self.evaluate.append(statistics.median(times["evaluate"]))
        self.memory.append(usage.ru_maxrss / 1024)
        self.output = flatten(json.loads(output))


def flatten(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [x for each in value for x in flatten(each)] if isinstance(value, list) else [value]


def quarters(samples):
    ordered = sorted(samples)
    return [ordered[len(ordered) * k // 4] for k in (1, 2, 3)]


def find_entries(tools, workload, ways):
    entries = [Entry(way, [tools / workload, f"--way={way}"])
               for way in ("hand", "program", "tape") if way in ways]
    entries.insert(1 + ("hand" in ways), Entry("program, native",
                                               [tools / workload, "--way=program", "--native"]))
    if workload in ("det", "llsq", "lse", "ode"):
        entries += [Entry(path.name.removeprefix("peer_"), [path, workload])
                    for path in sorted(tools.glob("peer_*")) if path.is_file()]
    return entries


def race(entries, function, sizes, rounds, quick, directory):
    value = {"make": sizes, "min_runs": 2 if quick else 3, "min_seconds": 0.05 if quick else 0.2}
    for _ in range(rounds):
        for entry in entries:
            if entry.failure is None:
                entry.run(value, function, directory)


def print_race(entries, title):
    print(f"\n{title}")
    first = entries[0]
    for entry in entries:
        if entry.failure is not None:
            print(f"  {entry.name:18} {entry.failure}")
            continue
        low, median, high = quarters(entry.evaluate)
        line = f"  {entry.name:18} {statistics.median(entry.prepare):10.4g} {low:10.4g} " \
               f"{median:10.4g} {high:10.4g}"
        if first.name == "hand" and first.failure is None:
            ratio = statistics.median(map(lambda a, b: a / b, entry.evaluate, first.evaluate))
            line += f" {ratio:8.3g}"
        else:
            line += f" {'':8}"
        line += f" {statistics.median(entry.memory):9.4g}"
        largest = max(map(abs, first.output or [0]))
        if first.output and (len(entry.output) != len(first.output) or max(
                abs(a - b) for a, b in zip(entry.output, first.output)) > 1e-8 * largest):
            line += f"  differs from {first.name}"
        print(line, flush=True)


def main():
    tools = pathlib.Path(sys.argv[1]).resolve()
    quick, rounds, only = "--quick" in sys.argv, None, ""
    for argument in sys.argv[2:]:
        if argument.startswith("--rounds="):
            rounds = int(argument.removeprefix("--rounds="))
        elif argument.startswith("--only="):
            only = argument.removeprefix("--only=")
    there = json.loads(subprocess.check_output([tools / "gradbench", "--list"]))
    print(f"{'':20} {'prepare':>10} {'quarter':>10} {'median':>10} {'quarter':>10} {'/ hand':>8} "
          f"{'memory':>9}\n{'':20} {'ms':>10} {'ms':>10} {'ms':>10} {'ms':>10} {'':8} {'MiB':>9}")
    with tempfile.TemporaryDirectory() as directory:
        for workload, function, sizes in RACES:
            title = f"{workload} {function} {' '.join(map(str, sizes))}".strip()
            if workload not in there or only not in title:
                continue
            entries = find_entries(tools, workload, there[workload]["ways"])
            race(entries, function, sizes, rounds or (3 if quick else 9), quick,
                 pathlib.Path(directory))
            print_race(entries, title)


if __name__ == "__main__":
    main()
