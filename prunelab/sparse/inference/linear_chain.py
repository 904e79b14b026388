"""Consecutive Linear layers as one module; activations are feature-major from the first sparse layer on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from prunelab.errors import ConvertError
from prunelab.sparse.inference.kernel_choice import Costs, cheapest, medians, race
from prunelab.sparse.inference.kernels import KERNELS, Kernel, Step, Weights, transposed
from prunelab.torch_state import own_types

KernelPlan = tuple[Kernel, ...]  # one kernel per layer
NO_CHOICE = "not measured: no other kernel was asked for, or is possible"


class Affine(nn.Module):
    """scale x + shift per feature, as batch norm in eval mode."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def step(self, columns: bool) -> Step:
        """The function for (features, batch) if ``columns``, else for (batch, features) and (features)."""
        shift, scale = (self.shift[:, None], self.scale[:, None]) if columns else (self.shift, self.scale)
        return lambda x: torch.addcmul(shift, x, scale)


class ChainLayer(nn.Module):
    """One Linear layer of a chain and the elementwise steps after it, which may work in place.

    allowed: kernels to choose from, for each batch size. flat: valid only for input (batch, in), because it includes
    batch norm, as a step or folded into the weights.
    """

    bias: Tensor | None

    def __init__(
        self,
        name: str,
        weights: Weights,
        bias: Tensor | None,
        steps: Sequence[Affine | Step],
        allowed: Sequence[KernelPlan],
        *,
        flat: bool,
    ) -> None:
        super().__init__()
        self.name = name
        self.weights = weights
        self.register_buffer("bias", bias)
        self.steps = tuple(steps)
        # torch does not see modules in a tuple; registered here, their tensors move and are copied with the rest.
        self.held = nn.ModuleList(step for step in steps if isinstance(step, nn.Module))
        self.allowed = tuple(allowed)
        self.flat = flat

    def compiled(self, product: Step, columns: bool) -> list[Step]:
        """``product`` and the steps after it. columns: for (features, batch)."""
        return [product] + [step.step(columns) if isinstance(step, Affine) else step for step in self.steps]


class Batches:
    """Measured batch sizes, ascending; other sizes use the nearest one by ratio."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = tuple(sizes)
        self._borders = [(a * b) ** 0.5 for a, b in pairwise(sizes)]

    def nearest(self, n: int) -> int:
        """Index of the size nearest to ``n`` by ratio; the smaller one if two are equally near."""
        return bisect_left(self._borders, n)


class Chain(nn.Module):
    """Linear layers with elementwise steps between them, each with a kernel for each measured batch size.

    Input (..., in), output (..., out); with batch norm, only (batch, in), as batch norm works differently on more
    dimensions. contiguous: whether the output must be contiguous; else it may be a transposed view, which saves a copy.
    Under autocast too, all is computed and given back in the type of the weights.
    """

    def __init__(self, layers: Sequence[ChainLayer], batches: Sequence[int], *, contiguous: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.contiguous = contiguous
        self.flat = any(layer.flat for layer in layers)
        self.in_features = layers[0].weights.in_features
        self.out_features = layers[-1].weights.out_features
        self.dtype = layers[0].weights.dtype
        self.batches = Batches(batches)
        self._compiled: dict[tuple[KernelPlan, bool], list[Step]] = {}
        self._by_batch: dict[int, list[Step]] = {}
        fastest = [self._fastest(number, n) for number, n in enumerate(batches)]
        self.plans = [plan for plan, _ in fastest]
        self._reasons = dict(zip(batches, [why for _, why in fastest], strict=True))
        self._compiled = {}  # plans that were only measured would keep forms of the weights alive

    @property
    def choices(self) -> dict[str, dict[int, Kernel]]:
        """{layer: {batch: kernel}}; for a layer that occurs twice, its last use."""
        kernels = zip(*self.plans, strict=True)
        return {
            str(layer.name): dict(zip(self.batches.sizes, chosen, strict=True))
            for layer, chosen in zip(self.layers, kernels, strict=True)
        }

    @property
    def reasons(self) -> dict[str, dict[int, str]]:
        """{layer: {batch: why}} as ``choices``; the layers of a chain were measured together."""
        return {str(layer.name): dict(self._reasons) for layer in self.layers}

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):  # which would give sparse products types that they do not have
            with own_types():
                return self(x.to(self.dtype) if x.is_floating_point() else x)  # type: ignore[no-any-return]
        if x.dim() != 2:
            return self._folded(x)
        n, features = x.shape
        if features != self.in_features or x.dtype != self.dtype:
            raise ConvertError(
                f"{self.layers[0].name} takes {self.dtype} of shape (batch, {self.in_features}), "
                f"not {x.dtype} of shape {tuple(x.shape)}"
            )
        for step in self._by_batch.get(n) or self._prepared(n):
            x = step(x)
        return x

    def _prepared(self, n: int) -> list[Step]:
        """The steps for batch size ``n``, remembered: on small layers looking for the plan takes as long as a layer."""
        if n == 0:
            steps: list[Step] = [lambda x: x.new_empty(0, self.out_features)]
        else:
            steps = self._steps(self.plans[self.batches.nearest(n)], n == 1)
        self._by_batch[n] = steps
        return steps

    def run(self, plan: KernelPlan, x: Tensor) -> Tensor:
        """x (batch, in) -> (batch, out), with these kernels; batch at least 1."""
        for step in self._steps(plan, x.shape[0] == 1):
            x = step(x)
        return x

    def _steps(self, plan: KernelPlan, vector: bool) -> list[Step]:
        """The steps of a plan. vector: for one sample, where both layouts are the same."""
        known = self._compiled.get((plan, vector))
        if known is not None:
            return known
        steps: list[Step] = []
        columns = False
        for layer, kernel in zip(self._layers, plan, strict=True):
            if kernel != "dense" and not columns:
                columns = True
                steps.append(_flat if vector else transposed)
            if not columns:
                steps += layer.compiled(layer.weights.rows(layer.bias), columns=False)
            elif vector:
                steps += layer.compiled(layer.weights.vector_by(kernel, layer.bias), columns=False)
            else:
                steps += layer.compiled(layer.weights.columns_by(kernel, layer.bias), columns=True)
        if columns:
            steps.append(_row if vector else transposed if self.contiguous else Tensor.t)
        self._compiled[plan, vector] = steps
        return steps

    def _folded(self, x: Tensor) -> Tensor:
        if self.flat or x.dim() == 0:
            raise ConvertError(
                f"{self.layers[0].name} was converted for input of shape (batch, {self.in_features}), not "
                f"{tuple(x.shape)}, as batch norm follows; give convert() an example of the shape that comes"
            )
        y = self(x.reshape(x.shape[:-1].numel(), x.shape[-1]))
        return y.reshape(*x.shape[:-1], self.out_features)  # type: ignore[no-any-return]

    # Attributes of the Linear that a chain of one layer replaces: other code may read them.

    @property
    def weight(self) -> Tensor:
        """The weight (out, in) of a chain of one layer, dense."""
        return self._only().weights.to_dense()

    @property
    def bias(self) -> Tensor | None:
        """The bias of a chain of one layer."""
        return self._only().bias

    def _only(self) -> ChainLayer:
        if len(self.layers) != 1:
            raise AttributeError(f"a chain of {len(self.layers)} layers has no one weight or bias")
        return self.layers[0]  # type: ignore[return-value]

    def _fastest(self, number: int, n: int) -> tuple[KernelPlan, str]:
        """The plan for batch size ``n`` (index ``number``), measured if there is a choice; and why it was chosen."""
        allowed = [layer.allowed[number] for layer in self._layers]
        if all(len(kernels) == 1 for kernels in allowed):
            return tuple(kernels[0] for kernels in allowed), NO_CHOICE
        x = activations(n, self.in_features, dtype=self.dtype)
        plans: list[KernelPlan] = [tuple(k if k in kernels else kernels[0] for kernels in allowed) for k in KERNELS]
        if len(allowed) > 1:
            plans.append(cheapest([_costs(layer, number, n) for layer in self._layers], allowed))
        # Timing single layers is precise, but only end-to-end times are real: the layerwise winner must win here too.
        found = race({plan: partial(self.run, plan, x) for plan in plans}, standard=plans[0])
        return found.winner, found.explained(_named(plans[0]), _named(found.rival))

    @property
    def _layers(self) -> list[ChainLayer]:
        return list(self.layers)  # type: ignore[arg-type]

    # Compiled steps point into the buffers: they must not outlive them or be copied.

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": {}, "_by_batch": {}}

    def _apply(self, *args: Any, **kwargs: Any) -> Chain:
        self._compiled, self._by_batch = {}, {}
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        return self


def _costs(layer: ChainLayer, number: int, n: int) -> Costs:
    weights, bias, allowed = layer.weights, layer.bias, layer.allowed[number]
    x = activations(n, weights.in_features, dtype=weights.dtype)
    if n == 1:
        seconds = medians({k: partial(weights.vector_by(k, bias), x[0]) for k in allowed})
        return Costs(seconds.get("dense", 0.0), seconds, 0.0, 0.0)
    columns, y = transposed(x), activations(weights.out_features, n, dtype=weights.dtype)
    seconds = medians({k: partial(weights.columns_by(k, bias), columns) for k in allowed})
    rows = medians({0: partial(weights.rows(bias), x)})[0] if "dense" in allowed else 0.0
    into, back = (medians({0: partial(transposed, a)})[0] for a in (x, y))
    return Costs(rows, seconds, into, back)


def activations(*shape: int, dtype: torch.dtype) -> Tensor:
    """Random values to measure with; torch's global random state is not changed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32, device="cpu").to(dtype)


def _named(plan: KernelPlan) -> str:
    return " + ".join(dict.fromkeys(plan))


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1).resolve_neg()  # the imaginary part of a conjugate is lazily negated, which NumPy cannot take


def _row(x: Tensor) -> Tensor:
    return x[None]
