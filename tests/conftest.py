"""What all tests share. Helpers lie in ``support``."""

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from support.docs_site import Site

pytest.register_assert_rewrite("support")

# Processes of pytest-xdist share the cores already: threads of torch beside them would wait for each other more than
# they work. Set before torch is loaded; kernels and commands that tests start inherit it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine may take long over any example: time is no property of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def docs_site(tmp_path_factory: pytest.TempPathFactory) -> "Site":
    """The documentation, built once for all processes of pytest-xdist."""
    from support.docs_site import build

    root = tmp_path_factory.getbasetemp()
    return build((root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "docs")


@pytest.fixture(autouse=True)
def known_numbers() -> None:
    """Every test gets the same random numbers from torch, whatever ran in its process before.

    Python's own stay as they are: servers choose ports by them.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True)
def no_loop_of_a_browser(request: pytest.FixtureRequest) -> Iterator[None]:
    """For tests without a browser, no event loop runs in this thread.

    Playwright's synchronous interface leaves one running, and a process of pytest-xdist may take over tests without a
    browser after it had some with one: a lab would send its updates to that loop, and nobody would run them.
    """
    loop = asyncio._get_running_loop()
    if loop is None or request.node.get_closest_marker("browser"):
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)
