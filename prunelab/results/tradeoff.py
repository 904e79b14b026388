"""The trade-off curve, as plain values: what accuracy each share of kept connections costs, by how one got there.

Source: Han et al. 2015, section 5, figure 5; the sixth line, random cuts, is our control.
"""

from __future__ import annotations

import csv
import io
import math
import numbers
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from prunelab.formatting import did_you_mean
from prunelab.recipe import Recipe
from prunelab.results.counts import Counted
from prunelab.results.objective import CLASSIFYING, Objective
from prunelab.results.sweep import FailedRun

TOLERANCE = 0.005  # loss up to which a share of connections is enough, of what differences of the metric are judged by
DENSITIES = (0.7, 0.5, 0.35, 0.25, 0.17, 0.1, 0.06, 0.035, 0.02)  # kept, from before anything is lost to beyond repair


@dataclass(frozen=True)
class Line:
    """One way to a smaller network.

    regularizer: penalty of dense training and of retraining. retrained: after the cut. iterative: cut and retrained
    again and again, each round from the survivors of the last; else in one cut from the dense network. random: cut
    regardless of magnitude.
    """

    name: str
    regularizer: str
    retrained: bool
    iterative: bool = False
    random: bool = False


_ALL = (
    Line("L2 only cut", "l2", retrained=False),
    Line("L1 only cut", "l1", retrained=False),
    Line("L1 retrained", "l1", retrained=True),
    Line("L2 retrained", "l2", retrained=True),
    Line("L2 iterative", "l2", retrained=True, iterative=True),
    Line("random retrained", "l2", retrained=True, random=True),
)
BY_NAME = {line.name: line for line in _ALL}
LINES = tuple(BY_NAME)


def line_named(name: str) -> Line:
    """The line of this name. ValueError, with the nearest name, for one that there is not."""
    if name not in BY_NAME:
        raise ValueError(f"lines: {name!r} is no line of the trade-off curve; {did_you_mean(str(name), BY_NAME)}")
    return BY_NAME[name]


@dataclass(frozen=True, kw_only=True)
class Point(Counted):
    """One network on the curve.

    line: name of its line. recipe: by which its dense network was trained and this one was cut and retrained. cuts:
    densities (0 to 1) that it was cut to, one after the other; ``experiments.tradeoff.replay`` makes the network again
    from recipe and cuts, bit for bit. kept, total: surviving and all connections. effective: survivors on some path
    from input to output; None if the paths cannot be determined. gaussian: density that layers of Gaussian weights
    would have at the thresholds of the last cut; None where it had none. accuracy, dense: metric on the test set of
    this network and of its dense network, 0 to 1 for accuracy.
    """

    line: str
    recipe: Recipe
    cuts: tuple[float, ...]
    kept: int
    total: int
    effective: int | None
    gaussian: float | None
    accuracy: float
    dense: float

    @property
    def target(self) -> float:
        """Density that was asked for, 0 to 1."""
        return self.cuts[-1]

    @property
    def lost(self) -> float:
        """What the network lost against its own dense network; negative if it gained."""
        return self.dense - self.accuracy

    @property
    def effective_density(self) -> float | None:
        """effective / total, 0 to 1."""
        return None if self.effective is None else self.effective / self.total

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        return {**asdict(self), "recipe": self.recipe.to_dict(usual=True), "cuts": list(self.cuts)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Point:
        """The inverse of ``to_dict``."""
        return cls(**{**values, "recipe": Recipe.from_dict(values["recipe"]), "cuts": tuple(values["cuts"])})


@dataclass(frozen=True)
class Mean:
    """The points of one line at one target, one for each seed.

    density: mean of what they kept. dense: mean metric of their dense networks. lost, least, most: mean, smallest and
    largest of what they lost.
    """

    points: tuple[Point, ...]

    @property
    def target(self) -> float:
        return self.points[0].target

    @property
    def density(self) -> float:
        return math.fsum(point.density for point in self.points) / len(self.points)

    @property
    def dense(self) -> float:
        return math.fsum(point.dense for point in self.points) / len(self.points)

    @property
    def lost(self) -> float:
        return math.fsum(point.lost for point in self.points) / len(self.points)

    @property
    def least(self) -> float:
        return min(point.lost for point in self.points)

    @property
    def most(self) -> float:
        return max(point.lost for point in self.points)

    @property
    def gaussian(self) -> float | None:
        """Mean of the points' ``gaussian``; None if one has none."""
        known = [point.gaussian for point in self.points if point.gaussian is not None]
        return math.fsum(known) / len(known) if len(known) == len(self.points) else None


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """The trade-off curve so far.

    lines: names of its lines. densities: targets, largest first. seeds: each gives every point once. samples: test
    samples that each network was measured on. points: in the order in which they were made. failed: runs that diverged.
    done: part of the work that is done, 0 to 1. objective: loss and metric, by which all figures were measured.
    """

    lines: tuple[str, ...]
    densities: tuple[float, ...]
    seeds: tuple[int, ...]
    samples: int
    points: tuple[Point, ...] = ()
    failed: tuple[FailedRun, ...] = ()
    done: float = 0.0
    objective: Objective = CLASSIFYING

    @property
    def planned(self) -> int:
        """Number of points when complete, if no run fails."""
        return len(self.lines) * len(self.densities) * len(self.seeds)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.done >= 1.0

    @property
    def grain(self) -> float:
        """What a single test sample is worth, as a fraction of the accuracy: smaller differences do not exist."""
        return 1 / self.samples

    @property
    def tolerance(self) -> float:
        """Loss of the metric up to which a share of connections is enough: half a hundredth of its scale."""
        return TOLERANCE * self.objective.scale(*self._dense)

    @property
    def _dense(self) -> tuple[float, ...]:
        return tuple(point.dense for point in self.points)

    def means(self, line: str) -> tuple[Mean, ...]:
        """A line's points by target, largest first, over the seeds so far; ValueError for an unknown line."""
        line_named(line)
        of_line = [point for point in self.points if point.line == line]
        targets = sorted({point.target for point in of_line}, reverse=True)
        return tuple(Mean(tuple(point for point in of_line if point.target == target)) for target in targets)

    def needs(self, line: str, tolerance: float | None = None) -> float | None:
        """Share of the connections (0 to 1) with which a line loses at most ``tolerance``, on the mean of its seeds.

        The smallest measured one where it and all larger ones do; None if already the first loses more, or there is
        none. tolerance: in units of the metric, a fraction for accuracy; None: the curve's own. ValueError for what is
        none.
        """
        enough = None
        allowed = self.tolerance if tolerance is None else self.objective.checked_tolerance(tolerance)
        for mean in self.means(line):
            if not self.objective.within(mean.lost, allowed, *self._dense):
                break
            enough = mean.density
        return enough

    def rows(self) -> list[dict[str, Any]]:
        """One dict per point, as JSON types: settings, counts, densities, accuracies."""
        return [_row(point) for point in self.points]

    def to_csv(self) -> str:
        """``rows`` as CSV, with a header. metric: what ``accuracy`` is; recipe: as the query part of a link."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [*COLUMNS, "metric"], lineterminator="\n")
        writer.writeheader()
        for row in self.rows():
            writer.writerow({**row, "cuts": ";".join(map(repr, row["cuts"])), "metric": self.objective.metric})
        return text.getvalue()

    def to_dict(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            **plain,
            "points": [point.to_dict() for point in self.points],
            "failed": [run.to_dict() for run in self.failed],
            "objective": self.objective.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Tradeoff:
        """The inverse of ``to_dict``."""
        return cls(
            **{
                **values,
                **{name: tuple(values[name]) for name in ("lines", "densities", "seeds")},
                "points": tuple(map(Point.from_dict, values["points"])),
                "failed": tuple(map(FailedRun.from_dict, values["failed"])),
                "objective": Objective.from_dict(values["objective"]),
            }
        )


COLUMNS = (
    "line", "seed", "regularizer", "retrained", "iterative", "random", "cuts", "kept", "total", "density",
    "effective_density", "gaussian", "dense", "accuracy", "lost", "recipe",
)  # fmt: skip


def _row(point: Point) -> dict[str, Any]:
    line = line_named(point.line)
    values: dict[str, Any] = {name: getattr(point, name) for name in COLUMNS if hasattr(point, name)}
    values |= {name: getattr(line, name) for name in ("regularizer", "retrained", "iterative", "random")}
    values |= {"seed": point.recipe.seed, "cuts": list(point.cuts), "recipe": point.recipe.to_query()}
    return {name: values[name] for name in COLUMNS}


def gaussian_density(layers: Iterable[tuple[int, float, float]]) -> float:
    """Density that layers of Gaussian weights would have, cut below a threshold each: the sum of n x erfc(t / (s
    sqrt 2)), over the sum of n.

    layers: for each (connections n, threshold t >= 0, standard deviation s >= 0; 0 for weights that are all alike,
    which then count as zero).
    """
    parts = list(layers)
    kept = math.fsum(n * (math.erfc(t / (s * math.sqrt(2))) if s else float(t == 0)) for n, t, s in parts)
    return kept / sum(n for n, _, _ in parts)


def targets(densities: float | Iterable[float]) -> tuple[float, ...]:
    """Densities to cut to, each once, largest first. ValueError for none, and for one that is not above 0 and below
    1: what keeps all is the dense network.
    """
    found = list(densities) if isinstance(densities, Iterable) else [densities]
    for density in found:
        if isinstance(density, bool) or not isinstance(density, numbers.Real) or not 0 < float(density) < 1:
            raise ValueError(f"densities: {density!r} must be above 0 and below 1, the fraction that is kept")
    if not found:
        raise ValueError("densities is empty: name at least one, such as 0.1 for a tenth of the connections")
    return tuple(sorted({float(density) for density in found}, reverse=True))
