"""The only way to write to the widgets. Updates run on the event loop that was running when the lab was built.

Each lane has at most ten updates a second, of which the latest wins: a slow or disconnected browser never falls behind.
The first one after a pause runs at once, so that a slider feels immediate. Without a loop (in a script or a test)
updates run directly, one at a time.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

INTERVAL = 0.1  # seconds between two updates of a lane
# The same for lanes without user input: every update redraws all that is in view, in the kernel and in the browser,
# which takes time from the training and from the slider.
UNHURRIED = {"run": 0.4, "page": 0.2}

# Runs a function soon, on the loop that writes to widgets.
Soon = Callable[[Callable[[], object]], None]
Update = Callable[[], object]


class Bridge:
    """Runs updates from any thread on the widgets' thread. complain: called with the exception of a failed update."""

    def __init__(self, complain: Callable[[Exception], None]) -> None:
        self._complain = complain
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._home = threading.get_ident()  # the widgets' thread
        self._lock = threading.RLock()  # one update at a time, also without a loop
        self._waiting: dict[str, Update] = {}  # by lane
        self._last: dict[str, float] = {}  # time of the last update, by lane
        self._timers: dict[str, asyncio.TimerHandle] = {}  # one per lane, or an update would come too early
        self._leisure: asyncio.TimerHandle | None = None  # of ``at_rest``
        self._latest: tuple[Update | None, float] = (None, 0.0)  # the last update of any lane, and its time
        self._at_rest = threading.Event()
        self._at_rest.set()

    def rest(self, timeout: float) -> None:
        """Block while an update runs, at most ``timeout`` seconds.

        For work that can wait: Python runs one thread at a time, and a second busy thread would delay every message to
        the page.
        """
        self._at_rest.wait(timeout)

    def post(self, lane: str, update: Update) -> None:
        """Run ``update`` soon. It replaces an update of the same lane that still waits."""
        if self._loop is None or self._loop.is_closed():
            with self._lock:
                self._do(update)
            return
        with self._lock:
            scheduled = lane in self._waiting
            self._waiting[lane] = update
        if not scheduled:
            self._loop.call_soon_threadsafe(self._schedule, lane)

    def soon(self, update: Update) -> None:
        """Run ``update`` soon, in the order of the calls; none is dropped."""
        if self._loop is None or self._loop.is_closed():
            with self._lock:
                self._do(update)
        else:
            self._loop.call_soon_threadsafe(self._do, update)

    def at_rest(self, update: Update, seconds: float) -> None:
        """Run ``update`` when this has not been called for so long. On the loop; without one, ``update`` never runs.

        For what nobody looks at yet: without a loop there is no screen.
        """
        if self._loop is None or self._loop.is_closed():
            return
        if self._leisure is not None:
            self._leisure.cancel()
        self._leisure = self._loop.call_later(seconds, self._do, update)

    def flush(self) -> None:
        """Run all waiting updates now. For code that blocks the loop itself: ``Lab.wait`` in a notebook cell."""
        if self._loop is None or threading.get_ident() == self._home:
            for lane in list(self._waiting):
                self._run(lane)

    def _schedule(self, lane: str) -> None:
        """Run the lane's waiting update, or set a timer for it. On the loop."""
        assert self._loop is not None
        timer = self._timers.pop(lane, None)
        if timer is not None:
            timer.cancel()
        update = self._waiting.get(lane)
        if update is None:
            return
        latest, when = self._latest
        # An update another lane just ran counts as run in this lane too.
        last = max(self._last.get(lane, 0.0), when if update == latest and lane in UNHURRIED else 0.0)
        wait = last + UNHURRIED.get(lane, INTERVAL) - time.monotonic()
        if wait > 0:
            self._timers[lane] = self._loop.call_later(wait, self._schedule, lane)
        else:
            self._run(lane)

    def _run(self, lane: str) -> None:
        with self._lock:
            update = self._waiting.pop(lane, None)
            # The same update that waits in other lanes is done with it.
            self._waiting = {name: other for name, other in self._waiting.items() if other != update}
        if update is not None:
            self._do(update)
            self._last[lane] = time.monotonic()
            self._latest = (update, self._last[lane])

    def _do(self, update: Update) -> None:
        self._at_rest.clear()
        try:
            update()
        except Exception as error:  # a loop would only log it, a script's runner thread would end
            self._complain(error)
        finally:
            self._at_rest.set()
