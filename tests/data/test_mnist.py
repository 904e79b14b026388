"""MNIST's files: downloads from a server of our own on this machine, with four tiny files in place of the real ones."""

import gzip
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from prunelab import data, errors
from prunelab.data import mnist

NAMES = list(mnist.FILES)
IMAGES = np.arange(3 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(3, 28, 28)
LABELS = np.array([3, 1, 4], dtype=np.uint8)
UNREACHABLE = "http://127.0.0.1:9/"  # the discard port: nobody listens


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim])
    return header + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


class Handler(SimpleHTTPRequestHandler):
    def log_request(self, *args):
        self.server.asked.append(self.path)

    def log_message(self, *args):
        """Not on stderr: a test looks at it."""


@pytest.fixture
def serve(tmp_path):
    """serve(name) -> (folder of a new server, its address, paths it was asked for)."""
    servers = []

    def start(name):
        folder = tmp_path / name
        folder.mkdir()
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        server.asked = []
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return folder, f"http://127.0.0.1:{server.server_port}/", server.asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def tiny(monkeypatch, tmp_path):
    """Four tiny files instead of MNIST's, an empty cache, no mirrors; returns the uncompressed files by name."""
    raw = {name: idx(IMAGES if "images" in name else LABELS) for name in NAMES}
    sums = {n: (hashlib.md5(r).hexdigest(), len(r)) for n, r in raw.items()}
    monkeypatch.setattr(mnist, "FILES", sums)
    monkeypatch.setattr(mnist, "MIRRORS", (UNREACHABLE,))
    monkeypatch.delenv("PRUNELAB_DATA", raising=False)
    monkeypatch.setenv("PRUNELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    return raw


def fill(folder, raw):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in raw.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))


def cached() -> list[str]:
    return sorted(p.name for p in mnist.cache().iterdir()) if mnist.cache().exists() else []


def test_downloaded_once_then_cached(serve, tiny, monkeypatch, capfd):
    folder, address, asked = serve("mirror")
    fill(folder, tiny)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    first = data.load("mnist")
    assert torch.equal(first.train_x, torch.from_numpy(IMAGES).float().div(255).unsqueeze(1))
    assert first.test_y.tolist() == LABELS.tolist() and first.test_y.dtype == torch.int64
    assert cached() == sorted(f"{name}.gz" for name in NAMES) and len(asked) == 4
    data.load("mnist")
    assert len(asked) == 4
    assert capfd.readouterr() == ("", ""), "nothing prints unless asked to"


def test_progress_is_drawn_when_asked_for(serve, tiny, monkeypatch, capfd):
    folder, address, _ = serve("mirror")
    fill(folder, tiny)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    data.load("mnist", progress=True)
    assert "100%" in capfd.readouterr().err


def test_the_second_mirror_is_tried(serve, tiny, monkeypatch):
    _, empty, asked_first = serve("empty")
    folder, address, asked = serve("mirror")
    fill(folder, tiny)
    monkeypatch.setattr(mnist, "MIRRORS", (UNREACHABLE, empty, address))
    data.load("mnist")
    assert len(asked_first) == len(asked) == 4


def test_offline_says_what_to_do_and_leaves_nothing(monkeypatch):
    with pytest.raises(errors.DataError, match="cannot download.*Connect.*PRUNELAB_DATA.*127.0.0.1:9") as error:
        data.load("mnist")
    assert isinstance(error.value, RuntimeError)
    assert cached() == []


@pytest.mark.parametrize("spoil", ["other", "cut", "longer", "page", "empty"])
def test_wrong_files_are_refused_and_not_kept(spoil, serve, tiny, monkeypatch):
    folder, address, _ = serve("mirror")
    fill(folder, tiny)
    path = folder / f"{NAMES[0]}.gz"
    good = path.read_bytes()
    content = {
        "other": gzip.compress(tiny[NAMES[0]][:-1] + b"x"),
        "cut": good[: len(good) // 2],
        "longer": gzip.compress(tiny[NAMES[0]] + bytes(10**7)),
        "page": b"<html>Please log in to the guest network</html>",
        "empty": b"",
    }[spoil]
    path.write_bytes(content)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    with pytest.raises(errors.DataError, match="unpacked|its md5 is"):
        data.load("mnist")
    assert cached() == []


def test_a_spoilt_cache_is_replaced(serve, tiny, monkeypatch):
    fill(mnist.cache(), tiny)
    spoilt = mnist.cache() / f"{NAMES[2]}.gz"
    spoilt.write_bytes(b"\x1f\x8b half a fi")
    with pytest.raises(errors.DataError, match=f"cannot download MNIST's {NAMES[2]}"):
        data.load("mnist")
    assert not spoilt.exists() and len(cached()) == 3
    folder, address, asked = serve("mirror")
    fill(folder, tiny)
    monkeypatch.setattr(mnist, "MIRRORS", (address,))
    data.load("mnist")
    assert asked == [f"/{NAMES[2]}.gz"]


def test_a_cache_that_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PRUNELAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(errors.DataError, match="cannot write to.*PRUNELAB_CACHE"):
        data.load("mnist")


def test_a_given_folder_is_used_as_it_is(tiny, monkeypatch, tmp_path):
    fill(tmp_path / "given" / "mnist", tiny)
    monkeypatch.setenv("PRUNELAB_DATA", str(tmp_path / "given"))
    assert len(data.load("mnist").train_x) == 3
    assert cached() == []
    path = tmp_path / "given" / "mnist" / f"{NAMES[1]}.gz"
    path.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(errors.DataError, match="md5.*Replace it, or unset PRUNELAB_DATA"):
        data.load("mnist")
    assert path.exists(), "a file of the user's is not ours to delete"
    path.unlink()
    with pytest.raises(errors.DataError, match=f"{NAMES[1]}.gz is not there.*PRUNELAB_DATA = "):
        data.load("mnist")


def test_the_cache_has_a_place_of_its_own(monkeypatch):
    monkeypatch.delenv("PRUNELAB_CACHE")
    assert mnist.cache().name == "mnist" and "prunelab" in str(mnist.cache())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "begins with nothing"),
        (b"\0\0\x0d\x01" + bytes(8), "begins with 00000d01"),
        (b"\0\0\x08\0", "0 dimensions"),
        (b"\0\0\x08\x03" + bytes(8), "3 dimensions, but the file has 12 bytes"),
        (b"\0\0\x08\x01" + (5).to_bytes(4, "big") + bytes(4), "promises 5 values.*12 bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "promises 4294967295 x 4294967295"),
    ],
)
def test_idx_headers_are_checked_before_anything_is_allocated(raw, message):
    with pytest.raises(errors.DataError, match=message):
        mnist.parse_idx(raw)


def test_idx_roundtrip():
    assert (mnist.parse_idx(idx(IMAGES)) == IMAGES).all()
