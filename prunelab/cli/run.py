"""``prunelab run``: runs a recipe without a screen, saves after every phase, and resumes a saved run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from prunelab.cli import result_tables
from prunelab.cli.errors import BAD_INPUT, SIGNALLED, CommandError
from prunelab.cli.output import check_writable, make_folder, written
from prunelab.disk import claim, is_stream
from prunelab.errors import DataError, Diverged, SessionError, StorageError
from prunelab.formatting import kilobytes
from prunelab.pruning.copies import copied
from prunelab.recipe import OWN, Recipe
from prunelab.results.snapshot import Snapshot
from prunelab.sessions.checkpoint import INDEX
from prunelab.sessions.session import Session
from prunelab.stop_signals import stop_signals
from prunelab.training import evaluation


def run(
    recipe: Recipe,
    *,
    out: Path | None,
    save: Path | None,
    bits: int | None,
    as_json: bool,
    stdout: Console,
    stderr: Console,
) -> None:
    """Run a recipe, or the rest of it if ``out`` holds a started session, and show the result.

    save: file for the packed network, with values of ``bits`` bits or, for None, exact ones. Progress goes to
    ``stderr``, the result to ``stdout``. Raises CommandError for every error that a user can cause.
    """
    if bits is not None and save is None:
        raise CommandError("--bits is of the packed file: say where to, --save FILE", BAD_INPUT)
    for name in ("data", "model"):
        if getattr(recipe, name) == OWN:
            raise CommandError(f"{name} = 'own': Python objects can't be named here; use Session(...)", BAD_INPUT)
    if save is not None:
        check_writable("--save", save)
        if is_stream(save):
            raise CommandError(f"--save {save}: must be a file, from which the network can be read back", BAD_INPUT)
    with _claimed(out):
        session = _finished(recipe, out, stderr)
    result = result_tables.as_dict(session)
    if save is not None:
        result["packed"] = _pack(session, save, bits)
    kept = _saved(out) if save is None or out is not None else ""
    with written(stdout, kept if save is None else f"The packed network is in {save}. {kept}"):
        if as_json:
            stdout.file.write(json.dumps(result, indent=2) + "\n")
        else:
            _show_result(result, out, save, stdout)


def _show_result(result: dict[str, Any], out: Path | None, save: Path | None, stdout: Console) -> None:
    for table in result_tables.tables(result):
        stdout.print(table)
    if save is not None:
        packed = result["packed"]
        words = (
            f"{save}: {kilobytes(packed['bytes'])}, accuracy from that file {result_tables.exact(packed['accuracy'])}"
        )
        stdout.print(words, markup=False, highlight=False, soft_wrap=True)
    if out is not None:
        stdout.print(f"saved in {out}", markup=False, highlight=False, soft_wrap=True)


def _pack(session: Session, path: Path, bits: int | None) -> dict[str, Any]:
    """Write the packed file, read it back, and test the network that was read: shared values can cost accuracy."""
    from prunelab import sparse

    try:
        size = sparse.save(session.model, path, masks=session.masks, bits=bits)
        model = sparse.load(path, copied(session.model))
    except (sparse.PackedError, ValueError) as error:
        raise CommandError(str(error)) from error
    tested = evaluation.evaluate(model, session.data.test_x, session.data.test_y)
    return {"file": str(path), "bytes": size, "bits": bits, "accuracy": tested.accuracy}


@contextmanager
def _claimed(out: Path | None) -> Iterator[None]:
    """Within the block no other run uses the folder. CommandError if one does, or if it cannot be made."""
    if out is None:
        yield
        return
    make_folder("--out", out)
    try:
        lock = claim(out, patience=1.0)
    except StorageError as error:
        raise CommandError(str(error)) from error
    try:
        yield
    finally:
        lock.release()


def _finished(recipe: Recipe, out: Path | None, stderr: Console) -> Session:
    """A session of ``recipe`` at its end. Raises CommandError."""
    try:
        session = open_session(recipe, out)
    except (DataError, StorageError) as error:
        raise CommandError(str(error)) from error
    except ValueError as error:  # errors that the recipe cannot detect: an unknown layer, images that do not fit
        raise CommandError(str(error), BAD_INPUT) from error
    try:
        _finish(session, out, stderr)
    except (SessionError, StorageError) as error:
        saved = f" {_saved(out)}" if isinstance(error, Diverged) else ""
        raise CommandError(f"{error}{saved}") from error
    return session


def open_session(recipe: Recipe, out: Path | None) -> Session:
    """A session of ``recipe``: the one saved in ``out``, else a new one that saves there.

    Raises CommandError if ``out`` holds a session of another recipe, StorageError if its session cannot be read.
    """
    if out is None:
        return Session(recipe)
    if not (out / INDEX).exists():
        return Session(recipe, directory=out)
    session = Session.load(out)
    if session.recipe != recipe:
        saved, given = session.recipe.to_dict(), recipe.to_dict()
        differing = ", ".join(
            f"{name} = {saved[name]} there, {given[name]} here" for name in saved if saved[name] != given[name]
        )
        raise CommandError(
            f"{out} holds a session of another recipe ({differing}): choose another --out, or the same options",
            BAD_INPUT,
        )
    return session


def _finish(session: Session, out: Path | None, stderr: Console) -> None:
    """Run to the end. On Ctrl-C, SIGTERM or the end of the terminal: stop after the current batch, save, and raise
    CommandError.
    """
    total = session.clock + session.steps_left("run")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[accuracy]}"),
        TimeRemainingColumn(),
    )
    with _interrupted() as signals, Progress(*columns, console=stderr, transient=True) as progress:
        task = progress.add_task(session.phase, total=total, completed=session.clock, accuracy="")
        for snapshot in session.ticks("run"):
            if snapshot is not None:
                _show(progress, task, snapshot)
            if signals:
                if out is not None:  # now: where the terminal is gone, the bar's end is an error
                    session.save(out)
                break
    if signals:
        raise CommandError(f"interrupted at step {session.clock} of {total}. {_saved(out)}", SIGNALLED + signals[0])


def _show(progress: Progress, task: Any, snapshot: Snapshot) -> None:
    where = f"round {snapshot.round} of {snapshot.rounds}: " if snapshot.round else ""
    accuracy = f"accuracy {result_tables.exact(snapshot.test_accuracy)}"
    progress.update(task, description=f"{where}{snapshot.phase}", completed=snapshot.clock, accuracy=accuracy)


def _saved(out: Path | None) -> str:
    if out is None:
        return "Nothing was saved: give --out DIR to keep a run and go on with it later."
    if not (out / INDEX).exists():
        return f"Nothing was saved in {out}: the first phase had not ended."
    return f"What was reached is saved in {out}; the same command goes on from there."


@contextmanager
def _interrupted() -> Iterator[list[int]]:
    """Collects the signals that come, so that a run ends between two batches; a second one ends it at once."""
    signals: list[int] = []

    def collect(number: int) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)

    with stop_signals(collect):
        yield signals
