#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs on other machines: test_embedded.py WENGERT EMIT_GATES TARGET [TARGET...].

Each is compiled for a target of embedded/targets.py and run there in an emulator, and must report the
same numbers as on this machine, to 1e-5: the engine in a static buffer (on devices), and what the
library writes as C. A device's start-up code has no heap and ends a program that asks for one. A
target whose tools are missing is skipped; so is the test (status 77) if all are. WENGERT is "" where
the program can't read nets.
"""

import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "embedded"))
import programs  # noqa: E402
import targets  # noqa: E402
from targets import HERE, HOST, SOURCE  # noqa: E402

WENGERT = EMIT_GATES = WORKSHOP = None
CHOSEN = []
TOLERANCE = 1e-5
MANUAL = (SOURCE / "docs/manual.md").read_text(encoding="utf-8")


def is_close(actual, expected):
    if actual is None or not math.isfinite(expected):
        return actual == expected or (actual != actual and expected != expected)
    return abs(actual - expected) <= TOLERANCE * max(1, abs(expected))


class Case(unittest.TestCase):
    def compare(self, target, actual, expected):
        """Two reports, but for the stack, of which a host knows nothing."""
        self.assertEqual([line[0] for line in actual], [line[0] for line in expected])
        for (name, number), (_, wanted) in zip(actual, expected):
            if name != "stack":
                self.assertTrue(number == wanted or is_close(number, wanted),
                                f"{target.title}: {name} is {number} and not {wanted}")

    def compare_all(self, report, chosen):
        """On each target what this machine says, which is returned."""
        expected = report(HOST)
        for target in chosen:
            with self.subTest(target=target.title):
                self.compare(target, report(target), expected)
        return expected


def devices():
    return [target for target in CHOSEN if target in targets.DEVICES]


class Engine(Case):
    def setUp(self):
        if not devices():
            self.skipTest("no device")

    def test_same_numbers(self):
        def report(target):
            program = WORKSHOP.build_with_engine(target, "engine", HERE / "engine_on_device.c")
            return targets.run(target, program)

        expected = self.compare_all(report, devices())
        # what everybody knows of log(xy) at (2, 3), and that the net learnt
        self.assertEqual(expected[2:5], [("x", 2.0), ("x", 0.5), ("y", 3.0)])
        losses = [number for name, number in expected if name == "loss"]
        self.assertLess(sum(losses[-6:]), sum(losses[:6]) / 3)
        self.assertEqual(expected[-2][0], "log(null): operand 1 is a null value")

    def test_manual(self):
        told = re.search(r"(?s)\nThe engine is these files of autograd/:(.*?)\. ", MANUAL)[1]
        self.assertEqual(re.findall(r"\w+\.c", told), [path.name for path in targets.ENGINE])

    def test_no_heap(self):
        """A program that does ask for memory is ended, so that the others can't have."""
        source = WORKSHOP.directory / "asks.c"
        source.write_text('#include "report.h"\n#include <wengert/autograd.h>\n'
                          "int main(void)\n{\n    put_text(ag_graph_new(NULL) == NULL ? \"none\" : "
                          '"some");\n    return 0;\n}\n')
        for target in devices():
            with self.subTest(target=target.title):
                program = WORKSHOP.build_with_engine(target, "asks", source)
                with self.assertRaisesRegex(targets.Failure, "the heap was asked for"):
                    targets.run(target, program)


class Gates(Case):
    """Every gate of the table with its gradient, as generated C, at the samples of the table."""

    def emit(self, *options):
        directory = WORKSHOP.directory / ("gates" + "".join(options))
        directory.mkdir(exist_ok=True)
        subprocess.run([EMIT_GATES, *options, directory], check=True)
        return directory

    def test_same_numbers(self):
        def report(target, directory):
            program = WORKSHOP.build(target, directory.name,
                                     [directory / "gates.c", HERE / "gates_on_device.c"],
                                     [f"-I{directory}"])
            return targets.run(target, program)

        plain, small = self.emit(), self.emit("--small-libm")
        emulated = [target for target in CHOSEN if target.emulator]
        expected = self.compare_all(lambda target: report(target, plain), emulated)
        with self.subTest("functions that come with the file"):
            self.compare(HOST, report(HOST, small), expected)

    def test_small_libm(self):
        """avr-libc has what C89 has: nothing else may be called. double is float there, which
        -Wdouble-promotion knows nothing of."""
        if targets.AVR not in CHOSEN:
            self.skipTest("not for AVR")
        source = self.emit("--small-libm") / "gates.c"
        main = WORKSHOP.directory / "main.c"
        main.write_text("int main(void) { return 0; }\n")
        targets.call(["avr-gcc", *targets.AVR.flags, "-std=c99", "-Wall", "-Wextra", "-Werror", main,
                      source, "-lm", "-o", WORKSHOP.directory / "avr.elf"])


class Iris(Case):
    """A trained net 4-16-3 as generated C."""

    def setUp(self):
        self.emulated = [target for target in CHOSEN if target.emulator]
        if not WENGERT or not self.emulated:
            self.skipTest("no nets" if not WENGERT else "no emulator")

    def report(self, train):
        return lambda target: targets.run(target, WORKSHOP.build_iris(target, train))

    def test_prediction(self):
        expected = self.compare_all(self.report(False), self.emulated)
        outputs = [number for name, number in expected if name == "output"][3:]
        self.assertEqual(len(outputs), 150 * 3)
        found = [max(range(3), key=outputs[i : i + 3].__getitem__) for i in range(0, 450, 3)]
        right = sum(found[i] == i // 50 for i in range(150))
        self.assertGreater(right, 140)

    def test_training_step(self):
        expected = self.compare_all(self.report(True), self.emulated)
        self.assertEqual(len(expected), 1 + 1 + 131)

    def test_size(self):
        """The limits that the manual names."""
        for target in devices():
            with self.subTest(target=target.title):
                sizes = dict(programs.measure_all(WORKSHOP, target))
                predict = sizes["prediction"]
                self.assertLess(predict.code + predict.library, 8 * 1024)
                self.assertLess(predict.ram + predict.stack, 1024)
                self.compare_with_manual(target, sizes)

    def compare_with_manual(self, target, sizes):
        """The manual's table, where the compiler is the one that it names: to 10 %, or 64 bytes."""
        version = targets.call([target.compiler, "-dumpversion"]).strip()
        if f"arm-none-eabi-gcc {version}" not in MANUAL:
            return
        for what, size in sizes.items():
            row = re.search(rf"(?m)^\| {target.title}, {what} +\|(.*)\|$", MANUAL)[1]
            for column, told, actual in zip(programs.COLUMNS, map(int, row.split("|")),
                                            programs.list_columns(size), strict=True):
                self.assertLessEqual(abs(told - actual), max(64, actual / 10),
                                     f"the manual's {column} of {what}: {told}, and it is {actual}")


def find_targets(keys):
    """Those of the named targets whose tools are here; says what is missing of the others."""
    found = []
    for key in keys:
        target = targets.BY_KEY[key]
        missing = targets.find_missing(target)
        if missing is None:
            found.append(target)
        else:
            print(f"{target.title}: skipped, {missing}")
    return found


if __name__ == "__main__":
    WENGERT, EMIT_GATES = [path and os.path.abspath(path) for path in sys.argv[1:3]]
    CHOSEN = find_targets(sys.argv[3:])
    if not CHOSEN:
        sys.exit(77)
    with tempfile.TemporaryDirectory() as scratch:
        WORKSHOP = programs.Workshop(scratch, WENGERT)
        unittest.main(argv=sys.argv[:1])
