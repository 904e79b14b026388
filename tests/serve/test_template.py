"""The page is ours, whatever template an address names."""

from __future__ import annotations

import urllib.request

import pytest

from support.lab_page import DASHBOARD
from support.servers import start_voila, stop


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = start_voila(DASHBOARD, tmp_path_factory.mktemp("home"), preheat=False)
    yield started
    stop(started)


@pytest.mark.parametrize("template", ["there-is-none", "../../etc", "lab", "%3Cscript%3E"])
def test_an_address_that_names_a_template_has_the_page(server, template):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server.url}?template={template}", timeout=60) as answer:
        assert answer.status == 200
        text = answer.read1()
        assert text.startswith(b"<!DOCTYPE html>"), "only signs of life came: a page that loads for ever"
        assert b"prunelab is starting" in text + answer.read()
