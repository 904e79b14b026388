"""The plot without a browser."""

from __future__ import annotations

from prunelab.lab.widgets.plot import Plot
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
