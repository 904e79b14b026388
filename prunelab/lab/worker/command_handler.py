"""Holds the session of the page and carries out commands on it. On the runner's thread only."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from numpy import float32
from numpy.typing import NDArray
from torch import nn

from prunelab.errors import SessionError, StorageError
from prunelab.lab import wording
from prunelab.lab.messages import OPENING, Activity, Classification, Command, LabState
from prunelab.lab.presets import PlannedRun, series
from prunelab.lab.runs import KeptRuns
from prunelab.lab.worker.classify import dense_twin, reading
from prunelab.lab.worker.save_pace import SavePace
from prunelab.lab.worker.session_source import SessionSource, fitted
from prunelab.lab.worker.tasks import (
    PASSING,
    Task,
    TaskName,
    budget_task,
    measure_task,
    replay_task,
    scan_task,
    tradeoff_task,
    under_way,
)
from prunelab.lab.worker.visit import RunState, Visit
from prunelab.recipe import Recipe, Target
from prunelab.results.budget import Budget
from prunelab.results.measurement import Measurement
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.snapshot import Snapshot
from prunelab.results.tradeoff import Point, Tradeoff
from prunelab.sessions.session import Session

APPROXIMATE = 1000  # test samples of a preview while the slider moves; when it rests, an exact preview follows
QUICK = 0.25  # seconds that they may take: fewer of them for networks of tens of millions of weights
REPREVIEWED = 0.4  # seconds between previews of a network that trains: its pictures are not drawn more often
SAVED_AFTER = (
    "prune", "reset", "pause", "forget", "pin", "train", "retrain", "run", "compare", "follow", "visit", "halt", "load",
)  # fmt: skip
# Commands that a comparison does not mind: they leave the network as it is.
BESIDE = ("pause", "resume", "preview", "change", "live", "read", "export", "forget", "pin")
UNMEASURED: dict[str, Any] = {"measurement": None, "sensitivity": None}  # state changes once the network has changed


class CommandHandler:
    """Carries out commands one by one, and computes what runs, one batch per ``advance``.

    recipe: of the controls at the start. source: opens sessions. tell: called with every new state. measuring: measure
    after every run and retraining. waiting: whether more commands are in the queue. deserted: whether no page shows the
    lab any more.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: SessionSource,
        tell: Callable[[LabState], None],
        *,
        measuring: bool,
        waiting: Callable[[], bool],
        deserted: Callable[[], bool],
    ) -> None:
        self.state = LabState("starting", recipe)
        self.session: Session | None = None
        self._source = source
        self._tell = tell
        self._measuring = measuring
        self._waiting = waiting
        self._deserted = deserted
        self._dense: dict[str, Any] | None = None  # the session's state at the end of dense training, for Reset
        self._task: Task | None = None  # what runs or is paused
        self._controls_recipe = recipe  # the next step will use it
        self._preview: Target | None = None  # target of the preview; None: show the network as it is
        self._preview_due = -math.inf  # when the preview of a network that trains is computed again
        self._twin: nn.Module | None = None  # copy of the dense network, to classify drawings
        self._picture: NDArray[float32] | None = None  # the drawing, (height, width), 0 to 1
        self._kept_runs = KeptRuns()
        self._awaited = False  # whether a hand waits for the first picture of a run
        self._mine: tuple[Session, dict[str, Any] | None, Target | None] | None = None  # kept aside while runs compare
        self._pace = SavePace()
        self._unwatched = False  # whether the run is paused because no page showed it

    @property
    def running(self) -> bool:
        """Whether there is a batch to compute."""
        return self._task is not None and self.state.activity != "paused"

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
        recipe = self._controls_recipe = command.recipe or self._controls_recipe
        if action not in BESIDE:
            self._bring_back()  # a comparison that was paused is given up
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
                    self._task = None
                    self._settle()
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

    # Sessions

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
        """Go on from what is saved of a visit, if anything is; else go on here. All is saved there from now on."""
        self._source.enter(visit)
        if visit.source is None:
            self._report(notice=self._source.notice())
            if self._dense is not None and self.session is not None:
                self._save_dense(self._dense)
            return
        self._task = None
        self._starting("taking up what was saved", recipe=recipe)
        try:
            saved, session = visit.run(), self._source.saved()
            dense = None if session is None else self._source.dense(session.recipe)
        except (StorageError, SessionError) as error:
            self._begin("train", recipe, cached=True)
            self._report(notice=f"The saved run could not be taken up: {error} This is a new one.")
            return
        self._kept_runs.restore(saved.runs)
        self._report(runs=self._kept_runs.runs, tradeoff=saved.tradeoff)
        if session is None:
            self._begin("train", recipe, cached=True)
            return
        self.session = None  # a network that only waited for its visitor is no run to compare with
        self._use(session)
        if dense is not None:
            self._dense = dense
            if visit.source != visit.folder:
                self._save_dense(dense)
        self._resume(saved)

    def _resume(self, saved: RunState) -> None:
        """Go on with what was under way in the session."""
        session = self._needed()
        target = self._controls_recipe.final_target
        moved = saved.controls is not None and saved.controls != target.to_dict()
        self._preview = target if moved else None if saved.preview is None else Target(**saved.preview)
        what = under_way(saved.task, session.phase)
        if what is None:
            self._settle()
            if saved.measured and self._measuring:
                self._analyse(measure_task(session))
            return
        self._task = Task(what, session.ticks(what))
        self._go_on()
        self._report(snapshot=session.snapshot(), preview=self._previewed(APPROXIMATE), history=tuple(session.history))
        if saved.paused:
            self._hold()

    def _save(self, *, ended: bool) -> None:
        """Save the run where it is saved as it goes. An error is told, and the run goes on in memory."""
        if self.session is None:
            return
        task = self._task
        state = RunState(
            task=None if task is None or task.what in PASSING else task.what,
            paused=self.state.activity == "paused" and not self._unwatched,
            measured=self.state.measurement is not None or (task is not None and task.what == "measure"),
            preview=None if self._preview is None else self._preview.to_dict(),
            controls=self._controls_recipe.final_target.to_dict(),
            runs=self._kept_runs.runs,
            tradeoff=self.state.tradeoff,
        )
        try:
            with self._pace.saving():
                self._source.keep(self.session, state, ended=ended)
        except StorageError as error:
            self._report(trouble=str(error))

    def _follow(self, recipe: Recipe) -> None:
        """Follow a link: train a new network if the link needs one, else keep the current one."""
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
        """Run all rounds from the dense network, whatever runs now; a comparison goes on."""
        if self._task is not None and self._task.what == "compare":
            return
        session = self.session
        if session is not None and self._dense is not None and session.recipe.trains_like(recipe):
            if session.finished:
                self._keep()  # only whole runs: the others are many, and say nothing
            session.restore(self._dense)
        self._begin("run", recipe, cached=True)
        self._awaited = True

    def _starting(self, doing: str, **changes: Any) -> None:
        clear: dict[str, Any] = dict.fromkeys(("progress", "left", "trouble", "warning", "notice"))
        self._report(activity="starting", doing=doing, **clear, **changes)

    def _use(self, session: Session) -> None:
        """Make this session the one on the page."""
        self._keep()
        self.session, self._dense, self._preview, self._twin = session, None, None, None
        if self._picture is not None and self._picture.shape != session.data.input_shape[1:]:
            self._picture = None
        self._report(
            recipe=session.recipe, subject=session.subject, data=session.data, notice=self._source.notice(),
            **UNMEASURED,
        )  # fmt: skip

    def _keep(self, label: str | None = None, snapshots: Sequence[Snapshot] | None = None) -> None:
        """Keep the run of the session, as far as it got, for comparison."""
        if self.session is not None and self._kept_runs.take(self.session, label, snapshots):
            self._report(runs=self._kept_runs.runs)

    def _fit(self) -> Recipe:
        """The controls' recipe, fitted to the session. Qualities of unknown layers are dropped, with a notice."""
        session = self._needed()
        fit, unknown = fitted(session, self._controls_recipe)
        if unknown:
            self._adopt(self._controls_recipe.changed(layer_quality=dict(fit.layer_quality)))
            self._report(notice=wording.left_out(unknown, session.masks))
        return fit

    def _adopt(self, recipe: Recipe) -> None:
        """Set the controls to a recipe that did not come from them."""
        self._controls_recipe = recipe
        self._report(adopted=recipe)

    def _apply_recipe(self) -> None:
        """Change the session to the controls' recipe. Called when a step begins: a running step keeps its recipe."""
        fit = self._fit()
        if fit != self._needed().recipe:
            self._needed().change(fit)
            self.state = replace(self.state, recipe=fit, subject=self._needed().subject)

    def _needed(self) -> Session:
        if self.session is None:
            raise ValueError("there is no network yet: train one first")
        return self.session

    # Tasks

    def _go_on(self) -> None:
        assert self._task is not None
        self._unwatched = False
        self._task.go_on(self._needed())
        self._report(activity=self._task.activity, doing=self._task.activity, trouble=None)

    def _hold(self, **changes: Any) -> None:
        """The run is paused: the page, and all exports, show it at exactly this batch."""
        session = self._needed()
        now, history = session.snapshot(), tuple(session.history)
        if not history or history[-1].clock != now.clock:
            history = (*history, now)
        preview = self._previewed(APPROXIMATE)
        self._report(activity="paused", doing="paused", snapshot=now, preview=preview, history=history, **changes)

    def advance(self) -> None:
        """Compute one batch, or the next part of a test or measurement."""
        task = self._task
        assert task is not None
        if self._deserted():
            self._unwatched = True
            self._save(ended=False)
            self._hold(notice="Paused: nobody was looking. Press Resume to go on.")
            return
        try:
            tick = next(task.ticks)
        except StopIteration:
            self._task = None
            self._unwatched = False
            self._bring_back()
            measure = self._measuring and task.what in ("retrain", "run")
            self._settle("measuring" if measure else "ready")
            if measure:
                self._analyse(measure_task(self._needed()))
            self._save(ended=True)
            return
        session = self._needed()
        if session.phase == "trained":
            self._keep_dense()
        if self._pace.due(tick):
            self._save(ended=isinstance(tick, Snapshot) and tick.settled)
        if isinstance(tick, Measurement):
            self._report(measurement=tick, progress=tick.progress)
        elif isinstance(tick, Sensitivity):
            self._report(sensitivity=tick, progress=len(tick.points) / tick.planned)
        elif isinstance(tick, Budget):
            self._adopt(tick.recipe(self._controls_recipe))
            self._preview = self._controls_recipe.final_target
            self._report(notice=wording.budget_kept(tick))
        elif isinstance(tick, Tradeoff):
            self._report(tradeoff=tick, doing="drawing the curve", **task.progress_of_share(tick.done))
        elif tick is not None:
            urgent, self._awaited = self._awaited, False
            waits = self._preview is not None and time.monotonic() < self._preview_due
            preview = self.state.preview if waits else self._previewed(APPROXIMATE)
            self._report(
                **task.progress(tick, session), snapshot=tick, preview=preview, urgent=urgent,
                history=tuple(session.history), classification=self._classification(), **UNMEASURED,
            )  # fmt: skip

    def _analyse(self, task: Task) -> None:
        """Start a measurement or a scan of the network as it is, or a curve of other networks."""
        self._task = task
        self._report(progress=0.0, left=None)
        self._go_on()

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

    def _compare(self, plans: Sequence[PlannedRun]) -> None:
        """Do the runs of a preset; then the network from before is on the page again."""

        def begin(plan: PlannedRun) -> Session:
            self._starting(f"comparing: {plan.label or 'next run'}", recipe=plan.recipe)
            self._use(self._source.new(plan.recipe))
            self._go_on()
            return self._needed()

        self._keep()
        if self.session is not None:
            self._mine = self.session, self._dense, self._preview
        self._preview = None
        self._task = Task("compare", series(plans, begin, lambda plan, settled: self._keep(plan.label, settled)))
        self._report(activity="comparing", doing="comparing", trouble=None)

    def _bring_back(self) -> None:
        """Put the network that was kept aside back on the page, if there is one."""
        if self._mine is None:
            return
        self._task = None
        session, dense, preview = self._mine
        self._mine = None
        self._source.take_back(session)
        self._use(session)
        self._dense, self._preview = dense, preview

    def _classify(self, picture: NDArray[float32]) -> None:
        self._needed()
        self._picture = picture
        self._report(classification=self._classification(), urgent=True)

    def _classification(self) -> Classification:
        """How the dense and the current network classify the drawing; empty if there is none, or no classes."""
        session = self._needed()
        if self._picture is None or not session.objective.classifies:
            return Classification()
        if self._twin is None and self._dense is not None:
            self._twin = dense_twin(session, self._dense)
        cut = None if self._preview is None else session.cut_copy(self._preview, recipe=self._fit())
        return reading(session, self._twin, cut, self._picture)

    def _keep_dense(self) -> None:
        """Keep the current state as the one that Reset goes back to, unless there is one already."""
        if self._dense is None:
            self._dense = self._needed().state()
            self._save_dense(self._dense)

    def _save_dense(self, dense: dict[str, Any]) -> None:
        """Save the dense network. An error is told, and the run goes on in memory."""
        try:
            self._source.keep_dense(dense, self._needed().recipe)
        except StorageError as error:
            self._report(trouble=str(error))

    def _settle(self, state: Activity = "ready") -> None:
        """Training has ended: report the result, and for a dense network also a preview of the slider's cut."""
        session = self._needed()
        if session.phase == "trained":
            self._keep_dense()
            if self._preview is None:  # preview the slider's initial value, before the user moves it
                self._preview = self._controls_recipe.final_target
        preview, snapshot = self._previewed(None), session.snapshot()
        self._report(
            activity=state, doing="", progress=None, left=None, snapshot=snapshot, preview=preview,
            history=tuple(session.history), warning=wording.about_to_lose(preview) or wording.went_too_deep(snapshot),
            classification=self._classification(),
        )  # fmt: skip

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

    def _show_preview(self, target: Target | None) -> None:
        """Preview a cut to ``target`` at once on some test samples, then exactly if there is time; None: no preview."""
        self._preview = target
        session = self.session
        if session is None:
            return
        preview = self._previewed(APPROXIMATE)
        snapshot = self.state.snapshot or session.snapshot()
        self._report(
            preview=preview, snapshot=snapshot, warning=wording.about_to_lose(preview),
            classification=self._classification(), urgent=True,
        )  # fmt: skip
        if preview is not None and not preview.exact and not self.running and not self._waiting():
            # The test of a large network may take long, and a hand that drags on waits.
            for exact in session.previewing(target, recipe=self._fit()):
                if exact is not None:
                    self._report(preview=exact)
                elif self._waiting():
                    break

    def _previewed(self, samples: int | None) -> Snapshot | None:
        if self._preview is None or self.session is None:
            return None
        seconds = None if samples is None else QUICK
        self._preview_due = time.monotonic() + REPREVIEWED
        return self.session.preview(self._preview, samples=samples, seconds=seconds, recipe=self._fit())

    def fail(self, error: Exception) -> None:
        """Report an error. The session, if there is one, is at its last good state and can be used."""
        self._task = None
        changes: dict[str, Any] = {"doing": "", "progress": None, "left": None, "trouble": str(error) or repr(error)}
        if self.session is None:
            self._report(activity="failed", **changes)
            return
        try:
            changes |= {"snapshot": self.session.snapshot(), "history": tuple(self.session.history)}
        except Exception as second:  # a custom model may fail in every call: then the last snapshot stays on the page
            changes["trouble"] += f"\nThe network cannot be shown either: {second}"
        self._report(activity="ready", preview=None, recipe=self.session.recipe, **changes)

    def _report(self, *, urgent: bool = False, **changes: Any) -> None:
        self.state = replace(self.state, urgent=urgent, **changes)
        self._tell(self.state)
