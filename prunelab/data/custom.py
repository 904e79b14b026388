"""Custom data: converts user input into two validated tensors.

Each check catches a mistake that would otherwise give a cryptic error during training, or none at all.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from prunelab.hardware import memory

Samples = tuple[Tensor, Tensor]  # x float32 or int64 (N, ...); y int64 (N,), or values (N, ...)

# What to do about targets that are no class numbers; for errors.
OTHER_TARGETS = "this is classification only; for other targets give the session loss='mse', loss='bce' or a function"

# Token ids. torch adds and compares no unsigned ones, and nanoGPT's files hold such: all become int64.
INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64)

_CHUNK = 1024  # samples checked at once when searching for an invalid one


def samples(part: Any, what: str, *, classes: bool = True) -> Samples:
    """``part`` as x, float32 or int64 (N, ...), and y: int64 (N,) if ``classes``, else float32 or int64 (N, ...).

    part: a pair (x, y) of tensors or NumPy arrays, or a map-style torch dataset of such pairs, which is read once into
    memory. x: floating point; uint8 (0 to 255) becomes x / 255; other integers stay integers: token ids. what: name of
    ``part`` in errors. classes: y are class numbers; False: values of any shape, to be compared with outputs.
    Raises TypeError for other types; ValueError for different lengths, no samples, samples or targets without values,
    samples of different shapes or types, labels that are negative or not whole numbers, NaN and infinity; MemoryError
    for a dataset larger than the free memory.
    """
    if isinstance(part, tuple | list) and len(part) == 2:
        x, y = _inputs(part[0], f"{what} x"), (_to_integer if classes else _values)(part[1], f"{what} y")
    elif hasattr(part, "__getitem__") and hasattr(part, "__len__") and not isinstance(part, IterableDataset | Mapping):
        x, y = _read(part, what, classes)
    else:
        raise TypeError(
            f"{what}: {type(part).__name__} is neither a pair (x, y) of tensors or arrays nor a dataset "
            f"with a length; read an iterable dataset into two tensors first"
        )
    check(x, y, what, classes=classes)
    return x, y


def check(x: Tensor, y: Tensor, what: str, *, classes: bool) -> None:
    """Raise ValueError for different lengths, no values, NaN and infinity, and labels that are negative or not
    one a sample; as ``samples``."""
    for name, values in (("x", x), ("y", y)):
        if values.numel() == 0:
            each = "sample" if name == "x" else "target"
            raise ValueError(f"{what} {name}: shape {tuple(values.shape)}; a {each} must have at least one value")
    if classes and y.ndim != 1:
        raise ValueError(
            f"{what} y: shape {tuple(y.shape)}; it must be (samples,), one class number each "
            f"(squeeze a column, take the argmax of one-hot labels): {OTHER_TARGETS}"
        )
    if len(x) != len(y):
        raise ValueError(f"{what}: {len(x)} samples in x, {len(y)} labels in y; there must be one label each")
    _check_finite(x, f"{what} x")
    if not classes:
        _check_finite(y, f"{what} y")
    elif int(y.min()) < 0:
        where = int((y < 0).nonzero()[0])
        raise ValueError(f"{what} y: label {int(y[where])} at index {where}; labels begin at 0")


def check_alike(train: Samples, test: Samples) -> None:
    """Raise ValueError unless training and test samples, and their targets, have one shape and one type."""
    for what, one, other in (("sample", train[0], test[0]), ("target", train[1], test[1])):
        if one.shape[1:] != other.shape[1:]:
            raise ValueError(
                f"a training {what} has shape {tuple(one.shape[1:])}, a test {what} {tuple(other.shape[1:])}; "
                f"they must be equal"
            )
        if one.dtype != other.dtype:  # uint8 pixels are float32 by now, and class numbers int64
            raise ValueError(
                f"a training {what} is {one.dtype}, a test {what} {other.dtype}; bring both to one type: floating "
                f"point, or whole numbers"
            )


def is_split(data: Any) -> bool:
    """Whether ``data`` are (train, test), two parts as ``samples`` takes them, rather than one part (x, y).

    Of pairs only those of tensors or arrays count: nested lists can be read both ways.
    """
    return isinstance(data, tuple | list) and len(data) == 2 and all(map(_is_part, data))


def _is_part(part: Any) -> bool:
    if not isinstance(part, tuple | list):
        return isinstance(part, Dataset)
    if len(part) != 2 or not all(isinstance(values, Tensor | np.ndarray) and values.ndim for values in part):
        return False
    return part[0].ndim > 1 and len(part[0]) == len(part[1])


def count_classes(train_y: Tensor, test_y: Tensor, classes: int | None) -> int:
    """Number of classes: ``classes``, or the highest training label + 1. ValueError for a label outside them.

    train_y, test_y: int64, not empty, not negative. classes: at least 2, or None.
    """
    if classes is None:
        count = int(train_y.max()) + 1
        if count < 2:
            raise ValueError("train y: all labels are 0; there must be at least 2 classes to tell apart")
        bound = f"the training labels end at {count - 1}; if there are more classes, pass classes="
    elif isinstance(classes, bool) or not isinstance(classes, numbers.Integral) or classes < 2:
        raise ValueError(f"classes = {classes!r}: must be a whole number, at least 2, or None")
    else:
        count, bound = int(classes), f"classes = {classes} allows labels from 0 to {classes - 1}"
    check_labels(train_y, test_y, count, bound)
    return count


def check_labels(train_y: Tensor, test_y: Tensor, count: int, bound: str) -> None:
    """Raise ValueError for a label of ``count`` or more. bound: why that is too much, in words."""
    for what, y in (("train", train_y), ("test", test_y)):
        if int(y.max()) >= count:
            where = int((y >= count).nonzero()[0])
            raise ValueError(f"{what} y: label {int(y[where])} at index {where}, but {bound}")


def _read(dataset: Any, what: str, classes: bool) -> Samples:
    """All samples of a map-style dataset; memory is allocated once, from its length and the first item."""
    length = len(dataset)
    if length == 0:
        raise ValueError(f"{what}: the dataset is empty")
    first, target, of_first = _item(dataset, 0, what, classes)
    if first.numel() == 0:
        raise ValueError(f"{what}: x of item 0 has shape {tuple(first.shape)}; a sample must have at least one value")
    needed, free = length * first.numel() * first.element_size(), memory()
    if free is not None and needed > free:
        raise MemoryError(
            f"{what}: {length} samples of shape {tuple(first.shape)} need {needed / 2**30:,.1f} GiB, "
            f"but {free / 2**30:,.1f} GiB are free; take fewer or smaller samples"
        )
    x = torch.empty((length, *first.shape), dtype=first.dtype, device=first.device)
    y = []
    for i in range(length):
        sample, label, dtype = _item(dataset, i, what, classes)
        if sample.shape != first.shape:
            raise ValueError(
                f"{what}: sample {i} has shape {tuple(sample.shape)}, sample 0 has {tuple(first.shape)}; "
                f"bring all samples to one shape (crop, pad or resize)"
            )
        if _kind(dtype) != _kind(of_first):  # they would be cut to whole numbers, or only some divided by 255
            raise ValueError(
                f"{what}: x of item {i} has dtype {dtype}, x of item 0 {of_first}; bring all samples to one type "
                f"(x.float(), or uint8 for pixels from 0 to 255)"
            )
        if label.shape != target.shape:
            raise ValueError(f"{what}: y of item {i} has shape {tuple(label.shape)}, of item 0 {tuple(target.shape)}")
        x[i] = sample
        y.append(label)
    if x.ndim < 2:
        raise ValueError(f"{what}: a sample is a single number; it must have at least one dimension")
    return x, torch.stack(y)


def _item(dataset: Any, i: int, what: str, classes: bool) -> tuple[Tensor, Tensor, torch.dtype]:
    """x and y of an item, and the type that x was given in."""
    item = dataset[i]
    if not isinstance(item, tuple | list) or len(item) != 2:
        many = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        raise TypeError(f"{what}: item {i} is {type(item).__name__}{many}; it must be a pair (x, y)")
    x, label = item
    if not isinstance(x, Tensor | np.ndarray):
        raise TypeError(
            f"{what}: x of item {i} is {type(x).__name__}; it must be a tensor or an array "
            f"(for torchvision's images: transform=ToTensor())"
        )
    given = _to_tensor(x, f"{what}: x of item {i}")
    x = _to_input(given, f"{what}: x of item {i}")
    if not classes:
        return x, _to_value(label, f"{what}: y of item {i}"), given.dtype
    label = _to_integer(label, f"{what}: y of item {i}")
    if label.numel() != 1:
        raise ValueError(
            f"{what}: y of item {i} has shape {tuple(label.shape)}; it must be one class number "
            f"(argmax of a one-hot label): {OTHER_TARGETS}"
        )
    return x, label.reshape(()), given.dtype


def _kind(dtype: torch.dtype) -> str:
    """How samples of this type are read: see ``_to_input``."""
    if dtype == torch.uint8:
        return "pixels"
    return "values" if dtype.is_floating_point else "token ids"


def _inputs(value: Any, what: str) -> Tensor:
    x = _to_input(value, what)
    if x.ndim < 2 or x.numel() == 0:
        raise ValueError(
            f"{what}: shape {tuple(x.shape)}; it must be (samples, ...) with at least one sample of at least one value"
        )
    return x.contiguous()


def _values(value: Any, what: str) -> Tensor:
    y = _to_value(value, what)
    if y.ndim < 1:
        raise ValueError(f"{what}: a single number; it must be (samples, ...)")
    return y.contiguous()


def _to_input(value: Any, what: str) -> Tensor:
    """Floating point as float32, pixels as 0 to 1, whole numbers as int64: token ids, for an embedding."""
    x = _to_tensor(value, what)
    if x.dtype == torch.uint8:
        return x.to(torch.float32) / 255
    if x.dtype in INTEGERS:
        return x.to(torch.int64)
    if not x.is_floating_point():
        raise ValueError(
            f"{what}: dtype {x.dtype}; it must be floating point, uint8 for pixels from 0 to 255, or integers for "
            f"token ids. Convert it yourself: x.float()"
        )
    return x.to(torch.float32)


def _to_value(value: Any, what: str) -> Tensor:
    """Targets that are no class numbers: floating point as float32, whole numbers and booleans as int64."""
    y = _to_tensor(value, what)
    if y.is_complex():
        raise ValueError(f"{what}: dtype {y.dtype}; targets must be real numbers")
    return y.to(torch.float32 if y.is_floating_point() else torch.int64)


def _to_integer(value: Any, what: str) -> Tensor:
    y = _to_tensor(value, what)
    if y.dtype == torch.bool or y.is_floating_point() or y.is_complex():
        raise ValueError(
            f"{what}: dtype {y.dtype}; labels must be class numbers, whole and from 0 on. "
            f"If they are, convert them: y.long(). If not: {OTHER_TARGETS}"
        )
    return y.to(torch.int64)


def _to_tensor(value: Any, what: str) -> Tensor:
    if isinstance(value, Tensor):
        if value.layout != torch.strided:
            raise TypeError(f"{what}: a tensor of layout {value.layout}; make it dense first: x.to_dense()")
        return value.detach().to("cpu")
    if np.ma.is_masked(value):  # what lies below the mask would be taken for values
        count = int(np.ma.getmaskarray(value).sum())
        raise ValueError(f"{what}: {count} values are masked; fill them, or leave out their samples")
    try:
        array = np.asarray(value)  # lists of numbers work too
        if array.dtype.kind in "USO":
            raise TypeError(
                f"{array.dtype} is no type of numbers; convert it, or number such labels: "
                "numpy.unique(y, return_inverse=True)[1]"
            )
        if not array.dtype.isnative:  # torch has no other order of bytes
            array = array.astype(array.dtype.newbyteorder("="))
        # Read-only arrays, such as memory maps, are copied: torch would warn about them.
        return torch.from_numpy(np.require(array, requirements=["W", "C"]))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what}: cannot be read as a tensor ({error})") from error


def _check_finite(x: Tensor, what: str) -> None:
    # Minimum and maximum propagate NaN, so that the usual case needs no second tensor of this size.
    low, high = torch.aminmax(torch.view_as_real(x) if x.is_complex() else x)
    if bool(low.isfinite()) and bool(high.isfinite()):
        return
    for start in range(0, len(x), _CHUNK):
        bad = ~x[start : start + _CHUNK].reshape(len(x[start : start + _CHUNK]), -1).isfinite()
        if bool(bad.any()):
            row, column = (int(i) for i in bad.nonzero()[0])
            value = x[start + row].reshape(-1)[column].item()
            words = f"{value} as {str(x.dtype).removeprefix('torch.')}"
            raise ValueError(f"{what}: sample {start + row} contains {words}; remove or replace such values")
