"""Runner: the one thread that trains. Commands in, reports out; nothing else touches the session.

Widget callbacks run on threads nobody can predict, so they only put a command on the queue. Between any two batches
the runner looks at the queue: that is how pause, a moved slider and a reset take effect at once.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from prunelab.recipe import TRAINING_FIELDS, Recipe
from prunelab.session import Session
from prunelab.snapshot import Snapshot

HASTY = 1000  # test samples of a preview while the slider moves; the rest follows when it rests

Action = Literal["train", "retrain", "run", "prune", "preview", "change", "pause", "resume", "reset", "stop"]
State = Literal["starting", "ready", "training", "retraining", "running", "paused", "failed"]
BUSY: tuple[State, ...] = ("starting", "training", "retraining", "running")


@dataclass(frozen=True)
class Command:
    """What a control asks for. recipe: as the controls stand. quality: of a prune or preview."""

    action: Action
    recipe: Recipe | None = None
    quality: float | None = None


@dataclass(frozen=True)
class Report:
    """How things stand, for the page. progress: 0 to 1; left: seconds; None when nothing runs.

    trouble: what went wrong last, in words, with what to do; None when all is well. urgent: someone's hand is on the
    slider and waits for this.
    """

    state: State
    recipe: Recipe
    doing: str = ""
    progress: float | None = None
    left: float | None = None
    snapshot: Snapshot | None = None
    preview: Snapshot | None = None
    history: tuple[Snapshot, ...] = ()
    trouble: str | None = None
    urgent: bool = False


class Runner:
    """Runs sessions that ``make`` builds from a recipe. ``report`` is called on the runner's thread."""

    def __init__(self, recipe: Recipe, make: Callable[[Recipe], Session], report: Callable[[Report], None]) -> None:
        self._make = make
        self._tell = report
        self._report = Report("starting", recipe)
        self._commands: queue.Queue[Command] = queue.Queue()
        self._idle = threading.Event()
        self._session: Session | None = None
        self._dense: dict[str, Any] | None = (
            None  # the session's state when dense training ended: what Reset returns to
        )
        self._ticks: Iterator[Snapshot | None] | None = None
        self._what: Literal["train", "retrain", "run"] = "train"
        self._speed: tuple[float, int] = (0.0, 0)  # when the stretch that is being timed began, and at which step
        self._preview: float | None = None  # quality that the slider asks about; None: show what is
        self._thread = threading.Thread(target=self._loop, name="prunelab-runner", daemon=True)

    def start(self) -> None:
        # A thread inside torch when the interpreter ends would abort the process.
        atexit.register(self.end)
        self._thread.start()

    def end(self, timeout: float = 5.0) -> None:
        """Stop after the batch it is at, and wait for that; for good."""
        atexit.unregister(self.end)
        self.submit(Command("stop"))
        self._thread.join(timeout)

    def submit(self, command: Command) -> None:
        """Ask for something; returns at once."""
        self._idle.clear()
        self._commands.put(command)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until nothing is left to do (or paused); False if that took longer than ``timeout`` seconds."""
        return self._idle.wait(timeout)

    @property
    def report(self) -> Report:
        """The latest report."""
        return self._report

    @property
    def session(self) -> Session | None:
        """The session; to be looked at only while the runner is idle."""
        return self._session

    # On the runner's own thread

    def _loop(self) -> None:
        while True:
            command = self._next()
            try:
                if command is not None:
                    if command.action == "stop":
                        return
                    self._handle(command)
                elif self._ticks is not None:
                    self._advance(self._ticks)
            except Exception as error:  # the page is where errors are read: nothing may end this thread unseen
                self._fail(error)

    def _next(self) -> Command | None:
        """The next command; None when there is none and a batch can be computed instead. Sleeps if neither is."""
        running = self._ticks is not None and self._report.state != "paused"
        try:
            command = self._commands.get_nowait()
        except queue.Empty:
            if running:
                return None
            self._idle.set()
            command = self._commands.get()
        return self._latest(command)

    def _latest(self, command: Command) -> Command:
        """Of a row of previews only the last matters: the slider has moved on."""
        while command.action == "preview":
            with self._commands.mutex:
                following = self._commands.queue[0] if self._commands.queue else None
            if following is None or following.action != "preview":
                break
            command = self._commands.get_nowait()
        return command

    def _handle(self, command: Command) -> None:
        action = command.action
        if action == "preview":
            self._look(command)
        elif action == "pause":
            if self._ticks is not None:
                self._say(state="paused", doing="paused")
        elif action == "resume":
            if self._ticks is not None:
                self._go_on()
        elif action == "change":
            if command.recipe is not None and self._session is not None:
                self._session.change(self._merged(command.recipe))
                self._say(recipe=self._session.recipe)
        elif action == "reset":
            self._reset(command.recipe)
        elif action == "prune":
            self._prune(command)
        else:
            self._begin(action, command.recipe)

    def _begin(self, what: Any, recipe: Recipe | None) -> None:
        """Start a stream. Train, and Run all under new training settings, make a new session."""
        wanted = recipe or self._report.recipe
        self._drop()
        if self._session is None or what == "train" or (what == "run" and self._differs(wanted)):
            self._open(wanted)
            what = "train" if what == "retrain" else what
            if what == "train" and self._session is not None and self._session.phase not in ("new", "training"):
                self._settle()  # a saved session that is past training
                return
        assert self._session is not None
        self._session.change(self._merged(wanted))
        if what == "run" and self._session.steps_left("run") == 0 and self._dense is not None:
            self._session.restore(self._dense)  # all rounds are over: again from the dense network
        self._what, self._preview = what, None
        self._ticks = self._session.ticks(what)
        self._go_on()

    def _open(self, recipe: Recipe) -> None:
        self._dense = None
        self._say(state="starting", doing="loading data", progress=None, left=None, recipe=recipe, trouble=None)
        try:
            self._session = self._make(recipe)
        except Exception:
            if self._session is not None:  # the old session is untouched: the lab stays usable with it
                self._say(recipe=self._session.recipe)
            raise
        self._say(recipe=self._session.recipe)

    def _differs(self, recipe: Recipe) -> bool:
        assert self._session is not None
        now, wanted = self._session.recipe.to_dict(), recipe.to_dict()
        own = {name for name in ("model", "data") if now[name] == "own"}
        return any(now[name] != wanted[name] for name in TRAINING_FIELDS if name not in own)

    def _merged(self, recipe: Recipe) -> Recipe:
        """The recipe of the controls, with the training settings that this session was trained by."""
        assert self._session is not None
        trained = {name: getattr(self._session.recipe, name) for name in TRAINING_FIELDS}
        return replace(recipe, **trained)

    def _go_on(self) -> None:
        assert self._session is not None
        self._speed = (time.monotonic(), self._session.clock)
        state: dict[str, State] = {"train": "training", "retrain": "retraining", "run": "running"}
        self._say(state=state[self._what], doing=state[self._what], trouble=None)

    def _advance(self, ticks: Iterator[Snapshot | None]) -> None:
        session = self._session
        assert session is not None
        try:
            snapshot = next(ticks)
        except StopIteration:
            self._ticks = None
            self._settle()
            return
        if session.phase == "trained" and self._dense is None:
            self._dense = session.state()
        if snapshot is not None:
            began, at = self._speed
            done, left = session.clock - at, session.steps_left(self._what)
            pace = (time.monotonic() - began) / done if done else None
            self._say(
                doing=_doing(snapshot),
                progress=session.clock / (session.clock + left)
                if self._what == "run"
                else snapshot.step / snapshot.steps,
                left=None if pace is None else pace * left,
                snapshot=snapshot,
                preview=self._previewed(HASTY),
                history=tuple(session.history),
            )

    def _settle(self) -> None:
        """Nothing runs any more: show where things are, and of a dense network also what the slider would cut."""
        assert self._session is not None
        session = self._session
        if session.phase == "trained":
            self._dense = self._dense or session.state()
            if self._preview is None:  # what the slider asks about, before any hand has touched it
                self._preview = session.recipe.quality
        preview = self._previewed(None)
        self._say(
            state="ready", doing="", progress=None, left=None, snapshot=session.snapshot(), preview=preview,
            history=tuple(session.history), trouble=_about_to_lose(preview) or self._report.trouble,
        )  # fmt: skip

    def _prune(self, command: Command) -> None:
        if self._session is None:
            raise ValueError("there is no network yet: train one first")
        self._drop()
        if command.recipe is not None:
            self._session.change(self._merged(command.recipe))
        if self._dense is None and self._session.round == 0:
            self._dense = self._session.state()  # training was cut short: this is the dense network then
        self._preview = None
        snapshot = self._session.prune(command.quality)
        self._settle()
        spared = [layer.name.removesuffix(".weight") for layer in snapshot.layers if layer.spared]
        if spared:
            names = ", ".join(spared)
            self._say(
                trouble=f"{names} would have lost every connection: the strongest one was kept. Lower the quality."
            )

    def _reset(self, recipe: Recipe | None) -> None:
        self._drop()
        self._preview = None
        if self._session is None or self._dense is None:
            self._begin("train", recipe)
            return
        self._session.restore(self._dense)
        self._say(trouble=None, recipe=self._session.recipe)
        self._settle()

    def _look(self, command: Command) -> None:
        self._preview = command.quality
        session = self._session
        if session is None or command.quality is None:
            return
        if command.recipe is not None and self._merged(command.recipe) != session.recipe:
            session.change(self._merged(command.recipe))
            self._say(recipe=session.recipe)
        hasty = self._previewed(HASTY)
        warning = _about_to_lose(hasty)
        snapshot = self._report.snapshot or session.snapshot()
        self._say(preview=hasty, snapshot=snapshot, trouble=warning, urgent=True)
        if hasty is not None and not hasty.exact and self._ticks is None and self._commands.empty():
            self._say(preview=self._previewed(None))

    def _previewed(self, samples: int | None) -> Snapshot | None:
        if self._preview is None or self._session is None:
            return None
        return self._session.preview(self._preview, samples=samples)

    def _drop(self) -> None:
        self._ticks = None

    def _fail(self, error: Exception) -> None:
        """Say what went wrong. The session, if there is one, is at its last good state and can be used."""
        self._ticks = None
        text = str(error) or type(error).__name__
        if self._session is None:
            self._say(state="failed", doing="", progress=None, left=None, trouble=text)
            return
        self._say(
            state="ready", doing="", progress=None, left=None, trouble=text, snapshot=self._session.snapshot(),
            preview=None, history=tuple(self._session.history),
        )  # fmt: skip

    def _say(self, *, urgent: bool = False, **changes: Any) -> None:
        self._report = replace(self._report, urgent=urgent, **changes)
        self._tell(self._report)


def _doing(snapshot: Snapshot) -> str:
    if snapshot.round == 0:
        return "training"
    return f"round {snapshot.round} of {max(snapshot.rounds, snapshot.round)}: {snapshot.phase}"


def _about_to_lose(preview: Snapshot | None) -> str | None:
    spared = [layer.name.removesuffix(".weight") for layer in preview.layers if layer.spared] if preview else []
    if not spared:
        return None
    return f"At this quality {', '.join(spared)} would lose every connection; its strongest one will be kept."
