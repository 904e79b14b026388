"""What is under way in a lab, as it is saved under its visitor's id, beside the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from prunelab.lab.presets import PlannedRun
from prunelab.lab.runs import Run
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.snapshot import Snapshot
from prunelab.results.tradeoff import Point, Tradeoff

PLAIN = ("task", "paused", "measured", "preview", "controls")  # fields that are of JSON types already


@dataclass(frozen=True)
class Scan:
    """A scan that has ended. moment: of the network that was scanned, as ``moment_of`` tells it: scan and session are
    written one after the other, and a kernel may be killed between.
    """

    moment: Mapping[str, Any]
    result: Sensitivity

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        return {"moment": self.moment, "result": self.result.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``to_dict``."""
        return cls(values["moment"], Sensitivity.from_dict(values["result"]))


def moment_of(snapshot: Snapshot) -> dict[str, Any]:
    """What tells the networks of a session apart."""
    return {name: getattr(snapshot, name) for name in ("phase", "round", "clock", "kept")}


@dataclass(frozen=True)
class RunState:
    """What was under way. task: its name, None if nothing was. paused: whether it was; where a comparison went on over
    it, whether that was. point: of the trade-off curve, if its network was being made. preview: target of the preview
    on the page. controls: the target that the controls were set to; if they are set otherwise now, a hand has moved
    them since. runs: kept for comparison. tradeoff: the trade-off curve that was drawn last, None if none was. scan: of
    the layers of the network as it is; None if there is none. comparing: the runs of a comparison that were not yet
    done, in their order; () if none was under way.
    """

    task: str | None = None
    paused: bool = False
    measured: bool = False
    preview: Mapping[str, Any] | None = None
    controls: Mapping[str, Any] | None = None
    runs: tuple[Run, ...] = ()
    tradeoff: Tradeoff | None = None
    scan: Scan | None = None
    comparing: tuple[PlannedRun, ...] = ()
    point: Point | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, without ``runs``, ``tradeoff`` and ``scan``, which have files of their own."""
        return {
            **{name: getattr(self, name) for name in PLAIN},
            "comparing": [plan.to_dict() for plan in self.comparing],
            "point": None if self.point is None else self.point.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of ``to_dict``."""
        point = values.get("point")
        return cls(
            **{name: values[name] for name in PLAIN},
            comparing=tuple(map(PlannedRun.from_dict, values.get("comparing", ()))),
            point=None if point is None else Point.from_dict(point),
        )
