#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole commands of the wengert program, as a shell starts them: test_commands.py WENGERT
SOURCE_ROOT [TEST...]. REAL names the library's number type.

What is printed is compared with results worked out by hand or by Python's math, in text and in
JSON; what is wrong with a command line must be said on standard error, with the right status.
Whatever holds for every command is taken from the program's own help, so that a new command is
tested the day it is listed.
"""

import ctypes
import json
import math
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

PROGRAM = os.path.abspath(sys.argv[1])
SOURCES = pathlib.Path(sys.argv[2]).resolve()
IS_FLOAT = os.environ.get("REAL", "double") == "float"
CLOSE = 2e-5 if IS_FLOAT else 1e-13

DONE, FAILED, MISUSED = 0, 1, 2


def run(*arguments, stdin=b"", **options):
    options.setdefault("stdout", subprocess.PIPE)
    if isinstance(stdin, bytes):
        options["input"] = stdin
    else:
        options["stdin"] = stdin
    return subprocess.run([PROGRAM, *arguments], stderr=subprocess.PIPE, timeout=300, **options)


def list_commands():
    text = run("--help").stdout.decode()
    part = text.split("\nCommands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in part.splitlines()]


def list_options(text):
    """The options of a help text's "Options:", each with its letter or None."""
    part = text.split("\nOptions:\n")[1].split("\n\n")[0]
    return re.findall(r"^    (?:-(\w), |    )--([\w-]+)", part, re.MULTILINE)


def list_examples(command):
    text = run(command, "--help").stdout.decode()
    return [line.strip() for line in text.split("\nExamples:\n")[1].splitlines()]


COMMANDS = list_commands()
# What the commands' sources say: the options with a list of values.
TABLES = "\n".join(path.read_text() for path in sorted((SOURCES / "tools").glob("*_command.c")))
CHOICES = dict(re.findall(r'\{"([a-z-]+)",\s*(?:0|\'\w\'),\s*"[A-Z]+",\s*"([^"]+)"', TABLES))
HAS_JSON = b"jansson" not in run("grad", "x", "x=1", "--json").stderr
needs_json = unittest.skipUnless(HAS_JSON, "built without jansson")


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.scratch = pathlib.Path(directory.name)

    def succeed(self, *arguments, **options):
        result = run(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (DONE, b""), arguments)
        return result.stdout.decode() if result.stdout is not None else None

    def refuse(self, status, *arguments, **options):
        """Nothing on standard output; returns what standard error says."""
        result = run(*arguments, **options)
        said = result.stderr.decode(errors="replace")
        self.assertEqual(result.returncode, status, (arguments, said))
        self.assertEqual(result.stdout or b"", b"", arguments)
        self.assertNotIn("Sanitizer", said)
        self.assertNotIn("runtime error", said)
        self.assertTrue(said.endswith("\n"), said)
        return said

    def json(self, *arguments, **options):
        return json.loads(self.succeed(*arguments, "--json", **options))

    def close(self, actual, expected, what=None):
        self.assertTrue(
            math.isclose(actual, expected, rel_tol=CLOSE, abs_tol=CLOSE),
            f"{what}: {actual} is not {expected}",
        )


# ---- Each command ----------------------------------------------------------------------------------


class Grad(Case):
    def test_text(self):
        self.assertEqual(
            self.succeed("grad", "log(x*y)", "x=2", "y=3"),
            "value  1.79176\nd/dx   0.5\nd/dy   0.333333\n",
        )
        self.assertEqual(self.succeed("grad", "2*3"), "value  6\n")
        # columns as wide as the longest name
        self.assertEqual(
            self.succeed("grad", "a*rate", "a=2", "rate=4"),
            "value    8\nd/da     4\nd/drate  2\n",
        )

    def test_the_first_operand_may_begin_with_a_dash(self):
        expected = "value  -9\nd/dx   -6\n"
        self.assertEqual(self.succeed("grad", "-x^2", "x=3"), expected)
        self.assertEqual(self.succeed("grad", "--", "-x^2", "x=3"), expected)
        self.assertEqual(self.succeed("grad", "--digits", "3", "-x^2", "x=3"), expected)
        self.assertEqual(self.succeed("grad", "-x^2", "x=3", "--digits", "3"), expected)
        # a letter of the table is an option, unless "--" was there
        self.assertEqual(self.succeed("grad", "--", "-d", "d=3"), "value  -3\nd/dd   -1\n")
        self.assertIn("there is nothing", self.refuse(MISUSED, "hessian", "1"))

    def test_lecture_circuit(self):
        # the worked example of every lecture on backpropagation
        inputs = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}
        arguments = [f"{name}={value}" for name, value in inputs.items()]
        text = self.succeed("grad", "1/(1 + exp(-(w0*x0 + w1*x1 + w2)))", *arguments, "-d", "2")
        numbers = [line.split()[1] for line in text.splitlines()]
        self.assertEqual(numbers, ["0.73", "-0.2", "0.39", "-0.39", "-0.59", "0.2"])

    def test_digits(self):
        self.assertEqual(self.succeed("grad", "x", "x=1/3", "-d", "1"), "value  0.3\nd/dx   1\n")
        long = self.succeed("grad", "x", "x=1/3", "--digits=17").split()[1]
        self.assertAlmostEqual(float(long), 1 / 3, delta=CLOSE)
        self.assertGreater(len(long), 15)

    @needs_json
    def test_json(self):
        for expression, x, value, derivative in [
            ("sin(x)*exp(x)", 0.7, math.sin(0.7) * math.exp(0.7),
             math.exp(0.7) * (math.sin(0.7) + math.cos(0.7))),
            ("x^3 - 2*x", -1.5, -1.5**3 + 3, 3 * 1.5**2 - 2),
            ("atan2(x, 2)", 1.0, math.atan2(1, 2), 2 / 5),
            ("x = 3", 1.0, None, None),
            ("lgamma(x)", 2.5, math.lgamma(2.5), 0.7031566406452432),
            ("a = x*x; tanh(a)", 0.5, math.tanh(0.25), 1 - math.tanh(0.25) ** 2),
        ]:
            if value is None:
                self.refuse(MISUSED, "grad", expression, f"x={x}", "--json")
                continue
            result = self.json("grad", expression, f"x={x!r}")
            self.close(result["value"], value, expression)
            self.close(result["gradient"]["x"], derivative, expression)
            self.assertEqual(list(result), ["value", "inputs", "gradient"])

    @needs_json
    def test_inputs_are_expressions_of_numbers(self):
        inputs = self.json("grad", "0", "a=pi/4", "b=-3", "c=2^-1", "d=e", "f=1e3")["inputs"]
        expected = {"a": math.pi / 4, "b": -3, "c": 0.5, "d": math.e, "f": 1000}
        self.assertEqual(list(inputs), list(expected))
        for name, number in expected.items():
            self.close(inputs[name], number, name)

    def test_what_is_not_finite(self):
        self.assertEqual(self.succeed("grad", "log(x)", "x=-1").split()[1], "nan")
        self.assertEqual(self.succeed("grad", "log(x)", "x=0").split()[1::2], ["-inf", "inf"])

    @needs_json
    def test_what_json_does_not_have(self):
        self.assertEqual(self.json("grad", "log(x)", "x=-1")["value"], "NaN")
        result = self.json("grad", "log(x)", "x=0")
        self.assertEqual((result["value"], result["gradient"]["x"]), ("-Infinity", "Infinity"))

    @needs_json
    def test_many_inputs(self):
        n = 10000
        names = [f"x{i}" for i in range(n)]
        file = self.scratch / "sum.txt"
        file.write_text("sum(" + ", ".join(f"{i}*{name}" for i, name in enumerate(names)) + ")")
        result = self.json("grad", "--file", file, *(f"{name}=0.5" for name in names))
        if not IS_FLOAT:  # which rounds on the way
            self.close(result["value"], 0.5 * n * (n - 1) / 2)
        self.assertEqual(result["gradient"], {name: i for i, name in enumerate(names)})


class Explain(Case):
    def test_text(self):
        text = self.succeed("explain", "log(x*y)", "x=2", "y=3")
        # each pass names the gate; the product is 6, its gradient 1/6
        for word in ["mul", "log", "1.79176", "0.166667", "0.333333", "0.5"]:
            self.assertIn(word, text)

    @needs_json
    def test_json(self):
        nodes = self.json("explain", "x*y + x", "x=2", "y=3")["nodes"]
        by_name = {node["name"]: node for node in nodes}
        self.assertEqual(by_name["x"]["gradient"], 4)
        self.assertEqual(by_name["y"]["gradient"], 2)
        root = nodes[-1]
        self.assertEqual((root["gate"], root["value"], root["gradient"]), ("add", 8, 1))
        for node in nodes:
            back = sum(
                edge["contribution"] for user in nodes for edge in user["operands"]
                if edge["name"] == node["name"]
            )
            self.assertEqual(node["gradient"], 1 if node is root else back)
            for edge in node["operands"]:
                self.assertEqual(edge["contribution"], node["gradient"] * edge["local_gradient"])

    @needs_json
    def test_names_of_any_length(self):
        long = ["n" * 200 + end for end in "ab"]
        nodes = self.json("explain", f"{long[0]}*{long[1]}", f"{long[0]}=2", f"{long[1]}=3")["nodes"]
        self.assertEqual([node["name"] for node in nodes[:2]], long)


class Check(Case):
    def test_agrees(self):
        text = self.succeed("check", "sin(x)/x", "x=2")
        self.assertRegex(text, r"(?m)^x +2 +-0\.4353\d* +-0\.4353\d* .* agrees$")
        # a root that is an input
        self.assertIn("agrees", self.succeed("check", "x", "x=0"))

    def test_disagrees(self):
        for arguments in [("sin(x)", "x=2", "--tolerance", "1e-30"), ("log(x)", "x=-1")]:
            result = run("check", *arguments)
            self.assertEqual(result.returncode, FAILED)
            self.assertIn(b"DISAGREES", result.stdout)

    def test_kink(self):
        self.assertIn("kink", self.succeed("check", "abs(x)", "x=0"))

    @needs_json
    def test_json(self):
        result = self.json("check", "x^2*y", "x=3", "y=2")
        self.assertIs(result["passed"], True)
        self.assertEqual([row["verdict"] for row in result["inputs"]], ["agrees", "agrees"])
        self.assertEqual([row["analytic"] for row in result["inputs"]], [12, 9])
        failed = run("check", "log(x)", "x=-1", "--json")
        self.assertEqual(failed.returncode, FAILED)
        self.assertIs(json.loads(failed.stdout)["passed"], False)

    def test_misuse(self):
        self.assertIn("NAME=NUMBER", self.refuse(MISUSED, "check", "2"))
        for option in ["--tolerance", "--step"]:
            for number in ["0", "-1", "nan", "1e400", "", "x"]:
                self.assertIn(option, self.refuse(MISUSED, "check", "x", "x=1", option, number))


class Hessian(Case):
    def test_text(self):
        # d2/dx2 = 2y, d2/dxdy = 2x, d2/dy2 = e^y
        self.assertEqual(
            self.succeed("hessian", "x^2*y + exp(y)", "x=3", "y=0"),
            "   x  y\nx  0  6\ny  6  1\n",
        )

    @needs_json
    def test_json(self):
        # Rosenbrock's function at its minimum
        result = self.json("hessian", "100*(y - x^2)^2 + (1 - x)^2", "x=1", "y=1")
        self.assertEqual(result["names"], ["x", "y"])
        self.assertEqual(result["hessian"], [[802, -400], [-400, 200]])
        self.assertEqual(result["value"], 0)


class Gates(Case):
    def test_text(self):
        self.assertEqual(
            self.succeed("gates", "tanh", "max"),
            "gate  value y, local gradients  domain; gradients at kinks and edges\n"
            "tanh  y = tanh(x)               any x\n"
            "      dy/dx = 1 - (y * y)\n"
            "max   y = max(a, b)             any a, b\n"
            "      dy/da = a >= b ? 1 : 0    NaN if one is\n"
            "      dy/db = a >= b ? 0 : 1    at (a, b) = (2, 2): 1, 0\n",
        )

    def test_every_gate(self):
        table = (SOURCES / "autograd/wengert/gates.def").read_text()
        names = re.findall(r"^AG_(?:UNARY|BINARY|TERNARY|NARY)\s*\((\w+)", table, re.MULTILINE)
        self.assertGreater(len(names), 40)
        lines = self.succeed("gates").splitlines()
        self.assertEqual([line.split()[0] for line in lines[1:] if line[0] != " "], names)
        self.assertLessEqual(max(map(len, lines)), 100)
        latex = self.succeed("gates", "--latex")
        rows = re.findall(r"^\\texttt\{([\w\\]+)\}", latex, re.MULTILINE)
        self.assertEqual([row.replace("\\", "") for row in rows], names)

    @needs_json
    def test_json(self):
        gates = {gate["name"]: gate for gate in self.json("gates")["gates"]}
        self.assertEqual(gates["div"]["edges"],
                         [{"at": [1, 0], "gradients": ["Infinity", "-Infinity"]}])
        self.assertEqual(gates["select"]["edges"], [{"at": [0, 2, 3], "gradients": [0, 0, 1]}])
        self.assertEqual(gates["log"]["local_gradients"], [{"for": "x", "formula": "(1 / x)"}])
        self.assertIs(gates["sum"]["any_number_of_operands"], True)
        # the formulas are right, where Python can read them
        for name, x in [("tanh", 0.3), ("log", 2.0), ("sqrt", 2.0), ("sin", 1.0), ("atan", 0.5)]:
            scope = {**vars(math), "x": x}
            scope["y"] = eval(gates[name]["value"], scope)
            slope = eval(gates[name]["local_gradients"][0]["formula"], scope)
            f = lambda at: eval(gates[name]["value"], {**vars(math), "x": at})
            self.assertAlmostEqual(slope, (f(x + 1e-5) - f(x - 1e-5)) / 2e-5, 8)

    def test_latex(self):
        latex = self.succeed("gates", "--latex")
        # worked out by hand
        for formula in [
            r"y = \frac{1}{1 + e^{-x}}",
            r"\partial y / \partial x = y (1 - y)",
            r"\partial y / \partial b = -\frac{y}{b}",
            r"\partial y / \partial x = 1 - y^2",
            r"\partial y / \partial x = \frac{1}{2 y}",
            r"\partial y / \partial x = \frac{1}{x \log 2}",
            r"\partial y / \partial x = \frac{1}{\sqrt{(1 - x) (1 + x)}}",
            r"\partial y / \partial a = \frac{b}{a^2 + b^2}",
            r"\partial y / \partial x = \frac{2 e^{-x^2}}{\sqrt{\pi}}",
            r"y = \max(x, 0) + \log(1 + e^{-\left|x\right|})",
            r"y = \begin{cases} a & \text{if } c \ne 0 \\ b & \text{otherwise} \end{cases}",
            r"y = \log(e^{x_1} + e^{x_2} + \cdots)",
            r"at $x = 0$: $\infty$",
            r"$a < 0\text{ where }b\text{ is a whole constant}$",
            r"$-1 \le x \le 1$",
        ]:
            self.assertIn(formula, latex)
        for text in [latex, self.succeed("gates", "max", "tanh", "-l")]:
            bare = re.sub(r"\\[{}\\]", "", text)
            self.assertEqual(bare.count("{"), bare.count("}"))
            self.assertEqual(text.count(r"\begin"), text.count(r"\end{"))
            self.assertEqual(text.count("$") % 2, 0)
            for line in text.splitlines():
                if r"\noalign" in line:
                    cells = re.sub(r"\\begin\{cases\}.*?\\end\{cases\}", "", line)
                    self.assertEqual(cells.count("&"), 3, line)

    @unittest.skipUnless(shutil.which("pdflatex"), "no pdflatex")
    def test_latex_compiles(self):
        (self.scratch / "all.tex").write_text(self.succeed("gates", "--latex"))
        (self.scratch / "some.tex").write_text(self.succeed("gates", "relu", "dot", "--latex"))
        (self.scratch / "page.tex").write_text(
            r"\documentclass{article}\usepackage{amsmath,longtable}\begin{document}"
            r"\input{all}\input{some}\end{document}"
        )
        result = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page"],
            cwd=self.scratch, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=120,
        )
        self.assertEqual(result.returncode, 0, result.stdout.decode(errors="replace")[-2000:])

    def test_misuse(self):
        self.assertIn('did you mean "tanh"?', self.refuse(MISUSED, "gates", "tahn"))
        self.assertIn("wengert gates lists them", self.refuse(MISUSED, "gates", "qqqqqq"))
        if HAS_JSON:
            self.assertIn("only one", self.refuse(MISUSED, "gates", "--json", "--latex"))


# ---- What expressions come from --------------------------------------------------------------------


class Emit(Case):
    """What comes out is compiled as a user would, loaded, and called."""

    STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wdouble-promotion",
              "-Werror"]

    def setUp(self):
        super().setUp()
        self.compiler = os.environ.get("CC", "cc").split()
        if shutil.which(self.compiler[0]) is None:
            self.skipTest("no C compiler")

    def emit(self, *arguments, **options):
        return self.succeed("emit", *arguments, cwd=self.scratch, **options)

    def load(self, source):
        """A file of the scratch directory as an object of ctypes."""
        made = self.scratch / (source + ".so")
        result = subprocess.run(
            [*self.compiler, *self.STRICT, "-O1", "-shared", "-fPIC", "-o", made, source, "-lm"],
            cwd=self.scratch, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return ctypes.CDLL(str(made))

    def call(self, function, inputs, outputs, number=ctypes.c_double, batch=None):
        each = (number * len(inputs))(*inputs)
        out = (number * outputs)()
        function.restype = None
        function(*([ctypes.c_size_t(batch)] if batch is not None else []),
                 *([each] if inputs else []), out)
        return list(out)

    def test_gradient(self):
        self.assertEqual(self.emit("log(x*y) + x", "y", "x", "--gradient", "-o", "f.c"), "")
        header = (self.scratch / "f.h").read_text()
        self.assertIn("void f(const double each[2], double map[3]);", header)
        self.assertIn("map is log(x*y) + x,\n * then its derivative for y, x */", header)
        values = self.call(self.load("f.c").f, [3, 2], 3)
        for value, expected in zip(values, [math.log(6) + 2, 1 / 3, 1.5]):
            self.assertTrue(math.isclose(value, expected, rel_tol=1e-15), values)

    def test_hessian_and_found_inputs(self):
        # inputs in the order in which they appear, whatever was bound before
        self.emit("a = y*x # x*/y\n a^2 + pi*0", "--hessian", "--name", "g", "-o", "square.c")
        header = (self.scratch / "square.h").read_text()
        self.assertIn("inputs: y, x\n", header)
        self.assertNotIn("x*/y", header)
        value, yy, yx, xy, xx = self.call(self.load("square.c").g, [3, 2], 5)
        self.assertEqual([value, yy, yx, xy, xx], [36, 8, 24, 24, 18])

    def test_float_and_batch(self):
        self.emit("tanh(w*x)", "w", "x", "--gradient", "--float", "--batch", "-o", "t.c")
        rows = [0.5, 1.5, -0.25, 3, 1, 0]
        values = self.call(self.load("t.c").t, rows, 9, ctypes.c_float, 3)
        for i in range(3):
            w, x = rows[2 * i : 2 * i + 2]
            y = math.tanh(w * x)
            for value, expected in zip(values[3 * i :], [y, (1 - y * y) * x, (1 - y * y) * w]):
                self.assertTrue(math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-7))

    def test_standard_output(self):
        text = self.emit("x^2 + expm1(x)", "--small-libm", "--static-workspace")
        self.assertEqual(text, self.emit("x^2 + expm1(x)", "--small-libm", "--static-workspace"))
        self.assertNotIn("#include \"", text)
        (self.scratch / "out.c").write_text(text)
        (value,) = self.call(self.load("out.c").f, [2], 1)
        self.assertTrue(math.isclose(value, 4 + math.expm1(2), rel_tol=1e-14))
        self.assertEqual(sorted(path.name for path in self.scratch.iterdir()),
                         ["out.c", "out.c.so"])

    def test_no_inputs(self):
        self.emit("2*3", "--gradient", "-o", "six.c")
        self.assertEqual(self.call(self.load("six.c").six, [], 1), [6])

    def test_names_of_files(self):
        (self.scratch / "text").write_text("x + 1")
        for file, name in [("2-norm.c", "f2_norm"), ("_x.c", "f_x"), ("a b.c", "a_b"),
                           ("n" * 100 + ".c", "n" * 48)]:
            self.emit("--file", "text", "-o", file)
            self.assertEqual(self.call(self.load(file)[name], [1], 1), [2], file)
            self.assertTrue((self.scratch / (file[:-1] + "h")).exists())

    def test_files_are_whole(self):
        (self.scratch / "f.c").write_text("old")
        self.refuse(MISUSED, "emit", "x +", "-o", "f.c", cwd=self.scratch)
        self.refuse(FAILED, "emit", "x", "-o", "nowhere/f.c", cwd=self.scratch)
        (self.scratch / "f.h").mkdir()
        self.assertIn("f.h", self.refuse(FAILED, "emit", "x", "-o", "f.c", cwd=self.scratch))
        self.assertEqual((self.scratch / "f.c").read_text(), "old")
        (self.scratch / "f.h").rmdir()
        self.emit("x", "-o", "f.c")
        self.assertEqual(sorted(path.name for path in self.scratch.iterdir()), ["f.c", "f.h"])
        (self.scratch / "own.c").write_text("x")
        self.assertIn("over", self.refuse(MISUSED, "emit", "-f", "own.c", "-o", "own.c",
                                          cwd=self.scratch))
        self.assertEqual((self.scratch / "own.c").read_text(), "x")
        if os.path.exists("/dev/full"):
            with open("/dev/full", "wb") as full:
                self.assertEqual(run("emit", "x", stdout=full).returncode, FAILED)

    @needs_json
    def test_json(self):
        self.assertEqual(
            json.loads(self.emit("x*y", "--gradient", "-o", "p.c", "--json")),
            {"source": "p.c", "header": "p.h", "function": "p", "inputs": ["x", "y"],
             "outputs": 3})

    def test_misuse(self):
        for said, *arguments in [
            ("expression is missing",),
            ("twice", "x", "x", "x"),
            ("expected the name", "x", "x=2"),
            ("expected the name", "log(x)", "log"),
            ('unknown name "y": no such input', "x*y", "x"),
            ("unknown gate", "zzzzzz(x)"),
            ("should end in one of .c", "x", "-o", "f.cpp"),
            ("can name the header", "x", "-o", 'a"b.c'),
            ('"2d"', "x", "--name", "2d"),
            ('"int"', "x", "--name", "int"),
            ('"tanh"', "x", "--name", "tanh"),
            ('""', "x", "--name", ""),
            ("less than 64", "x", "--name", "n" * 64),
            ("--name: another", "x", "-o", "log.c"),
            ("--train is for a saved net", "x", "--train"),
            ("--loss is for a saved net", "x", "--loss", "hinge"),
            ("--loss", "x", "--loss", "mean"),
            *([("wants --output", "x", "--json")] if HAS_JSON else []),
        ]:
            self.assertIn(said, self.refuse(MISUSED, "emit", *arguments, cwd=self.scratch),
                          arguments)
        self.assertEqual(list(self.scratch.iterdir()), [])


class Sources(Case):
    expected = "value  1.79176\nd/dx   0.5\nd/dy   0.333333\n"
    numbers = ("x=2", "y=3")

    def test_file(self):
        file = self.scratch / "it's a \"file\" =1.txt"
        file.write_text("# a product\np = x*y\nlog(p)\n")
        for arguments in [("--file", file), (f"--file={file}",), ("-f", file)]:
            self.assertEqual(self.succeed("grad", *arguments, *self.numbers), self.expected)

    def test_standard_input(self):
        for arguments in [("-",), ("--file", "-"), ("--", "-")]:
            text = self.succeed("grad", *arguments, *self.numbers, stdin=b"log(x*\n  y)")
            self.assertEqual(text, self.expected)

    def test_standard_input_that_is_closed(self):
        result = subprocess.run(
            ["/bin/sh", "-c", 'exec "$0" grad - x=1 <&-', PROGRAM], stderr=subprocess.PIPE
        )
        self.assertEqual(result.returncode, FAILED)
        self.assertIn(b"standard input", result.stderr)

    def test_fifo(self):
        fifo = self.scratch / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_text, args=("log(x*y)",))
        writer.start()
        self.assertEqual(self.succeed("grad", "-f", fifo, *self.numbers), self.expected)
        writer.join()

    def test_what_is_no_file(self):
        self.assertIn("nowhere: No such", self.refuse(FAILED, "grad", "-f", "nowhere", "x=1"))
        self.assertIn(str(self.scratch), self.refuse(FAILED, "grad", "-f", self.scratch, "x=1"))

    def test_nothing(self):
        for arguments in [("",), ("-",), ("-f", os.devnull), ("# a comment",)]:
            self.assertIn("expected an expression", self.refuse(MISUSED, "grad", *arguments))

    def test_garbage(self):
        bytes_of_all_kinds = bytes(range(256)) * 40
        for text in [b"\0", b"\xff\xfe", b"x\0y", bytes_of_all_kinds, b"\x1b[31mx"]:
            said = run("grad", "-", "x=1", stdin=text)
            self.assertEqual(said.returncode, MISUSED)
            self.assertRegex(said.stderr, rb"\Astandard input:\d+:\d+: ")
            self.assertNotRegex(said.stderr, rb"[\0-\x08\x0b-\x1f\x7f]")

    def test_ten_megabytes(self):
        terms = 1000000
        text = b"x" + b" + 2.5*x" * terms
        self.assertGreater(len(text), 8e6)
        numbers = self.succeed("grad", "-", "x=1", "-d", "3", stdin=text).split()[1::2]
        if not IS_FLOAT:  # which runs out of digits
            self.assertEqual(numbers, ["2.5e+06", "2.5e+06"])

    def test_depth(self):
        deep = 100000
        text = b"(" * deep + b"x" + b")" * deep
        self.assertEqual(self.succeed("grad", "-", "x=3", stdin=text), "value  3\nd/dx   1\n")
        text = b"sin(" * deep + b"x" + b")" * deep
        self.assertEqual(self.succeed("grad", "-", "x=0", stdin=text), "value  0\nd/dx   1\n")
        self.assertIn("not closed", self.refuse(MISUSED, "grad", "-", "x=1", stdin=text[:-1]))

    def test_errors_point(self):
        said = self.refuse(MISUSED, "grad", "2*(x + yy)", "x=1", "y=2")
        first, line, caret = said.splitlines()
        self.assertTrue(first.startswith("expression:1:8: "), first)
        self.assertIn("did you mean", first)
        self.assertEqual((line, caret), ("  2*(x + yy)", "         ^"))


class Inputs(Case):
    def test_misuse(self):
        for operand, said in [
            ("x", 'expected NAME=NUMBER'),
            ("=3", 'expected NAME=NUMBER'),
            ("x=", "expected an expression"),
            ("x=1e400", "too large"),
            ("x=y", "unknown name"),
            ("x=2:3", "a range"),
            ("x=1=2", "x=1=2"),
            ("x y=1", "not a name"),
            ("1x=1", "not a name"),
            ("é=1", "not a name"),
            ("pi=3", "not a name"),
            ("log=3", "not a name"),
            ("\x1b[31m=1", "?[31m"),
            ("n" * 100000 + "-=1", "not a name"),
        ]:
            self.assertIn(said, self.refuse(MISUSED, "grad", "x", operand), operand)
        self.assertIn("twice", self.refuse(MISUSED, "grad", "x", "x=2", "x=2"))

    def test_names(self):
        for name in ["_", "__x", "X", "x_1", "n" * 5000, "nan", "inf", "value"]:
            self.assertTrue(self.succeed("grad", f"2*{name}", f"{name}=4").startswith("value"))


# ---- Every command -------------------------------------------------------------------------------


class Program(Case):
    def test_version(self):
        version = re.search(r"version: '([\d.]+)'", (SOURCES / "meson.build").read_text())[1]
        self.assertEqual(self.succeed("--version"), f"wengert {version}\n")

    def test_without_a_command(self):
        result = run()
        self.assertEqual((result.returncode, result.stdout), (MISUSED, b""))
        self.assertEqual(result.stderr, run("--help").stdout)

    def test_unknown_commands(self):
        self.assertIn('did you mean "grad"?', self.refuse(MISUSED, "gard", "x"))
        self.assertIn("--help", self.refuse(MISUSED, "zzzzzzzz"))
        self.assertIn("no command", self.refuse(MISUSED, "help", "zzzzzzzz"))
        self.assertIn("no command", self.refuse(MISUSED, ""))
        self.assertIn("?[31m", self.refuse(MISUSED, "\x1b[31m"))

    def test_unknown_options(self):
        for command in COMMANDS:
            self.assertIn("did you mean --json?", self.refuse(MISUSED, command, "--jsn"))
            self.assertIn("no option --zzzzzz", self.refuse(MISUSED, command, "--zzzzzz=3"))
            self.assertIn("takes no value", self.refuse(MISUSED, command, "--json=1"))

    def test_missing_values_and_choices(self):
        for command in COMMANDS:
            text = run(command, "--help").stdout.decode()
            for option in re.findall(r"(?m)^ {4}(?:-\w, |    )--([\w-]+) [A-Z]+$|"
                                     r"^ {4}(?:-\w, |    )--([\w-]+) [A-Z]+  ", text):
                option = "".join(option)
                said = self.refuse(MISUSED, command, f"--{option}")
                self.assertIn(f"--{option} wants a value", said)
                choices = CHOICES.get(option)
                if choices is not None and choices.split()[0] in text:
                    said = self.refuse(MISUSED, command, f"--{option}", "zzz")
                    self.assertIn(f"expected one of {choices}", said)

    def test_counts(self):
        for digits in ["0", "18", "-1", "x", "", "1.5", "99999999999999999999999", "0x3"]:
            self.assertIn("whole number from 1 to 17",
                          self.refuse(MISUSED, "grad", "x", "x=1", "--digits", digits))

    def test_help(self):
        for command in COMMANDS:
            text = self.succeed(command, "--help")
            self.assertEqual(text, self.succeed("help", command))
            self.assertEqual(text, self.succeed(command, "--zzz", "-h"))
            self.assertTrue(text.startswith(f"wengert {command}: "))
            self.assertIn(f"usage: wengert {command} [OPTION]...", text)
            options = [name for _, name in list_options(text)]
            self.assertEqual(len(options), len(set(options)), command)
            self.assertEqual(options[-2:], ["json", "help"])
            letters = [letter for letter, _ in list_options(text) if letter]
            self.assertEqual(len(letters), len(set(letters)), command)
            examples = list_examples(command)
            self.assertTrue(examples)
            for line in text.splitlines():
                self.assertLessEqual(len(line), 80 if line.strip() not in examples else 150, line)

    def test_help_knows_every_option(self):
        named = set(re.findall(r'\{"([a-z-]+)",\s*(?:0|\'\w\'),', TABLES))
        shown = {name for command in COMMANDS
                 for _, name in list_options(run(command, "--help").stdout.decode())}
        self.assertLessEqual(named, shown)
        self.assertTrue(named)

    def test_manual_page(self):
        page = self.succeed("--manual")
        self.assertTrue(page.startswith(".\\\""))
        for command in COMMANDS:
            self.assertIn(f"\n.SS {command}: ", page)
            part = page.split(f"\n.SS {command}: ")[1].split("\n.S")[0]
            for letter, name in list_options(run(command, "--help").stdout.decode()):
                whole = page if name in ("json", "help") else part
                self.assertIn("\\-\\-" + name.replace("-", "\\-"), whole, command)
                if letter:
                    self.assertIn(f"\\-{letter}\\fR, ", whole)
        # a line that begins with a point and is no request is lost
        for line in page.splitlines():
            if line.startswith((".", "'")):
                self.assertRegex(line, r'\A\.(\\"|TH|SH|SS|TP|PP|br|nf|fi|RS|RE|BR)\b|\A\.\\"')

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_manual_page_is_well_made(self):
        result = subprocess.run(
            ["mandoc", "-Tlint", "-Wwarning"], input=run("--manual").stdout, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        lines = [line for line in result.stdout.decode().splitlines() if "missing date" not in line]
        self.assertEqual(lines, [])

    def test_statuses_of_output(self):
        """What can't be written is an error, whatever was asked for."""
        for arguments in [["--help"], ["--version"], ["--manual"], ["--bash-completion"],
                          ["--zsh-completion"], ["grad", "x", "x=1"], ["gates", "--latex"],
                          ["grad", "--help"], ["explain", "x*y", "x=1", "y=2"],
                          ["hessian", "x*y", "x=1", "y=2"], ["check", "x*x", "x=2"]] + (
                              [["grad", "x", "x=1", "--json"]] if HAS_JSON else []):
            with self.subTest(arguments):
                result = subprocess.run(["/bin/sh", "-c", 'exec "$@" >&-', "sh", PROGRAM,
                                         *arguments], stderr=subprocess.PIPE)
                self.assertEqual(result.returncode, FAILED)
                self.assertTrue(result.stderr)
                if os.path.exists("/dev/full"):
                    with open("/dev/full", "wb") as full:
                        said = self.refuse(FAILED, *arguments, stdout=full)
                    self.assertRegex(said, "writ|standard output|full|No space")

    def test_broken_pipe(self):
        process = subprocess.Popen([PROGRAM, "gates", "--latex"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stdout.close()
        process.stderr.read()
        process.stderr.close()
        self.assertIn(process.wait(), [-signal.SIGPIPE, FAILED])

    def test_locale(self):
        for locale in ["de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"]:
            text = self.succeed("grad", "x/2", "x=2.5", env={**os.environ, "LC_ALL": locale})
            self.assertEqual(text, "value  1.25\nd/dx   0.5\n")

    @unittest.skipIf(b"__asan" in pathlib.Path(PROGRAM).read_bytes(),
                     "a sanitizer needs its address space")
    def test_out_of_memory(self):
        """An error, at whatever place memory ends."""
        text = b"x" + b" + 2.5*x" * 300000

        def limit(size):
            return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))

        seen = set()
        for size in [40, 44, 48, 56, 64, 80, 4096]:
            result = run("grad", "-", "x=1", stdin=text, preexec_fn=limit(size << 20))
            seen.add(result.returncode)
            if result.returncode != DONE and b"error while loading" not in result.stderr:
                self.assertEqual(result.returncode, FAILED, result.stderr)
                self.assertIn(b"memory", result.stderr)
        self.assertIn(DONE, seen)

    def test_json_without_jansson(self):
        if HAS_JSON:
            self.skipTest("built with jansson")
        self.assertIn("without jansson", self.refuse(FAILED, "grad", "x", "x=1", "--json"))


class Examples(Case):
    """Every example of every help runs, in the order of the help, in one directory."""

    def test_examples(self):
        shutil.copy(SOURCES / "demos/data/iris.csv", self.scratch / "iris.csv")
        shutil.copy(SOURCES / "demos/data/iris.csv", self.scratch / "labelled.csv")
        rows = (SOURCES / "demos/data/iris.csv").read_text().splitlines()
        (self.scratch / "new.csv").write_text(
            "".join(row.rsplit(",", 1)[0] + "\n" for row in rows))
        (self.scratch / "houses.csv").write_text(
            "".join(f"{100 + 3 * i % 40},{i},{i % 7}\n" for i in range(60)))
        run("train", "iris.csv", "--epochs", "2", "--save", "iris.safetensors", cwd=self.scratch)
        (self.scratch / "circuit.txt").write_text("sin(x)*x  # a circuit\n")
        binaries = self.scratch / "bin"
        binaries.mkdir()
        (binaries / "wengert").symlink_to(PROGRAM)
        environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
        for command in COMMANDS:
            for example in list_examples(command):
                if "--json" in example and not HAS_JSON:
                    continue
                if "--tolerance" in example and IS_FLOAT:
                    continue  # as close as only a double comes
                with self.subTest(example):
                    self.assertIn("wengert " + command, example)
                    result = subprocess.run(
                        ["bash", "-c", "set -euo pipefail; " + example], cwd=self.scratch,
                        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, timeout=300,
                    )
                    if b" is not installed" in result.stderr or b"built without" in result.stderr:
                        continue
                    self.assertEqual(result.returncode, DONE, result.stderr.decode())


class Completion(Case):
    @unittest.skipUnless(shutil.which("bash"), "no bash")
    def test_bash(self):
        (self.scratch / "wengert.bash").write_text(self.succeed("--bash-completion"))
        (self.scratch / "alpha.txt").touch()
        (self.scratch / "al pha.txt").touch()

        def complete(*words):
            script = ('source ./wengert.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wengert;'
                      ' [ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\\n" "${COMPREPLY[@]}"')
            result = subprocess.run(
                ["bash", "-uc", script, "bash", "wengert", *words], cwd=self.scratch,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(result.stderr, b"")
            return result.stdout.decode().splitlines()

        self.assertEqual(complete(""), COMMANDS + ["help"])
        self.assertEqual(complete("gra"), ["grad"])
        self.assertIn("--version", complete("--"))
        self.assertEqual(complete("help", "hess"), ["hessian"])
        self.assertEqual(complete("gates", "tan"), ["tan", "tanh"])
        self.assertEqual(complete("grad", ""), [])
        self.assertEqual(complete("nothing", ""), [])
        for words in [("--file", "al"), ("-f", "al"), ("--file", "=", "al")]:
            self.assertEqual(sorted(complete("grad", *words)), ["al pha.txt", "alpha.txt"])
        self.assertEqual(len(complete("grad", "--file", "=")), 3)
        for command in COMMANDS:
            options = list_options(run(command, "--help").stdout.decode())
            expected = [word for letter, name in options
                        for word in ([f"-{letter}"] if letter else []) + [f"--{name}"]]
            self.assertEqual(complete(command, "-"), expected)

    @unittest.skipUnless(shutil.which("shellcheck"), "no shellcheck")
    def test_bash_is_clean(self):
        result = subprocess.run(["shellcheck", "-s", "bash", "-"], stdout=subprocess.PIPE,
                                input=run("--bash-completion").stdout)
        self.assertEqual(result.stdout.decode(), "")

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh(self):
        text = self.succeed("--zsh-completion")
        subprocess.run(["zsh", "-n", "/dev/stdin"], input=text.encode(), check=True)
        # with what zsh would call replaced by something that prints its arguments
        script = """
            _arguments() { print -rl -- "$@" }
            _describe() { print -rl -- ${(P)2} }
            wengert() { source ./_wengert }
            compdef() { }
            words=("$@"); CURRENT=$#
            wengert
        """
        (self.scratch / "_wengert").write_text(text)

        def complete(*words):
            result = subprocess.run(
                ["zsh", "-fc", script, "zsh", "wengert", *words], cwd=self.scratch,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(result.stderr, b"")
            return result.stdout.decode().splitlines()

        names = [line.split(":")[0] for line in complete("")]
        self.assertEqual(names, COMMANDS + ["help"])
        self.assertEqual([line.split(":")[0] for line in complete("help", "")], COMMANDS)
        for command in COMMANDS:
            specifications = complete(command, "")
            for letter, name in list_options(run(command, "--help").stdout.decode()):
                for word in ([f"-{letter}["] if letter else []) + [f"--{name}["]:
                    self.assertEqual(sum(line.startswith(word) for line in specifications), 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
