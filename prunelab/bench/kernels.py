"""A converted layer compared with the best handwritten code, over sizes, densities and batches.

A ratio is the time of the best handwritten layer over that of the converted one: above 1 converted is faster. A cell
counts as slower (beyond noise) if even the upper quartile of the ratios of interleaved turns is below 0.95. Every cell
is measured once, and every result counts.
All are called as modules, get the same batch-major activations, add the bias, and return (batch, out) in any memory
order.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab.bench.statistics import Spread, interleave, ratios, spread, timed
from prunelab.bench.table import Row, Say
from prunelab.sparse.inference.convert import convert
from prunelab.sparse.inference.kernel_choice import race
from prunelab.sparse.inference.kernels import Weights, available

SIZES = ((300, 784), (1024, 1024), (4096, 4096))  # out, in
DENSITIES = (0.3, 0.08, 0.02)
BATCHES = (1, 64)
SLOWER = 0.95  # ratio below which converted counts as slower
TURN = 1e-3  # minimal duration of one turn in seconds
Runs = Mapping[str, Callable[[], object]]
Chosen = tuple[str, str]  # kernel, and why


@dataclass(frozen=True)
class Cell:
    """The measurement at one point of the grid."""

    size: tuple[int, int]  # outputs, inputs
    density: float
    batch: int
    kernel: str  # the one that was chosen for "ours"
    why: str  # it was chosen
    seconds: Mapping[str, list[float]]  # times by candidate: "ours", and the handwritten ones

    @property
    def best(self) -> str:
        """The fastest handwritten candidate."""
        return min(
            (name for name in self.seconds if name != "ours"), key=lambda name: spread(self.seconds[name]).median
        )

    @property
    def ratio(self) -> Spread:
        """Time of the fastest handwritten candidate / time of ours."""
        return ratios(self.seconds[self.best], self.seconds["ours"])

    @property
    def place(self) -> str:
        out, features = self.size
        return f"{out}x{features} density {self.density} batch {self.batch}"


def rows(*, quick: bool, say: Say) -> list[Row]:
    """Measure. say: called with what is being measured. quick: fewer repetitions."""
    with torch.no_grad():
        return grid_rows(SIZES, rounds=5 if quick else 25, say=say)


def grid_rows(sizes: tuple[tuple[int, int], ...], *, rounds: int, say: Say) -> list[Row]:
    """Rows for layers of these sizes: the layer alone, the product in a chain, and the largest relative to dense."""
    results: list[tuple[Cell, Cell]] = []
    for size, density in ((size, density) for size in sizes for density in DENSITIES):
        say(f"sparse kernels, {size[0]} x {size[1]}, density {density}")
        results += _measured(size, density, rounds)
    cells, inner = zip(*results, strict=True)
    last = next(cell for cell in cells if (cell.size, cell.density, cell.batch) == (sizes[-1], DENSITIES[-1], 1))
    return [
        *_rows("converted layer", cells),
        *_rows("product in a chain", inner),
        Row.of(
            f"{last.place}: dense / converted",
            ratios(last.seconds["dense"], last.seconds["ours"]),
            "x",
            target=8,
            better="at least",
            note=", ".join(f"{name} {1e6 * spread(taken).median:.0f} µs" for name, taken in last.seconds.items()),
        ),
    ]


def _measured(size: tuple[int, int], density: float, rounds: int) -> list[tuple[Cell, Cell]]:
    """For each batch size (the layer alone, the product inside a chain)."""
    return [
        (
            Cell(size, density, batch, *alone_by, _raced(alone, rounds)),
            Cell(size, density, batch, *inside_by, _raced(inside, rounds)),
        )
        for batch, (alone_by, inside_by), alone, inside in _candidates(_layer(size, density), size)
    ]


def _rows(what: str, cells: Sequence[Cell]) -> list[Row]:
    """The number of cells that are slower than the best handwritten candidate, and the worst cell."""
    slower = [cell for cell in cells if cell.ratio.high < SLOWER]
    worst = min(cells, key=lambda cell: cell.ratio.median)
    grid: dict[tuple[int, int], list[str]] = {}
    for cell in cells:
        grid.setdefault(cell.size, []).append(f"{cell.ratio.median:.2f} {cell.kernel} ({cell.why})")
    ratios_by_size = "; ".join(f"{out}x{features}: {', '.join(texts)}" for (out, features), texts in grid.items())
    order = f"densities {', '.join(map(str, DENSITIES))}, each at batches {', '.join(map(str, BATCHES))}"
    names = ", ".join(f"{cell.place} {cell.ratio.median:.2f}" for cell in slower) or "none"
    return [
        Row(f"{what}: of {len(cells)} cells slower than dense, CSR or SciPy", len(slower), "", target=0, note=names),
        Row.of(
            f"{what}: best of these / ours, worst cell", worst.ratio, "x",
            note=f"{worst.place} against {worst.best}; all: {ratios_by_size} ({order})",
        ),
    ]  # fmt: skip


def _layer(size: tuple[int, int], density: float) -> nn.Linear:
    """A linear layer whose weights survive independently with probability ``density``."""
    out, features = size
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(features, out)
    layer.weight.copy_(torch.randn(size, generator=generator) * (torch.rand(size, generator=generator) < density))
    return layer


def _candidates(layer: nn.Linear, size: tuple[int, int]) -> Iterator[tuple[int, tuple[Chosen, Chosen], Runs, Runs]]:
    """For each batch size: (batch, what was chosen in both comparisons, layers alone, products inside a chain)."""
    converted = convert(layer, batches=BATCHES)
    weight, bias = layer.weight.detach(), layer.bias.detach()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse")
        csr = weight.to_sparse_csr()
    scipy = sparse.csr_array(weight.numpy())
    column = bias[:, None]
    ours = Weights(weight, available(weight.dtype), "weight")
    handwritten = {
        "dense": _Module(lambda x: F.linear(x, weight, bias)),
        "csr": _Module(lambda x: (csr @ x.t() + column).t()),
        "scipy": _Module(lambda x: torch.from_numpy(scipy @ x.numpy().T).add_(column).t()),
    }
    by_vector = {  # for one sample, both libraries have a matrix-vector product
        "dense": handwritten["dense"],
        "csr": _Module(lambda x: (csr @ x[0] + bias)[None]),
        "scipy": _Module(lambda x: torch.from_numpy(scipy @ x[0].numpy()).add_(bias)[None]),
    }
    for batch in BATCHES:
        x = torch.randn(batch, size[1], generator=torch.Generator().manual_seed(1))
        columns = x[0] if batch == 1 else x.t().contiguous()
        form = ours.vector_by if batch == 1 else ours.columns_by
        products = {kernel: partial(form(kernel, None), columns) for kernel in available(weight.dtype)}
        inside_race = race(products, standard="dense")
        alone = {name: partial(module, x) for name, module in (by_vector if batch == 1 else handwritten).items()}
        inside: dict[str, Callable[[], object]] = {
            "dense": partial(torch.matmul, weight, columns),
            "csr": partial(torch.matmul, csr, columns),
            "scipy": lambda columns=columns: scipy @ columns.numpy(),  # type: ignore[misc]
        }
        chosen = (
            (converted.choices["weight"][batch], converted.reasons["weight"][batch]),
            (inside_race.winner, inside_race.explained("dense", inside_race.rival)),
        )
        ours_alone, ours_inside = partial(converted, x), products[inside_race.winner]
        yield batch, chosen, {"ours": ours_alone, **alone}, {"ours": ours_inside, **inside}


class _Module(nn.Module):
    """Handwritten code, called as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def _raced(runs: Runs, rounds: int) -> dict[str, list[float]]:
    """Seconds per call of each candidate, in ``rounds`` turns of at least TURN seconds."""

    def turn(run: Callable[[], object]) -> Callable[[], float]:
        run()
        times = max(1, min(500, round(TURN / timed(run, 2))))
        return lambda: timed(run, times)

    return interleave({name: turn(run) for name, run in runs.items()}, rounds)
