#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a net 4-16-3 takes on microcontrollers, as the table that the manual has: print_sizes.py
WENGERT."""

import os
import sys
import tempfile

import programs
import targets


def main():
    wengert = os.path.abspath(sys.argv[1])
    def print_row(first, others):
        cells = [f"{other:>{max(len(column), 5)}}"
                 for column, other in zip(programs.COLUMNS, others)]
        print(f"| {first:24} | {' | '.join(cells)} |")

    print_row("net 4-16-3, float; bytes", programs.COLUMNS)
    print_row("---", ["---"] * len(programs.COLUMNS))
    with tempfile.TemporaryDirectory() as directory:
        workshop = programs.Workshop(directory, wengert)
        for target in targets.DEVICES:
            missing = targets.find_missing(target)
            if missing is not None:
                return f"{target.title}: {missing}"
            for what, size in programs.measure_all(workshop, target):
                print_row(f"{target.title}, {what}", programs.list_columns(size))
    return 0


if __name__ == "__main__":
    sys.exit(main())
