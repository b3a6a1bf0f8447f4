#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The life of a net on the command line: test_net_commands.py WENGERT DATA_DIRECTORY [TEST...].

What `show --json` says of a net is enough to compute what `predict` and `test` must say, so a second
forward pass, in Python, does that. A training that is killed anywhere and resumed must leave the
same file, byte for byte, as one that was left alone.
"""

import csv
import ctypes
import json
import math
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.path.abspath(sys.argv[1])
DATA = pathlib.Path(sys.argv[2]).resolve()
IS_FLOAT = os.environ.get("REAL", "double") == "float"
DONE, FAILED, MISUSED = 0, 1, 2


def start(*arguments, directory, **options):
    return subprocess.Popen(
        [PROGRAM, *map(str, arguments)], cwd=directory, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )


def says_no_jansson():
    process = start("show", "nothing", directory=DATA)
    return b"without jansson" in process.communicate(timeout=300)[1]


HAS_JANSSON = not says_no_jansson()


def read_tensors(path):
    """An independent reader of the file: its metadata, and lists of numbers by name."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata, body, at = header.pop("__metadata__"), data[8 + length :], 0
    tensors = {}
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = tensor["data_offsets"]
        size, code = {"F64": (8, "d"), "F32": (4, "f")}[tensor["dtype"]]
        assert begin == at and end - begin == size * math.prod(tensor["shape"]), tensor
        tensors[name] = tensor["shape"], struct.unpack(f"<{(end - begin) // size}{code}",
                                                       body[begin:end])
        at = end
    assert at == len(body)
    return metadata, tensors


def activate(name, x):
    return {
        "identity": lambda: x,
        "tanh": lambda: math.tanh(x),
        "sigmoid": lambda: 1 / (1 + math.exp(-x)),
        "relu": lambda: max(x, 0),
        "leaky_relu": lambda: x if x > 0 else 0.01 * x,
        "elu": lambda: x if x > 0 else math.expm1(x),
        "softplus": lambda: math.log1p(math.exp(x)),
    }[name]()


def ask(shown, row):
    """The outputs for a row of features, from what show --json says."""
    values = [(x - m) / d for x, m, d in zip(row, shown["mean"], shown["deviation"])]
    for layer in shown["layers"]:
        n = layer["inputs"]
        values = [
            activate(layer["activation"], bias + sum(
                w * x for w, x in zip(layer["weights"][i * n : (i + 1) * n], values)))
            for i, bias in enumerate(layer["biases"])
        ]
    return values


def softmax(values):
    powers = [math.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


class Life(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        if not HAS_JANSSON:
            self.skipTest("nets are saved by jansson")
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.scratch = pathlib.Path(directory.name)
        self.iris = (DATA / "iris.csv").read_text()
        (self.scratch / "iris.csv").write_text(self.iris)
        self.rows = list(csv.reader(self.iris.splitlines()))

    def run_it(self, *arguments, status=DONE):
        process = start(*arguments, directory=self.scratch)
        out, err = process.communicate(timeout=300)
        self.assertEqual(process.returncode, status, (arguments, out, err))
        return out.decode(), err.decode()

    def train(self, name, *options):
        return self.run_it("train", "iris.csv", "-q", "--save", name, *options)[0]

    def read_json(self, *arguments, status=DONE):
        return json.loads(self.run_it(*arguments, "--json", status=status)[0])

    def refuse(self, words, *arguments, status=MISUSED):
        out, err = self.run_it(*arguments, status=status)
        self.assertEqual(out, "")
        for word in words:
            self.assertIn(word, err)
        self.assertEqual(err.count("\n"), 1, err)

    def close(self, a, b):
        self.assertTrue(math.isclose(a, b, rel_tol=1e-3 if IS_FLOAT else 1e-9,
                                     abs_tol=1e-4 if IS_FLOAT else 1e-9), (a, b))

    def test_learns(self):
        out = self.train("iris.safetensors", "--hidden", "16", "--epochs", "200")
        self.assertIn("200 epochs, 800 steps", out)
        self.assertIn("saved iris.safetensors", out)
        judged = self.read_json("test", "iris.safetensors", "iris.csv")
        self.assertEqual(judged["rows"], 150)
        self.assertGreater(judged["accuracy"], 0.95)
        self.assertEqual(sum(map(sum, judged["confusion"])), 150)
        self.assertEqual(sum(judged["confusion"][i][i] for i in range(3)),
                         round(150 * judged["accuracy"]))

    def test_predictions(self):
        for options in [], ["--activation", "relu", "--hidden", "8,5"], ["--hidden", "0"]:
            self.train("net", "--epochs", "30", *options)
            shown = self.read_json("show", "net")
            features = [[float(cell) for cell in row[:4]] for row in self.rows]
            with open(self.scratch / "new.csv", "w", encoding="ascii") as file:
                csv.writer(file).writerows(features)
            table = self.run_it("predict", "net", "new.csv")[0].splitlines()
            listed = self.read_json("predict", "net", "new.csv")
            self.assertEqual(table[0], "class," + ",".join(shown["classes"]))
            self.assertEqual(len(table), 151)
            confusion = [[0] * 3 for _ in range(3)]
            loss = 0
            for i, row in enumerate(features):
                probabilities = softmax(ask(shown, row))
                best = probabilities.index(max(probabilities))
                cells = table[i + 1].split(",")
                self.assertEqual(cells[0], shown["classes"][best])
                said = listed["predictions"][i]
                self.assertEqual(said["class"], shown["classes"][best])
                for k in range(3):
                    self.close(said["probabilities"][k], probabilities[k])
                    self.assertAlmostEqual(float(cells[k + 1]), probabilities[k], delta=2e-4)
                truth = shown["classes"].index(self.rows[i][4])
                confusion[truth][best] += 1
                loss -= math.log(probabilities[truth])
            judged = self.read_json("test", "net", "iris.csv")
            self.assertEqual(judged["confusion"], confusion)
            self.close(judged["loss"], loss / 150)

    def test_file(self):
        self.train("net", "--hidden", "7", "--epochs", "5")
        shown = self.read_json("show", "net")
        metadata, tensors = read_tensors(self.scratch / "net")
        self.assertEqual({name: shape for name, (shape, _) in tensors.items()},
                         {"layers.0.weight": [7, 4], "layers.0.bias": [7],
                          "layers.1.weight": [3, 7], "layers.1.bias": [3]})
        for i, layer in enumerate(shown["layers"]):
            self.assertEqual(list(tensors[f"layers.{i}.weight"][1]), layer["weights"])
            self.assertEqual(list(tensors[f"layers.{i}.bias"][1]), layer["biases"])
        self.assertTrue(all(isinstance(value, str) for value in metadata.values()))
        self.assertEqual(json.loads(metadata["classes"]), shown["classes"])

    def test_standardises(self):
        self.train("net", "--epochs", "1", "--held-out", "0")
        shown = self.read_json("show", "net")
        for i in range(4):
            column = [float(row[i]) for row in self.rows]
            mean = sum(column) / 150
            self.close(shown["mean"][i], mean)
            self.close(shown["deviation"][i],
                       math.sqrt(sum((x - mean) ** 2 for x in column) / 150))

    def test_same_seed(self):
        for name, *options in ["a"], ["b"], ["c", "--seed", "7"], ["d", "--threads", "1"]:
            self.train(name, "--epochs", "20", *options)
        a, b, c, d = ((self.scratch / name).read_bytes() for name in "abcd")
        self.assertEqual(a, b)
        self.assertEqual(a, d)
        self.assertNotEqual(a, c)

    def test_order_of_classes(self):
        self.train("net", "--epochs", "60")
        before = self.read_json("test", "net", "iris.csv")
        shuffled = self.iris.splitlines()
        random.Random(1).shuffle(shuffled)
        (self.scratch / "iris.csv").write_text("\n".join(shuffled) + "\n")
        after = self.read_json("test", "net", "iris.csv")
        self.assertEqual(before["confusion"], after["confusion"])
        self.close(before["loss"], after["loss"])
        (self.scratch / "two.csv").write_text("\n".join(
            line for line in self.iris.splitlines() if "setosa" not in line) + "\n")
        judged = self.read_json("test", "net", "two.csv")
        self.assertEqual(judged["rows"], 100)
        (self.scratch / "odd.csv").write_text("5,3,1,1,Iris-unknown\n")
        self.refuse(["odd.csv", "line 1", "Iris-unknown"], "test", "net", "odd.csv", status=FAILED)
        (self.scratch / "few.csv").write_text("5,3,1\n")
        self.refuse(["few.csv", "4"], "predict", "net", "few.csv", status=FAILED)

    def test_early_stopping(self):
        out = self.read_json("train", "iris.csv", "-q", "--patience", "5", "--epochs", "500",
                             "--save", "net")
        losses = [epoch["held_out_loss"] for epoch in out["curve"]]
        self.assertLess(out["epochs"], 500)
        self.assertEqual(out["epochs"], len(losses))
        best = losses.index(min(losses))
        self.assertEqual(out["best_epoch"], best + 1)
        self.assertEqual(out["epochs"], best + 1 + 5)
        self.close(out["held_out"]["loss"], losses[best])

    def test_resume(self):
        for options in [], ["--optimizer", "sgd", "--momentum", "0.9"], ["--patience", "1000"], \
                ["--held-out", "0", "--seed", "5", "--weight-decay", "0.001"], ["--float"]:
            self.train("whole", "--epochs", "40", *options)
            self.train("parts", "--epochs", "13", *options)
            for epochs in "14", "40":
                self.train("parts", "--epochs", epochs, "--resume")
            self.assertEqual(read_tensors(self.scratch / "whole")[1],
                             read_tensors(self.scratch / "parts")[1], options)
            self.assertEqual((self.scratch / "whole").read_bytes(),
                             (self.scratch / "parts").read_bytes(), options)

    def test_killed(self):
        """Killed at random moments, resumed until it is done."""
        digits = (DATA / "digits.csv").read_text().splitlines()[:400]
        (self.scratch / "iris.csv").write_text("\n".join(digits) + "\n")
        options = ["--hidden", "48,32", "--epochs", "500", "--patience", "600", "--batch", "8"]
        self.train("whole", *options)
        chance = random.Random(3)
        path, kills, done = self.scratch / "net", 0, False
        while not done:
            resume = ["--resume"] if path.exists() else []
            process = start("train", "iris.csv", "-q", "--save", "net",
                            *(["--epochs", "500", "--resume"] if resume else options),
                            directory=self.scratch)
            try:
                out, err = process.communicate(
                    timeout=chance.uniform(0.05, 1.5) if kills < 6 else 300)
                self.assertEqual(process.returncode, DONE, err)
                done = True
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
            if path.exists():
                read_tensors(path)
        self.assertGreater(kills, 0)
        self.assertEqual(path.read_bytes(), (self.scratch / "whole").read_bytes())

    def test_interrupted(self):
        """Ctrl-C saves and says how to go on."""
        process = start("train", "iris.csv", "--epochs", "1000000", "--save", "net",
                        directory=self.scratch)
        for line in process.stderr:
            if line.startswith(b"net:"):
                break
        while process.poll() is None:
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            if (self.scratch / "net").exists():
                break
        out, err = process.communicate(timeout=60)
        self.assertNotEqual(process.returncode, DONE)
        if process.returncode == FAILED:  # a second signal may have come before the first was heard
            self.assertIn(b"--resume", err)
            self.assertIn(b"saved net", out)
            read_tensors(self.scratch / "net")

    def test_regression(self):
        chance = random.Random(2)
        rows = [[chance.uniform(-1, 1) for _ in range(2)] for _ in range(200)]
        text = "y,a,b\n" + "".join(f"{3 * a - 2 * b + 1},{a},{b}\n" for a, b in rows)
        (self.scratch / "plane.csv").write_text(text)
        self.run_it("train", "plane.csv", "-q", "--regression", "--label", "1", "--hidden", "0",
                    "--epochs", "300", "--save", "net")
        judged = self.read_json("test", "net", "plane.csv", "--label", "1")
        self.assertLess(judged["root_mean_squared_error"], 0.05)
        (self.scratch / "new.csv").write_text("a,b\n0.5,0.25\n")
        (value,) = self.read_json("predict", "net", "new.csv")["predictions"][0]["outputs"]
        self.close(value, ask(self.read_json("show", "net"), [0.5, 0.25])[0])
        self.assertAlmostEqual(value, 2, delta=0.1)

    def test_two_classes_and_names(self):
        (self.scratch / "odd.csv").write_text(
            'length,"a ""wide"" one",kind\n' + "1,2,yes\n2,1,\"no, not\"\n" * 10)
        self.run_it("train", "odd.csv", "-q", "--hidden", "3", "--save", "net")
        (self.scratch / "new.csv").write_text("1,2\n2,1\n")
        out = list(csv.reader(self.run_it("predict", "net", "new.csv")[0].splitlines()))
        self.assertEqual(out[0], ["class", "yes", "no, not"])
        self.assertEqual([row[0] for row in out[1:]], ["yes", "no, not"])
        self.assertEqual(self.read_json("show", "net")["features"], ["length", 'a "wide" one'])

    def test_curve(self):
        self.train("net", "--epochs", "4", "--curve", "loss.gp")
        script = (self.scratch / "loss.gp").read_text()
        out = self.read_json("train", "iris.csv", "-q", "--epochs", "4")
        for epoch in out["curve"]:
            self.assertIn(repr(epoch["loss"])[:12], script)
            self.assertIn(repr(epoch["held_out_loss"])[:12], script)

    def test_draws_nets(self):
        self.train("net.safetensors", "--hidden", "3", "--epochs", "2")
        text = self.run_it("draw", "net.safetensors", "x0=5", "--fold", "1")[0]
        self.assertIn("layer", text)
        self.refuse(["x9", "feature"], "draw", "net.safetensors", "x9=5")

    def compile(self, source):
        compiler = os.environ.get("CC", "cc").split()
        if shutil.which(compiler[0]) is None:
            self.skipTest("no C compiler")
        made = self.scratch / "emitted.so"
        result = subprocess.run(
            [*compiler, "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror",
             "-shared", "-fPIC", "-o", made, source, "-lm"],
            cwd=self.scratch, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return ctypes.CDLL(str(made))

    def test_emits_what_it_predicts(self):
        self.train("iris.safetensors", "--epochs", "30")
        with open(self.scratch / "new.csv", "w", encoding="ascii") as file:
            csv.writer(file).writerows(row[:4] for row in self.rows)
        listed = self.read_json("predict", "iris.safetensors", "new.csv")
        told = self.read_json("emit", "iris.safetensors", "--static-workspace", "-o", "iris_net.c")
        self.assertEqual(told, {"source": "iris_net.c", "header": "iris_net.h",
                                "function": "iris_net", "inputs": ["x0", "x1", "x2", "x3"],
                                "outputs": 3})
        net = self.compile("iris_net.c")
        for row, said in zip(self.rows, listed["predictions"]):
            each = (ctypes.c_double * 4)(*map(float, row[:4]))
            probabilities = (ctypes.c_double * 3)()
            net.iris_net(each, probabilities)
            for k in range(3):
                self.close(probabilities[k], said["probabilities"][k])
            self.assertEqual(listed["classes"][net.iris_net_class(probabilities)], said["class"])

    def test_emits_what_learns(self):
        self.train("iris.safetensors", "--epochs", "2")
        out = self.run_it("emit", "iris.safetensors", "--train", "--float", "--static-workspace")[0]
        (self.scratch / "out.c").write_text(out)
        self.assertIn("softmax_cross_entropy", out)
        net = self.compile("out.c")
        number = ctypes.c_float
        first = (number * 131).in_dll(net, "iris_shared")
        parameters = (number * 131)(*first)
        net.iris_learn.restype = number
        classes = self.read_json("show", "iris.safetensors")["classes"]
        losses = []
        for _ in range(30):
            losses.append(sum(
                net.iris_learn(parameters, (number * 5)(*map(float, row[:4]),
                                                        classes.index(row[4])), number(0.02))
                for row in self.rows))
        self.assertLess(losses[-1], 0.3 * losses[0])
        self.assertNotEqual(list(parameters), list(first))
        other = self.run_it("emit", "iris.safetensors", "--train", "--loss", "hinge")[0]
        self.assertIn("(hinge)", other)

    def test_emit_refuses(self):
        self.train("iris.safetensors", "--epochs", "2")
        for said, *arguments in [
            ("need no names", "x0"),
            ("--loss is for --train", "--loss", "hinge"),
            ("--gradient is for an expression", "--gradient"),
            ("--hessian is for an expression", "--hessian"),
            ("--batch is for an expression", "--batch"),
            ("--file is for an expression", "--file", "iris.csv"),
            ("should end", "-o", "iris.safetensors"),
            ('"for"', "--name", "for"),
        ]:
            self.refuse([said], "emit", "iris.safetensors", *arguments)
        self.refuse(["nothing.safetensors"], "emit", "nothing.safetensors", status=FAILED)

    def test_refuses(self):
        (self.scratch / "bad.csv").write_text("1,2,a\n1,x,b\n")
        self.refuse(["bad.csv", "line 2", "column 2"], "train", "bad.csv", "-q", status=FAILED)
        self.refuse(["nothing.csv"], "train", "nothing.csv", "-q", status=FAILED)
        self.refuse(["--hidden"], "train", "iris.csv", "--hidden", "3,,4")
        self.refuse(["iris.csv", "over"], "train", "iris.csv", "-q", "--save", "./iris.csv")
        self.refuse(["same file"], "train", "iris.csv", "--save", "z.gp", "--curve", "z.gp")
        self.assertEqual((self.scratch / "iris.csv").read_text(), self.iris)
        (self.scratch / "e.dot").write_text("x^2")
        self.refuse(["e.dot", "over"], "draw", "--file", "e.dot", "x=1", "-o", "e.dot")
        self.assertEqual((self.scratch / "e.dot").read_text(), "x^2")
        self.refuse(["--activation"], "train", "iris.csv", "--activation", "tan")
        self.refuse(["--patience"], "train", "iris.csv", "--patience", "3", "--held-out", "0")
        self.refuse(["--resume", "--save"], "train", "iris.csv", "--resume")
        self.refuse(["--momentum", "sgd"], "train", "iris.csv", "--momentum", "0.5")
        self.refuse(["no-net"], "train", "iris.csv", "-q", "--resume", "--save", "no-net",
                    status=FAILED)
        self.refuse(["svg"], "train", "iris.csv", "--curve", "x.txt")
        self.refuse(["iris.csv"], "show", "iris.csv", status=FAILED)
        self.refuse(["model"], "predict", "net")
        self.train("net", "--epochs", "2")
        self.refuse(["--hidden"], "train", "iris.csv", "--resume", "--save", "net", "--hidden", "4")
        self.refuse(["--resume"], "train", "iris.csv", "--resume", "--save", "net", "--rate", "1")
        (self.scratch / "more.csv").write_text(self.iris + self.iris)
        self.refuse(["rows"], "train", "more.csv", "-q", "--resume", "--save", "net", "--epochs",
                    "4", "--held-out", "0.2", status=FAILED)
        (self.scratch / "same.csv").write_text("1,2,a\n2,3,a\n")
        self.refuse(["--label"], "train", "same.csv", "-q", status=FAILED)
        os.mkdir(self.scratch / "folder")
        self.refuse(["folder"], "train", "iris.csv", "-q", "--epochs", "1", "--save", "folder",
                    status=FAILED)


class WithoutJansson(unittest.TestCase):
    def setUp(self):
        if HAS_JANSSON:
            self.skipTest("built with jansson")

    def test_save(self):
        with tempfile.TemporaryDirectory() as directory:
            process = start("train", DATA / "iris.csv", "-q", "--save", "net", directory=directory)
            out, err = process.communicate(timeout=300)
            self.assertEqual(process.returncode, FAILED)
            self.assertEqual(err, b"wengert train: net: can't be written: this library was built "
                                  b"without jansson\n")
            self.assertEqual(os.listdir(directory), [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
