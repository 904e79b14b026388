"""The top of the page: title, activity, errors, cards; and the data attributes of the page's root element."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import traitlets

from prunelab.lab import wording
from prunelab.lab.messages import LabState
from prunelab.lab.page.presence import Presence
from prunelab.lab.widgets.batching import BatchedWidget
from prunelab.resources import joined_script
from prunelab.views import glossary

HERE = Path(__file__).parent


class Status(BatchedWidget):
    """The status widget. All is synced state, so a page that opens late shows the same; plain text, never markup."""

    _esm = joined_script(HERE / "status.js")
    _css = "\n".join(
        (HERE / f"{name}.css").read_text(encoding="utf-8")
        for name in ("lab", "gallery", "stage", "tour", "../widgets/term_help")
    )

    title = traitlets.Unicode("").tag(sync=True)
    text = traitlets.Unicode("starting").tag(sync=True)
    progress = traitlets.Float(None, allow_none=True).tag(sync=True)
    trouble = traitlets.Unicode("").tag(sync=True)
    cards = traitlets.List(traitlets.Dict()).tag(sync=True)
    terms = traitlets.Dict(help="by name of a card: the term that explains it, and what to say about it").tag(sync=True)
    story = traitlets.Unicode("", help="the finding in words, read out politely").tag(sync=True)
    attributes = traitlets.Dict().tag(sync=True)
    query = traitlets.Unicode(None, allow_none=True, help="what the address should say; None: as it is").tag(sync=True)
    query_keys = traitlets.List(traitlets.Unicode(), help="keys of the address that ``query`` replaces").tag(sync=True)
    session = traitlets.Unicode("", help="the id under which a served page is saved, for its address").tag(sync=True)
    own_id = traitlets.Unicode("", help="``model_id``: a page asks whether the kernel still has it").tag(sync=True)
    address = traitlets.Unicode("", help="where the page is, as the browser says; without a query").tag(sync=True)

    @traitlets.default("terms")
    def _glossary(self) -> dict[str, tuple[str, str]]:
        return {card: (term, glossary.about(term)) for card, term in wording.CARD_TERMS.items()}

    def __init__(self, presence: Presence, came: Callable[[], None], **values: Any) -> None:
        """came: called, on any thread, when a page that was on its way says that it is there."""
        super().__init__(**values)
        self._came = came
        self.ended = False  # whether the lab has ended, though its kernel lives: pages that come back are told
        self.own_id = self.model_id
        self._presence = presence
        self.on_msg(self._heard)

    def show(self, state: LabState, seen: LabState, notes: Iterable[str]) -> None:
        """Show the state. seen: the part of it that the page may show. notes: errors that are not the run's."""
        with self.hold_sync():
            self.title = wording.title(state.recipe, state.subject)
            self.text = wording.status(state)
            self.progress = state.progress
            self.trouble = "\n".join((*notes, *filter(None, [seen.words])))
            self.cards = wording.cards(seen)
            self.story = wording.story(seen)
            self.attributes = wording.attributes(seen)

    def _heard(self, _: Any, content: Any, __: Any) -> None:
        """Handle a message of a page (see status.js), on any thread; unknown messages are ignored."""
        kind, view = content.get("kind"), content.get("view")
        if isinstance(view, str) and len(view) <= 64:
            if kind == "here":
                if self._presence.here(view, time.monotonic()):
                    self._came()
                question = content.get("question")
                if self.ended:
                    self.send({"view": view, "ended": True})
                elif isinstance(question, int):  # answered on this very thread, whatever runs: a sign of life
                    self.send({"view": view, "answer": question, "at": time.monotonic()})
            elif kind == "gone":
                self._presence.gone(view, time.monotonic())
