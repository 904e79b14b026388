"""Scrubber, drawing and download bar in a page: the cells that make them, and what their tests do and read.

Labels on the page (``#shown ...``) say what Python has: a test reads them there and waits for nothing else.
"""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

SHOWN = """
import html
import ipywidgets

def shown(name):
    made = ipywidgets.HTML()
    def show(text):
        made.value = f"<p id=shown-{name}>{html.escape(str(text))}</p>"
    show("")
    return made, show

def button(text, action):
    made = ipywidgets.Button(description=text)
    made.on_click(lambda _: action())
    return made
"""
SCRUBBER = """
from prunelab.lab.widgets.scrubber import Scrubber

labels = ["dense: training"] * 9 + ["dense trained"]
for r in (1, 2, 3):
    labels += [f"round {r}: pruned"] + [f"round {r}: retraining"] * 8 + [f"round {r}: retrained"]
moments = [
    {"label": label, "mark": "settled" if label.endswith("ed") else "", "id": i} for i, label in enumerate(labels)
]
scrubber = Scrubber(moments=moments, speed=20)
label, show = shown("position")
visited = []
def follow(change):
    visited.append(change["new"])
    show(f"{change['new']} {scrubber.playing} {len(set(visited))}")
scrubber.observe(follow, "position")
buttons = [
    button("grow", lambda: scrubber.update([*scrubber.moments, {"label": "round 4: pruned", "mark": "settled"}])),
    button("thin", lambda: scrubber.update(scrubber.moments[::3])),
    button("none", lambda: scrubber.update([])),
    button("faster", lambda: setattr(scrubber, "speed", 60)),
]
ipywidgets.VBox([scrubber, label, *buttons])
"""
SHARES = """
from prunelab.lab.widgets.scrubber import Scrubber

# Thirds of the track: twenty snapshots of the dense training, two of round 1, five of round 2.
sizes = (("dense", 20, "trained"), ("round 1", 2, "retrained"), ("round 2", 5, "retrained"))
def made(sizes):
    every = []
    for part, (name, size, end) in enumerate(sizes):
        for i in range(1, size + 1):
            place = (part + (i - 1) / (size - 1) if part == 0 else part + i / size) / len(sizes)
            label = f"{name}: {end if i == size else i}"
            every.append({"label": label, "mark": "settled" if i == size else "", "place": place, "id": label})
    return every
scrubber = Scrubber(moments=made(sizes))
label, show = shown("position")
scrubber.observe(lambda change: show(change["new"]), "position")
buttons = [
    button("thin", lambda: scrubber.update(made((("dense", 8, "trained"), *sizes[1:])))),
    button("begin", lambda: scrubber.update(made((*sizes, ("round 3", 1, "pruned"))))),
]
ipywidgets.VBox([scrubber, label, *buttons])
"""
DRAW = """
from prunelab.lab.widgets.drawing import Drawing

draw = Drawing(size=(8, 8))
label, show = shown("value")
draw.observe(lambda change: show(" ".join(str(v) for v in change["new"])), "value")
ring = bytes(255 if i in (18, 19, 20, 26, 28, 34, 36, 42, 43, 44) else 0 for i in range(64))
draw.on_example(lambda: setattr(draw, "value", ring))
buttons = [button("large", lambda: setattr(draw, "size", (28, 28)))]
ipywidgets.VBox([draw, label, *buttons])
"""
DOWNLOAD = """
from prunelab.lab.widgets.download_bar import DownloadBar

download = DownloadBar(items=[
    {"name": "data", "label": "Data", "tooltip": "Every snapshot as CSV"},
    {"name": "slow", "label": "Report"},
    {"name": "model", "label": "Model"},
    {"name": "python", "label": "Copy Python", "copy": True},
], disabled={"model": "Nothing is trained yet."})
data = bytes((i * i // 7) % 256 for i in range(500_000)) * 10 + b"<the end>"
text = 'import prunelab as pl\\nprint("<b>ä</b>")'
def answer(name):
    if name == "data":
        download.send_file(name, "prünelab data.bin", "application/octet-stream", data)
    elif name == "python":
        download.send_text(name, text)
    else:
        download.send_progress(name, "page 3 of 6")
download.on_request(answer)
buttons = [
    button("fail", lambda: download.send_error("slow", "the <b>disk</b> is full; make room")),
    button("allow", lambda: setattr(download, "disabled", {})),
]
ipywidgets.VBox([download, *buttons])
"""


def expect_there(page: Page, *names: str) -> None:
    """A kernel that starts on a busy machine takes its time; what follows does not."""
    for name in names:
        expect(root(page, name)).to_have_attribute("data-state", re.compile("."), timeout=60_000)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def root(page: Page, name: str) -> Locator:
    return page.locator(f".prunelab-{name}")


def shown(page: Page, name: str) -> Locator:
    return page.locator(f"#shown-{name}")


def fits(page: Page, width: int) -> bool:
    page.set_viewport_size({"width": width, "height": 800})
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def at(page: Page, position: str, state: str) -> None:
    expect(root(page, "scrubber")).to_have_attribute("data-position", position)
    expect(root(page, "scrubber")).to_have_attribute("data-state", state)
