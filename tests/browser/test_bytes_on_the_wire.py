"""How many bytes a visitor costs a class's Wi-Fi, from the page's address to a trained network on the screen."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from support.lab_page import DASHBOARD, expect_drawn, expect_root
from support.line import line_to
from support.servers import Server

FIRST, AGAIN = 2_500_000, 600_000  # bytes, headers included


def test_a_visit_is_small_and_the_next_one_much_smaller(page: Page, voila_server: Callable[..., Server]) -> None:
    server = voila_server(DASHBOARD, preheat=False)
    with line_to(server.url) as line:
        sent = []
        for _ in range(2):
            before = line.sent
            page.goto(line.url)
            expect_root(page, state="ready", phase="trained")
            expect_drawn(page, 1.5)
            sent.append(line.sent - before)
            page.goto("about:blank")
    assert sent[0] <= FIRST, sent
    assert sent[1] <= AGAIN, sent
