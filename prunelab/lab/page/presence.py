"""Whether any page still shows the lab. A run that no page shows pauses: a kernel that keeps sending is never culled.

Every view on a page sends "here" every few seconds and "gone" when its page closes. Browsers may let a background page
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
        self._expected: float | None = None  # since when the first view is on its way; None if there is no page to come
        self._heard: float | None = None  # time of the last message of any view

    def here(self, view: str, now: float) -> bool:
        """A view is on a page. Returns whether it was the first of a page that was on its way."""
        with self._lock:
            awaited = self._expected is not None
            self._views.pop(view, None)
            self._views[view] = now
            self._left = self._expected = None
            self._heard = now
            if len(self._views) > MAX_VIEWS:  # drop the one with the oldest message
                self._views.pop(next(iter(self._views)))
            return awaited

    def expect(self, now: float) -> None:
        """A visitor has come: a page is on its way."""
        with self._lock:
            self._expected = now

    @property
    def awaited(self) -> bool:
        """Whether a page is on its way that has not said yet that it is there."""
        with self._lock:
            return self._expected is not None

    def heard_since(self, then: float) -> bool:
        """Whether a view has said that it is there since ``then``."""
        with self._lock:
            return self._heard is not None and self._heard >= then

    def gone(self, view: str, now: float) -> None:
        """A view's page was closed."""
        with self._lock:
            if self._views.pop(view, None) is not None and not self._views:
                self._left = now

    def deserted(self, now: float) -> bool:
        """Whether there was a page and there is none any more, or one that was expected never came.

        False where no page is expected: a script has none.
        """
        with self._lock:
            if self._left is not None:
                return now - self._left > FAREWELL
            if self._expected is not None:
                return now - self._expected > SILENCE
            return bool(self._views) and now - max(self._views.values()) > SILENCE
