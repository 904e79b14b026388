"""What the next prune of a session would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral

from torch import nn

from prunelab import torch_state
from prunelab.pruning.strategies import Plan
from prunelab.recipe import PerLayer, Recipe, Target
from prunelab.results.snapshot import Snapshot
from prunelab.sessions.session_core import SessionCore

TargetLike = PerLayer | Target | None  # what a caller may give; None: the recipe's target


class SessionPreviews(SessionCore):
    """Plans and previews of a session: they change nothing."""

    def plan(self, quality: TargetLike = None, *, density: PerLayer | None = None) -> Plan:
        """What the next ``prune`` with the same arguments would cut. Changes nothing."""
        return self._pruner.plan(self.recipe, self._upcoming, Target.given(quality, density))

    @property
    def _upcoming(self) -> int:
        """The round that the next prune belongs to: still the current one if nothing was retrained since the last."""
        return self.round if self.phase == "pruned" else self.round + 1

    def preview(
        self,
        quality: TargetLike = None,
        *,
        density: PerLayer | None = None,
        samples: int | None = None,
        seconds: float | None = None,
        recipe: Recipe | None = None,
    ) -> Snapshot:
        """The snapshot that ``prune`` would lead to, with the phase "preview". Changes nothing.

        Args:
            quality: as for ``prune``.
            density: as for ``prune``.
            samples: measure accuracy on at most this number of test samples: a fixed random subset. If these are not
                all, ``exact`` is False and ``predicted`` is empty. None: on all.
            seconds: measure on no more of them than can be tested in about this time. None: whatever it takes.
            recipe: preview as if ``change(recipe)`` had been called. None: the session's recipe.
        """
        *_, snapshot = self.previewing(quality, density=density, samples=samples, seconds=seconds, recipe=recipe)
        assert snapshot is not None
        return snapshot

    def previewing(
        self,
        quality: TargetLike = None,
        *,
        density: PerLayer | None = None,
        samples: int | None = None,
        seconds: float | None = None,
        recipe: Recipe | None = None,
    ) -> Iterator[Snapshot | None]:
        """``preview`` in parts: None after each part of the test but the last, then the snapshot. Stop to give up."""
        if samples is not None and (isinstance(samples, bool) or not isinstance(samples, Integral) or samples < 1):
            raise ValueError(f"samples = {samples!r}: must be a whole number, at least 1; None: the whole test set")
        if seconds is not None and not seconds > 0:
            raise ValueError(f"seconds = {seconds!r}: must be above 0; None: whatever it takes")
        manual = Target.given(quality, density)
        parts = self._pruner.preview(recipe or self.recipe, self._upcoming, manual, samples, seconds)
        while True:
            with torch_state.threads(self._threads):
                try:
                    next(parts)
                except StopIteration as end:
                    snapshot = self._snapshot("preview", end.value)
                    break
            yield None
        yield snapshot

    def cut_copy(
        self, quality: TargetLike = None, *, density: PerLayer | None = None, recipe: Recipe | None = None
    ) -> nn.Module:
        """A copy of the model as ``prune`` would leave it. Changes nothing.

        Args:
            quality: as for ``prune``.
            density: as for ``prune``.
            recipe: as for ``preview``.
        """
        with torch_state.threads(self._threads):
            return self._pruner.cut_copy(recipe or self.recipe, self._upcoming, Target.given(quality, density))
