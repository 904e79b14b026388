"""Who may come in: a room has as many places as the machine has memory for, and a queue at its door.

Pure: it knows no server and no clock. Times are seconds of a monotonic clock, and are given with every call.
"""

from __future__ import annotations

from dataclasses import dataclass, field

KEEP = 20.0  # seconds that a place is kept for someone who has no kernel: who is on the way in, or reloads the page
AWAKE = 12.0  # seconds since a waiting visitor has asked, after which those behind may go first
PATIENCE = 180.0  # the same, after which he has left; a page in the background asks seldom
LONGEST_QUEUE = 1000  # visitors


@dataclass
class Place:
    """Of one visitor. kernels: of his open pages. coming: pages that are being made and have none yet.

    until: when it is free again if there is neither.
    """

    until: float
    kernels: set[str] = field(default_factory=set)
    coming: int = 0

    @property
    def pages(self) -> int:
        return len(self.kernels) + self.coming


@dataclass
class Waiting:
    """Of one visitor in the queue. asked: time of his latest question. closed: when a page of his was closed since."""

    asked: float
    closed: float | None = None


class Room:
    """places: how many visitors there may be at once, at least 1. pages: kernels that one visitor may have, at least 1.

    Raises ValueError for fewer.
    """

    def __init__(self, places: int, *, pages: int = 4) -> None:
        if places < 1 or pages < 1:
            raise ValueError(f"a room of {places} places with {pages} pages each: both must be at least 1")
        self.places, self.pages = places, pages
        self._inside: dict[str, Place] = {}
        self._queue: dict[str, Waiting] = {}  # by visitor, in the order of arrival

    def ask(self, visitor: str, now: float) -> int:
        """The visitor's number in the queue, from 1; 0: he may come in, and his place is kept for ``KEEP`` seconds."""
        self._forget(now)
        place = self._inside.get(visitor)
        if place is not None:
            place.until = now + KEEP
            return 0
        if visitor not in self._queue and len(self._queue) >= LONGEST_QUEUE:
            return len(self._queue) + 1
        self._queue[visitor] = Waiting(now)  # in the place that he has
        earlier = list(self._queue)[: list(self._queue).index(visitor)]
        before = [self._queue[other] for other in earlier if self._queue[other].closed is None]
        if sum(now - other.asked <= AWAKE for other in before) < self.places - len(self._inside):
            del self._queue[visitor]
            self._inside[visitor] = Place(now + KEEP)
            return 0
        return len(before) + 1

    def may_open(self, visitor: str) -> bool:
        """Whether a visitor who is inside may open one more page. If so, it counts from now on.

        It ends with ``opened`` or ``failed``; until then the visitor keeps his place.
        """
        place = self._inside.get(visitor)
        if place is None or place.pages >= self.pages:
            return False
        place.coming += 1
        return True

    def opened(self, visitor: str, kernel: str) -> None:
        """A page that ``may_open`` has let in has its kernel. Raises KeyError if its visitor is not inside."""
        place = self._inside[visitor]
        place.coming = max(0, place.coming - 1)
        place.kernels.add(kernel)

    def failed(self, visitor: str, now: float) -> None:
        """A page that ``may_open`` has let in gets no kernel."""
        place = self._inside.get(visitor)
        if place is not None and place.coming:
            place.coming -= 1
            place.until = now + KEEP

    def closed(self, kernel: str, now: float) -> None:
        """A kernel has ended. Nothing happens if it is nobody's."""
        for place in self._inside.values():
            if kernel in place.kernels:
                place.kernels.remove(kernel)
                place.until = now + KEEP

    def leave(self, visitor: str) -> None:
        """A visitor goes at once, from the room or the queue."""
        self._inside.pop(visitor, None)
        self._queue.pop(visitor, None)

    def stop_waiting(self, visitor: str, now: float) -> None:
        """A page of a visitor who waits was closed; one who is inside stays.

        Those behind move up, and he has his number again if he asks within ``KEEP`` seconds: the page was loaded anew,
        or another of his is open.
        """
        if visitor in self._queue:
            self._queue[visitor].closed = now

    def visitor_of(self, kernel: str) -> str | None:
        """Whose kernel this is; None: nobody's."""
        return next((visitor for visitor, place in self._inside.items() if kernel in place.kernels), None)

    def kernels(self) -> frozenset[str]:
        """Those of all visitors."""
        return frozenset(kernel for place in self._inside.values() for kernel in place.kernels)

    def inside(self, now: float) -> int:
        """How many places are taken."""
        self._forget(now)
        return len(self._inside)

    def waiting(self, now: float) -> int:
        """How many visitors wait."""
        self._forget(now)
        return sum(each.closed is None for each in self._queue.values())

    def _forget(self, now: float) -> None:
        """Those who have left without a word."""
        for visitor, place in tuple(self._inside.items()):
            if not place.pages and now > place.until:
                del self._inside[visitor]
        for visitor, each in tuple(self._queue.items()):
            if now - each.asked > PATIENCE or (each.closed is not None and now - each.closed > KEEP):
                del self._queue[visitor]
