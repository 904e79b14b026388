"""A served page: its network is ready before the visitor comes, and it is saved as it goes.

The browser keeps the id of the saved lab in the page's address (``?session=...``). A reload gives a new kernel, which
takes over what the old one has saved; see ``worker.visit``.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import Any

from IPython import get_ipython

from prunelab.errors import RecipeError, StorageError
from prunelab.lab.page.late_messages import LateMessages
from prunelab.lab.worker import visit as visits
from prunelab.lab.worker.page_settings import PageSettings
from prunelab.lab.worker.visit import Visit
from prunelab.serve import visitor
from prunelab.sessions.dense_cache import DenseCache

LOOK_EVERY = 1.0  # seconds between two looks whether another kernel wants the saved lab
LINKS = 100  # links that are remembered: more than a hand makes before the address rests
CALL_TIMEOUT = 2.0  # seconds that a page has to answer when the kernel calls it


class Served:
    """Opens a Lab for its visitor, and waits until one comes where the kernel is preheated; then keeps it saved.

    lab: a Lab that has not started. trouble: why the page is not saved, in words; None if it is.
    """

    def __init__(self, lab: Any) -> None:
        self._lab = lab
        self.trouble: str | None = None
        self._visit: Visit | None = None
        self._query = ""
        self._links: deque[str] = deque(maxlen=LINKS)  # links to the page as it was, the latest last
        self._ended = threading.Event()
        try:
            visits.clean()
            lab._opener.cache = DenseCache.if_wanted()
        except StorageError as error:
            self.trouble = f"This page is not saved: {error}"
        query = self._visitor_query() if visitor.preheated() else visitor.query()
        lab._page.expect(lab)
        name, self._query = split(query)
        try:
            self._visit = visits.enter(name)
        except StorageError as error:
            self.trouble = f"This page is not saved: {error}"
        self._open()
        self._guard_against_late_messages()
        if self._visit is not None:
            atexit.register(self.end)  # before the runner's, which lets the folder go
            lab.status.session = self._visit.id
            threading.Thread(target=self._hand_over, name="prunelab-visit", daemon=True).start()

    def _visitor_query(self) -> str:
        """The query of the visitor's address; meanwhile the network is made ready. A network that another kernel trains
        at this moment is waited for, but no longer than until the visitor comes.
        """
        lab, come = self._lab, threading.Event()

        def make_ready() -> None:
            if lab._opener.cache is not None:
                with suppress(StorageError):  # a full disk: nobody is waited for
                    lab._opener.cache.wait(lab.recipe, come)
            lab.start()

        ready = threading.Thread(target=make_ready, name="prunelab-ready", daemon=True)
        ready.start()
        query = visitor.query()
        come.set()
        ready.join()
        return query

    def _open(self) -> None:
        """Show what the visitor's address asks for: a saved lab, a link, or the lab as it is."""
        lab, visit = self._lab, self._visit
        page = self._saved_page()
        if page is not None:
            lab._page.options = replace(page.options, lock=(*lab.options.lock, *page.options.lock))
            lab._page.set_recipe(page.recipe)
            lab._arrange()
            lab._link.preset = page.preset  # not the one that all pages begin with: here it was shown
            lab._link.from_host = page.from_host
            try:
                lab._page.panels["draw"].drawing = page.drawing
            except ValueError as error:
                self.trouble = f"What was saved of this page could not be read: {error}"
        if page is not None and self._run_under_way():
            lab.guess.due = page.guess
        if visit is not None:
            lab.hand.submit("visit", visit)
        if page is not None:
            if not page.opened_by(self._query):  # somebody has changed the address
                lab.follow(self._query)
        elif visitor.preheated() or (visit is not None and visit.source is not None):  # there is a network already
            lab.follow(self._query)
        else:
            lab._apply_link(self._query)
            lab.start()
        self.keep_page()

    def _saved_page(self) -> PageSettings | None:
        if self._visit is None:
            return None
        try:
            return self._visit.page()
        except StorageError as error:
            self.trouble = f"What was saved of this page could not be read: {error}"
            return None

    def _run_under_way(self) -> bool:
        """Whether a run was under way when the page was saved last, whose result somebody may have guessed."""
        assert self._visit is not None
        with suppress(StorageError):  # told where the run is taken up
            return self._visit.run().task in ("retrain", "run")
        return False

    def keep_page(self, *, last: bool = False) -> None:
        """Save what the page is set to. On the widgets' thread; returns at once. last: when it is saved."""
        if self._visit is not None and not self._ended.is_set():
            lab = self._lab
            try:
                link = lab.link()
                if not self._links or self._links[-1] != link:
                    self._links.append(link)
                drawing = lab._page.panels["draw"].drawing
                page = PageSettings(
                    lab.recipe, lab.options, self._query, link, tuple(self._links), drawing, lab._link.preset,
                    lab.guess.due, lab._link.from_host,
                )  # fmt: skip
            except RecipeError:
                return  # the controls give no recipe at this moment: what they gave before stays saved
            self._visit.keep_page(page, last=last)

    def end(self) -> None:
        """The lab ends. What was set in its last moment waits for its turn to be saved: a reload asks for it now."""
        atexit.unregister(self.end)
        self.keep_page(last=True)
        self._ended.set()

    def _guard_against_late_messages(self) -> None:
        shell, status = get_ipython(), self._lab.status
        if shell is None:  # in a script there is no page
            return
        handlers = shell.kernel.shell_handlers
        handlers["comm_msg"] = LateMessages(
            handlers["comm_msg"], status.model_id, lambda count: status.send({"dropped": count})
        )

    def _hand_over(self) -> None:
        """Let another kernel have the saved lab if it asks for it and no page shows this one any more."""
        assert self._visit is not None
        while not self._ended.wait(LOOK_EVERY):
            if self._visit.wanted and not self._page_answers():
                self._lab.stop()

    def _page_answers(self) -> bool:
        lab, called = self._lab, time.monotonic()
        lab._bridge.soon(lambda: lab.status.send({"call": True}))
        while time.monotonic() < called + CALL_TIMEOUT:
            if lab._presence.heard_since(called):
                return True
            self._ended.wait(0.1)
        return False


def split(query: str) -> tuple[str | None, str]:
    """The id of a saved lab in the query of an address, None if there is none; and the rest of the query."""
    parts = [part for part in query.removeprefix("?").split("&") if part]
    named = [part for part in parts if part.partition("=")[0] == visits.KEY]
    rest = "&".join(part for part in parts if part not in named)
    return (named[-1].partition("=")[2] if named else None), rest
