"""The MNIST files: found or downloaded once, verified, parsed.

Four gzip-compressed IDX files, from ``$PRUNELAB_DATA/mnist`` if that variable is set, else from the cache, which is
filled on first use from public mirrors. The uncompressed bytes are always verified by the checksums below, because the
compressed files differ between mirrors.
Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", CC BY-SA 3.0.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import uuid
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prunelab.errors import DataError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# Name without .gz: md5 and length in bytes of the uncompressed file.
FILES = {
    "train-images-idx3-ubyte": ("6bbc9ace898e44ae57da46a324031adb", 47_040_016),
    "train-labels-idx1-ubyte": ("a25bea736e30d166cdddb491f175f624", 60_008),
    "t10k-images-idx3-ubyte": ("2646ac647ad5339dbf082846283269ea", 7_840_016),
    "t10k-labels-idx1-ubyte": ("27ae3e4e09519cfbb04c329615203637", 10_008),
}
TIMEOUT = 30.0  # seconds without a response before the next mirror is tried


def read(progress: bool = False) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images and labels, test images and labels, in the official split.

    Images float32 (60000 or 10000, 1, 28, 28) in [0, 1], labels int64. progress: draw a bar on stderr while
    downloading. Raises DataError if the files are missing and cannot be downloaded, or are not the MNIST files.
    """
    tensors = []
    for name in FILES:
        array = parse_idx(content(name, progress))
        if array.ndim == 3:
            images = array.astype(np.float32)
            images /= 255
            tensors.append(torch.from_numpy(images).unsqueeze(1))
        else:
            tensors.append(torch.from_numpy(array.astype(np.int64)))
    train_x, train_y, test_x, test_y = tensors
    return train_x, train_y, test_x, test_y


def content(name: str, progress: bool = False) -> bytes:
    """Verified uncompressed bytes of the file ``name`` (a key of FILES), downloaded into the cache if necessary."""
    data_folder = os.environ.get("PRUNELAB_DATA")
    if data_folder:
        return _from_data_folder(Path(data_folder) / "mnist", name)
    path = cache() / f"{name}.gz"
    if path.exists():
        try:
            return _verified(path, name)
        except DataError:
            # A damaged cache file (after a full disk, for example); the download below replaces it.
            with suppress(OSError):
                path.unlink()
    return _download(name, path, progress)


def cache() -> Path:
    """Folder of the downloaded files: ``mnist`` in $PRUNELAB_CACHE, or in prunelab's system cache folder."""
    import pooch

    return Path(os.environ.get("PRUNELAB_CACHE") or pooch.os_cache("prunelab")) / "mnist"


def parse_idx(raw: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The array of unsigned bytes in an IDX file; read-only, as it shares the memory of ``raw``.

    Format: two zero bytes, type (8: unsigned byte), number of dimensions, each dimension as a big-endian int32, values.
    Raises DataError for another header, or a header that does not match the length of the file.
    """
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise DataError(f"not an IDX file of unsigned bytes: it begins with {raw[:4].hex() or 'nothing'}")
    dimensions = raw[3]
    header = 4 + 4 * dimensions
    if dimensions == 0 or len(raw) < header:
        raise DataError(f"IDX header says {dimensions} dimensions, but the file has {len(raw)} bytes")
    sizes = [int.from_bytes(raw[i : i + 4], "big") for i in range(4, header, 4)]
    if header + math.prod(sizes) != len(raw):
        raise DataError(
            f"IDX header promises {' x '.join(map(str, sizes))} values after {header} bytes, "
            f"but the file has {len(raw)} bytes"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(sizes)


def _from_data_folder(folder: Path, name: str) -> bytes:
    path = folder / f"{name}.gz"
    if not path.is_file():
        raise DataError(
            f"{path} is not there. PRUNELAB_DATA = {os.environ['PRUNELAB_DATA']!r} must name a folder with "
            f"mnist/{name}.gz and the other three MNIST files; unset it to have them downloaded."
        )
    try:
        return _verified(path, name)
    except DataError as error:
        raise DataError(f"{error} Replace it, or unset PRUNELAB_DATA to have MNIST downloaded.") from error


def _download(name: str, path: Path, progress: bool) -> bytes:
    """Fetch ``name`` from the first mirror with the right bytes; ``path`` only ever gets verified bytes."""
    # Imported here: offline work with the digits needs no HTTP client.
    import pooch
    import requests

    advice = (
        "Connect to the internet once (the files, 12 MB, are kept), or set PRUNELAB_DATA to a folder "
        "with mnist/*.gz. The embedded data set 'digits' needs neither."
    )
    # A unique name: thirty kernels of a workshop may download at once.
    partial = path.with_name(f"{name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:
        raise DataError(
            f"cannot write to {path.parent} ({error}). Set PRUNELAB_CACHE to a folder that can be written."
        ) from error
    failures = []
    try:
        for mirror in MIRRORS:
            fetch = pooch.HTTPDownloader(progressbar=progress, timeout=TIMEOUT)
            try:
                fetch(f"{mirror}{name}.gz", str(partial), None)
                raw = _verified(partial, name)
                os.replace(partial, path)
                return raw
            except (requests.RequestException, OSError, DataError) as error:
                failures.append(f"{mirror}: {error}")
    finally:
        partial.unlink(missing_ok=True)
    raise DataError(f"cannot download MNIST's {name}. {advice} Tried: " + "; ".join(failures))


def _verified(path: Path, name: str) -> bytes:
    """Uncompressed bytes of the gzip file ``path`` if they are the MNIST file ``name``, else DataError."""
    expected, length = FILES[name]
    try:
        with gzip.open(path) as file:
            # Never more than expected: a malicious file could unpack to gigabytes.
            raw = file.read(length + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked: {error}.") from error
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if md5 != expected:
        raise DataError(f"{path} is not MNIST's {name}: its md5 is {md5}, not {expected}.")
    return raw
