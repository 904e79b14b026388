"""The table of figures and their targets."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

from prunelab.bench.statistics import Spread

Say = Callable[[str], None]  # is given what is being measured


@dataclass(frozen=True)
class Row:
    """One promise, and the figure that was measured."""

    name: str
    figure: float
    unit: str  # of the figure; "x" for a ratio
    target: float | None = None  # None: the figure is only reported
    better: Literal["at most", "at least"] = "at most"  # which side of the target is good
    low: float | None = None  # lower quartile; None for a single number
    high: float | None = None  # upper quartile, likewise
    note: str = ""

    @classmethod
    def of(cls, name: str, measured: Spread, unit: str, **rest: Any) -> Row:
        """A row with the median and the quartiles of ``measured``."""
        return cls(name, measured.median, unit, low=measured.low, high=measured.high, **rest)

    @property
    def met(self) -> bool | None:
        """Whether the figure is on the good side of the target; None without one."""
        if self.target is None:
            return None
        return self.figure <= self.target if self.better == "at most" else self.figure >= self.target


def rendered(rows: Iterable[Row], first: int = 1) -> Group:
    """The rows as a table, with their notes below, by number. first: the number of the first."""
    table = Table()
    table.add_column("", justify="right", style="dim")
    table.add_column("what")
    for name in ("measured", "quartiles", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("met")
    words = {True: "[green]yes[/]", False: "[bold red]NO[/]", None: "–"}
    notes = []
    for number, row in enumerate(rows, first):
        between = "" if row.low is None or row.high is None else f"{_number(row.low)} to {_number(row.high)}"
        target = "" if row.target is None else f"{row.better} {_number(row.target)} {row.unit}"
        table.add_row(str(number), row.name, f"{_number(row.figure)} {row.unit}", between, target, words[row.met])
        if row.note:
            notes.append(Text(f"{number}. {row.note}", style="dim"))
    return Group(table, *notes)


def as_dict(rows: Iterable[Row], *, quick: bool) -> dict[str, Any]:
    """The rows and the machine they were measured on, as JSON types."""
    import os

    import torch

    machine = {"python": platform.python_version(), "torch": torch.__version__, "cores": os.cpu_count()}
    return {
        "prunelab_bench": 1,
        "quick": quick,
        "machine": {**machine, "system": platform.system(), "processor": platform.machine()},
        "rows": [{**asdict(row), "met": row.met} for row in rows],
    }


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
