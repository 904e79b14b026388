"""Chain: consecutive Linear layers as one module, its activations feature-major from the first sparse layer on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from prunelab.sparse.choice import Costs, cheapest, medians
from prunelab.sparse.kernels import ConvertError, Kernel, Weights, transposed

Plan = tuple[Kernel, ...]  # of each layer
Step = Callable[[Tensor], Tensor]


class Affine(nn.Module):
    """scale x + shift by feature: what batch norm does once it is trained."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, x: Tensor, columns: bool) -> Tensor:
        """columns: x is (features, batch); otherwise (batch, features) or (features)."""
        if columns:
            return torch.addcmul(self.shift[:, None], x, self.scale[:, None])
        return torch.addcmul(self.shift, x, self.scale)


class Layer(nn.Module):
    """One Linear layer of a chain and the elementwise steps after it, each of which may work in place.

    allowed: for each batch size the kernels to choose from. kernels: those chosen, once they are.
    """

    bias: Tensor | None

    def __init__(
        self, name: str, weights: Weights, bias: Tensor | None, steps: Sequence[Affine | Step], allowed: Sequence[Plan]
    ) -> None:
        super().__init__()
        self.name = name
        self.weights = weights
        self.register_buffer("bias", bias)
        self.steps = tuple(steps)
        # A tuple hides modules from torch; what they hold must move and be copied with the rest.
        self.held = nn.ModuleList(step for step in steps if isinstance(step, nn.Module))
        self.allowed = tuple(allowed)

    def forward(self, kernel: Kernel, x: Tensor, columns: bool) -> Tensor:
        """columns: x is (in, batch) or a vector (in), and so the result; otherwise (batch, in), dense only."""
        weights: Weights = self._modules["weights"]  # type: ignore[assignment]
        bias = self._buffers["bias"]
        x = weights.product(kernel, x, bias) if columns else weights.rows(x, bias)
        for step in self.steps:
            x = step(x, columns and x.dim() > 1) if isinstance(step, Affine) else step(x)
        return x


class Batches:
    """Measured batch sizes, ascending, and which of them stands for another: the nearest by ratio."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        self._borders = [(a * b) ** 0.5 for a, b in pairwise(sizes)]

    def nearest(self, n: int) -> int:
        """The index of the size nearest to ``n``; of two as near, the smaller's."""
        return bisect_left(self._borders, n)


class Chain(nn.Module):
    """Linear layers with elementwise steps between them, each with its kernel for each measured batch size.

    Input (..., in), output (..., out), contiguous. With batch norm among the steps (batch, in) only: on more
    dimensions batch norm has another meaning.
    """

    def __init__(self, layers: Sequence[Layer], batches: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.flat = any(isinstance(step, Affine) for layer in layers for step in layer.steps)
        self.in_features = layers[0].weights.in_features
        self.out_features = layers[-1].weights.out_features
        self.dtype = layers[0].weights.dtype
        self.batches = Batches(batches)
        self.plans = [_fastest(layers, number, n) for number, n in enumerate(batches)]

    @property
    def choices(self) -> dict[str, dict[int, Kernel]]:
        """{layer: {batch: kernel}}."""
        kernels = zip(*self.plans, strict=True)
        return {
            str(layer.name): dict(zip(self.batches.sizes, chosen, strict=True))
            for layer, chosen in zip(self.layers, kernels, strict=True)
        }

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 2:
            return self._folded(x)
        n, features = x.shape
        if features != self.in_features or x.dtype != self.dtype:
            raise ConvertError(
                f"{self.layers[0].name} takes {self.dtype} of shape (batch, {self.in_features}), "
                f"not {x.dtype} of shape {tuple(x.shape)}"
            )
        if n == 0:
            return x.new_empty(0, self.out_features)
        return run(self._modules["layers"], self.plans[self.batches.nearest(n)], x)  # type: ignore[arg-type]

    def _folded(self, x: Tensor) -> Tensor:
        if self.flat or x.dim() == 0:
            raise ConvertError(
                f"{self.layers[0].name} was converted for input of shape (batch, {self.in_features}), not "
                f"{tuple(x.shape)}, as batch norm follows; give convert() an example of the shape that comes"
            )
        y = self(x.reshape(x.shape[:-1].numel(), x.shape[-1]))
        return y.reshape(*x.shape[:-1], self.out_features)  # type: ignore[no-any-return]

    # What the Linear layer had that stood here alone: other code may read it.

    @property
    def weight(self) -> Tensor:
        """The weight (out, in) of a chain of one layer, dense."""
        return self._only().weights.to_dense()

    @property
    def bias(self) -> Tensor | None:
        """The bias of a chain of one layer."""
        return self._only().bias

    def _only(self) -> Layer:
        if len(self.layers) != 1:
            raise AttributeError(f"a chain of {len(self.layers)} layers has no one weight or bias")
        return self.layers[0]  # type: ignore[return-value]


def run(layers: Sequence[Layer], plan: Plan, x: Tensor) -> Tensor:
    """x (batch, in) -> (batch, out), batch at least 1, through the layers by these kernels."""
    vector = x.shape[0] == 1  # feature-major and batch-major are the same then
    columns = False
    for layer, kernel in zip(layers, plan, strict=True):
        if kernel != "dense" and not columns:
            columns = True
            x = x.reshape(-1) if vector else transposed(x)
        x = layer.forward(kernel, x, columns)
    if not columns:
        return x
    return x[None] if vector else transposed(x)


def _fastest(layers: Sequence[Layer], number: int, n: int) -> Plan:
    """The plan for the ``number``-th batch size, ``n``; measured where there is anything to choose."""
    allowed = [layer.allowed[number] for layer in layers]
    if all(len(kernels) == 1 for kernels in allowed):
        return tuple(kernels[0] for kernels in allowed)
    x = activations(n, layers[0].weights.in_features, dtype=layers[0].weights.dtype)
    plans: list[Plan] = [
        tuple(kernel if kernel in able else able[0] for able in allowed) for kernel in ("dense", "csr", "scipy")
    ]
    if len(layers) > 1:
        plans.append(cheapest([_costs(layer, number, n) for layer in layers], allowed))
    # Layer by layer is the precise measurement, end to end the true one: the winner of the first must win here too.
    seconds = medians({plan: partial(run, layers, plan, x) for plan in plans})
    return min(seconds, key=seconds.__getitem__)


def _costs(layer: Layer, number: int, n: int) -> Costs:
    weights, allowed = layer.weights, layer.allowed[number]
    x = activations(n, weights.in_features, dtype=weights.dtype)
    y = activations(weights.out_features, n, dtype=weights.dtype)
    columns = x.reshape(-1) if n == 1 else transposed(x)
    seconds = medians({k: partial(weights.product, k, columns, layer.bias) for k in allowed})
    if n == 1:
        return Costs(seconds.get("dense", 0.0), seconds, 0.0, 0.0)
    rows = medians({"rows": partial(weights.rows, x, layer.bias)})["rows"] if "dense" in allowed else 0.0
    into, back = (medians({"": partial(transposed, a)})[""] for a in (x, y))
    return Costs(rows, seconds, into, back)


def activations(*shape: int, dtype: torch.dtype) -> Tensor:
    """Numbers to measure with, of no particular meaning; torch's random state stays as it is."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(dtype)
