"""Chromium for measurements: the system's if there is one, quiet, and without a way out of this machine."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, sync_playwright

PROBE = Path(__file__).with_name("page.js")
VIEWPORT = {"width": 1280, "height": 900}
SWING = 24  # pixels to either side that a drag goes
BETWEEN = 1 / 60  # seconds between two movements of a mouse
PATIENCE = 120_000  # ms for whatever a page is waited for

FLAGS = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    # Two pages are open at once; neither is to be put to sleep because the other is in front.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--enable-precise-memory-info",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser. Raises playwright's Error when there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, *root])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A visitor with an empty cache who opens one page, "lab" or "bare", and waits until it can be used.

    milliseconds: from the start of the navigation until then. received: bytes through websockets until then.
    """

    def __init__(self, browser: Browser, kind: str, url: str) -> None:
        self.kind = kind
        self.kernel_id = ""
        self.received = 0
        self._context: BrowserContext = browser.new_context(viewport={**VIEWPORT})  # type: ignore[arg-type]
        self._context.set_default_timeout(PATIENCE)
        self._context.add_init_script(path=PROBE)
        self.page: Page = self._context.new_page()
        self.page.on("websocket", self._listen)
        self.page.goto(url)
        self.milliseconds = float(self.page.evaluate("kind => prunelabBench.usable(kind)", kind))
        self.received_until_usable = self.received
        self._rising: dict[str, bool] = {}

    def press(self, kind: str | None = None) -> float:
        """Milliseconds from a press of an arrow key on a slider until its value is on the screen everywhere.

        Up and down in turns, around where the slider stands. kind: whose slider, where a page has both.
        """
        kind = kind or self.kind
        handle = self.page.locator(self.page.evaluate("kind => prunelabBench.PAGES[kind].handle", kind)).first
        up = self._rising.get(kind, True)
        handle.focus()
        value = float(handle.get_attribute("aria-valuetext") or "nan")
        wanted = round(value + (0.05 if up else -0.05), 2)
        self.page.evaluate("([kind, wanted]) => prunelabBench.arm(kind, wanted)", [kind, wanted])
        handle.press("ArrowRight" if up else "ArrowLeft")
        taken = float(self.page.evaluate("prunelabBench.taken()"))
        self._rising[kind] = not up
        return taken

    def drag(self, moves: int) -> list[float]:
        """Milliseconds from movements of the mouse, dragging the slider, until the threshold lines stand there.

        The mouse swings around where the handle is, some 60 times a second, as a hand would.
        """
        handle = self.page.locator(self.page.evaluate("prunelabBench.PAGES.lab.handle")).first
        box = handle.bounding_box()
        assert box is not None, "the slider is not on the screen"
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.evaluate("prunelabBench.follow()")
        for number in range(1, moves + 1):
            self.page.mouse.move(x + SWING * math.sin(number / 8), y)
            time.sleep(BETWEEN)
        times = [float(taken) for taken in self.page.evaluate("prunelabBench.dragged()")]
        self.page.mouse.move(x, y)
        self.page.mouse.up()
        return times

    def scrub(self, key: str) -> float:
        """Milliseconds from a key on the scrubber until all visible plots show another moment."""
        scrubber = self.page.get_by_role("slider", name="moment of the run")
        scrubber.focus()
        self.page.evaluate("prunelabBench.armScrubber()")
        scrubber.press(key)
        return float(self.page.evaluate("prunelabBench.taken()"))

    def stroke(self, number: int) -> float:
        """Milliseconds from a movement of the pen on a blank sheet until the probabilities are painted anew."""
        panel = self.page.locator(".pl-draw")
        panel.get_by_role("button", name="Clear").click()
        panel.locator(".prunelab-plot-words", has_text="raw a digit").wait_for(state="attached")
        box = self.page.locator(".pl-draw canvas").first.bounding_box()
        assert box is not None, "the sheet is not on the screen"
        x, y = box["x"] + box["width"] * (0.3 + 0.05 * (number % 8)), box["y"] + box["height"] * 0.3
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.evaluate("prunelabBench.armStroke()")
        self.page.mouse.move(x + 4, y + box["height"] * 0.3)
        taken = float(self.page.evaluate("prunelabBench.taken()"))
        self.page.mouse.up()
        return taken

    def heap(self) -> float:
        """Bytes of JavaScript's heap, after collecting what is garbage."""
        self.page.request_gc()
        return float(self.page.evaluate("prunelabBench.heap()"))

    def speed(self, seconds: float) -> float:
        """Training steps a second, watched for so long on the page."""
        return float(self.page.evaluate("seconds => prunelabBench.speed(seconds)", seconds))

    def click(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def wait_for(self, **attributes: str) -> None:
        """Wait until the lab's data attributes are these."""
        selector = ".prunelab" + "".join(f'[data-{name}="{value}"]' for name, value in attributes.items())
        self.page.locator(selector).wait_for(state="attached")

    def close(self) -> None:
        self._context.close()

    def _listen(self, socket: WebSocket) -> None:
        _, found, rest = socket.url.partition("/api/kernels/")
        if found:
            self.kernel_id = rest.partition("/")[0]
        socket.on("framereceived", self._count)

    def _count(self, payload: str | bytes) -> None:
        self.received += len(payload.encode() if isinstance(payload, str) else payload)
