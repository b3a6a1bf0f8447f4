#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs on other machines: test_embedded.py EMIT_GATES TARGET [TARGET...].

Each is compiled for a target of embedded/targets.py and run there in an emulator, and must report the
same numbers as on this machine, to 1e-5: the engine in a static buffer (on devices), and what the
library writes as C. A device's start-up code has no heap and ends a program that asks for one. A
target whose tools are missing is skipped; so is the test (status 77) if all are.
"""

import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "embedded"))
import targets  # noqa: E402
from targets import HERE, HOST, SOURCE  # noqa: E402

EMIT_GATES = None
CHOSEN = []
TOLERANCE = 1e-5
ENGINE_FLAGS = ["-DAG_REAL_FLOAT", f"-I{SOURCE}/autograd"]


def is_close(actual, expected):
    if actual is None or not math.isfinite(expected):
        return actual == expected or (actual != actual and expected != expected)
    return abs(actual - expected) <= TOLERANCE * max(1, abs(expected))


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.directory = pathlib.Path(cls.scratch.name)
        cls.harness, cls.engine = {}, {}

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def build(self, target, name, sources, flags=(), objects=()):
        """Compiles and links a program with the harness."""
        directory = self.directory / target.key
        if target not in self.harness:
            self.harness[target] = targets.compile_harness(target, directory)
        own = targets.compile_files(target, directory, sources, [f"-I{HERE}", *flags])
        return targets.link(target, directory / f"{name}.elf",
                            [*self.harness[target], *own, *objects])

    def compare(self, target, actual, expected):
        """Two reports, but for the stack, of which a host knows nothing."""
        self.assertEqual([line[0] for line in actual], [line[0] for line in expected])
        for (name, number), (_, wanted) in zip(actual, expected):
            if name == "stack":
                continue
            self.assertTrue(number == wanted or is_close(number, wanted),
                            f"{target.title}: {name} is {number} and not {wanted}")


class Engine(Case):
    def build_with_engine(self, target, name, source):
        if target not in self.engine:
            self.engine[target] = targets.compile_engine(target, self.directory / target.key)
        return self.build(target, name, [source], ENGINE_FLAGS, self.engine[target])

    def report(self, target):
        program = self.build_with_engine(target, "engine", HERE / "engine_on_device.c")
        return targets.run(target, program)

    def test_same_numbers(self):
        devices = [target for target in CHOSEN if target in targets.DEVICES]
        if not devices:
            self.skipTest("no device")
        expected = self.report(HOST)
        # what everybody knows of log(xy) at (2, 3), and that the net learnt
        self.assertEqual(expected[2:6], [("x", 2.0), ("x", 0.5), ("y", 3.0), ("y", expected[5][1])])
        losses = [number for name, number in expected if name == "loss"]
        self.assertLess(sum(losses[-6:]), sum(losses[:6]) / 3)
        self.assertEqual(expected[-2][0], "log(null): operand 1 is a null value")
        for target in devices:
            with self.subTest(target=target.title):
                self.compare(target, self.report(target), expected)

    def test_no_heap(self):
        """A program that does ask for memory is ended, so that the others can't have."""
        source = self.directory / "asks.c"
        source.write_text('#include "report.h"\n#include <wengert/autograd.h>\n'
                          "int main(void)\n{\n    put_text(ag_graph_new(NULL) == NULL ? \"none\" : "
                          '"some");\n    return 0;\n}\n')
        for target in CHOSEN:
            if target not in targets.DEVICES:
                continue
            with self.subTest(target=target.title):
                program = self.build_with_engine(target, "asks", source)
                with self.assertRaisesRegex(targets.Failure, "the heap was asked for"):
                    targets.run(target, program)


class Gates(Case):
    """Every gate of the table with its gradient, as generated C, at the samples of the table."""

    def emit(self, *options):
        directory = self.directory / ("gates" + "".join(options))
        directory.mkdir(exist_ok=True)
        subprocess.run([EMIT_GATES, *options, directory], check=True)
        return directory

    def report(self, target, directory):
        program = self.build(target, directory.name,
                             [directory / "gates.c", HERE / "gates_on_device.c"], [f"-I{directory}"])
        return targets.run(target, program)

    def test_same_numbers(self):
        plain, small = self.emit(), self.emit("--small-libm")
        expected = self.report(HOST, plain)
        with self.subTest("functions that come with the file"):
            self.compare(HOST, self.report(HOST, small), expected)
        for target in CHOSEN:
            if target.emulator:
                with self.subTest(target=target.title):
                    self.compare(target, self.report(target, plain), expected)

    def test_small_libm(self):
        """avr-libc has what C89 has: nothing else may be called. double is float there, which
        -Wdouble-promotion knows nothing of."""
        if targets.AVR not in CHOSEN:
            self.skipTest("not for AVR")
        source = self.emit("--small-libm") / "gates.c"
        main = self.directory / "main.c"
        main.write_text("int main(void) { return 0; }\n")
        targets.call(["avr-gcc", *targets.AVR.flags, "-std=c99", "-Wall", "-Wextra", "-Werror", main,
                      source, "-lm", "-o", self.directory / "avr.elf"])


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
    EMIT_GATES = sys.argv[1]
    CHOSEN = find_targets(sys.argv[2:])
    if not CHOSEN:
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
