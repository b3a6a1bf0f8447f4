#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the site of the manual in a scratch directory and looks at what came out:
test_site.py SOURCE_ROOT BUILD_ROOT. Exit status 77 where what it is made with is missing.

build_site.py itself checks links, anchors and that nothing is loaded from elsewhere; here those
checks are checked, with sites that are wrong. The reference must have every function that the
library exports. Where there is a Chromium, no page may be wider than a telephone.
"""

import functools
import http.server
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

SKIPPED = 77
TELEPHONE = 390  # pixels
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
BROWSER_OPTIONS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars
    --virtual-time-budget=20000""".split()

# Loads one page after the other into a frame as wide as a telephone, and writes down what is wider.
MEASURE = """<!DOCTYPE html><iframe style="width: %dpx; height: 800px; border: 0"></iframe>
<pre id="wide"></pre>
<script>
const pages = %s, frame = document.querySelector("iframe"), wide = document.querySelector("#wide");
async function measure() {
    for (const page of pages) {
        await new Promise((loaded) => { frame.onload = loaded; frame.src = page; });
        const width = frame.contentDocument.documentElement.scrollWidth;
        if (width > %d || frame.contentDocument.querySelector("main") === null)
            wide.append("wide " + page + " " + width + "\\n");
    }
    wide.append("measured " + pages.length + "\\n");
}
measure();
</script>
"""


def list_exports(build):
    """The functions that the shared library has for its users."""
    [library] = [path for path in build.glob("libwengert.so*") if not path.is_symlink()][:1]
    lines = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    return {line.split()[2] for line in lines if re.match(r"\w+ T (ag|nn)_", line)}


def check_reference(site, exports):
    """Each exported function has an anchor, a prototype and words."""
    wrong = []
    text = {path: path.read_text(encoding="utf-8") for path in site.glob("reference/*.html")}
    for name in sorted(exports):
        entry = None
        for page in text.values():
            place = page.find(f'id="{name}"')
            if place >= 0:
                entry = page[place : page.find('<div class="entry', place)]
        if entry is None:
            wrong.append(f"the reference has no {name}")
        elif f"<b>{name}</b>" not in entry:
            wrong.append(f"the reference has no prototype of {name}")
    if len(exports) < 100:
        wrong.append(f"only {len(exports)} functions found in the library")
    return wrong


def check_words(header_reader, source):
    """No function stands there without a word about it, in its own entry or in the one above."""
    includes = [path.parent for path in source.glob("*/wengert")]
    wrong = []
    for path in source.glob("*/wengert/*.h"):
        header = header_reader.read_header(path, path.name, includes, "cc")
        for section in header.sections:
            above = ""
            for item in section.items:
                if isinstance(item, str):
                    above = item
                    continue
                if item.kind == "function" and not (item.words or above):
                    wrong.append(f"{path.name}: no words about {', '.join(item.names())}")
                above = item.words
    return wrong


BROKEN = {  # what check_site must find: a page's body, and a part of the message
    '<a href="gone.html">x</a>': "leads to no page",
    '<a href="#gone">x</a>': "leads to no anchor",
    '<img src="gone.svg" alt="x">': "there is no",
    '<img src="https://example.org/x.png" alt="x">': "loaded from elsewhere",
    '<script src="//example.org/x.js"></script>': "loaded from elsewhere",
    '<img src="index.html">': "without words",
    '<p id="a"></p><p id="a"></p>': "stands twice",
    "<p><b></p>": "closes nothing",
}


def check_checks(check_site, scratch):
    """The checks of build_site.py find what is wrong with a page, and nothing in a good one."""
    wrong = []
    site = scratch / "small"
    site.mkdir()
    for body, message in {'<a id="a" href="#a">x</a>': "", **BROKEN}.items():
        (site / "index.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
        found = check_site.check_site(site)
        if bool(found) != bool(message) or message not in "".join(found):
            wrong.append(f"check_site says of {body}: {found}")
    (site / "alone.html").write_text("<p></p>", encoding="utf-8")
    if not any("no link leads here" in message for message in check_site.check_site(site)):
        wrong.append("check_site does not find a page that no link leads to")
    return wrong


def check_width(site, scratch):
    """The pages that are wider than a telephone, or None without a browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return None
    pages = sorted(path.relative_to(site).as_posix() for path in site.glob("**/*.html"))
    (site / "measure.html").write_text(MEASURE % (TELEPHONE, pages, TELEPHONE), encoding="utf-8")
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            result = subprocess.run(
                [browser, *BROWSER_OPTIONS, f"--user-data-dir={scratch / 'browser'}", "--dump-dom"]
                + [f"http://127.0.0.1:{server.server_address[1]}/measure.html"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                timeout=60,
            ).stdout
        except subprocess.TimeoutExpired:
            result = ""
        server.shutdown()
    (site / "measure.html").unlink()
    wide = [f"wider than a telephone: {what}" for what in re.findall(r"^.*?wide (\S+ \d+)$", result, re.M)]
    if f"measured {len(pages)}" not in result:
        return None  # a browser that does not run here
    return wide


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def main():
    source, build = (pathlib.Path(path).resolve() for path in sys.argv[1:])
    sys.path.insert(0, str(source / "docs" / "site"))
    try:
        import build_site
        import check_site
        import header_reader
    except ModuleNotFoundError as missing:
        print(f"test_site: skipped, {missing}")
        return SKIPPED
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        scratch = pathlib.Path(directory)
        site = scratch / "site"
        site.mkdir()
        try:
            build_site.build_site(source, build, site)
            wrong = []
        except build_site.Missing as missing:
            print(f"test_site: skipped, {missing}")
            return SKIPPED
        except (build_site.Wrong, build_site.Unreadable) as problem:
            wrong = [str(problem)]
        wrong += check_reference(site, list_exports(build))
        wrong += check_words(header_reader, source)
        wrong += check_checks(check_site, scratch)
        wide = check_width(site, scratch)
        pages = len(list(site.glob("**/*.html")))
    for message in wrong + (wide or []):
        print(message)
    print(
        f"test_site: {pages} pages, {len(wrong) + len(wide or [])} things wrong"
        + (", widths not measured without a browser" if wide is None else "")
    )
    return 1 if wrong or wide else 0


if __name__ == "__main__":
    sys.exit(main())
