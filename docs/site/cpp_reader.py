# SPDX-License-Identifier: MIT
"""Reads the public C++ header as a manual, as header_reader does the C headers. What is shown there
is for people: the library's symbols are all in the C headers."""

import re

from header_reader import SECTION, Entry, Header, Section, Unreadable, squeeze, strip_comment

HIDDEN = {"words", "detail"}  # namespaces that are nobody's business


class CppReader:
    """Goes through the C++ header: namespaces but the hidden ones, classes' public members,
    functions without their bodies."""

    def __init__(self, path, name):
        self.text = path.read_text(encoding="utf-8")
        self.header = None
        self.name = name
        self.words, self.entry = "", None

    def section(self, title):
        self.header.sections.append(Section(title))
        self.words, self.entry = "", None

    def add(self, name, text, kind="function"):
        items = self.header.sections[-1].items
        if self.words or self.entry is None or self.entry.words or kind != self.entry.kind:
            self.entry = Entry(kind, self.words)
            items.append(self.entry)
        self.entry.declarations.append((name, text))
        self.words = ""

    def skip_braces(self, place):
        """The place behind the } for the { at place."""
        depth = 0
        for match in re.compile(r"/\*.*?\*/|[{}]|'.'", re.DOTALL).finditer(self.text, place):
            depth += (match[0] == "{") - (match[0] == "}")
            if depth == 0:
                return match.end()
        raise Unreadable(f"{self.name}: a brace does not close")

    def read_comment(self, comment):
        section = SECTION.match(comment)
        if self.header is None:
            self.header = Header(self.name, strip_comment(comment))
        elif section:
            self.section(section[1])
        elif self.header.sections:
            self.words = strip_comment(comment)

    def read_head(self, head, place, scope):
        """What comes before a { or ; at place. Returns where to go on, and the scope there."""
        bare = re.sub(r"/\*.*?\*/", "", head, flags=re.DOTALL).strip()
        opens = self.text[place] == "{"
        behind = self.skip_braces(place) if opens else place + 1
        space = re.match(r"namespace\s*(\w*)", bare)
        kind = re.match(r"class (\w+)$", bare)
        if space:
            hidden = space[1] in HIDDEN
            if space[1] == "std" and self.words:
                self.header.sections[-1].items.append(self.words)
                self.words = ""
            return (behind, None) if hidden else (place + 1, [scope[0], True])
        if kind and opens:
            self.add(kind[1], f"class {kind[1]}", "type")
            return place + 1, [kind[1], False]
        if opens and bare.endswith("union"):
            return behind, None
        function = re.search(r"(operator\s*\W{1,3}?(?=\()|operator \w+|~?\w+)\s*\(", bare)
        if scope[1] and function and "friend" not in bare:
            text = re.sub(r"\)( const)?( noexcept)?\s*:(?!:).*$", r")\1\2", bare, flags=re.DOTALL)
            name = f"{scope[0]}.{function[1]}" if scope[0] else function[1]
            if "value::operator" not in text:  # that one stands in its class
                self.add(name, squeeze(text).removeprefix("inline ") + ";")
        else:
            self.words = ""
        return behind, None

    def read(self):
        scopes, place = [["", True]], 0  # each: the class, and whether it is public here
        token = re.compile(
            r"\s+|//[^\n]*|/\*.*?\*/|\#(?:[^\n\\]|\\.|\\\n)*|(?:public|private):|\}\s*;?"
            r"|[A-Z_]{4,}\(\w+\)\n",
            re.DOTALL,
        )
        head = re.compile(r"(?:/\*.*?\*/|\((?:[^()]|\([^()]*\))*\)|[^{};])*(?=[{};])", re.DOTALL)
        while place < len(self.text):
            match = token.match(self.text, place)
            if match:
                if match[0].startswith("/*"):
                    self.read_comment(match[0])
                elif match[0].startswith("#include <wengert/gates.def>"):
                    self.header.sections[-1].items.append(self.words)
                    self.words = ""
                elif match[0] in ("public:", "private:"):
                    scopes[-1][1] = match[0] == "public:"
                elif match[0][0] == "}":
                    scopes.pop()
                place = match.end()
                continue
            match = head.match(self.text, place)
            if not match:
                raise Unreadable(f"{self.name}: {self.text[place:place + 60]!r}")
            place, scope = self.read_head(match[0], match.end(), scopes[-1])
            if scope is not None:
                scopes.append(scope)
        return self.header
