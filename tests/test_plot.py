#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""wengert plot and wengert minimise, as a shell starts them: test_plot.py WENGERT SOURCE_ROOT
[TEST...]. Numbers are compared with Python's math and with the same rules of descent written here;
scripts for gnuplot are read, and drawn where gnuplot is.
"""

import json
import math
import os
import re
import shutil
import sys
import unittest

from test_commands import DONE, FAILED, IS_FLOAT, MISUSED, Case, needs_json, run

needs_gnuplot = unittest.skipUnless(shutil.which("gnuplot"), "no gnuplot")
HAS_LBFGS = b"liblbfgs" not in run("minimise", "x^2", "x=1", "--method", "lbfgs").stderr
METHODS = ["gd", "momentum", "adam"] + (["lbfgs"] if HAS_LBFGS else [])
ROSENBROCK = ["(1 - x)^2 + 100*(y - x^2)^2", "x=-1.2", "y=1"]


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def rosenbrock_gradient(x, y):
    return [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]


def read_block(script, name):
    """The lines of numbers of $name; a gap is None."""
    body = re.search(rf"(?ms)^\${name} << EOD\n(.*?)^EOD$", script)[1]
    return [tuple(map(float, line.split())) or None for line in body.splitlines()]


def read_range(script, axis):
    low, high = re.search(rf"(?m)^set {axis}range \[(.*):(.*)\]$", script).groups()
    return float(low), float(high)


def read_levels(script):
    levels = re.search(r"(?m)^set cntrparam levels discrete (.*)$", script)[1]
    return [float(level) for level in levels.split(", ")]


class PlotCase(Case):
    def script(self, *arguments):
        """What gnuplot would be given."""
        output = "--plot" if arguments[0] == "minimise" else "--output"
        self.text = self.succeed(*arguments, output, str(self.scratch / "picture.gp"))
        return (self.scratch / "picture.gp").read_text()

    def gaps(self, script, name="value"):
        """Where a curve is interrupted: between which two x."""
        points = read_block(script, name)
        return [(points[i - 1][0], points[i + 1][0])
                for i, point in enumerate(points)
                if point is None and 0 < i < len(points) - 1 and points[i + 1] is not None]

    def near(self, actual, expected, allowed=1e-9):
        self.assertEqual(len(actual), len(expected))
        for a, b in zip(actual, expected):
            self.assertTrue(math.isclose(a, b, rel_tol=allowed, abs_tol=allowed), (a, b))


# ---- plot ------------------------------------------------------------------------------------------


class Numbers(PlotCase):
    def table(self, *arguments):
        lines = self.succeed("plot", *arguments, "--digits", "17").splitlines()
        return lines[0].split(), [list(map(float, line.split())) for line in lines[1:]]

    def test_curve(self):
        names, rows = self.table("tanh(x)", "x=-3:3", "--gradient")
        self.assertEqual(names, ["x", "value", "d/dx"])
        self.assertEqual(len(rows), 401)
        for i, (x, value, slope) in enumerate(rows):
            self.close(x, -3 + 6 * i / 400)
            self.close(value, math.tanh(x))
            self.close(slope, 1 - math.tanh(x) ** 2)

    def test_ends_are_exact(self):
        low, high = (0.125, 0.875) if IS_FLOAT else (0.1, 0.7) # numbers are the library's
        _, rows = self.table("x", f"x={low}:{high}", "--points", "7")
        self.assertEqual((rows[0][0], rows[-1][0]), (low, high))

    def test_other_inputs(self):
        names, rows = self.table("a*x + b", "a=2", "x=0:1", "b=5", "--points", "3", "-g")
        self.assertEqual(names, ["x", "value", "d/dx"])
        self.assertEqual(rows, [[0, 5, 2], [0.5, 6, 2], [1, 7, 2]])

    def test_map(self):
        names, rows = self.table("x*y^2", "x=1:2", "y=3:5", "--points", "3", "--gradient")
        self.assertEqual(names, ["x", "y", "value", "d/dx", "d/dy"])
        self.assertEqual(rows, [[x, y, x * y * y, y * y, 2 * x * y]
                                for y in (3, 4, 5) for x in (1, 1.5, 2)])

    def test_constants(self):
        _, rows = self.table("5", "x=0:1", "--points", "2", "--gradient")
        self.assertEqual(rows, [[0, 5, 0], [1, 5, 0]])

    def test_what_is_not_finite(self):
        text = self.succeed("plot", "log(x)", "x=-1:1", "--points", "3")
        self.assertEqual([line.split()[1] for line in text.splitlines()[1:]], ["nan", "-inf", "0"])

    @needs_json
    def test_json(self):
        self.assertEqual(
            self.json("plot", "x^2", "x=0:2", "--points", "3"),
            {"inputs": {"x": [0, 1, 2]}, "values": [0, 1, 4]},
        )
        self.assertEqual(
            self.json("plot", "x*y", "x=0:1", "y=2:3", "--points", "2", "--gradient"),
            {"inputs": {"x": [0, 1], "y": [2, 3]}, "values": [[0, 2], [0, 3]],
             "derivatives": {"x": [[2, 2], [3, 3]], "y": [[0, 1], [0, 1]]}},
        )
        self.assertEqual(self.json("plot", "1/x", "x=0:1", "--points", "2")["values"],
                         ["Infinity", 1])
        # beside a picture, too
        path = str(self.scratch / "a.gp")
        self.assertEqual(self.json("plot", "x", "x=0:1", "--points", "2", "-o", path)["values"],
                         [0, 1])
        self.assertTrue(os.path.exists(path))

    def test_output_that_cannot_be_written(self):
        if os.path.exists("/dev/full"):
            with open("/dev/full", "wb") as full:
                self.refuse(FAILED, "plot", "x", "x=0:1", stdout=full)


class Curves(PlotCase):
    def test_smooth(self):
        script = self.script("plot", "tanh(x)", "x=-3:3", "--gradient")
        self.assertEqual(self.text, "")
        self.assertIn("set title 'tanh(x)' noenhanced\n", script)
        self.assertIn("set xlabel 'x' noenhanced\n", script)
        self.assertIn("title 'd/dx'", script)
        for name, function in [("value", math.tanh), ("derivative", lambda x: 1 - math.tanh(x) ** 2)]:
            points = read_block(script, name)
            self.assertEqual(len(points), 401)
            for x, y in points:
                self.close(y, function(x))
        self.assertEqual(read_range(script, "x"), (-3, 3))
        low, high = read_range(script, "y")
        self.assertTrue(-1.2 < low < -1 and 1 < high < 1.2)

    def test_steep_is_not_a_jump(self):
        for expression in ["tanh(1000*x)", "sin(300*x)", "exp(-1000*x^2)", "cbrt(x)", "x^9"]:
            self.assertEqual(self.gaps(self.script("plot", expression, "x=-1:1")), [], expression)

    def test_poles(self):
        script = self.script("plot", "tan(x)", "x=-5:5", "--gradient")
        gaps = self.gaps(script)
        self.near([low for low, _ in gaps], [k * math.pi / 2 for k in (-3, -1, 1, 3)])
        low, high = read_range(script, "y")
        self.assertTrue(-20 < low < -3 and 3 < high < 20, (low, high))
        for count in ["400", "401", "10"]: # a point may be at the pole
            script = self.script("plot", "1/x", "x=-3:3", "--points", count)
            self.assertEqual(len(self.gaps(script)), 1)
            self.near(self.gaps(script)[0], (0, 0))
            self.assertLess(max(map(abs, read_range(script, "y"))), 20)

    def test_peaks_are_not_poles(self):
        _, high = read_range(self.script("plot", "exp(-1000*x^2)", "x=-3:3"), "y")
        self.assertGreater(high, 1)
        _, high = read_range(self.script("plot", "exp(x)", "x=-10:10"), "y")
        self.assertGreater(high, math.exp(10))

    def test_jumps(self):
        script = self.script("plot", "floor(x)", "x=-2.5:2.5")
        self.near([high for _, high in self.gaps(script)], [-2, -1, 0, 1, 2])
        for x, y in filter(None, read_block(script, "value")):
            self.assertEqual(y, math.floor(x))
        script = self.script("plot", "abs(x)", "x=-1:1", "--gradient")
        self.assertEqual(self.gaps(script), [])
        self.assertGreaterEqual(len(self.gaps(script, "derivative")), 1)
        for points in (read_block(script, "derivative"), read_block(script, "value")):
            for before, after in zip(points, points[1:]):
                if before and after: # no slanted line across the jump
                    self.assertLess(abs(after[1] - before[1]), 0.1)

    def test_edges(self):
        points = list(filter(None, read_block(self.script("plot", "sqrt(1 - x^2)", "x=-2:2"),
                                              "value")))
        self.near([points[0][0], points[-1][0]], [-1, 1])

    def test_a_derivative_needs_a_value(self):
        script = self.script("plot", "log(x)", "x=-1:5", "--gradient")
        self.assertTrue(all(x > 0 for x, _ in filter(None, read_block(script, "derivative"))))
        low, high = read_range(script, "y")
        self.assertTrue(-9 < low and high < 9) # 1/x near 0 does not squash log

    def test_constants(self):
        low, high = read_range(self.script("plot", "7", "x=0:1"), "y")
        self.assertTrue(low < 7 < high)
        low, high = read_range(self.script("plot", "0", "x=0:1"), "y")
        self.assertTrue(low < 0 < high)

    def test_titles(self):
        text = "# it's a `comment`\nu = x_1^2 # $x\nsin(u) +\n  {cos}(u)".replace("{cos}", "cos")
        script = self.script("plot", text, "x_1=0:1")
        self.assertIn("set title 'u = x_1^2; sin(u) + cos(u)' noenhanced\n", script)
        self.assertIn("set xlabel 'x_1' noenhanced\n", script)
        script = self.script("plot", "x" + " + x" * 1000, "x=0:1")
        title = re.search(r"(?m)^set title '(.*)' noenhanced$", script)[1]
        self.assertTrue(len(title) < 90 and title.endswith(" ..."), title)


class Maps(PlotCase):
    def test_even_levels(self):
        script = self.script("plot", "x^2 - y^2", "x=-1:1", "y=-1:1", "--points", "21")
        self.near(read_levels(script), [k / 5 for k in range(-4, 5)])
        grid = read_block(script, "grid")
        self.assertEqual(len(grid), 21 * 21 + 20)
        for x, y, value in filter(None, grid):
            self.close(value, x * x - y * y)
        self.assertIn("set size ratio -1", script)

    def test_decades(self):
        levels = read_levels(self.script("plot", ROSENBROCK[0], "x=-2:2", "y=-1:3"))
        self.assertEqual(levels, sorted(levels))
        self.assertTrue({10, 20, 50, 100, 200, 500, 1000} <= set(levels), levels)
        levels = read_levels(self.script("plot", "-exp(x + y)", "x=-5:5", "y=-5:5"))
        self.assertEqual(levels, sorted(levels))
        self.assertTrue({-10, -1} <= set(levels), levels)

    def test_poles(self):
        levels = read_levels(self.script("plot", "1/(x*y)", "x=-1:1", "y=-1:1"))
        self.assertLess(max(map(abs, levels)), 200)

    def test_arrows_point_uphill(self):
        script = self.script("plot", "x^2 + y^2", "x=-1:1", "y=-1:1", "--gradient")
        arrows = [arrow for arrow in read_block(script, "arrows") if arrow]
        self.assertGreater(len(arrows), 100)
        for x, y, dx, dy in arrows:
            middle = x + dx / 2, y + dy / 2
            self.near([dx * middle[1]], [dy * middle[0]], 1e-6) # along the radius, outwards
            self.assertGreater(dx * middle[0] + dy * middle[1], 0)

    def test_without_contours(self):
        script = self.script("plot", "1", "x=-1:1", "y=-1:1")
        self.assertNotIn("contour", script)


class PlotErrors(PlotCase):
    def test_ranges(self):
        self.assertIn("a range is missing", self.refuse(MISUSED, "plot", "x", "x=1"))
        self.assertIn("a range is missing", self.refuse(MISUSED, "plot", "3"))
        self.assertIn("z=LOW:HIGH is a third",
                      self.refuse(MISUSED, "plot", "x*y*z", "x=0:1", "y=0:1", "z=0:1"))
        for wrong in ["x=1:1", "x=2:1", "x=0:1/0", "x=-1e308:1e308"]:
            self.refuse(MISUSED, "plot", "x", wrong)

    def test_points(self):
        for wrong in ["0", "1", "1000001", "-3", "x"]:
            self.assertIn("--points", self.refuse(MISUSED, "plot", "x", "x=0:1", "--points", wrong))
        self.refuse(MISUSED, "plot", "x*y", "x=0:1", "y=0:1", "--points", "2001")

    def test_files(self):
        self.assertIn("svg", self.refuse(MISUSED, "plot", "x", "x=0:1", "-o", "a.jpg"))
        self.assertIn("svg", self.refuse(MISUSED, "plot", "x", "x=0:1", "-o", ""))
        for path in ["none/a.gp", "none/a.svg"]:
            self.assertIn("No such file",
                          self.refuse(FAILED, "plot", "x", "x=0:1", "-o", path, cwd=self.scratch))

    def test_nothing_to_draw(self):
        for arguments in [["log(-1 - x^2)", "x=0:1"], ["log(-1 - x^2)*y", "x=0:1", "y=0:1"]]:
            path = self.scratch / "a.gp"
            said = self.refuse(FAILED, "plot", *arguments, "-o", str(path))
            self.assertIn("no value is finite", said)
            self.assertFalse(path.exists())

    def test_without_gnuplot(self):
        said = self.refuse(FAILED, "plot", "x", "x=0:1", "-o", "a.svg", cwd=self.scratch,
                           env={**os.environ, "PATH": str(self.scratch)})
        self.assertIn("gnuplot is not installed (package gnuplot-nox)", said)
        self.assertEqual(os.listdir(self.scratch), [])
        self.succeed("plot", "x", "x=0:1", "-o", "a.gp", cwd=self.scratch,
                     env={**os.environ, "PATH": str(self.scratch)})


@needs_gnuplot
class Pictures(PlotCase):
    """gnuplot takes every script without a word on standard error."""

    def test_endings(self):
        for name, begin in [("a.svg", b"<?xml"), ("a.png", b"\x89PNG\r\n"), ("a.pdf", b"%PDF"),
                            ("it's $HOME `id` %d.svg", b"<?xml")]:
            path = self.scratch / name
            self.succeed("plot", "tanh(x)", "x=-3:3", "-g", "-o", str(path))
            self.assertTrue(path.read_bytes().startswith(begin), name)

    def test_text(self):
        path = self.scratch / "a.svg"
        self.succeed("plot", "x_1^2 < 3", "x_1=-3:3", "-g", "-o", str(path))
        text = path.read_text()
        self.assertIn(">x_1^2 &lt; 3<", re.sub(r"<tspan[^>]*>|</tspan>", "", text))
        self.assertIn("d/dx_1", text)

    def test_shapes(self):
        for arguments in [["tan(x)", "x=-5:5"], ["7", "x=0:1"], ["1/x", "x=-1:1"],
                          ["sqrt(x)", "x=-1:1"], ["floor(x)", "x=-9:9"], ["exp(x)", "x=0:1000"],
                          ["x*y", "x=-1:1", "y=-2:2"], ["log(x*y)", "x=-1:1", "y=-1:1"],
                          ["1", "x=0:1", "y=0:9"], ["1/(x*y)", "x=-1:1", "y=-1:1"]]:
            with self.subTest(arguments):
                self.succeed("plot", *arguments, "-g", "-o", str(self.scratch / "a.svg"))

    def test_paths(self):
        for arguments in [["x^2", "x=1"], ["x^2", "x=0"], ["x^2 + y^2", "x=0", "y=0"],
                          ["x^2 + y^2", "x=1", "y=0"], ROSENBROCK + ["--rate", "0.001"],
                          ["x^2 + y^2 + z^2", "x=1", "y=2", "z=3"],
                          ["x^2 + y^2 - z^2", "x=0", "y=0", "z=0"],
                          ["x^2", "x=1", "--steps", "0"], ["3 - abs(x)", "x=1", "--steps", "50"]]:
            with self.subTest(arguments):
                self.succeed("minimise", *arguments, "--plot", str(self.scratch / "a.svg"))


# ---- minimise --------------------------------------------------------------------------------------


def descend(method, rate, steps, point, gradient):
    """The path, by the rules as their authors wrote them."""
    path, m, v = [list(point)], [0.0] * len(point), [0.0] * len(point)
    for t in range(1, steps + 1):
        g = gradient(*path[-1])
        if method == "gd":
            step = [rate * gi for gi in g]
        elif method == "momentum":
            m = [0.9 * mi + gi for mi, gi in zip(m, g)]
            step = [rate * mi for mi in m]
        else:
            m = [0.9 * mi + 0.1 * gi for mi, gi in zip(m, g)]
            v = [0.999 * vi + 0.001 * gi * gi for vi, gi in zip(v, g)]
            step = [rate * (mi / (1 - 0.9**t)) / (math.sqrt(vi / (1 - 0.999**t)) + 1e-8)
                    for mi, vi in zip(m, v)]
        path.append([xi - si for xi, si in zip(path[-1], step)])
    return path


class Minimise(PlotCase):
    def rows(self, text):
        return [line.split() for line in text.splitlines() if re.match(r" +\d", line)]

    @needs_json
    def test_paths_of_the_rules(self):
        steps = 20 if IS_FLOAT else 60
        for method, rate in [("gd", 0.001), ("momentum", 0.0003), ("adam", 0.1)]:
            got = self.json("minimise", *ROSENBROCK, "--method", method, "--rate", str(rate),
                            "--steps", str(steps))
            expected = descend(method, rate, steps, (-1.2, 1), rosenbrock_gradient)
            self.assertEqual(got["names"], ["x", "y"])
            self.assertEqual(len(got["path"]), steps + 1)
            for actual, point in zip(got["path"], expected):
                self.near(actual, point, 1e-3 if IS_FLOAT else 1e-9)
            for (x, y), value, slope in zip(got["path"], got["values"], got["largest_gradients"]):
                self.near([value, slope], [rosenbrock(x, y),
                                           max(map(abs, rosenbrock_gradient(x, y)))], 1e-9)
            self.assertEqual((got["converged"], got["reason"], got["method"], got["steps"]),
                             (False, "out of steps", method, steps))
            self.near(list(got["inputs"].values()), got["path"][-1], 0)
            self.near(list(got["gradient"].values()), rosenbrock_gradient(*got["path"][-1]))

    @needs_json
    def test_all_get_there(self):
        allowed = 1e-3 if IS_FLOAT else 1e-6
        for method in METHODS:
            rate = [] if method in ("adam", "lbfgs") else ["--rate", "0.001"]
            got = self.json("minimise", *ROSENBROCK, "--method", method, "--steps", "60000",
                            "--tolerance", str(allowed), *rate)
            self.assertTrue(got["converged"], method)
            self.assertEqual(got["reason"], "converged")
            self.near(got["path"][-1], [1, 1], 1e4 * allowed if IS_FLOAT else 1e-5)
            self.assertLessEqual(got["largest_gradients"][-1], allowed)
            self.assertGreater(min(got["largest_gradients"][:-1]), allowed)

    @needs_json
    @unittest.skipUnless(HAS_LBFGS, "built without liblbfgs")
    def test_lbfgs_goes_down(self):
        got = self.json("minimise", *ROSENBROCK, "--method", "lbfgs")
        self.assertLess(got["steps"], 100)
        for before, after in zip(got["values"], got["values"][1:]):
            self.assertLess(after, before)
        # where steps leave the domain, they get shorter
        got = self.json("minimise", "-log(1 - x^2) + x", "x=0.9", "--method", "lbfgs")
        self.assertTrue(got["converged"])
        self.near(got["path"][-1], [1 - math.sqrt(2)], 1e-4 if IS_FLOAT else 1e-6)
        # a line has no lowest point
        got = self.json("minimise", "x", "x=1", "--method", "lbfgs")
        self.assertEqual((got["converged"], got["reason"]), (False, "no lower point"))

    @unittest.skipIf(HAS_LBFGS, "built with liblbfgs")
    def test_without_lbfgs(self):
        self.assertIn("liblbfgs", self.refuse(FAILED, "minimise", "x^2", "x=1", "-m", "lbfgs"))

    def test_text(self):
        text = self.succeed("minimise", "x^2", "x=1", "--rate", "0.25", "--tolerance", "0.1")
        # x halves with each step
        self.assertEqual(self.rows(text), [
            ["0", "1", "2", "1"], ["1", "0.25", "1", "0.5"], ["2", "0.0625", "0.5", "0.25"],
            ["3", "0.015625", "0.25", "0.125"], ["4", "0.00390625", "0.125", "0.0625"],
            ["5", "0.000976562", "0.0625", "0.03125"]])
        self.assertTrue(text.endswith("\nConverged in 5 steps: |gradient| is at most 0.1.\n"))

    def test_thinned(self):
        for steps in [0, 1, 17, 18, 19, 20, 37, 99, 1000, 12345]:
            rows = self.rows(self.succeed("minimise", "x", "x=0", "--steps", str(steps)))
            self.assertEqual((rows[0][0], rows[-1][0]), ("0", str(steps)))
            self.assertLessEqual(len(rows), 20)
            self.assertGreaterEqual(len(rows), min(steps + 1, 7))
            numbers = [int(row[0]) for row in rows]
            self.assertEqual(numbers, sorted(set(numbers)))

    def test_one_gradient_of_zero(self):
        for arguments in [["x^2 - y^2", "x=0", "y=0"], ["7", "x=1"]]:
            for method in METHODS:
                text = self.succeed("minimise", *arguments, "--method", method)
                self.assertEqual(len(self.rows(text)), 1)
                self.assertIn("a minimum, a maximum or a saddle", text)

    def test_saddles_and_kinks(self):
        text = self.succeed("minimise", "x^2 - y^2", "x=1", "y=1e-3", "--steps", "50")
        self.assertIn("Not converged in 50 steps", text)
        for method in METHODS:
            text = self.succeed("minimise", "abs(x) + abs(y)", "x=1", "y=0.7", "--method", method)
            self.assertLess(float(self.rows(text)[-1][1]), 0.2)

    def test_diverging(self):
        result = run("minimise", *ROSENBROCK)
        self.assertEqual(result.returncode, FAILED)
        self.assertIn(b"diverged", result.stderr)
        self.assertIn(b"--rate 0.001", result.stderr)
        self.assertIn("inf", self.rows(result.stdout.decode())[-1])
        text = self.succeed("minimise", "x^2", "x=1", "--rate", "1.1", "--steps", "20")
        self.assertIn("the value grew: try a smaller --rate", text)

    @needs_json
    def test_diverging_json(self):
        result = run("minimise", *ROSENBROCK, "--json")
        self.assertEqual(result.returncode, FAILED)
        got = json.loads(result.stdout)
        self.assertEqual((got["converged"], got["reason"]), (False, "not finite"))
        self.assertIn(got["values"][-1], ["Infinity", "NaN"])

    def test_starts_that_are_not_finite(self):
        for method in METHODS:
            for arguments, what in [(["x^2", "x=0/0"], b"value"), (["log(x)", "x=0"], b"value"),
                                    (["sqrt(x)", "x=0"], b"gradient")]:
                result = run("minimise", *arguments, "--method", method)
                self.assertEqual(result.returncode, FAILED)
                self.assertIn(b"the " + what + b" is not finite at the start", result.stderr)

    def test_hold(self):
        text = self.succeed("minimise", "(x - 1)^2 + (y - 1)^2 + z^2", "x=3", "y=5", "z=7",
                            "--hold", "y,z", "--rate", "0.5")
        self.assertEqual(self.rows(text)[-1], ["1", "65", "0", "1", "5", "7"])
        self.assertIn("every input", self.refuse(MISUSED, "minimise", "x", "x=1", "--hold", "x"))
        self.assertIn("did you mean rate?",
                      self.refuse(MISUSED, "minimise", "rate", "rate=1", "--hold", "raet"))
        for wrong in ["", "x,", ",x", "x,,x"]:
            self.assertIn('no input ""', self.refuse(MISUSED, "minimise", "x", "x=1", "--hold", wrong))

    def test_settings(self):
        self.assertIn("nothing to move", self.refuse(MISUSED, "minimise", "3"))
        self.assertIn("expected one of", self.refuse(MISUSED, "minimise", "x", "x=1", "-m", "sgd"))
        self.assertIn("--momentum", self.refuse(MISUSED, "minimise", "x", "x=1", "--momentum", "0.5"))
        self.assertIn("--rate", self.refuse(MISUSED, "minimise", "x", "x=1", "-m", "lbfgs", "-r", "1"))
        for wrong in ["-1", "x", "1/0", "0/0"]:
            for option in ["--rate", "--tolerance"]:
                self.refuse(MISUSED, "minimise", "x", "x=1", option, wrong)
        self.refuse(MISUSED, "minimise", "x", "x=1", "-m", "momentum", "--momentum", "1.5")
        self.refuse(MISUSED, "minimise", "x", "x=0:1")
        self.refuse(MISUSED, "minimise", "x", "x=1", "--plot", "a.txt")

    def test_map(self):
        script = self.script("minimise", *ROSENBROCK, "--rate", "0.001", "--steps", "500")
        path = read_block(script, "path")
        self.assertEqual(path[0], (-1.2, 1) if not IS_FLOAT else path[0])
        self.assertEqual([read_block(script, "start"), read_block(script, "end")],
                         [path[:1], path[-1:]])
        for place, axis in enumerate("xy"):
            low, high = read_range(script, axis)
            numbers = [point[place] for point in path]
            self.assertTrue(low < min(numbers) and max(numbers) < high)
        self.assertIn('set title \'(1 - x)^2 + 100*(y - x^2)^2\'."\\n".'
                      "'gd, rate 0.001, 500 steps' noenhanced", script)
        self.assertIn("set size ratio -1", script)
        levels = read_levels(script) # 1, 2, 5, 10, ...: the map's lowest value is 1.7
        self.assertEqual(levels[0], 2)
        self.assertEqual(levels, [float(f"{'125'[i % 3]}e{i // 3}") for i in range(1, len(levels) + 1)])

    def test_long_paths_are_thinned(self):
        script = self.script("minimise", *ROSENBROCK, "--rate", "0.001", "--steps", "30000")
        self.assertLess(len(read_block(script, "path")), 3000)

    def test_map_of_a_path_that_flies_apart(self):
        path = self.scratch / "a.gp"
        self.assertEqual(run("minimise", *ROSENBROCK, "--plot", str(path)).returncode, FAILED)
        script = path.read_text()
        for axis in "xy":
            self.assertLess(max(map(abs, read_range(script, axis))), 100)
        self.assertNotIn("title 'end'", script)

    def test_curve(self):
        script = self.script("minimise", "(x^2 - 1)^2", "x=2", "--rate", "0.02")
        for x, y in read_block(script, "path") + read_block(script, "value"):
            self.near([y], [(x * x - 1) ** 2], 1e-5 if IS_FLOAT else 1e-9)
        low, high = read_range(script, "x")
        self.assertTrue(low < 1 and high > 2)

    def test_progress(self):
        script = self.script("minimise", "a^2 + b^2 + c^2 - 3", "a=1", "b=2", "c=3", "--rate", "0.1",
                             "--steps", "50")
        self.assertIn("set logscale y", script)
        self.assertIn("value - the lowest", script)
        rows = read_block(script, "progress")
        self.assertEqual([row[0] for row in rows], list(range(51)))
        for step, _, slope in rows:
            self.near([slope], [6 * 0.8**step], 1e-4 if IS_FLOAT else 1e-9)
        script = self.script("minimise", "a + b + c + 1e9", "a=1", "b=2", "c=3", "--steps", "5000")
        rows = read_block(script, "progress")
        self.assertTrue(len(rows) < 2100 and rows[0][0] == 0 and rows[-1][0] == 5000)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
