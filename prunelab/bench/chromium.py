"""Chromium for measurements: the system's if there is one, without background work, and without network access."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, sync_playwright

PROBE = Path(__file__).with_name("page.js")
VIEWPORT = {"width": 1280, "height": 900}
# What visitors have comes first; the headless shell draws without a frame, a little faster.
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
DRAG_REACH = 24  # pixels to either side
MOVE_INTERVAL = 1 / 60  # seconds between two movements of the mouse
TIMEOUT = 120_000  # ms for every wait on a page

FLAGS = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    # Two pages are open at once; the one in the background must not be throttled.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--enable-precise-memory-info",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser. Raises playwright's Error if there is none."""
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *root])
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class Opened:
    """Milliseconds from the start of a navigation until the page is usable (the lab: its slider cuts a trained network,
    and its kernel answers), and until all plots in view are drawn.
    """

    usable: float
    drawn: float


class Visit:
    """A visitor with an empty cache, who opens one page, "lab" or "bare", and waits until it is drawn.

    opened: when it was. received: bytes through websockets so far; until_usable, until_drawn: those until then.
    """

    def __init__(self, browser: Browser, kind: str, url: str) -> None:
        self.kind = kind
        self.kernel_id = ""
        self.received = self.until_usable = 0
        self._context: BrowserContext = browser.new_context(viewport={**VIEWPORT})  # type: ignore[arg-type]
        self._context.set_default_timeout(TIMEOUT)
        self._context.add_init_script(path=PROBE)
        self._rising: dict[str, bool] = {}
        self._url = url
        self.page: Page = self._context.new_page()
        self.opened = self._open()
        self.until_drawn = self.received

    def again(self) -> Opened:
        """Open the page in a new tab: a later visit with a browser that has kept its files."""
        self.page.close()
        self.page = self._context.new_page()
        return self._open()

    def first_cut(self) -> float:
        """Open the page in a new tab, press its slider as soon as it is usable: milliseconds until its cut is shown."""
        self.page.close()
        self.page = self._context.new_page()
        self.page.goto(self._url)
        return float(self.page.evaluate("prunelabBench.firstCut()"))

    def _open(self) -> Opened:
        self.page.on("websocket", self._listen)
        self.page.goto(self._url)
        return self._drawn()

    def _drawn(self) -> Opened:
        usable = self.page.evaluate("kind => prunelabBench.usable(kind)", self.kind)
        self.until_usable = self.received
        return Opened(usable, self.page.evaluate("kind => prunelabBench.drawn(kind)", self.kind))

    def press(self, kind: str | None = None) -> float:
        """Milliseconds from a press of an arrow key on a slider until all of the page shows the new value.

        The presses alternate between up and down. kind: "lab" or "bare", where a page has both sliders.
        """
        kind = kind or self.kind
        handle = self.page.locator(self.page.evaluate("kind => prunelabBench.PAGES[kind].handle", kind)).first
        up = self._rising.get(kind, True)
        handle.focus()
        value = float(handle.get_attribute("aria-valuetext") or "nan")
        target = round(value + (0.05 if up else -0.05), 2)
        self.page.evaluate("([kind, target]) => prunelabBench.arm(kind, target)", [kind, target])
        handle.press("ArrowRight" if up else "ArrowLeft")
        taken = float(self.page.evaluate("prunelabBench.taken()"))
        self._rising[kind] = not up
        return taken

    def drag(self, moves: int) -> list[float]:
        """Milliseconds from each of ``moves`` mouse movements that drag the slider until the threshold lines follow.

        The mouse swings around the handle, with some 60 movements per second, like a user's.
        """
        handle = self.page.locator(self.page.evaluate("prunelabBench.PAGES.lab.handle")).first
        box = handle.bounding_box()
        assert box is not None, "the slider is not on the screen"
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.evaluate("prunelabBench.follow()")
        for number in range(1, moves + 1):
            self.page.mouse.move(x + DRAG_REACH * math.sin(number / 8), y)
            time.sleep(MOVE_INTERVAL)
        times = [float(taken) for taken in self.page.evaluate("prunelabBench.dragged()")]
        self.page.mouse.move(x, y)
        self.page.mouse.up()
        return times

    def scrub(self, key: str) -> float:
        """Milliseconds from a key on the scrubber until all visible plots show another snapshot."""
        scrubber = self.page.get_by_role("slider", name="moment of the run")
        scrubber.focus()
        self.page.evaluate("prunelabBench.armScrubber()")
        scrubber.press(key)
        return float(self.page.evaluate("prunelabBench.taken()"))

    def let_go(self, rounds: int | None) -> float:
        """Milliseconds from letting go of the quality slider until the first cut of the live run is drawn.

        rounds: measure until all of so many rounds are done. The page stands at the dense network.
        """
        handle = self.page.locator(self.page.evaluate("prunelabBench.PAGES.lab.handle")).first
        handle.focus()
        self.page.evaluate("rounds => prunelabBench.armLive(rounds)", rounds)
        handle.press("ArrowRight")
        return float(self.page.evaluate("prunelabBench.taken()"))

    def reload(self) -> float:
        """Milliseconds from a reload until the page is drawn again."""
        self.page.reload()
        return self._drawn().drawn

    def stroke(self, number: int) -> float:
        """Milliseconds from a movement of the pen on a blank sheet until the probabilities are repainted."""
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
        """Bytes of JavaScript's heap after a garbage collection."""
        self.page.request_gc()
        return float(self.page.evaluate("prunelabBench.heap()"))

    def speed(self, seconds: float) -> float:
        """Training steps per second, measured on the page over ``seconds``."""
        return float(self.page.evaluate("seconds => prunelabBench.speed(seconds)", seconds))

    def click(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def wait_for(self, **attributes: str) -> None:
        """Wait until the lab has these data attributes."""
        selector = ".prunelab" + "".join(f'[data-{name}="{value}"]' for name, value in attributes.items())
        self.page.locator(selector).wait_for(state="attached")

    def close(self) -> None:
        self._context.close()

    def _listen(self, socket: WebSocket) -> None:
        _, separator, rest = socket.url.partition("/api/kernels/")
        if separator:
            self.kernel_id = rest.partition("/")[0]
        socket.on("framereceived", self._count)

    def _count(self, payload: str | bytes) -> None:
        self.received += len(payload.encode() if isinstance(payload, str) else payload)
