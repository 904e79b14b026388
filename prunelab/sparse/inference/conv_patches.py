"""A convolution as the product of a sparse matrix and the unfolded patches of the images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunelab.errors import ConvertError
from prunelab.sparse.inference.kernel_choice import race
from prunelab.sparse.inference.kernels import Kernel, Weights
from prunelab.sparse.inference.linear_chain import NO_CHOICE, Batches, activations
from prunelab.torch_state import own_types


class PatchConv2d(nn.Module):
    """A Conv2d with a kernel for each measured batch size: dense, or sparse weights times patches.

    conv: a convolution that ``refusal`` accepts; shared, not copied. weights: its filters, (out, in x height x width).
    Input (batch, channels, height, width) or (channels, height, width); output as the convolution's.
    """

    def __init__(self, name: str, conv: nn.Conv2d, weights: Weights, batches: Sequence[int]) -> None:
        super().__init__()
        self.name = name
        self.conv: nn.Conv2d | None = conv
        self.weights = weights
        self.register_buffer("filter_bias", None if conv.bias is None else conv.bias.detach())
        self.in_channels, self.window = conv.in_channels, conv.kernel_size
        assert not isinstance(conv.padding, str)
        self.stride, self.padding, self.dilation = conv.stride, conv.padding, conv.dilation
        self.batches = Batches(batches)
        self.kernels: list[Kernel] = []
        self._reasons: list[str] = []

    @property
    def choices(self) -> dict[str, dict[int, Kernel]]:
        """{layer: {batch: kernel}} for this layer."""
        return {self.name: dict(zip(self.batches.sizes, self.kernels, strict=True))}

    @property
    def reasons(self) -> dict[str, dict[int, str]]:
        """{layer: {batch: why}} for this layer, as ``choices``."""
        return {self.name: dict(zip(self.batches.sizes, self._reasons, strict=True))}

    # Attributes of the convolution that this replaces: other code may read them.

    @property
    def weight(self) -> Tensor:
        """The filters (out, in, height, width), dense."""
        return self.weights.to_dense().view(-1, self.in_channels, *self.window)

    @property
    def bias(self) -> Tensor | None:
        """The bias (out)."""
        return self._buffers["filter_bias"]

    def choose(self, allowed: Sequence[Sequence[Kernel]], image: tuple[int, ...] | None) -> None:
        """Choose the kernel for each batch size, from those ``allowed`` for it.

        image: (channels, height, width) to measure with; None: the first allowed kernel is used.
        """
        for n, kernels in zip(self.batches.sizes, allowed, strict=True):
            if image is None or len(kernels) == 1:
                self.kernels.append(kernels[0])
                self._reasons.append(NO_CHOICE)
                continue
            x = activations(n, *image, dtype=self.weights.dtype)
            runs = {kernel: partial(self.run, kernel, x) for kernel in kernels}
            found = race(runs, standard=kernels[0])
            self.kernels.append(found.winner)
            self._reasons.append(found.explained(kernels[0], found.rival))

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):  # as in Chain
            with own_types():
                return self(x.to(self.weights.dtype) if x.is_floating_point() else x)  # type: ignore[no-any-return]
        if x.dim() == 3:
            return self(x[None])[0]  # type: ignore[no-any-return]
        if x.dim() != 4 or x.shape[1] != self.in_channels or x.dtype != self.weights.dtype:
            raise ConvertError(
                f"{self.name} takes {self.weights.dtype} of shape (batch, {self.in_channels}, height, width), "
                f"not {x.dtype} of shape {tuple(x.shape)}"
            )
        return self.run(self.kernels[self.batches.nearest(len(x))], x)

    def run(self, kernel: Kernel, x: Tensor) -> Tensor:
        """Run this kernel on x (batch, channels, height, width)."""
        if kernel == "dense":
            assert self.conv is not None
            return F.conv2d(x, self.conv.weight, self.conv.bias, self.stride, self.padding, self.dilation)
        patches, height, width = unfold(x, self.window, self.stride, self.padding, self.dilation)
        y = self.weights.columns_by(kernel, self._buffers["filter_bias"])(patches)
        return y.view(self.weights.out_features, len(x), height, width).transpose(0, 1).contiguous()


def unfold(
    x: Tensor, window: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[Tensor, int, int]:
    """(patches, height, width): patches (channels x window, batch x height x width), height and width of the output.

    Makes one copy; ``F.unfold`` puts the batch first, which would need a second.
    """
    x = F.pad(x, (padding[1], padding[1], padding[0], padding[0])) if any(padding) else x
    n, channels, *sides = x.shape
    height, width = (
        (side - d * (w - 1) - 1) // s + 1 for side, w, s, d in zip(sides, window, stride, dilation, strict=True)
    )
    if height < 1 or width < 1:
        raise ConvertError(f"images of {sides[0]} x {sides[1]}, padding included, are smaller than the window {window}")
    by_image, by_channel, down, right = x.stride()
    view = x.as_strided(
        (channels, *window, n, height, width),
        (by_channel, dilation[0] * down, dilation[1] * right, by_image, stride[0] * down, stride[1] * right),
        x.storage_offset(),
    )
    return view.reshape(channels * window[0] * window[1], n * height * width), height, width


def refusal(conv: nn.Module) -> str | None:
    """Why a convolution stays dense, to follow its name; None if patches can compute it."""
    if type(conv) is not nn.Conv2d:
        return f"is a {type(conv).__name__}, and only Conv2d can be computed as patches"
    if conv.groups != 1:
        return f"has {conv.groups} groups"
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        return f"pads by {conv.padding!r} with {conv.padding_mode}"
    return None
