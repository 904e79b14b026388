"""The drawing without a browser: what its state allows, and what the network is to see of it."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st

from prunelab.lab.widgets.drawing import Drawing, prepared
from support.messages import say


def arrive(widget: Any, **state: Any) -> None:
    """As a page's message does, buffers and all."""
    widget.set_state({name: memoryview(value) if isinstance(value, bytes) else value for name, value in state.items()})


def test_a_sheet_has_as_many_cells_as_the_input_and_finer_ink() -> None:
    for size, detail in (((8, 8), 4), ((28, 28), 2), ((64, 48), 1)):
        draw = Drawing(size=size)
        assert draw.detail == detail
        assert draw.value == bytes(size[0] * size[1])
        assert len(draw.ink) == size[0] * size[1] * detail**2


def test_ink_from_the_page_is_averaged_into_the_cells() -> None:
    draw = Drawing(size=(8, 8))
    seen: list[bytes] = []
    draw.observe(lambda change: seen.append(change["new"]), "value")
    ink = np.zeros((32, 32), np.uint8)
    ink[0:2, 0:4] = 255  # the upper half of the first cell
    ink[4, 4] = 160  # one sixteenth of another
    arrive(draw, ink=ink.tobytes())
    cells = np.frombuffer(draw.value, np.uint8).reshape(8, 8)
    assert cells[0, 0] == 128  # 127.5, to the even number
    assert cells[1, 1] == 10
    assert np.count_nonzero(cells) == 2
    assert draw.ink == ink.tobytes()  # the average did not come back as coarse ink
    assert seen == [draw.value]


@given(st.binary(min_size=64, max_size=64))
def test_a_picture_from_python_is_the_ink_on_the_page(value: bytes) -> None:
    draw = Drawing(size=(8, 8), value=value)
    ink = np.frombuffer(draw.ink, np.uint8).reshape(32, 32)
    assert np.array_equal(ink[::4, ::4], ink[3::4, 3::4])
    assert ink[::4, ::4].tobytes() == value == draw.value


def test_a_new_size_is_a_blank_sheet_and_what_was_on_its_way_is_dropped() -> None:
    draw = Drawing(size=(8, 8), value=bytes([9]) * 64)
    draw.size = (28, 28)
    assert draw.value == bytes(784)
    arrive(draw, ink=bytes([7]) * 1024)
    assert draw.ink == bytes(3136)


def test_clear_wipes_the_sheet() -> None:
    draw = Drawing(size=(8, 8), value=bytes([9]) * 64)
    draw.clear()
    assert not any(draw.value) and not any(draw.ink)


def test_a_wrong_picture_or_size_is_named() -> None:
    with pytest.raises(traitlets.TraitError, match="63 bytes.*64"):
        Drawing(size=(8, 8), value=bytes(63))
    with pytest.raises(traitlets.TraitError, match=r"size = \(0, 8\)"):
        Drawing(size=(0, 8))


def test_an_example_is_offered_once_someone_listens() -> None:
    draw = Drawing()
    assert not draw.example
    asked: list[bool] = []
    draw.on_example(lambda: asked.append(True))
    assert draw.example
    say(draw, {"kind": "example"})
    say(draw, {"kind": "something else"})
    assert asked == [True]


def test_a_blank_drawing_stays_blank() -> None:
    assert not prepared(bytes(64), (8, 8)).any()
    assert prepared(bytes(784), (28, 28)).shape == (28, 28)


def test_a_full_bitmap_becomes_eight_rows_of_five_columns_in_the_middle() -> None:
    cells = prepared(np.full((32, 32), 255, np.uint8), (8, 8))
    # 8 * 5/8 = 5 columns from 1.5 to 6.5: half a column at both ends.
    assert np.array_equal(cells, np.tile(np.float32([0, 0.5, 1, 1, 1, 1, 0.5, 0]), (8, 1)))


def test_blocks_are_counted() -> None:
    bitmap = np.zeros((32, 32), np.uint8)
    bitmap[:, 6:26] = 255 * np.random.default_rng(0).integers(0, 2, (32, 20))
    bitmap[[0, -1], 6] = bitmap[[0, -1], 25] = 255  # its box is the one that the scaling aims at
    counts = (bitmap // 255).reshape(8, 4, 8, 4).sum((1, 3))
    np.testing.assert_allclose(prepared(bitmap, (8, 8)), counts / 16, atol=1e-6)


def test_a_thin_stroke_is_not_blown_up_to_a_block() -> None:
    sheet = np.zeros((32, 32), np.uint8)
    sheet[4:20, 10:12] = 255  # 16 high, 2 wide: 2 times higher, at most 3 times wider
    cells = prepared(sheet, (8, 8))
    # 32 rows are one cell of 8 from 4 of ink: 0.25 cells a pixel before, 0.75 wide in all, around the middle at 4.
    np.testing.assert_allclose(cells[:, 3:5], np.full((8, 2), 0.75), atol=1e-6)
    assert not np.delete(cells, [3, 4], axis=1).any()


def test_where_and_how_large_a_small_digit_is_drawn_makes_no_difference() -> None:
    digit = np.kron(np.random.default_rng(1).integers(0, 2, (4, 3)), np.ones((4, 4))).astype(np.uint8) * 255
    digit[[0, -1], [0, -1]] = digit[[0, -1], [-1, 0]] = 255
    pictures = []
    for top, left, zoom in ((0, 0, 1), (16, 20, 1), (0, 8, 2)):
        sheet = np.zeros((32, 32), np.uint8)
        large = np.kron(digit, np.ones((zoom, zoom), np.uint8))
        sheet[top : top + large.shape[0], left : left + large.shape[1]] = large
        pictures.append(prepared(sheet, (8, 8)))
    np.testing.assert_allclose(pictures[1], pictures[0], atol=1e-6)
    np.testing.assert_allclose(pictures[2], pictures[0], atol=1e-6)


def test_a_large_drawing_is_scaled_into_a_box_of_20_around_pixel_14() -> None:
    sheet = np.zeros((28, 28), np.uint8)
    sheet[2:12, 0:10] = 255  # 10 x 10 in the corner
    cells = prepared(sheet.tobytes(), (28, 28))
    # Twice as large, 20 x 20, and in whole pixels as near to the middle of pixel 14 as can be: from 4 to 24.
    expected = np.zeros((28, 28))
    expected[4:24, 4:24] = 1
    np.testing.assert_allclose(cells, expected, atol=1e-6)


def test_a_picture_that_is_as_mnist_is_stays_as_it_is() -> None:
    profile = np.full(20, 9)  # of pixels 4 to 23, whose middle is 13.5
    profile[[11, 18, 19]] = 14  # 5 more at distances 1, 8 and 9: the centre of mass is in 14
    ink = np.zeros((28, 28), np.uint8)
    ink[4:24, 4:24] = np.outer(profile, profile)
    np.testing.assert_allclose(prepared(ink, (28, 28)), ink / 255, atol=1e-6)


@given(st.integers(0, 18), st.integers(0, 18), st.integers(0, 2**32 - 1))
def test_the_centre_of_mass_of_a_large_drawing_is_in_pixel_14(top: int, left: int, seed: int) -> None:
    sheet = np.zeros((28, 28), np.uint8)
    blot = np.random.default_rng(seed).integers(100, 256, (10, 10))  # no side so light that the box would fall off
    sheet[top : top + 10, left : left + 10] = blot
    cells = prepared(sheet, (28, 28)).astype(float)
    for axis in (0, 1):
        assert cells.sum(axis) @ np.arange(28) / cells.sum() == pytest.approx(14, abs=0.5 + 1e-4)
    assert cells.sum() == pytest.approx(4 * sheet.sum() / 255, rel=1e-4)  # twice as high and as wide


@given(st.binary(min_size=784, max_size=784), st.sampled_from([(28, 28), (14, 14), (7, 7)]))
def test_whatever_is_drawn_is_a_picture(value: bytes, size: tuple[int, int]) -> None:
    cells = prepared(value, size)
    assert cells.shape == size and cells.dtype == np.float32
    assert cells.min() >= 0 and cells.max() <= 1
    assert cells.any() == any(value)


def test_real_digits_are_left_nearly_as_they_are() -> None:
    with resources.files("prunelab").joinpath("assets/digits.npz").open("rb") as file, np.load(file) as archive:
        images = archive["images"][:200] / 16
    made = np.array([prepared(np.rint(255 * image).astype(np.uint8), (8, 8)) for image in images])
    likeness = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in zip(made, images, strict=True)]
    assert np.median(likeness) > 0.9


@pytest.mark.parametrize("value", [bytes(63), b"", bytes(128), np.zeros((8, 8)), np.zeros(64, np.uint8)])
def test_what_is_no_drawing_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="drawing"):
        prepared(value, (8, 8))
