#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns functions in plain C into the templates of c_text.h: c_library.py FILE prints a line
C_FUNCTION(name, template) for each function that the file defines.

double becomes the number type, a literal with a point or an exponent one of that type, and every
function that is called or defined a name (without its agi_). Functions keep the comments above them.
Whatever else is in the file is left out.
"""

import pathlib
import re
import sys

FUNCTION = re.compile(
    r"^((?:/\*(?:(?!\*/).)*\*/\n)?)(?:static )?(double \w+\([^)]*\)\n\{\n.*?^\}\n)", re.DOTALL | re.MULTILINE
)
TOKEN = re.compile(
    r"(?P<comment>/\*.*?\*/)"
    r"|(?P<number>(?<!\w)(?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+))"
    r"|(?P<call>\b(?!(?:for|if|return|sizeof|switch|while)\b)[a-z]\w*(?=\())"
    r"|(?P<type>\bdouble\b)",
    re.DOTALL,
)


def mark(token):
    text = token[0]
    if token.lastgroup == "number":
        return "#" + text
    if token.lastgroup == "call":
        return "@" + text.removeprefix("agi_")
    return "real" if token.lastgroup == "type" else text


path = pathlib.Path(sys.argv[1])
print(f"/* made from {path.name} by c_library.py */")
for comment, definition in FUNCTION.findall(path.read_text()):
    name = re.match(r"double (?:agi_)?(\w+)", definition)[1]
    print(f"C_FUNCTION({name},")
    for line in TOKEN.sub(mark, comment + "static " + definition + "\n").splitlines():
        text = line.replace("\\", "\\\\").replace('"', '\\"')
        print(f'    "{text}\\n"')
    print(")")
