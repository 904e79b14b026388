"""The trade-off curve: accuracy against kept connections, with and without retraining (the paper's figure 5).

Branches are paired: the lines of one penalty start from the same dense network of a seed, and one run gives two points,
right after the cut and after retraining. The iterative line is one run of several rounds, and each round gives a point;
its later points have been trained for longer, as in the paper.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from prunelab.errors import Diverged
from prunelab.pruning import criteria
from prunelab.recipe import Recipe
from prunelab.recipe.argument import recipe_or_default
from prunelab.results.snapshot import Snapshot
from prunelab.results.sweep import FailedRun
from prunelab.results.tradeoff import DENSITIES, LINES, Line, Point, Tradeoff, gaussian_density, line_named, targets
from prunelab.sessions.dense_cache import DenseCache
from prunelab.sessions.session import Session

Begin = Callable[[Recipe], Session]


def tradeoff(
    recipe: Recipe | None = None,
    *,
    densities: float | Iterable[float] = DENSITIES,
    seeds: int | Iterable[int] | None = None,
    lines: str | Iterable[str] = LINES,
    begin: Begin = Session,
    cache: DenseCache | None = None,
) -> Tradeoff:
    """Draw the trade-off curve: cut to each of ``densities``, on each of ``lines``, and measure on the test set.

    Source: Han et al. 2015, section 5, figure 5.

    Args:
        recipe: How to train and retrain. What a line says itself is not taken from it: the penalty, that single
            connections are cut to a density (``scope``: over all layers together or in each alone), and that rounds are
            neither gradual nor rewound, nothing regrows, and no teacher helps.
        densities: Fractions to keep, each above 0 and below 1; or one.
        seeds: Every line is drawn once for each, or for one; None: the recipe's seed.
        lines: Names of lines, or one, of ``results.tradeoff.LINES``.
        begin: Opens a session by a recipe, for models and data of one's own: ``lambda recipe: Session(recipe,
            model=build(), data=data)``. A network that is trained already is not trained again.
        cache: Dense networks that were trained before; None: all are trained anew.

    Raises:
        ValueError: A density, a seed or a line is not one.
    """
    *_, last = stream(recipe, densities=densities, seeds=seeds, lines=lines, begin=begin, cache=cache)
    return last


def stream(
    recipe: Recipe | None = None,
    *,
    densities: float | Iterable[float] = DENSITIES,
    seeds: int | Iterable[int] | None = None,
    lines: str | Iterable[str] = LINES,
    begin: Begin = Session,
    cache: DenseCache | None = None,
) -> Iterator[Tradeoff]:
    """``tradeoff`` step by step: the result so far after every batch of training. Stop iterating to leave it.

    A run that diverges is recorded in ``failed``, and the others go on.
    """
    recipe = recipe_or_default(recipe)
    chosen = tuple(line_named(name) for name in dict.fromkeys([lines] if isinstance(lines, str) else lines))
    if not chosen:
        raise ValueError(f"lines is empty: name at least one of {', '.join(LINES)}")
    if seeds is None:
        seeds = recipe.seed
    bases = [recipe.changed(seed=seed) for seed in dict.fromkeys(seeds if isinstance(seeds, Iterable) else [seeds])]
    if not bases:
        raise ValueError("seeds is empty: name at least one, or leave it out for the recipe's")
    return _Drawing(bases, targets(densities), chosen, begin, cache).ticks()


def replay(session: Session, point: Point) -> Iterator[Snapshot | None]:
    """Make the network of a point again, as ``Session.ticks`` does a run: one item per batch, or part of a test.

    session: by the point's recipe: new, with its dense network trained, or left anywhere in such a replay.
    """
    if session.phase in ("new", "training"):
        yield from session.ticks("train")
    retrained, cuts = line_named(point.line).retrained, point.cuts
    while True:
        if session.phase in ("pruned", "retraining") and (retrained or session.round < len(cuts)):
            yield from session.ticks("retrain")
        if session.round == len(cuts):
            return
        yield session.prune(density=cuts[session.round])


class _Drawing:
    """A curve while it is drawn. bases: a recipe for each seed; the lines change only what they are about."""

    def __init__(
        self,
        bases: Sequence[Recipe],
        densities: tuple[float, ...],
        lines: Sequence[Line],
        begin: Begin,
        cache: DenseCache | None,
    ) -> None:
        self._bases, self._lines, self._begin, self._cache = bases, lines, begin, cache
        self._densities = densities
        self._seeds = tuple(base.seed for base in bases)
        self._result: Tradeoff | None = None
        # Epochs of all that is planned, and of what is done.
        self._planned = sum(self._epochs(base, mine) for base in bases for mine in self._networks())
        self._done = 0.0

    def _networks(self) -> list[list[Line]]:
        """The lines by the dense network that they start from."""
        penalties = dict.fromkeys(line.regularizer for line in self._lines)
        return [[line for line in self._lines if line.regularizer == penalty] for penalty in penalties]

    def _epochs(self, recipe: Recipe, lines: Sequence[Line]) -> int:
        """Epochs of one dense network, and of all that is retrained from it."""
        branches = {(line.iterative, line.random) for line in lines if line.retrained}
        return recipe.epochs + len(branches) * len(self._densities) * recipe.retrain_epochs

    def ticks(self) -> Iterator[Tradeoff]:
        for base in self._bases:
            for lines in self._networks():
                yield from self._of_one_network(base, lines)
        assert self._result is not None
        yield replace(self._result, done=1.0)

    def _of_one_network(self, base: Recipe, lines: Sequence[Line]) -> Iterator[Tradeoff]:
        """All lines that start from one dense network."""
        began, session = time.monotonic(), self._begin(recipe_of(base, lines[0], self._densities[:1]))
        recipe = session.recipe  # with custom data or a custom model not the one asked for
        self._planned += self._epochs(recipe, lines) - self._epochs(base, lines)
        known = None if self._cache is None else self._cache.find(recipe)
        if known is not None:
            session.restore(known)
        yield self._so_far(session)
        if session.phase in ("new", "training"):
            try:
                yield from self._watched(session, "train", recipe.epochs)
            except Diverged as error:
                self._fail(recipe, error, began)
                return
            if self._cache is not None:
                self._cache.keep(session.state(), recipe)
        else:
            self._planned -= recipe.epochs
        dense = session.state()
        deviations = {name: criteria.deviation(session.masks.weight(name)) for name in session.masks}
        for random in (False, True):
            for iterative in (False, True):
                same = [line for line in lines if (line.random, line.iterative) == (random, iterative)]
                if same:
                    yield from self._branches(session, dense, deviations, recipe, same)

    def _branches(
        self,
        session: Session,
        dense: Mapping[str, Any],
        deviations: Mapping[str, float],
        base: Recipe,
        lines: Sequence[Line],
    ) -> Iterator[Tradeoff]:
        """Cut to every density, and retrain where one of ``lines`` asks for it. The lines are alike but for that."""
        kind, retrained = lines[0], any(line.retrained for line in lines)
        for number, density in enumerate(self._densities):
            cuts = self._densities[: number + 1] if kind.iterative else (density,)
            if not kind.iterative or number == 0:
                session.restore(dense)
            recipe, began = recipe_of(base, kind, cuts), time.monotonic()
            session.change(recipe)
            cut = session.prune(density=density)
            expected = _gaussian(cut, deviations)
            try:
                self._take([x for x in lines if not x.retrained], recipe, cuts, cut, expected)
                yield self._so_far(session)
                if retrained:
                    yield from self._watched(session, "retrain", base.retrain_epochs)
                    end = session.snapshot()
                    self._take([x for x in lines if x.retrained], recipe, cuts, end, expected)
                    yield self._so_far(session)
            except Diverged as error:
                self._fail(recipe, error, began)
                if kind.iterative:  # the rounds to come would go on from a network that is not there
                    return

    def _watched(self, session: Session, what: str, epochs: int) -> Iterator[Tradeoff]:
        """Train or retrain, with the result so far after every item; counts the epochs."""
        before, steps = self._done, session.steps_left(what)
        for _ in session.ticks(what):
            self._done = before + epochs * session.step / max(steps, 1)
            yield self._so_far(session)
        self._done = before + epochs

    def _so_far(self, session: Session) -> Tradeoff:
        if self._result is None:
            lines = tuple(line.name for line in self._lines)
            samples, objective = len(session.data.test_y), session.objective
            self._result = Tradeoff(
                lines=lines, densities=self._densities, seeds=self._seeds, samples=samples, objective=objective
            )
        done = min(self._done / self._planned, 0.9999) if self._planned else 0.9999  # 1 only when all is there
        self._result = replace(self._result, done=done)
        return self._result

    def _take(
        self, lines: Sequence[Line], recipe: Recipe, cuts: tuple[float, ...], now: Snapshot, expected: float | None
    ) -> None:
        assert self._result is not None
        if now.test_accuracy is None or now.dense_accuracy is None:
            raise Diverged(f"{self._result.objective.metric} is not finite after {now.phase} to {cuts[-1]:g}")
        for line in lines:
            point = Point(
                line=line.name, recipe=recipe, cuts=cuts, kept=now.kept, total=now.total, effective=now.effective,
                gaussian=expected, accuracy=now.test_accuracy, dense=now.dense_accuracy,
            )  # fmt: skip
            self._result = replace(self._result, points=(*self._result.points, point))

    def _fail(self, recipe: Recipe, error: Diverged, began: float) -> None:
        assert self._result is not None
        failed = FailedRun(recipe=recipe, reason=str(error), seconds=time.monotonic() - began)
        self._result = replace(self._result, failed=(*self._result.failed, failed))


def recipe_of(base: Recipe, line: Line, cuts: Sequence[float]) -> Recipe:
    """The recipe of a point: the base's, but for what the line is about. cuts: densities, one per round."""
    return base.changed(
        regularizer=line.regularizer, rule="density", unit="weight", layer_quality={}, density=cuts[-1],
        rounds=len(cuts), criterion="random" if line.random else "magnitude", gradual=False, rewind="none",
        regrow=0.0, distill=0.0,
    )  # fmt: skip


def _gaussian(cut: Snapshot, deviations: Mapping[str, float]) -> float | None:
    """What layers of Gaussian weights with these deviations would keep at the thresholds of a cut; None without one."""
    parts = [(layer.total, layer.threshold, deviations[layer.name]) for layer in cut.layers]
    known = [(total, threshold, spread) for total, threshold, spread in parts if threshold is not None]
    return gaussian_density(known) if len(known) == len(parts) else None
