#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks a site of static pages: check_site.py SITE.

Every link must lead to a file and an anchor that are there; every page must be reachable from
index.html; nothing may be loaded from elsewhere; tags must close, and no id may stand twice.
"""

import pathlib
import posixpath
import re
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

VOID = {"meta", "link", "img", "br", "hr", "input", "col", "wbr"}


def picture_size(svg):
    """Width and height of an SVG in CSS pixels."""
    sizes = re.findall(r'<svg[^>]*?\swidth="([\d.]+)(pt|px|)"\s+height="([\d.]+)', svg)
    if not sizes:
        raise ValueError("an SVG without a size")
    width, unit, height = sizes[0]
    scale = 4 / 3 if unit == "pt" else 1
    return round(float(width) * scale), round(float(height) * scale)


class PageReader(HTMLParser):
    """Collects a page's ids, links and resources, and what is wrong with its tags."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.resources, self.wrong = set(), [], [], []
        self.open = []
        self.feed(text)
        self.close()
        if self.open:
            self.wrong.append(f"<{self.open[-1]}> is not closed")

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            if values["id"] in self.ids:
                self.wrong.append(f"the id {values['id']} stands twice")
            self.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif "href" in values or "src" in values:
            self.resources.append(values.get("href", values.get("src")))
        if tag == "img" and not values.get("alt"):
            self.wrong.append(f"a picture without words: {values.get('src')}")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> at line {self.getpos()[0]} closes nothing")
        else:
            self.open.pop()


def check_site(root):
    """What is wrong with the site, as messages."""
    pages = {
        path.relative_to(root).as_posix(): PageReader(path.read_text(encoding="utf-8"))
        for path in sorted(root.glob("**/*.html"))
    }
    wrong = []
    reached, ahead = set(), ["index.html"]
    for name, page in pages.items():
        wrong += [f"{name}: {message}" for message in page.wrong]
        for href in page.resources:
            if re.match(r"[a-z]+:|//", href):
                wrong.append(f"{name}: {href} is loaded from elsewhere")
            elif not (root / posixpath.join(posixpath.dirname(name), unquote(href))).is_file():
                wrong.append(f"{name}: there is no {href}")
        for href in page.links:
            if re.match(r"(https?|mailto):", href):
                continue
            target, _, fragment = href.partition("#")
            there = name
            if target:
                there = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(target)))
            if there not in pages:
                wrong.append(f"{name}: the link {href} leads to no page")
            elif fragment and unquote(fragment) not in pages[there].ids:
                wrong.append(f"{name}: the link {href} leads to no anchor")
    while ahead:
        name = ahead.pop()
        if name in reached or name not in pages:
            continue
        reached.add(name)
        for href in pages[name].links:
            target = unquote(href.partition("#")[0])
            ahead.append(posixpath.normpath(posixpath.join(posixpath.dirname(name), target)))
    wrong += [f"{name}: no link leads here" for name in pages if name not in reached]
    for path in root.glob("**/*.css"):
        for place in re.findall(r"@import[^;]*|url\([^)]*\)", path.read_text(encoding="utf-8")):
            wrong.append(f"{path.name}: {place} is loaded from elsewhere")
    for path in root.glob("**/*.svg"):
        for place in re.findall(r'(?:href|src)="([^"#][^"]*)"', path.read_text(encoding="utf-8")):
            wrong.append(f"{path.name}: {place} is loaded from elsewhere")
    return wrong


def main():
    wrong = check_site(pathlib.Path(sys.argv[1]).resolve())
    for message in wrong:
        print(message)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
