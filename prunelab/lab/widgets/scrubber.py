"""A slider over the moments of a run. Drag back to any of them, play them, go back to what happens now.

Callbacks (``scrubber.observe(callback, "position")``) run on whatever thread the page's message came in on: they must
do no more than put a command on a queue.

What the page tells (scrubber.js), for styles and tests, on the element ``.prunelab-scrubber``: ``data-state`` is
"empty", "live", "scrubbed" or "playing"; ``data-position`` is "live" or the index of the moment that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from prunelab.resources import joined_script

HERE = Path(__file__).parent
MARKS = ("", "settled")
FASTEST = 60.0  # moments a second: no screen shows more

Moment = dict[str, Any]


class Scrubber(anywidget.AnyWidget):
    """The moments of a run, and which of them is shown.

    moments: oldest first, each ``{"label": "round 1: pruned", "mark": "settled" or ""}``. Settled moments (the dense
    network trained, a round pruned, a round retrained) have a tick and are what PageUp and PageDown jump to;
    ``"short"``: what stands at the tick, if not the label; ``"id"``: what tells moments of the same label apart for
    ``update``. Some 600 of them travel and draw well; who has more thins them out.
    position: index of the moment that is shown, None: live, the newest, whichever that is. One that is out of range
    becomes the nearest that there is. The right end of the slider is live.
    playing: the page advances ``position`` by ``speed`` moments a second, above 0 to 60, until it is live again. For
    readers who ask for reduced motion it goes from settled moment to settled moment, one a second at most.
    """

    _esm = joined_script(HERE / "scrubber.js")
    _css = HERE / "scrubber.css"

    moments = traitlets.List(traitlets.Dict()).tag(sync=True)
    position = traitlets.Int(None, allow_none=True).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    speed = traitlets.Float(4.0).tag(sync=True)
    label = traitlets.Unicode("moment of the run", help="the slider's name").tag(sync=True)

    def update(self, moments: Sequence[Moment]) -> None:
        """Show these moments instead, in one message; ``position`` stays on the moment it is on, see ``followed``."""
        position = followed(self.moments, moments, self.position)
        with self.hold_sync():
            self.moments = list(moments)
            self.position = position

    @traitlets.validate("moments")
    def _check_moments(self, proposal: dict[str, Any]) -> list[Moment]:
        for i, moment in enumerate(proposal["value"]):
            if not isinstance(moment.get("label"), str):
                raise traitlets.TraitError(f"moments[{i}] = {moment!r} needs a text as its 'label'")
            if moment.get("mark", "") not in MARKS:
                raise traitlets.TraitError(f"moments[{i}]['mark'] = {moment['mark']!r} must be 'settled' or ''")
        return proposal["value"]

    @traitlets.validate("position")
    def _clamp_position(self, proposal: dict[str, Any]) -> int | None:
        # Not an error: the page may ask for a moment that was thinned out while its message was on the way.
        return _within(proposal["value"], len(self.moments))

    @traitlets.observe("moments")
    def _keep_position_within(self, _change: Any) -> None:
        self.position = _within(self.position, len(self.moments))

    @traitlets.validate("speed")
    def _check_speed(self, proposal: dict[str, Any]) -> float:
        if not (math.isfinite(proposal["value"]) and 0 < proposal["value"] <= FASTEST):
            raise traitlets.TraitError(f"speed = {proposal['value']!r} must be above 0 and at most {FASTEST:g}")
        return proposal["value"]


def followed(old: Sequence[Moment], new: Sequence[Moment], position: int | None) -> int | None:
    """Where the moment ``old[position]`` stands in ``new``; if it is gone, the nearest one before it that is not.

    Moments are the same when their "id" is, or, without one, their label. None stays None (live); when nothing up to
    ``position`` is left, the first moment; None when ``new`` is empty.
    """
    if position is None or not new:
        return None
    places = {_identity(moment): i for i, moment in reversed(list(enumerate(new)))}
    for moment in reversed(old[: position + 1]):
        if _identity(moment) in places:
            return places[_identity(moment)]
    return 0


def _identity(moment: Moment) -> Any:
    return moment.get("id", moment["label"])


def _within(position: int | None, count: int) -> int | None:
    if position is None or count == 0:
        return None
    return min(max(position, 0), count - 1)
