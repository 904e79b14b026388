"""The download bar in a real page: files whole, reasons in words, texts on the clipboard."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from support.small_widgets import DOWNLOAD, SHOWN, expect_there, fits, press, root

Notebook = Callable[..., Path]
Voila = Callable[..., str]


def test_a_file_of_five_megabytes_arrives_byte_for_byte(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, DOWNLOAD))
    expect_there(page, "download")
    with page.expect_download() as started:
        press(page, "Data")
    arrived = started.value
    data = bytes((i * i // 7) % 256 for i in range(500_000)) * 10 + b"<the end>"
    assert arrived.suggested_filename == "prünelab data.bin"
    assert hashlib.sha256(Path(arrived.path()).read_bytes()).digest() == hashlib.sha256(data).digest()
    expect(root(page, "download")).to_have_attribute("data-state", "done")
    expect(root(page, "download").get_by_role("status")).to_have_text("Data: downloaded prünelab data.bin (5.0 MB)")
    with page.expect_download():  # the second time as well, and the file itself again
        press(page, "Data")
    with page.expect_download():
        page.get_by_role("link", name="prünelab data.bin").click()


def test_what_cannot_be_had_is_said_in_words(page: Page, notebook: Notebook, voila: Voila) -> None:
    voila(notebook(SHOWN, DOWNLOAD))
    expect_there(page, "download")
    status = root(page, "download").get_by_role("status")
    model = page.get_by_role("button", name="Model")
    expect(model).to_be_disabled()
    expect(model).to_have_attribute("title", "Nothing is trained yet.")
    model.click(force=True)  # as a finger does, which sees no title
    expect(status).to_have_text("Model: Nothing is trained yet.")
    press(page, "Report")
    expect(status).to_have_text("Report: page 3 of 6")
    expect(page.get_by_role("button", name="Report")).to_be_disabled()
    press(page, "fail")
    expect(status).to_have_text("Report: the <b>disk</b> is full; make room")
    expect(root(page, "download")).to_have_attribute("data-state", "error")
    expect(page.get_by_role("button", name="Report")).to_be_enabled()
    press(page, "allow")
    expect(model).to_be_enabled()
    assert fits(page, 360)


def test_a_text_is_copied(page: Page, notebook: Notebook, voila: Voila, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    voila(notebook(SHOWN, DOWNLOAD))
    expect_there(page, "download")
    press(page, "Copy Python")
    expect(root(page, "download").get_by_role("status")).to_have_text("Copy Python: copied")
    assert page.evaluate("navigator.clipboard.readText()") == 'import prunelab as pl\nprint("<b>ä</b>")'


def test_a_text_is_offered_where_a_page_may_not_copy(page: Page, notebook: Notebook, voila: Voila) -> None:
    page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.execCommand = () => false;"
    )
    voila(notebook(SHOWN, DOWNLOAD))
    expect_there(page, "download")
    press(page, "Copy Python")
    expect(root(page, "download")).to_have_attribute("data-state", "offered")
    field = page.get_by_role("textbox", name="Copy Python: text to copy")
    expect(field).to_be_focused()
    assert page.evaluate("getSelection().toString()") == 'import prunelab as pl\nprint("<b>ä</b>")'
