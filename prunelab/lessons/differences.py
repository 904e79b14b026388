"""Differences between two branches of the same dense networks, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Paired:
    """What the second of two ways gives beyond the first, for each seed, in points of accuracy.

    digit: what one test sample is worth, in points (0.28 for 359 digits); a mean difference of less is not ``clear``.
    """

    differences: tuple[float, ...]
    digit: float

    @property
    def mean(self) -> float:
        """Mean difference in points; above 0 if the second way is better."""
        return math.fsum(self.differences) / len(self.differences)

    @property
    def wins(self) -> int:
        """Seeds with which the second way is better."""
        return sum(difference > 1e-9 for difference in self.differences)

    @property
    def losses(self) -> int:
        """Seeds with which it is worse; what is neither is a tie."""
        return sum(difference < -1e-9 for difference in self.differences)

    @property
    def clear(self) -> bool:
        """Whether all seeds agree on the better way, and it is better by more than one digit on average.

        Five of five by chance alone happens once in sixteen times: a hint that is worth believing, no proof.
        """
        return len(self.differences) in (self.wins, self.losses) and abs(self.mean) > self.digit

    def verdict(self, better: str, equal: str, worse: str) -> str:
        """One of three sentences: the second way is clearly better, no difference is clear, or it is clearly worse."""
        if not self.clear:
            return equal
        return better if self.mean > 0 else worse

    def __str__(self) -> str:
        seeds = len(self.differences)
        least, most = min(self.differences), max(self.differences)
        worse = f", worse with {self.losses}" if self.losses else ""
        return (
            f"{self.mean:+.1f} points on average ({least:+.1f} to {most:+.1f}), "
            f"better with {self.wins} of {seeds} seeds{worse}"
        )


def paired(first: Sequence[float], second: Sequence[float], samples: int = 359) -> Paired:
    """Compare two ways by their accuracies (percent), seed by seed in the same order.

    samples: test samples behind each accuracy; 359 are the digits'. Raises ValueError if the two have different
    lengths, or none.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"{len(first)} and {len(second)} accuracies: pairs need one of each, with the same seed")
    return Paired(tuple(b - a for a, b in zip(first, second, strict=True)), 100 / samples)
