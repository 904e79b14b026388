"""Scrubber, Drawing and DownloadBar without a browser: what their state allows, and what a drawing becomes."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st

from prunelab.lab.widgets.download_bar import PIECE, DownloadBar
from prunelab.lab.widgets.drawing import Drawing, prepared
from prunelab.lab.widgets.scrubber import Scrubber, followed

# ---- scrubber


def moments(*labels: str) -> list[dict[str, Any]]:
    return [{"label": label, "mark": "settled" if "ed" in label else ""} for label in labels]


def test_a_position_out_of_range_becomes_the_nearest_moment() -> None:
    scrubber = Scrubber(moments=moments("a", "b", "c"))
    assert scrubber.position is None
    scrubber.position = 7
    assert scrubber.position == 2
    scrubber.position = -7
    assert scrubber.position == 0


def test_without_moments_the_scrubber_is_live() -> None:
    scrubber = Scrubber(moments=moments("a", "b"), position=1)
    scrubber.moments = []
    assert scrubber.position is None
    scrubber.position = 0
    assert scrubber.position is None


def test_growing_moments_leave_the_position_where_it_is() -> None:
    scrubber = Scrubber(moments=moments("a", "b", "c"), position=1)
    scrubber.update(moments("a", "b", "c", "d"))
    assert scrubber.position == 1
    scrubber.position = None
    scrubber.update(moments("a", "b", "c", "d", "e"))
    assert scrubber.position is None


def test_moments_thinned_out_leave_the_position_on_the_same_moment() -> None:
    scrubber = Scrubber(moments=moments("a", "b", "c", "d", "e"), position=4)
    scrubber.update(moments("a", "c", "e"))
    assert scrubber.position == 2


def test_an_id_tells_moments_of_one_label_apart() -> None:
    old = [{"label": "training", "id": i} for i in range(10)]
    assert followed(old, old[::3], 6) == 2
    assert followed(old, old[::3], 8) == 2  # gone: the one before it
    assert followed(old, [{"label": "training", "id": 99}], 5) == 0
    assert followed(old, [], 5) is None
    assert followed(old, old[::3], None) is None


@given(st.sets(st.integers(0, 60)), st.integers(0, 60))
def test_a_followed_moment_is_the_last_kept_one_up_to_it(kept: set[int], position: int) -> None:
    old = [{"label": "step", "id": i} for i in range(61)]
    new = [old[i] for i in sorted(kept)]
    place = followed(old, new, position)
    earlier = [i for i in sorted(kept) if i <= position]
    expected = None if not kept else sorted(kept).index(earlier[-1]) if earlier else 0
    assert place == expected


@pytest.mark.parametrize("bad", [[{"mark": ""}], [{"label": 3}], [{"label": "a", "mark": "sett led"}]])
def test_moments_that_are_none_are_named(bad: list[dict[str, Any]]) -> None:
    with pytest.raises(traitlets.TraitError, match=r"moments\[0\]"):
        Scrubber(moments=bad)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf"), 61.0])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(traitlets.TraitError, match="speed"):
        Scrubber(speed=speed)


# ---- draw


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
    draw._handle_custom_msg({"kind": "example"}, [])
    draw._handle_custom_msg({"kind": "something else"}, [])
    assert asked == [True]


# ---- what the network should see


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


# ---- download

ITEMS = [
    {"name": "report", "label": "Report"},
    {"name": "model", "label": "Model"},
    {"name": "python", "label": "Python", "copy": True},
]


class Page:
    """What pages would get, and what they say: messages in order, each with its buffers."""

    def __init__(self, download: DownloadBar) -> None:
        self.download = download
        self.got: list[dict[str, Any]] = []
        self.data: list[bytes] = []
        download.send = self._get  # type: ignore[method-assign]

    def _get(self, content: dict[str, Any], buffers: Any = None) -> None:
        self.got.append(content)
        self.data.extend(bytes(buffer) for buffer in buffers or ())

    def say(self, **content: Any) -> None:
        self.download._handle_custom_msg(content, [])

    def ask(self, name: str, view: str = "a") -> None:
        self.say(kind="request", name=name, view=view)

    def thank(self) -> None:
        self.say(kind="thanks", transfer=self.got[-1]["transfer"], index=self.got[-1]["index"])


@pytest.fixture
def page() -> Page:
    return Page(DownloadBar(items=ITEMS))


def test_a_press_calls_back_and_the_file_comes_in_pieces_each_after_thanks(page: Page) -> None:
    names: list[str] = []
    page.download.on_request(names.append)
    page.ask("report")
    assert names == ["report"] and not page.got
    data = bytes(range(250)) * (2 * PIECE // 250) + b"the rest"
    assert page.download.send_file("report", "report.html", "text/html", data) == 1
    assert len(page.got) == 1
    page.thank()
    page.say(kind="thanks", transfer=page.got[-1]["transfer"], index=0)  # twice: nothing comes of it
    assert len(page.got) == 2
    page.thank()
    page.thank()
    assert [message["index"] for message in page.got] == [0, 1, 2]
    assert {(m["to"], m["name"], m["filename"], m["mime"], m["size"], m["count"]) for m in page.got} == {
        ("a", "report", "report.html", "text/html", len(data), 3)
    }
    assert b"".join(page.data) == data
    assert not page.download._transfers


@pytest.mark.parametrize("length", [0, 1, PIECE, PIECE + 1])
def test_files_of_any_length_arrive(page: Page, length: int) -> None:
    page.download.on_request(lambda name: None)
    page.ask("model")
    data = bytes(length)
    page.download.send_file("model", "m.bin", "application/octet-stream", data)
    for _ in range(page.got[0]["count"]):
        page.thank()
    assert b"".join(page.data) == data
    assert len(page.got) == page.got[0]["count"] == max(1, -(-length // PIECE))


def test_only_pages_that_asked_are_answered_and_only_once(page: Page) -> None:
    page.download.on_request(lambda name: None)
    assert page.download.send_text("python", "x = 1") == 0
    for view in ("a", "b", "a"):
        page.ask("python", view)
    assert page.download.send_text("python", "x = 1") == 2
    assert [message["to"] for message in page.got] == ["a", "b"]
    assert page.download.send_text("python", "x = 2") == 0


def test_a_disabled_item_is_not_asked_for_but_explained(page: Page) -> None:
    names: list[str] = []
    page.download.on_request(names.append)
    page.download.disabled = {"model": "Nothing is trained yet."}
    page.ask("model")
    assert names == []
    assert page.got == [{"kind": "error", "text": "Nothing is trained yet.", "to": "a", "name": "model"}]


def test_a_failing_callback_is_told_on_the_page(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    def fail(name: str) -> None:
        raise RuntimeError(f"no {name} today")

    page.download.on_request(fail)
    with pytest.raises(RuntimeError):
        page.download._told(page.download, {"kind": "request", "name": "report", "view": "a"}, [])
    assert page.got[0]["text"] == "RuntimeError: no report today"


def test_progress_is_told_to_those_who_wait(page: Page) -> None:
    page.download.on_request(lambda name: None)
    page.ask("report", "b")
    page.download.send_progress("report", "page 3 of 6")
    page.download.send_error("report", "the disk is full")
    page.download.send_progress("report", "nobody waits any more")
    assert [(m["kind"], m["to"], m["text"]) for m in page.got] == [
        ("progress", "b", "page 3 of 6"),
        ("error", "b", "the disk is full"),
    ]


def test_what_the_page_says_goes_on_through_post() -> None:
    waiting: list[Any] = []
    page = Page(DownloadBar(items=ITEMS, post=waiting.append))
    page.download.on_request(lambda name: None)
    page.ask("report")
    page.download.send_file("report", "r", "text/plain", bytes(PIECE + 1))
    page.thank()
    assert len(page.got) == 1
    waiting.pop()()
    assert len(page.got) == 2


@pytest.mark.parametrize("message", [None, "request", {}, {"kind": "request", "name": "../etc"}, {"kind": "thanks"}])
def test_nonsense_from_a_page_changes_nothing(page: Page, message: Any) -> None:
    page.download._handle_custom_msg(message, [])
    assert not page.got


def test_wrong_items_and_names_are_named() -> None:
    with pytest.raises(traitlets.TraitError, match="'label'"):
        DownloadBar(items=[{"name": "report"}])
    with pytest.raises(traitlets.TraitError, match="'report' is there twice"):
        DownloadBar(items=[ITEMS[0], ITEMS[0]])
    with pytest.raises(traitlets.TraitError, match="figures"):
        DownloadBar(items=ITEMS, disabled={"figures": "no"})
    with pytest.raises(KeyError, match="figures"):
        DownloadBar(items=ITEMS).send_text("figures", "")
