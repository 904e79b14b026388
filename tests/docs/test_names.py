"""What the pages name is there: files, and links that mean the defaults of today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from markdown_it import MarkdownIt

from prunelab.data import load
from prunelab.lab import links
from prunelab.recipe import allowed
from support.docs_site import SOURCES
from support.servers import CHECKOUT

README = CHECKOUT / "README.md"
PAGES = [
    README,
    CHECKOUT / "CONTRIBUTING.md",
    *(page for page in sorted(SOURCES.rglob("*.md")) if "_build" not in page.parts),
]
FILE = re.compile(r"\b(?:prunelab|tests|docs|scripts|notebooks|deploy|binder)/[\w./-]+\.[a-z]+\b")
LINK = re.compile(r"""(?:\?|from_query\(["']|--link\ ["'])([a-z_.]+=[^\s`"')]*)""")
each_page = pytest.mark.parametrize("guide", PAGES, ids=lambda guide: str(guide.relative_to(CHECKOUT)))


@each_page
def test_files_that_a_page_names_are_there(guide: Path) -> None:
    named = FILE.findall(guide.read_text(encoding="utf-8"))
    assert [file for file in named if not (CHECKOUT / file).exists()] == []


@each_page
def test_links_with_fields_of_a_recipe_say_their_version(guide: Path) -> None:
    for link in LINK.findall(guide.read_text(encoding="utf-8")):
        keys = {pair.partition("=")[0] for pair in link.split("&")}
        assert "v" in keys or not keys & set(allowed()), f"{link}: means the defaults of version 1"
        links.from_query(link.replace("...", ""))


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = [
        token.content for token in MarkdownIt("commonmark").parse(README.read_text("utf-8")) if token.type == "fence"
    ]
    digits = load("digits")
    names = {"train": (digits.train_x, digits.train_y), "test": (digits.test_x, digits.test_y)}
    with torch.random.fork_rng():
        for block in blocks:
            if "data=(train, test)" in block:  # a model of the reader's own, for the data above
                names["model"] = torch.nn.Sequential(
                    torch.nn.Flatten(), torch.nn.Linear(64, 30), torch.nn.Linear(30, 10)
                )
                block = block.replace("rounds=3)", "rounds=1, epochs=1, retrain_epochs=1)")
                block = "\n".join(line for line in block.splitlines() if '"mse"' not in line)  # of other data
            names["example"] = digits.test_x[:8]
            exec(compile(block, str(README), "exec"), names)
    assert (tmp_path / "model.prune").exists()
