# SPDX-License-Identifier: MIT
"""Reads the public C headers as a manual: sections (/* ---- Name ---- */), words (a comment), and
what they are about (the declarations right below it, or before it on the same line).

The C compiler's preprocessor says which functions there are, so that those made by lists of macros
(the gates, the losses) are found like the others. Deliberately no C parser: it knows the few forms
in which this project writes its headers, and raises Unreadable at anything else.
"""

import re
import shlex
import subprocess

MARK = "PUBLIC_FUNCTION"  # what AG_API becomes
TOKEN = re.compile(
    r"""(?P<blank>[ \t]*\n(?=[ \t]*\n))
      | (?P<space>\s+)
      | (?P<comment>/\*.*?\*/)
      | (?P<directive>\#(?:[^\n\\]|\\.|\\\n)*)
      | (?P<expansion>[A-Z][A-Z_]*\([A-Z_]*\)(?=\s*\n))
      | (?P<declaration>[^\s#])""",
    re.VERBOSE | re.DOTALL,
)
SECTION = re.compile(r"/\* -{4} (.+?) -{4,} \*/")
FUNCTION = re.compile(r"(\w+)\s*\(")
# an enum of a list: #define X(columns) PREFIX##column..., LIST(X)
MADE = re.compile(
    r"^#define \w+\(.*\) (?P<prefix>\w+)##(?P<column>\w+).*,\n\s*(?P<list>\w+)\(\w+\)", re.MULTILINE
)


class Unreadable(Exception):
    pass


class Entry:
    """Declarations that share their words. kind: function, type, macro, list."""

    def __init__(self, kind, words=""):
        self.kind = kind
        self.words = words
        self.declarations = []  # (name, text)
        self.columns, self.rows = [], []  # of a list of macros
        self.enumerators = None  # the column that has them, if it is an enum's
        self.macro = None  # and the list's name

    def names(self):
        return [name for name, _ in self.declarations]


class Section:
    def __init__(self, title):
        self.title = title
        self.items = []  # words (str) and entries

    def entries(self):
        return [item for item in self.items if isinstance(item, Entry)]


class Header:
    def __init__(self, name, words):
        self.name = name
        self.words = words
        self.sections = []

    def entries(self):
        return [entry for section in self.sections for entry in section.entries()]


def strip_comment(comment):
    """The words of a comment, without its stars."""
    text = re.sub(r"^/\*+ ?|\s*\*/$", "", comment)
    return "\n".join(re.sub(r"^\s*\* ?", "", line) for line in text.split("\n")).strip("\n")


def squeeze(text):
    """A prototype on one line, spaced as the project does."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\* (?=\w)", "*", text.replace("AG_API ", ""))
    return re.sub(r"\( ", "(", text)


def find_end(text, start):
    """The place behind the ; that ends the declaration at start."""
    depth = 0
    for match in re.compile(r"/\*.*?\*/|[(){};]", re.DOTALL).finditer(text, start):
        if match[0] in "({":
            depth += 1
        elif match[0] in ")}":
            depth -= 1
        elif match[0] == ";" and depth == 0:
            return match.end()
    raise Unreadable(f"a declaration does not end: {text[start:start + 60]!r}")


def expand(path, includes, compiler):
    """Every public function of a header and what it includes: name -> (prototype, line of the
    header that makes it; 0: another header's)."""
    command = [*shlex.split(compiler), "-E", f"-DAG_API={MARK}", *(f"-I{i}" for i in includes)]
    text = subprocess.run(
        [*command, str(path)], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    functions, files, line = {}, [str(path)], 0
    pending = []  # made by a table: its place is the line that includes it
    words, started = None, 0
    for row in text.split("\n"):
        marker = re.match(r'# (\d+) "(.*?)"((?: \d)*)$', row)
        if marker:
            if " 1" in marker[3]:
                files.append(marker[2])
            elif " 2" in marker[3]:
                files.pop()
            if marker[3] and files == [str(path)]:
                for name in pending:
                    functions[name] = (functions[name][0], int(marker[1]) - 1)
                pending = []
            if files == [str(path)]:
                line = int(marker[1]) - 1
            continue
        line += files == [str(path)]
        for part in re.split(rf"(?={MARK})|(?<=;)", row):
            if part.startswith(MARK):
                words, started = "", line
            if words is None:
                continue
            words += part + " "
            if part.endswith(";"):
                prototype = squeeze(words.replace(MARK, ""))
                name = FUNCTION.search(prototype)[1]
                functions[name] = (prototype, started if len(files) == 1 else 0)
                if len(files) == 2 and files[1].endswith(".def"):
                    pending.append(name)
                words = None
    return functions


def split_arguments(text):
    """The arguments of a macro's use, strings without their quotes."""
    arguments, depth, quoted, word = [], 0, False, ""
    for letter in text:
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0 and not quoted:
            arguments.append(word)
            word = ""
        else:
            word += letter
    return [re.sub(r'^"|"$', "", argument.strip()) for argument in [*arguments, word]]


def read_list(directive, words):
    """A list of macros, #define NAME_LIST(X) X(...) X(...), as a table. Its words begin with
    X(columns)."""
    body = directive.replace("\\\n", " ")
    name = re.match(r"#define (\w+)", body)[1]
    entry = Entry("list", re.sub(r"^X\([^)]*\)[:.]?\s*", "", words))
    columns = re.match(r"X\(([^)]*)\)", words)
    if not columns:
        raise Unreadable(f"the words above {name} do not begin with X(columns)")
    entry.columns = [column.strip() for column in columns[1].split(",")]
    body = body[body.index(")") + 1 :]
    for match in re.finditer(r"\bX\(", body):
        depth, end = 1, match.end()
        quoted = False
        while depth:
            quoted ^= body[end] == '"'
            depth += 0 if quoted else (body[end] == "(") - (body[end] == ")")
            end += 1
        entry.rows.append(split_arguments(body[match.end() : end - 1]))
    for column in range(len(entry.columns) - 1, 0, -1):  # a name in small letters says no more
        if all(row[column].upper() == row[column - 1] for row in entry.rows):
            del entry.columns[column]
            for row in entry.rows:
                del row[column]
    entry.declarations.append((name, f"{name}(X)"))
    return entry


def declared_name(text):
    """What a declaration declares: a function's or type's name."""
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    if bare.startswith("typedef"):
        pointer = re.search(r"\(\*(\w+)\)", bare) if "{" not in bare else None
        return pointer[1] if pointer else re.search(r"(\w+)\s*;$", bare)[1]
    structure = re.match(r"(?:struct|enum|union)\s+(\w+)\s*\{", bare)
    if structure:
        return structure[1]
    function = FUNCTION.search(bare)
    if not function:
        raise Unreadable(f"neither a function nor a type: {bare[:60]!r}")
    return function[1]


class Reader:
    """Goes through one header's text, token by token."""

    def __init__(self, path, name, functions):
        self.text = path.read_text(encoding="utf-8")
        self.functions = functions
        self.header = None
        self.name = name
        self.words = ""  # of what comes next
        self.entry = None  # that a declaration right below joins
        self.skipping = []  # for each open #if: whether its present branch is left out
        self.lists = {}

    def section(self):
        if not self.header.sections:
            self.header.sections.append(Section(""))
        return self.header.sections[-1]

    def add(self, kind, name, text):
        """A declaration joins the entry right above unless words begin a new one."""
        completed = self.entry is not None and name in self.entry.names()  # struct, after a typedef
        joins = self.entry is not None and self.entry.kind == kind and kind != "type"
        if self.words or not (joins or completed):
            self.entry = Entry(kind, self.words)
            self.section().items.append(self.entry)
        self.words = ""
        self.entry.declarations.append((name, text))

    def leave_words(self):
        """Words that nothing stands right below are the section's."""
        if self.words:
            self.section().items.append(self.words)
        self.words, self.entry = "", None

    def read_comment(self, comment, same_line):
        section = SECTION.match(comment)
        if section:
            self.leave_words()
            self.header.sections.append(Section(section[1]))
        elif self.header is None:
            self.header = Header(self.name, strip_comment(comment))
        elif same_line and self.entry is not None:  # of the declaration before it
            name, text = self.entry.declarations.pop()
            kind, alone = self.entry.kind, not self.entry.declarations
            if alone and self.entry.words:
                self.entry.words += "\n\n" + strip_comment(comment)
                self.entry.declarations.append((name, text))
                return
            if alone:
                self.section().items.remove(self.entry)
            self.entry = Entry(kind, strip_comment(comment))
            self.entry.declarations.append((name, text))
            self.section().items.append(self.entry)
        else:
            self.leave_words()
            self.words = strip_comment(comment)

    def read_directive(self, directive, line):
        keyword = re.match(r"#\s*(\w+)", directive)[1]
        if keyword in ("if", "ifdef", "ifndef"):
            self.skipping.append(not re.match(r"#ifndef WENGERT_\w+_H", directive))
        elif keyword in ("else", "elif"):
            self.skipping[-1] = keyword == "elif"
        elif keyword == "endif":
            if self.skipping.pop() and not any(self.skipping):  # words for what is left out
                self.leave_words()
        elif any(self.skipping):
            return
        elif keyword == "include":
            self.add_made(line)
        elif keyword == "define":
            macro = re.match(r"#define (\w+)(\(X\))?(\()?", directive)
            if macro[2]:
                self.entry = self.lists[macro[1]] = read_list(directive, self.words)
                self.section().items.append(self.entry)
                self.words = ""
            elif not macro[3] and " " in directive[len("#define ") :]:
                self.add("macro", macro[1], re.sub(r"\s+", " ", directive))
            elif not macro[3]:
                self.words = ""
            else:  # a helper, of the table included below: its words are the section's
                self.leave_words()

    def add_made(self, line):
        """The functions that a line's macros make."""
        self.leave_words()
        for name, (prototype, place) in self.functions.items():
            if place == line:
                self.add("function", name, prototype)
        self.entry = None

    def read_declaration(self, text):
        name = declared_name(text)
        if text.startswith("AG_API"):
            self.add("function", name, squeeze(text))
            return
        made = MADE.search(text)
        if made:
            self.add_enum(name, text, made)
        else:
            self.add("type", name, text)

    def add_enum(self, name, text, made):
        """An enum made of a list right above: the list's table, with the enumerators' names."""
        entry = self.lists[made["list"]]
        column = entry.columns.index(made["column"])
        self.section().items.remove(entry)
        self.leave_words()
        for row in entry.rows:
            row[column] = made["prefix"] + row[column]
        entry.kind, entry.enumerators = "type", column
        entry.macro = entry.declarations[0][0]
        entry.declarations = [(name, re.sub(r"\s*\{.*\}", "", text, flags=re.DOTALL))]
        self.section().items.append(entry)

    def read(self):
        place, fresh = 0, True
        while place < len(self.text):
            match = TOKEN.match(self.text, place)
            kind, token = match.lastgroup, match[0]
            line = self.text.count("\n", 0, place) + 1
            place = match.end()
            if kind == "directive":
                self.read_directive(token, line)
            elif any(self.skipping):
                continue
            elif kind == "blank":
                if self.header is not None and self.header.sections:
                    self.leave_words()
            elif kind == "comment":
                self.read_comment(token, not fresh)
            elif kind == "expansion":
                self.add_made(line)
            elif kind == "declaration":
                start, place = match.start(), find_end(self.text, match.start())
                self.read_declaration(self.text[start:place])
            fresh = "\n" in token if kind in ("space", "blank") else False
        self.leave_words()
        return self.header


def read_header(path, name, includes, compiler):
    """A header as sections of entries; Unreadable where a public function is missing from them."""
    functions = expand(path, includes, compiler)
    header = Reader(path, name, functions).read()
    found = {name for entry in header.entries() for name in entry.names()}
    missing = [name for name, (_, line) in functions.items() if line and name not in found]
    if missing:
        raise Unreadable(f"{name}: no place for {', '.join(missing)}")
    return header
