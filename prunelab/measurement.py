"""Measurement: what was measured of a network, as plain values, for views, tables and the command line."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import Any

NETWORKS = {
    "dense": "the network as it is, zeros multiplied like any number",
    "sparse": "every layer as torch's CSR",
    "converted": "each layer by the fastest kernel: dense, CSR or SciPy",
    "compacted": "dense, without dead neurons",
}


@dataclass(frozen=True)
class Size:
    """One format: its name, the bytes of the whole network in it, and what it is in a few words."""

    format: str
    bytes: int
    about: str


@dataclass(frozen=True)
class Machine:
    """Where something was measured."""

    processor: str
    cores: int
    system: str
    torch: str

    def __str__(self) -> str:
        return f"{self.processor}, {self.cores} cores, {self.system}, torch {self.torch}"


@dataclass(frozen=True)
class Latency:
    """Seconds that ``network`` takes for one batch: median and quartiles over blocks of runs."""

    network: str
    batch: int
    threads: int
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Measurement:
    """What was measured, and where.

    kept, total: connections. sizes: bytes by format. latencies: seconds by network, batch size and threads. notes: what
    could not be measured and why, and what may have disturbed it. progress: 0 to 1, below 1 while measuring goes on.
    """

    machine: Machine
    kept: int
    total: int
    sizes: tuple[Size, ...]
    latencies: tuple[Latency, ...] = ()
    notes: tuple[str, ...] = ()
    progress: float = 0.0

    def bytes(self, format: str) -> int:
        """Bytes of the network in a format. KeyError with the formats there are."""
        table = {size.format: size.bytes for size in self.sizes}
        if format not in table:
            raise KeyError(f"{format!r} is no format here; there are {', '.join(table)}")
        return table[format]

    def seconds(self, network: str, batch: int, threads: int | None = None) -> float | None:
        """Median time of one batch; None if it was not measured. threads: the most that were measured, unless given."""
        wanted = max((x.threads for x in self.latencies), default=0) if threads is None else threads
        for x in self.latencies:
            if (x.network, x.batch, x.threads) == (network, batch, wanted):
                return x.median
        return None

    def speedup(self, batch: int, threads: int | None = None) -> tuple[str, float] | None:
        """The fastest network for a batch size and how many times faster than dense it is (1 or less: none is)."""
        dense = self.seconds("dense", batch, threads)
        if dense is None:
            return None
        others = {name: self.seconds(name, batch, threads) for name in NETWORKS if name != "dense"}
        times = {name: seconds for name, seconds in others.items() if seconds is not None}
        if not times:
            return None
        best = min(times, key=lambda name: times[name])
        return best, dense / times[best]

    def rows(self) -> list[dict[str, Any]]:
        """One row a figure: what, name, batch, threads, value, low, high, unit. Bytes first, then seconds."""
        empty: dict[str, Any] = {"batch": None, "threads": None, "low": None, "high": None}
        return [
            {"what": "size", "name": x.format, **empty, "value": x.bytes, "unit": "bytes"} for x in self.sizes
        ] + [
            {
                "what": "latency", "name": x.network, "batch": x.batch, "threads": x.threads,
                "value": x.median, "low": x.low, "high": x.high, "unit": "s",
            }
            for x in self.latencies
        ]  # fmt: skip

    def to_csv(self) -> str:
        """The rows as CSV."""
        buffer = io.StringIO()
        columns = ("what", "name", "batch", "threads", "value", "low", "high", "unit")
        writer = csv.DictWriter(buffer, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        return buffer.getvalue()

    def to_dataframe(self) -> Any:
        """The rows as a pandas DataFrame. ModuleNotFoundError where pandas is not installed."""
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_dataframe needs pandas: pip install pandas; to_csv needs nothing") from error
        return pandas.DataFrame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return asdict(self)
