"""The plot without a browser."""

from __future__ import annotations

import gzip

from prunelab.lab.widgets.plot import Plot, PlotlyLibrary
from prunelab.resources import PLOTLY_VERSION, SERVED_PLOTLY, plotly_module
from support.messages import say as announce


def test_messages_of_views_count_in_the_order_they_were_sent() -> None:
    told = Plot()
    heard: list[bool] = []
    told.on_visible(heard.append)
    assert told.visible  # nobody has said otherwise

    def say(view: str, number: int, sight: bool | None) -> None:
        announce(told, {"view": view, "number": number, "sight": sight})

    say("a", 1, False)
    say("b", 1, True)
    say("a", 3, False)
    say("a", 2, True)  # late
    assert heard == [False, True]
    say("b", 2, None)
    say("b", 1, True)  # late, from a view that is gone
    assert heard == [False, True, False]


def test_plotly_is_part_of_the_state_unless_the_server_has_it_as_a_file(monkeypatch) -> None:
    monkeypatch.delenv(SERVED_PLOTLY, raising=False)
    assert gzip.decompress(PlotlyLibrary().source) == plotly_module()
    monkeypatch.setenv(SERVED_PLOTLY, "0.0.1")  # a file of another version is of no use
    assert gzip.decompress(PlotlyLibrary().source) == plotly_module()
    monkeypatch.setenv(SERVED_PLOTLY, PLOTLY_VERSION)
    library = PlotlyLibrary()
    assert library.get_state()["source"] == b""
    library.set_state({"wanted": True})  # what a page sends that could not use the file
    assert gzip.decompress(library.source) == plotly_module()
