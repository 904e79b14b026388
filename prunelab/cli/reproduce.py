"""``prunelab reproduce``: the paper's tables again, beside its numbers and later ones, and its figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from prunelab import disk
from prunelab.cli.errors import BAD_INPUT, SIGNALLED, CommandError
from prunelab.cli.output import check_writable, written
from prunelab.cli.stopping import Stopped, stoppable
from prunelab.errors import DataError, SessionError, StorageError
from prunelab.experiments import reproduce_figures
from prunelab.experiments.reproduce import GOALS, TABLE1, stream
from prunelab.experiments.reproduce_figures import RECIPES, Drawn
from prunelab.exports.figures import printed
from prunelab.formatting import kilobytes, percent, time_left
from prunelab.results.estimate import Estimate
from prunelab.results.published import LATER, PAPER
from prunelab.results.reproduction import Goal, Reproduction
from prunelab.views import summary

SEEDS = 3  # where nothing else is asked for
OF_ONE_RUN = ("figure4", "figure6", "figure7")
WHAT = {"table1": TABLE1, "frontier": tuple(GOALS)}


def run(
    what: str,
    *,
    models: Sequence[str],
    seeds: int | None,
    out: Path,
    csv: Path | None,
    stdout: Console,
    stderr: Console,
) -> None:
    """Run a reproduction, or the rest of it, and show it beside the published numbers.

    what: of WHAT, or a figure. models: only these networks; empty: all. seeds: how many, from 0 on; None:
    SEEDS. out: folder of what is finished. Raises CommandError for every error that a user can cause.
    """
    if what in OF_ONE_RUN and seeds not in (None, 1):
        raise CommandError(f"{what} --seeds {seeds}: shows one run, that of seed 0; leave out --seeds", BAD_INPUT)
    seeds = seeds or SEEDS
    if what in RECIPES:
        if models or csv is not None:
            raise CommandError(f"{what} has a network and a table of its own: leave out --model and --csv", BAD_INPUT)
        _figure(what, seeds, out, stdout, stderr)
        return
    goals = [GOALS[name] for name in WHAT[what] if not models or GOALS[name].recipe.model in models]
    if not goals:
        known = sorted({GOALS[name].recipe.model for name in WHAT[what]})
        raise CommandError(f"--model {', '.join(models)}: {what} is of {' and '.join(known)}", BAD_INPUT)
    if csv is not None:
        check_writable("--csv", csv)
    result = _finished(goals, seeds, out, stderr)
    if csv is not None:
        try:
            disk.write_atomically(csv, result.to_csv().encode())
        except OSError as error:
            raise CommandError(f"--csv {csv} cannot be written: {error.strerror or error}") from error
    with written(stdout, f"The runs are saved in {out}; the same command shows them."):
        for table in tables(result):
            stdout.print(table)
        spread = f"the mean over {seeds} seeds ± half of its 95 % interval" if seeds > 1 else "of one seed"
        words = f"{result.machine}. Every figure is {spread}."
        stdout.print(words, highlight=False, soft_wrap=True)


def _figure(name: str, seeds: int, out: Path, stdout: Console, stderr: Console) -> None:
    """Draw a figure, and write its numbers and pictures to ``out``."""
    if name == "figure5":
        stderr.print(f"every line once for each of {seeds} seeds", style="dim", highlight=False)
    drawn: Drawn | None = None
    with _saved_as_it_goes(out), _progress(name, stderr) as show:
        for step in reproduce_figures.stream(name, out, seeds=range(seeds)):
            if isinstance(step, Drawn):
                drawn = step
            else:
                show(step, "")
    assert drawn is not None
    files = {f"{name}.csv": drawn.csv.encode()}
    for view_name, view in drawn.views.items():
        files |= printed(f"{name}-{view_name}", view, drawn.recipe, ("svg", "png"))
    for file, content in files.items():
        try:
            (out / file).parent.mkdir(parents=True, exist_ok=True)
            disk.write_atomically(out / file, content)
        except OSError as error:
            raise CommandError(f"{out / file} cannot be written: {error.strerror or error}") from error
    with written(stdout, f"Numbers and pictures are in {out}."):
        for view in drawn.views.values():
            stdout.print(summary(view), markup=False, highlight=False, soft_wrap=True)
        stdout.print(f"written to {out}: {', '.join(sorted(files))}", markup=False, highlight=False, soft_wrap=True)


def _finished(goals: Sequence[Goal], seeds: int, out: Path, stderr: Console) -> Reproduction:
    result: Reproduction | None = None
    with _saved_as_it_goes(out), _progress("reproduce", stderr) as show:
        for result, share in stream(goals, seeds=range(seeds), directory=out):
            show(share, f"{len(result.trials)} of {result.planned} runs")
    assert result is not None
    return result


@contextmanager
def _saved_as_it_goes(out: Path) -> Iterator[None]:
    """Within the block, signals and what a user can mend become CommandError."""
    try:
        with stoppable():
            yield
    except Stopped as stop:
        words = f"interrupted. What is finished is saved in {out}; the same command goes on from there."
        raise CommandError(words, SIGNALLED + stop.number) from None
    except (DataError, SessionError, StorageError) as error:
        raise CommandError(str(error)) from error


@contextmanager
def _progress(name: str, stderr: Console) -> Iterator[Callable[[float, str], None]]:
    """A bar, and what is called with the part that is done, 0 to 1, and words for it; it adds the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task(name, total=1.0, words="")
        began: tuple[float, float] | None = None  # time and part at the first call: the rest was done before

        def show(part: float, words: str) -> None:
            nonlocal began
            now = time.perf_counter()
            began = began or (now, part)
            gained = part - began[1]
            left = f"about {time_left((now - began[0]) * (1 - part) / gained)} left" if gained > 0 else ""
            bar.update(task, completed=part, words=", ".join(filter(None, (words, left))))

        yield show


def tables(result: Reproduction) -> list[Table]:
    """The table of the networks beside the paper's and later numbers, and what each layer keeps."""
    networks = dict.fromkeys(goal.recipe.model for goal in result.goals)
    return [*(_network(result, network) for network in networks), _layers(result)]


def _network(result: Reproduction, network: str) -> Table:
    reached = [each for each in result.reached() if each.goal.recipe.model == network]
    dense = f", dense {_error(reached[0].dense_error)}" if reached else ""
    table = Table(title=f"{network}: test error against compression{dense}")
    table.add_column("method")
    for name in ("compression", "error", "goal", "file", "with 5 bits"):
        table.add_column(name, justify="right")
    for each in reached:
        table.add_row(
            f"ours ({each.seconds:.0f} s)", f"{each.compression:.1f}x", _error(each.error),
            f"{percent(each.goal.error, 2)} {'met' if each.met else 'NOT met'}", kilobytes(round(each.packed)),
            f"{kilobytes(round(each.shared))} at {percent(each.shared_error.mean, 2)}",
        )  # fmt: skip
    for published in (*PAPER.values(), *LATER):
        if published.network == network:
            said = "" if published.dense is None else f" (dense {percent(published.dense, 2)})"
            compression, error = f"{published.compression:g}x", percent(published.error, 2)
            table.add_row(published.method + said, compression, error, "", "", "", style="dim")
    return table


def _layers(result: Reproduction) -> Table:
    table = Table(title="kept, by layer")
    table.add_column("network")
    table.add_column("layer")
    reached = result.reached()
    for each in reached:
        table.add_column(f"ours, {each.goal.compression:g}x", justify="right")
    table.add_column("Han et al. 2015", justify="right", style="dim")
    for network in dict.fromkeys(goal.recipe.model for goal in result.goals):
        of_network = [each for each in reached if each.goal.recipe.model == network]
        for name in of_network[0].layers if of_network else ():
            cells = [percent(each.layers[name]) if each in of_network else "" for each in reached]
            short = name.removesuffix(".weight")
            table.add_row(network, short, *cells, percent(PAPER[network].layers[short], 0))
    return table


def _error(figure: Estimate) -> str:
    if figure.half is None:
        return percent(figure.mean, 2)
    return f"{100 * figure.mean:.2f} ± {percent(figure.half, 2)}"
