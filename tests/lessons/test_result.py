"""What a result looks like: text, escaped HTML, a picture with a text alternative."""

import base64
import re
import xml.etree.ElementTree as ET

import pytest
import torch

from prunelab.lessons import check
from prunelab.lessons.picture import Picture, cells, histogram, steps
from prunelab.lessons.result import HEADINGS, Note, Result


@pytest.mark.parametrize("outcome", HEADINGS)
def test_a_result_is_true_if_it_is_right_and_says_its_outcome_in_words(outcome) -> None:
    result = Result(outcome, "Because.", function=abs)

    assert bool(result) == (outcome == "right")
    for shown in (repr(result), result._repr_mimebundle_()["text/html"]):
        assert HEADINGS[outcome][0] in shown
        assert "Because." in shown


def test_what_a_student_wrote_is_escaped_and_code_is_marked() -> None:
    nasty = "<script>alert(1)</script>"
    shown = Result("wrong", f"{nasty} `{nasty}`", printed=nasty)._repr_mimebundle_()

    assert "<script" not in shown["text/html"]
    assert "<code>&lt;script&gt;" in shown["text/html"]
    assert nasty in shown["text/plain"]
    note = Note(f"{nasty}", nasty, nasty, folded=True)._repr_mimebundle_()
    assert "<script" not in note["text/html"]
    assert note["text/plain"].count(nasty) == 3


def test_a_picture_comes_with_a_sentence_for_those_who_do_not_see_it() -> None:
    def mask(weights, threshold):
        return weights >= threshold

    result = check.mask(mask)

    assert result.picture is not None
    shown = result._repr_mimebundle_()
    alt = re.search(r'alt="([^"]+)"', shown["text/html"])
    assert alt and alt[1] == result.picture.alt and "connections differ" in alt[1]
    assert f"[picture: {result.picture.alt}]" in shown["text/plain"]
    data = re.search(r"data:image/svg\+xml;base64,([^\"]+)", shown["text/html"])
    assert data and base64.b64decode(data[1]).decode() == result.picture.svg


@pytest.mark.parametrize(
    "picture",
    [
        histogram(torch.randn(50), [("yours", 0.5, "#000"), ("ours", 1.0, "#111")], "a < b & c"),
        histogram(torch.zeros(3), [("yours", float("nan"), "#000"), ("ours", float("inf"), "#111")], "x"),
        histogram(torch.tensor([]), [], "x"),
        histogram(torch.ones(1), [("yours", -1e30, "#000")], "x"),
        cells(torch.eye(3), torch.ones(3, 3), "x"),
        cells(torch.ones(1), torch.zeros(1), "x"),
        steps([0.5, 0.1], [0.3, float("nan")], "x"),
        steps([], [7.0], "x"),
    ],
)
def test_pictures_are_sound_svg_with_a_title(picture: Picture) -> None:
    root = ET.fromstring(picture.svg)

    assert root.tag.endswith("svg")
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None and title.text == picture.alt
    assert "nan" not in picture.svg
    for element in root.iter():
        assert float(element.get("width", 1)) > 0
