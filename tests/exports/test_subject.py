"""What a run is about stands in its exports: names of model and data, which modules are pruned, what is not counted."""

import csv
import io
import zipfile

import pytest

from prunelab.exports import bundle, report
from prunelab.exports.narrative import headline, told
from prunelab.formatting import file_part
from prunelab.recipe import Recipe
from prunelab.results.subject import Module, Subject

OWN = Recipe(model="own", data="own", rounds=2)
HOSTILE = "<img src=x onerror='alert(1)'>"
SUBJECT = Subject(
    "SpeechNet",
    "birds",
    (
        Module("words", "Embedding", 0, 1200, False, "only weights of Linear and Conv layers are pruned"),
        Module(HOSTILE, HOSTILE, 9000, 30, True, "a Linear layer; never cut: bias"),
        Module("out", "Linear", 300, 10, True, "a Linear layer; never cut: bias"),
    ),
)


def test_names_stand_in_title_and_text(history):
    text = report(OWN, history, subject=SUBJECT)
    assert "<title>SpeechNet on birds: " in text and "<h1>SpeechNet on birds: " in text
    assert "The network, SpeechNet, was trained on birds for " in told(OWN, history, SUBJECT)
    without = report(OWN, history)
    assert "a model of one&#x27;s own on data of one&#x27;s own" in without and "Pruned or not" not in without
    assert report(Recipe(rounds=2), history).count("lenet-300-100 on digits: ") == 2


def test_what_is_not_counted_stands_beside_the_compression(history):
    """By hand: 9,000 + 300 weights in 2 layers; the embedding's 1,200 are not counted; biases are no connections."""
    figures = {name: more for name, _, more in headline(history[-1], None, SUBJECT)}
    assert figures["compression"] == "of 9,300 weights in 2 layers; 1,200 in others not counted"
    all_counted = Subject("SpeechNet", "birds", SUBJECT.modules[1:])
    for subject in (None, all_counted, Subject.of(OWN)):
        figures = {name: more for name, _, more in headline(history[-1], None, subject)}
        assert figures["compression"] == "fewer connections"
    assert figures["compression"] == "fewer connections"
    assert "of 9,300 weights in 2 layers; 1,200 in others not counted" in report(OWN, history, subject=SUBJECT)


def test_the_report_lists_every_module_and_names_stay_text(history):
    text = report(OWN, history, subject=SUBJECT)
    table = text[text.index("Pruned or not, and why") : text.index("Made with")]
    assert table.count("<tr>") == 1 + len(SUBJECT.modules)
    assert "<td>words</td><td>Embedding</td>" in table and ">1,200</td>" in table
    assert "<td>no</td><td>only weights of Linear and Conv layers are pruned</td>" in table
    assert "<img" not in table and "&lt;img src=x onerror=&#x27;alert(1)&#x27;&gt;" in table


def test_the_bundle_has_the_modules_and_the_names(history):
    archive = zipfile.ZipFile(io.BytesIO(bundle(OWN, history, formats=[], subject=SUBJECT)))
    rows = list(csv.DictReader(io.StringIO(archive.read("modules.csv").decode())))
    assert [(row["name"], int(row["counted"]), int(row["others"]), row["pruned"]) for row in rows] == [
        ("words", 0, 1200, "false"), (HOSTILE, 9000, 30, "true"), ("out", 300, 10, "true"),
    ]  # fmt: skip
    readme = archive.read("README.txt").decode()
    assert readme.startswith("SpeechNet on birds: ") and "modules.csv: " in readme
    assert archive.read("report.html").decode() == report(OWN, history, subject=SUBJECT)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("CIFAR10", "CIFAR10"),
        ("lenet-300-100", "lenet-300-100"),
        ("../../etc/passwd", "etc-passwd"),
        ('a<b>:"c|d?*e\\f\n', "a-b-c-d-e-f"),
        ("Größe", "Gr-e"),
        ("...", ""),
        ("x" * 99, "x" * 40),
        ("x" * 39 + "..y", "x" * 39),
    ],
)
def test_parts_of_file_names_are_safe_everywhere(text, part):
    assert file_part(text, 40) == part
