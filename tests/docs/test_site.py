"""The pages as a host serves them: complete, without warnings, whole in themselves."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from support.docs_site import SOURCES, Site


def test_nothing_is_warned_of(docs_site: Site) -> None:
    assert docs_site.warnings == ""


def test_every_source_is_a_page_that_the_table_of_contents_leads_to(docs_site: Site) -> None:
    names = {
        source.relative_to(SOURCES).with_suffix(".html").as_posix()
        for suffix in ("md", "ipynb")
        for source in SOURCES.rglob(f"*.{suffix}")
        if "_build" not in source.parts
    }
    assert {"index.html", "how-to/own-model.html", "how-to/gallery/own_models.html"} <= names
    home = docs_site.page("index.html")
    linked = {unquote(urlsplit(address).path) for tag, address in home.references if tag == "a"}
    assert names - {"index.html"} <= linked


def test_every_link_within_the_site_leads_somewhere(docs_site: Site) -> None:
    known = {page.path: page.anchors for page in docs_site.all_pages}
    broken = []
    for page in docs_site.all_pages:
        for _, address in page.references:
            parts = urlsplit(address)
            if parts.scheme:
                continue
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            if not target.is_file() or unquote(parts.fragment) not in known.get(target, {parts.fragment}):
                broken.append(f"{page.path.relative_to(docs_site.pages)}: {address}")
    assert broken == []
    assert len(known) > 20


def test_pages_load_nothing_from_elsewhere(docs_site: Site) -> None:
    loaded = [
        (page.path.name, tag, address)
        for page in docs_site.all_pages
        for tag, address in page.references
        if tag != "a" and urlsplit(address).scheme not in ("", "data")
    ]
    assert loaded == []
    links = [address for page in docs_site.all_pages for tag, address in page.references if tag == "a"]
    assert {urlsplit(address).scheme for address in links} <= {"", "https"}
    for sheet in docs_site.pages.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name
