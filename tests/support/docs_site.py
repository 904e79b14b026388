"""The documentation, built as ``make docs`` builds it but for the notebooks, which are not executed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path

from filelock import FileLock

from support.servers import CHECKOUT

SOURCES = CHECKOUT / "docs"


@dataclass(frozen=True)
class Site:
    """The pages that were built, and what Sphinx warned of."""

    pages: Path
    warnings: str

    def page(self, name: str) -> Page:
        return Page(self.pages / name)

    @cached_property
    def all_pages(self) -> list[Page]:
        return [Page(path) for path in sorted(self.pages.rglob("*.html"))]


class Page(HTMLParser):
    """A page: the anchors in it, and all (element, address) that it refers to or loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.anchors = {""}
        self.references: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        self.references += [(tag, value) for name in ("href", "src", "data", "poster") if (value := given.get(name))]


def build(folder: Path) -> Site:
    """Build the pages into ``folder``, unless another process did."""
    pages, warnings = folder / "pages", folder / "warnings.txt"
    done = folder / "done"
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            folder.mkdir(exist_ok=True)
            command = [
                *(sys.executable, "-m", "sphinx", "-q", "-b", "html", "-w", warnings, "-d", folder / "doctrees"),
                *("-D", "nb_execution_mode=off", SOURCES, pages),
            ]
            built = subprocess.run(command, env=os.environ | {"NO_COLOR": "1"}, capture_output=True, text=True)
            assert built.returncode == 0, built.stdout + built.stderr
            done.touch()
    return Site(pages, warnings.read_text(encoding="utf-8"))
