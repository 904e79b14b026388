"""Whether anybody still looks. A run that nobody watches pauses itself; a kernel that keeps talking is
never culled.

Every view on a page says "here" every ten seconds and "gone" when its page closes. A page in the background may be
allowed to speak only once a minute, so silence alone counts later than a farewell.
"""

from __future__ import annotations

import threading

FAREWELL = 60.0  # seconds after the last page said that it closes
MOST = 100  # views that are remembered
SILENCE = 180.0  # seconds after the last page was heard of, without a farewell


class Presence:
    """Heard from any thread, asked from any thread. Times are seconds of a clock that only goes forward."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: dict[str, float] = {}
        self._left: float | None = None

    def here(self, view: str, now: float) -> None:
        """A view is on a page."""
        with self._lock:
            self._views.pop(view, None)
            self._views[view] = now
            self._left = None
            if len(self._views) > MOST:  # the longest unheard of
                self._views.pop(next(iter(self._views)))

    def gone(self, view: str, now: float) -> None:
        """A view's page was closed."""
        with self._lock:
            if self._views.pop(view, None) is not None and not self._views:
                self._left = now

    def deserted(self, now: float) -> bool:
        """Whether somebody was here and nobody is any more. False as long as nobody ever came: a script has no page."""
        with self._lock:
            if self._left is not None:
                return now - self._left > FAREWELL
            return bool(self._views) and now - max(self._views.values()) > SILENCE
