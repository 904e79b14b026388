"""The glossary: two sentences a term, for all terms that the page, the lessons and the documentation need."""

from __future__ import annotations

import re

import pytest

from prunelab.resources import PACKAGE
from prunelab.views import glossary
from prunelab.views.registry import REGISTRY

NEEDED = (
    "density", "sparsity", "connections", "compression", "threshold", "quality", "deviation", "mask", "survivors",
    "round", "retraining", "dropout adjustment", "effective density", "dead neuron", "entropy bound",
    "zeros still zero", "sensitivity", "dense", "prune", "accuracy", "speed", "file",
)  # fmt: skip


@pytest.mark.parametrize("term", glossary.GLOSSARY)
def test_a_term_is_explained_in_two_plain_sentences(term):
    text = glossary.about(term)
    sentences = re.findall(r"[^.]+(?:\d\.\d[^.]*)*\.(?=\s|$)", text)
    assert len(sentences) == 2 and text.endswith(".")
    assert all(len(sentence) < 140 for sentence in sentences)
    assert not re.search(r"[<>$_`*]", text), "plain text"


def test_all_terms_are_there_in_their_order():
    assert set(NEEDED) <= set(glossary.GLOSSARY)
    assert list(glossary.GLOSSARY) == sorted(glossary.GLOSSARY)
    with pytest.raises(KeyError, match="did you mean 'density'"):
        glossary.about("densty")


def test_every_panel_has_a_term():
    assert all(entry.term in glossary.GLOSSARY for entry in REGISTRY.values())


def test_the_page_of_the_documentation_is_the_glossary():
    page = PACKAGE.parent / "docs" / "reference" / "glossary.md"
    assert page.read_text(encoding="utf-8") == glossary.as_markdown(), (
        "write it anew: python -c 'from prunelab.views import glossary; print(glossary.as_markdown(), end=str())'"
    )
