"""The challenge and its board: only what a packed file can do by itself counts."""

import hashlib
import io
import itertools
import json
import pathlib
import pickle
from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import prunelab as pl
from prunelab import lessons
from prunelab.data import load
from prunelab.lessons import board, challenge, ledger
from prunelab.lessons.challenge import Refused, chain, verify


def packed(model, **how) -> bytes:
    file = io.BytesIO()
    pl.sparse.save(model, file, **how)
    return file.getvalue()


def trained(*widths: int) -> nn.Sequential:
    """A network that reads the digits of the challenge well above its goal."""
    data = load("digits", seed=challenge.SPLIT)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        steps, before = [("flatten", nn.Flatten())], 64
        for i, width in enumerate((*widths, 10), start=1):
            steps += [(f"fc{i}", nn.Linear(before, width)), (f"relu{i}", nn.ReLU())]
            before = width
        model = nn.Sequential(OrderedDict(steps[:-1]))
        x, y = torch.cat([data.train_x, data.test_x]), torch.cat([data.train_y, data.test_y])
        moments = [torch.zeros_like(p) for p in model.parameters()]
        for _ in range(400):
            loss = nn.functional.cross_entropy(model(x), y)
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                for p, g, m in zip(model.parameters(), gradients, moments, strict=True):
                    p.sub_(m.mul_(0.9).add_(g), alpha=0.2)
    return model


@pytest.fixture(scope="module")
def good() -> bytes:
    return packed(trained(32), bits=4)


@pytest.mark.parametrize(("file", "name"), [(b"x", "Ada"), ("nowhere.prune", "Ada"), (b"", "")])
def test_what_is_refused_is_no_surprise_as_a_guess_is(file, name) -> None:
    assert repr(lessons.submit(file, name=name)).startswith("Not yet: ")


def test_a_good_file_is_on_the_board_with_what_was_found_out(good: bytes) -> None:
    result = lessons.submit(good, name="Ada")

    assert result.outcome == "right", result
    assert f"{len(good):,} bytes" in result.says
    [entry] = lessons.leaderboard().entries
    assert (entry.name, entry.verified.size) == ("Ada", len(good))
    assert entry.verified.digest == hashlib.sha256(good).hexdigest()
    data = load("digits", seed=0)
    network = chain(pl.sparse.load(io.BytesIO(good)))
    assert entry.verified.right == int((network(data.test_x).argmax(1) == data.test_y).sum())


def test_a_path_and_bytes_are_the_same_file(good: bytes, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "mine.prune"
    path.write_bytes(good)

    assert lessons.submit(path, name="A") and lessons.submit(str(path), name="A") and lessons.submit(good, name="A")
    assert len(lessons.leaderboard().entries) == 1
    assert [p.read_bytes() for p in pathlib.Path(board.FILES).iterdir()] == [good]


def test_the_chain_computes_what_the_network_did() -> None:
    model = trained(16, 12)
    x = load("digits").test_x

    assert torch.equal(chain(dict(model.state_dict()))(x), model(x))


def test_layers_are_in_the_order_of_their_numbers_and_biases_may_be_missing() -> None:
    widths = [64, *range(20, 29), 10]
    tensors = {f"fc{i}.weight": torch.randn(b, a) for i, (a, b) in enumerate(itertools.pairwise(widths), 1)}
    network = chain(dict(reversed(tensors.items())))

    linear = [step for step in network if isinstance(step, nn.Linear)]
    assert [step.out_features for step in linear] == widths[1:]
    assert all(step.bias is None for step in linear)
    assert not isinstance(network[-1], nn.ReLU)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"fc1.weight": torch.ones(10, 65)}, "(neurons, 64) is needed"),
        ({"fc1.weight": torch.ones(9, 64)}, "9 outputs; there are 10 digits"),
        ({"fc1.weight": torch.ones(8, 64), "fc2.weight": torch.ones(10, 9)}, "(neurons, 8) is needed"),
        ({"fc1.weight": torch.ones(10, 64), "fc1.bias": torch.ones(9)}, "10 neurons and 9 biases"),
        ({"fc1.bias": torch.ones(10)}, "a bias and no weights"),
        ({"conv1.weight": torch.ones(4, 1, 3, 3)}, "fully connected layers"),
        ({"fc1.weight": torch.ones(10, 64), "bn1.running_mean": torch.ones(10)}, "fully connected layers"),
        ({"fc1.weight": torch.ones(10, 64, dtype=torch.int64)}, "something else than finite numbers"),
        ({"fc1.weight": torch.full((10, 64), torch.inf)}, "something else than finite numbers"),
        ({"fc1.weight": torch.ones(0, 64), "fc2.weight": torch.ones(10, 0)}, "is needed"),
        ({f"fc{i}.weight": torch.ones(64, 64) for i in range(11)}, "11 layers"),
        ({"weight": torch.ones(10, 64)}, None),
    ],
)
def test_other_networks_are_refused_in_words(tensors, words) -> None:
    if words is None:
        assert len(chain(tensors)) == 2
        return
    with pytest.raises(Refused) as error:
        chain(tensors)
    assert words in str(error.value)
    assert lessons.submit(packed(tensors), name="A").outcome == "wrong"


def test_an_empty_network_is_refused() -> None:
    assert "0 layers" in lessons.submit(packed({}), name="A").says


def test_a_network_that_reads_too_few_digits_is_refused_with_the_numbers() -> None:
    result = lessons.submit(packed(nn.Sequential(OrderedDict(fc1=nn.Linear(64, 10)))), name="A")

    assert result.outcome == "wrong"
    assert "of 359 test digits right" in result.says and "349 digits" in result.says
    assert lessons.leaderboard().entries == []


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"not a packed file",
        pickle.dumps(print),
        b"\x00" * 1000,
        "nowhere.prune",
        ".",
        "a\0b",
        "x" * 5000,
        None,
        3,
        ["a.prune"],
        print,
    ],
)
def test_what_is_no_packed_file_is_refused_in_words(source) -> None:
    result = lessons.submit(source, name="A")

    assert result.outcome == "wrong"
    assert result.says.startswith("This file does not count: ")
    assert "BytesIO" not in result.says


def test_too_large_a_file_is_not_even_read(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "large.prune"
    with path.open("wb") as file:
        file.truncate(10**12)  # a terabyte of nothing
    monkeypatch.setattr(pathlib.Path, "open", lambda *_, **__: pytest.fail("it was opened"))

    assert "1,000,000,000,000 bytes; at most 100,000" in lessons.submit(path, name="A").says
    assert "at most 100,000" in lessons.submit(b"x" * 100_001, name="A").says


def test_a_small_file_of_a_huge_network_is_refused_before_memory_is_spent() -> None:
    huge = torch.zeros(500_000, 64)
    huge[0, 0] = 1.0
    blob = packed({"fc1.weight": huge, "fc2.weight": torch.ones(10, 1)})

    assert len(blob) < challenge.MOST_BYTES
    assert "bytes of memory" in lessons.submit(blob, name="A").says


def test_a_damaged_file_is_refused(good: bytes) -> None:
    for place in range(0, len(good), 97):
        blob = bytearray(good)
        blob[place] ^= 1
        assert lessons.submit(bytes(blob), name="A").outcome == "wrong"
        assert lessons.submit(good[:place], name="A").outcome == "wrong"
    assert lessons.leaderboard().entries == []


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, None, 3, "two\nlines", "\x1b[31m"])
def test_a_name_that_is_none_is_words(name, good: bytes) -> None:
    assert "name has to be" in lessons.submit(good, name=name).says


def test_the_best_of_each_name_smallest_first_and_then_who_came_first(good: bytes) -> None:
    larger = packed(trained(32))
    for name, blob in (("Ada", larger), ("Bob", good), ("Ada", good), ("Eve", larger)):
        assert lessons.submit(blob, name=name)
    content = json.loads(pathlib.Path(board.NAME).read_text())
    for place, entry in enumerate(content["entries"]):
        entry["when"] = f"2026-01-01T00:00:0{place}+00:00"
    pathlib.Path(board.NAME).write_text(json.dumps(content))

    assert [(e.name, e.verified.size) for e in lessons.leaderboard().entries] == [
        ("Bob", len(good)),
        ("Ada", len(good)),
        ("Eve", len(larger)),
    ]


@pytest.mark.parametrize(
    ("size", "medal"), [(1136, "gold"), (1200, "gold"), (1201, "silver"), (1600, "par"), (1601, "")]
)
def test_medals(size: int, medal: str) -> None:
    assert challenge.Verified(size, "", 350, 359, 0.5).medal == medal


@pytest.mark.parametrize(
    "lie",
    [
        {"size": 10},
        {"right": 359},
        {"size": None},
        {"digest": "0" * 64},
        {"digest": "../../../etc/passwd"},
        {"digest": "x" * 64},
        {"digest": 3},
        {"name": None},
        {"when": []},
    ],
)
def test_an_entry_that_lies_is_named_and_not_counted(lie: dict, good: bytes) -> None:
    lessons.submit(good, name="Ada")
    lessons.submit(good, name="Bob")
    content = json.loads(pathlib.Path(board.NAME).read_text())
    content["entries"][0] |= lie
    pathlib.Path(board.NAME).write_text(json.dumps(content))

    shown = lessons.leaderboard()

    assert [entry.name for entry in shown.entries] == ["Bob"]
    assert len(shown.words) == 1 and shown.words[0].startswith("Not counted, the entry of")
    assert shown.words[0] in shown._repr_mimebundle_()["text/plain"]


def test_a_file_that_was_exchanged_does_not_count(good: bytes) -> None:
    lessons.submit(good, name="Ada")
    [file] = pathlib.Path(board.FILES).iterdir()
    file.write_bytes(packed(trained(32)))

    shown = lessons.leaderboard()

    assert shown.entries == [] and "another than was entered" in shown.words[0]


@pytest.mark.parametrize("entries", [[None], [3], ["x"], [[]], [{}], [{"name": "<b>", "when": "", "digest": ""}]])
def test_entries_that_are_none_are_words(entries: list) -> None:
    pathlib.Path(board.NAME).write_text(json.dumps({"version": 1, "entries": entries}))

    shown = lessons.leaderboard()

    assert shown.entries == [] and len(shown.words) == 1
    assert "<b>" not in shown._repr_mimebundle_()["text/html"]


def test_a_damaged_board_is_kept_aside_and_a_newer_one_left_alone(good: bytes) -> None:
    pathlib.Path(board.NAME).write_text("{")
    assert "damaged" in repr(lessons.leaderboard())
    result = lessons.submit(good, name="Ada")
    assert result and "damaged-1" in result.says
    newer = '{"version": 2}'
    pathlib.Path(board.NAME).write_text(newer)
    result = lessons.submit(good, name="Ada")
    assert result.outcome == "stopped" and "newer prunelab" in result.says
    assert pathlib.Path(board.NAME).read_text() == newer


def test_a_folder_that_cannot_be_written_is_words(good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: pathlib.Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(ledger, "write_atomically", refused)
    assert "Permission denied" in lessons.submit(good, name="Ada").says
    pathlib.Path("file").write_text("")
    assert lessons.submit(good, name="Ada", folder="file").outcome == "stopped"
    assert "cannot be read" in repr(lessons.leaderboard("file"))


def test_the_board_is_shown_with_names_as_they_were_written(good: bytes) -> None:
    lessons.submit(good, name="<b>Ada</b> & co")

    shown = lessons.leaderboard()._repr_mimebundle_()

    assert "<b>" not in shown["text/html"] and "&lt;b&gt;Ada" in shown["text/html"]
    assert "<b>Ada</b> & co" in shown["text/plain"]
    assert "No entries yet" not in shown["text/html"]


@given(st.binary(max_size=300))
def test_whatever_bytes_come_they_are_refused_in_words(blob: bytes) -> None:
    with pytest.raises(Refused):
        verify(challenge.read(blob))
