#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Clicks through the page of the sigmoid circuit in headless Chromium and reads the numbers on it:
test_trace_page.py WENGERT. Skipped (status 77) where there is no Chromium or no Graphviz.

The page's own buttons and keys are used, by a script that is added to a copy of the page and leaves
what it sees in the document, which Chromium prints.
"""

import html
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

INPUTS = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}
EXPRESSION = "1/(1 + exp(-(w0*x0 + w1*x1 + w2)))"

READER = """
<script>
window.addEventListener("load", function () {
  const click = (id) => document.getElementById(id).click();
  const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  const text = (element) => element === null || element.classList.contains("unknown") ? null
    : element.textContent;
  const see = () => {
    const step = document.querySelector("#steps li.now"), seen = {nodes: {}, wires: {}};
    seen.place = document.getElementById("place").textContent;
    seen.shown = Array.from(document.querySelectorAll("#steps li")).filter(
      (each) => each.offsetHeight > 0).length;
    seen.lit = Array.from(document.querySelectorAll("#picture .lit")).map((each) => each.id).sort();
    for (const part of ["upstream", "local", "product", "before", "sum", "result"])
      seen[part] = text(step.querySelector("." + part));
    seen.text = step.textContent;
    for (const row of document.querySelectorAll("#nodes tr")) {
      const n = row.dataset.node, wire = document.getElementById("wire" + n);
      seen.nodes[row.cells[0].textContent] = [text(row.querySelector(".value")),
        text(row.querySelector(".gradient"))];
      if (wire !== null)
        seen.wires[row.cells[0].textContent] = [text(wire.querySelector("text.value")),
          text(wire.querySelector("text.gradient"))];
    }
    return seen;
  };
  const report = {clicks: [see()], error: null};
  while (!document.getElementById("next").disabled) {
    click("next");
    report.clicks.push(see());
  }
  click("first");
  report.first = see();
  press("ArrowRight");
  press("ArrowRight");
  press("ArrowLeft");
  report.keys = see();
  press("End");
  report.end = see();
  click("back");
  report.back = see();
  press("Home");
  report.home = see();
  const pre = document.createElement("pre");
  pre.id = "report";
  pre.textContent = JSON.stringify(report);
  document.body.append(pre);
});
</script>
"""


def read_page(wengert, chromium, directory):
    """What the reader saw, step by step."""
    page = directory / "trace.html"
    values = [f"{name}={value}" for name, value in INPUTS.items()]
    subprocess.run([wengert, "explain", EXPRESSION, *values, "--html", page], check=True)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|url\(|@import|fetch\(", text.replace("xlink:href", "")), \
        "the page asks for something from elsewhere"
    copy = directory / "read.html"
    copy.write_text(text.replace("</body>", READER + "</body>"), encoding="utf-8")
    result = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={directory / 'profile'}", "--dump-dom", copy.as_uri()],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
    )
    found = re.search(r'<pre id="report">(.*?)</pre>', result.stdout.decode(), re.DOTALL)
    assert found, "no report: " + result.stdout.decode()[-2000:] + result.stderr.decode()[-2000:]
    return json.loads(html.unescape(found[1]))


def refuse_large(wengert, directory):
    """A graph that nobody could look at makes no page, and says so."""
    result = subprocess.run([wengert, "explain", "+".join(["x*x"] * 600), "x=1", "--html", "large.html"],
                            cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert result.returncode == 1 and b"1200 nodes" in result.stderr, result
    assert list(directory.iterdir()) == []
    both = subprocess.run([wengert, "explain", "x^2", "x=3", "--html", "both.html", "--json"],
                          cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if b"built without jansson" not in both.stderr:
        assert json.loads(both.stdout)["nodes"][0]["gradient"] == 6, both


def close(text, number):
    assert text is not None and math.isclose(float(text), number, rel_tol=2e-5, abs_tol=1e-12), \
        f"{text} is not {number}"


def circuit():
    """Values and gradients of the circuit, by hand, as the lecture does it (Karpathy, CS231n)."""
    w0, x0, w1, x1, w2 = INPUTS.values()
    p, q = w0 * x0, w1 * x1
    r = p + q
    s = r + w2
    e = math.exp(-s)
    f = 1 / (1 + e)
    ds = f * (1 - f)
    values = {"w0": w0, "x0": x0, "w1": w1, "x1": x1, "w2": w2, "v1": p, "v2": q, "v3": r, "v4": s,
              "v5": -s, "v6": e, "v7": 1 + e, "v8": f}
    gradients = {"w0": x0 * ds, "x0": w0 * ds, "w1": x1 * ds, "x1": w1 * ds, "w2": ds, "v1": ds,
                 "v2": ds, "v3": ds, "v4": ds, "v5": -ds, "v6": -f * f, "v7": -f * f, "v8": 1}
    return values, gradients


def main():
    wengert = os.path.abspath(sys.argv[1])
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or shutil.which("dot") is None:
        print("skipped: there is no", "chromium" if chromium is None else "dot")
        return 77
    with tempfile.TemporaryDirectory() as directory:
        refuse_large(wengert, pathlib.Path(directory))
        report = read_page(wengert, chromium, pathlib.Path(directory))
    values, gradients = circuit()
    clicks = report["clicks"]

    # 8 gates forward; the seed; 13 wires backward: neg, exp, reciprocal one each, the rest two, but
    # for the constant of 1 + exp
    assert len(clicks) == 8 + 1 + 12, len(clicks)
    for i, seen in enumerate(clicks):
        assert seen["shown"] == 1, seen
        assert seen["place"].startswith(f"step {i + 1} of {len(clicks)}: "), seen["place"]
        assert any(name.startswith("wire") for name in seen["lit"]), seen["lit"]

    # forward: values come one by one, gradients not at all
    names = [f"v{i}" for i in range(1, 9)]
    for i, seen in enumerate(clicks[:8]):
        assert seen["place"].endswith("forward")
        close(seen["result"], values[names[i]])
        for name, value in values.items():
            known = name not in names[i + 1 :]
            for shown in seen["nodes"][name], seen["wires"][name]:
                assert (shown[0] is not None) == known, (name, shown)
                assert shown[1] is None, (name, shown)
                if known:
                    close(shown[0], value)

    # backward: upstream times local is the product, and it arrives at an operand
    close(clicks[8]["result"], 1)
    for seen in clicks[9:]:
        assert seen["place"].endswith("backward")
        close(seen["product"], float(seen["upstream"]) * float(seen["local"]))
        assert any(name.startswith("gate") for name in seen["lit"]), seen["lit"]
    by_name = {re.match(r"backward: (\w+) from", seen["text"])[1]: seen for seen in clicks[9:]}
    assert len(by_name) == 12
    for name, seen in by_name.items():
        close(seen["product"], gradients[name])
    close(by_name["v7"]["upstream"], 1)
    close(by_name["v7"]["local"], -values["v8"] ** 2)
    close(by_name["v5"]["local"], values["v6"])
    close(by_name["w0"]["local"], INPUTS["x0"])

    # at the end everything is there, in the table and on the wires
    for name in values:
        for shown in clicks[-1]["nodes"][name], clicks[-1]["wires"][name]:
            close(shown[0], values[name])
            close(shown[1], gradients[name])

    # buttons and keys agree
    assert report["first"] == clicks[0] and report["home"] == clicks[0]
    assert report["keys"] == clicks[1]
    assert report["end"] == clicks[-1]
    assert report["back"] == clicks[-2]
    print(f"{len(clicks)} steps read")
    return 0


if __name__ == "__main__":
    sys.exit(main())
