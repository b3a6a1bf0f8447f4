#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the manual as a site: build_site.py SOURCE_ROOT BUILD_ROOT SITE, after the build.

Pages are the Markdown files of docs/, README.md and CHANGELOG.md; the reference, from the headers;
and a page for each file of the tree that one of them links to. The blocks of code of the guide are
run as the tests run them, and the pictures are what they draw, so that none can be older than the
library. SITE is replaced at the end, if nothing is wrong: a link that leads nowhere is.
"""

import html
import os
import pathlib
import posixpath
import re
import shlex
import shutil
import string
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import markdown

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

import check_site
import run_docs
from header_reader import Unreadable
from markup import Links
from reference_pages import COMMAND_PAGE, GATES_PAGE, INDEX_PAGE, Reference, write_command

SMALLEST = 0.6  # of a graph's size, so that it can be read on a phone, where it scrolls; plots fit
FENCE = re.compile(
    r'<pre><code(?: class="language-(?P<language>\w+)")?>(?P<code>.*?)</code></pre>', re.DOTALL
)
LOCAL_CONTENTS = re.compile(r'<ul>\s*(<li><a href="#[^"]*">[^<]*</a></li>\s*)+</ul>')
LANGUAGES = {".c": "c", ".h": "c", ".def": "c", ".hpp": "cpp", ".cpp": "cpp"}


class Wrong(Exception):
    """A message for the author."""


class Missing(Wrong):
    """What the guide's code needs, and this machine or build lacks."""


class Page:
    """place: in the site. root: the way from there to the site's root, "" or "../"."""

    def __init__(self, place, title, body, contents=(), kind="page"):
        self.place, self.title, self.body = place, title, body
        self.contents = list(contents)  # (title, fragment) of its sections
        self.kind = kind
        self.root = "../" * place.count("/")


class Site:
    def __init__(self, source, build):
        self.source, self.build = source, build
        self.links = Links()
        self.pages = {}  # place -> page
        self.pictures = {}  # place -> file
        self.documents = {}  # document -> place
        self.guide = sorted(source.glob("docs/guide/*.md"))
        for path in sorted(source.glob("docs/**/*.md")):
            self.documents[path] = path.relative_to(source / "docs").with_suffix(".html").as_posix()
        self.documents[source / "README.md"] = "readme.html"
        self.documents[source / "CHANGELOG.md"] = "changes.html"

    # ---- What has to be run -----------------------------------------------------------------

    def run_guide(self, scratch, environment):
        """Runs the guide's blocks and collects what they drew."""
        missing = run_docs.find_missing(self.build, environment)
        if missing:
            names = ", ".join(sorted(missing))
            raise Missing(f"the guide needs {names}: run script/bootstrap --docs")
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            results = pool.map(
                lambda path: run_docs.check_document(path, self.source, scratch, environment),
                self.guide,
            )
            messages = [message for result in results for message in result.wrong]
        if messages:
            raise Wrong("\n".join(messages))
        for path in self.guide:
            for picture in run_docs.directory_of(path, self.source, scratch).glob("*.svg"):
                place = f"guide/{picture.name}"
                if place in self.pictures:
                    raise Wrong(f"{path}: another page draws {picture.name}, too")
                self.pictures[place] = picture.read_text(encoding="utf-8")

    def list_gates(self, scratch, environment):
        """The gate table's lines, from the library itself."""
        package = run_docs.run(["pkg-config", "--cflags", "--libs", "wengert"], env=environment)
        program = scratch / "list_gates"
        compiler = shlex.split(environment.get("CC", "cc"))
        run_docs.run(
            [*compiler, str(HERE / "list_gates.c"), "-o", str(program), *package.split(), "-lm"],
            env=environment,
        )
        return run_docs.run([str(program)], env=environment).splitlines()

    def ask_command(self, environment):
        """What the wengert program says of itself: (command, text), "" for the whole."""
        text = run_docs.run(["wengert", "--help"], env=environment)
        listed = text.split("Commands:")[1].split("\n\n")[0]
        commands = re.findall(r"^    (\w+)  ", listed, re.MULTILINE)
        return [("", text)] + [
            (command, run_docs.run(["wengert", command, "--help"], env=environment))
            for command in commands
        ]

    # ---- Documents --------------------------------------------------------------------------

    def place_of(self, target, document):
        """Where the site has a file of the tree; files that are no pages become some."""
        path = (document.parent / target).resolve()
        if path in self.documents:
            return self.documents[path]
        if path in self.reference.paths:
            return self.reference.paths[path]
        if path == self.reference.table:
            return GATES_PAGE
        if not path.is_file() or self.source not in path.parents:
            raise Wrong(f"{document.relative_to(self.source)}: there is no {target}")
        name = path.relative_to(self.source).as_posix()
        place = f"source/{name}.html"
        if place not in self.pages:
            code = path.read_text(encoding="utf-8")
            language = LANGUAGES.get(path.suffix)
            root = "../" * place.count("/")
            code = self.links.highlight(code, language, root) if language else html.escape(code)
            body = f"<h1><code>{name}</code></h1>\n<pre><code>{code}</code></pre>\n"
            self.pages[place] = Page(place, name, body)
        return place

    def convert_link(self, href, document, place):
        """A document's link as the site's."""
        href = html.unescape(href)
        if re.match(r"[a-z]+:", href) or href.startswith("#"):
            return html.escape(href)
        target, _, fragment = href.partition("#")
        there = posixpath.relpath(self.place_of(target, document), posixpath.dirname(place) or ".")
        return html.escape(there + ("#" + fragment if fragment else ""))

    def convert_block(self, match, root):
        language = match["language"]
        code = html.unescape(match["code"])
        if language == "text":
            return f'<pre class="output"><code>{html.escape(code, quote=False)}</code></pre>'
        if language is None:
            return f"<pre><code>{html.escape(code, quote=False)}</code></pre>"
        return f"<pre><code>{self.links.highlight(code, language, root)}</code></pre>"

    def convert_picture(self, match, document, place):
        """A picture with its size, so that the page does not jump, and not smaller than legible."""
        alt = re.search(r'alt="(.*?)"', match[0])[1]
        target = re.search(r'src="(.*?)"', match[0])[1]
        title = re.search(r'title="(.*?)"', match[0])
        name = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        if name not in self.pictures:
            raise Wrong(f"{document.relative_to(self.source)}: nothing draws {target}")
        width, height = check_site.picture_size(self.pictures[name])
        least = round(width * SMALLEST) if width > 2 * height else 0
        caption = f"<figcaption>{title[1]}</figcaption>" if title else ""
        return (
            f'<figure><div class="scroll"><img src="{target}" alt="{alt}" width="{width}"'
            f' height="{height}" style="min-width: {least}px"></div>'
            f"{caption}</figure>"
        )

    def add_document(self, document, place):
        converter = markdown.Markdown(extensions=["tables", "fenced_code", "toc", "sane_lists"])
        text = document.read_text(encoding="utf-8")
        body = converter.convert(text)
        root = "../" * place.count("/")
        body = FENCE.sub(lambda match: self.convert_block(match, root), body)
        body = re.sub(
            r"<code>([^<]*)</code>(?!</pre>)",
            lambda match: f"<code>{self.links.link_names(html.unescape(match[1]), root)}</code>",
            body,
        )
        body = re.sub(
            r"<p>(<img [^>]*>)</p>",
            lambda match: self.convert_picture(match, document, place),
            body,
        )
        if re.search(r"<p>[^<]*<img", body):
            raise Wrong(f"{document.relative_to(self.source)}: a picture is no paragraph by itself")
        body = re.sub(
            r'(<a href=")([^"]*)(")',
            lambda match: match[1] + match[2] + match[3]
            if match[2] in self.own_links
            else match[1] + self.convert_link(match[2], document, place) + match[3],
            body,
        )
        body = LOCAL_CONTENTS.sub("", body, count=1)  # the page has them beside it
        table = re.compile(r"(<table>.*?</table>)", re.DOTALL)
        body = table.sub(r'<div class="scroll">\1</div>', body)
        [top] = converter.toc_tokens or [{"name": document.stem, "children": []}]
        contents = [(child["name"], child["id"]) for child in top["children"]]
        kind = "guide" if document in self.guide else "page"
        if place == "index.html":  # is all contents
            contents = []
        self.pages[place] = Page(place, html.unescape(top["name"]), body, contents, kind)

    # ---- Pages around them ------------------------------------------------------------------

    def add_reference(self, gate_lines, help_texts):
        includes = [path.parent for path in sorted(self.source.glob("*/wengert"))]
        compiler = os.environ.get("CC", "cc")
        self.reference = Reference(self.source, includes, compiler, gate_lines, self.links)
        for page, header in self.reference.headers.items():
            self.pages[page] = Page(page, header.name, *self.reference.write_header(page))
        self.pages[GATES_PAGE] = Page(GATES_PAGE, "The gates", *self.reference.write_gates())
        self.pages[COMMAND_PAGE] = Page(COMMAND_PAGE, "The command", *write_command(help_texts))
        self.pages[INDEX_PAGE] = Page(INDEX_PAGE, "Reference", *self.reference.write_index())

    def add_documents(self):
        for document, place in self.documents.items():
            root = "../" * place.count("/")
            self.own_links = {root + there for there in self.links.places.values()}
            self.add_document(document, place)

    def list_contents(self, page):
        """What stands beside a page: the guide's pages, or the page's own sections."""
        if page.kind == "guide":
            entries = []
            for number, path in enumerate(self.guide, 1):
                other = self.pages[self.documents[path]]
                here = ' aria-current="page"' if other is page else ""
                name = posixpath.basename(other.place)
                title = html.escape(other.title, quote=False)
                entries.append(f'<li><a href="{name}"{here}>{number}. {title}</a></li>')
        else:
            entries = [
                f'<li><a href="#{fragment}">{title}</a></li>' for title, fragment in page.contents
            ]
        return "\n".join(entries) if len(entries) > 1 else ""

    def list_neighbours(self, page):
        if page.kind != "guide":
            return ""
        guide = [self.pages[self.documents[path]] for path in self.guide]
        place = guide.index(page)
        links = []
        for other, rel, before, after in (
            (guide[place - 1] if place > 0 else None, "prev", "← ", ""),
            (guide[place + 1] if place + 1 < len(guide) else None, "next", "", " →"),
        ):
            if other:
                name, title = posixpath.basename(other.place), html.escape(other.title, quote=False)
                links.append(f'<a rel="{rel}" href="{name}">{before}{title}{after}</a>')
        return '<nav class="neighbours">' + "\n".join(links) + "</nav>"

    def write(self, directory):
        template = string.Template((HERE / "page.html").read_text(encoding="utf-8"))
        for page in self.pages.values():
            contents = self.list_contents(page)
            beside = folded = ""
            if contents:
                name = "The guide" if page.kind == "guide" else "On this page"
                beside = f'<nav class="beside"><h2>{name}</h2><ul>\n{contents}\n</ul></nav>'
                folded = (
                    f'<details class="folded"><summary>{name}</summary>'
                    f"<ul>\n{contents}\n</ul></details>"
                )
            path = directory / page.place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                template.substitute(
                    title=html.escape(page.title, quote=False),
                    root=page.root,
                    first=posixpath.relpath(
                        self.documents[self.guide[0]], posixpath.dirname(page.place) or "."
                    ),
                    beside=beside,
                    folded=folded,
                    body=page.body,
                    neighbours=self.list_neighbours(page),
                ),
                encoding="utf-8",
            )
        for place, picture in self.pictures.items():
            (directory / place).write_text(picture, encoding="utf-8")
        shutil.copy(HERE / "site.css", directory)


def build_site(source, build, directory):
    """Raises Wrong or Unreadable with everything that is wrong."""
    site = Site(source, build)
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        environment = run_docs.install(build, scratch)
        site.run_guide(scratch, environment)
        help_texts = site.ask_command(environment)
        site.add_reference(site.list_gates(scratch, environment), help_texts)
    site.add_documents()
    site.write(directory)
    messages = check_site.check_site(directory)
    if messages:
        raise Wrong("\n".join(messages))


def main():
    source, build, place = (pathlib.Path(path).resolve() for path in sys.argv[1:])
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = pathlib.Path(tempfile.mkdtemp(prefix=place.name + ".", dir=place.parent))
    try:
        fresh.chmod(0o755)
        build_site(source, build, fresh)
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)
    except (Wrong, Unreadable, run_docs.Failure) as wrong:
        print(wrong, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
