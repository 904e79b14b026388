"""What runs with the session of the page, batch by batch, and what is saved of it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from prunelab.errors import StorageError
from prunelab.lab import wording
from prunelab.lab.messages import LabState
from prunelab.lab.presets import PlannedRun, series
from prunelab.lab.worker.limits import Limits
from prunelab.lab.worker.run_state import RunState, Scan, moment_of
from prunelab.lab.worker.save_pace import SavePace
from prunelab.lab.worker.session_source import SessionSource
from prunelab.lab.worker.shown_session import UNMEASURED, Aside, ShownSession
from prunelab.lab.worker.tasks import PASSING, Task, measure_task
from prunelab.recipe import Recipe
from prunelab.results.budget import Budget
from prunelab.results.measurement import Measurement
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.snapshot import Snapshot
from prunelab.results.tradeoff import Tradeoff
from prunelab.sessions.session import Session


class RunningTask(ShownSession):
    """The session on the page and what runs, one batch per ``advance``.

    measuring: measure after every run and retraining. deserted: whether no page shows the lab any more. The others are
    those of ShownSession.
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
        super().__init__(recipe, source, tell, waiting=waiting)
        self._measuring = measuring
        self._deserted = deserted
        self._awaited = False  # whether a hand waits for the first picture of a run
        self._comparing: tuple[PlannedRun, ...] = ()  # the runs of the comparison that are not yet done
        self._pace = SavePace()
        self._unwatched = False  # whether the run is paused because no page showed it
        self.limits = Limits()
        self._since = 0.0  # time at which the task went on, in seconds of the monotonic clock

    def _save(self, *, ended: bool) -> None:
        """Save the run where it is saved as it goes. An error is told, and the run goes on in memory."""
        session, preview, task, run = self.session, self._preview, self._task, self._run
        measurement, scan = self.state.measurement, self.state.sensitivity
        if self._mine is not None:  # the compared runs that are done are kept runs
            session, measurement, scan = self._mine.session, self._mine.measurement, self._mine.sensitivity
            preview, run = self._mine.preview_by(self._controls_recipe.final_target), self._mine.task
        if session is None:
            return
        held = self._mine is None and run is not None and run is not task  # by a measurement; see RunState.paused
        state = RunState(
            task=None if run is None else run.what,
            point=None if run is None else run.point,
            paused=held or (self.state.activity == "paused" and not self._unwatched),
            measured=measurement is not None or (task is not None and task.what == "measure"),
            preview=None if preview is None else preview.to_dict(),
            controls=self._controls_recipe.final_target.to_dict(),
            runs=self._kept_runs.runs,
            tradeoff=self.state.tradeoff,
            scan=Scan(moment_of(session.snapshot()), scan) if scan is not None and scan.complete else None,
            comparing=self._comparing,
        )
        try:
            with self._pace.saving():
                self._source.keep(session, state, ended=ended)
        except StorageError as error:
            self._report(trouble=str(error))

    @property
    def _run(self) -> Task | None:
        """The run of the session on the page, which a measurement leaves paused; a comparison is none."""
        task = self._task
        if task is not None and task.what in PASSING:
            return task.beneath
        return None if task is None or task.what == "compare" else task

    def _go_on(self) -> None:
        assert self._task is not None
        self._unwatched = False
        self._since = time.monotonic()
        self._needed()
        self._task.go_on()
        self._report(activity=self._task.activity, doing=self._task.activity, trouble=None)

    def _hold(self, **changes: Any) -> None:
        """The run is paused: the page, and all exports, show it at exactly this batch."""
        session = self._needed()
        now, history = session.snapshot(), tuple(session.history)
        if not history or history[-1].clock != now.clock:
            history = (*history, now)
        preview = self._previewed()
        self._report(activity="paused", doing="paused", snapshot=now, preview=preview, history=history, **changes)

    def _rest(self) -> None:
        """What ran is over: the run that was paused before it is there again, else the network as it is."""
        if self._task is None:
            self._settle()
            return
        session = self._needed()
        far = self._task.progress(session.snapshot(), session, self.state.step_seconds)
        self._hold(progress=far["progress"], left=far["left"])

    def advance(self) -> None:
        """Compute one batch, or the next part of a test or measurement."""
        task = self._task
        assert task is not None
        if self._deserted():
            self._unwatched = True
            self._save(ended=False)
            self._hold(notice="Paused: nobody was looking. Press Resume to go on.")
            return
        most = self.limits.seconds
        if most is not None and time.monotonic() - self._since > most:
            self._save(ended=False)
            self._hold(notice=f"Paused after {most:.0f} s: many share this machine. Press Resume to go on.")
            return
        try:
            tick = next(task.ticks)
        except StopIteration:
            self._task = task.beneath
            self._unwatched = False
            self._bring_back()
            if self._measuring and task.what in ("retrain", "run"):
                self._settle("measuring")
                self._analyse(measure_task(self._needed()))
            else:
                self._rest()
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
            preview = self.state.preview if waits else self._previewed()
            self._report(
                **task.progress(tick, session, self.state.step_seconds), snapshot=tick, preview=preview, urgent=urgent,
                history=tuple(session.history), classification=self._classification(), **UNMEASURED,
            )  # fmt: skip

    def _analyse(self, task: Task) -> None:
        """Start a measurement or a scan of the network as it is, or a curve of other networks."""
        task.beneath = self._run
        self._task = task
        self._report(progress=0.0, left=None)
        self._go_on()

    def _compare(self, plans: Sequence[PlannedRun]) -> None:
        """Do the runs of a preset; then the network from before is on the page again."""

        def begin(plan: PlannedRun) -> Session:
            number = f"{len(plans) - len(self._comparing) + 1} of {len(plans)}"
            self._starting("loading data", recipe=plan.recipe, comparing=f"comparing: {plan.label}, {number}")
            self._use(self._source.aside(plan.recipe))
            self._go_on()
            return self._needed()

        def end(plan: PlannedRun, settled: Sequence[Snapshot]) -> None:
            self._keep(plan.label, settled)
            self._comparing = self._comparing[1:]

        self._keep()
        if self.session is not None:
            measured, scanned = self.state.measurement, self.state.sensitivity
            self._mine = Aside(
                self.session, self._dense, self._preview, self._controls_recipe.final_target,
                measured if measured and measured.progress == 1 else None,
                scanned if scanned and scanned.complete else None,
                self._run,
            )  # fmt: skip
        self._preview, self._comparing = None, tuple(plans)
        self._since = time.monotonic()  # each run has its time from its beginning on
        self._task = Task("compare", series(plans, begin, end))
        self._report(activity="comparing", trouble=None)

    def _bring_back(self) -> None:
        """Put the network that was kept aside back on the page, if there is one."""
        if self.state.comparing:
            self._report(comparing="")
        if self._mine is None:
            return
        mine, self._mine, self._comparing = self._mine, None, ()
        self._task = mine.task
        self._use(mine.session)
        self._dense, self._preview = mine.dense, mine.preview_by(self._controls_recipe.final_target)
        self._report(measurement=mine.measurement, sensitivity=mine.sensitivity)
