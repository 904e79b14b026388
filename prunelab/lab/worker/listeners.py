"""Functions of the user's that hear every state of the lab; what they raise cannot end the thread that trains."""

from __future__ import annotations

from collections.abc import Callable

from prunelab.errors import first_line
from prunelab.lab.messages import LabState

Listener = Callable[[LabState], object]


class Listeners:
    """The functions of ``Lab.on_state``. error: what one of them raised last, in words; None: nothing yet.

    failed: called when one has raised.
    """

    def __init__(self, failed: Callable[[], object]) -> None:
        self.error: str | None = None
        self._failed = failed
        self._all: list[Listener] = []
        self._latest: LabState | None = None

    def add(self, listener: Listener) -> None:
        """Call it for the latest state, if there is one, and for every new one."""
        self._all.append(listener)
        if self._latest is not None:
            listener(self._latest)

    def remove(self, listener: Listener) -> None:
        """Stop calling it."""
        self._all.remove(listener)

    def tell(self, state: LabState) -> None:
        """Call all of them with a new state, on this thread."""
        self._latest = state
        for listener in tuple(self._all):
            try:
                listener(state)
            except Exception as error:  # somebody's own: it would end the thread that trains
                self.error = f"A function given to on_state raised {type(error).__name__}: {first_line(error)}"
                self._failed()
