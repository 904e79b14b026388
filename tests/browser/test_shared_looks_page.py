"""Widgets that are hidden and shown while they stand on a page: ipywidgets' own and all of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

WIDGETS = """
import ipywidgets
from prunelab.lab.page.presence import Presence
from prunelab.lab.page.status import Status
from prunelab.lab.widgets import basics
from prunelab.lab.widgets.download_bar import DownloadBar
from prunelab.lab.widgets.drawing import Drawing
from prunelab.lab.widgets.number_field import NumberField
from prunelab.lab.widgets.plot import Plot
from prunelab.lab.widgets.scrubber import Scrubber
from prunelab.lab.widgets.shared_looks import is_shown, show

style = Status(Presence(), lambda: None)  # brings the style sheet
widgets = [
    basics.Button(description="a button"), basics.HTML("some words"), NumberField(description="quality", value=1),
    Drawing(), Scrubber(label="moment"), DownloadBar(items=[{"name": "report", "label": "Report"}]),
    Plot(figure={"data": [{"y": [1, 2]}], "layout": {}}, name="line"),
]
for widget in widgets[1::2]:
    show(widget, False)
for widget in widgets:
    widget.add_class("one")
swap = ipywidgets.Button(description="swap")
swap.on_click(lambda _: [show(widget, not is_shown(widget)) for widget in widgets])
ipywidgets.VBox([style, swap, *widgets])
"""


def test_what_is_shown_changes_places_with_what_is_hidden(
    page: Page, notebook: Callable[..., Path], voila: Callable[..., str]
) -> None:
    voila(notebook(WIDGETS))
    widgets = page.locator(".one")
    expect(widgets).to_have_count(7)
    for turn in range(3):
        for number in range(7):
            expect(widgets.nth(number)).to_be_visible(visible=number % 2 == turn % 2)
        page.get_by_role("button", name="swap").click()
