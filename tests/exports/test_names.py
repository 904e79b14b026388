"""A string where a list of names is meant is one name, in pictures and exports alike."""

import io
import zipfile

import pytest

from prunelab import views
from prunelab.exports import bundle, figures

NAME = "fc2.weight"


@pytest.mark.parametrize(
    "draw",
    [
        lambda history, layers: views.weights(history[-1], layers),
        lambda history, layers: views.weights(history[-1], before=history[-2], own=layers),
        lambda history, layers: views.distribution(history, layers),
    ],
    ids=["weights", "weights of their own", "distribution"],
)
def test_a_string_is_one_layer_of_a_picture(draw, history):
    assert draw(history, NAME) == draw(history, [NAME]) != draw(history, [])
    assert draw(history, (NAME,)) == draw(history, [NAME])


@pytest.mark.parametrize("view", [lambda h, x: views.weights(h[-1], x), views.distribution])
def test_no_layer_named_is_all_and_an_unknown_one_is_named(view, history):
    assert view(history, []) == view(history, None)
    with pytest.raises(KeyError, match="'fc2' is no layer of this snapshot; there are"):
        view(history, "fc2")


def test_a_string_is_one_layer_and_one_format_of_the_figures(recipe, history):
    found = figures(recipe, history, layers=NAME, formats="svg")
    assert found == figures(recipe, history, layers=[NAME], formats=["svg"])
    assert "column/fc2-mask.svg" in found and all(name.endswith(".svg") for name in found)
    with pytest.raises(ValueError, match="formats: 'jpg' is none of svg, pdf, png"):
        figures(recipe, history, formats="jpg")


def test_a_string_is_one_format_of_the_bundle(recipe, history):
    with zipfile.ZipFile(io.BytesIO(bundle(recipe, history, formats="png"))) as archive:
        printed = [name for name in archive.namelist() if name.startswith("figures/")]
    assert printed and all(name.endswith(".png") for name in printed)
