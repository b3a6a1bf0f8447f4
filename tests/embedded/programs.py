# SPDX-License-Identifier: MIT
"""The programs that tests/test_embedded.py runs and script/size measures, for any target."""

import pathlib
import subprocess

import targets
from targets import HERE, SOURCE

IRIS = SOURCE / "demos/data/iris.csv"


class Workshop:
    """Builds in a directory; what several programs share is compiled once for each target."""

    def __init__(self, directory, wengert=None):
        self.directory = pathlib.Path(directory)
        self.wengert = wengert
        self.shared = {}

    def share(self, target, name, compile_it):
        if (target, name) not in self.shared:
            self.shared[target, name] = compile_it(target, self.directory / target.key)
        return self.shared[target, name]

    def build(self, target, name, sources, flags=(), objects=()):
        harness = self.share(target, "harness", targets.compile_harness)
        own = targets.compile_files(target, self.directory / target.key / name, sources,
                                    [f"-I{HERE}", *flags])
        return targets.link(target, self.directory / target.key / f"{name}.elf",
                            [*harness, *own, *objects])

    def build_with_engine(self, target, name, source):
        engine = self.share(target, "engine", targets.compile_engine)
        return self.build(target, name, [source],
                          ["-DAG_REAL_FLOAT", f"-I{SOURCE}/autograd"], engine)

    def emit_iris(self, train):
        """A directory with the net as C and the rows. The net is trained when first asked for."""
        def call(*words):
            subprocess.run([self.wengert, *words], check=True, stdout=subprocess.DEVNULL)

        net = self.directory / "iris.safetensors"
        if not net.exists():
            call("train", IRIS, "--hidden", "16", "--quiet", "--save", net)
        directory = self.directory / f"iris{'-train' * train}"
        if not directory.exists():
            directory.mkdir()
            call("emit", net, "-o", directory / "iris_net.c", "--float", "--static-workspace",
                 *(["--train"] if train else []))
            write_rows(directory / "iris_rows.h")
        return directory

    def build_iris(self, target, train):
        emitted = self.emit_iris(train)
        return self.build(target, emitted.name, [emitted / "iris_net.c", HERE / "iris_on_device.c"],
                          [f"-I{emitted}", *(["-DTRAIN"] if train else [])])


def write_rows(path):
    """Features, and the number of the class, in the order in which classes come."""
    classes, lines = [], []
    for row in IRIS.read_text().split():
        *features, name = row.split(",")
        if name not in classes:
            classes.append(name)
        lines.append("    {%s},\n" % ", ".join([f"{float(x)}F" for x in features]
                                              + [f"{classes.index(name)}"]))
    path.write_text("static const float rows[][5] = {\n" + "".join(lines) + "};\n")


def measure_all(workshop, target):
    """[(what, Size)]"""
    engine = workshop.build_with_engine(target, "engine", HERE / "engine_on_device.c")
    return [
        ("prediction",
         targets.measure(target, workshop.build_iris(target, False), "iris_on_device.o")),
        ("training step",
         targets.measure(target, workshop.build_iris(target, True), "iris_on_device.o")),
        ("engine", targets.measure(target, engine, "engine_on_device.o")),
    ]


COLUMNS = ("flash", "code", "C library", "libm", "RAM", "variables", "stack")


def list_columns(size):
    return (size.code + size.library + size.libm, size.code, size.library, size.libm,
            size.ram + size.stack, size.ram, size.stack)
