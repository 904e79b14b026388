"""A packed file lies at a path or in a binary file object; what is neither is refused in words."""

import gzip
import io
import tempfile
import zipfile

import pytest
import torch
from torch import nn

import prunelab as pl
from prunelab.sparse.packing.file import PackedError, load, save


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))
    pl.Masks(model).prune(density=0.2)
    return model


def same(loaded: nn.Module, model: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True))


def test_bytes_in_memory_are_those_of_a_file(tmp_path):
    model, buffer = network(), io.BytesIO()
    assert save(model, buffer) == save(model, tmp_path / "net") == len(buffer.getvalue())
    assert buffer.getvalue() == (tmp_path / "net").read_bytes()
    buffer.seek(0)
    assert same(load(buffer, network(1)), model)
    assert same(load(io.BytesIO((tmp_path / "net").read_bytes()), network(1)), model)
    (tmp_path / "copy").write_bytes(buffer.getvalue())
    assert same(load(str(tmp_path / "copy"), network(1)), model)


@pytest.mark.parametrize("buffering", [-1, 0])
def test_an_opened_file_is_written_and_read(tmp_path, buffering):
    model = network()
    with open(tmp_path / "net", "wb", buffering=buffering) as file:
        save(model, file)
    with open(tmp_path / "net", "rb", buffering=buffering) as file:
        assert same(load(file, network(1)), model)
    with tempfile.TemporaryFile() as file:
        save(model, file)
        file.seek(0)
        assert same(load(file, network(1)), model)


def test_it_may_begin_behind_something_else():
    model, buffer = network(), io.BytesIO()
    buffer.write(b"a header of somebody else's")
    start = buffer.tell()
    save(model, buffer)
    buffer.seek(start)
    assert same(load(buffer, network(1)), model)


def test_files_that_others_unpack_while_they_are_read(tmp_path):
    model, buffer = network(), io.BytesIO()
    save(model, buffer)
    with gzip.open(tmp_path / "net.gz", "wb") as file:
        save(model, file)
    with gzip.open(tmp_path / "net.gz", "rb") as file:
        assert same(load(file, network(1)), model)
    with zipfile.ZipFile(tmp_path / "net.zip", "w") as archive:
        archive.writestr("net", buffer.getvalue())
    with zipfile.ZipFile(tmp_path / "net.zip") as archive, archive.open("net") as file:
        assert same(load(file, network(1)), model)


def test_a_buffer_at_its_end_says_to_go_to_its_start():
    buffer = io.BytesIO()
    save(network(), buffer)
    with pytest.raises(PackedError, match=r"this BytesIO is at its end.*seek\(0\)"):
        load(buffer)
    with pytest.raises(PackedError, match="this BytesIO is empty"):
        load(io.BytesIO())


def test_damage_is_found_in_memory_too():
    buffer = io.BytesIO()
    save(network(), buffer)
    content = buffer.getvalue()
    for broken, words in (
        (content[:-1], "this BytesIO is damaged: it is truncated"),
        (content + b"x", "longer than it should be"),
        (content[:-5] + b"x" + content[-4:], "its digest differs"),
        (b"some other bytes, and more than eight of them", "this BytesIO is not a packed file"),
    ):
        with pytest.raises(PackedError, match=words):
            load(io.BytesIO(broken))
    with pytest.raises(PackedError, match="the limit is 100"):
        load(io.BytesIO(content), limit=100)


class Stream(io.RawIOBase):
    """What cannot go back, as a response of a server."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return 0


class Narrow(io.BytesIO):
    """Takes ten bytes at a time, as raw files may."""

    def write(self, content) -> int:
        return super().write(content[:10])


def test_what_cannot_hold_or_give_a_packed_file_is_refused_in_words(tmp_path):
    model = network()
    with pytest.raises(TypeError, match="StringIO is no place.*binary mode"):
        save(model, io.StringIO())
    with open(tmp_path / "text", "w+") as text, pytest.raises(TypeError, match="binary mode"):
        save(model, text)
    with pytest.raises(TypeError, match=r"bytes is no place.*BytesIO"):
        load(b"the content itself")
    for nothing in (None, 3):
        with pytest.raises(TypeError, match="is no place for a packed file: give a path"):
            save(model, nothing)
        with pytest.raises(TypeError, match="is no place for a packed file: give a path"):
            load(nothing)
    with pytest.raises(PackedError, match=r"this Stream cannot be read from a position.*BytesIO"):
        load(Stream())
    with pytest.raises(PackedError, match="took 10 of"):
        save(model, Narrow())
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(PackedError, match="closed"):
        save(model, closed)
    with pytest.raises(PackedError, match="closed"):
        load(closed)
    save(model, tmp_path / "net")
    with open(tmp_path / "net", "rb") as reading, pytest.raises(PackedError, match="cannot be written.*'wb'"):
        save(model, reading)


@pytest.mark.parametrize("path", ["", "null\0byte", "missing/folder/net"])
def test_paths_that_cannot_be(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PackedError, match="cannot be written"):
        save(network(), path)
    with pytest.raises(PackedError, match=r"cannot be read|is not a file"):
        load(path)
    assert not list(tmp_path.iterdir())
