#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a net 4-16-3 takes on microcontrollers, as a table: print_sizes.py WENGERT."""

import os
import sys
import tempfile

import programs
import targets


def main():
    wengert = os.path.abspath(sys.argv[1])
    print(f"{'bytes':24}{'flash':>7} = {'code':>6} + {'C library':>9} + {'libm':>6}"
          f"{'RAM':>8} = {'variables':>9} + {'stack':>5}")
    with tempfile.TemporaryDirectory() as directory:
        workshop = programs.Workshop(directory, wengert)
        for target in targets.DEVICES:
            missing = targets.find_missing(target)
            if missing is not None:
                return f"{target.title}: {missing}"
            print(target.title)
            for what, size in programs.measure_all(workshop, target):
                print(f"  {what:22}{size.code + size.library + size.libm:7} = {size.code:6} + "
                      f"{size.library:9} + {size.libm:6}{size.ram + size.stack:8} = {size.ram:9} + "
                      f"{size.stack:5}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
