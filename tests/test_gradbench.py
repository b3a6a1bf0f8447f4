#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""GradBench's workloads as tools: test_gradbench.py DIRECTORY CASES [TEST...].

DIRECTORY has the program `gradbench` and one for each workload; CASES has files of
{"eval", "function", "input", "expected"}. What is tested comes from `gradbench --list`: every
function needs a case, which every way runs, and every field of an input is left out, and spoilt.
"""

import copy
import json
import math
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

TOOLS = pathlib.Path(sys.argv[1]).resolve()
CASES = {path.name: json.loads(path.read_text())
         for path in sorted(pathlib.Path(sys.argv[2]).glob("*.json"))}
LIST = json.loads(subprocess.check_output([TOOLS / "gradbench", "--list"]))
UNITS = {"prepare": "nanoseconds", "evaluate": "nanoseconds", "processor": "nanoseconds",
         "nodes": "count", "memory": "kibibytes"}
NATIVE = os.environ.get("NATIVE") == "true"


def start(name, *arguments, stdin="", env=None):
    return subprocess.run([TOOLS / name, *map(str, arguments)], input=stdin, text=True, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def flatten(value):
    """The numbers of an output, and what is around them."""
    if isinstance(value, dict):
        parts = [flatten(value[key]) for key in sorted(value)]
        return [x for part in parts for x in part[0]], [sorted(value), [p[1] for p in parts]]
    if isinstance(value, list):
        parts = [flatten(x) for x in value]
        return [x for part in parts for x in part[0]], [p[1] for p in parts]
    return [float(value)], "number"


class TestCase(unittest.TestCase):
    outputs = {}

    def run_case(self, name, workload, function, value, way):
        """The output, for all tests that want it."""
        if (name, way) not in self.outputs:
            output, _ = self.run_tool(workload, value, function, f"--way={way}")
            self.outputs[name, way] = output
        return self.outputs[name, way]

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def write(self, value):
        path = self.directory / "input.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    def run_tool(self, workload, value, function, *options):
        """The output, and the figures by name."""
        ended = start(workload, *options, self.write(value), function)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        first, *rest = ended.stdout.splitlines()
        figures = {name: [] for name in UNITS}
        for line in map(json.loads, rest):
            unit = UNITS[line["name"]]
            self.assertEqual(sorted(line), sorted(["name", unit]))
            self.assertIsInstance(line[unit], int)
            figures[line["name"]].append(line[unit])
        self.assertEqual(len(figures["prepare"]), 1)
        return json.loads(first), figures

    def refuse(self, workload, value, function, wanted, *options):
        """The tool ends with status 1 and one line that has what is wanted."""
        path = value if isinstance(value, pathlib.Path) else self.write(value)
        ended = start(workload, *options, path, function)
        self.assertEqual((ended.returncode, ended.stdout), (1, ""), ended.stderr)
        self.assertEqual(ended.stderr.count("\n"), 1, ended.stderr)
        self.assertTrue(ended.stderr.startswith(workload + ": "), ended.stderr)
        self.assertIn(wanted, ended.stderr)

    def converse(self, messages, *options):
        lines = [m if isinstance(m, str) else json.dumps(m) for m in messages]
        ended = start("gradbench", *options, stdin="".join(line + "\n" for line in lines))
        return ended.returncode, [json.loads(line) for line in ended.stdout.splitlines()], \
            ended.stderr

    def answer(self, messages, *options):
        status, answers, error = self.converse(messages, *options)
        self.assertEqual((status, error), (0, ""))
        self.assertEqual([a["id"] for a in answers], [m["id"] for m in messages])
        return answers

    def evaluate(self, tasks, *options):
        """The answers to (workload, function, input), all from one process."""
        return self.answer([
            {"id": i, "kind": "evaluate", "module": workload, "function": function, "input": value}
            for i, (workload, function, value) in enumerate(tasks)], *options)

    def compare(self, found, wanted, relative):
        (a, shape), (e, wanted_shape) = flatten(found), flatten(wanted)
        self.assertEqual(shape, wanted_shape)
        self.assertTrue(all(map(math.isfinite, a)))
        for x, y in zip(a, e): # as GradBench does
            self.assertLessEqual(abs(x - y) / max(1, abs(x) + abs(y)), 1e-4)
        self.assertLessEqual(max(abs(x - y) for x, y in zip(a, e)), relative * max(map(abs, e)))


def change(value):
    """Other numbers, of the same sizes."""
    if isinstance(value, dict):
        return {key: change(x) for key, x in value.items()}
    if isinstance(value, list):
        return [change(x) for x in value]
    return value * 1.0625 + 0.015625 if isinstance(value, float) else value


def cases():
    for name, case in CASES.items():
        if case["eval"] in LIST:
            yield name, case["eval"], case["function"], case["input"], case["expected"]


class Numbers(TestCase):
    def test_every_function_has_a_case(self):
        there = {(workload, function) for _, workload, function, _, _ in cases()}
        for workload, has in LIST.items():
            for function in has["functions"]:
                self.assertIn((workload, function), there)

    def test_every_case_has_a_workload(self):
        self.assertEqual({case["eval"] for case in CASES.values()} - set(LIST), set())

    def test_every_way(self):
        for name, workload, function, value, expected in cases():
            outputs = {}
            for way in LIST[workload]["ways"]:
                with self.subTest(case=name, way=way):
                    outputs[way] = self.run_case(name, workload, function, value, way)
                    self.compare(outputs[way], expected, 1e-9)
            first, *others = outputs
            for way in others:
                with self.subTest(case=name, way=way, beside=first):
                    self.compare(outputs[way], outputs[first], 1e-10)

    def test_threads(self):
        tasks = [(workload, function, value) for _, workload, function, value, _ in cases()]
        one, two = self.evaluate(tasks), self.evaluate(tasks, "--threads=2")
        for task, a, b in zip(tasks, one, two):
            with self.subTest(task=task[:2]):
                self.assertEqual(a["output"], b["output"])

    def test_made_inputs(self):
        made = {"make": [4, 30]}
        wanted, _ = self.run_tool("llsq", made, "gradient")
        self.assertEqual(len(wanted), 4)
        for way in LIST["llsq"]["ways"]:
            self.compare(self.run_tool("llsq", made, "gradient", f"--way={way}")[0], wanted, 1e-10)
        made = {"make": [10000]} # more numbers than a piece has
        for function in "primal", "gradient":
            wanted, _ = self.run_tool("lse", made, function)
            for way in LIST["lse"]["ways"]:
                self.compare(self.run_tool("lse", made, function, f"--way={way}")[0], wanted, 1e-10)
        for wrong in 3, [0], [1.5], ["four"], [1] * 5:
            self.refuse("llsq", {"make": wrong}, "gradient", "make")
        self.refuse("hello", {"make": []}, "square", "hello makes no inputs")

    def test_peers(self):
        peers = sorted(path for path in TOOLS.glob("peer_*") if path.is_file())
        if not peers:
            self.skipTest("neither ADOL-C nor Sacado is here")
        env = os.environ | {"ASAN_OPTIONS": "detect_leaks=0"} # what they leave is theirs
        for peer in peers:
            has = start(peer.name, "--list", env=env).stdout.split()
            self.assertLessEqual({"det", "gmm", "kmeans", "lse"}, set(has))
            for name, workload, function, value, expected in cases():
                if workload not in has:
                    continue
                with self.subTest(case=name, peer=peer.name):
                    ended = start(peer.name, workload, self.write(value), function, env=env)
                    self.assertEqual((ended.returncode, ended.stderr), (0, ""))
                    self.compare(json.loads(ended.stdout.splitlines()[0]), expected, 1e-9)

    def test_nodes_and_memory(self):
        """A tape records as many nodes for every place; what programs record is not counted."""
        value = CASES["llsq.gradient.json"]["input"] | {"n": 100, "min_runs": 2}
        _, short = self.run_tool("llsq", value, "gradient", "--way=tape")
        _, long = self.run_tool("llsq", value | {"n": 300}, "gradient", "--way=tape")
        self.assertGreater(short["nodes"][0], 100)
        self.assertEqual(long["nodes"][0], 3 * short["nodes"][0])
        _, program = self.run_tool("llsq", value, "gradient", "--way=program")
        self.assertEqual(program["nodes"], [])
        _, small = self.run_tool("lse", {"make": [1000]}, "gradient", "--way=tape")
        _, large = self.run_tool("lse", {"make": [100000]}, "gradient", "--way=tape")
        if pathlib.Path("/proc/self/status").exists():
            self.assertGreater(large["memory"][0] - small["memory"][0], 26 * 3 * 99)

    def test_long_enough(self):
        value = CASES["llsq.gradient.json"]["input"] | {"min_runs": 2, "min_seconds": 0.01}
        _, times = self.run_tool("llsq", value, "gradient")
        self.assertGreaterEqual(sum(times["evaluate"]), 0.01e9)
        if len(times["evaluate"]) > 2: # a first run that something held up may be long enough
            self.assertLess(sum(times["evaluate"][:-1]), 0.01e9)

    @unittest.skipUnless(NATIVE, "programs are not compiled to native code here")
    def test_native(self):
        os.environ["XDG_CACHE_HOME"] = str(self.directory)
        case = CASES["llsq.gradient.json"]
        output, _ = self.run_tool("llsq", case["input"], "gradient", "--native")
        self.compare(output, case["expected"], 1e-9)

    def test_all_digits(self):
        numbers = random.Random(5)
        x = [numbers.uniform(-1, 1) * 10.0 ** numbers.randint(-150, 150) for _ in range(200)]
        squares = self.evaluate([("hello", "square", number) for number in x])
        self.assertEqual([answer["output"] for answer in squares], [a * a for a in x])
        doubles = self.evaluate([("hello", "double", number) for number in x])
        self.assertEqual([answer["output"] for answer in doubles], [2 * a for a in x])


class Again(TestCase):
    """The same by other ways of being called."""

    def test_prepares_for_sizes(self):
        """What is prepared must not have computed anything with the input's numbers."""
        other = self.directory / "other.json"
        for name, workload, function, value, _ in cases():
            other.write_text(json.dumps(change(value)))
            for way in LIST[workload]["ways"]:
                with self.subTest(case=name, way=way):
                    wanted = self.run_case(name, workload, function, value, way)
                    output, _ = self.run_tool(workload, value, function, f"--way={way}",
                                              f"--prepare={other}")
                    self.assertEqual(output, wanted)
        other.write_text(json.dumps({"x": [1, 2]}))
        self.refuse("lse", {"x": [1, 2, 3]}, "primal", "the sizes are not", f"--prepare={other}")

    def test_runs_again(self):
        """What a run leaves behind must not reach the next one."""
        for way in sorted({way for has in LIST.values() for way in has["ways"]}):
            chosen = [case for case in cases() if way in LIST[case[1]]["ways"]
                      and isinstance(case[3], dict)]
            twice = self.evaluate([(workload, function, value | {"min_runs": 2})
                                   for _, workload, function, value, _ in chosen], f"--way={way}")
            for (name, workload, function, value, _), answer in zip(chosen, twice):
                with self.subTest(case=name, way=way):
                    names = [timing["name"] for timing in answer["timings"]]
                    self.assertEqual(names, ["prepare"] + 2 * ["evaluate"])
                    self.assertEqual(answer["output"],
                                     self.run_case(name, workload, function, value, way))


@unittest.skipUnless(sys.platform == "linux", "the scripts ask Linux how much memory there is")
class Scripts(TestCase):
    """What script/bench makes of the tools."""

    scripts = pathlib.Path(__file__).resolve().parent.parent / "bench/gradbench"

    def run_script(self, name, *arguments):
        ended = subprocess.run([sys.executable, self.scripts / name, TOOLS, *arguments], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        return ended.stdout.splitlines()

    def test_table(self):
        for threads in 1, 2:
            *_, title, program, native, tape = self.run_script(
                "gradbench_table.py", "--only=saddle rr", "--quick", "--rounds=1",
                f"--threads={threads}")
            self.assertEqual(title, "saddle rr")
            if NATIVE:
                self.assertRegex(native, r"^  program --native( +[0-9.e+]+){5}$")
            for way, line in ("program", program), ("tape", tape):
                self.assertRegex(line, rf"^  {way}( +[0-9.e+]+){{5}}$")

    def test_growth(self):
        _, tape, program, *rest = self.run_script("gradbench_growth.py", self.directory,
                                                  "--only=det", "--rounds=1")
        # det and a way; nodes, ms and slope, MiB and slope
        pattern = r"det +{} +1.37e\+04 to 9.86e\+06 +\S+ to \S+ +(\S+) +\S+ to \S+ +(\S+)"
        slopes = [float(number) for number in re.match(pattern.format("tape"), tape).groups()]
        self.assertTrue(all(0.7 < slope < 1.4 for slope in slopes), tape)
        self.assertLess(float(re.match(pattern.format("program"), program)[1]), 0.7)
        for name in "growth_time", "growth_memory":
            self.assertEqual(len([line for line in rest if name in line]), 1)
            script = (self.directory / f"{name}.gp").read_text()
            self.assertEqual(script.count("EOD\n"), 4)
            if shutil.which("gnuplot"):
                self.assertIn("</svg>", (self.directory / f"{name}.svg").read_text())

    def test_failures(self):
        """A tool that fails, or wants too much memory or time, says so and is left alone."""
        sys.path.insert(0, str(self.scripts))
        import gradbench_runs as runs
        for way, steps, said, patience in ("none", 3, "no way", 100), \
                ("tape", 1000, "memory", 100), ("hand", 3, "took more than 1 s", 1):
            entry = runs.Entry(way, [TOOLS / "ode", f"--way={way}"])
            with self.subTest(way=way), unittest.mock.patch.multiple(
                    runs, PATIENCE=patience, find_free_memory=lambda: 2**29):
                runs.race([entry], {"make": [10000, steps], "min_seconds": 100}, "primal", 2,
                          self.directory)
                self.assertIn(said, entry.failure)
                self.assertEqual(entry.evaluate, [])


class WrongInput(TestCase):
    def test_fields(self):
        """Each in turn: missing, of another type or length, with an element that is no number."""
        tasks, wanted = [], []
        for _, workload, function, value, _ in cases():
            if isinstance(value, dict) and workload not in [task[0] for task in tasks]:
                self.refuse(workload, {}, function, " is missing")
                for field in value:
                    without = {key: x for key, x in value.items() if key != field}
                    spoilt = [value | {field: x} for x in self.spoil(value[field])]
                    tasks += [(workload, function, x) for x in [without] + spoilt]
                    wanted += [f"{field} is missing"] + len(spoilt) * [field]
        for (workload, _, value), answer, words in zip(tasks, self.evaluate(tasks), wanted):
            with self.subTest(workload=workload, input=str(value)[:1000]):
                self.assertFalse(answer["success"])
                self.assertIn(words, answer["error"])

    def spoil(self, value):
        if not isinstance(value, list):
            return "text", None, [1]
        changed = copy.deepcopy(value)
        rows = isinstance(value[-1], list)
        (changed[-1] if rows else changed)[-1] = "text"
        ragged = [value[:-1] + [row] for row in ([*value[-1], 1], value[-1][:-1], 1)] \
            if rows and len(value) > 1 else []
        return "text", None, 1, [], changed, *ragged

    def test_runs(self):
        value = CASES["llsq.gradient.json"]["input"]
        for field, wrong in ("min_runs", 0), ("min_runs", 1.5), ("min_runs", "one"), \
                ("min_seconds", -1), ("min_seconds", [0]):
            self.refuse("llsq", value | {field: wrong}, "gradient", field)

    def test_counts(self):
        value = CASES["llsq.gradient.json"]["input"]
        for wrong in -3, 0, 1, 2.5, 1e10:
            self.refuse("llsq", value | {"n": wrong}, "gradient",
                        "n is not a whole number from 2 to 100000000")

    def test_files(self):
        self.refuse("lse", self.directory / "none.json", "primal", "none.json")
        self.refuse("lse", self.directory, "primal", str(self.directory)[:60])
        for text in "", "{", '{"x": [1, 2}', '{"x": [NaN]}', '{"x": [1e999]}', '{"x": [1]} 2', \
                '{"x": [1], "x": [2]}', "\0", "[" * 100000:
            self.refuse("lse", text, "primal", "line 1: ")
        self.refuse("lse", "3", "primal", "the input is not an object")
        self.refuse("hello", "{}", "square", "the input is not a number")

    def test_arguments(self):
        for arguments in [], ["one"], ["one", "two", "three"]:
            ended = start("lse", *arguments)
            self.assertEqual((ended.returncode, ended.stdout), (1, ""))
            self.assertIn("usage: lse ", ended.stderr)
        self.refuse("hello", 1, "root", 'hello has no function "root", but square, double')
        self.refuse("hello", 1, "square", 'hello has no way "x", but program, tape', "--way=x")
        self.refuse("hello", 1, "square", "none.json", "--prepare=none.json")
        for option in "--threads=x", "--threads=-1", "--threads=", "--colour":
            self.refuse("hello", 1, "square", option, option)

    def test_outputs_that_json_has_not(self):
        self.refuse("hello", 1e200, "square", "number 0 of the output is not finite")

    def test_long_list(self):
        """Four megabytes, which anything quadratic would take minutes for."""
        x = [i / 7 % 1 for i in range(200000)]
        output, _ = self.run_tool("lse", {"x": x}, "primal", "--way=tape")
        self.assertAlmostEqual(output, math.log(math.fsum(map(math.exp, x))), delta=1e-9)
        self.refuse("lse", {"x": x + [None]}, "primal", "x[200000] is not a number")
        self.refuse("kmeans", {"points": [x] + len(x) * [[]], "centroids": [[0]]}, "cost",
                    "points[1] has 0 elements, not 200000")


class Protocol(TestCase):
    def test_cases(self):
        """The driver says what the tools say."""
        tasks = [(workload, function, value) for _, workload, function, value, _ in cases()]
        for (workload, function, value), answer in zip(tasks, self.evaluate(tasks)):
            output, _ = self.run_tool(workload, value, function)
            self.assertEqual(sorted(answer), ["id", "output", "success", "timings"])
            self.assertIs(answer["success"], True)
            self.assertEqual(answer["output"], output)
            self.assertEqual([t["name"] for t in answer["timings"]], ["prepare", "evaluate"])

    def test_kinds(self):
        begun, known, unknown, analysis, other = self.answer([
            {"id": 0, "kind": "start", "eval": "hello", "config": {}},
            {"id": 1, "kind": "define", "module": "hello"},
            {"id": 2, "kind": "define", "module": "goodbye"},
            {"id": 3, "kind": "analysis", "of": 2, "valid": False, "error": "no"},
            {"id": 9007199254740991, "kind": "dance"},
        ])
        self.assertEqual(begun["tool"], "wengert")
        self.assertEqual(begun["config"]["way"], "default")
        self.assertEqual(known, {"id": 1, "success": True})
        self.assertEqual(unknown, {"id": 2, "success": False,
                                   "error": 'there is no module "goodbye"'})
        self.assertEqual(analysis["id"], 3)
        self.assertIsInstance(other["id"], int)

    def test_failures(self):
        evaluate = {"kind": "evaluate", "module": "llsq", "function": "primal"}
        value = {"x": [1, 2], "n": 3}
        *wrong, right = self.answer([
            {"id": 0} | evaluate,
            {"id": 1} | evaluate | {"input": {"x": [1, 2]}},
            {"id": 2} | evaluate | {"input": value, "function": "other"},
            {"id": 3} | evaluate | {"input": value, "module": "other"},
            {"id": 4, "kind": "evaluate", "module": "llsq", "input": value},
            {"id": 5, "kind": "define"},
            {"id": 6} | evaluate | {"input": value},
        ])
        named = ["input", "n", "other", "other", "function", "module"]
        for answer, name in zip(wrong, named, strict=True):
            self.assertIs(answer["success"], False)
            self.assertIn(name, answer["error"])
            self.assertEqual(sorted(answer), ["error", "id", "success"])
        self.assertTrue(right["success"])
        self.assertAlmostEqual(right["output"], (0 + 1 + 4) / 2)

    def test_options(self):
        define = {"id": 0, "kind": "define", "module": "lse"}
        for way in LIST["lse"]["ways"]:
            self.assertTrue(self.answer([define], f"--way={way}")[0]["success"])
        self.assertFalse(self.answer([define], "--way=none")[0]["success"])
        self.assertEqual(start("gradbench", "what").returncode, 1)

    def test_what_is_no_message(self):
        first = {"id": 0, "kind": "start"}
        for line in "", "{", "3", "[]", "null":
            status, answers, error = self.converse([first, line, first])
            self.assertEqual((status, len(answers)), (1, 1))
            self.assertEqual(error.count("\n"), 1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
