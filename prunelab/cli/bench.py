"""``prunelab bench``: measure, print the table, write it as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from rich.console import Console

from prunelab import disk
from prunelab.bench import table
from prunelab.bench.table import Row, Say
from prunelab.cli.errors import BAD_INPUT, CommandError
from prunelab.cli.output import check_writable

NEEDED = ("playwright", "psutil")
ADVICE = "install them with: pip install 'prunelab[test]', and a browser with: playwright install chromium"


class Part(Protocol):
    """A part of a suite: measures, and gives its rows."""

    def __call__(self, *, quick: bool, say: Say) -> list[Row]: ...


def run(suite: str, *, quick: bool, file: Path | None, stdout: Console, stderr: Console) -> None:
    """Measure "engine", "sparse", "browser", "all" of these (the browser only if its packages are there), "workshop" or
    "soak".

    A table for each part goes to ``stdout`` as soon as it is measured, the progress to ``stderr``, and all figures so
    far as JSON to ``file``. Raises CommandError.
    """
    if file is not None:
        check_writable("--json", file)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing and suite in ("browser", "soak"):
        raise CommandError(f"bench {suite} needs {' and '.join(missing)}: {ADVICE}", BAD_INPUT)
    rows: list[Row] = []
    with stderr.status("") as status:

        def say(what: str) -> None:
            status.update(f"measuring: {what}")
            if not stderr.is_terminal:  # which shows no status: a log tells what takes so long
                stderr.print(f"measuring: {what}", markup=False, highlight=False)

        for part in _parts(suite, browser=not missing):
            measured = part(quick=quick, say=say)
            stdout.print(table.rendered(measured, first=len(rows) + 1))
            rows += measured
            if file is not None:
                content = json.dumps(table.as_dict(rows, quick=quick), indent=2) + "\n"
                disk.write_atomically(file, content.encode())
    if missing and suite == "all":
        stderr.print(f"The browser was left out for want of {' and '.join(missing)}: {ADVICE}", markup=False)


def _parts(suite: str, *, browser: bool) -> Iterator[Part]:
    """The parts of a suite, each loaded when its turn comes. browser: whether what its parts need is there."""
    if suite in ("engine", "all"):
        from prunelab.bench import costs, engine, stacked

        yield from (engine.rows, stacked.rows, costs.rows)
    if suite in ("sparse", "all"):
        from prunelab.bench import compaction, kernels, packing

        yield from (packing.rows, compaction.rows, kernels.rows)
    if suite == "workshop":
        from prunelab.bench import workshop

        yield workshop.rows
    if suite in ("browser", "soak", "all") and browser:
        yield partial(_browser_rows, suite)


def _browser_rows(suite: str, *, quick: bool, say: Say) -> list[Row]:
    from playwright.sync_api import Error

    from prunelab.bench import browser

    try:
        if suite == "soak":
            return browser.soak_rows(seconds=60 if quick else 600, say=say)
        return browser.rows(quick=quick, say=say)
    except Error as error:
        advice = f"; {ADVICE}" if "Executable doesn't exist" in error.message else ""
        raise CommandError(f"the browser could not measure: {error.message.splitlines()[0]}{advice}") from error
    except RuntimeError as error:
        raise CommandError(str(error)) from error
