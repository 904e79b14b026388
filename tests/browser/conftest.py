"""A real Chromium against real servers. A request to another machine is a failure, and so is an error in a page.

Fixtures: ``notebook(*cells)`` writes a notebook and returns its path; ``voila(notebook, query)`` opens it in ``page``,
in a kernel of its own, ``dashboard(query)`` likewise the lab, and ``jupyterlab(page, notebook)`` in JupyterLab.
``everything`` is a lab with all its panels that the tests of a module look at one after the other. The
servers behind these are one Voila and one JupyterLab for all tests of a process; kernels end with their test, which is
checked. Tests that are about servers start their own: ``voila_server(notebook)``. ``page`` and ``context`` are
pytest-playwright's, under watch. A test waits for what the page says (``data-state``, ``data-revision``), never for the
clock. What a failed test saw lies under ``artefacts/``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, WebError, expect

from support.jupyterlab import open_notebook
from support.lab_page import DASHBOARD, EVERYTHING, as_at_first, expect_drawn, expect_root, leave
from support.servers import (
    CHECKOUT,
    Server,
    end_sessions,
    expect_no_kernels,
    kernels,
    start_jupyter_server,
    start_jupyterlab,
    start_voila,
    stop,
)

ARTEFACTS = CHECKOUT / "artefacts"
OURS = ("127.0.0.1", "localhost")
CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

# What upstream puts into the console of every page, whatever we do. Each line with its reason.
UNAVOIDABLE: tuple[tuple[str, str], ...] = ()

# Milliseconds. Two browsers and their kernels on two cores may need many seconds for anything; a generous limit delays
# nothing but failures.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)

TROUBLE = pytest.StashKey[bool]()
# A browser that knows the tour already; tests of the tour forget it.
SEEN = "if (location.protocol.startsWith('http')) localStorage.setItem('prunelab.tour', 'seen')"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder, and puts them last.

    Last, because Playwright's synchronous interface leaves an event loop running in the main thread until the
    session ends; see ``no_loop_of_a_browser`` for tests that come after it all the same.
    """
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: here in item.path.parents)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """The system's Chromium if there is one, else Playwright's own; quiet, and without a way out of this machine.

    Its headless shell first: the same engine without a frame, in which a page costs two thirds of the time.
    """
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    flags = [
        *("--disable-quic", "--no-first-run", "--disable-background-networking"),
        *("--disable-component-update", "--disable-sync", "--no-proxy-server"),
        # Blocks at the root, workers and websockets too, and keeps the cache (Playwright's route would turn it off).
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    return {**browser_type_launch_args, "args": flags, **({"executable_path": found} if found else {})}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "viewport": {"width": 1280, "height": 900}}


class Watch:
    """What went wrong in a browser context: requests to elsewhere, errors in the console, exceptions in a page."""

    def __init__(self, context: BrowserContext) -> None:
        self.outside: list[str] = []
        self.errors: list[str] = []
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", self._exception)
        context.on("page", lambda page: page.on("websocket", lambda socket: self._check(socket.url)))

    def _request(self, request: Request) -> None:
        self._check(request.url)

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in OURS:
            self.outside.append(url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._error(f"{message.text} ({message.location.get('url', '')})")

    def _exception(self, error: WebError) -> None:
        self._error(f"uncaught: {error.error}")

    def _error(self, text: str) -> None:
        if not any(re.search(pattern, text) for pattern, _ in UNAVOIDABLE):
            self.errors.append(text)


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the shared servers serve: the dashboard, and a folder for each test that writes notebooks."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(DASHBOARD, folder)
    return folder


@pytest.fixture(scope="session")
def shared_voila(notebooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests of a process. Kernels are started for their visitors: none is left over from another test."""
    server = start_voila(notebooks, tmp_path_factory.mktemp("home"), preheat=False)
    yield server
    stop(server)


@pytest.fixture(scope="session")
def shared_jupyterlab(notebooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests of a process."""
    server = start_jupyterlab(notebooks, tmp_path_factory.mktemp("home"))
    yield server
    stop(server)


@dataclass(frozen=True)
class Used:
    """A server that a test makes use of. begin: where its log stood. end: what to do once the pages are gone."""

    server: Server
    begin: int
    end: Callable[[Server], None]


@pytest.fixture
def running(request: pytest.FixtureRequest) -> Iterator[list[Used]]:
    """The servers of a test: ended after its pages are gone, which would complain about lost connections."""
    used: list[Used] = []
    yield used
    troubles = []
    for number, one in enumerate(used):
        try:
            one.end(one.server)
        except AssertionError as error:
            troubles.append(str(error))
        if troubles or _went_wrong(request.node):
            _artefact(request.node, f"server{number}.log").write_text(one.server.log[one.begin :])
    assert not troubles, troubles


@pytest.fixture
def context(running: list[Used], context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """pytest-playwright's context; the test fails at its end if a page asked elsewhere or reported an error."""
    context.set_default_timeout(PATIENCE)
    context.add_init_script(SEEN)
    watch = Watch(context)
    yield context
    request.node.stash[TROUBLE] = bool(watch.errors or watch.outside)
    if _went_wrong(request.node):
        _keep_screenshots(context, request.node)
    leave(context)
    assert not watch.outside, f"requests to elsewhere: {watch.outside}"
    assert not watch.errors, f"errors in the browser: {watch.errors}"


@pytest.fixture
def unwatched(
    running: list[Used], browser: Browser, browser_context_args: dict[str, Any]
) -> Iterator[Callable[[], Page]]:
    """``unwatched()``: a page in a context of its own, where connections may break: every browser complains of that."""
    contexts = []

    def new() -> Page:
        contexts.append(browser.new_context(**browser_context_args))
        contexts[-1].set_default_timeout(PATIENCE)
        contexts[-1].add_init_script(SEEN)
        return contexts[-1].new_page()

    yield new
    for context in contexts:
        leave(context)
        context.close()


@pytest.fixture
def address(running: list[Used], shared_voila: Server, notebooks: Path) -> Callable[[Path], str]:
    """``address(notebook)``: where the shared Voila serves it. Its kernel has to be gone when its page is."""
    standing = kernels(shared_voila)  # of a page that stays from test to test
    running.append(Used(shared_voila, len(shared_voila.log), partial(expect_no_kernels, but=standing)))
    return lambda notebook: f"{shared_voila.url}voila/render/{notebook.relative_to(notebooks).as_posix()}"


@pytest.fixture
def voila(address: Callable[[Path], str], page: Page) -> Callable[..., str]:
    """``voila(notebook, query="")``: the notebook, open in ``page``; returns its address."""

    def open_page(notebook: Path, query: str = "") -> str:
        page.goto(address(notebook) + query)
        return address(notebook)

    return open_page


@pytest.fixture
def dashboard(voila: Callable[..., str], notebooks: Path, page: Page) -> Callable[..., str]:
    """``dashboard(query, state="ready", ...)``: the lab, open and in this state; returns its address."""

    def open_lab(query: str = "", *, state: str = "ready", **more: str) -> str:
        url = voila(notebooks / DASHBOARD.name, query)
        expect_root(page, state=state, **more)
        return url

    return open_lab


class Standing:
    """A page of the lab with all its panels, which stays from test to test."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.watch = Watch(context)
        self.page = context.new_page()
        self.page.goto(address + EVERYTHING)
        expect_root(self.page, state="ready", phase="trained")
        expect_drawn(self.page, 1.5)

    def close(self) -> None:
        leave(self.page.context)
        self.page.context.close()


@pytest.fixture(scope="module")
def standing() -> Iterator[list[Standing]]:
    """The page that stays, or nothing yet: it ends with its module, or with a test that failed on it."""
    kept: list[Standing] = []
    yield kept
    for one in kept:
        one.close()


@pytest.fixture
def everything(
    standing: list[Standing],
    browser: Browser,
    browser_context_args: dict[str, Any],
    shared_voila: Server,
    request: pytest.FixtureRequest,
) -> Iterator[Page]:
    """A lab with all its panels and a network that has learned, for tests that look at it and cut nothing.

    They may resize it, move the quality and fold it open: it is put back after each.
    """
    if not standing:
        context = browser.new_context(**browser_context_args)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(SEEN)
        standing.append(Standing(context, f"{shared_voila.url}voila/render/{DASHBOARD.name}"))
    one = standing[0]
    yield one.page
    troubles = [*one.watch.outside, *one.watch.errors]
    request.node.stash[TROUBLE] = bool(troubles)
    if _went_wrong(request.node):
        _keep_screenshots(one.page.context, request.node)
        standing.clear()
        one.close()
    else:
        as_at_first(one.page)
    assert not troubles, f"requests to elsewhere, or errors in the browser: {troubles}"


@pytest.fixture
def jupyterlab(running: list[Used], shared_jupyterlab: Server, notebooks: Path) -> Callable[[Page, Path], None]:
    """``jupyterlab(page, notebook)``: the notebook, open in JupyterLab with a kernel that can take cells."""
    server = shared_jupyterlab
    running.append(Used(server, len(server.log), end_sessions))
    return lambda page, notebook: open_notebook(page, server.url, notebook.relative_to(notebooks).as_posix())


@pytest.fixture
def voila_server(running: list[Used], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Server]:
    """``voila_server(notebook, preheat=True)``: a new server, of the notebook as ``prunelab dashboard`` serves it.

    It may have a ``base_url``, with a slash at both ends, and other options of ``voila_argv``.
    """

    def start(notebook: Path, **settings: Any) -> Server:
        running.append(Used(start_voila(notebook, tmp_path_factory.mktemp("home"), **settings), 0, stop))
        return running[-1].server

    return start


@pytest.fixture
def jupyter_server(running: list[Used], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Server]:
    """``jupyter_server(folder, base_url="/")``: a new Jupyter Server on a folder, with Voila and our extension."""

    def start(folder: Path, base_url: str = "/") -> Server:
        running.append(Used(start_jupyter_server(folder, tmp_path_factory.mktemp("home"), base_url), 0, stop))
        return running[-1].server

    return start


@pytest.fixture
def notebook(notebooks: Path) -> Callable[..., Path]:
    """``notebook("first cell", "second cell", name="plots")``: a notebook of code cells in the test's own folder."""
    folder = Path(mkdtemp(dir=notebooks))

    def write(*cells: str, name: str = "page") -> Path:
        path = folder / f"{name}.ipynb"
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, path)
        return path

    return write


def _went_wrong(node: pytest.Item) -> bool:
    report = getattr(node, "rep_call", None)  # set by pytest-playwright; absent when the set-up failed
    return report is None or bool(report.failed) or node.stash.get(TROUBLE, False)


def _keep_screenshots(context: BrowserContext, node: pytest.Item) -> None:
    for number, page in enumerate(context.pages):
        try:
            page.screenshot(path=_artefact(node, f"page{number}.png"), full_page=True)
        except Error as error:  # a page that hangs has no picture; the test's own failure says more
            _artefact(node, f"page{number}.txt").write_text(f"no screenshot: {error}")


def _artefact(node: pytest.Item, name: str) -> Path:
    ARTEFACTS.mkdir(exist_ok=True)
    return ARTEFACTS / f"{re.sub(r'[^a-zA-Z0-9]+', '-', node.nodeid).strip('-')}-{name}"
