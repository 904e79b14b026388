"""The position in training as one value, so that no other code computes with epochs and batches."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Step:
    """Position in a phase: ``number`` of its ``total`` steps are done.

    start: value of ``clock`` at the start of the phase, so that every phase shuffles differently. per_epoch: steps in
    one pass over the data.
    """

    start: int = 0
    number: int = 0
    total: int = 0
    per_epoch: int = 1

    @property
    def clock(self) -> int:
        """Steps since the start of the session, over all phases."""
        return self.start + self.number

    @property
    def epoch(self) -> int:
        """Completed passes over the data in this phase."""
        return self.number // self.per_epoch

    @property
    def batch(self) -> int:
        """Completed batches of the current epoch."""
        return self.number % self.per_epoch

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


def steps_per_epoch(samples: int, batch: int) -> int:
    """Steps in one pass over ``samples`` training samples, ``batch`` (a recipe's batch_size) in each."""
    # A single left-over sample joins the batch before it: batch norm cannot be trained on one sample.
    return max(1, math.ceil(samples / batch) - (samples % batch == 1))
