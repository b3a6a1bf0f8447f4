#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles and runs every fenced code block of README.md, CHANGELOG.md and docs/**/*.md against
the installed library: run_docs.py SOURCE_ROOT BUILD_ROOT, after the build.

    ```c     A program if it has a main; else the body of one, whose #include lines go to the top
             and which has stdio, stdlib, math, string and the public headers already. C11 with the
             project's warnings as errors; nothing may leak into a warning, and it must end with 0.
             A program whose first line is the comment "hello.c" stays in the document's directory
             under that name, for the sh blocks after it.
    ```cpp   The same in C++17, with autograd.hpp.
    ```sh    Runs with bash -e in the document's directory, where the demos' CSV files lie and
             pkg-config finds the library. A block whose lines are all commands for a source tree
             (SOURCE_TREE below: script/test would run this very file) is not run: the scripts it
             names must exist and be executable.
    ```text  What the block before it prints on standard output, to the letter. A block without one
             must print nothing.

A block that needs one of NEEDS is left out where that is missing, and what comes after it in the
document may fail then.

Any other kind of block is a failure, and so is a text block with nothing before it or a fence that
does not close: what is not checked here can't stand in the manual.
"""

import difflib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

WARNINGS = (
    "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wdouble-promotion -Wvla -Werror "
    "-ffp-contract=off"
).split()
HEADERS = "stdio.h stdlib.h math.h string.h wengert/autograd.h wengert/program.h wengert/nn.h".split()
LANGUAGES = {
    # kind: compiler, its options, headers of a wrapped body
    "c": ("CC", "cc", ["-std=c11", "-Wstrict-prototypes"], HEADERS),
    "cpp": ("CXX", "c++", ["-std=c++17"], HEADERS + ["wengert/autograd.hpp"]),
}
SOURCE_TREE = re.compile(
    r"(git clone \S+( \S+)?|cd wengert"
    r"|(?P<script>script/[a-z]+)( --[a-z]+)*"
    r"|meson setup build( -D\S+)*|(sudo )?(meson (compile|test|install) -C build|ldconfig))?( *#.*)?"
)
NEEDS = {  # what not everybody has, and how a block says that it needs it
    "dot": r"^dot |^wengert draw .*\.(svg|png|pdf)\b",
    "gnuplot": r"^gnuplot\b|^wengert .*\.(svg|png|pdf)\b",
    "wengert": r"^wengert\b",
    "jansson": r"\bnn_(save|load)\(|^wengert (train|predict|test|show)\b|^wengert emit \S+\.safetensors\b",
}
SECONDS = 120


class Failure(Exception):
    pass


class Result:
    """What became of a document's blocks."""

    def __init__(self, count, wrong):
        self.count, self.wrong = count, wrong
        self.skipped = 0


class Block:
    def __init__(self, path, line, kind):
        self.path, self.line, self.kind = path, line, kind
        self.lines = []
        self.expected = ""

    def text(self):
        return "".join(self.lines)

    def __str__(self):
        return f"{self.path}:{self.line}: {self.kind or 'nameless'} block"


def parse(path, text):
    """The runnable blocks of a document, each with the output it expects, and what is wrong."""
    blocks, wrong = [], []
    block = fence = previous = None
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        mark = re.match(r"( *)(`{3,}|~{3,})[ \t]*(.*?)[ \t]*$", line)
        if block is None:
            if mark:
                indent, fence, kind = len(mark[1]), mark[2], mark[3]
                block = Block(path, number, kind)
        elif mark and not mark[3] and mark[2][0] == fence[0] and len(mark[2]) >= len(fence):
            if block.kind == "text":
                if previous is None:
                    wrong.append(f"{block}: it is no program's output: indent it instead")
                else:
                    previous.expected = block.text()
                previous = None
            elif block.kind in LANGUAGES or block.kind == "sh":
                blocks.append(block)
                previous = block
            else:
                wrong.append(f"{block}: only c, cpp, sh and text blocks can be checked")
                previous = None
            block = None
        else:
            # A fence in a list is indented, and so is what it holds.
            block.lines.append(line[min(indent, len(line) - len(line.lstrip(" "))) :])
    if block is not None:
        wrong.append(f"{block}: the fence does not close")
    return blocks, wrong


def run(command, **options):
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            **options,
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"not done after {SECONDS} s: {shlex.join(command)}")
    if result.returncode != 0:
        raise Failure(
            f"exit status {result.returncode}: {shlex.join(command)}\n"
            + result.stdout
            + result.stderr
        )
    return result.stdout


def program(block, headers):
    """A whole program, with messages of the compiler about lines of the document."""
    here = f'#line {{}} "{block.path}"\n'
    if re.search(r"^int main\(", block.text(), re.MULTILINE):
        return here.format(block.line + 1) + block.text()
    includes = [line for line in block.lines if line.startswith("#include")]
    body = ["\n" if line.startswith("#include") else line for line in block.lines]
    return "".join(
        [f"#include <{header}>\n" for header in headers]
        + includes
        + ["int main(void)\n{\n", here.format(block.line + 1), *body, "return 0;\n}\n"]
    )


def output(block, directory, workshop, environment):
    """Runs a block in directory, compiles it in workshop, and returns what it prints."""
    if block.kind == "sh":
        return run(["bash", "-e", "-c", block.text()], cwd=directory, env=environment)
    variable, compiler, options, headers = LANGUAGES[block.kind]
    name = re.match(r"/[/*] (\w+\.(c|cpp))\b", block.text())
    if name:
        (directory / name[1]).write_text(block.text())
    executable = workshop / f"line{block.line}"
    source = executable.with_suffix("." + block.kind)
    source.write_text(program(block, headers))
    package = run(["pkg-config", "--cflags", "--libs", "wengert"], env=environment).split()
    run(
        [*shlex.split(environment.get(variable, compiler)), *options, *WARNINGS]
        + [str(source), "-o", str(executable), *package, "-lm"],
        cwd=directory,
        env=environment,
    )
    return run([str(executable)], cwd=directory, env=environment)


def check(block, root, directory, workshop, environment):
    """Raises Failure where the block does not do what it says."""
    if block.kind == "sh":
        commands = [SOURCE_TREE.fullmatch(line.strip()) for line in block.lines]
        if all(commands):
            options = (root / "meson_options.txt").read_text()
            if block.expected:
                raise Failure("nothing checks the output of a command for a source tree")
            for command in commands:
                script = command["script"]
                if script and not os.access(root / script, os.X_OK):
                    raise Failure(f"{script} is missing or not executable")
                for word in command[0].split("#")[0].split():
                    name = re.match(r"-D(\w+)", word)
                    if name and not re.search(rf"^option\('{name[1]}'", options, re.MULTILINE):
                        raise Failure(f"there is no build option {name[1]}")
                    if word.startswith("--") and word not in (root / script).read_text():
                        raise Failure(f"{script} has no {word}")
            return
    printed = output(block, directory, workshop, environment)
    if printed != block.expected:
        texts = block.expected.splitlines(), printed.splitlines()
        difference = difflib.unified_diff(*texts, "said", "printed", lineterm="")
        raise Failure("it prints something else\n" + "\n".join(difference))


def directory_of(path, root, scratch):
    """Where a document's blocks run."""
    return scratch / "documents" / path.relative_to(root)


def find_missing(build, environment):
    """Those of NEEDS that are not here."""
    introspect = ["meson", "introspect", "--dependencies", str(build)]
    dependencies = {found["name"] for found in json.loads(run(introspect))}
    tools = {name for name in NEEDS if name != "jansson"}
    missing = {name for name in tools if shutil.which(name, path=environment["PATH"]) is None}
    return missing if "jansson" in dependencies else missing | {"jansson"}


def lacks(block, missing):
    """What the block needs of what is missing."""
    return {name for name in missing if re.search(NEEDS[name], block.text(), re.MULTILINE)}


def check_document(path, root, scratch, environment, missing=frozenset()):
    """Runs the blocks of a document in turn."""
    name = path.relative_to(root)
    blocks, wrong = parse(name, path.read_text(encoding="utf-8"))
    result = Result(len(blocks), wrong)
    directory, workshop = directory_of(path, root, scratch), scratch / "programs" / name
    directory.mkdir(parents=True)
    workshop.mkdir(parents=True)
    for data in (root / "demos" / "data").glob("*.csv"):
        shutil.copy(data, directory)
    for block in blocks:
        if lacks(block, missing):
            result.skipped += 1
            continue
        try:
            check(block, root, directory, workshop, environment)
        except Failure as failure:
            if result.skipped:
                result.skipped += 1
            else:
                wrong.append(f"{block}: {failure}")
    return result


def install(build, scratch):
    """The environment in which compilers and programs find the library, installed for this."""
    destination = scratch / "installed"
    run(["meson", "install", "-C", str(build), "--no-rebuild", "--destdir", str(destination)])
    package = next(destination.glob("**/wengert.pc")).parent
    programs = next(destination.glob("**/bin"), destination)
    return dict(
        os.environ,
        LC_ALL="C",
        PKG_CONFIG_PATH=str(package),
        PKG_CONFIG_SYSROOT_DIR=str(destination),
        # an installation under /usr must not be taken for the system's own
        PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1",
        PKG_CONFIG_ALLOW_SYSTEM_LIBS="1",
        LD_LIBRARY_PATH=str(package.parent),
        PATH=os.pathsep.join([str(programs), os.environ["PATH"]]),
    )


def main():
    root, build = (pathlib.Path(path).resolve() for path in sys.argv[1:])
    documents = [root / "README.md", *root.glob("CHANGELOG.md"), *sorted(root.glob("docs/**/*.md"))]
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        environment = install(build, scratch)
        missing = find_missing(build, environment)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            results = list(
                pool.map(
                    lambda path: check_document(path, root, scratch, environment, missing),
                    documents,
                )
            )
    wrong = [message for result in results for message in result.wrong]
    for message in wrong:
        print(message)
    skipped = sum(result.skipped for result in results)
    print(
        f"run_docs: {sum(result.count for result in results)} blocks in {len(documents)} documents, "
        f"{len(wrong)} wrong"
        + (f", {skipped} skipped without {', '.join(sorted(missing))}" if skipped else "")
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
