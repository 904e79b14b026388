"""Which samples are shown, in which order, as which pixels."""

import base64
import io
import json

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

import prunelab as pl
from prunelab.views.figure import summary
from prunelab.views.flips import flips

# Samples 1 and 4 are lost, 2 comes back, 0 stays right, 3 is wrong both times (and differently).
TRUTH = [0, 7, 2, 3, 9]
BEFORE = [0, 7, 1, 5, 9]
AFTER = [0, 1, 2, 6, 4]
IMAGES = np.linspace(0, 1, 5, dtype=np.float32)[:, None, None] * np.ones((5, 4, 4), np.float32)


def title(view):
    return view["layout"]["title"]["text"]


def labels(view):
    return [note["text"] for note in view["layout"]["annotations"]]


def mosaic(view):
    source = view["layout"]["images"][0]["source"]
    return np.array(Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,")))))


def test_lost_ones_come_first_then_those_that_came_back():
    view = flips(IMAGES, TRUTH, BEFORE, AFTER)
    go.Figure(view)
    json.dumps(view, allow_nan=False)
    assert title(view) == "2 digits flipped from right to wrong, 1 back (bold)"
    assert labels(view) == ["7 → 1", "9 → 4", "<b>1 → 2</b>"]
    assert view["data"][0]["hovertext"] == [
        "test sample 1: a 7, read as 7 before and as 1 now",
        "test sample 4: a 9, read as 9 before and as 4 now",
        "test sample 2: a 2, read as 1 before and as 2 now",
    ]
    assert "7 now read as 1: 1" in summary(view)


def test_samples_of_own_data_are_not_called_digits():
    assert title(flips(IMAGES, TRUTH, BEFORE, AFTER, what="sample")).startswith("2 samples flipped")
    one = flips(IMAGES[:2], TRUTH[:2], BEFORE[:2], AFTER[:2], what="sample")
    assert title(one) == "1 sample flipped from right to wrong, none back"


def test_the_mosaic_holds_the_pixels_and_nothing_between_them():
    view = flips(IMAGES, TRUTH, BEFORE, AFTER)
    pixels, layout = mosaic(view), view["layout"]
    scale = pixels.shape[1] / layout["xaxis"]["range"][1]
    seen = []
    for x, y in zip(view["data"][0]["x"], view["data"][0]["y"], strict=True):
        seen.append(pixels[round(y * scale), round(x * scale)])
    shades = [round(255 * IMAGES[i, 0, 0]) for i in (1, 4, 2)]
    assert [pixel.tolist() for pixel in seen] == [[shade] * 3 + [255] for shade in shades]
    assert pixels[-2, :, 3].max() == 0, "the strip for labels is see-through"
    assert pixels.shape[0] / scale == pytest.approx(layout["yaxis"]["range"][0], rel=0.02), "not stretched"


def test_a_tile_is_the_image_enlarged_without_blur():
    image = np.random.default_rng(0).random((1, 8, 8)).astype(np.float32)
    pixels = mosaic(flips(image, [0], [0], [1]))
    side = 64
    left = (pixels[..., 3].argmax(1).max(), pixels[..., 3].argmax(0).max())
    tile = pixels[left[1] : left[1] + side, left[0] : left[0] + side, 0]
    np.testing.assert_array_equal(tile[4::8, 4::8], np.round(255 * image[0]).astype(np.uint8))


def test_channels_colours_and_normalised_values_are_understood():
    for shape in ((5, 1, 4, 4), (5, 3, 4, 4), (5, 4, 4)):
        assert len(labels(flips(np.zeros(shape), TRUTH, BEFORE, AFTER))) == 3
    grey = mosaic(flips(np.linspace(-2, 3, 16).reshape(1, 4, 4), [0], [0], [1]))
    assert (grey[..., :3].min(), grey[..., :3].max()) == (0, 255)


@pytest.mark.parametrize(("lost", "back", "shown"), [(100, 100, (18, 6)), (100, 2, (22, 2)), (3, 100, (3, 21))])
def test_of_many_a_quarter_is_of_those_that_came_back(lost, back, shown):
    before, after = [0] * lost + [1] * back, [1] * lost + [0] * back
    view = flips(np.zeros((lost + back, 4, 4)), [0] * (lost + back), before, after)
    told = labels(view)
    assert (told.count("0 → 1"), told.count("<b>1 → 0</b>")) == shown
    assert title(view).endswith("; 24 shown")
    assert len({(n["x"], n["y"]) for n in view["layout"]["annotations"]}) == 24


def test_classes_with_names_get_larger_tiles_and_are_escaped():
    view = flips(np.zeros((20, 4, 4)), [0] * 20, [0] * 20, [1] * 20, classes=["<i>cat</i>", "dog"])
    assert title(view) == "20 samples flipped from right to wrong, none back; 8 shown"
    assert labels(view)[0] == "&lt;i&gt;c... → dog" and len(labels(view)) == 8


def test_only_good_news_is_told_as_such():
    assert title(flips(IMAGES[:1], [1], [0], [1])) == "1 digit flipped back from wrong to right, none was lost"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((IMAGES, TRUTH, BEFORE, BEFORE), "Nothing flipped"),
        ((np.zeros((5, 16)), TRUTH, BEFORE, AFTER), "no images"),
        ((np.zeros((5, 2, 4, 4)), TRUTH, BEFORE, AFTER), "no images"),
        ((IMAGES, TRUTH, BEFORE, AFTER[:3]), "lengths differ"),
        ((IMAGES[:2], TRUTH, BEFORE, AFTER), "lengths differ"),
        ((None, TRUTH, BEFORE, AFTER), "lengths differ, no samples"),
        ((np.zeros((0, 4, 4)), [], [], []), "Nothing flipped"),
    ],
)
def test_without_anything_to_show_the_view_says_why(arguments, words):
    view = flips(*arguments)
    go.Figure(view)
    assert words in view["layout"]["annotations"][0]["text"] and not view["data"]


def test_a_real_cut_flips_what_the_snapshots_say():
    session = pl.Session(pl.Recipe(model="mlp-small", epochs=8))
    for _ in session.train():
        pass
    before = session.snapshot().predicted
    after = session.prune(1.5).predicted
    data = session.data
    view = flips(data.test_x, data.test_y, before, after)
    lost = ((before == data.test_y.numpy()) & (after != data.test_y.numpy())).sum()
    assert lost > 0 and title(view).startswith(f"{lost} digits flipped from right to wrong")
