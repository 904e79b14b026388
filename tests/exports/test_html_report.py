"""The HTML file itself. What it looks like in a browser is seen in tests/browser/test_report.py."""

import base64
import gzip
import json
from dataclasses import replace
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest

import prunelab as pl
from prunelab.exports import report
from prunelab.exports.html_report import script_json
from prunelab.exports.narrative import headline, plain, told
from prunelab.exports.view_list import PICTURES, harmless
from prunelab.resources import plotly_script

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror='alert(2)'>\u2028 & <a href='https://evil'>"


class Page(HTMLParser):
    """A page as a browser would take it apart: its tags, its text, and what stands in its scripts by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(dict(attrs).get("id") or tag)

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside.pop()

    def handle_data(self, data):
        if self._inside:
            self.scripts[self._inside[-1]] = self.scripts.get(self._inside[-1], "") + data
        else:
            self.text += data

    @property
    def book(self) -> dict:
        return json.loads(self.scripts["pictures"])


@pytest.fixture(scope="module")
def opened(recipe, history, measurement):
    return Page(report(recipe, history, measurement))


def test_the_policy_stands_before_anything_it_has_to_rule(opened):
    policy = next(attrs for tag, attrs in opened.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    rules = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
    assert policy["content"] == rules
    tags = [tag for tag, _ in opened.tags]
    assert tags[:4] == ["html", "head", "meta", "meta"] and opened.tags[3][1] == policy
    assert not [attrs for _, attrs in opened.tags if "src" in attrs or "href" in attrs]


def test_plotly_is_inside_once(opened):
    assert gzip.decompress(base64.b64decode(opened.scripts["plotly"])) == plotly_script()


def test_the_pictures_of_every_settled_moment_are_the_views(opened, history, measurement):
    book = opened.book
    settled = [i for i, s in enumerate(history) if s.settled]
    assert len(book["moments"]) == len(settled)
    assert [panel["name"] for panel in book["panels"]] == [picture.name for picture in PICTURES]
    for panel, picture in zip(book["panels"], PICTURES, strict=True):
        layers = [layer.name for layer in history[-1].layers] if picture.by_layer else [None]
        assert len(panel["choices"]) == len(layers)
        for layer, numbers in zip(layers, panel["choices"], strict=True):
            for number, i in zip(numbers, settled, strict=True):
                expected = picture.draw(history if picture.measured else history[: i + 1], measurement, layer)
                drawn = book["views"][number]
                assert drawn["title"] == expected["layout"]["title"]["text"]
                assert drawn["data"] == json.loads(json.dumps(expected["data"]))
                rest = {k: v for k, v in expected["layout"].items() if k not in ("title", "meta")}
                assert drawn["layout"] == json.loads(json.dumps(rest))
                go.Figure({"data": drawn["data"], "layout": drawn["layout"]})


def test_pictures_that_stay_the_same_are_kept_once(opened):
    mask = next(panel for panel in opened.book["panels"] if panel["name"] == "mask")
    trained, pruned, retrained, *_ = mask["choices"][0]
    assert trained != pruned == retrained


def test_the_text_tells_recipe_numbers_layers_and_versions(opened, recipe, history, measurement):
    assert told(recipe, history) in opened.text
    for row in headline(history[-1], measurement):
        assert all(part in opened.text for part in row)
    for name in ("quality", "rounds", "dropout"):
        assert name in opened.text
    assert f"?{recipe.to_query()}" in opened.text
    assert pl.Recipe.from_json(opened.text[opened.text.index("{\n") : opened.text.index("\n}\n") + 2]) == recipe
    assert measurement.notes[0] in opened.text and "a processor, 2 cores" in opened.text
    assert pl.__version__ in opened.text and "Python" in opened.text
    for picture in PICTURES:
        layout = picture.draw(history, measurement, None)["layout"]
        assert plain(layout["title"]["text"]) in opened.text
        assert plain(layout.get("meta", {}).get("summary", "")) in opened.text


def test_hostile_names_stay_text(recipe, history, measurement, rename):
    hostile = recipe.changed(layer_quality={HOSTILE: 2.0})
    clean = Page(report(recipe, history, measurement))
    found = Page(report(hostile, rename(history, HOSTILE), measurement))
    for kind in ("script", "img", "a", "iframe", "style", "meta"):
        assert [t for t, _ in found.tags].count(kind) == [t for t, _ in clean.tags].count(kind), kind
    assert HOSTILE.replace("\u2028", " ") in found.text.replace("\u2028", " ")
    assert not [a for _, attrs in found.tags for a in attrs if a.startswith("on")]
    assert "</script>" not in found.scripts["pictures"] and "<!--" not in found.scripts["pictures"]
    labels = [note["text"] for view in found.book["views"] for note in view["layout"].get("annotations", ())]
    assert any("script" in label for label in labels) and not any("<a" in label or "<img" in label for label in labels)


def test_json_for_scripts_is_json_that_cannot_leave_its_element():
    value = {"a": HOSTILE, "b": [1.5, None, True], "\u2029": "é"}
    text = script_json(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028\u2029") & set(text)
    with pytest.raises(ValueError):
        script_json(float("nan"))


def test_markup_of_views_stays_and_any_other_becomes_text():
    assert harmless("<b>fc1</b><br>3 < 4 <a href='x'>") == "<b>fc1</b><br>3 &lt; 4 &lt;a href='x'>"
    assert harmless("$x$") == "&#36;x&#36;"
    assert harmless([{"hovertemplate": "%{y}<extra></extra>"}]) == [{"hovertemplate": "%{y}<extra></extra>"}]
    assert plain("<b>fc1</b><br>3 &lt; 4") == "fc1 3 < 4"


def test_a_long_run_fits_into_a_few_megabytes_and_says_what_it_leaves_out(long_history):
    assert len(long_history) == 300
    text = report(pl.Recipe(data="mnist", rounds=30), long_history)
    book = Page(text).book
    settled = [s for s in long_history if s.settled]
    assert len(settled) == 61 and 30 <= len(book["moments"]) < 61
    assert book["moments"][0].startswith("dense") and book["moments"][-1].startswith("round 30, retraining")
    assert f"{len(book['moments'])} of 62 moments are shown." in text
    assert len(text) < 8_000_000
    assert "Bytes and speed were not measured." in text


def test_a_run_that_has_only_begun_has_a_report(recipe, history):
    book = Page(report(recipe, history[:1])).book
    assert book["moments"] == ["dense, training · " + book["moments"][0].split(" · ")[1]]
    with pytest.raises(ValueError, match="empty"):
        report(recipe, [])


def as_by(recipe, moment):
    """The moment as if the recipe had led to it."""
    return replace(moment, recipe=recipe, target=recipe.target_of_round(moment.round))


@pytest.mark.parametrize(
    ("recipe", "parts"),
    [
        (pl.Recipe(rounds=2), ["lenet-300-100", "from 0.75 to 1.5", "L2 penalty 0.0001", "SGD", "Dropout was lowered"]),
        (pl.Recipe(ramp=False, quality=2.0, rounds=1), ["a quality of 2", "In 1 round,"]),
        (pl.Recipe(rule="density", density=0.05, unit="neuron", scope="layer", rounds=2), ["filters of each", "5.0 %"]),
        (pl.Recipe(model="own", data="own", regularizer="none", dropout=0.0), ["one's own", "no penalty"]),
        (pl.Recipe(rounds=7, quality=1.4), ["In 2 of 7 rounds, ", "from 0.2 to 0.4", "after each cut", "20 epochs"]),
        (pl.Recipe(batch_norm=True, layer_quality={"fc1": 2.0}), ["batch normalisation", "but to 1.33 for fc1"]),
    ],
)  # fmt: skip
def test_recipes_are_told_in_words(recipe, parts, history):
    text = told(recipe, [as_by(recipe, s) for s in history if s.round <= recipe.rounds])
    assert all(part in text for part in parts), text
    assert text.endswith(".") and "  " not in text
