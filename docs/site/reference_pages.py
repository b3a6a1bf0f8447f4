# SPDX-License-Identifier: MIT
"""The reference: a page for each public header, one for the gate table, and an index of all."""

import html
import re

import cpp_reader
import header_reader

GATES_PAGE = "reference/gates.html"
COMMAND_PAGE = "reference/command.html"
INDEX_PAGE = "reference/index.html"
ENUMERATOR = re.compile(r"^    ([A-Z]\w*)(?: = -?\w+)?,", re.MULTILINE)


def escape(text):
    return html.escape(text, quote=False)


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


class Gate:
    """One line of the gate table."""

    def __init__(self, line, group):
        fields = line.rstrip("\n").split("\t")
        self.name, self.group = fields[0], group
        self.function = "ag_" + self.name
        self.symbol = fields[1] if len(fields) == 2 else None
        if not self.symbol:
            self.arity, self.value, self.domain, self.edges = int(fields[1]), *fields[2:5]
            self.local = fields[5:]


def read_groups(path):
    """The comments that head the table's groups: gate -> its group."""
    groups, group = {}, ""
    text = path.read_text(encoding="utf-8").split("#endif")[-1]
    for match in re.finditer(r"/\*(.*?)\*/|^AG_[A-Z]+\((\w+)", text, re.DOTALL | re.MULTILINE):
        if match[2]:
            groups[match[2]] = group
        else:
            group = header_reader.strip_comment(match[0]).replace("\n", " ")
    return groups


class Reference:
    """Everything that the reference says, read from the tree."""

    def __init__(self, root, includes, compiler, gate_lines, links):
        self.links = links
        self.headers = {}  # page -> header
        paths = sorted(root.glob("*/wengert/*.h")) + sorted(root.glob("*/wengert/*.hpp"))
        self.paths = {path: self.page_of(path) for path in paths}
        for path, page in self.paths.items():
            name = f"wengert/{path.name}"
            if path.suffix == ".h":
                self.headers[page] = header_reader.read_header(path, name, includes, compiler)
            else:
                self.headers[page] = cpp_reader.CppReader(path, name).read()
        [self.table] = root.glob("*/wengert/gates.def")
        groups = read_groups(self.table)
        self.gates = [Gate(line, groups[line.split("\t")[0]]) for line in gate_lines]
        self.prototypes = dict(
            declaration
            for header in self.headers.values()
            for entry in header.entries()
            if entry.kind == "function"
            for declaration in entry.declarations
        )
        self.add_links()

    @staticmethod
    def page_of(path):
        return f"reference/{path.name.removesuffix('.h').replace('.', '-')}.html"

    def add_links(self):
        for gate in self.gates:
            self.links.add(gate.function, GATES_PAGE)
        for page, header in self.headers.items():
            for entry in header.entries():
                for name, text in entry.declarations:
                    if page.endswith("-hpp.html"):  # its names are everybody's: value, graph, max
                        continue
                    self.links.add(name, page)
                    for row in entry.rows if entry.enumerators is not None else []:
                        self.links.add(row[entry.enumerators], page)
                    if entry.kind == "type" and "enum" in text:
                        for enumerator in ENUMERATOR.findall(text):
                            self.links.add(enumerator, page)

    def is_gate(self, name):
        return self.links.places.get(name, "").startswith(GATES_PAGE)

    # ---- One header -------------------------------------------------------------------------

    def write_table(self, entry):
        """A list of macros; the names that it makes have anchors."""
        rows = []
        for row in entry.rows:
            cells = [f"<td>{escape(cell)}</td>" for cell in row]
            if entry.enumerators is not None:
                name = row[entry.enumerators]
                cells[entry.enumerators] = f'<td id="{name}"><code>{name}</code></td>'
            rows.append("<tr>" + "".join(cells) + "</tr>\n")
        head = "".join(f"<th>{escape(column)}</th>" for column in entry.columns)
        return (
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
            f"<tbody>\n{''.join(rows)}</tbody></table></div>\n"
        )

    def write_declaration(self, name, text, kind, page, anchors):
        """One declaration with its anchor; gates are links to their own page."""
        language = "cpp" if page.endswith("-hpp.html") else "c"
        anchor = name if name not in anchors else None
        anchors.add(name)
        inner = ENUMERATOR.findall(text) if kind == "type" and "enum" in text else []
        code = self.links.highlight(text, language, "../", {name, *inner} if kind == "type" else ())
        if kind == "type":
            code = code.replace(f'<span id="{name}">{name}</span>', f"<b>{name}</b>")
        else:
            short = escape(name.split(".")[-1])
            linked = self.links.link(name, "../")
            code = re.sub(rf"(?<![\w>]){re.escape(short)}(?=\()|{re.escape(linked)}",
                          f"<b>{short}</b>", code, count=1)
        several = " several" if "\n" in text else ""
        identity = f' id="{html.escape(slug_name(anchor))}"' if anchor else ""
        return f'<pre class="proto{several}"{identity}><code>{code}</code></pre>\n'

    def write_entry(self, entry, page, anchors):
        if all(self.is_gate(name) for name in entry.names()):
            names = " ".join(self.links.link(name, "../") for name in entry.names())
            words = self.links.words(entry.words, "../") if entry.words else ""
            return f'{words}<p class="names">{names}</p>\n'
        parts = ['<div class="entry">\n']
        parts += [
            self.write_declaration(name, text, entry.kind, page, anchors)
            for name, text in entry.declarations
        ]
        if entry.rows:
            parts.append(self.write_table(entry))
        words = entry.words
        if entry.macro:
            words = f"{words}\n\nAs a list of macros: {entry.macro}(X).".strip()
        if words:
            parts.append(f'<div class="words">{self.links.words(words, "../")}</div>\n')
        return "".join([*parts, "</div>\n"])

    def write_header(self, page):
        """A header's page: its HTML, and its sections as (title, fragment)."""
        header = self.headers[page]
        words = re.sub(r"^SPDX.*\n\n?", "", header.words)
        about, rest = re.match(r"wengert/\S+: (.*?)(?:\n\s*\n|$)(.*)", words, re.DOTALL).groups()
        if "::" not in about.split()[0]:
            about = about[0].upper() + about[1:]
        parts = [
            f"<h1><code>&lt;{header.name}&gt;</code></h1>\n",
            self.links.words(about, "../"),
            self.links.words(rest, "../"),
        ]
        contents, anchors = [], set()
        for section in header.sections:
            if section.title:
                anchor = "section-" + slug(section.title)
                contents.append((escape(section.title), anchor))
                title = self.links.link_names(section.title, "../")
                parts.append(f'<h2 id="{anchor}">{title}</h2>\n')
            for item in section.items:
                if isinstance(item, str):
                    parts.append(self.links.words(item, "../"))
                else:
                    parts.append(self.write_entry(item, page, anchors))
        return "".join(parts), contents

    # ---- The gate table ---------------------------------------------------------------------

    def write_gate(self, gate):
        prototype = self.prototypes[gate.function]
        code = self.links.highlight(prototype, "c", "../").replace(
            self.links.link(gate.function, "../"), f"<b>{gate.function}</b>"
        )
        rows = [("value", f"<code>{escape(bare(gate.value))}</code>")]
        local = ",&ensp;".join(f"<code>{escape(bare(formula))}</code>" for formula in gate.local)
        rows.append(("local gradients" if len(gate.local) > 1 else "local gradient", local))
        rows.append(("domain", escape(gate.domain)))
        if gate.edges:
            rows.append(("edges", f"<code>{escape(gate.edges.strip())}</code>"))
        body = "".join(f"<dt>{term}</dt><dd>{what}</dd>\n" for term, what in rows)
        return (
            f'<div class="entry gate" id="{gate.function}">\n'
            f'<pre class="proto"><code>{code}</code></pre>\n<dl>\n{body}</dl>\n</div>\n'
        )

    def write_comparison(self, gate):
        code = self.links.highlight(self.prototypes[gate.function], "c", "../").replace(
            self.links.link(gate.function, "../"), f"<b>{gate.function}</b>"
        )
        return (
            f'<div class="entry gate" id="{gate.function}">\n'
            f'<pre class="proto"><code>{code}</code></pre>\n'
            f"<dl><dt>answers</dt><dd><code>a {escape(gate.symbol)} b</code></dd></dl>\n</div>\n"
        )

    def write_gates(self):
        parts = [GATES_INTRODUCTION.format(section="autograd.html#section-gates")]
        contents, group = [], None
        for gate in self.gates:
            if gate.group != group:
                group = gate.group
                title = re.split(r"[.:;]", group)[0]
                rest = group[len(title) :].lstrip(".:; ")
                contents.append((escape(title), slug(title)))
                parts.append(f'<h2 id="{slug(title)}">{escape(title)}</h2>\n')
                if rest:
                    parts.append(f"<p>{escape(rest[0].upper() + rest[1:])}</p>\n")
            parts.append(self.write_comparison(gate) if gate.symbol else self.write_gate(gate))
        return "".join(parts), contents

    # ---- The index --------------------------------------------------------------------------

    def write_index(self):
        parts = [INDEX_INTRODUCTION]
        contents = []
        for page, header in self.headers.items():
            anchor = slug(header.name)
            contents.append((header.name, anchor))
            href = page.split("/")[1]
            parts.append(
                f'<h2 id="{anchor}"><a href="{href}"><code>&lt;{header.name}&gt;</code></a></h2>\n'
                '<dl class="index">\n'
            )
            for section in header.sections:
                names = list(
                    dict.fromkeys(
                        name
                        for entry in section.entries()
                        if entry.kind != "macro"
                        for name in entry.names()
                    )
                )
                linked = " ".join(
                    f'<a href="{self.place_of(name, href)}"><code>{escape(short(name))}</code></a>'
                    for name in names
                )
                if names:
                    parts.append(f"<dt>{escape(section.title) or 'Basics'}</dt><dd>{linked}</dd>\n")
            parts.append("</dl>\n")
        return "".join(parts), contents

    def place_of(self, name, href):
        place = self.links.places.get(name)
        return f"../{place}" if place else f"{href}#{slug_name(name)}"


def write_command(help_texts):
    """The wengert program's page: what it says itself, as a whole and of each command."""
    parts, contents = ["<h1>The <code>wengert</code> command</h1>\n"], []
    for command, text in help_texts:
        if command:
            contents.append((command, command))
            parts.append(f'<h2 id="{command}">wengert {command}</h2>\n')
        about, _, rest = text.partition("\n\n")
        about = about.split(": ", 1)[1]
        parts.append(f"<p>{escape(about[0].upper() + about[1:])}.</p>\n")
        parts.append(f'<pre class="output"><code>{escape(rest.rstrip())}</code></pre>\n')
    return "".join(parts), contents


def short(name):
    return name.split(".")[-1]


def slug_name(name):
    """An anchor for a name that may be an operator's."""
    return re.sub(r"[^\w.~+*/<>=!-]", "-", name)


def bare(formula):
    """A formula without the parentheses around all of it."""
    if not (formula.startswith("(") and formula.endswith(")")):
        return formula
    depth = 0
    for place, letter in enumerate(formula):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and place < len(formula) - 1:
            return formula
    return formula[1:-1]


GATES_INTRODUCTION = """<h1>The gates</h1>
<p>One function for each line of the <a href="{section}">gate table</a>, the only place in the
library that knows a derivative; this page is made of the table's own words. The operands are
<code>x</code> (or <code>a</code>, <code>b</code>; or <code>c</code>, <code>a</code>,
<code>b</code>), and <code>y</code> is the gate's value. A gate's downstream gradient is upstream
times local gradient. Where a gate takes any number of operands, its one local gradient is that for
the operand <code>x</code>.</p>
<p>The <em>edges</em> are conventions at kinks and at the rim of the domain: operands first, then
one local gradient for each, so that <code>(0, INF)</code> says that at 0 the local gradient is
infinite. Outside its domain a gate gives what libm gives, mostly NaN. Angles are in radians.</p>
"""
INDEX_INTRODUCTION = """<h1>Reference</h1>
<p>Every public function and type, from the comments of the headers. Gates stand by themselves in
<a href="gates.html">the gate table</a>; what goes from the shell is in <a href="command.html">the
command</a>, and how it all plays together in <a href="../manual.html">the manual</a>.</p>
"""
