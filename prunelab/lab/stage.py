"""Stage: the session on the page, and what each command does to it. On the runner's thread only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from numpy import float32
from numpy.typing import NDArray
from torch import nn

from prunelab.asked import Hand, wished
from prunelab.lab.comparing import series
from prunelab.lab.opening import Source
from prunelab.lab.reading import dense_twin, reading
from prunelab.lab.report import Command, Report, State
from prunelab.lab.runs import Plan, Shelf
from prunelab.measurement import Measurement
from prunelab.recipe import TRAINING_FIELDS, Recipe
from prunelab.scan import Sensitivity
from prunelab.scan import stream as scanned
from prunelab.session import Session
from prunelab.snapshot import Snapshot
from prunelab.training import threads_for

HASTY = 1000  # test samples of a preview while the slider moves; the rest follows when it rests
EXAMPLES = 256  # samples that a measurement runs on
BATCH = 64  # the batch size that matters most there
STALE: dict[str, Any] = {"measurement": None, "sensitivity": None}  # once the network is another one

What = Literal["train", "retrain", "run", "measure", "scan", "compare"]
Ticks = Iterator[Snapshot | Measurement | Sensitivity | None]
STATES: dict[What, State] = {
    "train": "training", "retrain": "retraining", "run": "running", "measure": "measuring", "scan": "scanning",
    "compare": "comparing",
}  # fmt: skip


class Stage:
    """source: where sessions come from. tell: called with every report. measuring: measure whenever a run has ended.
    waiting: whether more commands have come. deserted: whether nobody looks any more.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: Source,
        tell: Callable[[Report], None],
        *,
        measuring: bool,
        waiting: Callable[[], bool],
        deserted: Callable[[], bool],
    ) -> None:
        self.report = Report("starting", recipe)
        self.session: Session | None = None
        self._source = source
        self._tell = tell
        self._measuring = measuring
        self._waiting = waiting
        self._deserted = deserted
        self._dense: dict[str, Any] | None = None  # the session when dense training ended: what Reset returns to
        self._ticks: Ticks | None = None
        self._what: What = "train"
        self._speed: tuple[float, int] = (0.0, 0)  # when the stretch that is being timed began, and at which step
        self._preview: Hand | None = None  # what the slider asks about; None: show what is
        self._twin: nn.Module | None = None  # the dense network, to read drawings with
        self._shelf = Shelf()

    @property
    def running(self) -> bool:
        """Whether there is a batch to compute."""
        return self._ticks is not None and self.report.state != "paused"

    def close(self) -> None:
        """Let go of the saved session."""
        self._source.close()

    def do(self, command: Command) -> None:
        """Carry out a command."""
        action, recipe = command.action, command.recipe or self.report.recipe
        match action:
            case "preview":
                self._look(command)
            case "pause":
                if self._ticks is not None:
                    self._say(state="paused", doing="paused")
            case "resume":
                if self._ticks is not None:
                    self._go_on()
            case "change":
                if self.session is not None:
                    self._change(recipe)
                    self._say()
            case "reset":
                self._reset(recipe)
            case "prune":
                self._prune(command)
            case "open":
                self._open_saved(recipe)
            case "follow":
                self._follow(recipe)
            case "train" | "retrain" | "run":
                self._begin(action, recipe)
            case "measure":
                self._measure()
            case "scan":
                self._scan()
            case "compare":
                self._compare(command.about)
            case "forget":
                self._shelf.forget(command.about)
                self._say(runs=self._shelf.runs)
            case "pin":
                self._shelf.pin(command.about)
                self._say(runs=self._shelf.runs)
            case "read":
                self._read(command.about)
            case "export":
                command.about(self.report, self._needed())
            case _:
                raise ValueError(f"{action!r}: no such command")

    # Sessions

    def _open_saved(self, recipe: Recipe) -> None:
        """Go on with the saved session, if there is one; else train a new one."""
        self._starting("reading the saved session")
        session = self._source.saved()
        if session is None:
            self._begin("train", recipe)
            return
        self._take(session)
        self._say(adopted=self.report.adopted + 1)
        if session.phase in ("new", "training"):
            self._begin("train", session.recipe, fresh=False)
        else:
            self._settle()

    def _follow(self, recipe: Recipe) -> None:
        """Do as a link says: another network where it asks for one, else go on with the one there is."""
        if self.session is None or self._differs(recipe):
            self._begin("train", recipe)
        else:
            self._change(recipe)
            self._say(adopted=self.report.adopted + 1)

    def _begin(self, what: What, wanted: Recipe, *, fresh: bool = True) -> None:
        """Start a stream. Train, and Run all under new training settings, make a new session."""
        self._drop()
        if self.session is None or (what == "train" and fresh) or (what == "run" and self._differs(wanted)):
            self._starting("loading data", recipe=wanted)
            self._take(self._source.new(wanted))
            what = "train" if what == "retrain" else what
        session = self.session
        assert session is not None
        self._change(wanted)
        if what == "run" and session.steps_left("run") == 0 and self._dense is not None:
            self._keep()
            session.restore(self._dense)  # all rounds are over: again from the dense network
        self._what, self._preview = what, None
        self._ticks = session.ticks(what)
        self._go_on()

    def _starting(self, doing: str, **more: Any) -> None:
        clear: dict[str, Any] = dict.fromkeys(("progress", "left", "trouble", "warning", "notice"))
        self._say(state="starting", doing=doing, **clear, **more)

    def _take(self, session: Session) -> None:
        """From now on this session is the one on the page."""
        self._keep()
        self.session, self._dense, self._preview, self._twin = session, None, None, None
        self._say(recipe=session.recipe, data=session.data, notice=self._source.notice(), **STALE)

    def _keep(self, label: str | None = None, moments: Sequence[Snapshot] | None = None) -> None:
        """Keep the run of the session, as far as it came, to be compared."""
        if self.session is not None and self._shelf.take(self.session, label, moments):
            self._say(runs=self._shelf.runs)

    def _differs(self, recipe: Recipe) -> bool:
        assert self.session is not None
        now, wanted = self.session.recipe.to_dict(), recipe.to_dict()
        own = {name for name in ("model", "data") if now[name] == "own"}
        return any(now[name] != wanted[name] for name in TRAINING_FIELDS if name not in own)

    def _change(self, recipe: Recipe) -> None:
        """Go on by the recipe of the controls, with the training settings that this session was trained by; to be told.

        Qualities of layers that this network does not have are left out, and the page says so: a link may be meant for
        another network.
        """
        session = self.session
        assert session is not None
        unknown = []
        for name, _ in recipe.layer_quality:
            try:
                session.masks.resolve(name)
            except ValueError:
                unknown.append(name)
        trained = {name: getattr(session.recipe, name) for name in TRAINING_FIELDS}
        known = tuple(pair for pair in recipe.layer_quality if pair[0] not in unknown)
        merged = replace(recipe, **trained, layer_quality=known)
        if merged != session.recipe:
            session.change(merged)
            self.report = replace(self.report, recipe=merged)
        if unknown:
            there = ", ".join(name.removesuffix(".weight") for name in session.masks)
            notice = f"quality of {', '.join(unknown)}: left out, this network's layers are {there}."
            self.report = replace(self.report, notice=notice)

    # Streams

    def _go_on(self) -> None:
        assert self.session is not None
        self._speed = (time.monotonic(), self.session.clock)
        self._say(state=STATES[self._what], doing=STATES[self._what], trouble=None)

    def advance(self) -> None:
        """Compute one batch, or whatever the next step of what runs is."""
        assert self._ticks is not None
        if self._deserted():
            self._say(state="paused", doing="paused", notice="Paused: nobody was looking. Press Resume to go on.")
            return
        try:
            tick = next(self._ticks)
        except StopIteration:
            self._ticks = None
            measure = self._measuring and self._what in ("retrain", "run")
            self._settle("measuring" if measure else "ready")
            if measure:
                self._measure()
            return
        session = self._needed()
        if session.phase == "trained" and self._dense is None:
            self._dense = session.state()
        if isinstance(tick, Measurement):
            self._say(measurement=tick, progress=tick.progress)
        elif isinstance(tick, Sensitivity):
            self._say(sensitivity=tick, progress=len(tick.points) / tick.planned)
        elif tick is not None:
            self._show(tick, session)

    def _show(self, snapshot: Snapshot, session: Session) -> None:
        began, at = self._speed
        what = "run" if self._what == "compare" else self._what
        done, left = session.clock - at, session.steps_left(what)
        pace = (time.monotonic() - began) / done if done else None
        whole = session.clock / (session.clock + left) if session.clock + left else 1.0
        self._say(
            doing=_doing(snapshot),
            progress=whole if what == "run" else snapshot.step / max(snapshot.steps, 1),
            left=None if pace is None else pace * left,
            snapshot=snapshot,
            preview=self._previewed(HASTY),
            history=tuple(session.history),
            **STALE,
        )

    def _measure(self) -> None:
        """Measure what is there, a step at a time, so that sliders and buttons are heard in between."""
        from prunelab.sparse.measure import stream  # SciPy and more, a second to import: not before it is needed

        session = self._needed()
        threads = threads_for(session.masks.total, BATCH)  # as many as serve such a network best
        self._begin_ticks("measure", stream(session.model, session.data.test_x[:EXAMPLES], threads=[threads]))

    def _scan(self) -> None:
        """Cut one layer at a time, and see which the network can least do without."""
        session = self._needed()
        self._begin_ticks("scan", scanned(session.model, session.data, threads=1))

    def _compare(self, plans: Sequence[Plan]) -> None:
        """Carry out the runs of a preset. The last of them stays on the page."""

        def begin(plan: Plan) -> Session:
            self._starting(f"comparing: {plan.label or 'next run'}", recipe=plan.recipe)
            self._take(self._source.new(plan.recipe))
            self._go_on()
            return self._needed()

        self._keep()
        self._what, self._preview = "compare", None
        self._ticks = series(plans, begin, lambda plan, moments: self._keep(plan.label, moments))
        self._say(state="comparing", doing="comparing", trouble=None)

    def _begin_ticks(self, what: What, ticks: Ticks) -> None:
        self._what, self._ticks = what, ticks
        self._say(progress=0.0, left=None)
        self._go_on()

    def _needed(self) -> Session:
        if self.session is None:
            raise ValueError("there is no network yet: train one first")
        return self.session

    def _read(self, picture: NDArray[float32]) -> None:
        session = self._needed()
        if self._twin is None and self._dense is not None:
            self._twin = dense_twin(session, self._dense)
        self._say(reading=reading(session, self._twin, picture), urgent=True)

    def _settle(self, state: State = "ready") -> None:
        """Nothing is trained any more: show where things are, and of a dense network also what the slider would cut."""
        assert self.session is not None
        session = self.session
        if session.phase == "trained":
            self._dense = self._dense or session.state()
            if self._preview is None:  # what the slider asks about, before any hand has touched it
                self._preview = wished(session.recipe)
        preview = self._previewed(None)
        self._say(
            state=state, doing="", progress=None, left=None, snapshot=session.snapshot(), preview=preview,
            history=tuple(session.history), warning=_about_to_lose(preview),
        )  # fmt: skip

    def _prune(self, command: Command) -> None:
        session = self._needed()
        self._drop()
        if command.recipe is not None:
            self._change(command.recipe)
        if self._dense is None and session.round == 0:
            self._dense = session.state()  # training was cut short: this is the dense network then
        self._preview = None
        self._say(trouble=None, **STALE)
        snapshot = session.prune(command.hand.quality, density=command.hand.density)
        self._settle()
        spared = _spared(snapshot)
        if spared:
            self._say(
                warning=f"{spared} would have lost every connection: the strongest one was kept. Lower the quality."
            )

    def _reset(self, recipe: Recipe | None) -> None:
        self._drop()
        self._preview = None
        if self.session is None or self._dense is None:
            self._begin("train", recipe or self.report.recipe)
            return
        self._keep()
        self.session.restore(self._dense)
        self._say(trouble=None, recipe=self.session.recipe, **STALE)
        self._settle()

    def _look(self, command: Command) -> None:
        self._preview = command.hand
        session = self.session
        if session is None:
            return
        if command.recipe is not None:
            self._change(command.recipe)
        hasty = self._previewed(HASTY)
        snapshot = self.report.snapshot or session.snapshot()
        self._say(preview=hasty, snapshot=snapshot, warning=_about_to_lose(hasty), urgent=True)
        if hasty is not None and not hasty.exact and not self.running and not self._waiting():
            self._say(preview=self._previewed(None))

    def _previewed(self, samples: int | None) -> Snapshot | None:
        if self._preview is None or self.session is None:
            return None
        return self.session.preview(self._preview.quality, density=self._preview.density, samples=samples)

    def _drop(self) -> None:
        self._ticks = None

    def fail(self, error: Exception) -> None:
        """Say what went wrong. The session, if there is one, is at its last good state and can be used."""
        self._ticks = None
        found: dict[str, Any] = {"doing": "", "progress": None, "left": None, "trouble": str(error) or repr(error)}
        if self.session is None:
            self._say(state="failed", **found)
            return
        try:
            found |= {"snapshot": self.session.snapshot(), "history": tuple(self.session.history)}
        except Exception as second:  # a model that fails wherever it is looked at: the last picture has to do
            found["trouble"] += f"\nThe network cannot be shown either: {second}"
        self._say(state="ready", preview=None, recipe=self.session.recipe, **found)

    def _say(self, *, urgent: bool = False, **changes: Any) -> None:
        self.report = replace(self.report, urgent=urgent, **changes)
        self._tell(self.report)


def _doing(snapshot: Snapshot) -> str:
    if snapshot.round == 0:
        return "training"
    return f"round {snapshot.round} of {max(snapshot.rounds, snapshot.round)}: {snapshot.phase}"


def _about_to_lose(preview: Snapshot | None) -> str | None:
    spared = "" if preview is None else _spared(preview)
    return f"At this quality {spared} would lose every connection; its strongest one will be kept." if spared else None


def _spared(snapshot: Snapshot) -> str:
    return ", ".join(layer.name.removesuffix(".weight") for layer in snapshot.layers if layer.spared)
