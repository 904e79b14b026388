"""Asks for a guess before a result is shown. Teachers switch it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prunelab.formatting import percent
from prunelab.lab.page.bridge import Soon
from prunelab.lab.widgets import basics
from prunelab.lab.widgets.number_field import NumberField
from prunelab.lab.widgets.shared_looks import show
from prunelab.results.objective import CLASSIFYING
from prunelab.results.snapshot import Snapshot

QUESTIONS = {
    "prune": "What will the accuracy be after this cut?",
    "retrain": "What will the accuracy be after retraining?",
    "run": "What will the accuracy be when all rounds are over?",
    "live": "What will the accuracy be when all rounds are over?",
}
REVEAL = "Do it, and show the result"


class Guess(basics.VBox):
    """The question, a slider for the answer, and how far off the answer was.

    go: called with the action once the question is answered. soon: runs a function on the widgets' thread; callbacks of
    buttons may run on any thread.
    """

    def __init__(self, go: Callable[[str], None], soon: Soon) -> None:
        self._go = go
        self.answered: Callable[[str, float], object] = lambda action, value: None  # called with each answer, in %
        self.objective = CLASSIFYING  # its metric is what is guessed
        self.action: str | None = None  # the action that is asked about
        self._due: tuple[str, float] | None = None  # (action, answer in %) until the result is known
        self._latest: Snapshot | None = None  # of the history, as last reported
        self._before: Snapshot | None = None  # the latest when the question was answered: no result of it yet
        self._failures = self._failures_before = 0  # as last reported, and when the question was answered
        self.question = basics.Label("")
        self.slider = NumberField(
            value=90, low=0, high=100, min=0, max=100, step=0.5, decimals=1, description="your guess (%)",
            tooltip="The value that you expect",
        )  # fmt: skip
        self.button = basics.Button(description="Reveal", button_style="primary", tooltip=REVEAL)
        self.cancel = basics.Button(description="Cancel", tooltip="Do nothing")
        self.result = basics.Label("")
        form = basics.HBox([self.slider, self.button, self.cancel])
        form.add_class("pl-bar-of-controls")
        self._form = basics.VBox([self.question, form])
        super().__init__([self._form, self.result])
        self.add_class("pl-guess")
        self.button.on_click(lambda _: soon(self._answered))
        self.cancel.on_click(lambda _: soon(lambda: self.ask(None)))
        self.ask(None)

    def asks(self, action: str) -> bool:
        """Whether there is a question about an action: only metrics in percent are guessed."""
        return action in QUESTIONS and self.objective.is_share

    def ask(self, action: str | None) -> None:
        """Show the question about an action; None: hide it."""
        self.action = action
        self.question.value = QUESTIONS[action].replace("accuracy", self.objective.metric) if action else ""
        show(self._form, action is not None)
        if action:
            self.result.value = ""
        self._arrange()
        if action:
            self.slider.focus()

    def tell(self, now: Snapshot, latest: Snapshot | None, *, busy: bool, failures: int) -> None:
        """Report a new state; once it has the result, show how far off the guess was.

        now: the network. latest: the last of the history: what was guessed adds to it. busy: whether a run goes on or
        is paused. failures: see ``LabState``; after one, no result will come.
        """
        self._latest, self._failures, phase, accuracy = latest, failures, now.phase, now.test_accuracy
        if self._due is not None and failures > self._failures_before:
            self._due = None
        if self._due is None or busy or accuracy is None or latest is self._before:
            return
        action, guess = self._due
        if phase == ("pruned" if action == "prune" else "retrained"):
            self._due = None
            off = 100 * accuracy - guess
            side = "higher" if off > 0 else "lower"
            how = "exactly right" if abs(off) < 0.05 else f"{abs(off):.1f} points {side}"
            self.result.value = f"You guessed {guess:.1f} %, it is {percent(accuracy)}: {how}."
            self._arrange()

    @property
    def due(self) -> tuple[str, float] | None:
        """(action, answer in %) of a guess that waits for its result; None if none does. Can be set: after a reload."""
        return self._due

    @due.setter
    def due(self, due: tuple[str, float] | None) -> None:
        self._due, self._before, self._failures_before = due, None, self._failures

    @property
    def waits(self) -> bool:
        """Whether a guess waits for its result; until then the run's results are hidden."""
        return self._due is not None

    def allow(self, reasons: Mapping[str, str]) -> None:
        """Let the question be answered, unless its action cannot be done now. reasons: {action: why it cannot}."""
        reason = reasons.get(self.action or "")
        self.button.disabled, self.button.tooltip = reason is not None, reason or REVEAL

    def drop(self) -> None:
        """Discard the guess: there will be no result for it."""
        self._due = None
        self.ask(None)

    def _answered(self) -> None:
        action = self.action
        if action is not None and not self.button.disabled:
            self._due, self._before = (action, self.slider.value), self._latest
            self._failures_before = self._failures
            self.ask(None)
            self.answered(action, self.slider.value)
            self._go(action)

    def _arrange(self) -> None:
        show(self, bool(self.action or self.result.value))
