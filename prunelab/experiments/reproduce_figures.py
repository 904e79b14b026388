"""The paper's figures 4 to 7 again, on MNIST: the numbers as CSV, and the picture as one of our views.

Figures 4 and 7 show one run; figure 5 has every line once for each seed; figure 6 cuts one layer at a time. What takes
long is saved as it goes, and the same call goes on from there.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prunelab import disk, views
from prunelab.errors import RecipeError, StorageError
from prunelab.experiments import sensitivity as scan
from prunelab.experiments import tradeoff as curve
from prunelab.recipe import Recipe
from prunelab.results.snapshot import Snapshot
from prunelab.results.tradeoff import DENSITIES, Tradeoff
from prunelab.sessions.checkpoint import INDEX
from prunelab.sessions.session import Session
from prunelab.views.figure import View

FORMAT = 1  # of a seed's file of figure 5

RECIPES = {
    "figure4": Recipe(data="mnist", quality=1.75, rounds=3, retrain_rate=0.1),
    "figure5": Recipe(data="mnist", retrain_rate=0.1),
    "figure6": Recipe(data="mnist", model="lenet-5", retrain_rate=0.1),
    "figure7": Recipe(data="mnist", quality=1.75, rounds=3, retrain_rate=0.1),
}


@dataclass(frozen=True)
class Drawn:
    """A figure: its numbers, its views by name, and the recipe that its files are marked with."""

    csv: str
    views: Mapping[str, View]
    recipe: Recipe


Steps = Generator[float | Drawn, None, None]  # parts that are done, 0 to 1, and the figure at the end


def stream(
    name: str,
    directory: str | Path,
    *,
    recipe: Recipe | None = None,
    seeds: Sequence[int] = (0,),
    densities: Sequence[float] = DENSITIES,
) -> Steps:
    """Draw a figure: the part of the work that is done, again and again, then the figure. Leave it to stop.

    Args:
        name: "figure4" to "figure7".
        directory: Folder for what is finished; a later call with the same recipe goes on from there.
        recipe: Of the run; None: RECIPES.
        seeds: Of figure 5, each of which draws every line; the other figures are of the first.
        densities: Of figures 5 and 6: fractions that are kept, each above 0 and below 1.

    Raises:
        ValueError: There is no such figure, no seed, or no such density.
        DataError: The data are not there.
        Diverged: The run of figure 4, 6 or 7 diverged; in figure 5, such runs are left out.
        StorageError: The folder is in use, holds another recipe's work or files that cannot be read, or cannot be
            written.
    """
    if name not in RECIPES:
        raise ValueError(f"{name!r}: must be one of {', '.join(RECIPES)}")
    if not seeds:
        raise ValueError("name at least one seed")
    return _stream(name, Path(directory), recipe or RECIPES[name], tuple(dict.fromkeys(seeds)), tuple(densities))


def _stream(name: str, directory: Path, recipe: Recipe, seeds: tuple[int, ...], densities: tuple[float, ...]) -> Steps:
    lock = disk.claim(directory, patience=1.0)
    try:
        if name == "figure5":
            yield from _figure5(directory, recipe, seeds, densities)
        elif name == "figure6":
            yield from _figure6(directory / "figure6", recipe.changed(seed=seeds[0]), densities)
        else:
            draw = _figure4 if name == "figure4" else _figure7
            yield from _of_a_run(directory / "figures4-7", recipe.changed(seed=seeds[0]), draw)
    finally:
        lock.release()


# Figures 4 and 7: of one run


def _of_a_run(directory: Path, recipe: Recipe, draw: Callable[[Session], Drawn]) -> Steps:
    session = _session(directory, recipe)
    yield from _carried_on(session, "run")
    yield draw(session)


def _session(directory: Path, recipe: Recipe) -> Session:
    """The session that is saved in the folder, or a new one that is saved there after every phase."""
    if not (directory / INDEX).exists():
        return Session(recipe, directory=directory)
    session = Session.load(directory)
    if session.recipe != recipe:
        raise StorageError(f"{directory} holds a run of another recipe: choose another folder")
    return session


def _carried_on(session: Session, what: str) -> Generator[float, None, None]:
    """Do the rest of a stream, with the part that is done after every batch."""
    left = session.steps_left(what)
    total = session.clock + left
    for _ in session.ticks(what) if left else ():
        yield session.clock / total


def _figure4(session: Session) -> Drawn:
    now = session.snapshot()
    first = now.layers[0]
    readers = first.mask.reshape(first.shape[0], -1).sum(axis=0)
    columns = now.input_shape[-1]
    rows = ((i // columns, i % columns, int(kept), first.shape[0]) for i, kept in enumerate(readers))
    pictures = {"bands": views.bands(now), "mask": views.mask(now, first.name)}
    return Drawn(_table(("row", "column", "kept", "total"), rows), pictures, session.recipe)


def _figure7(session: Session) -> Drawn:
    history = list(session.history)
    dense = next(snapshot for snapshot in reversed(history) if snapshot.phase == "trained")
    rows = (row for when, snapshot in (("dense", dense), ("retrained", history[-1])) for row in _bins(when, snapshot))
    pictures = {"distribution": views.distribution(history)}
    return Drawn(_table(("when", "layer", "from", "to", "weights"), rows), pictures, session.recipe)


def _bins(when: str, snapshot: Snapshot) -> Generator[tuple[Any, ...], None, None]:
    for layer in snapshot.layers:
        width = 2 * layer.limit / len(layer.kept_counts)
        for i, number in enumerate(layer.kept_counts):
            low = -layer.limit + i * width
            yield when, layer.name, low, low + width, int(number)


# Figure 5: every line of the trade-off, a file for each seed


def _figure5(directory: Path, recipe: Recipe, seeds: tuple[int, ...], densities: tuple[float, ...]) -> Steps:
    whole: list[Tradeoff] = []
    for number, seed in enumerate(seeds):
        path = directory / f"figure5-seed{seed}.json"
        one = _saved(path, recipe.changed(seed=seed), densities)
        if one is None:
            for one in curve.stream(recipe.changed(seed=seed), densities=densities):
                yield (number + one.done) / len(seeds)
            assert one is not None
            content = {"prunelab_figure5": FORMAT, "recipe": recipe.changed(seed=seed).to_dict(usual=True)}
            try:
                disk.write_atomically(path, json.dumps({**content, "curve": one.to_dict()}).encode())
            except OSError as error:
                raise StorageError(f"{path} could not be written: {error.strerror or error}") from error
        whole.append(one)
        yield (number + 1) / len(seeds)
    result = replace(
        whole[0],
        seeds=seeds,
        points=tuple(point for one in whole for point in one.points),
        failed=tuple(run for one in whole for run in one.failed),
    )
    yield Drawn(result.to_csv(), {"tradeoff": views.tradeoff(result)}, recipe)


def _saved(path: Path, recipe: Recipe, densities: tuple[float, ...]) -> Tradeoff | None:
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_bytes())
        if values["prunelab_figure5"] != FORMAT:
            raise StorageError(f"{path}: this version reads format {FORMAT}; update prunelab")
        found, there = Tradeoff.from_dict(values["curve"]), Recipe.from_dict(values["recipe"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError, RecipeError) as error:
        raise StorageError(f"{path} is damaged ({error}): delete it, and this seed is done again") from error
    if there != recipe or set(found.densities) != set(densities):
        raise StorageError(f"{path} is of another recipe or of other densities: choose another folder, or delete it")
    return found


# Figure 6: one layer at a time

DENSE_PART = 0.7  # of the work of figure 6 that dense training is, about


def _figure6(directory: Path, recipe: Recipe, densities: tuple[float, ...]) -> Steps:
    session = _session(directory, recipe)
    if session.phase in ("new", "training"):
        for share in _carried_on(session, "train"):
            yield DENSE_PART * share
    for result in scan.stream(session.model, session.data, densities=densities):
        yield DENSE_PART + (1 - DENSE_PART) * len(result.points) / result.planned
    yield Drawn(result.to_csv(), {"sensitivity": views.sensitivity(result)}, recipe)


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
