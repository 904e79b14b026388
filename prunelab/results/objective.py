"""What a network learns, and the metric that says how well: names and a range, as plain values.

The functions behind these names are in training/objective.py; a snapshot knows the names only.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from prunelab.formatting import percent


@dataclass(frozen=True)
class Objective:
    """The names of a session's loss and metric; by default those of classification.

    metric: what every ``test_accuracy`` is; higher is better. low, high: its range; None: no bound. classifies: targets
    are class numbers, outputs are scores of classes. own: which of "loss" and "metric" are functions of the user's.
    """

    loss: str = "cross-entropy"
    metric: str = "accuracy"
    low: float | None = 0.0
    high: float | None = 1.0
    classifies: bool = True
    own: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Objective:
        """The inverse of ``to_dict``; None: classification."""
        return cls() if values is None else cls(**{**values, "own": tuple(values["own"])})

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        return {**asdict(self), "own": list(self.own)}

    def same_as(self, other: Objective) -> bool:
        """Whether figures by both mean the same. A loss of the user's has no name that could be compared."""
        mine, its = ({**o.to_dict(), **({"loss": None} if "loss" in o.own else {})} for o in (self, other))
        return mine == its

    def allows(self, value: float) -> bool:
        """Whether the metric may be ``value``; up to rounding errors."""
        above = self.low is None or value >= self.low - 1e-6
        return math.isfinite(value) and above and (self.high is None or value <= self.high + 1e-6)

    @property
    def range(self) -> str:
        """The range of the metric in words."""
        bounds = [
            f"at least {self.low:g}" if self.low is not None else "",
            "" if self.high is None else f"{self.high:g}",
        ]
        if all(bounds):
            return f"{self.low:g} to {self.high:g}"
        return bounds[0] or (f"at most {bounds[1]}" if bounds[1] else "without bounds")

    def scale(self, *values: float) -> float:
        """What a difference of the metric is judged by, above 0: a metric of one's own may be in dollars or in metres.

        The width of its range; 1 where nothing but the best value is known, and that is 1, as of R2; else the largest
        of these values, whatever their sign.
        """
        if self.low is not None and self.high is not None:
            return self.high - self.low
        return 1.0 if self.high == 1 else max(map(abs, values), default=0.0) or 1.0

    def within(self, lost: float, tolerance: float, *values: float) -> bool:
        """Whether at most ``tolerance`` was lost, up to rounding errors. values: those that differ."""
        return lost <= tolerance + 1e-9 * self.scale(*values)

    def checked_tolerance(self, tolerance: float) -> float:
        """A loss of the metric that is to be allowed. ValueError for what is none, and for a share that is given in
        points: 1 would allow to lose all.
        """
        if isinstance(tolerance, bool) or not isinstance(tolerance, numbers.Real) or not float(tolerance) >= 0:
            raise ValueError(f"tolerance = {tolerance!r}: must be at least 0, the {self.metric} that may be lost")
        if self.is_share and tolerance >= 1:
            raise ValueError(f"tolerance = {tolerance!r}: is a fraction, and allows to lose all; a point is 0.01")
        return float(tolerance)

    # In words and pictures

    @property
    def is_share(self) -> bool:
        """Whether the metric is a fraction, 0 to 1, which is shown in percent."""
        return (self.low, self.high) == (0.0, 1.0)

    @property
    def points(self) -> float:
        """Units of a picture's axis for 1.0 of the metric: 100 (percent) or 1."""
        return 100.0 if self.is_share else 1.0

    @property
    def label(self) -> str:
        """The metric as title of an axis, with its unit: "accuracy (%)", "R2"."""
        return f"{self.metric} (%)" if self.is_share else self.metric

    def plotted(self, value: float) -> float:
        """A value of the metric on a picture's axis."""
        return round(100 * value, 3) if self.is_share else float(f"{value:.6g}")

    def text(self, value: float) -> str:
        """A value of the metric: "97.8 %", "0.913", "-0.000212" of a metric without a range."""
        return percent(value) if self.is_share else self._number(value)

    def says(self, value: float) -> str:
        """A value with what it is: "97.8 % right", "exact match 93.1 %", "R2 0.913"."""
        return f"{self.text(value)} right" if self.metric == "accuracy" else f"{self.metric} {self.text(value)}"

    def gap(self, difference: float) -> str:
        """The size of a difference: "0.3 points", "0.012"."""
        return f"{100 * abs(difference):.1f} points" if self.is_share else self._number(abs(difference))

    def is_no_gap(self, difference: float, *values: float) -> bool:
        """Whether a difference is too small to be shown. values: those that differ."""
        return abs(difference) < 0.0005 * self.scale(*values)

    def _number(self, value: float) -> str:
        """With three decimals, or three digits where these would tell nothing."""
        return f"{value:.3f}" if self.scale(value) >= 1 else f"{value:#.3g}"


CLASSIFYING = Objective()
