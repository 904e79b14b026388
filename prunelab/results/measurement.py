"""Measurements of a network as plain values, for views, tables and the command line."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import Any, Literal

from prunelab.hardware import Machine

SAME = 1.05  # times with a ratio below this count as equal
CONTRARY = 1.5  # medians and minima whose ratios differ by more than this factor contradict each other
Verdict = Literal["faster", "slower", "even", "unsteady"]
BATCH = 64  # the batch size that is reported where there is space for only one

NETWORKS = {
    "dense": "the network as it is, zeros multiplied like any number",
    "sparse": "every layer as torch's CSR",
    "converted": "each layer by the fastest kernel: dense, CSR or SciPy",
    "compacted": "dense, without dead neurons",
}


@dataclass(frozen=True)
class Size:
    """One file format: its name, the bytes of the whole network in it, and a short description."""

    format: str
    bytes: int
    about: str


@dataclass(frozen=True)
class Latency:
    """Seconds that ``network`` takes for one batch: median, quartiles (low, high) and minimum over blocks of runs."""

    network: str
    batch: int
    threads: int
    median: float
    low: float
    high: float
    least: float


@dataclass(frozen=True)
class KernelChoice:
    """The kernel that the converted network uses for a layer at a batch size, and why."""

    layer: str
    batch: int
    threads: int
    kernel: str
    why: str


@dataclass(frozen=True)
class Measurement:
    """File sizes and latencies of a network, measured on ``machine``.

    kept, total: connections. sizes: bytes by format. latencies: seconds by network, batch size and threads. notes:
    what could not be measured and why, and possible disturbances. progress: 0 to 1, below 1 while measuring goes on.
    kernels: of the converted network.
    """

    machine: Machine
    kept: int
    total: int
    sizes: tuple[Size, ...]
    latencies: tuple[Latency, ...] = ()
    notes: tuple[str, ...] = ()
    progress: float = 0.0
    kernels: tuple[KernelChoice, ...] = ()

    def bytes(self, format: str) -> int:
        """Bytes of the network in a format; KeyError, with the known formats, for another name."""
        table = {size.format: size.bytes for size in self.sizes}
        if format not in table:
            raise KeyError(f"{format!r} is no format here; there are {', '.join(table)}")
        return table[format]

    @property
    def batches(self) -> list[int]:
        """Measured batch sizes, ascending."""
        return sorted({x.batch for x in self.latencies})

    @property
    def threads(self) -> int:
        """The largest number of threads that all batch sizes were timed with; 0 before any was.

        Numbers of threads are measured one after the other: while it goes on, the next one has not all of them yet.
        """
        timed = {(x.threads, x.batch) for x in self.latencies}
        numbers = {number for number, _ in timed}
        return max((n for n in numbers if all((n, batch) in timed for batch in self.batches)), default=0)

    def latency(self, network: str, batch: int, threads: int | None = None) -> Latency | None:
        """Latency of a network, None if not measured. threads: None means ``Measurement.threads``."""
        thread_count = self.threads if threads is None else threads
        for x in self.latencies:
            if (x.network, x.batch, x.threads) == (network, batch, thread_count):
                return x
        return None

    def speedup(self, network: str, batch: int, threads: int | None = None) -> float | None:
        """Speed of a network relative to dense (below 1: slower); None if either was not measured.

        The ratio of the two medians, which are the times that are shown beside it; 1.0 if the difference is not clear
        (see ``verdict``).
        """
        verdict, ratios = self.verdict(network, batch, threads), self._ratios(network, batch, threads)
        if verdict is None or ratios is None:
            return None
        return ratios[0] if verdict in ("faster", "slower") else 1.0

    def verdict(self, network: str, batch: int, threads: int | None = None) -> Verdict | None:
        """Whether a network is faster or slower than dense; None if either was not measured.

        faster, slower: quartiles do not overlap, and medians and minima both differ by at least SAME, and alike. even:
        neither differs by SAME. unsteady: they differ, but not consistently; another measurement may decide.
        """
        dense, other = self.latency("dense", batch, threads), self.latency(network, batch, threads)
        ratios = self._ratios(network, batch, threads)
        if dense is None or other is None or ratios is None:
            return None
        alike = max(ratios) <= CONTRARY * min(ratios)  # else other load held one of the two up most of the time
        if alike and other.high < dense.low and min(ratios) >= SAME:
            return "faster"
        if alike and other.low > dense.high and max(ratios) <= 1 / SAME:
            return "slower"
        return "even" if max(ratios) < SAME and min(ratios) > 1 / SAME else "unsteady"

    def unsteady(self, batch: int, threads: int | None = None) -> bool:
        """Whether some network may be faster than dense at a batch size, but timings are too unsteady to say."""
        return any(
            self.verdict(name, batch, threads) == "unsteady" and max(self._ratios(name, batch, threads) or (0,)) > 1
            for name in NETWORKS
        )

    def _ratios(self, network: str, batch: int, threads: int | None) -> tuple[float, float] | None:
        """Time of dense divided by that of the network: ratios of medians and of minima."""
        dense, other = self.latency("dense", batch, threads), self.latency(network, batch, threads)
        return None if dense is None or other is None else (dense.median / other.median, dense.least / other.least)

    def fastest(self, batch: int, threads: int | None = None) -> tuple[str, float]:
        """The fastest network for a batch size and its speedup; ("dense", 1.0) if none is clearly faster."""
        speedups = {name: self.speedup(name, batch, threads) for name in NETWORKS}
        measured = {name: speedup for name, speedup in speedups.items() if speedup is not None}
        best = max(measured, key=lambda name: measured[name], default="dense")
        return (best, measured[best]) if measured.get(best, 1.0) > 1.0 else ("dense", 1.0)

    def rows(self) -> list[dict[str, Any]]:
        """One row per value: what, name, batch, threads, value, low, high, least, unit. Bytes first, then seconds."""
        empty: dict[str, Any] = {"batch": None, "threads": None, "low": None, "high": None, "least": None}
        return [
            {"what": "size", "name": x.format, **empty, "value": x.bytes, "unit": "bytes"} for x in self.sizes
        ] + [
            {
                "what": "latency", "name": x.network, "batch": x.batch, "threads": x.threads,
                "value": x.median, "low": x.low, "high": x.high, "least": x.least, "unit": "s",
            }
            for x in self.latencies
        ]  # fmt: skip

    def to_csv(self) -> str:
        """The rows as CSV."""
        buffer = io.StringIO()
        columns = ("what", "name", "batch", "threads", "value", "low", "high", "least", "unit")
        writer = csv.DictWriter(buffer, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        return buffer.getvalue()

    def to_dataframe(self) -> Any:
        """The rows as a pandas DataFrame; ModuleNotFoundError if pandas is not installed."""
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_dataframe needs pandas: pip install pandas; to_csv needs nothing") from error
        return pandas.DataFrame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return asdict(self)
