"""Whether any page still shows the lab. A run that no page shows pauses: a kernel that keeps sending is never culled.

Every view on a page sends "here" every ten seconds and "gone" when its page closes. Browsers may let a background page
send only once a minute, so silence counts later than "gone".
"""

from __future__ import annotations

import threading

FAREWELL = 60.0  # seconds after "gone" from the last page
MAX_VIEWS = 100  # views that are remembered
SILENCE = 180.0  # seconds after the last message of any page, without "gone"


class Presence:
    """Keeps track of the views of a lab. Thread-safe. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: dict[str, float] = {}  # time of the last message, by view id; oldest first
        self._left: float | None = None  # when the last view was closed; None while there is one

    def here(self, view: str, now: float) -> None:
        """A view is on a page."""
        with self._lock:
            self._views.pop(view, None)
            self._views[view] = now
            self._left = None
            if len(self._views) > MAX_VIEWS:  # drop the one with the oldest message
                self._views.pop(next(iter(self._views)))

    def gone(self, view: str, now: float) -> None:
        """A view's page was closed."""
        with self._lock:
            if self._views.pop(view, None) is not None and not self._views:
                self._left = now

    def deserted(self, now: float) -> bool:
        """Whether there was a page and there is none any more. False before the first one: a script has no page."""
        with self._lock:
            if self._left is not None:
                return now - self._left > FAREWELL
            return bool(self._views) and now - max(self._views.values()) > SILENCE
