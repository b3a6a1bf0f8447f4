#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How time and memory grow with what is computed: GradBench's workloads at four sizes each.

    gradbench_growth.py DIRECTORY PICTURES [--quick] [--rounds=N] [--only=TEXT] [--large]

DIRECTORY has the tools. A size is how many nodes the tape records. Time is the shortest run of all
rounds, but for each process's first, which has its memory to fetch; memory is the most that a
process has, what it prepares and prints included, beyond a tool that computes nothing. Growth is
the slope of a line through the logarithms, by least squares. Draws growth_time.svg and
growth_memory.svg in the directory PICTURES. --large goes on to 10^8 nodes, where there is memory.
"""

import math
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from gradbench_runs import Entry, find_free_memory, race, read_options

WORKLOADS = { # title: workload, function, sizes
    "llsq, m = 128": ("llsq", "gradient", [[128, n] for n in (256, 1024, 4096, 16384)]),
    "lse": ("lse", "gradient", [[n] for n in (20000, 80000, 320000, 1280000)]),
    "ode, n = 400": ("ode", "gradient", [[400, s] for s in (16, 64, 256, 1024)]),
    "det": ("det", "gradient", [[size] for size in (7, 8, 9, 10)]),
    "kmeans, k = 100, d = 8": ("kmeans", "dir", [[n, 100, 8] for n in (160, 640, 2560, 10240)]),
    "gmm, d = 10, k = 25": ("gmm", "jacobian", [[10, 25, n] for n in (64, 256, 1024, 4096)]),
    "ba": ("ba", "jacobian", [[6, 740, 3200], [24, 2960, 12800], [93, 11856, 51200],
                              [372, 47423, 204800]]),
    "lstm, l = 4": ("lstm", "jacobian", [[4, c] for c in (64, 256, 1024, 4096)]),
}
LARGE = {"ode, n = 400": [[400, 4096], [400, 18000]]}
WAYS = "tape", "program"
MOST = 1.05 # the slope of what grows as its work does
LEAST_MEMORY = 1 # MiB; what stays below has no slope

STYLE = """\
set encoding utf8
set terminal svg size 1280,680 enhanced font 'sans-serif,14' linewidth 1.2 background rgb 'white'
set style line 1 linecolor rgb '#0072b2' linewidth 2 pointtype 7 pointsize 0.6
set style line 2 linecolor rgb '#d55e00' linewidth 2 pointtype 5 pointsize 0.6
set style line 4 linecolor rgb '#808080' linewidth 0.8 dashtype 2
set border 3 linecolor rgb '#606060'
set tics nomirror out textcolor rgb '#303030'
set grid linetype 1 linecolor rgb '#e4e4e4' linewidth 0.7
set logscale xy
set format xy '10^{%L}'
set xtics 10
set ytics 10
set mxtics 1
set mytics 1
unset key
"""


def fit_slope(points):
    """Of a line through the logarithms."""
    x, y = ([math.log(number) for number in numbers] for numbers in zip(*points))
    return statistics.linear_regression(x, y).slope


def measure(tools, workload, function, sizes, large, rounds, directory):
    """[(sizes, {way: entry})], small ones first. All of them take turns; those of `large` follow,
    while there is memory for half as much again as the growth so far foretells."""
    def make(each):
        return each, {way: Entry(way, [tools / workload, f"--way={way}"]) for way in WAYS}

    def run(grid):
        for _ in range(rounds):
            for each, entries in grid:
                race(entries.values(), {"make": each, "min_runs": 4}, function, 1, directory, 1)

    grid = [make(each) for each in sizes]
    run(grid)
    for each in large:
        last, found = grid[-1]
        growth = math.prod(each) / math.prod(last)
        found = [entry for entry in found.values() if entry.memory]
        wanted = 1.5 * growth * max((entry.memory[-1] for entry in found), default=math.inf)
        if wanted * 2**20 > find_free_memory():
            print(f"{workload} {each}: there is no memory for it")
            break
        grid.append(make(each))
        run(grid[-1:])
    return grid


def collect(grid, empty):
    """{way: [(nodes, ms, MiB)]} of what has figures; what has none says why."""
    lines = {way: [] for way in WAYS}
    for sizes, entries in grid:
        nodes = entries["tape"].nodes
        for way, entry in entries.items():
            if entry.failure is not None:
                print(f"  {way} at {sizes}: {entry.failure}")
            elif nodes > 0:
                memory = statistics.median(entry.memory) - empty
                lines[way].append((nodes, min(entry.least), memory))
    return lines


def describe(points, place, least):
    """From the smallest to the largest, the slope, and whether it is too steep."""
    numbers = [(point[0], point[place]) for point in points]
    text = f"{numbers[0][1]:.3g} to {numbers[-1][1]:.3g}" if numbers[-1][1] >= least else \
        f"less than {least}"
    if len(numbers) < 2 or max(y for _, y in numbers) < least:
        return f"{text:>20} {'':>6}", False
    # what is smaller is not measured, but found as a difference of larger numbers
    slope = fit_slope([(x, max(y, least / 10)) for x, y in numbers])
    return f"{text:>20} {slope:6.2f}", round(slope, 2) > MOST


def print_lines(title, lines):
    for way, points in lines.items():
        if not points:
            continue
        time, slow = describe(points, 1, 0)
        memory, large = describe(points, 2, LEAST_MEMORY)
        steep = [name for name, is_so in (("time", slow), ("memory", large)) if is_so]
        note = f"  {' and '.join(steep)}: more than {MOST}" if steep else ""
        nodes = f"{points[0][0]:.3g} to {points[-1][0]:.3g}"
        print(f"{title:24}{way:8} {nodes:>20} {time} {memory}{note}", flush=True)


def draw(pictures, name, label, place, least, all_lines):
    """Small multiples, all with the same axes; a dashed line grows as its work does."""
    points = [point for lines in all_lines.values() for way in lines.values() for point in way]

    def find_decades(numbers):
        return [10.0 ** f(math.log10(number)) for f, number in
                ((math.floor, min(numbers)), (math.ceil, max(numbers)))]

    low, high = find_decades([point[0] for point in points])
    bottom, top = find_decades([max(point[place], least) for point in points])
    columns = min(4, len(all_lines))
    rows = -(-len(all_lines) // columns)
    script = [STYLE, f"set xrange [{low:g}:{high:g}]\nset yrange [{bottom:g}:{top:g}]\n"]
    for i, lines in enumerate(all_lines.values()):
        for way in WAYS:
            script.append(f"${way}{i} << EOD\n" + "".join(
                f"{point[0]} {max(point[place], least):.9g}\n" for point in lines[way]) + "EOD\n")
    script.append(f"set multiplot layout {rows},{columns} margins 0.07,0.98,0.17,0.93 "
                  "spacing 0.045,0.13\n")
    for i, (title, lines) in enumerate(all_lines.items()):
        first = next((lines[way][0] for way in WAYS if lines[way]), None)
        if i == 0: # one key for all, below them
            script.append("set key at screen 0.52,0.035 center vertical maxrows 1 Left reverse "
                          "samplen 2.5 width 2 noenhanced\n")
        script.append(f"set title '{title}' offset 0,-0.5\n"
                      f"set xlabel '{'nodes on the tape' if i >= columns * (rows - 1) else ''}'\n"
                      f"set ylabel '{label if i % columns == 0 else ''}'\n")
        drawn = []
        if first is not None:
            drawn.append(f"{max(first[place], least) / first[0]:.9g} * x with lines linestyle 4 "
                         "title 'in proportion'")
        drawn += [f"${way}{i} using 1:2 with linespoints linestyle {1 + k} title '{way}'"
                  for k, way in enumerate(WAYS) if lines[way]]
        script.append("plot " + ", ".join(drawn) + "\nunset key\n")
    script.append("unset multiplot\n")
    path = pictures / f"{name}.gp"
    path.write_text("".join(script))
    if shutil.which("gnuplot") is None:
        print(f"picture: {path} (gnuplot, which would draw it, is not installed)")
        return
    with open(path.with_suffix(".svg"), "wb") as picture:
        subprocess.run(["gnuplot", "-d", path], stdout=picture, check=True)
    print(f"picture: {path.with_suffix('.svg')}")


def main():
    tools, pictures = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    options = read_options(sys.argv[3:], ("quick", "rounds", "only", "large"))
    rounds = int(options.get("rounds", 2 if "quick" in options else 5))
    print(f"{'':24}{'':8} {'nodes':>20} {'ms':>20} {'slope':>6} {'MiB':>20} {'slope':>6}")
    all_lines = {}
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        empty = Entry("empty", [tools / "hello", "--way=tape"])
        race([empty], 1, "double", 3, directory)
        if empty.failure is not None:
            raise SystemExit(empty.failure)
        for title, (workload, function, sizes) in WORKLOADS.items():
            if options.get("only", "") not in title:
                continue
            large = LARGE.get(title, []) if "large" in options else []
            grid = measure(tools, workload, function, sizes, large, rounds, directory)
            all_lines[title] = collect(grid, min(empty.memory))
            print_lines(title, all_lines[title])
    all_lines = {title: lines for title, lines in all_lines.items() if any(lines.values())}
    if all_lines:
        print()
        draw(pictures, "growth_time", "time, ms", 1, 0, all_lines)
        draw(pictures, "growth_memory", "memory, MiB", 2, LEAST_MEMORY / 10, all_lines)


if __name__ == "__main__":
    main()
