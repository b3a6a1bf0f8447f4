#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a program and compares what it prints, to the letter, with a file: check_output.py PROGRAM
[EXPECTED]. Without a file the program must end with status 0. Prints the difference."""

import difflib
import subprocess
import sys


def main():
    program, *expected = sys.argv[1:]
    run = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if run.returncode != 0:
        sys.stdout.write(run.stdout.decode(errors="replace"))
        return f"{program}: exit status {run.returncode}"
    for path in expected:
        with open(path, "rb") as file:
            wanted = file.read()
        if run.stdout != wanted:
            sys.stdout.writelines(
                line if line.endswith("\n") else line + "\n(no newline at the end)\n"
                for line in difflib.unified_diff(
                    wanted.decode(errors="replace").splitlines(keepends=True),
                    run.stdout.decode(errors="replace").splitlines(keepends=True),
                    path,
                    "printed",
                )
            )
            return f"{program} printed something else than {path}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
