"""``prunelab dashboard``: the lab as a web page, served by Voila."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

from prunelab import resources
from prunelab.cli.errors import BAD_INPUT, CommandError
from prunelab.cli.output import make_folder
from prunelab.errors import DataError, RecipeError
from prunelab.lab import links, presets
from prunelab.recipe.field_kinds import quoted
from prunelab.serve import home, process, visitor, voila


def run(
    *,
    port: int,
    open_browser: bool,
    data: str | None,
    model: str | None,
    link: str | None,
    session: Path | None,
    verbose: bool,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Serve the dashboard until Ctrl-C or SIGTERM. say: prints the address. warn: prints errors that do not end it."""
    if words := home.make_writable(os.environ):
        warn(words)
    env = voila.environment()
    query = start_query(link, data=data, model=model)
    if query:
        env[visitor.LINK] = query
    if session is not None:
        make_folder("--session", session)
        env[visitor.SESSION] = str(session.absolute())  # kernels run in the notebook's folder, not here
    notebook = resources.notebooks() / "dashboard.ipynb"
    number = process.chosen_port(port)
    fetch_data(query, warn)
    url = f"http://{voila.HOST}:{number}/"
    process.serve_until_stopped(
        [*voila.voila_argv(notebook, number), "--Voila.log_level=WARN"],
        env,
        url=url,
        probe=f"{url}voila/static/voila.js",  # not the page: a request for it would use up the preheated kernel
        open_browser=open_browser,
        say=say,
        verbose=verbose,
    )


def start_query(link: str | None, *, data: str | None = None, model: str | None = None) -> str:
    """What the lab starts with, as the query part of a link.

    Keys of other systems are left out. Raises CommandError with the recipe's error message, and
    for a key that resembles one of the lab's: here it can be put right before anybody comes.
    """
    given = {name: value for name, value in (("data", data), ("model", model)) if value is not None}
    # Only the query of a whole link, which is what "Copy link" gives.
    query = "&".join(filter(None, ((link or "").rpartition("?")[2] or links.NOTHING_SAID, urlencode(given))))
    try:
        recipe, options = links.from_query(query)
        preset = links.last(query, links.PRESET)
        if preset is not None:
            presets.named(preset, recipe)
    except RecipeError as error:
        raise CommandError(str(error), BAD_INPUT) from error
    unknown = links.unknown_keys(query)
    if any(unknown.values()):
        key = next(key for key, near in unknown.items() if near)
        raise CommandError(f"{quoted(key)} is no setting of the lab; did you mean {unknown[key]}?", BAD_INPUT)
    custom = [name for name in ("data", "model") if getattr(recipe, name) == "own"]
    if custom:
        raise CommandError(
            f"{custom[0]} = 'own': Python objects can't be named here; use Lab(...) in a notebook", BAD_INPUT
        )
    asked = "" if preset is None else f"&{links.PRESET}={presets.slug(preset)}"
    return links.to_query(recipe, options) + asked


def fetch_data(query: str, warn: Callable[[str], None]) -> None:
    """Download what labs begin with to the cache, with a progress bar, before a page needs it. query: as they begin."""
    if links.from_query(query)[0].data != "mnist":
        return
    from prunelab.data import mnist

    try:
        for name in mnist.FILES:
            mnist.content(name, progress=True)
    except DataError as error:
        warn(f"{error} The page opens all the same, and says so too.")
