"""What a run began with, in words: all its results are compared with that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The network of before the first cut of a session, in words.

    label: in pictures. level: after "above", "below" or "than". equal: after "as good as". network: in sentences.
    """

    label: str
    level: str
    equal: str
    network: str


DENSE = Origin("dense", "dense", "dense", "the dense network")
SPARSE = Origin("start", "the start", "at the start", "the network before the cuts")


def origin(*, sparse: bool) -> Origin:
    """sparse: weights of the network were zero, and taken as cut, before its session."""
    return SPARSE if sparse else DENSE
