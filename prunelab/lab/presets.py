"""Comparisons of two runs that make one point each: a question, and an answer that depends on the results.

The densities below were chosen by measurements on digits with lenet-300-100 and mlp-small, seeds 0 to 3. The test set
has 360 samples: at the density of an ordinary run the difference between the two runs of a preset is lost in its noise,
so they are cut deeper.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prunelab.errors import RecipeError
from prunelab.formatting import percent
from prunelab.recipe import OWN, Recipe
from prunelab.results.snapshot import Snapshot

if TYPE_CHECKING:
    from prunelab.sessions.session import Session

MIN_GAP = 0.02  # accuracies that are closer than this count as equal: 7 of the 360 test digits
STALLED = 1.2  # smallest ratio of kept weights, constant over rising quality, that counts as stalled
SMALL = ("mlp-small", OWN)  # models with few weights to spare; a custom model may be one


@dataclass(frozen=True)
class PlannedRun:
    """One run of a preset."""

    recipe: Recipe
    label: str | None = None
    cuts: tuple[float, ...] = ()  # densities to cut the dense network to, without retraining; (): a run by the recipe

    def to_dict(self) -> dict[str, Any]:
        """It as JSON types."""
        return {"recipe": self.recipe.to_dict(usual=True), "label": self.label, "cuts": list(self.cuts)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PlannedRun:
        """Its inverse. Raises KeyError, TypeError, ValueError or RecipeError for what ``to_dict`` does not give."""
        label = values["label"]
        recipe, cuts = Recipe.from_dict(values["recipe"]), tuple(map(float, values["cuts"]))
        return cls(recipe, None if label is None else str(label), cuts)


Ends = tuple[Snapshot, Snapshot]  # the last snapshots of the two runs of a preset


@dataclass(frozen=True)
class Preset:
    """A comparison that makes one point."""

    name: str
    asks: str  # the question, shown before the runs
    labels: tuple[str, str]  # names of the two runs; the one that should do worse comes first
    changes: tuple[Mapping[str, Any], Mapping[str, Any]]  # what each run changes in the page's recipe
    answer: Callable[[tuple[str, str], Ends], str]  # labels and last snapshots -> the answer to the question
    cuts: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())  # of each run, see PlannedRun

    def plans(self, recipe: Recipe) -> tuple[PlannedRun, ...]:
        """The runs to compare. recipe: of the page; the preset changes only some of its fields."""
        parts = zip(self.changes, self.labels, self.cuts, strict=True)
        return tuple(PlannedRun(recipe.changed(**change), label, cuts) for change, label, cuts in parts)

    def says(self, ends: Ends) -> str:
        """The answer to the question. ends: the last snapshots of the two runs."""
        return self.answer(self.labels, ends)


def slug(name: str) -> str:
    """A preset's name in links: "l1-or-l2" for "L1 or L2"."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def named(text: str, recipe: Recipe) -> str:
    """The name of the preset that a link asks for, by its ``slug``.

    recipe: of the page, as for ``presets``. Raises RecipeError, with those there are, if that is none of them.
    """
    known = {slug(preset.name): preset.name for preset in presets(recipe)}
    asked = slug(text).replace("-vs-", "-or-")
    if asked not in known:
        near = difflib.get_close_matches(asked, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise RecipeError(f"preset = {text[:80]!r}: there is no such preset; {hint}")
    return known[asked]


def presets(recipe: Recipe) -> tuple[Preset, ...]:
    """The comparisons on offer. recipe: of the page; densities and numbers of epochs are computed from it.

    Idempotent: the second recipe of a preset's plans gives the same plans again. Dropout and batch norm of a custom
    model are not set by the recipe, so the presets that compare them are not offered for one.
    """
    small = recipe.model in SMALL
    offered = (
        _penalty(0.1 if small else 0.05),
        _retraining(recipe, 0.1 if small else 0.05),
        _rounds(recipe, 0.03 if small else 0.012),
        _stalling(recipe),
        _dropout(recipe, 0.06 if small else 0.012),
        _batch_norm(0.2),
    )
    return offered[:4] if recipe.model == OWN else offered


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


def _retraining(recipe: Recipe, density: float) -> Preset:
    common = {**_to(density), "rounds": 5, "retrain_epochs": _epochs(recipe)}
    return Preset(
        "with and without retraining",
        "How much of what a cut costs can the survivors win back?",
        ("no retraining", "five rounds"),
        (common, common),
        _wins("the survivors make up for most of what was cut"),
        (_down_to(density), ()),
    )


def _rounds(recipe: Recipe, density: float) -> Preset:
    """Both runs train for the same number of epochs and end with as many weights.

    recipe: the page's, or that of the five-round run.
    """
    epochs = _epochs(recipe)
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
    common = {"rule": "quality", "unit": "weight", "criterion": "magnitude", "regrow": 0.0, "rounds": 8}
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
    """A high rate and little retraining: with a low rate, or after long retraining, both runs end alike."""
    common = {
        **_to(density), "dropout": 0.7, "rounds": 3, "batch_norm": False,
        "retrain_epochs": min(_epochs(recipe), 5),
    }  # fmt: skip
    return Preset(
        "dropout rule on or off",
        "Few weights left and little time to retrain: is the dense network's dropout, 0.7, too much for the thin one?",
        ("dropout stays 0.7", "dropout by the rule"),
        ({**common, "adjust_dropout": False}, {**common, "adjust_dropout": True}),
        _wins("a thinner network has less to overfit with, the old rate only holds it back"),
    )


def _batch_norm(density: float) -> Preset:
    """Right after the cut: retraining updates the statistics anyway, and then both runs are the same."""
    common = {**_to(density), "batch_norm": True}
    return Preset(
        "batch norm renewed or stale",
        "Right after a cut, nothing retrained: what are statistics worth that batch norm took of the dense network?",
        ("stale batch norm", "renewed batch norm"),
        ({**common, "recalibrate": False}, {**common, "recalibrate": True}),
        _wins("the old statistics are those of another network; to measure them again takes no training"),
        (_down_to(density), _down_to(density)),
    )


def _epochs(recipe: Recipe) -> int:
    """Epochs of each retraining: the recipe's, or the usual ones where it only cuts."""
    epochs: int = recipe.retrain_epochs or recipe.usual_value("retrain_epochs")
    return epochs


def _to(density: float) -> dict[str, Any]:
    """Fields that cut single weights to a density over all layers together, so that both runs end at this density."""
    return {"rule": "density", "scope": "global", "unit": "weight", "criterion": "magnitude", "density": density}


def _down_to(density: float) -> tuple[float, ...]:
    return tuple(d for d in (0.7, 0.5, 0.35, 0.25, 0.2, 0.15, 0.1, 0.07, 0.05) if d >= density)


def _wins(why: str) -> Callable[[tuple[str, str], Ends], str]:
    """An answer by accuracy. why: the explanation if the second run is better."""

    def answer(labels: tuple[str, str], ends: Ends) -> str:
        worse, better = (end.test_accuracy or 0.0 for end in ends)
        objective = ends[1].objective
        figures = f"{labels[1]} {objective.says(better)}, {labels[0]} {objective.text(worse)}"
        result = f"{figures}, with {_shares(ends)} of the weights"
        if abs(better - worse) < MIN_GAP * objective.scale(better, worse):
            return f"{result}: hardly a difference here."
        return f"{result}: {why}." if better > worse else f"{result}: here it is the other way round."

    return answer


def _stalls(labels: tuple[str, str], ends: Ends) -> str:
    constant, rising = (end.density for end in ends)
    result = f"{labels[0]}: {percent(constant)} of the weights left; {labels[1]}: {percent(rising)}"
    if constant < STALLED * rising:
        return f"{result}. Here it does not stall."
    return f"{result}. Retraining empties the middle of the histogram: the same quality finds ever less to cut."


def _shares(ends: Ends) -> str:
    shares = [percent(end.density) for end in ends]
    return shares[0] if shares[0] == shares[1] else f"{shares[1]} and {shares[0]}"


def series(
    plans: Sequence[PlannedRun],
    begin: Callable[[PlannedRun], Session],
    end: Callable[[PlannedRun, Sequence[Snapshot]], None],
) -> Iterator[Snapshot | None]:
    """Do every planned run, with a yield after each batch or cut; stop iterating to cancel.

    begin: opens a session for a plan. end: called with a plan and its settled snapshots.
    """
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
