# SPDX-License-Identifier: MIT
"""HTML for code and for the words of comments, with every name of the reference a link."""

import html
import re

from pygments.lexers import BashLexer, CLexer, CppLexer
from pygments.token import Comment, Keyword, Number, String

LEXERS = {"c": CLexer, "cpp": CppLexer, "sh": BashLexer}
COLOURS = [  # the first that fits; classes of site.css
    (Comment.Preproc, "pp"),
    (Comment.PreprocFile, "s"),
    (Comment, "c"),
    (String, "s"),
    (Number, "n"),
    (Keyword, "k"),
]
NAME = re.compile(r"\b(?:ag|nn|AG|NN)_\w+\b")


class Links:
    """Where the reference has a name: from a page, as an href."""

    def __init__(self):
        self.places = {}  # name -> page#fragment, from the site's root

    def add(self, name, page, fragment=None):
        self.places.setdefault(name, f"{page}#{fragment or name}")

    def link(self, name, root, text=None):
        place = self.places.get(name)
        text = html.escape(text or name, quote=False)
        return f'<a href="{root}{place}">{text}</a>' if place else text

    def link_names(self, text, root):
        """Plain text as HTML."""
        parts, end = [], 0
        for match in NAME.finditer(text):
            parts.append(html.escape(text[end : match.start()], quote=False))
            parts.append(self.link(match[0], root))
            end = match.end()
        return "".join([*parts, html.escape(text[end:], quote=False)])

    def highlight(self, code, language, root, define=()):
        """Code as HTML, without a <pre>. Names in define get anchors instead of links."""
        lexer = LEXERS[language](stripnl=False, ensurenl=False)
        parts = []
        for token, text in lexer.get_tokens(code):
            colour = next((name for kind, name in COLOURS if token in kind), None)
            if colour == "s" and "\n" in text.strip("\n"):  # a shell's here-document is no string
                colour = None
            if token in Comment and token not in Comment.Preproc:
                parts.append(f'<span class="c">{self.link_names(text, root)}</span>')
            elif colour:
                parts.append(f'<span class="{colour}">{html.escape(text, quote=False)}</span>')
            elif text in define:
                parts.append(f'<span id="{text}">{text}</span>')
            else:
                parts.append(self.link(text, root))
        return "".join(parts)

    def words(self, text, root):
        """A comment's words: paragraphs, and blocks of code where lines are indented by four."""
        blocks = []
        for block in re.split(r"\n\s*\n", text):
            for lines in split_code(block.split("\n")):
                if lines[0].startswith("    "):
                    code = "\n".join(line[4:] for line in lines)
                    if blocks and blocks[-1][0] == "pre":
                        blocks[-1][1] += "\n\n" + code
                    else:
                        blocks.append(["pre", code])
                else:
                    blocks.append(["p", "\n".join(lines)])
        return "\n".join(
            f"<pre><code>{self.highlight(body, 'c', root)}</code></pre>"
            if kind == "pre"
            else f"<p>{self.prose(body, root)}</p>"
            for kind, body in blocks
        )

    def prose(self, text, root):
        return re.sub(r"`([^`]+)`", r"<code>\1</code>", self.link_names(text, root))


def split_code(lines):
    """Runs of lines that are all code, or all not."""
    runs = []
    for line in lines:
        if runs and runs[-1][0].startswith("    ") == line.startswith("    "):
            runs[-1].append(line)
        else:
            runs.append([line])
    return runs
