"""Comparisons that make one point each. Before it is run a preset asks; what it answers follows from its runs.

The depths below were measured on digits with lenet-300-100 and mlp-small, seeds 0 to 3. The test set has 360 samples:
at the depth of an ordinary run what the two runs of a preset differ by is lost in its noise, so they are cut deeper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prunelab.formatting import percent
from prunelab.recipe import OWN, Recipe
from prunelab.results.snapshot import Snapshot
from prunelab.sessions.session import Session

TELLING = 0.02  # accuracies that are closer than this are called alike: 7 of the 360 test digits
STALLED = 1.2  # kept weights, one run's over the other's, from which on it has stalled
SMALL = ("mlp-small", OWN)  # networks with few weights to spare, as far as anybody knows


@dataclass(frozen=True)
class PlannedRun:
    """One run of a preset. cuts: densities to look at, each cut from the dense network, nothing retrained; none: a run
    by the recipe."""

    recipe: Recipe
    label: str | None = None
    cuts: tuple[float, ...] = ()


Ends = tuple[Snapshot, Snapshot]  # where the two runs of a preset came to


@dataclass(frozen=True)
class Preset:
    """A comparison that makes one point.

    asks: the question, in front of the runs. labels, changes: the two runs, the one that should do worse first, and
    what each changes of the page's recipe. answer: what the two ends say to the question.
    """

    name: str
    asks: str
    labels: tuple[str, str]
    changes: tuple[Mapping[str, Any], Mapping[str, Any]]
    answer: Callable[[tuple[str, str], Ends], str]
    cuts: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def plans(self, recipe: Recipe) -> tuple[PlannedRun, ...]:
        """The runs to compare, beside what the page has set."""
        parts = zip(self.changes, self.labels, self.cuts, strict=True)
        return tuple(PlannedRun(recipe.changed(**change), label, cuts) for change, label, cuts in parts)

    def says(self, ends: Ends) -> str:
        """The answer, of the last snapshots of the two runs."""
        return self.answer(self.labels, ends)


def presets(recipe: Recipe) -> tuple[Preset, ...]:
    """The comparisons on offer. recipe: that of the page; depths and budgets are reckoned from it.

    Idempotent: of the second recipe of a preset's plans the same plans follow. A network of the user's own has its own
    dropout and batch norm, which no recipe changes: what compares these is not offered for it.
    """
    small = recipe.model in SMALL
    found = (
        _penalty(0.1 if small else 0.05),
        _retraining(0.1 if small else 0.05),
        _rounds(recipe, 0.03 if small else 0.012),
        _stalling(recipe),
        _dropout(recipe, 0.06 if small else 0.02),
        _batch_norm(0.2),
    )
    return found[:4] if recipe.model == OWN else found


def _penalty(density: float) -> Preset:
    cut = {**_to(density), "strength": 1e-3}
    return Preset(
        "L1 or L2",
        "Cut, and not retrained: which penalty leaves a network that loses less?",
        ("L2", "L1"),
        ({**cut, "regularizer": "l2"}, {**cut, "regularizer": "l1"}),
        _wins(
            "L1 has pushed to zero what the network can do without, so that cutting it costs little; "
            "retraining closes most of the gap"
        ),
        (_down_to(density), _down_to(density)),
    )


def _retraining(density: float) -> Preset:
    return Preset(
        "with and without retraining",
        "How much of what a cut costs can the survivors win back?",
        ("no retraining", "five rounds"),
        ({**_to(density), "rounds": 5}, {**_to(density), "rounds": 5}),
        _wins("the survivors make up for most of what was cut"),
        (_down_to(density), ()),
    )


def _rounds(recipe: Recipe, density: float) -> Preset:
    """As many epochs for both, as many weights left of both. recipe: that of five rounds, or one to make it of."""
    epochs = recipe.retrain_epochs
    return Preset(
        "one shot or five rounds",
        "As many epochs, as many weights left: does cutting little by little lose less than cutting all at once?",
        ("one shot", "five rounds"),
        (
            {**_to(density), "rounds": 1, "retrain_epochs": 5 * epochs},
            {**_to(density), "rounds": 5, "retrain_epochs": epochs},
        ),
        _wins("cutting little by little loses less, what is left can adapt in between"),
    )


def _stalling(recipe: Recipe) -> Preset:
    common = {"rule": "quality", "unit": "weight", "rounds": 8}
    return Preset(
        "constant quality stalls",
        "Eight rounds at the same quality, or at one that rises: how far does each come?",
        ("constant 0.55, survivors' deviation", "rising, dense deviation"),
        (
            {**common, "std": "survivors", "ramp": False, "quality": 0.55, "layer_quality": ()},
            {**common, "std": "dense", "ramp": True, "quality": max(recipe.quality, 1.75), "layer_quality": ()},
        ),
        _stalls,
    )


def _dropout(recipe: Recipe, density: float) -> Preset:
    """A high rate and little retraining: with a low one, or after long retraining, the two come out alike."""
    common = {
        **_to(density), "dropout": 0.7, "rounds": 3, "batch_norm": False,
        "retrain_epochs": min(recipe.retrain_epochs, 5),
    }  # fmt: skip
    return Preset(
        "dropout rule on or off",
        "Few weights left and little time to retrain: is the dense network's dropout, 0.7, too much for the thin one?",
        ("dropout stays 0.7", "dropout by the rule"),
        ({**common, "adjust_dropout": False}, {**common, "adjust_dropout": True}),
        _wins("a thinner network has less to overfit with, the old rate only holds it back"),
    )


def _batch_norm(density: float) -> Preset:
    """Right after the cut: retraining renews the statistics by itself, and then the two are the same."""
    common = {**_to(density), "batch_norm": True}
    return Preset(
        "batch norm renewed or stale",
        "Right after a cut, nothing retrained: what are statistics worth that batch norm took of the dense network?",
        ("stale batch norm", "renewed batch norm"),
        ({**common, "recalibrate": False}, {**common, "recalibrate": True}),
        _wins("the old statistics are those of another network; to measure them again takes no training"),
        (_down_to(density), _down_to(density)),
    )


def _to(density: float) -> dict[str, Any]:
    """What cuts single weights to a density, over all layers together: so that both runs end at the same place."""
    return {"rule": "density", "scope": "global", "unit": "weight", "density": density}


def _down_to(density: float) -> tuple[float, ...]:
    return tuple(d for d in (0.7, 0.5, 0.35, 0.25, 0.2, 0.15, 0.1, 0.07, 0.05) if d >= density)


def _wins(why: str) -> Callable[[tuple[str, str], Ends], str]:
    """An answer by accuracy. why: what it means if the second is ahead."""

    def answer(labels: tuple[str, str], ends: Ends) -> str:
        worse, better = (end.test_accuracy or 0.0 for end in ends)
        seen = f"{labels[1]} {percent(better)} right, {labels[0]} {percent(worse)}, with {_shares(ends)} of the weights"
        if abs(better - worse) < TELLING:
            return f"{seen}: hardly a difference here."
        return f"{seen}: {why}." if better > worse else f"{seen}: here it is the other way round."

    return answer


def _stalls(labels: tuple[str, str], ends: Ends) -> str:
    constant, rising = (end.density for end in ends)
    seen = f"{labels[0]}: {percent(constant)} of the weights left; {labels[1]}: {percent(rising)}"
    if constant < STALLED * rising:
        return f"{seen}. Here it does not stall."
    return f"{seen}. Retraining empties the middle of the histogram: the same quality finds ever less to cut."


def _shares(ends: Ends) -> str:
    shares = [percent(end.density) for end in ends]
    return shares[0] if shares[0] == shares[1] else f"{shares[1]} and {shares[0]}"


def series(
    plans: Sequence[PlannedRun],
    begin: Callable[[PlannedRun], Session],
    end: Callable[[PlannedRun, Sequence[Snapshot]], None],
) -> Iterator[Snapshot | None]:
    """Every plan carried out. begin: opens a session by it; end: is given its settled
    snapshots. Leave it to cancel."""
    for plan in plans:
        session = begin(plan)
        if plan.cuts:
            yield from session.ticks("train")
            settled = [snapshot for snapshot in session.history if snapshot.phase == "trained"]
            for number, density in enumerate(plan.cuts, 1):
                settled.append(replace(session.preview(density=density), phase="pruned", round=number))
                yield None
            end(plan, settled)
        else:
            yield from session.ticks("run")
            end(plan, [snapshot for snapshot in session.history if snapshot.settled])
