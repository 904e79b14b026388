"""Published numbers on MNIST that reproductions stand beside. Errors are fractions; compression is total / kept."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Published:
    """One result of a paper. dense: error of its dense network, where it says it. layers: {layer: kept fraction}."""

    method: str
    source: str
    network: str
    compression: float
    error: float
    dense: float | None = None
    layers: dict[str, float] = field(default_factory=dict)


HAN = "Han et al. 2015, tables 1, 3 and 4"
PAPER = {
    "lenet-300-100": Published(
        method="Han et al. 2015",
        source=HAN,
        network="lenet-300-100",
        compression=12,
        error=0.0159,
        dense=0.0164,
        layers={"fc1": 0.08, "fc2": 0.09, "fc3": 0.26},
    ),
    "lenet-5": Published(
        method="Han et al. 2015",
        source=HAN,
        network="lenet-5",
        compression=12,
        error=0.0077,
        dense=0.0080,
        layers={"conv1": 0.66, "conv2": 0.12, "fc1": 0.08, "fc2": 0.19},
    ),
}


def _later(method: str, source: str, small: tuple[float, float], conv: tuple[float, float]) -> tuple[Published, ...]:
    return tuple(
        Published(method=method, source=source, network=network, compression=compression, error=error)
        for network, (compression, error) in (("lenet-300-100", small), ("lenet-5", conv))
    )


LATER = (
    *_later("Dynamic network surgery", "Guo et al. 2016, table 1", (56, 0.0199), (108, 0.0091)),
    *_later("Soft weight sharing", "Ullrich et al. 2017, table 1", (23, 0.0194), (200, 0.0097)),
    *_later("Sparse variational dropout", "Molchanov et al. 2017, table 1", (68, 0.0192), (280, 0.0075)),
    *_later("SNIP", "Lee et al. 2019, table 1", (20, 0.016), (50, 0.008)),
)
