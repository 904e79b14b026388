"""``prunelab sweep``: runs a grid of recipes, saves each run as it ends, and resumes a saved sweep."""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from prunelab import disk
from prunelab.cli.errors import BAD_INPUT, FAILED, SIGNALLED, CommandError
from prunelab.cli.output import check_writable, written
from prunelab.cli.result_tables import exact
from prunelab.cli.stopping import Stopped, stoppable
from prunelab.errors import DataError, StorageError, SweepError
from prunelab.experiments.sweep import in_words, stream
from prunelab.formatting import percent, time_left
from prunelab.recipe import Recipe
from prunelab.results.estimate import Estimate
from prunelab.results.sweep import Sweep
from prunelab.stop_signals import HANG_UP

PATIENCE = 10.0  # seconds that a worker may take to end


def run(
    start: Recipe,
    settings: Mapping[str, Any],
    *,
    out: Path | None,
    workers: int,
    engine: str | None,
    csv: Path | None,
    as_json: bool,
    stdout: Console,
    stderr: Console,
) -> None:
    """Run a grid, or the rest of it if ``out`` holds a part, and show the result.

    workers: processes that do the runs; 0: this one. Progress goes to ``stderr``, the result to ``stdout``. Raises
    CommandError for every error that a user can cause, and if no run reached its end.
    """
    if csv is not None:
        check_writable("--csv", csv)
    try:
        sweep = _finished(start, settings, out=out, workers=workers, engine=engine, stderr=stderr)
    except (DataError, StorageError, SweepError) as error:
        raise CommandError(str(error)) from error
    except ValueError as error:  # a value, a combination or an engine that cannot be
        raise CommandError(str(error), BAD_INPUT) from error
    if csv is not None:
        try:
            disk.write_atomically(csv, sweep.to_csv().encode())
        except OSError as error:
            raise CommandError(f"--csv {csv} cannot be written: {error.strerror or error}") from error
    with written(stdout, _kept(out, csv)):
        if as_json:
            result = {"prunelab_sweep_result": 1, "common": sweep.common, **sweep.to_dict()}
            stdout.file.write(json.dumps(result, indent=2) + "\n")
        else:
            _show(sweep, stdout)
    for failed in sweep.failed:
        words = f"failed: {in_words(sweep.differing(failed.recipe))}: {failed.reason}"
        stderr.print(words, markup=False, highlight=False, soft_wrap=True, style="yellow")
    if not sweep.finished:
        raise CommandError("no run reached its end", FAILED)


def _kept(out: Path | None, csv: Path | None) -> str:
    """Where a finished sweep is, besides on stdout."""
    places = [f"the table in {csv}"] if csv is not None else []
    if out is not None:
        places.append(f"the runs in {out}, and the same command shows them")
    return f"Kept: {'; '.join(places)}." if places else "Nothing was saved: give --out DIR to keep runs."


def _finished(
    start: Recipe, settings: Mapping[str, Any], *, out: Path | None, workers: int, engine: str | None, stderr: Console
) -> Sweep:
    """The whole sweep. On a signal: stop at once, and raise CommandError; runs that have ended are saved."""
    columns = (TextColumn("sweep"), BarColumn(), TextColumn("{task.fields[words]}"))
    done = total = 0
    try:
        with (
            stoppable(at_once=not workers) as stop,
            _processes(workers) as executor,
            Progress(*columns, console=stderr, transient=True) as bar,
        ):
            task = bar.add_task("sweep", total=1.0, words="")
            for progress in stream(start, engine=engine, executor=executor, directory=out, **settings):
                done, total = progress.done, progress.total
                stop.check()
                left = "" if progress.seconds_left is None else f", about {time_left(progress.seconds_left)} left"
                bar.update(task, completed=progress.share, words=f"{done} of {total} runs{left}")
    except Stopped as stopped:
        kept = "Nothing was saved: give --out DIR to keep runs, and go on with the others later."
        if out is not None:
            kept = f"They are saved in {out}; the same command goes on from there."
        words = f"interrupted: {done} of {total} runs have ended. {kept}"
        raise CommandError(words, SIGNALLED + stopped.number) from None
    return progress.sweep


@contextmanager
def _processes(number: int) -> Iterator[Executor | None]:
    """An executor of as many processes, which end at once if the block is left by an error; None for 0."""
    if not number:
        yield None
        return
    # Not forked: a copy of this process would keep locks that other threads held.
    executor = ProcessPoolExecutor(
        number, mp_context=multiprocessing.get_context("spawn"), initializer=_stoppable_worker
    )
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        workers = multiprocessing.active_children()
        for process in workers:
            process.terminate()
        for process in workers:
            process.join(PATIENCE)
            process.kill()  # if it has not ended: a worker can be ended while it holds what another one waits for
        raise
    executor.shutdown()


def _stoppable_worker() -> None:
    """What reaches all processes of a terminal is left to the command; SIGTERM ends the run that is on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if HANG_UP is not None:
        signal.signal(HANG_UP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit  # unlike the signal's default, this gives back what the process holds


def _show(sweep: Sweep, stdout: Console) -> None:
    stdout.print(_runs(sweep))
    if len(sweep.summary()) < len(sweep.runs):
        stdout.print(_means(sweep))


def _runs(sweep: Sweep) -> Table:
    table = Table(title=f"{len(sweep.finished)} of {len(sweep.recipes)} runs reached their end")
    names = list(sweep.differing(sweep.recipes[0]))
    for name in (*names, "density", "effective", "dense", "cut", "accuracy", "time"):
        table.add_column(name.replace("_", " "), justify="right")
    for row in sweep.rows():
        figures = [exact(row[name]) for name in ("density", "effective_density", "dense", "cut", "accuracy")]
        table.add_row(*(_setting(row[name]) for name in names), *figures, f"{row['seconds']:.1f} s")
    return table


def _means(sweep: Sweep) -> Table:
    table = Table(title="mean over seeds ± half of the 95 % interval")
    names = [name for name in sweep.differing(sweep.recipes[0]) if name != "seed"]
    for name in (*names, "seeds", "density", "dense", "cut", "accuracy"):
        table.add_column(name.replace("_", " "), justify="right")
    for summary in sweep.summary():
        density = summary.figures.get("density")
        figures = [exact(None if density is None else density.mean)]
        figures += [_mean(summary.figures.get(name)) for name in ("dense", "cut", "accuracy")]
        table.add_row(*(_setting(summary.settings[name]) for name in names), str(len(summary.seeds)), *figures)
    return table


def _mean(figure: Estimate | None) -> str:
    if figure is None or figure.half is None:
        return exact(None if figure is None else figure.mean)
    return f"{100 * figure.mean:.2f} ± {percent(figure.half, 2)}"


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{layer} {quality:g}" for layer, quality in value.items()) or "–"
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
