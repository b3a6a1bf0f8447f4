#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns a text file into a C array: embed.py NAME FILE prints `static const char NAME[]`."""

import sys

name, path = sys.argv[1:]
with open(path, "rb") as file:
    data = file.read()
print(f"/* made from {path.rsplit('/', 1)[-1]} by embed.py */")
print(f"static const char {name}[] = {{")
for at in range(0, len(data), 16):
    print("    " + ", ".join(str(byte - 256 if byte > 127 else byte) for byte in data[at : at + 16]) + ",")
print("    0};")
