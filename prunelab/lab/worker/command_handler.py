"""Carries out commands on the session of the page. On the runner's thread only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from prunelab.errors import LimitError, SessionError, StorageError
from prunelab.lab import wording
from prunelab.lab.messages import OPENING, Action, Activity, Command
from prunelab.lab.worker.run_state import RunState, Scan, moment_of
from prunelab.lab.worker.running_task import RunningTask
from prunelab.lab.worker.shown_session import UNMEASURED
from prunelab.lab.worker.tasks import (
    Task,
    TaskName,
    budget_task,
    measure_task,
    replay_task,
    scan_task,
    tradeoff_task,
    under_way,
)
from prunelab.lab.worker.visit import Visit
from prunelab.recipe import Recipe, Target
from prunelab.results.tradeoff import Point

T = TypeVar("T")

SAVED_AFTER = (
    "prune", "reset", "pause", "forget", "pin", "train", "retrain", "run", "compare", "follow", "visit", "halt", "load",
)  # fmt: skip
# Commands that a comparison does not mind: they leave the network as it is.
BESIDE = ("pause", "resume", "preview", "change", "live", "read", "export", "forget", "pin")

# Commands after which the network, or the cut that is asked for, is another one: what was said of the last is over.
CHANGING = ("preview", "prune", "train", "retrain", "run", "live", "reset")

TRAINING = ("train", "retrain", "run", "live", "follow", "tradeoff")  # commands that may train by the controls' recipe


class CommandHandler(RunningTask):
    """Carries out commands one by one, between the batches of what runs."""

    def close(self) -> None:
        """Save for the last time, and release the folder of the saved session."""
        with contextlib.suppress(SessionError):  # diverged at this very moment: what was saved before stays
            self._save(ended=False)
        self._source.close()

    def do(self, command: Command) -> None:
        """Carry out a command.

        Raises ValueError for one that is impossible now, and what the session raises; see ``fail``.
        """
        action = command.action
        # A button is disabled as soon as the page knows of a run, but a hand may be faster.
        if self._task is not None and (why := wording.reasons(self.state).get(action)):
            if not self._is_what_runs(command):
                self._refuse(action, why)
            return
        recipe = self._controls_recipe = command.recipe or self._controls_recipe
        plans = [plan.recipe for plan in command.about] if action == "compare" else []
        for asked in [recipe] if action in TRAINING else plans:
            try:
                self.limits.check(asked)
            except LimitError as error:
                if self.session is None:
                    raise
                # what is refused ends nothing that runs
                self._report(trouble=str(error), failures=self.state.failures + 1)
                return
        stops_comparing = self._mine is not None and action not in BESIDE
        if action not in BESIDE:
            self._bring_back()
        if stops_comparing:
            self._rest()
        still_paused = action == "preview" and self.state.activity == "paused"
        if action in CHANGING and not still_paused:
            self.state = replace(self.state, warning=None, notice=self._source.notice())
        match action:
            case "preview":
                self._show_preview(command.target)
            case "pause":
                if self._task is not None:
                    self._unwatched = False
                    self._hold()
            case "resume":
                if self._task is not None:
                    self._go_on()
                    self._report(notice=self._source.notice())
            case "change":
                if self._preview is not None:
                    self._show_preview(self._preview)
            case "reset" if stops_comparing:
                pass
            case "reset":
                self._reset(recipe)
            case "prune":
                self._prune(command.target)
            case "open":
                self._open_saved(recipe)
            case "visit":
                self._take_up(command.about, recipe)
            case "follow":
                self._follow(recipe)
            case "train" | "retrain" | "run":
                # A training that was asked for is shown; one that only opens the page need not be done twice.
                self._begin(action, recipe, cached=action == "run" or command.about == OPENING)
            case "live":
                self._run_anew(recipe)
            case "measure":
                self._analyse(measure_task(self._needed()))
            case "scan":
                self._analyse(scan_task(self._needed()))
            case "budget":
                if self.state.sensitivity is None:
                    raise ValueError("there is no scan of this network: scan its layers first")
                self._analyse(budget_task(self._needed(), self.state.sensitivity))
            case "compare":
                self._compare(command.about)
            case "tradeoff":
                self._analyse(tradeoff_task(recipe, self._source))
            case "halt":
                if self._task is not None and self._task.what == "tradeoff":
                    self._task = self._task.beneath
                    self._rest()
            case "load":
                self._load(command.about)
            case "forget":
                self._kept_runs.forget(command.about)
                self._report(runs=self._kept_runs.runs)
            case "pin":
                self._kept_runs.pin(command.about)
                self._report(runs=self._kept_runs.runs)
            case "read":
                self._classify(command.about)
            case "export":
                command.about(self.state, self._needed())
            case _:
                raise ValueError(f"{action!r}: no such command")
        if action in SAVED_AFTER:
            self._save(ended=True)

    def _is_what_runs(self, command: Command) -> bool:
        """Whether a button was pressed twice."""
        if command.action == "compare":
            return tuple(command.about) == self._comparing
        return self._task is not None and self._task.what == command.action and command.about is None

    def _refuse(self, action: Action, why: str) -> None:
        """Leave what runs as it is, and say so."""
        notice = f"{wording.label(action, self.state)} was not done: {why[0].lower()}{why[1:]}."
        self._report(notice=notice, failures=self.state.failures + 1)

    def _open_saved(self, recipe: Recipe) -> None:
        """Continue the saved session, if there is one, else train a new one."""
        self._starting("reading the saved session")
        session = self._source.saved()
        if session is None:
            self._begin("train", recipe)
            return
        self._use(session)
        self._adopt(session.recipe)
        self._dense = self._source.dense(session.recipe)
        if session.phase in ("new", "training"):
            self._begin("train", session.recipe, fresh=False)
        else:
            self._settle()

    def _take_up(self, visit: Visit, recipe: Recipe) -> None:
        """Go on from what is saved of a visit, if anything is; else go on here. All is saved there from now on.

        A part that cannot be read is told, and costs no other.
        """
        self._source.enter(visit)
        if visit.source is None:
            self._report(notice=self._source.notice())
            if self._dense is not None and self.session is not None:
                self._save_dense(self._dense)
            return
        self._task = None
        self._starting("taking up what was saved", recipe=recipe)
        lost: list[str] = []

        def part(read: Callable[[], T], otherwise: T) -> T:
            try:
                return read()
            except (StorageError, SessionError) as error:
                lost.append(f"Of what was saved one part could not be read: {error}")
                return otherwise

        saved, scan = part(visit.run, RunState()), part(visit.scan, None)
        self._kept_runs.restore(part(visit.kept_runs, ()))
        self._report(runs=self._kept_runs.runs, tradeoff=part(visit.tradeoff, None))
        session = part(self._source.saved, None)
        if session is None:
            self._begin("train", recipe, cached=True)
            lost += ["The network is a new one."] if lost else []
        else:
            dense = part(lambda: self._source.dense(session.recipe), None)
            self.session = None  # a network that only waited for its visitor is no run to compare with
            self._use(session)
            if dense is not None:
                self._dense = dense
                if visit.source != visit.folder:
                    self._save_dense(dense)
            self._resume(saved, scan)
        if lost:
            self._report(notice="\n".join((*lost, *filter(None, [self._source.notice()]))))

    def _resume(self, saved: RunState, scan: Scan | None) -> None:
        """Go on with what was under way in the session. scan: of its layers, if it is of this very network."""
        session = self._needed()
        target = self._controls_recipe.final_target
        moved = saved.controls is not None and saved.controls != target.to_dict()
        self._preview = target if moved else None if saved.preview is None else Target(**saved.preview)
        what = under_way(saved.task, session.phase)
        if what is None:
            self._settle()
        else:
            self._task = Task(what, session.ticks(what)) if saved.point is None else replay_task(session, saved.point)
            self._go_on()
            self._report(snapshot=session.snapshot(), preview=self._previewed(), history=tuple(session.history))
            if saved.paused or saved.comparing:
                self._rest()
        if scan is not None and scan.moment == moment_of(session.snapshot()):
            self._report(sensitivity=scan.result)
        if saved.comparing:
            self._compare(saved.comparing)
            if saved.paused:
                self._hold()
        elif saved.measured and self._measuring and not self.running:
            self._analyse(measure_task(session))

    def _follow(self, recipe: Recipe) -> None:
        """Follow a link: train a new network if the link needs one, else keep the current one."""
        self._adopt(recipe)  # controls that were set back by an earlier one, which was drawn late
        if self.session is None or not self.session.recipe.trains_like(recipe):
            self._begin("train", recipe, cached=True)
            return
        self._adopt(self._fit())
        if self._preview is not None:
            self._show_preview(self._controls_recipe.final_target)

    def _begin(self, what: TaskName, recipe: Recipe, *, fresh: bool = True, cached: bool = False) -> None:
        """Start a stream. Train makes a new session if ``fresh``, and so does Run all with new training settings.

        cached: a dense network that was trained before need not be trained again.
        """
        self._task = None
        session = self.session
        if session is None or (what == "train" and fresh) or (what == "run" and not session.recipe.trains_like(recipe)):
            self._starting("loading data", recipe=recipe)
            # layers are known only after this
            self._use(self._source.new(recipe.changed(layer_quality={}), cached=cached))
            what = "train" if what == "retrain" else what
        session = self._needed()
        self._apply_recipe()
        if session.phase == "trained" and self._dense is None:  # it was trained before
            self._keep_dense()
        if cached and session.phase == "trained" and what == "train":
            self._preview = None
            self._settle()
            return
        if what == "run" and session.finished and self._dense is not None:
            self._keep()
            session.restore(self._dense)  # all rounds are done: start again from the dense network
        self._preview = None
        self._task = Task(what, session.ticks(what))
        self._go_on()

    def _run_anew(self, recipe: Recipe) -> None:
        """Run all rounds from the dense network, whatever runs now; a comparison goes on, and says so."""
        if self._task is not None and self._task.what == "compare":
            self._report(notice=wording.WAITS_FOR_COMPARISON, failures=self.state.failures + 1)
            return
        session = self.session
        if session is not None and self._dense is not None and session.recipe.trains_like(recipe):
            if session.finished:
                self._keep()  # only whole runs: the others are many, and say nothing
            session.restore(self._dense)
        self._begin("run", recipe, cached=True)
        self._awaited = True

    def _load(self, point: Point) -> None:
        """Make the network of a point of the trade-off curve, on the page."""
        self._task = None
        self._starting("loading this run", recipe=point.recipe)
        self._use(self._source.new(point.recipe, cached=True))
        session = self._needed()
        self._adopt(session.recipe)
        if session.phase == "trained":  # it was trained before
            self._keep_dense()
        self._task = replay_task(session, point)
        self._go_on()

    def _prune(self, target: Target | None) -> None:
        session = self._needed()
        self._task = None
        self._apply_recipe()
        if session.round == 0:
            self._keep_dense()  # if training was left early, this state counts as the dense network
        self._preview = None
        self._report(trouble=None, **UNMEASURED)
        snapshot = session.prune(target)
        self._settle()
        spared = wording.was_spared(snapshot)
        if spared:
            self._report(warning=spared)

    def _reset(self, recipe: Recipe) -> None:
        self._task = None
        self._preview = None
        if self.session is None or self._dense is None:
            if self.session is not None and self.session.round:
                raise ValueError("the dense network of this session was not saved: Train makes a new one")
            self._begin("train", recipe)
            return
        self._keep()
        self.session.restore(self._dense)
        self._report(trouble=None, recipe=self.session.recipe, **UNMEASURED)
        self._settle()

    def fail(self, error: Exception, *, ran: bool) -> None:
        """Report an error. The session, if there is one, is at its last good state and can be used.

        ran: it came of what runs, which ends; a command that fails ends nothing that it has not ended before.
        """
        told: dict[str, Any] = {"trouble": str(error) or repr(error), "failures": self.state.failures + 1}
        if ran:
            self._task, self._comparing = None if self._task is None else self._task.beneath, ()
            self._bring_back()
        else:
            self._preview = None
            if self.running:
                self._report(preview=None, **told)
                return
        changes: dict[str, Any] = {"doing": "", "progress": None, "left": None, **told}
        if self.session is None:
            self._report(activity="failed", **changes)
            return
        try:
            changes |= {"snapshot": self.session.snapshot(), "history": tuple(self.session.history)}
        except Exception as second:  # a custom model may fail in every call: then the last snapshot stays on the page
            changes["trouble"] += f"\nThe network cannot be shown either: {second}"
        activity: Activity = "ready" if self._task is None else "paused"
        self._report(activity=activity, preview=None, recipe=self.session.recipe, **changes)
