"""The position in training as one value, so that no other code computes with epochs and batches."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Step:
    """Position in a phase: ``number`` of its ``total`` steps are done.

    start: value of ``clock`` at the start of the phase, so that every phase shuffles differently. per_epoch: steps in
    one pass over the data. A phase may be a part of a longer cycle, of which learning rate and epochs are: cycle: steps
    of it; 0: the phase is the whole. skipped: steps of it that come before the phase.
    """

    start: int = 0
    number: int = 0
    total: int = 0
    per_epoch: int = 1
    cycle: int = 0
    skipped: int = 0

    @property
    def clock(self) -> int:
        """Steps since the start of the session, over all phases."""
        return self.start + self.number

    @property
    def place(self) -> tuple[int, int]:
        """(steps done, all steps) of the cycle that this phase is, or is a part of."""
        return self.skipped + self.number, self.cycle or self.total

    @property
    def origin(self) -> int:
        """What ``clock`` was, or would have been, at the start of the cycle."""
        return self.start - self.skipped

    @property
    def epoch(self) -> int:
        """Completed passes over the data in this cycle."""
        return self.place[0] // self.per_epoch

    @property
    def batch(self) -> int:
        """Completed batches of the current epoch."""
        return self.place[0] % self.per_epoch

    @property
    def last_of_epoch(self) -> bool:
        """Whether the next batch is the last of its epoch; it takes all remaining samples."""
        return self.batch == self.per_epoch - 1

    @property
    def left(self) -> int:
        """Remaining steps of the phase."""
        return self.total - self.number

    def next(self) -> Step:
        """One step later."""
        return replace(self, number=self.number + 1)

    def phase(self, epochs: int) -> Step:
        """The start of a new phase of ``epochs`` from here; 0 epochs: no phase is running."""
        return Step(self.clock, 0, epochs * self.per_epoch, self.per_epoch)

    def part(self, first: int, last: int, cycle: int) -> Step:
        """The start of a new phase from here: the steps ``first`` to ``last`` - 1 of a cycle of ``cycle`` steps."""
        return Step(self.clock, 0, last - first, self.per_epoch, cycle, first)


def steps_per_epoch(samples: int, batch: int) -> int:
    """Steps in one pass over ``samples`` training samples, ``batch`` (a recipe's batch_size) in each."""
    # A single left-over sample joins the batch before it: batch norm cannot be trained on one sample.
    return max(1, math.ceil(samples / batch) - (samples % batch == 1))
