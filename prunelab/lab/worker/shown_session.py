"""The session of the page: what is reported of it, previewed, kept and saved. On the runner's thread only."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy import float32
from numpy.typing import NDArray
from torch import nn

from prunelab.errors import StorageError
from prunelab.lab import wording
from prunelab.lab.messages import Activity, Classification, LabState
from prunelab.lab.runs import KeptRuns
from prunelab.lab.worker.classify import dense_twin, reading
from prunelab.lab.worker.session_source import SessionSource, fitted
from prunelab.lab.worker.step_time import step_seconds
from prunelab.lab.worker.tasks import Task
from prunelab.recipe import Recipe, Target
from prunelab.results.measurement import Measurement
from prunelab.results.sensitivity import Sensitivity
from prunelab.results.snapshot import Snapshot
from prunelab.sessions.session import Session

# Fields of a recipe that say how long a training step takes.
OF_A_STEP = ("data", "model", "batch_size", "batch_norm", "optimizer", "distill")
APPROXIMATE = 1000  # test samples of a preview while the slider moves; when it rests, an exact preview follows
QUICK = 0.25  # seconds that they may take: fewer of them for networks of tens of millions of weights
REPREVIEWED = 0.4  # seconds between previews of a network that trains: its pictures are not drawn more often
UNMEASURED: dict[str, Any] = {"measurement": None, "sensitivity": None}  # state changes once the network has changed


@dataclass(frozen=True)
class Aside:
    """A session that is off the page for a while, and what was known of it: a measurement and a scan that had ended.

    controls: what the controls asked for when it went. task: its run, if one was paused.
    """

    session: Session
    dense: dict[str, Any] | None
    preview: Target | None
    controls: Target
    measurement: Measurement | None
    sensitivity: Sensitivity | None
    task: Task | None

    def preview_by(self, controls: Target) -> Target | None:
        """The preview of it when it comes back: by what the controls ask for by then, if a hand has moved them."""
        return self.preview if controls == self.controls else controls


class ShownSession:
    """The session on the page.

    recipe: of the controls at the start. source: opens sessions. tell: called with every new state. waiting: whether
    more commands are in the queue.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: SessionSource,
        tell: Callable[[LabState], None],
        *,
        waiting: Callable[[], bool],
    ) -> None:
        self.state = LabState("starting", recipe)
        self.session: Session | None = None
        self._source = source
        self._tell = tell
        self._waiting = waiting
        self._dense: dict[str, Any] | None = None  # the session's state at the end of dense training, for Reset
        self._task: Task | None = None  # what runs or is paused
        self._controls_recipe = recipe  # the next step will use it
        self._preview: Target | None = None  # target of the preview; None: show the network as it is
        self._preview_due = -math.inf  # when the preview of a network that trains is computed again
        self._twin: nn.Module | None = None  # copy of the dense network, to classify drawings
        self._picture: NDArray[float32] | None = None  # the drawing, (height, width), 0 to 1
        self._kept_runs = KeptRuns()
        self._mine: Aside | None = None  # the session that was on the page before the runs of a comparison

    @property
    def running(self) -> bool:
        """Whether there is a batch to compute."""
        return self._task is not None and self.state.activity != "paused"

    def _starting(self, doing: str, **changes: Any) -> None:
        clear: dict[str, Any] = dict.fromkeys(("progress", "left", "trouble", "warning", "notice"))
        self._report(activity="starting", doing=doing, **clear, **changes)

    def _use(self, session: Session) -> None:
        """Make this session the one on the page."""
        self._keep()
        if any(getattr(self.state.recipe, name) != getattr(session.recipe, name) for name in OF_A_STEP):
            self._report(step_seconds=None)
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

    def _classify(self, picture: NDArray[float32]) -> None:
        if picture.shape != self._needed().data.input_shape[1:]:  # drawn for other data, which were still on the page
            return
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
            self._source.keep_dense(dense, self._needed().recipe, compared=self._mine is not None)
        except StorageError as error:
            self._report(trouble=str(error))

    def _settle(self, state: Activity = "ready") -> None:
        """Training has ended: report the result, and for a dense network also a preview of the slider's cut."""
        session = self._needed()
        if session.phase == "trained":
            self._keep_dense()
            if self._preview is None:  # preview the slider's initial value, before the user moves it
                self._preview = self._controls_recipe.final_target
        preview, snapshot = self._previewed(exact=True), session.snapshot()
        self._report(
            activity=state, doing="", progress=None, left=None, snapshot=snapshot, preview=preview,
            history=tuple(session.history), warning=wording.about_to_lose(preview) or wording.went_too_deep(snapshot),
            classification=self._classification(),
        )  # fmt: skip
        if session.phase == "trained" and self.state.step_seconds is None:  # nothing was trained on this page
            self._report(step_seconds=step_seconds(session))

    def _show_preview(self, target: Target | None) -> None:
        """Preview a cut to ``target`` at once on some test samples, then exactly if there is time; None: no preview."""
        self._preview = target
        session = self.session
        if session is None:
            return
        preview = self._previewed()
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

    def _previewed(self, *, exact: bool = False) -> Snapshot | None:
        if self._preview is None or self.session is None:
            return None
        samples, seconds = (None, None) if exact else (APPROXIMATE, QUICK)
        self._preview_due = time.monotonic() + REPREVIEWED
        return self.session.preview(self._preview, samples=samples, seconds=seconds, recipe=self._fit())

    def _report(self, *, urgent: bool = False, **changes: Any) -> None:
        self.state = replace(self.state, urgent=urgent, **changes)
        self._tell(self.state)
