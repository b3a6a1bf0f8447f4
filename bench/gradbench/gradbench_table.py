#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One table of GradBench's workloads.

    gradbench_table.py DIRECTORY [--threads=N] [--quick] [--rounds=N] [--only=TEXT]

DIRECTORY has the tools. A process takes the median of its runs, the table those of the rounds;
`least` is the shortest run of all. Ratios are taken within rounds, and their median is shown.
With one thread, times are what that had of a processor; with more, and for preparing, they are
those of the clock on the wall. Memory is the most that a process has, its input and its output
included. Derivatives by hand and peers have one thread.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from gradbench_runs import Entry, race, read_options

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


def find_peers(tools):
    """Paths by workload."""
    peers = {}
    for path in sorted(path for path in tools.glob("peer_*") if path.is_file()):
        for workload in subprocess.check_output([path, "--list"], text=True).split():
            peers.setdefault(workload, []).append(path)
    return peers


def make_entries(tools, workload, ways, peers, threads):
    command = [tools / workload, f"--threads={threads}"]
    commands = {way: [tools / workload, f"--way={way}"]
                for way in ("hand", "minors") if way in ways}
    commands |= {
        "program": [*command, "--way=program"],
        "program --native": [*command, "--way=program", "--native"],
        "tape": [*command, "--way=tape"],
    } | {path.name.removeprefix("peer_"): [path, workload] for path in peers}
    return [Entry(*each, threads) for each in commands.items()]


def is_the_same(output, other):
    largest = max(map(abs, other or [0]))
    return len(output) == len(other) and all(
        abs(a - b) <= 1e-8 * largest for a, b in zip(output, other))


def print_race(entries, title, rounds):
    first = entries[0] if entries[0].name == "hand" and entries[0].evaluate else None
    print(f"\n{title}")
    for entry in entries:
        if entry.failure is not None:
            print(f"  {entry.name:18} {entry.failure}")
            continue
        ordered = sorted(entry.evaluate)
        ratio, notes = "", []
        if first is not None:
            ratios = [a / b for a, b in zip(entry.evaluate, first.evaluate)]
            ratio = f"{statistics.median(ratios):.3g}"
            if not is_the_same(entry.output, first.output):
                notes.append(f"differs from {first.name}")
        if len(ordered) < rounds:
            notes.append(f"{len(ordered)} rounds")
        print(f"  {entry.name:18} {statistics.median(entry.prepare):10.4g} "
              f"{min(entry.least):10.4g} "
              f"{statistics.median(ordered):10.4g} {ordered[len(ordered) * 3 // 4]:10.4g} "
              f"{ratio:>8} {statistics.median(entry.memory):9.4g}  {', '.join(notes)}".rstrip())
    sys.stdout.flush()


def main():
    tools = pathlib.Path(sys.argv[1]).resolve()
    options = read_options(sys.argv[2:], ("threads", "quick", "rounds", "only"))
    quick = "quick" in options
    rounds = int(options.get("rounds", 3 if quick else 9))
    there = json.loads(subprocess.check_output([tools / "gradbench", "--list"]))
    peers = find_peers(tools)
    print(f"{'':20} {'prepare':>10} {'evaluate':>10} {'':10} {'upper':>10} {'median':>8}\n"
          f"{'':20} {'median':>10} {'least':>10} {'median':>10} {'quarter':>10} {'/ hand':>8} "
          f"{'memory':>9}\n{'':20} {'ms':>10} {'ms':>10} {'ms':>10} {'ms':>10} {'':8} {'MiB':>9}")
    with tempfile.TemporaryDirectory() as directory:
        for workload, function, sizes in RACES:
            title = f"{workload} {function} {' '.join(map(str, sizes))}".strip()
            if workload not in there or options.get("only", "") not in title:
                continue
            entries = make_entries(tools, workload, there[workload]["ways"],
                                   peers.get(workload, []), int(options.get("threads", 1)))
            value = {"make": sizes, "min_runs": 3,
                     "min_seconds": 0.05 if quick else 0.2}
            race(entries, value, function, rounds, pathlib.Path(directory))
            print_race(entries, title, rounds)


if __name__ == "__main__":
    main()
