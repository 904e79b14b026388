"""A slider over the snapshots of a run: drag back to any of them, play them, go back to live.

Callbacks (``scrubber.observe(callback, "position")``) run on the thread that the page's message came in on: they must
only put a command on a queue.

Data attributes for styles and tests, set by scrubber.js on the element ``.prunelab-scrubber``: ``data-state`` is
"empty", "live", "scrubbed" or "playing"; ``data-position`` is "live" or the index of the snapshot that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import traitlets

from prunelab.lab.widgets.batching import BatchedWidget
from prunelab.resources import joined_script

HERE = Path(__file__).parent
MARKS = ("", "settled")
MAX_SPEED = 60.0  # snapshots per second: no screen shows more

Moment = dict[str, Any]  # a snapshot as an item of the slider


class Scrubber(BatchedWidget):
    """The snapshots of a run, and which of them is shown.

    moments: the snapshots, oldest first, each ``{"label": "round 1: pruned", "mark": "settled" or ""}``. Settled ones
    (the dense network trained, a round pruned, a round retrained) have a tick, and PageUp and PageDown jump to them;
    ``"short"``: text at the tick, by default the label; ``"id"``: tells snapshots with the same label apart in
    ``update``; ``"place"``: where it stands on the slider, from 0 (left end) to 1, above the place before it. Without
    places the snapshots are equally far apart. Up to about 600 can be sent and drawn fast; thin out longer runs.
    newest: the live snapshot in words, where it is newer than the last of ``moments``; "": that one's label.
    position: index of the snapshot that is shown; None: live, always the newest. One that is out of range is set to the
    nearest valid one. The right end of the slider is live.
    playing: the page advances ``position`` by ``speed`` snapshots per second, above 0 to 60, until it is live again.
    For readers with reduced motion it goes from settled to settled snapshot, at most one per second.
    """

    _esm = joined_script(HERE / "scrubber.js")
    _css = HERE / "scrubber.css"

    moments = traitlets.List(traitlets.Dict()).tag(sync=True)
    newest = traitlets.Unicode("").tag(sync=True)
    position = traitlets.Int(None, allow_none=True).tag(sync=True)
    playing = traitlets.Bool(False).tag(sync=True)
    speed = traitlets.Float(4.0).tag(sync=True)
    label = traitlets.Unicode("moment of the run", help="the slider's name").tag(sync=True)

    def update(self, moments: Sequence[Moment]) -> None:
        """Replace all moments, in one message; ``position`` stays on the same snapshot, see ``followed``."""
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
        _check_places([moment.get("place") for moment in proposal["value"]])
        return proposal["value"]

    @traitlets.validate("position")
    def _clamp_position(self, proposal: dict[str, Any]) -> int | None:
        # Not an error: the snapshot may have been thinned out while the page's message was on its way.
        return _within(proposal["value"], len(self.moments))

    @traitlets.observe("moments")
    def _keep_position_within(self, _change: Any) -> None:
        self.position = _within(self.position, len(self.moments))

    @traitlets.validate("speed")
    def _check_speed(self, proposal: dict[str, Any]) -> float:
        if not (math.isfinite(proposal["value"]) and 0 < proposal["value"] <= MAX_SPEED):
            raise traitlets.TraitError(f"speed = {proposal['value']!r} must be above 0 and at most {MAX_SPEED:g}")
        return proposal["value"]


def followed(old: Sequence[Moment], new: Sequence[Moment], position: int | None) -> int | None:
    """Index in ``new`` of the item ``old[position]``; if it is gone, of the nearest one before it that is there.

    Items are the same when their "id" is or, without one, their label. None stays None (live); 0 when no item up to
    ``position`` is left; None when ``new`` is empty.
    """
    if position is None or not new:
        return None
    places = {_identity(moment): i for i, moment in reversed(list(enumerate(new)))}
    for moment in reversed(old[: position + 1]):
        if _identity(moment) in places:
            return places[_identity(moment)]
    return 0


def _check_places(places: Sequence[Any]) -> None:
    """TraitError unless all are None, or numbers from 0 to 1, each above the one before."""
    if all(place is None for place in places):
        return
    before = -math.inf
    for i, place in enumerate(places):
        if not isinstance(place, int | float) or not 0 <= place <= 1 or place <= before:
            raise traitlets.TraitError(
                f"moments[{i}]['place'] = {place!r} must be a number from 0 to 1, above the one before; "
                "give one to every moment, or to none"
            )
        before = place


def _identity(moment: Moment) -> Any:
    return moment.get("id", moment["label"])


def _within(position: int | None, count: int) -> int | None:
    if position is None or count == 0:
        return None
    return min(max(position, 0), count - 1)
