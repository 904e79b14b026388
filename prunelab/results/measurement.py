"""What was measured of a network, as plain values, for views, tables and the command line."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import Any, Literal

from prunelab.hardware import Machine

SAME = 1.05  # times that are closer to each other than this are called the same
Verdict = Literal["faster", "slower", "even", "unsteady"]
BATCH = 64  # the batch size that is spoken of where there is room for one

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
class Latency:
    """Seconds that ``network`` takes for one batch: median, quartiles and minimum over blocks of runs."""

    network: str
    batch: int
    threads: int
    median: float
    low: float
    high: float
    least: float


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

    @property
    def batches(self) -> list[int]:
        """Batch sizes that were timed, smallest first."""
        return sorted({x.batch for x in self.latencies})

    def latency(self, network: str, batch: int, threads: int | None = None) -> Latency | None:
        """What was measured of a network; None if nothing was. threads: the most there were, unless given."""
        wanted = max((x.threads for x in self.latencies), default=0) if threads is None else threads
        for x in self.latencies:
            if (x.network, x.batch, x.threads) == (network, batch, wanted):
                return x
        return None

    def speedup(self, network: str, batch: int, threads: int | None = None) -> float | None:
        """How many times faster than dense a network is (below 1: slower); None if either was not measured.

        1.0 where that cannot be told (see ``verdict``). By the medians or the minima, whichever say less: a neighbour
        on the machine can slow one network down for all but a moment.
        """
        found, ratios = self.verdict(network, batch, threads), self._ratios(network, batch, threads)
        if found is None or ratios is None:
            return None
        return {"faster": min(ratios), "slower": max(ratios)}.get(found, 1.0)

    def verdict(self, network: str, batch: int, threads: int | None = None) -> Verdict | None:
        """Whether a network is faster or slower than dense; None if either was not measured.

        faster, slower: quartiles don't overlap, and medians and minima both say so, by SAME or more. even: neither
        differs by SAME. unsteady: they differ, but the clock has not settled which way; measured again they may tell.
        """
        dense, own = self.latency("dense", batch, threads), self.latency(network, batch, threads)
        ratios = self._ratios(network, batch, threads)
        if dense is None or own is None or ratios is None:
            return None
        if own.high < dense.low and min(ratios) >= SAME:
            return "faster"
        if own.low > dense.high and max(ratios) <= 1 / SAME:
            return "slower"
        return "even" if max(ratios) < SAME and min(ratios) > 1 / SAME else "unsteady"

    def unsteady(self, batch: int, threads: int | None = None) -> bool:
        """Whether some network may be faster than dense at a batch size, for all that the unsteady clock tells."""
        return any(
            self.verdict(name, batch, threads) == "unsteady" and max(self._ratios(name, batch, threads) or (0,)) > 1
            for name in NETWORKS
        )

    def _ratios(self, network: str, batch: int, threads: int | None) -> tuple[float, float] | None:
        """Dense's time over the network's, by the medians and by the minima."""
        dense, own = self.latency("dense", batch, threads), self.latency(network, batch, threads)
        return None if dense is None or own is None else (dense.median / own.median, dense.least / own.least)

    def fastest(self, batch: int, threads: int | None = None) -> tuple[str, float]:
        """The fastest network for a batch size and its speedup; ("dense", 1.0) where none is clearly faster."""
        found = {name: self.speedup(name, batch, threads) for name in NETWORKS}
        known = {name: speedup for name, speedup in found.items() if speedup is not None}
        best = max(known, key=lambda name: known[name], default="dense")
        return (best, known[best]) if known.get(best, 1.0) > 1.0 else ("dense", 1.0)

    def rows(self) -> list[dict[str, Any]]:
        """One row a figure: what, name, batch, threads, value, low, high, least, unit. Bytes first, then seconds."""
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
        """The rows as a pandas DataFrame. ModuleNotFoundError where pandas is not installed."""
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("to_dataframe needs pandas: pip install pandas; to_csv needs nothing") from error
        return pandas.DataFrame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return asdict(self)
