"""Where training stands, as one value, so that nothing else reckons with epochs and batches."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Step:
    """``number`` of the ``total`` steps of a phase are taken. start: the clock when the phase began, so that every
    phase shuffles differently; the clock counts steps since the very start. per_epoch: steps in one pass over the data.
    """

    start: int = 0
    number: int = 0
    total: int = 0
    per_epoch: int = 1

    @property
    def clock(self) -> int:
        """Steps since the very start."""
        return self.start + self.number

    @property
    def epoch(self) -> int:
        """Whole passes over the data that are done in this phase."""
        return self.number // self.per_epoch

    @property
    def batch(self) -> int:
        """Batches of the epoch that are done."""
        return self.number % self.per_epoch

    @property
    def last_of_epoch(self) -> bool:
        """Whether the next batch ends its epoch: it takes all samples that are left."""
        return self.batch == self.per_epoch - 1

    @property
    def left(self) -> int:
        """Steps that the phase still has to take."""
        return self.total - self.number

    def next(self) -> Step:
        """One step later."""
        return replace(self, number=self.number + 1)

    def phase(self, epochs: int) -> Step:
        """The beginning of a phase of so many epochs, now; of 0: where no phase goes on."""
        return Step(self.clock, 0, epochs * self.per_epoch, self.per_epoch)
