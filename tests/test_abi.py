#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The binary interface: what the headers declare is what the shared library exports, and both are
what tests/abi.txt lists for its soname: prototypes, sizes and offsets of structs, enumerators.
test_abi.py SOURCE_ROOT LIBRARY, after the build; CC names the compiler. With --update the list is
written anew: after the soname changed, and to list what was added.

A gate is listed when a version is released; until then the gate table is enough.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77
WORDS = """\
# The binary interface of the soname below, with 64 bits and real=double: functions, structs, enums.
# tests/test_abi.py compares it with the headers and the library, and writes it.
"""


def run(command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def split_top(text, separator):
    """Splits at separators outside of parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def forget_names(prototype):
    """A prototype without the names of its parameters, which no program depends on."""
    head, parameters = re.fullmatch(r"(.*?\w+)\s*\((.*)\);", prototype).groups()
    types = [re.sub(r"(?<=[\s*])\w+$", "", part).strip() for part in split_top(parameters, ",")]
    return f"{head}({', '.join(types)})"


def read_members(body):
    """The names of a struct's members."""
    for declaration in split_top(body, ";"):
        for declarator in split_top(declaration, ","):
            pointer = re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", declarator)
            yield pointer[1] if pointer else re.search(r"(\w+)\s*(\[[^]]*\]\s*)*$", declarator)[1]


def describe_types(text, compile_and_run):
    """A line for each public struct and enumerator of preprocessed headers."""
    lines = []
    for name, body in re.findall(r"\bstruct\s+((?:ag|nn)_\w+)\s*\{(.*?)\}", text, re.DOTALL):
        members = list(read_members(body))
        places = ", ".join(f"{member} %zu" for member in members)
        offsets = ", ".join(f"offsetof(struct {name}, {member})" for member in members)
        size = f"sizeof(struct {name})"
        lines.append(f'    printf("struct {name}: %zu bytes: {places}\\n", {size}, {offsets});\n')
    for body in re.findall(r"\benum\s+(?:ag|nn)_\w+\s*\{(.*?)\}", text, re.DOTALL):
        for enumerator in split_top(body, ","):
            name = re.match(r"\w+", enumerator)[0]
            lines.append(f'    printf("enum {name}: %d\\n", (int){name});\n')
    return compile_and_run("".join(lines)).splitlines()


def read_gates(root):
    """The functions that the gate table makes."""
    table = (root / "autograd/wengert/gates.def").read_text()
    return {f"ag_{name}" for name in re.findall(r"^AG_[A-Z]+\((\w+)", table, re.MULTILINE)}


def key(line):
    """What a line is about: a function's, struct's or enumerator's name."""
    return re.search(r"(\w+)[:(]", line)[1]


def main():
    update = "--update" in sys.argv
    root, library = (pathlib.Path(path).resolve() for path in sys.argv[1:] if path != "--update")
    compiler = os.environ.get("CC", "cc")
    sys.path.insert(0, str(root / "docs" / "site"))
    import header_reader

    includes = [root / "autograd", root / "nn"]
    headers = sorted(root.glob("*/wengert/*.h"))
    if not shutil.which("nm") or not shutil.which("objdump"):
        print("test_abi: nm or objdump is missing")
        return SKIPPED
    functions = {}
    for header in headers:
        functions.update(header_reader.expand(header, includes, compiler))
    exported = {
        line.split()[-1] for line in run(["nm", "-D", "--defined-only", str(library)]).splitlines()
    }
    wrong = [f"declared, but not exported: {name}" for name in sorted(set(functions) - exported)]
    wrong += [f"exported, but not declared: {name}" for name in sorted(exported - set(functions))]
    if os.environ.get("REAL") == "float":
        print("\n".join(wrong) or "test_abi: the list is for real=double")
        return 1 if wrong else SKIPPED

    flags = [f"-I{include}" for include in includes]
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory) / "types.c"
        all_headers = "".join(f'#include "{header}"\n' for header in headers)

        def compile_and_run(body):
            source.write_text(all_headers + "int main(void)\n{\n" + body + "    return 0;\n}\n")
            program = source.with_suffix("")
            run([*shlex.split(compiler), "-std=c11", *flags, str(source), "-o", str(program)])
            return run([str(program)])

        source.write_text(all_headers)
        text = run([*shlex.split(compiler), "-std=c11", "-E", "-P", *flags, str(source)])
        lines = describe_types(text, compile_and_run)
        if compile_and_run('    printf("%zu", sizeof(void *));\n') != "8":
            print("test_abi: the list is for 64 bits")
            return SKIPPED
    lines += [forget_names(prototype) for prototype, _ in functions.values()]
    now = {key(line): line for line in lines}

    soname = re.search(r"SONAME\s+(\S+)", run(["objdump", "-p", str(library)]))[1]
    path = root / "tests" / "abi.txt"
    if update:
        path.write_text(WORDS + f"soname {soname}\n" + "".join(f"{now[k]}\n" for k in sorted(now)))
        return 0
    listed = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    listed_soname = listed.pop(0).split()[1]
    before = {key(line): line for line in listed}
    again = f"tests/test_abi.py --update . {os.path.relpath(library, root)}"
    if listed_soname != soname:
        wrong.append(f"{path.name} is for {listed_soname}, the library is {soname}: {again}")
    else:
        gone = [k for k in before if k not in now]
        changed = [k for k in before if k in now and now[k] != before[k]]
        added = [k for k in now if k not in before and k not in read_gates(root)]
        wrong += [f"gone: {before[k]}" for k in gone]
        wrong += [f"changed: {before[k]}\n     now: {now[k]}" for k in changed]
        wrong += [f"added: {now[k]}" for k in added]
        if gone or changed:
            wrong.append(
                f"Programs linked with {soname} would break. If it was released, the next version "
                "needs another soname: raise the minor version before 1.0, the major one after, in "
                f"meson.build and autograd.h. Then: {again}"
            )
        elif added:
            wrong.append(f"List what was added: {again}")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
