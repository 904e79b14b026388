"""What the host's desk knows of every lab, and does when it is time: all state of a workshop beside its kernels.

On the server's loop only. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import psutil
from jupyter_core.utils import ensure_async

from prunelab.workshop.room import Room

SETTING = "prunelab_desk"  # of the server's application: the desk
TICK = 1.0  # seconds between two looks at all labs
UNSEEN = 45.0  # seconds that a kernel may be without a page: one that comes, or reloads
WARNING = 60.0  # seconds from the word that a place is about to be given away until it is
SPARE = 4  # times that a lab may rest longer when nobody waits for its place
FAREWELL = 5.0  # seconds for a page that was sent away to close its kernel by itself
LOOK_AT_MEMORY = 5  # ticks between two looks

RESTING = (
    "Nobody has touched this page for a while: in a minute its lab ends, and its place is for whoever waits. Move or "
    "press anything to keep it."
)


@dataclass
class Coming:
    """A page that is being made. visitor: whose it is. given: whether it has got its kernel."""

    visitor: str
    given: bool = False


PAGE: ContextVar[Coming] = ContextVar("page")  # the one that the running task makes


@dataclass
class Desk:
    """manager: Jupyter's, of kernels. away: the address of the page that says why a lab was ended, which takes ``why``.

    rest: seconds that a lab may rest while others wait. memory: bytes that a kernel may take. word: of the host, at the
    top of all labs; "" for none. link: the message that labs which open later get; {} for none.
    """

    room: Room
    manager: Any
    away: str
    rest: float
    memory: int
    word: str = ""
    link: dict[str, str] = field(default_factory=dict)
    labs: dict[str, OpenLab] = field(default_factory=dict)  # by kernel, oldest first
    guesses: dict[str, dict[str, Any]] = field(default_factory=dict)  # the latest of each visitor, who may have left
    _numbers: dict[str, int] = field(default_factory=dict)  # by visitor
    _ticks: int = 0
    _tasks: set[asyncio.Future[None]] = field(default_factory=set)

    def given(self, kernel: str) -> None:
        """A kernel was given to the visitor whose page is being made."""
        page, now = PAGE.get(), time.monotonic()
        visitor = page.visitor
        self.room.opened(visitor, kernel)
        page.given = True
        number = self._numbers.setdefault(visitor, len(self._numbers) + 1)
        self.labs[kernel] = OpenLab(kernel, visitor, number, since=now, touched=now, seen=now)

    def touched(self, kernel: str) -> None:
        """A hand has moved something on a page."""
        lab = self.labs.get(kernel)
        if lab is None:
            return
        lab.touched = time.monotonic()
        self._take_back_warning(lab)

    def guessed(self, kernel: str, guess: dict[str, Any]) -> None:
        """A visitor has answered a question; see ``lab.page.host_line``."""
        lab = self.labs.get(kernel)
        if lab is not None:
            self.guesses[lab.visitor] = guess

    def say(self, word: str) -> None:
        """Put a word of the host's at the top of all labs, now and later; "": none. A warning there goes before it."""
        self.word = word
        for lab in self.labs.values():
            if lab.warned is None:
                lab.tell({"say": word})

    def follow(self, query: str) -> None:
        """Open a link in all labs, now and later; "": in those that open later none any more.

        Its id tells a lab that is loaded anew that it has followed it before.
        """
        self.link = {"follow": query, "id": secrets.token_hex(8)} if query else {}
        if self.link:
            for lab in self.labs.values():
                lab.tell(self.link)

    def listens(self, kernel: str, send: Callable[[dict[str, Any]], None]) -> None:
        """A lab has opened its line, on which it hears what was said before. send: passes a message to it."""
        lab = self.labs.get(kernel)
        if lab is None:
            return
        lab.send = send
        said = self.word if lab.warned is None else RESTING
        if said:
            lab.tell({"say": said})
        if self.link:
            lab.tell(self.link)

    def send_away(self, kernel: str, why: str) -> None:
        """End a lab: its page says why (a key of ``pages.WHY``), and leads back to what was saved."""
        lab = self.labs.get(kernel)
        if lab is None or lab.leaving:
            return
        lab.leaving = True
        lab.tell({"go": f"{self.away}?why={why}"})
        self._later(self._end(kernel))

    def let_go(self) -> frozenset[str]:
        """Kernels that have ended count no more for their visitors. Returns those that are there."""
        there = frozenset(self.manager.list_kernel_ids())
        for kernel in self.room.kernels() - there:
            self.room.closed(kernel, time.monotonic())
        return there

    async def look(self) -> None:
        """Whatever is due now; called every ``TICK`` seconds."""
        now, there = time.monotonic(), self.let_go()
        for kernel, lab in tuple(self.labs.items()):
            if kernel not in there:
                del self.labs[kernel]
                continue
            if self.manager._kernel_connections.get(kernel, 0):
                lab.seen = now
            elif now - lab.seen > UNSEEN:
                self._later(self._end(kernel, after=0))
            if lab.report.get("busy"):
                lab.touched = max(lab.touched, now - TICK)
            self._mind_rest(lab, now)
        self._ticks += 1
        if self._ticks % LOOK_AT_MEMORY == 0:
            self._mind_memory()

    def _mind_rest(self, lab: OpenLab, now: float) -> None:
        allowed = self.rest * (1 if self.room.waiting(now) else SPARE)
        rested, warning = now - lab.touched, min(WARNING, self.rest / 2)
        if rested <= allowed - warning:  # those who waited have gone, perhaps
            self._take_back_warning(lab)
        elif lab.warned is None:
            lab.warned = now
            lab.tell({"say": RESTING})
        elif rested > allowed and now - lab.warned > warning:
            self.send_away(lab.kernel, "rest")

    def _take_back_warning(self, lab: OpenLab) -> None:
        if lab.warned is not None:
            lab.warned = None
            lab.tell({"say": self.word})

    def _mind_memory(self) -> None:
        for kernel, lab in self.labs.items():
            try:
                lab.memory = psutil.Process(self.manager.get_kernel(kernel).provisioner.pid).memory_info().rss
            except psutil.Error:  # it has ended since we looked
                continue
            if lab.memory > self.memory:
                self.send_away(kernel, "memory")

    async def _end(self, kernel: str, after: float = FAREWELL) -> None:
        await asyncio.sleep(after)
        if kernel in self.manager:
            await ensure_async(self.manager.shutdown_kernel(kernel, now=False))

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@dataclass
class OpenLab:
    """A visitor's page. number: of the visitor, from 1. since: when it came. touched: when a hand last moved something.

    seen: when a page was last connected. report: what the lab said last (see ``lab.page.host_line.report``). send:
    passes a message to the lab; None while it has no line. warned: when it was told that it rests too long. memory:
    bytes, 0 before the first look.
    """

    kernel: str
    visitor: str
    number: int
    since: float
    touched: float
    seen: float
    report: dict[str, Any] = field(default_factory=dict)
    send: Callable[[dict[str, Any]], None] | None = None
    warned: float | None = None
    leaving: bool = False
    memory: int = 0

    def tell(self, message: dict[str, Any]) -> None:
        """Say something to the lab, if it listens."""
        if self.send is not None:
            self.send(message)
