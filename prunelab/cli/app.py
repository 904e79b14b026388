"""The command line: ``prunelab dashboard | workshop | lab | run | sweep | reproduce | measure | bench``.

The arguments of the commands, and how their errors are reported. What a command does is in its own module, which is
imported when it runs.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunelab import __version__
from prunelab.cli.errors import BAD_INPUT, FAILED, SIGNALLED, CommandError
from prunelab.cli.output import unwritten, write_any_text
from prunelab.cli.recipe_options import grid_from, recipe_from, with_grid_options, with_recipe_options
from prunelab.errors import PortInUseError, ServeError

if TYPE_CHECKING:
    from rich.console import Console

Port = Annotated[int, typer.Option(help="Port to serve on; 0: any free one.", min=0, max=65535)]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON, nothing else on stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show what the server and its kernels write.")]

app = typer.Typer(
    name="prunelab",
    help="A laboratory for neural-network pruning: cut, retrain and measure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # errors that a user can cause are one line; all others are bugs, with a traceback
    rich_markup_mode=None,  # rich's help takes a third of the time that --help may take
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Suite(StrEnum):
    """What ``prunelab bench`` measures."""

    engine = "engine"
    sparse = "sparse"
    browser = "browser"
    workshop = "workshop"
    soak = "soak"
    all = "all"


class Reproduced(StrEnum):
    """What ``prunelab reproduce`` runs."""

    table1 = "table1"
    frontier = "frontier"
    figure4 = "figure4"
    figure5 = "figure5"
    figure6 = "figure6"
    figure7 = "figure7"


def main() -> None:
    """The entry point of ``prunelab``."""
    write_any_text()
    try:
        app()
    except (OSError, SystemExit) as end:
        reason = unwritten(end)
        if reason is None:
            raise
        code = end.code if isinstance(end, SystemExit) else FAILED
        if not code or isinstance(end, OSError):  # else the command has said it
            _complain(f"the output cannot be written: {reason}")
        raise SystemExit(code or FAILED) from None


@app.callback(invoke_without_command=True)
def prunelab(version: Annotated[bool, typer.Option("--version", help="Say the version and exit.")] = False) -> None:
    if version:
        typer.echo(f"prunelab {__version__}")
        raise typer.Exit


@app.command()
def dashboard(
    port: Port = 8866,
    no_browser: NoBrowser = False,
    data: Annotated[str | None, typer.Option(help="What to begin with: digits or mnist.", metavar="NAME")] = None,
    model: Annotated[str | None, typer.Option(help="The network to begin with.", metavar="NAME")] = None,
    link: Annotated[str | None, typer.Option(help="Begin as a copied link says.", metavar="QUERY")] = None,
    session: Annotated[
        Path | None, typer.Option(help="Save there after every phase, and go on from what is there.", metavar="DIR")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Open the lab in the browser."""
    with _errors_reported():
        from prunelab.cli import dashboard as command

        command.run(
            port=port, open_browser=not no_browser, data=data, model=model, link=link, session=session,
            verbose=verbose, say=_say, warn=_complain,
        )  # fmt: skip


@app.command()
def workshop(
    ip: Annotated[str, typer.Option(help="Address to listen on.", metavar="IP")] = "0.0.0.0",
    port: Port = 8866,
    max_visitors: Annotated[
        int | None, typer.Option(help="Visitors at once; others wait. [default: as many as fit]", metavar="N")
    ] = None,
    pool: Annotated[
        int | None, typer.Option(help="Labs that wait ready. [default: 3, if they fit]", metavar="N")
    ] = None,
    rest: Annotated[
        float, typer.Option(help="Minutes that a lab may rest untouched while others wait.", metavar="MIN", min=0.1)
    ] = 10,
    rounds: Annotated[int, typer.Option(help="Rounds that a run may have.", min=1)] = 30,
    epochs: Annotated[int, typer.Option(help="Epochs that one training may have.", min=1)] = 500,
    seconds: Annotated[float, typer.Option(help="Time after which a run pauses.", metavar="S", min=1)] = 300,
    memory: Annotated[int, typer.Option(help="Megabytes that one lab may take.", metavar="MB", min=300)] = 1000,
    token: Annotated[
        str | None, typer.Option(help="What visitors must show. [default: made anew]", metavar="TEXT")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Where visitors reach it, if not at this machine's address.", metavar="URL")
    ] = None,
    link: Annotated[str | None, typer.Option(help="Begin as a copied link says.", metavar="QUERY")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the host's page in the browser.")] = False,
    verbose: Verbose = False,
) -> None:
    """Serve the lab to a class: places and a queue, and a page for the host."""
    with _errors_reported():
        from prunelab.cli import workshop as command
        from prunelab.lab.worker.limits import Limits

        command.run(
            ip=ip, port=port, places=max_visitors, pool=pool, rest=rest,
            limited=Limits(rounds=rounds, epochs=epochs, seconds=seconds), memory=memory, token=token,
            public=address, link=link, open_browser=open_browser, verbose=verbose, say=_say, warn=_complain,
        )  # fmt: skip


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(help="Where your copy of the notebooks is kept.")] = Path(
        "prunelab-notebooks"
    ),
    lesson: Annotated[int | None, typer.Option(help="Open this lesson.", metavar="NUMBER", min=0)] = None,
    port: Port = 8888,
    copy_only: Annotated[
        bool, typer.Option("--copy-only", help="Only copy them, where another server serves the folder.")
    ] = False,
    no_browser: NoBrowser = False,
    verbose: Verbose = False,
) -> None:
    """Open the notebooks and lessons in JupyterLab: a copy that is yours; files that are there stay as they are."""
    with _errors_reported():
        from prunelab.cli import lab as command

        if copy_only:
            if lesson is not None:
                raise CommandError("--copy-only opens nothing: leave out --lesson", BAD_INPUT)
            command.copy(folder, say=_say)
            return
        command.run(folder, lesson=lesson, port=port, open_browser=not no_browser, verbose=verbose, say=_say)


@app.command()
@with_recipe_options
def run(
    *,
    recipe: Annotated[Path | None, typer.Option(help="A recipe to start from.", metavar="FILE.json")] = None,
    out: Annotated[Path | None, typer.Option(help="Save there, and go on from what is there.", metavar="DIR")] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the pruned network there, packed.", metavar="FILE", dir_okay=False)
    ] = None,
    bits: Annotated[
        int | None, typer.Option(help="Bits of a value in that file, shared by k-means; exact without.", min=1, max=8)
    ] = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Train, then prune and retrain round after round, without a screen."""
    with _errors_reported():
        merged = recipe_from(given, recipe)
        from prunelab.cli import run as command

        command.run(
            merged, out=out, save=save, bits=bits, as_json=as_json, stdout=_console(), stderr=_console(stderr=True)
        )


@app.command()
@with_grid_options
def sweep(
    *,
    recipe: Annotated[
        Path | None, typer.Option(help="What all runs have in common.", metavar="FILE.json", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A file a run; the same command again goes on.", metavar="DIR")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that do runs beside each other; 0: none.", min=0)] = 0,
    engine: Annotated[
        str | None, typer.Option(help="What carries out the runs. [default: sessions]", metavar="sessions|stacked")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table there too.", metavar="FILE", dir_okay=False)] = None,
    as_json: Json = False,
    given: dict[str, Any],
) -> None:
    """Run every combination of values, as in --quality 1,1.5,2 --seed 0:3, and tabulate them."""
    with _errors_reported():
        start, settings = grid_from(given, recipe)
        from prunelab.cli import sweep as command

        command.run(
            start, settings, out=out, workers=workers, engine=engine, csv=csv, as_json=as_json,
            stdout=_console(), stderr=_console(stderr=True),
        )  # fmt: skip


@app.command()
def reproduce(
    what: Annotated[Reproduced, typer.Argument(help="The paper's table or a figure, or the frontier of later work.")],
    model: Annotated[list[str], typer.Option(help="Only this network.", metavar="NAME")] = [],  # noqa: B006
    seeds: Annotated[int | None, typer.Option(help="Runs of each; all count. [default: 3]", metavar="N", min=1)] = None,
    out: Annotated[Path, typer.Option(help="A file a run; the same command again goes on.", metavar="DIR")] = Path(
        "reproduced"
    ),
    csv: Annotated[Path | None, typer.Option(help="Write all runs there too.", metavar="FILE", dir_okay=False)] = None,
) -> None:
    """Train and prune on MNIST as the paper did, and show what comes of it beside its numbers and later ones."""
    with _errors_reported():
        from prunelab.cli import reproduce as command

        command.run(
            what.value, models=model, seeds=seeds, out=out, csv=csv, stdout=_console(), stderr=_console(stderr=True)
        )


@app.command()
def measure(
    source: Annotated[Path, typer.Argument(help="A packed file, or a saved session.", metavar="FILE|DIR")],
    batch: Annotated[list[int], typer.Option(help="Batch sizes to time.", min=1)] = [1, 8, 64, 256],  # noqa: B006
    threads: Annotated[
        list[int], typer.Option(help="Threads to time with; default: one, and as many as there are.", min=1)
    ] = [],  # noqa: B006
    csv: Annotated[
        Path | None, typer.Option(help="Write the figures there too.", metavar="FILE", dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure what pruning bought: bytes by format, latency by batch size."""
    with _errors_reported():
        from prunelab.cli import measure as command

        command.run(
            source, batches=batch, threads=threads, csv=csv, as_json=as_json,
            stdout=_console(), stderr=_console(stderr=True),
        )  # fmt: skip


@app.command()
def bench(
    suite: Annotated[Suite, typer.Argument(help="What to measure.")] = Suite.all,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repetitions: a look, not a measurement.")] = False,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the figures there too.", metavar="FILE", dir_okay=False)
    ] = None,
) -> None:
    """Measure what prunelab promises on this machine: figure, target, met or not."""
    with _errors_reported():
        from prunelab.cli import bench as command

        command.run(suite.value, quick=quick, file=json, stdout=_console(), stderr=_console(stderr=True))


@contextmanager
def _errors_reported() -> Iterator[None]:
    """Report errors in one line on stderr, and exit with their code."""
    try:
        yield
    except CommandError as error:
        _complain(str(error))
        raise typer.Exit(error.code) from None
    except ServeError as error:
        _complain(str(error))
        raise typer.Exit(BAD_INPUT if isinstance(error, PortInUseError) else FAILED) from None
    except KeyboardInterrupt:
        _complain("interrupted")
        raise typer.Exit(SIGNALLED + signal.SIGINT) from None


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, emoji=False)  # else ":a:" in a message becomes a picture


def _say(text: str) -> None:
    _console().print(text, markup=False, highlight=False, soft_wrap=True)


def _complain(text: str) -> None:
    _console(stderr=True).print(f"prunelab: {text}", markup=False, highlight=False, soft_wrap=True, style="red")
