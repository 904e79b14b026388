"""``prunelab bench``: measure, print the table, write it as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from prunelab.bench import table
from prunelab.bench.table import Row
from prunelab.cli.errors import BAD_INPUT, CommandError

NEEDED = ("playwright", "psutil")
ADVICE = "install them with: pip install 'prunelab[test]', and a browser with: playwright install chromium"


def run(suite: str, *, quick: bool, file: Path | None, stdout: Console, stderr: Console) -> None:
    """Measure "engine", "sparse", "browser", "all" of these (the browser only if its packages are there), "workshop" or
    "soak".

    The table goes to ``stdout``, the progress to ``stderr``, and the figures as JSON to ``file``. Raises CommandError.
    """
    if file is not None:
        _check_writable(file)
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing and suite in ("browser", "soak"):
        raise CommandError(f"bench {suite} needs {' and '.join(missing)}: {ADVICE}", BAD_INPUT)
    rows: list[Row] = []
    with stderr.status("") as status:

        def say(what: str) -> None:
            status.update(f"measuring: {what}")

        if suite in ("engine", "all"):
            from prunelab.bench import costs, engine, stacked

            for engines in (engine, stacked, costs):
                rows += engines.rows(quick=quick, say=say)
        if suite in ("sparse", "all"):
            from prunelab.bench import compaction as compacting
            from prunelab.bench import kernels, packing

            for part in (packing, compacting, kernels):
                rows += part.rows(quick=quick, say=say)
        if suite == "workshop":
            from prunelab.bench import workshop

            rows += workshop.rows(quick=quick, say=say)
        if suite in ("browser", "soak", "all") and not missing:
            rows += _browser_rows(suite, quick, say)
    stdout.print(table.rendered(rows))
    if missing and suite == "all":
        stderr.print(f"The browser was left out for want of {' and '.join(missing)}: {ADVICE}", markup=False)
    if file is not None:
        file.write_text(json.dumps(table.as_dict(rows, quick=quick), indent=2) + "\n", encoding="utf-8")


def _browser_rows(suite: str, quick: bool, say: Callable[[str], None]) -> list[Row]:
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


def _check_writable(file: Path) -> None:
    """Raise CommandError if the file cannot be written: before minutes of measuring, not after."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.open("a").close()
    except OSError as error:
        raise CommandError(f"--json {file} cannot be written: {error.strerror or error}", BAD_INPUT) from error
