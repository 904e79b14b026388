"""Files that a journal would take, the same bytes every time, whatever matplotlib was set to before."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import pytest
from PIL import Image

from prunelab.exports import figures
from prunelab.exports.figures import distinct
from prunelab.exports.view_list import PICTURES

LAYERS = ("fc1.weight",)


@pytest.fixture(scope="module")
def files(recipe, history, measurement):
    return figures(recipe, history, measurement, layers=LAYERS)


def test_every_view_is_there_in_the_widths_that_suit_it_and_in_three_formats(files):
    names = {name.rpartition(".")[0] for name in files}
    both = {p.name for p in PICTURES if p.name not in ("weights", "mask")}
    single = {"column/fc1-weights", "column/fc1-mask", "page/weights"}
    assert names == single | {f"{width}/{name}" for width in ("column", "page") for name in both}
    assert {name.rpartition(".")[2] for name in files} == {"svg", "pdf", "png"}
    assert len(files) == 3 * len(names)


def test_png_has_300_dots_an_inch_and_the_width_of_its_place(files):
    for name, content in files.items():
        if name.endswith(".png"):
            image = Image.open(io.BytesIO(content))
            width = 8.5 if name.startswith("column") else 17.4
            assert image.width == pytest.approx(width / 2.54 * 300, abs=1)
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_svg_is_xml_whose_text_is_text(files, recipe, history, measurement):
    for picture in PICTURES:
        name = {"weights": "page/weights", "mask": "column/fc1-mask"}.get(picture.name, f"column/{picture.name}")
        root = ElementTree.fromstring(files[f"{name}.svg"])
        said = " ".join("".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text"))
        title = picture.draw(history, measurement, None)["layout"]["title"]["text"]
        assert title in said
        assert b"'DejaVu Sans', Verdana, sans-serif" in files[f"{name}.svg"]
        assert root.find(".//{http://purl.org/dc/elements/1.1/}title").text == title


def test_pdf_embeds_truetype_fonts(files):
    for name, content in files.items():
        if name.endswith(".pdf"):
            assert content.startswith(b"%PDF") and b"/FontFile2" in content and b"/Type3" not in content, name


def test_files_know_no_date_and_are_the_same_again_in_spite_of_other_settings(files, recipe, history, measurement):
    for content in files.values():
        assert b"/CreationDate" not in content and b"<dc:date>" not in content
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "text.usetex": True, "savefig.dpi": 10}):
        before = dict(matplotlib.rcParams)
        again = figures(recipe, history, measurement, layers=LAYERS)
        assert dict(matplotlib.rcParams) == before
    assert again == files


def test_without_a_measurement_or_dropout_those_figures_are_left_out(recipe, history):
    bare = [replace(s, dropouts=()) for s in history]
    both = ("distribution", "accuracy", "connections", "pixels", "bands")
    expected = {"page/weights.svg", *(f"{width}/{name}.svg" for width in ("column", "page") for name in both)}
    assert set(figures(recipe, bare, layers=(), formats=("svg",))) == expected
    assert figures(recipe, history, formats=()) == {}


def test_names_of_layers_become_safe_names_of_files(recipe, history, rename):
    for hostile in ("../../a b<c>$\\frac{$", "CON.x" * 40):
        names = figures(recipe, rename(history, hostile)[-1:], layers=[f"{hostile}.weight"], formats=("svg",))
        own = [name for name in names if re.fullmatch(r"column/.*-(weights|mask)\.svg", name)]
        assert len(own) == 2
        assert all(re.fullmatch(r"column/[A-Za-z0-9_][A-Za-z0-9._-]{,80}\.svg", name) for name in own)
        for content in names.values():
            ElementTree.fromstring(content)


def test_layers_whose_names_are_alike_keep_their_own_files(recipe, history, rename):
    assert distinct(["fc2", "FC2", "fc2?", "", "?"]) == ["fc2", "FC2-2", "fc2-3", "layer", "layer-2"]


def test_what_cannot_be_drawn_is_said(recipe, history):
    with pytest.raises(ValueError, match="'gif' is none of svg, pdf, png"):
        figures(recipe, history, formats=("gif",))
    with pytest.raises(KeyError, match="fc9"):
        figures(recipe, history, layers=["fc9.weight"])
    with pytest.raises(ValueError, match="empty"):
        figures(recipe, [])


def test_neither_pyplot_nor_plotly_is_imported():
    code = (
        "import sys, prunelab.exports; print(sorted({'matplotlib.pyplot', 'plotly', 'ipywidgets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
